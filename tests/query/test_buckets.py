"""Buckets of time: every moment is in exactly one, it begins where its calendar says, and none is missing."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlog.errors import InvalidInputError
from promptlog.query.buckets import edges, roughly_s, zone_named

#: Zones that turn their clocks by an hour, by half an hour, at midnight, and one with quarters of an hour.
_ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
)
_YEARS = datetime(1970, 1, 3, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_moments = st.datetimes(
    _YEARS[0].replace(tzinfo=None), _YEARS[1].replace(tzinfo=None), timezones=st.just(UTC)
)


@given(
    _moments,
    st.timedeltas(timedelta(0), timedelta(days=500)),
    st.sampled_from(_ZONES).map(ZoneInfo),
    st.sampled_from(("1h", "6h", "1d", "1w", "1mo", "3mo", "1y", None)),
)
def test_every_moment_is_in_one_bucket(
    first: datetime, span: timedelta, zone: ZoneInfo, every: str | None
) -> None:
    """The edges rise, the first and last moment are in the first and last bucket, and a bucket has one calendar."""
    last = first + span
    width, found = edges(first, last, every, zone)
    assert found == sorted(set(found))
    assert found[0] <= first
    assert found[-1] <= last
    assert bisect_right(found, first) == 1
    if every is None:
        assert len(found) <= 101
    for part in range(8):
        moment = first + span * part / 7
        edge = found[bisect_right(found, moment) - 1]
        here, there = edge.astimezone(zone), moment.astimezone(zone)
        if width == "1d":
            assert here.date() == there.date()
        elif width == "1w":
            assert here.isocalendar()[:2] == there.isocalendar()[:2]
        elif width == "1mo":
            assert (here.year, here.month) == (there.year, there.month)
        elif width == "3mo":
            assert (here.year, (here.month - 1) // 3) == (there.year, (there.month - 1) // 3)
        elif width == "1y":
            assert here.year == there.year
        else:
            assert here.date() == there.date()
            assert moment - edge < timedelta(seconds=roughly_s(width))


@pytest.mark.parametrize(("month", "day", "hours"), [(10, 25, 25), (3, 29, 23), (6, 1, 24)])
def test_the_hours_of_a_day(month: int, day: int, hours: int) -> None:
    """Where clocks are turned back the hour that comes twice is two buckets; where forward, one is missing."""
    berlin = ZoneInfo("Europe/Berlin")
    begin, end = datetime(2026, month, day, tzinfo=berlin), datetime(2026, month, day, 23, 59, tzinfo=berlin)
    assert len(edges(begin, end, "1h", berlin)[1]) == hours
    assert len(edges(begin, end, "1d", berlin)[1]) == 1


def test_weeks_begin_on_monday() -> None:
    """As ISO 8601 has it."""
    _, found = edges(
        datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC), "1w", ZoneInfo("UTC")
    )
    assert [edge.day for edge in found] == [29, 5, 12]


def test_one_request_in_a_far_year_does_not_make_millions() -> None:
    """All times that a request may have fit into few buckets that are chosen, and too many are refused."""
    first, last = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)
    assert len(edges(first, last, None, ZoneInfo("UTC"))[1]) <= 101
    with pytest.raises(InvalidInputError, match="more than 100,000 buckets"):
        edges(first, last, "1h", ZoneInfo("UTC"))


@pytest.mark.parametrize("every", ["99999mo", "9999y", "999999d", "99999w"])
def test_widths_beyond_the_calendar_are_one_bucket(every: str) -> None:
    """It begins where the calendar does, if not before the first request."""
    first = datetime(1970, 1, 1, 12, tzinfo=UTC)
    begins = edges(first, first + timedelta(days=1), every, ZoneInfo("UTC"))[1]
    assert begins
    assert begins[0] <= first


@pytest.mark.parametrize("every", ["", "1", "h", "0h", "7h", "1.5h", "-1d", "1 d", "1D", 60])
def test_widths_that_mean_nothing_are_refused(every: object) -> None:
    """At once, with what would do."""
    with pytest.raises(InvalidInputError, match="every"):
        roughly_s(every)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Europe", 1, None])
def test_zones_that_nobody_knows_are_refused(name: object) -> None:
    """Whatever was given."""
    with pytest.raises(InvalidInputError, match="time_zone"):
        zone_named(name)
