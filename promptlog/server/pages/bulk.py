"""Many requests at once: tag, set metadata, score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from promptlog.errors import InvalidInputError
from promptlog.expressions.face import col
from promptlog.identifiers import parse_request_id
from promptlog.server.house import house_of
from promptlog.server.pages import cells
from promptlog.server.pages.known import known_of
from promptlog.server.pages.rendering import page
from promptlog.server.pages.request import score_of
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog

_MOST = 5000


def routes() -> list[BaseRoute]:
    """Return the route of changes to many requests."""
    return [Route("/requests/bulk", change_many, methods=["POST"])]


async def change_many(request: Request) -> Response:
    """Do one change to all that are selected, and show their rows as they are now."""
    house, view = house_of(request), View.of(request.query_params)
    form = await request.form(max_fields=_MOST + 100)
    ids = [parse_request_id(str(given)) for given in form.getlist("id")]
    given = {name: value for name, value in form.items() if isinstance(value, str)}

    def work() -> dict[str, Any]:
        said = _change(house.client, ids, given)
        columns = cells.shown_columns(view, known_of(house).key_counts())
        rows = cells.read(house.client.requests.filter(col.request_id.is_in(ids)).limit(len(ids)), columns)
        return {"said": said, "rows": rows, "columns": columns}

    shown = await house.ask(work)
    if "hx-request" not in request.headers:
        return RedirectResponse(view.address(), 303)
    return page(request, "parts/changed.html", **shown)


def _change(client: PromptLog, ids: list[str], given: dict[str, str]) -> str:
    """Track one thing on each request, and return a sentence that says so.

    Raises:
        InvalidInputError: nothing is selected, or what is to be tracked is wrong. Nothing was written.
    """
    if not ids:
        raise InvalidInputError("no request is selected; nothing was changed")
    many = f"{len(ids):,} request{'' if len(ids) == 1 else 's'}"
    match given.get("do"):
        case "tag":
            tag = given.get("tag", "").strip()
            if not tag:
                raise InvalidInputError("write a tag first; nothing was changed")
            for one in ids:
                client.track.tags(one, tag)
            return f"{many} tagged {tag}"
        case "metadata":
            key, value = given.get("key", "").strip(), given.get("value", "")
            if not key:
                raise InvalidInputError("write a metadata key first; nothing was changed")
            for one in ids:
                client.track.metadata(one, {key: value})
            return f"{key} set on {many}"
        case "score":
            score = score_of(given.get("score", ""))
            for one in ids:
                client.track.score(one, score)
            return f"{many} scored {score:g}"
        case what:
            raise InvalidInputError(f"the form asks for {what!r}, which is no change")
