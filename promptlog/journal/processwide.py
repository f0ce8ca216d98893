"""One object for each store in a process, however many clients it has, and what `fork` means for it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from promptlog.settings import StorePaths


class Forked(Protocol):
    """What is told before and after a fork."""

    def before_fork(self) -> None:
        """Come to rest."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Start anew, and leave what is the parent's to the parent."""


T = TypeVar("T", bound=Forked)


class ProcessWide(Generic[T]):
    """Makes an object when a store is first named in this process, and gives the same one from then on.

    Two clients of one path must share: their locks would shut each other out.
    """

    def __init__(self, make: Callable[[StorePaths], T]) -> None:
        self._make = make
        self._made: dict[Path, T] = {}
        self._lock = threading.Lock()
        self._resting: list[T] = []
        os.register_at_fork(
            before=self._before_fork,
            after_in_parent=self._after_in_parent,
            after_in_child=self._after_in_child,
        )

    def of(self, paths: StorePaths) -> T:
        """Return the one of that store."""
        with self._lock:
            if paths.database not in self._made:
                self._made[paths.database] = self._make(paths)
            return self._made[paths.database]

    def all(self) -> list[T]:
        """Return all there are."""
        return list(self._made.values())

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._resting = []
        for one in self._made.values():
            one.before_fork()
            self._resting.append(one)  # an interrupted hook leaves the rest as they were

    def _after_in_parent(self) -> None:
        for one in self._resting:
            one.after_fork_in_parent()
        self._lock.release()

    def _after_in_child(self) -> None:
        self._lock = threading.Lock()
        for one in self._made.values():
            one.after_fork_in_child()
