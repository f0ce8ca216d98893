"""`--sort`: columns, metadata and scores, in either direction; what is not there is told with what is nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog
from tests.cli.conftest import Shell
from tests.samples import request

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.forge import Forge


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the requests are that all sort."""
    return tmp_path_factory.mktemp("sorting") / "store.duckdb"


@pytest.fixture
def shell(store: Path, forge: Forge) -> Shell:
    """A shell on it."""
    return Shell(store, forge)


@pytest.fixture(scope="module")
def logged(store: Path) -> list[str]:
    """Four requests, the oldest first; the last has no metadata."""
    client, ids = PromptLog(store), []
    for number, (price, team) in enumerate((("9", "red"), ("10", "blue"), ("-1.5", "green"), (None, None))):
        metadata = (
            {"price": price, "team": team, "odd key": f"{number}", "model": f"m{3 - number}"}
            if price and team
            else {}
        )
        told = request(
            request_start_time=number, request_end_time=number + 1, metadata=metadata, input_tokens=number
        )
        ids.append(str(client.log_request(**told)["id"]))
    client.track.score(ids[1], 80)
    client.track.score(ids[2], 90)
    client.track.score(ids[0], 5, "quality")
    client.track.score(ids[3], 50, "quality")
    client.close()
    return ids


@pytest.mark.parametrize(
    ("sort", "found"),
    [
        ("input_tokens", [3, 2, 1, 0]),
        ("-input_tokens", [3, 2, 1, 0]),
        ("+input_tokens", [0, 1, 2, 3]),
        ("meta.team", [0, 2, 1, 3]),
        ("-meta.team", [0, 2, 1, 3]),
        ("+team", [1, 2, 0, 3]),
        ("-meta.price", [1, 0, 2, 3]),  # its values are numbers
        ("+meta.price::float", [2, 0, 1, 3]),
        ("-meta.price::text", [0, 1, 2, 3]),
        ("-price", [1, 0, 2, 3]),
        ("-meta.odd key", [2, 1, 0, 3]),
        ('-meta."odd key"', [2, 1, 0, 3]),
        ("-meta.model", [0, 1, 2, 3]),  # the key, not the column
        ("-score", [2, 1, 3, 0]),
        ("scores", [2, 1, 3, 0]),
        ("+score.quality", [0, 3, 1, 2]),
    ],
)
@pytest.mark.parametrize("command", [["list"], ["search", ""]])
def test_sorted_by_anything(
    shell: Shell, logged: list[str], command: list[str], sort: str, found: list[int]
) -> None:
    """The greatest first, as an address of the pages has it after a minus; who has none stands last."""
    rows = shell.rows(*command, "--sort", sort)
    assert [logged.index(row["request_id"]) for row in rows] == found


@pytest.mark.parametrize(
    ("sort", "said"),
    [
        ("meta.tem", "did you mean meta.team"), ("taem", "did you mean team"), ("input_token", "did you mean input_tokens"),
        ("-meta.modle", "meta.model"), ("cost", "cost_usd"), ("score.qualty", "did you mean score.quality"),
        ("nothing_like_it", "promptlog keys"), ("tag", "--sort takes"), ("a b", "--sort takes"), ("", "--sort takes"),
        ("output.x", "inside JSON"), ("-", "--sort takes"),
    ],
)  # fmt: skip
def test_what_is_not_there(shell: Shell, logged: list[str], sort: str, said: str) -> None:
    """One line with the nearest name that there is."""
    assert said in shell.refused("list", "--sort", sort)


def test_an_empty_store_has_nothing_to_sort(tmp_path: Path, forge: Forge) -> None:
    """It is said how to log, not that the key is missing."""
    empty = Shell(tmp_path / "empty.duckdb", forge)
    for sort in ("meta.team", "score.quality"):
        assert "Nothing is logged yet" in empty.run("list", "--sort", sort).stderr


def test_what_is_listed_sorts_so_too(shell: Shell, logged: list[str]) -> None:
    """Sessions and traces take the same signs."""
    for command in (["sessions", "--by", "team"], ["traces"]):
        down, plus = (shell.rows(*command, "--sort", f"{sign}input_tokens") for sign in ("-", "+"))
        assert down == shell.rows(*command, "--sort", "input_tokens") == plus[::-1]
