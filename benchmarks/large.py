"""Ten million requests, 50 million metadata rows: look-ups beside DuckDB sorted by hand, compaction, a long backfill.

Takes a quarter of an hour and 12 GB of disk.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.harness import Row, paired
from benchmarks.memory import PEAK, output
from benchmarks.million import Sides, _time
from benchmarks.stores import by_hand, fill_short
from promptlog import PromptLog

_COUNT, _USERS = 10_000_000, 100_000
_COMPACT = (
    PEAK
    + """
import sys
from promptlog import PromptLog
print(PromptLog(sys.argv[1]).compact(), peak() / 1024)
"""
)
_BACKFILL = (
    PEAK
    + """
import sys
from promptlog import PromptLog
report = PromptLog(sys.argv[1]).backfill(sys.argv[2], on="request_id")
print(report.inserted, peak() / 1024)
"""
)


def run() -> list[Row]:
    """Load, compact, ask, and backfill a Parquet file of ten million rows."""
    with tempfile.TemporaryDirectory() as name:
        ours, raw, source = (Path(name) / file for file in ("ours.duckdb", "raw.duckdb", "plan.parquet"))
        start = time.perf_counter()
        fill_short(ours, _COUNT, _USERS)
        loaded = _COUNT / (time.perf_counter() - start)
        start = time.perf_counter()
        moved, peak = (float(value) for value in output(_COMPACT, str(ours)))
        seconds = time.perf_counter() - start
        rows = [
            Row(f"loading {_COUNT:,} short requests", f"{loaded:,.0f} requests/s", f"{ours.stat().st_size / 1e9:.1f} GB", None, "-", None),
            Row(f"compaction of {moved:,.0f} metadata rows", f"{peak:,.0f} MB", f"{seconds:.0f} s", None, "≤ 2 GB", peak <= 2048),
        ]  # fmt: skip
        by_hand(ours, raw, keys=False)
        sides = Sides(ours, raw, users=_USERS)
        sides.client.requests.count()
        what = f"{_COUNT:,} requests, one of {_USERS:,} users"
        rows += [
            _time(f"{what}: ids, newest first", paired(sides.our_ids, sides.raw_same_ids, 15), "DuckDB sorted, the same SQL", 2.0),
            _time(f"{what}: ids, newest first", paired(sides.our_ids, sides.raw_ids, 15), "DuckDB sorted, the ids that metadata has, in no order", None),
            _time(f"{what}: whole requests", paired(sides.our_rows, sides.raw_rows, 15), "DuckDB sorted, one statement", 2.0),
            _time(f"{what}: whole requests", paired(sides.our_rows, sides.raw_rows_in_two_steps, 15), "DuckDB sorted, ids first, then as literals", 2.0),
        ]  # fmt: skip
        sides.close()
        raw.unlink()
        with PromptLog(ours) as client:
            client.requests.count()
        with duckdb.connect() as made:
            made.execute(f"ATTACH '{ours}' AS ours (READ_ONLY)")
            made.execute(
                f"COPY (SELECT request_id, 'plan-' || hash(request_id) % 5 AS plan FROM ours.requests) TO '{source}'"
            )
        start = time.perf_counter()
        inserted, peak = (float(value) for value in output(_BACKFILL, str(ours), str(source)))
        seconds = time.perf_counter() - start
        rows.append(
            Row(f"backfill of {inserted:,.0f} rows of Parquet", f"{peak:,.0f} MB", f"{inserted / seconds:,.0f} rows/s", None, "bounded memory", peak <= 3072)
        )  # fmt: skip
    return rows
