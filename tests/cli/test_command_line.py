"""The command line as a whole: help, usage, lightness, Ctrl-C, and the demo."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell

COMMANDS = (
    "demo",
    "path",
    "log",
    "list",
    "search",
    "show",
    "trace",
    "traces",
    "stats",
    "keys",
    "values",
    "sessions",
    "track",
    "tag",
    "score",
    "backfill",
    "sql",
    "top",
    "run",
    "merge",
    "compact",
    "serve",
    "prompts",
    "import",
)


def test_every_command_has_help(shell: Shell) -> None:
    """Each command stands in the help with a whole sentence, and each of its options is explained."""
    from typer.main import get_command

    from promptlog.cli.app import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert tuple(commands) == COMMANDS
    for command in (*commands.values(), *commands["prompts"].commands.values()):
        assert re.match(r"[A-Z][^\n]+[.]$", command.help.partition("\n")[0]), command.name
        assert all(getattr(option, "help", None) for option in command.params), command.name
    listed = shell.ok("--help")
    for name, command in commands.items():
        assert re.search(
            rf"^  {name} +{re.escape(command.help.partition(chr(10))[0])}$", listed, re.MULTILINE
        )


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["show"], ["list", "--limit", "x"], ["score", "a", "b"]]
)
def test_usage(shell: Shell, arguments: list[str]) -> None:
    """A command line that cannot be read exits with 2 and says how to get help."""
    done = shell.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage: promptlog" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "chatcmpl-132"],
        ["track", "132z", "a=b"],
        ["track", "0190a5c2-1b3f-7abc-8def-0123456789ab"],
        ["track", "0190a5c2-1b3f-7abc-8def-0123456789ab", "a"],
        ["track", "0190a5c2-1b3f-7abc-8def-0123456789ab", "a=1", "a=2"],
        ["score", "0190a5c2-1b3f-7abc-8def-0123456789ab", "101"],
        ["show", "0190a5c2-1b3f-7abc-8def-0123456789ab"],
        ["tag", "0190a5c2-1b3f-7abc-8def-0123456789ab", "x" * 600],
        ["list", "--since", "last-year"],
        ["list", "--status", "FINE"],
        ["list", "--meta", "user_id"],
        ["--store", "/", "path"],
    ],
)
def test_wrong_input(shell: Shell, arguments: list[str]) -> None:
    """Wrong input is one line on stderr and exit code 1."""
    shell.refused(*arguments)


def test_where_the_store_is(shell: Shell, tmp_path: Path) -> None:
    """--store, before or after the command, wins over $PROMPTLOG_PATH."""
    other = str(tmp_path / "other.duckdb")
    assert shell.ok("path") == f"{shell.store}\n"
    assert shell.ok("--store", other, "path") == shell.ok("path", "--store", other) == f"{other}\n"
    assert shell.rows("path") == [{"path": str(shell.store), "exists": False}]
    assert shell.ok("--version").startswith("promptlog ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["path"],
        ["log", "--provider", "x", "--model", "y", "--meta", "a=b"],
        ["track", "0190A5C2-1b3f-7abc-8def-0123456789ab", "a=b"],
        ["tag", "0190a5c2-1b3f-7abc-8def-0123456789ab", "t"],
    ],
)
def test_logging_stays_light(shell: Shell, arguments: list[str]) -> None:
    """Commands that only log import neither DuckDB nor rich nor a frame."""
    program = (
        "import atexit, sys; from promptlog.cli import main; "
        "atexit.register(lambda: print(sorted({'duckdb', 'rich', 'pandas', 'pyarrow'} & sys.modules.keys()))); "
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=shell.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("[]\n")


def test_ctrl_c_while_waiting(shell: Shell) -> None:
    """Ctrl-C ends a command that waits for stdin with 130, without a word; what it logged stays."""
    with _started(shell, "log") as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(
            b'{"provider": "x", "model": "y", "input": null, "output": null, '
            b'"request_start_time": 1, "request_end_time": 2}\n'
        )
        running.stdin.flush()
        logged = running.stdout.readline().decode().strip()
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=30)[1] == b""
        assert running.returncode == 130
    assert [row["request_id"] for row in shell.rows("list")] == [logged]


def test_ctrl_c_in_a_query(shell: Shell) -> None:
    """Ctrl-C ends a query that DuckDB is working on with 130, without a word."""
    with _started(shell, "sql", "select count(*) from range(100000000000) a, range(1000000)") as running:
        lock = shell.store.with_name("store.duckdb.journal") / "lock"
        while running.poll() is None and not (lock.exists() and lock.read_bytes()):
            pass
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=30)[1] == b""
        assert running.returncode == 130


def _started(shell: Shell, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "promptlog", *arguments],
        env=shell.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_demo(shell: Shell, tmp_path: Path) -> None:
    """The demo fits 80 columns, leaves a store that answers what it proposes, and fills no store twice."""
    store = str(tmp_path / "demo.duckdb")
    shown = shell.ok("demo", "--store", store, FORCE_COLOR="1", NO_COLOR="1", COLUMNS="80")
    lines = [line for line in shown.splitlines() if "PROMPTLOG_PATH" not in line]
    assert len(lines) < 45
    assert [line for line in lines if len(line) > 80 and "promptlog sql" not in line] == []
    assert "4 processes logged 2,000 requests" in shown
    assert re.search(r"plan +(free|pro) +enterprise", shown)
    shell.env["PROMPTLOG_PATH"] = store
    assert shell.rows("sql", "select count(*) n from requests") == [{"n": 2000}]
    found = re.search(r"promptlog show (\S+)", shown)
    assert found
    assert shell.rows("show", found[1])[0]["metadata"]["plan"] == "enterprise"
    assert "is there already" in shell.refused("demo", "--store", store)
