"""What importing costs, beside a Python that imports nothing."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.harness import Row, paired, timed


def _python(code: str) -> float:
    return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))


def run() -> list[Row]:
    """Time 15 processes of each."""
    ours, bare, ratio = paired(lambda: _python("import promptlog"), lambda: _python("pass"), 15)
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import promptlog, sys; print(*{'duckdb', 'pandas', 'pyarrow'} & set(sys.modules))",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return [
        Row("import promptlog", f"{ours * 1e3:.0f} ms", f"bare Python {bare * 1e3:.0f} ms", ratio, "≤ 150 ms, ≤ 12x", ours <= 0.15 and ratio <= 12),
        Row("heavy packages that it imports", ", ".join(loaded) or "none", "-", None, "none", not loaded),
    ]  # fmt: skip
