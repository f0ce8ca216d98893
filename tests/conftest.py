"""Stores in folders of their own, and the real data where it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def client(tmp_path: Path) -> Iterator[PromptLog]:
    """A store in a folder of its own, let go afterwards."""
    with PromptLog(tmp_path / "store.duckdb") as store:
        yield store


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A model provider on loopback, with OpenAI's and Anthropic's wire formats."""
    with Wire() as server:
        yield server


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real traces and texts; the test is skipped where it is absent."""
    folder = Path(os.environ.get("PROMPTLOG_DATA") or Path(__file__).parents[2] / "shared" / "data")
    if not (folder / "alpaca_eval_outputs.jsonl").exists():
        pytest.skip(f"the real data is not at {folder}; set PROMPTLOG_DATA")
    return folder
