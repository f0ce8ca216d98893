"""An SDK's clients, made when first called, and kept."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Clients:
    """The client that calls, and the one that is awaited.

    Args:
        make: makes a client of a class of the SDK, "OpenAI" or "AsyncOpenAI".
        client: one that the program gives; it is used where it fits, and never closed here.

    A client that is awaited keeps connections of the event loop it ran in, so each loop has its own; and each process has
    its own of both.
    """

    def __init__(self, make: Callable[[bool], Any], client: Any = None) -> None:
        self._make = make
        self._given = client
        self._given_is_async = client is not None and is_async(client)
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._sync: Any = None
        self._by_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, Any]] = (
            weakref.WeakKeyDictionary()
        )

    def sync(self) -> Any:
        """Return the client that calls."""
        if self._given is not None:
            if self._given_is_async:
                raise _wrong(self._given, "the synchronous client", "AsyncPromptLog")
            return self._given
        if (
            self._process != os.getpid()
        ):  # forked: with its parent's connections it would get its parent's answers
            self._process, self._lock, self._sync = os.getpid(), threading.Lock(), None
        with self._lock:
            if self._sync is None:
                self._sync = self._make(False)
                weakref.finalize(
                    self, self._sync.close
                )  # its connections go when nobody can call it any more
            return self._sync

    async def asynchronous(self) -> Any:
        """Return the client that is awaited, of the running loop; it is closed when `asyncio.run` ends."""
        if self._given is not None:
            if not self._given_is_async:
                raise _wrong(self._given, "the asynchronous client", "PromptLog")
            return self._given
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            client = self._make(True)
            self._by_loop[loop] = client, (guard := _closing(client))
            await anext(guard)
        return self._by_loop[loop][0]


class WithClients:
    """A provider that is ready when it has a client."""

    _clients: Clients

    def ready(self) -> None:
        """Make the client that calls."""
        self._clients.sync()

    async def aready(self) -> None:
        """Make the client that is awaited."""
        await self._clients.asynchronous()


async def _closing(client: Any) -> AsyncIterator[None]:
    """Close a client when its event loop ends: a loop closes the async generators that it has begun."""
    try:
        yield
    finally:
        await client.close()


def sdk_of(client: Any) -> str | None:
    """Return "openai" or "anthropic" where an object is a client of that SDK, or of a class made from one."""
    if not hasattr(type(client), "with_options"):
        return None
    roots = {kind.__module__.partition(".")[0] for kind in type(client).__mro__}
    return next((name for name in ("openai", "anthropic") if name in roots), None)


def is_async(client: Any) -> bool:
    """Return whether an SDK's client is awaited."""
    return inspect.iscoroutinefunction(type(client).post)


def _wrong(client: Any, wanted: str, other: str) -> InvalidInputError:
    return InvalidInputError(
        f"providers has a {type(client).__name__}, and this call needs {wanted}; give that one, or use {other}"
    )
