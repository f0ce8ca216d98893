"""`client.trace`: what was exported of a trace, and the requests that stand in it."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog, meta, tag
from promptlog.errors import InvalidInputError, TraceNotFoundError
from promptlog.identifiers import span_request_id
from promptlog.models.encode import encode
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path

TRACE = "ab" * 16
_START = round(START * 1e6)


def span_id(number: int) -> str:
    return f"{number:016x}"


def span(number: int, parent: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a record of a span that is no call."""
    found = {
        "trace_id": TRACE,
        "span_id": span_id(number),
        "parent_span_id": None if parent is None else span_id(parent),
        "name": f"step {number}",
        "kind": "INTERNAL",
        "start_time": _START + number * 1000,
        "end_time": _START + number * 1000 + 5000,
        "status": "UNSET",
        **more,
    }
    return {"kind": "span", "source_time": found["start_time"], "span": found}


def call(number: int, parent: int | None = None, **more: Any) -> dict[str, Any]:
    """Return a record of a span that is a call to a model."""
    record = span(number, parent, **more)
    start = record["span"]["start_time"]
    return {
        **record,
        "kind": "request",
        "request_id": span_request_id(TRACE, span_id(number), start),
        "start_time": start,
        "end_time": record["span"]["end_time"],
        "status": "SUCCESS",
        "model": "gpt-4o",
        "trace_id": TRACE,
        "span_id": span_id(number),
    }


@pytest.fixture
def client(tmp_path: Path) -> PromptLog:
    return PromptLog(tmp_path / "a.duckdb")


def put(client: PromptLog, *records: dict[str, Any]) -> None:
    for record in records:
        client._append(record)


def test_the_tree_stands_whoever_came_first(client: PromptLog) -> None:
    """Children before parents, in another merge: the tree is the same, and each call hangs where it was made."""
    put(client, call(3, 2), span(2, 1, attributes={"a": 1}, events=[{"name": "e"}]))
    client.merge()
    put(client, span(1), call(4, 1))
    trace = client.trace(TRACE.upper())
    assert [(depth, found.name) for depth, found in trace.walk()] == [
        (0, "step 1"), (1, "step 2"), (2, "step 3"), (1, "step 4")
    ]  # fmt: skip
    assert [root.name for root in trace.roots] == ["step 1"]
    assert [found.name for found in trace.children(trace.roots[0])] == ["step 2", "step 4"]
    assert [[made.model for made in found.requests] for found in trace.spans] == [
        [],
        [],
        ["gpt-4o"],
        ["gpt-4o"],
    ]
    assert (trace.spans[1].attributes, trace.spans[1].events) == ({"a": 1}, [{"name": "e"}])
    assert "step 3" in trace._repr_html_()
    assert str(trace).splitlines() == [
        f"trace {TRACE}", "  step 1  5 ms", "    step 2  5 ms", "      step 3  5 ms  gpt-4o", "    step 4  5 ms  gpt-4o",
    ]  # fmt: skip


def test_what_a_parent_says_reaches_the_calls_below_it(client: PromptLog) -> None:
    """The nearer says more; what was tracked outranks both, and what was removed stays away."""
    put(client, call(3, 2, metadata={"own": "child"}), span(1, metadata={"user_id": "u1", "plan": "free"}))
    client.merge()
    put(client, span(2, 1, metadata={"plan": "pro", "own": "parent"}, tags=["nightly"]))
    (found,) = client.requests.filter(meta("user_id") == "u1", tag("nightly"))
    assert found.metadata == {"user_id": "u1", "plan": "pro", "own": "child"}
    client.track.metadata(found.request_id, {"plan": "trial"})
    client.untrack.metadata(found.request_id, "user_id")
    client.merge()
    put(client, span(1, metadata={"user_id": "u1", "plan": "free"}), span(5, 1))
    assert client.requests.get(found.request_id).metadata == {"plan": "trial", "own": "child"}


def test_what_a_root_says_reaches_a_call_deep_below_it(client: PromptLog) -> None:
    """An agent that calls itself makes deep trees; spans that are each other's parents end all the same."""
    steps = [
        span(n, n - 1 if n > 1 else None, **({"metadata": {"k": "v"}} if n == 1 else {}))
        for n in range(1, 200)
    ]
    circle = [call(n, n + 1 if n < 320 else 300, metadata={f"k{n}": "v"}) for n in range(300, 321)]
    client._append_lines([encode(record) for record in (*steps, call(200, 199), *circle)])
    assert client.requests.filter(meta("k") == "v").count() == 1
    assert client.requests.filter(meta("k300") == "v").count() == 21


def test_a_request_logged_inside_a_span_belongs_to_it(client: PromptLog) -> None:
    """`log_request` with the ids of a span around it takes part in the trace."""
    client.log_request(**request(trace_id=TRACE, span_id=span_id(2), metadata={"plan": "own"}))
    client.merge()
    put(client, span(1, metadata={"user_id": "u1", "plan": "free"}), span(2, 1))
    (found,) = client.requests
    assert found.metadata == {"user_id": "u1", "plan": "own"}
    assert [made.request_id for made in client.trace(TRACE).spans[1].requests] == [found.request_id]


def test_requests_without_their_span_are_shown_too(client: PromptLog) -> None:
    """A trace of which no span was exported is the list of its requests."""
    client.log_request(**request(trace_id=TRACE, span_id=span_id(9)))
    trace = client.trace(TRACE)
    assert (trace.spans, len(trace.requests), list(trace.walk())) == ([], 1, [])


@pytest.mark.parametrize("span_first", [True, False])
def test_a_managed_span_is_the_request_that_was_logged_by_other_means(
    client: PromptLog, span_first: bool
) -> None:
    """No second request; metadata of the spans around it reaches the one there is."""
    for spans_now in (span_first, not span_first):
        if spans_now:
            put(client, span(1, metadata={"user_id": "u1"}), span(2, 1, managed_span_id="feed" * 4))
        else:
            client.log_request(**request(span_id="feed" * 4))
        client.merge()
    (found,) = client.requests
    assert found.metadata == {"user_id": "u1"}
    assert [[made.request_id for made in each.requests] for each in client.trace(TRACE).spans] == [
        [], [found.request_id]
    ]  # fmt: skip


@pytest.mark.parametrize("log_first", [True, False])
def test_an_evaluation_may_name_the_answer_instead_of_the_span(client: PromptLog, log_first: bool) -> None:
    """A score keeps its own scale and label."""
    judged = {"name": "relevance", "score": -1.5, "label": "poor", "explanation": "off topic"}
    log = {"kind": "log", "log": {"response_id": "chatcmpl-1", "time": _START, "score": judged}}
    for record in (log, call(1, response_id="chatcmpl-1"))[:: 1 if log_first else -1]:
        put(client, record)
        client.merge()
    (found,) = client.requests
    assert (found.scores, found.score_labels) == ({"relevance": -1.5}, {"relevance": "poor"})
    assert client.sql("SELECT explanation FROM scores").fetchall() == [("off topic",)]


def test_a_removed_request_leaves_no_content_in_its_span(client: PromptLog) -> None:
    """Nor does one whose span comes after the removal; the tree keeps its shape."""
    first, second = (
        call(1, attributes={"secret": "x"}, metadata={"user_id": "u1"}),
        call(2, 1, attributes={"secret": "y"}),
    )
    for record in (first, second):
        put(client, {"kind": "remove", "request_id": record["request_id"]})
        put(client, record)
        client.merge()
    put(client, {"kind": "remove", "request_id": first["request_id"]})
    assert client.requests.count() == 0
    assert client.sql("SELECT count(*), count(attributes), count(metadata) FROM spans").fetchall() == [
        (2, 0, 0)
    ]
    assert len(list(client.trace(TRACE).walk())) == 2


def test_a_removed_request_leaves_no_content_where_else_it_was_told(client: PromptLog) -> None:
    """In its span's events, links and message, in a second instrumentation's span of it, in logs that name its answer."""
    told: dict[str, Any] = {
        "events": [{"name": "secret"}],
        "links": [{"attributes": {"a": "secret"}}],
        "tags": ["secret"],
    }
    gone = call(1, status_message="secret", response_id="r1", **told)
    same = {"promptlog.within_call": True, "gen_ai.input.messages": "secret"}
    judged = {"name": "gen_ai.evaluation.result", "response_id": "r1", "time": _START,
              "score": {"name": "s", "label": "secret"}}  # fmt: skip
    put(client, gone, span(2, 1, attributes=same), span(3, 1, attributes={"http": "kept"}))
    put(client, {"kind": "log", "source_time": _START, "log": judged})
    assert "secret" in str(client.sql("FROM spans").fetchall())
    put(client, {"kind": "remove", "request_id": gone["request_id"]})
    assert client.requests.count() == 0
    for table in ("spans", "span_logs", "scores"):
        assert "secret" not in str(client.sql(f"FROM {table}").fetchall())
    assert client.sql("SELECT attributes->>'http' FROM spans WHERE attributes IS NOT NULL").fetchall() == [
        ("kept",)
    ]


def test_the_same_export_again_changes_nothing(client: PromptLog) -> None:
    """Not even the time that a value counts from, nor is it a conflict."""
    records = [span(1, metadata={"user_id": "u1"}), call(2, 1, metadata={"plan": "pro"})]
    put(client, *records)
    tables = ("spans", "requests", "metadata", "conflicts")
    before = [client.sql(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in tables]
    put(client, *records)
    assert [client.sql(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in tables] == before


def test_what_counts_from_the_future_counts_from_now(client: PromptLog) -> None:
    """A clock that is ahead elsewhere does not outrank every edit to come."""
    ahead = round((time.time() + 3600) * 1e6)
    record = call(1, metadata={"plan": "free"})
    record |= {"source_time": ahead}
    put(client, record)
    client.track.metadata(record["request_id"], {"plan": "pro"})
    (found,) = client.requests
    assert found.metadata == {"plan": "pro"}


def test_a_wrong_id_and_an_unknown_one(client: PromptLog) -> None:
    """Each has its own error."""
    with pytest.raises(InvalidInputError, match="32 hex digits"):
        client.trace("xyz")
    with pytest.raises(TraceNotFoundError, match="no span and no request"):
        client.trace("cd" * 16)


def test_the_latest_traces_are_the_first_of_all(client: PromptLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few steps are looked at first, and however the spans of traces lie between each other."""
    monkeypatch.setattr("promptlog.query.traces._FEWEST_STEPS", 1)
    monkeypatch.setattr("promptlog.query.traces._STEPS_EACH", 1)
    monkeypatch.setattr("promptlog.query.traces._MORE", 2)
    random = Random(7)
    records = []
    for number in range(300):
        record = span(number, None if number % 7 else 1)
        record["span"] |= {
            "trace_id": f"{random.randrange(30):032x}",
            "start_time": _START + random.randrange(60) * 1000,
        }
        record["span"]["end_time"] = record["span"]["start_time"] + 5000
        records.append(record)
    client._append_lines(map(encode, records))
    for number in range(20):
        client.log_request(
            **request(trace_id=f"{random.randrange(25, 40):032x}", request_start_time=START + number / 500)
        )
    whole = client.traces(limit=None).dicts()
    order = [(-row["start_time"].timestamp(), row["trace_id"]) for row in whole]
    assert order == sorted(order)
    assert {row["trace_id"] for row in whole} == {id for (id,) in client.sql("SELECT trace_id FROM spans UNION SELECT trace_id FROM requests").fetchall()}  # fmt: skip
    for limit in (0, 1, 2, 5, 29, 100):
        assert client.traces(limit=limit).dicts() == whole[:limit]
        before = whole[9]["start_time"]
        later = [row for row in whole if row["start_time"] < before]
        assert client.traces(limit=limit, before=before).dicts() == later[:limit]
    for row in whole:
        trace = client.trace(row["trace_id"])
        calls = [call for span in trace.spans for call in span.requests] + trace.requests
        assert (row["spans"], row["requests"]) == (len(trace.spans), len(calls))
        if trace.spans:
            assert (
                row["name"]
                == next((one for one in trace.spans if one.parent_span_id is None), trace.spans[0]).name
            )


def test_what_is_told_of_a_trace(client: PromptLog) -> None:
    """Times, sums and errors: a call that failed and its span are one, and one logged by other means is its."""
    failed = call(2, 1, status="ERROR") | {"status": "ERROR", "cost_usd": 0.5, "input_tokens": 3}
    put(client, span(1), failed, span(3, 1, managed_span_id="feed" * 4), span(4, 1, status="ERROR"))
    client.log_request(**request(span_id="feed" * 4, error_type="X", price=0.25))
    (told,) = client.traces().dicts()
    (first, *_, last) = client.trace(TRACE).spans
    assert told == {
        "trace_id": TRACE, "name": "step 1", "start_time": first.start_time, "end_time": last.end_time, "latency_ms": 8.0,
        "spans": 4, "requests": 2, "errors": 3, "input_tokens": 3, "output_tokens": 0, "cost_usd": 0.75,
    }  # fmt: skip
    with pytest.raises(InvalidInputError, match="time zone"):
        client.traces(before=first.start_time.replace(tzinfo=None))
