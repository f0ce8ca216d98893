"""What a program says around a call lands on the spans that start inside, and what a span says itself wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from promptlog import context
from promptlog.otel import PromptLogSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.trace import Tracer


class Traced:
    """A tracer behind the processor, and the attributes of what it traced."""

    def __init__(self, **switches: bool) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(PromptLogSpanProcessor(**switches))
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer: Tracer = provider.get_tracer("t")

    def attributes(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Start and end a span; return its attributes."""
        self.tracer.start_span("s", attributes=given).end()
        return dict(self._kept.get_finished_spans()[-1].attributes or {})


@pytest.fixture
def carried() -> Iterator[None]:
    """Baggage around a test."""
    made = None
    for key, value in {
        "user.id": "bag",
        "plan": "free",
        "langfuse_session_id": "s1",
        "gen_ai.conversation.id": "c1",
    }.items():
        made = baggage.set_baggage(key, value, made)
    assert made is not None
    token = attach(made)
    yield
    detach(token)


def test_context() -> None:
    """Metadata and tags of the blocks around it, an inner block's before an outer one's, and none outside."""
    traced = Traced()
    with context(metadata={"user_id": "u", "plan": "pro"}, tags=["a"]):
        with context(metadata={"plan": "free", "conversation_id": "c"}, tags=["b"]):
            assert traced.attributes() == {
                "user.id": "u",
                "gen_ai.conversation.id": "c",
                "promptlayer.metadata.plan": "free",
                "promptlog.tags": ("a", "b"),
            }
        assert traced.attributes() == {
            "user.id": "u",
            "promptlayer.metadata.plan": "pro",
            "promptlog.tags": ("a",),
        }
    assert traced.attributes({"x": 1}) == {"x": 1}


def test_baggage(carried: None) -> None:
    """Baggage too: named as an attribute it keeps its name, otherwise it is metadata."""
    assert Traced().attributes() == {
        "user.id": "bag",
        "promptlayer.metadata.plan": "free",
        "langfuse.session.id": "s1",
        "gen_ai.conversation.id": "c1",
    }


class Unshowable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


@pytest.mark.parametrize(("key", "value"), [("odd", Unshowable()), ("odd", object()), (5, "a"), (None, "a")])
def test_baggage_that_is_no_text(key: Any, value: Any) -> None:
    """What is not text becomes it by the rule for attributes; what cannot is left out, and the program goes on."""
    token = attach(baggage.set_baggage("list", ["a", True], baggage.set_baggage(key, value)))
    try:
        assert Traced().attributes({"own": 1}) == {"own": 1, "promptlayer.metadata.list": '["a",true]'}
    finally:
        detach(token)


def test_who_wins(carried: None) -> None:
    """What the span says itself wins over the block around it, and that over baggage; tags add up."""
    traced = Traced()
    with context(metadata={"user_id": "block", "plan": "pro"}, tags=["a", "b"]):
        found = traced.attributes({"user.id": "own", "promptlog.tags": ["b", "c"]})
    assert found["user.id"] == "own"
    assert found["promptlayer.metadata.plan"] == "pro"
    assert found["gen_ai.conversation.id"] == "c1"
    assert found["promptlog.tags"] == ("a", "b", "c")


def test_switches(carried: None) -> None:
    """Either can be turned off."""
    with context(metadata={"k": "v"}):
        assert Traced(context=False, baggage=False).attributes() == {}
        assert Traced(baggage=False).attributes() == {"promptlayer.metadata.k": "v"}
        assert "promptlayer.metadata.k" not in Traced(context=False).attributes()


@pytest.mark.parametrize(
    ("outer", "marked"),
    [
        ({"openinference.span.kind": "LLM"}, True),
        ({"gen_ai.operation.name": "chat"}, True),
        ({"llm.request.type": "chat"}, True),
        ({"langfuse.observation.type": "generation", "langfuse.observation.model.name": "m"}, True),
        ({"langfuse.observation.type": "generation"}, False),
        ({"gen_ai.operation.name": "invoke_agent"}, False),
        ({"openinference.span.kind": "CHAIN"}, False),
        ({}, False),
    ],
)
def test_within_a_call(outer: dict[str, Any], marked: bool) -> None:
    """A span right inside a call to a model is marked; one inside an agent or what may only wrap calls is not: there calls are made."""
    traced = Traced()
    with traced.tracer.start_as_current_span("outer", attributes=outer):
        inner = traced.attributes({"gen_ai.operation.name": "chat"})
    assert ("promptlog.within_call" in inner) is marked
