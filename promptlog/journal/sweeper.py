"""Deleting segments that are dead and wholly applied, and keeping what could not be read."""

from __future__ import annotations

import base64
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from promptlog.journal.locks import is_still
from promptlog.journal.reader import segment_sizes

if TYPE_CHECKING:
    from promptlog.settings import StorePaths


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that is no record: where it stood and why it was set aside."""

    segment: str
    offset: int
    line: bytes
    reason: str


def keep_rejected(paths: StorePaths, rejected: list[Rejected]) -> None:
    """Write rejected lines to `rejected/`, one file for each segment and first offset: again changes nothing."""
    by_segment: dict[str, list[Rejected]] = {}
    for item in rejected:
        by_segment.setdefault(item.segment, []).append(item)
    for segment, items in by_segment.items():
        paths.rejected.mkdir(parents=True, exist_ok=True)
        name = f"{segment.removesuffix('.jsonl')}@{items[0].offset}.jsonl"
        part = paths.rejected / f"{name}.part"
        part.write_bytes(b"".join(_describe(item) + b"\n" for item in items))
        part.replace(paths.rejected / name)


def _describe(item: Rejected) -> bytes:
    try:
        line = {"line": item.line.decode()}
    except UnicodeDecodeError:
        line = {"line_base64": base64.b64encode(item.line).decode()}
    record = {"segment": item.segment, "offset": item.offset, "reason": item.reason, **line}
    return json.dumps(record, ensure_ascii=False).encode()


def count_rejected(paths: StorePaths) -> int:
    """Return how many lines were set aside."""
    if not paths.rejected.is_dir():
        return 0
    return sum(path.read_bytes().count(b"\n") for path in paths.rejected.glob("*.jsonl"))


def sweep(paths: StorePaths, offsets: dict[str, int]) -> list[str]:
    """Delete every segment whose writer is gone and whose lines are all applied, and return their names.

    The caller holds the store's lock, and forgets the offsets of what is returned only afterwards: a name is never
    reused, so an offset that outlives its segment is harmless, while the reverse would apply lines twice.
    """
    return [name for name in segment_sizes(paths) if _sweep_one(paths, name, offsets.get(name, 0))]


def _sweep_one(paths: StorePaths, name: str, offset: int) -> bool:
    path = paths.segments / name
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # gone, or another user's
        return False
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # its writer lives
        # From here to the unlink nobody else can take it: a newborn's writer that comes now finds its file gone.
        tail = _tail(fd, offset) if is_still(fd, path) else None
        if tail is None or b"\n" in tail:
            return False
        if tail:
            reason = "its writer ended in the middle of this line, before the call was acknowledged"
            keep_rejected(paths, [Rejected(name, offset, tail, reason)])
        Path(path).unlink()
        return True
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # a child forked meanwhile must not keep it
        os.close(fd)


def _tail(fd: int, offset: int) -> bytes:
    # A power cut can take the end of a segment whose merge was on the disk already: then nothing is left to read.
    return os.pread(fd, max(0, os.fstat(fd).st_size - offset), offset)
