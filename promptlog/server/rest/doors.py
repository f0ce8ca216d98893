"""A door for programs: a route with its key, its body read and checked for size, and whether it writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.routing import Route

from promptlog.server.house import house_of, same
from promptlog.server.rest.answers import answer
from promptlog.server.rest.bodies import json_body
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
) -> Route:
    """Return the route of a door.

    Args:
        method: such as "POST".
        path: as Starlette has it.
        work: answers, with a response or with a JSON object.
        writes: whether a server that only reads refuses it.
        reads_body: whether the body is a JSON object; else `work` reads it by itself.
        needs_body: whether there must be one; else nothing, or null, counts as an empty object.
    """
    reads_body = reads_body and method in ("POST", "PATCH")
    return Route(path, partial(_enter, work, writes, reads_body, needs_body), methods=[method])


async def _enter(
    work: Callable[[Call], Awaitable[Response | dict[str, Any]]],
    writes: bool,
    reads_body: bool,
    needs_body: bool,
    request: Request,
) -> Response:
    house = house_of(request)
    body: dict[str, Any] = {}
    if reads_body and (needs_body or (await request.body()).strip() not in (b"", b"null")):
        body = await json_body(request)
    if house.token is not None or house.api_key is not None:
        _check_key(request, house, body)
    if writes and house.read_only:
        raise HTTPException(403, READ_ONLY)
    found = await work(Call(request, house, body))
    return answer(found) if isinstance(found, dict) else found


def _check_key(request: Request, house: House, body: dict[str, Any]) -> None:
    """Refuse who shows neither the API key nor the token: in X-API-KEY, as a bearer's, or in the body, as PromptLayer's SDK does.

    Raises:
        HTTPException: 401.
    """
    headers = request.headers
    given = (
        headers.get("x-api-key") or body.get("api_key") or headers.get("authorization", "").partition(" ")[2]
    )
    secrets = [secret for secret in (house.api_key, house.token) if secret is not None]
    if isinstance(given, str) and any(same(given.strip(), secret) for secret in secrets):
        return
    if house.token is not None and has_token(headers, house.token):
        return
    raise HTTPException(
        401,
        "this server asks for a key and none that it knows was given: send it as X-API-KEY, or give it to the SDK as api_key",
    )
