"""Whole tables into the store: from a frame's or a file's columns to records, checked in SQL.

Conversion runs in a database of its own in memory, so it needs no lock, and leaves Parquet files of a slice each.
"""

from __future__ import annotations

import csv
import inspect
from typing import TYPE_CHECKING, Any

import duckdb

from promptlog.database.apply import RECORD_TYPES, apply_records
from promptlog.database.compaction import tidy
from promptlog.database.connection import interruptible, our_errors
from promptlog.database.convert import METADATA_PREFIX, Fields
from promptlog.database.merge import read_records
from promptlog.database.text import as_pattern, exactly, literal
from promptlog.errors import InvalidInputError
from promptlog.journal.staging import spill_of
from promptlog.models.build import request_record
from promptlog.settings import MAX_KEY_CHARS, MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from promptlog.database.store import Store

_SLICE_ROWS = 16_384
_FILES_AT_ONCE = 2  # what a transaction of well below a second applies
_ARGUMENTS = inspect.signature(request_record).parameters
_REQUIRED = [name for name, argument in _ARGUMENTS.items() if argument.default is argument.empty]
#: What looks like a number is still text ("007" is a user's id), and nothing of the form is guessed.
_CSV = f"header = true, quote = '\"', escape = '\"', parallel = false, max_line_size = {2 * MAX_LINE_BYTES})"
_READERS = {
    "parquet": "read_parquet({})",
    "csv": "read_csv({}, all_varchar = true, delim = ',', " + _CSV,
    "tsv": "read_csv({}, all_varchar = true, delim = '\\t', " + _CSV,
}


def apply_staged(store: Store, files: list[Path]) -> int:
    """Apply the first of the staged files in one transaction, and return how many.

    Several where nobody waits for the store: DuckDB writes a large transaction once, small ones twice.
    """
    with store.lease("loading many requests") as connection, our_errors(store.paths):
        taken = files[: 1 if store.is_wanted() else _FILES_AT_ONCE]
        lines = taken[0].suffix == ".jsonl"
        if lines:
            read_records(connection, taken)
        else:
            columns = ", ".join(f"{name}::{kind} AS {name}" for name, kind in RECORD_TYPES.items())
            parts = " UNION ALL ".join(
                f"SELECT {columns} FROM read_parquet({exactly(path)})" for path in taken
            )
            connection.execute(f"CREATE OR REPLACE TEMP VIEW staged AS {parts}")
        apply_records(connection, "records" if lines else "staged")
        tidy(connection)
    return len(taken)


def stage_table(folder: Path, source: Any, kind: str, now_us: int) -> int:
    """Check a frame or file of requests, stage it as Parquet files, and return the number of its rows.

    Args:
        folder: where the files go.
        source: an object that speaks Arrow's C stream, or the path of a file.
        kind: "frame", "parquet", "csv" or "tsv".
        now_us: the time that the rows are logged at.

    Raises:
        InvalidInputError: a column is missing, unknown or of a type that cannot be meant; or a row is wrong.
    """
    with interruptible(), duckdb.connect(config={"python_enable_replacements": False}) as connection:
        connection.execute("SET enable_progress_bar = false")
        row = connection.execute("SELECT current_setting('TimeZone')").fetchone()  # the machine's, at first
        zone = str(row[0]) if row else "UTC"
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = {literal(str(spill_of(folder)))}")
        try:
            if kind == "frame":
                connection.register("source", source)
            else:
                connection.execute(f"CREATE VIEW source AS FROM {_READERS[kind].format(exactly(source))}")
            described = connection.execute("DESCRIBE source").fetchall()
        except duckdb.Error as error:
            raise InvalidInputError(
                f"cannot read {source if kind != 'frame' else 'the frame'}: {error}"
            ) from error
        types = {row[0]: str(row[1]) for row in described}
        _check_columns(types)
        _check_case(_metadata_names(connection, source, kind))
        try:
            return _convert(
                connection, folder, Fields(types, zone, only_text=kind in ("csv", "tsv")).select(now_us)
            )
        except duckdb.Error as error:
            raise InvalidInputError(f"cannot convert the requests: {error}") from error


def _metadata_names(connection: duckdb.DuckDBPyConnection, source: Any, kind: str) -> list[str]:
    """Return the names `metadata.<key>` as the source has them: DuckDB renames one of two that differ in case alone."""
    if kind == "frame":
        names: Iterable[object] = getattr(source, "column_names", getattr(source, "columns", ()))
    elif kind == "parquet":
        names = [
            row[0]
            for row in connection.execute(
                f"SELECT name FROM parquet_schema({literal(as_pattern(source))})"
            ).fetchall()
        ]
    else:
        with source.open(newline="", encoding="utf-8-sig") as file:
            names = next(csv.reader(file, delimiter="\t" if kind == "tsv" else ","), [])
    return [name for name in map(str, names) if name.startswith(METADATA_PREFIX)]


def _check_case(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if other := seen.get(name.lower()):
            raise InvalidInputError(
                f"columns {other!r} and {name!r} differ in case alone, which DuckDB cannot keep apart; "
                f"give such keys in one column 'metadata'"
            )
        seen[name.lower()] = name


def _check_columns(types: dict[str, str]) -> None:
    for name, kind in types.items():
        if name not in _ARGUMENTS and not name.startswith(METADATA_PREFIX):
            import difflib

            near = difflib.get_close_matches(name, _ARGUMENTS, n=1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f"a metadata key is given as {METADATA_PREFIX + name!r}"
            )
            raise InvalidInputError(f"column {name!r} is no argument of log_request; {hint}")
        if name.startswith(METADATA_PREFIX):
            key = name.removeprefix(METADATA_PREFIX)
            if not 0 < len(key) <= MAX_KEY_CHARS:
                raise InvalidInputError(
                    f"column {name[:60]!r} names no metadata key of 1 to {MAX_KEY_CHARS:,} characters"
                )
            if kind not in ("VARCHAR", '"NULL"'):
                raise InvalidInputError(
                    f"column {name!r} holds {kind}; metadata values are strings: cast it to text first"
                )
    if missing := [name for name in _REQUIRED if name not in types]:
        raise InvalidInputError(
            f"the column {missing[0]!r} is missing; every request needs {', '.join(_REQUIRED)}"
        )


def _convert(connection: duckdb.DuckDBPyConnection, folder: Path, select: str) -> int:
    # Streamed into files of a slice each: a source of any size takes the memory of a few slices.
    connection.execute(
        f"COPY ({select}) TO {literal(str(folder))} (FORMAT parquet, COMPRESSION uncompressed, "
        f"ROW_GROUP_SIZE {_SLICE_ROWS}, ROW_GROUPS_PER_FILE 1, OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'part-{{i}}')"
    )
    count = wrong = 0
    for part in folder.iterdir():
        row = connection.execute(
            f"SELECT count(*), count(problem) FROM read_parquet({exactly(part)})"
        ).fetchone()
        count, wrong = (count + row[0], wrong + row[1]) if row else (count, wrong)
    if wrong:  # numbering the rows takes one thread, so it is done for those who need it
        first = connection.execute(
            f"SELECT number, problem FROM (SELECT row_number() OVER () - 1 AS number, problem FROM ({select})) "
            f"WHERE problem IS NOT NULL LIMIT 1"
        ).fetchone()
        raise InvalidInputError(f"row {first[0]}: {first[1]}" if first else f"{wrong} rows are wrong")
    return int(count)
