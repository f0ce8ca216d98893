"""One client in its two faces, so that each test of `run` is one of both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from promptlog import AsyncPromptLog, PromptLog

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog.models.request import Request
    from tests.wire import Wire

CAKE = {
    "prompt_name": "cake-recipe",
    "prompt_template": {
        "type": "chat",
        "messages": [
            {"role": "system", "content": "You are a baker."},
            {"role": "user", "content": "A {{ cake_type }} cake for {{ n }}", "template_format": "jinja2"},
        ],
    },
    "metadata": {"model": {"provider": "openai", "name": "gpt-4o", "parameters": {"max_tokens": 100}}},
    "release_labels": ["prod"],
}
VARIABLES = {"cake_type": "plum", "n": 8}
SAID = "You said: A plum cake for 8"  # what the wire answers


class Both:
    """Runs prompts by `PromptLog` or by `AsyncPromptLog`, and shows what is logged."""

    def __init__(self, path: Path, wire: Wire, *, awaited: bool, **arguments: Any) -> None:
        providers = {
            "openai": {"base_url": wire.openai(), "api_key": "sk-test", "max_retries": 0},
            "anthropic": {"base_url": wire.anthropic(), "api_key": "sk-test", "max_retries": 0},
            **arguments.pop("providers", {}),
        }
        self.awaited = awaited
        self.wire = wire
        self.arguments = {"path": path, "providers": providers, **arguments}
        self.log = PromptLog(**self.arguments)
        self.log.templates.publish(CAKE)

    def run(self, name: str = "cake-recipe", **arguments: Any) -> Any:
        """Return what `run` returns; of a stream, all that it gives."""
        arguments = {"input_variables": VARIABLES, **arguments}
        if not self.awaited:
            answer = self.log.run(name, **arguments)
            return list(answer) if arguments.get("stream") else answer
        return asyncio.run(self._awaited(name, arguments))

    async def _awaited(self, name: str, arguments: dict[str, Any]) -> Any:
        answer = await AsyncPromptLog(**self.arguments).run(name, **arguments)
        return [item async for item in answer] if arguments.get("stream") else answer

    def left(self, chunks: int, **arguments: Any) -> None:
        """Leave a stream after so many chunks."""
        arguments = {"input_variables": VARIABLES, "stream": True, **arguments}
        if self.awaited:
            asyncio.run(self._left(chunks, arguments))
            return
        for number, _ in enumerate(self.log.run("cake-recipe", **arguments), 1):
            if number == chunks:
                break

    async def _left(self, chunks: int, arguments: dict[str, Any]) -> None:
        number = 0
        async for _ in await AsyncPromptLog(**self.arguments).run("cake-recipe", **arguments):
            number += 1
            if number == chunks:
                break

    def requests(self) -> list[Request]:
        """Return all that is logged, the newest first."""
        return list(self.log.requests)

    def only(self) -> Request:
        """Return the one request that is logged."""
        (request,) = self.requests()
        return request
