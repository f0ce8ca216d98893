"""Files that live through one merge or load, and what is left of those that were killed."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from promptlog.errors import StoreUnwritableError
from promptlog.journal.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from promptlog.settings import StorePaths


@contextmanager
def staging_folder(paths: StorePaths) -> Iterator[Path]:
    """A folder of one load's own, gone afterwards. The lock beside it, taken first, says that its owner lives.

    Raises:
        StoreUnwritableError: it cannot be made.
    """
    folder = paths.staging / f"load-{os.urandom(8).hex()}"
    lock = FileLock(_lock_of(folder))
    try:
        paths.staging.mkdir(parents=True, exist_ok=True)
        while not lock.try_acquire():
            pass  # a cleaner met it newborn, and has deleted it
        folder.mkdir()
    except OSError as error:
        lock.release()
        raise StoreUnwritableError(f"{paths.staging} cannot be made: {error.strerror}") from error
    try:
        yield folder
    finally:
        _remove(folder, lock)


def clear_staging(paths: StorePaths) -> None:
    """Delete what killed merges and loads left. The caller holds the store, so no merge is under way."""
    for left in paths.staging.glob("slice-*"):
        left.unlink(missing_ok=True)
    for left in paths.staging.glob("load-*.lock"):
        lock = FileLock(left)
        if lock.try_acquire():
            _remove(left.with_suffix(""), lock)


def _remove(folder: Path, lock: FileLock) -> None:
    for path in (folder, spill_of(folder)):
        shutil.rmtree(path, ignore_errors=True)
    lock.path.unlink(missing_ok=True)
    lock.release()


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + ".lock")


def spill_of(folder: Path) -> Path:
    """Where the conversion of a load puts what does not fit into memory."""
    return folder.with_name(folder.name + ".spill")
