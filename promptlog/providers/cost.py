"""What an answer cost, by the prices that `genai-prices` carries; nothing is asked of the network.

Source: genai-prices 0.2, whose token counts include cached and cache-write tokens, as ours do.
"""

from __future__ import annotations

import logging
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from promptlog.providers.protocol import Answer

_log = logging.getLogger("promptlog")

#: Who is asked for a price by name; all others by their address.
_PRICED = {
    "anthropic": "anthropic",
    "openai": "openai",
    "openai.azure": "azure",
    "vertexai": "google",
    "amazon.bedrock": "aws",
}

_HOMES = ("openai.com", "anthropic.com")

#: (provider, model) of which it was said that there is no price.
_said: set[tuple[str, str]] = set()


def cost_usd(provider: str, model: str, answer: Answer, *, base_url: Any = None) -> float | None:
    """Return the price of an answer in US dollars.

    Args:
        provider: as it is logged.
        model: as it was asked for.
        answer: its tokens are counted, and the model it names wins over the one that was asked for.
        base_url: the address that was called, where it is not the provider's own.

    Returns:
        the price; None where the tokens or a price are not known, or genai-prices is not installed. That a model of
        OpenAI's or Anthropic's has no price is said once, by a warning of the logger "promptlog".
    """
    if answer.input_tokens is None and answer.output_tokens is None:
        return None
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    # Another's address with OpenAI's SDK: its own prices, if it has any, else OpenAI's, as behind a gateway.
    places: list[dict[str, str]] = [{"provider_api_url": str(base_url)}] if base_url is not None else []
    if provider in _PRICED:
        places.append({"provider_id": _PRICED[provider]})
    usage = Usage(
        input_tokens=answer.input_tokens,
        output_tokens=answer.output_tokens,
        cache_read_tokens=answer.cached_tokens,
        cache_write_tokens=answer.cache_write_tokens,
    )
    for place, name in product(places, dict.fromkeys((answer.model, model))):
        try:
            if name:
                return float(calc_price(usage, name, **place).total_price)
        except (LookupError, ValueError):  # no such model; counts that cannot be (more cached than went in)
            continue
    at_home = base_url is None or (urlsplit(str(base_url)).hostname or "").endswith(_HOMES)
    if provider in _PRICED and at_home and (provider, model) not in _said:
        _said.add((provider, model))
        _log.warning(
            "no price is known for the model %r of %s: its requests are logged without a cost",
            model,
            provider,
        )
    return None
