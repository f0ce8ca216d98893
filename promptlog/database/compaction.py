"""Keeping the copy of metadata in few sorted runs, in slices of well below a second.

Each merge appends what it wrote to run 0, in the order of arrival. What that holds beyond a bound is sorted into a run
of its own; eight runs of like size are joined into one. So a look-up touches one or two row groups of each of a few
runs, however many rows there are, and each row is written about three times. Every slice is a transaction, and what
is left to do stands in `metadata_compaction`: whoever comes next goes on with it, after a crash too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.database.connection import transaction
from promptlog.database.metadata import LOOSE, count_entries

if TYPE_CHECKING:
    from uuid import UUID

    import duckdb

LOOSE_ENTRIES = 500_000  # scanning so many takes a look-up a millisecond more
_RUNS_JOINED = 8
_SLICE_ENTRIES = 250_000
_CHECKPOINT_EVERY = 16  # slices: what was moved leaves room, which the next slices fill
_SAMPLE_PERCENT = 1

_Bound = dict[str, "str | int | UUID"]


def tidy(connection: duckdb.DuckDBPyConnection) -> None:
    """Do one slice of what is due, if anything is."""
    runs = _runs(connection)
    joining = _is_joining(connection)
    # A load brings more loose entries than a slice of joining moves: waiting for a long joining to end would leave
    # millions, to be looked through and then to be sorted at once. So both go on in turns.
    if runs.get(LOOSE, 0) > LOOSE_ENTRIES * (2 if joining else 1):
        _sort_loose(connection, runs)
        return
    if joining:
        go_on(connection)
        return
    levels: dict[int, list[int]] = {}
    for run, entries in runs.items():
        if run != LOOSE:
            levels.setdefault(_level(entries), []).append(run)
    due = [level for level, members in levels.items() if len(members) >= _RUNS_JOINED]
    if due:
        _plan_to_join(connection, levels[min(due)], runs)


def count_all(connection: duckdb.DuckDBPyConnection) -> int:
    """Return how many entries there are at most."""
    return sum(_runs(connection).values())


def begin(connection: duckdb.DuckDBPyConnection) -> bool:
    """Begin to join all there is into one run, unless it is one; `go_on` does the rest.

    Returns:
        False where some runs are being joined already, by another process: that comes first.
    """
    if _is_joining(connection):
        return False
    runs = _runs(connection)
    if runs.get(LOOSE):
        _sort_loose(connection, runs)
        runs = _runs(connection)
    if len(runs) > 1:  # one run is what compaction leaves
        _plan_to_join(connection, list(runs), runs)
    return True


def go_on(connection: duckdb.DuckDBPyConnection) -> int | None:
    """Do the next slice of joining runs; return the entries it moved, None where no joining is under way."""
    row = connection.execute("SELECT sources, target, bounds, done FROM metadata_compaction").fetchone()
    if not row:
        return None
    sources, target, bounds, done = row
    where, values = _range(bounds[done - 1] if done else None, bounds[done] if done < len(bounds) else None)
    with transaction(connection):
        moved = _move(connection, target, f"run IN (SELECT unnest(?)) AND {where}", [sources, *values])
        if done < len(bounds):
            connection.execute("UPDATE metadata_compaction SET done = ?", [done + 1])
        else:
            connection.execute("DELETE FROM metadata_compaction")
            connection.execute("DELETE FROM metadata_runs WHERE run IN (SELECT unnest(?))", [sources])
    if done == len(bounds) or done % _CHECKPOINT_EVERY == _CHECKPOINT_EVERY - 1:
        connection.execute("CHECKPOINT")
    return moved


def _is_joining(connection: duckdb.DuckDBPyConnection) -> bool:
    return connection.execute("SELECT 1 FROM metadata_compaction LIMIT 1").fetchone() is not None


def _runs(connection: duckdb.DuckDBPyConnection) -> dict[int, int]:
    return dict(connection.execute("SELECT run, entries FROM metadata_runs").fetchall())


def _level(entries: int) -> int:
    level = 0
    while entries > LOOSE_ENTRIES * _RUNS_JOINED // 2:
        entries //= _RUNS_JOINED
        level += 1
    return level


def _sort_loose(connection: duckdb.DuckDBPyConnection, runs: dict[int, int]) -> None:
    """Make the loose entries a run: few enough for one transaction, because this is done as soon as they are many."""
    row = connection.execute("SELECT max(target) FROM metadata_compaction").fetchone()
    joined = row[0] if row and row[0] is not None else LOOSE  # a run that may have no entry yet
    with transaction(connection):
        connection.execute("DELETE FROM metadata_runs WHERE run = ?", [LOOSE])
        _move(connection, max((*runs, joined)) + 1, f"run = {LOOSE}", [])


def _plan_to_join(connection: duckdb.DuckDBPyConnection, sources: list[int], runs: dict[int, int]) -> None:
    """Note which runs become one, and the ranges in which they do, so that each has about as many entries."""
    # Of each run's blocks a hundredth: what is sorted is sampled evenly by them.
    sample = connection.execute(
        f"SELECT key, value_hash, request_id FROM metadata_by_value TABLESAMPLE system({_SAMPLE_PERCENT}%) "
        f"WHERE run IN (SELECT unnest(?)) ORDER BY ALL",
        [sources],
    ).fetchall()
    ranges = min(sum(runs[run] for run in sources) // _SLICE_ENTRIES, len(sample)) + 1
    ends = [sample[len(sample) * number // ranges] for number in range(1, ranges)]
    bounds = [dict(zip(("key", "value_hash", "request_id"), end, strict=True)) for end in ends]
    with transaction(connection):
        connection.execute(
            "INSERT INTO metadata_compaction VALUES (?, ?, ?, 0)", [sources, max(runs) + 1, bounds]
        )


def _range(after: _Bound | None, until: _Bound | None) -> tuple[str, list[object]]:
    """SQL for the entries after a bound, until another, and its values; the plain comparisons are for zone maps."""
    where, values = ["true"], list[object]()
    for bound, beyond, at in ((after, ">", ">"), (until, "<", "<=")):
        if bound:
            key, value_hash, request_id = bound["key"], bound["value_hash"], bound["request_id"]
            where.append(
                f"key {beyond}= ? AND (key {beyond} ? OR value_hash {beyond} ? "
                f"OR (value_hash = ? AND request_id {at} ?::UUID))"
            )
            values += [key, key, value_hash, value_hash, request_id]
    if after and until and after["key"] == until["key"]:
        where.append("key = ? AND value_hash BETWEEN ? AND ?")
        values += [after["key"], after["value_hash"], until["value_hash"]]
    return " AND ".join(where), values


def _move(connection: duckdb.DuckDBPyConnection, target: int, where: str, values: list[object]) -> int:
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE moving AS SELECT key, value_hash, value, request_id FROM metadata_by_value WHERE {where}",
        values,
    )
    connection.execute(f"DELETE FROM metadata_by_value WHERE {where}", values)
    row = connection.execute(
        f"INSERT INTO metadata_by_value SELECT *, {target} FROM moving ORDER BY key, value_hash, request_id"
    ).fetchone()
    connection.execute("DROP TABLE moving")
    moved = int(row[0]) if row else 0
    if moved:
        count_entries(connection, target, moved)
    return moved
