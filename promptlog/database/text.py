"""Names, texts and paths as SQL takes them."""

from __future__ import annotations


def exactly(*paths: object) -> str:
    """The arguments that make a reader of DuckDB's read these files, in their order, and nothing of their names.

    Letters would stand for others (`*`, `?`, `[`), and a folder called `model=x` would become a column `model`.
    """
    patterns = ", ".join(literal(as_pattern(path)) for path in paths)
    return f"[{patterns}], hive_partitioning = false" + (", union_by_name = true" if len(paths) > 1 else "")


def as_pattern(path: object) -> str:
    """The pattern that this one path matches."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def literal(text: str) -> str:
    """Text as a literal of SQL, for the statements that take no bound value."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name of a column, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'
