"""promptlog itself, behind the same face as the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from promptlog import PromptLog, col, count, meta

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COLUMNS = (
    "request_id",
    "start_time",
    "end_time",
    "provider",
    "model",
    "input",
    "output",
    "input_tokens",
    "output_tokens",
    "cost_usd",
)


class Ours:
    """A store as `log_many` leaves it, not compacted."""

    name = "promptlog"
    calls: ClassVar[dict[str, str]] = {}

    def __init__(self, folder: Path) -> None:
        self._client = PromptLog(folder / "ours.duckdb")
        self._client.requests.count()  # makes the tables
        self._ids: list[str] = []

    @staticmethod
    def installed() -> bool:
        return True

    def load(self, rows: Sequence[dict[str, Any]]) -> None:
        self._client.log_many(rows, progress=False)
        self._ids = [row["request_id"] for row in rows]

    def user(self, user: str, limit: int | None = None) -> Sequence[Any]:
        asked = self._client.requests.filter(meta("user_id") == user).select(*_COLUMNS).with_metadata()
        return (asked if limit is None else asked.limit(limit)).dicts()

    def groups(self) -> pd.DataFrame:
        grouped = self._client.requests.group_by(meta("user_id"))
        return grouped.agg(n=count(), tokens=col.input_tokens.sum(), p95=col.latency_ms.quantile(0.95)).df()

    def replace(self, value: str) -> int:
        frame = pd.DataFrame({"request_id": self._ids, "experiment": value})
        return self._client.backfill(frame, on="request_id", progress=False).replaced

    def size(self) -> int:
        self._client.close()
        size = self._client.path.stat().st_size
        self._client.requests.count()  # open and warm again
        return size

    def close(self) -> None:
        self._client.close()
