"""`list`, `show` and `sql`: what comes out."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

_NASTY = "\x1b[31mred\x9b2J\r[bold]b[/bold] :smile: \u202e"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([], [2, 1, 0]),
        (["--meta", "user_id=u1"], [2, 0]),
        (["--meta", "user_id=u1", "--meta", "plan=pro"], []),
        (["--tag", "production"], [2, 1]),
        (["--model", "gpt-4o", "--tag", "production"], [1]),
        (["--status", "error"], [1]),
        (["--since", "2026-09-21T15:00:00Z"], [2, 1]),
        (["--until", "2026-09-21T15:00:00Z"], [0]),
        (["--limit", "2"], [2, 1]),
    ],
)
def test_filters(shell: Shell, ids: list[str], filters: list[str], found: list[int]) -> None:
    """All filters hold together, the newest request comes first."""
    assert [row["request_id"] for row in shell.rows("list", *filters)] == [ids[at] for at in found]


def test_list_for_people(shell: Shell, ids: list[str]) -> None:
    """Into a pipe a list is plain columns, nothing cut, with the metadata that was asked for."""
    long = "v" * 300
    PromptLog(shell.store).track.metadata(ids[2], {"long": long})
    head, *lines = shell.ok("list", "--show", "long", "--show", "user_id").splitlines()
    assert head.split()[-2:] == ["long", "user_id"]
    assert lines[0].startswith(ids[2])
    assert lines[0].endswith(f"{long}  u1")
    assert lines[1].split() == f"{ids[1]} 2026-09-21 15:13:20 gpt-4o 500 ms 11→5 $0.2500 ERROR u2".split()


def test_list_on_a_terminal(shell: Shell, ids: list[str]) -> None:
    """A terminal of 80 columns is never overrun, and the ids stay whole enough to be used."""
    shown = shell.ok("list", "--show", "user_id", FORCE_COLOR="1", COLUMNS="80", NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    assert shell.rows("show", shown.splitlines()[1].split()[0])[0]["request_id"] == ids[2]
    assert "\x1b[" in shell.ok("list", FORCE_COLOR="1")


def test_an_empty_store_says_how_to_begin(shell: Shell, ids: list[str]) -> None:
    """An empty store is told from a filter that nothing meets; neither is an error."""
    done = shell.run("--store", str(shell.store.with_name("empty.duckdb")), "list")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 3)
    assert "promptlog log --provider" in done.stderr
    done = shell.run("list", "--meta", "user_id=nobody")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "No request matches.\n")
    for command in ("list", "stats"):
        said = shell.run(command, "--meta", "user-id=u1", "--meta", "zzz=1").stderr.splitlines()
        assert said == [
            "No request matches.",
            "No request has the metadata key user-id; did you mean user_id?",
            "No request has the metadata key zzz; `promptlog keys` lists the keys.",
        ]


def test_show(shell: Shell, ids: list[str]) -> None:
    """A request is shown whole: numbers, metadata, tags, scores, and what was said by whom."""
    shell.ok("score", ids[0], "88.5", "--name", "accuracy")
    shown = shell.ok("show", ids[0])
    for part in (ids[0], "SUCCESS", "openai gpt-4o", "500 ms", "10→5", "$0.2500", "user_id  u1", "staging"):
        assert part in shown
    assert "accuracy  88.5" in shown
    assert shown.endswith("\ninput\nuser\n  question 0\n\noutput\nassistant\n  answer 0\n")
    (row,) = shell.rows("show", ids[0])
    assert row["start_time"] == "2026-09-21T14:13:20Z"
    assert row["scores"] == {"accuracy": 88.5}


def test_stored_text_is_harmless(shell: Shell) -> None:
    """No control character of stored text reaches the terminal, and none of it is markup."""
    logged = PromptLog(shell.store).log_request(
        provider=_NASTY,
        model=_NASTY,
        input=[{"role": _NASTY, "content": _NASTY, "tool_calls": [{"function": {"name": _NASTY}}]}],
        output={"type": "completion", "content": [{"type": "text", "text": _NASTY}, {"type": _NASTY}]},
        request_start_time=1,
        request_end_time=2,
        metadata={_NASTY: _NASTY},
        tags=[_NASTY],
        error_message=_NASTY,
    )
    whole = ["--show", _NASTY]
    for command in (
        ["show", str(logged["id"])],
        ["list", *whole],
        ["sql", "select key, model from metadata, requests"],
    ):
        for env in ({}, {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": "200"}):
            shown = shell.ok(*command, **env)
            assert not set("\x1b\x9b\r\u202e") & set(shown)
            assert "\\x1b[31mred" in shown
            assert "[bold]b[/bold] :smile:" in shown
        if command[0] != "list":
            shown = shell.ok(*command, "--json")
            assert not set("\x1b\x9b\r\u202e") & set(shown)
    (row,) = shell.rows("show", str(logged["id"]))
    assert row["metadata"] == {_NASTY: _NASTY}


def test_prefixes(shell: Shell, ids: list[str]) -> None:
    """A beginning of an id will do where no other request shares it."""
    assert shell.rows("show", ids[1][:18].upper())[0]["request_id"] == ids[1]
    assert f"{ids[1]}: plan=pro" in shell.run("track", ids[1][:18], "plan=pro").stderr
    shell.ok("tag", ids[1][:18], "checked")
    shell.ok("score", ids[1][:18], "7")
    row = shell.rows("show", ids[1])[0]
    assert (row["metadata"]["plan"], row["tags"], row["scores"]) == (
        "pro",
        ["checked", "production"],
        {"default": 7.0},
    )
    assert "several" in shell.refused("show", ids[1][:4])
    assert "no request's id begins with 'fff'" in shell.refused("track", "fff", "a=b")


def test_track_tag_and_take_off(shell: Shell, ids: list[str]) -> None:
    """Tracking a key again replaces it; keys and tags can be taken off."""
    shell.ok("track", ids[0], "plan=pro", "note=a=b")
    shell.ok("track", ids[0], "plan=max", "--remove", "user_id")
    shell.ok("tag", ids[0], "staging", "--remove")
    (row,) = shell.rows("show", ids[0])
    assert (row["metadata"], row["tags"]) == ({"plan": "max", "note": "a=b"}, [])


def test_sql(shell: Shell, ids: list[str]) -> None:
    """SQL answers with times as ISO 8601 and numbers as numbers; its errors are one line."""
    text = "select status, count(*) n, max(start_time) t, sum(cost_usd)::decimal(9, 2) c, 'nan'::double x"
    rows = shell.rows("sql", f"{text} from requests group by 1 order by 1")
    assert rows == [
        {"status": "ERROR", "n": 1, "t": "2026-09-21T15:13:20Z", "c": 0.25, "x": None},
        {"status": "SUCCESS", "n": 2, "t": "2026-09-21T16:13:20Z", "c": 0.5, "x": None},
    ]
    assert shell.ok("sql", "-", stdin="select count(*) as n\nfrom metadata") == "n\n6\n"
    assert shell.ok("sql", "explain select * from tags").count("\n") > 5
    assert "Parser Error" in shell.refused("sql", "selec 1")
    assert "sql only reads" in shell.refused("sql", "drop table requests")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_stdout_that_ends(shell: Shell, ids: list[str]) -> None:
    """A closed pipe is silent, and a full disk under stdout is one line."""
    for _ in range(2):
        command = [sys.executable, "-m", "promptlog", "sql", "--json", "select * from range(100000)"]
        with subprocess.Popen(
            command, env=shell.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.readline()
            running.stdout.close()
            assert running.stderr.read() == b""
            assert running.wait() == 1
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            command, env=shell.env, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left on device" in done.stderr
