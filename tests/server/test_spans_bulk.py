"""`/spans-bulk`, as PromptLayer's SDKs sent spans before OTLP, and the closing of traces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.server.app import make_app

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = "0af7651916cd43dd8448eb211c80319c"
ROOT, CALL = "00f067aa0ba902b7", "10f067aa0ba902b8"
START = 1_767_225_600_000_000_000
LOG: dict[str, Any] = {
    "provider": "openai", "model": "gpt-4o", "input": {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "output": {"type": "chat", "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Ho"}]}]},
    "metadata": {"user_id": "u1"}, "input_tokens": 0, "output_tokens": 0, "price": 0, "score": 0, "prompt_name": "not here",
}  # fmt: skip


def span(id: str, **parts: Any) -> dict[str, Any]:
    """Return a span as PromptLayer's SDK 1.4.0 for Python sends it."""
    return {
        "name": f"span {id[:2]}", "context": {"trace_id": TRACE, "span_id": id, "trace_state": "[]"}, "kind": "SpanKind.INTERNAL",
        "parent_id": None, "start_time": START, "end_time": START + 1_000_000_000,
        "status": {"status_code": "StatusCode.UNSET", "description": None}, "attributes": {}, "events": [], "links": [],
        "resource": {"attributes": {"service.name": "shop"}, "schema_url": ""}, **parts,
    }  # fmt: skip


@pytest.fixture
def client(tmp_path: Any) -> PromptLog:
    return PromptLog(tmp_path / "a.duckdb")


@pytest.fixture
def server(client: PromptLog) -> Iterator[TestClient]:
    with TestClient(make_app(client), base_url="http://localhost") as browser:
        yield browser


def test_spans_are_kept_as_those_of_otlp_are(server: TestClient, client: PromptLog) -> None:
    """Tree, attributes, events, status and what the trace says of its calls; a call to a model is a request."""
    said = {
        "name": "exception",
        "timestamp": START + 5_000,
        "attributes": {"exception.type": "ValueError", "exception.message": "no"},
    }
    # Python's SDK leaves out the zeros a parent begins with; JavaScript's has times as text, and other names in a link.
    failed = span(
        CALL, parent_id=ROOT.lstrip("0"), kind="SpanKind.CLIENT", status={"status_code": "StatusCode.ERROR", "description": "no"},
        start_time=str(START + 1000), end_time=str(START + 2_000_000), events=[said],
        links=[{"context": {"traceId": TRACE, "spanId": ROOT}, "attributes": {"why": "retry"}}],
        attributes={"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"},
    )  # fmt: skip
    root = span(ROOT, attributes={"function_output": "[1, 2]", "promptlayer.metadata.shop": "north"})
    for _ in range(2):  # a retry changes nothing
        told = server.post("/spans-bulk", json={"spans": [failed, root], "close_after": True})
        assert told.status_code == 201
    (kept,) = client.requests
    assert told.json() == {
        "success": True,
        "spans": [
            {"id": id, "name": f"span {id[:2]}", "span_id": id} for id in (CALL, ROOT)
        ],
        "request_logs": [{"id": kept.request_id, "span_id": CALL}],
    }  # fmt: skip
    assert (kept.model, kept.status, kept.error_type, kept.error_message) == (
        "gpt-4o",
        "ERROR",
        "ValueError",
        "no",
    )
    assert (kept.latency_ms, kept.metadata) == (1.999, {"shop": "north"})
    first, second = client.trace(TRACE).spans
    assert (first.span_id, first.attributes) == (ROOT, {"function_output": "[1, 2]"})
    assert (second.parent_span_id, second.kind, second.status) == (ROOT, "CLIENT", "ERROR")
    ((links,),) = client.sql("SELECT links FROM spans WHERE span_id = ?", [CALL]).fetchall()
    assert '"why":"retry"' in links


def test_the_request_that_a_span_carries(server: TestClient, client: PromptLog) -> None:
    """Its times are the span's unless told, its prompt need not be here, and the span's own call is not logged twice."""
    called = span(CALL, parent_id=ROOT, attributes={"gen_ai.operation.name": "chat"}, log_request=LOG)
    root = span(ROOT, attributes={"promptlayer.metadata.shop": "north"})
    for _ in range(2):
        told = server.post("/spans-bulk", json={"spans": [root, called]})
    (kept,) = client.requests
    assert told.json()["request_logs"] == [{"id": kept.request_id, "span_id": CALL}]
    assert (kept.input_text, kept.output_text, kept.latency_ms) == ("Hi", "Ho", 1000)
    assert (kept.trace_id, kept.span_id, kept.prompt_name) == (TRACE, CALL, "not here")
    assert (kept.input_tokens, kept.cost_usd, kept.scores) == (None, None, {})
    assert kept.metadata == {"user_id": "u1", "shop": "north"}
    shown = server.get(f"/api/public/v2/traces/{TRACE}").json()["spans"]
    assert [one["request_log_id"] for one in shown] == [None, kept.request_id]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"name": 1}, ["name"]),
        ({"kind": "SpanKind.OTHER"}, ["kind"]),
        ({"start_time": -1}, ["start_time"]),
        ({"start_time": 0, "end_time": 0}, []),
        ({"context": {"trace_id": TRACE}}, ["context", "span_id"]),
        ({"context": {"trace_id": "xyz", "span_id": CALL}}, ["context", "trace_id"]),
        ({"events": [3]}, ["events"]),
        ({"log_request": {"provider": "openai"}}, ["log_request", "model"]),
        ({"log_request": LOG | {"score": 101}}, ["log_request", "score"]),
        ({"log_request": LOG | {"modle": "m"}}, ["log_request", "modle"]),
    ],
    ids=str,
)
def test_one_wrong_span_costs_the_batch(
    server: TestClient, client: PromptLog, change: dict[str, Any], where: list[str]
) -> None:
    """422 says which span and which field; nothing is written."""
    refused = server.post("/spans-bulk", json={"spans": [span(ROOT, log_request=LOG), span(CALL, **change)]})
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["body", "spans", 1, *where]
    assert client.requests.count() == 0


def test_a_trace_is_closed_in_word(server: TestClient, client: PromptLog) -> None:
    """201 in PromptLayer's shape, 404 for a trace that is not here; spans that come late are kept."""
    assert server.post(f"/api/public/v2/traces/{TRACE}/close").status_code == 404
    server.post("/spans-bulk", json={"spans": [span(ROOT)]})
    for _ in range(2):
        closed = server.post(f"/api/public/v2/traces/{TRACE}/close")
        assert closed.status_code == 201
    assert closed.json()["closure"].items() >= {"trace_id": TRACE, "status": "closed"}.items()
    assert server.post("/spans-bulk", json={"spans": [span(CALL, parent_id=ROOT)]}).status_code == 201
    assert len(client.trace(TRACE).spans) == 2
    assert server.post("/api/public/v2/traces/nonsense/close").status_code == 404
