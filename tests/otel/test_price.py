"""What a traced call cost: as the span says, else by the prices of its time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptlog.otel.data import SpanData
from promptlog.otel.encoding import Encoder


def encoded(start: int = 1_760_000_000, **attributes: Any) -> dict[str, Any]:
    """Return the record of a call to a model, with dots for double underscores."""
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1_000_000,
        "gen_ai.usage.output_tokens": 100_000,
        **{name.replace("__", "."): value for name, value in attributes.items()},
    }
    span = SpanData(
        trace_id="ab" * 16, span_id="cd" * 8, parent_span_id=None, name="chat", kind="CLIENT", start_us=start * 10**6,
        end_us=start * 10**6 + 1, status="UNSET", status_message=None, attributes=said, events=[], links=[], resource={},
        scope=None,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(Encoder(capture_content=True, inherit=True).span(span))
    return found


def test_a_call_that_names_no_cost_is_priced_by_its_tokens() -> None:
    """2.50 dollars a million tokens in, 10 out; half of that for what the cache had."""
    assert encoded()["cost_usd"] == pytest.approx(3.5)
    assert encoded(gen_ai__usage__cache_read__input_tokens=1_000_000)["cost_usd"] == pytest.approx(2.25)


def test_the_price_is_that_of_the_calls_time() -> None:
    """OpenAI made o3 cheaper by four fifths on 10 June 2025."""
    before, after = (
        encoded(at, gen_ai__request__model="o3")["cost_usd"] for at in (1_749_000_000, 1_752_000_000)
    )
    assert before == pytest.approx(after * 5)


def test_what_the_span_says_stands() -> None:
    """Also that it cost nothing."""
    assert encoded(gen_ai__usage__cost=0.0)["cost_usd"] == 0
    assert encoded(llm__cost__total=7.0)["cost_usd"] == 7


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai__request__model": "nobody-knows-it"},
        {"gen_ai__provider__name": "mine"},
        {"gen_ai__usage__input_tokens": None, "gen_ai__usage__output_tokens": None},
    ],
)
def test_what_has_no_price_has_no_cost(attributes: dict[str, Any]) -> None:
    """Rather none than a wrong one."""
    assert "cost_usd" not in encoded(**attributes)
