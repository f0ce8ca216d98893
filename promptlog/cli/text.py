"""Stored text made harmless for a terminal, and numbers and times as people read them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any

from promptlog.models.words import (
    SECOND,
    duration,
    latency,
    one_line,
    percent,
    short_time,
    tokens,
    usd,
    visible,
)

__all__ = [
    "cell",
    "duration",
    "iso",
    "json_line",
    "latency",
    "one_line",
    "percent",
    "short_time",
    "tokens",
    "usd",
    "visible",
]

_HARMFUL_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def json_line(value: object) -> str:
    """Return a value as one line of JSON: times as ISO 8601, numbers as numbers, NaN as null."""
    plain = _plain(value)
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(plain, ensure_ascii=not unicode, separators=(", ", ": "))
    # JSON leaves these as they are, and a terminal would obey them; they stand inside strings alone.
    return _HARMFUL_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else None
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case datetime():
            return iso(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case Mapping():
            return {key if isinstance(key, str) else str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return str(value)


def iso(moment: datetime) -> str:
    """Return a moment as ISO 8601, `Z` for UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def _short_float(value: float) -> str:
    """Return four decimals from 1 on, six digits that count below; what is huge in powers of ten."""
    if 1 <= abs(value) < 1e15:  # noqa: PLR2004 - a double's whole digits end there
        return f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{value:.6g}"


def cell(value: object) -> str:
    """Return a value of a table as one harmless line."""
    match value:
        case None:
            return ""
        case str():
            return one_line(value)
        case bool():
            return str(value).lower()
        case float():
            return _short_float(value)
        case datetime():
            return value.strftime(SECOND)
        case dict() | list() | tuple():
            return one_line(json_line(value))
        case _:
            return one_line(str(value))
