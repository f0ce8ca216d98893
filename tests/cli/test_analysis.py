"""`top`: what comes out."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


def test_top_for_people(shell: Shell, ids: list[str]) -> None:
    """Groups stand in the order of what was asked, with bars as long as it is large."""
    PromptLog(shell.store).untrack.metadata(ids[2], ["user_id"])
    assert shell.ok("top", "user_id", "--by", "errors", PYTHONIOENCODING="utf-8").splitlines() == [
        "user_id                requests     cost  tokens  latency p95  errors",
        "u2       ████████████         1  $0.2500      16       500 ms       1  100.0%",
        "u1                            1  $0.2500      15       500 ms       0",
        "(none)                        1  $0.2500      17       500 ms       0",
    ]


def test_top_for_programs(shell: Shell, ids: list[str]) -> None:
    """A row a group, in JSON or CSV, with filters and a limit."""
    assert shell.rows("top", "model", "--by", "requests", "--limit", "1", "--meta", "plan=free") == [
        {"model": "gpt-4o", "requests": 2, "cost_usd": 0.5, "tokens": 31, "latency_ms_p95": 500.0, "errors": 1, "error_rate": 0.5}
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(shell.ok("top", "tag", "--csv"))))
    assert [(row["tag"], row["cost_usd"]) for row in rows] == [("production", "0.5"), ("staging", "0.25")]


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("status", "status"),
        ("meta.status", "meta.status"),
        ("requests", "meta.requests"),
        ("cost_usd", "col.cost_usd"),
        ("parameters.top_p", "parameters.top_p"),
    ],
)
def test_what_a_word_means(shell: Shell, ids: list[str], key: str, column: str) -> None:
    """A column before a metadata key of its name; `meta.` means the key, whatever columns the answer has."""
    assert next(iter(shell.rows("top", key)[0])) == column


def test_a_key_that_no_request_has_is_said(shell: Shell, ids: list[str]) -> None:
    """A slip of the pen is told from a group."""
    said = "No request that matches has 'usr_id'.\nNo request has the metadata key usr_id; did you mean user_id?\n"
    assert shell.run("top", "usr_id").stderr == said
    for other in ("error_type", "output.nothing"):  # a column, and a place inside JSON
        assert shell.run("top", other).stderr == f"No request that matches has {other!r}.\n"
    assert "No request has the metadata key model;" in shell.run("top", "meta.model").stderr
    assert (
        "Nothing is logged yet" in shell.run("top", "user_id", "--store", str(shell.store) + ".other").stderr
    )


@pytest.mark.parametrize(
    ("wrong", "said"), [(["--by", "price"], "--by takes cost, req"), (["--json", "--csv"], "exclude")]
)
def test_what_is_wrong_is_said(shell: Shell, wrong: list[str], said: str) -> None:
    """One line with the way out."""
    assert said in shell.refused("top", "user_id", *wrong)
