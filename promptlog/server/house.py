"""What every endpoint works with: the client, threads that ask the store, and who may do what."""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from starlette.exceptions import HTTPException

from promptlog.errors import (
    InvalidInputError,
    RequestNotFoundError,
    StoreError,
    StoreInterruptedError,
    TraceNotFoundError,
)
from promptlog.server.freshness import Freshness
from promptlog.server.known import Known
from promptlog.server.leaving import unless_left
from promptlog.server.undoing import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from promptlog.client import PromptLog

P = ParamSpec("P")
T = TypeVar("T")

ASKING_THREADS = 4  # questions to the store at once; more would only wait for each other's memory
MAX_BODY_BYTES = 32 * 1024 * 1024
_VISIBLE = re.compile(r"[!-~]+")
_MOMENT_S = 0.25  # logging waits no longer for a prompt's name
MOST_WAITING = 64  # requests that wait for a thread or have one; the next is told to come back


@dataclass(eq=False)
class House:
    """The server's state, one for all its doors; an endpoint has it from `house_of(request)`.

    Attributes:
        client: the store.
        freshness: merges while somebody asks.
        known: the keys and values that are suggested.
        changes: what was done to many requests and can be undone.
        token: what a browser or program must show; None where the machine's own users alone can reach us.
        api_key: what PromptLayer's doors want to see; None takes any.
        read_only: whether nothing may be written.
        base_urls: where providers are, by name, for PromptLayer's SDK to call.
        max_body_bytes: no body has more, unpacked.
        csrf_token: what every form must carry as `csrf_token`, or a script's request as the header X-CSRF-Token.
    """

    client: PromptLog
    token: str | None = None
    api_key: str | None = None
    read_only: bool = False
    base_urls: Mapping[str, str] = field(default_factory=dict)
    max_body_bytes: int = MAX_BODY_BYTES
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(ASKING_THREADS, thread_name_prefix="promptlog-ask")
    )
    _worker: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="promptlog-read")
    )
    freshness: Freshness = field(init=False)
    known: Known = field(init=False)
    changes: Changes = field(default_factory=Changes)
    _waiting: int = 0
    _prompts: dict[int, str] = field(default_factory=dict)
    _naming: tuple[float, asyncio.Task[None]] | None = None

    def __post_init__(self) -> None:
        self.known = Known(self.client)
        merge = partial(self.client.merge, progress=False)
        self.freshness = Freshness(lambda: asyncio.get_running_loop().run_in_executor(self._threads, merge))

    async def ask(self, question: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what asks the store, and so blocks, in one of a few threads.

        Who has an id has it from who logged it: where nothing is found under it, it is asked again, with all that is
        logged by now merged. Where the client leaves, the question ends.

        Raises:
            HTTPException: 503, where too many wait already.
        """
        self.freshness.asked()
        thread, left = 0, False

        def asked() -> T:
            nonlocal thread
            if left:
                raise StoreInterruptedError("nobody waits for the answer any more")
            thread = get_ident()
            try:
                return question(*args, **kwargs)
            except (RequestNotFoundError, TraceNotFoundError):
                self.catch_up()
                return question(*args, **kwargs)
            finally:
                thread = 0  # from now on it asks for others

        def leave() -> None:
            nonlocal left
            left = True
            if thread:
                self.client.interrupt(thread)

        return await unless_left(self._run(self._threads, asked), leave)

    def catch_up(self) -> None:
        """Merge all that is logged by now; called within a question whose answer may not lag behind."""
        with suppress(StoreError):  # else what is there already is all that can be asked
            self.client.merge(progress=False)

    async def work(self, task: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what takes long but asks nothing, and so need not wait behind questions, in a thread of its own.

        Raises:
            HTTPException: 503, where too much waits already.
        """
        return await self._run(self._worker, lambda: task(*args, **kwargs))

    async def _run(self, threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise HTTPException(503, "the server is busy: too much waits already", {"Retry-After": "1"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, work)
        finally:
            self._waiting -= 1

    def remember_prompt(self, number: int, name: str) -> None:
        """Keep the name of a prompt's number, for what is logged by the number alone."""
        self._prompts[number] = name

    async def prompt_name(self, number: object) -> str | None:
        """Return the name of a prompt's number; None where it is none of ours, or the store does not say in a moment.

        The store is asked for numbers not met yet, where a prompt was published since; who logs does not wait for it.
        """
        if not isinstance(number, int):
            return None
        if number not in self._prompts:
            began, task = self._naming or (0.0, None)
            if task is None or task.done():
                began, task = self._naming = time.monotonic(), asyncio.create_task(self._learn_names())
            await asyncio.wait([task], timeout=max(0.0, began + _MOMENT_S - time.monotonic()))
        return self._prompts.get(number)

    async def _learn_names(self) -> None:
        with suppress(Exception):  # who asks is told what is wrong; who logs need not know
            self._prompts = await self._run(self._threads, self.client.templates.names)

    def close(self) -> None:
        """Let the threads end, and the store go."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._worker.shutdown(wait=True)
        self.client.close()


def house_of(request: Request) -> House:
    """Return the server's state."""
    house: House = request.app.state.house
    return house


def check_secret(secret: str | None, what: str) -> None:
    """Refuse a secret that anybody shows without knowing it, or that nobody can.

    Raises:
        InvalidInputError: it is empty, or has other than ASCII's visible characters.
    """
    if secret is not None and not _VISIBLE.fullmatch(secret):
        why = "has other characters than ASCII's, or blanks" if secret else "is empty"
        raise InvalidInputError(f"{what} {why}; give one such as {secrets.token_urlsafe(24)}, or none")


def same(given: str, secret: str) -> bool:
    """Return whether a secret was given, in a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def written(done: T) -> T:
    """Return what a logging or tracking call returned.

    Raises:
        HTTPException: 507, where the disk refused it.
    """
    if not done:
        raise HTTPException(507, "not logged: the store's folder takes no more; the server's log says why")
    return done
