"""Many requests at once: tag, set metadata, score those that are selected, or all that a search matches; and undo it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, cast, get_args

from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from promptlog.errors import InvalidInputError, StoreUnwritableError
from promptlog.expressions.face import col
from promptlog.identifiers import parse_request_id
from promptlog.models.checks import check_metadata, check_score, check_score_name, check_tags
from promptlog.models.encode import encode
from promptlog.server import undoing
from promptlog.server.house import house_of
from promptlog.server.pages import cells
from promptlog.server.pages.rendering import page
from promptlog.server.pages.request import score_of
from promptlog.server.pages.view import View
from promptlog.server.undoing import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog
    from promptlog.server.house import House
    from promptlog.server.undoing import Change

_MOST = 5000  # that are selected one by one
_AT_ONCE = 50_000  # ids of a search that are held
_SHOWN = 500  # rows that are shown anew


def routes() -> list[BaseRoute]:
    """Return the routes of changes to many requests."""
    return [
        Route("/requests/bulk", change_many, methods=["POST"]),
        Route("/requests/undo", undo, methods=["POST"]),
        Route("/requests/count", count),
    ]


async def count(request: Request) -> Response:
    """Return how many requests a search matches."""
    house, view = house_of(request), View.of(request.query_params)
    return JSONResponse(await house.ask(lambda: house.client.search(view.q).count()))


async def picked(request: Request) -> list[str]:
    """Return the ids of the requests that are selected in a form.

    Raises:
        InvalidInputError: none is.
    """
    form = await request.form(max_fields=_MOST + 100)
    ids = [parse_request_id(str(given)) for given in form.getlist("id")]
    if not ids:
        raise InvalidInputError("no request is selected; nothing was done")
    return ids


async def change_many(request: Request) -> Response:
    """Do one change to all that are selected, and show their rows as they are now."""
    house, view = house_of(request), View.of(request.query_params)
    ids = await picked(request)
    given = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}

    def work() -> Response:
        parts, done = _change(given)
        those, change = _before(house, view, given, ids)
        changed = track_all(house.client, ((id, parts) for id in those))
        if "hx-request" not in request.headers:
            return RedirectResponse(view.address(), 303)
        said = done(_many(changed))
        undo = house.changes.keep(change) if change is not None and change.before else ""
        return _told(request, view, said, ids, undo)

    return await house.ask(work)


async def undo(request: Request) -> Response:
    """Make the requests of a change what they were, but for those that were changed since."""
    house, view = house_of(request), View.of(request.query_params)
    name = str((await request.form()).get("change", ""))

    def work() -> Response:
        change = house.changes.take(name)
        house.catch_up()  # what others changed since stays
        changed = track_all(house.client, change.records(house.client))
        left = len(change.before) - changed
        said = f"Undone on {_many(changed)}" + (f"; {left:,} changed since stay as they are" if left else "")
        return _told(request, view, said, change.shown, "")

    return await house.ask(work)


def _many(count: int) -> str:
    return f"{count:,} request{'' if count == 1 else 's'}"


def _before(
    house: House, view: View, given: dict[str, str], ids: list[str]
) -> tuple[Iterable[str], Change | None]:
    """Return the ids of those that a form means, and what they are before it, where that can be brought back."""
    every = bool(given.get("all"))
    if given["do"] in get_args(Kind):
        kind = cast("Kind", given["do"])
        house.catch_up()  # what others set a moment ago is what is brought back
        key = given["key" if kind == "metadata" else "tag"].strip()
        found, change = undoing.before(
            house.client, None if every else ids, view.q, kind, key, given.get("value", ""), ids[:_SHOWN]
        )
        if change is not None:
            return (found if every else ids), change
    return (matching(house.client, view) if every else ids), None


def _told(request: Request, view: View, said: str, ids: Sequence[str], undo: str) -> Response:
    """Say what was done, with the rows of some requests as they are now."""
    house = house_of(request)
    columns = cells.shown_columns(view, house.known.key_counts())
    asked = house.client.requests.filter(col.request_id.is_in(ids[:_SHOWN])).limit(_SHOWN)
    rows = cells.read(asked, columns)
    answer = page(request, "parts/changed.html", said=said, rows=rows, columns=columns, undo=undo, view=view)
    answer.headers["HX-Trigger"] = "changed"  # the facets are counted anew
    return answer


def matching(client: PromptLog, view: View) -> Iterator[str]:
    """Yield the ids of all requests of a view, some at a time: what is changed meanwhile takes none of them away."""
    asked = client.search(view.q)
    some = asked.limit(_AT_ONCE).ids()
    while some:
        yield from some
        some = asked.after(some[-1]).limit(_AT_ONCE).ids() if len(some) == _AT_ONCE else []


def track_all(client: PromptLog, records: Iterable[tuple[str, dict[str, Any]]]) -> int:
    """Track something on each request, and return how many they are; a slice of them is a few writes.

    Args:
        client: the store.
        records: ids, and what is tracked on each.

    Raises:
        StoreUnwritableError: the disk refused; it says how many were changed.
    """
    left, changed = iter(records), 0
    while some := list(islice(left, _MOST)):
        try:
            client._append_lines(encode({"kind": "track", "request_id": id, **parts}) for id, parts in some)  # noqa: SLF001 - an edge of the client's own house
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
        case "untag":
            tag = given.get("tag", "").strip()
            if not tag:
                raise InvalidInputError("write a tag first; nothing was changed")
            return {"removed": {"tag": check_tags(tag)}}, lambda many: f"{tag} taken off {many}"
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
