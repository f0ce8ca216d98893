"""The front door: every example in the README runs as it stands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.wire import Wire

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SETUP = [line for block in SHELL for line in block.splitlines() if line.startswith("python3 -m venv")]
COMMANDS = [
    line for block in SHELL for line in block.splitlines() if line.startswith(("promptlog ", "printf "))
]


@pytest.fixture
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the trace and the texts; where they are absent, of a few made-up lines of the same shape."""
    given = Path(os.environ.get("PROMPTLOG_DATA") or ROOT.parent / "shared" / "data")
    if (given / "alpaca_eval_outputs.jsonl").exists():
        return given
    folder = tmp_path_factory.mktemp("trace")
    arrivals = (f"2023-11-16 18:{n // 60:02}:{n % 60:02}.6805900,{n},{n * 7 % 90}" for n in range(900))
    lines = "\n".join(("TIMESTAMP,ContextTokens,GeneratedTokens", *arrivals))
    (folder / "azure_llm_trace_2023_conv.csv").write_text(lines)
    models = ("gpt-4o-mini-2024-07-18", "claude-3-5-sonnet-20240620", "Meta-Llama-3.1-8B-Instruct-Turbo")
    texts = (
        {"dataset": "koala", "instruction": "Hi", "output": "Hello", "generator": name} for name in models
    )
    (folder / "alpaca_eval_outputs.jsonl").write_text("\n".join(map(json.dumps, texts)))
    return folder


def run_python(code: str, folder: Path, trace: Path) -> str:
    """Run code in a folder, with a provider on loopback, and return what it prints."""
    with Wire() as wire:
        provider = {"OPENAI_BASE_URL": wire.openai(), "OPENAI_API_KEY": "k"}
        ran = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, env={**os.environ, "PROMPTLOG_DATA": str(trace), **provider},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_python_examples_run_one_after_the_other(tmp_path: Path, trace: Path) -> None:
    """Pasted into one session, from a folder with but the trace, they work; what they build is there at the end."""
    check = (
        "\nfound = client.requests.get(request_id)\n"
        "assert found.metadata == {'plan': 'pro', 'user_id': 'user_8'}, found\n"
        "assert (found.tags, found.scores) == (['production', 'reviewed'], {'quality': 95.0}), found\n"
        "assert client.requests.count() == 1011\n"
        "assert client.requests.filter(meta('user_id') == 'user_123', tag('production')).count() == 1\n"
        "traced = client.requests.filter(meta('user_id') == 'user_7', col.model == 'gpt-4o').first()\n"
        "assert traced.metadata == {'plan': 'pro', 'user_id': 'user_7'}, traced\n"
    )
    run_python("\n".join(PYTHON) + check, tmp_path, trace)


def test_the_answers_of_the_trace_are_those_of_the_page(tmp_path: Path, shared_data: Path) -> None:
    """Each number that the page gives for the real hour is what its own code finds there."""
    chapter = README.split("## An hour with a trace")[1].split("\n## ")[0]
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL))
    code += "\nimport json; print(json.dumps([busiest, answers, costliest], default=str))"
    (busiest,), answers, costliest = json.loads(run_python(code, tmp_path, shared_data))
    said = (
        f"It was {busiest['time'][11:16]} UTC: {busiest['requests']} of the 19,366 requests, "
        f"with {busiest['output_tokens']:,} tokens"
    )
    rows = [f"| {row['dataset']} | {row['requests']:,} | {row['p95']:g} |" for row in answers]
    rows += [f"| {row['user_id']} | {row['requests']} | {row['cost_usd']:.3f} |" for row in costliest]
    assert said in chapter
    assert re.findall(r"^\| .*\d \|$", chapter, re.MULTILINE) == rows


def test_ten_lines_are_ten() -> None:
    """The first example has at most ten statements, imports among them."""
    assert len([line for line in PYTHON[0].splitlines() if line and not line.startswith(" ")]) <= 10


def test_the_shell_examples_run(tmp_path: Path) -> None:
    """Each command works on a fresh store, in the order of the page."""
    assert len(COMMANDS) >= 6
    with Wire() as wire:
        environment = {
            **os.environ, "PROMPTLOG_PATH": str(tmp_path / "readme.duckdb"), "OPENAI_BASE_URL": wire.openai(),
            "OPENAI_API_KEY": "k",
        }  # fmt: skip
        for command in COMMANDS:
            ran = subprocess.run(
                command.replace("promptlog ", f"{sys.executable} -m promptlog ", 1),
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
        [sys.executable, "-m", "promptlog", "--help"], capture_output=True, text=True, check=True
    )
    commands = re.findall(r"^\W*([a-z]+)  +\S", ran.stdout.split("Commands")[1], re.MULTILINE)
    assert len(commands) >= 11
    for command in commands:
        assert f"`{command}`" in README


@pytest.mark.parametrize("link", re.findall(r"\]\(((?!http)[^)#]+)\)", README))
def test_links_lead_somewhere(link: str) -> None:
    """Pictures and pages that are named exist."""
    assert (ROOT / link).exists()
