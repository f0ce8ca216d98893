"""What is asked inside JSON is what Python reads there: of variables, of parameters, and of what answers say."""

from __future__ import annotations

import json
import operator
import re
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog import col
from tests.property.bench import empty_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog import PromptLog
    from promptlog.expressions.nodes import Condition

Values = list[Any]
Inside = dict[str, Any] | None
Answer = tuple[Any, Inside, bool]  # the output, what stands inside, whether it is a JSON object

_KEYS = (
    "a",
    "é",
    "a.é",
    "b",
    '"',
    "\\",
    "/",
    "\n",
    "",
    "[0]",
    "0",
    "tool_calls",
    "$",
    "*",
    "a b",
    "'",
    "text",
)
_TEXTS = (
    "x",
    "X",
    "xé",
    "1",
    "1.5",
    "true",
    "null",
    "",
    "a\nb",
    '"',
    "\\",
    "x/y",
    "\u2028",
    "\U0001f600",
    "\x7f",
    "{",
)
_NUMBERS = (0, 1, -3, 2**53, 0.5, 1.5, 2.0)
_leaves = st.sampled_from((*_TEXTS, *_NUMBERS, True, False, None))
_keys = st.sampled_from(_KEYS[:3]) | st.sampled_from(_KEYS)
_values = st.recursive(
    _leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=3),
    max_leaves=6,
)
_objects = st.dictionaries(_keys, _values, min_size=1, max_size=4)
_paths = st.lists(_keys.filter(bool), min_size=1, max_size=3).map(".".join)


@st.composite
def _written(draw: st.DrawFn, value: Any) -> str:
    """JSON as a model may write it."""
    text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from((None, 1))))
    text = text.replace("/", "\\/") if draw(st.booleans()) else text
    return draw(st.sampled_from(("", " ", "\n\t", "\r"))) + text + draw(st.sampled_from(("", "\n")))


@st.composite
def _answers(draw: st.DrawFn) -> Answer:
    """What a model answers, and what stands inside: nothing where it is neither an object nor a call of tools."""
    found = draw(_objects)
    text = draw(_written(found))
    way = draw(
        st.sampled_from(("object", "object", "blocks", "list", "cut", "tools", "broken tools", "none"))
    )
    if way == "list":
        return f"[{text}]", None, False
    if way == "cut":
        return text.rstrip()[:-1], None, False
    if way == "none":
        return None, None, False
    if way == "blocks":
        blocks = [{"type": "text", "text": part} for part in ("", text)]
        return {"role": "assistant", "content": blocks}, found, True
    if way == "object":
        return text, found, True
    given = text if way == "tools" else "{" + text
    call = {"id": "1", "type": "function", "function": {"name": "x", "arguments": given}}
    read = {**call, "function": {"name": "x", "arguments": found if way == "tools" else given}}
    content = draw(st.sampled_from((None, "{}")))
    message = {"role": "assistant", "content": content, "tool_calls": [call, {"id": "2"}]}
    return message, {"tool_calls": [read, {"id": "2"}]}, False


def _at(inside: Inside, path: str) -> Values:
    """Return what stands at a path: keys joined by dots, or one key that has dots; lists are looked through."""
    ways = [[path]] + ([path.split(".")] if "." in path and all(path.split(".")) else [])
    found: Values = []
    for way in ways:
        nodes: Values = [inside]
        for key in way:
            nodes = [node[key] for node in nodes if isinstance(node, dict) and key in node]
            for _ in range(3):
                nodes = [one for node in nodes for one in (node if isinstance(node, list) else [node])]
        found += nodes
    return [node for node in found if node is not None]


def _text(node: Any) -> str | None:
    if isinstance(node, dict | list):
        return None
    return node if isinstance(node, str) else json.dumps(node)


def _float(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text) else None


Claim = tuple[
    "Callable[[Any], Condition]", "Callable[[Values], bool]"
]  # of an expression, and of what stands there
_OPERATORS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)


@st.composite
def _claims(draw: st.DrawFn) -> Claim:
    way = draw(st.sampled_from(("text", "number", "exists", "part", "is_in", "int", "truth")))
    compare, other = draw(st.sampled_from(_OPERATORS)), draw(st.sampled_from(_TEXTS))
    number, truth = draw(st.sampled_from(_NUMBERS)), draw(st.booleans())

    def texts(nodes: Values) -> list[str]:
        return [text for node in nodes if (text := _text(node)) is not None]

    def numbers(nodes: Values) -> list[float]:
        return [number for text in texts(nodes) if (number := _float(text)) is not None]

    if way == "text":
        return lambda of: compare(of, other), lambda at: any(compare(one, other) for one in texts(at))
    if way == "number":
        return lambda of: compare(of, number), lambda at: any(compare(one, number) for one in numbers(at))
    if way == "exists":
        return lambda of: of.exists(), bool
    if way == "is_in":
        return lambda of: of.is_in([other, number]), lambda at: other in texts(at) or number in numbers(at)
    if way == "int":
        whole = int(number)
        return lambda of: of.as_int() == whole, lambda at: str(whole) in texts(at)
    if way == "truth":
        return lambda of: of == truth, lambda at: str(truth).lower() in texts(at)
    part = draw(st.sampled_from(("contains", "folded", "starts", "ends")))
    if part == "folded":
        return (
            lambda of: of.contains(other, case=False),
            lambda at: any(other.lower() in one.lower() for one in texts(at)),
        )
    if part == "contains":
        return lambda of: of.contains(other), lambda at: any(other in one for one in texts(at))
    if part == "starts":
        return lambda of: of.starts_with(other), lambda at: any(one.startswith(other) for one in texts(at))
    return lambda of: of.ends_with(other), lambda at: any(one.endswith(other) for one in texts(at))


@settings(max_examples=25)
@given(
    rows=st.lists(st.tuples(_objects, _objects, _answers()), min_size=1, max_size=8),
    asked=st.lists(st.tuples(_paths, _claims(), st.booleans()), min_size=4, max_size=8),
)
def test_what_stands_inside_is_what_python_reads(
    client: PromptLog,
    rows: list[tuple[dict[str, Any], dict[str, Any], Answer]],
    asked: list[tuple[str, Claim, bool]],
) -> None:
    """A condition on a path holds where Python finds a value there of which it is true; its negative everywhere else."""
    empty_store(client)
    inside: dict[str, dict[str, Inside]] = {}
    objects = set()
    for variables, parameters, (output, said, is_json) in rows:
        logged = client.log_request(
            provider="p", model="m", input="x", output=output, request_start_time=1, request_end_time=2,
            prompt_input_variables=variables, parameters=parameters,
        )  # fmt: skip
        inside[str(logged["id"])] = {"input_variables": variables, "parameters": parameters, "output": said}
        objects |= {str(logged["id"])} if is_json else set()
    for number, (path, (condition, holds), negated) in enumerate(asked):
        prefix = "tool_calls.function.arguments." if number % 3 == 0 else ""
        for name, at in (("input_variables", path), ("parameters", path), ("output", prefix + path)):
            found = condition(col(name)[at])
            kept = client.requests.filter(~found if negated else found).ids()
            expected = [id for id, one in inside.items() if holds(_at(one[name], at)) is not negated]
            assert set(kept) == set(expected), found
    assert set(client.requests.filter(col.output.is_json()).ids()) == objects
