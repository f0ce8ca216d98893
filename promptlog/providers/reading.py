"""What all readers of answers share: whatever a server sends, an answer is never lost because it cannot be read."""

from __future__ import annotations

from typing import Any

from promptlog.providers.plain import plain, table
from promptlog.providers.protocol import Answer


class Reading:
    """A reader that passes over what it cannot read; its kinds say how to read a response or chunk in `_take`."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self._model: str | None = None

    def add(self, item: Any) -> str:
        """Take a response or a chunk (the SDK's object or a dict of its shape), and return the text that it adds."""
        try:
            return self._take(item if isinstance(item, str) else self._data(item))
        except Exception:  # servers that speak almost as OpenAI's are many
            return ""

    def answer(self) -> Answer:
        """Return what has come so far."""
        try:
            return self._made()
        except Exception:
            return Answer(model=self._model, finish_reason=self.finish_reason)

    def _data(self, item: Any) -> dict[str, Any]:
        return table(plain(item))

    def _take(self, data: Any) -> str:
        raise NotImplementedError

    def _made(self) -> Answer:
        raise NotImplementedError

    def _names(self, model: Any, reason: Any) -> None:
        """Take the model's name and why the answer ended, where they are said."""
        self._model = word(model) or self._model
        self.finish_reason = word(reason) or self.finish_reason


def word(value: Any) -> str | None:
    """Return a text; None where it is something else, or empty."""
    return value if isinstance(value, str) and value else None


def count(value: Any) -> int | None:
    """Return a count of tokens; None where it is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63 else None
