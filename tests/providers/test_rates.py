"""A price by what a token costs is the price that genai-prices gives."""

from __future__ import annotations

import random

from genai_prices.data import providers

from promptlog.providers.cost import _by_rates, _price, _rates


def test_prices_by_rates_are_those_of_genai_prices() -> None:
    """For every model of three providers, and counts of tokens drawn at random."""
    dice = random.Random(5)
    compared = 0
    for provider in providers:
        if provider.id not in {"openai", "anthropic", "google"}:
            continue
        for model in provider.models:
            place = {"provider_id": provider.id}
            rates = _rates(model.id, tuple(place.items()))
            if not rates:
                continue
            given = dice.randrange(1, 10**6)
            cached = dice.randrange(given)
            counts = (given, dice.randrange(10**5), cached, dice.randrange(given - cached + 1))
            assert abs(_by_rates(rates, *counts) - _price(model.id, place, *counts)) < 1e-9
            compared += 1
    assert compared > 100
