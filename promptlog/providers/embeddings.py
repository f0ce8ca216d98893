"""OpenAI's embeddings, as far as they are logged: what was embedded and what it cost, not the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.providers.plain import json_text, parameters_of, plain
from promptlog.providers.protocol import Answer, Asked
from promptlog.providers.reading import Reading, count

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


class EmbeddingsReader(Reading):
    """Reads a response's model and tokens."""

    _tokens: int | None = None

    def add(self, item: Any) -> str:
        """Take a response; its numbers, which may be many, are not looked at."""
        self._names(getattr(item, "model", None), None)
        self._tokens = count(getattr(getattr(item, "usage", None), "prompt_tokens", None))
        return ""

    def _made(self) -> Answer:
        return Answer(model=self._model, input_tokens=self._tokens, output_tokens=0)
