"""Many requests at once: tag, set metadata, score those that are selected, or all that a search matches."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from promptlog.errors import InvalidInputError, StoreUnwritableError
from promptlog.expressions.face import col
from promptlog.identifiers import parse_request_id
from promptlog.models.checks import check_metadata, check_score, check_score_name, check_tags
from promptlog.models.encode import encode
from promptlog.server.house import house_of
from promptlog.server.pages import cells
from promptlog.server.pages.rendering import page
from promptlog.server.pages.request import score_of
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog

_MOST = 5000  # that are selected one by one
_AT_ONCE = 50_000  # ids of a search that are held
_SHOWN = 500  # rows that are shown anew


def routes() -> list[BaseRoute]:
    """Return the routes of changes to many requests."""
    return [Route("/requests/bulk", change_many, methods=["POST"]), Route("/requests/count", count)]


async def count(request: Request) -> Response:
    """Return how many requests a search matches."""
    house, view = house_of(request), View.of(request.query_params)
    return JSONResponse(await house.ask(lambda: house.client.search(view.q).count()))


async def change_many(request: Request) -> Response:
    """Do one change to all that are selected, and show their rows as they are now."""
    house, view = house_of(request), View.of(request.query_params)
    form = await request.form(max_fields=_MOST + 100)
    ids = [parse_request_id(str(given)) for given in form.getlist("id")]
    given = {name: value for name, value in form.items() if isinstance(value, str)}

    def work() -> Response:
        parts, done = _change(given)
        if not ids:
            raise InvalidInputError("no request is selected; nothing was changed")
        those: Iterable[str] = matching(house.client, view) if given.get("all") else ids
        changed = track_all(house.client, those, parts)
        said = done(f"{changed:,} request{'' if changed == 1 else 's'}")
        columns = cells.shown_columns(view, house.known.key_counts())
        if "hx-request" not in request.headers:
            return RedirectResponse(view.address(), 303)
        asked = house.client.requests.filter(col.request_id.is_in(ids[:_SHOWN])).limit(_SHOWN)
        return page(
            request, "parts/changed.html", said=said, rows=cells.read(asked, columns), columns=columns
        )

    return await house.ask(work)


def matching(client: PromptLog, view: View) -> Iterator[str]:
    """Yield the ids of all requests of a view, some at a time: what is changed meanwhile takes none of them away."""
    asked = client.search(view.q)
    some = asked.limit(_AT_ONCE).ids()
    while some:
        yield from some
        some = asked.after(some[-1]).limit(_AT_ONCE).ids() if len(some) == _AT_ONCE else []


def track_all(client: PromptLog, ids: Iterable[str], parts: dict[str, Any]) -> int:
    """Track the same on each request, and return how many they are; a slice of them is a few writes.

    Raises:
        StoreUnwritableError: the disk refused; it says how many were changed.
    """
    left, changed = iter(ids), 0
    while some := list(islice(left, _MOST)):
        try:
            client._append_lines(encode({"kind": "track", "request_id": one, **parts}) for one in some)  # noqa: SLF001 - an edge of the client's own house
        except OSError as error:
            raise StoreUnwritableError(
                f"the disk refused ({error.strerror or error}) after {changed:,} requests; doing it again changes the others"
            ) from None
        changed += len(some)
    return changed


def _change(given: dict[str, str]) -> tuple[dict[str, Any], Callable[[str], str]]:
    """Return what is to be tracked on each request, and what makes the sentence that says so of so many.

    Raises:
        InvalidInputError: what is to be tracked is wrong.
    """
    match given.get("do"):
        case "tag":
            tag = given.get("tag", "").strip()
            if not tag:
                raise InvalidInputError("write a tag first; nothing was changed")
            return {"tags": check_tags(tag)}, lambda many: f"{many} tagged {tag}"
        case "metadata":
            key, value = given.get("key", "").strip(), given.get("value", "")
            if not key:
                raise InvalidInputError("write a metadata key first; nothing was changed")
            return {"metadata": check_metadata({key: value})}, lambda many: f"{key} set on {many}"
        case "score":
            score = check_score(score_of(given.get("score", "")))
            return {"scores": {check_score_name(None): score}}, lambda many: f"{many} scored {score:g}"
        case what:
            raise InvalidInputError(f"the form asks for {what!r}, which is no change")
