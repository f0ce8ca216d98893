"""Real processes for tests: short scripts run by this interpreter, talked to over pipes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from promptlog.settings import StorePaths, store_paths

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from promptlog import PromptLog

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 100.0  # a child that is not done by then is stuck: it is killed, and the test fails

#: What every script begins with.
PRELUDE = """
import os, signal, sys, threading, time
from promptlog import PromptLog
ARGS = sys.argv[1:]

def say(*words):
    # One write a line: what a killed process said is whole lines.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def hear():
    return sys.stdin.readline().strip()

def log(client, n, who, first=0, text="hi"):
    ids = []
    for i in range(first, first + n):
        ids.append(client.log_request(
            provider=who, model="m", input=text, output="x", request_start_time=1.0, request_end_time=2.0,
            metadata={"who": who, "n": str(i)},
        )["request_id"])
    return ids
"""


class Child:
    """A running script; a context manager that kills what is left and fails on what went wrong."""

    def __init__(self, body: str, *args: object, cwd: Path | None = None) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed at exit
        self.process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + textwrap.dedent(body), *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=cwd,
            text=True,
            start_new_session=True,  # what it forks is killed with it
        )
        self._watchdog = threading.Timer(PATIENCE_S, self._kill_all)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _kill_all(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    @property
    def pid(self) -> int:
        return self.process.pid

    def hear(self) -> str:
        """Return the next line that the script says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the script ended or hung:\n{self.errors()}"
        return line.rstrip("\n")

    def expect(self, words: str) -> None:
        """Wait for a line."""
        assert self.hear() == words

    def tell(self, words: str = "go") -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def lines(self) -> list[str]:
        """Wait for a good end and return what was said meanwhile."""
        lines = self.last_words()
        assert self.process.returncode == 0, f"ended with {self.process.returncode}:\n{self.errors()}"
        return lines

    def last_words(self) -> list[str]:
        """Wait for the end, however it comes, and return what was said meanwhile."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        text = self.process.stdout.read()
        self.process.wait()
        return text.splitlines()

    def kill(self) -> list[str]:
        """End it by SIGKILL and return what it had still said."""
        self.process.send_signal(signal.SIGKILL)
        return self.last_words()

    def errors(self) -> str:
        """Return what stands on its standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watchdog.cancel()
        self._kill_all()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self._errors):
            if pipe is not None:
                pipe.close()


def run(body: str, *args: object, cwd: Path | None = None) -> list[str]:
    """Run a script to its good end and return its lines."""
    with Child(body, *args, cwd=cwd) as child:
        return child.lines()


ASK = """
client = PromptLog(ARGS[0])
for (request_id,) in client.sql("SELECT request_id::VARCHAR FROM requests ORDER BY 1").fetchall():
    say(request_id)
"""


def ids_in(path: Path) -> list[str]:
    """Return the ids of all requests of a store, asked by a fresh process."""
    return run(ASK, path)


def assert_there_once(path: Path, acknowledged: Iterable[str], *, beside: int = 0) -> None:
    """Each acknowledged request is in the store once, with its metadata; up to `beside` others may be.

    A process that is killed between the write and saying so leaves a request that nobody heard of.
    """
    said = list(acknowledged)
    found = ids_in(path)
    assert len(set(said)) == len(said)
    assert len(set(found)) == len(found)
    assert set(said) <= set(found), f"{len(set(said) - set(found))} of {len(said)} lost"
    assert len(found) <= len(said) + beside
    # Two keys each, never more: a line is applied once.
    count = "client = PromptLog(ARGS[0]); say(client.sql('SELECT count(*) FROM metadata').fetchall()[0][0])"
    assert run(count, path) == [str(2 * len(found))]


def paths_of(path: Path) -> StorePaths:
    """Return the files of a store."""
    return store_paths(path)


def log(client: PromptLog, n: int, who: str = "here", text: str = "hi") -> list[str]:
    """Log `n` requests and return their ids."""
    ids = []
    for i in range(n):
        logged = client.log_request(
            provider=who,
            model="m",
            input=text,
            output="x",
            request_start_time=1.0,
            request_end_time=2.0,
            metadata={"who": who, "n": str(i)},
        )
        assert logged["request_id"] is not None
        ids.append(logged["request_id"])
    return ids
