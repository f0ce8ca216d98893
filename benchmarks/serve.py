"""The server with one worker, and who logs through it beside it on the other core: `/log-request` and `/v1/traces`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Row
from benchmarks.otel import spans as made_spans
from benchmarks.workload import requests
from promptlog import PromptLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_REQUESTS, _CONNECTIONS = 10_000, 16
_BATCH = 512  # spans in a request, as the SDK's batch processor sends them
_ROUNDS = 3
_GOAL_REQUESTS, _GOAL_SPANS, _GOAL_MB = 2_000, 10_000, 300


def run() -> list[Row]:
    """Log 10,000 requests over 16 connections and 10,240 spans over 4; each is in the journal when it is answered."""
    with (
        tempfile.TemporaryDirectory() as name,
        _serving(path := Path(name) / "serve.duckdb") as (port, process),
    ):
        bodies = [json.dumps(row, default=str).encode() for row in requests(_REQUESTS)]
        packed = _batches()
        _send(port, "/log-request", "application/json", bodies[:1000], _CONNECTIONS)  # warm
        logged = min(
            _send(port, "/log-request", "application/json", bodies, _CONNECTIONS) for _ in range(_ROUNDS)
        )
        in_journal = sum(
            part.stat().st_size
            for part in path.with_name(f"{path.name}.journal").rglob("*")
            if part.is_file()
        )
        traced = min(
            _send(port, "/v1/traces", "application/x-protobuf", [body for body, _ in packed], 4)
            for _ in range(_ROUNDS)
        )
        resident = _resident_mb(process.pid)
        for question in (b"{}", b'{"q": "the"}'):
            _send(port, "/api/public/v2/requests/search", "application/json", [question], 1)
            _send(port, "/api/public/v2/requests/analytics", "application/json", [question], 1)
        asked = _resident_mb(process.pid)
        found = PromptLog(path).requests.count()
    rate, spans = _REQUESTS / logged, sum(count for _, count in packed) / traced
    assert in_journal > sum(map(len, bodies)) / 2
    assert found >= _REQUESTS
    by_hand = _by_hand(bodies)
    return [
        Row("/log-request, one worker", f"{rate:,.0f}/s", f"the same in process {by_hand:,.0f}/s", by_hand / rate,
            f"≥ {_GOAL_REQUESTS:,}/s", rate >= _GOAL_REQUESTS),
        Row("/v1/traces, 512 spans a request", f"{spans:,.0f} spans/s", "-", None, f"≥ {_GOAL_SPANS:,}/s", spans >= _GOAL_SPANS),
        Row("memory of the server after both", f"{resident:.0f} MB", "-", None, f"≤ {_GOAL_MB} MB", resident <= _GOAL_MB),
        Row(f"and after searches and analytics of {found:,} requests", f"{asked:,.0f} MB", "DuckDB's limit 1,000 MB", None,
            f"≤ {1000 + _GOAL_MB:,} MB", asked <= 1000 + _GOAL_MB),
    ]  # fmt: skip


def _by_hand(bodies: Sequence[bytes]) -> float:
    """Return how many requests a second a program logs by itself, of the same JSON."""
    with tempfile.TemporaryDirectory() as name, PromptLog(Path(name) / "alone.duckdb") as client:
        start = time.perf_counter()
        for body in bodies:
            client.log_request(**json.loads(body))
        return len(bodies) / (time.perf_counter() - start)


def _batches() -> list[tuple[bytes, int]]:
    """Return requests of OTLP, and how many spans each holds."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    spans = made_spans(calls_only=False)
    parts = [spans[at : at + _BATCH] for at in range(0, len(spans), _BATCH)]
    return [(encode_spans(part).SerializeToString(), len(part)) for part in parts]


@contextmanager
def _serving(path: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "promptlog", "--store", str(path), "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if told := re.search(r"base_url=http://127.0.0.1:(\d+)", line):
            break
    else:
        raise AssertionError("the server did not begin")
    try:
        yield int(told[1]), process
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def _resident_mb(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _send(port: int, path: str, kind: str, bodies: Sequence[bytes], connections: int) -> float:
    """Send bodies over kept connections, each waiting for its answer before the next; return the seconds."""

    async def one(mine: Sequence[bytes]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for body in mine:
            head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            said = await reader.readuntil(b"\r\n\r\n")
            assert said.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")), said
            length = re.search(rb"content-length: (\d+)", said)
            await reader.readexactly(int(length[1]) if length else 0)
        writer.close()

    async def all() -> None:
        await asyncio.gather(*(one(bodies[number::connections]) for number in range(connections)))

    start = time.perf_counter()
    asyncio.run(all())
    return time.perf_counter() - start
