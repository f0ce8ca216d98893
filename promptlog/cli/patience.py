"""What a command says while its user waits for an answer: nothing for a second, then a line on stderr until it is there."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from promptlog.cli.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

_SILENCE_S = 1.0


@contextmanager
def patience(doing: str = "asking the store") -> Iterator[None]:
    """Say that work goes on, once it has lasted a second, and whom it waits for; only where stderr is a terminal.

    Nothing may be printed inside.
    """
    if not sys.stderr.isatty():
        yield
        return
    hint = _Hint(doing)
    logger = logging.getLogger("promptlog")
    timer = threading.Timer(_SILENCE_S, hint.show)
    timer.daemon = True
    logger.addHandler(hint)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        hint.hide()
        logger.removeHandler(hint)


class _Hint(logging.Handler):
    """A line with a turning sign and the seconds. What the library logs meanwhile, whom it waits for, stands in it."""

    def __init__(self, doing: str) -> None:
        super().__init__(logging.WARNING)
        self._doing = doing
        self._progress: Any = None
        self._over = False

    def show(self) -> None:
        """Draw it, in the timer's thread."""
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with self.lock or threading.RLock():
            if self._over:
                return
            columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._progress.add_task(self._doing, total=None)
            task = self._progress.tasks[0]
            task.start_time = (task.start_time or 0.0) - _SILENCE_S  # that is how long it has lasted
            self._progress.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take whom the library waits for; else do as if this was not here."""
        if not record.msg.startswith("waiting for"):
            if logging.lastResort is not None:
                logging.lastResort.handle(record)
            return
        self._doing = one_line(record.getMessage())
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], description=self._doing)

    def hide(self) -> None:
        """Take it away; it does not come again."""
        with self.lock or threading.RLock():
            self._over = True
            if self._progress is not None:
                self._progress.stop()
