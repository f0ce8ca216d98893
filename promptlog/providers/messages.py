"""Anthropic's messages: system apart, tools as blocks. Source: the types of Anthropic's SDK 2.13."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError
from promptlog.providers.chat import messages_of
from promptlog.providers.plain import (
    call,
    json_text,
    message,
    only_text,
    parameters_of,
    pieces,
    plain,
    table,
    tables,
    text_of,
    total,
    typed,
)
from promptlog.providers.protocol import Answer, Asked
from promptlog.providers.reading import Reading, count, word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.providers.protocol import Blueprint

#: Anthropic wants a limit with every call; this one every model of theirs takes.
DEFAULT_MAX_TOKENS = 4096

#: Parameters of the API that version 2 of the SDK has no keywords for; they go into the body by themselves.
_IN_BODY = ("temperature", "top_k", "top_p")


class Messages:
    """The format of `/v1/messages`."""

    api_type = "messages"

    def request(self, prompt: Blueprint, model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of `messages.create`; `max_tokens` is 4,096 unless the parameters say.

        Raises:
            InvalidInputError: the arguments of an earlier call of a tool are no JSON.
        """
        said: list[dict[str, Any]] = []
        system: list[dict[str, Any]] = []
        for each in messages_of(prompt):
            if each.get("role") in ("system", "developer"):
                system += _blocks_out(each)
                continue
            turn = _turn(each)
            if each.get("role") == "tool" and said and said[-1]["role"] == "user" and _is_result(said[-1]):
                said[-1]["content"] += turn["content"]  # all results of one turn stand in one message
            else:
                said.append(turn)
        made: dict[str, Any] = {"max_tokens": DEFAULT_MAX_TOKENS}
        if system:
            made["system"] = "\n\n".join(b["text"] for b in system) if only_text(system) else system
        if tools := tables(prompt.get("tools")):
            made["tools"] = [_tool_out(tool) for tool in tools]
        if (choice := prompt.get("tool_choice")) and tools:
            made["tool_choice"] = _choice_out(choice)
        made |= {name: value for name, value in parameters.items() if name not in _IN_BODY}
        sampling = {name: parameters[name] for name in _IN_BODY if parameters.get(name) is not None}
        if sampling:
            made["extra_body"] = {**sampling, **(made.get("extra_body") or {})}
        return {**made, "model": model, "messages": said}

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        """Return what the arguments of `messages.create` ask."""
        arguments = dict(arguments)
        arguments |= arguments.pop("extra_body", None) or {}
        said: list[dict[str, Any]] = []
        if system := plain(arguments.get("system")):
            said.append(message("system", _texts(system)))
        for each in tables(plain(arguments.get("messages"))):
            said += _turns_in(each)
        prompt: Blueprint = {"type": "chat", "messages": said}
        if tools := tables(plain(arguments.get("tools"))):
            prompt["tools"] = [_tool_in(tool) for tool in tools]
        if choice := plain(arguments.get("tool_choice")):
            prompt["tool_choice"] = choice
        names = ("system", "messages", "model", "tools", "tool_choice")
        return Asked(prompt, str(arguments.get("model")), parameters_of(arguments, *names))

    def reader(self) -> MessagesReader:
        """Return a reader for one answer."""
        return MessagesReader()

    def raw(self, answer: Answer, *, stream: bool = False) -> Any:
        """Return a `Message`, or a list of its stream's events."""
        whole = _whole(answer)
        if not stream:
            return typed("anthropic.types", "Message", whole)
        return [typed("anthropic.types", _EVENTS[event["type"]], event) for event in _events(whole)]


# -- out: a blueprint as Anthropic's messages -------------------------------------------------------------------------


def _turn(each: dict[str, Any]) -> dict[str, Any]:
    blocks = _blocks_out(each)
    if each.get("role") == "tool":
        content: Any = blocks if blocks and not only_text(blocks) else text_of(blocks)
        result = {"type": "tool_result", "tool_use_id": each.get("tool_call_id"), "content": content}
        return {"role": "user", "content": [result]}
    role = "assistant" if each.get("role") == "assistant" else "user"
    blocks += [_use(one) for one in tables(each.get("tool_calls"))]
    return {"role": role, "content": blocks[0]["text"] if len(blocks) == 1 and only_text(blocks) else blocks}


def _is_result(turn: dict[str, Any]) -> bool:
    return isinstance(turn["content"], list) and turn["content"][0].get("type") == "tool_result"


def _blocks_out(each: dict[str, Any]) -> list[dict[str, Any]]:
    """Return content blocks; empty texts and unsigned thoughts, which Anthropic refuses, are left out."""
    content = each.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else tables(content)
    return [
        _block_out(block)
        for block in blocks
        if not (block.get("type") == "text" and not block.get("text"))
        and not (block.get("type") == "thinking" and not block.get("signature"))
    ]


def _block_out(block: dict[str, Any]) -> dict[str, Any]:
    media = table(block.get("media"))
    image = table(block.get("image_url")) or {"url": block.get("image_url")}
    url = str(media.get("url") if media else image.get("url") or "")
    if not url or block.get("type") not in ("image_url", "media"):
        return block
    source: dict[str, Any] = {"type": "url", "url": url}
    if url.startswith("data:"):
        head, _, data = url.partition(",")
        source = {"type": "base64", "media_type": head[5:].partition(";")[0], "data": data}
    is_image = not media or str(media.get("type", "")).startswith("image")
    return {"type": "image" if is_image else "document", "source": source}


def _use(one: dict[str, Any]) -> dict[str, Any]:
    function = table(one.get("function"))
    try:
        given = json.loads(function.get("arguments") or "{}")
    except (ValueError, TypeError, RecursionError):
        raise InvalidInputError(
            f"the arguments of the tool call {function.get('name')!r} are no JSON: {function.get('arguments')!r}"
        ) from None
    return {"type": "tool_use", "id": one.get("id"), "name": function.get("name"), "input": given}


def _tool_out(tool: dict[str, Any]) -> dict[str, Any]:
    function = table(tool.get("function"))
    if not function:
        return tool  # Anthropic's own tools
    made = {"name": function.get("name"), "input_schema": function.get("parameters") or {"type": "object"}}
    return {**made, "description": function["description"]} if function.get("description") else made


def _choice_out(choice: Any) -> Any:
    if isinstance(choice, str):
        return {"type": "any" if choice == "required" else choice}
    function = table(table(choice).get("function"))
    return {"type": "tool", "name": function["name"]} if "name" in function else choice


# -- in: Anthropic's messages as a blueprint --------------------------------------------------------------------------


def _texts(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else tables(content)


def _turns_in(each: dict[str, Any]) -> list[dict[str, Any]]:
    """Return one message as those of a blueprint: results of tools are messages of their own there."""
    blocks = _texts(each.get("content"))
    turns = [
        {**message("tool", _texts(block.get("content"))), "tool_call_id": block.get("tool_use_id")}
        for block in blocks
        if block.get("type") == "tool_result"
    ]
    rest, calls = _split([block for block in blocks if block.get("type") != "tool_result"])
    if rest or calls or not turns:
        turns.append(message(each.get("role", "user"), rest, calls))
    return turns


def _split(blocks: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return content blocks and calls of tools apart."""
    calls = [
        call(block.get("id"), block.get("name"), block.get("input", {}))
        for block in blocks
        if block.get("type") == "tool_use"
    ]
    return [_block_in(block) for block in blocks if block.get("type") != "tool_use"], calls


def _block_in(block: dict[str, Any]) -> dict[str, Any]:
    source = table(block.get("source"))
    if block.get("type") == "image" and source:
        url = source.get("url") or f"data:{source.get('media_type')};base64,{source.get('data')}"
        return {"type": "image_url", "image_url": {"url": url}}
    return block


def _tool_in(tool: dict[str, Any]) -> dict[str, Any]:
    if "input_schema" not in tool:
        return tool
    named = {name: tool[name] for name in ("name", "description") if name in tool}
    return {"type": "function", "function": {**named, "parameters": tool["input_schema"]}}


class MessagesReader(Reading):
    """Reads a message, or the events of its stream."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int, dict[str, Any]] = {}
        self._usage: dict[str, Any] = {}

    def _take(self, data: Any) -> str:
        match data.get("type"):
            case "message":
                return self._message(data)
            case "message_start":
                return self._message(table(data.get("message")))
            case "content_block_start":
                self._blocks[data.get("index", 0)] = dict(table(data.get("content_block")))
            case "content_block_delta":
                return self._delta(data.get("index", 0), table(data.get("delta")))
            case "message_delta":
                self._names(None, table(data.get("delta")).get("stop_reason"))
                self._count(data)
        return ""

    def _message(self, data: dict[str, Any]) -> str:
        self._names(data.get("model"), data.get("stop_reason"))
        self._blocks = dict(enumerate(tables(data.get("content"))))
        self._count(data)
        return text_of(data.get("content"))

    def _count(self, data: dict[str, Any]) -> None:
        self._usage |= {name: n for name, n in table(data.get("usage")).items() if n is not None}

    def _delta(self, index: int, delta: dict[str, Any]) -> str:
        block = self._blocks.setdefault(index, {"type": "text", "text": ""})
        for name in ("text", "thinking", "signature"):
            if isinstance(delta.get(name), str):
                block[name] = block.get(name, "") + delta[name]
        if isinstance(delta.get("partial_json"), str):
            block["partial_json"] = block.get("partial_json", "") + delta["partial_json"]
        if delta.get("citation"):
            block["citations"] = [*block.get("citations", ()), delta["citation"]]
        return word(delta.get("text")) or ""

    def _made(self) -> Answer:
        blocks, calls = _split([_whole_block(self._blocks[index]) for index in sorted(self._blocks)])
        usage, started = self._usage, bool(blocks or calls or self.finish_reason)
        read, written = (count(usage.get(f"cache_{kind}_input_tokens")) for kind in ("read", "creation"))
        return Answer(
            output={"type": "chat", "messages": [message("assistant", blocks, calls)]} if started else None,
            model=self._model,
            input_tokens=total(count(usage.get("input_tokens")), read, written),
            # A stream begins with a count of 1 and says the sum at its end: until then it is not known.
            output_tokens=count(usage.get("output_tokens")) if self.finish_reason else None,
            cached_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=count(table(usage.get("output_tokens_details")).get("thinking_tokens")),
            finish_reason=self.finish_reason,
        )


def _whole_block(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block with the input that came in pieces; what was cut off stays text."""
    if "partial_json" not in block:
        return block
    rest = {name: value for name, value in block.items() if name != "partial_json"}
    text = block["partial_json"] or "{}"
    try:
        return {**rest, "input": json.loads(text)}
    except (ValueError, RecursionError):
        return {**rest, "input": text}


# -- the way back, for a replay ---------------------------------------------------------------------------------------

_EVENTS = {
    "message_start": "RawMessageStartEvent",
    "content_block_start": "RawContentBlockStartEvent",
    "content_block_delta": "RawContentBlockDeltaEvent",
    "content_block_stop": "RawContentBlockStopEvent",
    "message_delta": "RawMessageDeltaEvent",
    "message_stop": "RawMessageStopEvent",
}


def _whole(answer: Answer) -> dict[str, Any]:
    said: dict[str, Any] = next(iter(tables((answer.output or {}).get("messages"))), {})
    read, written = answer.cached_tokens, answer.cache_write_tokens
    apart = (answer.input_tokens or 0) - (read or 0) - (written or 0)
    thought = answer.reasoning_tokens
    return {
        "id": "replayed",
        "type": "message",
        "role": "assistant",
        "model": answer.model or "",
        "content": [*tables(said.get("content")), *map(_use_back, tables(said.get("tool_calls")))],
        "stop_reason": answer.finish_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": None if answer.input_tokens is None else apart,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "output_tokens": answer.output_tokens,
            "output_tokens_details": None if thought is None else {"thinking_tokens": thought},
        },
    }


def _use_back(one: dict[str, Any]) -> dict[str, Any]:
    try:
        return _use(one)
    except InvalidInputError:  # an answer that was cut off is replayed as it was
        return {
            "type": "tool_use",
            "id": one.get("id"),
            "name": one["function"]["name"],
            "input": one["function"]["arguments"],
        }


def _events(whole: dict[str, Any]) -> list[dict[str, Any]]:
    usage = {**whole["usage"], "output_tokens_details": None}
    events = [
        {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None, "usage": usage}}
    ]
    for index, block in enumerate(whole["content"]):
        at: dict[str, Any] = {"index": index}
        deltas: list[dict[str, Any]] = []
        start: dict[str, Any] = block
        if block.get("type") == "text":
            start, deltas = (
                {**block, "text": ""},
                [{"type": "text_delta", "text": p} for p in pieces(block["text"])],
            )
        elif block.get("type") == "tool_use":
            start = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": json_text(block["input"])}]
        events.append({"type": "content_block_start", **at, "content_block": start})
        events += [{"type": "content_block_delta", **at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", **at})
    said = {name: whole["usage"][name] for name in ("output_tokens", "output_tokens_details")}
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": end, "usage": said}, {"type": "message_stop"}]
