"""Writers and readers at once: 8 processes log 5,000 requests each while 2 ask in a loop."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Row
from promptlog import PromptLog

_WRITERS, _REQUESTS = 8, 5_000
_WRITE = """
import sys
from benchmarks.workload import requests
from promptlog import PromptLog
client = PromptLog(sys.argv[1])
for row in requests(int(sys.argv[2])):
    row["metadata"] |= {"writer": sys.argv[3]}
    client.log_request(**row)
"""
_READ = """
import sys, time, json
from promptlog import PromptLog, meta
client = PromptLog(sys.argv[1])
waits = []
while waits == [] or count < int(sys.argv[2]):
    start = time.perf_counter()
    count = client.requests.count()
    client.requests.filter(meta("user_id") == "user_7").count()
    waits.append((time.perf_counter() - start) / 2)
print(json.dumps(waits))
"""


def run() -> list[Row]:
    """Count what arrived, and how long the longest question took."""
    with tempfile.TemporaryDirectory() as name:
        path = str(Path(name) / "crowd.duckdb")
        total = _WRITERS * _REQUESTS
        start = time.perf_counter()
        writers = [
            subprocess.Popen([sys.executable, "-c", _WRITE, path, str(_REQUESTS), str(number)])
            for number in range(_WRITERS)
        ]
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", _READ, path, str(total)], stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        assert not any(process.wait() for process in writers)
        logged = time.perf_counter() - start
        waits = [wait for reader in readers for wait in json.loads(reader.communicate()[0])]
        client = PromptLog(path)
        found = client.sql("SELECT count(DISTINCT request_id) FROM requests").fetchall()[0][0]
        by_writer = client.sql("SELECT count(*) FROM metadata WHERE key = 'writer' GROUP BY value").fetchall()
        client.close()
    whole = found == total and sorted(by_writer) == [(_REQUESTS,)] * _WRITERS
    return [
        Row(f"{_WRITERS} writers x {_REQUESTS:,} beside 2 readers: requests there", f"{found:,}", f"{total:,} logged in {logged:.1f} s", found / total, "each once", whole),
        Row("… the longest question", f"{max(waits):.2f} s", f"{len(waits)} asked", None, "≤ 5 s", max(waits) <= 5),
    ]  # fmt: skip
