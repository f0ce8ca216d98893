"""Bars and sparklines, out of the block characters that terminals have; `#` and digits where they have none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_PLAIN_HEIGHTS = "12345678"


def bar(value: float | None, most: float, width: int) -> str:
    """Return a bar whose length is to `width` characters as `value` is to `most`, to an eighth of a character.

    What is more than nothing is never shown as nothing; null and what is below zero have no bar.
    """
    if value is None or not value > 0 or not most > 0:
        return ""
    if not _has_blocks():
        return "#" * max(round(value / most * width), 1)
    whole, eighths = divmod(max(round(min(value / most, 1.0) * width * 8), 1), 8)
    return "█" * whole + (_EIGHTHS[eighths] if eighths else "")


def sparkline(values: Sequence[float | None]) -> str:
    """Return one character a value, as high as the value is to the highest; a space where it is null or 0."""
    most = max((value for value in values if value is not None), default=0)
    heights = _HEIGHTS if _has_blocks() else _PLAIN_HEIGHTS
    return "".join(
        heights[min(int(value / most * len(heights)), len(heights) - 1)] if value and value > 0 else " "
        for value in values
    )


def squeezed(values: Sequence[float | None], width: int) -> list[float]:
    """Return at most `width` sums of neighbours: as many neighbours in each, but for the last."""
    each = max(-(-len(values) // width), 1)
    return [sum(value or 0 for value in values[at : at + each]) for at in range(0, len(values), each)]


def _has_blocks() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
