"""Writers beside readers, and processes that are killed: what was acknowledged is there once."""

from __future__ import annotations

import random
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.processes.support import Child, assert_there_once, run

if TYPE_CHECKING:
    from pathlib import Path

WRITE = """
client = PromptLog(ARGS[0])
say("ready")
hear()
for _ in range(int(ARGS[1]) // 50):
    for request_id in log(client, 50, ARGS[2]):
        say(request_id)
"""

READ = """
client = PromptLog(ARGS[0])
client.requests.count()
say("ready")
stop = threading.Event()
threading.Thread(target=lambda: (hear(), stop.set())).start()
longest, last = 0.0, 0
while not stop.is_set():
    started = time.monotonic()
    count = client.requests.count()
    longest = max(longest, time.monotonic() - started)
    assert count >= last, "what was seen is gone"
    last = count
say(longest)
"""


def beside(path: Path, each: int) -> tuple[list[str], list[float]]:
    """Run 8 writers beside 2 readers; return the acknowledged ids and each reader's longest wait."""
    with ExitStack() as stack:
        readers = [stack.enter_context(Child(READ, path)) for _ in range(2)]
        writers = [stack.enter_context(Child(WRITE, path, each, f"w{n}")) for n in range(8)]
        for child in (*readers, *writers):
            child.expect("ready")
        for child in writers:
            child.tell()
        ids = [line for child in writers for line in child.lines()]
        for child in readers:
            child.tell()
        return ids, [float(child.lines()[-1]) for child in readers]


@pytest.mark.parametrize("each", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_writers_beside_readers(tmp_path: Path, each: int) -> None:
    """Eight writers and two readers in a loop: all there once, no lock error, and no reader waits long."""
    path = tmp_path / "s.duckdb"
    ids, waits = beside(path, each)
    assert len(ids) == 8 * each
    assert_there_once(path, ids)
    assert max(waits) < 5


FOREVER = """
client = PromptLog(ARGS[0])
while True:
    (request_id,) = log(client, 1, "doomed")
    say(request_id)
"""


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_writers(tmp_path: Path, rounds: int) -> None:
    """Writers are killed at random moments while another process merges: every acknowledged request is there once."""
    path = tmp_path / "s.duckdb"
    dice = random.Random(rounds)
    ids = []
    with Child(READ, path) as reader:
        reader.expect("ready")
        for _ in range(rounds):
            with Child(FOREVER, path) as writer:
                ids.append(writer.hear())
                ids.extend(writer.hear() for _ in range(dice.randrange(200)))
                ids += writer.kill()
        reader.tell()
        reader.lines()
    assert len(ids) >= rounds
    assert_there_once(path, ids, beside=rounds)


MERGE = """
client = PromptLog(ARGS[0])
say("go")
while True:
    client.merge()
    client.close()  # the checkpoint is killed too
"""


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_mergers(tmp_path: Path, rounds: int) -> None:
    """Mergers are killed at random moments, making the file included: it opens, and every request is there once."""
    path = tmp_path / "s.duckdb"
    dice = random.Random(rounds)
    ids: list[str] = []
    for _ in range(rounds):
        ids += run("for i in log(PromptLog(ARGS[0]), 2000, 'writer'): say(i)", path)
        with Child(MERGE, path) as merger:
            merger.expect("go")
            time.sleep(dice.random() * 0.4)  # not to wait for something: the moment is the test
            merger.kill()
    assert_there_once(path, ids)
