"""Questions that read many texts are found in parts: the answer is the same, and others have the store between them."""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog, col
from promptlog.query import question
from tests.processes.support import Child, log

if TYPE_CHECKING:
    import duckdb

WORDS = ("cake", "bread", "rare", "nothing")
DAY = 86_400.0


@pytest.fixture
def filled(client: PromptLog, monkeypatch: pytest.MonkeyPatch) -> PromptLog:
    """300 requests with a few words, of times that are dense here and sparse there; parts begin at 20 requests."""
    monkeypatch.setattr(question, "_MOST_NEAR", 20)
    dice = random.Random(1)
    start = 1e9
    rows = []
    for n in range(300):
        start += dice.choice([0.001, 1.0, 30 * DAY])
        rows.append(
            {
                "provider": "p", "model": "m", "input": "rare" if n % 40 == 7 else dice.choice(WORDS[:2]), "output": "x", "request_start_time": start,
                "request_end_time": start + 1, "metadata": {"n": str(dice.randrange(3))},
            }
        )  # fmt: skip
    client.log_many(rows, progress=False)
    return client


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("limit", [1, 7, 19])
@pytest.mark.parametrize("oldest", [False, True])
def test_the_answer_is_that_of_one_go(filled: PromptLog, word: str, limit: int, oldest: bool) -> None:
    """Whichever part has it: the ids, the rows, whole requests, and the page behind one of them."""
    asked = filled.requests.filter(col.input_text.contains(word))
    asked = asked.sort("start_time", descending=not oldest)
    expected = asked.ids()  # without a limit there are no parts
    assert asked.limit(limit).ids() == expected[:limit]
    assert [row[0] for row in asked.limit(limit).fetchall()] == expected[:limit]
    assert [request.request_id for request in asked.limit(limit)] == expected[:limit]
    assert list(asked.limit(limit).df()["request_id"]) == expected[:limit]
    if len(expected) > 40:
        behind = asked.after(expected[30]).limit(limit)
        assert behind.ids() == expected[31 : 31 + limit]


def test_others_ask_between_the_parts(filled: PromptLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question in another process has its answer while this one is still looking."""
    from promptlog.query import sharing

    answered: list[int] = []
    with Child("PromptLog(ARGS[0]).requests.count(); say('answered')", filled.path) as other:
        find_part, seen = question.find_part, itertools.count()

        def slowly(connection: duckdb.DuckDBPyConnection, part: Any, found: int) -> list[str]:
            number = next(seen)
            if number:  # the first part goes by before it is here
                end = time.monotonic() + 20
                while (
                    not filled._store.is_wanted() and other.process.poll() is None and time.monotonic() < end
                ):
                    time.sleep(0.005)
            if other.process.poll() is not None:
                answered.append(number)
            return find_part(connection, part, found)

        monkeypatch.setattr(sharing, "find_part", slowly)
        assert filled.requests.filter(col.input_text.contains("nothing")).limit(5).ids() == []
        assert other.lines() == ["answered"]
    assert answered
    assert next(seen) > answered[0] + 1  # this question was not at its end then


def test_what_is_logged_meanwhile_disturbs_nothing(
    filled: PromptLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests that come between the parts may be missing; none comes twice, and no other is lost."""
    from promptlog.query import sharing

    asked = filled.requests.filter(col.input_text.contains("rare")).limit(19)
    expected = asked.ids()
    assert len(expected) == 8
    find_part = question.find_part
    new: list[str] = []

    def logging(connection: duckdb.DuckDBPyConnection, part: Any, found: int) -> list[str]:
        ids = find_part(connection, part, found)
        new.extend(log(filled, 1, text="rare"))  # of 1970: in the last part
        return ids

    monkeypatch.setattr(sharing, "find_part", logging)
    found = asked.ids()
    assert len(new) == 9  # parts
    assert len(found) == len(set(found))
    assert [id for id in found if id not in new] == expected
