"""What was said, as a page shows it: who, and blocks of prose, folded JSON, calls of tools and images by reference."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_core import from_json, to_json

from promptlog.models.conversation import tools_in

_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_MOST_PICTURE_CHARS = 2_000_000
_REFERENCE_CHARS = 300
_FEW, _LINE_CHARS = 16, 90  # what stands in one line of JSON
MOST_CHARS = 8000  # of one text; the rest unfolds
MOST_UNFOLDED = 200_000  # of one text; the whole is a click away
_MOST_VALUES, _DEEPEST = 10_000, 40  # of JSON that a page shows as a tree; more is text
_LEAST_CHARS, _MOST_SHORT_VALUES, _MOST_BLOCKS = (
    400,
    300,
    50,
)  # of a text, JSON and a message that are shortened


@dataclass(frozen=True, slots=True)
class Block:
    """A part of what was said.

    Attributes:
        kind: "prose", "json", "thinking", "call" or "reference".
        text: prose; the name of what is called; what an image or file is.
        value: the JSON; `raw`, where it is too large to be shown as a tree, as text.
        reference: where an image is, as text.
        picture: the image itself, where it stands in the request.
        left: how many characters of the text were cut off.
    """

    kind: str
    text: str = ""
    value: Any = None
    raw: str = ""
    reference: str = ""
    picture: str = ""
    left: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model was offered: `given` is what it takes, as JSON."""

    name: str
    about: str
    given: Block


@dataclass(frozen=True, slots=True)
class Said:
    """A message."""

    role: str
    name: str
    blocks: list[Block] = field(default_factory=list)


def conversation(content: dict[str, Any] | None) -> list[Said]:
    """Return the messages of a blueprint; what has none is one of role "text"."""
    if content is None:
        return []
    messages = content.get("messages")
    found = []
    for message in messages if isinstance(messages, list) else [content]:
        if isinstance(message, dict):
            role = str(message.get("role") or "text")
            name = str(message.get("name") or message.get("tool_call_id") or "")
            found.append(Said(role, name, _blocks(message)))
    left = _MOST_VALUES
    for said in found:
        for at, block in enumerate(said.blocks):
            if block.kind in ("json", "call"):
                said.blocks[at] = shown = _bounded(block, left)
                left -= 0 if shown.raw else _size(block.value, left)
    return found


def shortened(said: list[Said], most_chars: int) -> list[Said]:
    """Return messages of which the texts, JSON and images together have about so many characters.

    What is cut off is counted in the blocks; each keeps a beginning. An image that does not fit is named alone.
    """
    found = []
    for one in said:
        blocks = []
        for block in one.blocks[:_MOST_BLOCKS]:
            cut = _shortened(block, max(most_chars, _LEAST_CHARS))
            most_chars -= (
                len(cut.text) + len(cut.raw) + len(cut.picture) + (_chars(cut.value) if not cut.raw else 0)
            )
            blocks.append(cut)
        if (more := len(one.blocks) - _MOST_BLOCKS) > 0:
            blocks.append(Block("reference", "more", reference=f"{more:,} parts of this message"))
        found.append(replace(one, blocks=blocks))
    return found


def _shortened(block: Block, most: int) -> Block:
    if block.kind in ("json", "call"):
        raw = block.raw
        if not raw and (
            _chars(block.value) > most or _size(block.value, _MOST_SHORT_VALUES) > _MOST_SHORT_VALUES
        ):
            raw = _as_text(block.value)
        text = block.text[:_REFERENCE_CHARS]
        return replace(
            block, text=text, raw=raw[:most], value=None if raw else block.value, left=max(len(raw) - most, 0)
        )
    picture = block.picture if len(block.picture) <= most else ""
    return replace(block, text=block.text[:most], picture=picture, left=max(len(block.text) - most, 0))


def _chars(value: Any) -> int:
    """Return how many characters JSON has, about."""
    return len(json.dumps(value, ensure_ascii=False))


def tools(content: dict[str, Any] | None) -> list[Tool]:
    """Return the tools that a model was offered; all their JSON together is as large as a page shows."""
    found, left = [], _MOST_VALUES
    for name, about, told in tools_in(content):
        given = _bounded(Block("json", value=told), left)
        left -= 0 if given.raw else _size(told, left)
        found.append(Tool(name, about, given))
    return found


def tree(value: Any) -> Block:
    """Return JSON as a block."""
    return _bounded(Block("json", value=value), _MOST_VALUES)


def _bounded(block: Block, most: int) -> Block:
    """Return a block with its JSON as text, where that holds more values than this or is very deep."""
    if _size(block.value, most) <= most:
        return block
    return replace(block, raw=_as_text(block.value))


def _as_text(value: Any) -> str:
    """Return JSON as text of many lines."""
    try:
        return to_json(value, indent=1, inf_nan_mode="constants").decode()
    except (ValueError, RecursionError):  # very deep, or with half a character
        return json.dumps(value, ensure_ascii=False)


def _size(value: Any, most: int) -> int:
    """Return how many values JSON holds; more than `most` where it is more, or very deep."""
    count, waiting = 0, [(value, 0)]
    while waiting:
        one, depth = waiting.pop()
        count += 1
        if isinstance(one, dict | list):
            if count + len(waiting) + len(one) > most or depth >= _DEEPEST:
                return most + 1
            waiting += ((inner, depth + 1) for inner in (one.values() if isinstance(one, dict) else one))
    return count


def preview(text: str) -> str:
    """Return what tells an input from others in a list: what the user said last; else what was said last.

    Args:
        text: a blueprint as JSON.
    """
    given = json.loads(text)
    if not isinstance(given, dict):
        return text
    messages = given.get("messages")
    said = [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else [given]
    last = next((one for one in reversed(said) if one.get("role") == "user" and one.get("content")), None)
    blocks = _blocks(last or said[-1]) if said else []
    return " ".join(block.text if block.kind == "prose" else _named(block) for block in blocks)


def _named(block: Block) -> str:
    """Return a block that is no text in a few words."""
    if block.kind == "json" and not block.text:
        return json.dumps(block.value, ensure_ascii=False)
    return f"[{block.text or block.kind}]"


def compact(value: Any) -> str | None:
    """Return a list or object of a few plain values as one line of JSON; None: it is larger, or no such thing."""
    if not isinstance(value, dict | list) or len(value) > _FEW:
        return None
    inner = value.values() if isinstance(value, dict) else value
    if any(isinstance(one, dict | list) and one for one in inner):
        return None
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LINE_CHARS else None


def _blocks(message: dict[str, Any]) -> list[Block]:
    content, calls = message.get("content"), message.get("tool_calls")
    given = content if isinstance(content, list) else [] if content is None else [content]
    blocks = [_block(one) for one in given]
    blocks += [_call(one) for one in (calls if isinstance(calls, list) else [])]
    if isinstance(message.get("function_call"), dict):
        blocks.append(_call({"function": message["function_call"]}))
    return [block for block in blocks if block.kind != "prose" or block.text.strip()]


def _block(given: Any) -> Block:
    if isinstance(given, str):
        return _text(given)
    if not isinstance(given, dict):
        return Block("json", value=given)
    kind = given.get("type", "text")
    if kind == "text" and isinstance(given.get("text"), str):
        return _text(given["text"])
    if isinstance(given.get("thinking"), str):
        return Block("thinking", given["thinking"])
    if kind in ("tool_use", "function_call", "server_tool_use") and isinstance(given.get("name"), str):
        return Block("call", given["name"], value=_read(given.get("input", given.get("arguments"))))
    image = given.get("image_url")
    address = image.get("url") if isinstance(image, dict) else image
    source = given.get("source")
    if address is None and isinstance(source, dict):
        address = source.get("url")
        if address is None and isinstance(source.get("data"), str):
            address = f"data:{source.get('media_type', '')};base64,{source['data']}"
    if isinstance(address, str):
        return _reference(str(kind).removesuffix("_url"), address)
    return Block("json", str(kind), value=given)


def _text(text: str) -> Block:
    value = read_json(text)
    return Block("prose", text) if value is text else Block("json", value=value)


def read_json(text: Any) -> Any:
    """Return what a text of a JSON object or list holds; whatever else it is, as it is.

    JSON can write half a character, as an escape, where a text was cut; no page can: such a text stays one.
    """
    if not isinstance(text, str) or text[:1] not in ("{", "[") or text[-1:] not in ("}", "]"):
        return text
    try:
        return from_json(text)
    except ValueError:  # no JSON, or very deep
        return text


def _reference(kind: str, address: str) -> Block:
    shown = address if len(address) <= _REFERENCE_CHARS else f"{address[:80]}… ({len(address):,} characters)"
    is_picture = len(address) <= _MOST_PICTURE_CHARS and _PICTURE.fullmatch(address)
    return Block("reference", kind, reference=shown, picture=address if is_picture else "")


def _call(given: Any) -> Block:
    function = given.get("function") if isinstance(given, dict) else None
    if not isinstance(function, dict):
        return Block("json", "tool call", value=given)
    return Block("call", str(function.get("name")), value=_read(function.get("arguments")))


def _read(arguments: Any) -> Any:
    if isinstance(arguments, str):
        try:
            return from_json(arguments)
        except ValueError:
            return arguments
    return arguments
