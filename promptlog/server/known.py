"""What is known of a store's keys and values for a while, so that each letter typed does not ask for it anew."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptlog.expressions.face import col, tag
from promptlog.expressions.grouping import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog.client import PromptLog

_FRESH_S = 20.0
_MOST_KEYS = 200
_MOST_VALUES = 200
COLUMNS_WITH_FEW_VALUES = (
    "status",
    "model",
    "provider",
    "error_type",
    "finish_reason",
    "function_name",
    "api_type",
    "prompt_name",
)


@dataclass(eq=False)
class Known:
    """The keys, and the values of columns that have few."""

    client: PromptLog
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict)

    def _fresh(self, name: str, ask: Callable[[], Any]) -> Any:
        kept = self._kept.get(name)
        now = time.monotonic()
        if kept is None or now - kept[0] > _FRESH_S or not kept[1]:
            kept = self._kept[name] = (now, ask())
        return kept[1]

    def key_counts(self) -> list[tuple[str, int]]:
        """Return the metadata keys that were set most often, with how often that was."""
        found: list[tuple[str, int]] = self._fresh(
            "keys", lambda: self.client.metadata.overview(_MOST_KEYS)[1]
        )
        return found

    def catalogue(self) -> list[dict[str, Any]]:
        """Return all that is told of each metadata key."""
        found: list[dict[str, Any]] = self._fresh("catalogue", lambda: self.client.metadata.keys().dicts())
        return found

    def values(self, name: str) -> list[tuple[str, int]]:
        """Return the values of a column, or of `tag`, those of the most requests first."""

        def ask() -> list[tuple[str, int]]:
            key = tag if name == "tag" else col(name)
            groups = self.client.requests.group_by(value=key).agg(n=count())
            rows = groups.sort("n", descending=True).limit(_MOST_VALUES).fetchall()
            return [(str(value), n) for value, n in rows if value is not None]

        found: list[tuple[str, int]] = self._fresh(f"values {name}", ask)
        return found
