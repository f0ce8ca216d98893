"""What a change of many requests replaced, kept for a while so that it can be undone.

It is exact: a request that was so before is left out, and so is one that was changed otherwise since. A score is not
among it, for it may have a label and an explanation that a number would not bring back.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from promptlog.errors import InvalidInputError
from promptlog.expressions.face import col, meta, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from promptlog.client import PromptLog

MOST = 50_000  # requests of a change that can be undone
_MOST_CHARS = 8_000_000  # of the values that it replaced
_KEPT = 4  # changes
_AT_ONCE = 500  # ids that are asked for; with a limit, which lets them be looked up

Kind = Literal["tag", "untag", "metadata"]


@dataclass(frozen=True)
class Change:
    """One change of many requests.

    Attributes:
        kind: what was done.
        key: the tag or the metadata key.
        value: what the key was set to.
        before: of each request that it changed the value it replaced, None where there was none.
        shown: the requests whose rows the page shows.
    """

    kind: Kind
    key: str
    value: str
    before: dict[str, str | None]
    shown: Sequence[str]

    def records(self, client: PromptLog) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what to track on each request so that it is as before, where it still is as the change left it."""
        # All that are so now: to ask DuckDB for thousands of ids takes longer.
        is_so = meta(self.key) == self.value if self.kind == "metadata" else tag(self.key)
        there = set(client.requests.filter(is_so).ids())
        for id, value in self.before.items():
            if (id in there) == (self.kind != "untag"):
                yield id, self._back(value)

    def _back(self, value: str | None) -> dict[str, Any]:
        if self.kind == "untag":
            return {"tags": [self.key]}
        if value is not None:
            return {"metadata": {self.key: value}}
        return {"removed": {"tag" if self.kind == "tag" else "metadata": [self.key]}}


def before(
    client: PromptLog,
    ids: Sequence[str] | None,
    q: str,
    kind: Kind,
    key: str,
    value: str,
    shown: Sequence[str],
) -> tuple[list[str], Change | None]:
    """Return the ids of the requests that are about to be changed, and the change; None: they are too many.

    Args:
        client: the store.
        ids: of these requests; None: of all that a search matches.
        q: its text.
        kind: what will be done.
        key: the tag or the metadata key.
        value: what the key is to be set to.
        shown: the requests whose rows the page shows.
    """
    if ids is None:
        parts = [client.search(q).limit(MOST + 1)]
    else:
        slices = (ids[at : at + _AT_ONCE] for at in range(0, len(ids), _AT_ONCE))
        parts = [client.requests.filter(col.request_id.is_in(some)).limit(len(some)) for some in slices]
    rows: list[tuple[Any, ...]] = []
    for part in parts:
        asked = part.select("request_id")
        rows += (asked.with_metadata(key) if kind == "metadata" else asked.with_tags()).fetchall()
    ids = [row[0] for row in rows]
    if kind == "metadata":
        replaced = {id: old for id, old in rows if old != value}
    else:
        replaced = {id: None for id, tags in rows if (key in tags) == (kind == "untag")}
    few = len(rows) <= MOST and sum(len(old) for old in replaced.values() if old) <= _MOST_CHARS
    return ids, Change(kind, key, value, replaced, shown) if few else None


class Changes:
    """The last changes of many requests, each under a name that nobody guesses."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Change] = OrderedDict()

    def keep(self, change: Change) -> str:
        """Keep a change, and return its name."""
        name = secrets.token_urlsafe(12)
        self._kept[name] = change
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return name

    def take(self, name: str) -> Change:
        """Return a change, which is kept no longer.

        Raises:
            InvalidInputError: it is not kept.
        """
        found = self._kept.pop(name, None)
        if found is None:
            raise InvalidInputError(
                f"that can be undone no longer: the server keeps the last {_KEPT} changes, each to be undone once"
            )
        return found
