"""An SDK's stream that logs what passes through it, and else is the stream."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

    from promptlog.providers.logged import LoggedCall


class Standin:
    """Stands for an object: whatever is not said here is the object's, its class included."""

    def __init__(self, original: Any, **own: Any) -> None:
        self.__dict__.update(own, _original=original)

    def __getattr__(self, name: str) -> Any:
        if name == "_original":  # `copy` makes one that is empty at first
            raise AttributeError(name)
        return getattr(self._original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            self.__dict__[name] = value
        else:
            setattr(self._original, name, value)

    def __repr__(self) -> str:
        return repr(self._original)

    def __dir__(self) -> list[str]:
        return dir(self._original)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._original)


class _Response(Standin):
    """A stream's HTTP response: the SDK's helpers close it instead of the stream."""

    _call: LoggedCall

    def __init__(self, response: Any, call: LoggedCall) -> None:
        super().__init__(response, _call=call)

    def close(self) -> None:
        try:
            self._original.close()
        finally:
            self._call.leave()

    async def aclose(self) -> None:
        try:
            await self._original.aclose()
        finally:
            self._call.leave()


class _Stream(Standin):
    """What is the same however the chunks are waited for.

    Attributes:
        pairs: whether each chunk comes with the request's id, as PromptLayer's `return_pl_id` has it: None until the
            answer is whole.
    """

    _call: LoggedCall
    pairs: bool

    def __init__(self, stream: Any, call: LoggedCall) -> None:
        super().__init__(stream, _call=call, pairs=False)
        call.rest()  # until a chunk is asked for

    @property
    def response(self) -> Any:
        """The HTTP response."""
        return _Response(self._original.response, self._call)

    def _took(self, item: Any) -> Any:
        self._call.took(item)
        if not self.pairs:
            return item
        return item, self._call.request_id if self._call.finished else None

    def __del__(self) -> None:
        # Nobody read it to its end: what came is logged all the same.
        if call := self.__dict__.get("_call"):
            with suppress(Exception):
                call.leave()


class LoggedStream(_Stream):
    """A stream that blocks."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        self._call.wait()
        try:
            item = next(self._original)
        except StopIteration:
            self._call.end()
            raise
        except Exception as error:
            self._call.end(error)
            raise
        except BaseException:  # cancelled, interrupted
            self._call.leave()
            raise
        return self._took(item)

    def __enter__(self) -> Self:
        self._original.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the stream; what came is logged."""
        try:
            self._original.close()
        finally:
            self._call.leave()


class LoggedAsyncStream(_Stream):
    """A stream that is awaited."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        self._call.wait()
        try:
            item = await anext(self._original)
        except StopAsyncIteration:
            self._call.end()
            raise
        except Exception as error:
            self._call.end(error)
            raise
        except BaseException:  # cancelled, interrupted
            self._call.leave()
            raise
        return self._took(item)

    async def __aenter__(self) -> Self:
        await self._original.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the stream; what came is logged."""
        try:
            await self._original.close()
        finally:
            self._call.leave()

    aclose = close
