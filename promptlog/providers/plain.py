"""Small things that all formats share: plain data of whatever an SDK gives, and an SDK's objects of plain data."""

from __future__ import annotations

import json
import re
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: What a call is sent with, not what the model is asked; headers may hold secrets, and are never logged.
_TRANSPORT = frozenset({"extra_headers", "extra_query", "timeout", "stream_options"})

_PIECE = re.compile(r"\S+\s*|\s+")


def plain(value: Any) -> Any:
    """Return plain data (dicts, lists, texts) of an SDK's object; nulls of objects are left out."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(
        value, exclude_none=True, serialize_unknown=True, bytes_mode="base64", inf_nan_mode="null"
    )


def table(value: Any) -> dict[str, Any]:
    """Return plain data as a dict; an empty one where it is something else."""
    return value if isinstance(value, dict) else {}


def fields(value: Any) -> dict[str, Any]:
    """Return what a dict or an SDK's object holds, by name; what is inside stays as it is.

    To read the few that count takes a tenth of the time that plain data of a whole answer takes.
    """
    if value is None or isinstance(value, dict):
        return value or {}
    if not hasattr(value, "__pydantic_extra__"):
        return table(plain(value))
    more = value.__pydantic_extra__
    return {**value.__dict__, **more} if more else value.__dict__


def each_fields(values: Any) -> list[dict[str, Any]]:
    """Return the same of each in a list; what holds nothing is left out."""
    return [held for one in values if (held := fields(one))] if isinstance(values, list | tuple) else []


def tables(value: Any) -> list[dict[str, Any]]:
    """Return the dicts of a list; an empty list where it is something else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list | tuple) else []


def typed(module: str, name: str, data: dict[str, Any]) -> Any:
    """Return data as an SDK's object, as the SDK makes it of a response; the data where it is not installed."""
    if find_spec(module.partition(".")[0]) is None:
        return data
    return getattr(import_module(module), name).model_construct(**data)


def pieces(text: str) -> list[str]:
    """Return a text cut where a stream may cut it."""
    return _PIECE.findall(text)


def text_of(content: Any) -> str:
    """Return the text of a message's content: a text, or blocks of which some have one."""
    if isinstance(content, str):
        return content
    return "".join(block["text"] for block in tables(content) if isinstance(block.get("text"), str))


def only_text(blocks: Iterable[Any]) -> bool:
    """Return whether content is text blocks alone, and nothing rides on them (such as cache_control)."""
    return all(
        isinstance(block, dict) and block.keys() <= {"type", "text"} and "text" in block for block in blocks
    )


def json_text(value: Any) -> str:
    """Return arguments of a tool as the JSON text that blueprints hold; text stays as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def total(*counts: Any) -> int | None:
    """Return a sum of counts, of which some may be missing; None where all are."""
    known = [count for count in counts if isinstance(count, int)]
    return sum(known) if known else None


def parameters_of(arguments: Mapping[str, Any], *asked: str) -> dict[str, Any]:
    """Return what else was given beside what was asked."""
    return {
        name: plain(value)
        for name, value in arguments.items()
        if value is not None and name not in asked and name not in _TRANSPORT
    }


def message(role: str, blocks: list[Any], calls: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return a blueprint's message."""
    made: dict[str, Any] = {"role": role, "content": blocks}
    return {**made, "tool_calls": calls} if calls else made


def call(id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    """Return a blueprint's call of a tool."""
    function = {"name": name or "", "arguments": json_text(arguments if arguments is not None else "")}
    return {"id": id or "", "type": "function", "function": function}
