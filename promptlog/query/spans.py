"""Spans of time as SQL, for groups and for analytics: which one a moment falls into, when it begins, and those in which nothing happened.

Up to an hour a span is one of the clock: of an hour that comes twice in autumn there are two. Longer ones are of the
calendar, and are found by the zone's wall time: a day has 23 or 25 hours where clocks change.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from promptlog.database.text import literal
from promptlog.expressions.widths import width_of

if TYPE_CHECKING:
    from promptlog.expressions.aggregates import TimeKey, Unit

MOST_FILLED = 1_000_000
_QUARTER, _HOUR, _DAY = 900, 3600, 86_400
_UNIT_NAMES = {"s": "seconds", "d": "days", "mo": "months"}
_UNIT_SECONDS = {"s": 1, "d": _DAY, "mo": 28 * _DAY}
#: Widths to choose from: the first that makes no more spans than a chart shows.
_LADDER = ("1s", "5s", "15s", "1m", "5m", "15m", "1h", "6h", "1d", "1w", "1mo", "1y", "10y", "100y")
_FEW = 100


def fitting(seconds: float) -> str:
    """Return the width that makes at most about 100 spans of so much time."""
    return next((width for width in _LADDER if seconds / roughly_s(*width_of(width)) < _FEW), _LADDER[-1])


def roughly_s(every: int, unit: Unit) -> int:
    """Return a width in seconds, a month as 30 days."""
    return every * {"s": 1, "d": _DAY, "mo": 30 * _DAY}[unit]


def bucket(key: TimeKey, moment: str) -> str:
    """SQL for the span that a moment (UTC) falls into: a moment, or for a calendar's the wall time it begins at."""
    if _is_of_the_clock(key):
        # Since 1972 every zone is quarters of an hour away from UTC, and shorter spans are alike in all.
        wall = moment if _QUARTER % key.every == 0 else _wall(key, moment)
        us = f"epoch_us({wall})"
        length = key.every * 1_000_000
        return f"make_timestamp(epoch_us({moment}) - (({us} % {length}) + {length}) % {length})"
    return f"time_bucket(INTERVAL '{key.every} {_UNIT_NAMES[key.unit]}', {_wall(key, moment)})"


def start(key: TimeKey, span: str) -> str:
    """SQL for the moment (UTC) that a span begins at; of a wall time that comes twice, the first."""
    if _is_of_the_clock(key) or key.time_zone == "UTC":
        return span
    zone = literal(key.time_zone)
    # The driver takes the second. The first is the one by the offset of the day before, if it shows that wall time.
    usual = f"(({span} AT TIME ZONE {zone}) AT TIME ZONE 'UTC')"
    before = f"({usual} - INTERVAL 1 DAY)"
    first = f"({span} - ({_wall(key, before)} - {before}))"
    return f"CASE WHEN {_wall(key, first)} = {span} THEN {first} ELSE {usual} END"


def filling(key: TimeKey, zeros: list[str], groups: list[str], time: str) -> str:
    """SQL for a table `filled`: `grouped`, and a row for each span that a group of the other keys lacks.

    Args:
        key: the spans.
        zeros: what each aggregate says of no request.
        groups: the columns of `grouped` that are keys.
        time: the one of them that holds spans.
    """
    others = [group for group in groups if group != time]
    columns = ", ".join(f"{'s' if group == time else 'o'}.{group}" for group in groups)
    same = " AND ".join(
        f"grouped.{group} IS NOT DISTINCT FROM {'s' if group == time else 'o'}.{group}" for group in groups
    )
    every_other = f"SELECT DISTINCT {', '.join(others)} FROM grouped" if others else "SELECT 1"
    step = _step(key) * 1_000_000
    length = key.every * _UNIT_SECONDS[key.unit] * 1_000_000
    moment = "make_timestamp(us)"
    too_many = literal(TOO_MANY)
    return (
        f", others AS MATERIALIZED ({every_other})"
        f", ends AS (SELECT epoch_us(min({time})) AS low, epoch_us(max({time})) AS high FROM grouped)"
        # The last begins at no whole number of steps after the first, where clocks change between them.
        f", moments AS (SELECT unnest(list_append(range(low, CASE WHEN (SELECT count(*) FROM others) * ((high - low) // {length}) "
        f"> {MOST_FILLED} THEN error({too_many}) ELSE high END, {step}), high)) AS us FROM ends "
        f"WHERE low IS NOT NULL)"
        f", spans AS (SELECT DISTINCT {start(key, 'span')} AS {time} FROM "
        f"(SELECT DISTINCT {bucket(key, moment)} AS span FROM moments))"
        f", filled AS (SELECT * FROM grouped UNION ALL SELECT {', '.join([columns, *zeros])} "
        f"FROM others o CROSS JOIN spans s WHERE NOT EXISTS (SELECT 1 FROM grouped WHERE {same}))"
    )


TOO_MANY = (
    f"by_time would fill more than {MOST_FILLED:,} rows: each group of the other keys gets each span of time. Use longer "
    f"spans, filter, or leave the empty ones out: by_time(…, fill=False)"
)


def _is_of_the_clock(key: TimeKey) -> bool:
    return key.unit == "s" and key.every <= _HOUR


def _wall(key: TimeKey, moment: str) -> str:
    """SQL for what the zone's clocks show at a moment (UTC)."""
    if key.time_zone == "UTC":
        return moment
    return f"(({moment} AT TIME ZONE 'UTC') AT TIME ZONE {literal(key.time_zone)})"


def _step(key: TimeKey) -> int:
    """Return seconds so short that no span lies between two steps, clocks that change by half an hour included."""
    if key.unit == "s":
        return math.gcd(key.every, _HOUR // 2)
    # Shorter by the most that a change of clocks takes from a span, but for a day that a zone leaves out.
    return key.every * _UNIT_SECONDS[key.unit] - 3 * _DAY // 4
