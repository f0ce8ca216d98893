"""`flock` with manners: never waits in the kernel, let go by an explicit unlock, and dropped by a forked child.

`flock` belongs to the open file description. A child made by `fork` shares its parent's: if the child unlocked, the
parent's lock would be gone; if it kept the descriptor, the lock would outlive the parent. So a child only closes it.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_all: weakref.WeakSet[FileLock] = weakref.WeakSet()


class FileLock:
    """An exclusive lock between processes on a file that is made when missing.

    Two instances shut each other out within one process too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        _all.add(self)

    @property
    def held(self) -> bool:
        """Whether this instance holds the lock."""
        return self._fd is not None

    def try_acquire(self) -> bool:
        """Take the lock if it is free.

        Raises:
            OSError: the file cannot be made.
        """
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_still(fd, self.path):
                self._fd = fd
                return True
        except BlockingIOError:
            pass
        except BaseException:
            self._fd = None
            os.close(fd)
            raise
        os.close(fd)  # another's, or somebody removed the folder in between: then this lock guards nothing
        return False

    @property
    def is_still_there(self) -> bool:
        """Whether the file that is locked is the one that others would lock."""
        return self._fd is not None and is_still(self._fd, self.path)

    def release(self) -> None:
        """Let go; harmless when not held."""
        fd, self._fd = self._fd, None
        if fd is not None:
            fcntl.flock(
                fd, fcntl.LOCK_UN
            )  # explicit: a child that has not closed its copy yet must not keep it
            os.close(fd)

    def is_wanted(self) -> bool:
        """Tell whether somebody holds it, without taking it from those who try."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            fcntl.flock(fd, fcntl.LOCK_UN)
            return False
        finally:
            os.close(fd)

    def write_note(self, note: bytes) -> None:
        """Write who holds the lock and why, for those who wait."""
        if self._fd is not None:
            try:
                os.pwrite(self._fd, note.ljust(256), 0)
            except OSError:  # a full disk: better no note than the last holder's
                os.ftruncate(self._fd, 0)

    def read_note(self) -> bytes:
        """Return the holder's note; empty where there is none."""
        try:
            return self.path.read_bytes().strip()
        except OSError:
            return b""

    def drop_in_child(self) -> None:
        """Close the parent's descriptor without unlocking it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def is_still(fd: int, path: Path) -> bool:
    """Tell whether the open file is the one that stands at `path` now."""
    mine = os.fstat(fd)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev)


def _drop_all() -> None:
    for lock in list(_all):
        lock.drop_in_child()


os.register_at_fork(after_in_child=_drop_all)
