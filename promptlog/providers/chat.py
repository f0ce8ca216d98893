"""OpenAI's chat completions: the format that most servers and programs speak.

Source: the types of OpenAI's SDK 3.57; `reasoning_content` is what DeepSeek, vLLM and llama.cpp add to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.models.content import blueprint
from promptlog.providers.plain import (
    each_fields,
    fields,
    json_text,
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
from promptlog.providers.reading import Reading, count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.providers.protocol import Blueprint

#: Parts of a blueprint beside its messages that go into a call by the same name.
_BESIDE = ("tools", "tool_choice", "functions", "function_call")


class Chat:
    """The format of `/chat/completions`."""

    api_type = "chat-completions"

    def request(self, prompt: Blueprint, model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of `chat.completions.create`. A completion's text becomes a user's message."""
        beside = {name: prompt[name] for name in _BESIDE if prompt.get(name)}
        said = [_said(each) for each in messages_of(prompt)]
        return {**beside, **parameters, "model": model, "messages": said}

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        """Return what the arguments of `chat.completions.create` ask."""
        prompt = blueprint(tables(plain(arguments.get("messages"))), "user", "messages") or {}
        prompt.update({name: plain(arguments[name]) for name in _BESIDE if arguments.get(name)})
        return Asked(
            prompt, str(arguments.get("model")), parameters_of(arguments, "messages", "model", *_BESIDE)
        )

    def reader(self) -> ChatReader:
        """Return a reader for one answer."""
        return ChatReader()

    def raw(self, answer: Answer, *, stream: bool = False) -> Any:
        """Return a `ChatCompletion`, or a list of `ChatCompletionChunk`."""
        module, shell = "openai.types.chat", {"id": "replayed", "created": 0, "model": answer.model or ""}
        if stream:
            shell["object"] = "chat.completion.chunk"
            return [typed(module, "ChatCompletionChunk", {**shell, **chunk}) for chunk in _chunks(answer)]
        whole = {**shell, "object": "chat.completion", "choices": _choices(answer), "usage": _usage(answer)}
        return typed(module, "ChatCompletion", whole)


def messages_of(prompt: Blueprint) -> list[dict[str, Any]]:
    """Return a prompt's messages; a completion template is one message of the user."""
    if prompt.get("type") == "completion":
        return [{"role": "user", "content": prompt.get("content") or []}]
    return tables(prompt.get("messages"))


def _said(each: dict[str, Any]) -> dict[str, Any]:
    """Return a blueprint's message as OpenAI's: text alone as a plain string, thoughts left out."""
    kept = ("role", "name", "tool_calls", "tool_call_id", "function_call", "audio", "refusal")
    said = {name: each[name] for name in kept if each.get(name)}
    content = each.get("content")
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    blocks = [_part(block) for block in blocks if table(block).get("type") != "thinking"]
    if not blocks:
        said["content"] = None if said.get("tool_calls") or said.get("function_call") else ""
    else:
        said["content"] = blocks[0]["text"] if len(blocks) == 1 and only_text(blocks) else blocks
    return said


def _part(block: Any) -> Any:
    media = table(table(block).get("media"))
    if not media:
        return block
    if str(media.get("type", "")).startswith("image"):
        return {"type": "image_url", "image_url": {"url": media.get("url")}}
    return {"type": "file", "file": {"filename": media.get("title"), "file_data": media.get("url")}}


class ChatReader(Reading):
    """Reads a response, or chunks of a stream, in OpenAI's shape; plain text counts as text of the first choice."""

    def __init__(self) -> None:
        super().__init__()
        self._choices: dict[int, _Choice] = {}
        self._usage: dict[str, Any] = {}

    def _data(self, item: Any) -> dict[str, Any]:
        return fields(item)

    def _take(self, data: Any) -> str:
        if isinstance(data, str):
            return self._choice(0).add({"content": data})
        self._names(data.get("model"), None)
        self._usage = fields(data.get("usage")) or self._usage
        added = ""
        for place, choice in enumerate(each_fields(data.get("choices"))):
            index = count(choice.get("index"))
            text = self._choice(place if index is None else index).add(
                fields(choice.get("message") or choice.get("delta"))
            )
            if not index:
                added += text
                self._names(None, choice.get("finish_reason"))
        return added

    def _choice(self, index: int) -> _Choice:
        return self._choices.setdefault(index, _Choice())

    def _made(self) -> Answer:
        usage, choices = self._usage, [self._choices[index].message() for index in sorted(self._choices)]
        into, out = fields(usage.get("prompt_tokens_details")), fields(usage.get("completion_tokens_details"))
        return Answer(
            output={"type": "chat", "messages": choices} if choices else None,
            model=self._model,
            input_tokens=count(usage.get("prompt_tokens")),
            output_tokens=count(usage.get("completion_tokens")),
            cached_tokens=count(into.get("cached_tokens")),
            cache_write_tokens=count(into.get("cache_write_tokens")),
            reasoning_tokens=count(out.get("reasoning_tokens")),
            finish_reason=self.finish_reason,
        )


class _Choice:
    """One of a response's choices, as far as it has come."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.thought: list[str] = []
        self.refusal: list[str] = []
        self.calls: dict[int, dict[str, Any]] = {}
        self.function: dict[str, str] = {}
        self.parts: list[Any] = []

    def add(self, delta: dict[str, Any]) -> str:
        content = delta.get("content")
        text = content if isinstance(content, str) else ""
        if isinstance(content, list):  # some servers answer in parts
            content = plain(content)
            text, self.parts = text_of(content), [*self.parts, *content]
        else:
            self.text.append(text)
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            self.thought.append(text_of(plain(thought)))
        if refusal := delta.get("refusal"):
            self.refusal.append(text_of(plain(refusal)))
        for place, one in enumerate(each_fields(delta.get("tool_calls"))):
            index = count(one.get("index"))
            known = self.calls.setdefault(place if index is None else index, {})
            _join(known, {"id": one.get("id"), "type": one.get("type")}, grows=())
            kind = "custom" if "custom" in one else "function"
            _join(known.setdefault(kind, {}), fields(one.get(kind)), grows=("arguments", "input"))
        if function := delta.get("function_call"):
            _join(self.function, fields(function), grows=("arguments",))
        return text

    def message(self) -> dict[str, Any]:
        blocks: list[Any] = list(self.parts)
        if refusal := "".join(self.refusal):
            blocks.insert(0, {"type": "refusal", "refusal": refusal})
        if text := "".join(self.text):
            blocks.insert(0, {"type": "text", "text": text})
        if thought := "".join(self.thought):
            blocks.insert(0, {"type": "thinking", "thinking": thought})
        calls = [{"type": "function", **self.calls[index]} for index in sorted(self.calls)]
        made = message("assistant", blocks, calls)
        return {**made, "function_call": self.function} if self.function else made


def _join(known: dict[str, Any], more: dict[str, Any], *, grows: tuple[str, ...]) -> None:
    """Take what a delta says: texts that come in parts grow, all else is said once."""
    for name, value in more.items():
        if value is not None:
            known[name] = known.get(name, "") + json_text(value) if name in grows else value


# -- the way back, for a replay ---------------------------------------------------------------------------------------


def _choices(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"index": index, "finish_reason": answer.finish_reason, "message": _wire(each)}
        for index, each in enumerate(tables((answer.output or {}).get("messages")))
    ]


def _wire(each: dict[str, Any]) -> dict[str, Any]:
    """Return an assistant's message as a response holds it: one text, with what is no text beside it."""
    blocks = tables(each.get("content"))
    wire = {"role": "assistant", "content": text_of(blocks) or None, "refusal": None}
    for block in blocks:
        if block.get("type") == "thinking":
            wire["reasoning_content"] = block.get("thinking")
        elif block.get("type") == "refusal":
            wire["refusal"] = block.get("refusal")
    return {**wire, **{name: each[name] for name in ("tool_calls", "function_call") if each.get(name)}}


def _chunks(answer: Answer) -> list[dict[str, Any]]:
    chunks: list[dict[str, Any]] = []
    for choice in _choices(answer):
        wire = choice["message"]
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"reasoning_content": piece} for piece in pieces(wire.get("reasoning_content") or "")]
        deltas += [{"content": piece} for piece in pieces(wire["content"] or "")]
        deltas += [{"refusal": wire["refusal"]}] if wire["refusal"] else []
        deltas += [
            {"tool_calls": [{"index": place, **one}]} for place, one in enumerate(wire.get("tool_calls", ()))
        ]
        deltas += [{"function_call": wire["function_call"]}] if "function_call" in wire else []
        begun = {"index": choice["index"], "finish_reason": None}
        chunks += [{"choices": [{**begun, "delta": delta}]} for delta in deltas]
        chunks.append({"choices": [{**begun, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    return [*chunks, {"choices": [], "usage": usage}] if (usage := _usage(answer)) else chunks


def _usage(answer: Answer) -> dict[str, Any] | None:
    if answer.input_tokens is None and answer.output_tokens is None:
        return None
    into, out = answer.input_tokens or 0, answer.output_tokens or 0
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": into + out,
        "prompt_tokens_details": {
            "cached_tokens": answer.cached_tokens,
            "cache_write_tokens": answer.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }
