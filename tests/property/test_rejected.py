"""A line that is no record is set aside, and never stops those around it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import strategies as ours
from tests.property.bench import lines_of

if TYPE_CHECKING:
    from typing import Any

    from tests.property.bench import Bench

_ID = ours.REQUEST_IDS[0]
_WHOLE = {
    "time": 5, "kind": "request", "request_id": _ID, "start_time": 1, "end_time": 2, "status": "SUCCESS"
}  # fmt: skip
_TRACK = {"time": 5, "kind": "track", "request_id": _ID}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _one_of(*values: object) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


#: Parts that no record may have: each makes a record that was whole none.
_WRONG_PARTS: dict[str, st.SearchStrategy[Any]] = {
    "time": _one_of(None, -1, 1 << 62, 1 << 70, "soon", [], {}),
    "kind": _one_of(None, "requests", "", 5, [], {}),
    "request_id": _one_of(None, "", "chatcmpl-1", 5, [], {}),
    "start_time": _one_of(None, -1, 1 << 62, "soon", []),
    "end_time": _one_of(None, -1, 1 << 62, {}),
    "status": _one_of(None),
    "metadata": _one_of({"a": None}, {"a": "b", "c": None}, "a", 5, ["a"], [None]),
    "tags": _one_of([None], ["a", None], "a", 5, {"a": "b"}),
    "scores": _one_of({"a": None}, {"a": "high"}, {"a": 1, "b": None}, 5, ["a"], {"a": [1]}),
    "prompt": _one_of(5, "a", ["a"], {"version": "new"}, {"version": 1 << 64}),
    "group_id": _one_of("a", [], {}, 1 << 63, -(1 << 64)),
    "removed": _one_of({"metadata": [None]}, {"tag": ["a", None]}, {"score": [None]}, {"tag": "a"}, 5, ["a"]),
    "input_tokens": _one_of("many", 1 << 63, [], {}),
    "cost_usd": _one_of("dear", [], {}),
}
_wrong = st.one_of(
    *(
        st.builds(
            lambda value, name=name: _json({**_WHOLE, name: value}),
            values,
        )
        for name, values in _WRONG_PARTS.items()
    )
)
_cut = st.integers(1, len(_json(_WHOLE)) - 1).map(lambda end: _json(_WHOLE)[:end])
_noise = st.binary(min_size=1, max_size=40).map(lambda data: b"!" + data.replace(b"\n", b"\r"))
_other_json = st.one_of(
    ours.jsons, st.dictionaries(ours.texts.filter(lambda text: text.lower() != "kind"), ours.jsons)
).map(_json)
_glued = _one_of(
    _json(_WHOLE) * 2, b"[" + _json(_WHOLE) + b"]", _json(_WHOLE) + b",", b"\xef\xbb\xbf" + _json(_WHOLE)
)
_twice = _one_of(
    _json(_TRACK)[:-1] + b',"metadata":{"a":"1","a":"2"}}', _json(_TRACK)[:-1] + b',"time":7}', _json(_WHOLE)[:-1] + b',"model":"\\ud800"}'
)  # fmt: skip
bad_lines = st.one_of(_wrong, _wrong, _cut, _noise, _other_json, _glued, _twice)

#: True: a good line; else the bad one.
_mixed = st.lists(st.lists(st.just(True) | bad_lines, max_size=6), min_size=1, max_size=3)


@settings(max_examples=25)
@given(segments=_mixed, slice_bytes=st.sampled_from((1, 500, 1 << 20)))
def test_good_lines_arrive_and_bad_ones_are_kept_with_their_place(
    bench: Bench, segments: list[list[bytes | bool]], slice_bytes: int
) -> None:
    """All good lines are merged, all others stand in `rejected/` with segment, offset and reason; once."""
    _holds(bench, segments, slice_bytes)


@pytest.mark.slow
@settings(max_examples=300)
@given(segments=_mixed, slice_bytes=st.sampled_from((1, 500, 1 << 20)))
def test_good_lines_arrive_at_length(
    bench: Bench, segments: list[list[bytes | bool]], slice_bytes: int
) -> None:
    """The same law, over many more journals."""
    _holds(bench, segments, slice_bytes)


def _holds(bench: Bench, segments: list[list[bytes | bool]], slice_bytes: int) -> None:
    bench.empty()
    good: set[str] = set()
    bad: set[tuple[str, int, bytes]] = set()
    for lines in segments:
        name, offset = bench.new_segment(), 0
        for line in lines:
            if isinstance(line, bytes):
                bad.add((name, offset, line))
                data = line + b"\n"
            else:
                good.add(f"k{len(good)}")
                data = lines_of([{**_TRACK, "metadata": {f"k{len(good) - 1}": "v"}}])
            bench.append(name, data)
            offset += len(data)

    assert bench.merge(slice_bytes) == len(good)

    contents = bench.contents()
    assert {row[1] for row in contents["metadata"]} == good
    assert {row[0] for row in contents["metadata_by_value"]} == good
    assert not any(contents[table] for table in contents if not table.startswith("metadata"))
    rejected = bench.rejected()
    assert {(item["segment"], item["offset"], _line(item)) for item in rejected} == bad
    assert len(rejected) == len(bad)
    assert all(item["reason"] for item in rejected)

    assert bench.merge(slice_bytes) == 0
    bench.connection.execute("DELETE FROM journal_offsets")  # as if the transaction had not been kept
    assert bench.merge(slice_bytes) == len(good)
    assert bench.contents() == contents
    assert bench.rejected() == rejected


def _line(item: dict[str, Any]) -> bytes:
    return item["line"].encode() if "line" in item else base64.b64decode(item["line_base64"])


#: Lines that one reader takes and a stricter one would not.
_doubtful = _one_of(
    _json({**_TRACK, "metadata": {"a": 1}}),
    _json({**_TRACK, "tags": [1]}),
    _json({**_TRACK, "scores": {"a": "5"}}),
    _json({**_TRACK, "group_id": "7"}),
    _json({**_TRACK, "group_id": 1.5}),
    _json({**_TRACK, "removed": {"metadata": None, "tag": ["t"]}}),
    _json({**_WHOLE, "input": [1]}),
    _json(_TRACK)[:-1] + b',"tags":["a"],}',
    _json({**_TRACK, "metadata": {"a": "b"}}) + b"\r",
)


def test_a_line_with_a_byte_order_mark_is_bad_wherever_it_stands(bench: Bench) -> None:
    """DuckDB passes over one that begins a file, and refuses any other."""
    marked = b"\xef\xbb\xbf" + _json(_WHOLE) + b"\n"
    good = lines_of([{**_TRACK, "metadata": {"a": "b"}}])
    for lines in (marked + good, good + marked, marked):
        bench.empty()
        bench.append(bench.new_segment(), lines)
        bench.merge()
        assert not bench.contents()["requests"]
        assert len(bench.rejected()) == 1


@settings(max_examples=25)
@given(line=_doubtful, neighbour=bad_lines)
def test_a_line_is_judged_alone(bench: Bench, line: bytes, neighbour: bytes) -> None:
    """Whether a line is a record does not depend on the lines that it is merged with."""

    def tables(*lines: bytes) -> object:
        bench.empty()
        bench.append(bench.new_segment(), b"".join(line + b"\n" for line in lines))
        bench.merge()
        return bench.contents()

    assert tables(line) == tables(line, neighbour) == tables(neighbour, line)
