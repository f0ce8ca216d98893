"""OpenAI's embeddings, as far as they are logged: what was embedded and what it cost, not the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.providers.plain import json_text, parameters_of, plain, table
from promptlog.providers.protocol import Answer, Asked

if TYPE_CHECKING:
    from collections.abc import Mapping


class Embeddings:
    """The format of `/embeddings`: a completion whose blocks are the texts, without an output."""

    api_type = "embeddings"

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        """Return what the arguments of `embeddings.create` ask."""
        given = plain(arguments.get("input"))
        texts = (
            given if isinstance(given, list) and not all(isinstance(one, int) for one in given) else [given]
        )
        blocks = [{"type": "text", "text": json_text(text)} for text in texts]
        prompt = {"type": "completion", "content": blocks}
        return Asked(prompt, str(arguments.get("model")), parameters_of(arguments, "input", "model"))

    def reader(self) -> EmbeddingsReader:
        """Return a reader for one answer."""
        return EmbeddingsReader()


class EmbeddingsReader:
    """Reads a response's model and tokens."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self._answer = Answer()

    def add(self, item: Any) -> str:
        """Take a response; a large one is not copied."""
        usage = table(plain(getattr(item, "usage", None)))
        self._answer = Answer(
            model=getattr(item, "model", None), input_tokens=usage.get("prompt_tokens"), output_tokens=0
        )
        return ""

    def answer(self) -> Answer:
        """Return what has come."""
        return self._answer
