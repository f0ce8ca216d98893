"""Analytics on real arrivals and texts, checked against plain Python; and the corners by hand."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.workload import requests
from promptlog import PromptLog, errors, meta, since, tag, until
from tests.samples import START, request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from promptlog.models.tables import Table

Row = dict[str, Any]
_COUNT = 19_366  # the Azure trace once


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    """The real requests, some of them failed and some from a prompt."""
    found = []
    for number, row in enumerate(requests(_COUNT)):
        if number % 50 == 0:
            row |= {"status": "ERROR", "error_type": ("PROVIDER_TIMEOUT", None)[number % 100 == 0]}
        if number % 3 == 0:
            row |= {"prompt_name": f"prompt-{number % 5}"}
        found.append({key: value for key, value in row.items() if value is not None})
    return found


@pytest.fixture(scope="module")
def store(rows: list[Row], tmp_path_factory: pytest.TempPathFactory) -> Iterator[PromptLog]:
    """A store that holds them."""
    with PromptLog(tmp_path_factory.mktemp("analytics") / "store.duckdb") as client:
        client.log_many(rows, progress=False)
        yield client


def _quantile(values: list[float], q: float) -> float:
    """Linear between neighbours, as numpy and DuckDB have it."""
    ordered = sorted(values)
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def _measured(rows: list[Row]) -> Row:
    latencies = [(row["request_end_time"] - row["request_start_time"]) * 1000 for row in rows]
    failed = sum(row.get("status") == "ERROR" for row in rows)
    return {
        "requests": len(rows),
        "errors": failed,
        "error_rate": failed / len(rows) if rows else None,
        "input_tokens": sum(row["input_tokens"] for row in rows),
        "output_tokens": sum(row["output_tokens"] for row in rows),
        "cost_usd": sum(row["price"] for row in rows),
        "latency_ms_mean": statistics.fmean(latencies) if rows else None,
        "latency_ms_p50": _quantile(latencies, 0.5) if rows else None,
        "latency_ms_p90": _quantile(latencies, 0.9) if rows else None,
        "latency_ms_p95": _quantile(latencies, 0.95) if rows else None,
    }


def _same(found: Row, expected: Row) -> None:
    """Times of the trace are rounded to the microsecond, and sums of floats depend on their order."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (
            pytest.approx(value, rel=1e-6, abs=2e-3) if isinstance(value, float) else value
        ), name


def _check(table: Table, rows: list[Row], groups: Callable[[Row], list[Any]]) -> None:
    expected = defaultdict(list)
    for row in rows:
        for group in groups(row):
            expected[group].append(row)
    by = table.columns()[0]
    assert {row[by] for row in table} == set(expected)
    for row in table:
        _same(dict(row), {by: row[by], **_measured(expected[row[by]])})
    counts = table.column("requests")
    assert counts == sorted(counts, reverse=True)


def test_totals_and_tables(store: PromptLog, rows: list[Row]) -> None:
    """Every number of every table is what Python counts."""
    found = store.analytics()
    as_dict = found.to_dict()
    totals = {name: as_dict["totals"][name] for name in _measured(rows)}
    _same(totals, _measured(rows))
    assert found.totals.first == store.requests.sort("start_time").dicts()[0]["start_time"]
    _check(found.by_model, rows, lambda row: [row["model"]])
    _check(found.by_provider, rows, lambda row: [row["provider"]])
    _check(found.by_prompt, rows, lambda row: [row.get("prompt_name")])
    _check(found.by_tag, rows, lambda row: row["tags"])
    _check(found.by_status, rows, lambda row: [row.get("status", "SUCCESS")])
    failed = [row for row in rows if row.get("status") == "ERROR"]
    _check(found.by_error_type, failed, lambda row: [row.get("error_type")])
    assert found.top_metadata_keys.fetchall() == [(key, _COUNT) for key in sorted(rows[0]["metadata"])]
    assert json.loads(json.dumps(as_dict)) == as_dict


def test_over_time_without_gaps(store: PromptLog, rows: list[Row]) -> None:
    """The hour of the trace in minutes: each minute is there, with the numbers of its own requests."""
    found = store.analytics(time_zone="Asia/Kathmandu")
    assert found.every == "1m"
    expected = defaultdict(list)
    for row in rows:
        minute = datetime.fromtimestamp(row["request_start_time"], UTC).replace(second=0, microsecond=0)
        expected[minute].append(row)
    times = found.over_time.column("time")
    assert times == [min(expected) + timedelta(minutes=n) for n in range(len(times))]
    assert times[-1] == max(expected)
    for row in found.over_time:
        _same(dict(row), {"time": row["time"], **_measured(expected[row["time"]])})
    assert str(times[0].tzinfo) == "Asia/Kathmandu"
    assert str(found.over_time.df()["time"].dt.tz) == "Asia/Kathmandu"
    assert found.over_time.pl()["time"].dtype.time_zone == "Asia/Kathmandu"  # type: ignore[attr-defined]
    assert found.over_time.arrow()["time"].to_pylist() == times


def test_cost_by_metadata(store: PromptLog, rows: list[Row]) -> None:
    """The pairs that cost most, of one key or of all."""
    for key, top in (("user_id", 7), (None, 50)):
        costs: dict[tuple[str, str], list[float]] = defaultdict(list)
        for row in rows:
            for pair in row["metadata"].items():
                if key in {None, pair[0]}:
                    costs[pair].append(row["price"])
        expected = sorted((sum(prices) for prices in costs.values()), reverse=True)[:top]
        found = store.analytics(cost_by=key, top=top).cost_by_metadata.fetchall()
        assert [row[3] for row in found] == pytest.approx(expected)
        for name, value, count, cost in found:
            assert count == len(costs[name, value])
            assert cost == pytest.approx(sum(costs[name, value]))


def test_filtered(store: PromptLog, rows: list[Row]) -> None:
    """All parts speak of the same requests: those of the filter, or the newest of them."""
    eu = [row for row in rows if row["metadata"]["region"] == "eu-west" and "beta" in row["tags"]]
    found = store.analytics(meta("region") == "eu-west", tag("beta"))
    _same({name: found.to_dict()["totals"][name] for name in _measured(eu)}, _measured(eu))
    _check(found.by_model, eu, lambda row: [row["model"]])
    _check(found.by_tag, eu, lambda row: row["tags"])
    assert sum(found.over_time.column("requests")) == len(eu)
    assert ("region", "eu-west", len(eu)) in [row[:3] for row in found.cost_by_metadata.fetchall()]
    newest = store.requests.filter(meta("region") == "eu-west").limit(10).analytics()
    assert newest.totals.requests == sum(newest.by_model.column("requests")) == 10


def test_sessions_and_keys(store: PromptLog, rows: list[Row]) -> None:
    """The catalogue and the sessions of the real requests are what Python counts."""
    sessions = defaultdict(list)
    values = defaultdict(lambda: defaultdict(int))  # type: ignore[var-annotated]
    for row in rows:
        sessions[row["metadata"]["session_id"]].append(row)
        for key, value in row["metadata"].items():
            values[key][value] += 1
    found = store.sessions(sort="session", descending=False).dicts()
    assert [row["session"] for row in found] == sorted(sessions)
    for row in found:
        mine = sessions[row["session"]]
        assert (row["requests"], row["input_tokens"]) == (len(mine), sum(one["input_tokens"] for one in mine))
        assert row["cost_usd"] == pytest.approx(sum(one["price"] for one in mine))
        assert row["models"] == sorted({one["model"] for one in mine})
        assert row["user_id"] == mine[0]["metadata"]["user_id"]
        begin, end = (
            min(one["request_start_time"] for one in mine),
            max(one["request_end_time"] for one in mine),
        )
        assert row["duration_s"] == pytest.approx(end - begin, abs=1e-5)
    for row in store.metadata.keys().dicts():
        counted = values[row["key"]]
        assert (row["requests"], row["distinct_values"], row["type"]) == (
            sum(counted.values()),
            len(counted),
            "text",
        )
        frequent = sorted(counted, key=lambda value: (-counted[value], value))
        assert row["samples"] == frequent[:5]
        listed = store.metadata.values(row["key"], limit=None).fetchall()
        assert listed == [(value, counted[value]) for value in frequent]


def test_days_of_a_time_zone(client: PromptLog) -> None:
    """A day is the zone's own: two requests of one day in UTC are of two in Berlin, and the day of 25 hours is one."""
    for moment in (
        "2026-10-24T21:59:00Z",
        "2026-10-24T22:01:00Z",
        "2026-10-25T22:59:00Z",
        "2026-10-27T12:00:00Z",
    ):
        client.log_request(**request(request_start_time=moment, request_end_time=moment))
    found = client.analytics(every="1d", time_zone="Europe/Berlin").over_time
    assert [(str(row["time"]), row["requests"]) for row in found] == [
        ("2026-10-24 00:00:00+02:00", 1),
        ("2026-10-25 00:00:00+02:00", 2),
        ("2026-10-26 00:00:00+01:00", 0),
        ("2026-10-27 00:00:00+01:00", 1),
    ]
    empty = found.dicts()[2]
    assert (empty["errors"], empty["cost_usd"], empty["error_rate"], empty["latency_ms_p95"]) == (
        0,
        0,
        None,
        None,
    )
    assert [row["requests"] for row in client.analytics(every="1d").over_time] == [2, 1, 0, 1]


def test_nothing_logged(client: PromptLog) -> None:
    """An empty store is no error: sums are 0, the rest is unknown."""
    found = client.analytics()
    assert (found.totals.requests, found.totals.cost_usd, found.totals.latency_ms_p50) == (0, 0, None)
    assert found.over_time.dicts() == found.by_model.dicts() == []
    for table in (found.over_time, found.cost_by_metadata):
        names = table.columns()
        assert table.df().columns.tolist() == table.pl().columns == table.arrow().column_names == names
    assert "0 requests" in repr(found)


def test_what_is_unknown_is_not_counted_as_something(client: PromptLog) -> None:
    """Sums count what is known, and a group without a name is a group."""
    client.log_request(**request(input_tokens=5))
    client.log_request(**request(prompt_name="p", tags=["a", "b"]))
    found = client.analytics()
    assert (found.totals.input_tokens, found.totals.output_tokens, found.totals.cost_usd) == (5, 0, 0)
    assert set(found.by_prompt.column("prompt_name")) == {"p", None}
    assert set(found.by_tag.column("tag")) == {"a", "b", None}
    assert found.by_error_type.dicts() == []


def test_too_large_sums_stay_numbers(client: PromptLog) -> None:
    """Counts that nobody has are no reason to fail."""
    for _ in range(3):
        client.log_request(**request(input_tokens=2**62, metadata={"session_id": "s"}))
    assert client.analytics().totals.input_tokens == 2**63 - 1
    assert client.sessions().dicts()[0]["input_tokens"] == 2**63 - 1


def test_analytics_leaves_nothing_behind(client: PromptLog) -> None:
    """What it makes for itself is gone when it has answered, also where it failed."""
    client.log_request(**request())
    client.log_request(**request(request_start_time=0, request_end_time=1))
    client.analytics(until(START + 5))
    with pytest.raises(errors.InvalidInputError, match="buckets"):
        client.analytics(until(START + 5), every="1s")
    with pytest.raises(errors.QueryError, match="promptlog_asked"):
        client.sql("SELECT * FROM promptlog_asked").dicts()


@pytest.mark.parametrize(
    "wrong",
    [{"every": "7h"}, {"time_zone": "Mars"}, {"cost_by": ""}, {"cost_by": 3}, {"top": 0}, {"top": True}],
)
def test_what_is_wrong_is_refused_at_once(client: PromptLog, wrong: dict[str, Any]) -> None:
    """Before anything is asked: no file is made."""
    with pytest.raises(errors.InvalidInputError):
        client.analytics(since("7d"), **wrong)
    assert not client.path.exists()
