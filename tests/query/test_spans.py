"""Spans of time: one grammar and one set of buckets, whoever asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

import pytest

from promptlog import by_time, count, errors, tag
from promptlog.expressions.widths import spelt, width_of, zone_named
from promptlog.query import spans
from tests.samples import request

if TYPE_CHECKING:
    from promptlog import PromptLog

_FAR = [datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, 23, tzinfo=UTC)]


def _log(client: PromptLog, moments: list[datetime]) -> None:
    for moment in moments:
        client.log_request(**request(request_start_time=moment, request_end_time=moment))


@pytest.mark.parametrize(
    ("day", "every", "hours"),
    [
        ("2024-10-27", "1h", [*range(3), *range(2, 24)]),
        ("2024-03-31", "1h", [0, 1, *range(3, 24)]),
        ("2024-10-27", "6h", [0, 6, 12, 18]),
        ("2024-03-31", "6h", [0, 6, 12, 18]),
        ("2024-06-01", "12h", [0, 12]),
        ("2024-10-27", "1d", [0]),
    ],
)
def test_a_day_on_which_clocks_change(client: PromptLog, day: str, every: str, hours: list[int]) -> None:
    """The hour that comes twice is two, the one left out is none, and longer spans begin where the clock says."""
    berlin = ZoneInfo("Europe/Berlin")
    begin = datetime.fromisoformat(day).replace(tzinfo=berlin)
    _log(client, [begin, begin.replace(hour=23, minute=59)])
    told = client.analytics(every=every, time_zone="Europe/Berlin").over_time
    groups = client.requests.group_by(by_time(every, time_zone="Europe/Berlin")).agg(requests=count())
    assert [moment.hour for moment in told.column("time")] == hours
    assert [(row["time"], row["requests"]) for row in told.dicts()] == groups.fetchall()


def test_weeks_begin_on_monday(client: PromptLog) -> None:
    """As ISO 8601 has it."""
    _log(client, [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC)])
    assert [moment.day for moment in client.analytics(every="1w").over_time.column("time")] == [29, 5, 12]


def test_no_span_is_left_out_and_none_made_up(client: PromptLog) -> None:
    """Those filled in between two requests are those in which others have one every few hours."""
    begin, half_days = datetime(2010, 1, 1, tzinfo=UTC), 2 * 3 * 365
    moments = [begin + timedelta(hours=12 * number) for number in range(half_days)]
    client.log_many(
        request(request_start_time=moment, request_end_time=moment, tags=["end"] if moment in ends else [])
        for ends in [{moments[0], moments[-1]}]
        for moment in moments
    )
    for zone in ("UTC", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"):
        for every in ("12h", "24h", "1d", "2d", "3d", "1w", "5w", "1mo", "5mo", "1q", "1y", "100y"):
            found = client.requests.group_by(by_time(every, time_zone=zone, fill=False)).agg(count())
            filled = client.requests.filter(tag("end")).group_by(by_time(every, time_zone=zone)).agg(count())
            assert [row[0] for row in filled.fetchall()] == [row[0] for row in found.fetchall()], (
                zone,
                every,
            )


def test_one_request_in_a_far_year_does_not_make_millions(client: PromptLog) -> None:
    """All times that a request may have fit into few spans that are chosen, and too many are refused."""
    _log(client, _FAR)
    found = client.analytics()
    assert (found.every, len(found.over_time.column("time"))) == ("100y", 81)
    with pytest.raises(errors.InvalidInputError, match="more than 100,000 buckets"):
        client.analytics(every="1h")


@pytest.mark.parametrize(
    "every",
    [
        "",
        "1",
        "h",
        "0h",
        "7h",
        "90m",
        "1.5h",
        "-1d",
        "1 d",
        "1D",
        "9999y",
        "\u0661d",
        60,
        None,
        timedelta(-1),
    ],
)
def test_widths_that_mean_nothing_are_refused_in_the_same_words(client: PromptLog, every: object) -> None:
    """At once, with what would do."""
    with pytest.raises(errors.InvalidInputError, match=r"no span of time.*'15m'") as groups:
        by_time(every)  # type: ignore[arg-type]
    if every is not None:
        with pytest.raises(errors.InvalidInputError) as told:
            client.analytics(every=every)  # type: ignore[arg-type]
        assert str(told.value) == str(groups.value)


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "../etc/passwd", "Europe", "localtime", "posix/UTC", "right/UTC", 1, None]
)
def test_zones_that_nobody_knows_are_refused_in_the_same_words(client: PromptLog, name: object) -> None:
    """Whatever was given, and what Python alone takes for one too."""
    with pytest.raises(errors.InvalidInputError, match="no time zone is called") as groups:
        by_time("1d", time_zone=name)  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidInputError) as told:
        client.analytics(time_zone=name)  # type: ignore[arg-type]
    assert str(told.value) == str(groups.value)


def test_every_zone_that_is_taken_is_known_to_duckdb(client: PromptLog) -> None:
    """So that none of its own words reach the user."""
    known = {row[0] for row in client.sql("SELECT name FROM pg_timezone_names()").fetchall()}
    taken = set()
    for name in available_timezones():
        try:
            taken.add(zone_named(name))
        except errors.InvalidInputError:
            assert name in {"localtime", "Factory"}
    assert taken
    assert taken <= known


def test_widths_are_spelt_as_they_are_read() -> None:
    """In the largest unit that divides them; those that are chosen among can be asked for."""
    assert [spelt(*width_of(width)) for width in ("60m", "7d", "3mo", "12mo", "24h", "90d")] == [
        "1h", "1w", "1q", "1y", "24h", "90d",
    ]  # fmt: skip
    assert spelt(*width_of(timedelta(minutes=15))) == "15m"
    assert all(spelt(*width_of(width)) == width for width in spans._LADDER)
