"""OpenAI's responses: items instead of messages. Source: the types of OpenAI's SDK 3.57."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.providers.chat import messages_of
from promptlog.providers.plain import (
    call,
    message,
    only_text,
    parameters_of,
    pieces,
    plain,
    table,
    tables,
    text_of,
    typed,
)
from promptlog.providers.protocol import Answer, Asked
from promptlog.providers.reading import Reading, count, word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.providers.protocol import Blueprint


class Responses:
    """The format of `/responses`."""

    api_type = "responses"

    def request(self, prompt: Blueprint, model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of `responses.create`."""
        made: dict[str, Any] = {}
        if tools := tables(prompt.get("tools")):
            made["tools"] = [_flat(tool) for tool in tools]
        if (choice := prompt.get("tool_choice")) and tools:
            made["tool_choice"] = _flat(choice) if isinstance(choice, dict) else choice
        items = [item for each in messages_of(prompt) for item in _items_out(each)]
        return {**made, **parameters, "model": model, "input": items}

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        """Return what the arguments of `responses.create` ask; instructions come first, as the system's words."""
        given = plain(arguments.get("input"))
        said: list[dict[str, Any]] = []
        if instructions := arguments.get("instructions"):
            said.append(message("system", [{"type": "text", "text": instructions}]))
        for item in [{"role": "user", "content": given}] if isinstance(given, str) else tables(given):
            _item_in(item, said)
        prompt: Blueprint = {"type": "chat", "messages": said}
        if tools := tables(plain(arguments.get("tools"))):
            prompt["tools"] = [_nested(tool) for tool in tools]
        if choice := plain(arguments.get("tool_choice")):
            prompt["tool_choice"] = choice
        names = ("input", "instructions", "model", "tools", "tool_choice")
        return Asked(prompt, str(arguments.get("model")), parameters_of(arguments, *names))

    def reader(self) -> ResponsesReader:
        """Return a reader for one answer."""
        return ResponsesReader()

    def raw(self, answer: Answer, *, stream: bool = False) -> Any:
        """Return a `Response`, or a list of its stream's events."""
        whole, module = _whole(answer), "openai.types.responses"
        if not stream:
            return typed(module, "Response", whole)
        return [typed(module, _EVENTS[event["type"]], event) for event in _events(whole)]


# -- out: a blueprint as items ----------------------------------------------------------------------------------------


def _items_out(each: dict[str, Any]) -> list[dict[str, Any]]:
    role, blocks = each.get("role", "user"), each.get("content")
    blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else tables(blocks)
    blocks = [block for block in blocks if block.get("type") != "thinking"]
    if role in ("tool", "function"):
        said = text_of(blocks) if only_text(blocks) else [_part(block, role) for block in blocks]
        return [{"type": "function_call_output", "call_id": each.get("tool_call_id"), "output": said}]
    items: list[dict[str, Any]] = []
    if blocks:
        plain_text = len(blocks) == 1 and only_text(blocks)
        content: Any = blocks[0]["text"] if plain_text else [_part(block, role) for block in blocks]
        items.append({"role": role, "content": content})
    for one in tables(each.get("tool_calls")):
        function = {name: table(one.get("function")).get(name) for name in ("name", "arguments")}
        items.append({"type": "function_call", "call_id": one.get("id"), **function})
    return items


def _part(block: dict[str, Any], role: str) -> dict[str, Any]:
    media = table(block.get("media"))
    if media:
        if str(media.get("type", "")).startswith("image"):
            return {"type": "input_image", "image_url": media.get("url"), "detail": "auto"}
        return {"type": "input_file", "filename": media.get("title"), "file_data": media.get("url")}
    match block.get("type"):
        case "text":
            return {
                "type": "output_text" if role == "assistant" else "input_text",
                "text": block.get("text", ""),
            }
        case "image_url":
            image = table(block.get("image_url")) or {"url": block.get("image_url")}
            return {
                "type": "input_image",
                "image_url": image.get("url"),
                "detail": image.get("detail", "auto"),
            }
    return block


def _flat(tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool, or the choice of one, without the level that chat completions have."""
    function = table(tool.get("function"))
    return {"type": "function", **function} if function else tool


def _nested(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function" or "function" in tool:
        return tool
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


# -- in: items as a blueprint -----------------------------------------------------------------------------------------

_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")


def _item_in(item: dict[str, Any], said: list[dict[str, Any]]) -> None:
    """Put an item where it belongs: calls and thoughts onto the assistant's message before them."""
    kind = item.get("type", "message")
    if kind == "message" and "role" in item:
        said.append(message(item["role"], _blocks_in(item.get("content"))))
    elif str(kind).endswith("_call_output"):
        blocks = _blocks_in(item.get("output"))
        said.append({**message("tool", blocks), "tool_call_id": item.get("call_id")})
    else:
        if not said or said[-1]["role"] != "assistant":
            said.append(message("assistant", []))
        last = said[-1]
        if kind == "function_call":
            made = call(item.get("call_id"), item.get("name"), item.get("arguments"))
            last["tool_calls"] = [*last.get("tool_calls", ()), made]
        else:
            last["content"].append(_thought(item) if kind == "reasoning" else item)


def _thought(item: dict[str, Any]) -> dict[str, Any]:
    text = text_of(item.get("content")) or "\n\n".join(
        text_of([part]) for part in tables(item.get("summary"))
    )
    made = {"type": "thinking", "thinking": text}
    return {**made, "signature": item["encrypted_content"]} if item.get("encrypted_content") else made


def _blocks_in(content: Any) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [_block_in(block) for block in tables(content)]


def _block_in(block: dict[str, Any]) -> dict[str, Any]:
    if block.get("type") in _TEXTS:
        made = {"type": "text", "text": block.get("text", "")}
        return {**made, "annotations": block["annotations"]} if block.get("annotations") else made
    if block.get("type") == "input_image" and block.get("image_url"):
        return {"type": "image_url", "image_url": {"url": block["image_url"]}}
    return block


class ResponsesReader(Reading):
    """Reads a response, or the events of its stream."""

    def __init__(self) -> None:
        super().__init__()
        self._response: dict[str, Any] = {}
        self._items: dict[int, dict[str, Any]] = {}

    def _take(self, data: Any) -> str:
        if data.get("object") == "response":
            return self._whole(data)
        place, kind = data.get("output_index", 0), data.get("type", "")
        if "response" in data:
            self._whole(table(data["response"]))
        elif kind in ("response.output_item.added", "response.output_item.done"):
            self._items[place] = table(data.get("item"))
        elif kind in ("response.output_text.delta", "response.refusal.delta"):
            return self._text(place, kind, data)
        elif kind == "response.function_call_arguments.delta":
            one = self._items.setdefault(place, {"type": "function_call"})
            one["arguments"] = one.get("arguments", "") + data.get("delta", "")
        elif kind == "error":
            self._response["error"] = {"message": data.get("message")}
        return ""

    def _whole(self, data: dict[str, Any]) -> str:
        self._response |= {name: value for name, value in data.items() if value is not None}
        if data.get("output"):
            self._items = dict(enumerate(tables(data["output"])))
        self._names(data.get("model"), None)
        if data.get("status") not in (None, "in_progress"):
            self._names(None, table(data.get("incomplete_details")).get("reason") or data.get("status"))
        return text_of([part for item in self._items.values() for part in tables(item.get("content"))])

    def _text(self, place: int, kind: str, data: dict[str, Any]) -> str:
        """Take a piece of a part: the parts of an item that is not done yet stand in a dict by their place."""
        one = self._items.setdefault(place, {"type": "message", "role": "assistant"})
        parts = one.get("content")
        parts = list(parts) if isinstance(parts, list) else []
        at, name = data.get("content_index", 0), "text" if "text" in kind else "refusal"
        # Parts come in order: a place far behind the last is no reason to fill memory.
        at = min(at, len(parts))
        if at == len(parts):
            parts.append({"type": "output_text" if name == "text" else "refusal", name: ""})
        parts[at] = {**parts[at], name: parts[at].get(name, "") + data.get("delta", "")}
        one["content"] = parts
        return data.get("delta", "") if name == "text" else ""

    def _made(self) -> Answer:
        said: list[dict[str, Any]] = []
        for place in sorted(self._items):
            _item_in(self._items[place], said)
        usage = table(self._response.get("usage"))
        into, out = table(usage.get("input_tokens_details")), table(usage.get("output_tokens_details"))
        return Answer(
            output={"type": "chat", "messages": [_joined(said)]} if said or self.finish_reason else None,
            model=self._model,
            input_tokens=count(usage.get("input_tokens")),
            output_tokens=count(usage.get("output_tokens")),
            cached_tokens=count(into.get("cached_tokens")),
            cache_write_tokens=count(into.get("cache_write_tokens")),
            reasoning_tokens=count(out.get("reasoning_tokens")),
            finish_reason=self.finish_reason,
            error=word(table(self._response.get("error")).get("message")),
        )


def _joined(said: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the messages of one answer as one: a blueprint has one for each choice, and there is one choice."""
    blocks = [block for each in said for block in each["content"]]
    return message("assistant", blocks, [one for each in said for one in each.get("tool_calls", ())])


# -- the way back, for a replay ---------------------------------------------------------------------------------------

_EVENTS = {
    "response.created": "ResponseCreatedEvent",
    "response.output_item.added": "ResponseOutputItemAddedEvent",
    "response.content_part.added": "ResponseContentPartAddedEvent",
    "response.output_text.delta": "ResponseTextDeltaEvent",
    "response.output_text.done": "ResponseTextDoneEvent",
    "response.content_part.done": "ResponseContentPartDoneEvent",
    "response.output_item.done": "ResponseOutputItemDoneEvent",
    "response.completed": "ResponseCompletedEvent",
    "response.incomplete": "ResponseIncompleteEvent",
    "response.failed": "ResponseFailedEvent",
}


def _whole(answer: Answer) -> dict[str, Any]:
    said: dict[str, Any] = next(iter(tables((answer.output or {}).get("messages"))), {})
    reason = answer.finish_reason
    status = reason if reason in (None, "completed", "failed", "cancelled", "queued") else "incomplete"
    used = answer.input_tokens is not None or answer.output_tokens is not None
    return {
        "id": "replayed",
        "object": "response",
        "created_at": 0,
        "model": answer.model or "",
        "status": status,
        "incomplete_details": {"reason": reason} if status == "incomplete" else None,
        "error": {"code": "server_error", "message": answer.error} if answer.error else None,
        "output": _items_back(said),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": answer.input_tokens,
            "output_tokens": answer.output_tokens,
            "total_tokens": (answer.input_tokens or 0) + (answer.output_tokens or 0),
            "input_tokens_details": {
                "cached_tokens": answer.cached_tokens,
                "cache_write_tokens": answer.cache_write_tokens,
            },
            "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
        }
        if used
        else None,
    }


def _items_back(said: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for block in tables(said.get("content")):
        place = len(items)
        if block.get("type") == "thinking":
            summary = [{"type": "summary_text", "text": block.get("thinking", "")}]
            item = {"id": f"rs_{place}", "type": "reasoning", "summary": summary}
            items.append({**item, "encrypted_content": block["signature"]} if "signature" in block else item)
        elif block.get("type") in ("text", "refusal"):
            part = {"annotations": [], **block, "type": "output_text"} if block["type"] == "text" else block
            if not items or items[-1]["type"] != "message":
                item = {"id": f"msg_{place}", "type": "message", "role": "assistant", "status": "completed"}
                items.append({**item, "content": []})
            items[-1]["content"].append(part)
        else:
            items.append(block)
    for one in tables(said.get("tool_calls")):
        function = {name: table(one.get("function")).get(name, "") for name in ("name", "arguments")}
        place = len(items)
        items.append(
            {
                "id": f"fc_{place}",
                "type": "function_call",
                "call_id": one.get("id"),
                **function,
                "status": "completed",
            }
        )
    return items


def _events(whole: dict[str, Any]) -> list[dict[str, Any]]:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": begun}]
    for place, item in enumerate(whole["output"]):
        where = {"output_index": place}
        parts = item["content"] if item["type"] == "message" else []
        opened = {**item, "content": [], "status": "in_progress"} if item["type"] == "message" else item
        events.append({"type": "response.output_item.added", **where, "item": opened})
        for index, part in enumerate(parts):
            if part["type"] != "output_text":
                continue
            at = {**where, "item_id": item["id"], "content_index": index}
            events.append({"type": "response.content_part.added", **at, "part": {**part, "text": ""}})
            delta = {"type": "response.output_text.delta", **at, "logprobs": []}
            events += [{**delta, "delta": piece} for piece in pieces(part["text"])]
            events.append({"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []})
            events.append({"type": "response.content_part.done", **at, "part": part})
        events.append({"type": "response.output_item.done", **where, "item": item})
    end = whole["status"] if whole["status"] in ("incomplete", "failed") else "completed"
    events.append({"type": f"response.{end}", "response": whole})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]
