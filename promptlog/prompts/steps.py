"""Work that is written once and driven twice: at once, or without blocking an event loop.

The work is a generator that yields what may take time and is sent what came of it. All decisions stand in the work; the
two drivers only wait.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from promptlog.providers.protocol import Provider

P = ParamSpec("P")
T = TypeVar("T")


class Step(Protocol):
    """What may take time."""

    def now(self) -> Any:
        """Do it, and return what came of it."""

    async def later(self) -> Any:
        """Do it without blocking the event loop."""


Steps = Generator[Step, Any, T]


@dataclass(frozen=True, slots=True)
class Blocking:
    """Something that blocks, such as asking the store; without an event loop it just does, else in a thread."""

    work: Callable[[], Any]

    def now(self) -> Any:
        """Do it."""
        return self.work()

    async def later(self) -> Any:
        """Do it in a thread."""
        import asyncio

        return await asyncio.to_thread(self.work)


@dataclass(frozen=True, slots=True)
class Ask:
    """A call to a model, and what is done right before it, when everything is ready."""

    provider: Provider
    arguments: Mapping[str, Any]
    stream: bool
    begin: Callable[[], None]

    def now(self) -> Any:
        """Call the model."""
        self.provider.ready()
        self.begin()
        return self.provider.call(self.arguments, stream=self.stream)

    async def later(self) -> Any:
        """Call the model, awaited."""
        await self.provider.aready()
        self.begin()
        return await self.provider.acall(self.arguments, stream=self.stream)


@dataclass(frozen=True, slots=True)
class Deferred:
    """Something that is at hand, and has another form where it is awaited."""

    at_once: Callable[[], Any]
    awaited: Callable[[], Any]

    def now(self) -> Any:
        """Give the one."""
        return self.at_once()

    async def later(self) -> Any:
        """Give the other."""
        return self.awaited()


def drive(steps: Steps[T]) -> T:
    """Do all steps, one after the other, and return what the work returns."""
    try:
        step = next(steps)
        while True:
            try:
                found = step.now()
            except BaseException as error:  # the work decides what it means, and raises it again
                step = steps.throw(error)
            else:
                step = steps.send(found)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def drive_later(steps: Steps[T]) -> T:
    """Do the same without blocking the event loop."""
    try:
        step = next(steps)
        while True:
            try:
                found = await step.later()
            except BaseException as error:  # as above
                step = steps.throw(error)
            else:
                step = steps.send(found)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def at_once(work: Callable[Concatenate[Any, P], Steps[T]], of: str) -> Callable[Concatenate[Any, P], T]:
    """Return a method that does the work of the object in its attribute `of`."""

    @wraps(work)
    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return drive(work(getattr(self, of), *args, **kwargs))

    return method


def awaited(
    work: Callable[Concatenate[Any, P], Steps[T]], of: str
) -> Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]:
    """Return the same method as a coroutine."""

    @wraps(work)
    async def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await drive_later(work(getattr(self, of), *args, **kwargs))

    return method
