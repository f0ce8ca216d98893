"""What may come next where somebody types a search: names of columns and keys, then their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse
from starlette.routing import Route

from promptlog.expressions.face import meta
from promptlog.models.columns import COLUMNS
from promptlog.server.house import house_of
from promptlog.server.pages.filters import term_of
from promptlog.server.pages.known import COLUMNS_WITH_FEW_VALUES, known_of
from promptlog.server.pages.rendering import short

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.server.house import House

_MOST = 12
_SPANS = {"15m": "15 minutes", "1h": "hour", "24h": "day", "7d": "week", "30d": "month"}
#: The word that is typed: what stands before the place, back to a blank or parenthesis that no quotes hold.
_WORD = re.compile(r'(?:[^\s"()]|"(?:[^"\\]|\\.)*(?:"|$))*$', re.DOTALL)
_NAMED = re.compile(r'(-?)((?:meta\.)?(?:"(?:[^"\\]|\\.)*"|[^\s:"=<>~!]+)):(.*)$', re.DOTALL)


def routes() -> list[BaseRoute]:
    """Return the route of suggestions."""
    return [Route("/suggest", suggest)]


async def suggest(request: Request) -> Response:
    """Return suggestions: the part of the text that each replaces, the new text, and a word about it."""
    text = request.query_params.get("q", "")[:10_000]
    given = request.query_params.get("at", "")
    at = min(int(given), len(text)) if given.isdecimal() and len(given) < 9 else len(text)  # noqa: PLR2004
    house = house_of(request)
    return JSONResponse(await house.ask(suggestions, house, text, at))


def suggestions(house: House, text: str, at: int) -> list[dict[str, Any]]:
    """Return what may stand at a place of a text."""
    word = _WORD.search(text[:at])
    typed = word[0] if word else ""
    if named := _NAMED.match(typed):
        minus, name, begun = named.groups()
        found = _values(house, name, begun.strip('"'))
        start = at - len(typed) + len(minus)
    else:
        start = at - len(typed) + (1 if typed.startswith("-") else 0)
        found = _names(house, text[start:at])
    return [{"from": start, "to": at, "text": new, "about": about} for new, about in found[:_MOST]]


def _names(house: House, begun: str) -> list[tuple[str, str]]:
    """Return names that begin so, then those that have it somewhere: metadata keys first."""
    keys = [(_key(key), f"{short(count)} requests") for key, count in known_of(house).key_counts()]
    names = [("tag:", "label"), ("since:", "time"), ("until:", "time"), ("score", "number")]
    names += [
        (f"{name}:" if COLUMNS[name].kind != "number" else f"{name}>", COLUMNS[name].kind) for name in COLUMNS
    ]
    low = begun.lower()
    first = [one for one in (*keys, *names) if one[0].lower().startswith(low)]
    return first + [one for one in (*keys, *names) if low and low in one[0].lower() and one not in first]


def _key(key: str) -> str:
    """Return a key and a colon, as the language writes it."""
    return str(meta(key) == "x").removesuffix("x")


def _values(house: House, name: str, begun: str) -> list[tuple[str, str]]:
    """Return the whole comparison for values that begin so."""
    if name in ("since", "until"):
        return [
            (f"{name}:{span} ", f"the last {said}") for span, said in _SPANS.items() if span.startswith(begun)
        ]
    if name == "tag" or name in COLUMNS_WITH_FEW_VALUES:
        pairs = [pair for pair in known_of(house).values(name) if pair[0].lower().startswith(begun.lower())]
        return [
            (f"{term_of(name, value, is_metadata=False)} ", f"{short(count)} requests")
            for value, count in pairs
        ]
    if name in COLUMNS:
        return []
    key = name.removeprefix("meta.")
    key = next((known for known, _ in known_of(house).key_counts() if _key(known) == f"{name}:"), key)
    pairs = house.client.metadata.values(key, prefix=begun, limit=_MOST).fetchall()
    return [(f"{meta(key) == value} ", f"{short(count)} requests") for value, count in pairs]
