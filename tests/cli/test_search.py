"""`search`: what is found, how errors point, and texts that begin with a minus sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ([""], [2, 1, 0]),
        (["user_id:u1 tag:production"], [2]),
        (["question model:gpt*"], [1, 0]),
        (['"ANSWER 1"'], [1]),
        (["-status:error"], [2, 0]),
        (["-h:x -phone:y -status:error"], [2, 0]),
        (["gpt OR input_tokens>11"], [2]),
        (["question", "-tag:production"], [0]),
        (["", "--sort", "input_tokens", "--limit", "1"], [2]),
        (["", "--limit", "2"], [2, 1]),
    ],
    ids=str,
)
def test_search_finds(shell: Shell, ids: list[str], text: list[str], found: list[int]) -> None:
    """What the text asks for is found, newest first, wherever its minus signs and quotes stand."""
    rows = shell.rows("search", *text)
    assert [row["request_id"] for row in rows] == [ids[at] for at in found]


def test_after_two_minus_signs_all_is_text(shell: Shell, ids: list[str]) -> None:
    """What stands after `--` is no option, as in any command."""
    assert shell.ok("search", "--json", "--", "-status:error").count("\n") == 2


def test_search_prints_the_table_of_list(shell: Shell, ids: list[str]) -> None:
    """A search without limits prints what list prints."""
    assert shell.ok("search", "", "--show", "user_id") == shell.ok("list", "--show", "user_id")


def test_an_error_shows_the_place(shell: Shell) -> None:
    """An error in the text is its one line, the text, and a mark under the place."""
    done = shell.run("search", "tag:a latency_ms>abc")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "promptlog: error: search text: expected a number, as in latency_ms>500\n"
        "  tag:a latency_ms>abc\n"
        "                   ^\n"
    )
    assert not shell.store.exists()


def test_what_was_meant_for_a_column_is_asked_about(shell: Shell, ids: list[str]) -> None:
    """Where nothing is found, a key that looks like a column is named; where something is, nothing is said."""
    done = shell.run("search", "latency_m>5 OR tags:production plan:pro")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        "No request matches.\n"
        "latency_m was read as a metadata key; did you mean latency_ms?\n"
        "tags was read as a metadata key; did you mean tag?\n"
    )
    assert shell.run("search", "-latency_m:5").stderr == ""


def test_usage(shell: Shell) -> None:
    """No text at all, and a misspelt option, are refused; -h is help."""
    for arguments in ([], ["cake", "--limitt", "5"]):
        done = shell.run("search", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
    shown = shell.ok("search", "-h")
    assert "A name is a column where there is one of that name, else a metadata key." in shown
    assert max(map(len, shown.splitlines())) <= 80
