"""Numbers and times as people read them, and stored text made harmless."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# C0 but newline and tab, DEL and C1 (a terminal obeys them), and what turns the direction of writing.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_BREAKS = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")

SECOND = "%Y-%m-%d %H:%M:%S"
_MS_A_SECOND = 1000
_MINUTE_S = 60
_SMALL_USD = 0.0001


def visible(text: str) -> str:
    r"""Return text whose control characters are written out (`\x1b`); newlines and tabs stay."""
    return _HARMFUL.sub(_written_out, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return text as one line, control characters written out."""
    return _HARMFUL.sub(_written_out, _BREAKS.sub(" ", text.strip()))


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - two hex digits


def short_time(moment: datetime) -> str:
    """Return a moment in UTC to the second."""
    return moment.astimezone(UTC).strftime(SECOND)


def latency(latency_ms: float) -> str:
    """Return a duration in ms, or in s from one second on."""
    return f"{latency_ms:.0f} ms" if latency_ms < _MS_A_SECOND else f"{latency_ms / _MS_A_SECOND:.2f} s"


def duration(seconds: float) -> str:
    """Return a span of time in its two largest units."""
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    days, rest = divmod(whole, 24 * 60 * _MINUTE_S)
    hours, rest = divmod(rest, 60 * _MINUTE_S)
    minutes, rest = divmod(rest, _MINUTE_S)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (rest, "s"))
    first = next(at for at, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)


def percent(share: float | None) -> str:
    """Return a share in percent; nothing where it is not known."""
    return "" if share is None else f"{share:.1%}"


def usd(cost_usd: float | None) -> str:
    """Return a cost, small ones with two digits that count."""
    if cost_usd is None:
        return ""
    if cost_usd == 0:
        return "$0"
    if 0 < cost_usd < _SMALL_USD:
        return f"${cost_usd:.1e}"
    return f"${cost_usd:,.4f}" if cost_usd < 1 else f"${cost_usd:,.2f}"


def tokens(input_tokens: int | None, output_tokens: int | None) -> str:
    """Return tokens in and out; nothing where neither is known."""
    if input_tokens is None and output_tokens is None:
        return ""
    return "→".join("?" if count is None else f"{count:,}" for count in (input_tokens, output_tokens))
