"""How people name spans of time, and whose calendar they are of: one grammar for all that asks by time."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from promptlog.errors import InvalidInputError

if TYPE_CHECKING:
    from promptlog.expressions.aggregates import Unit

_WIDTH = re.compile(r"(\d{1,6})(mo|[smhdwqy])", re.ASCII)
_UNITS: dict[str, tuple[int, Unit]] = {
    "s": (1, "s"), "m": (60, "s"), "h": (3600, "s"), "d": (1, "d"), "w": (7, "d"), "mo": (1, "mo"), "q": (3, "mo"),
    "y": (12, "mo"),
}  # fmt: skip
_HOUR, _DAY = 3600, 86_400
_MOST_MONTHS = 1200
#: Python finds these among the system's files; they are no zone's name, and DuckDB does not know them.
_NO_NAMES = ("posix/", "right/", "localtime", "posixrules", "Factory")


def width_of(given: object) -> tuple[int, Unit]:
    """Return a width as a number of seconds, days or months.

    Args:
        given: a count and one of s, m, h, d, w, mo, q, y, such as "15m", or a timedelta.

    Raises:
        InvalidInputError: it cannot be read, or of less than a day it divides neither an hour nor, in hours, a day.
    """
    if isinstance(given, timedelta):
        seconds = int(given.total_seconds())
        number, unit = (seconds // _DAY, "d") if seconds % _DAY == 0 else (seconds, "s")
        whole = given == timedelta(seconds=seconds)
    else:
        found = _WIDTH.fullmatch(given) if isinstance(given, str) else None
        whole = found is not None
        times, unit = _UNITS[found[2]] if found else (0, "s")
        number = int(found[1]) * times if found else 0
    divides = unit != "s" or (
        number and (_HOUR % number == 0 or (number % _HOUR == 0 and _DAY % number == 0))
    )
    if not whole or number <= 0 or not divides or (unit == "mo" and number > _MOST_MONTHS):
        raise InvalidInputError(
            f"{given!r} is no span of time; '15m', '1h', '1d', '1w', '1mo', '1q' and '1y' are: seconds and minutes must divide "
            f"an hour, hours divide a day, and 100 years are the most"
        )
    return number, unit  # type: ignore[return-value]


def spelt(number: int, unit: Unit) -> str:
    """Return a width as `width_of` reads it, in the largest unit that divides it."""
    fitting = [name for name, (times, kind) in _UNITS.items() if kind == unit and number % times == 0]
    name = max(fitting, key=lambda one: _UNITS[one][0])
    return f"{number // _UNITS[name][0]}{name}"


def zone_named(name: object) -> str:
    """Return the name of a time zone that there is, such as "Europe/Berlin".

    Raises:
        InvalidInputError: there is none of that name.
    """
    try:
        zone = None if str(name).startswith(_NO_NAMES) else ZoneInfo(name)  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError, OSError):  # not found, a path, no text, a folder
        zone = None
    if zone is None:
        import difflib
        from zoneinfo import available_timezones

        known = {zone for zone in available_timezones() if not zone.startswith(_NO_NAMES)}
        near = difflib.get_close_matches(str(name), known, n=3)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "it is like 'Europe/Berlin'"
        if not known:
            hint = "this system has no time zones: pip install tzdata"
        raise InvalidInputError(f"no time zone is called {name!r}; {hint}")
    return zone.key
