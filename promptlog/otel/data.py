"""A span, an event and a log as plain Python: between what came in (the SDK, OTLP) and what is mapped.

Values of attributes are what JSON can hold: str, bool, int, float, list, dict; bytes as base64 text. Times are
microseconds since 1970, UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class EventData:
    """Something that happened while a span was open."""

    name: str
    time_us: int
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SpanData:
    """One span: ids as lower-case hex (32 and 16 digits)."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: str  # "INTERNAL" | "SERVER" | "CLIENT" | "PRODUCER" | "CONSUMER"
    start_us: int
    end_us: int
    status: str  # "UNSET" | "OK" | "ERROR"
    status_message: str | None
    attributes: Mapping[str, Any]
    events: Sequence[EventData]
    links: Sequence[Mapping[str, Any]]
    resource: Mapping[str, Any]
    scope: str | None


@dataclass(frozen=True, slots=True)
class LogData:
    """One log record or event that came apart from a span; the ids say where it belongs."""

    trace_id: str | None
    span_id: str | None
    time_us: int
    name: str | None
    body: Any
    attributes: Mapping[str, Any]
    resource: Mapping[str, Any]
    scope: str | None
