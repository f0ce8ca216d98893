"""A door for programs: a route with its key, its body read and checked for size, and whether it writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.routing import Route

from promptlog.server.house import house_of, same
from promptlog.server.rest.answers import answer
from promptlog.server.rest.bodies import parsed, text_body
from promptlog.server.safety import READ_ONLY, has_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from promptlog.server.house import House


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a door, its body read.

    Attributes:
        request: Starlette's.
        house: the server's state.
        body: the body's JSON object; empty where there is none.
    """

    request: Request
    house: House
    body: dict[str, Any]


def door(
    method: str,
    path: str,
    work: Callable[[Call], Awaitable[Response | dict[str, Any]]],
    *,
    writes: bool = True,
    reads_body: bool = True,
    needs_body: bool = True,
    keyed: bool = True,
) -> Route:
    """Return the route of a door.

    Args:
        method: such as "POST".
        path: as Starlette has it.
        work: answers, with a response or with a JSON object.
        writes: whether a server that only reads refuses it.
        reads_body: whether the body is a JSON object; else `work` reads it by itself.
        needs_body: whether there must be one; else nothing, or null, counts as an empty object.
        keyed: whether it is behind the API key; behind the token is all that there is.
    """
    reads_body = reads_body and method in ("POST", "PATCH")
    entered = partial(_enter, work, writes=writes, reads_body=reads_body, needs_body=needs_body, keyed=keyed)
    return Route(path, entered, methods=[method])


async def _enter(
    work: Callable[[Call], Awaitable[Response | dict[str, Any]]],
    request: Request,
    *,
    writes: bool,
    reads_body: bool,
    needs_body: bool,
    keyed: bool,
) -> Response:
    house = house_of(request)
    secrets = [house.token] if house.token is not None else []
    secrets += [house.api_key] if house.api_key is not None and (keyed or secrets) else []
    shown = not secrets or _shows_key(request, house, secrets)
    reads_body = reads_body and (needs_body or (await request.body()).strip() not in (b"", b"null"))
    if not shown and not reads_body:
        raise _no_key()
    if writes and house.read_only:
        raise HTTPException(403, READ_ONLY)
    body: dict[str, Any] = {}
    if reads_body and not (shown and not needs_body and (await request.body()).strip() in (b"", b"null")):
        text = await _unproven_body(request, house, secrets) if not shown else await text_body(request, house)
        body = await parsed(text, house)
        if not shown and not _is_one(body.get("api_key"), secrets):
            raise _no_key()
    found = await work(Call(request, house, body))
    return answer(found) if isinstance(found, dict) else found


def _shows_key(request: Request, house: House, secrets: list[str]) -> bool:
    """Return whether the head of a request shows the API key or the token: in X-API-KEY, as a bearer's, in the cookie."""
    headers = request.headers
    return (
        _is_one(headers.get("x-api-key"), secrets)
        or _is_one(headers.get("authorization", "").partition(" ")[2], secrets)
        or (house.token is not None and has_token(headers, house.token))
    )


async def _unproven_body(request: Request, house: House, secrets: list[str]) -> bytes:
    """Return the body of who may show the key in it, as PromptLayer's SDK does: neither unpacked nor parsed where it cannot be.

    Raises:
        HTTPException: 401.
    """
    if request.headers.get("content-encoding"):
        raise _no_key()
    text = await text_body(request, house)
    if not any(json.dumps(secret).encode() in text for secret in secrets):
        raise _no_key()
    return text


def _is_one(given: object, secrets: list[str]) -> bool:
    return isinstance(given, str) and any(same(given.strip(), secret) for secret in secrets)


def _no_key() -> HTTPException:
    return HTTPException(
        401,
        "this server asks for a key and none that it knows was given: send it as X-API-KEY, or give it to the SDK as api_key",
    )
