"""The one rule for values that are not strings, and JSON that arrives inside a string."""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json, to_json

#: Where a span says what of it found no place: texts "attribute: reason". The attribute itself stays as it came.
DROPPED = "promptlog.dropped_attributes"


def as_text(value: Any) -> str:
    """Return a value as text: a string as it is, all else as JSON writes it (true, 1.5, ["a","b"])."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else to_json(value).decode()


def unwrapped(value: Any) -> str:
    """Return the text inside a JSON string; whatever else it is, as text (Langfuse's SDK sends "acme" as '"acme"')."""
    if isinstance(value, str) and len(value) > 1 and value[0] == '"' == value[-1]:
        value = parsed(value)
    return as_text(value)


def parsed(value: Any) -> Any:
    """Return what JSON text holds; what is no such text, as it is.

    NaN and infinities become text, and half of a pair of surrogates a question mark: JSON and UTF-8 have neither.
    """
    if not isinstance(value, str):
        return value
    try:
        return from_json(value, allow_inf_nan=False)
    except ValueError:
        pass
    if value[:1] not in '{["N-I':  # most is plain text
        return value
    try:
        return whole(json.loads(value, parse_constant=str))
    except (ValueError, RecursionError):
        return value


def whole(value: Any) -> Any:
    """Return what JSON held with all its texts valid Unicode: half of a pair of surrogates becomes a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value
