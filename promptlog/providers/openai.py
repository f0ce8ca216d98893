"""OpenAI's SDK: chat completions and responses, at OpenAI's address or at any that speaks as it does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from promptlog.errors import MissingExtraError, MissingKeyError
from promptlog.providers.chat import Chat
from promptlog.providers.clients import Clients, WithClients
from promptlog.providers.cost import cost_usd
from promptlog.providers.responses import Responses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.providers.protocol import Answer

#: Servers of one's own machine, by the name that is logged: no key is needed, and none is sent to them.
LOCAL = {
    "llama.cpp": "http://localhost:8080/v1",
    "lmstudio": "http://localhost:1234/v1",
    "ollama": "http://localhost:11434/v1",
    "vllm": "http://localhost:8000/v1",
}


class _OpenAI(WithClients):
    """What both of OpenAI's APIs share.

    Args:
        name: what is logged as `provider`.
        client: an `OpenAI` or `AsyncOpenAI`, which is called as it is; else one is made when first needed.
        options: the arguments of the client that is made: `base_url`, `api_key`, `timeout`, `max_retries`, …
    """

    def __init__(self, name: str = "openai", *, client: Any = None, **options: Any) -> None:
        self.name = name
        address = options.get("base_url") or getattr(client, "base_url", None)
        self._base_url = None if address is None else str(address)
        self._clients = Clients(lambda awaited: _client(name, options, awaited=awaited), client)

    def cost_usd(self, answer: Answer, model: str) -> float | None:
        """Return what the answer cost; None where tokens or prices are not known."""
        return cost_usd(self.name, model, answer, base_url=self._base_url)


class OpenAIChat(_OpenAI, Chat):
    """`openai.chat.completions.create`."""

    function_name = "openai.chat.completions.create"

    def call(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Return a `ChatCompletion`, or a stream of chunks, the last of which counts the tokens."""
        return self._clients.sync().chat.completions.create(**_counted(arguments, stream=stream))

    async def acall(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Return what `call` returns, without blocking the event loop."""
        client = await self._clients.asynchronous()
        return await client.chat.completions.create(**_counted(arguments, stream=stream))


class OpenAIResponses(_OpenAI, Responses):
    """`openai.responses.create`."""

    function_name = "openai.responses.create"

    def call(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Return a `Response`, or a stream of events."""
        return self._clients.sync().responses.create(**{**arguments, "stream": stream})

    async def acall(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Return what `call` returns, without blocking the event loop."""
        client = await self._clients.asynchronous()
        return await client.responses.create(**{**arguments, "stream": stream})


def _counted(arguments: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
    """Ask a stream to count its tokens at its end, unless the parameters say otherwise."""
    if stream:
        return {"stream_options": {"include_usage": True}, **arguments, "stream": True}
    return {name: value for name, value in arguments.items() if name != "stream"}


def _client(name: str, options: Mapping[str, Any], *, awaited: bool) -> Any:
    """Make an `OpenAI` or `AsyncOpenAI`.

    A key in the environment is OpenAI's: to another address only a key that was given for it is sent.
    """
    try:
        import openai
    except ImportError:
        raise MissingExtraError.of("openai", "openai") from None
    given = dict(options)
    if not given.get("api_key"):
        if given.get("base_url"):
            given["api_key"] = "none"
        elif not (os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_ADMIN_KEY")):
            raise MissingKeyError.of(name, "OPENAI_API_KEY", "OpenAI")
    return (openai.AsyncOpenAI if awaited else openai.OpenAI)(**given)
