"""An answer that comes in chunks: given on as they come, logged once, however it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from types import TracebackType

    from promptlog.prompts.call import Call


class Stream:
    """What is the same however the chunks are waited for. A block over it ends in a log line, and so does its end."""

    def __init__(self, call: Call, chunks: Any, replayed_from: str | None = None) -> None:
        self.chunks = chunks
        self._call = call
        self._reader = call.provider.reader()
        self._replayed_from = replayed_from
        self._count = 0
        self._last: Any = None
        self._over = False

    def took(self, chunk: Any) -> dict[str, Any]:
        """Take a chunk that came, and return what is given on."""
        self._call.rest()
        self._count += 1
        self._last = chunk
        return self._marked(self._call.piece(chunk, self._reader.add(chunk)))

    def wait(self) -> None:
        """Wait for the next."""
        self._call.wait()

    def ended(self) -> dict[str, Any]:
        """Log the whole answer, and return the last of what is given on: the last chunk again, now with the id."""
        self._over = True
        answer = self._reader.answer()
        request_id = self._call.answered(answer, replayed_from=self._replayed_from)
        last = (
            "" if isinstance(self._last, str) else self._last
        )  # who joins a callable's texts has it already
        return self._marked(self._call.result(last, answer.output, request_id))

    def _marked(self, given: dict[str, Any]) -> dict[str, Any]:
        return {**given, "replayed_from": self._replayed_from} if self._replayed_from else given

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._over or error is None:
            return
        if isinstance(error, Exception):
            self._over = True
            self._call.failed(error, self._reader.answer())
        else:  # closed, cancelled, interrupted
            self._leave()

    def _leave(self) -> None:
        self._over = True
        if self._replayed_from is None:  # a model did no work that would be missing in the log
            self._call.left(self._reader.answer(), f"the reader left the stream after {self._count:,} chunks")

    def __del__(self) -> None:
        # Nobody read it, or the event loop ended with it: what came is logged all the same.
        if not getattr(self, "_over", True):
            with suppress(Exception):
                self._leave()
                if hasattr(self.chunks, "__next__"):  # what is awaited can only be closed by its event loop
                    self.chunks.close()


def read(stream: Stream) -> Generator[dict[str, Any]]:
    """Give a stream's chunks on."""
    try:
        with stream:
            for chunk in stream.chunks:
                yield stream.took(chunk)
                stream.wait()
            yield stream.ended()
    finally:
        with suppress(Exception):  # whatever it says, the answer is here
            stream.chunks.close()


async def read_later(stream: Stream) -> AsyncGenerator[dict[str, Any]]:
    """Give a stream's chunks on without blocking the event loop."""
    try:
        with stream:
            async for chunk in stream.chunks:
                yield stream.took(chunk)
                stream.wait()
            yield stream.ended()
    finally:
        with suppress(Exception):
            # Async generators and OpenAI's streams have the one, Anthropic's only the other.
            await (getattr(stream.chunks, "aclose", None) or stream.chunks.close)()
