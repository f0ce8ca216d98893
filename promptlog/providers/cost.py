"""What an answer cost, by the prices that `genai-prices` carries; nothing is asked of the network.

Source: genai-prices 0.2, whose token counts include cached and cache-write tokens, as ours do.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.providers.protocol import Answer

_MILLION = 1_000_000

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
    # Another's address with OpenAI's SDK: its own prices, if it has any, else OpenAI's, as behind a gateway.
    places: list[dict[str, str]] = [{"provider_api_url": str(base_url)}] if base_url is not None else []
    if provider in _PRICED:
        places.append({"provider_id": _PRICED[provider]})
    counts = (answer.input_tokens, answer.output_tokens, answer.cached_tokens, answer.cache_write_tokens)
    for place, name in product(places, dict.fromkeys((answer.model, model))):
        try:
            rates = _rates(name, tuple(place.items())) if name else ()
            if rates:
                return _by_rates(rates, *(count or 0 for count in counts))
            if rates is None:
                return _price(str(name), place, *counts)
        except ImportError:
            return None
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


def _price(
    name: str,
    place: Mapping[str, str],
    input_tokens: int | None,
    output_tokens: int | None,
    cached: int | None = None,
    written: int | None = None,
) -> float:
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )
    return float(calc_price(usage, name, **place).total_price)  # type: ignore[call-overload]


@lru_cache(maxsize=512)
def _rates(name: str, place: tuple[tuple[str, str], ...]) -> tuple[float, ...] | None:
    """Return what a million tokens of each kind cost; None where it hangs on how many they are, or on the hour.

    Nothing (an empty tuple) is known of a model that has no price there.

    genai-prices takes 60 us for a price, which would be a third of what a whole run costs. Nearly all models have one
    price for each kind of token, which is asked for once.
    """
    from genai_prices import Usage, calc_price
    from genai_prices.types import TieredPrices

    given = dict(place)
    try:
        found = calc_price(Usage(input_tokens=1, output_tokens=1), name, **given)  # type: ignore[call-overload]
    except LookupError:
        return ()
    prices = vars(found.model_price).values()
    if isinstance(found.model.prices, list) or any(isinstance(price, TieredPrices) for price in prices):
        return None
    try:
        return (
            _price(name, given, _MILLION, 0),
            _price(name, given, 0, _MILLION),
            _price(name, given, _MILLION, 0, _MILLION),
            _price(name, given, _MILLION, 0, 0, _MILLION),
        )
    except ValueError:  # it cannot be told what a kind of token costs
        return None


def _by_rates(
    rates: tuple[float, ...], input_tokens: int, output_tokens: int, cached: int, written: int
) -> float:
    plain = input_tokens - cached - written
    if plain < 0:
        raise ValueError
    tokens = (plain, output_tokens, cached, written)
    return sum(rate * count for rate, count in zip(rates, tokens, strict=True)) / _MILLION
