"""Clients that leave before they have their answer: what nobody waits for keeps nobody waiting."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from starlette.types import Receive

T = TypeVar("T")

_AGAIN_S = 0.05  # one answer may take several questions
_receive: ContextVar[Receive | None] = ContextVar("_receive", default=None)


def watch(receive: Receive) -> None:
    """Remember, of the request that is answered in this context, what tells next that its client left: its body is read."""
    _receive.set(receive)


async def unless_left(asking: Coroutine[Any, Any, T], leave: Callable[[], object]) -> T:
    """Return what is asked; from when its client has left, `leave` is called time and again until that comes to an end."""
    receive = _receive.get()
    if receive is None:
        return await asking
    asked, gone = asyncio.create_task(asking), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait((asked, gone), return_when=asyncio.FIRST_COMPLETED)
        while not asked.done():
            leave()
            await asyncio.wait((asked,), timeout=_AGAIN_S)
        return await asked
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
