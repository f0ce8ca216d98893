"""Requests by conversation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog import PromptLog, errors, since, tag
from promptlog.models.sessions import SessionColumn
from tests.samples import START, request


def _log(client: PromptLog, at: float, metadata: dict[str, str], **changes: Any) -> None:
    client.log_request(
        **request(
            **{
                "request_start_time": START + at,
                "request_end_time": START + at + 2,
                "metadata": metadata,
                **changes,
            }
        )
    )


@pytest.fixture
def talked(client: PromptLog) -> PromptLog:
    """Two conversations under two keys, and a request in none."""
    _log(client, 0, {"session_id": "s1", "user_id": "u1"}, price=0.5, input_tokens=10, output_tokens=1)
    _log(
        client,
        5,
        {"session_id": "s1", "conversation_id": "other"},
        model="o1",
        price=0.25,
        status="ERROR",
        tags=["x"],
    )
    _log(client, 1, {"conversation_id": "c1", "user_id": "u1"}, input_tokens=7)
    _log(client, 2, {"conversation_id": "c1", "user_id": "u2"})
    _log(client, 3, {"user_id": "u3"})
    return client


def test_sessions(talked: PromptLog) -> None:
    """Turns, span, cost and tokens of each; a user only where it is one; the newest first."""
    second, first = talked.sessions().dicts()
    assert first == {
        "session": "s1",
        "requests": 2,
        "start_time": datetime.fromtimestamp(START, UTC),
        "end_time": datetime.fromtimestamp(START + 7, UTC),
        "duration_s": 7.0,
        "cost_usd": 0.75,
        "input_tokens": 10,
        "output_tokens": 1,
        "errors": 1,
        "user_id": "u1",
        "models": ["gpt-4o", "o1"],
    }
    assert (second["session"], second["requests"], second["user_id"]) == ("c1", 2, None)
    assert (second["cost_usd"], second["input_tokens"]) == (0, 7)


def test_a_session_by_another_key(talked: PromptLog) -> None:
    """One key, or several in the order in which they count."""
    assert {row["session"]: row["requests"] for row in talked.sessions(by="user_id").dicts()} == {
        "u1": 2,
        "u2": 1,
        "u3": 1,
    }
    found = talked.sessions(by=["conversation_id", "session_id"]).dicts()
    assert {row["session"]: row["requests"] for row in found} == {"s1": 1, "c1": 2, "other": 1}


def test_sorted_limited_and_filtered(talked: PromptLog) -> None:
    """Sorted by any column, and of a filter's requests alone."""
    assert [row["session"] for row in talked.sessions(sort="cost_usd", limit=1).dicts()] == ["s1"]
    assert [row["session"] for row in talked.sessions(sort="session", descending=False).dicts()] == [
        "c1",
        "s1",
    ]
    (only,) = talked.sessions(tag("x")).dicts()
    assert (only["session"], only["requests"], only["models"], only["user_id"]) == ("s1", 1, ["o1"], None)
    assert str(talked.sessions().df()["start_time"].dt.tz) == "UTC"


_KEYS = st.sampled_from(("session_id", "conversation_id"))
_TIMES = st.sampled_from((0, 300, 301, 600, 601, 874, 875, 876, 999, 1000))
_TALKS = st.lists(st.tuples(_KEYS, st.lists(_TIMES, min_size=1, max_size=3)), min_size=4, max_size=9)
_ORDERS = st.tuples(st.sampled_from(get_args(SessionColumn)), st.booleans())


@settings(max_examples=12, deadline=None)
@given(talks=_TALKS, order=st.one_of(st.just(("start_time", True)), _ORDERS))
def test_the_first_sessions_are_the_first_of_all(
    tmp_path_factory: pytest.TempPathFactory,
    talks: list[tuple[str, list[int]]],
    order: tuple[SessionColumn, bool],
) -> None:
    """A limit shows the beginning of what is told without one, however long ago a session began that goes on now."""
    client = PromptLog(tmp_path_factory.mktemp("sessions") / "a.duckdb")
    for number, (key, times) in enumerate(talks):
        for at in times:
            _log(client, at, {"user_id": f"u{at % 2}", key: f"s{number % 8}"}, price=number % 3, tags=["x"])
    _log(client, 1000, {})
    sort, descending = order
    for asked in ((), (since(START + 300),), (tag("x"),)):
        whole = client.sessions(*asked, sort=sort, descending=descending).dicts()
        for limit in range(3):
            found = client.sessions(*asked, sort=sort, descending=descending, limit=limit).dicts()
            assert found == whole[:limit]
    client.close()


def test_what_is_wrong_is_refused_at_once(client: PromptLog) -> None:
    """Before anything is asked."""
    for wrong in ({"by": ()}, {"by": 3}, {"by": ""}, {"sort": "turns"}, {"limit": -1}, {"by": "\ud800"}):
        with pytest.raises(errors.InvalidInputError):
            client.sessions(**wrong)
    assert client.sessions().dicts() == []
