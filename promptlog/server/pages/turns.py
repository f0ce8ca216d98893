"""Requests in order of time as the turns of a conversation: of each, what those before it did not say already.

A chat's request repeats all that was said before. Which of its messages stand in a turn before is found by following
that turn's messages and its answer in their order: the user who says "yes" a second time has said something new, and
what a program dropped from the beginning of a long history changes nothing.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptlog.server.pages import content

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from promptlog.models.request import Request as Logged
    from promptlog.server.pages.content import Said

BACK = 8  # turns before one that its messages are looked for in: conversations may run beside each other
_MOST_MESSAGES = 16  # of one turn; more are folded
_MOST_CHARS = 40_000  # of one turn's input, and of its answer
_GAP_S = 300  # a pause from which on it is told


@dataclass(frozen=True, slots=True)
class Turn:
    """A request as a turn.

    Attributes:
        request: the request.
        said: the messages of its input that are shown.
        shown: their places in the input.
        folded: how many other messages the input has: said in turns before, or too many to be shown.
        again: whether all of the input was said before; its last message is shown all the same.
        answer: the messages of its output.
        day: the day that begins with it, on this page.
        gap_s: how long nothing had happened before it, in whole minutes, where that is long.
        marks: metadata that changes with it, key and value: whose session, which user.
    """

    request: Logged
    said: list[Said]
    shown: list[int]
    folded: int
    again: bool
    answer: list[Said]
    day: date | None = None
    gap_s: float | None = None
    marks: list[tuple[str, str]] = field(default_factory=list)


def turns_of(
    requests: Sequence[Logged],
    before: Sequence[Logged] = (),
    *,
    marked: Sequence[str] = (),
    goes_on: bool = False,
) -> list[Turn]:
    """Return requests as turns.

    Args:
        requests: in order of time.
        before: those that come right before them, in order of time; `BACK` are enough.
        marked: metadata keys of which a change is told.
        goes_on: whether the turns before stand on the same page.
    """
    messages = _Messages()
    found: list[Turn] = []
    past: deque[_Transcript] = deque((messages.transcript(one) for one in before), maxlen=BACK)
    last = before[-1] if before else None
    last_day = last.start_time.date() if last is not None and goes_on else None
    for request in requests:
        said, answer = messages.of(request.input), messages.of(request.output)
        new = _new([key for key, _ in said], past)
        shown = new[-_MOST_MESSAGES:] or [*range(len(said))][-1:]
        gap_s = (request.start_time - last.end_time).total_seconds() if last is not None else 0
        day = request.start_time.date()
        found.append(
            Turn(
                request,
                content.shortened([said[at][1] for at in shown], _MOST_CHARS),
                shown,
                len(said) - len(shown),
                not new and bool(said),
                content.shortened([one for _, one in answer[-_MOST_MESSAGES:]], _MOST_CHARS),
                day if day != last_day else None,
                gap_s // 60 * 60 if gap_s >= _GAP_S else None,
                _changed(request, last if goes_on or found else None, marked),
            )
        )
        past.append(_Transcript([key for key, _ in (*said, *answer)]))
        last, last_day = request, day
    return found


def _changed(request: Logged, last: Logged | None, keys: Iterable[str]) -> list[tuple[str, str]]:
    """Return the metadata that a request has and the one before it has not, of these keys."""
    return [
        (key, request.metadata[key])
        for key in keys
        if key in request.metadata and (last is None or last.metadata.get(key) != request.metadata[key])
    ]


def _new(keys: list[int], past: deque[_Transcript]) -> list[int]:
    """Return the places of the messages that do not stand in that turn before which has the most of them."""
    best: list[int] = [*range(len(keys))]
    for transcript in reversed(past):
        new = transcript.lacks(keys)
        if len(new) < len(best):
            best = new
        if len(best) <= 1:  # most often the turn right before has all but what the user says now
            break
    return best


class _Transcript:
    """The messages of a turn, its answer the last, by what tells them apart."""

    def __init__(self, keys: Iterable[int]) -> None:
        self._places: defaultdict[int, list[int]] = defaultdict(list)
        for place, key in enumerate(keys):
            self._places[key].append(place)

    def lacks(self, keys: list[int]) -> list[int]:
        """Return the places of the messages that are not here, in their order."""
        at, new = 0, []
        for number, key in enumerate(keys):
            places = self._places.get(key, ())
            found = bisect_left(places, at)
            if found < len(places):
                at = places[found] + 1
            else:
                new.append(number)
        return new


class _Messages:
    """Reads messages, each once however often it is repeated."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[int, Said]] = {}

    def of(self, given: dict[str, Any] | None) -> list[tuple[int, Said]]:
        """Return the messages of a blueprint, each with a number that is the same where the same was said."""
        if given is None:
            return []
        messages = given.get("messages")
        return [
            self._one(message)
            for message in (messages if isinstance(messages, list) else [given])
            if isinstance(message, dict)
        ]

    def transcript(self, request: Logged) -> _Transcript:
        """Return the messages of a request and of its answer."""
        return _Transcript([key for given in (request.input, request.output) for key, _ in self.of(given)])

    def _one(self, message: dict[str, Any]) -> tuple[int, Said]:
        text = json.dumps(message)
        if text not in self._read:
            (said,) = content.conversation({"messages": [message]})
            self._read[text] = hash(_told(said)), said
        return self._read[text]


def _told(said: Said) -> tuple[Any, ...]:
    """Return what makes two messages the same, however their programs wrote them: what the model thought is not sent back."""
    blocks = (
        (
            block.kind,
            block.text.strip(),
            json.dumps(block.value, sort_keys=True),
            block.reference,
            block.picture,
        )
        for block in said.blocks
        if block.kind != "thinking"
    )
    return said.role, *blocks
