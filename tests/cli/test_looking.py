"""`stats`, `keys`, `values` and `sessions`: what comes out."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog
from promptlog.identifiers import span_request_id
from tests.cli.conftest import NOW
from tests.query.test_traces import TRACE, call, span

if TYPE_CHECKING:
    from tests.cli.conftest import Shell

_COMMANDS = (["stats"], ["keys"], ["values", "user_id"], ["sessions", "--by", "user_id"])
_NASTY = "\x1b[31mred\x9b2J\r\n[bold]b[/bold] \u202e"


def test_stats(shell: Shell, ids: list[str]) -> None:
    """Totals, the course of time, and tables by what there is: no table of prompts where there are none."""
    shown = shell.ok("stats")
    for part in (
        "3\n",
        "1 (33.3%)",
        "33 in, 15 out",
        "$0.7500",
        "p50 500 ms, p90 500 ms",
        "a bar is 5m",
        "plan=free",
    ):
        assert part in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["gpt-4o", "2", "█" * 10, "50.0%", "$0.5000", "500", "ms"] in lines
    assert ["ERROR", "1", "█" * 5, "100.0%", "$0.2500", "500", "ms"] in lines
    assert ["user_id", "3", "█" * 10] in lines
    assert not any(line[:1] == ["prompt"] for line in lines)


def test_a_bar_says_how_wide_it_is(shell: Shell, ids: list[str]) -> None:
    """Where there are more buckets of time than room, several are one bar, of which the width is told."""
    buckets = len(json.loads(shell.ok("stats", "--every", "1m", "--json"))["over_time"])
    assert buckets > 56
    assert f"a bar is {-(-buckets // 56)}m\n" in shell.ok("stats", "--every", "1m")


def test_stats_for_programs(shell: Shell, ids: list[str]) -> None:
    """One object, or a row for each row of each table."""
    (found,) = shell.rows("stats", "--cost-by", "user_id", "--every", "1h")
    assert found["totals"]["requests"] == 3
    assert [row["requests"] for row in found["over_time"]] == [1, 1, 1]
    assert [(row["value"], row["cost_usd"]) for row in found["cost_by_metadata"]] == [
        ("u1", 0.5),
        ("u2", 0.25),
    ]
    rows = list(csv.DictReader(io.StringIO(shell.ok("stats", "--csv"))))
    assert {"part": "totals", "name": "", "requests": "3", "errors": "1"}.items() <= rows[0].items()
    assert [row["requests"] for row in rows if (row["part"], row["name"]) == ("by_model", "gpt-4o")] == ["2"]


def test_keys(shell: Shell, ids: list[str]) -> None:
    """The catalogue, for people and for programs."""
    head, *lines = shell.ok("keys").splitlines()
    assert head.split() == ["key", "requests", "values", "type", "last", "seen", "(UTC)", "samples"]
    assert lines[1].split() == ["user_id", "3", "█" * 10, "2", "text", "2026-09-21", "16:13:20", "u1,", "u2"]
    plan, user = shell.rows("keys")
    assert (plan["key"], plan["samples"]) == ("plan", ["free"])
    assert (user["requests"], user["last_seen"]) == (3, "2026-09-21T16:13:20Z")
    assert [row["key"] for row in shell.rows("keys", "--status", "error", "--tag", "production")] == [
        "plan",
        "user_id",
    ]


def test_values(shell: Shell, ids: list[str]) -> None:
    """The most frequent first; prefix, limit and filters narrow them."""
    assert [line.split()[:2] for line in shell.ok("values", "user_id").splitlines()[1:]] == [
        ["u1", "2"],
        ["u2", "1"],
    ]
    assert shell.ok("values", "user_id", "--csv") == (
        "value,requests,last_seen\nu1,2,2026-09-21T16:13:20Z\nu2,1,2026-09-21T15:13:20Z\n"
    )
    assert [row["value"] for row in shell.rows("values", "user_id", "--prefix", "u2")] == ["u2"]
    assert [row["requests"] for row in shell.rows("values", "user_id", "--model", "gpt-4o")] == [1, 1]
    assert shell.rows("values", "user_id", "--limit", "0") == []
    assert "promptlog keys" in shell.run("values", "nobody").stderr


def test_sessions(shell: Shell, ids: list[str]) -> None:
    """By the key that is named; a store without such says how to make some."""
    assert "session_id" in shell.run("sessions").stderr
    head, first, second = shell.ok("sessions", "--by", "user_id").splitlines()
    assert head.split()[:2] == ["session", "requests"]
    assert first.startswith("u2")
    assert "2 h" in second
    rows = shell.rows("sessions", "--by", "user_id", "--sort", "cost_usd", "--limit", "1")
    assert [(row["session"], row["requests"], row["models"]) for row in rows] == [
        ("u1", 2, ["claude", "gpt-4o"])
    ]
    table = list(csv.DictReader(io.StringIO(shell.ok("sessions", "--by", "user_id", "--csv"))))
    assert [row["models"] for row in table] == ['["gpt-4o"]', '["claude", "gpt-4o"]']


@pytest.mark.parametrize("command", _COMMANDS, ids=lambda command: command[0])
def test_on_a_terminal(shell: Shell, ids: list[str], command: list[str]) -> None:
    """80 columns are never overrun, and no colour comes where none is wanted."""
    shown = shell.ok(*command, FORCE_COLOR="1", COLUMNS="80", NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 80
    assert "\x1b" not in shown
    assert "\x1b[" in shell.ok(*command, FORCE_COLOR="1")
    assert "\x1b" not in shell.ok(*command)


@pytest.mark.parametrize("command", _COMMANDS, ids=lambda command: command[0])
def test_nothing_and_too_much(shell: Shell, command: list[str]) -> None:
    """An empty store says how to begin, and two formats at once are refused."""
    done = shell.run(*command)
    assert (done.returncode, done.stdout) == (0, "")
    assert "promptlog log --provider" in done.stderr
    assert "exclude each other" in shell.refused(*command, "--json", "--csv")


def test_stored_text_is_made_harmless(shell: Shell) -> None:
    """What is stored cannot drive the terminal, wherever it stands."""
    PromptLog(shell.store).log_request(
        provider=_NASTY, model=_NASTY, input="i", output="o", request_start_time=NOW, request_end_time=NOW,
        metadata={_NASTY: _NASTY, "user_id": _NASTY}, tags=[_NASTY], error_type=_NASTY, prompt_name=_NASTY, price=1,
    )  # fmt: skip
    for command in (*_COMMANDS, ["values", _NASTY]):
        shown = shell.ok(*command, FORCE_COLOR="1", NO_COLOR="1")
        assert not {"\x1b", "\x9b", "\r", "\u202e"} & set(shown)
        assert "\\x1b[31mred" in shown
        assert not {"\x1b", "\x9b", "\u202e"} & set(shell.ok(*command, "--json"))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["stats", "--every", "7h"], "divide a day"),
        (["stats", "--time-zone", "Mars"], "Mars"),
        (["sessions", "--sort", "turns"], "turns"),
        (["keys", "--meta", "x"], "key=value"),
        (["values", ""], "empty"),
    ],
)
def test_wrong_arguments(shell: Shell, command: list[str], said: str) -> None:
    """One line that names what is wrong."""
    assert said in shell.refused(*command)


def test_a_trace_is_a_tree(shell: Shell) -> None:
    """Each span below its parent, its calls told beside it; what no trace has is an error."""
    client = PromptLog(shell.store)
    for record in (span(1, name=_NASTY, metadata={"user_id": "u1"}), call(2, 1), call(3, 9, status="ERROR")):
        client._append(record)
    lines = shell.ok("trace", TRACE).splitlines()
    assert "\\x1b[31mred" in lines[1]
    assert lines[2].startswith("· step 2")
    assert "gpt-4o" in lines[2]
    assert lines[3].startswith("step 3")  # its parent was not exported
    (found,) = shell.rows("trace", TRACE)
    (listed,) = shell.rows("traces")
    assert (listed["trace_id"], listed["spans"]) == (TRACE, len(found["spans"]))
    assert TRACE in shell.ok("traces")
    assert [len(each["requests"]) for each in found["spans"]] == [0, 1, 1]
    assert "no span" in shell.refused("trace", "cd" * 16)
    assert "32 hex digits" in shell.refused("trace", "cd")


def test_traces_are_looked_for(shell: Shell) -> None:
    """By a request they hold, by what is true of them, and in another order; nothing found is said."""
    client = PromptLog(shell.store)
    assert "No trace is logged yet" in shell.run("traces").stderr
    for number in range(1, 4):
        record = call(1, name=f"step {number}", metadata={"user_id": f"u{number % 2}"})
        told = {"trace_id": f"{number:032x}", "end_time": record["end_time"] + number * 1_000_000}
        record["span"] |= told
        id = span_request_id(told["trace_id"], record["span_id"], record["start_time"])
        client._append(
            record
            | told
            | {"request_id": id, "cost_usd": 1 / number, "status": "ERROR" if number == 2 else "SUCCESS"}
        )

    def found(*arguments: str) -> list[int]:
        return [int(row["trace_id"], 16) for row in shell.rows("traces", *arguments)]

    assert found("user_id:u1", "--sort", "latency_ms") == [3, 1]
    assert found("-status:error", "model:gpt-4o", "--sort", "cost_usd") == [1, 3]
    assert found("--meta", "user_id=u0") == found("--status", "error") == found("--errors") == [2]
    assert found("--no-errors", "--sort", "cost_usd") == [1, 3]
    assert found("--name", "*3") == found("--min-latency-ms", "3000") == found("--max-cost-usd", "0.4") == [3]
    assert found("--max-latency-ms", "1500") == found("--min-cost-usd", "0.9") == [1]
    assert found("--since", "7d") == []
    assert found("--until", "7d", "--limit", "1", "--sort", "cost_usd") == [1]
    assert "No trace matches" in shell.run("traces", "--name", "x").stderr
    assert "latency_ms" in shell.refused("traces", "--sort", "turns")
    assert "expected" in shell.run("traces", "a:(").stderr
