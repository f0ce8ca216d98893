"""Charts of groups: what they show, and that they can be drawn."""

from __future__ import annotations

import importlib.util
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
import vl_convert

from promptlog import PromptLog, by_time, col, count, error_rate, errors, meta, tag
from tests.samples import request

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog.query.groups import Groups

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def filled(client: PromptLog) -> PromptLog:
    """Twelve requests on three days: user 0 has four of them, 1 three, 2 two, and 3, 4 and nobody one each."""
    for number, user in enumerate((0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, None)):
        start = datetime(2026, 3, 28 + number % 2 * 2, 12, tzinfo=BERLIN)
        client.log_request(
            **request(
                request_start_time=start,
                request_end_time=start + timedelta(milliseconds=100 * number),
                metadata={} if user is None else {"user.id": f"u{user}"},
                tags=["all", f"rare{number}"],
                price=number,
                status="ERROR" if user == 2 else "SUCCESS",
            )
        )
    return client


def drawn(groups: Groups, *wanted: Any, **told: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the chart as Vega takes it, after it was drawn, and its rows."""
    chart = groups.plot(*wanted, **told)
    assert vl_convert.vegalite_to_png(chart.to_json()).startswith(b"\x89PNG")
    made = chart.to_dict()
    return made, made["data"]["values"] if "values" in made["data"] else next(iter(made["datasets"].values()))


def test_time_alone_is_a_line(filled: PromptLog) -> None:
    """Every day has its point, named as the zone's clocks show it."""
    groups = filled.requests.group_by(by_time("1d", time_zone="Europe/Berlin")).agg(n=count(), e=error_rate())
    made, rows = drawn(groups)
    assert made["mark"]["type"] == "line"
    assert [(row["time"], row["shown"], row["v0"]) for row in rows] == [
        ("2026-03-28T00:00:00Z", "2026-03-28", 6),
        ("2026-03-29T00:00:00Z", "2026-03-29", 0),
        ("2026-03-30T00:00:00Z", "2026-03-30", 6),
    ]
    assert made["encoding"]["x"]["title"] == "time (Europe/Berlin)"
    made, rows = drawn(groups, "e")
    assert [row["v0"] for row in rows] == [1 / 6, None, 1 / 6]
    assert made["encoding"]["y"]["axis"]["format"] == ".0%"
    made, rows = drawn(groups, ["e", "n"])
    assert [row["label"] for row in rows] == ["e"] * 3 + ["n"] * 3


def test_hours_are_those_of_a_day(client: PromptLog) -> None:
    """Six in the evening is 18:00 on the axis, as it is drawn, and not Vega's 06 PM."""
    for minute in (15, 40):
        start = datetime(2026, 3, 28, 18, minute, tzinfo=ZoneInfo("UTC"))
        client.log_request(**request(request_start_time=start, request_end_time=start))
    chart = client.requests.group_by(by_time("5m")).agg(count()).plot()
    axis = re.findall(r">(\d\d:\d\d|\d\d [AP]M)<", vl_convert.vegalite_to_svg(chart.to_json()))
    assert axis
    assert all(label.startswith("18:") for label in axis)


def test_the_first_groups_have_a_line_each_and_the_rest_one(filled: PromptLog) -> None:
    """What adds up ranks groups by its sum; the rest is in no group that is shown."""
    groups = filled.requests.group_by(by_time("1d"), meta("user.id")).agg(n=count(), cost=col.cost_usd.sum())
    made, rows = drawn(groups, top=2)
    assert made["encoding"]["color"]["scale"]["domain"] == ["u0", "u1", "other"]
    assert sorted({(row["label"], row["shown"], row["v0"]) for row in rows if row["v0"]}) == [
        ("other", "2026-03-28", 2), ("other", "2026-03-30", 3), ("u0", "2026-03-28", 2), ("u0", "2026-03-30", 2),
        ("u1", "2026-03-28", 2), ("u1", "2026-03-30", 1),
    ]  # fmt: skip
    assert len(rows) == 3 * 3
    assert made["title"]["text"] == "n by time, user.id"
    assert made["title"]["subtitle"] == "the first 2 by n; all others together are 'other'"
    _, rows = drawn(groups, "cost", top=2, other=False)
    assert {row["label"] for row in rows} == {"u1", "u2"}


def test_other_is_asked_of_its_requests(filled: PromptLog) -> None:
    """A quantile of all others is that of their requests; groups are chosen by requests, and shown by size."""
    groups = filled.requests.group_by(meta("user.id")).agg(p=col.latency_ms.quantile(0.5))
    made, rows = drawn(groups, top=2)
    assert made["encoding"]["y"]["sort"] == ["u1", "u0", "other"]
    assert {row["label"]: row["v0"] for row in rows} == {"u0": 150.0, "u1": 500.0, "other": 900.0}
    assert made["mark"]["type"] == "bar"
    made, _ = drawn(groups.sort(col.latency_ms.max(), descending=True), top=2)
    assert made["encoding"]["y"]["sort"] == ["(none)", "u4", "other"]
    made, _ = drawn(groups, top=8)
    assert made["encoding"]["y"]["sort"] == ["(none)", "u4", "u3", "u2", "u1", "u0"]


def test_a_rest_that_is_larger_than_any_group_is_told_and_not_drawn(filled: PromptLog) -> None:
    """Beside its bar the others would be slivers."""
    groups = filled.requests.group_by(meta("user.id")).agg(n=count())
    made, rows = drawn(groups, top=1)
    assert {row["label"]: row["v0"] for row in rows} == {"u0": 4}
    assert made["title"]["subtitle"] == "the first 1 by n; all others together: 8 (67% of the whole)"


def test_a_request_with_two_tags_of_the_rest_counts_once(filled: PromptLog) -> None:
    """It is under "other" as one."""
    for number, id in enumerate(filled.requests.ids()):
        filled.track.tags(id, [f"more{number}"])
    _, rows = drawn(filled.requests.group_by(tag).agg(n=count()), top=1)
    assert {row["label"]: row["v0"] for row in rows} == {"all": 12, "other": 12}


def test_what_limit_and_having_chose_is_drawn_as_it_is(filled: PromptLog) -> None:
    """Without "other", in the order asked for."""
    groups = filled.requests.group_by(meta("user.id")).agg(n=count(), last=col.start_time.max())
    made, rows = drawn(groups.sort("n", descending=True).limit(3), title="Busiest")
    assert [(row["label"], row["v0"]) for row in rows] == [("u0", 4), ("u1", 3), ("u2", 2)]
    assert made["encoding"]["y"]["sort"] == ["u0", "u1", "u2"]
    assert made["title"]["text"] == "Busiest"
    made, rows = drawn(groups.having(count() == 1))
    assert {row["label"] for row in rows} == {"u3", "u4", "(none)"}


def test_several_keys_are_one_label(filled: PromptLog) -> None:
    """Their values side by side; a value that is called other is not taken for the rest."""
    (nobodys,) = filled.requests.filter(meta("user.id").is_null()).ids()
    filled.track.metadata(nobodys, {"user.id": "other"})
    _, rows = drawn(filled.requests.group_by(meta("user.id"), "status").agg(n=count()), top=1)
    assert [row["label"] for row in rows if row["v0"] == 4] == ["u0 \u00b7 SUCCESS"]
    made, rows = drawn(
        filled.requests.filter(meta("user.id") >= "other").group_by(meta("user.id")).agg(n=count())
    )
    assert "other" in {row["label"] for row in rows}
    svg = vl_convert.vegalite_to_svg(made)
    assert re.search(r">u0<", svg)
    one = (
        filled.requests.filter(meta("user.id").is_in(["other", "u4"]))
        .group_by(meta("user.id"))
        .agg(n=count())
    )
    made, _ = drawn(one.sort(meta("user.id").min()), top=1)
    assert made["encoding"]["y"]["sort"] == ["other", "(all other)"]


def test_an_empty_store_has_an_empty_chart(client: PromptLog) -> None:
    """Nothing is no error."""
    for keys in ([by_time("1h")], [col.model], [by_time("1d"), col.model]):
        _, rows = drawn(client.requests.group_by(*keys).agg(count()))
        assert rows == []


def test_what_cannot_be_drawn_is_said(filled: PromptLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way out."""
    groups = filled.requests.group_by(meta("user.id")).agg(n=count(), last=col.start_time.max())
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: filled.requests.agg(count()).plot(), "group_by something"),
        (lambda: groups.plot("m"), "no aggregate of these groups: n, last"),
        (lambda: groups.plot("last"), "'last' is no number"),
        (lambda: groups.plot(["n", "last"]), "several where by_time is the only key"),
        (lambda: groups.plot(top=0), "1 to 100, got 0"),
        (lambda: groups.plot(5), "y is the name of an aggregate"),  # type: ignore[arg-type]
        (lambda: groups.plot([5]), "5 is no aggregate"),  # type: ignore[list-item]
        (lambda: groups.plot(title=5), "title is a text, got 5"),  # type: ignore[arg-type]
        (lambda: filled.requests.group_by(by_time("1s")).agg(count()).plot(), "longer spans"),
    ]
    for wrong, said in cases:
        with pytest.raises(errors.InvalidInputError, match=said):
            wrong()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.MissingExtraError, match=r"'altair'.*pip install 'promptlog-local\[plot\]'"):
        groups.plot()


def test_parts_of_a_dollar_are_not_written_as_millions(client: PromptLog) -> None:
    """Vega's prefixes of units would make "$180m" of 0.18 dollars."""
    for number in range(3):
        client.log_request(**request(metadata={"user_id": f"u{number}"}, price=0.06 * (number + 1)))
    drawn = client.requests.group_by(meta("user_id")).agg(cost=col.cost_usd.sum()).plot()
    svg = vl_convert.vegalite_to_svg(drawn.to_json())
    assert re.search(r">\$0\.1\d*<", svg)
    assert not re.search(r">\$\d+m<", svg)
