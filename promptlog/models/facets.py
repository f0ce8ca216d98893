"""What `client.requests.facets` answers: which values a set of requests has, and on how many of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Facet:
    """The values of one thing, those on the most requests first.

    Attributes:
        name: a column, "tag", or a metadata key.
        is_metadata: whether it is a metadata key.
        values: each value with its requests.
        more: whether there are values beside these.
    """

    name: str
    is_metadata: bool
    values: list[tuple[str, int]]
    more: bool


@dataclass(frozen=True, slots=True)
class Facets:
    """The facets of requests.

    Attributes:
        counted: of how many requests they tell.
        whole: whether that is all of them; else it is the newest of them.
        facets: columns first, then metadata keys, those on the most requests first.
    """

    counted: int
    whole: bool
    facets: list[Facet]
