"""How people say when: a span before now, a moment in ISO 8601, a day by its name."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from promptlog.errors import InvalidInputError
from promptlog.identifiers import to_us

UNITS_US = {
    "us": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000,
}  # fmt: skip
#: Days that have a name, and how many days ago each is.
NAMED_DAYS = {"today": 0, "yesterday": 1}
_SPAN = re.compile(r"(\+?)([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d|w)")


def named_day(name: str) -> date:
    """Return the day that "today" or "yesterday" is now, in UTC, as all days are."""
    return datetime.now(UTC).date() - timedelta(days=NAMED_DAYS[name])


def moment_us(when: object, what: str) -> int:
    """Return a moment as microseconds since 1970, UTC; a day that has a name begins at midnight, UTC.

    Raises:
        InvalidTimeError: it is none; `what` names the argument.
    """
    if isinstance(when, str) and when in NAMED_DAYS:
        when = named_day(when).isoformat()
    return to_us(when, what)


def span_us(when: object) -> int | None:
    """Return a span as microseconds before now, below zero where it lies ahead; None of what may be a moment.

    Raises:
        InvalidInputError: it is neither.
    """
    if isinstance(when, timedelta):
        return int(when.total_seconds() * 1e6)
    found = _SPAN.fullmatch(when) if isinstance(when, str) else None
    if found is None and isinstance(when, str) and not when[:4].isdigit() and when not in NAMED_DAYS:
        raise InvalidInputError(
            f"{when!r} is neither a span (30s, 90m, 12h, 7d, 2w), nor today or yesterday, nor a moment in ISO 8601 "
            f"(2026-01-31T12:00:00Z)"
        )
    if found is None:
        return None
    us = int(Decimal(found[2]) * UNITS_US[found[3]])
    return -us if found[1] else us  # "+1d" lies a day ahead
