"""The pages of `promptlog serve` over a million requests, while four processes log."""

from __future__ import annotations

import itertools
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from benchmarks.harness import Row
from benchmarks.workload import requests
from promptlog import PromptLog, until
from promptlog.identifiers import new_request_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COUNT = 1_000_000
_DAYS = 30
_AT_ONCE = 50_000
_PROCESSES, _A_SECOND = 4, 500
_ROUNDS, _WARM = 15, 3
_PROMPTS = ("cake-recipe", "support-triage", "summary", None)


_LOGGER = """
import sys, time, itertools
from benchmarks.workload import requests
from promptlog import PromptLog
client, pause = PromptLog(sys.argv[1]), 1 / float(sys.argv[2])
due = time.perf_counter()
for row in itertools.cycle(list(requests(2000))):
    now = time.time()
    client.log_request(**{**row, "request_start_time": now - 1, "request_end_time": now})
    due += pause
    time.sleep(max(due - time.perf_counter(), 0))
"""


def run() -> list[Row]:
    """Load a million requests, and ask for each page while four processes log 500 requests a second in all."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "pages.duckdb"
        fill(path)
        return measure(path)


def measure(path: Path) -> list[Row]:
    """Ask for each page of a store that is filled."""
    with PromptLog(path) as client:
        ids = client.requests.filter(until("15d")).limit(_ROUNDS + _WARM).ids()
    users = [f"user_{number * 37 % 3000}" for number in range(_ROUNDS + _WARM)]
    pages: list[tuple[str, Callable[[int], str], int]] = [
        ("list, first page", lambda _: "/", 150),
        ("list, next rows from the middle", lambda at: f"/requests/rows?after={ids[at]}", 150),
        ("list, errors by cost", lambda _: "/?q=status:error&sort=-cost_usd", 150),
        ("list by a metadata key", lambda _: "/?sort=meta.user_id", 150),
        ("list by a metadata key, next rows", lambda at: f"/requests/rows?sort=meta.user_id&after={ids[at]}", 150),
        ("facets of all", lambda _: "/requests/facets", 150),
        ("facets of a tag", lambda _: "/requests/facets?q=tag:beta", 150),
        ("search by metadata, with its facets", lambda at: f"/?q=user_id:{users[at]}", 150),
        ("search by metadata, the rows", lambda at: f"/requests/rows?q=user_id:{users[at]}", 50),
        ("a request", lambda at: f"/requests/{ids[at]}", 50),
        ("its neighbours", lambda at: f"/requests/{ids[at]}/near", 150),
        ("suggested values", lambda at: f"/suggest?q=user_id:user_{at}", 50),
        ("sessions, the newest", lambda _: "/sessions/rows", 150),
        ("sessions of a week, by cost", lambda _: "/sessions/rows?q=since:7d&by_column=-cost_usd", 300),
        ("a session, read", lambda at: f"/sessions/one?value=sess_{at * 37}_3", 150),
        ("a user, read", lambda at: f"/sessions/one?key=user_id&value={users[at]}", 150),
        ("a user, the turns from the middle", lambda at: f"/sessions/one/turns?key=user_id&value={users[at]}&after={ids[at]}", 150),
        ("analytics of a month", lambda _: "/analytics/charts", 600),
        ("analytics of a month by model", lambda _: "/analytics/charts?by=model", 600),
        ("analytics of a month by user", lambda _: "/analytics/charts?by=user_id", 600),
    ]  # fmt: skip
    rows = []
    with _serving(path) as url, httpx.Client(base_url=url, timeout=60) as browser:
        for busy in (False, True):
            with _logging(path if busy else None):
                for name, address, goal in pages:
                    took_ms = statistics.median(
                        [_took_ms(browser, address(at)) for at in range(_ROUNDS + _WARM)][_WARM:]
                    )
                    beside = f", {_PROCESSES} processes logging {_A_SECOND}/s" if busy else ""
                    rows.append(
                        Row(
                            f"page: {name}{beside}",
                            f"{took_ms:.0f} ms",
                            "-",
                            None,
                            f"≤ {goal} ms",
                            took_ms <= goal,
                        )
                    )
    return rows


def _took_ms(browser: httpx.Client, address: str) -> float:
    time.sleep(0.1)  # somebody who looks; what was logged meanwhile is merged by the next question
    began = time.perf_counter()
    answer = browser.get(address)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, answer.text
    return took


@contextmanager
def _serving(path: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "promptlog", "--store", str(path), "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = next(found for line in process.stderr if (found := re.search(r"base_url=(\S+)", line)))
    try:
        yield told[1]
    finally:
        process.terminate()
        process.wait(30)
        process.stderr.close()


@contextmanager
def _logging(path: Path | None) -> Iterator[None]:
    command = [sys.executable, "-c", _LOGGER, str(path), str(_A_SECOND / _PROCESSES)]
    started = [subprocess.Popen(command) for _ in range(_PROCESSES)] if path is not None else []
    time.sleep(1 if started else 0)
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def fill(path: Path, count: int = _COUNT) -> None:
    """Load `count` requests that started in the last 30 days: some failed, most came from a prompt."""
    import pyarrow as pa

    rows = _recent(count)
    with PromptLog(path) as client:
        while some := list(itertools.islice(rows, _AT_ONCE)):
            columns = {name: pa.array([row[name] for row in some]) for name in some[0] if name != "metadata"}
            pairs = pa.array(
                [list(row["metadata"].items()) for row in some], pa.map_(pa.string(), pa.string())
            )
            client.log_many(pa.table({**columns, "metadata": pairs}), progress=False)
        client.compact(progress=False)


def _recent(count: int) -> Iterator[dict[str, Any]]:
    step = _DAYS * 86_400 / count
    first = time.time() - _DAYS * 86_400
    for number, row in enumerate(requests(count)):
        start = first + number * step
        took = row["request_end_time"] - row["request_start_time"]
        failed = number % 53 == 0
        prompt = _PROMPTS[number % len(_PROMPTS)]
        yield {
            **row,
            "request_id": new_request_id(round(start * 1e6)),
            "request_start_time": start,
            "request_end_time": start + took,
            "status": "ERROR" if failed else "SUCCESS",
            "error_type": "PROVIDER_RATE_LIMIT" if failed else None,
            "error_message": "429: too many requests" if failed else None,
            "output": None if failed else row["output"],
            "prompt_name": prompt,
            "prompt_version_number": None if prompt is None else 1 + number % 3,
        }
