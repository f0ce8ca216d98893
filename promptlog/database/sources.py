"""Tables from outside: frames and files as DuckDB reads them, in a database of its own in memory, without a lock."""

from __future__ import annotations

import csv
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from promptlog.database.connection import interruptible, no_progress_bar
from promptlog.database.text import as_pattern, exactly, literal
from promptlog.errors import InvalidInputError, StoreUnwritableError
from promptlog.journal.staging import spill_of
from promptlog.settings import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: What looks like a number is still text ("007" is a user's id), and nothing of the form is guessed.
_CSV = f"header = true, quote = '\"', escape = '\"', parallel = false, max_line_size = {2 * MAX_LINE_BYTES})"
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_WRONG_ROW = re.compile(
    r"CSV Error on Line: (\d+).*Expected Number of Columns: (\d+) Found: (\d+)", re.DOTALL
)
_FILE = re.compile(r"^  file = (.*)$", re.MULTILINE)
_READERS = {
    "parquet": "read_parquet({})",
    "csv": "read_csv({}, all_varchar = true, delim = ',', " + _CSV,
    "tsv": "read_csv({}, all_varchar = true, delim = '\\t', " + _CSV,
}


@contextmanager
def workbench(folder: Path, memory_limit: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory for what a load does outside the store; what does not fit spills.

    Raises:
        InvalidInputError: so much belongs together, of long texts, that it fits and spills nowhere.
        StoreUnwritableError: the disk is full.
    """
    with interruptible(), duckdb.connect(config={"python_enable_replacements": False}) as connection:
        no_progress_bar(connection)
        connection.execute(f"SET temp_directory = {literal(str(spill_of(folder)))}")
        if memory_limit:
            connection.execute(f"SET memory_limit = '{memory_limit}'")
        try:
            yield connection
        except duckdb.OutOfMemoryException as error:
            raise InvalidInputError(
                f"the source's texts are too long for {memory_limit or 'the memory'} at once; give it in several parts"
            ) from error
        except duckdb.IOException as error:
            raise StoreUnwritableError(f"{folder}: {str(error).splitlines()[0]}") from error


def open_source(connection: duckdb.DuckDBPyConnection, source: Any, kind: str) -> dict[str, str]:
    """Make a view `source` of a frame or of files, and return DuckDB's type of each column.

    Args:
        connection: a workbench.
        source: an object that speaks Arrow's C stream, or the paths of files.
        kind: "frame", "parquet", "csv" or "tsv".

    Raises:
        InvalidInputError: it cannot be read.
    """
    try:
        if kind == "frame":
            connection.register("source", source)
        else:
            if kind in ("csv", "tsv"):
                for path in source:
                    _refuse_open_quote(path, kind)
            reader = _READERS[kind].format(exactly(*source))
            if kind in _DELIMITERS and (names := _common_header(source, kind)):
                # Not guessed: after a row that is too short DuckDB would take the next one for the header.
                columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
                reader = reader.replace("all_varchar = true", f"auto_detect = false, columns = {{{columns}}}")
            connection.execute(f"CREATE VIEW source AS FROM {reader}")
        described = connection.execute("DESCRIBE source").fetchall()
    except duckdb.Error as error:
        what = "the frame" if kind == "frame" else ", ".join(map(str, source))
        raise InvalidInputError(f"cannot read {what}: {said_of(error)}") from error
    return {row[0]: str(row[1]) for row in described}


def said_of(error: duckdb.Error) -> str:
    """Return what DuckDB says of a source, of a wrong row of CSV in our words: its own are a wall of settings."""
    text = str(error)
    found = _WRONG_ROW.search(text)
    file = _FILE.search(text)
    if found is None:
        return text.split("\n\n", maxsplit=1)[0].splitlines()[0] if "CSV" in text else text
    line, expected, cells = found.groups()
    return (
        f"{file[1] if file else 'the file'}, line {line} has {cells} cells and the header {expected}: give each row as many, and "
        f"put quotes around a cell in which the delimiter stands"
    )


def _common_header(paths: Sequence[Path], kind: str) -> list[str] | None:
    """Return the header that all files share; None where they differ, or where DuckDB has to name a column."""
    headers = []
    for path in paths:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            headers.append(next(csv.reader(file, delimiter=_DELIMITERS[kind]), []))
        if not headers[-1]:
            raise InvalidInputError(f"{path} has no header: its first line names the columns")
    first = headers[0]
    alike = all(header == first for header in headers)
    return first if alike and all(first) and len({name.lower() for name in first}) == len(first) else None


def _refuse_open_quote(path: Path, kind: str) -> None:
    """Refuse a file whose last quote is never closed: DuckDB's reader of one thread leaves out all from there on.

    An odd number of quotes is what such a file has, but so has one with a lone quote inside a cell (`5" disk`), which
    is read as it is. So the file is read to its end only where the number is odd.
    """
    quotes = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            quotes += piece.count(b'"')
    if quotes % 2 == 0:
        return
    limit = csv.field_size_limit(sys.maxsize)
    number = 0
    try:
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            for number, _ in enumerate(csv.reader(file, delimiter=_DELIMITERS[kind], strict=True)):  # noqa: B007
                pass
    except csv.Error as error:
        raise InvalidInputError(
            f"cannot read {path}: after row {number - 1} a quote is wrong: {error}"
        ) from None
    finally:
        csv.field_size_limit(limit)


def names_of(connection: duckdb.DuckDBPyConnection, source: Any, kind: str) -> list[str]:
    """Return the columns' names as the source has them: DuckDB renames one of two that differ in case alone."""
    if kind == "frame":
        schema = getattr(getattr(source, "schema", None), "names", ())  # of a stream of Arrow's
        names: Iterable[object] = getattr(source, "column_names", getattr(source, "columns", schema))
        return [str(name) for name in names]
    return [name for path in source[:1] for name in _names_in(connection, path, kind)]


def _names_in(connection: duckdb.DuckDBPyConnection, path: Path, kind: str) -> Sequence[str]:
    if kind == "parquet":
        query = f"SELECT name, coalesce(num_children, 0) FROM parquet_schema({literal(as_pattern(path))})"
        return _top_names(connection.execute(query).fetchall())
    with path.open(newline="", encoding="utf-8-sig") as file:
        return next(csv.reader(file, delimiter=_DELIMITERS[kind]), [])


def _top_names(nodes: list[tuple[str, int]]) -> list[str]:
    """Return the columns of a schema that is written node by node, each before its children."""
    names, inside = [], 0  # how many nodes below a column are still to come
    for name, children in nodes[1:]:
        if inside:
            inside += children - 1
        else:
            names.append(name)
            inside = children
    return names


def check_case(names: Iterable[str], way_out: str) -> None:
    """Refuse two names that DuckDB would not keep apart.

    Raises:
        InvalidInputError: two are the same or differ in case alone; the message ends in `way_out`.
    """
    seen: dict[str, str] = {}
    for name in names:
        if other := seen.get(name.lower()):
            if other == name:
                raise InvalidInputError(f"two columns are called {name!r}; {way_out}")
            raise InvalidInputError(
                f"columns {other!r} and {name!r} differ in case alone, which DuckDB cannot keep apart; {way_out}"
            )
        seen[name.lower()] = name
