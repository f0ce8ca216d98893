"""One request: what was said, what is tracked on it and can be changed there, its trace, its neighbours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from promptlog.errors import InvalidInputError, TraceNotFoundError
from promptlog.expressions.face import col, meta, tag
from promptlog.models.content import text_of
from promptlog.models.sessions import SESSION_KEYS
from promptlog.server.house import house_of, written
from promptlog.server.pages import cells, content, python
from promptlog.server.pages.rendering import answer, page
from promptlog.server.pages.session import address_of
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog
    from promptlog.models.request import Request as Logged
    from promptlog.server.house import House

_NEAR = 6  # neighbours each way
_USER = "user_id"
_FACTS = (
    "api_type", "function_name", "finish_reason", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "group_id",
    "prompt_label", "prompt_id", "span_id", "replayed_from",
)  # fmt: skip


def routes() -> list[BaseRoute]:
    """Return the routes of one request."""
    return [
        Route("/requests/{request_id}", show),
        Route("/requests/{request_id}/copy/{kind}", copy),
        Route("/requests/{request_id}/near", show_near),
        Route("/requests/{request_id}/trace", show_trace),
        Route("/requests/{request_id}/tracked", change, methods=["POST"]),
    ]


async def show(request: Request) -> Response:
    """The page; the beginning of an id is led to the whole."""
    house, given = house_of(request), request.path_params["request_id"]

    def work() -> Response:
        found: Logged = house.client.requests.get(given)
        if found.request_id != given:
            return RedirectResponse(f"/requests/{found.request_id}", 303)
        return page(
            request, "request.html",
            **_tracked(found, {}),
            said_in=content.conversation(found.input),
            tools=content.tools(found.input),
            said_out=content.conversation(found.output),
            parameters=content.tree(found.parameters),
            variables=content.tree(found.input_variables),
            facts={name: value for name in _FACTS if (value := getattr(found, name)) is not None},
            finding=python.finding(str(house.client.path), found),
            has_near=bool(_near_keys(found)),
        )  # fmt: skip

    return await house.ask(work)


async def copy(request: Request) -> Response:
    """What a button copies: as long as what was said, and so asked for only then."""
    house, request_id, kind = (
        house_of(request),
        request.path_params["request_id"],
        request.path_params["kind"],
    )

    def work() -> Response:
        found: Logged = house.client.requests.get(request_id)
        match kind:
            case "python":
                text = python.logging(str(house.client.path), found)
            case "input" | "output":
                said = getattr(found, kind)
                text = text_of(said) or json.dumps(said, ensure_ascii=False, indent=2)
            case "json":
                text = json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=2)
                return Response(text.encode("utf-8", "replace"), media_type="application/json")
            case _:
                raise HTTPException(404, f"a request is not copied as {kind!r}")
        return PlainTextResponse(text.encode("utf-8", "replace"))

    return await house.ask(work)


def _tracked(found: Logged, before: dict[str, str]) -> dict[str, Any]:
    """Return what the part shows that can be changed; `before`: values that were just replaced."""
    return {
        "r": found,
        "before": before,
        "links": {key: View(q=str(meta(key) == value)).address() for key, value in found.metadata.items()},
        "tag_links": {one: View(q=str(tag(one))).address() for one in found.tags},
        "prompt_link": View(q=str(col.prompt_name == found.prompt_name)).address()
        if found.prompt_name
        else "",
    }


async def change(request: Request) -> Response:
    """Set or remove metadata, a tag or a score, and show what is there now."""
    house, request_id = house_of(request), request.path_params["request_id"]
    form = await request.form()
    given = {name: value for name, value in form.items() if isinstance(value, str)}

    def work() -> Response:
        was: Logged = house.client.requests.get(request_id)
        before = _change(house.client, was, given)
        if "hx-request" not in request.headers:
            return RedirectResponse(f"/requests/{was.request_id}", 303)
        return page(
            request, "parts/tracked.html", **_tracked(house.client.requests.get(was.request_id), before)
        )

    return await house.ask(work)


def _change(client: PromptLog, was: Logged, given: dict[str, str]) -> dict[str, str]:
    """Do one change of a form; return the values that it replaced.

    Raises:
        InvalidInputError: the form asks for something else, or a value is wrong.
        HTTPException: 507, where the disk refused it.
    """
    what, key, value, of = given.get("do", ""), given.get("key", ""), given.get("value", ""), was.request_id
    if key not in was.metadata and key not in was.judgements:  # it was typed
        key = key.strip()
    match what:
        case "metadata":
            written(client.track.metadata(of, {_there(key, "a metadata key"): value}))
            return {key: was.metadata[key]} if was.metadata.get(key, value) != value else {}
        case "unmetadata":
            written(client.untrack.metadata(of, key))
        case "tag":
            written(client.track.tags(of, _there(value.strip(), "a tag")))
        case "untag":
            written(client.untrack.tags(of, value))
        case "score":
            written(client.track.score(of, score_of(value), key or None))
        case "unscore":
            written(client.untrack.score(of, key))
        case _:
            raise InvalidInputError(f"the form asks for {what!r}, which is no change")
    return {}


def _there(text: str, what: str) -> str:
    if not text:
        raise InvalidInputError(f"write {what} first; nothing was changed")
    return text


def score_of(text: str) -> float:
    """Return the number that somebody typed.

    Raises:
        InvalidInputError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise InvalidInputError(
            f"a score is a number from 0 to 100, got {text!r}; nothing was changed"
        ) from None


# -- neighbours ------------------------------------------------------------------------------------------------


def _near_keys(found: Logged) -> list[tuple[str, str]]:
    """Return the session and the user of a request."""
    session = next((key for key in SESSION_KEYS if key in found.metadata), None)
    return [
        (key, found.metadata[key]) for key in (session, _USER) if key is not None and key in found.metadata
    ]


async def show_near(request: Request) -> Response:
    """The requests around this one, of the same session and of the same user."""
    house, request_id = house_of(request), request.path_params["request_id"]
    return await answer(request, "parts/near.html", _near, house, request_id)


def _near(house: House, request_id: str) -> dict[str, Any]:
    found: Logged = house.client.requests.get(request_id)
    lists = []
    for key, value in _near_keys(found):
        condition = meta(key) == value
        later = _around(house.client, condition, found, descending=False)
        earlier = _around(house.client, condition, found, descending=True)
        lists.append(
            {
                "key": key,
                "value": value,
                "rows": [*reversed(later), None, *earlier],
                "next": later[0] if later else None,
                "previous": earlier[0] if earlier else None,
                "all": View(q=str(condition)).address(),
                "read": f"{address_of(key, value, at=found.request_id)}#r-{found.request_id}",
            }
        )
    return {"r": found, "lists": lists}


def _around(
    client: PromptLog, condition: Any, found: Logged, *, descending: bool
) -> list[tuple[str, datetime, tuple[str, str | None], float, str]]:
    """Return id, start, status with the type of an error, latency and input of the next requests one way in time."""
    asked = (
        client.requests.filter(condition).sort("start_time", descending=descending).after(found.request_id)
    )
    columns = [cells.Shown(name, "", "text") for name in ("status", "latency_ms", "input_text")]
    return [(row.request_id, row.start_time, *row.cells) for row in cells.read(asked.limit(_NEAR), columns)]


async def show_trace(request: Request) -> Response:
    """The tree of the trace that the request stands in."""
    house, request_id = house_of(request), request.path_params["request_id"]

    def ask() -> dict[str, Any]:
        found: Logged = house.client.requests.get(request_id)
        try:
            trace = house.client.trace(found.trace_id) if found.trace_id else None
        except (TraceNotFoundError, InvalidInputError):
            trace = None
        return {"r": found, "trace": trace}

    return await answer(request, "parts/its_trace.html", ask)
