"""Numbers over time of what is filtered, by what one chooses."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from promptlog.expressions.face import col, since, tag, until
from promptlog.expressions.grouping import by_time
from promptlog.expressions.nodes import Or
from promptlog.identifiers import LATEST_US
from promptlog.server.house import house_of
from promptlog.server.numbers import small_int
from promptlog.server.pages import filters
from promptlog.server.pages.charts import COLUMNS, MEASURES, By, Course
from promptlog.server.pages.rendering import answer
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.expressions.nodes import Condition
    from promptlog.server.house import House

PATH = "/analytics"
_MOST_SPANS = 90
_LINES = 7
_ROWS = 25
_MOST = "requests"  # the measure that the first groups have most of, unless the address says another
_WIDTHS = (
    ("1s", 1), ("5s", 5), ("15s", 15), ("1m", 60), ("5m", 300), ("15m", 900), ("1h", 3600), ("3h", 10_800), ("6h", 21_600),
    ("12h", 43_200), ("1d", 86_400), ("7d", 604_800), ("28d", 2_419_200), ("1y", 31_557_600),
)  # fmt: skip


def routes() -> list[BaseRoute]:
    """Return the routes of analytics."""
    return [Route(PATH, show), Route(f"{PATH}/charts", show_charts), Route(f"{PATH}/narrow", narrow)]


def _asked(request: Request) -> tuple[View, By | None, dict[str, str]]:
    """Return what an address asks for: the view, what it is grouped by, and that with its rank as an address has them."""
    by = By.of(request.query_params.get("by", ""))
    return View.of(request.query_params), by, _more(by, request.query_params.get("most", ""))


def _more(by: By | None, most: str) -> dict[str, str]:
    """Return what an address has beside the view: what is grouped by, and the measure that the first groups have most of."""
    if not by:
        return {}
    return {"by": str(by)} | ({"most": most} if most in MEASURES and most != _MOST else {})


async def show(request: Request) -> Response:
    """The page: the search and what to group by; the numbers come with a second request."""
    house = house_of(request)
    view, by, more = _asked(request)

    def ask() -> dict[str, Any]:
        return {
            "view": view, "by": by, "columns": COLUMNS,
            "error": filters.misread(view),
            "keys": [key for key, _ in house.known.key_counts()],
            "chips": filters.chips(view, PATH, **more),
            "spans": filters.spans(view, PATH, **more), "days": filters.days(view, PATH, **more),
            "charts": view.address(f"{PATH}/charts", **more),
            "requests": view.address(),
        }  # fmt: skip

    return await answer(request, "analytics.html", ask)


async def narrow(request: Request) -> Response:
    """Lead to the view of a span of time, given in seconds since 1970."""
    view, _, more = _asked(request)
    ends = [
        small_int(request.query_params.get(name, ""), LATEST_US // 1_000_000) or 0 for name in ("from", "to")
    ]
    begin, end = (datetime.fromtimestamp(moment, UTC) for moment in ends)
    narrowed = view.within(since(begin), until(end)) if ends[0] < ends[1] else view
    return RedirectResponse(narrowed.address(PATH, **more), 303)


async def show_charts(request: Request) -> Response:
    """The numbers."""
    view, by, more = _asked(request)
    return await answer(
        request, "parts/charts.html", load, house_of(request), view, by, more.get("most", _MOST)
    )


def load(house: House, view: View, by: By | None, most: str = _MOST) -> dict[str, Any]:
    """Return what the charts show; the groups are those with the most of a measure."""
    asked = house.client.search(view.q)
    ends = {"first": col.start_time.min(), "last": col.start_time.max()}
    totals = asked.agg(**MEASURES, **ends).dicts()[0]
    if not totals["requests"]:
        return {"totals": totals, "charts": [], "view": view}
    width = _width((totals["last"] - totals["first"]).total_seconds())
    rows = asked.group_by(time=by_time(width)).agg(**MEASURES).dicts()
    groups, parts, has_more = _grouped(house, view, by, most, width) if by else ([], {}, False)
    legend = [(name, _narrowed(view, by, name, most)) for name in parts] if by else []
    if parts and len(groups) > len(parts):
        legend.append(("other", ""))
    more = _more(by, most)
    return {
        "totals": totals, "view": view, "by": by, "width": width, "course": [*_folded(rows)], "groups": groups, "has_more": has_more, "legend": legend,
        "charts": Course(str(house.client.path), view, by, width, totals, rows, parts).charts(),
        "times": [int(row["time"].timestamp()) for row in rows],
        "narrow": view.address(f"{PATH}/narrow", **more),
        "by_most": most, "ranks": {name: view.address(PATH, **_more(by, name)) for name in MEASURES},
        "most": max((row["requests"] for row, _ in groups), default=1),
    }  # fmt: skip


def _folded(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the rows, the latest first; of several in a row without a request one, which says how many in `empty`."""
    for is_empty, run in groupby(reversed(rows), key=lambda row: not row["requests"]):
        some = [*run]
        if is_empty and len(some) > 1:
            yield {"time": some[-1]["time"], "until": some[0]["time"], "empty": len(some)}
        else:
            yield from some


def _narrowed(view: View, by: By, group: str, most: str) -> str:
    """Return the address of a group alone."""
    return view.having(by.term(group)).address(PATH, **_more(by, most))


def _grouped(
    house: House, view: View, by: By, most: str, width: str
) -> tuple[list[Any], dict[str, dict[datetime, Any]], bool]:
    """Return the groups with the most of a measure, each with its address; the course of the first of them; whether there are more."""
    asked = house.client.search(view.q)
    every = asked.group_by(group=by.key).agg(n=MEASURES[most])
    ranked = every.sort("n", descending=True).limit(_ROWS + 1).fetchall()
    has_more, ranked = len(ranked) > _ROWS, ranked[:_ROWS]
    names = [name for name, _ in ranked if name is not None]
    those = _those(by, names)
    if len(names) < len(ranked) and not by.is_tag:
        those |= by.key.is_null()
    # Quantiles of thousands of groups take long: they are asked of those that are shown.
    rows = asked.filter(those).group_by(group=by.key).agg(**MEASURES).sort(most, descending=True).dicts()
    rows = [row for row in rows if row["group"] is None or row["group"] in names]
    groups = [(row, "" if row["group"] is None else _narrowed(view, by, row["group"], most)) for row in rows]
    first = [row["group"] for row in rows if row["group"] is not None][:_LINES]
    if not first:
        return groups, {}, has_more
    over_time = (
        asked.filter(_those(by, first)).group_by(time=by_time(width), group=by.key).agg(**MEASURES).dicts()
    )
    parts: dict[str, dict[datetime, Any]] = {name: {} for name in first}
    for row in over_time:
        if row["group"] in parts:
            parts[row["group"]][row["time"]] = row
    return groups, parts, has_more


def _those(by: By, names: list[str]) -> Condition:
    """Return the condition that a request is of one of these groups."""
    found: Condition = Or(tuple(map(tag, names))) if by.is_tag else by.key.is_in(names)
    return found


def _width(seconds: float) -> str:
    return next((name for name, size in _WIDTHS if seconds / size <= _MOST_SPANS), "1y")
