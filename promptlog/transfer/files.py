"""What a file holds, by the end of its name, and the lines of one of JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from promptlog.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TABLE_FILES = {".parquet": "parquet", ".csv": "csv", ".tsv": "tsv"}
LINE_FILES = {".jsonl", ".ndjson", ".json"}
KNOWN_FILES = ", ".join((*TABLE_FILES, *sorted(LINE_FILES)))


def read_lines(path: Path) -> Iterator[Any]:
    """Give what each line holds; empty ones are passed over.

    Raises:
        InvalidInputError: a line is not JSON.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield from_json(line)
                except ValueError as error:
                    raise InvalidInputError(f"line {number} of {str(path)!r} is not JSON: {error}") from None
