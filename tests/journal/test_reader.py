"""The reader's laws: whole lines, in the order of time, whatever their length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic_core import from_json

from promptlog import PromptLog
from promptlog.identifiers import Clock
from promptlog.journal.reader import next_slice, pending_bytes, segment_sizes
from promptlog.journal.writer import Writer
from promptlog.settings import MAX_LINE_BYTES, StorePaths
from tests.processes.support import assert_there_once, log, paths_of

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1024 * 1024


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    found = paths_of(tmp_path / "s.duckdb")
    found.segments.mkdir(parents=True)
    return found


def read_all(paths: StorePaths, limit: int = 32 * MIB) -> tuple[list[bytes], dict[str, int], int]:
    """Return every line, in the order of reading, with the offsets reached and the number of slices."""
    offsets: dict[str, int] = {}
    lines: list[bytes] = []
    slices = 0
    while (found := next_slice(paths, offsets, limit)) is not None:
        for chunk in found.chunks:
            assert chunk.start == offsets.get(chunk.segment, chunk.start)
            assert chunk.end - chunk.start == len(chunk.data)
            offsets[chunk.segment] = chunk.end
            lines += chunk.data.splitlines(keepends=True)
        assert {name: offsets[name] for name in found.offsets} == found.offsets
        slices += 1
    return lines, offsets, slices


def test_nothing_there(tmp_path: Path) -> None:
    """A store without a journal has no next slice and nothing pending."""
    paths = paths_of(tmp_path / "none.duckdb")
    assert next_slice(paths, {}) is None
    assert segment_sizes(paths) == {}
    assert pending_bytes(paths, {}) == 0


def test_segments_interleave_by_time(paths: StorePaths) -> None:
    """A slice takes from the segment whose next record is oldest, so chunks of many writers come in their order."""
    ticks = iter(range(1, 1_000_000))
    writers = [Writer(paths, Clock(now_ns=lambda: next(ticks) * 1000)) for _ in range(4)]
    text = b"x" * (MIB // 3)
    for _ in range(6):  # more than one chunk a segment
        for writer in writers:
            writer.append(b'{"text":"%b"}' % text)
    found = next_slice(paths, {}, 100 * MIB)
    assert found is not None
    starts = [int(chunk.data[8 : chunk.data.index(b",")]) for chunk in found.chunks]
    assert len(starts) > 8
    assert starts == sorted(starts)
    # The first round takes one chunk of each, not all of one.
    assert len({chunk.segment for chunk in found.chunks[:4]}) == 4
    lines, _, _ = read_all(paths)
    assert len(lines) == 24
    for writer in writers:
        writer.close()


def test_slices_are_bounded(paths: StorePaths) -> None:
    """A slice is about its limit, and the slices together are every line once."""
    writer = Writer(paths)
    for i in range(3000):
        writer.append(b'{"n":%d,"text":"%b"}' % (i, b"x" * 1000))
    lines, offsets, slices = read_all(paths, limit=MIB // 2)
    assert [from_json(line)["n"] for line in lines] == list(range(3000))
    assert slices == 3
    assert pending_bytes(paths, offsets) == 0
    writer.close()


def test_an_unfinished_line_waits(paths: StorePaths) -> None:
    """Bytes after the last newline are nobody's yet; they are pending, and read when the newline comes."""
    path = paths.segments / "v1-a.jsonl"
    path.write_bytes(b'{"time":1}\n{"time":2')
    lines, offsets, _ = read_all(paths)
    assert lines == [b'{"time":1}\n']
    assert pending_bytes(paths, offsets) == 9
    with path.open("ab") as file:
        file.write(b"}\n")
    again = next_slice(paths, offsets)
    assert again is not None
    assert [chunk.data for chunk in again.chunks] == [b'{"time":2}\n']


def test_foreign_files_are_left_alone(paths: StorePaths) -> None:
    """What a newer promptlog or somebody else put among the segments is not read."""
    for name in ("v3-a.jsonl", "v1-a.jsonl.part", "notes.txt"):
        (paths.segments / name).write_bytes(b'{"time":1}\n')
    assert next_slice(paths, {}) is None


@pytest.mark.parametrize("size", [MIB - 20, MIB, MIB + 1, 5 * MIB, 15 * MIB])
def test_long_lines(paths: StorePaths, size: int) -> None:
    """A line longer than a chunk is read whole, and so are its neighbours."""
    writer = Writer(paths)
    long = b'{"text":"%b"}' % (b"x" * size)
    for body in (b'{"n":1}', long, b'{"n":2}', long, b'{"n":3}'):
        writer.append(body)
    lines, offsets, _ = read_all(paths)
    assert [len(line) > size for line in lines] == [False, True, False, True, False]
    assert pending_bytes(paths, offsets) == 0
    writer.close()


def test_long_requests_are_merged(tmp_path: Path) -> None:
    """Requests of 1 and of 15 MiB come back as they were logged."""
    client = PromptLog(tmp_path / "s.duckdb")
    ids = [*log(client, 2), *log(client, 1, text="y" * (MIB + 5)), *log(client, 1, text="z" * (15 * MIB))]
    ids += log(client, 2)
    assert client.requests.count() == 6
    text = str(client.requests.get(ids[3]).input)
    assert text.count("z") >= 15 * MIB
    client.close()
    assert_there_once(client.path, ids)


def test_more_than_a_line_may_hold(tmp_path: Path) -> None:
    """A stretch without a newline that is longer than any line of ours is set aside, and the rest is merged."""
    client = PromptLog(tmp_path / "s.duckdb")
    first = log(client, 1)
    segment = next(paths_of(client.path).segments.iterdir())
    with segment.open("ab") as file:
        file.write(b"\0" * (MAX_LINE_BYTES + 3 * MIB) + b"\n")
    client.close()
    more = log(client, 3)
    assert sorted(client.requests.ids()) == sorted(first + more)
    assert any(paths_of(client.path).rejected.iterdir())
    client.close()
