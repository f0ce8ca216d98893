"""Requests of OTLP, made by the SDK's own encoders, in every form in which they are kept or sent."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, StatusCode

_RESOURCE = Resource({"service.name": "shop", "promptlayer.metadata.team": "a"})


def real_spans() -> list[ReadableSpan]:
    """A trace of a real tracer: every kind of value, an event, a link, an error, a remote kind."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=_RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracer = provider.get_tracer("shop", "1.2")
    with tracer.start_as_current_span(
        "POST /ask", kind=SpanKind.SERVER, attributes={"user.id": "u1"}
    ) as root:
        link = Link(root.get_span_context(), {"n": 1})
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.input.messages": '[{"role": "user", "parts": [{"type": "text", "content": "a secret"}]}]',
            "text": "héllo \U0001f600",
            "empty": "",
            "int": -(1 << 62),
            "float": 1.5,
            "whole": 2.0,
            "nan": float("nan"),
            "yes": True,
            "list": [1, 2],
            "texts": ["a", "b"],
            "none": [],
            "bytes": b"\xff\x00",
            "map": {"a": {"b": [1, {"c": None}]}},
        }
        with tracer.start_as_current_span(
            "chat", kind=SpanKind.CLIENT, attributes=attributes, links=[link]
        ) as call:
            call.add_event("first", {"index": 0})
            call.set_status(StatusCode.ERROR, "no luck")
    return list(kept.get_finished_spans())


def real_logs() -> list[ReadableLogRecord]:
    """Log records of a real logger: an event of a call, and one that is none."""
    kept = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(resource=_RESOURCE, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(kept))
    logger = provider.get_logger("shop")
    logger.emit(
        LogRecord(
            event_name="gen_ai.user.message", body={"content": "hi", "n": [1, None]}, attributes={"a": 1}
        )
    )
    logger.emit(LogRecord(body="text", timestamp=1_700_000_000_000_000_000))
    return list(kept.get_finished_logs())


def as_protobuf(spans: list[ReadableSpan]) -> bytes:
    return bytes(encode_spans(spans).SerializeToString())


def as_json(
    spans: list[ReadableSpan], *, hexadecimal: bool = True, snake: bool = False, names: bool = False
) -> str:
    """The request as JSON. As the specification has it: ids hexadecimal, names in camel case, enums as numbers; or not."""
    message = encode_spans(spans)
    document = MessageToDict(message, preserving_proto_field_name=snake, use_integers_for_enums=not names)
    return json.dumps(_with_hex(document) if hexadecimal else document)


def logs_as_protobuf(logs: list[ReadableLogRecord]) -> bytes:
    return bytes(encode_logs(logs).SerializeToString())


def logs_as_json(logs: list[ReadableLogRecord]) -> str:
    return json.dumps(_with_hex(MessageToDict(encode_logs(logs), use_integers_for_enums=True)))


_IDS = {"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"}


def _with_hex(value: Any) -> Any:
    """Protobuf's JSON with ids as OTLP has them."""
    if isinstance(value, dict):
        return {
            key: base64.b64decode(item).hex() if key in _IDS else _with_hex(item)
            for key, item in value.items()
        }
    return [_with_hex(item) for item in value] if isinstance(value, list) else value


def sized(*requests: bytes) -> bytes:
    """What the collector's file exporter writes as protobuf: each request with its size before it."""
    return b"".join(len(request).to_bytes(4, "big") + request for request in requests)


def forms(spans: list[ReadableSpan]) -> dict[str, bytes | str]:
    """The same request in each form."""
    plain = as_json(spans)
    return {
        "protobuf": as_protobuf(spans),
        "protobuf.gz": gzip.compress(as_protobuf(spans)),
        "sized": sized(as_protobuf(spans)),
        "sized two": sized(*(as_protobuf([one]) for one in spans)),
        "json": plain,
        "json bytes": plain.encode(),
        "json with a mark": b"\xef\xbb\xbf" + plain.encode(),
        "json.gz": gzip.compress(plain.encode()),
        "json over lines": json.dumps(json.loads(plain), indent=2),
        "json of base64": as_json(spans, hexadecimal=False),
        "json of snakes": as_json(spans, snake=True),
        "json of names": as_json(spans, names=True),
        "json of capitals": plain.replace(format(spans[0].get_span_context().trace_id, "032x"), format(spans[0].get_span_context().trace_id, "032X")),  # type: ignore[union-attr]
        "json lines": "\n".join(as_json([one]) for one in spans) + "\n\n",
        "json lines.gz": gzip.compress("\n".join(as_json([one]) for one in spans).encode()),
        "json list": f"[{plain}]",
    }  # fmt: skip
