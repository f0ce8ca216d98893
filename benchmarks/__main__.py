"""Run the benchmarks and write the results page: `python -m benchmarks`, and `python -m benchmarks large`."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path

from benchmarks.workload import DATA

_ALONE = (
    "append",
    "otel",
    "imports",
    "merge",
    "crowd",
    "memory",
    "million",
    "searches",
    "runs",
    "serve",
    "pages",
)
_ALL = (*_ALONE, "peers")
_PAGE = Path(__file__).parent / "README.md"

#: The parts of the page, and what each holds; a run that has all of it writes it.
_PARTS = {"results": _ALONE, "peers": ("peers",), "large": ("large",)}
_HEAD = "| work | promptlog | beside it | ratio | goal | met |\n|---|---|---|---|---|---|"


def main(names: list[str]) -> None:
    if unknown := set(names) - {*_ALL, "large"}:
        sys.exit(f"no benchmark {min(unknown)!r}; there are {', '.join(_ALL)} and large")
    machine, found = _machine(), dict[str, list[str]]()
    for name in names or _ALL:
        print(f"{name} …", file=sys.stderr, flush=True)
        found[name] = [str(row) for row in import_module(f"benchmarks.{name}").run()]
        print("\n".join(found[name]), flush=True)
    for part, runs in _PARTS.items():
        if found.keys() >= set(runs):
            rows = [row for name in runs for row in found[name]]
            _write(part, "\n".join([machine, "", _HEAD, *rows]))


def _write(part: str, text: str) -> None:
    """Put a table between the marks of its part of the page."""
    begin, end = f"<!-- {part}: written by the run -->", f"<!-- end of {part} -->"
    page = _PAGE.read_text()
    before, after = page.split(begin)[0], page.split(end)[1]
    _PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")


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
