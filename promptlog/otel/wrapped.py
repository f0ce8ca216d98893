"""A failed call of PromptLayer's wrappers, `pl.openai` and `pl.anthropic`: the span is all that its SDK sends of it.

Of a call that is answered the SDK logs a request, so its span is none. A call that raises is logged by nobody: there its
span is the request, with what the wrapper noted. Source: PromptLayer's SDK 1.5.16, `promptlayer_base.py`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

if TYPE_CHECKING:
    from promptlog.otel.data import SpanData

_CALL = re.compile(
    r".*?\.(chat\.completions|completions|responses|messages|embeddings)\.(create|parse|stream|with_response)"
)
_OPERATIONS = {"completions": "text_completion", "embeddings": "embeddings"}
_MOST_CHARS = 1024 * 1024  # longer arguments stay text


def as_call(span: SpanData) -> tuple[SpanData, str] | None:
    """Return such a span in the words that the table knows, and its operation; None where it is another."""
    attributes = span.attributes
    name = attributes.get("function_name")
    if (
        span.status != "ERROR"
        or not isinstance(name, str)
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
    return replace(span, attributes=said), _OPERATIONS.get(found[1], "chat")


def _arguments(text: Any) -> str | None:
    """Return the keywords of a call as JSON; None where the text, Python's of its arguments, holds more than plain data."""
    if not isinstance(text, str) or len(text) > _MOST_CHARS:
        return None
    try:
        return to_json(dict(ast.literal_eval(text)["kwargs"])).decode()
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        return None
