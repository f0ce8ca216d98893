"""What is done with a store's file while it is leased: asking, merging the journal, compacting, in slices."""

from __future__ import annotations

import atexit
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from promptlog.database.compaction import begin, count_all, go_on, tidy
from promptlog.database.connection import our_errors
from promptlog.database.lease import Lease
from promptlog.database.merge import forget_segments, merge_slice, read_offsets
from promptlog.errors import StoreUnwritableError
from promptlog.journal.processwide import ProcessWide
from promptlog.journal.reader import next_slice, pending_bytes, segment_sizes
from promptlog.journal.sweeper import sweep
from promptlog.journal.writer import writer_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

    from promptlog.settings import StorePaths


#: DuckDB keeps each part of an index that was touched until the file is closed, and counts it to its limit of memory: a
#: backfill of ten million requests would end there.
_MOST_INDEX_BYTES = 600 * 1024 * 1024

_LITTLE_BYTES = 1024 * 1024  # of a journal: read in less than a millisecond


class Store(Lease):
    """One process's share of a store. There is one for each real path in a process: see `store_for`.

    Attributes:
        max_lag: for how many seconds what other processes log may be missing in an answer.
    """

    def __init__(self, paths: StorePaths) -> None:
        self.max_lag = 0.0
        self._writer = writer_for(paths)
        super().__init__(paths)

    def _reset(self) -> None:
        super()._reset()
        self._offsets: dict[str, int] = {}
        self._unswept = False
        self._caught_up: tuple[float, int] | None = (
            None  # when all was applied, and how often we had appended
        )

    def _opened_to_write(self, connection: duckdb.DuckDBPyConnection) -> None:
        with our_errors(self.paths):
            self._offsets = read_offsets(connection)
        self._sweep(connection)

    @contextmanager
    def ask(
        self, doing: str, matters: Callable[[bytes], bool] | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a connection to tables that hold all that was logged, by any process, before this call.

        Of what others logged, the last `max_lag` seconds may be missing.

        Args:
            doing: what those who wait are told.
            matters: tells of lines of the journal whether the answer hangs on them; where they are few and none does,
                they are left for the next question, which saves the milliseconds of a transaction.

        Raises:
            StoreBusyError: another process kept the file beyond the timeout.
            StoreError: the file cannot be opened or made.
        """
        now = time.monotonic(), self._writer.appends
        recent = matters is None and self._is_recent(*now)
        targets = {} if recent else segment_sizes(self.paths)
        while True:
            with self.lease(doing) as connection:
                # A store that can only be read is asked as it is. Others have their turn between slices.
                may_wait = not self._lock.held or (matters is not None and self._may_wait(targets, matters))
                if may_wait or not self._apply_next(connection, targets)[1]:
                    if not recent and not may_wait:
                        self._caught_up = now
                    with our_errors(self.paths):
                        yield connection
                    return

    def _is_recent(self, time_s: float, appends: int) -> bool:
        """Tell whether all was applied a moment ago, and this process has logged nothing since."""
        if self._caught_up is None:
            return False
        then_s, appended = self._caught_up
        return time_s - then_s < self.max_lag and appends == appended

    def _may_wait(self, targets: dict[str, int], matters: Callable[[bytes], bool]) -> bool:
        """Tell whether what is not applied is little, and says nothing that matters."""
        behind = self._behind(targets)
        found = next_slice(self.paths, self._offsets, _LITTLE_BYTES, only=behind) if behind else None
        return found is None or (
            found.bytes < _LITTLE_BYTES and not any(matters(chunk.data) for chunk in found.chunks)
        )

    def merge(self, on_slice: Callable[[int], object] = lambda _: None) -> int:
        """Fold into the tables what is in the journal now; return the records applied.

        Args:
            on_slice: called after each transaction with the bytes applied by it.

        Raises:
            StoreBusyError: another process kept the file beyond the timeout.
            StoreError: the file cannot be opened, made or written.
        """
        now = time.monotonic(), self._writer.appends
        targets = segment_sizes(self.paths)
        applied = 0
        while True:
            with self.lease("merging the journal") as connection:
                self.check_writable()
                records, size = self._apply_next(connection, targets)
            if not size:
                self._caught_up = now
                return applied
            applied += records
            on_slice(size)

    def _apply_next(self, connection: duckdb.DuckDBPyConnection, targets: dict[str, int]) -> tuple[int, int]:
        """Apply one slice of what `targets` holds, and return its records and bytes; no bytes: nothing is left."""
        behind = self._behind(targets)
        found = next_slice(self.paths, self._offsets, only=behind) if behind else None
        if found is None:
            if behind or self._unswept:
                self._sweep(connection)
            return 0, 0
        records = merge_slice(self.paths, connection, found)
        self._unswept = True
        self._offsets.update(found.offsets)
        with our_errors(self.paths):
            self.tidy(connection)
        return records, found.bytes

    def tidy(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Put in order what a slice of writing leaves: the runs of metadata, and the memory of the indexes."""
        tidy(connection)
        row = connection.execute(
            "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'ART_INDEX'"
        ).fetchall()
        if row and row[0][0] > _MOST_INDEX_BYTES:
            self._let_go = True

    def pending_bytes(self) -> int:
        """Return how many bytes of journal are at most to be applied; what is known of others' work may be old."""
        return pending_bytes(self.paths, self._offsets)

    def _behind(self, targets: dict[str, int]) -> set[str]:
        """Return the segments that may hold what is to be applied still.

        One that another process applied and swept meanwhile stays among them, and so does a torn line: they give no
        slice. Reading any other segment instead would never end while others log.
        """
        return {name for name, size in targets.items() if self._offsets.get(name, 0) < size}

    def _sweep(self, connection: duckdb.DuckDBPyConnection) -> None:
        with our_errors(self.paths):
            gone = sweep(self.paths, self._offsets)
            self._unswept = False
            if gone:
                forget_segments(connection, gone)
        for name in gone:
            self._offsets.pop(name, None)

    def entries(self) -> int:
        """Return how many entries the copy of metadata has, about."""
        with self.lease("compacting") as connection, our_errors(self.paths):
            return count_all(connection)

    def compact(self, on_slice: Callable[[int], object] = lambda _: None) -> int:
        """Join all of the copy of metadata into one run, in slices; return the entries moved.

        Args:
            on_slice: called after each transaction with the entries moved by it.

        Raises:
            StoreBusyError: another process kept the file beyond the timeout.
            StoreUnwritableError: the file can only be read, or the disk refused.
        """
        moved, begun = 0, False
        while not begun:
            moved += self._join_runs(on_slice)  # what was begun before, or meanwhile by another process
            with self.lease("compacting") as connection, our_errors(self.paths):
                self.check_writable()
                begun = begin(connection)
        return moved + self._join_runs(on_slice)

    def _join_runs(self, on_slice: Callable[[int], object]) -> int:
        total = 0
        while True:
            with self.lease("compacting") as connection, our_errors(self.paths):
                self.check_writable()
                moved = go_on(connection)
            if moved is None:
                return total
            total += moved
            on_slice(moved)

    def check_writable(self) -> None:
        """Refuse to go on where the leased store can only be read.

        Raises:
            StoreUnwritableError: it can.
        """
        if not self._lock.held:
            raise StoreUnwritableError(f"{self.paths.database} can only be read by this user")


_stores = ProcessWide(Store)

#: This process's one share of a store.
store_for = _stores.of


@atexit.register
def _close_all() -> None:
    for store in _stores.all():
        store.close()
