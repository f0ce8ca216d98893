"""The sweeper's laws: it deletes what is dead and wholly applied, and nothing else, whoever is being born."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from pydantic_core import from_json

from promptlog.journal.reader import next_slice, pending_bytes, segment_sizes
from promptlog.journal.sweeper import Rejected, count_rejected, keep_rejected, sweep
from promptlog.journal.writer import Writer
from tests.processes.support import Child, paths_of

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog.settings import StorePaths

WRITER = """
from promptlog.journal.writer import Writer
from promptlog.settings import store_paths
writer = Writer(store_paths(ARGS[0]))
"""


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    found = paths_of(tmp_path / "s.duckdb")
    found.segments.mkdir(parents=True)
    return found


def test_a_live_writers_segment_stays(paths: StorePaths) -> None:
    """A segment whose writer lives is never deleted, applied or not; when he is killed it goes, once applied."""
    with Child(WRITER + "writer.append(b'{\"a\":1}'); say('written'); hear()", paths.database) as child:
        child.expect("written")
        sizes = segment_sizes(paths)
        assert sweep(paths, sizes) == []
        assert sweep(paths, {}) == []
        child.kill()
    assert sweep(paths, {}) == []  # not applied yet
    assert segment_sizes(paths) == sizes
    assert sweep(paths, sizes) == list(sizes)
    assert segment_sizes(paths) == {}


def test_a_closed_segment_goes(paths: StorePaths) -> None:
    """A writer of this very process that let go is as good as dead; one that has not is alive."""
    writer = Writer(paths)
    writer.append(b'{"a":1}')
    assert sweep(paths, segment_sizes(paths)) == []
    writer.close()
    assert len(sweep(paths, segment_sizes(paths))) == 1


def test_a_dead_writers_torn_line_is_kept(paths: StorePaths) -> None:
    """What follows the last newline of a dead segment goes to rejected/ before the segment goes."""
    whole = b'{"time":1,"a":1}\n'
    (paths.segments / "v1-a.jsonl").write_bytes(whole + b'{"time":2,"a":"\xff')
    assert sweep(paths, {"v1-a.jsonl": len(whole)}) == ["v1-a.jsonl"]
    (kept,) = paths.rejected.iterdir()
    line = from_json(kept.read_bytes())
    assert (line["segment"], line["offset"]) == ("v1-a.jsonl", len(whole))
    assert line["line_base64"] == "eyJ0aW1lIjoyLCJhIjoi/w=="
    assert count_rejected(paths) == 1


def test_keeping_again_changes_nothing(paths: StorePaths) -> None:
    """A merge that crashed and sets the same lines aside again leaves one copy of them."""
    lines = [Rejected("v1-a.jsonl", 0, b"one", "why"), Rejected("v1-a.jsonl", 4, b"two", "why")]
    for _ in range(3):
        keep_rejected(paths, lines)
    assert count_rejected(paths) == 2


def test_an_offset_beyond_the_end(paths: StorePaths) -> None:
    """A power cut can take a segment's end that was merged already: it is applied, not pending, and swept."""
    (paths.segments / "v1-a.jsonl").write_bytes(b'{"time":1}\n')
    offsets = {"v1-a.jsonl": 500}
    assert next_slice(paths, offsets) is None
    assert pending_bytes(paths, offsets) == 0
    assert sweep(paths, offsets) == ["v1-a.jsonl"]


BIRTHS = (
    WRITER
    + """
hear()
for i in range(int(ARGS[1])):
    writer.append(b'{"id":"%s-%d"}' % (ARGS[2].encode(), i))
    writer.close()
"""
)

SWEEPS = """
from promptlog.journal.sweeper import sweep
from promptlog.settings import store_paths
paths = store_paths(ARGS[0])
say("ready")
stop = threading.Event()
threading.Thread(target=lambda: (hear(), stop.set())).start()
while not stop.is_set():
    sweep(paths, {})
"""


@pytest.mark.parametrize("births", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_the_newborn_trap(paths: StorePaths, births: int) -> None:
    """Sweepers in a loop meet segments between their making and their locking, and no acknowledged line is lost.

    Two processes and two threads give birth to segments; one process sweeps, and a thread merges and sweeps.
    """
    offsets: dict[str, int] = {}
    lines: list[bytes] = []
    stop = threading.Event()
    errors: list[BaseException] = []

    def merge_and_sweep() -> None:
        try:
            while True:
                last = stop.is_set()
                while found := next_slice(paths, offsets):
                    lines.extend(line for chunk in found.chunks for line in chunk.data.splitlines())
                    offsets.update(found.offsets)
                for name in sweep(paths, offsets):
                    offsets.pop(name, None)
                if last:
                    return
        except BaseException as error:
            errors.append(error)

    def give_birth(who: str) -> None:
        try:
            writer = Writer(paths)
            for i in range(births):
                writer.append(b'{"id":"%b-%d"}' % (who.encode(), i))
                writer.close()
        except BaseException as error:
            errors.append(error)

    merger = threading.Thread(target=merge_and_sweep)
    threads = [threading.Thread(target=give_birth, args=(f"thread{n}",)) for n in range(2)]
    with (
        Child(SWEEPS, paths.database) as sweeper,
        Child(BIRTHS, paths.database, births, "child0") as one,
        Child(BIRTHS, paths.database, births, "child1") as two,
    ):
        sweeper.expect("ready")
        merger.start()
        for child in (one, two):
            child.tell()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for child in (one, two):
            child.lines()
        sweeper.tell()
        sweeper.lines()
        stop.set()
        merger.join()
    assert errors == []
    expected = [f"{who}-{i}" for who in ("thread0", "thread1", "child0", "child1") for i in range(births)]
    assert sorted(from_json(line)["id"] for line in lines) == sorted(expected)
    assert segment_sizes(paths) == {}
