"""What `run` adds to the model's own time, a replay in a store of a million, and two hundred runs at once.

The model is the tests' server on loopback, in a process of its own, that answers at once.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai

from benchmarks.harness import Row, quantile
from benchmarks.stores import fill_short
from promptlog import AsyncPromptLog, PromptLog

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAIRS = 2000
_REPLAYS = 200
_AT_ONCE = 200
_VARIABLES = {"cake_type": "Chocolate", "serving_size": "8"}
_TEXT = "You are a baker. Give a recipe for a {{ cake_type }} cake that serves {{ serving_size }}."
_SERVER = """
import sys
from tests.wire import Wire
with Wire() as wire:
    print(wire.openai(), flush=True)
    sys.stdin.read()
"""


@contextmanager
def _served() -> Iterator[str]:
    """Give the address of a provider in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()


def run() -> list[Row]:
    with tempfile.TemporaryDirectory() as name, _served() as address:
        return [_added(Path(name), address), *_replayed(Path(name)), *_crowd(Path(name), address)]


def _publish(client: PromptLog, provider: str) -> None:
    client.templates.publish(
        {
            "prompt_name": "cake-recipe",
            "prompt_template": {
                "type": "chat",
                "messages": [{"role": "user", "content": _TEXT, "template_format": "jinja2"}],
            },
            "metadata": {"model": {"provider": provider, "name": "gpt-4o", "parameters": {"temperature": 0}}},
        }
    )


def _added(folder: Path, address: str) -> Row:
    """Run and the SDK's own call with the same messages, in turn, with one client of the SDK."""
    sdk = openai.OpenAI(base_url=address, api_key="sk-bench")
    text = _TEXT.replace("{{ cake_type }}", "Chocolate").replace("{{ serving_size }}", "8")
    messages: list[Any] = [{"role": "user", "content": text}]
    ours, theirs, added = [], [], []
    with PromptLog(folder / "added.duckdb", providers={"openai": sdk}) as client:
        _publish(client, "openai")
        clock = time.perf_counter
        for number in range(_PAIRS + 200):
            took = {}
            for who in (0, 1) if number % 2 else (1, 0):
                start = clock()
                if who:
                    client.run(
                        "cake-recipe",
                        input_variables=_VARIABLES,
                        tags=["production"],
                        metadata={"user_id": "u1"},
                    )
                else:
                    sdk.chat.completions.create(model="gpt-4o", messages=messages, temperature=0)
                took[who] = clock() - start
            if number >= 200:  # warm
                ours.append(took[1])
                theirs.append(took[0])
                added.append(took[1] - took[0])
        assert client.requests.count() == _PAIRS + 200
    mine, sdks, more = statistics.median(ours), statistics.median(theirs), statistics.median(added) * 1e6
    return Row(
        f"run of a Jinja2 template, with a tag and metadata, p50 of {_PAIRS:,}", f"{mine * 1e6:,.0f} us",
        f"openai's SDK {sdks * 1e6:,.0f} us, so {more:.0f} us more", mine / sdks, "≤ 150 us more", more <= 150,
    )  # fmt: skip


def _replayed(folder: Path) -> list[Row]:
    """Replay the same request again and again in a store of a million, each with a key of its own."""
    path = folder / "million.duckdb"
    fill_short(path, 1_000_000, 50_000, replayable=True)
    rows = []
    with PromptLog(path, providers={"local": lambda **_: "With flour."}) as client:
        _publish(client, "local")
        client.run("cake-recipe", input_variables=_VARIABLES)
        for stream in (False, True):
            times = []
            for _ in range(_REPLAYS + 10):
                start = time.perf_counter()
                answer = client.run("cake-recipe", input_variables=_VARIABLES, replay="always", stream=stream)
                if stream:
                    list(answer)
                times.append((time.perf_counter() - start) * 1e3)
            p50, p99 = quantile(times[10:], 0.5), quantile(times[10:], 0.99)
            rows.append(
                Row(
                    f"replay of 1,000,000 requests{', as a stream' if stream else ''}, p50 of {_REPLAYS}",
                    f"{p50:.1f} ms", f"p99 {p99:.1f} ms", None, "≤ 5 ms", p50 <= 5,
                )
            )  # fmt: skip
    return rows


def _crowd(folder: Path, address: str) -> list[Row]:
    """Run two hundred prompts at once in one event loop, five times, beside the SDK's own calls."""
    path = folder / "crowd.duckdb"
    with PromptLog(path) as client:
        _publish(client, "openai")
    walls, sdks, ids = asyncio.run(_at_once(path, address))
    with PromptLog(path) as client:
        rows = client.sql("SELECT request_id::VARCHAR, latency_ms FROM requests").fetchall()
    latencies = dict(rows)
    lost = len(set(ids) - set(latencies))
    added = [wall - latencies[request_id] for wall, request_id in zip(walls, ids, strict=True)]
    p99 = quantile(added, 0.99)
    return [
        Row(
            f"{_AT_ONCE} runs at once, what each takes beside its model, p99 of {len(walls):,}", f"{p99:.2f} ms",
            f"{lost} lost", None, "≤ 5 ms, none lost", p99 <= 5 and not lost,
        ),
        Row(
            f"{_AT_ONCE} runs at once, p99 of each from call to answer", f"{quantile(walls, 0.99):.0f} ms",
            f"openai's SDK {quantile(sdks, 0.99):.0f} ms", quantile(walls, 0.99) / quantile(sdks, 0.99), "beside it", None,
        ),
    ]  # fmt: skip


async def _at_once(path: Path, address: str) -> tuple[list[float], list[float], list[str]]:
    sdk = openai.AsyncOpenAI(base_url=address, api_key="sk-bench")
    walls: list[float] = []
    sdks: list[float] = []
    ids: list[str] = []
    client = AsyncPromptLog(path, providers={"openai": sdk})

    async def ours(*, count: bool) -> None:
        start = time.perf_counter()
        answer = await client.run("cake-recipe", input_variables=_VARIABLES)
        if count:
            walls.append((time.perf_counter() - start) * 1e3)
        ids.append(answer["request_id"])

    async def theirs() -> None:
        start = time.perf_counter()
        await sdk.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": _TEXT}], temperature=0
        )
        sdks.append((time.perf_counter() - start) * 1e3)

    await asyncio.gather(*(ours(count=False) for _ in range(_AT_ONCE)))  # warm: connections are made
    warm = len(ids)
    for _ in range(5):
        await asyncio.gather(*(theirs() for _ in range(_AT_ONCE)))
        await asyncio.gather(*(ours(count=True) for _ in range(_AT_ONCE)))
    client.close()
    return walls, sdks, ids[warm:]
