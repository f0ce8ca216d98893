"""Exporting spans, beside what the SDK's own OTLP exporter does before it sends: encode the same spans and serialise them."""

from __future__ import annotations

import gc
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Row, paired
from benchmarks.workload import two_kilobytes
from promptlog import PromptLog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import AnyValue

_BATCH = 512  # the SDK's batch processor hands over as many at once
_BATCHES = 20
_ROUNDS = 9
_GOAL_RATIO, _GOAL_RATE = 1.5, 10_000


def run() -> list[Row]:
    """Export 10,240 spans of each kind, in batches, on one core: who goes first alternates."""
    return [
        _row("export spans, each a call with 2 KB of messages", spans(calls_only=True)),
        _row("export spans, one of four such a call", spans(calls_only=False)),
    ]


def spans(*, calls_only: bool) -> list[ReadableSpan]:
    """Return real spans of the SDK: a request to a server, an agent's step, a model's call, a tool."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.trace import SpanKind

    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop", "service.version": "1.2"}))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("benchmarks")
    rows = two_kilobytes(_BATCH * _BATCHES)
    for number in range(_BATCH * _BATCHES if calls_only else _BATCH * _BATCHES // 4):
        call = _call(rows[number], number)
        if calls_only:
            tracer.start_span(
                f"chat {call['gen_ai.request.model']}", kind=SpanKind.CLIENT, attributes=call
            ).end()
            continue
        with tracer.start_as_current_span("POST /ask", kind=SpanKind.SERVER, attributes=_HTTP) as root:
            root.set_attribute("user.id", f"user_{number % 1000}")
            with tracer.start_as_current_span("invoke_agent shop", attributes=_AGENT):
                with tracer.start_as_current_span("chat", kind=SpanKind.CLIENT, attributes=call) as span:
                    span.add_event("first_token", {"index": 0})
                with tracer.start_as_current_span("execute_tool find", attributes=_TOOL):
                    pass
    return list(kept.get_finished_spans())


_HTTP: Mapping[str, AnyValue] = {
    "http.request.method": "POST", "http.route": "/ask", "http.response.status_code": 200, "url.scheme": "https",
    "server.address": "shop.example", "server.port": 443, "network.protocol.version": "1.1",
}  # fmt: skip
_AGENT: Mapping[str, AnyValue] = {
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.agent.name": "shop",
    "gen_ai.provider.name": "openai",
}
_TOOL: Mapping[str, AnyValue] = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "find",
    "gen_ai.tool.call.id": "call_1",
}


def _call(row: dict[str, object], number: int) -> dict[str, str | int | float | list[str]]:
    """Return a call's attributes, as OpenTelemetry's GenAI conventions have them."""
    given = [{"role": "user", "parts": [{"type": "text", "content": _text(row["input"])}]}]
    said = [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": _text(row["output"])}],
            "finish_reason": "stop",
        }
    ]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.response.id": f"chatcmpl-{number}",
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.max_tokens": 512,
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": 420,
        "gen_ai.usage.output_tokens": 96,
        "gen_ai.usage.cache_read.input_tokens": 128,
        "gen_ai.conversation.id": f"conversation_{number // 5}",
        "user.id": f"user_{number % 1000}",
        "promptlayer.metadata.plan": "pro",
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.input.messages": json.dumps(given),
        "gen_ai.output.messages": json.dumps(said),
    }


def _core_seconds(work: Callable[[], object]) -> float:
    """Return the seconds of a core that a call takes; that others use the machine does not count."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def _text(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content)


def _row(work: str, spans: list[ReadableSpan]) -> Row:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    from promptlog.otel import PromptLogSpanExporter

    batches: list[Sequence[ReadableSpan]] = [spans[at : at + _BATCH] for at in range(0, len(spans), _BATCH)]

    def theirs() -> float:
        return _core_seconds(lambda: [encode_spans(batch).SerializeToString() for batch in batches])

    with tempfile.TemporaryDirectory() as folder, PromptLog(Path(folder) / "bench.duckdb") as client:
        exporter = PromptLogSpanExporter(client)

        def ours() -> float:
            return _core_seconds(lambda: [exporter.export(batch) for batch in batches])

        ours()  # warm
        mine, other, ratio = paired(ours, theirs, _ROUNDS)
    rate = len(spans) / mine
    return Row(
        work,
        f"{rate:,.0f} spans/s",
        f"SDK's OTLP encoding {len(spans) / other:,.0f} spans/s",
        ratio,
        f"≤ {_GOAL_RATIO}x, ≥ {_GOAL_RATE:,}/s",
        ratio <= _GOAL_RATIO and rate >= _GOAL_RATE,
    )
