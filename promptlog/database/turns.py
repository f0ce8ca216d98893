"""Threads of one process take turns, first come first served."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A lock whose waiters are served in order. `threading.Lock` lets its last holder in again first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._line: deque[object] = deque()  # the head holds the lock

    def acquire(self, timeout: float) -> bool:
        """Wait for one's turn for at most `timeout` seconds."""
        ticket = object()
        with self._changed:
            self._line.append(ticket)
            served = False
            try:
                served = self._changed.wait_for(
                    lambda: self._line[0] is ticket, min(timeout, threading.TIMEOUT_MAX)
                )
            finally:
                if (
                    not served
                ):  # in time, or at all: Ctrl-C while waiting must not leave a ticket that nobody holds
                    self._line.remove(ticket)
                    self._changed.notify_all()
            return served

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it or waits for it."""
        with self._changed:
            if self._line:
                return False
            self._line.append(object())
            return True

    def release(self) -> None:
        """Pass it on."""
        with self._changed:
            self._line.popleft()
            self._changed.notify_all()
