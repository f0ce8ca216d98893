"""Spans and logs as the mapping gets them."""

from __future__ import annotations

from typing import Any

from promptlog.otel.data import EventData, LogData, SpanData

START = 1_700_000_000_000_000
TRACE, SPAN = "ab" * 16, "cd" * 8


def a_span(attributes: dict[str, Any] | None = None, **changed: Any) -> SpanData:
    """Return a span of a second that says nothing but its attributes."""
    given: dict[str, Any] = {
        "trace_id": TRACE, "span_id": SPAN, "parent_span_id": None, "name": "chat gpt-4o", "kind": "CLIENT",
        "start_us": START, "end_us": START + 1_000_000, "status": "UNSET", "status_message": None,
        "attributes": attributes or {}, "events": (), "links": (), "resource": {}, "scope": None,
    }  # fmt: skip
    return SpanData(**(given | changed))


def a_call(**attributes: Any) -> dict[str, Any]:
    """Return the attributes of a call to a model, and more."""
    return {"gen_ai.operation.name": "chat", **attributes}


def an_event(name: str, **attributes: Any) -> EventData:
    """Return an event in the middle of a span."""
    return EventData(name, START + 500_000, attributes)


def a_log(name: str | None, body: Any = None, **attributes: Any) -> LogData:
    """Return a log record of the span."""
    return LogData(TRACE, SPAN, START + 500_000, name, body, attributes, {}, None)


def said(text: str, role: str = "user") -> dict[str, Any]:
    """Return a message of the blueprint."""
    return {"role": role, "content": [{"type": "text", "text": text}]}
