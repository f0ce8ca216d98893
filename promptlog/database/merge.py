"""Folding slices of the journal into the tables: each slice, and how far it reached, in one transaction."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from promptlog.database.apply import RARE_TYPES, RECORD_TYPES, apply_records
from promptlog.database.connection import our_errors
from promptlog.database.spans import WHOLE_LOG, WHOLE_SPAN
from promptlog.database.text import exactly, literal
from promptlog.identifiers import LATEST_US
from promptlog.journal.sweeper import Rejected, keep_rejected
from promptlog.settings import MAX_LINE_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog.journal.reader import Slice
    from promptlog.settings import StorePaths

_COLUMNS = (
    "{"
    + ", ".join(
        f"'{name}': '{kind.replace(chr(39), chr(39) * 2)}'"
        for name, kind in {**RECORD_TYPES, "source_time": "BIGINT"}.items()
    )
    + "}"
)


#: Lists and maps whose items no table takes as null.
_LISTS = (
    "tags", "map_values(metadata)", "map_values(scores)", "removed.metadata", "removed.tag", "removed.score"
)  # fmt: skip
_RARE_LISTS = ("map_values(evaluations)", "span.tags", "map_values(span.metadata)")


def _no_nulls(lists: tuple[str, ...]) -> str:
    return " AND ".join(f"list_count({items}) IS NOT DISTINCT FROM len({items})" for items in lists)


#: What a record must have beside the types of its fields.
_WHOLE = (
    f"time BETWEEN 0 AND {LATEST_US} AND CASE kind WHEN 'track' THEN request_id IS NOT NULL "
    f"WHEN 'remove' THEN request_id IS NOT NULL WHEN 'request' THEN request_id IS NOT NULL "
    f"AND start_time BETWEEN 0 AND {LATEST_US} AND end_time BETWEEN 0 AND {LATEST_US} AND status IS NOT NULL "
    f"WHEN 'span' THEN span IS NOT NULL WHEN 'log' THEN log IS NOT NULL ELSE false END AND {_no_nulls(_LISTS)}"
)

#: The same of what few records have, read as what it is.
_WHOLE_RARE = (
    f"(span IS NULL OR ({WHOLE_SPAN.format(latest=LATEST_US)})) "
    f"AND (log IS NULL OR ({WHOLE_LOG.format(latest=LATEST_US)})) AND {_no_nulls(_RARE_LISTS)}"
)
_READ_RARE = ", ".join(
    f"from_json({name}, {literal(json.dumps(kind))}) AS {name}" for name, kind in RARE_TYPES.items()
)

#: What DuckDB raises for a line that is no record. Anything else (memory, disk) is no fault of the line's.
#: A message that quotes the line may cut a letter in two, and the driver then fails to decode its own message.
_BAD_LINE = (duckdb.InvalidInputException, duckdb.ConversionException, UnicodeDecodeError)


def read_offsets(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return how far each segment is applied."""
    return dict(connection.execute("SELECT segment, bytes FROM journal_offsets").fetchall())


def forget_segments(connection: duckdb.DuckDBPyConnection, segments: list[str]) -> None:
    """Forget segments that are deleted."""
    connection.execute("DELETE FROM journal_offsets WHERE segment IN (SELECT unnest(?))", [segments])


def merge_slice(paths: StorePaths, connection: duckdb.DuckDBPyConnection, found: Slice) -> int:
    """Apply a slice exactly once, whatever crashes where, and return the number of its records."""
    staged = paths.staging / f"slice-{os.getpid()}.jsonl"
    try:
        with our_errors(paths):
            found.write_to(staged)
            try:
                count = read_records(connection, [staged])
            except _BAD_LINE:
                _set_aside(paths, connection, found, staged)
                count = read_records(connection, [staged])
            apply_records(connection, "records", lambda: _record_offsets(connection, found.offsets))
            return count
    finally:
        staged.unlink(missing_ok=True)


def _record_offsets(connection: duckdb.DuckDBPyConnection, offsets: dict[str, int]) -> None:
    connection.execute(
        "INSERT INTO journal_offsets SELECT unnest(?), unnest(?) ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
        [list(offsets), list(offsets.values())],
    )


def read_records(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> int:
    """Read files of records into the temporary table `records`, and return their number.

    Raises:
        duckdb.InvalidInputException: a line is no record.
    """
    parts = " UNION ALL ".join(
        f"FROM read_json({exactly(path)}, format = 'newline_delimited', columns = {_COLUMNS}, "
        f"maximum_object_size = {MAX_LINE_BYTES + 1024})"
        for path in paths
    )
    # What happened before it was appended counts from then; never from later, or no edit could outrank it.
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE records AS SELECT * EXCLUDE (source_time) "
        f"REPLACE (least(coalesce(source_time, time), time) AS time) FROM ({parts})"
    )
    rare = " OR ".join(f"{name} IS NOT NULL" for name in RARE_TYPES)
    row = connection.execute(
        f"SELECT count(*), count(*) FILTER (NOT coalesce({_WHOLE}, false)), count(*) FILTER ({rare}) FROM records"
    ).fetchone()
    count, wrong, rarer = row or (0, 0, 0)
    if rarer and not wrong:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE records AS SELECT * REPLACE ({_READ_RARE}) FROM records"
        )
        row = connection.execute(
            f"SELECT count(*) FILTER (NOT coalesce({_WHOLE_RARE}, false)) FROM records"
        ).fetchone()
        wrong = row[0] if row else 0
    if wrong:
        raise duckdb.InvalidInputException(f"{wrong} lines lack what a record must have")
    return int(count)


def _set_aside(paths: StorePaths, connection: duckdb.DuckDBPyConnection, found: Slice, staged: Path) -> None:
    """Keep what is no record in `rejected/`, and stage the rest again.

    DuckDB is the judge, of these lines as of all others: a line's fate must not hang on those it is merged with. The
    model only sorts them, so that few readings find the bad ones.
    """
    from promptlog.models.record import why_not_a_record

    good: list[_Line] = []
    doubtful: list[_Line] = []
    rejected: list[Rejected] = []
    for chunk in found.chunks:
        offset = chunk.start
        for line in chunk.data.removesuffix(b"\n").split(b"\n"):
            place = _Line(chunk.segment, offset, line)
            offset += len(line) + 1
            (doubtful if why_not_a_record(line) else good).append(place)
    good = [line for lines in (good, doubtful) for line in _sift(connection, staged, lines, rejected)]
    _stage(staged, good)
    keep_rejected(paths, sorted(rejected, key=lambda item: item.offset))


class _Line(NamedTuple):
    segment: str
    offset: int
    line: bytes


def _sift(
    connection: duckdb.DuckDBPyConnection, staged: Path, lines: list[_Line], rejected: list[Rejected]
) -> list[_Line]:
    """Return the lines that DuckDB reads, halving until the others are found."""
    from promptlog.models.record import why_not_a_record

    _stage(staged, lines)
    try:
        read_records(connection, [staged])
    except _BAD_LINE as error:
        if len(lines) == 1:
            reason = why_not_a_record(lines[0].line) or str(error).splitlines()[0]
            rejected.append(Rejected(*lines[0], reason))
            return []
        half = len(lines) // 2
        parts = lines[:half], lines[half:]
        return [line for part in parts for line in _sift(connection, staged, part, rejected)]
    return lines


def _stage(staged: Path, lines: list[_Line]) -> None:
    staged.write_bytes(b"\n" + b"".join(line.line + b"\n" for line in lines))  # as `Slice.write_to` does
