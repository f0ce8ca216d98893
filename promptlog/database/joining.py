"""Requests that name a span and no trace: they belong to the trace of the span with that id, of about their time.

PromptLayer's SDK sends a call so; the span comes apart from it, before or after. Ids of spans are random, so more than one
trace holds the same only by the fault of who made them: the request then belongs to the smallest, and inherits from all.
Whatever came first, the tables end the same: what was found can be told from what was logged, and is found anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

#: The mark in `conflicts` of a request whose trace was found.
FOUND = ""

#: A span and a request are of about the same time where they overlap, but for this: clocks are read and rounded apart.
_SLACK = "INTERVAL 1 SECOND"
_BARE = "trace_id IS NULL AND span_id IS NOT NULL"
_SAME_TIME = f"r.start_time <= s.end_time + {_SLACK} AND r.end_time >= s.start_time - {_SLACK}"
#: Said once more of whole tables: zone maps then leave all other times unread.
_ABOUT = "{0}.start_time <= $high AND {0}.end_time >= $low"


def forget_found(connection: duckdb.DuckDBPyConnection, ids: str) -> int:
    """Make requests what they were when they were logged, and return how many had a trace found.

    Args:
        connection: the store's, in a transaction.
        ids: a SELECT of request ids.
    """
    marked = f"content_hash = '{FOUND}' AND request_id IN ({ids})"
    connection.execute(
        f"UPDATE requests SET trace_id = NULL WHERE request_id IN (SELECT request_id FROM conflicts WHERE {marked})"
    )
    row = connection.execute(f"DELETE FROM conflicts WHERE {marked}").fetchone()
    return int(row[0]) if row else 0


def touch_found(connection: duckdb.DuckDBPyConnection, records: str) -> None:
    """Add to the table `touched` the traces of the spans that requests of the records name without their trace."""
    new = (
        f"requests WHERE {_BARE} AND request_id IN (SELECT request_id FROM {records} WHERE kind = 'request')"
    )
    if time := _time(connection, new):
        connection.execute(
            f"INSERT INTO touched SELECT DISTINCT s.trace_id FROM (FROM {new}) r JOIN spans s USING (span_id) "
            f"WHERE {_SAME_TIME} AND {_ABOUT.format('s')} AND s.trace_id NOT IN (FROM touched)",
            time,
        )


def find_traces(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the requests that name a span of the table `here`, and no trace, that trace.

    Leaves the table `joined` of all such requests (request_id, trace_id, span_id), those found before included.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE joined (request_id UUID, trace_id VARCHAR, span_id VARCHAR)"
    )
    which = [
        condition
        for condition, some in (
            (_BARE, f"requests WHERE {_BARE}"),
            (f"request_id IN (SELECT request_id FROM conflicts WHERE content_hash = '{FOUND}')",
             f"conflicts WHERE content_hash = '{FOUND}'"),
        )
        if connection.execute(f"SELECT 1 FROM {some} LIMIT 1").fetchone()
    ]  # fmt: skip
    if not which or not (time := _time(connection, "here")):
        return
    for condition in which:
        connection.execute(
            f"INSERT INTO joined SELECT r.request_id, s.trace_id, s.span_id "
            f"FROM (FROM requests r WHERE {condition} AND {_ABOUT.format('r')}) r "
            f"JOIN here s USING (span_id) WHERE {_SAME_TIME}",
            time,
        )
    connection.execute(
        f"""
        UPDATE requests SET trace_id = j.trace_id
        FROM (SELECT request_id, min(trace_id) AS trace_id FROM joined GROUP BY request_id) j
        WHERE requests.request_id = j.request_id AND (requests.trace_id IS NULL OR requests.trace_id > j.trace_id);
        INSERT INTO conflicts SELECT DISTINCT request_id, '{FOUND}' FROM joined ON CONFLICT DO NOTHING
        """
    )


def _time(connection: duckdb.DuckDBPyConnection, rows: str) -> dict[str, object] | None:
    """Return when the rows of a table begin and end, with the slack; None where there are none."""
    row = connection.execute(
        f"SELECT min(start_time) - {_SLACK} AS low, max(end_time) + {_SLACK} AS high FROM {rows}"
    ).fetchone()
    return dict(zip(("low", "high"), row, strict=True)) if row and row[0] is not None else None
