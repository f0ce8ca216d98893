"""`client.trace` and `client.traces`: the spans of one trace with the requests that stand in it, and the latest traces."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError, TraceNotFoundError
from promptlog.query.catalogue import check_limit
from promptlog.query.pieces import moment, total
from promptlog.query.results import Result, Values, fetch

if TYPE_CHECKING:
    import duckdb

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


# -- the latest ------------------------------------------------------------------------------------------------

#: So many steps for each trace are looked at first; most have fewer.
_STEPS_EACH, _FEWEST_STEPS, _MORE = 16, 1000, 8
#: The latest are taken of each table first, and of these then: so DuckDB reads the row groups that hold them alone.
_STEPS = (
    "(SELECT trace_id, start_time FROM spans WHERE start_time < ? {first}) UNION ALL "
    "(SELECT trace_id, start_time FROM requests WHERE trace_id IS NOT NULL AND start_time < ? {first}) {first}"
)
_BEGINS = (
    "WITH asked AS MATERIALIZED (SELECT unnest(?::VARCHAR[]) AS trace_id) "
    "SELECT trace_id, coalesce(min(begun) FILTER (is_span), min(begun)) AS begun FROM ("
    "SELECT trace_id, start_time AS begun, true AS is_span FROM spans SEMI JOIN asked USING (trace_id) "
    "UNION ALL SELECT trace_id, start_time, false FROM requests SEMI JOIN asked USING (trace_id)"
    ") GROUP BY trace_id ORDER BY begun DESC, trace_id"
)


class Traces(Result):
    """The latest traces. Arguments as in `client.traces`."""

    def __init__(self, store: Store, *, limit: int | None, before: datetime | None) -> None:
        super().__init__(store, "listing traces")
        check_limit(limit)
        if before is not None and (not isinstance(before, datetime) or before.tzinfo is None):
            raise InvalidInputError(f"before must be a datetime with a time zone, got {before!r}")
        self._limit = limit
        self._before = None if before is None else before.astimezone(UTC).replace(tzinfo=None)

    def __repr__(self) -> str:
        return "<traces: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    def _title(self) -> str:
        return "traces"

    def _sql_on(self, connection: duckdb.DuckDBPyConnection, *, zoned: bool = True) -> tuple[str, Values]:
        start, end = (moment(name, zoned=zoned) for name in ("start_time", "end_time"))
        text = f"""
            WITH asked AS MATERIALIZED (
                SELECT unnest(?::VARCHAR[]) AS trace_id
            ), steps AS MATERIALIZED (
                SELECT trace_id, span_id, parent_span_id, name, start_time, end_time, status, request_id
                FROM spans SEMI JOIN asked USING (trace_id)
            ), calls AS MATERIALIZED (
                SELECT request_id, trace_id, span_id, start_time, end_time, status, input_tokens, output_tokens, cost_usd
                FROM requests SEMI JOIN asked USING (trace_id)
                UNION  -- one that was logged by other means may not know its trace
                SELECT r.request_id, s.trace_id, r.span_id, r.start_time, r.end_time, r.status, r.input_tokens,
                       r.output_tokens, r.cost_usd
                FROM steps s JOIN requests r USING (request_id)
            ), trees AS (
                SELECT trace_id, count(*) AS spans, min(start_time) AS begun, max(end_time) AS ended,
                       coalesce(first(name ORDER BY start_time, span_id) FILTER (parent_span_id IS NULL),
                                first(name ORDER BY start_time, span_id)) AS name
                FROM steps GROUP BY trace_id
            ), failed AS (
                SELECT trace_id, count(*) AS errors FROM (
                    SELECT trace_id, span_id FROM steps WHERE status = 'ERROR'
                    UNION  -- a call that failed and its span are one
                    SELECT c.trace_id, coalesce(s.span_id, c.span_id, c.request_id::VARCHAR)
                    FROM calls c LEFT JOIN steps s USING (trace_id, request_id) WHERE c.status = 'ERROR'
                ) GROUP BY trace_id
            ), sums AS (
                SELECT trace_id, count(*) AS requests, min(start_time) AS begun, max(end_time) AS ended,
                       {total("input_tokens")}, {total("output_tokens")}, coalesce(sum(cost_usd), 0) AS cost_usd
                FROM calls GROUP BY trace_id
            ), told AS (
                SELECT trace_id, t.name, coalesce(t.begun, s.begun) AS start_time, coalesce(t.ended, s.ended) AS end_time,
                       coalesce(t.spans, 0) AS spans, coalesce(s.requests, 0) AS requests, coalesce(f.errors, 0) AS errors,
                       coalesce(s.input_tokens, 0) AS input_tokens, coalesce(s.output_tokens, 0) AS output_tokens,
                       coalesce(s.cost_usd, 0) AS cost_usd
                FROM asked LEFT JOIN trees t USING (trace_id) LEFT JOIN sums s USING (trace_id) LEFT JOIN failed f USING (trace_id)
            )
            SELECT trace_id, name, {start} AS start_time, {end} AS end_time,
                   epoch_us(end_time - start_time) / 1e3 AS latency_ms, spans, requests, errors, input_tokens, output_tokens,
                   cost_usd
            FROM told ORDER BY told.start_time DESC, trace_id"""
        return text, [self._latest(connection)]

    def _latest(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """Return the ids of the latest traces: the latest steps are looked at, more of them until it is certain."""
        most = None if self._limit is None else max(self._limit * _STEPS_EACH, _FEWEST_STEPS)
        before = self._before or datetime.max  # noqa: DTZ901 - the tables have no zones
        while True:
            first = "" if most is None else f"ORDER BY start_time DESC LIMIT {most}"
            steps = connection.execute(_STEPS.format(first=first), [before, before]).fetchall()
            begins = connection.execute(_BEGINS, [list(dict.fromkeys(id for id, _ in steps))]).fetchall()
            begins = [(id, begun) for id, begun in begins if begun < before]
            # A trace none of whose steps was looked at began no later than the last of them did.
            certain = [id for id, begun in begins if begun > steps[-1][1]] if most is not None else []
            if most is None or len(steps) < most or (self._limit is not None and len(certain) >= self._limit):
                return [id for id, _ in begins][: self._limit]
            most *= _MORE
