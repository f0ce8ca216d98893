"""Which of the requests that come are here already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.errors import StoreBusyError
from promptlog.expressions.face import col

if TYPE_CHECKING:
    from collections.abc import Iterable

    from promptlog.query.requests import Requests

_AT_ONCE = 10_000


def count_known(requests: Requests, ids: Iterable[str]) -> int | None:
    """Return how many of some ids are requests already; None where the store is too busy to say."""
    wanted = list(set(ids))
    try:
        return sum(
            requests.filter(col.request_id.is_in(wanted[first : first + _AT_ONCE])).count()
            for first in range(0, len(wanted), _AT_ONCE)
        )
    except StoreBusyError:  # loading itself waits for nobody
        return None
