"""Aggregates, by example: how they are written, what they are called, and what they say of nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from promptlog import PromptLog, by_time, col, count, error_rate, errors, meta, score, share, tag
from promptlog.query import spans
from promptlog.query.planner import FEW
from tests.samples import request

if TYPE_CHECKING:
    from promptlog.expressions.nodes import Condition

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def filled(client: PromptLog) -> PromptLog:
    """Six requests over the day on which Berlin's clocks go back, of two users and of nobody."""
    for number in range(6):
        start = datetime(2026, 10, 25, 0, 30, tzinfo=BERLIN) + timedelta(days=number // 2 * 2)
        client.log_request(
            **request(
                model=("gpt-4o", "o1")[number % 2],
                request_start_time=start,
                request_end_time=start + timedelta(milliseconds=100 * (number + 1)),
                metadata={"user_id": f"u{number % 2}", "price": str(number)} if number < 4 else {},
                tags=["a", "b"] if number == 0 else ["a"] if number < 3 else [],
                score=number * 10,
                input_tokens=number,
                status="ERROR" if number == 5 else "SUCCESS",
            )
        )
    return client


def test_groups_of_a_metadata_key(filled: PromptLog) -> None:
    """Columns are called as told, keys come first, and requests without the key are a group of their own."""
    groups = filled.requests.group_by(meta("user_id")).agg(n=count(), tokens=col.input_tokens.sum())
    assert groups.dicts() == [
        {"user_id": "u0", "n": 2, "tokens": 2},
        {"user_id": "u1", "n": 2, "tokens": 4},
        {"user_id": None, "n": 2, "tokens": 9},
    ]
    assert (
        filled.requests.filter(meta("user_id").exists()).group_by(meta("user_id")).agg(count()).count() == 2
    )


_USER = meta("user_id")


@pytest.mark.parametrize(
    ("conditions", "users"),
    [
        ((_USER == "u0",), {"u0"}),
        ((_USER.is_in(["u0", "u1", "nobody"]),), {"u0", "u1"}),
        ((_USER.is_in(["u0", "u1"]), _USER == "u1"), {"u1"}),
        ((_USER == "u0", _USER == "u1"), set()),
        (((_USER == "u1") & _USER.exists(),), {"u1"}),
        (((_USER == "u1") | _USER.is_null(),), {"u1", None}),
        ((~(_USER == "u1"),), {"u0", None}),
    ],
)
def test_a_filter_on_the_key_keeps_whole_groups(
    filled: PromptLog, conditions: tuple[Condition, ...], users: set[str | None]
) -> None:
    """What is told of a group that a filter on its key keeps is what is told of it among all."""
    # So many requests of one user more that DuckDB is asked for values, not for ids found before.
    filled.log_many([request(metadata={"user_id": "u1", "price": "3"}) for _ in range(FEW)])
    told = {"n": count(), "prices": meta("price").as_int().n_unique()}
    kept, among_all = (
        asked.group_by(_USER).agg(**told).dicts()
        for asked in (filled.requests.filter(*conditions), filled.requests)
    )
    assert kept == [row for row in among_all if row["user_id"] in users]


def test_names_unless_told(filled: PromptLog) -> None:
    """An aggregate without a name is called after what it tells of."""
    groups = filled.requests.agg(
        count(), share(), error_rate(), col.input_tokens.sum(), col.latency_ms.quantile(0.95), col.latency_ms.median(),
        col.latency_ms.quantile(0.999), meta("user_id").n_unique(), meta("price").as_float().mean(), score().max(),
        col.start_time.min().alias("first"),
    )  # fmt: skip
    assert groups.columns() == [
        "count", "share", "error_rate", "input_tokens_sum", "latency_ms_p95", "latency_ms_median", "latency_ms_p99.9",
        "user_id_n_unique", "price_mean", "default_max", "first",
    ]  # fmt: skip
    (row,) = groups.fetchall()
    assert row[:4] == (6, 1.0, 1 / 6, 15)
    assert row[7:] == (2, 1.5, 50.0, datetime(2026, 10, 25, 0, 30, tzinfo=BERLIN))


def test_they_read_as_they_are_written() -> None:
    """A repr is the code that makes it."""
    for text in (
        "count()", "error_rate()", "share()", "col.latency_ms.quantile(0.95)", "col.latency_ms.median()",
        "meta('price').as_float().sum()", "score('quality').mean()", "count().alias('n')", "by_time('1d')",
        "by_time('1h', on=col.end_time, time_zone='Europe/Berlin', fill=False)", "meta('user_id').alias('user')",
    ):  # fmt: skip
        names = {
            "by_time": by_time, "col": col, "count": count, "error_rate": error_rate, "meta": meta, "score": score,
            "share": share,
        }  # fmt: skip
        assert repr(eval(text, names)) == text
    assert repr(PromptLog("nowhere.duckdb").requests.group_by(tag, col.model)).startswith(
        "<GroupBy tag, col.model:"
    )


def test_a_request_counts_under_each_of_its_tags(filled: PromptLog) -> None:
    """Counts by tag add up to more than there are; shares are of requests."""
    groups = filled.requests.group_by(tag).agg(n=count(), part=share())
    assert groups.fetchall() == [("a", 3, 0.5), ("b", 1, 1 / 6), (None, 3, 0.5)]


def test_days_are_those_of_a_zone(filled: PromptLog) -> None:
    """Days without a request are there, each named by its beginning in the zone: one of them had 25 hours."""
    days = filled.requests.group_by(by_time("1d", time_zone="Europe/Berlin")).agg(
        n=count(), ms=col.latency_ms.mean(), tokens=col.input_tokens.sum()
    )
    assert [row[0] for row in days.fetchall()] == [
        datetime(2026, 10, 25 + day, tzinfo=BERLIN) for day in range(5)
    ]
    assert [row[1:] for row in days.fetchall()] == [
        (2, 150.0, 1),
        (0, None, 0),
        (2, 350.0, 5),
        (0, None, 0),
        (2, 550.0, 9),
    ]
    hours = filled.requests.group_by(by_time("1h", time_zone="Europe/Berlin")).agg(count()).fetchall()
    assert len(hours) == 4 * 24 + 1 + 1
    assert [f"{row[0]:%d %H %Z}" for row in hours[1:5]] == [
        "25 01 CEST",
        "25 02 CEST",
        "25 02 CET",
        "25 03 CET",
    ]
    twos = filled.requests.group_by(by_time("2h", time_zone="Europe/Berlin")).agg(count()).fetchall()
    assert [f"{row[0]:%d %H %Z}" for row in twos[:3]] == ["25 00 CEST", "25 02 CEST", "25 04 CET"]
    assert days.df()["time"].dt.tz.key == days.pl()["time"].dtype.time_zone == "Europe/Berlin"  # type: ignore[attr-defined]
    assert (
        str(filled.requests.group_by(by_time("1d")).agg(count()).df()["time"].dtype) == "datetime64[us, UTC]"
    )


def test_each_group_has_each_span(filled: PromptLog) -> None:
    """Beside other keys, a line of a chart has no gaps, unless it is told to."""
    groups = (
        filled.requests.filter(meta("user_id").exists())
        .group_by(by_time("1d"), meta("user_id"))
        .agg(n=count())
    )
    assert [row[1:] for row in groups.fetchall()] == [
        ("u0", 1),
        ("u1", 1),
        ("u0", 0),
        ("u1", 0),
        ("u0", 1),
        ("u1", 1),
    ]
    sparse = filled.requests.group_by(by_time("1d", fill=False), col.model).agg(count())
    assert sparse.count() == 6
    assert groups.having(count() > 0).count() == 4


@pytest.mark.parametrize("day", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_the_last_span_after_a_change_of_clocks_is_there_for_all(day: datetime, client: PromptLog) -> None:
    """A day of 23 or 25 hours puts the days after it off the steps of the days before."""
    for model, moment in (("a", day), ("b", day + timedelta(days=2))):
        client.log_request(**request(model=model, request_start_time=moment, request_end_time=moment))
    found = client.requests.group_by(col.model, by_time("1d", time_zone="Europe/Berlin")).agg(n=count())
    assert [(row["model"], row["n"]) for row in found.dicts()] == [
        ("a", 1), ("a", 0), ("a", 0), ("b", 0), ("b", 0), ("b", 1),
    ]  # fmt: skip


def test_too_many_spans_are_refused(filled: PromptLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds over days for each of many groups would fill memory: the error says what to do instead."""
    monkeypatch.setattr(spans, "MOST_FILLED", 300)
    groups = filled.requests.group_by(by_time("1h"), col.model).agg(count())
    assert groups.count() == 2 * (4 * 24 + 2)
    with pytest.raises(errors.QueryError, match=r"^by_time would fill .*fill=False"):
        filled.requests.group_by(by_time("15m"), col.model).agg(count()).df()


def test_other_moments_can_count(filled: PromptLog) -> None:
    """Spans of the end, or of a moment in metadata; what has none is a group."""
    first = filled.requests.sort("start_time").ids()[0]
    filled.track.metadata(first, {"due": "2026-12-24"})
    found = filled.requests.group_by(by_time("1mo", on=meta("due").as_datetime())).agg(count()).fetchall()
    assert [(row[0] and row[0].month, row[1]) for row in found] == [(12, 1), (None, 5)]
    assert filled.requests.group_by(by_time("1d", on=col.end_time)).agg(count()).count() == 5


def test_a_part_of_each_group(filled: PromptLog) -> None:
    """`count(condition)` and `.filter(condition)` tell of some of a group's requests; the groups stay."""
    groups = filled.requests.group_by(col.model).agg(
        slow=count(col.latency_ms > 350),
        tagged=col.input_tokens.sum().filter(tag("a")).filter(col.input_tokens > 0),
    )
    assert groups.fetchall() == [("gpt-4o", 1, 2), ("o1", 2, 1)]


def test_arithmetic(filled: PromptLog) -> None:
    """Aggregates add, subtract, multiply and divide; where a side is null, or the divisor 0, so is the whole."""
    each = col.input_tokens.sum() / meta("user_id").n_unique()
    groups = filled.requests.group_by(meta("user_id")).agg(
        each.alias("each"), ms=1000 * col.latency_ms.max() - count()
    )
    assert groups.fetchall() == [("u0", 2.0, 299_998.0), ("u1", 4.0, 399_998.0), (None, None, 599_998.0)]
    assert groups.sort(each, descending=True).having(each > 2).fetchall() == [("u1", 4.0, 399_998.0)]
    assert repr(each) == "(col.input_tokens.sum() / meta('user_id').n_unique())"
    halves = (col.latency_ms.quantile(0.5) - col.latency_ms.quantile(0)).filter(col.model == "o1")
    assert filled.requests.agg(x=halves).fetchall() == [(200.0,)]


def test_sorting_takes_names_aggregates_and_keys(filled: PromptLog) -> None:
    """Also an aggregate that is not shown; nulls last, ties by the keys."""
    groups = filled.requests.group_by(meta("user_id"), col.model).agg(
        n=count(), p=meta("price").as_int().sum()
    )
    models = [row[1] for row in groups.sort("p", descending=True).fetchall()]
    assert models == ["o1", "gpt-4o", "gpt-4o", "o1"]
    assert [row[0] for row in groups.sort(col.latency_ms.max(), descending=True).fetchall()] == [
        None,
        None,
        "u1",
        "u0",
    ]
    assert [row[0] for row in groups.sort(meta("user_id"), descending=True).fetchall()] == [
        "u1",
        "u0",
        None,
        None,
    ]
    assert groups.sort("user_id", descending=True).limit(1).fetchall() == [("u1", "o1", 2, 4)]


def test_having(filled: PromptLog) -> None:
    """Conditions on aggregates, shown or not, combine; where an aggregate is null a comparison is false."""
    groups = filled.requests.group_by(meta("user_id")).agg(n=count())
    assert groups.having(col.input_tokens.sum() > 2, error_rate() == 0).fetchall() == [("u1", 2)]
    assert groups.having((count() > 9) | (meta("price").as_float().mean() < 9)).count() == 2
    assert groups.having(~(meta("price").as_float().mean() < 9)).fetchall() == [(None, 2)]
    assert groups.having(col.start_time.max() >= "2026-10-28").fetchall() == [(None, 2)]


def test_a_limit_before_groups_picks_requests(filled: PromptLog) -> None:
    """The newest two, or the slowest, are what is grouped."""
    assert filled.requests.limit(2).group_by(col.model).agg(count()).fetchall() == [("gpt-4o", 1), ("o1", 1)]
    slowest = filled.requests.sort("latency_ms", descending=True).limit(1)
    assert slowest.agg(count(), col.input_tokens.sum()).fetchall() == [(1, 5)]


def test_of_no_request_at_all(client: PromptLog) -> None:
    """Without groups there is one row, of zeros and nulls; with groups there is none."""
    told = client.requests.agg(
        count(), col.cost_usd.sum(), col.model.n_unique(), share(), error_rate(), col.cost_usd.max()
    )
    assert told.fetchall() == [(0, 0.0, 0, None, None, None)]
    assert client.requests.group_by(by_time("1h"), tag).agg(count()).pl().is_empty()


def test_frames_have_fitting_types(filled: PromptLog) -> None:
    """Counts and sums of whole numbers are whole."""
    frame = (
        filled.requests.group_by(col.request_id)
        .agg(count(), col.input_tokens.sum(), col.cost_usd.sum(), col.cost_usd.mean(), col.end_time.max())
        .pl()
    )
    assert frame.dtypes == [pl.String, pl.Int64, pl.Int64, pl.Float64, pl.Float64, pl.Datetime("us", "UTC")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda _: col.model.sum(), r"col\.model is text and \.sum needs a number"),
        (lambda _: meta("price").mean(), r"write meta\('price'\)\.as_float\(\)\.mean"),
        (lambda _: col.start_time.quantile(0.5), "is a moment"),
        (lambda _: col.latency_ms.quantile(95), "a share from 0 to 1, such as 0.95, got 95"),
        (lambda _: col.latency_ms.quantile("p95"), "a share from 0 to 1"),  # type: ignore[arg-type]
        (lambda _: by_time("1x"), "no span"),
        (lambda _: by_time("7m"), "must divide"),
        (lambda _: by_time("0d"), "no span"),
        (lambda _: by_time(timedelta(hours=5)), "must divide"),
        (lambda _: by_time("1d", time_zone="Europe/Berln"), "did you mean 'Europe/Berlin'"),
        (lambda _: by_time("1d", on=col.model), "needs a moment"),
        (lambda requests: requests.group_by(), "at least one key"),
        (lambda requests: requests.group_by("user_id"), r"meta\('user_id'\)"),
        (lambda requests: requests.group_by(tag("a")), "filter"),
        (lambda requests: requests.group_by(col.model, meta("Model")), "two columns would be called 'model' and 'Model'"),
        (lambda requests: requests.group_by(tag, t=tag), "tag once"),
        (lambda requests: requests.group_by(by_time("1d"), t=by_time("1h")), "by_time once"),
        (lambda requests: requests.agg(), "at least one aggregate"),
        (lambda requests: requests.group_by(tag).df(), r"call \.agg\(n=count\(\)\) before \.df"),
        (lambda requests: requests.agg(count), r"call it: count\(\)"),
        (lambda requests: requests.agg(n=col.model), "agg takes aggregates"),
        (lambda requests: requests.agg(col.status == "ERROR"), r"count\(condition\)"),
        (lambda requests: requests.agg(count(), count(tag("a"))), "two columns would be called 'count'"),
        (lambda requests: requests.group_by(col.model).agg(model=count()), "two columns"),
        (lambda requests: requests.agg(n=count()).sort("m"), "no column 'm'; did you mean|there are n"),
        (lambda requests: requests.group_by(col.model).agg(n=count()).sort("modle"), "did you mean 'model'"),
        (lambda requests: requests.group_by(col.model).agg(n=count()).sort(col.status), "is no key of these groups"),
        (lambda requests: requests.agg(n=count()).limit(-1), "0 or more"),
        (lambda requests: requests.agg(n=count()).having(col.model == "a"), "go to filter"),
        (lambda requests: requests.filter(count() > 1), "filter takes conditions"),
        (lambda _: count() > "a", "is a number"),
        (lambda _: count() + "a", "is a number"),  # type: ignore[operator]
        (lambda _: col.model.max() + 1, "is no number"),
        (lambda _: share().filter(tag("a")), "cannot be filtered"),
        (lambda _: count(col.model), "takes a condition on requests"),  # type: ignore[arg-type]
        (lambda _: count().alias(""), "not empty"),
        (lambda _: count().alias("\ud800"), "not valid Unicode"),
        (lambda requests: requests.agg(n=count()).limit(1 << 63), "0 or more"),
        (lambda requests: requests.limit(1 << 63), "0 or more"),
        (lambda requests: requests.analytics(top=1 << 63), "1 or more"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_once(client: PromptLog, wrong: object, said: str) -> None:
    """Before anything runs, with the thing, the cause and the way out."""
    with pytest.raises(errors.InvalidInputError, match=said):
        wrong(client.requests)  # type: ignore[operator]


def test_conditions_on_aggregates_are_no_truth_values() -> None:
    """`and` where & was meant is said, and so are parentheses that are missing."""
    with pytest.raises(errors.ConditionAsBoolError, match="of each group"):
        bool(count() > 1)
    with pytest.raises(errors.ConditionAsBoolError, match="parentheses"):
        assert count() > 1 & col.latency_ms.mean() > 2
    with pytest.raises(errors.ConditionAsBoolError, match="conditions on aggregates"):
        (count() > 1) & (col.model == "a")  # type: ignore[operator]


def test_a_count_leaves_nothing_behind(filled: PromptLog) -> None:
    """A count is followed by a frame: nothing of it bars the connection."""
    assert filled.requests.count() == 6
    assert len(filled.requests.arrow()) == 6
    groups = filled.requests.group_by(col.model).agg(count())
    assert groups.count() == len(groups.arrow()) == 2
