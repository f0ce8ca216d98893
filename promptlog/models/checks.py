"""The checks that every value passes before it is written, here and in bulk.

Each returns the value that is stored. Written by hand, not as a model: they run on every logged request, and their
messages name the key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from promptlog.errors import InvalidInputError, InvalidMetadataError, InvalidScoreError, InvalidTagError
from promptlog.identifiers import plain_number
from promptlog.settings import MAX_KEY_CHARS, MAX_TAG_CHARS

STATUSES = ("SUCCESS", "WARNING", "ERROR")
_MOST_USD = 1e308  # what a double holds
DEFAULT_SCORE = "default"  # PromptLayer's name of a score without one


def check_metadata(metadata: object) -> dict[str, str]:
    """Return metadata whose keys and values are strings, keys of 1 to 1,024 characters."""
    if not isinstance(metadata, dict):
        raise InvalidMetadataError.not_a_dict(metadata)
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise InvalidMetadataError.wrong_key(key)
        if not isinstance(value, str):
            raise InvalidMetadataError.wrong_value(key, value)
        if not 0 < len(key) <= MAX_KEY_CHARS:
            raise InvalidMetadataError(_length("metadata key", key, MAX_KEY_CHARS))
    return metadata


def check_keys(keys: object) -> list[str]:
    """Return metadata keys given as one string or an iterable of them."""
    found = _strings(keys, "keys", InvalidMetadataError)
    for key in found:
        if not 0 < len(key) <= MAX_KEY_CHARS:
            raise InvalidMetadataError(_length("metadata key", key, MAX_KEY_CHARS))
    return found


def check_tags(tags: object) -> list[str]:
    """Return tags given as one string or an iterable of them, each of 1 to 512 characters, none twice."""
    found = _strings(tags, "tags", InvalidTagError)
    for tag in found:
        if not 0 < len(tag) <= MAX_TAG_CHARS:
            raise InvalidTagError(_length("tag", tag, MAX_TAG_CHARS))
    return found if len(found) <= 1 else list(dict.fromkeys(found))


def check_score(score: object) -> float:
    """Return a score from 0 to 100."""
    score = plain_number(score)
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise InvalidScoreError(f"score must be a number from 0 to 100, got {type(score).__name__}")
    if not 0 <= score <= 100:  # noqa: PLR2004 - NaN fails this too
        raise InvalidScoreError(f"score must be between 0 and 100, got {score!r}")
    return score


def check_score_name(name: object) -> str:
    """Return the name of a score; None means PromptLayer's "default"."""
    if name is None:
        return DEFAULT_SCORE
    if not isinstance(name, str):
        raise InvalidScoreError(f"score_name must be a string, got {type(name).__name__}")
    if not 0 < len(name) <= MAX_KEY_CHARS:
        raise InvalidScoreError(_length("score_name", name, MAX_KEY_CHARS))
    return name


def check_text(value: object, what: str) -> str:
    """Return a string that is not empty."""
    if not isinstance(value, str):
        raise InvalidInputError(f"{what} must be a string, got {type(value).__name__}")
    if not value:
        raise InvalidInputError(f"{what} is empty")
    return value


def check_count(value: object, what: str, least: int = 0) -> int:
    """Return a whole number that is not below `least` and fits 63 bits."""
    value = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidInputError(f"{what} must be an int, got {type(value).__name__}")
    if not least <= value < 1 << 63:
        raise InvalidInputError(f"{what} must be at least {least} and below 2**63, got {value}")
    return value


def check_cost(value: object) -> float:
    """Return a price in US dollars."""
    value = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInputError(f"price must be a number of US dollars, got {type(value).__name__}")
    if not 0 <= value <= _MOST_USD:  # NaN fails this too
        raise InvalidInputError(
            f"price must be a finite number of US dollars from 0 to {_MOST_USD:g}, got {value!r}"
        )
    return value


def check_status(value: object) -> str:
    """Return PromptLayer's status of a request."""
    if value not in STATUSES:
        raise InvalidInputError(f"status must be one of {', '.join(STATUSES)}, got {value!r}")
    return value


def check_dict(value: object, what: str) -> dict[str, Any]:
    """Return a dictionary with string keys; its values are any JSON."""
    if not isinstance(value, dict):
        raise InvalidInputError(f"{what} must be a dict, got {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise InvalidInputError(
                f"{what} has the key {key!r} of type {type(key).__name__}; keys must be strings"
            )
    return value


def _strings(given: object, what: str, error: type[InvalidInputError]) -> list[str]:
    """Return a list of strings; one string alone is a list of one, never a list of its letters."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable) or isinstance(given, dict | bytes):
        raise error(f"{what} must be a list of strings, got {type(given).__name__}")
    found = list(given)
    for item in found:
        if not isinstance(item, str):
            raise error(f"{what} must be strings, got {item!r} of type {type(item).__name__}")
    return found


def _length(what: str, text: str, most: int) -> str:
    if not text:
        return f"a {what} is empty"
    return f"{what} {text[:40]!r}… has {len(text):,} characters; the limit is {most:,}"
