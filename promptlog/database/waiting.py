"""Telling the user whom a question waits for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog.settings import StorePaths

_SILENCE_S = 1.5


class Waiting:
    """Says once, in the program's log, whom a question waits for: a minute of silence looks like a hang."""

    def __init__(self, paths: StorePaths) -> None:
        self._database = paths.database
        self._since = time.monotonic()
        self._said = False

    def say(self, who: Callable[[], str]) -> None:
        """Say it if enough time has passed and it was not said."""
        if not self._said and time.monotonic() - self._since > _SILENCE_S:
            self._said = True
            logging.getLogger("promptlog").warning("waiting for %s: %s", self._database, who())
