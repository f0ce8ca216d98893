"""Numbers that stand in addresses and bodies as text."""

from __future__ import annotations

#: The greatest number that a prompt, a version or a moment can have here: of 63 bits.
MOST = (1 << 63) - 1


def small_int(text: str, most: int = MOST) -> int | None:
    """Return the whole number from 0 to `most` that a text writes in plain digits; None where it writes none.

    Python reads digits of all scripts, takes superscripts for digits but does not read them, and refuses texts of more
    than 4,300 digits with an error of another kind.
    """
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    number = int(digits or "0") if len(digits) <= len(str(most)) else most + 1
    return number if number <= most else None
