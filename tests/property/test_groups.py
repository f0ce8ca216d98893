"""Aggregates mean what Python says they mean: asked of random requests, SQL and a model of it in Python agree."""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog import by_time, col, count, error_rate, meta, score, share, tag
from promptlog.errors import QueryError
from promptlog.expressions.widths import spelt
from tests.property.test_conditions import (
    Claim,
    Row,
    _datetime,
    _float,
    _int,
    _log,
    _newest_first,
    claims,
    datasets,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog import PromptLog

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_START = datetime(2026, 1, 31, 12, tzinfo=UTC)  # where the rows' `start` counts from
#: Moments about which clocks change: in Berlin in spring and autumn, in Havana (at midnight) in spring and autumn; none.
#: All are past: of what is to come DuckDB's table of zones and Python's need not say the same, as of Havana in 2027.
_ABOUT = (
    datetime(2024, 3, 31, 1, tzinfo=UTC),
    datetime(2024, 10, 27, 1, tzinfo=UTC),
    datetime(2024, 3, 10, 5, tzinfo=UTC),
    datetime(2024, 11, 3, 5, tzinfo=UTC),
    datetime(2025, 1, 1, tzinfo=UTC),
)
_AWAY = st.sampled_from(
    (0, -1, 1, 1799, 3600, -3600, 5000, 7200, -7200, 86_400, -86_400, 200_000, -90_000, 11.5)
)
_ZONES = ("UTC", "Europe/Berlin", "America/Havana", "Asia/Kolkata")


@st.composite
def rows_about_a_change(draw: st.DrawFn) -> list[Row]:
    """Requests within days of a moment at which clocks change."""
    about = (draw(st.sampled_from(_ABOUT)) - _START).total_seconds()
    return [{**row, "start": about + draw(_AWAY)} for row in draw(datasets)]


# -- the model -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """A key of groups, and the values that a request has of it."""

    name: str
    key: Any
    values: Callable[[Row], list[Any]]
    fills: Callable[[list[Any]], list[Any]] | None = None

    def __repr__(self) -> str:
        return repr(self.key)


@dataclass(frozen=True)
class Told:
    """An aggregate, and what it is of some of all requests."""

    aggregate: Any
    of: Callable[[list[Row], list[Row]], Any]

    def __repr__(self) -> str:
        return repr(self.aggregate)


def _one(name: str, key: Any, value: Callable[[Row], Any]) -> Key:
    return Key(name, key, lambda row: [value(row)])


_KEYS = (
    _one("model", col.model, lambda row: row["model"]),
    _one("status", "status", lambda row: row["status"]),
    _one("error_type", col.error_type, lambda row: row["error_type"]),
    _one("prompt_name", col.prompt_name, lambda row: row["prompt_name"]),
    _one("input_tokens", col.input_tokens, lambda row: row["input_tokens"]),
    _one("group_id", col.group_id, lambda row: row["group_id"]),
    _one("request_id", col.request_id, lambda row: row["request_id"]),
    _one("end_time", col.end_time, lambda row: row["end_time"]),
    _one("k", meta("k"), lambda row: row["metadata"].get("k")),
    _one("l", meta("l"), lambda row: row["metadata"].get("l")),
    _one("number", meta("k").as_float().alias("number"), lambda row: _float(row["metadata"].get("k"))),
    _one("whole", meta("l").as_int().alias("whole"), lambda row: _int(row["metadata"].get("l"))),
    _one("s", score("s"), lambda row: row["scores"].get("s")),
    Key("tag", tag, lambda row: sorted(set(row["tags"])) or [None]),
)


@st.composite
def spans(draw: st.DrawFn) -> Key:
    """Spans of time, of the clock and of the calendar."""
    every = draw(
        st.sampled_from(("15m", "20m", "1h", "2h", "6h", "12h", "1d", "3d", "1w", "1mo", "1q", "1y"))
    )
    name, fill = draw(st.sampled_from(_ZONES)), draw(st.booleans())
    zone = ZoneInfo(name)

    def span(moment: datetime) -> datetime:
        return _span(every, moment, zone)

    def fills(found: list[datetime]) -> list[datetime]:
        steps = range(int((max(found) - min(found)) / timedelta(minutes=5)) + 1) if found else ()
        return sorted({span(min(found) + step * timedelta(minutes=5)) for step in steps})

    key = by_time(every, time_zone=name, fill=fill)
    return Key("time", key, lambda row: [span(row["start_time"])], fills if fill else None)


def _span(every: str, moment: datetime, zone: ZoneInfo) -> datetime:
    wall = moment.astimezone(zone).replace(tzinfo=None)
    midnight = datetime.combine(wall.date(), datetime.min.time())
    if every in {"15m", "20m", "1h"}:
        length = timedelta(minutes={"15m": 15, "20m": 20, "1h": 60}[every])
        return moment - (wall - midnight) % length
    day = wall.date()
    match every:
        case "2h" | "6h" | "12h":
            began = midnight + (wall - midnight) // timedelta(hours=int(every[:-1])) * timedelta(
                hours=int(every[:-1])
            )
            return began.replace(tzinfo=zone).astimezone(UTC)
        case "3d":
            day -= timedelta(days=(day - date(2000, 1, 3)).days % 3)
        case "1w":
            day -= timedelta(days=day.weekday())
        case "1mo":
            day = day.replace(day=1)
        case "1q":
            day = day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "1y":
            day = day.replace(month=1, day=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


_NUMBERS: tuple[tuple[Any, Callable[[Row], Any]], ...] = (
    (col.input_tokens, lambda row: row["input_tokens"]),
    (col.latency_ms, lambda row: row["latency_ms"]),
    (col.cost_usd, lambda row: row["cost_usd"]),
    (col.prompt_version, lambda row: row["prompt_version"]),
    (score("default"), lambda row: row["scores"].get("default")),
    (meta("k").as_float(), lambda row: _float(row["metadata"].get("k"))),
    (meta("l").as_int(), lambda row: _int(row["metadata"].get("l"))),
)
_OTHERS: tuple[tuple[Any, Callable[[Row], Any]], ...] = (
    (col.model, lambda row: row["model"]),
    (col.prompt_id, lambda row: row["prompt_id"]),
    (col.start_time, lambda row: row["start_time"]),
    (col.request_id, lambda row: row["request_id"]),
    (meta("k"), lambda row: row["metadata"].get("k")),
    (meta("l").as_datetime(), lambda row: _datetime(row["metadata"].get("l"))),
)


def _quantile(values: list[Any], q: float) -> float | None:
    if not values:
        return None
    values, place = sorted(map(float, values)), q * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return float(values[low] + (values[high] - values[low]) * (place - low))


_SMALL = ("count", "error_rate", "has", "n_unique")  # and exact: no order of additions changes them
_EXACT = (*_SMALL, "min", "max")
_WAYS = (*_EXACT, "share", "sum", "mean", "median", "quantile")


@st.composite
def tellings(draw: st.DrawFn, ways: tuple[str, ...] = _WAYS) -> Told:
    """One aggregate, of a condition's requests alone now and then."""
    way = draw(st.sampled_from(ways))
    if way == "share":
        return Told(share(), lambda rows, every: len(rows) / len(every) if every else None)
    if way in {"sum", "mean", "median", "quantile"}:
        subject, value = draw(st.sampled_from(_NUMBERS))
    else:
        subject, value = draw(st.sampled_from((*_NUMBERS, *_OTHERS)))

    def there(rows: list[Row]) -> list[Any]:
        return [value(row) for row in rows if value(row) is not None]

    q = draw(st.sampled_from((0, 0.25, 0.5, 0.95, 1)))
    told = {
        "count": lambda: Told(count(), lambda rows, _: len(rows)),
        "error_rate": lambda: Told(
            error_rate(),
            lambda rows, _: sum(row["status"] == "ERROR" for row in rows) / len(rows) if rows else None,
        ),
        "has": lambda: Told(subject.count(), lambda rows, _: len(there(rows))),
        "sum": lambda: Told(subject.sum(), lambda rows, _: sum(there(rows))),
        "mean": lambda: Told(
            subject.mean(),
            lambda rows, _: sum(there(rows)) / len(there(rows)) if there(rows) else None,
        ),
        "min": lambda: Told(subject.min(), lambda rows, _: min(there(rows), default=None)),
        "max": lambda: Told(subject.max(), lambda rows, _: max(there(rows), default=None)),
        "n_unique": lambda: Told(subject.n_unique(), lambda rows, _: len(set(there(rows)))),
        "median": lambda: Told(subject.median(), lambda rows, _: _quantile(there(rows), 0.5)),
        "quantile": lambda: Told(subject.quantile(q), lambda rows, _: _quantile(there(rows), q)),
    }[way]()
    if draw(st.integers(0, 3)):
        return told
    claim = draw(claims)
    return Told(
        told.aggregate.filter(claim.condition),
        lambda rows, every: told.of([row for row in rows if claim.holds(row)], every),
    )


@st.composite
def arithmetic(draw: st.DrawFn) -> Told:
    """Two aggregates, or one and a number, put together: of those that are small and exact."""
    left: Told = draw(tellings(_SMALL))
    right: Any = draw(tellings(_SMALL) | st.sampled_from((0, 2, -0.5)))
    by = draw(st.sampled_from((operator.add, operator.sub, operator.mul, operator.truediv)))

    def of(rows: list[Row], every: list[Row]) -> Any:
        a, b = left.of(rows, every), right.of(rows, every) if isinstance(right, Told) else right
        return None if a is None or b is None or (by is operator.truediv and b == 0) else by(a, b)

    return Told(by(left.aggregate, right.aggregate if isinstance(right, Told) else right), of)


_told = st.one_of(tellings(), tellings(), arithmetic())
_exact = st.one_of(tellings(_EXACT), tellings(_EXACT), arithmetic())


def _grouped(rows: list[Row], keys: list[Key], told: list[Told]) -> list[tuple[Any, ...]]:
    """Return the groups in the order of their keys, nulls last: each key's value, then what is told."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        for values in _product([key.values(row) for key in keys]):
            groups[values].append(row)
    if not keys:
        groups[()] = rows
    for at, key in enumerate(keys):
        if key.fills is not None:
            filled = key.fills([values[at] for values in groups])
            for values in list(groups):
                for span in filled:
                    groups[(*values[:at], span, *values[at + 1 :])]
    ordered = sorted(
        groups, key=lambda values: [(value is None, value if value is not None else 0) for value in values]
    )
    return [(*values, *(one.of(groups[values], rows) for one in told)) for values in ordered]


def _product(lists: list[list[Any]]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = [()]
    for values in lists:
        found = [(*before, value) for before in found for value in values]
    return found


def _same(found: Any, expected: Any, rows: list[Row]) -> bool:
    if isinstance(found, float) and isinstance(expected, int | float):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=_scale(rows) * 1e-12) or found == expected
    if isinstance(found, datetime) and isinstance(expected, datetime):
        # Python never takes a wall time that comes twice for equal to a moment in another zone.
        return found.astimezone(UTC) == expected.astimezone(UTC)
    return bool(found == expected)


def _scale(rows: list[Row]) -> float:
    """Return how large the numbers are that are added: what cancels out leaves an error of that size."""
    return max((abs(float(value(row) or 0)) for _, value in _NUMBERS for row in rows), default=0.0)


# -- the laws --------------------------------------------------------------------------------------------------

_some_keys = st.lists(st.sampled_from(_KEYS), max_size=3, unique_by=lambda key: key.name)
_questions = st.fixed_dictionaries(
    {
        "claim": st.none() | claims,
        "keys": st.one_of(
            _some_keys, st.tuples(_some_keys, spans()).map(lambda both: [*both[0][:2], both[1]])
        ),
        "told": st.lists(_told, min_size=1, max_size=4),
        "newest": st.none() | st.integers(0, 5),
    }
)


@settings(max_examples=40)
@given(rows=rows_about_a_change(), asked=st.lists(_questions, min_size=4, max_size=8))
def test_groups_are_pythons(client: PromptLog, rows: list[Row], asked: list[dict[str, Any]]) -> None:
    """Any filter, keys, spans of time and aggregates give the groups that Python makes of the same requests."""
    _agrees(client, rows, asked)


@pytest.mark.slow
@settings(max_examples=200)
@given(rows=rows_about_a_change(), asked=st.lists(_questions, min_size=6, max_size=15))
def test_groups_are_pythons_at_length(
    client: PromptLog, rows: list[Row], asked: list[dict[str, Any]]
) -> None:
    """The same law, over many more questions."""
    _agrees(client, rows, asked)


def _agrees(client: PromptLog, rows: list[Row], asked: list[dict[str, Any]]) -> None:
    seen = _log(client, rows)
    for question in asked:
        kept, requests = _source(client, seen, question["claim"], question["newest"])
        keys, told = question["keys"], question["told"]
        named = {f"a{number}": one.aggregate for number, one in enumerate(told)}
        groups = (requests.group_by(*(key.key for key in keys)) if keys else requests).agg(**named)
        expected = _grouped(kept, keys, told)
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for row in expected for value in row):
            with pytest.raises(QueryError, match="beyond 63 bits"):
                groups.fetchall()
            continue
        found = groups.fetchall()
        assert groups.columns() == [*(key.name for key in keys), *named]
        assert len(found) == groups.count() == len(expected), question
        for mine, theirs in zip(found, expected, strict=True):
            assert all(_same(*both, kept) for both in zip(mine, theirs, strict=True)), (
                question,
                mine,
                theirs,
            )


def _source(
    client: PromptLog, seen: list[Row], claim: Claim | None, newest: int | None
) -> tuple[list[Row], Any]:
    requests = client.requests if claim is None else client.requests.filter(claim.condition)
    kept = seen if claim is None else [row for row in seen if claim.holds(row)]
    if newest is not None:
        kept, requests = _newest_first(kept)[:newest], requests.limit(newest)
    return kept, requests


@settings(max_examples=25)
@given(rows=rows_about_a_change(), key=spans())
def test_analytics_have_the_spans_of_groups(client: PromptLog, rows: list[Row], key: Key) -> None:
    """The same question by either face has one answer, and it is Python's."""
    seen = _log(client, rows)
    asked = key.key.node
    found = client.analytics(every=spelt(asked.every, asked.unit), time_zone=asked.time_zone).over_time
    times = found.column("time")
    told = [(row["time"].astimezone(UTC), row["requests"]) for row in found.dicts()]
    filled = by_time(spelt(asked.every, asked.unit), time_zone=asked.time_zone)
    groups = client.requests.group_by(filled).agg(count()).fetchall()
    assert told == [(time.astimezone(UTC), n) for time, n in groups]
    expected = _grouped(seen, [key], [Told(count(), lambda rows, _: len(rows))])
    kept = [one for one in told if one[1] or key.fills is not None]
    assert kept == expected
    assert all(getattr(time.tzinfo, "key", None) == asked.time_zone for time in times)


@settings(max_examples=25)
@given(
    rows=rows_about_a_change(),
    keys=st.lists(st.sampled_from(_KEYS), min_size=1, max_size=2, unique_by=lambda key: key.name),
    told=_exact,
    hidden=_exact,
    by=st.sampled_from(("key", "name", "told", "hidden")),
    descending=st.booleans(),
    limit=st.integers(0, 8),
    least=st.integers(0, 3),
    none=st.booleans(),
)
def test_sort_limit_and_having_are_pythons(
    client: PromptLog, rows: list[Row], keys: list[Key], told: Told, hidden: Told, by: str, limit: int, least: int, *,
    descending: bool, none: bool,
) -> None:  # fmt: skip
    """Groups come in the order asked for, nulls last, ties by their keys; `having` keeps, `limit` takes the first."""
    seen = _log(client, rows)
    condition = count() >= least
    groups = client.requests.group_by(*(key.key for key in keys)).agg(a=told.aggregate)
    ordering: Any = {"key": keys[-1].key, "name": "a", "told": told.aggregate, "hidden": hidden.aggregate}[by]
    asked = groups.having(~condition if none else condition).sort(ordering, descending=descending)
    many = Told(count(), lambda rows, _: len(rows))
    expected = _grouped(seen, keys, [told, hidden, many])
    expected = [row for row in expected if (row[-1] >= least) != none]
    at = {"key": len(keys) - 1, "name": len(keys), "told": len(keys), "hidden": len(keys) + 1}[by]
    there = [row for row in expected if row[at] is not None]
    there.sort(key=lambda row: row[at], reverse=False)
    if descending:  # in reverse, and yet ties by their keys
        there.sort(key=lambda row: row[at], reverse=True)
    expected = [row[:-2] for row in there + [row for row in expected if row[at] is None]]
    assert asked.fetchall() == expected
    assert asked.limit(limit).fetchall() == expected[:limit]
