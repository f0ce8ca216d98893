"""The real command, in processes of its own, on a store in the test's folder."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog
from tests.cli.forge import Forge

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

NOW = 1_790_000_000.0


class Shell:
    """Runs `promptlog`, and keeps what the last run left."""

    def __init__(self, store: Path, forge: Forge) -> None:
        self.store = store
        self._forge = forge
        self.env = {
            name: value
            for name, value in os.environ.items()
            if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "PROMPTLOG_PATH"}
        } | {"PROMPTLOG_PATH": str(store), "PYTHONWARNINGS": "error"}
        # As in an activated environment: what the demo proposes is then `promptlog …`, not a path to this Python.
        self.env["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), self.env.get("PATH", os.defpath)]
        )

    def run(self, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self._forge.run(arguments, stdin, self.env | env)

    def ok(self, *arguments: str, stdin: str = "", **env: str) -> str:
        """Run a command that succeeds, and return its stdout."""
        done = self.run(*arguments, stdin=stdin, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def rows(self, *arguments: str) -> list[Any]:
        """Run a command with --json, and return the objects it printed."""
        return [json.loads(line) for line in self.ok(*arguments, "--json").splitlines()]

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that fails for the user's sake, and return its one line."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 1, done
        assert done.stdout == ""
        assert done.stderr.startswith("promptlog: error: ")
        assert done.stderr.count("\n") == 1
        return done.stderr


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    """What all commands are forked from."""
    made = Forge()
    yield made
    made.close()


@pytest.fixture
def shell(tmp_path: Path, forge: Forge) -> Shell:
    """A shell with an empty store."""
    return Shell(tmp_path / "store.duckdb", forge)


@pytest.fixture
def ids(shell: Shell) -> list[str]:
    """Three requests in the shell's store, the oldest first."""
    client = PromptLog(shell.store)
    logged = [
        client.log_request(
            provider="openai",
            model=model,
            input=f"question {number}",
            output=f"answer {number}",
            request_start_time=NOW + number * 3600,
            request_end_time=NOW + number * 3600 + 0.5,
            metadata={"user_id": user, "plan": "free"},
            tags=["production"] if number else ["staging"],
            input_tokens=10 + number,
            output_tokens=5,
            price=0.25,
            status="ERROR" if number == 1 else "SUCCESS",
        )
        for number, (model, user) in enumerate([("gpt-4o", "u1"), ("gpt-4o", "u2"), ("claude", "u1")])
    ]
    client.close()
    return [str(one["request_id"]) for one in logged]
