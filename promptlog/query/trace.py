"""`client.trace`: the spans of one trace, and the requests that stand in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError, TraceNotFoundError
from promptlog.query.results import fetch

if TYPE_CHECKING:
    from promptlog.database.store import Store
    from promptlog.models.trace import Trace

_HEX_DIGITS = 32
_JSON = ("attributes", "events", "links", "resource")
_SPANS = (
    "SELECT trace_id, span_id, parent_span_id, name, kind, start_time AT TIME ZONE 'UTC' AS start_time, "
    "end_time AT TIME ZONE 'UTC' AS end_time, status, status_message, attributes, events, links, resource, scope, "
    "map_entries(metadata) AS metadata, tags, request_id::VARCHAR AS request_id "
    "FROM spans WHERE trace_id = ? ORDER BY spans.start_time, span_id"
)
_CALLS = (
    "SELECT request_id::VARCHAR AS request_id, span_id AS of, status, model, latency_ms, input_tokens, output_tokens, "
    "cost_usd FROM requests WHERE trace_id = ? OR request_id IN (SELECT request_id FROM spans WHERE trace_id = ?) "
    "ORDER BY request_id"
)


def read_trace(store: Store, trace_id: str) -> Trace:
    """Return a trace whole.

    Raises:
        InvalidInputError: the id is not 32 hex digits.
        TraceNotFoundError: no span and no request has it.
    """
    from promptlog.models.trace import Call, Span, Trace

    digits = trace_id.replace("-", "").lower() if isinstance(trace_id, str) else ""
    if len(digits) != _HEX_DIGITS or set(digits) - set("0123456789abcdef"):
        raise InvalidInputError(f"a trace id is {_HEX_DIGITS} hex digits, got {trace_id!r}")
    with store.ask("reading a trace") as connection:
        names, spans = fetch(connection, _SPANS, [digits])
        call_names, calls = fetch(connection, _CALLS, [digits, digits])
    if not spans and not calls:
        raise TraceNotFoundError(f"no span and no request has the trace id {digits}")
    rows = [dict(zip(names, row, strict=True)) for row in spans]
    places = {row["request_id"]: row["span_id"] for row in rows if row["request_id"]}
    inside: dict[str | None, list[Call]] = {}
    for row in calls:
        call = dict(zip(call_names, row, strict=True))
        of = call.pop("of")
        inside.setdefault(places.get(call["request_id"], of), []).append(Call(**call))
    found = [Span(**_read(row), requests=inside.pop(row["span_id"], [])) for row in rows]
    return Trace(trace_id=digits, spans=found, requests=[call for left in inside.values() for call in left])


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a span's model takes: what is null is left out."""
    row = {name: value for name, value in row.items() if value is not None and name != "request_id"}
    if "metadata" in row:
        row["metadata"] = {entry["key"]: entry["value"] for entry in row["metadata"]}
    return {name: json.loads(value) if name in _JSON else value for name, value in row.items()}
