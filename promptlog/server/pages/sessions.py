"""Requests by conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from starlette.routing import Route

from promptlog.expressions.face import meta
from promptlog.expressions.nodes import Or
from promptlog.models.sessions import SESSION_KEYS, SessionColumn
from promptlog.server.house import house_of
from promptlog.server.pages import filters
from promptlog.server.pages.rendering import answer
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.expressions.nodes import Condition

PATH = "/sessions"
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
            "spans": filters.spans(view, PATH, **more),
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
        for row in rows:
            one = _term(key, row["session"], known)
            row["address"] = View(q=str(one), sort="start_time").address()
        sorts = {
            name: view.address(PATH, by_column=name if name == column and down else f"-{name}", **more)
            for name in _COLUMNS
        }
        return {"rows": rows, "most": _MOST, "column": column, "down": down, "sorts": sorts}

    return await answer(request, "parts/sessions.html", ask)


def _term(key: str, session: str, known: set[str]) -> Condition:
    """Return the condition that a request is of a session."""
    keys = [key] if key else [name for name in SESSION_KEYS if name in known] or list(SESSION_KEYS[:1])
    terms = tuple(meta(name) == session for name in keys)
    return terms[0] if len(terms) == 1 else Or(terms)
