"""Tokens and cost in one meaning, whatever the vocabulary's is.

Ours, as OpenTelemetry and OpenInference have it: input tokens include those read from and written to a cache, output
tokens include reasoning.
"""

from __future__ import annotations

from typing import Any

Counts = dict[str, int]


def settle(counts: Counts) -> Counts:
    """Return counts whose input includes what the cache gave and took.

    Some instrumentations pass on Anthropic's `input_tokens`, which does not: more tokens of a part than of the whole
    give them away.
    """
    cache = counts.get("cached_tokens", 0) + counts.get("cache_write_tokens", 0)
    given = counts.get("input_tokens")
    if given is not None and cache > given:
        counts["input_tokens"] = given + cache
    reasoning, answered = counts.get("reasoning_tokens", 0), counts.get("output_tokens")
    if answered is not None and reasoning > answered:
        counts["output_tokens"] = answered + reasoning
    return counts


def from_langfuse(usage: dict[str, Any]) -> Counts:
    """Return the counts of `langfuse.observation.usage_details`.

    Langfuse's own keys are parts that add up (`input`, `input_cached_tokens`, `output`, `output_reasoning_tokens`); what its
    SDK passes on of OpenAI's and Anthropic's keeps its names and meaning.
    """
    flat = {key: count for key, count in usage.items() if type(count) is int and count >= 0}
    if "input" in flat or "output" in flat:
        return _from_parts(flat)
    counts: Counts = {}
    for ours, names in _PROVIDERS.items():
        for name in names:
            if name in flat:
                counts[ours] = flat[name]
                break
    for ours, places in _DETAILS.items():
        for group, name in places:
            details = usage.get(group)
            if isinstance(details, dict) and type(details.get(name)) is int:
                counts[ours] = details[name]
    if "input_tokens" in flat and (
        "cache_read_input_tokens" in flat or "cache_creation_input_tokens" in flat
    ):
        counts["input_tokens"] += counts.get("cached_tokens", 0) + counts.get("cache_write_tokens", 0)
    return counts


_PROVIDERS = {
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
    "cached_tokens": ("cache_read_input_tokens",),
    "cache_write_tokens": ("cache_creation_input_tokens",),
}
_DETAILS = {
    "cached_tokens": (("prompt_tokens_details", "cached_tokens"), ("input_tokens_details", "cached_tokens")),
    "reasoning_tokens": (
        ("completion_tokens_details", "reasoning_tokens"),
        ("output_tokens_details", "reasoning_tokens"),
    ),
}


def _from_parts(flat: Counts) -> Counts:
    counts: Counts = {}
    for key, count in flat.items():
        names = []
        if "input" in key:
            names.append("input_tokens")
            if "creation" in key or "write" in key:
                names.append("cache_write_tokens")
            elif "cache" in key:
                names.append("cached_tokens")
        elif "output" in key:
            names.append("output_tokens")
            if "reasoning" in key:
                names.append("reasoning_tokens")
        for name in names:
            counts[name] = counts.get(name, 0) + count
    return counts


def cost_of(costs: dict[str, Any]) -> float | None:
    """Return the total of `langfuse.observation.cost_details`; the sum of its parts where there is none."""
    amounts = {
        key: float(cost)
        for key, cost in costs.items()
        if isinstance(cost, int | float) and not isinstance(cost, bool) and cost >= 0
    }
    return amounts["total"] if "total" in amounts else sum(amounts.values()) if amounts else None
