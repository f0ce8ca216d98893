"""Requests by conversation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from promptlog import PromptLog, errors, tag
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


def test_what_is_wrong_is_refused_at_once(client: PromptLog) -> None:
    """Before anything is asked."""
    for wrong in ({"by": ()}, {"by": 3}, {"by": ""}, {"sort": "turns"}, {"limit": -1}, {"by": "\ud800"}):
        with pytest.raises(errors.InvalidInputError):
            client.sessions(**wrong)
    assert client.sessions().dicts() == []
