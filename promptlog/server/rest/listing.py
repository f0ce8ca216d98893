"""The list of prompts, as PromptLayer's registry has it: by name, tags, times, in pages."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.identifiers import to_us
from promptlog.server.numbers import small_int
from promptlog.server.rest.answers import paged
from promptlog.server.rest.fields import naming

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.datastructures import QueryParams

    from promptlog.server.rest.doors import Call

_MOST = 1000  # prompts in a page
_ALL = 100_000  # prompts that are looked through
SORTS = {"created_at": "created_at", "updated_at": "published_at", "name": "prompt_name", "id": "id"}
STATUS = ("active", "deleted", "all")  # none is ever deleted here
#: What a time of the query bounds.
TIMES = {
    "created_after": "created_at", "created_before": "created_at", "updated_after": "published_at", "updated_before": "published_at",
}  # fmt: skip
_UNKNOWN = ("external_source", "external_id", "created_by_email")


async def all_prompts(call: Call) -> dict[str, Any]:
    """Return a page of the prompts, each in its newest version or the one that has a label; the newest prompts first."""
    query = call.request.query_params
    page, per_page = _number(query.get("page"), "page", 1), _number(query.get("per_page"), "per_page", 30)
    if per_page > _MOST:
        raise HTTPException(400, f"per_page is at most {_MOST}, got {per_page}")
    label = query.get("label") or None
    wanted = _wanted(query)
    order, descending = _order(query)
    found = await call.house.ask(lambda: call.house.client.templates.all(1, _ALL, label))
    found = [{**one, "external_ids": []} for one in found if wanted(one)]  # in the order of names
    found.sort(key=itemgetter(order), reverse=descending)
    before = (page - 1) * per_page
    return paged(found[before : before + per_page], page, per_page, len(found))


def _number(given: str | None, name: str, default: int) -> int:
    if given is None:
        return default
    if number := small_int(given, 10**9):
        return number
    raise HTTPException(400, f"{name} is a number from 1 on, got {given[:40]!r}")


def _wanted(query: QueryParams) -> Callable[[dict[str, Any]], bool]:
    """Return whether a prompt is one that is asked for: by name, tags, times, and whether others include it.

    Raises:
        HTTPException: 400; a filter cannot be read, or asks for what a store does not know.
    """
    for name in _UNKNOWN:
        if query.get(name):
            raise HTTPException(400, f"{name} cannot be asked here: a store does not know it")
    status = query.get("status") or "active"
    if status not in STATUS:
        raise HTTPException(400, f"status is one of {', '.join(STATUS)}, got {status[:40]!r}")
    part, tags = query.get("name", "").lower(), set(query.getlist("tags")) - {""}
    snippet = flag(query, "is_snippet", default=False) if query.get("is_snippet") else None
    with naming(*TIMES):
        times = [(which, TIMES[which], to_us(query[which], which)) for which in TIMES if query.get(which)]

    def wanted(one: dict[str, Any]) -> bool:
        return (
            status != "deleted"
            and part in one["prompt_name"].lower()
            and tags <= set(one["tags"])
            and snippet in (None, one["is_snippet"])
            and all(
                to_us(one[of], of) >= limit if which.endswith("after") else to_us(one[of], of) <= limit
                for which, of, limit in times
            )
        )

    return wanted


def _order(query: QueryParams) -> tuple[str, bool]:
    by, order = query.get("sort_by") or "created_at", query.get("sort_order") or "desc"
    if by not in SORTS:
        raise HTTPException(400, f"sort_by is one of {', '.join(SORTS)}, got {by[:40]!r}")
    if order not in ("asc", "desc"):
        raise HTTPException(400, f"sort_order is asc or desc, got {order[:40]!r}")
    return SORTS[by], order == "desc"


def flag(query: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return what a query says of yes or no.

    Raises:
        HTTPException: 400; it is neither.
    """
    given = query.get(name, "").lower()
    if given not in ("", "true", "false", "1", "0"):
        raise HTTPException(400, f"{name} is true or false, got {given[:40]!r}")
    return given in ("true", "1") if given else default
