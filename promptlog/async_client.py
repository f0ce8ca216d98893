"""`AsyncPromptLog`: the same client for programs with an event loop.

Nothing is written twice: each method is the one of `PromptLog`, made a coroutine. What only appends to the journal runs
at once, for it takes microseconds; what asks the store runs in a thread; a model is awaited.
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from promptlog.client import Group, PromptLog
from promptlog.prompts.runs import Runs
from promptlog.prompts.steps import awaited
from promptlog.prompts.templates import Templates
from promptlog.track import Track, Untrack

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from promptlog.query.catalogue import Metadata
    from promptlog.query.requests import Requests

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


def _at_once(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Return a method that never blocks as a coroutine."""

    @wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self._sync, *args, **kwargs)

    return call


def _plain(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[Any, P], T]:
    """Return the method as it is."""

    @wraps(method)
    def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return method(self._sync, *args, **kwargs)

    return call


def _in_thread(
    method: Callable[Concatenate[S, P], T],
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Return a method that asks the store as a coroutine."""

    @wraps(method)
    async def call(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        import asyncio

        return await asyncio.to_thread(method, self._sync, *args, **kwargs)

    return call


def _like(make: Callable[P, PromptLog]) -> Callable[Concatenate[Any, P], None]:
    """Return an `__init__` that takes what `make` takes."""

    @wraps(make)
    def begin(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> None:
        self._sync = make(*args, **kwargs)

    return begin


class _Part:
    """A part of the client, such as `track`."""

    def __init__(self, part: Any) -> None:
        self._sync = part


class AsyncTrack(_Part):
    """Sets things on a request, as `PromptLog.track` does; awaited."""

    metadata = _at_once(Track.metadata)
    score = _at_once(Track.score)
    tags = _at_once(Track.tags)
    prompt = _at_once(Track.prompt)
    group = _at_once(Track.group)


class AsyncUntrack(_Part):
    """Takes things off a request, as `PromptLog.untrack` does; awaited."""

    metadata = _at_once(Untrack.metadata)
    tags = _at_once(Untrack.tags)
    score = _at_once(Untrack.score)


class AsyncGroup(_Part):
    """PromptLayer's groups; awaited."""

    create = _at_once(Group.create)


class AsyncTemplates(_Part):
    """The prompts, as `PromptLog.templates`; awaited, in a thread."""

    publish = _in_thread(Templates.publish)
    get = _in_thread(Templates.get)
    all = _in_thread(Templates.all)
    names = _in_thread(Templates.names)
    versions = _in_thread(Templates.versions)
    restore = _in_thread(Templates.restore)
    labels = _in_thread(Templates.labels)
    used_by = _in_thread(Templates.used_by)
    label = _in_thread(Templates.label)
    unlabel = _in_thread(Templates.unlabel)

    def invalidate(self, prompt_name: str | None = None) -> None:
        """Forget what this process has read of prompts; never needed."""
        self._sync.invalidate(prompt_name)


class AsyncPromptLog:
    """`PromptLog` for programs with an event loop; it takes the same arguments.

    `run`, `log_request`, `track`, `untrack`, `group`, `templates`, `log_many`, `backfill`, `merge` and `compact` are
    awaited. Questions (`requests`, `search`, `sql`, `trace`, `metadata`, `sessions`, `analytics`) are those of `PromptLog`: they are
    built at once, and their ends (`.df()`, `.count()`, …) block; call them in `asyncio.to_thread`.
    """

    _sync: PromptLog
    __init__ = _like(PromptLog)

    def __repr__(self) -> str:
        return f"AsyncPromptLog({str(self.path)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        self.close()

    @property
    def _runs(self) -> Runs:
        return self._sync._runs  # noqa: SLF001 - the two faces of one client

    @property
    def path(self) -> Path:
        """The DuckDB file."""
        return self._sync.path

    def close(self) -> None:
        """Let go of segment, file and lock. Allowed, never needed."""
        self._sync.close()

    run = awaited(Runs.run, "_runs")
    log_request = _at_once(PromptLog.log_request)
    log_many = _in_thread(PromptLog.log_many)
    backfill = _in_thread(PromptLog.backfill)
    merge = _in_thread(PromptLog.merge)
    compact = _in_thread(PromptLog.compact)
    rejected = _in_thread(PromptLog.rejected)

    @property
    def track(self) -> AsyncTrack:
        """Sets things on a request."""
        return AsyncTrack(self._sync.track)

    @property
    def untrack(self) -> AsyncUntrack:
        """Takes things off a request."""
        return AsyncUntrack(self._sync.untrack)

    @property
    def group(self) -> AsyncGroup:
        """PromptLayer's groups."""
        return AsyncGroup(self._sync.group)

    @property
    def templates(self) -> AsyncTemplates:
        """The prompts."""
        return AsyncTemplates(self._sync.templates)

    @property
    def requests(self) -> Requests:
        """All requests, newest first: the beginning of every question."""
        return self._sync.requests

    @property
    def metadata(self) -> Metadata:
        """The catalogue of metadata."""
        return self._sync.metadata

    @property
    def wrap(self) -> Any:
        """`PromptLog.wrap`: a client of OpenAI's or Anthropic's SDK that logs its calls."""
        return self._sync.wrap

    @property
    def traceable(self) -> Any:
        """`PromptLog.traceable`: a decorator that logs calls of a function as spans."""
        return self._sync.traceable

    @property
    def openai(self) -> Any:
        """`client.openai.AsyncOpenAI()` is a wrapped client."""
        return self._sync.openai

    @property
    def anthropic(self) -> Any:
        """`client.anthropic.AsyncAnthropic()` is a wrapped client."""
        return self._sync.anthropic

    interrupt = _plain(PromptLog.interrupt)
    search = _plain(PromptLog.search)
    sql = _plain(PromptLog.sql)
    trace = _plain(PromptLog.trace)
    sessions = _plain(PromptLog.sessions)
    analytics = _plain(PromptLog.analytics)
