"""Conditions mean what Python says they mean: asked of random requests, SQL and a model of it in Python agree."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog import col, meta, score, since, tag, until
from promptlog.models.checks import STATUSES
from promptlog.models.content import text_of
from tests.property.bench import empty_store
from tests.strategies import uuids

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog import PromptLog
    from promptlog.expressions.face import Expression
    from promptlog.expressions.nodes import Condition

Row = dict[str, Any]  # a request as the model sees it: its columns, and `metadata`, `tags`, `scores`

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_START = datetime(2026, 1, 31, 12, tzinfo=UTC)
_TEXTS = (
    "a", "A", "ab", "b", "NULL", "a%", "a_", "ä", "Ä", "\U0001f600", "\uffff", "a\x00b", "\n", "'", "a\n\nB", '"', "\\",
    "\\n", "/", "text", "\x1f", "\x7f", "(", "u00",
)  # fmt: skip
_FREE_TEXTS = (*_TEXTS, "")  # where an empty text may stand
_INTS = (0, 1, 2, 500, 2**53)
#: Beyond 2**53 whole numbers are compared exactly with whole numbers; with a float, as floats.
_LARGE_INTS = (*_INTS, 2**53 + 1, 2**63 - 2, 2**63 - 1)
_FLOATS = (0.0, 0.1, 0.5, 1.0, 1e22)
_NUMBERS = (-1, *_INTS, 2**63, 1.5, 0.1, 0.30000000000000004, float(2**53), -0.0, 1e300)
_SECONDS = (0, 1, 1.000001, 2, 86_400)

_decimals = st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{1,3})?", fullmatch=True)
_number_texts = st.one_of(
    st.sampled_from(
        ("0", "1", "1.", ".5", "+1", "-0", "01", "1e5", "1e400", "1_0", " 1", "1 ", "1\n", "nan", "inf", "0x10", "\u0661",
         "1e", ".", "-", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
         "99999999999999999999", "1,5", "1.0", "0.30000000000000004")
    ),
    _decimals,
)  # fmt: skip


def _two(least: int, most: int) -> st.SearchStrategy[str]:
    return st.integers(least, most).map("{:02}".format)


#: Moments as ISO 8601 writes them, and some that no clock or calendar shows.
_date_texts = st.one_of(
    st.sampled_from(
        ("2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.5+00", "2026-01-31 13:00+0100", "2026-02-30",
         "2024-02-29", "2026-1-31", "2026-01-31T", "2026-01-31T12", "1969-12-31T23:59:59.999999Z", "9999-12-31", "now",
         "2026-01-31T12:00:00.1234567", "2026-01-31T12:00Z\n", "20260131", "infinity", "epoch", "2026-01-31T12:00 Z")
    ),
    st.builds(
        "{}-{}-{}{}{}:{}{}{}".format,
        st.sampled_from(("2026", "1970", "0001", "9999", "1900")),
        _two(0, 13), _two(0, 32), st.sampled_from("T "), _two(0, 25), _two(0, 60),
        st.just("") | _two(0, 60).map(":{}".format) | st.from_regex(r":[0-5][0-9]\.[0-9]{1,6}", fullmatch=True),
        st.sampled_from(("", "Z", "+00", "+14", "-12:30", "+0530", "-00:00", "+23:59", "+24:00", "+05:60", "+99")),
    ),
)  # fmt: skip

_content = st.one_of(
    st.none(),
    st.sampled_from(_FREE_TEXTS),
    st.lists(
        st.fixed_dictionaries(
            {"role": st.just("user")},
            optional={
                "content": st.sampled_from(_FREE_TEXTS)
                | st.lists(
                    st.sampled_from(_FREE_TEXTS).map(lambda text: {"type": "text", "text": text})
                    | st.just({"type": "image"}),
                    max_size=2,
                )
            },
        ),
        max_size=2,
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("completion"),
            "content": st.lists(
                st.sampled_from(_FREE_TEXTS).map(lambda text: {"type": "text", "text": text}), max_size=2
            ),
        }
    ),
)
_text = st.sampled_from(_TEXTS)
_rows = st.fixed_dictionaries(
    {
        "request_id": uuids,
        "start": st.sampled_from(_SECONDS),
        "lasting": st.sampled_from(_SECONDS),
        "provider": _text,
        "model": _text,
        "input": _content,
        "output": _content,
        "status": st.sampled_from(STATUSES),
        "metadata": st.dictionaries(
            st.sampled_from(("k", "l", "start_time")),
            st.sampled_from(_FREE_TEXTS) | _number_texts | _date_texts,
        ),
        "tags": st.lists(_text, max_size=3),
    },
    optional={
        "api_type": _text,
        "function_name": _text,
        "error_type": _text,
        "error_message": _text,
        "trace_id": _text,
        "span_id": _text,
        "input_tokens": st.sampled_from(_INTS),
        "output_tokens": st.sampled_from(_INTS),
        "price": st.sampled_from(_FLOATS),
        "parameters": st.sampled_from(({"a": 1}, {"a": "b"}, {"b": [None, 1.5]})),
        "score": st.sampled_from((0, 1.5, 100)),
        "score_name": st.sampled_from(("default", "s")),
        "prompt_name": _text,
        "prompt_version_number": st.sampled_from((1, 2)),
        "prompt_id": _text,
        "prompt_input_variables": st.sampled_from(({"a": 1}, {"a": "b"})),
        "group_id": st.sampled_from(_LARGE_INTS),
    },
)
datasets = st.lists(_rows, max_size=7, unique_by=lambda row: row["request_id"])

# -- what a question says, twice -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A condition, and what Python says of it."""

    condition: Condition
    holds: Callable[[Row], bool]

    def __repr__(self) -> str:
        return repr(self.condition)


@dataclass(frozen=True)
class Subject:
    """What is compared: an expression, its value in the model (None: missing), and what it is compared with."""

    expression: Expression
    value: Callable[[Row], Any]
    others: st.SearchStrategy[Any]
    own: Callable[[Any], Any] = lambda other: other  # the other side, as the model compares it


def _column(
    name: str, others: st.SearchStrategy[Any], own: Callable[[Any], Any] = lambda other: other
) -> Subject:
    return Subject(col(name), lambda row: row[name], others, own)


_moments = st.sampled_from(_SECONDS).map(lambda seconds: _START + timedelta(seconds=seconds))
_times = _moments | _moments.map(datetime.isoformat) | _moments.map(datetime.timestamp)
_texts = st.sampled_from(_FREE_TEXTS)
_numbers = st.sampled_from(_NUMBERS)
_whole = st.sampled_from((-1, -(2**63), *_LARGE_INTS))


def _as_moment(given: Any) -> datetime:
    if isinstance(given, float):
        return _EPOCH + timedelta(microseconds=round(given * 1e6))
    return datetime.fromisoformat(given) if isinstance(given, str) else given


_TEXT_COLUMNS = (
    "provider", "model", "api_type", "function_name", "error_type", "error_message", "trace_id", "span_id",
    "input_text", "output_text", "prompt_name", "prompt_id",
)  # fmt: skip
_NUMBER_COLUMNS = ("latency_ms", "input_tokens", "output_tokens", "cost_usd", "prompt_version")
_JSON_COLUMNS = ("parameters", "input_variables")
_json_texts = st.sampled_from(('{"a":1}', '{"a":"b"}', "a", '"', "", "{"))


def _meta(key: str) -> st.SearchStrategy[Subject]:
    def text(row: Row) -> str | None:
        return row["metadata"].get(key)  # type: ignore[no-any-return]

    return st.sampled_from(
        (
            Subject(meta(key), text, _texts | _number_texts | _date_texts),
            Subject(meta(key).as_float(), lambda row: _float(text(row)), _numbers),
            Subject(meta(key).as_int(), lambda row: _int(text(row)), _whole),
            Subject(meta(key).as_datetime(), lambda row: _datetime(text(row)), _times, _as_moment),
        )
    )


texts = st.one_of(
    st.sampled_from(_TEXT_COLUMNS).map(lambda name: _column(name, _texts)),
    st.sampled_from(_JSON_COLUMNS).map(lambda name: _column(name, _json_texts)),
    st.sampled_from(("k", "l", "start_time")).map(
        lambda key: Subject(meta(key), lambda row: row["metadata"].get(key), _texts | _number_texts)
    ),
)
subjects = st.one_of(
    texts,
    st.sampled_from(_NUMBER_COLUMNS).map(lambda name: _column(name, _numbers)),
    st.sampled_from(("start_time", "end_time")).map(lambda name: _column(name, _times, _as_moment)),
    st.just(_column("request_id", uuids)),
    st.just(_column("status", st.sampled_from(STATUSES))),
    st.just(_column("group_id", _whole)),
    st.sampled_from(("k", "l", "start_time")).flatmap(_meta),
    st.sampled_from(("default", "s", "t")).map(
        lambda name: Subject(score(name), lambda row: row["scores"].get(name), _numbers)
    ),
)
_OPERATORS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)


@st.composite
def claims_of_one(draw: st.DrawFn) -> Claim:
    """One condition without `&`, `|` or `~`."""
    way = draw(
        st.sampled_from(
            ("compare", "compare", "is_in", "between", "is_null", "exists", "text", "tag", "time")
        )
    )
    if way == "tag":
        name = draw(_text)
        return Claim(tag(name), lambda row: name in row["tags"])
    if way == "time":
        when = draw(_times)
        moment = _as_moment(when)
        if draw(st.booleans()):
            return Claim(since(when), lambda row: row["start_time"] >= moment)
        return Claim(until(when), lambda row: row["start_time"] < moment)
    subject = draw(texts if way == "text" else subjects)
    left, value, own = subject.expression, subject.value, subject.own
    if way == "text":
        part = draw(subject.others)
        kind = draw(st.sampled_from(("contains", "folded", "starts", "ends")))
        if kind == "contains":
            return Claim(left.contains(part), lambda row: value(row) is not None and part in value(row))
        if (
            kind == "folded"
        ):  # the texts that are drawn have no letter of which Unicode's folding says more than `lower`
            return Claim(
                left.contains(part, case=False),
                lambda row: value(row) is not None and part.lower() in value(row).lower(),
            )
        if kind == "ends":
            return Claim(
                left.ends_with(part), lambda row: value(row) is not None and value(row).endswith(part)
            )
        return Claim(
            left.starts_with(part), lambda row: value(row) is not None and value(row).startswith(part)
        )
    if way == "is_null":
        return Claim(left.is_null(), lambda row: value(row) is None)
    if way == "exists":
        return Claim(left.exists(), lambda row: value(row) is not None)
    if way == "is_in":
        given = draw(st.lists(subject.others, max_size=3))
        return Claim(
            left.is_in(given),
            lambda row: value(row) is not None and value(row) in [own(one) for one in given],
        )
    if way == "between":
        low, high = draw(subject.others), draw(subject.others)
        return Claim(
            left.between(low, high),
            lambda row: value(row) is not None and own(low) <= value(row) <= own(high),
        )
    compare, other = draw(st.sampled_from(_OPERATORS)), draw(subject.others)
    return Claim(compare(left, other), lambda row: value(row) is not None and compare(value(row), own(other)))


claims = st.recursive(
    claims_of_one(),
    lambda inner: st.one_of(
        inner.map(lambda a: Claim(~a.condition, lambda row: not a.holds(row))),
        st.tuples(inner, inner).map(
            lambda ab: Claim(
                ab[0].condition & ab[1].condition, lambda row: ab[0].holds(row) and ab[1].holds(row)
            )
        ),
        st.tuples(inner, inner).map(
            lambda ab: Claim(
                ab[0].condition | ab[1].condition, lambda row: ab[0].holds(row) or ab[1].holds(row)
            )
        ),
    ),
    max_leaves=5,
)

# -- the laws --------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(rows=datasets, asked=st.lists(claims, min_size=4, max_size=12))
def test_a_condition_keeps_what_python_keeps(client: PromptLog, rows: list[Row], asked: list[Claim]) -> None:
    """`filter` keeps exactly the requests of which the condition is true in Python, and counts them."""
    _agrees(client, rows, asked)


@pytest.mark.slow
@settings(max_examples=120)
@given(rows=datasets, asked=st.lists(claims, min_size=6, max_size=20))
def test_a_condition_keeps_what_python_keeps_at_length(
    client: PromptLog, rows: list[Row], asked: list[Claim]
) -> None:
    """The same law, over many more conditions."""
    _agrees(client, rows, asked)


def _agrees(client: PromptLog, rows: list[Row], asked: list[Claim]) -> None:
    seen = _log(client, rows)
    for claim in asked:
        found = client.requests.filter(claim.condition)
        ids = found.ids()
        kept = _newest_first([row for row in seen if claim.holds(row)])
        assert set(ids) == {row["request_id"] for row in kept}, claim
        assert ids == [row["request_id"] for row in kept], claim
    assert client.requests.filter(*(claim.condition for claim in asked[:2])).count() == sum(
        all(claim.holds(row) for claim in asked[:2]) for row in seen
    )


@settings(max_examples=15)
@given(
    read=st.lists(_number_texts | _date_texts | _texts, min_size=20, max_size=60, unique=True),
    number=_numbers,
    whole=_whole,
    moment=_times,
)
def test_metadata_is_read_as_python_reads_it(
    client: PromptLog, read: list[str], number: float, whole: int, moment: Any
) -> None:
    """Which texts are a number, a whole number or a moment, and which one, is what `as_float` and its like say."""
    empty_store(client)
    ids = [
        client.log_request(
            provider="p", model="m", input=None, output=None, request_start_time=_START, request_end_time=_START,
            metadata={"k": text},
        )["id"]
        for text in read
    ]  # fmt: skip
    key, other = meta("k"), _as_moment(moment)
    questions: tuple[tuple[Condition, Callable[[str], bool]], ...] = (
        (key.as_float().exists(), lambda text: _float(text) is not None),
        (key.as_float() >= number, lambda text: (value := _float(text)) is not None and value >= number),
        (key.as_int().exists(), lambda text: _int(text) is not None),
        (
            key.as_int() < whole,
            lambda text: (value := _int(text)) is not None and value < whole,
        ),
        (key.as_datetime().exists(), lambda text: _datetime(text) is not None),
        (key.as_datetime() == moment, lambda text: _datetime(text) == other),
        (key.as_datetime() < moment, lambda text: (value := _datetime(text)) is not None and value < other),
    )
    for condition, holds in questions:
        found = set(client.requests.filter(condition).ids())
        expected = {text for text in read if holds(text)}
        assert {text for id, text in zip(ids, read, strict=True) if id in found} == expected, condition


_SORTED = (
    *_TEXT_COLUMNS,
    "status",
    *_NUMBER_COLUMNS,
    *_JSON_COLUMNS,
    "group_id",
    "start_time",
    "end_time",
    "request_id",
)
_orders = st.lists(st.sampled_from(_SORTED), min_size=1, max_size=3)


@settings(max_examples=30)
@given(rows=datasets, order=_orders, descending=st.booleans(), limit=st.integers(0, 8), claim=claims)
def test_sort_and_limit_are_pythons(
    client: PromptLog, rows: list[Row], order: list[str], descending: bool, limit: int, claim: Claim
) -> None:
    """Requests come in the order of the columns, nulls last, ties by id; `limit` keeps the first of them."""
    _sorts(client, rows, order, limit, claim, descending=descending)


@pytest.mark.slow
@settings(max_examples=150)
@given(rows=datasets, order=_orders, descending=st.booleans(), limit=st.integers(0, 8), claim=claims)
def test_sort_and_limit_are_pythons_at_length(
    client: PromptLog, rows: list[Row], order: list[str], descending: bool, limit: int, claim: Claim
) -> None:
    """The same law, over many more orders."""
    _sorts(client, rows, order, limit, claim, descending=descending)


def _sorts(
    client: PromptLog, rows: list[Row], order: list[str], limit: int, claim: Claim, *, descending: bool
) -> None:
    kept = [row for row in _log(client, rows) if claim.holds(row)]
    asked = client.requests.filter(claim.condition)
    newest = [row["request_id"] for row in _newest_first(kept)]
    assert asked.ids() == newest
    assert asked.limit(limit).ids() == newest[:limit]
    assert asked.limit(limit).count() == min(limit, len(kept))
    first = asked.first()
    assert (first.request_id if first else None) == (newest[0] if newest else None)
    assert [request.request_id for request in asked] == newest

    kept.sort(key=lambda row: row["request_id"], reverse=descending)
    for name in reversed(order):  # Python's sort is stable, so the first column is sorted by last
        there = [row for row in kept if row[name] is not None]
        there.sort(key=lambda row: row[name], reverse=descending)
        kept = there + [row for row in kept if row[name] is None]
    expected = [row["request_id"] for row in kept]
    by_columns = asked.sort(*order, descending=descending)
    assert by_columns.ids() == expected
    assert by_columns.limit(limit).ids() == expected[:limit]
    assert [row[0] for row in by_columns.select("request_id").fetchall()] == expected


# -- the model -------------------------------------------------------------------------------------------------


def _log(client: PromptLog, rows: list[Row]) -> list[Row]:
    """Log the rows into an empty store, and return them as the model sees them."""
    empty_store(client)
    return [_log_one(client, dict(row)) for row in rows]


def _log_one(client: PromptLog, row: Row) -> Row:
    start = _START + timedelta(seconds=row.pop("start"))
    end = start + timedelta(seconds=row.pop("lasting"))
    client.log_request(**row, request_start_time=start, request_end_time=end)
    seen = {
        name: row.get(name)
        for name in (
            *_TEXT_COLUMNS,
            "status",
            *_NUMBER_COLUMNS,
            *_JSON_COLUMNS,
            "group_id",
            "request_id",
        )
    }
    return {
        **seen,
        "metadata": row["metadata"],
        "tags": row["tags"],
        "start_time": start,
        "end_time": end,
        "latency_ms": (end - start) / timedelta(milliseconds=1),
        "cost_usd": row.get("price"),
        "prompt_version": row.get("prompt_version_number"),
        "parameters": _json(row.get("parameters")),
        "input_variables": _json(row.get("prompt_input_variables")),
        "input_text": _said(row["input"]),
        "output_text": _said(row["output"]),
        "scores": {row.get("score_name", "default"): row["score"]} if "score" in row else {},
    }


def _newest_first(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["start_time"], row["request_id"]), reverse=True)


def _json(value: dict[str, Any] | None) -> str | None:
    return None if value is None else str(value).replace("'", '"').replace(" ", "").replace("None", "null")


def _said(content: Any) -> str | None:
    """Return the text of content as it was given to `log_request`; None where there is no content at all."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, dict):
        return text_of(content)
    parts = []
    for message in content:
        said = message.get("content", [])
        blocks = [{"text": said}] if isinstance(said, str) else said
        parts += [block["text"] for block in blocks if "text" in block]
    return "\n\n".join(parts)


def _float(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _int(text: str | None) -> int | None:
    if text is None or not re.fullmatch(r"[+-]?[0-9]+", text):
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)


def _datetime(text: str | None) -> datetime | None:
    if text is None or not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return None
