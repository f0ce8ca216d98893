"""Memory of a process that logs a million requests, and of one that merges them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.harness import Row

# The peak of this process alone: ru_maxrss would begin with that of the process that started it.
PEAK = """
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
"""
_LOG = (
    PEAK
    + """
import sys
from benchmarks.workload import requests
from promptlog import PromptLog
rows = list(requests(20_000))
client = PromptLog(sys.argv[1])
client.log_request(**rows[0])
before = peak()
for turn in range(int(sys.argv[2]) // len(rows)):
    for row in rows:
        client.log_request(**row)
print((peak() - before) / 1024)
"""
)
_MERGE = (
    PEAK
    + """
import sys, time
from promptlog import PromptLog
client = PromptLog(sys.argv[1])
start = time.perf_counter()
count = client.merge()
print(peak() / 1024, count, time.perf_counter() - start)
"""
)


def run(count: int = 1_000_000) -> list[Row]:
    """Log and merge `count` requests."""
    with tempfile.TemporaryDirectory() as name:
        path = str(Path(name) / "memory.duckdb")
        logging = float(output(_LOG, path, str(count))[0])
        peak, merged, seconds = (float(value) for value in output(_MERGE, path))
        size = Path(path).stat().st_size
    assert merged == count + 1
    return [
        Row(f"memory, logging {count:,} requests", f"+{logging:.0f} MB", "-", None, "≤ 60 MB", logging < 60),
        Row(f"memory, merging {count:,} requests", f"{peak:,.0f} MB", f"{merged / seconds:,.0f} requests/s, {size / merged:,.0f} bytes a request", None, "≤ 1.5 GB", peak < 1536),
    ]  # fmt: skip


def output(code: str, *arguments: str) -> list[str]:
    """Run a script in a process of its own, and return the words it prints."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()
