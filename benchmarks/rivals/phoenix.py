"""Arize Phoenix: a server of its own on loopback, on its SQLite, through its client."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, ClassVar

from benchmarks.rivals.mlflow import by_user

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

_PROJECT = "bench"
_BATCH = 1000
_SAMPLE = 2000
_ALL = 10_000_000
_PATIENCE_S = 120
_POLL_S = 0.2


class Phoenix:
    """Spans with metadata as the attribute `metadata`, which cannot be changed once it is there.

    What it offers instead are annotations of a span, under a name, with a label: these can be replaced, in bulk.
    """

    name = "Phoenix"
    calls: ClassVar[dict[str, str]] = {
        "load": "log_spans, until they can be asked for",
        "user": "get_spans, attributes",
        "groups": "get_spans_dataframe of 3 fields, pandas",
        "replace": f"log_span_annotations, on {_SAMPLE:,} at most; metadata cannot change",
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = f"Phoenix {version('arize-phoenix')}"
        port, grpc = _free_port(), _free_port()
        self._log = (folder / "server.log").open("w")
        self._server = subprocess.Popen(
            [sys.executable, "-c", "from phoenix.server.main import main; main()", "serve"],
            env={
                **os.environ,
                "PHOENIX_WORKING_DIR": str(folder),
                "TMPDIR": str(folder),  # it keeps a folder there too
                "PHOENIX_HOST": "127.0.0.1",
                "PHOENIX_PORT": str(port),
                "PHOENIX_GRPC_PORT": str(grpc),
                "PHOENIX_TELEMETRY_ENABLED": "false",
                "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
                "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
                "PHOENIX_MAX_SPANS_QUEUE_SIZE": str(_ALL),  # else it refuses what is more than 20,000 behind
            },
            stdout=self._log,
            stderr=self._log,
        )
        try:
            self._wait(f"http://127.0.0.1:{port}/healthz")
            from phoenix.client import Client

            self._client = Client(base_url=f"http://127.0.0.1:{port}")
            self._client.projects.create(name=_PROJECT)
        except BaseException:
            self.close()
            raise
        self._ids: list[str] = []

    @staticmethod
    def installed() -> bool:
        try:
            version("arize-phoenix")
        except PackageNotFoundError:
            return False
        return True

    def load(self, rows: Sequence[dict[str, Any]]) -> None:
        spans = self._client.spans
        for start in range(0, len(rows), _BATCH):
            given = [_span(row) for row in rows[start : start + _BATCH]]
            spans.log_spans(project_identifier=_PROJECT, spans=given, timeout=_PATIENCE_S)
            self._ids += [span["context"]["span_id"] for span in given]
        # What log_spans took waits in a queue in the server's memory; it is there when the last one is.
        while not spans.get_spans(
            project_identifier=_PROJECT, span_ids=self._ids[-1:], limit=1, timeout=_PATIENCE_S
        ):
            time.sleep(_POLL_S)

    def user(self, user: str, limit: int | None = None) -> Sequence[Any]:
        found: Sequence[Any] = self._client.spans.get_spans(
            project_identifier=_PROJECT, attributes={"metadata.user_id": user}, limit=limit or _ALL, timeout=_PATIENCE_S
        )  # fmt: skip
        return found

    def groups(self) -> pd.DataFrame:
        from phoenix.client.types.spans import SpanQuery

        names = {"metadata.user_id": "user_id", "llm.token_count.prompt": "tokens", "latency_ms": "latency"}
        found = self._client.spans.get_spans_dataframe(
            project_identifier=_PROJECT, query=SpanQuery().select(*names), limit=_ALL, timeout=_PATIENCE_S
        )
        return by_user(found.rename(columns=names))

    def replace(self, value: str) -> int:
        sample = self._ids[:_SAMPLE]
        for start in range(0, len(sample), _BATCH):
            self._client.spans.log_span_annotations(
                span_annotations=[
                    {"name": "experiment", "span_id": span_id, "annotator_kind": "CODE", "result": {"label": value}}
                    for span_id in sample[start : start + _BATCH]
                ],
                sync=True,
            )  # fmt: skip
        return len(sample)

    def size(self) -> int:
        database = sqlite3.connect(self._folder / "phoenix.db")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        database.close()
        return (self._folder / "phoenix.db").stat().st_size

    def close(self) -> None:
        self._server.terminate()
        try:
            self._server.wait(30)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._log.close()

    def _wait(self, address: str) -> None:
        end = time.monotonic() + _PATIENCE_S
        while time.monotonic() < end and self._server.poll() is None:
            try:
                with urllib.request.urlopen(address, timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(_POLL_S)
        raise RuntimeError(f"Phoenix did not start:\n{(self._folder / 'server.log').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _span(row: dict[str, Any]) -> Any:
    """Return a request as a span of Phoenix's. Metadata stays a dict: as JSON text it could not be searched."""
    given = uuid.UUID(row["request_id"])
    return {
        "name": "chat",
        "context": {"trace_id": given.hex, "span_id": given.hex[16:]},
        "span_kind": "LLM",
        "status_code": "OK",
        "start_time": datetime.fromtimestamp(row["request_start_time"], UTC).isoformat(),
        "end_time": datetime.fromtimestamp(row["request_end_time"], UTC).isoformat(),
        "attributes": {
            "llm.provider": row["provider"],
            "llm.model_name": row["model"],
            "llm.token_count.prompt": row["input_tokens"],
            "llm.token_count.completion": row["output_tokens"],
            "input.value": json.dumps(row["input"]),
            "input.mime_type": "application/json",
            "output.value": json.dumps(row["output"]),
            "output.mime_type": "application/json",
            "metadata": row["metadata"],
            "tag.tags": row["tags"],
        },
    }
