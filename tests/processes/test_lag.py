"""Answers that may lag behind: what others log may be missing for a while, what this process logged never is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog
from promptlog.errors import InvalidInputError
from promptlog.journal.reader import segment_sizes
from promptlog.settings import store_paths
from tests.processes.support import log, run
from tests.server.support import get_open, serving, wait_until

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "log(PromptLog(ARGS[0]), 1, 'other')"


def test_others_may_be_missing_for_a_while(tmp_path: Path) -> None:
    """Within the lag a question leaves the journal alone, until this process logs, or merges."""
    path = tmp_path / "s.duckdb"
    with PromptLog(path, max_lag=3600) as client:
        assert client.requests.count() == 0
        run(OTHER, path)
        assert client.requests.count() == 0
        log(client, 1)
        assert client.requests.count() == 2
        run(OTHER, path)
        assert client.requests.count() == 2
        client.merge()
        assert client.requests.count() == 3
    with PromptLog(path) as client:
        run(OTHER, path)
        assert client.requests.count() == 4


@pytest.mark.parametrize("lag", [-1, float("nan"), "1", True])
def test_a_lag_is_a_number_of_seconds(lag: Any, tmp_path: Path) -> None:
    """What is none is refused."""
    with pytest.raises(InvalidInputError, match="max_lag must be a number of seconds"):
        PromptLog(tmp_path / "s.duckdb", max_lag=lag)


def test_the_server_merges_while_somebody_looks(tmp_path: Path) -> None:
    """After a page was asked for, what others log is merged without a question."""
    path = tmp_path / "s.duckdb"
    with serving(path) as served:
        assert get_open(served.url).status_code == 200
        run(OTHER, path)
        wait_until(lambda: not segment_sizes(store_paths(path)))
        assert get_open(f"{served.url}/requests/rows").text.count("<tr id=") == 1
