"""Text search over 100,000 real prompts and answers, beside a scan by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Row, paired, timed
from benchmarks.stores import fill
from promptlog import PromptLog

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNT = 100_000
_PHRASES = ("famous actors", "it's important to", "chocolate cake", "the")
_BY_HAND = {
    "ILIKE": "input::VARCHAR ILIKE '%' || $p || '%' OR output::VARCHAR ILIKE '%' || $p || '%'",
    "contains, in this case alone": "contains(input::VARCHAR, $p) OR contains(output::VARCHAR, $p)",
}


def run() -> list[Row]:
    """Count the requests whose input or output has a phrase, in any case."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "texts.duckdb"
        fill(path, _COUNT)
        with PromptLog(path) as client:
            client.requests.count()
            return [
                _row(client, phrase, how, where) for how, where in _BY_HAND.items() for phrase in _PHRASES
            ]


def _row(client: PromptLog, phrase: str, how: str, where: str) -> Row:
    def ours() -> float:
        return timed(client.search(f'"{phrase}"').count)

    def raw() -> float:
        asked = client.sql(f"SELECT count(*) FROM requests WHERE {where}", {"p": phrase})
        return timed(asked.fetchall)

    mine, theirs, ratio = _paired(ours, raw)
    return Row(
        f'search "{phrase}" in {_COUNT:,} inputs and outputs', f"{mine * 1e3:,.0f} ms", f"a scan by {how} {theirs * 1e3:,.0f} ms",
        ratio, "≤ 1.2x" if how == "ILIKE" else "beside it", ratio <= 1.2 if how == "ILIKE" else None,
    )  # fmt: skip


def _paired(ours: Callable[[], float], raw: Callable[[], float]) -> tuple[float, float, float]:
    return paired(ours, raw, 7)
