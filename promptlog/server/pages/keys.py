"""The catalogue of metadata: keys, and the values of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from promptlog.expressions.face import meta
from promptlog.server.house import house_of
from promptlog.server.pages.rendering import answer, page
from promptlog.server.pages.session import address_of
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

PATH = "/keys"
_MOST = 200


def routes() -> list[BaseRoute]:
    """Return the routes of the catalogue."""
    return [Route(PATH, show), Route(f"{PATH}/rows", show_rows), Route(f"{PATH}/values", show_values)]


async def show(request: Request) -> Response:
    """The page; its rows come with a second request."""
    return page(request, "keys.html")


async def show_rows(request: Request) -> Response:
    """The table of keys."""
    house = house_of(request)

    def ask() -> dict[str, Any]:
        rows = [
            {
                **row,
                "values": View().address(f"{PATH}/values", key=row["key"]),
                "chart": View().address("/analytics", by=f"meta.{row['key']}"),
                "those": View(q=str(meta(row["key"]).exists())).address(),
            }
            for row in house.known.catalogue()
        ]
        return {"rows": rows}

    return await answer(request, "parts/keys.html", ask)


async def show_values(request: Request) -> Response:
    """The values of one key, those of the most requests first; a prefix narrows them."""
    house, key = house_of(request), request.query_params.get("key", "")
    prefix = request.query_params.get("prefix", "")

    def ask() -> dict[str, Any]:
        rows = house.client.metadata.values(key, prefix=prefix, limit=_MOST, last_seen=True).dicts()
        return {
            "key": key, "prefix": prefix, "limit": _MOST,
            "rows": [
                {**row, "those": View(q=str(meta(key) == row["value"])).address(), "read": address_of(key, row["value"])}
                for row in rows
            ],
            "most": max((row["requests"] for row in rows), default=1),
            "chart": View().address("/analytics", by=f"meta.{key}"),
            "sessions": View().address("/sessions", key=key),
        }  # fmt: skip

    return await answer(request, "key.html", ask)
