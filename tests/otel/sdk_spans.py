"""Spans as the SDK hands them to an exporter, and what a store holds of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog import PromptLog

START_NS = 1_700_000_000_000_000_000
RESOURCE = Resource({"service.name": "shop"})


def span(
    name: str = "step",
    attributes: Mapping[str, Any] | None = None,
    *,
    number: int = 1,
    trace: int = 7,
    start: int | None = START_NS,
    end: int | None = START_NS + 5_000_000,
    events: tuple[tuple[str, Mapping[str, Any]], ...] = (),
    resource: Resource = RESOURCE,
) -> ReadableSpan:
    """A span that has ended, with any attributes: the SDK cleans them only where a program sets them through it."""
    return ReadableSpan(
        name,
        SpanContext(trace, number, is_remote=False, trace_flags=TraceFlags(1)),
        attributes=attributes,
        events=[Event(kind, given, START_NS) for kind, given in events],
        start_time=start,
        end_time=end,
        resource=resource,
    )


def kept(client: PromptLog) -> dict[str, dict[str, Any]]:
    """The attributes of each span in a store, by its name."""
    rows = client.sql("SELECT name, attributes FROM spans ORDER BY span_id").fetchall()
    return {name: json.loads(attributes or "{}") for name, attributes in rows}
