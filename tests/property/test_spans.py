"""Spans converge: a trace is what was exported of it, whichever of its spans and logs came first."""

from __future__ import annotations

import itertools
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog.identifiers import span_request_id
from tests.property.bench import lines_of
from tests.strategies import Journey, journeys

if TYPE_CHECKING:
    from tests.property.bench import Bench

_START = 1_700_000_000_000_000
_TRACES = ("ab" * 16, "cd" * 16)
_KEYS = ("user_id", "plan")


@st.composite
def traces(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some spans of a tree (a parent may be missing, or be a circle), calls among them, and logs of theirs."""
    count = draw(st.integers(1, 5))
    records = []
    for number in range(count):
        # Two traces may hold the same id of a span.
        held_by = draw(st.sampled_from((_TRACES[:1], _TRACES[:1], _TRACES[1:], _TRACES)))
        records += [_span(draw, trace, number, count) for trace in held_by]
    for number, (of, seconds, gone) in enumerate(draw(_bare(count))):
        start = _START + seconds * 1_000_000
        id = str(uuid.UUID(int=(7 << 76) | (2 << 62) | number))
        call = {"request_id": id, "start_time": start, "end_time": start + 10, "status": "SUCCESS"}
        call |= {"span_id": _span_id(of), "input": _blueprint(["bare"])}
        records.append({"time": _START * 2, "kind": "request", **call})
        if gone:
            records.append({"time": _START * 3, "kind": "remove", "request_id": id})
    for number, (log, of) in enumerate(draw(st.lists(st.tuples(_LOGS, st.integers(0, count)), max_size=4))):
        place = {
            "trace_id": draw(st.sampled_from(_TRACES)),
            "span_id": _span_id(of),
            "time": log["time"] * 10 + number,
        }
        records.append({"time": _START * 20, "kind": "log", "log": {**log, **place}})
    return records


def _span(draw: st.DrawFn, trace: str, number: int, count: int) -> dict[str, Any]:
    """One span, that may be a call."""
    parent = draw(st.one_of(st.none(), st.integers(0, count)))
    span: dict[str, Any] = {
        "trace_id": trace,
        "span_id": _span_id(number),
        "parent_span_id": None if parent is None else _span_id(parent),
        "name": "step",
        "kind": "INTERNAL",
        "start_time": _START + number,
        "end_time": _START + number + 10,
        "status": "UNSET",
    }
    metadata = draw(st.dictionaries(st.sampled_from(_KEYS), st.sampled_from("xyz"), max_size=2))
    if metadata:
        span["metadata"] = metadata
    if tags := draw(st.lists(st.sampled_from("tu"), unique=True, max_size=2)):
        span["tags"] = tags
    stamp: dict[str, Any] = {"time": _START + 1000 + number, "source_time": _START + number, "span": span}
    if not draw(st.booleans()):
        return {**stamp, "kind": "span"}
    call: dict[str, Any] = {
        "kind": "request",
        "request_id": span_request_id(trace, _span_id(number), _START + number),
        "start_time": _START + number,
        "end_time": _START + number + 10,
        "status": "SUCCESS",
        "trace_id": trace,
        "span_id": _span_id(number),
    }
    call |= {name: span[name] for name in ("metadata", "tags") if name in span}
    if draw(st.booleans()):
        call["input"] = _blueprint(["own"])
    return {**stamp, **call}


def _bare(count: int) -> st.SearchStrategy[list[tuple[int, int, bool]]]:
    """Requests that name a span alone: which, how many seconds after it, and whether they are removed."""
    seconds, gone = st.sampled_from((0, 0, 0, 1, 60)), st.sampled_from((False, False, False, True))
    return st.lists(st.tuples(st.integers(0, count), seconds, gone), max_size=3)


_LOGS = st.one_of(
    st.builds(
        lambda time, text, part: {
            "time": _START // 10 + time,
            "name": "gen_ai.choice",
            part: [_message(text)],
        },
        st.integers(0, 3),
        st.sampled_from("ab"),
        st.sampled_from(("input", "output")),
    ),
    st.builds(
        lambda time, score: {"time": _START // 10 + time, "score": {"name": "relevance", **score}},
        st.integers(0, 3),
        st.sampled_from(
            ({"score": 0.5, "label": "good"}, {"label": "bad", "explanation": "why"}, {"score": 7})
        ),
    ),
)


@pytest.mark.slow
def test_every_order_of_a_request_and_the_spans_of_its_id(bench: Bench) -> None:
    """Each record merged alone, and the request once more: it has the smaller trace, and inherits from both."""
    low, high = _TRACES
    told = [(high, 0, None), (low, 0, 1), (low, 1, None)]
    written: list[dict[str, Any]] = [
        {"time": _START + 1000, "source_time": _START, "kind": "span", "span": {
            "trace_id": trace, "span_id": _span_id(number), "name": "step", "kind": "INTERNAL", "status": "UNSET",
            "parent_span_id": None if parent is None else _span_id(parent), "start_time": _START, "end_time": _START + 9,
            "metadata": {f"{trace[:2]}{number}": "x"},
        }}
        for trace, number, parent in told
    ]  # fmt: skip
    call = {"kind": "request", "request_id": str(uuid.UUID(int=(7 << 76) | (2 << 62))), "status": "SUCCESS",
            "start_time": _START, "end_time": _START + 5, "span_id": _span_id(0)}  # fmt: skip
    written.append({"time": _START + 2000, **call})
    asked = (
        "SELECT trace_id, span_id FROM requests",
        "SELECT key FROM metadata ORDER BY key",
        "SELECT content_hash FROM conflicts",
    )
    for order in itertools.permutations(written):
        bench.empty()
        segment = bench.new_segment()
        for place, record in enumerate((*order, written[-1])):
            bench.append(segment, lines_of([record]))
            bench.merge()
            if place >= len(order) - 1:
                found = [bench.connection.execute(text).fetchall() for text in asked]
                assert found == [[(low, _span_id(0))], [("ab0",), ("ab1",), ("cd0",)], [("",)]]


@settings(max_examples=8)
@given(data=st.data(), written=traces())
def test_a_trace_is_the_same_whichever_of_its_spans_came_first(
    bench: Bench, data: st.DataObject, written: list[dict[str, Any]]
) -> None:
    """Inherited metadata and tags, content and scores of logs, the trace of what names a span alone: as the rule says it."""
    _holds(bench, data, written)


@pytest.mark.slow
@settings(max_examples=30)
@given(data=st.data(), written=traces())
def test_a_trace_is_the_same_at_length(
    bench: Bench, data: st.DataObject, written: list[dict[str, Any]]
) -> None:
    """The same law, over many more traces."""
    _holds(bench, data, written)


def _holds(bench: Bench, data: st.DataObject, written: list[dict[str, Any]]) -> None:
    for _ in range(2):
        bench.empty()
        _travel(bench, written, data.draw(journeys(len(written))))
        asked = {
            "metadata": "SELECT request_id::VARCHAR, key, value, epoch_us(updated_at) FROM metadata",
            "by value": "SELECT request_id::VARCHAR, key, value FROM metadata_by_value",
            "tags": "SELECT request_id::VARCHAR, tag, epoch_us(updated_at) FROM tags",
            "content": "SELECT request_id::VARCHAR, input::VARCHAR, output::VARCHAR FROM requests",
            "scores": "SELECT request_id::VARCHAR, score, label, explanation, epoch_us(updated_at) FROM scores",
            "spans": "SELECT trace_id, span_id, request_id::VARCHAR FROM spans",
            "traces": "SELECT request_id::VARCHAR, trace_id FROM requests",
            "conflicts": "SELECT request_id::VARCHAR, content_hash FROM conflicts",
        }
        found = {
            name: sorted(bench.connection.execute(text).fetchall(), key=repr) for name, text in asked.items()
        }
        assert found == {name: sorted(rows, key=repr) for name, rows in _expected(written).items()}


def _travel(bench: Bench, written: list[dict[str, Any]], way: Journey) -> None:
    segments = [bench.new_segment() for _ in range(3)]
    for number, segment, merges in way.steps:
        bench.append(segments[segment], lines_of([written[number]]))
        if merges:
            bench.merge(way.slice_bytes)
    bench.merge(way.slice_bytes)


def _expected(written: list[dict[str, Any]]) -> dict[str, list[tuple[Any, ...]]]:
    spans = {(r["span"]["trace_id"], r["span"]["span_id"]): r["span"] for r in written if "span" in r}
    calls = {(r["trace_id"], r["span_id"]): r for r in written if r["kind"] == "request" and "span" in r}
    gone = {r["request_id"] for r in written if r["kind"] == "remove"}
    bare = [r for r in written if "span_id" in r and "trace_id" not in r and r["request_id"] not in gone]
    joined = [
        (trace, r)
        for r in bare
        for trace in _TRACES
        if (trace, r["span_id"]) in spans and r["start_time"] <= _START + 2_000_000
    ]
    metadata: dict[tuple[str, str], tuple[int, str]] = {}
    tags: dict[tuple[str, str], int] = {}
    for trace, call in [*((trace, call) for (trace, _), call in calls.items()), *joined]:
        at, distance = call["span_id"], 0
        while (trace, at) in spans and distance <= 256:
            span, time = spans[trace, at], call["start_time"] - distance
            for key, value in span.get("metadata", {}).items():
                place = (call["request_id"], key)
                metadata[place] = max(metadata.get(place, (0, "")), (time, value))
            for tag in span.get("tags", ()):
                tags[call["request_id"], tag] = max(tags.get((call["request_id"], tag), 0), time)
            at, distance = span.get("parent_span_id"), distance + 1
    logs = {json.dumps(r["log"], sort_keys=True): r["log"] for r in written if r["kind"] == "log"}
    content, scores = [(r["request_id"], _text(r["input"]), None) for r in bare], {}
    for (trace, span_id), call in calls.items():
        own = [log for log in logs.values() if (log["trace_id"], log["span_id"]) == (trace, span_id)]
        parts = [_said(own, part) for part in ("input", "output")]
        if "input" in call:
            parts = [_text(call["input"]), None]
        content.append((call["request_id"], *parts))
        judged = [
            (log["time"], *(log["score"].get(part) for part in ("score", "label", "explanation")))
            for log in own
            if "score" in log
        ]
        if judged:
            time, *values = max(judged, key=lambda row: [(value is None, value or 0) for value in row])
            scores[call["request_id"]] = (*values, time)
    found = {r["request_id"]: min(trace for trace, other in joined if other is r) for _, r in joined}
    return {
        "metadata": [(*place, value, time) for place, (time, value) in metadata.items()],
        "by value": [(*place, value) for place, (_, value) in metadata.items()],
        "tags": [(*place, time) for place, time in tags.items()],
        "content": content,
        "scores": [(request_id, *row) for request_id, row in scores.items()],
        "spans": [(*place, calls.get(place, {}).get("request_id")) for place in spans],
        "traces": [
            *((call["request_id"], trace) for (trace, _), call in calls.items()),
            *((r["request_id"], found.get(r["request_id"])) for r in bare),
        ],
        "conflicts": [(request_id, "") for request_id in found],
    }


def _said(logs: list[dict[str, Any]], part: str) -> str | None:
    """Return the messages of logs in order of time."""
    texts = sorted((log["time"], log[part][0]["content"][0]["text"]) for log in logs if part in log)
    return _text(_blueprint([text for _, text in texts])) if texts else None


def _span_id(number: int) -> str:
    return f"{number + 1:016x}"


def _message(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _blueprint(texts: list[str]) -> dict[str, Any]:
    return {"type": "chat", "messages": [_message(text) for text in texts]}


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"))
