"""The hot path: one validated record, one `write`, and the kernel has it."""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING

from promptlog.identifiers import Clock
from promptlog.journal.locks import is_still
from promptlog.journal.processwide import ProcessWide
from promptlog.settings import SEGMENT_BYTES, StorePaths

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: The version of the records stands in the name, so that an older promptlog leaves a newer one's segments alone.
#: 2: spans, logs, evaluations and source times.
SEGMENT_PREFIX = "v2-"
READABLE_PREFIXES = ("v1-", SEGMENT_PREFIX)
SEGMENT_SUFFIX = ".jsonl"


class Writer:
    """Appends records to this process's segment. One for each store and process; safe for threads and fork.

    The mutex covers clock, write and rotation, so that the order of lines is the order of times. It is reentrant:
    a signal handler that logs while its thread is logging must not wait for itself. Nor may it move the segment
    under the write that it interrupted, so it appends to a spare one.
    """

    def __init__(self, paths: StorePaths, clock: Clock | None = None) -> None:
        self._paths = paths
        self._folder = paths.segments
        self._clock = clock or Clock()
        self._mutex = threading.RLock()
        self._fd: int | None = None
        self._size = 0
        self._folders_synced = False
        self._busy = False
        self._spare: Writer | None = None
        self._appends = 0

    @property
    def appends(self) -> int:
        """How often this process has appended: another number than before says that there may be something new."""
        return self._appends + (0 if self._spare is None else self._spare.appends)

    def append(self, body: bytes, *, sync: bool = False) -> int:
        """Append a JSON object, stamped with its time, and return that time (microseconds since 1970, UTC).

        When this returns, the line survives the end of the process; with `sync`, of the machine's power too.

        Raises:
            OSError: the line is not written, and no part of it will be read; or it is, and the disk refused the sync.
        """
        return self.append_many((body,), sync=sync)

    def append_many(self, bodies: Sequence[bytes], *, sync: bool = False) -> int:
        """Append JSON objects with one write, each a line stamped with its own time, and return the last one's.

        The caller bounds how much that is: others of the process wait meanwhile, and a segment may outgrow its size by
        as much.

        Raises:
            OSError: the last of the lines are not written, and no part of them will be read; or the disk refused the
                sync. Whoever appends them all again must see to it that a line twice is a line once.
        """
        with self._mutex:
            if self._busy:  # a signal handler, in the middle of the call below
                if self._spare is None:
                    self._spare = Writer(self._paths, self._clock)
                return self._spare.append_many(bodies, sync=sync)
            self._busy = True
            try:
                return self._append(bodies, sync=sync)
            finally:
                self._busy = False
                self._appends += 1  # after the write: who has seen this number can see the line

    def _append(self, bodies: Sequence[bytes], *, sync: bool) -> int:
        lines, now = [], 0
        for body in bodies:
            now = self._clock.next_us()
            lines.append(b'{"time":%d,%b\n' % (now, body[1:]))
        data = lines[0] if len(lines) == 1 else b"".join(lines)
        fd = self._fd
        if fd is None or self._size >= SEGMENT_BYTES or not os.fstat(fd).st_nlink:
            fd = self._rotate()  # past its size, or somebody deleted the file under us
        try:
            written = os.write(fd, data)
            if written != len(data):
                raise OSError(28, "No space left on device", str(self._folder))  # noqa: TRY301 - one way out
            self._size += written
            if sync:
                os.fsync(fd)
                if not self._folders_synced:  # once a segment: a file whose name is lost is lost
                    self._sync_folders()
        except BaseException:
            self._take_back(fd, data)
            raise
        return now

    def _take_back(self, fd: int, data: bytes) -> None:
        """Cut off a torn line: it must never join the next one. Truncating works on a full disk.

        Whole lines stay (the disk filled up after them, or Ctrl-C came after the write): a merge may have read them
        already, and what came next in their place would be skipped. Nobody reads beyond the last newline.
        """
        try:
            there = max(0, os.fstat(fd).st_size - self._size)
            whole = data.rfind(b"\n", 0, there) + 1
            if whole != there:
                os.ftruncate(fd, self._size + whole)
            self._size += whole
        except OSError:
            self._let_go()

    def now_us(self) -> int:
        """Return the next time of this process, for what goes to the tables without passing the journal."""
        with self._mutex:
            return self._clock.next_us()

    def close(self) -> None:
        """Let the segment go, so that a merge may sweep it; the next append starts another."""
        with self._mutex:
            if self._spare is not None:
                self._spare.close()
            if not self._busy:
                self._let_go()

    def _let_go(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def _rotate(self) -> int:
        self._let_go()
        while True:
            path = self._folder / f"{SEGMENT_PREFIX}{os.urandom(12).hex()}{SEGMENT_SUFFIX}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            try:
                fd = os.open(path, flags, 0o666)
            except FileNotFoundError:
                self._folder.mkdir(parents=True, exist_ok=True)
                continue
            if _lock_newborn(fd, path):
                break
            os.close(fd)
        self._fd, self._size, self._folders_synced = fd, 0, False
        return fd

    def _sync_folders(self) -> None:
        """Sync the names on the way to the segment: in its folder, the journal's, and the store's."""
        for folder in (self._folder, self._paths.journal, self._paths.database.parent):
            fd = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        self._folders_synced = True

    def before_fork(self) -> None:
        """Wait for a write in progress."""
        self._mutex.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._mutex.release()

    def after_fork_in_child(self) -> None:
        """Leave the parent its segment, without unlocking it; the child's first append makes its own."""
        self._mutex = threading.RLock()
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
        if self._spare is not None:
            self._spare.after_fork_in_child()


def _lock_newborn(fd: int, path: Path) -> bool:
    """Lock a new segment; False where a sweeper met it first and took it for a dead one."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return is_still(fd, path)


#: This process's one writer of a store.
writer_for = ProcessWide(Writer).of
