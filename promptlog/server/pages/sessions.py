"""Requests by conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from starlette.routing import Route

from promptlog.models.sessions import SESSION_KEYS, SessionColumn
from promptlog.server.house import house_of
from promptlog.server.pages import filters
from promptlog.server.pages.rendering import answer
from promptlog.server.pages.session import address_of, condition_of
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

PATH = "/sessions"
_USER = "user_id"
_MOST = 200
_COLUMNS: tuple[str, ...] = get_args(SessionColumn)


def routes() -> list[BaseRoute]:
    """Return the routes of sessions."""
    return [Route(PATH, show), Route(f"{PATH}/rows", show_rows)]


def _asked(request: Request) -> tuple[View, str, str, bool]:
    """Return view, key, column and direction that an address asks for."""
    query = request.query_params
    sort = query.get("by_column", "-start_time")
    column = sort.removeprefix("-")
    if column not in _COLUMNS:
        column, sort = "start_time", "-start_time"
    return View.of(query), query.get("key", ""), column, sort.startswith("-")


async def show(request: Request) -> Response:
    """The page; its rows come with a second request."""
    house = house_of(request)
    view, key, column, down = _asked(request)
    more = {"key": key} if key else {}

    def ask() -> dict[str, Any]:
        return {
            "view": view, "key": key,
            "error": filters.misread(view),
            "keys": [name for name, _ in house.known.key_counts()],
            "chips": filters.chips(view, PATH, **more),
            "spans": filters.spans(view, PATH, **more), "days": filters.days(view, PATH, **more),
            "rows_address": view.address(f"{PATH}/rows", by_column=f"-{column}" if down else column, **more),
        }  # fmt: skip

    return await answer(request, "sessions.html", ask)


async def show_rows(request: Request) -> Response:
    """The table."""
    house = house_of(request)
    view, key, column, down = _asked(request)

    more = {"key": key} if key else {}

    def ask() -> dict[str, Any]:
        found = house.client.sessions(
            *view.terms,
            by=key or SESSION_KEYS,
            sort=cast("SessionColumn", column),
            descending=down,
            limit=_MOST,
        )
        rows = found.dicts()
        known = {name for name, _ in house.known.key_counts()}
        # A session is read whole, whatever is looked for in it; of a user, one wants the day that was asked about.
        times = view.of_its_times
        whole = View() if key in ("", *SESSION_KEYS) else times
        for row in rows:
            row["address"] = address_of(key, row["session"], whole)
            row["user"] = address_of(_USER, row["user_id"], times) if row["user_id"] is not None else ""
            those = condition_of(key, row["session"], known)
            row["list"] = View(" ".join([*View(str(those)).texts, *view.texts]), "start_time").address()
        sorts = {
            name: view.address(PATH, by_column=name if name == column and down else f"-{name}", **more)
            for name in _COLUMNS
        }
        return {"rows": rows, "key": key, "most": _MOST, "column": column, "down": down, "sorts": sorts}

    return await answer(request, "parts/sessions.html", ask)
