"""An argument that is wrong is refused by a name of ours, and leaves no trace; one that is right is taken."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from promptlog import col, meta, score, since, tag, until
from promptlog.errors import InvalidInputError
from promptlog.journal.reader import segment_sizes
from tests import strategies as ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog import PromptLog

_ID = ours.REQUEST_IDS[0]
_SURROGATE = "a\ud800"
_TOO_LONG = ours.filled_texts.map(lambda text: (text * 1025)[:1025])

_no_text: st.SearchStrategy[Any] = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.binary(), st.lists(st.text(), max_size=1), st.just({}), st.just(object())
)  # fmt: skip
_no_string = _no_text | st.none()
_no_number: st.SearchStrategy[Any] = st.one_of(
    st.text(), st.booleans(), st.binary(), st.lists(st.integers(), max_size=1), st.just({}), st.just(1j)
)
_bad_text = _no_text | st.sampled_from(("", _SURROGATE))
_no_dict = st.one_of(st.text(min_size=1), st.integers(1), st.floats(1), st.binary(min_size=1), st.just([("a", "b")]), st.just({"a"}))  # fmt: skip
_no_json = st.sampled_from((math.nan, math.inf, -math.inf, object(), _SURROGATE, [math.nan], {"a": {"b": math.nan}}, {"a": object()}))  # fmt: skip
_bad_count = st.one_of(
    _no_number, st.floats(), st.integers(max_value=-1), st.integers(1 << 63), st.just(math.nan)
)
_bad_points = st.one_of(
    _no_number, st.integers(max_value=-1), st.integers(101), st.floats(max_value=-5e-324, allow_nan=False),
    st.floats(min_value=100.00000000000001, allow_nan=False), st.just(math.nan),
)  # fmt: skip
_bad_price = st.one_of(
    _no_number,
    st.integers(max_value=-1),
    st.floats(max_value=-5e-324, allow_nan=False),
    st.sampled_from((math.nan, math.inf)),
)
_bad_time = st.one_of(
    st.none(), st.booleans(), st.binary(), st.just([]), st.floats(max_value=-1e-300, allow_nan=False),
    st.floats(min_value=1.0000001e11, allow_nan=False), st.integers(max_value=-1), st.integers(10**11 + 1),
    st.sampled_from((math.nan, "", "last week", "1.5", "2026-13-01", "2026-02-30", "1969-12-31T23:59:59Z")),
    st.sampled_from((datetime.max.replace(tzinfo=UTC).isoformat() + "x", datetime(1969, 1, 1, tzinfo=UTC))),
)  # fmt: skip
_bad_id = st.one_of(
    _no_string, st.text().filter(lambda text: not _is_uuid(text)), st.sampled_from(("", "chatcmpl-1", _ID[:-1], _ID + "0"))
)  # fmt: skip
_bad_metadata = st.one_of(
    _no_dict,
    st.dictionaries(st.text(min_size=1), _no_string, min_size=1, max_size=2),
    st.builds(lambda key: {key: "v"}, st.sampled_from(("", 1, None, b"k", 1.5, _SURROGATE)) | _TOO_LONG),
    st.just({"k": _SURROGATE}),
)
_bad_tags = st.one_of(
    st.integers(1), st.floats(1), st.just({"a": "b"}), st.binary(min_size=1),
    st.lists(_no_string | st.sampled_from(("", _SURROGATE)) | _TOO_LONG, min_size=1, max_size=2),
)  # fmt: skip
_bad_object = st.one_of(
    _no_dict, st.builds(lambda value: {"k": value}, _no_json), st.just({1: "v"}), st.just({_SURROGATE: 1})
)  # fmt: skip
_bad_content = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.just(object()), st.just({"a": "b"}), st.just({}), st.just([{"content": "x"}]),
    st.just(_SURROGATE), st.just([1]), st.just(["x"]), st.builds(lambda value: [{"role": "user", "content": [value]}], _no_json),
)  # fmt: skip

_WRONG: dict[str, st.SearchStrategy[Any]] = {
    "provider": _bad_text | st.none(),
    "model": _bad_text | st.none(),
    "input": _bad_content,
    "output": _bad_content,
    "request_start_time": _bad_time,
    "request_end_time": _bad_time,
    "parameters": _bad_object,
    "tags": _bad_tags,
    "metadata": _bad_metadata,
    "prompt_name": _bad_text,
    "prompt_version_number": _bad_count | st.just(0),
    "prompt_input_variables": _bad_object,
    "input_tokens": _bad_count,
    "output_tokens": _bad_count,
    "price": _bad_price,
    "score": _bad_points,
    "prompt_id": st.one_of(st.booleans(), st.integers(max_value=-1), st.sampled_from(("", 1.5, b"", _SURROGATE))),
    "api_type": _bad_text,
    "status": st.sampled_from(("", "success", "OK", 1, [], {})),
    "error_type": _bad_text,
    "error_message": _bad_text,
    "request_id": _bad_id.filter(lambda given: given is not None),
    "trace_id": _bad_text,
    "span_id": _bad_text,
    "group_id": _bad_count,
}  # fmt: skip


def _is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _refuses(client: PromptLog, call: Callable[[], object], what: object) -> None:
    before = segment_sizes(client._paths)
    with pytest.raises(InvalidInputError) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    assert str(caught.value), what
    str(caught.value).encode()  # a message that cannot be printed helps nobody
    assert segment_sizes(client._paths) == before, what


#: Moments that no UTC of Python's can hold.
_beyond = st.sampled_from(
    (
        "0001-01-01T00:00+01",
        "9999-12-31T23:59:59-01",
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))),
    )
)


@settings(phases=[Phase.generate])
@given(when=_beyond)
def test_a_moment_outside_pythons_years_is_refused(when: Any) -> None:
    """A moment whose UTC lies before year 1 or after 9999 is refused like any other outside 1970-9999."""
    with pytest.raises(InvalidInputError):
        since(when)


wrong_arguments = st.sampled_from(sorted(_WRONG)).flatmap(
    lambda name: st.tuples(ours.request_arguments(), st.just(name), _WRONG[name])
)


@settings(max_examples=400)
@given(wrong=wrong_arguments)
def test_one_wrong_argument_of_log_request_is_refused_and_nothing_is_written(
    client: PromptLog, wrong: tuple[dict[str, Any], str, Any]
) -> None:
    """Whatever stands beside it, an argument that is wrong raises InvalidInputError before a byte is written."""
    arguments, name, value = wrong
    _refuses(client, lambda: client.log_request(**{**arguments, name: value}), (name, value))


@pytest.mark.slow
@settings(max_examples=2_000)
@given(wrong=wrong_arguments)
def test_one_wrong_argument_is_refused_at_length(
    client: PromptLog, wrong: tuple[dict[str, Any], str, Any]
) -> None:
    """The same law, over many more arguments."""
    arguments, name, value = wrong
    _refuses(client, lambda: client.log_request(**{**arguments, name: value}), (name, value))


@given(arguments=ours.request_arguments(), between=ours.spans())
def test_an_end_before_its_start_is_refused(
    client: PromptLog, arguments: dict[str, Any], between: tuple[datetime, datetime]
) -> None:
    """A request that ends before it starts is refused, unless both are one moment."""
    start, end = between
    call = {**arguments, "request_start_time": end, "request_end_time": start}
    if start == end:
        assert client.log_request(**call)["id"]
    else:
        _refuses(client, lambda: client.log_request(**call), between)


#: The tracking calls by name, with arguments of which the last is wrong.
_bad_name = st.sampled_from(("", 5, b"n", _SURROGATE)) | _TOO_LONG
_tracks = st.one_of(
    st.tuples(st.just("track.metadata"), st.tuples(st.just(_ID), _bad_metadata)),
    st.tuples(st.just("track.tags"), st.tuples(st.just(_ID), _bad_tags)),
    st.tuples(st.just("track.score"), st.tuples(st.just(_ID), _bad_points)),
    st.tuples(st.just("track.score"), st.tuples(st.just(_ID), st.just(50), _bad_name)),
    st.tuples(st.just("track.group"), st.tuples(st.just(_ID), _bad_count)),
    st.tuples(st.just("track.prompt"), st.tuples(st.just(_ID), _bad_text | st.none())),
    st.tuples(st.just("track.prompt"), st.tuples(st.just(_ID), st.just("p"), _bad_object)),
    st.tuples(st.just("track.prompt"), st.tuples(st.just(_ID), st.just("p"), st.none(), _bad_count | st.just(0))),
    st.tuples(st.just("untrack.metadata"), st.tuples(st.just(_ID), _bad_tags)),
    st.tuples(st.just("untrack.tags"), st.tuples(st.just(_ID), _bad_tags)),
    st.tuples(st.just("untrack.score"), st.tuples(st.just(_ID), _bad_name)),
    *(
        st.tuples(st.just(name), st.tuples(_bad_id.filter(lambda given: given is not None), st.just(right)))
        for name, right in (
            ("track.metadata", {"a": "b"}), ("track.metadata", {}), ("track.tags", ["a"]), ("track.tags", []),
            ("track.score", 5), ("track.group", 1), ("track.prompt", "p"), ("untrack.metadata", ["a"]),
            ("untrack.metadata", []), ("untrack.tags", "a"), ("untrack.score", "s"),
        )
    ),
)  # fmt: skip


@settings(max_examples=400)
@given(wrong=_tracks)
def test_what_cannot_be_tracked_is_refused_and_nothing_is_written(
    client: PromptLog, wrong: tuple[str, tuple[Any, ...]]
) -> None:
    """A wrong id or value of `track` and `untrack` raises InvalidInputError before a byte is written."""
    name, arguments = wrong
    place, method = name.split(".")
    _refuses(client, lambda: getattr(getattr(client, place), method)(*arguments), wrong)


_comparisons = st.one_of(
    st.tuples(st.sampled_from((meta("k"), col.model, col.input_text, col.prompt_name)), _no_string | st.just(_SURROGATE)),
    st.tuples(
        st.sampled_from((meta("k").as_float(), col.latency_ms, score(), col.group_id)),
        _no_number | st.sampled_from((None, math.nan, math.inf)),
    ),
    st.tuples(st.just(meta("k").as_int()), _no_number | st.sampled_from((None, 1.5, math.nan, -math.inf))),
    st.tuples(st.sampled_from((col.start_time, meta("k").as_datetime())), _bad_time),
    st.tuples(st.just(col.request_id), _bad_id),
)  # fmt: skip


@settings(max_examples=200)
@given(wrong=_comparisons)
def test_a_comparison_that_never_holds_is_refused_when_it_is_written(wrong: tuple[Any, Any]) -> None:
    """Comparing with a value of another kind raises at once, by every operator, and never answers silently."""
    left, other = wrong
    writes: tuple[Callable[[], object], ...] = (
        lambda: left == other, lambda: left != other, lambda: left < other, lambda: left >= other,
        lambda: left.is_in([other]), lambda: left.between(other, other),
    )  # fmt: skip
    for write in writes:
        with pytest.raises(InvalidInputError):
            write()


@given(name=_no_string | st.sampled_from(("", _SURROGATE)), when=_bad_time)
def test_names_and_moments_that_cannot_be_are_refused(name: Any, when: Any) -> None:
    """`meta`, `tag`, `score`, `col`, `since` and `until` refuse what no request can carry."""
    for write in (
        lambda: meta(name),
        lambda: tag(name),
        lambda: col(name),
        lambda: since(when),
        lambda: until(when),
    ):
        with pytest.raises(InvalidInputError):
            write()
    if name is not None:
        with pytest.raises(InvalidInputError):
            score(name)
