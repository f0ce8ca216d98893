"""What events say of a call: messages, choices, evaluations; inside a span or as log records of their own.

Source: OpenTelemetry's GenAI events, current and deprecated.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from promptlog.otel.messages import Message, messages, system_messages
from promptlog.otel.strings import as_text, parsed
from promptlog.settings import MAX_KEY_CHARS

if TYPE_CHECKING:
    from collections.abc import Mapping

#: An event's name: the side it tells of, and whose words they are.
SPOKEN = {
    "gen_ai.system.message": ("input", "system"),
    "gen_ai.user.message": ("input", "user"),
    "gen_ai.assistant.message": ("input", "assistant"),
    "gen_ai.tool.message": ("input", "tool"),
    "gen_ai.choice": ("output", "assistant"),
    "gen_ai.content.prompt": ("input", "user"),
    "gen_ai.content.completion": ("output", "assistant"),
}
DETAILS = "gen_ai.client.inference.operation.details"
EVALUATION = "gen_ai.evaluation.result"

_WHOLE = ("gen_ai.event.content", "gen_ai.prompt", "gen_ai.completion")
_PARTS = ("content", "role", "id", "tool_calls", "message", "finish_reason", "tool_call_id", "name")
_SCORE = "gen_ai.evaluation.score.value"


class Said(NamedTuple):
    """What one event adds to a call."""

    input: list[Message]
    output: list[Message]
    used: set[str]  # the attributes that said it
    finish_reason: str | None = None


def said(name: str, body: Any, attributes: Mapping[str, Any]) -> Said:
    """Return the messages of an event; the event is one of `SPOKEN` or `DETAILS`."""
    if name == DETAILS:
        return _details(attributes)
    side, role = SPOKEN[name]
    item, used = _item(name, parsed(body), attributes)
    finish = item.pop("finish_reason", None) if isinstance(item, dict) else None
    if isinstance(item, dict) and "message" in item:
        message = parsed(item["message"])
        item = {**({"content": message} if not isinstance(message, dict) else message), "tool_calls": item.get("tool_calls") or (
            message.get("tool_calls") if isinstance(message, dict) else None)}  # fmt: skip
    if isinstance(item, dict) and not ("messages" in item or "parts" in item):
        item = [
            {
                "role": role,
                **{key: value for key, value in item.items() if value is not None and key != "index"},
            }
        ]
    found = [m for m in messages(item, role) if m["content"] or m.get("tool_calls")]
    return Said(
        found if side == "input" else [],
        found if side == "output" else [],
        used,
        as_text(finish) if finish else None,
    )


def _item(name: str, body: Any, attributes: Mapping[str, Any]) -> tuple[Any, set[str]]:
    """Return what an event tells, and the attributes that tell it."""
    if body:
        return body if isinstance(body, dict | list) else {"content": body}, set()
    for whole in _WHOLE:
        if whole in attributes:
            given = parsed(attributes[whole])
            return given if isinstance(given, dict | list) else {"content": given}, {whole}
    prefix = name + "."  # PromptLayer's page has gen_ai.user.message.content
    used = {key for key in attributes if key in _PARTS or key.startswith(prefix)}
    return {key.removeprefix(prefix): attributes[key] for key in used}, used


def _details(attributes: Mapping[str, Any]) -> Said:
    names = ("gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages")
    system, given, answered = (attributes.get(name) for name in names)
    used = {name for name in names if name in attributes}
    return Said([*system_messages(system), *messages(given, "user")], messages(answered, "assistant"), used)


def evaluation(attributes: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """Return an evaluation in its own scale (`name`, `score`, `label`, `explanation`), or None and what is wrong with it."""
    found: dict[str, Any] = {"name": as_text(attributes.get("gen_ai.evaluation.name") or "default")}
    if len(found["name"]) > MAX_KEY_CHARS:
        return None, f"gen_ai.evaluation.name: it is longer than {MAX_KEY_CHARS:,} characters"
    reason = ""
    value = parsed(attributes.get(_SCORE))
    if isinstance(value, int | float) and isfinite(value):  # a bool is 0 or 1
        found["score"] = float(value)
    elif value is not None:
        reason = f"{_SCORE}: {as_text(value)[:40]!r} is no number"
    for name in ("label", "explanation"):
        text = attributes.get(
            "gen_ai.evaluation.score.label" if name == "label" else "gen_ai.evaluation.explanation"
        )
        if text is not None and text != "":
            found[name] = as_text(text)
    if "score" in found or "label" in found:
        return found, reason
    return None, reason or f"{_SCORE}: there is neither a score nor a label"
