"""`client.traces` with filters and orders: the traces that hold what matches, against the list of all worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog, col, meta, since, until
from promptlog.errors import InvalidInputError, SearchSyntaxError
from promptlog.models.encode import encode
from tests.query.test_traces import call, put, span
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog.models.traces import TraceColumn

_ZERO = datetime.fromtimestamp(START, UTC)
_SORTS: tuple[TraceColumn, ...] = (
    "start_time", "end_time", "name", "latency_ms", "cost_usd", "errors", "spans", "requests", "input_tokens", "output_tokens",
)  # fmt: skip


def fill(client: PromptLog, traces: int = 60) -> None:
    """Write traces whose steps lie between each other's, some without a request, some without a span."""
    random = Random(11)
    records: list[dict[str, Any]] = []
    for number in range(traces):
        begin = round(START * 1e6) + random.randrange(200) * 1_000_000
        for step in range(1, random.randrange(2, 6)):
            record = (call if random.random() < 0.6 else span)(step, 1 if step > 1 else None)
            start = begin + random.randrange(90) * 1_000_000
            told = {
                "trace_id": f"{number + 1:032x}",
                "start_time": start,
                "end_time": start + random.randrange(5_000_000),
                "status": random.choice(["OK", "OK", "OK", "ERROR"]),
                "name": random.choice(["POST /ask", "POST /chat", "nightly", "the agent"]),
            }
            record["span"] |= told
            if record["kind"] == "request":
                record |= {
                    "request_id": f"{start // 1000:012x}7{number:03x}8{step:015x}",
                    "trace_id": told["trace_id"],
                    "start_time": start,
                    "end_time": told["end_time"],
                    "model": random.choice(["gpt-4o", "o3"]),
                    "cost_usd": random.choice([None, 0.5, 1.0]),
                    "metadata": {"user_id": f"u{random.randrange(12)}"},
                    "input": {
                        "type": "completion",
                        "content": [{"type": "text", "text": random.choice(["cake", "tea"])}],
                    },
                    "status": "ERROR" if told["status"] == "ERROR" else "SUCCESS",
                }
            records.append(record)
    client._append_lines(map(encode, records))
    for number in range(12):
        client.log_request(
            **request(
                trace_id=f"{traces + number // 2:032x}", request_start_time=START + number * 9,
                request_end_time=START + number * 9 + 1, metadata={"user_id": f"u{number}"}, price=0.25,
            )
        )  # fmt: skip


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> PromptLog:
    """A store that is only asked."""
    client = PromptLog(tmp_path_factory.mktemp("traces") / "a.duckdb")
    fill(client)
    return client


@pytest.fixture
def client(filled: PromptLog, monkeypatch: pytest.MonkeyPatch) -> PromptLog:
    """It, of which a few steps are looked at first, then more, then all."""
    for name, value in (
        ("_FEWEST_STEPS", 4),
        ("_STEPS_EACH", 1),
        ("_MORE", 3),
        ("_MOST_STEPS", 40),
        ("_MOST_STEPS_OF_TEXTS", 90),
    ):
        monkeypatch.setattr(f"promptlog.query.traces.{name}", value)
    return filled


def holding(client: PromptLog, text: str) -> set[str]:
    """Return the traces of the requests that a search finds."""
    return {row["trace_id"] for row in client.search(text).dicts() if row["trace_id"]}


@pytest.mark.parametrize(
    "text", ["user_id:u1", "user_id:(u1 OR u2 OR u3)", "model:o3", "cake", "cake model:o3 status:error", "-model:o3", "user_id:nobody", "model:none", "user_id:u5 cake"]
)  # fmt: skip
@pytest.mark.parametrize("few", [2048, 0])
def test_traces_that_hold_a_request_which_matches(
    client: PromptLog, monkeypatch: pytest.MonkeyPatch, text: str, few: int
) -> None:
    """Whatever is looked at first, and whether the requests are few: those of the whole list, in its order, page by page."""
    monkeypatch.setattr("promptlog.query.planner.FEW", few)
    whole = client.traces(limit=None).dicts()
    there = holding(client, text)
    wanted = [row for row in whole if row["trace_id"] in there]
    assert 0 < len(wanted) < len(whole) or "no" in text
    assert client.traces(search=text, limit=None).dicts() == wanted
    for limit in (0, 1, 3, 200):
        assert client.traces(search=text, limit=limit).dicts() == wanted[:limit]
        for before in {row["start_time"] for row in whole[::17]}:
            older = [row for row in wanted if row["start_time"] < before]
            assert client.traces(search=text, limit=limit, before=before).dicts() == older[:limit]
    costly = sorted(wanted, key=lambda row: -row["cost_usd"])
    found = client.traces(search=text, limit=4, sort="cost_usd").dicts()
    assert [row["cost_usd"] for row in found] == [row["cost_usd"] for row in costly[:4]]
    failed = [row for row in wanted if row["errors"]]
    assert client.traces(search=text, errors=True, limit=3).dicts() == failed[:3]


@pytest.mark.parametrize(
    ("bounds", "holds"),
    [
        ({"name": "nightly"}, lambda row: row["name"] == "nightly"),
        ({"name": "POST*"}, lambda row: (row["name"] or "").startswith("POST")),
        ({"name": "*agent"}, lambda row: (row["name"] or "").endswith("agent")),
        ({"name": "* /*"}, lambda row: " /" in (row["name"] or "")),
        ({"name": "*"}, lambda row: row["name"] is not None),
        ({"name": "post*"}, lambda row: False),
        ({"errors": True}, lambda row: row["errors"] > 0),
        ({"errors": False}, lambda row: row["errors"] == 0),
        ({"min_latency_ms": 40_000}, lambda row: row["latency_ms"] >= 40_000),
        ({"max_latency_ms": 40_000}, lambda row: row["latency_ms"] <= 40_000),
        ({"min_cost_usd": 1, "max_cost_usd": 1.5}, lambda row: 1 <= row["cost_usd"] <= 1.5),
        ({"errors": True, "name": "POST*", "max_cost_usd": 0}, lambda row: row["errors"] and (row["name"] or "").startswith("POST") and not row["cost_usd"]),
    ],
)  # fmt: skip
def test_traces_within_bounds(client: PromptLog, bounds: dict[str, Any], holds: Any) -> None:
    """Name, errors, duration and cost are asked of the whole trace; `before` goes on with the next page."""
    whole = client.traces(limit=None).dicts()
    wanted = [row for row in whole if holds(row)]
    assert client.traces(**bounds, limit=None).dicts() == wanted
    for limit in (1, 5, 200):
        assert client.traces(**bounds, limit=limit).dicts() == wanted[:limit]
        older = [row for row in wanted if row["start_time"] < whole[20]["start_time"]]
        assert client.traces(**bounds, limit=limit, before=whole[20]["start_time"]).dicts() == older[:limit]


def test_traces_in_any_order(client: PromptLog) -> None:
    """The greatest first or the least, what is missing last; ties the newest first."""
    whole = client.traces(limit=None).dicts()
    assert len(_SORTS) == len(whole[0]) - 1
    for sort in _SORTS:
        for down in (True, False):
            known = sorted((row for row in whole if row[sort] is not None), key=lambda row: row["trace_id"])
            known.sort(key=lambda row: row["start_time"], reverse=sort != "start_time")
            known.sort(key=lambda row: row[sort], reverse=down)  # stable, reversed too
            wanted = [*known, *(row for row in whole if row[sort] is None)]
            found = client.traces(sort=sort, descending=down, limit=None).dicts()
            assert [row["trace_id"] for row in found] == [row["trace_id"] for row in wanted], (sort, down)
            assert client.traces(sort=sort, descending=down, limit=7).dicts() == found[:7]


@pytest.mark.parametrize("sort", ["start_time", "latency_ms"])
def test_when_is_asked_of_the_trace(client: PromptLog, sort: TraceColumn) -> None:
    """A trace without a request has a time as well; one that began before and still went on is none of the day's."""
    first, last = _ZERO + timedelta(seconds=60), _ZERO + timedelta(seconds=140)
    whole = client.traces(limit=None, sort=sort).dicts()
    wanted = [row for row in whole if first <= row["start_time"] < last]
    assert any(not row["requests"] for row in wanted)
    for limit in (1, 9, 200, None):
        assert client.traces(since(first), until(last), sort=sort, limit=limit).dicts() == wanted[:limit]
    there = holding(client, "model:o3")
    both = [row for row in wanted if row["trace_id"] in there]
    asked = client.traces(since(first), until(last), col.model == "o3", sort=sort, limit=5)
    assert asked.dicts() == both[:5]
    assert client.traces(search="since:7d").dicts() == []  # all of it is long ago


def test_a_request_that_does_not_know_its_trace_is_found_in_it(tmp_path: Path) -> None:
    """It was logged by other means, and the span says which it is; their clocks may be far apart."""
    client = PromptLog(tmp_path / "a.duckdb")
    fill(client)
    far = request(span_id="feed" * 4, request_start_time=START + 9000, request_end_time=START + 9001)
    client.log_request(**far | {"metadata": {"user_id": "odd"}, "model": "odd"})
    put(client, span(1, managed_span_id="feed" * 4, trace_id="ef" * 16))
    for asked in (meta("user_id") == "odd", col.model == "odd"):
        assert [row["trace_id"] for row in client.traces(asked, limit=2).dicts()] == ["ef" * 16]


def test_frames_have_the_same_rows(client: PromptLog) -> None:
    """Of a filter too."""
    asked = client.traces(meta("user_id") == "u1", sort="latency_ms")
    assert asked.df()["trace_id"].tolist() == [row["trace_id"] for row in asked.dicts()]


@pytest.mark.parametrize(
    "wrong",
    [{"sort": "turns"}, {"name": 3}, {"errors": "yes"}, {"min_latency_ms": "5"}, {"max_cost_usd": float("nan")}, {"min_cost_usd": True}, {"max_latency_ms": 10**400}, {"limit": -1}],
)  # fmt: skip
def test_arguments_that_are_none(client: PromptLog, wrong: dict[str, Any]) -> None:
    """Each is named in its error."""
    with pytest.raises(InvalidInputError, match="sort" if "sort" in wrong else next(iter(wrong))):
        client.traces(**wrong)
    with pytest.raises(SearchSyntaxError):
        client.traces(search="user_id:(")
    with pytest.raises(InvalidInputError, match="filter takes conditions"):
        client.traces("user_id:u1")  # type: ignore[arg-type]
