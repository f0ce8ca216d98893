"""The front door: every example in the README runs as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SETUP = [line for block in SHELL for line in block.splitlines() if line.startswith("python3 -m venv")]
COMMANDS = [
    line for block in SHELL for line in block.splitlines() if line.startswith(("promptlog ", "printf "))
]


def test_the_python_examples_run_one_after_the_other(tmp_path: Path) -> None:
    """Pasted into one session, from an empty folder, they work, and what they build is there at the end."""
    check = (
        "\nfound = client.requests.get(request_id)\n"
        "assert found.metadata == {'plan': 'pro', 'user_id': 'user_8'}, found\n"
        "assert (found.tags, found.scores) == (['production', 'reviewed'], {'quality': 95.0}), found\n"
        "assert client.requests.count() == 1003\n"
        "assert client.requests.filter(meta('user_id') == 'user_123', tag('production')).count() == 1\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", "\n".join(PYTHON) + check],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_ten_lines_are_ten() -> None:
    """The first example has at most ten statements, imports among them."""
    assert len([line for line in PYTHON[0].splitlines() if line and not line.startswith(" ")]) <= 10


def test_the_shell_examples_run(tmp_path: Path) -> None:
    """Each command works on a fresh store, in the order of the page."""
    environment = {**os.environ, "PROMPTLOG_PATH": str(tmp_path / "readme.duckdb")}
    assert len(COMMANDS) >= 6
    for command in COMMANDS:
        ran = subprocess.run(
            command.replace("promptlog ", f"{sys.executable} -m promptlog.cli ", 1),
            shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, (command, ran.stderr)


def test_the_two_commands() -> None:
    """One runs the main job, one the tests; CI runs that one's own words, and the extras they name exist."""
    assert len(SETUP) == 2
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {extra for line in SETUP for extra in re.findall(r"\.\[(\w+)\]", line)}
    assert named <= set(extras)
    test_command = SETUP[1].split("python -m ")[-1]
    assert test_command in (ROOT / ".ci" / "run").read_text()


def test_every_command_stands_in_the_readme() -> None:
    """Whoever reads the page knows each command's name."""
    ran = subprocess.run(
        [sys.executable, "-m", "promptlog.cli", "--help"], capture_output=True, text=True, check=True
    )
    commands = re.findall(r"^\W*([a-z]+)  +\S", ran.stdout.split("Commands")[1], re.MULTILINE)
    assert len(commands) >= 11
    for command in commands:
        assert f"`{command}`" in README


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    """Pictures and pages that are named exist."""
    assert (ROOT / link).exists()
