"""The search language's law: every condition prints as a text that parses to an equal condition."""

from __future__ import annotations

import operator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from promptlog import col, meta, score, since, tag, until
from promptlog.errors import SearchSyntaxError
from promptlog.expressions.nodes import And, Condition, Not, Or
from promptlog.expressions.search import parse
from promptlog.models.checks import STATUSES
from promptlog.models.columns import COLUMNS, JSON_COLUMNS
from tests.strategies import finite, keys, moments, texts, uuids

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog.expressions.face import Expression, ReadableExpression

#: Texts that look like the language's own words and signs, beside any other.
_SIGNS = (
    "AND", "OR", "NOT", "missing", "exists", "*", "a*", "*a*", "**", "-a", "-", "--", "a..b", "1..2", "..", "1..*",
    "2026-01-31", "2026-01-31..2026-02-01", "1", "-1.5e3", "a:b", ":", "::int", "a::int", ">5", "=", "!=", "~", "()", "(a", "a)", '"',
    '"a"', "\\", "\\*", "a\\", " ", "", "\n", "\t\u2028\u00a0", "tag:x", "error", "ERROR", "success", "7d", "+1d", "é", "\u0301", "\x1b",
    "\U000e0001", "a b", "a,b", "don't", "#", "%", "tag", "score", "since", "until", "meta", "col", "model", "meta.model", "col.x",
    "score.x", "a.b", "status", "latency_ms", "output.x", "output.", "parameters", "::json",
)  # fmt: skip
_texts = st.one_of(st.sampled_from(_SIGNS), st.lists(st.sampled_from(_SIGNS), max_size=4).map("".join), texts)
_names = st.one_of(_texts.filter(bool), keys(40)).map(lambda text: text[:500])
_numbers = st.one_of(
    st.integers(-(1 << 70), 1 << 70), finite, st.sampled_from((0, -0.0, 1e22, 1e-7, 2.0**63))
)
_OPERATORS: tuple[Callable[[Any, Any], Any], ...] = (
    operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
)  # fmt: skip
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": _texts,
    "number": _numbers,
    "int": st.integers(-(1 << 63), (1 << 63) - 1),
    "time": moments,
    "id": uuids,
}


def _readings(asked: ReadableExpression) -> st.SearchStrategy[Expression]:
    return st.sampled_from((asked, asked.as_float(), asked.as_int(), asked.as_datetime()))


_json_columns = st.sampled_from(sorted(JSON_COLUMNS)).map(col)
_paths = _names.map(lambda text: text.replace(".", "_", text.count(".") - 9))
_inside = st.builds(lambda column, path: column[path], _json_columns, _paths)


_operands: st.SearchStrategy[Expression] = st.one_of(
    st.sampled_from(tuple(COLUMNS)).map(col),
    (_names.map(meta) | _inside).flatmap(_readings),
    _names.map(score),
    st.just(score()),
)
_spans = st.timedeltas(timedelta(days=-40_000), timedelta(days=40_000)) | st.sampled_from(
    ("7d", "90m", "1.5h", "2w")
)


@st.composite
def _leaves(draw: st.DrawFn) -> Condition:
    """One condition without others in it, as the Python face makes it."""
    way = draw(
        st.sampled_from(("compare", "compare", "is_in", "exists", "part", "tag", "time", "said", "json"))
    )
    if way == "tag":
        return tag(draw(_names))
    if way == "time":
        bound: Condition = draw(st.sampled_from((since, until)))(draw(_spans | moments))
        return bound
    if way == "said":
        text = draw(_texts)
        return col.input_text.contains(text, case=False) | col.output_text.contains(text, case=False)
    if way == "json":
        inside, other = draw(_inside), draw(_texts | _numbers | st.booleans())
        same: Condition = inside == other
        whole = draw(_json_columns).is_json()
        drawn: Condition = draw(st.sampled_from((same, inside.is_in([other, "a", 1]), whole)))
        return drawn
    left = draw(_operands)
    if way == "exists":
        return left.exists()
    if way == "part" and left.kind == "text":
        part = draw(_texts)
        parts = (
            left.contains(part),
            left.starts_with(part),
            left.ends_with(part),
            left.contains(part, case=False),
        )
        return draw(st.sampled_from(parts))
    value = st.sampled_from(STATUSES) if left.operand == col.status.operand else _VALUES[left.kind]
    if way == "is_in":
        return left.is_in(draw(st.lists(value, max_size=3)))
    compared: Condition = draw(st.sampled_from(_OPERATORS))(left, draw(value))
    return compared


conditions = st.recursive(
    _leaves(),
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)


@settings(max_examples=400)
@given(condition=conditions)
@example(condition=And(()))
@example(condition=Or(()))
@example(condition=Not(And(())))
@example(condition=Or((And(()), Or((And((tag("x"),)),)))))
def test_a_condition_prints_as_text_that_parses_to_itself(condition: Condition) -> None:
    """No quote, sign, word, number or nesting is lost on the way through text, and the text is one line."""
    text = str(condition)
    assert parse(text) == condition
    assert text.isprintable()
    assert text == str(parse(text))


@settings(max_examples=400)
@given(
    text=st.lists(
        st.sampled_from((*_SIGNS, *"abc", " ", " ", "k:", "k>", "(", ")", '"', "tag:", "since:")), max_size=9
    ).map("".join)
    | texts
)
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    """Whatever is typed gives a condition that prints, or an error whose place lies in the text; nothing else."""
    refused: SearchSyntaxError | None = None
    try:
        condition = parse(text)
    except SearchSyntaxError as error:
        refused = error
    if refused is None:
        assert parse(str(condition)) == condition
        return
    assert 0 <= refused.position <= len(text)
    assert refused.expected
    assert len(str(refused).split("\n")) == 3


def test_a_moment_is_exact() -> None:
    """Microseconds and zones survive."""
    condition = col.start_time >= datetime(2026, 1, 31, 12, 0, 0, 1, tzinfo=UTC)
    assert str(condition) == "start_time>=2026-01-31T12:00:00.000001Z"
    assert parse("start_time>=2026-01-31T13:00:00.000001+01:00") == condition
