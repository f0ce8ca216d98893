"""`log`, `import` and `merge`: how requests get in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell


def _line(**changes: Any) -> str:
    whole = {
        "provider": "openai",
        "model": "gpt-4o",
        "input": "hi",
        "output": "hello",
        "request_start_time": 1_790_000_000,
        "request_end_time": "2026-09-21T14:13:21Z",
    }
    return json.dumps({name: value for name, value in (whole | changes).items() if value is not ...})


def test_flags(shell: Shell) -> None:
    """A request logged from flags is stored with all that they say, and its id is the answer."""
    flags = ["--provider", "openai", "--model", "gpt-4o", "--input", "hi", "--output", "-"]
    times = ["--start", "2026-01-31T12:00:00Z", "--latency-ms", "812.5"]
    more = ["--meta", "user_id=u1", "--meta", "q=a=b", "--tag", "t1", "--tag", "t2", "--cost", "0.5"]
    last = [
        "--parameters",
        '{"temperature": 0}',
        "--score",
        "90",
        "--status",
        "WARNING",
        "--input-tokens",
        "7",
    ]
    request_id = shell.ok("log", *flags, *times, *more, *last, stdin="piped text").strip()
    (stored,) = shell.rows("show", request_id)
    assert stored["start_time"] == "2026-01-31T12:00:00Z"
    assert stored["latency_ms"] == 812.5
    assert stored["metadata"] == {"user_id": "u1", "q": "a=b"}
    assert stored["tags"] == ["t1", "t2"]
    assert stored["scores"] == {"default": 90.0}
    assert stored["output"]["messages"][0]["content"][0]["text"] == "piped text"
    assert (stored["cost_usd"], stored["input_tokens"], stored["status"]) == (0.5, 7, "WARNING")
    assert stored["parameters"] == {"temperature": 0}


def test_json_on_stdin(shell: Shell) -> None:
    """JSON Lines log one request a line, an object over many lines one, and the ids come back in order."""
    own = "0190a5c2-1b3f-7abc-8def-0123456789ab"
    lines = f"{_line(request_id=own)}\n\n{_line(model='claude')}\n"
    logged = [json.loads(line) for line in shell.ok("log", "--json", stdin=lines).splitlines()]
    assert logged[0] == {"request_id": own}
    pretty = json.dumps(json.loads(_line(model="third")), indent=2)
    logged += [{"request_id": shell.ok("log", stdin=pretty).strip()}]
    assert {row["request_id"] for row in shell.rows("list")} == {one["request_id"] for one in logged}
    assert {row["model"] for row in shell.rows("list")} == {"gpt-4o", "claude", "third"}


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (_line(model=...), "line 1: log_request needs 'model'"),
        (_line(modl="x"), "did you mean 'model'?"),
        (_line(metadata={"n": 1}), "line 1: metadata value of key 'n'"),
        ('{"provider": ', "stdin: no JSON"),
        ("[1, 2]", "log takes objects"),
        ("", "stdin is empty"),
    ],
)
def test_wrong_json(shell: Shell, stdin: str, said: str) -> None:
    """What cannot be logged is said in one line that names the place."""
    assert said in shell.refused("log", stdin=stdin)


def test_a_wrong_line_among_good_ones(shell: Shell) -> None:
    """The lines before a wrong one are logged, and the message says how many."""
    done = shell.run("log", stdin=f"{_line()}\n{_line()}\nnonsense\n{_line()}\n")
    assert done.returncode == 1
    assert "line 3: no JSON" in done.stderr
    assert "the 2 before it are logged" in done.stderr
    assert len(shell.rows("list")) == len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize(
    "flags",
    [
        ["--model", "x"],
        ["--provider", "x", "--model", "y", "--start", "soon"],
        ["--provider", "x", "--model", "y", "--latency-ms", "nan"],
        ["--provider", "x", "--model", "y", "--meta", "user_id"],
        ["--provider", "x", "--model", "y", "--parameters", "{"],
        ["--provider", "x", "--model", "y", "--score", "101"],
    ],
)
def test_wrong_flags(shell: Shell, flags: list[str]) -> None:
    """Flags that make no request are refused in one line, and nothing is written."""
    shell.refused("log", *flags)
    assert not shell.store.with_name("store.duckdb.journal").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["log", "--provider", "x", "--model", "y"],
        ["track", "0190a5c2-1b3f-7abc-8def-0123456789ab", "a=b"],
    ],
)
def test_a_store_that_takes_no_more(shell: Shell, command: list[str]) -> None:
    """Where the disk refuses the line, the command fails: a script must not think it logged."""
    journal = shell.store.with_name("store.duckdb.journal")
    journal.mkdir()
    (journal / "segments").touch()
    assert "not logged" in shell.refused(*command)


def test_import(shell: Shell, tmp_path: Path) -> None:
    """A file of requests is loaded, and the number of them is the answer."""
    file = tmp_path / "requests.jsonl"
    file.write_text(f"{_line()}\n{_line(model='claude')}\n")
    assert shell.ok("import", str(file)) == "2 requests imported\n"
    assert {row["model"] for row in shell.rows("list")} == {"gpt-4o", "claude"}
    assert "nowhere.jsonl" in shell.refused("import", str(tmp_path / "nowhere.jsonl"))


def test_merge(shell: Shell, ids: list[str]) -> None:
    """Merge tells how many records it folded in, and the next one finds none."""
    assert shell.rows("merge") == [{"merged": len(ids), "rejected": 0}]
    assert shell.ok("merge") == "0 records merged\n"


def test_backfill(shell: Shell, tmp_path: Path) -> None:
    """A file's rows reach the requests they match; --json gives the report; what is wrong is one line."""
    for number, user in enumerate(("u1", "u2", "u1")):
        shell.ok("log", stdin=_line(metadata={"user_id": user}, request_start_time=1_789_999_990 + number))
    file = tmp_path / "customers.csv"
    file.write_text("customer,plan\nu1,pro\nu3,free\n")
    assert "would be inserted" in shell.ok("backfill", str(file), "--on", "user_id=customer", "--dry-run")
    assert [row["metadata"].get("plan") for row in shell.rows("list")] == [None] * 3
    shown = shell.ok("backfill", str(file), "--on", "user_id=customer")
    assert shown == (
        "2 rows read, 1 of them match 2 requests\n2 values inserted, 0 replaced, 0 unchanged\n"
        "1 row matches no request, such as customer 'u3'\n"
    )
    assert [row["metadata"].get("plan") for row in shell.rows("list")] == ["pro", None, "pro"]
    (report,) = shell.rows("backfill", str(file), "--on", "meta.user_id=customer", "--keep")
    assert (report["matched"], report["unchanged"], report["sample"]) == (1, 2, [{"customer": "u3"}])
    refused = shell.refused("backfill", str(file), "--on", "user_id")
    assert "no column 'user_id' to match by" in refused
    assert "--on user_id=COLUMN" in refused
