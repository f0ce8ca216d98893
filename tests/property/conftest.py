"""Stores that all examples of a law share: to make one costs as much as ten examples."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from promptlog import PromptLog
from promptlog.settings import store_paths
from tests.property.bench import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

# A merge takes as long as the machine's other work lets it, so no example has a deadline. CI repeats the same examples,
# so that what it says of a change is about that change; everybody else explores.
settings.register_profile(
    "promptlog",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("promptlog")

_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: these laws are not about disks, and thousands of commits are synced."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as made:
        yield Path(made)


@pytest.fixture(scope="module")
def bench(folder: Path) -> Iterator[Bench]:
    """Tables that take journals written by hand."""
    made = Bench(store_paths(folder / "bench.duckdb"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[PromptLog]:
    """A client whose store only one module's examples use."""
    with PromptLog(folder / "store.duckdb") as made:
        yield made
