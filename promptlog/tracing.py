"""Functions as spans: who called whom, with what, and how it ended. Requests that are logged inside know their span."""

from __future__ import annotations

import functools
import inspect
import os
import time
import traceback
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from promptlog.context import SpanContext, current_span, span_context
from promptlog.errors import InvalidInputError, PromptLogError, warn_not_logged
from promptlog.models.encode import encode

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Appends a record; what cannot be written raises one of our errors.
Append = Callable[[dict[str, Any]], object]

#: Longer texts of inputs and outputs are cut: a span is there to be looked at.
_MOST_CHARACTERS = 100_000


def traceable(append: Append, attributes: Mapping[str, Any] | None, name: str | None) -> Callable[[Any], Any]:
    """Return a decorator whose functions are logged as spans; see `PromptLog.traceable`."""
    if attributes is not None and not isinstance(attributes, Mapping):
        raise InvalidInputError(f"attributes must be a dict, got {type(attributes).__name__}")
    own = dict(attributes or {})
    encode({"attributes": own})  # refused here, not at some later call

    def decorate(function: Any) -> Any:
        if not callable(function):
            raise InvalidInputError(f"traceable decorates functions, got {type(function).__name__}")
        called = name or str(getattr(function, "__name__", type(function).__name__))

        def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Span:
            return _Span(append, called, own, args, kwargs)

        return functools.wraps(function)(_KINDS[_kind(function)](function, begin))

    return decorate


class _Span:
    """One call of a function."""

    def __init__(
        self,
        append: Append,
        name: str,
        attributes: dict[str, Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        around = current_span()
        self.here = SpanContext(around.trace_id if around else os.urandom(16).hex(), os.urandom(8).hex())
        self._append = append
        self._record: dict[str, Any] = {
            "trace_id": self.here.trace_id,
            "span_id": self.here.span_id,
            "parent_span_id": around.span_id if around else None,
            "name": name,
            "kind": "INTERNAL",
            "attributes": {**attributes, "function_input": _text({"args": args, "kwargs": kwargs})},
        }
        self._start_us = time.time_ns() // 1000
        self._began = time.perf_counter()

    @contextmanager
    def inside(self, *, ended_by: type[Exception] | tuple[()] = ()) -> Iterator[None]:
        """Run a part of the function: what is logged meanwhile belongs to this span; what it raises ends it.

        Args:
            ended_by: what a generator raises at its end, which is no failure. (A function may fail with `StopIteration`.)
        """
        with span_context(self.here):
            try:
                yield
            except ended_by:
                raise
            except BaseException as error:
                self.end(error=error)
                raise

    def end(self, output: Any = None, *, error: BaseException | None = None, whole: bool = True) -> None:
        """Write the span. A function that worked is not stopped because its span cannot be written."""
        end_us = self._start_us + round((time.perf_counter() - self._began) * 1e6)
        attributes = self._record["attributes"]
        status: dict[str, Any] = {"status": "OK" if whole else "UNSET"}
        if error is not None:
            kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
            attributes["error.type"] = kind
            stack = "".join(traceback.format_exception(error))
            told = {"exception.type": kind, "exception.message": str(error), "exception.stacktrace": stack}
            event = {"name": "exception", "time": end_us, "attributes": told}
            status = {"status": "ERROR", "status_message": _cut(str(error)), "events": [event]}
        else:
            attributes["function_output"] = _text(output)
        record = {**self._record, "start_time": self._start_us, "end_time": end_us, **status}
        try:
            self._append({"kind": "span", "span": {k: v for k, v in record.items() if v is not None}})
        except PromptLogError as failure:
            warn_not_logged(f"the span {self._record['name']!r}: {failure}")


def _text(value: Any) -> str:
    """Return a value as PromptLayer's attributes have it: as Python shows it."""
    try:
        return _cut(str(value))
    except Exception as error:  # an object that cannot show itself
        return f"<{type(value).__name__} that cannot be shown: {error}>"


def _cut(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}… ({len(text):,} characters)"


# -- the four kinds of functions --------------------------------------------------------------------------------------

_Begin = Callable[[tuple[Any, ...], dict[str, Any]], _Span]


def _kind(function: Any) -> str:
    call = function if inspect.isroutine(function) else getattr(function, "__call__", function)  # noqa: B004
    if inspect.isasyncgenfunction(call):
        return "async generator"
    if inspect.iscoroutinefunction(call):
        return "coroutine"
    return "generator" if inspect.isgeneratorfunction(call) else "function"


def _function(function: Any, begin: _Begin) -> Any:
    def called(*args: Any, **kwargs: Any) -> Any:
        span = begin(args, kwargs)
        with span.inside():
            result = function(*args, **kwargs)
        span.end(result)
        return result

    return called


def _coroutine(function: Any, begin: _Begin) -> Any:
    async def called(*args: Any, **kwargs: Any) -> Any:
        span = begin(args, kwargs)
        with span.inside():
            result = await function(*args, **kwargs)
        span.end(result)
        return result

    return called


def _generator(function: Any, begin: _Begin) -> Any:
    def called(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        span = begin(args, kwargs)
        items: list[Any] = []
        generator = function(*args, **kwargs)
        step = functools.partial(next, generator)
        while True:
            try:
                with span.inside(ended_by=StopIteration):  # between two items the program is outside
                    item = step()
            except StopIteration as stop:
                span.end(items)
                return stop.value
            items.append(item)
            try:
                step = functools.partial(generator.send, (yield item))
            except GeneratorExit:
                with span.inside():
                    generator.close()
                span.end(items, whole=False)
                raise
            except BaseException as error:
                step = functools.partial(generator.throw, error)

    return called


def _async_generator(function: Any, begin: _Begin) -> Any:
    async def called(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        span = begin(args, kwargs)
        items: list[Any] = []
        generator = function(*args, **kwargs)
        step = generator.__anext__
        while True:
            try:
                with span.inside(ended_by=StopAsyncIteration):
                    item = await step()
            except StopAsyncIteration:
                span.end(items)
                return
            items.append(item)
            try:
                step = functools.partial(generator.asend, (yield item))
            except GeneratorExit:
                with suppress(RuntimeError), span.inside():  # the event loop may be gone
                    await generator.aclose()
                span.end(items, whole=False)
                raise
            except BaseException as error:
                step = functools.partial(generator.athrow, error)

    return called


_KINDS = {
    "function": _function,
    "coroutine": _coroutine,
    "generator": _generator,
    "async generator": _async_generator,
}
