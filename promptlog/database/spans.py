"""Spans and their logs, folded into the store, and what follows for the requests of their traces.

Whichever comes first, span or log, parent or child: what the tables hold follows from what was exported, never from
the order of it. A span is written once; what is exported again is skipped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.database.joining import FOUND, find_traces, touch_found
from promptlog.database.metadata import replace_metadata

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

#: A record's `evaluations`: each under its name.
EVALUATIONS_TYPE = "MAP(VARCHAR, STRUCT(score DOUBLE, label VARCHAR, explanation VARCHAR))"

#: A record's `span`: times are microseconds.
SPAN_TYPE = (
    'STRUCT(trace_id VARCHAR, span_id VARCHAR, parent_span_id VARCHAR, "name" VARCHAR, kind VARCHAR, start_time BIGINT, '
    "end_time BIGINT, status VARCHAR, status_message VARCHAR, attributes JSON, events JSON, links JSON, resource JSON, "
    '"scope" VARCHAR, metadata MAP(VARCHAR, VARCHAR), tags VARCHAR[], response_id VARCHAR, managed_span_id VARCHAR)'
)

#: A record's `log`.
LOG_TYPE = (
    'STRUCT(trace_id VARCHAR, span_id VARCHAR, response_id VARCHAR, "time" BIGINT, "name" VARCHAR, input JSON, output JSON, '
    'score STRUCT("name" VARCHAR, score DOUBLE, label VARCHAR, explanation VARCHAR), attributes JSON)'
)

#: What a record's span and log must have.
WHOLE_SPAN = (
    "span.trace_id <> '' AND span.span_id <> '' AND span.\"name\" IS NOT NULL AND span.kind IS NOT NULL "
    "AND span.status IS NOT NULL AND span.start_time BETWEEN 0 AND {latest} AND span.end_time BETWEEN 0 AND {latest}"
)
WHOLE_LOG = 'log."time" BETWEEN 0 AND {latest} AND (log.score IS NULL OR log.score."name" IS NOT NULL)'

#: No tree of spans is deeper; a chain that runs in a circle ends here.
_DEEPEST = 256

_SPANS = """
    SELECT unnest(span), request_id, input IS NOT NULL OR output IS NOT NULL AS own_content
    FROM {records} WHERE span IS NOT NULL
"""
_SPAN_COLUMNS = (
    "trace_id, span_id, parent_span_id, name, kind, make_timestamp(start_time), make_timestamp(end_time), status, "
    "status_message, attributes, events, links, resource, scope, request_id, metadata, tags, response_id, "
    "managed_span_id, own_content"
)
_LOGS = """
    SELECT coalesce(trace_id, '') AS trace_id, coalesce(span_id, '') AS span_id, response_id,
           make_timestamp(time) AS time, name, input, output, score, attributes, md5(log::VARCHAR) AS log_hash
    FROM (SELECT log, unnest(log) FROM {records} WHERE log IS NOT NULL)
"""

#: The requests that stand in the traces of `here`, and where.
_CALLS = """
    SELECT DISTINCT request_id, trace_id, span_id, r.start_time
    FROM (FROM (SELECT request_id, trace_id, span_id FROM here WHERE request_id IS NOT NULL) UNION ALL FROM joined)
    JOIN (SELECT request_id, start_time FROM requests) r USING (request_id)
    UNION SELECT request_id, trace_id, span_id, start_time FROM requests
    WHERE span_id IS NOT NULL AND trace_id IN (FROM touched)
"""

#: The spans that contain each of them: itself at distance 0, its parent at 1, …
_AROUND = f"""
    WITH RECURSIVE around AS (
        SELECT c.request_id, c.start_time, 0 AS distance, s.trace_id, s.parent_span_id, s.metadata, s.tags
        FROM calls c JOIN here s USING (trace_id, span_id)
        UNION ALL
        SELECT a.request_id, a.start_time, a.distance + 1, s.trace_id, s.parent_span_id, s.metadata, s.tags
        FROM around a JOIN here s ON s.trace_id = a.trace_id AND s.span_id = a.parent_span_id
        WHERE a.distance < {_DEEPEST}
    )
    SELECT request_id, metadata, tags, epoch_us(start_time) - distance AS time FROM around
"""


def exclude_known(records: str) -> str:
    """SQL for a condition: not of a span that stands in the store, whose request is what it is."""
    return (
        f"(span IS NULL OR NOT EXISTS (FROM spans s WHERE s.trace_id = {records}.span.trace_id "
        f"AND s.span_id = {records}.span.span_id))"
    )


def insert_spans(connection: duckdb.DuckDBPyConnection, records: str, *, again: str) -> None:
    """Insert the spans of the records.

    Args:
        connection: the store's, in a transaction.
        records: the table of records.
        again: what is done with a span that stands there, "ON CONFLICT DO NOTHING"; "" where none does.
    """
    connection.execute(
        f"INSERT INTO spans SELECT {_SPAN_COLUMNS} FROM ({_SPANS.format(records=records)}) "
        f"ORDER BY trace_id, span_id {again}"
    )


def insert_logs(connection: duckdb.DuckDBPyConnection, records: str) -> None:
    """Insert the logs of the records; the same log twice is one."""
    connection.execute(
        f"INSERT INTO span_logs SELECT DISTINCT ON (trace_id, span_id, log_hash) * FROM ({_LOGS.format(records=records)}) "
        f"ON CONFLICT DO NOTHING"
    )


def hide_removed(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the content off the spans of removed requests and off those that saw the same call; the tree keeps its shape."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE hidden AS
        WITH gone AS (
            SELECT trace_id, span_id, response_id FROM spans
            WHERE request_id IN (SELECT request_id FROM removals WHERE kind = 'request')
        )
        FROM gone
        UNION ALL -- a second instrumentation's span of the call, as our span processor marks it
        SELECT s.trace_id, s.span_id, s.response_id
        FROM spans s JOIN gone g ON s.trace_id = g.trace_id AND s.parent_span_id = g.span_id
        WHERE s.attributes->>'$."promptlog.within_call"' = 'true'
        """
    )
    for same in (
        "l.trace_id = h.trace_id AND l.span_id = h.span_id",
        "l.span_id = '' AND l.response_id = h.response_id",
    ):
        connection.execute(f"DELETE FROM span_logs l USING hidden h WHERE {same}")
    content = ("attributes", "events", "links", "metadata", "tags", "status_message")
    connection.execute(
        f"UPDATE spans SET {', '.join(f'{name} = NULL' for name in content)} FROM hidden h "
        f"WHERE spans.trace_id = h.trace_id AND spans.span_id = h.span_id "
        f"AND ({' OR '.join(f'spans.{name} IS NOT NULL' for name in content)})"
    )
    connection.execute("DROP TABLE hidden")


def settle_traces(
    connection: duckdb.DuckDBPyConnection,
    records: str,
    parts: list[str],
    upsert: Callable[[str, str], None],
    allowed: Callable[..., str],
) -> None:
    """Give the requests of every trace that the records touch what their spans and logs say.

    Args:
        connection: the store's, in a transaction that wrote the records.
        records: the table of records.
        parts: which of "span" and "log" they have at all.
        upsert: writes the tags or scores that a SELECT gives, by the rule of replacement.
        allowed: takes a SELECT of writes, the key's column and its kind; returns it without what removals cover.
    """
    _link_managed(connection)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT trace_id FROM ("
        f"SELECT trace_id FROM {records} WHERE kind = 'request' "
        + "".join(f"UNION ALL SELECT {part}.trace_id FROM {records} " for part in parts)
        + f"UNION ALL SELECT trace_id FROM spans WHERE managed_span_id IN (SELECT span_id FROM {records})) "
        f"WHERE trace_id <> ''"
    )
    touch_found(connection, records)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE here AS SELECT trace_id, span_id, parent_span_id, start_time, end_time, request_id, "
        "metadata, tags FROM spans WHERE trace_id IN (FROM touched)"
    )
    find_traces(connection)
    if _count(connection, "SELECT count(*) FROM here WHERE metadata IS NOT NULL OR tags IS NOT NULL"):
        connection.execute(f"CREATE OR REPLACE TEMP TABLE calls AS {_CALLS}")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE inherited AS {_AROUND}")
        own = "SELECT request_id, unnest(map_keys(metadata)) AS key, unnest(map_values(metadata)) AS value, time FROM inherited"
        replace_metadata(connection, allowed(own, "key", "metadata"))
        tags = "SELECT request_id, unnest(tags) AS tag, time FROM inherited"
        upsert("tags", allowed(tags, "tag", "tag"))
        connection.execute("DROP TABLE inherited; DROP TABLE calls")
    if _count(connection, "SELECT count(*) FROM span_logs"):
        new = f"SELECT log_hash FROM ({_LOGS.format(records=records)})" if "log" in parts else "NULL"
        _settle_logs(connection, new, upsert, allowed)
    connection.execute("DROP TABLE touched; DROP TABLE here; DROP TABLE joined")


def _link_managed(connection: duckdb.DuckDBPyConnection) -> None:
    """Find the requests that were logged by other means for spans that say so."""
    waiting = "managed_span_id IS NOT NULL AND spans.request_id IS NULL"
    if _count(connection, f"SELECT count(*) FROM spans WHERE {waiting}"):
        connection.execute(
            f"UPDATE spans SET request_id = r.request_id FROM requests r "
            f"WHERE {waiting} AND r.span_id = managed_span_id AND (r.trace_id IS NULL OR r.trace_id = spans.trace_id "
            f"OR r.request_id IN (SELECT request_id FROM conflicts WHERE content_hash = '{FOUND}'))"
        )


def _settle_logs(
    connection: duckdb.DuckDBPyConnection,
    new: str,
    upsert: Callable[[str, str], None],
    allowed: Callable[..., str],
) -> None:
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE told AS
        SELECT l.*, s.request_id, s.own_content FROM span_logs l JOIN spans s USING (trace_id, span_id)
        WHERE s.request_id IS NOT NULL AND s.trace_id IN (FROM touched)
        UNION ALL
        SELECT l.*, s.request_id, true FROM span_logs l JOIN spans s USING (response_id)
        WHERE l.span_id = '' AND s.request_id IS NOT NULL
          AND (s.trace_id IN (FROM touched) OR log_hash IN ({new}))
        """
    )
    messages = """
        SELECT request_id, json_object('type', 'chat', 'messages', to_json(list(message ORDER BY time, log_hash, place))) AS content
        FROM (SELECT request_id, time, log_hash, unnest(m) AS message, generate_subscripts(m, 1) AS place
              FROM (SELECT *, ({part}::JSON[]) AS m FROM told WHERE {part} IS NOT NULL AND NOT own_content))
        GROUP BY request_id
    """
    for part in ("input", "output"):
        connection.execute(
            f"UPDATE requests SET {part} = c.content FROM ({messages.format(part=part)}) c "
            f"WHERE c.request_id = requests.request_id AND requests.{part} IS DISTINCT FROM c.content"
        )
    scores = (
        "SELECT request_id, score.name AS name, score.score AS score, score.label AS label, "
        "score.explanation AS explanation, epoch_us(time) AS time FROM told WHERE score IS NOT NULL"
    )
    upsert("scores", allowed(scores, "name", "score"))
    connection.execute("DROP TABLE told")


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
