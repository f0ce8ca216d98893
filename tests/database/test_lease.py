"""Who has the file: one at a time, told to those who wait, kept through a burst, given away when wanted or idle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import duckdb
import pytest

from promptlog import PromptLog
from promptlog.errors import StoreBusyError
from promptlog.settings import IDLE_S
from tests.processes.support import Child, assert_there_once, log, paths_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store that nobody holds, with one request."""
    found = tmp_path / "s.duckdb"
    with PromptLog(found) as client:
        log(client, 1)
        client.merge()
    return found


FOREIGN = """
import duckdb
connection = duckdb.connect(ARGS[0])
say("open")
hear()
connection.close()
say("closed")
hear()
"""

LEASE = """
from promptlog.database.store import store_for
from promptlog.settings import store_paths
with store_for(store_paths(ARGS[0])).lease("painting the shed"):
    say("open")
    hear()
say("closed")
hear()
"""


def test_another_program_holds_the_file(path: Path) -> None:
    """A program that knows nothing of our lock is named with its pid, and when it closes the question works."""
    with Child(FOREIGN, path) as other, PromptLog(path, busy_timeout=0.3) as client:
        other.expect("open")
        log(client, 1)  # logging does not care
        with pytest.raises(StoreBusyError, match=rf"held for 0.3 s by process {other.pid} .*not promptlog"):
            client.requests.count()
        other.tell()
        other.expect("closed")
        assert client.requests.count() == 2


def test_a_long_lease(path: Path) -> None:
    """Another promptlog that does not let go is named with its pid and what it does."""
    with Child(LEASE, path) as other, PromptLog(path, busy_timeout=0.3) as client:
        other.expect("open")
        log(client, 1)
        with pytest.raises(StoreBusyError, match=rf"process {other.pid} is painting the shed"):
            client.requests.count()
        other.tell()
        other.expect("closed")
        assert client.requests.count() == 2


def test_a_killed_holder_blocks_nobody(path: Path) -> None:
    """A holder that is killed has let go."""
    with Child(LEASE, path) as other, PromptLog(path) as client:
        other.expect("open")
        other.kill()
        assert client.requests.count() == 1


def test_a_busy_thread(path: Path) -> None:
    """Another thread of this process that has the lease is waited for, then told about."""
    import threading

    client = PromptLog(path, busy_timeout=0.2)
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with client._store.lease("counting sheep"):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(60)
    try:
        with pytest.raises(StoreBusyError, match="another thread of this process is counting sheep"):
            client.requests.count()
    finally:
        leave.set()
        thread.join()
    assert client.requests.count() == 1
    client.close()


def test_kept_through_a_burst(path: Path) -> None:
    """Questions that follow each other share one connection."""
    with PromptLog(path) as client:
        client.requests.count()
        first = client._store._connection
        assert first is not None
        for _ in range(20):
            log(client, 1)
            client.requests.count()
            assert client._store._connection is first


ASK_AND_STAY = "client = PromptLog(ARGS[0]); say(client.requests.count()); hear()"


def test_let_go_when_idle(path: Path) -> None:
    """A process that asked and does something else lets another program open the file about two seconds later."""
    with Child(ASK_AND_STAY, path) as child:
        child.expect("1")
        started = time.monotonic()
        while True:
            try:
                duckdb.connect(path).close()
                break
            except duckdb.IOException:
                assert time.monotonic() - started < 30
                time.sleep(0.05)
        # Two seconds and some noise; an order of magnitude below a timeout.
        assert time.monotonic() - started < IDLE_S + 8
        assert child.process.poll() is None


def test_let_go_at_once_when_wanted(path: Path) -> None:
    """An idle holder gives the file to another promptlog as soon as that waits, not when its time is up."""
    waits = []
    client = PromptLog(path)
    for _ in range(3):  # the fastest of three tells, on a noisy machine
        with Child(ASK_AND_STAY, path) as child:
            child.expect("1")
            started = time.monotonic()
            assert client.requests.count() == 1
            waits.append(time.monotonic() - started)
        client.close()
    assert min(waits) < IDLE_S / 2


def test_sweep_after_merge(path: Path) -> None:
    """After a merge, segments of dead writers are gone with their offsets, live ones stay and are applied."""
    with Child("client = PromptLog(ARGS[0]); say(*log(client, 5, 'dead'))", path) as dead:
        ids = dead.hear().split()
        dead.lines()
    with PromptLog(path) as client:
        ids += log(client, 2)
        assert client.merge() == 7
        (live,) = paths_of(path).segments.iterdir()
        with client._store.ask("test") as connection:
            offsets = connection.execute("SELECT * FROM journal_offsets").fetchall()
        assert offsets == [(live.name, live.stat().st_size)]
        assert client.merge() == 0
    with PromptLog(path) as client:
        client.merge()
        assert list(paths_of(path).segments.iterdir()) == []
        assert list(paths_of(path).staging.iterdir()) == []
        with client._store.ask("test") as connection:
            assert connection.execute("SELECT * FROM journal_offsets").fetchall() == []


def test_what_a_killed_merge_staged_is_cleared(path: Path) -> None:
    """A slice that a killed process had staged does not stay on the disk."""
    paths = paths_of(path)
    left = paths.staging / "slice-4194305.jsonl"  # no process has this number
    left.write_bytes(b'{"time":1}\n')
    with PromptLog(path) as client:
        assert client.requests.count() == 1
    assert not left.exists()


def test_merges_of_two_processes(path: Path) -> None:
    """Two processes that merge in a loop while both log apply every record once."""
    body = """
    client = PromptLog(ARGS[0])
    for i in range(30):
        for request_id in log(client, 20, ARGS[1]):
            say(request_id)
        client.merge()
    """
    with Child(body, path, "one") as one, Child(body, path, "two") as two:
        ids = one.lines() + two.lines()
    assert len(ids) == 1200
    assert_there_once(path, ids, beside=1)


def test_a_question_ends_while_others_log(path: Path) -> None:
    """A segment that another process swept meanwhile, or a torn line, is not waited for by merging what others log."""
    with PromptLog(path) as client:
        store = client._store
        with store.lease("testing") as connection:
            log(client, 1)
            assert store._apply_next(connection, {"v1-swept.jsonl": 100}) == (0, 0)
            torn = paths_of(path).segments / "v1-torn.jsonl"
            torn.write_bytes(b'{"time":1')
            log(client, 1)
            assert store._apply_next(connection, {torn.name: 9}) == (0, 0)
        assert client.requests.count() == 3
