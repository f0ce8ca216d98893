"""`demo`: the project's main job on one screen, with real processes and a real store."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptlog.cli.screen import Column, console, note, print_on
from promptlog.cli.text import cell, latency, short_time, usd
from promptlog.client import PromptLog
from promptlog.errors import InvalidInputError, StoreError
from promptlog.expressions.face import meta

if TYPE_CHECKING:
    from rich.console import Console

    from promptlog.models.request import Request

_PROCESSES = 4
_REQUESTS = 500  # each
_USER = "user_007"
_SHOWN = 4
_SUMMARY = """
SELECT model, count(*) AS requests, sum(input_tokens + output_tokens) AS tokens, sum(cost_usd) AS cost,
       quantile_cont(latency_ms, 0.95) AS p95, count(*) FILTER (status = 'ERROR') AS errors
FROM requests GROUP BY model ORDER BY requests DESC
"""


def run(store: str | None) -> None:
    """Fill a fresh store, at `store` or in a temporary folder, and show what can be asked of it.

    Raises:
        InvalidInputError: there is a store at that path already.
    """
    path = store or str(Path(tempfile.mkdtemp(prefix="promptlog-demo-")) / "demo.duckdb")
    client = PromptLog(path)
    if client.path.exists() or client.path.with_name(client.path.name + ".journal").exists():
        raise InvalidInputError(f"{client.path} is there already; demo fills a fresh store: name a new file")
    on = console()
    _log(on, client.path)
    request = _find(on, client)
    _track(on, client, request)
    _summarise(on, client)
    _close(on, client.path, request, made=store is None)


def _log(on: Console, path: Path) -> None:
    note(f"starting {_PROCESSES} processes …")
    done = _side_by_side(path)
    total = sum(process["requests"] for process in done)
    _title(on, 1, f"{_PROCESSES} processes logged {total:,} requests side by side, none waiting for another")
    columns = [Column("process"), Column("requests", right=True), Column("a call took", right=True)]
    rows = [
        [f"{p['pid']}", f"{p['requests']:,}", f"{p['seconds'] / p['requests'] * 1e6:.0f} µs"] for p in done
    ]
    print_on(on, columns, rows, indent=3)


def _side_by_side(path: Path) -> list[dict[str, Any]]:
    """Let processes of their own log at the same time, and return what each says of it."""
    with ExitStack() as ending:
        started = []
        for seed in range(_PROCESSES):
            command = [sys.executable, "-m", "promptlog.cli.demo_load", str(path), str(seed), str(_REQUESTS)]
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is ours; they end when their stdin does
            )
            ending.enter_context(process)
            ending.callback(process.kill)
            started.append(process)
        if not all(process.stdout and process.stdout.readline() for process in started):
            raise _failed(started)
        try:
            for process in started:
                assert process.stdin is not None  # noqa: S101 - it is a pipe
                process.stdin.write("go\n")
                process.stdin.flush()
        except BrokenPipeError:
            raise _failed(started) from None
        answers = []
        for process in started:
            said, _ = process.communicate()
            if process.returncode:
                raise _failed([process])
            answers.append(json.loads(said))
        return answers


def _failed(started: list[subprocess.Popen[str]]) -> StoreError:
    for process in started:
        process.kill()
    said = [line for process in started if process.stderr for line in process.stderr.read().splitlines()]
    return StoreError(f"a process of the demo ended early: {said[-1] if said else 'it says nothing'}")


def _find(on: Console, client: PromptLog) -> Request:
    began = time.perf_counter()
    records = client.merge()
    merged_ms = (time.perf_counter() - began) * 1000
    asked = client.requests.filter(meta("user_id") == _USER)
    found = asked.ids()
    began = time.perf_counter()
    found = asked.ids()
    took_ms = (time.perf_counter() - began) * 1000
    _title(on, 2, f"Found the {len(found)} requests of one user in {took_ms:.1f} ms")
    _say(on, f"(the first question had folded {records:,} records into the tables: {merged_ms:.0f} ms, once)")
    _say(on, f'client.requests.filter(meta("user_id") == "{_USER}")')
    requests = list(asked.limit(_SHOWN))
    columns = [
        Column("id", style="cyan"),
        Column("time (UTC)"),
        Column("model", shrinks=True),
        Column("latency", right=True),
        Column("cost", right=True),
    ]
    rows = [
        [r.request_id[:18], short_time(r.start_time), cell(r.model), latency(r.latency_ms), usd(r.cost_usd)]
        for r in requests
    ]
    print_on(on, columns, rows, indent=3)
    return requests[0]


def _track(on: Console, client: PromptLog, request: Request) -> None:
    tracked = {"plan": "enterprise", "ticket": "T-1042"}
    began = time.perf_counter()
    client.track.metadata(request.request_id, tracked)
    client.track.score(request.request_id, 95)
    took_us = (time.perf_counter() - began) / 2 * 1e6
    after = client.requests.get(request.request_id)
    _title(on, 3, f"Metadata tracked later, {took_us:.0f} µs a call: a key is replaced, the others stay")
    _say(on, f"client.track.metadata(request_id, {json.dumps(tracked)})")
    columns = [Column("key"), Column("before"), Column("after", style="green")]
    keys = dict.fromkeys([*request.metadata, *after.metadata])
    rows = [[key, request.metadata.get(key, "-"), after.metadata.get(key, "-")] for key in keys]
    rows.append(["score", "-", f"{after.scores['default']:g}"])
    print_on(on, columns, rows, indent=3)


def _summarise(on: Console, client: PromptLog) -> None:
    began = time.perf_counter()
    rows = client.sql(_SUMMARY).fetchall()
    took_ms = (time.perf_counter() - began) * 1000
    _title(on, 4, f"All requests by model, in {took_ms:.1f} ms")
    columns = [
        Column("model"),
        *(Column(name, right=True) for name in ("requests", "tokens", "cost", "p95", "errors")),
    ]
    told = [
        [cell(model), f"{count:,}", f"{tokens:,}", f"${cost:,.2f}", latency(p95), f"{errors}"]
        for model, count, tokens, cost, p95, errors in rows
    ]
    print_on(on, columns, told, indent=3)


def _as_called() -> str:
    """The command as it can be pasted: by its path where the shell would not find it."""
    import shutil

    if shutil.which("promptlog"):
        return "promptlog"
    called = Path(sys.argv[0])
    return (
        shlex.quote(str(called))
        if called.name == "promptlog"
        else f"{shlex.quote(sys.executable)} -m promptlog"
    )


def _close(on: Console, path: Path, request: Request, *, made: bool) -> None:
    from rich.text import Text

    _title(on, 5, "It is yours to try")
    me = _as_called()
    for line in (
        f"export PROMPTLOG_PATH={shlex.quote(str(path))}",
        f"{me} list --meta user_id={_USER} --show plan",
        f"{me} show {request.request_id[:18]}",
        f"{me} search 'user_id:{_USER} latency_ms>500'",
        f"{me} top user_id --by cost",
        f"{me} stats",
        f"{me} sql \"select value, count(*) from metadata where key = 'plan' group by 1\"",
        f"rm -r {shlex.quote(str(path.parent))}   # when you are done" if made else "",
    ):
        if line:
            on.print(Text(f"   {line}", style="cyan"), soft_wrap=True)


def _title(on: Console, number: int, text: str) -> None:
    from rich.text import Text

    on.print(Text(f"{number}  ", style="bold cyan").append(text, style="not cyan"), soft_wrap=True)


def _say(on: Console, text: str) -> None:
    from rich.text import Text

    on.print(Text(f"   {text}", style="dim"), soft_wrap=True)
