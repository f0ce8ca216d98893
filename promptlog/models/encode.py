"""One record as one line of JSON, or one error that names what cannot be written."""

from __future__ import annotations

import json
import math
from typing import Any

from pydantic_core import PydanticSerializationError, to_json

from promptlog.errors import InvalidInputError, RecordTooLargeError
from promptlog.settings import MAX_LINE_BYTES


def encode(record: dict[str, Any], *, plain: bool = False) -> bytes:
    """Return the record as JSON without a newline; what pydantic can serialise (dates, models, UUIDs) it may hold.

    Args:
        record: what is written.
        plain: the caller knows that it holds no number but those that were checked, so none is looked for.

    Raises:
        InvalidInputError: a value is NaN or infinite, is no JSON, refers to itself, or is text that is not UTF-8.
        RecordTooLargeError: the line would exceed 16 MiB.
    """
    try:
        line = to_json(record, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise _explain(record, error) from None
    if not plain and (b"NaN" in line or b"Infinity" in line) and (path := _path_of_nan(json.loads(line))):
        # Asked for only where the letters stand in the line: mostly they are somebody's text.
        raise InvalidInputError(
            f"{path.lstrip('.')} is NaN or infinite, which JSON cannot hold; leave it out"
        )
    return _bounded(line)


def encode_told(record: dict[str, Any]) -> bytes:
    """Return as JSON what others told (a model, an exception), with half a character in it made whole.

    Raises:
        InvalidInputError, RecordTooLargeError: as in `encode`.
    """
    try:
        return encode(record)
    except InvalidInputError:
        return encode(whole(record))


def whole(value: Any) -> Any:
    """Return plain data in whose texts two halves of a character that came apart are one, and one alone is U+FFFD.

    A model's text that is cut into tokens can come so, and Python holds it; UTF-8 does not.
    """
    if isinstance(value, str):
        return (
            value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        )
    if isinstance(value, dict):
        return {whole(name): whole(one) for name, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value


def join(first: bytes, second: bytes) -> bytes:
    """Return one record of two parts that were encoded one by one, none of them empty and no name in both.

    Raises:
        RecordTooLargeError: the line would exceed 16 MiB.
    """
    return _bounded(b"%b,%b" % (first[:-1], second[1:]))


def _bounded(line: bytes) -> bytes:
    if len(line) > MAX_LINE_BYTES - 64:  # the time and the newline are still to come
        raise RecordTooLargeError(
            f"this call would write {len(line):,} bytes; one call may write {MAX_LINE_BYTES:,}. "
            f"Keep such content in a file and log its path as metadata"
        )
    return line


def _path_of_nan(value: object, path: str = "") -> str | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return next((found for key, item in pairs if (found := _path_of_nan(item, f"{path}.{key}"))), None)


def _explain(record: dict[str, Any], error: Exception) -> InvalidInputError:
    """Return an error that names the smallest part that fails by itself."""
    path, part, cause = "", record, error
    while isinstance(part, dict | list | tuple):
        items: Any = part.items() if isinstance(part, dict) else enumerate(part)
        for key, item in items:
            problem = _problem(key) or _problem(item)
            if problem:
                path, part, cause = f"{path}.{key}", item, problem
                break
        else:
            break
        if _problem(part) is None or len(path) > 200:  # noqa: PLR2004 - a value that holds itself has no end
            break
    reason = str(cause)
    if "surrogates" in reason:
        reason = "it is not valid Unicode text (a lone surrogate); decode the bytes with errors='replace'"
    if "Circular" in reason or "depth" in reason:  # every level fails alike: the first one says where
        path = path.split(".")[1]
    name = path.lstrip(".")[:80].encode("utf-8", "backslashreplace").decode()
    return InvalidInputError(f"{name} cannot be written as JSON: {reason}")


def _problem(value: object) -> Exception | None:
    try:
        to_json(value)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        return error
    return None
