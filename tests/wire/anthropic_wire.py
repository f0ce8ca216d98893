"""Anthropic's messages, plain and as events."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from tests.wire.words import Said, answer, count, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.wire.behaviour import Behaviour
    from tests.wire.openai_wire import Event

SIGNATURE = "c2lnbmVk"


def messages(body: dict[str, Any], how: Behaviour) -> dict[str, Any] | Iterator[Event]:
    """Answer `/messages`; events where a stream is asked for."""
    asked = [message for message in body["messages"] if message["role"] == "user"]
    last = asked[-1]["content"]
    answered = isinstance(last, list) and any(block["type"] == "tool_result" for block in last)
    question = next((text for message in reversed(asked) if (text := text_of(message["content"]))), "")
    one = answer(
        question,
        tools=[{"name": t["name"], "parameters": t.get("input_schema")} for t in body.get("tools") or ()],
        answered=answered,
        limit=body["max_tokens"],
        thinks=(body.get("thinking") or {}).get("type") in {"enabled", "adaptive"},
    )
    whole = {
        "id": f"msg_{hashlib.sha256(repr(body).encode()).hexdigest()[:12]}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": _blocks(one),
        "stop_reason": "tool_use" if one.calls else "max_tokens" if one.cut_short else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": count(body["messages"]) + count(body.get("system") or ""),
            "cache_read_input_tokens": how.cached,
            "cache_creation_input_tokens": how.written,
            "output_tokens": one.tokens,
            "output_tokens_details": {"thinking_tokens": count(one.reasoning)},
        },
    }
    return _events(whole) if body.get("stream") else whole


def _blocks(one: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if one.reasoning:
        blocks.append({"type": "thinking", "thinking": one.reasoning, "signature": SIGNATURE})
    if one.text:
        blocks.append({"type": "text", "text": one.text})
    for index, (name, arguments) in enumerate(one.calls):
        blocks.append(
            {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": json.loads(arguments)}
        )
    return blocks


def _events(whole: dict[str, Any]) -> Iterator[Event]:
    def event(kind: str, **more: Any) -> Event:
        return kind, {"type": kind, **more}

    begun = {**whole["usage"], "output_tokens": 1}
    del begun["output_tokens_details"]
    yield event("message_start", message={**whole, "content": [], "stop_reason": None, "usage": begun})
    yield event("ping")
    for index, block in enumerate(whole["content"]):
        empty = {"text": "", "thinking": "", "signature": "", "input": {}}
        start = {key: empty.get(key, value) for key, value in block.items()}
        yield event("content_block_start", index=index, content_block=start)
        for delta in _deltas(block):
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    said = {key: whole["usage"][key] for key in ("output_tokens", "output_tokens_details")}
    yield event("message_delta", delta=delta, usage=said)
    yield event("message_stop")


def _deltas(block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        for piece in Said(block["text"]).pieces:
            yield {"type": "text_delta", "text": piece}
    elif block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block["signature"]}
    else:
        arguments = json.dumps(block["input"])
        half = len(arguments) // 2
        for piece in (arguments[:half], arguments[half:]):
            yield {"type": "input_json_delta", "partial_json": piece}


def failure(status: int, message: str) -> dict[str, Any]:
    """Return the body of a refusal, which is also what a stream says when it fails."""
    kinds = {
        401: "authentication_error",
        402: "billing_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    kind = kinds.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}}
