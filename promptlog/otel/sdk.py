"""What the OpenTelemetry SDK hands to an exporter, as our plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.otel.data import EventData, LogData, SpanData
from promptlog.otel.values import UnkeepableError, plain, plain_attributes

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan


class Converter:
    """Converts one batch; its spans mostly share a resource, which is converted once."""

    __slots__ = ("_resources", "lost")

    def __init__(self, lost: list[str]) -> None:
        self.lost = lost  # attributes that cannot be kept, each with the reason
        self._resources: dict[int, dict[str, Any]] = {}

    def _resource(self, resource: Resource) -> dict[str, Any]:
        found = self._resources.get(id(resource))
        if found is None:
            found = self._resources[id(resource)] = plain_attributes(resource.attributes, self.lost)
        return found

    def span(self, span: ReadableSpan) -> SpanData:
        """Return a span.

        One that has but one of its times begins and ends then; one that ends before it starts ends at its start.

        Raises:
            ValueError: it has no ids or no time.
        """
        context, start, end = span.context, span.start_time, span.end_time
        start = end if start is None else start
        if context is None or not context.is_valid:
            raise ValueError(f"span {span.name!r} has no ids")
        if start is None:
            raise ValueError(f"span {span.name!r} has no time")
        parent, scope, status, events, links = (
            span.parent, span.instrumentation_scope, span.status, span.events, span.links,
        )  # fmt: skip
        return SpanData(
            f"{context.trace_id:032x}",
            f"{context.span_id:016x}",
            None if parent is None or not parent.span_id else f"{parent.span_id:016x}",
            span.name or "",
            span.kind.name,
            start // 1000,
            start // 1000 if end is None or end < start else end // 1000,
            status.status_code.name,
            status.description,
            plain_attributes(span.attributes, self.lost, span.dropped_attributes),
            [
                EventData(event.name, event.timestamp // 1000, plain_attributes(event.attributes, self.lost))
                for event in events
            ]
            if events
            else (),
            [
                {
                    "trace_id": f"{link.context.trace_id:032x}",
                    "span_id": f"{link.context.span_id:016x}",
                    "attributes": plain_attributes(link.attributes, self.lost),
                }
                for link in links
            ]
            if links
            else (),
            self._resource(span.resource),
            None if scope is None else scope.name,
        )

    def log(self, log: ReadableLogRecord) -> LogData:
        """Return a log record."""
        record, scope = log.log_record, log.instrumentation_scope
        time = record.timestamp or record.observed_timestamp or 0  # the SDK gives the second one always
        try:
            body = plain(record.body)
        except UnkeepableError as error:
            body = f"not kept: {error}"
        return LogData(
            f"{record.trace_id:032x}" if record.trace_id else None,
            f"{record.span_id:016x}" if record.span_id else None,
            time // 1000,
            record.event_name,
            body,
            plain_attributes(record.attributes, self.lost),
            self._resource(log.resource),
            None if scope is None else scope.name,
        )
