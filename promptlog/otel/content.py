"""What went into a call and what came out, from whichever place its vocabulary has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.otel import events as gen_ai_events
from promptlog.otel.flattened import as_messages, as_tools, items
from promptlog.otel.messages import Message, messages, system_messages, tools_of
from promptlog.otel.sorting import Sorted, is_content_name
from promptlog.otel.strings import DROPPED, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptlog.otel.data import EventData

#: Parameters that say what went in, where nothing else does.
_IN_PARAMETERS = ("messages", "input", "prompt", "contents", "system", "instructions")


def add_content(
    record: dict[str, Any],
    kept: dict[str, Any],
    events: Sequence[EventData],
    found: Sorted,
    parameters: dict[str, Any],
    operation: str,
    *,
    capture_content: bool,
) -> str | None:
    """Add input, output and evaluations to a request's record and the other events to its span.

    Messages as attributes go before messages as events, and these before the raw values of OpenInference, which repeat
    them together with what other attributes say; they are kept only where they are all there is.

    Returns:
        The reason why the model ended that the messages or events name.
    """
    spoken: dict[str, list[Message]] = {"input": [], "output": []}
    finish = _add_events(record, kept, events, spoken, capture_content=capture_content)
    tools = found.take("tools")
    if tools is None:
        tools = as_tools(found.trees) or parameters.get("tools")
    parameters.pop("tools", None)
    in_parameters = {name: parameters.pop(name) for name in _IN_PARAMETERS if name in parameters}
    if not capture_content:
        return finish
    given = found.take("input")
    if tools is None and isinstance(given, dict):  # Langfuse's SDK has them beside the messages
        tools = given.get("tools")
    said = _side(found, "input", given, spoken, in_parameters)
    instructions = system_messages(found.take("system"))
    if instructions or said:
        record["input"] = _blueprint([*instructions, *said], operation)
        if tools:
            record["input"]["tools"] = tools_of(tools)
    elif tools:
        found.rest["gen_ai.tool.definitions"] = tools
    given = found.take("output")
    answered = _side(found, "output", given, spoken, None)
    if answered:
        record["output"] = _blueprint(answered, operation)
    return finish or _finish(given) or _finish(items(found.trees.get("@output.flat")))


def _side(
    found: Sorted,
    side: str,
    given: Any,
    spoken: dict[str, list[Message]],
    in_parameters: dict[str, Any] | None,
) -> list[Message]:
    """Return the messages of one side from the best place that has them."""
    role = "user" if side == "input" else "assistant"
    raw, mime = found.take(f"raw_{side}"), found.take(f"{side}_type")
    for place in (given, as_messages(found.trees, side)):
        if place is not None and (said := messages(place, role)):
            break
    else:
        said = spoken[side] or (messages(raw, role) if raw is not None else [])
        if not said and in_parameters:
            said = messages(in_parameters, role)
    if not said and mime is not None:
        found.rest[f"{side}.mime_type"] = mime
    return said


def _blueprint(said: list[Message], operation: str) -> dict[str, Any]:
    if operation == "text_completion":
        return {"type": "completion", "content": [block for message in said for block in message["content"]]}
    return {"type": "chat", "messages": said}


def _finish(given: Any) -> str | None:
    """Return the first reason that a list of messages names."""
    if isinstance(given, dict):
        given = given.get("choices", [given])
    if isinstance(given, list):
        for message in given:
            if isinstance(message, dict) and message.get("finish_reason"):
                return as_text(message["finish_reason"])
    return None


def _add_events(
    record: dict[str, Any],
    kept: dict[str, Any],
    events: Sequence[EventData],
    spoken: dict[str, list[Message]],
    *,
    capture_content: bool,
) -> str | None:
    """Read the messages and evaluations among a span's events; the others stay events."""
    finish: str | None = None
    left: list[dict[str, Any]] = []
    for event in events:
        attributes = event.attributes
        if event.name in gen_ai_events.SPOKEN or event.name == gen_ai_events.DETAILS:
            told = gen_ai_events.said(event.name, None, attributes)
            spoken["input"] += told.input
            spoken["output"] += told.output
            finish = finish or told.finish_reason
            continue
        if event.name == gen_ai_events.EVALUATION:
            judged, why = gen_ai_events.evaluation(attributes)
            if judged is not None:
                record.setdefault("evaluations", {})[judged.pop("name")] = judged
                if not why:
                    continue
            attributes = {**attributes, DROPPED: [why]}
        if not capture_content:
            attributes = {key: value for key, value in attributes.items() if not is_content_name(key)}
        left.append({"name": event.name, "time": event.time_us, "attributes": attributes})
    if left:
        kept["events"] = left
    return finish
