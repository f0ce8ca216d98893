"""How the value of an attribute is read for the field it fills; a value that does not fit says why."""

from __future__ import annotations

from math import isfinite
from typing import Any

from promptlog.otel.strings import as_text, parsed, unwrapped
from promptlog.settings import MAX_KEY_CHARS, MAX_TAG_CHARS

_MOST = 1 << 63


def text(value: Any) -> str:
    """Return text that is not empty."""
    found = as_text(value)
    if not found:
        raise ValueError("it is empty")
    return found


def metadata(value: Any) -> str:
    """Return the value of a metadata key, any text."""
    return as_text(value)


def wrapped(value: Any) -> str:
    """Return the value of a metadata key that was sent as JSON."""
    return unwrapped(value)


def count(value: Any) -> int:
    """Return a whole number from 0 that fits 63 bits, also of text ("12") or a float (12.0)."""
    if type(value) is not int:
        number = parsed(value)
        if isinstance(number, bool) or not isinstance(number, int | float) or number != number // 1:
            raise ValueError(f"{as_text(value)[:40]!r} is no count")
        value = int(number)
    if not 0 <= value < _MOST:
        raise ValueError(f"{value} is no count")
    return int(value)


def version(value: Any) -> int:
    """Return a prompt's version, a whole number from 1."""
    found = count(value)
    if not found:
        raise ValueError("a version is at least 1")
    return found


def dollars(value: Any) -> float:
    """Return an amount of US dollars from 0."""
    number = parsed(value)
    if isinstance(number, bool) or not isinstance(number, int | float) or not isfinite(number) or number < 0:
        raise ValueError(f"{as_text(value)[:40]!r} is no amount of US dollars")
    return float(number)


def dashed(value: Any) -> str:
    """Return the name of an interface as PromptLayer writes it."""
    return text(value).replace("_", "-")


def too_long(value: Any) -> str:
    """Refuse the value of a key that is too long."""
    raise ValueError(
        f"the key is longer than {MAX_KEY_CHARS:,} characters; its value is {as_text(value)[:40]!r}"
    )


def anything(value: Any) -> Any:
    """Return the value itself."""
    return value


def structure(value: Any) -> Any:
    """Return what JSON text holds, or the value itself."""
    return parsed(value)


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object."""
    found = parsed(value)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - the reason is read, not the type
    return found


def streaming(value: Any) -> bool | None:
    """Return True for a stream; None, for nothing to say, where it is none."""
    return True if value is True or value == "true" else None


def first(value: Any) -> str:
    """Return the first of a list of reasons, or the one."""
    found = parsed(value) if isinstance(value, str) and value[:1] == "[" else value
    if isinstance(found, list | tuple):
        found = next((item for item in found if item), "")
    return text(found)


def tags(value: Any) -> list[str]:
    """Return tags: a list of them, JSON of one, or one tag alone."""
    found = parsed(value) if isinstance(value, str) and value[:1] == "[" else value
    given = [as_text(tag) for tag in (found if isinstance(found, list | tuple) else [found])]
    if odd := next((tag for tag in given if len(tag) > MAX_TAG_CHARS), None):
        raise ValueError(f"a tag has {len(odd):,} characters; the limit is {MAX_TAG_CHARS:,}")
    return list(dict.fromkeys(tag for tag in given if tag))
