"""MLflow on its SQLite, in this process, without a server."""

from __future__ import annotations

import json
import logging
import os
import uuid
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BATCH = 500  # traces a transaction; 50 to 1,000 are alike
_SAMPLE = 200  # tags are set one by one
_ALL = 10_000_000


def open_mlflow(folder: Path) -> Any:
    """Return the module with an experiment in `folder`; no telemetry, each trace written when its call returns."""
    os.environ |= {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false",
    }
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    # Else the traces' artifacts go to the folder that the program was started in.
    made = mlflow.create_experiment("bench", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment(experiment_id=made)
    return mlflow


class Mlflow:
    """Traces with metadata as tags: its trace metadata cannot be changed, its tags can, and both are searched alike.

    Bulk is what MLflow's OTLP endpoint does with what it receives, called in process: about 8 times the speed of
    `mlflow.log_trace`, one by one or through the asynchronous queue.
    """

    name = "MLflow"
    calls: ClassVar[dict[str, str]] = {
        "load": f"OTLP ingestion in process, {_BATCH} at once",
        "user": "search_traces, tags",
        "groups": "search_traces without spans, pandas",
        "replace": f"set_trace_tag one by one, on {_SAMPLE}",
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mlflow = open_mlflow(folder)
        self.name = f"MLflow {self._mlflow.__version__}"
        self._experiment = self._mlflow.get_experiment_by_name("bench").experiment_id
        self._ids: list[str] = []

    @staticmethod
    def installed() -> bool:
        return find_spec("mlflow") is not None

    def load(self, rows: Sequence[dict[str, Any]]) -> None:
        from mlflow.entities.span import Span
        from mlflow.tracing.client import TracingClient

        client = TracingClient()
        for start in range(0, len(rows), _BATCH):
            spans = [Span.from_otel_proto(_span(row)) for row in rows[start : start + _BATCH]]
            client.log_spans(self._experiment, spans)
            self._ids += [span.trace_id for span in spans]

    def user(self, user: str, limit: int | None = None) -> Sequence[Any]:
        found: Sequence[Any] = self._mlflow.search_traces(
            locations=[self._experiment], filter_string=f"tags.user_id = '{user}'", max_results=limit, return_type="list"
        )  # fmt: skip
        return found

    def groups(self) -> pd.DataFrame:
        """Pull no spans, and no frame either: MLflow's own took twice as long as its list."""
        found = self._mlflow.search_traces(
            locations=[self._experiment], include_spans=False, max_results=_ALL, return_type="list"
        )
        told = [
            (
                trace.info.tags["user_id"],
                trace.info.token_usage["input_tokens"],
                trace.info.execution_duration,
            )
            for trace in found
        ]
        return by_user(pd.DataFrame(told, columns=["user_id", "tokens", "latency"]))

    def replace(self, value: str) -> int:
        sample = self._ids[:_SAMPLE]
        for trace_id in sample:
            self._mlflow.set_trace_tag(trace_id, "experiment", value)
        return len(sample)

    def size(self) -> int:
        return sum(file.stat().st_size for file in self._folder.rglob("*") if file.is_file())

    def close(self) -> None:
        self._mlflow.set_tracking_uri(None)


def by_user(frame: pd.DataFrame) -> pd.DataFrame:
    """Group a frame of user_id, tokens and latency in ms, as who has pulled it into pandas does."""
    users = frame.groupby("user_id")
    return pd.DataFrame(
        {"n": users.size(), "tokens": users["tokens"].sum(), "p95": users["latency"].quantile(0.95)}
    ).reset_index()


def _span(row: dict[str, Any]) -> Any:
    """Return a request as OTLP's span."""
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

    given = uuid.UUID(row["request_id"]).bytes
    usage = {"input_tokens": row["input_tokens"], "output_tokens": row["output_tokens"]}
    usage["total_tokens"] = sum(usage.values())
    said = {
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.llm.provider": row["provider"],
        "mlflow.llm.model": row["model"],
        "mlflow.spanInputs": json.dumps(row["input"]),
        "mlflow.spanOutputs": json.dumps(row["output"]),
        "mlflow.chat.tokenUsage": json.dumps(usage),
        **{f"mlflow.traceTag.{key}": value for key, value in row["metadata"].items()},
    }
    return Span(
        trace_id=given,
        span_id=given[8:],
        name="chat",
        status=Status(code=Status.STATUS_CODE_OK),
        start_time_unix_nano=round(row["request_start_time"] * 1e9),
        end_time_unix_nano=round(row["request_end_time"] * 1e9),
        attributes=[KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in said.items()],
    )
