"""Messages and tools that a vocabulary spreads over numbered attributes, put together again.

`llm.input_messages.0.message.tool_calls.1.tool_call.function.name` (OpenInference), `gen_ai.prompt.0.content` (Traceloop,
PromptLayer's agents).
"""

from __future__ import annotations

from typing import Any

from promptlog.otel.strings import parsed

Tree = dict[str, Any]


def grow(tree: Tree, path: tuple[str, ...], value: Any) -> None:
    """Put a value at its place in a tree."""
    for part in path[:-1]:
        deeper = tree.get(part)
        if type(deeper) is not dict:
            deeper = tree[part] = {}
        tree = deeper
    tree[path[-1]] = value


def items(tree: Any) -> list[Any]:
    """Return the numbered items of a tree in the order of their numbers."""
    if not isinstance(tree, dict):
        return []
    if len(tree) == 1:
        return [item for key, item in tree.items() if key.isdecimal()]
    return [tree[key] for key in sorted((key for key in tree if key.isdecimal()), key=_number)]


def _number(key: str) -> tuple[int, str]:
    return len(key.lstrip("0")), key.lstrip("0")


def as_messages(trees: dict[str, Tree], side: str) -> list[Any] | None:
    """Return messages in OpenAI's shape; None where there are none.

    Args:
        trees: by their names, as the table's fields have them.
        side: "input" or "output".
    """
    for shape, reader in _SHAPES:
        tree = trees.get(f"@{side}.{shape}")
        if tree and (found := [reader(item, side) for item in items(tree) if isinstance(item, dict)]):
            return found
    return None


def as_tools(trees: dict[str, Tree]) -> list[Any] | None:
    """Return tools as they were given; None where there are none."""
    if schemas := trees.get("@tools.schemas"):
        tools = [item.get("tool", item) for item in items(schemas) if isinstance(item, dict)]
        return [tool.get("json_schema", tool) if isinstance(tool, dict) else tool for tool in tools]
    if flat := trees.get("@tools.flat"):
        return items(flat)
    return None


def _openinference(item: Tree, side: str) -> Any:
    message = item.get("message")
    if not isinstance(message, dict):
        message = item
    found: dict[str, Any] = {
        "role": message.get("role") or ("user" if side == "input" else "assistant"),
        "content": message.get("content"),
    }
    for name in ("name", "tool_call_id"):
        if name in message:
            found[name] = message[name]
    contents = items(message.get("contents"))
    if contents:
        blocks = [
            _content(block["message_content"])
            for block in contents
            if "message_content" in block and "tool_call" not in block
        ]
        text = found["content"]
        found["content"] = [*([{"type": "text", "text": text}] if text else []), *blocks]
    # Anthropic's are among the blocks too.
    calls = [
        call["tool_call"] for call in items(message.get("tool_calls")) or contents if "tool_call" in call
    ]
    if not calls and "function_call_name" in message:
        arguments = message.get("function_call_arguments_json", "{}")
        calls = [{"name": message["function_call_name"], "arguments": arguments}]
    if calls:
        found["tool_calls"] = calls
    return found


def _content(block: Tree) -> Any:
    kind, text = block.get("type"), block.get("text")
    image = block.get("image")
    if isinstance(image, dict):
        url = (
            (image.get("image") or {}).get("url")
            if isinstance(image.get("image"), dict)
            else image.get("url")
        )
        return {"type": "image_url", "image_url": {"url": url}}
    if kind == "reasoning":
        signed = {"signature": block["signature"]} if "signature" in block else {}
        return {"type": "thinking", "thinking": text or "", **signed}
    return block if text is None else {"type": "text", "text": text}


def _text(item: Tree, side: str) -> Any:
    inner = item.get("prompt" if side == "input" else "completion")
    text = inner.get("text") if isinstance(inner, dict) else None
    return {"role": "user" if side == "input" else "assistant", "content": text}


def _embedded(item: Tree, side: str) -> Any:  # noqa: ARG001 - one shape of reader
    inner = item.get("embedding")
    return {"role": "user", "content": inner.get("text") if isinstance(inner, dict) else None}


def _flat(item: Tree, side: str) -> Any:
    found = {key: value for key, value in item.items() if key != "finish_reason"}
    found.setdefault("role", "user" if side == "input" else "assistant")
    content = found.get("content")
    if isinstance(content, str) and content[:2] == "[{":  # blocks, as JSON
        found["content"] = parsed(content)
    if isinstance(found.get("tool_calls"), dict):
        found["tool_calls"] = items(found["tool_calls"])
    return found


_SHAPES = (("messages", _openinference), ("flat", _flat), ("texts", _text), ("embedded", _embedded))
