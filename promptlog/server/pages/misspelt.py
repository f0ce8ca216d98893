"""Metadata keys of a search that no request has, and what may have been meant."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from promptlog.expressions.face import meta
from promptlog.expressions.nodes import MetaOperand, metadata_keys
from promptlog.expressions.show import operand_text
from promptlog.models.columns import COLUMNS

if TYPE_CHECKING:
    from promptlog.expressions.nodes import Condition
    from promptlog.server.house import House
    from promptlog.server.pages.view import View

_SPECIAL = ("tag", "score", "since", "until")
_ALIKE = 0.7


def meant(house: House, view: View, path: str = "/", **more: str) -> list[tuple[str, str, str]]:
    """Return the keys that no request has, what each was meant to be, and the address of the search with that."""
    known = [key for key, _ in house.known.key_counts()]
    found = []
    for key in sorted(_keys(view.terms)):
        if key in known:
            continue
        near = get_close_matches(key, [*known, *COLUMNS, *_SPECIAL], n=1, cutoff=_ALIKE)
        if not near or house.client.requests.filter(meta(key).exists()).limit(1).ids():
            continue
        right = operand_text(MetaOperand(near[0])) if near[0] in known else near[0]
        name = re.compile(rf'(?<![\w.$@/"])(meta\.)?{re.escape(key)}(?=[:=<>~])')
        other = view.with_q(right.join(name.split(view.q)[::2]))
        if other.terms and key not in _keys(other.terms):
            found.append((key, near[0], other.address(path, **more)))
    return found


def _keys(terms: tuple[Condition, ...]) -> set[str]:
    return {key for term in terms for key in metadata_keys(term)}
