"""Requests as turns of a conversation: what each newly said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from promptlog.models.content import blueprint
from promptlog.models.request import Request
from promptlog.server.pages import content
from promptlog.server.pages.turns import Turn, turns_of

_NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)
_SYSTEM = {"role": "system", "content": "Be brief."}


def user(text: str) -> dict[str, Any]:
    """Return what a user says, as a message."""
    return {"role": "user", "content": text}


def model(text: str) -> dict[str, Any]:
    """Return what a model says, as a message."""
    return {"role": "assistant", "content": text}


def asked(*talks: tuple[Any, Any], every_s: float = 10.0, **more: Any) -> list[Request]:
    """Return requests of these inputs and outputs, one every so many seconds."""
    starts = [_NOON + timedelta(seconds=every_s * number) for number in range(len(talks))]
    return [
        Request(
            request_id=f"018bd12c-58b0-7683-8f1a-{number:012}", start_time=start, end_time=start + timedelta(seconds=1), latency_ms=1000,
            input=blueprint(said, "user", "input"), output=blueprint(answer, "assistant", "output"), logged_at=start, **more,
        )
        for number, (start, (said, answer)) in enumerate(zip(starts, talks, strict=True))
    ]  # fmt: skip


def told(turn: Turn) -> list[str]:
    """Return what a turn shows of its input: texts, calls by name, JSON as text."""
    return [
        block.text or json.dumps(block.value)
        for said in turn.said
        for block in said.blocks
        if block.kind != "thinking"
    ]


def said(*talks: tuple[Any, Any]) -> list[list[str]]:
    """Return what each turn shows of its input."""
    return [told(turn) for turn in turns_of(asked(*talks))]


def test_history_is_not_said_again() -> None:
    """Of a chat that repeats all of it each turn shows the last question, also where it was asked before: "yes" is new."""
    talk: list[tuple[Any, Any]] = []
    history = [_SYSTEM]
    for question, answer in (
        ("Hi", "Hello"),
        ("yes", "Good"),
        ("yes", "Good"),
        ("Hi", "Hello"),
        ("yes", "Good"),
    ):
        history = [*history, user(question)]
        talk.append((history, answer))
        history = [*history, model(answer)]
    turns = turns_of(asked(*talk))
    assert [told(turn) for turn in turns] == [["Be brief.", "Hi"], ["yes"], ["yes"], ["Hi"], ["yes"]]
    assert [turn.folded for turn in turns] == [0, 3, 5, 7, 9]
    assert [turn.again for turn in turns] == [False] * 5
    assert [turn.shown for turn in turns] == [[0, 1], [3], [5], [7], [9]]


def test_a_history_that_is_cut_at_its_beginning() -> None:
    """Programs keep the last messages alone: what is left of them is known all the same."""
    turns = [[user(f"q{n}"), model(f"a{n}")] for n in range(6)]
    flat = [message for turn in turns for message in turn]
    talk = [([_SYSTEM, *flat[max(0, 2 * n - 4) : 2 * n + 1]], f"a{n}") for n in range(6)]
    assert said(*talk)[1:] == [[f"q{n}"] for n in range(1, 6)]


def test_the_same_question_once_more() -> None:
    """What was asked again, after a failure or not, is shown and said to be so."""
    first, second, third = turns_of(
        asked(([_SYSTEM, user("Hi")], None), ([_SYSTEM, user("Hi")], "Hello"), ("Hi", "Hello"))
    )
    assert (first.again, second.again, third.again) == (False, True, True)
    assert told(second) == told(third) == ["Hi"]
    assert (second.folded, third.folded) == (1, 0)


def test_tools_and_thoughts() -> None:
    """A call is the same whether its arguments are text or JSON, and whatever was thought before it: its result is new."""
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "find", "arguments": '{"a": 1, "b": 2}'}}]}  # fmt: skip
    answer = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "tool_use", "id": "1", "name": "find", "input": {"b": 2, "a": 1}}]}  # fmt: skip
    result = {"role": "tool", "tool_call_id": "1", "content": '{"found": 3}'}
    assert said(([user("Find")], [answer]), ([user("Find"), call, result], "Three.")) == [
        ["Find"],
        ['{"found": 3}'],
    ]


def test_conversations_beside_each_other() -> None:
    """Two that take turns are each followed by itself, also from the first turn of a page on."""
    one, other = (
        [user("A"), model("a"), user("B"), model("b"), user("C")],
        [user("1"), model("x"), user("2"), model("y"), user("3")],
    )
    talk = [
        (messages[: 2 * n + 1], messages[2 * n + 1]["content"] if n < 2 else "end")
        for n in range(3)
        for messages in (one, other)
    ]
    expected = [["A"], ["1"], ["B"], ["2"], ["C"], ["3"]]
    assert said(*talk) == expected
    requests = asked(*talk)
    for at in range(1, 6):
        assert [told(turn) for turn in turns_of(requests[at:], requests[:at])] == expected[at:]


def test_what_has_no_messages() -> None:
    """A completion, and a request of which nothing is known, are turns too."""
    completion = {"type": "completion", "content": [{"type": "text", "text": "Once"}]}
    first, second, third = turns_of(asked((completion, completion), (completion, None), (None, None)))
    assert (told(first), told(third), third.again, third.answer) == (["Once"], [], False, [])
    assert second.again


def test_days_and_pauses_are_marked() -> None:
    """The first of a day says so, and who comes after minutes or hours; a page that goes on says it once."""
    requests = asked(*[(f"q{n}", "a") for n in range(4)], every_s=5 * 3600)
    turns = turns_of(requests)
    assert [turn.day and turn.day.day for turn in turns] == [3, None, None, 4]
    assert [turn.gap_s for turn in turns] == [None, 17940, 17940, 17940]
    assert turns_of(requests[3:], requests[:3])[0].day
    assert turns_of(requests[2:3], requests[:2])[0].day
    assert turns_of(requests[2:3], requests[:2], goes_on=True)[0].day is None


def test_whose_they_are_is_marked_where_it_changes() -> None:
    """Of a user's requests: each time another session begins."""
    requests = [
        one.model_copy(update={"metadata": {"session_id": name} if name else {}})
        for one, name in zip(asked(*[("q", "a")] * 5), ("s1", "s1", "s2", "", "s2"), strict=True)
    ]
    marks = [turn.marks for turn in turns_of(requests, marked=["session_id"])]
    assert marks == [[("session_id", "s1")], [], [("session_id", "s2")], [], [("session_id", "s2")]]


def test_a_turn_is_bounded_and_says_so() -> None:
    """However much was said, a turn shows so much of it, and how much it does not show."""
    parts = [{"type": "text", "text": "a"}] * 1000
    value = {"values": [1] * 30_000}
    many = [user(f"message {n}") for n in range(500)]
    (turn,) = turns_of(asked(([*many, {"role": "user", "content": parts}, user("x" * 1_000_000), user(json.dumps(value))], "y" * 1_000_000)))  # fmt: skip
    assert (turn.folded, len(turn.said)) == (487, 16)
    *_, cut, long, numbers = turn.said
    assert cut.blocks[-1].reference == "950 parts of this message"
    assert len(long.blocks[0].text) + long.blocks[0].left == 1_000_000
    assert numbers.blocks[0].left > 0
    assert sum(len(block.text) + len(block.raw) for one in turn.said for block in one.blocks) < 60_000
    assert len(turn.answer[0].blocks[0].text) < 60_000


def test_a_picture_that_does_not_fit_is_named() -> None:
    """Small ones are shown."""
    for size, shown in ((1000, True), (900_000, False)):
        picture = f"data:image/png;base64,{'A' * size}"
        message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture}}]}
        (found,) = content.shortened(content.conversation({"messages": [message]}), 40_000)
        assert (found.blocks[0].picture == picture) is shown
        assert "data:image/png" in found.blocks[0].reference
