"""Tables and consoles. On a terminal, rich; into a pipe, plain columns as wide as they need to be."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptlog.cli.text import cell, one_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rich.console import Console

_GAP = "  "
_LEAST_WIDTH = 12  # a shrinking column says nothing in less
_PIPE_WIDTH = 1 << 16  # nothing is cut where nobody's screen ends


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    On a terminal that is too narrow, those with `goes` above 0 are left out, the highest first; then what `shrinks`
    is cut. None is narrower than its `least`, so that tables which stand below each other have one shape.
    """

    name: str
    right: bool = False
    style: str = ""
    shrinks: bool = False
    goes: int = 0
    least: int = 0


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
    columns = [replace(column, name=one_line(column.name)) for column in columns]  # a key may be any text
    if not on.is_terminal:
        _print_plain(columns, cells)
    elif _total(_fitting(on.width, columns, _widths(columns, cells)).values()) > on.width:
        _print_records(on, columns, cells)
    else:
        print_on(on, columns, cells)


def print_on(on: Console, columns: Sequence[Column], cells: Sequence[Sequence[str]], indent: int = 0) -> None:
    """Print a table on a terminal."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    widths = _fitting(on.width - indent, columns, _widths(columns, cells))
    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for at, width in widths.items():
        column = columns[at]
        table.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            style=column.style,
            no_wrap=True,
            overflow="ellipsis",
            width=width,
        )
    for row in cells:
        table.add_row(*(Text(row[at]) for at in widths))
    on.print(Padding(table, (0, 0, 0, indent), expand=False))


def _fitting(room: int, columns: Sequence[Column], natural: Sequence[int]) -> dict[int, int]:
    """Return which columns are shown and how wide: rich would take from all of them alike, ids included."""
    least = {
        at: min(natural[at], _LEAST_WIDTH) if column.shrinks else natural[at]
        for at, column in enumerate(columns)
    }
    for at in sorted(least, key=lambda at: -columns[at].goes):
        if columns[at].goes and _total(least.values()) > room:
            del least[at]
    spare = max(room - _total(least.values()), 0)
    for at, width in least.items():
        least[at] = width + min(natural[at] - width, spare)
        spare -= least[at] - width
    return least


def _total(widths: Collection[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [
        max(column.least, *map(cell_len, (column.name, *(row[at] for row in cells))))
        for at, column in enumerate(columns)
    ]


def _print_plain(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len

    widths = _widths(columns, cells)
    for line in ([column.name for column in columns], *cells):
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
            name = Text(f"{column.name:>{widest}}{_GAP}", style="bold")
            on.print(name.append(value, style="not bold"), soft_wrap=True)
        on.print()
