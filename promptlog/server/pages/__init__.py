"""The pages for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


def page_routes() -> list[BaseRoute]:
    """Return the routes of all pages and of what they are made with."""
    return [Route("/", _home)]


async def _home(_: Request) -> Response:
    return PlainTextResponse("promptlog\n")
