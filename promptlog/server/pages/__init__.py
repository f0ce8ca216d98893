"""The pages for people."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from promptlog.errors import (
    InvalidInputError,
    MissingExtraError,
    PromptLogError,
    PromptNotFoundError,
    RequestNotFoundError,
    StoreError,
    StoreUnwritableError,
    TraceNotFoundError,
)
from promptlog.server.pages import (
    analytics,
    bulk,
    export,
    keys,
    prompts,
    requests,
    session,
    sessions,
    suggest,
    traces,
)
from promptlog.server.pages import request as one_request
from promptlog.server.pages.rendering import page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute


class _Kept(StaticFiles):
    """Files that browsers keep: their addresses change with what is in them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


def page_routes() -> list[BaseRoute]:
    """Return the routes of all pages and of what they are made with."""
    shipped = _Kept(directory=str(files("promptlog.server").joinpath("static")))
    return [
        *requests.routes(),
        *bulk.routes(),
        *export.routes(),
        *one_request.routes(),
        *suggest.routes(),
        *analytics.routes(),
        *sessions.routes(),
        *session.routes(),
        *traces.routes(),
        *keys.routes(),
        *prompts.routes(),
        Mount("/static", shipped),
    ]


async def _failed(request: Request, error: Exception) -> Response:
    """Say what went wrong: a page for who looks, one line for a script."""
    status, headers = 500, None
    if isinstance(error, HTTPException):
        status, headers, said = error.status_code, error.headers, error.detail
        if (status, said) == (404, "Not Found"):
            said = f"no page is at {request.url.path[:200]}"
    else:
        statuses: tuple[tuple[type[Exception], int], ...] = (
            (RequestNotFoundError, 404), (PromptNotFoundError, 404), (TraceNotFoundError, 404),
            (StoreUnwritableError, 507), (StoreError, 503), (MissingExtraError, 501), (InvalidInputError, 400),
        )  # fmt: skip
        status = next((number for kind, number in statuses if isinstance(error, kind)), 500)
        said = str(error)
    if request.headers.get("hx-request") or request.method not in ("GET", "HEAD"):
        return PlainTextResponse(said, status, headers)
    answer = page(request, "error.html", status, said=said, number=status)
    answer.headers.update(headers or {})
    return answer


HANDLERS: Mapping[Any, Callable[..., Any]] = {PromptLogError: _failed, HTTPException: _failed}
