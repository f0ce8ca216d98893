"""OTLP as protobuf. A request of spans and one of log records look alike on the wire: what their fields hold tells them apart."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from promptlog.otel.data import EventData
from promptlog.otel.otlp_batch import KINDS, MENDED, STATUS, NotOtlpError
from promptlog.otel.otlp_mend import mended
from promptlog.otel.values import plain_attributes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from promptlog.otel.otlp_batch import OtlpBatch


_Request = ExportTraceServiceRequest | ExportLogsServiceRequest


def decode(data: bytes, into: OtlpBatch, kind: type[_Request] | None = None) -> type[_Request] | None:
    """Read one request, or a piece of it.

    Args:
        data: the request.
        into: takes what it holds.
        kind: what it is, where the pieces before it have told.

    Returns:
        what it is; None where it is empty.

    Raises:
        NotOtlpError: it is truncated, or no request of spans or log records.
    """
    told, wrong = _read(data, into, kind)
    if not wrong:
        return told
    for one in (kind,) if kind else (ExportTraceServiceRequest, ExportLogsServiceRequest):
        with suppress(DecodeError):
            told, still = _read(mended(data, one), into, kind)
            if not still:
                into.repaired[MENDED] += 1
                return told
    raise NotOtlpError(f"it is truncated, or no protobuf of OTLP ({wrong})")


def _read(data: bytes, into: OtlpBatch, kind: type[_Request] | None) -> tuple[type[_Request] | None, str]:
    """Read one request; return what it is, and what is wrong with it: nothing is read then."""
    traces, logs = ExportTraceServiceRequest(), ExportLogsServiceRequest()
    wrong = ""
    for request in (traces, logs):
        if kind is None or isinstance(request, kind):
            try:
                request.ParseFromString(data)
            except DecodeError as error:
                request.Clear()
                wrong = str(error)
    if kind is ExportTraceServiceRequest or _has_spans(traces):
        _read_spans(traces, into)
        return ExportTraceServiceRequest, "" if kind is None else wrong
    if kind is ExportLogsServiceRequest or _has_logs(logs):
        _read_logs(logs, into)
        return ExportLogsServiceRequest, "" if kind is None else wrong
    if not wrong and any(scope.spans for resource in traces.resource_spans for scope in resource.scope_spans):
        raise NotOtlpError("it holds neither spans nor log records (are they metrics?)")
    return None, wrong


def _has_spans(request: ExportTraceServiceRequest) -> bool:
    """Return whether a span has a field that log records and metrics do not have there."""
    return any(
        span.start_time_unix_nano or span.end_time_unix_nano or (len(span.trace_id) == 16 and len(span.span_id) == 8)  # noqa: PLR2004 - the lengths of ids
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )  # fmt: skip


def _has_logs(request: ExportLogsServiceRequest) -> bool:
    return any(
        log.time_unix_nano or log.observed_time_unix_nano or log.severity_number
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for log in scope.log_records
    )


def _read_spans(request: ExportTraceServiceRequest, into: OtlpBatch) -> None:
    for group in request.resource_spans:
        resource = _attributes(group.resource.attributes, into.lost)
        for scope in group.scope_spans:
            for span in scope.spans:
                into.add_span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    name=span.name,
                    kind=KINDS[span.kind] if 0 <= span.kind < len(KINDS) else "INTERNAL",
                    status=STATUS[span.status.code] if 0 <= span.status.code < len(STATUS) else "UNSET",
                    status_message=span.status.message,
                    attributes=_attributes(span.attributes, into.lost, span.dropped_attributes_count),
                    events=_events(span, into.lost),
                    links=_links(span, into.lost),
                    resource=resource,
                    scope=scope.scope.name or None,
                )


def _events(span: Span, lost: list[str]) -> list[EventData]:
    return [
        EventData(event.name, event.time_unix_nano // 1000, _attributes(event.attributes, lost))
        for event in span.events
    ]


def _links(span: Span, lost: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "trace_id": link.trace_id.hex(),
            "span_id": link.span_id.hex(),
            "attributes": _attributes(link.attributes, lost),
        }
        for link in span.links
    ]


def _read_logs(request: ExportLogsServiceRequest, into: OtlpBatch) -> None:
    for group in request.resource_logs:
        resource = _attributes(group.resource.attributes, into.lost)
        for scope in group.scope_logs:
            for log in scope.log_records:
                into.add_log(
                    log.trace_id.hex(),
                    log.span_id.hex(),
                    log.time_unix_nano or log.observed_time_unix_nano,
                    log.event_name,
                    _value(log.body),
                    _attributes(log.attributes, into.lost),
                    resource,
                    scope.scope.name or None,
                )


def _attributes(pairs: Iterable[KeyValue], lost: list[str], dropped: int = 0) -> dict[str, Any]:
    return plain_attributes({pair.key: _value(pair.value) for pair in pairs}, lost, dropped)


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    held = getattr(value, kind)
    if kind == "array_value":
        return [_value(item) for item in held.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in held.values}
    return base64.b64encode(held).decode() if kind == "bytes_value" else held
