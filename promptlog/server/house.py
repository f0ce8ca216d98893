"""What every endpoint works with: the client, threads that ask the store, and who may do what."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from starlette.exceptions import HTTPException

from promptlog.server.freshness import Freshness
from promptlog.server.known import Known

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from promptlog.client import PromptLog

P = ParamSpec("P")
T = TypeVar("T")

ASKING_THREADS = 4  # questions to the store at once; more would only wait for each other's memory
_MOST_PROMPTS = 100_000
MOST_WAITING = 64  # requests that wait for a thread or have one; the next is told to come back


@dataclass(eq=False)
class House:
    """The server's state, one for all its doors; an endpoint has it from `house_of(request)`.

    Attributes:
        client: the store.
        freshness: merges while somebody asks.
        known: the keys and values that are suggested.
        token: what a browser or program must show; None where the machine's own users alone can reach us.
        api_key: what PromptLayer's doors want to see; None takes any.
        read_only: whether nothing may be written.
        base_urls: where providers are, by name, for PromptLayer's SDK to call.
        csrf_token: what every form must carry as `csrf_token`, or a script's request as the header X-CSRF-Token.
    """

    client: PromptLog
    token: str | None = None
    api_key: str | None = None
    read_only: bool = False
    base_urls: Mapping[str, str] = field(default_factory=dict)
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(ASKING_THREADS, thread_name_prefix="promptlog-ask")
    )
    _worker: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="promptlog-read")
    )
    freshness: Freshness = field(init=False)
    known: Known = field(init=False)
    _waiting: int = 0
    _prompts: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = Known(self.client)
        merge = partial(self.client.merge, progress=False)
        self.freshness = Freshness(lambda: asyncio.get_running_loop().run_in_executor(self._threads, merge))

    async def ask(self, question: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what asks the store, and so blocks, in one of a few threads.

        Raises:
            HTTPException: 503, where too many wait already.
        """
        self.freshness.asked()
        return await self._run(self._threads, lambda: question(*args, **kwargs))

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
        """Return the name of a prompt's number; None where it is none of ours. The store is asked for those not met yet."""
        if not isinstance(number, int):
            return None
        if number not in self._prompts:
            found = await self.ask(lambda: self.client.templates.all(1, _MOST_PROMPTS))
            self._prompts.update({one["id"]: one["prompt_name"] for one in found})
            self._prompts.setdefault(number, "")
        return self._prompts[number] or None

    def close(self) -> None:
        """Let the threads end, and the store go."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._worker.shutdown(wait=True)
        self.client.close()


def house_of(request: Request) -> House:
    """Return the server's state."""
    house: House = request.app.state.house
    return house


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
