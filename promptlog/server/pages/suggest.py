"""What may come next where somebody types a search: names of columns and keys, then their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from promptlog.expressions.face import meta
from promptlog.models.columns import COLUMNS
from promptlog.server.house import house_of
from promptlog.server.known import COLUMNS_WITH_FEW_VALUES
from promptlog.server.pages.filters import SPANS, term_of
from promptlog.server.pages.rendering import short
from promptlog.server.pages.view import MOST_CHARS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.server.house import House

_MOST = 12
#: A word, or what stands between words: blanks and parentheses that no quotes hold. Read from the front, once.
_WORD = re.compile(r'((?:[^\s"()]|"(?:[^"\\]|\\.)*(?:"|\\?$))+)|[\s()]+', re.DOTALL)
_NAMED = re.compile(r'(-?)((?:meta\.)?(?:"(?:[^"\\]|\\.)*"|[^\s:"=<>~!]+)):(.*)$', re.DOTALL)


def routes() -> list[BaseRoute]:
    """Return the route of suggestions."""
    return [Route("/suggest", suggest)]


async def suggest(request: Request) -> Response:
    """Return suggestions for what stands before the place where somebody types: each in place of the end of it."""
    house, before = house_of(request), request.query_params.get("q", "")
    return JSONResponse(await house.ask(suggestions, house, before) if len(before) <= MOST_CHARS else [])


def suggestions(house: House, before: str) -> list[dict[str, str]]:
    """Return what may stand at the end of a text: `typed`, which is its end, is replaced by `text`."""
    typed = ""
    for word in _WORD.finditer(before):
        typed = word[1] or ""
    if named := _NAMED.match(typed):
        minus, name, begun = named.groups()
        found = _values(house, name, begun.strip('"'))
        typed = typed.removeprefix(minus)
    else:
        typed = typed.removeprefix("-")
        found = _names(house, typed)
    return [{"typed": typed, "text": new, "about": about} for new, about in found[:_MOST]]


def _names(house: House, begun: str) -> list[tuple[str, str]]:
    """Return names that begin so, then those that have it somewhere: metadata keys first."""
    keys = [(_key(key), f"{short(count)} requests") for key, count in house.known.key_counts()]
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
        times = {span: f"the last {said}" for span, said in SPANS.items()} | {"today": "", "yesterday": ""}
        before = "before " if name == "until" else ""
        return [
            (f"{name}:{time} ", f"{before}{said or time}")
            for time, said in times.items()
            if time.startswith(begun)
        ]
    if name == "tag" or name in COLUMNS_WITH_FEW_VALUES:
        pairs = [pair for pair in house.known.values(name) if pair[0].lower().startswith(begun.lower())]
        return [
            (f"{term_of(name, value, is_metadata=False)} ", f"{short(count)} requests")
            for value, count in pairs
        ]
    if name in COLUMNS:
        return []
    key = name.removeprefix("meta.")
    key = next((known for known, _ in house.known.key_counts() if _key(known) == f"{name}:"), key)
    pairs = house.client.metadata.values(key, prefix=begun, limit=_MOST).fetchall()
    return [(f"{meta(key) == value} ", f"{short(count)} requests") for value, count in pairs]
