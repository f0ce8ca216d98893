"""Stories of what is asked inside JSON, and of what cannot be asked; the law stands in `tests.property.test_inside_json`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog, col, count
from promptlog.errors import InvalidInputError
from promptlog.expressions.nodes import Condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CALL = {"name": "weather", "arguments": json.dumps({"city": "Lima", "days": 3})}
_OUTPUTS: dict[str, Any] = {
    "mail": '{"action": "send", "score": 0.95, "result": {"status": "approved", "items": [{"n": 1}, {"n": 2}]}, "no": null}',
    "odd": '\n {"\\u0061ction": "caf\\u00e9", "score": 95e-2, "url": "a\\/b"}',
    "tools": {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": _CALL}]},
    "list": '[{"action": "send"}]',
    "number": "95",
    "cut": '{"action": "send", "sco',
    "deep": '{"a":' * 1000 + "1" + "}" * 1000,
    "lists": '{"action":' + "[" * 1000 + '"send"' + "]" * 1000 + "}",
    "text": "plain { text",
    "none": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PromptLog, dict[str, str]]]:
    """A store of the outputs, and the name of each request's output."""
    with PromptLog(tmp_path_factory.mktemp("inside") / "a.duckdb") as client:
        names = {
            str(client.log_request(
                provider="p", model="m", input="x", output=output, request_start_time=1, request_end_time=2,
                prompt_input_variables={"cake": name, "size": "8" if name == "mail" else 9, "to": ["a", ["b"]]},
            )["id"]): name
            for name, output in _OUTPUTS.items()
        }  # fmt: skip
        yield client, names


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (col.output["action"] == "send", {"mail"}),
        (col.output["action"] == "café", {"odd"}),
        (col.output["action"].exists(), {"mail", "odd", "lists"}),
        (col.output["url"] == "a/b", {"odd"}),
        (col.output["score"] == 0.95, {"mail", "odd"}),
        (col.output["score"] == "0.95", {"mail", "odd"}),
        (col.output["score"].contains("5", case=False), {"mail", "odd"}),
        (col.output["result"].exists(), {"mail"}),
        (col.output["result"] == "approved", set()),
        (col.output["result.items"]["n"] > 1, {"mail"}),
        (col.output["no"].exists(), set()),
        (col.output["tool_calls.function.name"].ends_with("her"), {"tools"}),
        (col.output["tool_calls.function.arguments.days"] >= 3, {"tools"}),
        (col.output["tool_calls.function.arguments"].exists(), {"tools"}),
        (col.output.is_json(), {"mail", "odd", "deep", "lists"}),
        (col.input_variables["size"] == 8, {"mail"}),
        (col.input_variables["size"].is_in(["8", 9]), set(_OUTPUTS)),
        (col.input_variables["to"] == "b", set(_OUTPUTS)),
        (col.input_variables["cake"].is_in(["cut", "deep"]), {"cut", "deep"}),
    ],
    ids=lambda given: str(given) if isinstance(given, Condition) else "",
)
def test_what_is_found(
    store: tuple[PromptLog, dict[str, str]], condition: Condition, expected: set[str]
) -> None:
    """Whoever wrote the JSON, and however; what is no whole JSON has nothing inside, and stops no question."""
    client, names = store
    assert {names[id] for id in client.requests.filter(condition).ids()} == expected
    assert {names[id] for id in client.requests.filter(~condition).ids()} == set(_OUTPUTS) - expected


def test_groups_by_what_stands_inside(store: tuple[PromptLog, dict[str, str]]) -> None:
    """A request is in the group of the first value; numbers are told of as numbers."""
    client, _ = store
    asked = client.requests.filter(col.output["score"].exists(), col.output["action"].exists())
    told = asked.group_by(col.output["action"]).agg(n=count(), score=col.output["score"].as_float().mean())
    assert told.dicts() == [
        {"output.action": "café", "n": 1, "score": 0.95},
        {"output.action": "send", "n": 1, "score": 0.95},
    ]
    sizes = client.requests.agg(col.input_variables["size"].as_int().sum()).dicts()
    assert sizes == [{"input_variables.size_sum": 8 + 9 * (len(_OUTPUTS) - 1)}]


@pytest.mark.parametrize("name", ["output", "input_variables", "parameters"])
def test_what_stands_inside_is_listed(store: tuple[PromptLog, dict[str, str]], name: str) -> None:
    """Each path, and each value at it, with the number of requests that a condition finds; those of the most first."""
    (client, _), column = store, col(name)
    keys = client.requests.inside(column, limit=None).fetchall()
    assert [n for _, n in keys] == sorted((n for _, n in keys), reverse=True)
    assert bool(keys) is (name != "parameters")
    for key, requests in keys:
        if key.count(".") < 32:
            assert client.requests.filter(column[key].exists()).count() == requests
            for value, carried in client.requests.inside(column[key]).fetchall():
                assert client.requests.filter(column[key] == value).count() == carried
    assert client.requests.filter(column["cake"] == "odd").inside(column["cake"]).dicts() == (
        [{"value": "odd", "requests": 1}] if name == "input_variables" else []
    )


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: col.input["x"], r"col\.input has no JSON .* col\.output"),
        (col.output_text.is_json, r"col\.output_text has no JSON"),
        (lambda: col.output[""], "not empty"),
        (lambda: col.output["items"][0], r"lists are looked through"),  # type: ignore[index]
        (lambda: col.output[".".join("a" * 40)], "up to 32 keys, got 40"),
        (lambda: col.output["\ud800"], "Unicode"),
        (lambda: col.output["n"].as_int()["m"], "has no JSON"),
        (lambda: col.output["n"] == None, "is_null"),  # noqa: E711 - what people write
        (col.output["n"].mean, "as_float"),
        (lambda: col.output["n"] > [1], "list"),
    ],
)
def test_what_cannot_be_asked(ask: Callable[[], Any], said: str) -> None:
    """It is said at once, with the way out."""
    with pytest.raises(InvalidInputError, match=said):
        ask()
    with pytest.raises(TypeError, match="not iterable"):
        iter(col.output)  # type: ignore[call-overload]
