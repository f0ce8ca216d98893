"""What the model says: always the same to the same question, and a token is a word."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Said:
    """One answer, before any provider's format."""

    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    reasoning: str = ""
    cut_short: bool = False

    @property
    def pieces(self) -> list[str]:
        """The text in the pieces in which a stream sends it."""
        words = self.text.split(" ") if self.text else []
        return [word if index == 0 else f" {word}" for index, word in enumerate(words)]

    @property
    def tokens(self) -> int:
        """How many words came out, arguments of tools and reasoning included."""
        return (
            count(self.text)
            + sum(1 + count(arguments) for _, arguments in self.calls)
            + count(self.reasoning)
        )


def count(value: Any) -> int:
    """Return how many words a text or all texts inside JSON have."""
    if isinstance(value, str):
        return len(value.split())
    if isinstance(value, dict):
        return sum(count(item) for key, item in value.items() if key not in {"role", "type", "id"})
    return sum(count(item) for item in value) if isinstance(value, list) else 0


def text_of(content: Any) -> str:
    """Return the text of a message's content, whichever provider's."""
    if isinstance(content, str):
        return content
    return " ".join(block.get("text", "") for block in content or () if isinstance(block, dict)).strip()


def answer(
    question: str,
    *,
    tools: list[dict[str, Any]],
    answered: bool,
    limit: int | None,
    thinks: bool,
    variant: int = 0,
) -> Said:
    """Return what the model says.

    Args:
        question: the last user's text.
        tools: `{name, parameters}` each. The model calls those that the question names, else the first.
        answered: the tool has answered already: now the model speaks.
        limit: the most words it may say.
        thinks: it says what it thought first.
        variant: which of several choices this is.
    """
    reasoning = "Let me think." if thinks else ""
    if tools and not answered:
        called = [tool for tool in tools if tool["name"] in question] or tools[:1]
        return Said(
            calls=[(tool["name"], _arguments(tool, question)) for tool in called], reasoning=reasoning
        )
    text = f"You said: {question}" + (f" (choice {variant + 1})" if variant else "")
    words = text.split(" ")
    if limit is not None and len(words) > limit:
        return Said(" ".join(words[:limit]), reasoning=reasoning, cut_short=True)
    return Said(text, reasoning=reasoning)


def _arguments(tool: dict[str, Any], question: str) -> str:
    names = list((tool.get("parameters") or {}).get("properties", {})) or ["text"]
    return json.dumps({names[0]: question})
