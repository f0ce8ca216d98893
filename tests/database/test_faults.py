"""What goes wrong in the middle leaves nothing behind that the next question would meet."""

from __future__ import annotations

import math
import os
import resource
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import polars as pl
import pytest

from promptlog import PromptLog, errors
from promptlog.database.store import store_for
from promptlog.settings import store_paths
from tests.samples import request

if TYPE_CHECKING:
    from pathlib import Path

_LOG = """
import sys
from promptlog import PromptLog
from tests.samples import request
PromptLog(sys.argv[1]).log_request(**request(model=sys.argv[2]))
"""


@pytest.mark.parametrize("gone", ["database", "journal"])
def test_a_store_that_was_deleted_under_an_open_connection_begins_anew(gone: str, tmp_path: Path) -> None:
    """What another process logs after the deletion is not merged into a file that nobody finds again."""
    path = tmp_path / "store.duckdb"
    client = PromptLog(path)
    client.log_request(**request())
    assert client.requests.count() == 1  # the connection is warm
    if gone == "database":
        path.unlink()
        (tmp_path / "store.duckdb.wal").unlink(missing_ok=True)
    else:
        subprocess.run(["rm", "-r", tmp_path / "store.duckdb.journal"], check=True)
    subprocess.run([sys.executable, "-c", _LOG, path, "after"], check=True)
    assert "after" in [found.model for found in client.requests]
    client.close()
    assert "after" in [found.model for found in client.requests]


def test_ctrl_c_while_waiting_for_a_turn_leaves_the_line(tmp_path: Path) -> None:
    """A thread's question is waited for, Ctrl-C ends the waiting, and the next question is answered."""
    client = PromptLog(tmp_path / "store.duckdb", busy_timeout=20)
    store = store_for(store_paths(client.path))
    holding, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with store.lease("holding"):
            holding.set()
            let_go.wait(30)

    thread = threading.Thread(target=hold)
    client.requests.count()
    thread.start()
    holding.wait()
    # A shell's background jobs, which tests may run in, are started deaf to Ctrl-C, and Python stays so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            client.requests.count()
    finally:
        signal.signal(signal.SIGINT, before)
    let_go.set()
    thread.join()
    assert client.requests.count() == 0


def test_waiting_for_ever_is_a_timeout_too(tmp_path: Path) -> None:
    """`inf` is longer than a lock can wait, and waits as long as it can."""
    assert PromptLog(tmp_path / "store.duckdb", busy_timeout=math.inf).requests.count() == 0


def test_asking_inside_a_question_is_refused_at_once(tmp_path: Path) -> None:
    """As a signal handler would: it must neither wait for itself nor close what is in use."""
    client = PromptLog(tmp_path / "store.duckdb")
    client.requests.count()
    store = store_for(store_paths(client.path))
    with store.lease("answering a question"):
        with pytest.raises(errors.StoreBusyError, match="this thread is answering a question"):
            client.requests.count()
        client.close()
        client.log_request(**request())  # logging is always possible
    assert client.requests.count() == 1


def test_a_merge_after_a_load_after_a_merge(client: PromptLog) -> None:
    """Lines and frames leave nothing that the other stumbles over, also where one was interrupted."""
    store = store_for(store_paths(client.path))

    def interrupt() -> None:
        with store.lease("being interrupted") as connection:
            connection.execute("BEGIN")
            connection.execute("CREATE OR REPLACE TEMP TABLE half AS SELECT 1")
            raise KeyboardInterrupt

    for _ in range(2):
        client.log_request(**request())
        client.merge()
        client.log_many(pl.DataFrame([request()]))
        with pytest.raises(KeyboardInterrupt):
            interrupt()
    assert client.requests.count() == 4


def test_a_commit_that_found_no_room_is_not_the_end(tmp_path: Path) -> None:
    """A full disk is said as such; as soon as there is room, the same program's next question is answered."""
    script = """
import resource, signal, sys
from promptlog import PromptLog, errors
from tests.samples import request
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
client = PromptLog(sys.argv[1])
client.requests.count()
for number in range(3000):
    client.log_request(**request(input=str(number) * 300))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    client.requests.count()
except errors.StoreError as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(client.requests.count())
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "store.duckdb"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["StoreUnwritableError", "3000"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_killed_load_is_cleared_away(tmp_path: Path) -> None:
    """Its files go with the next process that opens the store; those of a living one stay."""
    path = tmp_path / "store.duckdb"
    script = """
import os, sys
from promptlog import PromptLog
from tests.samples import request
def rows():
    yield request()
    print("loading", flush=True)
    sys.stdin.read()
    os.kill(os.getpid(), 9)
PromptLog(sys.argv[1]).log_many(rows())
"""
    staging = tmp_path / "store.duckdb.journal" / "staging"
    running = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "loading\n"
    with PromptLog(path) as client:
        client.requests.count()
        assert len(list(staging.glob("load-*"))) == 2  # a folder and its lock
    running.communicate()
    with PromptLog(path) as client:
        client.requests.count()
        assert list(staging.iterdir()) == []
