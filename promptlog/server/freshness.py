"""Merging while somebody looks, so that no page waits for what was logged since the last."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_LAG_S = 0.5  # what other processes log is in an answer after this
_EVERY_S = 0.3
_LOOKED_AT_S = 60.0  # after the last question: somebody reads, and asks again


class Freshness:
    """Merges a few times a second from a question on, and rests when nobody has asked for a while.

    Args:
        merge: folds what was logged into the tables, without blocking the event loop.
    """

    def __init__(self, merge: Callable[[], Awaitable[object]]) -> None:
        self._merge = merge
        self._asked_at = 0.0
        self._asked = asyncio.Event()

    def asked(self) -> None:
        """Somebody looks."""
        self._asked_at = time.monotonic()
        self._asked.set()

    async def keep(self) -> None:
        """Do it until cancelled."""
        while True:
            await self._asked.wait()
            while time.monotonic() - self._asked_at < _LOOKED_AT_S:
                await asyncio.sleep(_EVERY_S)
                with suppress(Exception):  # the next question says what is wrong
                    await self._merge()
            self._asked.clear()
