"""A command that takes long says so on a terminal, and whom it waits for."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from promptlog import PromptLog
from tests.processes.support import log

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

LONG = "SELECT sum(sqrt(range)) FROM range(500_000_000)"


def started(shell: Shell, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command whose stderr is a terminal, and return our side of it."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "promptlog", *arguments]
    # A shell's background jobs, which tests may run in, are started deaf to Ctrl-C, and so would be what they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        running = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env={**shell.env, "TERM": "xterm", "COLUMNS": "200"},
        )
    finally:
        signal.signal(signal.SIGINT, before)
    os.close(theirs)
    return running, ours


def read(terminal: int, until: bytes = b"") -> bytes:
    """Return what a terminal shows, up to some words or the end."""
    shown = b""
    try:
        while piece := os.read(terminal, 1 << 16):
            shown += piece
            if until and until in shown:
                return shown
    except OSError:  # the other side is closed
        pass
    os.close(terminal)
    return shown


def test_a_long_question_says_that_it_is_asked(shell: Shell) -> None:
    """After a second, and it is gone when the answer is there; a pipe sees nothing of it."""
    running, terminal = started(shell, "sql", LONG)
    shown = read(terminal)
    out, _ = running.communicate()
    assert running.returncode == 0
    assert "asking the store" in shown.decode()
    assert shown.endswith(b"\x1b[1A\x1b[2K")  # the line is taken away
    assert b"asking" not in out
    assert len(out.splitlines()) == 2
    assert shell.run("sql", LONG).stderr == ""


def test_a_short_question_says_nothing(shell: Shell) -> None:
    """Nor an empty store's."""
    running, terminal = started(shell, "sql", "SELECT 1")
    assert read(terminal) == b""
    running.communicate()
    assert running.returncode == 0


def test_who_is_waited_for_is_said(shell: Shell) -> None:
    """By its number and what it does."""
    with PromptLog(shell.store) as client:
        log(client, 3)
        with client._store.lease("counting sheep"):
            running, terminal = started(shell, "search", "hi", "--json")
            shown = read(terminal, until=b"is counting sheep")
            assert f"process {os.getpid()} is counting sheep".encode() in shown
        client.close()
        read(terminal)
        out, _ = running.communicate()
    assert running.returncode == 0
    assert len(out.splitlines()) == 3


def test_ctrl_c_ends_it_at_once(shell: Shell) -> None:
    """The terminal is left as it was: its cursor is shown."""
    running, terminal = started(shell, "sql", LONG.replace("500", "90_000"))
    read(terminal, until=b"asking the store")
    running.send_signal(signal.SIGINT)
    shown = read(terminal)
    running.communicate(timeout=10)
    assert running.returncode == 130
    assert b"\x1b[?25h" in shown
