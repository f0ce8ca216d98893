"""Ctrl-C in the middle of a statement: ends the statement at once, and is raised where the lease has been put in order.

The driver looks for it only between tasks of its own: while another thread of DuckDB's does the work, it is deaf. And what
Python raises by itself it raises anywhere, also where a lock is being let go.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_AGAIN_S = 0.05  # it came between two statements: the next one is ended


class _Ear:
    """A thread that hears what the main thread, inside the driver, cannot."""

    def __init__(self) -> None:
        self._heard, self._said = os.pipe()
        os.set_blocking(self._heard, False)
        os.set_blocking(self._said, False)
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self._others = -1  # who was told of signals before us
        self._interrupted = self._over = False
        self._thread = threading.Thread(target=self._listen, name="promptlog-ctrl-c", daemon=True)
        self._thread.start()

    @contextmanager
    def open(self, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` when Ctrl-C comes inside, from another thread, until inside ends; then raise KeyboardInterrupt."""
        self._end, self._interrupted = end, False
        before = signal.signal(signal.SIGINT, self._take)
        self._others = signal.set_wakeup_fd(self._said, warn_on_full_buffer=False)
        try:
            yield
        finally:
            if _ear is self:  # else this is a child that was forked inside
                signal.set_wakeup_fd(self._others)
                with self._lock:  # so that nothing is ended after this
                    self._hear()
                    self._end, self._others = None, -1
                signal.signal(signal.SIGINT, before)
                if self._interrupted:
                    signal.default_int_handler(signal.SIGINT, None)

    def _take(self, *_: object) -> None:
        self._interrupted = True

    def _listen(self) -> None:
        waiting = None
        while not self._over:
            select.select([self._heard], [], [], waiting)
            with self._lock:
                self._hear()
                waiting = _AGAIN_S if self._interrupted and self._end is not None else None
                if waiting and self._end is not None:
                    self._end()

    def _hear(self) -> None:
        try:
            signals = os.read(self._heard, 512)
        except BlockingIOError:
            return
        if signal.SIGINT in signals and self._end is not None:
            self._interrupted = True
        if self._others != -1:
            with suppress(OSError):  # it is full, or closed: as the interpreter does
                os.write(self._others, signals)

    def is_open(self) -> bool:
        """Tell whether somebody is inside."""
        return self._end is not None

    def close(self) -> None:
        """End the thread; nobody is inside."""
        self._over = True
        os.write(self._said, b"\0")
        self._thread.join()
        self.forget()

    def forget(self) -> None:
        """Let go of the pipe. In a child that was forked inside, let go of the signals too: they are not the parent's."""
        if self._end is not None:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(self._heard)
        os.close(self._said)


_ear: _Ear | None = None


@contextmanager
def ctrl_c_ends(end: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C inside call `end`, from another thread, and come out of here as KeyboardInterrupt.

    Only in the main thread, where signals go, and only where the program has not given Ctrl-C another meaning.
    """
    global _ear
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    if _ear is None:
        _ear = _Ear()
    with _ear.open(end):
        yield


def _rest() -> None:
    """A fork finds no thread of ours; the lease, whose own preparation comes first, lets nobody in meanwhile."""
    global _ear
    if _ear is not None and not _ear.is_open():
        _ear.close()
        _ear = None


def _start_anew() -> None:
    global _ear
    if _ear is not None:
        _ear.forget()
        _ear = None


os.register_at_fork(before=_rest, after_in_child=_start_anew)
