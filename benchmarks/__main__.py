"""Run the benchmarks and write the results page: `python -m benchmarks [append imports merge crowd memory]`."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

from benchmarks.workload import DATA

_ALL = ("append", "imports", "merge", "crowd", "memory")
_PAGE = Path(__file__).parent / "README.md"
_MARK = "<!-- results: everything below is written by the run -->"


def main(names: list[str]) -> None:
    if unknown := set(names) - set(_ALL):
        sys.exit(f"no benchmark {min(unknown)!r}; there are {', '.join(_ALL)}")
    lines = ["| work | promptlog | beside it | ratio | goal | met |", "|---|---|---|---|---|---|"]
    for name in names or _ALL:
        print(f"{name} …", file=sys.stderr, flush=True)
        for row in import_module(f"benchmarks.{name}").run():
            print(row, flush=True)
            lines.append(str(row))
    if not names:
        kept = _PAGE.read_text().split(_MARK)[0]
        _PAGE.write_text(f"{kept}{_MARK}\n\n{_machine()}\n\n" + "\n".join(lines) + "\n")


def _machine() -> str:
    data = "real traces and texts" if DATA.exists() else "made-up traces and texts"
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("promptlog-local", "duckdb", "pydantic")
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}, {data}."
    )


if __name__ == "__main__":
    main(sys.argv[1:])
