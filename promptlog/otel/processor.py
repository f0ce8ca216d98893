"""What a program says around a call, in `promptlog.context` or baggage, onto the spans that start inside."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from opentelemetry import baggage as otel_baggage
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

from promptlog.context import current_context
from promptlog.otel.names import WITHIN_CALL, contains_no_call
from promptlog.otel.strings import as_text

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

_logger = logging.getLogger(__name__)

TAGS = "promptlog.tags"
_METADATA = "promptlayer.metadata."  # PromptLayer's name for a key that is nobody else's
#: These have an attribute of their own, so that what the span itself says of its user replaces them.
_IDENTITY = {"user_id": "user.id", "conversation_id": "gen_ai.conversation.id"}
#: What is somebody's attribute already keeps its name.
_VOCABULARIES = (
    "user.",
    "enduser.",
    "session.",
    "gen_ai.",
    "promptlayer.",
    "langfuse.",
    "traceloop.",
    "tag.",
)
#: Langfuse's baggage, which other services of a trace may set.
_LANGFUSE = {"langfuse_user_id": "langfuse.user.id", "langfuse_session_id": "langfuse.session.id"}


class PromptLogSpanProcessor(SpanProcessor):
    """Gives each span, when it starts, the metadata and tags of the blocks around it and the baggage of its trace.

    A key becomes the attribute `promptlayer.metadata.<key>`, `user_id` becomes `user.id` and `conversation_id`
    `gen_ai.conversation.id`; baggage that is named as an attribute (`user.id`, `gen_ai.conversation.id`) keeps its name.
    What the span itself says wins, then `promptlog.context`, then baggage.

    A span that starts right inside a call to a model is marked so: where two instrumentations see one call (OpenInference,
    and Anthropic's SDK by itself), the outer one is the request and the inner one a span.

    Args:
        context: whether `promptlog.context(metadata=…, tags=…)` is copied.
        baggage: whether baggage is. Turn it off where baggage carries what is not to be kept.
    """

    def __init__(self, *, context: bool = True, baggage: bool = True) -> None:
        self._context = context
        self._baggage = baggage

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Set the attributes that the span has not."""
        found: dict[str, Any] = {}
        if self._baggage and (carried := otel_baggage.get_all(parent_context)):
            for key, value in carried.items():
                try:
                    found[_attribute(key)] = as_text(value)
                except Exception as error:  # a program may carry anything; it is never broken for that
                    _logger.warning("baggage %.40r is not kept: %s", key, error)
        if self._context and (around := current_context()) is not None:
            found |= {_attribute(key): value for key, value in around.metadata.items()}
            if around.tags:
                found[TAGS] = around.tags
        parent = trace.get_current_span(parent_context)
        if parent.is_recording() and contains_no_call(getattr(parent, "attributes", None) or {}):
            found[WITHIN_CALL] = True
        if not found:
            return
        own = span.attributes or {}
        if TAGS in own and TAGS in found:
            span.set_attribute(TAGS, list(dict.fromkeys([*found[TAGS], *own[TAGS]])))  # type: ignore[misc]
        span.set_attributes({key: value for key, value in found.items() if key not in own})


def _attribute(key: str) -> str:
    """Return the attribute that a key of metadata or baggage becomes."""
    if key in _IDENTITY:
        return _IDENTITY[key]
    if key in _LANGFUSE:
        return _LANGFUSE[key]
    return key if key.startswith(_VOCABULARIES) else _METADATA + key
