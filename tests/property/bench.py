"""A store that is emptied instead of made anew, and takes journals written by hand."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any
from unittest import mock

from promptlog.database import compaction
from promptlog.database.connection import connect
from promptlog.database.merge import merge_slice, read_offsets
from promptlog.journal import reader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from promptlog import PromptLog
    from promptlog.settings import StorePaths

#: Every table whose rows follow from the records.
TABLES = (
    "requests",
    "metadata",
    "metadata_by_value",
    "tags",
    "scores",
    "request_prompts",
    "request_groups",
    "removals",
    "conflicts",
    "spans",
    "span_logs",
)
Contents = dict[str, set[tuple[Any, ...]]]


class Bench:
    """The tables of one store, and the folders that journals come from."""

    def __init__(self, paths: StorePaths) -> None:
        self.paths = paths
        for folder in (paths.segments, paths.staging):
            folder.mkdir(parents=True)
        self.connection = connect(paths)
        self._numbers = itertools.count()

    def close(self) -> None:
        self.connection.close()

    def empty(self) -> None:
        """Leave nothing of what was merged, logged or rejected."""
        for table in (*TABLES, "metadata_runs", "metadata_compaction", "journal_offsets"):
            self.connection.execute(f"DELETE FROM {table}")
        for folder in (self.paths.segments, self.paths.rejected):
            for path in folder.glob("*"):
                path.unlink()

    def new_segment(self) -> str:
        return f"v1-{next(self._numbers):024x}.jsonl"

    def append(self, segment: str, lines: bytes) -> None:
        with (self.paths.segments / segment).open("ab") as file:
            file.write(lines)

    def merge(self, slice_bytes: int = 1 << 20) -> int:
        """Fold in all whole lines, in slices and reads of `slice_bytes`, and return how many there were."""
        offsets = read_offsets(self.connection)
        count = 0
        with mock.patch.object(
            reader, "_CHUNK_BYTES", slice_bytes
        ):  # small, so that one segment has many slices
            while found := reader.next_slice(self.paths, offsets, slice_bytes):
                count += merge_slice(self.paths, self.connection, found)
                offsets.update(found.offsets)
        assert read_offsets(self.connection) == offsets
        return count

    def compact(self, slices: int) -> None:
        """Go on with joining runs, or begin to, in slices of two entries."""
        with (
            mock.patch.object(compaction, "_SLICE_ENTRIES", 2),
            mock.patch.object(compaction, "_SAMPLE_PERCENT", 100),
        ):
            if compaction.go_on(self.connection) is None:
                compaction.begin(self.connection)
            for _ in range(slices):
                compaction.go_on(self.connection)

    def contents(self) -> Contents:
        """Return the rows of all tables."""
        found = {}
        for table in TABLES:
            columns = (
                "* EXCLUDE (run)" if table == "metadata_by_value" else "*"
            )  # where an entry stands is no matter
            rows = self.connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            found[table] = {tuple(map(_comparable, row)) for row in rows}
            assert len(found[table]) == len(rows), f"{table} has a row twice"
        return found

    def rejected(self) -> list[dict[str, Any]]:
        """Return what was set aside, in the order of files and lines."""
        paths = sorted(self.paths.rejected.glob("*.jsonl"))
        return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def lines_of(records: Iterable[dict[str, Any]]) -> bytes:
    """Return records as the journal has them, their time first."""
    stamped = ({"time": record["time"], **record} for record in records)
    return b"".join(
        json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for record in stamped
    )


def _comparable(value: Any) -> Any:
    return str(value) if hasattr(value, "hex") and not isinstance(value, (float, bytes)) else value


def empty_store(client: PromptLog) -> None:
    """Delete what a client has logged, so that the next example meets an empty store."""
    client.merge()
    with client._store.lease("emptying the tables") as connection:
        for table in TABLES:
            connection.execute(f"DELETE FROM {table}")
