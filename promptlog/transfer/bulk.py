"""`log_many`: many requests straight into the tables.

Everything is checked and staged as files first, without the store's lock; then the files are applied one after the
other, each in a transaction of well below a second, so that nobody waits for a long load.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sized
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlog.database.convert import METADATA_PREFIX
from promptlog.database.load import apply_staged, stage_table
from promptlog.errors import InvalidInputError
from promptlog.journal.staging import staging_folder
from promptlog.models.build import request_record
from promptlog.models.encode import encode
from promptlog.settings import SLICE_BYTES
from promptlog.transfer.files import KNOWN_FILES, LINE_FILES, TABLE_FILES, read_lines
from promptlog.transfer.progress import progress_bar
from promptlog.transfer.rows import is_missing

if TYPE_CHECKING:
    from promptlog.database.store import Store
    from promptlog.journal.writer import Writer


def load(store: Store, writer: Writer, records: Any, *, progress: bool | None = None) -> int:
    """Load what `PromptLog.log_many` takes, and return the number of its records."""
    with staging_folder(store.paths) as folder:
        count = _stage(folder, writer, records, progress=progress)
        files = sorted(folder.iterdir())
        with progress_bar("loading", len(files), wanted=progress) as advance:
            while files:
                done = apply_staged(store, files)
                del files[:done]
                advance(done)
    return count


def _stage(folder: Path, writer: Writer, records: Any, *, progress: bool | None) -> int:
    if isinstance(records, str | os.PathLike):
        path = Path(records).expanduser()
        ending = path.suffix.lower()
        if not path.is_file():
            raise InvalidInputError(f"there is no file {str(path)!r}")
        if ending in TABLE_FILES:
            return stage_table(folder, path, TABLE_FILES[ending], writer.now_us())
        if ending in LINE_FILES:
            return _stage_records(folder, writer, read_lines(path), progress=progress)
        raise InvalidInputError(f"cannot tell what {str(path)!r} holds; files end in {KNOWN_FILES}")
    if hasattr(records, "__arrow_c_stream__"):  # pandas, polars, Arrow and DuckDB's own all speak it
        return stage_table(folder, records, "frame", writer.now_us())
    if not isinstance(records, Iterable) or isinstance(records, dict | bytes):
        raise InvalidInputError(
            f"log_many takes an iterable of dicts, a data frame, an Arrow table or a path, got {type(records).__name__}"
        )
    return _stage_records(folder, writer, records, progress=progress)


def _stage_records(folder: Path, writer: Writer, records: Iterable[Any], *, progress: bool | None) -> int:
    """Check dictionaries and stage them as lines of the journal's form, in files of a slice each."""
    count = size = number = 0
    file = (folder / "part-000000.jsonl").open("wb")
    try:
        with progress_bar(
            "checking", len(records) if isinstance(records, Sized) else None, wanted=progress
        ) as advance:
            for record in records:
                if not isinstance(record, dict):
                    raise InvalidInputError(f"record {count} is of type {type(record).__name__}, not a dict")
                try:
                    body = encode(request_record(**_arguments(record)))
                except InvalidInputError as error:
                    error.args = (f"record {count}: {error}",)
                    raise
                except TypeError as error:  # an argument that is missing or unknown
                    raise InvalidInputError(f"record {count}: {error}") from None
                if size > SLICE_BYTES:
                    file.close()
                    number, size = number + 1, 0
                    file = (folder / f"part-{number:06}.jsonl").open("wb")
                size += file.write(b'{"time":%d,%b\n' % (writer.now_us(), body[1:]))
                count += 1
                advance(1)
    finally:
        file.close()
    return count


#: What is a whole number, which a table with a gap in that column has as 3.0.
_WHOLE = (
    "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "prompt_version_number", "group_id",
)  # fmt: skip


def _arguments(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record as `log_request` takes it: what is no value in a row of a table is none in its dictionary.

    A frame turned into dictionaries or JSON Lines has a null for each key that other rows have, `metadata.user_id` beside
    `metadata`, and 3.0 tokens.
    """
    found, metadata = {}, {}
    for name, value in record.items():
        if isinstance(value, float):
            if isnan(value):
                value = None  # noqa: PLW2901
            elif name in _WHOLE and value.is_integer():
                value = int(value)  # noqa: PLW2901
        if isinstance(name, str) and name.startswith(METADATA_PREFIX):
            metadata[name.removeprefix(METADATA_PREFIX)] = value
        else:
            found[name] = value
    own = found.get("metadata")
    if metadata or (isinstance(own, dict) and None in own.values()):
        if not isinstance(own, dict | None):
            return found
        found["metadata"] = {
            key: value for key, value in {**(own or {}), **metadata}.items() if not is_missing(value)
        }
    return found
