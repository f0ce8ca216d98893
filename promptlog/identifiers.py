"""Request ids and the clock.

An id of ours is a UUID of version 7 (RFC 9562) that carries the request's start, so that the order of ids is the
order of time, also for history that is loaded later. What another system calls its request becomes a version 5
UUID of (source, id): importing it again meets the same request.
"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from numbers import Integral, Real

from promptlog.errors import InvalidRequestIdError, InvalidTimeError

#: The namespace of `foreign_request_id`; any fixed UUID does, and it never changes.
_FOREIGN = uuid.UUID("5f0cbe1e-7f0a-5d55-9c56-0a1f0f3d5b6e")
LATEST_US = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z
_LATEST_PLAUSIBLE_SECONDS = 1e11  # the year 5138: a larger number of "seconds" is milliseconds
_MAX_GROUP_BITS = 53  # an integer that JSON readers of every language keep exactly


def plain_number(given: object) -> object:
    """Return a number of numpy's or a Decimal as Python's own; whatever else is given, as it is."""
    if isinstance(given, int | float | str):
        return given
    if isinstance(given, Integral):
        return int(given)
    return float(given) if isinstance(given, Real | Decimal) else given


class Clock:
    """UTC in microseconds, strictly rising: two writes of one process never carry the same time.

    A clock of the system that is stepped back does not step this one back. Not thread-safe by itself: the
    journal's mutex covers it. Tests pass their own `now_ns`.
    """

    __slots__ = ("_last", "_now_ns")

    def __init__(self, now_ns: object = time.time_ns) -> None:
        self._now_ns = now_ns
        self._last = 0

    def next_us(self) -> int:
        """Return the present, or the microsecond after the last answer where the present is not later."""
        now = self._now_ns() // 1000  # type: ignore[operator]
        if now <= self._last:
            now = self._last + 1
        self._last = now
        return now  # type: ignore[no-any-return]


def new_request_id(start_us: int) -> str:
    """Return a new UUIDv7 as text whose order is that of `start_us` (microseconds since 1970, UTC)."""
    return _uuid7(start_us, int.from_bytes(os.urandom(8), "big"))


def _uuid7(start_us: int, random: int) -> str:
    """Return the text of a UUIDv7: the start in its first 60 bits, 62 bits of `random` in its last."""
    ms, us = divmod(start_us, 1000)
    tail = random & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    # By %, which reads one format where an f-string reads five: this runs for each request.
    parts = ms >> 16, ms & 0xFFFF, us * 4096 // 1000, tail >> 48, tail & 0xFFFF_FFFF_FFFF
    return "%08x-%04x-7%03x-%04x-%012x" % parts  # noqa: UP031


def span_request_id(trace_id: str, span_id: str, start_us: int) -> str:
    """Return the UUIDv7 of the request that a span is: the same for the same span, always.

    Args:
        trace_id: OpenTelemetry's, 32 hex digits.
        span_id: 16 hex digits.
        start_us: the span's start, microseconds since 1970, UTC.
    """
    tail = hashlib.blake2b(f"{trace_id}:{span_id}".encode(), digest_size=8).digest()
    return _uuid7(start_us, int.from_bytes(tail, "big"))


def prompt_id(name: str) -> int:
    """Return a number for the prompt of a name, as PromptLayer has one; the same in every store."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big") >> 11 or 1


def parse_request_id(given: object) -> str:
    """Return the canonical text of a UUID given as such or as text.

    Raises:
        InvalidRequestIdError: it is none; the message says what to do with a foreign id.
    """
    if isinstance(given, uuid.UUID):
        return str(given)
    if isinstance(given, str):
        try:
            return str(uuid.UUID(given))
        except ValueError:
            pass
    raise InvalidRequestIdError.foreign(given)


def foreign_request_id(source: str, id: object) -> str:
    """Return the UUID that stands for another system's request: the same for the same (source, id), always."""
    return str(uuid.uuid5(_FOREIGN, f"{source}\x00{id}"))


def new_group_id() -> int:
    """Return a random group number that no other process will draw, below 2**53."""
    return int.from_bytes(os.urandom(7), "big") >> (56 - _MAX_GROUP_BITS) or 1


def to_us(given: object, what: str) -> int:
    """Return a moment as microseconds since 1970, UTC.

    Args:
        given: epoch seconds; a `datetime` or `date` (without a zone it is local time, as Python has it); or ISO 8601 text
            (without an offset it is UTC, as PromptLayer writes it).
        what: the argument's name, for the message.

    Raises:
        InvalidTimeError: it is none of these, or lies outside 1970-9999.
    """
    given = plain_number(given)
    if isinstance(given, float | int) and not isinstance(given, bool):
        if not 0 <= given <= _LATEST_PLAUSIBLE_SECONDS:  # NaN fails this too
            raise InvalidTimeError(
                f"{what} {given!r} is not a number of seconds since 1970; is it in milliseconds?"
            )
        return round(given * 1e6) if isinstance(given, float) else given * 1_000_000
    if isinstance(given, str):
        try:
            moment = datetime.fromisoformat(given)
        except ValueError:
            raise InvalidTimeError(
                f"{what} {given!r} is not ISO 8601, such as 2026-01-31T12:00:00Z"
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
    elif isinstance(given, datetime):
        try:  # pandas' Timestamp is one too, but refuses astimezone where it has no zone
            moment = datetime.combine(given.date(), given.time(), given.tzinfo)
        except ValueError:
            raise InvalidTimeError(f"{what} {given!r} is no moment") from None
    elif isinstance(given, date):
        moment = datetime.combine(given, time_of_day.min)
    else:
        raise InvalidTimeError(
            f"{what} must be epoch seconds, a datetime or ISO 8601 text, got {type(given).__name__}"
        )
    try:
        delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except (OverflowError, OSError, ValueError):  # before year 1 or after 9999 in UTC
        raise InvalidTimeError(f"{what} {given!r} lies outside the years 1970 to 9999") from None
    micros = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    if not 0 <= micros <= LATEST_US:
        raise InvalidTimeError(f"{what} {given!r} lies outside the years 1970 to 9999")
    return micros
