"""Writes of metadata, and of the copy that is clustered by value, so that the two never disagree."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import duckdb

#: SQL for the hash that stands before a value in the copy's order.
VALUE_HASH = "(md5_number_lower({}) % 4294967296)::UINTEGER"

#: The run of entries that are in no order but that of their arrival.
LOOSE = 0

_COPIED = f"key, {VALUE_HASH.format('value')} AS value_hash, value, request_id, {LOOSE} AS run"
_IN_ORDER = "ORDER BY key, value_hash, request_id"


class Changes(NamedTuple):
    """What writes of metadata came to."""

    inserted: int
    replaced: int
    unchanged: int  # the same value stands there, or one that is later or may not be replaced
    touched: int = 0  # of the unchanged: the same value, whose time is set anew


def value_hash(value: str) -> int:
    """Return the hash of a value, as `VALUE_HASH` computes it."""
    return int.from_bytes(hashlib.md5(value.encode(), usedforsecurity=False).digest()[8:12], "little")


def insert_metadata(connection: duckdb.DuckDBPyConnection, writes: str, order: str) -> None:
    """Insert writes of keys that stand nowhere yet.

    Args:
        connection: the store's, in a transaction.
        writes: a SELECT of (request_id, key, value, time); time in microseconds.
        order: "", where the writes are in the order of ids.

    Raises:
        duckdb.ConstraintException: a key stands there, or twice in the writes.
    """
    connection.execute(
        f"INSERT INTO metadata (request_id, key, value, updated_at) "
        f"SELECT request_id, key, value, make_timestamp(time) FROM ({writes}){order}"
    )
    _add_to_copy(connection, writes)


def replace_metadata(connection: duckdb.DuckDBPyConnection, writes: str) -> None:
    """Apply writes by the rule: of a key's writes the one with the greatest (time, value) stays.

    Args:
        connection: the store's, in a transaction.
        writes: a SELECT of (request_id, key, value, time), without what removals cover.
    """
    write_changes(connection, compare_metadata(connection, writes))


def compare_metadata(
    connection: duckdb.DuckDBPyConnection, writes: str, *, overwrite: bool = True
) -> Changes:
    """Compare writes with what stands there, in a temporary table `changes`, and count them.

    Args:
        connection: the store's.
        writes: as `replace_metadata` takes them.
        overwrite: whether a value that stands there may be replaced.
    """
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE changes AS
        SELECT w.*, m.value AS old,
               m.request_id IS NULL OR ({overwrite} AND (w.updated_at, w.value) > (m.updated_at, m.value)) AS applies
        FROM (SELECT request_id, key, last.value AS value, make_timestamp(last.time) AS updated_at
              FROM (SELECT request_id, key, max(struct_pack(time := time, value := value)) AS last
                    FROM ({writes}) GROUP BY ALL)) w
        LEFT JOIN metadata m USING (request_id, key)
        """
    )
    row = connection.execute(
        "SELECT count(*) FILTER (applies AND old IS NULL), count(*) FILTER (applies AND old <> value), "
        "count(*) FILTER (applies AND old = value), count(*) FROM changes"
    ).fetchone()
    inserted, replaced, touched, count = row or (0, 0, 0, 0)
    return Changes(inserted, replaced, count - inserted - replaced, touched)


def write_changes(connection: duckdb.DuckDBPyConnection, changes: Changes) -> None:
    """Write what `compare_metadata` found, in a transaction."""
    inserted, replaced, _, touched = changes
    if inserted + replaced + touched:
        again = "ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
        connection.execute(
            f"INSERT INTO metadata SELECT request_id, key, value, updated_at FROM changes WHERE applies "
            f"ORDER BY request_id, key {again if replaced + touched else ''}"
        )
    if replaced:
        _take_from_copy(
            connection, "SELECT key, old AS value, request_id FROM changes WHERE applies AND old <> value"
        )
    if inserted + replaced:
        _add_to_copy(connection, "FROM changes WHERE applies AND old IS DISTINCT FROM value")
    connection.execute("DROP TABLE changes")


def remove_metadata(connection: duckdb.DuckDBPyConnection, which: str) -> None:
    """Delete rows.

    Args:
        connection: the store's, in a transaction.
        which: a SELECT of the rows' (request_id, key, value).
    """
    connection.execute(f"CREATE OR REPLACE TEMP TABLE gone AS {which}")
    row = connection.execute("SELECT count(*) FROM gone").fetchone()
    if row and row[0]:
        _take_from_copy(connection, "FROM gone")
        connection.execute(
            "DELETE FROM metadata m USING gone WHERE m.request_id = gone.request_id AND m.key = gone.key"
        )
    connection.execute("DROP TABLE gone")


def _add_to_copy(connection: duckdb.DuckDBPyConnection, entries: str) -> None:
    row = connection.execute(
        f"INSERT INTO metadata_by_value SELECT {_COPIED} FROM ({entries}) {_IN_ORDER}"
    ).fetchone()
    count_entries(connection, LOOSE, int(row[0]) if row else 0)


def _take_from_copy(connection: duckdb.DuckDBPyConnection, entries: str) -> None:
    connection.execute(
        f"DELETE FROM metadata_by_value c "
        f"USING (SELECT key, {VALUE_HASH.format('value')} AS value_hash, request_id FROM ({entries})) e "
        f"WHERE c.key = e.key AND c.value_hash = e.value_hash AND c.request_id = e.request_id"
    )


def count_entries(connection: duckdb.DuckDBPyConnection, run: int, more: int) -> None:
    """Note that entries were added to a run."""
    row = connection.execute(
        "UPDATE metadata_runs SET entries = entries + ? WHERE run = ?", [more, run]
    ).fetchone()
    if not row or not row[0]:
        connection.execute("INSERT INTO metadata_runs VALUES (?, ?)", [run, more])
