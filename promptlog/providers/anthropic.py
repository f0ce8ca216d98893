"""Anthropic's SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.errors import MissingExtraError, MissingKeyError
from promptlog.providers.clients import Clients, WithClients
from promptlog.providers.cost import cost_usd
from promptlog.providers.messages import Messages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.providers.protocol import Answer


#: Arguments of which the SDK takes a key; where one is given, it looks for none.
_CREDENTIALS = ("api_key", "auth_token", "credentials", "config", "profile")


class Anthropic(WithClients, Messages):
    """`anthropic.messages.create`.

    Args:
        name: what is logged as `provider`.
        client: an `Anthropic` or `AsyncAnthropic`, which is called as it is; else one is made when first needed.
        options: the arguments of the client that is made: `base_url`, `api_key`, `timeout`, `max_retries`, …
    """

    function_name = "anthropic.messages.create"

    def __init__(self, name: str = "anthropic", *, client: Any = None, **options: Any) -> None:
        self.name = name
        self._clients = Clients(lambda awaited: _client(name, options, awaited=awaited), client)

    def call(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Return a `Message`, or a stream of events."""
        return self._clients.sync().messages.create(**{**arguments, "stream": stream})

    async def acall(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Return what `call` returns, without blocking the event loop."""
        return await (await self._clients.asynchronous()).messages.create(**{**arguments, "stream": stream})

    def cost_usd(self, answer: Answer, model: str) -> float | None:
        """Return what the answer cost; None where tokens or prices are not known."""
        return cost_usd(self.name, model, answer)


def _client(name: str, options: Mapping[str, Any], *, awaited: bool) -> Any:
    """Make the SDK's client; it finds a key in the environment or in a profile by itself.

    Such a key is Anthropic's: to another address only a key that was given for it is sent.
    """
    try:
        import anthropic
    except ImportError:
        raise MissingExtraError.of("anthropic", "anthropic") from None
    given = dict(options)
    if given.get("base_url") and not any(given.get(one) for one in _CREDENTIALS):
        given["api_key"] = "none"
    client = (anthropic.AsyncAnthropic if awaited else anthropic.Anthropic)(**given)
    if client.api_key is None and client.auth_token is None and client.credentials is None:
        # The SDK says so only when it calls, with a TypeError.
        raise MissingKeyError.of(name, "ANTHROPIC_API_KEY", type(client).__name__)
    return client
