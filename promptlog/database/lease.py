"""Who has the file, and for how long.

DuckDB lets one process open a file for writing and shuts all others out. So a process leases it: takes a lock on a
sidecar file of ours, opens a connection, keeps both through a burst of questions, and gives them away as soon as
another process waits (between two slices of work at most a second long) or when it has been idle.

Two locks make that fair. `lock` goes with the connection. `queue` is held by the one process that is next: whoever
wants the file takes `queue`, then waits for `lock`, then leaves `queue`. A holder who finds `queue` taken knows
that somebody waits, and stands in line behind him for its next slice.
"""

from __future__ import annotations

import ctypes
import json
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from promptlog.database.connection import FileHeldError, connect, interrupt, interruptible
from promptlog.database.ctrl_c import ctrl_c_ends
from promptlog.database.turns import Turns
from promptlog.database.waiting import Waiting
from promptlog.errors import QueryError, StoreBusyError, StoreError, StoreUnwritableError
from promptlog.journal.locks import FileLock
from promptlog.journal.staging import clear_staging
from promptlog.settings import BUSY_TIMEOUT_S, IDLE_S, StorePaths

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb

_SHORTEST_LEASE_S = 0.1  # opening costs 15-30 ms on a large file: a burst of questions shares one opening
_LONGEST_POLL_S = 0.01
_FORK_WAIT_S = 10.0  # a fork waits so long for a question in another thread; a slice takes a second at most


class Lease:
    """One process's hold on a store's file; there is one for each real path in a process."""

    def __init__(self, paths: StorePaths) -> None:
        self.paths = paths
        self.busy_timeout = BUSY_TIMEOUT_S
        self._orphaned = False
        self._reset()

    def _reset(self) -> None:
        self._turns = Turns()
        self._lock = FileLock(self.paths.lock)
        self._queue = FileLock(self.paths.queue)
        self._holder: int | None = None  # the thread that has the lease
        self._changing_hands = threading.Lock()  # who interrupts a thread ends no other's question
        self._forking = False
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._doing = ""
        self._let_go = False  # close the connection at the end of this lease
        self._identity = (0, 0)
        self._opened = 0.0
        self._used = 0.0
        self._warden: threading.Thread | None = None

    # -- the lease ---------------------------------------------------------------------------------------------

    @contextmanager
    def lease(self, doing: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give the connection for one slice of work; what is asked of it ends before the block does.

        Args:
            doing: what those who wait are told, such as "merging the journal".
        """
        deadline = time.monotonic() + self.busy_timeout
        turns = self._turns
        if self._holder == threading.get_ident():  # a signal handler that asks in the middle of a question
            raise StoreBusyError(
                f"{self.paths.database}: this thread is {self._doing}, and cannot ask inside of that"
            )
        if not turns.acquire(self.busy_timeout):
            raise StoreBusyError(
                f"{self.paths.database} was busy for {self.busy_timeout:g} s: another thread of this process is "
                f"{self._doing}"
            )
        try:
            with self._changing_hands:
                self._holder = threading.get_ident()
            self._doing = doing
            if not self._is_the_file():
                self._close()
            if self._connection is None:
                with interruptible():
                    self._open(doing, deadline)
            assert self._connection is not None  # noqa: S101 - _open made it or raised
            thread = threading.get_ident()
            with ctrl_c_ends(lambda: self.interrupt(thread)), interruptible():
                yield self._connection
        except QueryError:
            raise
        except BaseException:
            # A connection that failed a commit is dead, one that was interrupted may be inside a transaction.
            if turns is self._turns:
                self._close()
            raise
        finally:
            self._used = time.monotonic()
            try:
                if not self._lock.held or self._let_go or self._is_due():
                    self._close()
            finally:
                if turns is self._turns:  # else this is a child that was forked inside the block
                    with self._changing_hands:
                        self._holder = None
                    turns.release()

    def interrupt(self, thread: int | None = None) -> None:
        """End what is being asked, in any thread or the one of an identity; it raises `StoreInterruptedError` there."""
        with self._changing_hands:
            connection, holder = self._connection, self._holder
            if connection is not None and holder is not None and thread in (None, holder):
                interrupt(connection)

    def _is_the_file(self) -> bool:
        """Tell whether the open database is the file that stands at the path, locked by the lock that others see.

        Where somebody deleted or moved it, merging would sweep journals into a file that nobody finds again.
        """
        if self._connection is None:
            return True
        try:
            return self._identity == _identity(self.paths.database) and (
                not self._lock.held or self._lock.is_still_there
            )
        except OSError:
            return False

    def is_wanted(self) -> bool:
        """Tell whether another process waits for the store."""
        return self._queue.is_wanted()

    def _is_due(self) -> bool:
        return time.monotonic() - self._opened > _SHORTEST_LEASE_S and self.is_wanted()

    def _open(self, doing: str, deadline: float) -> None:
        if self._orphaned:
            raise StoreError(
                f"this process was forked in the middle of a question to {self.paths.database}, and cannot open it "
                f"safely; it can log. Fork outside of questions, or start the process afresh (spawn)"
            )
        read_only = not self._make_folders()
        try:
            if not read_only:
                self._take_lock(doing, deadline)
            pause = 0.001
            waiting = Waiting(self.paths)
            while True:
                try:
                    self._connection = connect(self.paths, read_only=read_only)
                    break
                except FileHeldError as held:  # the DuckDB shell, say: it knows nothing of our lock
                    who = f"process {held.pid} ({held.program})" if held.pid else held.program
                    if time.monotonic() > deadline:
                        raise StoreBusyError(
                            f"{self.paths.database} was held for {self.busy_timeout:g} s by {who}, "
                            f"which is not promptlog; close it there"
                        ) from None
                    waiting.say(lambda who=who: f"{who}, which is not promptlog, holds it")  # type: ignore[misc]
                    time.sleep(pause)
                    pause = min(pause * 2, 0.1)
            self._identity = _identity(self.paths.database)
            self._opened = time.monotonic()
            if not read_only:
                clear_staging(self.paths)
                self._opened_to_write(self._connection)
                self._watch()
        except BaseException:
            self._close()
            raise

    def _opened_to_write(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read what others have done since this process last had the file."""

    def _make_folders(self) -> bool:
        """Make what stands beside the database; False where this user may only read.

        Raises:
            StoreUnwritableError: there is nothing to read either.
        """
        database = self.paths.database
        try:
            self.paths.staging.mkdir(parents=True, exist_ok=True)
            writable = os.access(self.paths.journal, os.W_OK) and os.access(database.parent, os.W_OK)
            writable = writable and (not database.exists() or os.access(database, os.W_OK))
        except OSError:
            writable = False
        if not writable and not database.exists():
            raise StoreUnwritableError(
                f"{database} does not exist and cannot be made: no right to write in {database.parent}. "
                f"Name another path, or set PROMPTLOG_PATH"
            )
        return writable

    def _take_lock(self, doing: str, deadline: float) -> None:
        waiting = Waiting(self.paths)
        try:
            for lock in (self._queue, self._lock):
                pause = 0.0005
                while not lock.try_acquire():
                    if time.monotonic() > deadline:
                        raise self._busy()
                    waiting.say(self._who_holds_it)
                    time.sleep(pause)
                    pause = min(pause * 1.5, _LONGEST_POLL_S)
        finally:
            self._queue.release()
        self._lock.write_note(json.dumps({"pid": os.getpid(), "doing": doing}).encode())

    def _who_holds_it(self) -> str:
        try:
            note = json.loads(self._lock.read_note())
            return f"process {note['pid']} is {note['doing']}"
        except (ValueError, KeyError, TypeError):
            return "another process holds it"

    def _busy(self) -> StoreBusyError:
        return StoreBusyError(
            f"{self.paths.database} was busy for {self.busy_timeout:g} s: {self._who_holds_it()}. "
            f"Wait for it, or end it"
        )

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        self._let_go = False
        try:
            if connection is not None:
                connection.close()
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let file and lock go; the next question takes them again."""
        if self._holder == threading.get_ident():  # a signal handler, in the middle of a question
            return
        if self._turns.acquire(self.busy_timeout):
            try:
                self._close()
            finally:
                self._turns.release()

    # -- letting go when idle ------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if self._warden is None or not self._warden.is_alive():
            self._warden = threading.Thread(
                target=self._let_go_when_idle, name="promptlog-lease", daemon=True
            )
            self._warden.start()

    def _let_go_when_idle(self) -> None:
        """Close the connection when it is unused and another process waits, or has been unused for long.

        Lives as long as the connection is open: a process that only logs never starts it.
        """
        while True:
            time.sleep(_LONGEST_POLL_S)
            if not self._turns.try_acquire():
                continue
            try:
                if self._connection is None:
                    self._warden = None
                    return
                if time.monotonic() - self._used > IDLE_S or self._queue.is_wanted():
                    self._close()
                    self._warden = None
                    return
            finally:
                self._turns.release()

    # -- fork ----------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Close the connection, so that a child inherits none; a question under way in another thread ends first.

        A child that ends an inherited connection destroys the parent's write-ahead log. One that merely keeps it
        cannot open the file either: DuckDB's cache of instances would hand it the parent's, with no lock on the file.
        """
        self._forking = self._holder != threading.get_ident() and self._turns.acquire(_FORK_WAIT_S)
        if self._forking:
            self._close()

    def after_fork_in_parent(self) -> None:
        """Go on; the next question opens the file again."""
        if self._forking:
            self._forking = False
            self._turns.release()

    def after_fork_in_child(self) -> None:
        """Start anew. The locks' descriptors are closed by `journal.locks`.

        Where the fork could not wait (it came from inside a lease), the connection is never ended here: one
        reference is leaked on purpose.
        """
        if not self._forking:
            self._orphaned = True
            if self._connection is not None:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))
        self._reset()


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
