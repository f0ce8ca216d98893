"""The planner changes how a question is asked, never its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from promptlog import col, meta, tag
from promptlog.query import planner, question
from tests.samples import START, request

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog import PromptLog, Request
    from promptlog.expressions.nodes import Condition

#: Conditions, and what they say of a request in Python.
_QUESTIONS: list[tuple[tuple[Condition, ...], Callable[[Request], bool]]] = [
    ((meta("user_id") == "u1",), lambda r: r.metadata["user_id"] == "u1"),
    ((meta("user_id") == "nobody",), lambda r: False),
    ((meta("user_id").is_in(["u1", "u2", "nobody"]),), lambda r: r.metadata["user_id"] in ("u1", "u2")),
    (
        ((meta("user_id") == "u1") | meta("user_id").is_in(["u3"]) | (meta("user_id") == "u1"),),
        lambda r: r.metadata["user_id"] in ("u1", "u3"),
    ),
    (
        (meta("user_id") == "u1", meta("region") == "eu"),
        lambda r: r.metadata["user_id"] == "u1" and r.metadata["region"] == "eu",
    ),
    (
        (meta("user_id") == "u1", tag("even"), col.latency_ms > 150),
        lambda r: r.metadata["user_id"] == "u1" and "even" in r.tags and r.latency_ms > 150,
    ),
    (
        ((meta("user_id") == "u1") & ((meta("region") == "eu") & (col.model == "o1")),),
        lambda r: r.metadata["user_id"] == "u1" and r.metadata["region"] == "eu" and r.model == "o1",
    ),
    (
        ((meta("user_id") == "u1") | (meta("region") == "eu"),),
        lambda r: r.metadata["user_id"] == "u1" or r.metadata["region"] == "eu",
    ),
    ((~(meta("user_id") == "u1"),), lambda r: r.metadata["user_id"] != "u1"),
    ((col.latency_ms > 10_000,), lambda r: False),
    ((), lambda r: True),
]


@pytest.mark.parametrize("few", [(0, 0), (3, 2), (5, 0), (2048, 200)])
@pytest.mark.parametrize(("conditions", "holds"), _QUESTIONS)
def test_every_way_to_ask_gives_the_same_answer(
    client: PromptLog,
    conditions: tuple[Condition, ...],
    holds: Callable[[Request], bool],
    few: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Few ids or many, looked up or scanned: frames, ids, counts and models are Python's own."""
    monkeypatch.setattr(planner, "FEW", few[0])
    monkeypatch.setattr(question, "FEW", few[0])
    monkeypatch.setattr(planner, "_FEW_TO_LOOK_UP", few[1])
    for number in range(24):
        client.log_request(
            **request(
                input=f"question {number}",
                model=("gpt-4o", "o1")[number % 2],
                request_start_time=START + number,
                request_end_time=START + number + 0.1 * (number + 1),
                metadata={"user_id": f"u{number % 5}", "region": ("eu", "us")[number % 3 == 0]},
                tags=["even"] if number % 2 == 0 else [],
            )
        )
    # Metadata of a request that never came: it is no request's.
    client.track.metadata("01900000-0000-7000-8000-000000000009", {"user_id": "u1", "region": "eu"})
    everything = list(client.requests)
    expected = [found.request_id for found in everything if holds(found)]
    asked = client.requests.filter(*conditions)
    assert asked.ids() == expected
    assert asked.count() == len(expected)
    assert asked.limit(2).count() == min(2, len(expected))
    assert [found.request_id for found in asked] == expected
    for query in (asked, asked.limit(3), asked.sort("latency_ms").limit(3)):
        rows = query.with_metadata("user_id").with_tags().dicts()
        by_id = {found.request_id: found for found in everything}
        assert [row["request_id"] for row in rows] == query.ids()
        assert [row["user_id"] for row in rows] == [
            by_id[row["request_id"]].metadata["user_id"] for row in rows
        ]
        assert [row["tags"] for row in rows] == [by_id[row["request_id"]].tags for row in rows]
        assert [row["input_text"] for row in rows] == [by_id[row["request_id"]].input_text for row in rows]
    narrow = asked.select("request_id", "model").fetchall()
    assert narrow == [
        (found, next(r.model for r in everything if r.request_id == found)) for found in expected
    ]
