"""OpenAI's formats: chat completions, responses, embeddings. Held against the SDK's own strict validation."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from tests.wire.words import Said, answer, count, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire.behaviour import Behaviour

CREATED = 1_700_000_000

Event = tuple[str | None, dict[str, Any]]


def chat(body: dict[str, Any], how: Behaviour) -> dict[str, Any] | Iterator[Event]:
    """Answer `/chat/completions`; a stream where one is asked for."""
    said = [_chat_said(body, variant) for variant in range(body.get("n") or 1)]
    usage = _chat_usage(body, said, how)
    shell = {"id": _id("chatcmpl", body), "created": CREATED, "model": body["model"]}
    if body.get("stream"):
        return _chat_chunks(
            shell, said, usage if (body.get("stream_options") or {}).get("include_usage") else None
        )
    choices = [
        {
            "index": index,
            "finish_reason": _finish(one),
            "logprobs": None,
            "message": {
                "role": "assistant",
                "content": one.text or None,
                "refusal": None,
                **({"tool_calls": _chat_calls(one)} if one.calls else {}),
                **({"reasoning_content": one.reasoning} if one.reasoning else {}),
            },
        }
        for index, one in enumerate(said)
    ]
    answered = {**shell, "object": "chat.completion", "choices": choices}
    return {**answered, "usage": usage} if usage else answered


def _chat_said(body: dict[str, Any], variant: int) -> Said:
    messages = body["messages"]
    question = next((text_of(m["content"]) for m in reversed(messages) if m["role"] == "user"), "")
    tools = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    return answer(
        question,
        tools=[] if body.get("tool_choice") == "none" else tools,
        answered=messages[-1]["role"] == "tool",
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
        thinks="reasoning_effort" in body,
        variant=variant,
    )


def _chat_usage(body: dict[str, Any], said: list[Said], how: Behaviour) -> dict[str, Any] | None:
    if not how.usage:
        return None
    asked, spoken = count(body["messages"]), sum(one.tokens for one in said)
    return {
        "prompt_tokens": asked,
        "completion_tokens": spoken,
        "total_tokens": asked + spoken,
        "prompt_tokens_details": {"cached_tokens": how.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": sum(count(one.reasoning) for one in said)},
    }


def _chat_calls(one: Said) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(one.calls)
    ]


def _finish(one: Said) -> str:
    return "tool_calls" if one.calls else "length" if one.cut_short else "stop"


def _chat_chunks(shell: dict[str, Any], said: list[Said], usage: dict[str, Any] | None) -> Iterator[Event]:
    shell = {**shell, "object": "chat.completion.chunk"}

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> Event:
        return None, {**shell, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}

    for index, one in enumerate(said):
        yield chunk(index, {"role": "assistant", "content": ""})
        if one.reasoning:
            yield chunk(index, {"reasoning_content": one.reasoning})
        for piece in one.pieces:
            yield chunk(index, {"content": piece})
        for place, call in enumerate(_chat_calls(one)):
            arguments = call["function"]["arguments"]
            half = len(arguments) // 2
            opening = {**call, "index": place, "function": {**call["function"], "arguments": ""}}
            yield chunk(index, {"tool_calls": [opening]})
            for part in (arguments[:half], arguments[half:]):
                yield chunk(index, {"tool_calls": [{"index": place, "function": {"arguments": part}}]})
        yield chunk(index, {}, _finish(one))
    if usage:
        yield None, {**shell, "choices": [], "usage": usage}


def responses(body: dict[str, Any], how: Behaviour) -> dict[str, Any] | Iterator[Event]:
    """Answer `/responses`; a stream of events where one is asked for."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    question = next((text_of(i["content"]) for i in reversed(items) if i.get("role") == "user"), "")
    one = answer(
        question,
        tools=[tool for tool in body.get("tools") or () if tool["type"] == "function"],
        answered=items[-1].get("type") == "function_call_output",
        limit=body.get("max_output_tokens"),
        thinks="reasoning" in body,
    )
    asked = count(given) + count(body.get("instructions") or "")
    whole: dict[str, Any] = {
        "id": _id("resp", body),
        "object": "response",
        "created_at": CREATED,
        "status": "incomplete" if one.cut_short else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if one.cut_short else None,
        "error": None,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
        "model": body["model"],
        "output": _output_items(one),
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [{"strict": None, **tool} for tool in body.get("tools") or ()],
        "top_p": 1.0,
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"cached_tokens": how.cached, "cache_write_tokens": how.written},
            "output_tokens": one.tokens,
            "output_tokens_details": {"reasoning_tokens": count(one.reasoning)},
            "total_tokens": asked + one.tokens,
        }
        if how.usage
        else None,
    }
    return _response_events(whole, one) if body.get("stream") else whole


def _output_items(one: Said) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if one.reasoning:
        summary = [{"type": "summary_text", "text": one.reasoning}]
        items.append({"id": "rs_0", "type": "reasoning", "summary": summary})
    for index, (name, arguments) in enumerate(one.calls):
        items.append(
            {
                "id": f"fc_{index}", "type": "function_call", "call_id": f"call_{index}",
                "name": name, "arguments": arguments, "status": "completed",
            }
        )  # fmt: skip
    if one.text:
        part = {"type": "output_text", "text": one.text, "annotations": []}
        items.append(
            {"id": "msg_0", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
        )
    return items


def _response_events(whole: dict[str, Any], one: Said) -> Iterator[Event]:
    number = iter(range(1_000_000))

    def event(kind: str, **more: Any) -> Event:
        return kind, {"type": kind, "sequence_number": next(number), **more}

    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    for place, item in enumerate(whole["output"]):
        where = {"output_index": place, "item_id": item["id"]}
        emptied: dict[str, Any] = {"content": [], "arguments": "", "summary": []}
        empty = {**item, **{key: value for key, value in emptied.items() if key in item}}
        if "status" in item:
            empty["status"] = "in_progress"
        yield event("response.output_item.added", output_index=place, item=empty)
        if item["type"] == "message":
            part = item["content"][0]
            at = {**where, "content_index": 0}
            yield event("response.content_part.added", **at, part={**part, "text": ""})
            for piece in one.pieces:
                yield event("response.output_text.delta", **at, delta=piece, logprobs=[])
            yield event("response.output_text.done", **at, text=part["text"], logprobs=[])
            yield event("response.content_part.done", **at, part=part)
        elif item["type"] == "function_call":
            half = len(item["arguments"]) // 2
            for piece in (item["arguments"][:half], item["arguments"][half:]):
                yield event("response.function_call_arguments.delta", **where, delta=piece)
            yield event(
                "response.function_call_arguments.done",
                **where,
                name=item["name"],
                arguments=item["arguments"],
            )
        else:
            part = item["summary"][0]
            at = {**where, "summary_index": 0}
            yield event("response.reasoning_summary_part.added", **at, part={**part, "text": ""})
            yield event("response.reasoning_summary_text.delta", **at, delta=part["text"])
            yield event("response.reasoning_summary_text.done", **at, text=part["text"])
            yield event("response.reasoning_summary_part.done", **at, part=part)
        yield event("response.output_item.done", output_index=place, item=item)
    yield event(f"response.{whole['status']}", response=whole)


def embeddings(body: dict[str, Any], how: Behaviour) -> dict[str, Any]:
    """Answer `/embeddings`: eight numbers a text, base64 where that is asked for (the SDK asks)."""
    import base64
    import struct

    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    vectors = [[byte / 255 for byte in hashlib.sha256(str(text).encode()).digest()[:8]] for text in texts]
    encoded = body.get("encoding_format") == "base64"
    asked = sum(count(text) for text in texts)
    return {
        "object": "list",
        "model": body["model"],
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(struct.pack("<8f", *vector)).decode() if encoded else vector,
            }
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": asked, "total_tokens": asked},
    }


def failure(status: int, message: str) -> dict[str, Any]:
    """Return the body of a refusal."""
    code = {401: "invalid_api_key", 429: "rate_limit_exceeded", 402: "insufficient_quota"}.get(status)
    return {
        "error": {
            "message": message,
            "type": "server_error" if status >= 500 else "invalid_request_error",
            "param": None,
            "code": code,
        }
    }


def _id(kind: str, body: dict[str, Any]) -> str:
    return f"{kind}-{hashlib.sha256(repr(sorted(body.items(), key=str)).encode()).hexdigest()[:12]}"
