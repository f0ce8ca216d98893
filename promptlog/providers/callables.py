"""Any Python callable as a model."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError
from promptlog.providers.chat import Chat
from promptlog.providers.plain import text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog.providers.protocol import Answer


class FromCallable(Chat):
    """A function that is called with `model`, `messages` and the parameters as keyword arguments.

    Args:
        name: what is logged as `provider`.
        function: it answers with text, with an iterator of texts (a stream), or with a dict, an object or a stream in
            the shape of OpenAI's chat completions; it may be a coroutine function or an async generator. Messages come
            in OpenAI's shape too. Where the prompt has tools it gets `tools`; where it has an argument named `stream`,
            it is told by True that a stream is wanted.

    An answer is turned into what is asked for: a text is a stream of one piece, the pieces of a stream are joined.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function_name = getattr(function, "__qualname__", type(function).__name__)
        self._function = function
        try:
            self._told = "stream" in inspect.signature(function).parameters
        except (TypeError, ValueError):  # built into Python: it says nothing of its arguments
            self._told = False

    def ready(self) -> None:
        """Do nothing: a function is ready."""

    async def aready(self) -> None:
        """Do nothing."""

    def call(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Call the function; a coroutine or an async stream runs in an event loop of its own."""
        answer = self._function(**self._arguments(arguments, stream))
        if inspect.isawaitable(answer) or isinstance(answer, AsyncIterator):
            loop = _Loop()
            if inspect.isawaitable(answer):
                answer = loop.run(_awaited(answer))
            if isinstance(answer, AsyncIterator):
                answer = loop.iterate(answer)
            else:
                loop.close()
        if isinstance(answer, Iterator):
            return answer if stream else self._whole(list(answer))
        answer = self._checked(answer)
        return iter(_as_chunks(answer)) if stream else answer

    async def acall(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Call the function; one that is not async runs in a thread, so that the event loop goes on."""
        given = self._arguments(arguments, stream)
        if inspect.iscoroutinefunction(self._function) or inspect.isasyncgenfunction(self._function):
            answer = self._function(**given)
        else:
            answer = await asyncio.to_thread(self._function, **given)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, Iterator):
            answer = _in_thread(answer)
        if isinstance(answer, AsyncIterator):
            return answer if stream else self._whole([item async for item in answer])
        answer = self._checked(answer)
        return _ready(_as_chunks(answer)) if stream else answer

    def raw(self, answer: Answer, *, stream: bool = False) -> Any:
        """Return text, or a list with it, where that was the whole answer; else what OpenAI's SDK would return."""
        said = (answer.output or {}).get("messages") or []
        if len(said) == 1 and said[0].keys() == {"role", "content"} and answer.finish_reason is None:
            text = text_of(said[0]["content"])
            return [text] if stream else text
        return super().raw(answer, stream=stream)

    def cost_usd(self, answer: Answer, model: str) -> float | None:  # noqa: ARG002 - the protocol's
        """Return None: nobody knows what a function costs."""
        return None

    def _arguments(self, arguments: Mapping[str, Any], stream: bool) -> dict[str, Any]:
        return {**arguments, "stream": stream} if self._told else dict(arguments)

    def _whole(self, items: list[Any]) -> Any:
        """Return the pieces of a stream as one answer."""
        if all(isinstance(item, str) for item in items):
            return "".join(items)
        reader = self.reader()
        for item in items:
            reader.add(item)
        return super().raw(reader.answer())

    def _checked(self, answer: Any) -> Any:
        if (
            isinstance(answer, str)
            or (isinstance(answer, Mapping) and "choices" in answer)
            or hasattr(answer, "choices")
        ):
            return answer
        raise InvalidInputError(
            f"the provider {self.name!r} answered with {type(answer).__name__}; a callable answers with text, an "
            f"iterator of texts, or a dict in the shape of OpenAI's chat completions ({{'choices': […]}})"
        )


def _as_chunks(answer: Any) -> list[Any]:
    """Return a whole answer as a stream of chunks: a reader takes a whole one as well."""
    return [answer]


async def _awaited(answer: Any) -> Any:
    return await answer


async def _ready(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def _in_thread(items: Iterator[Any]) -> AsyncIterator[Any]:
    """Take the items of a stream that blocks, one at a time, in a thread."""
    end = object()
    try:
        while (item := await asyncio.to_thread(next, items, end)) is not end:
            yield item
    finally:
        if close := getattr(items, "close", None):
            with suppress(
                ValueError
            ):  # cancelled: the thread is still in it, and lets it go when it comes out
                close()


class NotHere(FromCallable):
    """A provider that this process does not have: what the log has of it can be given again, and nobody can be asked.

    Args:
        name: of the provider.
        why: what is raised where it would have to be asked.
    """

    def __init__(self, name: str, why: InvalidInputError) -> None:
        super().__init__(name, _nobody)
        self.why = why


def _nobody(**_: Any) -> Any:
    raise AssertionError("a provider that is not here was asked")


class _Loop:
    """An event loop in a thread of its own: the caller may itself stand in one, as in a notebook."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "promptlog-provider")
        self._runner = asyncio.Runner()
        self._context = contextvars.copy_context()

    def run(self, awaitable: Any) -> Any:
        try:
            return self._thread.submit(self._runner.run, awaitable, context=self._context).result()
        except BaseException:
            self.close()
            raise

    def iterate(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        try:
            while True:
                try:
                    yield self.run(_awaited(anext(items)))
                except StopAsyncIteration:
                    return
        finally:
            if not self._closed and (close := getattr(items, "aclose", None)):
                self.run(close())
            self.close()

    _closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._thread.submit(self._runner.close).result()
            self._thread.shutdown()
