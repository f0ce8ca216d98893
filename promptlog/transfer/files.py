"""What a file holds, by the end of its name, and the lines of one of JSON."""

from __future__ import annotations

from codecs import BOM_UTF8
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
    """Give what each line holds, empty ones passed over; or where the file is one array, what that holds.

    Raises:
        InvalidInputError: a line, or the array, is not JSON.
    """
    with path.open("rb") as file:
        begins = file.read(len(BOM_UTF8) + 64)
        mark = len(BOM_UTF8) if begins.startswith(BOM_UTF8) else 0
        file.seek(mark)
        if begins[mark:].lstrip().startswith(b"["):
            try:
                yield from from_json(file.read())
            except ValueError as error:
                raise InvalidInputError(
                    f"{str(path)!r} begins as an array of JSON and is none: {error}"
                ) from None
            return
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield from_json(line)
                except ValueError as error:
                    raise no_json(line, number, path, error) from None


def no_json(line: bytes, number: int, path: Path, error: ValueError) -> InvalidInputError:
    """Return the error of a line that cannot be read: where it goes wrong, or that it is something else altogether."""
    where, begins = (
        f"line {number} of {str(path)!r} is not JSON",
        line.strip()[:40].decode("utf-8", "replace"),
    )
    if begins.startswith(("{", "[")):
        return InvalidInputError(f"{where}: {error}")
    return InvalidInputError(f"{where}: expected an object, {{…}}, and it begins {begins!r}")
