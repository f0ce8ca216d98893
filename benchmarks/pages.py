"""The pages of `promptlog serve` over a million requests, while four processes log."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from benchmarks.workload import requests
from promptlog import PromptLog
from promptlog.identifiers import new_request_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_COUNT = 1_000_000
_DAYS = 30
_AT_ONCE = 50_000
_PROMPTS = ("cake-recipe", "support-triage", "summary", None)


def fill(path: Path, count: int = _COUNT) -> None:
    """Load `count` requests that started in the last 30 days: some failed, most came from a prompt."""
    import pyarrow as pa

    rows = _recent(count)
    with PromptLog(path) as client:
        while some := list(itertools.islice(rows, _AT_ONCE)):
            columns = {name: pa.array([row[name] for row in some]) for name in some[0] if name != "metadata"}
            pairs = pa.array([list(row["metadata"].items()) for row in some], pa.map_(pa.string(), pa.string()))
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
