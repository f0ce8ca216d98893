"""The list of requests: the table, its next rows, its newest rows, its facets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse
from starlette.routing import Route

from promptlog.errors import InvalidInputError, SearchSyntaxError
from promptlog.expressions.face import col
from promptlog.server.house import house_of
from promptlog.server.numbers import small_int
from promptlog.server.pages import cells, filters, misspelt, python
from promptlog.server.pages.rendering import answer, page
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.models.facets import Facets
    from promptlog.server.house import House

_MOST_NEW = 200  # rows that are added at once; of more it is said how many they are
_LISTS = ("/", "/analytics", "/sessions", "/sessions/one", "/traces")
_KEPT = (  # beside the search, of their addresses
    "by", "most", "key", "value", "by_column", "name", "errors", "longer", "dearer",
)  # fmt: skip
_MOST_US = 4_000_000_000_000_000  # the year 2096


def routes() -> list[BaseRoute]:
    """Return the routes of the list."""
    return [
        Route("/", show),
        Route("/requests/rows", more_rows),
        Route("/requests/new", new_rows),
        Route("/requests/facets", show_facets),
        Route("/between", between),
    ]


async def show(request: Request) -> Response:
    """The page."""
    view = View.of(request.query_params)
    house, after = house_of(request), request.query_params.get("after")
    origin = f"{request.url.scheme}://{request.url.netloc}"
    return await answer(request, "requests.html", lambda: {**_load(house, view, after), "origin": origin})


async def more_rows(request: Request) -> Response:
    """The rows after one."""
    view = View.of(request.query_params)
    after = request.query_params.get("after")
    return await answer(request, "parts/rows.html", _load_rows, house_of(request), view, after)


async def new_rows(request: Request) -> Response:
    """What was logged since the page last asked; headers say until when that is, and how many there are.

    With `count` in the address it is for a page in another order, which says the number alone.
    """
    view = View.of(request.query_params)
    given = request.query_params.get("logged_us", "")
    most = 1 if "count" in request.query_params else _MOST_NEW
    house = house_of(request)

    def work() -> Response:
        columns = cells.shown_columns(view, house.known.key_counts())
        us = small_int(given, _MOST_US) or 0
        count, rows = cells.newer(house.client, view, columns, us, most)
        last = max([us, *(row.logged_us for row in rows)])
        found = page(request, "parts/rows.html", columns=columns, rows=rows, next=None)
        found.headers.update({"Logged-Us": str(last), "New-Count": str(count)})
        return found

    return await house.ask(work)


async def between(request: Request) -> Response:
    """Lead to a page's view of the days of a form."""
    query = request.query_params
    path = query.get("at", "/")
    if path not in _LISTS:
        raise InvalidInputError(f"no list of requests is at {path[:80]!r}")
    view = filters.between(View.of(query), query.get("from", ""), query.get("to", ""))
    more = {name: query[name] for name in _KEPT if query.get(name) or (name in query and name == "value")}
    return RedirectResponse(view.address(path, **more), 303)


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

    return await answer(request, "parts/facets.html", ask)


def _faceted(found: Facets, view: View, total: int | None) -> dict[str, Any]:
    return {
        "facets": found,
        "groups": filters.groups(found, view),
        "total": total,
        "view": view,
    }


def _load_rows(house: House, view: View, after: str | None) -> dict[str, Any]:
    columns = cells.shown_columns(view, house.known.key_counts())
    rows = cells.rows(house.client, view, columns, after)
    following = view.address("/requests/rows", after=rows[-1].request_id) if len(rows) == cells.PAGE else None
    later = view.address("/", after=rows[-1].request_id) if following else None
    columns = cells.read_as_numbers(columns, rows)
    return {"view": view, "columns": columns, "rows": rows, "next": following, "later": later}


def _load(house: House, view: View, after: str | None) -> dict[str, Any]:
    """Return all that the page shows."""
    shown: dict[str, Any] = {
        "view": view, "python": python.searching(str(house.client.path), view), "error": None, "facets": None, "empty": False, "after": after,
        "rows": [], "columns": [], "next": None, "later": None, "last": 0,
        "chips": filters.chips(view), "spans": filters.spans(view), "days": filters.days(view), "meant": [], "keys": [], "choices": cells.CHOICES, "parquet": find_spec("pyarrow") is not None,
    }  # fmt: skip
    try:
        # Before the rows: what comes in between is among them, and known when it is told of as new.
        shown["last"] = cells.last_logged_us(house.client)
        shown |= _load_rows(house, view, after)
        if (
            not shown["rows"] and not view.q and after is None
        ):  # the page says that what is logged appears at once
            house.catch_up()
            shown |= _load_rows(house, view, after)
    except SearchSyntaxError as error:
        return {**shown, "error": error}
    shown["keys"] = [key for key, _ in house.known.key_counts()][:40]
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
    if not rows:
        shown["meant"] = misspelt.meant(house, view)
    if len(rows) < cells.PAGE and after is None:  # all there are: no need to look for them once more
        ids = [row.request_id for row in rows]
        found = house.client.requests.filter(col.request_id.is_in(ids)).facets()
        shown |= _faceted(found, view, len(rows))
    return shown
