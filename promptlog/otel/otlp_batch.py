"""What a request of OTLP holds, as plain data, and what is repaired or passed over on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptlog.identifiers import LATEST_US
from promptlog.otel.data import LogData, SpanData

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from promptlog.otel.data import EventData

TRACE_DIGITS, SPAN_DIGITS = 32, 16
#: By their numbers in OTLP.
KINDS = ("INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUS = ("UNSET", "OK", "ERROR")

#: A larger request is read in pieces of about this size: what Python makes of one is many times as large.
PIECE_BYTES = 256 * 1024
#: What one span may have (an attribute is two or three); a million empty ones take but 2 MB on the wire.
MOST_PARTS = 1_000_000
TOO_MANY_PARTS = f"more than {MOST_PARTS:,} parts"

#: Of text that is no Unicode, as some programs send it; to refuse it would cost all that came with it.
MENDED = "requests with text that is no Unicode: what is wrong in it became ? or \ufffd"


class NotOtlpError(Exception):
    """What was read is no request of OTLP; `otlp` says where, as an InvalidInputError."""


@dataclass(slots=True)
class OtlpBatch:
    """The spans and log records of one or more requests.

    Attributes:
        spans, logs: in the order of the source.
        repaired: what was amiss and is repaired, and how often.
        skipped: what could not be kept, and how often.
        lost: attributes that could not be kept, each with the reason.
    """

    spans: list[SpanData] = field(default_factory=list)
    logs: list[LogData] = field(default_factory=list)
    repaired: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def add_span(
        self,
        trace_id: str,
        span_id: str,
        parent_span_id: str,
        start_ns: int,
        end_ns: int,
        *,
        name: str,
        kind: str,
        status: str,
        status_message: str,
        attributes: Mapping[str, Any],
        events: Sequence[EventData],
        links: Sequence[Mapping[str, Any]],
        resource: Mapping[str, Any],
        scope: str | None,
    ) -> None:
        """Take a span whose ids are hex and whose times are nanoseconds, 0 where there is none.

        Raises:
            NotOtlpError: an id has another length.
        """
        checked_id(trace_id, TRACE_DIGITS, "a span's trace id")
        checked_id(span_id, SPAN_DIGITS, "a span's id")
        if is_zero(trace_id) or is_zero(span_id):
            self.skipped["spans without ids"] += 1
            return
        if not start_ns and not end_ns:
            self.skipped["spans without times"] += 1
            return
        if not start_ns:
            self.repaired["spans without a start: it is their end"] += 1
            start_ns = end_ns
        elif not end_ns:
            self.repaired["spans without an end: it is their start"] += 1
            end_ns = start_ns
        elif end_ns < start_ns:
            self.repaired["spans that end before they start: they end at their start"] += 1
            end_ns = start_ns
        if not 0 < start_ns <= end_ns <= LATEST_US * 1000:
            self.skipped["spans of a time before 1970 or after 9999"] += 1
            return
        parent = None if is_zero(parent_span_id) else parent_span_id
        self.spans.append(
            SpanData(
                trace_id,
                span_id,
                parent,
                name,
                kind,
                start_ns // 1000,
                end_ns // 1000,
                status,
                status_message or None,
                attributes,
                events,
                links,
                resource,
                scope,
            )
        )

    def add_log(
        self,
        trace_id: str,
        span_id: str,
        time_ns: int,
        name: str,
        body: Any,
        attributes: Mapping[str, Any],
        resource: Mapping[str, Any],
        scope: str | None,
    ) -> None:
        """Take a log record, likewise."""
        checked_id(trace_id, TRACE_DIGITS, "a log record's trace id")
        checked_id(span_id, SPAN_DIGITS, "a log record's span id")
        if not 0 < time_ns <= LATEST_US * 1000:
            self.skipped["log records without a time"] += 1
            return
        of = None if is_zero(trace_id) else trace_id
        at = None if is_zero(span_id) else span_id
        self.logs.append(
            LogData(
                of,
                at,
                time_ns // 1000,
                name or None,
                body,
                attributes,
                resource,
                scope,
            )
        )


def checked_id(text: str, digits: int, what: str) -> None:
    """Refuse an id that has neither its length nor none at all.

    Raises:
        NotOtlpError: it has another length.
    """
    if text and len(text) != digits:
        raise NotOtlpError(f"{what} has {len(text) // 2} bytes instead of {digits // 2}")


def is_zero(text: str) -> bool:
    """Return whether an id is absent or all zeros, which OpenTelemetry takes for none."""
    return not text.strip("0")
