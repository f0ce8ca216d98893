"""A prompt blueprint as what was said by whom."""

from __future__ import annotations

import json
from typing import Any


def said_by(content: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Return the role, the name and the parts of each message; what has no messages is one of role "text"."""
    messages = content.get("messages")
    return [
        (str(message.get("role", "text")), str(message.get("name") or ""), _parts(message))
        for message in (messages if isinstance(messages, list) else [content])
        if isinstance(message, dict)
    ]


def tools_in(content: dict[str, Any] | None) -> list[tuple[str, str, Any]]:
    """Return the tools that a model was offered: the name, the description and all else that is said of each."""
    if not content:
        return []
    lists = (content.get(name) for name in ("tools", "functions"))
    return [_tool(tool) for given in lists if isinstance(given, list) for tool in given]


def _tool(tool: Any) -> tuple[str, str, Any]:
    function = tool.get("function") if isinstance(tool, dict) else None
    told = function if isinstance(function, dict) else tool
    if not isinstance(told, dict):
        return "", "", told
    name, about = told.get("name") or told.get("type"), told.get("description")
    schemas = (told.get(one) for one in ("parameters", "input_schema", "inputSchema"))
    rest = {key: value for key, value in told.items() if key not in ("name", "description")}
    return str(name or ""), str(about or ""), next((one for one in schemas if one), rest)


def _parts(message: dict[str, Any]) -> list[str]:
    """Return the blocks of a message as text, its calls of tools after them."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else [] if content is None else [content]
    calls = message.get("tool_calls")
    parts = [*map(_block, blocks), *map(_call, calls if isinstance(calls, list) else [])]
    return [part for part in parts if part.strip()]


def _block(block: Any) -> str:
    if isinstance(block, str):
        return block
    if isinstance(block, dict):
        kind = block.get("type", "text")
        for key in ("text", "thinking"):
            if isinstance(block.get(key), str):
                return block[key] if kind == "text" else f"[{kind}] {block[key]}"
        if kind == "image_url" and isinstance(block.get("image_url"), dict):
            return f"[image] {_cut(str(block['image_url'].get('url', '')))}"
    return _cut(_json(block))


def _call(call: Any) -> str:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return f"[tool call] {_cut(_json(call))}"
    arguments = function.get("arguments")
    said = arguments if isinstance(arguments, str) else _json(arguments)
    return f"[tool call] {function.get('name')}({said})"


def _cut(text: str) -> str:
    """Return text without the bulk of an embedded file."""
    most = 400
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
