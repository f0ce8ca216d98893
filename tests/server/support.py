"""A real server in a process of its own, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Served:
    """Where a server is, and the file of its store."""

    url: str
    store: Path
    process: subprocess.Popen[str]
    said: list[str]


@contextmanager
def serving(store: Path, *arguments: str, **environment: str) -> Iterator[Served]:
    """Run `promptlog serve` until the block ends."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith("PROMPTLOG_")
    } | environment
    command = [
        sys.executable,
        "-m",
        "promptlog",
        "--store",
        str(store),
        "serve",
        "--port",
        "0",
        *arguments,
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
    said: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        said.append(line.rstrip())
        if "OTLP" in line:
            break
    else:
        raise AssertionError(said)
    url = next(line.split("base_url=")[1] for line in said if "base_url=" in line)
    try:
        yield Served(url, store, process, said)
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.stderr.close()


def get_open(url: str) -> httpx.Response:
    """Ask for a page, as a program does."""
    return httpx.get(url, timeout=20)


def wait_until(happened: object, seconds: float = 20.0) -> None:
    """Wait for what has no other sign; give up after a while."""
    assert callable(happened)
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
