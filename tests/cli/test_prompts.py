"""`prompts` and `run` in the shell."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shell
    from tests.wire import Wire

TEXT = "A {{ cake_type }} cake for {{ n }}.\n"
VARIABLES = ("--var", "cake_type=Chocolate", "--var", "n=8")


@pytest.fixture
def cake(shell: Shell, wire: Wire) -> Shell:
    """A shell with a prompt, and a model behind it."""
    shell.env |= {"OPENAI_BASE_URL": wire.openai(), "OPENAI_API_KEY": "sk-test", "OPENAI_MAX_RETRIES": "0"}
    published = shell.ok("prompts", "publish", "cake-recipe", "-", "--provider", "openai", "--model", "gpt-4o",
                         "--param", "temperature=0", "--label", "prod", stdin=TEXT)  # fmt: skip
    assert published == "cake-recipe version 1 (prod)\n"
    return shell


def test_prompts(cake: Shell) -> None:
    """Published from a text, listed, shown as it is and rendered, changed, compared, and labelled."""
    (row,) = cake.rows("prompts", "list")
    assert (row["prompt_name"], row["version"], row["release_labels"]) == ("cake-recipe", 1, ["prod"])
    assert row["metadata"]["model"]["parameters"] == {"temperature": 0}
    shown = cake.ok("prompts", "show", "cake-recipe")
    assert "A {{ cake_type }} cake for {{ n }}." in shown
    assert "variables    cake_type, n" in shown
    assert "A Chocolate cake for 8." in cake.ok("prompts", "show", "cake-recipe", *VARIABLES)
    changed = TEXT + "Please!"
    assert (
        cake.ok("prompts", "publish", "cake-recipe", "-", "--message", "manners", stdin=changed)
        == "cake-recipe version 2\n"
    )
    assert cake.ok("prompts", "diff", "cake-recipe").splitlines()[:6] == [
        "--- cake-recipe version 1", "+++ cake-recipe version 2", "@@ -1,5 +1,6 @@", " [user]",
        " A {{ cake_type }} cake for {{ n }}.", "+Please!",
    ]  # fmt: skip
    assert cake.ok("prompts", "publish", "cake-recipe", "-", "--model", "gpt-4o-mini", stdin=changed)
    assert cake.rows("prompts", "list")[0]["metadata"]["model"] == {
        "provider": "openai", "name": "gpt-4o-mini", "parameters": {"temperature": 0},
    }  # fmt: skip
    assert cake.ok("prompts", "diff", "cake-recipe", "2", "2") == ""
    assert "prod (v1)" in cake.ok("prompts", "list")
    cake.ok("prompts", "label", "cake-recipe", "prod", "2")
    assert cake.rows("prompts", "list", "--label", "prod")[0]["version"] == 2
    cake.ok("prompts", "label", "cake-recipe", "prod", "--remove")
    assert "no label 'prod'" in cake.refused("prompts", "show", "cake-recipe", "--label", "prod")
    assert "no version 9" in cake.refused("prompts", "diff", "cake-recipe", "9")


def test_prompts_from_json(shell: Shell) -> None:
    """PromptLayer's body, or a template alone, is published as it is; the same again makes no version."""
    template = {"type": "completion", "content": "Bake {what}"}
    for body in (template, {"prompt_template": template, "tags": ["kitchen"]}):
        assert shell.ok("prompts", "publish", "p", "-", stdin=json.dumps(body)) == "p version 1\n"
    assert shell.rows("prompts", "show", "p")[0]["prompt_template"]["input_variables"] == ["what"]
    assert "prompt 'q', message 0 (user): line 1: " in shell.refused(
        "prompts", "publish", "q", "-", stdin="{% if %}"
    )


def test_run(cake: Shell, wire: Wire) -> None:
    """The answer is on stdout, the id on stderr; all that was said is logged."""
    done = cake.run(
        "run", "cake-recipe", *VARIABLES, "--meta", "user_id=u1", "--tag", "t", "--param", "seed=7"
    )
    assert (done.returncode, done.stdout) == (0, "You said: A Chocolate cake for 8.\n")
    (request,) = cake.rows("list")
    assert done.stderr == f"request {request['request_id']}\n"
    assert (request["metadata"], request["tags"], request["model"]) == ({"user_id": "u1"}, ["t"], "gpt-4o")
    assert request["parameters"] == {"temperature": 0, "seed": 7}
    assert request["prompt_name"] == "cake-recipe"
    streamed = cake.ok("run", "cake-recipe", *VARIABLES, "--stream", "--model", "gpt-4o-mini")
    assert streamed == "You said: A Chocolate cake for 8.\n"
    assert wire.asked[-1].body["stream"] is True
    (answer,) = cake.rows("run", "cake-recipe", *VARIABLES, "--model", "gpt-4o-mini", "--replay", "always")
    assert answer["replayed_from"]
    assert len(wire.asked) == 2


def test_run_that_fails(cake: Shell, wire: Wire) -> None:
    """What is wrong is one line, whoever says it; a model that fails is logged."""
    assert "the variable 'n' is not given" in cake.refused("run", "cake-recipe", "--var", "cake_type=x")
    assert "did you mean 'cake-recipe'?" in cake.refused("run", "cake-recip")
    assert "replay must be one of" in cake.refused("run", "cake-recipe", *VARIABLES, "--replay", "maybe")
    assert "--base-url needs --provider" in cake.refused(
        "run", "cake-recipe", *VARIABLES, "--base-url", "http://x"
    )
    keyless = cake.run("run", "cake-recipe", *VARIABLES, OPENAI_API_KEY="").stderr
    assert "set OPENAI_API_KEY, or ask a server that needs none: --provider ollama" in keyless
    assert cake.rows("list") == []
    wire.next(*["status=400"] * 3)
    assert "the model did not answer: BadRequestError" in cake.refused("run", "cake-recipe", *VARIABLES)
    assert [row["status"] for row in cake.rows("list")] == ["ERROR"]


def test_run_on_a_server_of_ones_own(cake: Shell, wire: Wire) -> None:
    """Any server that speaks as OpenAI's is named and given by its address."""
    cake.ok(
        "run",
        "cake-recipe",
        *VARIABLES,
        "--provider",
        "mine",
        "--base-url",
        wire.openai(),
        "--model",
        "llama",
    )
    assert [(row["provider"], row["model"]) for row in cake.rows("list")] == [("mine", "llama")]


def test_run_where_the_log_takes_nothing(cake: Shell) -> None:
    """The answer is printed, and the command fails: a script must not think it logged."""
    cake.ok("merge")
    segments = cake.store.with_name("store.duckdb.journal") / "segments"
    if segments.exists():
        segments.rmdir()
    segments.touch()
    done = cake.run("run", "cake-recipe", *VARIABLES)
    assert (done.returncode, done.stdout) == (1, "You said: A Chocolate cake for 8.\n")
    assert done.stderr.startswith("promptlog: error: not logged: ")
    assert done.stderr.count("\n") == 1


def test_run_on_a_terminal_streams(cake: Shell, wire: Wire) -> None:
    """On a terminal the answer comes piece by piece, and what would be obeyed there is written out."""
    ours, theirs = pty.openpty()
    arguments = [
        sys.executable,
        "-m",
        "promptlog",
        "run",
        "cake-recipe",
        "--var",
        "cake_type=\x1b[2J",
        "--var",
        "n=8",
    ]
    ran = subprocess.run(arguments, env=cake.env, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert ran.returncode == 0
    assert shown.rstrip() == "You said: A \\x1b[2J cake for 8."
    assert wire.asked[-1].body["stream"] is True
