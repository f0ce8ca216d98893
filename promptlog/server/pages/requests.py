"""The list of requests: the table, its next rows, its newest rows, its facets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from promptlog.errors import SearchSyntaxError
from promptlog.expressions.face import col
from promptlog.server.house import house_of
from promptlog.server.pages import cells, filters, python
from promptlog.server.pages.known import known_of
from promptlog.server.pages.rendering import page
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.models.facets import Facets
    from promptlog.server.house import House

_MOST_US = 4_000_000_000_000_000  # the year 2096


def routes() -> list[BaseRoute]:
    """Return the routes of the list."""
    return [
        Route("/", show),
        Route("/requests/rows", more_rows),
        Route("/requests/new", new_rows),
        Route("/requests/facets", show_facets),
    ]


async def show(request: Request) -> Response:
    """The page."""
    view = View.of(request.query_params)
    shown = await house_of(request).ask(_load, house_of(request), view, request.query_params.get("after"))
    return page(request, "requests.html", **shown, origin=f"{request.url.scheme}://{request.url.netloc}")


async def more_rows(request: Request) -> Response:
    """The rows after one."""
    view = View.of(request.query_params)
    shown = await house_of(request).ask(
        _load_rows, house_of(request), view, request.query_params.get("after")
    )
    return page(request, "parts/rows.html", **shown)


async def new_rows(request: Request) -> Response:
    """What was logged since the page last asked; the header Logged-Us says until when that is."""
    view = View.of(request.query_params)
    given = request.query_params.get("logged_us", "")
    house = house_of(request)

    def ask() -> dict[str, Any]:
        columns = cells.shown_columns(view, known_of(house).key_counts())
        us = min(int(given), _MOST_US) if given.isdecimal() else 0
        rows = cells.newer(house.client, view, columns, us)
        last = max([us, *(row.logged_us for row in rows)])
        return {"view": view, "columns": columns, "rows": rows, "next": None, "last": last}

    shown = await house.ask(ask)
    answer = page(request, "parts/rows.html", **shown)
    answer.headers["Logged-Us"] = str(shown["last"])
    return answer


async def show_facets(request: Request) -> Response:
    """The facets, and how many requests there are."""
    view = View.of(request.query_params)
    house = house_of(request)

    def ask() -> dict[str, Any]:
        found = house.client.search(view.q).facets()
        total = found.counted if found.whole else None
        if total is None and not view.reads_texts:
            total = house.client.search(view.q).count()
        return _faceted(found, view, total)

    return page(request, "parts/facets.html", **await house.ask(ask))


def _faceted(found: Facets, view: View, total: int | None) -> dict[str, Any]:
    return {
        "facets": found,
        "groups": filters.groups(found, view),
        "total": total,
        "view": view,
    }


def _load_rows(house: House, view: View, after: str | None) -> dict[str, Any]:
    columns = cells.shown_columns(view, known_of(house).key_counts())
    rows = cells.rows(house.client, view, columns, after)
    following = view.address("/requests/rows", after=rows[-1].request_id) if len(rows) == cells.PAGE else None
    later = view.address("/", after=rows[-1].request_id) if following else None
    last = max((row.logged_us for row in rows), default=0)
    return {"view": view, "columns": columns, "rows": rows, "next": following, "later": later, "last": last}


def _load(house: House, view: View, after: str | None) -> dict[str, Any]:
    """Return all that the page shows."""
    shown: dict[str, Any] = {
        "view": view, "python": python.searching(str(house.client.path), view.q), "error": None, "facets": None, "empty": False, "after": after,
        "rows": [], "columns": [], "next": None, "later": None, "last": 0,
        "chips": filters.chips(view), "spans": filters.spans(view), "keys": [], "choices": cells.CHOICES,
    }  # fmt: skip
    try:
        shown |= _load_rows(house, view, after)
        if (
            not shown["rows"] and not view.q and after is None
        ):  # the page says that what is logged appears at once
            house.catch_up()
            shown |= _load_rows(house, view, after)
    except SearchSyntaxError as error:
        return {**shown, "error": error}
    known = known_of(house)
    shown["keys"] = [key for key, _ in known.key_counts()][:40]
    rows = shown["rows"]
    if not rows and not view.q and after is None:
        now = datetime.now(UTC).replace(microsecond=0)
        return {
            **shown,
            "empty": True,
            "store_python": repr(str(house.client.path)),
            "begun": (now - timedelta(seconds=2)).isoformat(),
            "ended": now.isoformat(),
        }
    if len(rows) < cells.PAGE and after is None:  # all there are: no need to look for them once more
        ids = [row.request_id for row in rows]
        found = house.client.requests.filter(col.request_id.is_in(ids)).facets()
        shown |= _faceted(found, view, len(rows))
    return shown
