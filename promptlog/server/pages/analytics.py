"""Numbers over time of what is filtered, by what one chooses; and the Python that asks the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from promptlog.expressions.face import col, meta, since, tag, until
from promptlog.expressions.grouping import by_time, count
from promptlog.expressions.nodes import Or
from promptlog.server.house import house_of
from promptlog.server.pages import filters
from promptlog.server.pages.known import known_of
from promptlog.server.pages.rendering import answer
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.expressions.nodes import Condition
    from promptlog.server.house import House

PATH = "/analytics"
COLUMNS = ("model", "tag", "prompt_name", "provider", "status", "error_type", "function_name")
_MOST_SPANS = 90
_LINES = 7
_ROWS = 25
_WIDTHS = (
    ("1s", 1), ("5s", 5), ("15s", 15), ("1m", 60), ("5m", 300), ("15m", 900), ("1h", 3600), ("3h", 10_800), ("6h", 21_600),
    ("12h", 43_200), ("1d", 86_400), ("7d", 604_800), ("28d", 2_419_200), ("1y", 31_557_600),
)  # fmt: skip
_MEASURES: dict[str, tuple[Any, str]] = {
    "requests": (count(), "count()"),
    "errors": (count(col.status == "ERROR"), 'count(col.status == "ERROR")'),
    "cost": (col.cost_usd.sum(), "col.cost_usd.sum()"),
    "tokens_in": (col.input_tokens.sum(), "col.input_tokens.sum()"),
    "tokens_out": (col.output_tokens.sum(), "col.output_tokens.sum()"),
    "p50": (col.latency_ms.quantile(0.5), "col.latency_ms.quantile(0.5)"),
    "p95": (col.latency_ms.quantile(0.95), "col.latency_ms.quantile(0.95)"),
}
_ASKED = {name: aggregate for name, (aggregate, _) in _MEASURES.items()}


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: a line or a part of each bar for each series.

    Attributes:
        title, total: what it is of, and that of all requests; `format` says how its numbers are written.
        bars: whether the series are parts of bars that add up; else they are lines.
        series: names and values, one for each of the times.
        python: what asks the same.
    """

    title: str
    total: float | None
    format: str
    bars: bool
    series: list[tuple[str, list[float | None]]]
    python: str

    def data(self, times: list[int]) -> dict[str, Any]:
        """Return what the script draws."""
        return {
            "times": times,
            "bars": self.bars,
            "format": self.format,
            "names": [name for name, _ in self.series],
            "values": [values for _, values in self.series],
        }


def routes() -> list[BaseRoute]:
    """Return the routes of analytics."""
    return [Route(PATH, show), Route(f"{PATH}/charts", show_charts), Route(f"{PATH}/narrow", narrow)]


async def show(request: Request) -> Response:
    """The page: the search and what to group by; the numbers come with a second request."""
    house, view, by = house_of(request), View.of(request.query_params), request.query_params.get("by", "")
    more = {"by": by} if by else {}

    def ask() -> dict[str, Any]:
        return {
            "view": view, "by": by, "columns": COLUMNS,
            "error": filters.misread(view),
            "keys": [key for key, _ in known_of(house).key_counts()],
            "chips": filters.chips(view, PATH, **more),
            "spans": filters.spans(view, PATH, **more),
            "charts": view.address(f"{PATH}/charts", **more),
            "requests": view.address(),
        }  # fmt: skip

    return await answer(request, "analytics.html", ask)


async def narrow(request: Request) -> Response:
    """Lead to the view of a span of time, given in seconds since 1970."""
    view, by = View.of(request.query_params), request.query_params.get("by", "")
    ends = []
    for name in ("from", "to"):
        given = request.query_params.get(name, "")
        ends.append(int(given) if given.isdecimal() and len(given) < 12 else 0)  # noqa: PLR2004 - the year 9999
    begin, end = (datetime.fromtimestamp(min(moment, 253_402_300_799), UTC) for moment in ends)
    narrowed = view.within(since(begin), until(end)) if ends[0] < ends[1] else view
    return RedirectResponse(narrowed.address(PATH, **({"by": by} if by else {})), 303)


async def show_charts(request: Request) -> Response:
    """The numbers."""
    house, view, by = house_of(request), View.of(request.query_params), request.query_params.get("by", "")
    return await answer(request, "parts/charts.html", load, house, view, by)


def load(house: House, view: View, by: str) -> dict[str, Any]:
    """Return what the charts show."""
    asked = house.client.search(view.q)
    ends = {"first": col.start_time.min(), "last": col.start_time.max()}
    totals = asked.agg(**_ASKED, **ends).dicts()[0]
    if not totals["requests"]:
        return {"totals": totals, "charts": [], "view": view}
    width = _width((totals["last"] - totals["first"]).total_seconds())
    course = asked.group_by(time=by_time(width)).agg(**_ASKED).dicts()
    times = [row["time"] for row in course]
    groups, parts = _grouped(house, view, by, width) if by else ([], {})
    charts = [
        _chart("Requests", "requests", "number", totals, course, times, parts, view, by, width),
        _chart("Errors", "errors", "number", totals, course, times, parts, view, by, width),
        _chart("Cost", "cost", "usd", totals, course, times, parts, view, by, width),
        _chart(
            "Tokens", ("tokens_in", "tokens_out"), "number", totals, course, times, parts, view, by, width
        ),
        _chart("Latency", ("p50", "p95"), "latency", totals, course, times, parts, view, by, width),
    ]
    legend = [
        (name, view.having(_condition(by, name)).address(PATH, by=by)) if name is not None else ("other", "")
        for name in [*parts, *([None] if parts and len(groups) > len(parts) else [])]
    ]
    return {
        "totals": totals, "charts": charts, "view": view, "by": by, "width": width, "course": course,
        "times": [int(time.timestamp()) for time in times], "groups": groups, "legend": legend,
        "narrow": view.address(f"{PATH}/narrow", **({"by": by} if by else {})),
        "most": max((row["requests"] for row, _ in groups), default=1),
    }  # fmt: skip


def _grouped(
    house: House, view: View, by: str, width: str
) -> tuple[list[Any], dict[str, dict[datetime, Any]]]:
    """Return the groups with the most requests, each with its address, and the course of the first of them."""
    asked = house.client.search(view.q)
    key: Any = tag if by == "tag" else col(by) if by in COLUMNS else meta(by)
    ranked = asked.group_by(group=key).agg(n=count()).sort("n", descending=True).limit(_ROWS).fetchall()
    names = [name for name, _ in ranked if name is not None]
    those = _those(by, key, names)
    if len(names) < len(ranked) and by != "tag":
        those |= key.is_null()
    # Quantiles of thousands of groups take long: they are asked of those that are shown.
    rows = asked.filter(those).group_by(group=key).agg(**_ASKED).sort("requests", descending=True).dicts()
    rows = [row for row in rows if row["group"] is None or row["group"] in names]
    groups = [
        (row, "" if row["group"] is None else view.having(_condition(by, row["group"])).address(PATH, by=by))
        for row in rows
    ]
    first = [row["group"] for row in rows if row["group"] is not None][:_LINES]
    if not first:
        return groups, {}
    over_time = (
        asked.filter(_those(by, key, first)).group_by(time=by_time(width), group=key).agg(**_ASKED).dicts()
    )
    parts: dict[str, dict[datetime, Any]] = {name: {} for name in first}
    for row in over_time:
        if row["group"] in parts:
            parts[row["group"]][row["time"]] = row
    return groups, parts


def _those(by: str, key: Any, names: list[str]) -> Condition:
    """Return the condition that a request is of one of these groups."""
    found: Condition = Or(tuple(map(tag, names))) if by == "tag" else key.is_in(names)
    return found


def _condition(by: str, value: str) -> Condition:
    return filters.term_of(by, value, is_metadata=by not in COLUMNS)


def _chart(
    title: str,
    names: str | tuple[str, str],
    form: str,
    totals: dict[str, Any],
    course: list[dict[str, Any]],
    times: list[datetime],
    parts: dict[str, dict[datetime, Any]],
    view: View,
    by: str,
    width: str,
) -> Chart:
    both = (names,) if isinstance(names, str) else names
    bars = form != "latency"
    if not parts:
        series: list[tuple[str, list[float | None]]] = [
            (name, [_number(row[name]) for row in course]) for name in both
        ]
    elif bars:
        sums: dict[str, list[float]] = {
            name: [sum(_number(rows.get(time, {}).get(one)) or 0.0 for one in both) for time in times]
            for name, rows in parts.items()
        }
        whole = [sum(_number(row[one]) or 0.0 for one in both) for row in course]
        left = [max(all_of - sum(some), 0.0) for all_of, *some in zip(whole, *sums.values(), strict=True)]
        series = [(name, [*values]) for name, values in sums.items()]
        if by != "tag" and sum(left) > 1e-9 * max(sum(whole), 1):  # a request counts under each of its tags
            series.append(("other", [*left]))
    else:
        series = [
            (name, [_number(rows.get(time, {}).get("p95")) for time in times]) for name, rows in parts.items()
        ]
        title, both = f"{title}, p95", ("p95",)
    total = totals["p95"] if not bars else sum(_number(totals[one]) or 0 for one in both)
    return Chart(title, total, form, bars, [*series], _python(view, by, width, both))


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _width(seconds: float) -> str:
    return next((name for name, size in _WIDTHS if seconds / size <= _MOST_SPANS), "1y")


def _python(view: View, by: str, width: str, names: tuple[str, ...]) -> str:
    key = "" if not by else ", tag" if by == "tag" else f", col.{by}" if by in COLUMNS else f", meta({by!r})"
    asked = f"client.search({view.q!r})" if view.q else "client.requests"
    told = ", ".join(f"{name}={_MEASURES[name][1]}" for name in names)
    y = f"[{', '.join(map(repr, names))}]" if len(names) > 1 and not by else ""
    needs = [
        name
        for name in ("by_time", "col", "count", "meta", "tag")
        if f"{name}(" in f"{key}{told}by_time(" or f"{name}." in f"{key}{told}" or key == f", {name}"
    ]
    return f"from promptlog import {', '.join(needs)}\n\n{asked}.group_by(by_time({width!r}){key}).agg({told}).plot({y})"
