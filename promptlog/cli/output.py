"""Rows for programs: JSON, a row a line, or CSV."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

from promptlog.cli.patience import patience
from promptlog.cli.text import iso, json_line, visible
from promptlog.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Csv = Annotated[bool, typer.Option("--csv", help="Print CSV, with a header.")]


def one_format(*, json: bool, csv: bool) -> None:
    """Refuse two formats at once.

    Raises:
        InvalidInputError: both are wanted.
    """
    if json and csv:
        raise InvalidInputError("--json and --csv exclude each other; give one")


class Rows(Protocol):
    """What a question ends in."""

    def dicts(self) -> list[dict[str, Any]]:
        """Return all rows."""

    def columns(self) -> list[str]:
        """Return the names of the columns."""


def print_result(found: Rows, *, as_csv: bool) -> None:
    """Print what a question finds, as `print_rows` does."""
    with patience():
        rows = found.dicts()
    columns = list(rows[0]) if rows else found.columns()
    print_rows(columns, [list(row.values()) for row in rows], as_csv=as_csv)


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, as_csv: bool) -> None:
    """Print rows as CSV, lists in it as JSON and times as ISO 8601; or as a JSON object a line."""
    if not as_csv:
        for row in rows:
            sys.stdout.write(json_line(dict(zip(columns, row, strict=True))) + "\n")
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    # A file gets what is stored; a terminal would obey what is hidden in it.
    shown = visible if sys.stdout.isatty() else str
    writer.writerow([shown(name) for name in columns])
    for row in rows:
        writer.writerow([shown(_csv_cell(value)) for value in row])


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return json_line(value)
    return iso(value) if hasattr(value, "isoformat") else str(value)
