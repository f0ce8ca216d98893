"""What PromptLayer's SDK saw of a call, in the words of a log: the function's arguments and what it returned.

The model has answered by then, and an SDK that is refused loses the answer for its program. So what is odd about the
rest of a body (a number as metadata's value) is taken as text rather than refused.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from promptlog.providers.chat import Chat
from promptlog.providers.cost import cost_usd
from promptlog.providers.messages import Messages
from promptlog.providers.protocol import Answer, Asked
from promptlog.providers.responses import Responses
from promptlog.server.rest.blueprints import blueprint_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.providers.protocol import Format

#: Arguments that hold what is asked, in formats of which we know no more.
_ASKING = ("messages", "prompt", "input", "contents", "content", "system")
_UNKNOWN_MODEL = "unknown"


@dataclass(frozen=True, slots=True)
class Seen:
    """A call as the SDK saw it.

    Attributes:
        arguments: those of `log_request`.
        blueprint: PromptLayer's, with the answer after the prompt.
    """

    arguments: dict[str, Any]
    blueprint: dict[str, Any]


def seen(body: Mapping[str, Any]) -> Seen:
    """Return what the body of `/track-request` tells."""
    provider = body.get("provider_type") or "unknown"
    function = body.get("function_name") or ""
    response = body.get("request_response")
    kwargs = {name: value for name, value in _dict(body.get("kwargs")).items() if name != "stream"}
    wire = _format_of(str(function), response, kwargs)
    asked = _asked_by(wire, kwargs)
    answer = _answer(wire, response)
    model = kwargs.get("model") or answer.model or _UNKNOWN_MODEL
    now = time.time()
    arguments: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "input": asked.input,
        "output": answer.output,
        "parameters": asked.parameters,
        "request_start_time": body.get("request_start_time") or now,
        "request_end_time": body.get("request_end_time") or now,
        "function_name": function,
        "price": cost_usd(str(provider), str(model), answer),
        "api_type": wire.api_type if wire is not None else None,
        **answer.arguments(),
        **{name: body[name] for name in _AS_THEY_ARE if body.get(name) is not None},
        "metadata": {name: _text(value) for name, value in _dict(body.get("metadata")).items() if name},
        "tags": [_text(tag) for tag in tags if tag] if isinstance(tags := body.get("tags"), list) else None,
    }
    blueprint = blueprint_of(
        asked.input, answer.output, provider=provider, model=model, parameters=asked.parameters,
        api_type=arguments["api_type"],
    )  # fmt: skip
    return Seen(arguments, blueprint)


_AS_THEY_ARE = (
    "status", "error_type", "error_message", "prompt_id", "prompt_name", "prompt_input_variables", "group_id", "span_id",
    "trace_id",
)  # fmt: skip


def _format_of(function: str, response: Any, kwargs: Mapping[str, Any]) -> Format | None:
    """Return the wire format of a call by the function's name, else by the shape of what it returned."""
    if "responses" in function:
        return Responses()
    if "chat" in function and "messages" in kwargs:
        return Chat()
    if "messages" in function:
        return Messages()
    first = response[0] if isinstance(response, list) and response else response
    if not isinstance(first, dict):
        return None
    if "messages" in kwargs and "choices" in first:
        return Chat()
    return Messages() if "messages" in kwargs and isinstance(first.get("content"), list) else None


def _asked_by(wire: Format | None, kwargs: Mapping[str, Any]) -> Asked:
    """Return what is asked in a format; what almost has it is read as if we knew no format of it."""
    if wire is not None:
        with suppress(Exception):  # servers and programs that speak almost as OpenAI's are many
            return wire.asked(kwargs)
    return _asked(kwargs)


def _asked(kwargs: Mapping[str, Any]) -> Asked:
    """Return what is asked in a format of which we know no more: texts as such, all else as JSON."""
    parts = [kwargs[name] for name in _ASKING if kwargs.get(name)]
    content = [{"type": "text", "text": _text(part)} for part in parts]
    rest = {name: value for name, value in kwargs.items() if name not in (*_ASKING, "model")}
    return Asked({"type": "completion", "content": content}, str(kwargs.get("model")), rest)


def _answer(wire: Format | None, response: Any) -> Answer:
    if not response:
        return Answer()
    reader = (wire or Chat()).reader()
    for item in response if isinstance(response, list) else [response]:
        reader.add(item)
    found = reader.answer()
    if wire is not None:
        return found
    return Answer(
        output={
            "type": "completion",
            "content": [{"type": "text", "text": text} for text in _texts(response)],
        },
        model=found.model,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
    )


def _texts(response: Any) -> list[str]:
    """Return the texts of a completion's choices; of what is none, its JSON, without the numbers of embeddings."""
    choices = _dict(response).get("choices")
    if isinstance(choices, list) and (
        texts := [one["text"] for one in choices if isinstance(_dict(one).get("text"), str)]
    ):
        return texts
    if isinstance(data := _dict(response).get("data"), list):
        kept = [{name: part for name, part in _dict(one).items() if name != "embedding"} for one in data]
        response = {**response, "data": kept}
    return [_text(response)]


def _dict(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value, serialize_unknown=True).decode()
