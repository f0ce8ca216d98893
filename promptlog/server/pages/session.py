"""One session, or all requests of one user or another metadata value, read as a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from promptlog.errors import InvalidInputError
from promptlog.expressions.face import col, meta, since, until
from promptlog.expressions.grouping import by_time, count
from promptlog.expressions.nodes import Or
from promptlog.models.sessions import SESSION_KEYS
from promptlog.server.house import house_of
from promptlog.server.numbers import small_int
from promptlog.server.pages import content, filters, python
from promptlog.server.pages.rendering import answer
from promptlog.server.pages.turns import BACK, Turn, turns_of
from promptlog.server.pages.view import MOST_CHARS, View

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.expressions.nodes import Condition
    from promptlog.models.request import Request as Logged
    from promptlog.server.house import House

PATH = "/sessions/one"
PAGE = 20
_USER = "user_id"
_MOST_BYTES = 2_000_000  # of JSON that is read for a page
_MOST_BYTES_BEFORE = 500_000  # of turns before it, to know what was said in them
_LEADING = 5  # turns before the one that is asked for
_MOST_DAYS, _BAR = 28, 24  # days that are drawn, each as a bar of so many pixels at most
_MOST_PLACES = 64  # of messages in an address


def routes() -> list[BaseRoute]:
    """Return the routes of one session."""
    return [
        Route(PATH, show),
        Route(f"{PATH}/turns", show_turns),
        Route(f"{PATH}/before/{{request_id}}", show_before),
    ]


def address_of(key: str, value: str, view: View | None = None, **more: str) -> str:
    """Return the address of the conversation of a metadata value; without a key, of a session."""
    named = {"key": key} if key else {}
    return (view or View()).address(PATH, **named, value=value, **more)


def condition_of(key: str, value: str, known: set[str]) -> Condition:
    """Return the condition that a request is of a session."""
    keys = [key] if key else [name for name in SESSION_KEYS if name in known] or list(SESSION_KEYS[:1])
    terms = tuple(meta(name) == value for name in keys)
    return terms[0] if len(terms) == 1 else Or(terms)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an address asks for: whose requests, narrowed by a search, from which place on."""

    view: View
    key: str
    value: str
    place: tuple[str, str]  # "after", "before" or "at" and an id; "end" and nothing; "" from the beginning

    @classmethod
    def of(cls, query: QueryParams) -> _Asked:
        """Read an address.

        Raises:
            InvalidInputError: it names no session, or what it says is too long.
        """
        if "value" not in query:
            raise InvalidInputError("a session's address has its value, such as ?key=session_id&value=s1")
        if max(len(query["value"]), len(query.get("key", ""))) > MOST_CHARS:
            raise InvalidInputError(f"a value of more than {MOST_CHARS:,} characters has no page")
        place = next(
            ((name, query[name]) for name in ("after", "before", "at", "end") if name in query), ("", "")
        )
        return cls(View.of(query), query.get("key", ""), query["value"], place)

    @property
    def names(self) -> dict[str, str]:
        """What an address of this conversation has beside its view."""
        return {**({"key": self.key} if self.key else {}), "value": self.value}

    def address(self, path: str = PATH, **more: str) -> str:
        """Return the address of another place in it."""
        return self.view.address(path, **self.names, **more)


async def show(request: Request) -> Response:
    """The page: totals, days, and the turns from a place on."""
    house, asked = house_of(request), _Asked.of(request.query_params)
    return await answer(request, "session.html", _load, house, asked)


async def show_turns(request: Request) -> Response:
    """The turns after one."""
    house, asked = house_of(request), _Asked.of(request.query_params)

    def ask() -> dict[str, Any]:
        return _turns(_requests(house, asked), asked, goes_on=True)

    return await answer(request, "parts/turns.html", ask)


async def show_before(request: Request) -> Response:
    """The messages of a request that its turn does not show."""
    house, request_id = house_of(request), request.path_params["request_id"]
    given = request.query_params.get("without", "").split(",", _MOST_PLACES)[:_MOST_PLACES]
    without = {place for text in given if (place := small_int(text)) is not None}

    def ask() -> dict[str, Any]:
        found: Logged = house.client.requests.get(request_id)
        said = content.conversation(found.input)
        left = [one for place, one in enumerate(said) if place not in without]
        return {"said": left, "whole": f"/requests/{found.request_id}/copy/input"}

    return await answer(request, "parts/before.html", ask)


# -- what is shown ---------------------------------------------------------------------------------------------


def _requests(house: House, asked: _Asked) -> Any:
    return house.client.requests.filter(
        condition_of(asked.key, asked.value, _known(house, asked)), *asked.view.terms
    )


def _known(house: House, asked: _Asked) -> set[str]:
    """Return the metadata keys that there are, where the address names none."""
    return set() if asked.key else {name for name, _ in house.known.key_counts()}


def _load(house: House, asked: _Asked) -> dict[str, Any]:
    view, more = asked.view, asked.names
    known = _known(house, asked)
    condition = condition_of(asked.key, asked.value, known)
    those = (
        View(q=str(condition))
        if not view.q
        else View(q=" ".join([*View(q=str(condition)).texts, *view.texts]))
    )
    error = filters.misread(view)
    shown: dict[str, Any] = {
        "view": view, "key": asked.key, "value": asked.value, "error": error,
        "name": asked.key or next((name for name in SESSION_KEYS if name in known), SESSION_KEYS[0]),
        "chips": filters.chips(view, PATH, **more), "spans": filters.spans(view, PATH, **more),
        "days": filters.days(view, PATH, **more), "of_days": [], "totals": None,
        "list": View(those.q, sort="start_time").address(), "chart": those.address("/analytics"),
        "python": python.searching(str(house.client.path), View(those.q, sort="start_time")),
        "sessions": "" if not asked.key or asked.key in SESSION_KEYS else View(q=str(condition)).address("/sessions"),
        "failed": view.having(col.status == "ERROR").address(PATH, **more),
        "all": asked.view.with_q("").address(PATH, **more),
        "first": asked.address(), "end": asked.address(end=""), "is_end": asked.place[0] == "end",
    }  # fmt: skip
    if error:
        return {**shown, "turns": []}
    requests = _requests(house, asked)
    shown["totals"] = requests.agg(
        requests=count(), errors=count(col.status == "ERROR"), first=col.start_time.min(), last=col.end_time.max(),
        input_tokens=col.input_tokens.sum(), output_tokens=col.output_tokens.sum(), cost_usd=col.cost_usd.sum(),
    ).dicts()[0]  # fmt: skip
    shown["of_days"] = _of_days(house.client.requests.filter(condition), asked)
    return {**shown, **_turns(requests, asked)}


def _turns(requests: Any, asked: _Asked, *, goes_on: bool = False) -> dict[str, Any]:
    """Return the turns of one page, and where those before and after them are."""
    forth, back = requests.sort("start_time"), requests.sort("start_time", descending=True)
    way, place = asked.place
    before: list[Logged]
    if way in ("before", "end"):
        found, has_earlier = (back.after(place) if way == "before" else back).page(
            PAGE, most_bytes=_MOST_BYTES
        )
        found, has_later = found[::-1], way == "before"
    else:
        if way == "at":  # not without what led to it
            some, is_far = back.after(place).page(_LEADING + 1, most_bytes=_MOST_BYTES_BEFORE)
            way, place = ("after", some[-1].request_id) if is_far else ("", "")
        found, has_later = (forth.after(place) if way else forth).page(PAGE, most_bytes=_MOST_BYTES)
        has_earlier = bool(way)
    before = []
    if found and has_earlier:
        before, _ = back.after(found[0].request_id).page(BACK, most_bytes=_MOST_BYTES_BEFORE)
    marked = [key for key in (*SESSION_KEYS[:1], _USER) if key != (asked.key or SESSION_KEYS[0])]
    turns = turns_of(found, before[::-1], marked=marked, goes_on=goes_on)
    last = found[-1].request_id if found else place
    return {
        "turns": turns,
        "links": {(key, value): address_of(key, value) for turn in turns for key, value in turn.marks},
        "before": {turn.request.request_id: _before(turn) for turn in turns if turn.folded},
        "earlier": asked.address(before=found[0].request_id) if before else "",
        "goes_on": has_later,
        "next": asked.address(f"{PATH}/turns", after=last),
        "later": asked.address(after=last),
    }


def _before(turn: Turn) -> str:
    """Return the address of the messages that a turn does not show."""
    places = ",".join(map(str, turn.shown))
    return View().address(f"{PATH}/before/{turn.request.request_id}", without=places)


def _of_days(requests: Any, asked: _Asked) -> list[dict[str, Any]]:
    """Return the last days that have requests, the latest first, whatever time is asked for."""
    view = asked.view
    other = view.within(None)
    groups = requests.filter(*other.terms).group_by(by_time("1d", fill=False))
    rows = groups.agg(requests=count(), errors=count(col.status == "ERROR")).sort("time", descending=True)
    found = rows.limit(_MOST_DAYS).dicts()
    most = max((row["requests"] for row in found), default=1)
    for row in found:
        day: date = row["time"].date()
        begin = datetime.combine(day, time(), UTC)
        end = until(begin + timedelta(days=1)) if day < date.max else None
        one = view.within(since(begin), end)
        failed = f", {row['errors']:,} failed" if row["errors"] else ""
        row |= {
            "day": day,
            "address": one.address(PATH, **asked.names),
            "chosen": one.q == view.q,
            "said": f"{day:%A}, {day.day} {day:%B %Y}: {row['requests']:,} request{'s' * (row['requests'] != 1)}{failed}",
            "height": max(round(_BAR * row["requests"] / most), 2),
            "bad": max(round(_BAR * row["errors"] / most), 2),
        }
    return found if len(found) > 1 else []
