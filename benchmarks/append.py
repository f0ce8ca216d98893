"""What a logging call costs its caller, beside serialising the same record and writing it, SQLite, and MLflow."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from benchmarks.harness import Row, quantile
from benchmarks.rivals.mlflow import Mlflow, open_mlflow
from benchmarks.workload import two_kilobytes
from promptlog import PromptLog
from promptlog.models.build import request_record

_BLOCK = 500
_BLOCKS = 20


class ByHand:
    """Serialise the same record, write it with one call."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / "by-hand.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def log(self, prepared: dict[str, Any]) -> None:
        """Write one record."""
        os.write(self._fd, to_json(prepared) + b"\n")


class Sqlite:
    """The honest rival: WAL, synchronous=NORMAL, an index on (key, value)."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "rival.sqlite", isolation_level=None)
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE requests (request_id TEXT PRIMARY KEY, start REAL, end REAL, provider TEXT, model TEXT,"
            " input TEXT, output TEXT, input_tokens INT, output_tokens INT, price REAL);"
            "CREATE TABLE metadata (request_id TEXT, key TEXT, value TEXT, PRIMARY KEY (request_id, key));"
            "CREATE TABLE tags (request_id TEXT, tag TEXT, PRIMARY KEY (request_id, tag));"
            "CREATE INDEX by_value ON metadata (key, value);"
        )

    def log(self, row: dict[str, Any], request_id: str) -> None:
        """Insert one request with its metadata and tags, and commit."""
        db = self._db
        db.execute("BEGIN")
        db.execute(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                request_id, row["request_start_time"], row["request_end_time"], row["provider"], row["model"],
                json.dumps(row["input"]), json.dumps(row["output"]), row["input_tokens"], row["output_tokens"],
                row["price"],
            ),
        )  # fmt: skip
        db.executemany(
            "INSERT OR REPLACE INTO metadata VALUES (?, ?, ?)",
            [(request_id, k, v) for k, v in row["metadata"].items()],
        )
        db.executemany(
            "INSERT OR REPLACE INTO tags VALUES (?, ?)", [(request_id, tag) for tag in row["tags"]]
        )
        db.execute("COMMIT")


def run() -> list[Row]:
    """Time 10,000 calls of each, in blocks that take turns."""
    rows = two_kilobytes(_BLOCK * _BLOCKS)
    prepared = [request_record(**row) for row in rows]
    ours: list[float] = []
    by_hand: list[float] = []
    rival: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        client, plain, sqlite = PromptLog(folder / "bench.duckdb"), ByHand(folder), Sqlite(folder)
        for row in rows[:200]:  # warm
            client.log_request(**row)
        clock = time.perf_counter
        for block in range(_BLOCKS):
            part = slice(block * _BLOCK, (block + 1) * _BLOCK)
            for row in rows[part]:
                start = clock()
                client.log_request(**row)
                ours.append(clock() - start)
            for record in prepared[part]:
                start = clock()
                plain.log(record)
                by_hand.append(clock() - start)
            for row, record in zip(rows[part], prepared[part], strict=True):
                start = clock()
                sqlite.log(row, record["request_id"])
                rival.append(clock() - start)
    p50, p99, hand, sql = (
        quantile(values, q) * 1e6 for values, q in ((ours, 0.5), (ours, 0.99), (by_hand, 0.5), (rival, 0.5))
    )
    results = [
        Row("log_request, 2 KB, p50", f"{p50:.1f} us", f"serialise + write {hand:.1f} us", p50 / hand, "≤ 20 us, ≤ 4x", p50 <= 20 and p50 / hand <= 4),
        Row("log_request, 2 KB, p99", f"{p99:.1f} us", f"serialise + write {quantile(by_hand, 0.99) * 1e6:.1f} us", p99 / (quantile(by_hand, 0.99) * 1e6), "≤ 100 us", p99 <= 100),
        Row("log_request, 2 KB, p50", f"{p50:.1f} us", f"SQLite {sql:.1f} us", p50 / sql, "beside it", None),
    ]  # fmt: skip
    return [*results, *_mlflow(rows, p50)]


def _mlflow(rows: list[dict[str, Any]], p50_us: float) -> list[Row]:
    """MLflow, each trace written when the call returns; left out where it is not installed."""
    if not Mlflow.installed():
        return []
    times = []
    with tempfile.TemporaryDirectory() as name:
        mlflow = open_mlflow(Path(name))
        for row in rows[:60]:
            start = time.perf_counter()
            with mlflow.start_span(name="chat", span_type="CHAT_MODEL") as span:
                span.set_inputs(row["input"])
                span.set_outputs(row["output"])
                mlflow.update_current_trace(metadata=row["metadata"])
            times.append(time.perf_counter() - start)
    theirs = quantile(times[10:], 0.5) * 1e6
    return [Row("log_request, 2 KB, p50", f"{p50_us:.1f} us", f"MLflow {mlflow.__version__} {theirs:,.0f} us", p50_us / theirs, "beside it", None)]  # fmt: skip
