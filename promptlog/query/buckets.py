"""Buckets of time: their edges, in any time zone, without a gap.

A bucket of a day or more begins at the local midnight of a day, of a Monday, of a month's or a year's first. A
shorter one has its length in real time, counted from the local midnight: on the day on which clocks are turned back a
bucket of an hour comes 25 times, none of them twice as long.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from promptlog.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTHS = re.compile(r"([1-9]\d{0,5})(s|m|h|d|w|mo|y)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DAY_S = 86_400
_MONDAY = date(1970, 1, 5).toordinal()
#: Widths to choose from: the first that makes no more buckets than a chart shows.
_LADDER = ["1s", "5s", "15s", "1m", "5m", "15m", "1h", "6h", "1d", "1w", "1mo", "1y", "10y", "100y"]
_ROUGHLY_S = {**_SECONDS, "d": _DAY_S, "w": 7 * _DAY_S, "mo": 30 * _DAY_S, "y": 365 * _DAY_S}
_FEW = 100
_MANY = 100_000


def edges(first: datetime, last: datetime, every: str | None, zone: ZoneInfo) -> tuple[str, list[datetime]]:
    """Return the width of the buckets and the moments at which they begin, from that of `first` to that of `last`.

    Args:
        first: a moment with a zone.
        last: likewise, not before it.
        every: the width, a count and a unit (s, m, h, d, w, mo, y: "15m"); else it is chosen so that there are at
            most about 100 buckets.
        zone: whose midnights count.

    Raises:
        InvalidInputError: the width cannot be read, does not divide a day, or makes more than 100,000 buckets.
    """
    span_s = (last - first).total_seconds()
    if every is None:
        every = next((width for width in _LADDER if span_s / roughly_s(width) < _FEW), _LADDER[-1])
    if span_s / roughly_s(every) > _MANY:
        raise InvalidInputError(
            f"every={every!r} makes more than {_MANY:,} buckets of the time from {first:%Y-%m-%d} to {last:%Y-%m-%d}; "
            f"name a wider one, or filter by since and until"
        )
    found: list[datetime] = []
    for edge in _from(first, every, zone):
        if edge > last:
            break
        if found and edge <= first:
            found.clear()
        found.append(edge)
    return every, found


def roughly_s(every: str) -> float:
    """Return a width in seconds, a month as 30 days.

    Raises:
        InvalidInputError: it cannot be read, or is less than a day and does not divide one.
    """
    read = _WIDTHS.fullmatch(every) if isinstance(every, str) else None
    if read is None:
        raise InvalidInputError(
            f"every takes a count and one of s, m, h, d, w, mo, y, such as '15m', got {every!r}"
        )
    if read[2] in _SECONDS and _DAY_S % (int(read[1]) * _SECONDS[read[2]]):
        raise InvalidInputError(f"every={every!r} does not divide a day; '5m', '1h', '6h' and '1d' do")
    return int(read[1]) * _ROUGHLY_S[read[2]]


def zone_named(name: object) -> ZoneInfo:
    """Return a time zone by its name, such as "Europe/Berlin".

    Raises:
        InvalidInputError: there is none of that name.
    """
    try:
        return ZoneInfo(name)  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError, OSError):  # not found, a path, no text, a folder
        raise InvalidInputError(
            f"time_zone takes a name such as 'UTC' or 'Europe/Berlin', got {name!r}; where every name is unknown, "
            f"this system has no time zones: pip install tzdata"
        ) from None


def _from(first: datetime, every: str, zone: ZoneInfo) -> Iterator[datetime]:
    """Give the edges from one at or before `first` on, in UTC."""
    read = _WIDTHS.fullmatch(every)
    assert read is not None  # noqa: S101 - roughly_s has read it
    width, unit = int(read[1]), read[2]
    # A day early: what local date a moment has is for the zone to say, and the first edges are dropped again.
    begin = (first.astimezone(zone) - timedelta(days=1)).date()
    midnights = (_midnight(day, zone) for day in _days(begin, 1 if unit in _SECONDS else width, unit))
    if unit not in _SECONDS:
        yield from midnights
        return
    step = timedelta(seconds=width * _SECONDS[unit])
    edge = next(midnights)
    for following in midnights:
        while edge < following:
            yield edge
            edge += step
        edge = following


def _days(begin: date, width: int, unit: str) -> Iterator[date]:
    """Give the days on which buckets begin, from one at or before `begin` on, within the calendar: years 1 to 9999."""
    for number in count():
        try:
            if unit == "y":
                yield date(begin.year // width * width + number * width or 1, 1, 1)
            elif unit == "mo":
                months = (begin.year * 12 + begin.month - 1) // width * width + number * width or 12
                yield date(months // 12, months % 12 + 1, 1)
            else:
                days = width * 7 if unit == "w" else width
                day = _MONDAY + ((begin.toordinal() - _MONDAY) // days + number) * days
                yield date.fromordinal(max(day, 1) if number == 0 else day)
        except (ValueError, OverflowError):  # after 9999
            return


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return when a day begins; where clocks skip midnight, at the hour they are turned to."""
    return datetime.combine(day, time(), zone).astimezone(UTC)
