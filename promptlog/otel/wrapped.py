"""A failed call of PromptLayer's wrappers, `pl.openai` and `pl.anthropic`: spans are all that its SDK sends of it.

Of a call that is answered the SDK logs a request, so its span is none. A call that raises is logged by nobody: there a
span is the request. Of a client that blocks it is the wrapper's own, with what that noted. The wrapper's span of one
that is awaited has ended before the call begins, and knows nothing of it; there it is the span of the SDK's
instrumentation (its extra `otel-genai-instrumentation`). Source: PromptLayer's SDK 1.5.16, `promptlayer_base.py`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from promptlog.otel.names import operation_of
from promptlog.providers.failures import error_type_told

if TYPE_CHECKING:
    from promptlog.otel.data import SpanData

_CALL = re.compile(
    r".*?\.(chat\.completions|completions|responses|messages|embeddings)\.(create|parse|stream|with_response)"
)
_LOGGED_BY = "promptlayer.request_log.span_id"
_OPERATIONS = {"completions": "text_completion", "embeddings": "embeddings"}
_MOST_CHARS = 1024 * 1024  # longer arguments stay text


def as_call(span: SpanData, *, managed: bool) -> tuple[SpanData, str] | None:
    """Return such a span in the words that the table knows, and its operation; None where it is another.

    Args:
        span: one that failed.
        managed: whether it says that its call is logged by other means.
    """
    found = _awaited(span) if managed else _wrapper(span)
    if found is None:
        return None
    said, operation = found
    kind, message = said.get("error.type"), span.status_message
    for event in span.events:
        if event.name == "exception":
            kind = event.attributes.get("exception.type") or kind
            message = event.attributes.get("exception.message") or message
    said["error.type"] = error_type_told(str(kind or ""), str(message or ""))
    return replace(span, attributes=said), operation


def _awaited(span: SpanData) -> tuple[dict[str, Any], str] | None:
    """Return attributes and operation of a call whose wrapper was not around it: who waits for `run` is around it still."""
    wrapper = span.attributes.get(_LOGGED_BY)
    operation = operation_of(span.attributes)
    if not wrapper or operation is None or wrapper == span.parent_span_id:
        return None
    return dict(span.attributes), operation


def _wrapper(span: SpanData) -> tuple[dict[str, Any], str] | None:
    attributes = span.attributes
    name = attributes.get("function_name")
    if (
        not isinstance(name, str)
        or not {"provider", "function_input"} <= attributes.keys()
        or "function_output" in attributes
        or not (found := _CALL.fullmatch(name))
    ):
        return None
    said = dict(attributes)
    said["gen_ai.provider.name"] = said.pop("provider")
    if found[1] == "responses":
        said["openai.api.type"] = "responses"
    arguments = _arguments(said["function_input"])
    if arguments is not None:
        del said["function_input"]
        said["llm.invocation_parameters"] = arguments
    return said, _OPERATIONS.get(found[1], "chat")


def _arguments(text: Any) -> str | None:
    """Return the keywords of a call as JSON; None where the text, Python's of its arguments, holds more than plain data."""
    if not isinstance(text, str) or len(text) > _MOST_CHARS:
        return None
    try:
        return to_json(dict(ast.literal_eval(text)["kwargs"])).decode()
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        return None
