"""What people would use instead, each doing the same work by its own best call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd


class Rival(Protocol):
    """A store in a folder of its own, open and warm. `calls` names the call behind each method."""

    name: str
    calls: ClassVar[dict[str, str]]

    def __init__(self, folder: Path) -> None: ...

    @staticmethod
    def installed() -> bool:
        """Say whether it can be measured here."""
        ...

    def load(self, rows: Sequence[dict[str, Any]]) -> None:
        """Store the arguments of `log_request`, `request_id` among them; they can be asked for when it returns."""
        ...

    def user(self, user: str, limit: int | None = None) -> Sequence[Any]:
        """Return a user's requests, newest first, with input, output and all metadata."""
        ...

    def groups(self) -> pd.DataFrame:
        """Return for each user_id: n, tokens (the sum of input tokens), p95 (of the latency in ms)."""
        ...

    def replace(self, value: str) -> int:
        """Give the key `experiment` of the requests another value; return of how many."""
        ...

    def size(self) -> int:
        """Return the bytes on disk, with nothing left in a write-ahead log."""
        ...

    def close(self) -> None: ...
