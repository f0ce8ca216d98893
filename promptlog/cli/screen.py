"""Tables and consoles. On a terminal, rich; into a pipe, plain columns as wide as they need to be."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from promptlog.cli.text import cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_GAP = "  "
_PIPE_WIDTH = 1 << 16  # nothing is cut where nobody's screen ends


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `shrinks` may be cut on a narrow terminal."""

    name: str
    right: bool = False
    style: str = ""
    shrinks: bool = False


def console() -> Console:
    """Return a console on stdout that never reads markup, emoji codes or highlights into text."""
    from rich.console import Console

    plain = "NO_COLOR" in os.environ and os.environ["NO_COLOR"] != ""
    made = Console(
        markup=False, emoji=False, highlight=False, color_system=None if plain else "auto", no_color=plain
    )
    return made if made.is_terminal else Console(file=sys.stdout, markup=False, width=_PIPE_WIDTH)


def note(line: str) -> None:
    """Say something beside the result, on stderr."""
    sys.stderr.write(f"{line}\n")


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under the names of their columns."""
    on = console()
    cells = [[cell(value) for value in row] for row in rows]
    if not on.is_terminal:
        _print_plain(columns, cells)
    elif not any(column.shrinks for column in columns) and _width(columns, cells) > on.width:
        _print_records(on, columns, cells)
    else:
        print_on(on, columns, cells)


def print_on(on: Console, columns: Sequence[Column], cells: Sequence[Sequence[str]], indent: int = 0) -> None:
    """Print a table on a terminal."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for column in columns:
        table.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            style=column.style,
            no_wrap=True,
            overflow="ellipsis",
            min_width=None if column.shrinks else max([len(column.name)] + _widths(columns, cells, column)),
        )
    for row in cells:
        table.add_row(*(Text(value) for value in row))
    on.print(Padding(table, (0, 0, 0, indent), expand=False))


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]], column: Column) -> list[int]:
    from rich.cells import cell_len

    at = list(columns).index(column)
    return [cell_len(row[at]) for row in cells]


def _width(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> int:
    return sum(
        max([len(column.name), *_widths(columns, cells, column)]) + len(_GAP) for column in columns
    ) - len(_GAP)


def _print_plain(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len

    lines = [[column.name for column in columns], *cells]
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(columns))]
    for line in lines:
        shown = []
        for column, width, value in zip(columns, widths, line, strict=True):
            blank = " " * (width - cell_len(value))
            shown.append(blank + value if column.right else value + blank)
        sys.stdout.write(_GAP.join(shown).rstrip() + "\n")


def _print_records(on: Console, columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    """Print each row as lines of name and value: a table wider than the terminal cannot be read."""
    from rich.text import Text

    widest = max(len(column.name) for column in columns)
    for row in cells:
        for column, value in zip(columns, row, strict=True):
            on.print(Text(f"{column.name:>{widest}}{_GAP}", style="bold").append(value, style="not bold"))
        on.print()
