"""Metadata keys of a search that no request has, and what may have been meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from promptlog.expressions.face import meta
from promptlog.expressions.misspelt import keys_of, unknown_keys
from promptlog.expressions.nodes import MetaOperand
from promptlog.expressions.show import operand_text

if TYPE_CHECKING:
    from promptlog.server.house import House
    from promptlog.server.pages.view import View


def meant(house: House, view: View, path: str = "/", **more: str) -> list[tuple[str, str, str]]:
    """Return the keys that no request has, what each was meant to be, and the address of the search with that."""
    known = [key for key, _ in house.known.key_counts()]
    found = []

    def is_there(key: str) -> list[str]:
        return house.client.requests.filter(meta(key).exists()).limit(1).ids()

    for key, near in unknown_keys(keys_of(view.terms), known, is_there).items():
        if near is None:
            continue
        right = operand_text(MetaOperand(near)) if near in known else near
        name = re.compile(rf'(?<![\w.$@/"])(meta\.)?{re.escape(key)}(?=[:=<>~])')
        other = view.with_q(right.join(name.split(view.q)[::2]))
        if other.terms and key not in keys_of(other.terms):
            found.append((key, near, other.address(path, **more)))
    return found
