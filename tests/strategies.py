"""What the laws in `tests.property` are drawn from: records and their journeys, arguments, and conditions."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from promptlog.identifiers import prompt_id

Record = dict[str, Any]

#: Few of everything, so that writes meet each other. The texts differ in the order of their bytes, of UTF-16, and of
#: what a list or a null would be shown as.
REQUEST_IDS = tuple(str(uuid.UUID(int=(7 << 76) | (2 << 62) | number)) for number in (1, 2))
KEYS = ("k", "l")
VALUES = ("", "a", "B", "NULL", "\uffff", "\U0001f600", "\x00", "a\x00")
TIMES = (1, 2, 3, 1_700_000_000_000_001)
PUBLISHED = "NULL, x"  # a prompt whose number is known; its name stands between other names
TEXTS = (None, "NULL", "x", "x, y", "'x'", '"x"', "")

# -- records ---------------------------------------------------------------------------------------------------


def _some(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Record]:
    """A dictionary that has any of the parts."""
    return st.fixed_dictionaries({}, optional=parts)


_LISTS = st.lists(st.sampled_from(KEYS), min_size=1, max_size=2, unique=True)
_PROMPTS = _some(
    name=st.sampled_from(TEXTS),
    version=st.sampled_from((None, 1, 2)),
    label=st.sampled_from((None, "x", "y")),
    id=st.sampled_from((None, "1", str(prompt_id(PUBLISHED)))),
    variables=st.sampled_from((None, {"a": 1}, {"a": "1"})),
)
_SET_LATER = {
    "metadata": st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), min_size=1, max_size=2),
    "tags": _LISTS,
    "scores": st.dictionaries(
        st.sampled_from(KEYS), st.sampled_from((0, 1.5, 100, 99.999)), min_size=1, max_size=2
    ),
    "evaluations": st.dictionaries(
        st.sampled_from(KEYS),
        _some(
            score=st.sampled_from((None, 0, 1.5)),
            label=st.sampled_from((None, "good", "")),
            explanation=st.sampled_from((None, "why")),
        ),
        min_size=1,
        max_size=2,
    ),
    "prompt": _PROMPTS,
    "group_id": st.integers(0, 2),
}
_STAMPS = {"time": st.sampled_from(TIMES), "request_id": st.sampled_from(REQUEST_IDS)}

tracks = st.builds(
    lambda stamp, parts: {**stamp, "kind": "track", **parts},
    st.fixed_dictionaries(_STAMPS),
    _some(**_SET_LATER, removed=_some(metadata=_LISTS, tag=_LISTS, score=_LISTS)),
)
requests = st.builds(
    lambda stamp, row, parts: {
        **stamp,
        "kind": "request",
        "start_time": 1,
        "end_time": 2,
        "status": "SUCCESS",
        **row,
        **parts,
    },
    st.fixed_dictionaries(_STAMPS),
    _some(
        provider=st.sampled_from(TEXTS),
        model=st.sampled_from(TEXTS),
        cost_usd=st.sampled_from((None, 0.1, 0.1 + 2**-56, 1e300)),
        input=st.sampled_from((None, {"a": 1}, {"a": "1"}, {"a": None})),
        end_time=st.integers(2, 3),
    ),
    _some(**_SET_LATER),
)
removals = st.builds(lambda stamp: {**stamp, "kind": "remove"}, st.fixed_dictionaries(_STAMPS))


def records() -> st.SearchStrategy[list[Record]]:
    """Writes that collide: requests that differ for one id, what is tracked on them, and what is taken off."""
    # The removal of a whole request silences the rest of its story, so it is rare.
    one = st.integers(0, 19).flatmap(lambda n: removals if n == 0 else requests if n <= 7 else tracks)
    return st.lists(one, min_size=1, max_size=9)


@dataclass(frozen=True)
class Journey:
    """How records reach the tables: written one by one to segments, with merges between.

    `steps` are (the record's number, the segment's number, whether a merge follows); a record may come again.
    `slice_bytes` bounds what one transaction of a merge applies.
    """

    steps: tuple[tuple[int, int, bool], ...]
    slice_bytes: int


@st.composite
def journeys(draw: st.DrawFn, count: int) -> Journey:
    """Any order, repetition, split and slicing of `count` records."""
    order = draw(st.permutations(range(count)))
    again = draw(st.lists(st.integers(0, count - 1), max_size=3))
    # One merge costs what a hundred comparisons cost: most records travel together.
    merges = draw(st.sets(st.integers(0, count - 1), max_size=3))
    steps = tuple(
        (record, draw(st.integers(0, 2)), place in merges) for place, record in enumerate([*order, *again])
    )
    return Journey(steps, draw(st.sampled_from((1, 300, 1 << 20))))


# -- arguments -------------------------------------------------------------------------------------------------

#: Any text that UTF-8 can hold; NUL, quotes, newlines and what JSON escapes are drawn often.
texts = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\x00\n\r\"'\\{}[],:;%_\u2028\x7f"))
)
filled_texts = texts.filter(bool)


def keys(limit: int = 1024) -> st.SearchStrategy[str]:
    """Any text of 1 to `limit` characters, the longest among them."""
    return st.one_of(
        filled_texts, st.builds(lambda text: (text * limit)[:limit], filled_texts.map(lambda t: t[:7]))
    )


finite = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(1 << 63), (1 << 64) - 1)
jsons = st.recursive(
    st.none() | st.booleans() | whole | finite | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def _nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {"a": []}
    for _ in range(levels):
        found = {"a": found}
    return found


json_objects = st.dictionaries(texts, jsons, min_size=1, max_size=4) | st.integers(1, 240).map(_nested)
counts = st.integers(0, (1 << 63) - 1)
points = st.one_of(st.floats(0, 100), st.integers(0, 100))
metadata = st.dictionaries(keys(), texts, max_size=4)
tags = st.lists(keys(512), max_size=4)
uuids = st.integers(0, (1 << 128) - 1).map(lambda number: str(uuid.UUID(int=number)))

_YEARS = datetime(1970, 1, 2), datetime(9999, 12, 31)  # noqa: DTZ001 - Hypothesis adds the zone
_zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(*_YEARS, timezones=_zones)


@st.composite
def spans(draw: st.DrawFn) -> tuple[datetime, datetime]:
    """A start and an end that is not before it."""
    first, second = draw(moments), draw(moments)
    return min(first, second), max(first, second)


def times(moment: datetime) -> st.SearchStrategy[Any]:
    """The ways to say one moment exactly."""
    given: list[Any] = [moment, moment.isoformat()]
    utc = moment.astimezone(UTC)
    given.append(utc.replace(tzinfo=None).isoformat())  # PromptLayer's: without an offset it is UTC
    if utc.year < 5000 and not utc.microsecond:
        given.append(int(utc.timestamp()))
    return st.sampled_from(given)


_blocks = st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": texts})
    | st.fixed_dictionaries({"type": st.just("image_url"), "image_url": jsons}),
    max_size=3,
)
_messages = st.fixed_dictionaries(
    {"role": filled_texts, "content": _blocks}, optional={"name": texts, "tool_calls": st.lists(jsons, max_size=2)}
)  # fmt: skip
contents = st.one_of(
    st.none(),
    texts,
    st.lists(_messages, max_size=3),
    _messages,
    st.fixed_dictionaries({"type": st.just("chat"), "messages": st.lists(_messages, max_size=3)}),
    st.fixed_dictionaries({"type": st.just("completion"), "content": _blocks}),
)


@st.composite
def request_arguments(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments that `log_request` takes, any of the optional ones left out."""
    start, end = draw(spans())
    needed = {
        "provider": filled_texts,
        "model": filled_texts,
        "input": contents,
        "output": contents,
        "request_start_time": times(start),
        "request_end_time": times(end),
    }
    optional = {
        "parameters": json_objects | st.just({}) | st.none(),
        "tags": tags | st.none() | tags.map(tuple) | keys(512),
        "metadata": metadata | st.none(),
        "prompt_name": filled_texts,
        "prompt_version_number": st.integers(1, (1 << 63) - 1),
        "prompt_input_variables": json_objects | st.none(),
        "prompt_id": filled_texts | counts,
        "input_tokens": counts,
        "output_tokens": counts,
        "price": st.floats(0, 1e300) | st.integers(0, 1 << 62),
        "function_name": texts,
        "score": points,
        "score_name": keys(),
        "api_type": filled_texts,
        "status": st.sampled_from(("SUCCESS", "WARNING", "ERROR")),
        "error_type": filled_texts,
        "error_message": filled_texts,
        "request_id": uuids | uuids.map(uuid.UUID) | uuids.map(lambda text: text.replace("-", "").upper()),
        "trace_id": filled_texts,
        "span_id": filled_texts,
        "group_id": counts,
    }
    return draw(st.fixed_dictionaries(needed, optional=optional))
