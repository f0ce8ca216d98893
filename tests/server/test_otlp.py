"""OTLP's doors, with the real exporters."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from starlette.testclient import TestClient

from promptlog import PromptLog, col
from promptlog.server.app import make_app
from tests.server.support import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.support import Served

SPAN = {
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "spanId": "b7ad6b7169203331",
    "name": "chat gpt-4o",
    "kind": 3,
    "startTimeUnixNano": "1767225600000000000",
    "endTimeUnixNano": "1767225601000000000",
    "attributes": [
        {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}},
        {"key": "user.id", "value": {"stringValue": "u7"}},
    ],
}


def request(*spans: dict[str, Any]) -> dict[str, Any]:
    """Return a request of OTLP's JSON."""
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


BOMB = gzip.compress(b" " * 300_000_000)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("otlp") / "a.duckdb") as server:
        yield server


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
def test_the_real_exporter(served: Served, compression: Compression) -> None:
    """Spans of an instrumented program are requests of the store."""
    provider = TracerProvider()
    exporter = OTLPSpanExporter(f"{served.url}/v1/traces", compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("t").start_as_current_span("agent") as outer:
        outer.set_attribute("user.id", "u1")
        with provider.get_tracer("t").start_as_current_span("chat gpt-4o") as span:
            span.set_attributes(
                {"gen_ai.operation.name": "chat", "gen_ai.request.model": f"m-{compression.value}"}
            )
    provider.shutdown()
    found = PromptLog(served.store).requests.filter(col.model == f"m-{compression.value}").first()
    assert found is not None
    assert found.metadata == {"user_id": "u1"}
    assert found.trace_id == f"{span.get_span_context().trace_id:032x}"


def test_json_and_what_of_it_cannot_be_kept(served: Served) -> None:
    """A span without times is told as partial success; the other is written, and twice is once."""
    broken = {**SPAN, "spanId": "b7ad6b7169203332", "startTimeUnixNano": "0", "endTimeUnixNano": "0"}
    packed = gzip.compress(json.dumps(request(SPAN, broken)).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    for _ in range(2):
        said = httpx.post(f"{served.url}/v1/traces", content=packed, headers=headers)
        assert said.status_code == 200
        assert said.json()["partialSuccess"]["rejectedSpans"] == "1"
        assert "without times" in said.json()["partialSuccess"]["errorMessage"]
    assert PromptLog(served.store).requests.filter(col.trace_id == SPAN["traceId"]).count() == 1


def test_partial_success_in_protobuf(served: Served) -> None:
    """It is what the protocol's own classes read."""
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    sent = ExportTraceServiceRequest()
    span = sent.resource_spans.add().scope_spans.add().spans.add()
    span.name, span.start_time_unix_nano, span.end_time_unix_nano = "no ids", 1, 2
    headers = {"content-type": "application/x-protobuf"}
    said = httpx.post(f"{served.url}/v1/traces", content=sent.SerializeToString(), headers=headers)
    found = ExportTraceServiceResponse.FromString(said.content)
    assert found.partial_success.rejected_spans == 1
    assert "without ids" in found.partial_success.error_message
    assert ParseDict({}, ExportTraceServiceResponse()) == ExportTraceServiceResponse.FromString(
        httpx.post(f"{served.url}/v1/traces", content=b"", headers=headers).content
    )


@pytest.mark.parametrize(
    ("content", "kind", "encoding", "status"),
    [
        (b"{}", "text/plain", None, 415),
        (b"{", "application/json", None, 400),
        (b"nonsense", "application/x-protobuf", None, 400),
        (b"nonsense", "application/json", "gzip", 400),
        (b"x", "application/json", "br", 415),
        (BOMB, "application/json", "gzip", 413),
        (BOMB, "application/json", None, 400),
        (BOMB, "application/x-protobuf", None, 400),
        (gzip.compress(BOMB), "application/json", "gzip", 400),
        (gzip.compress(b"{}") * 2, "application/json", "gzip", 400),  # of which the second would be lost
        (json.dumps(request(SPAN)).encode(), "application/x-protobuf", None, 400),
    ],
    ids=[
        "type",
        "json",
        "protobuf",
        "gzip",
        "encoding",
        "bomb",
        "packed",
        "packed protobuf",
        "packed twice",
        "two packed",
        "mistaken",
    ],
)
def test_what_is_no_otlp_is_refused(
    served: Served, content: bytes, kind: str, encoding: str | None, status: int
) -> None:
    """With the status that tells a client not to send it again; what a small body may unpack to stays packed."""
    headers = {"content-type": kind, **({"content-encoding": encoding} if encoding else {})}
    refused = httpx.post(f"{served.url}/v1/traces", content=content, headers=headers, timeout=30)
    assert refused.status_code == status
    assert message_of(refused)


@pytest.mark.parametrize(("key", "size", "status"), [("wrong", 2, 401), ("k", 2001, 413)])
@pytest.mark.parametrize("kind", ["application/json", "application/x-protobuf"])
def test_every_refusal_is_the_protocols(tmp_path: Path, kind: str, key: str, size: int, status: int) -> None:
    """What the server refuses for all doors alike is told as OTLP's clients read it."""
    app = make_app(PromptLog(tmp_path / "a.duckdb"), api_key="k", max_body_bytes=2000)
    headers = {"content-type": kind, "x-api-key": key}
    refused = TestClient(app, base_url="http://localhost").post(
        "/v1/traces", content=b" " * size, headers=headers
    )
    assert refused.status_code == status
    assert message_of(refused)


def message_of(refused: Any) -> str:
    """Return what a failure says, as clients of the protocol read it."""
    if refused.headers["content-type"] == "application/json":
        assert refused.json().keys() == {"code", "message"}
        return str(refused.json()["message"])
    assert refused.headers["content-type"] == "application/x-protobuf"
    return str(Status.FromString(refused.content).message)


def test_logs_carry_messages_and_judgements(served: Served) -> None:
    """A log record of an evaluation becomes a score of its span's request."""
    span = {**SPAN, "traceId": "1af7651916cd43dd8448eb211c80319c"}
    log = {
        "traceId": span["traceId"], "spanId": span["spanId"], "timeUnixNano": "1767225601500000000",
        "eventName": "gen_ai.evaluation.result",
        "attributes": [
            {"key": "gen_ai.evaluation.name", "value": {"stringValue": "tone"}},
            {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.5}},
        ],
    }  # fmt: skip
    assert httpx.post(f"{served.url}/v1/traces", json=request(span)).json() == {}
    said = httpx.post(
        f"{served.url}/v1/logs", json={"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}
    )
    assert (said.status_code, said.json()) == (200, {})
    found = PromptLog(served.store).requests.filter(col.trace_id == span["traceId"]).first()
    assert found is not None
    assert found.scores == {"tone": 0.5}
