"""Messages of any vocabulary as PromptLayer's blueprint has them.

`{"role": …, "content": [{"type": "text", "text": …}, …], "tool_calls": […], "tool_call_id": …}`. Sources: OpenTelemetry's
GenAI messages (`parts`), OpenAI's chat messages and response items, Anthropic's content blocks, Gemini's contents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.otel.strings import as_text, parsed

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]

_TEXTS = {"text", "input_text", "output_text", "refusal"}
_ODD_ROLES = {"", "model", "tool"}
_MEDIA = {"blob", "uri", "file"}


def messages(given: Any, role: str) -> list[Message]:
    """Return messages as the blueprint has them.

    Args:
        given: messages, one message, a request or response that holds them, text; or JSON text of one of these.
        role: whose words plain text is, "user" or "assistant".
    """
    given = parsed(given)
    if isinstance(given, dict):
        inner = _inside(given)
        if inner is not None:
            return messages(inner, role)
        if not _is_message(given):
            return [_text_message(role, as_text(given))]
        given = [given]
    if isinstance(given, list):
        if given and all(isinstance(item, str) for item in given):
            return [_text_message(role, item) for item in given]
        if any(not isinstance(item, dict) or not _is_message(item) for item in given):
            return [_text_message(role, as_text(given))] if given else []
        found: list[Message] = []
        for item in given:
            plain = _plain_text(item)
            if plain is None:
                found += _read(item, role)
            else:
                found.append(plain)
        return found
    return [] if given is None or given == "" else [_text_message(role, as_text(given))]


def tools_of(given: Any) -> list[Any]:
    """Return tools as the blueprint has them, `{"type": "function", "function": {"name", "description", "parameters"}}`."""
    given = parsed(given)
    return [_tool(parsed(tool)) for tool in (given if isinstance(given, list) else [given])]


def system_messages(given: Any) -> list[Message]:
    """Return system instructions, text or a list of parts, as one message; none where there are none."""
    given = parsed(given)
    if not given:
        return []
    content = _blocks(given, {})
    return [{"role": "system", "content": content}] if content else []


def choices(given: dict[str, Any]) -> Any:
    """Return the messages of a response's choices."""
    return [choice.get("message", choice) for choice in given["choices"] if isinstance(choice, dict)]


def _inside(given: dict[str, Any]) -> Any:
    """Return the messages that a request or response holds; None where it is neither."""
    if isinstance(given.get("messages"), list):
        system = system_messages(given.get("system"))
        return [*system, *given["messages"]]
    if isinstance(given.get("choices"), list):
        return choices(given)
    if isinstance(given.get("output"), list) or ("input" in given and "role" not in given):
        asked = given.get("output", given.get("input"))
        if given.get("instructions") and not isinstance(given.get("output"), list):
            return [*system_messages(given["instructions"]), *messages(asked, "user")]
        return asked
    for name in ("contents", "prompt"):
        if name in given and "role" not in given:
            return given[name]
    return None


def _is_message(item: dict[str, Any]) -> bool:
    return "role" in item or "parts" in item or _reader(item) is not None


def _reader(item: dict[str, Any]) -> Callable[[dict[str, Any]], list[Message]] | None:
    kind = item.get("type")
    return _ITEMS.get(kind) if isinstance(kind, str) else None


def _text_message(role: str, text: str) -> Message:
    return {"role": role, "content": [{"type": "text", "text": text}]}


def _plain_text(item: dict[str, Any]) -> Message | None:
    """Return a message that is nothing but text, which most are; None of any other."""
    role = item.get("role")
    if type(role) is not str or role in _ODD_ROLES or len(item) - ("finish_reason" in item) != 2:  # noqa: PLR2004 - a role and a text
        return None
    text = item.get("content")
    if text is None:
        parts = item.get("parts")
        if type(parts) is not list or len(parts) != 1 or type(parts[0]) is not dict:
            return None
        part = parts[0]
        if len(part) != 2 or part.get("type") != "text":  # noqa: PLR2004 - a type and a text
            return None
        text = part.get("content")
    return {"role": role, "content": [{"type": "text", "text": text}]} if type(text) is str and text else None


def _read(item: dict[str, Any], role: str) -> list[Message]:
    """Return one message; what tools answered stands in messages of its own."""
    reader = _reader(item)
    if reader is not None and "role" not in item:
        return reader(item)
    given_role = item.get("role")
    message: Message = {"role": as_text(given_role) if given_role else role, "content": []}
    if message["role"] == "model":  # Gemini's
        message["role"] = "assistant"
    if "parts" in item:
        message["content"] = _blocks(item["parts"], message)
    else:
        message["content"] = _blocks(item.get("content"), message)
    if thinking := item.get("thinking") or item.get("reasoning_content"):
        message["content"].insert(0, {"type": "thinking", "thinking": as_text(thinking)})
    if item.get("refusal") and not message["content"]:
        message["content"] = [{"type": "text", "text": as_text(item["refusal"])}]
    if item.get("name"):
        message["name"] = as_text(item["name"])
    if item.get("tool_call_id"):
        message["tool_call_id"] = as_text(item["tool_call_id"])
    elif message["role"] == "tool" and item.get("id"):  # OpenTelemetry's event
        message["tool_call_id"] = as_text(item["id"])
    calls = parsed(item.get("tool_calls"))
    if isinstance(calls, list):
        for call in calls:
            if isinstance(call, dict):
                message.setdefault("tool_calls", []).append(_call(call))
    answers = message.pop("answers", None)
    if answers is None:
        return [message]
    return [*answers, message] if message["content"] or message.get("tool_calls") else answers


def _blocks(given: Any, message: Message) -> list[Any]:
    """Return content as blocks; calls of tools and their answers go into the message."""
    if given is None or given == "":
        return []
    if isinstance(given, str):
        return [{"type": "text", "text": given}]
    if not isinstance(given, list):
        given = [given]
    found: list[Any] = []
    for part in given:
        if isinstance(part, dict):
            block = _block(part, message)
            if block is not None:
                found.append(block)
        else:
            found.append({"type": "text", "text": as_text(part)})
    return found


def _block(part: dict[str, Any], message: Message) -> Any:
    kind = part.get("type")
    if kind is not None and not isinstance(kind, str):
        return {"type": "text", "text": as_text(part)}
    if kind in _TEXTS or (kind is None and "text" in part):
        return {
            "type": "text",
            "text": as_text(part.get("content", part.get("text", part.get("refusal", "")))),
        }
    if kind in {"tool_call", "tool_use", "function_call"}:
        message.setdefault("tool_calls", []).append(_call(part))
        return None
    if kind in {"tool_call_response", "tool_result"}:
        return _answer(part, message)
    if kind == "reasoning":
        return {"type": "thinking", "thinking": as_text(part.get("content", ""))}
    if kind in _MEDIA:
        return _media(part)
    if kind == "image_url":
        url = part.get("image_url")
        return {"type": "image_url", "image_url": url if isinstance(url, dict) else {"url": url}}
    if kind == "image" and isinstance(part.get("source"), dict):  # Anthropic's
        source = part["source"]
        url = source.get("url") or f"data:{source.get('media_type', '')};base64,{source.get('data', '')}"
        return {"type": "image_url", "image_url": {"url": url}}
    if kind == "server_tool_call":
        details = part.get("server_tool_call")
        return {
            "type": "server_tool_use", "id": part.get("id"), "name": part.get("name"), "input": details
        }  # fmt: skip
    return part if kind else {"type": "text", "text": as_text(part)}


def _answer(part: dict[str, Any], message: Message) -> None:
    """Put what a tool answered into a message of its own."""
    answer = next((part[name] for name in ("response", "result", "content") if name in part), "")
    identity = part.get("id") or part.get("tool_use_id") or part.get("tool_call_id")
    content = (
        _blocks(answer, {}) if isinstance(answer, str | list) else [{"type": "text", "text": as_text(answer)}]
    )
    made: Message = {"role": "tool", "content": content}
    if identity:
        made["tool_call_id"] = as_text(identity)
    message.setdefault("answers", []).append(made)


def _media(part: dict[str, Any]) -> dict[str, Any]:
    mime, modality = part.get("mime_type"), part.get("modality")
    if part["type"] == "blob":
        url = f"data:{mime or ''};base64,{part.get('content', '')}"
    else:
        url = as_text(part.get("uri") or part.get("file_id") or "")
    if modality == "image" and part["type"] != "file":
        return {"type": "image_url", "image_url": {"url": url}}
    return {"type": "media", "media": {"title": part.get("file_id"), "type": mime or modality, "url": url}}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, dict):
        function = call
    arguments: Any = next((function[name] for name in ("arguments", "input", "args") if name in function), {})
    return {
        "id": as_text(call.get("call_id") or call.get("id") or ""),
        "type": "function",
        "function": {"name": as_text(function.get("name") or ""), "arguments": as_text(arguments)},
    }


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or "function" in tool or not tool.get("name"):
        return tool
    if tool.get("type", "function") not in {"function", "custom"}:
        return tool  # one of the provider's own
    function = {"name": tool["name"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    parameters = parsed(tool.get("parameters", tool.get("input_schema")))
    if parameters is not None:
        function["parameters"] = parameters
    return {"type": "function", "function": function}


def _read_call(item: dict[str, Any]) -> list[Message]:
    return [{"role": "assistant", "content": [], "tool_calls": [_call(item)]}]


def _read_answer(item: dict[str, Any]) -> list[Message]:
    message: Message = {}
    _answer({"response": item.get("output", ""), "id": item.get("call_id")}, message)
    return list(message["answers"])


def _read_reasoning(item: dict[str, Any]) -> list[Message]:
    texts = [as_text(part.get("text", "")) for part in item.get("summary") or () if isinstance(part, dict)]
    return (
        [{"role": "assistant", "content": [{"type": "thinking", "thinking": "\n\n".join(texts)}]}]
        if texts
        else []
    )


#: OpenAI's response items that are no message with a role.
_ITEMS = {
    "function_call": _read_call,
    "function_call_output": _read_answer,
    "reasoning": _read_reasoning,
}
