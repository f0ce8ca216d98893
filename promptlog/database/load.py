"""Whole tables into the store: from a frame's or a file's columns to records, checked in SQL.

Conversion runs in a database of its own in memory, so it needs no lock, and leaves Parquet files of a slice each.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import duckdb

from promptlog.database.apply import RECORD_TYPES, apply_records
from promptlog.database.connection import our_errors
from promptlog.database.convert import METADATA_PREFIX, Fields
from promptlog.database.merge import read_records
from promptlog.database.sources import check_case, names_of, open_source, workbench
from promptlog.database.text import exactly, literal
from promptlog.errors import InvalidInputError
from promptlog.models.build import request_record
from promptlog.settings import MAX_KEY_CHARS

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog.database.store import Store

_SLICE_ROWS = 16_384
_FILES_AT_ONCE = 2  # what a transaction of well below a second applies
_ARGUMENTS = inspect.signature(request_record).parameters
_REQUIRED = [name for name, argument in _ARGUMENTS.items() if argument.default is argument.empty]


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
        store.tidy(connection)
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
    paths = source if kind == "frame" else [source]
    with workbench(folder) as connection:
        row = connection.execute("SELECT current_setting('TimeZone')").fetchone()  # the machine's, at first
        zone = str(row[0]) if row else "UTC"
        connection.execute("SET TimeZone = 'UTC'")
        types = open_source(connection, paths, kind)
        _check_columns(types)
        check_case(
            (name for name in names_of(connection, paths, kind) if name.startswith(METADATA_PREFIX)),
            "give such keys in one column 'metadata'",
        )
        try:
            return _convert(
                connection, folder, Fields(types, zone, only_text=kind in ("csv", "tsv")).select(now_us)
            )
        except duckdb.Error as error:
            raise InvalidInputError(f"cannot convert the requests: {error}") from error


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
