"""Facets, chips and spans of time: each a link to the view with a term more or less."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from promptlog.errors import SearchSyntaxError
from promptlog.expressions.face import col, meta, since, tag
from promptlog.expressions.nodes import Not, Since, Until
from promptlog.expressions.search import parse

if TYPE_CHECKING:
    from promptlog.expressions.nodes import Condition
    from promptlog.models.facets import Facets
    from promptlog.server.pages.view import View

SPANS = {"15m": "15 minutes", "1h": "hour", "24h": "day", "7d": "week", "30d": "month"}
_MOST_CHIPS = 50  # each has the address of all others
_LABELS = {"prompt_name": "prompt", "error_type": "error"}


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a facet: what it is, on how many requests, and where its links lead."""

    text: str
    requests: int
    share: float
    selected: bool
    toggle: str
    exclude: str


@dataclass(frozen=True, slots=True)
class Group:
    """The values of one facet."""

    label: str
    key: str  # of metadata; "" for columns and tags
    column: str
    values: list[Value]
    more: bool


@dataclass(frozen=True, slots=True)
class Chip:
    """A term of the search, and the address without it."""

    text: str
    without: str


def term_of(name: str, value: str, *, is_metadata: bool) -> Condition:
    """Return the condition that a facet's value stands for."""
    if is_metadata:
        return meta(name) == value
    return tag(value) if name == "tag" else col(name) == value


def groups(facets: Facets, view: View, path: str = "/") -> list[Group]:
    """Return facets as links of a view."""
    terms, found = set(view.terms), []
    for facet in facets.facets:
        most = max((count for _, count in facet.values), default=1)
        values = []
        for text, count in facet.values:
            term = term_of(facet.name, text, is_metadata=facet.is_metadata)
            selected = term in terms
            values.append(
                Value(
                    text, count, count / most, selected,
                    (view.lacking(term) if selected else view.having(term)).address(path),
                    view.lacking(term).having(Not(term)).address(path),
                )
            )  # fmt: skip
        key = facet.name if facet.is_metadata else ""
        label = facet.name if facet.is_metadata else _LABELS.get(facet.name, facet.name)
        found.append(Group(label, key, "" if key else facet.name, values, facet.more))
    return found


def misread(view: View) -> SearchSyntaxError | None:
    """Return what is wrong with the search text of a view."""
    if view.terms or not view.q:
        return None
    try:
        parse(view.q)
    except SearchSyntaxError as error:
        return error
    return None


def chips(view: View, path: str = "/", **more: str) -> list[Chip]:
    """Return the first terms of a view, to be taken away; a span of time that is chosen beside them is none of them."""
    texts, moments = view.texts, _moments(view)
    chosen = moments if len(moments) == 1 and moments[0] in map(since, SPANS) else []
    chips = (
        Chip(text, view.with_q(" ".join((*texts[:at], *texts[at + 1 :]))).address(path, **more))
        for at, (term, text) in enumerate(zip(view.terms, texts, strict=True))
        if term not in chosen
    )
    return [*islice(chips, _MOST_CHIPS)]


def spans(view: View, path: str = "/", **more: str) -> list[tuple[str, str, bool]]:
    """Return the spans of time to choose from: what each is called, where it leads, whether it is chosen."""
    moments = _moments(view)
    found = [
        (text, view.within(since(text)).address(path, **more), moments == [since(text)]) for text in SPANS
    ]
    return [*found, ("all", view.within(None).address(path, **more), not moments)]


def _moments(view: View) -> list[Condition]:
    return [term for term in view.terms if isinstance(term, Since | Until)]
