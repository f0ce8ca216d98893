"""What an answer cost, by the prices that `genai-prices` carries; nothing is asked of the network.

Source: genai-prices 0.2, whose token counts include cached and cache-write tokens, as ours do.
"""

from __future__ import annotations

import logging
import math
import time
from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from decimal import Decimal

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

_PROBE = 1_000_000  # tokens
_SLOT_S = 1800  # prices change at a full or half hour: what was asked holds for the half hour it stands in


class _Rates(NamedTuple):
    """What a call costs, and then a token of each kind, in whole parts of a dollar: sums of them are exact and quick."""

    each: tuple[int, ...]
    parts: int  # to the dollar

    def of(self, tokens: _Tokens) -> float:
        """Return the price of tokens in dollars."""
        call, plain, cached, written, output = self.each
        whole = (
            call
            + plain * tokens.plain
            + cached * tokens.cached
            + written * tokens.written
            + output * tokens.output
        )
        return whole / self.parts


class _Tokens(NamedTuple):
    plain: int
    cached: int
    written: int
    output: int


def cost_usd(
    provider: str, model: str, answer: Answer, *, base_url: Any = None, at: float | None = None
) -> float | None:
    """Return the price of an answer in US dollars.

    Args:
        provider: as it is logged.
        model: as it was asked for.
        answer: its tokens are counted, and the model it names wins over the one that was asked for.
        base_url: the address that was called, where it may not be the provider's own.
        at: when the call began, epoch seconds; else it is now.

    Returns:
        the price; None where the tokens or a price are not known, or genai-prices is not installed. That a model of
        OpenAI's or Anthropic's has no price is said once, by a warning of the logger "promptlog".
    """
    if answer.input_tokens is None and answer.output_tokens is None:
        return None
    cached, written = answer.cached_tokens or 0, answer.cache_write_tokens or 0
    tokens = _Tokens(
        (answer.input_tokens or 0) - cached - written, cached, written, answer.output_tokens or 0
    )
    if min(tokens) < 0:  # more cached than went in: that cannot be
        return None
    slot = int(time.time() if at is None else at) // _SLOT_S
    known = _known(provider, None if base_url is None else str(base_url), answer.model, model, slot)
    if known is None:
        return None
    place, name, rates = known
    try:
        return rates.of(tokens) if rates else float(_ask(place, name, slot, tokens))
    except ValueError:  # tokens of a kind that has no price
        return None


@lru_cache(maxsize=4096)
def _known(
    provider: str, base_url: str | None, answered: str | None, model: str, slot: int
) -> tuple[tuple[str, str], str, _Rates | None] | None:
    """Return where a price was found, of which name, and its rates; None where there is none, which is said once."""
    # Another's address with OpenAI's SDK: its own prices, if it has any, else OpenAI's, as behind a gateway.
    places = [("provider_api_url", base_url)] if base_url is not None else []
    if provider in _PRICED:
        places.append(("provider_id", _PRICED[provider]))
    try:
        for place, name in product(places, dict.fromkeys((answered, model))):
            if not name:
                continue
            try:
                return place, name, _rates(place, name, slot)
            except LookupError:
                continue
    except ImportError:
        return None
    at_home = base_url is None or (urlsplit(base_url).hostname or "").endswith(_HOMES)
    if provider in _PRICED and at_home and (provider, model) not in _said:
        _said.add((provider, model))
        _log.warning(
            "no price is known for the model %r of %s: its requests are logged without a cost",
            model,
            provider,
        )
    return None


@lru_cache(maxsize=4096)
def _rates(place: tuple[str, str], model: str, slot: int) -> _Rates | None:
    """Return what tokens cost; None where it is not as simple as a rate for each kind.

    genai-prices takes longer over one price than all else that is logged of a call; most prices are a sum.

    Raises:
        LookupError: no price is known.
    """
    try:
        nothing = _ask(place, model, slot, _Tokens(0, 0, 0, 0))
        each = [
            (_ask(place, model, slot, _Tokens(*(_PROBE * (i == kind) for i in range(4)))) - nothing) / _PROBE
            for kind in range(4)
        ]
    except ValueError:  # a kind of token has no price of its own
        return None
    rates = [Fraction(one) for one in (nothing, *each)]
    parts = math.lcm(*(one.denominator for one in rates))
    found = _Rates(tuple(int(one * parts) for one in rates), parts)
    some, many = _Tokens(1000, 300, 200, 500), _Tokens(3 * _PROBE, _PROBE, _PROBE, 2 * _PROBE)
    simple = all(found.of(tokens) == float(_ask(place, model, slot, tokens)) for tokens in (some, many))
    return found if simple else None


def _ask(place: tuple[str, str], model: str, slot: int, tokens: _Tokens) -> Decimal:
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=tokens.plain + tokens.cached + tokens.written,
        cache_read_tokens=tokens.cached,
        cache_write_tokens=tokens.written,
        output_tokens=tokens.output,
    )
    where: Any = dict([place])
    when = datetime.fromtimestamp(slot * _SLOT_S, UTC)
    return calc_price(usage, model, genai_request_timestamp=when, **where).total_price
