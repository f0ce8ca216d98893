"""`make_app`: the server as one ASGI application."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Mount

from promptlog.server import openapi
from promptlog.server.house import MAX_BODY_BYTES, House, check_secret
from promptlog.server.otlp import otlp_routes
from promptlog.server.pages import HANDLERS as PAGE_HANDLERS
from promptlog.server.pages import page_routes
from promptlog.server.rest import absent, rest_routes
from promptlog.server.rest.answers import HANDLERS
from promptlog.server.safety import PagesGuard, Safety

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from starlette.types import ASGIApp

    from promptlog.client import PromptLog


def make_app(
    client: PromptLog,
    *,
    token: str | None = None,
    api_key: str | None = None,
    read_only: bool = False,
    hosts: Iterable[str] | None = None,
    base_urls: Mapping[str, str] | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> ASGIApp:
    """Return the ASGI application of a store: pages, PromptLayer's REST, OTLP.

    Args:
        client: the store. It is closed when the application ends.
        token: what browsers and programs must show; to be set where others can reach the server.
        api_key: the one key that PromptLayer's and OTLP's doors take, beside the token; unless set, any where there is
            no token.
        read_only: refuse whatever writes.
        hosts: names by which the server may be called, beside localhost and 127.0.0.1. Unless given, with a token any.
        base_urls: where providers are, by name: PromptLayer's SDK calls them there.
        max_body_bytes: a larger body is refused, and one that unpacks to more.

    Raises:
        InvalidInputError: the token or the API key is empty, or cannot stand in a header.
    """
    check_secret(token, "the token")
    check_secret(api_key, "the API key")
    house = House(
        client,
        token=token,
        api_key=api_key,
        read_only=read_only,
        base_urls=base_urls or {},
        max_body_bytes=max_body_bytes,
    )

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        keeping = asyncio.create_task(house.freshness.keep())
        yield
        keeping.cancel()
        house.close()

    doors = [*rest_routes(), *otlp_routes(), *openapi.routes()]
    pages = Starlette(routes=page_routes(), exception_handlers=PAGE_HANDLERS)
    app = Starlette(
        routes=[*doors, *absent.routes(doors), Mount("/", PagesGuard(pages, house))],
        exception_handlers=HANDLERS,
        lifespan=life,
    )
    app.state.house = pages.state.house = house
    if hosts is None and token is None:
        hosts = ()
    return Safety(app, hosts=hosts, max_body_bytes=max_body_bytes)
