"""One call that a program makes by itself, from its start to its line in the log."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from promptlog.context import current_context
from promptlog.errors import InvalidInputError, warn_not_logged
from promptlog.identifiers import new_request_id
from promptlog.models.build import request_record
from promptlog.models.encode import whole
from promptlog.providers.failures import failure_of

if TYPE_CHECKING:
    from promptlog.context import Context
    from promptlog.providers.protocol import Answer, Reader

#: Writes a record with what a context adds to it, and returns the request's id; None where the disk refused it.
Log = Callable[[dict[str, Any], "Context | None"], str | None]


class LoggedCall:
    """What is logged of one call. Nothing here raises: the answer is worth more than its line in the log.

    Latency is the model's alone: of a stream, what the program does between two chunks is left out.

    Args:
        log: writes it.
        reader: reads the answer.
        cost: returns the price of an answer.
        request_id: else a new one.
        arguments: of `log_request`, those that are known at the start.
    """

    def __init__(
        self,
        log: Log,
        reader: Reader,
        cost: Callable[[Answer], float | None],
        *,
        request_id: str | None = None,
        **arguments: Any,
    ) -> None:
        self._log = log
        self._reader = reader
        self._cost = cost
        self._arguments = arguments
        self._around = current_context()  # that of the call: a stream may be read elsewhere
        self._start = time.time()
        self._waited = 0.0
        self._since: float | None = time.perf_counter()
        self._ended = False
        self._process = os.getpid()
        self.request_id: str | None = request_id or new_request_id(round(self._start * 1e6))

    @property
    def finished(self) -> bool:
        """Whether the answer has come whole; a count of tokens may still follow."""
        return self._reader.finish_reason is not None

    def wait(self) -> None:
        """Wait for the model again."""
        self._since = time.perf_counter()

    def took(self, item: Any) -> None:
        """Take a response or a chunk that came."""
        self.rest()
        self._reader.add(item)

    def rest(self) -> None:
        """Something came, or nothing will: the program goes on."""
        if self._since is not None:
            self._waited += time.perf_counter() - self._since
            self._since = None

    def end(self, error: BaseException | None = None) -> None:
        """Log how it ended: whole, or with an error and what had come. Only the first end counts."""
        how: dict[str, Any] = {}
        if error is not None:
            if completion := getattr(
                error, "completion", None
            ):  # OpenAI's of an answer that cannot be parsed
                self._reader.add(completion)
            how.update(failure_of(error))
        self._finish(how)

    def leave(self) -> None:
        """Log a stream that nobody waited for to its end."""
        if self._process != os.getpid():
            return  # a forked child drops what is its parent's
        if self.finished:
            self._finish({})
        else:
            why = "the stream was left before its end"
            self._finish(
                {"status": "WARNING", "error_type": "PROVIDER_PARTIAL_RESPONSE", "error_message": why}
            )

    def _finish(self, how: dict[str, Any]) -> None:
        if self._ended:
            return
        self._ended = True
        self.rest()
        try:
            answer = self._reader.answer()
            known = {"output": None, **answer.arguments(), "price": self._cost(answer), **how}
            times: dict[str, Any] = {
                "request_start_time": self._start,
                "request_end_time": self._start + self._waited,
            }
            record = request_record(request_id=self.request_id, **self._arguments, **times, **known)
            try:
                self.request_id = self._log(record, self._around)
            except InvalidInputError:
                self.request_id = self._log(whole(record), self._around)
        except Exception as failure:
            self.request_id = None
            warn_not_logged(f"this call of {self._arguments.get('model')} cannot be written: {failure}")
