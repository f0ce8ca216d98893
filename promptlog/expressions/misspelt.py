"""Metadata keys of a question that no request has, and what may have been meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from promptlog.expressions.nodes import metadata_keys
from promptlog.models.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from promptlog.expressions.nodes import Condition

_SPECIAL = ("tag", "score", "since", "until")  # words of the search language
_ALIKE = 0.7


def keys_of(conditions: Iterable[Condition]) -> set[str]:
    """Return the metadata keys that conditions ask of."""
    return {key for condition in conditions for key in metadata_keys(condition)}


def unknown_keys(
    keys: Iterable[str], known: Collection[str], is_there: Callable[[str], object]
) -> dict[str, str | None]:
    """Return those that are on no request, each with the nearest of the known keys, columns and words, if one is near.

    Args:
        keys: that were asked of.
        known: keys that some request has, the most frequent ones at least.
        is_there: tells whether some request has a key that is none of these.
    """
    words = [*known, *COLUMNS, *_SPECIAL]
    return {
        key: next(
            iter(get_close_matches(key, [word for word in words if word != key], n=1, cutoff=_ALIKE)), None
        )
        for key in sorted(keys)
        if key not in known and not is_there(key)
    }
