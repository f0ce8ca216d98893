"""Laws of the writer: whatever a disk does to its writes, what is read is whole lines, in order, each acknowledged one once."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from promptlog.journal.reader import next_slice
from promptlog.journal.writer import Writer
from promptlog.settings import store_paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: A batch: how long each of its lines is; and what becomes of its write: all of it, a part of it, or a part and an error.
batches = st.lists(
    st.tuples(
        st.lists(st.integers(0, 300), min_size=1, max_size=6),
        st.one_of(
            st.none(), st.tuples(st.integers(0, 2000), st.sampled_from(("short", "error", "interrupt")))
        ),
    ),
    min_size=1,
    max_size=8,
)


class Disk:
    """`os.write` of a disk that takes some bytes of the next write, may be read, and then fails in some way."""

    def __init__(self) -> None:
        self.fate: tuple[int, str] | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        self._real = os.write

    def write(self, fd: int, data: bytes) -> int:
        if self.fate is None:
            return self._real(fd, data)
        room, way = self.fate
        written = self._real(fd, data[:room]) if room else 0
        self.meanwhile()
        if way == "interrupt":
            raise KeyboardInterrupt
        if way == "error" or (way == "short" and not room):
            raise OSError(28, "No space left on device")
        return written


@given(batches, st.booleans())
def test_what_is_read_is_what_was_acknowledged_and_beginnings_of_what_was_not(
    folder: Path, given_batches: list[tuple[list[int], tuple[int, str] | None]], reads_between: bool
) -> None:
    """A merge beside the writer reads each line of a batch that was written once, and of one that failed a beginning, all whole and in order of time."""
    disk, real = Disk(), os.write
    with tempfile.TemporaryDirectory(dir=folder) as name:
        paths = store_paths(f"{name}/s.duckdb")
        writer, offsets, read, number = Writer(paths), dict[str, int](), list[bytes](), 0
        sure: set[int] = set()
        tried: list[list[int]] = []

        def merge() -> None:
            while found := next_slice(paths, offsets):
                offsets.update(found.offsets)
                read.extend(line for chunk in found.chunks for line in chunk.data.splitlines())

        if reads_between:
            disk.meanwhile = merge
        os.write = disk.write  # type: ignore[assignment]
        try:
            for lengths, fate in given_batches:
                numbers = list(range(number, number + len(lengths)))
                number += len(lengths)
                disk.fate = fate
                tried.append(numbers)
                try:
                    writer.append_many(
                        [
                            b'{"n":%d,"t":"%b"}' % (n, b"x" * size)
                            for n, size in zip(numbers, lengths, strict=True)
                        ]
                    )
                    sure.update(numbers)
                except (OSError, KeyboardInterrupt):
                    pass
                disk.fate = None
                if reads_between:
                    merge()
        finally:
            os.write = real
            writer.close()
        merge()
    lines = [from_json(line) for line in read]  # each is whole
    found = [line["n"] for line in lines]
    assert sure <= set(found)
    assert found == sorted(set(found))
    times = [line["time"] for line in lines]
    assert times == sorted(set(times))
    for numbers in tried:
        there = [n for n in numbers if n in set(found)]
        assert there == numbers[: len(there)]
