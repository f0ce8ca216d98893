"""Names, texts and paths as SQL takes them."""

from __future__ import annotations


def exactly(path: object) -> str:
    """The arguments that make a reader of DuckDB's read this one file and nothing of its name.

    Letters would stand for others (`*`, `?`, `[`), and a folder called `model=x` would become a column `model`.
    """
    return f"{literal(as_pattern(path))}, hive_partitioning = false"


def as_pattern(path: object) -> str:
    """The pattern that this one path matches."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def literal(text: str) -> str:
    """Text as a literal of SQL, for the statements that take no bound value."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name of a column, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'
