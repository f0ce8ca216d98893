"""The text inside `input` and `output`: SQL that reads it, and SQL that finds a part of it without reading most rows.

To read the text of a row, its JSON is parsed. To search, the JSON itself is scanned first, at the speed of a scan, for
what the part looks like inside JSON; only rows that have that are parsed. What stands in the file was written by
DuckDB's own writer, whatever was loaded (it escapes quotes, backslashes and control characters, and nothing else), so no
row is missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SHORT = {"\b": r"\b", "\t": r"\t", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}


def text_column(column: str) -> str:
    """SQL for the text blocks of a blueprint, joined as `models.content.text_of` joins them."""
    blocks = ", ".join(
        f"json_extract_string({column}, '{path}')"
        for path in ("$.content[*].text", "$.messages[*].content[*].text")
    )
    # array_to_string would say the same, and compute the list twice.
    joined = f"list_aggregate(list_concat({blocks}), 'string_agg', chr(10) || chr(10))"
    return f"CASE WHEN {column} IS NOT NULL THEN coalesce({joined}, '') END"


def has_part(sql: str, part: str, *, case: bool, bind: Callable[[object], str]) -> str:
    """SQL for whether a text has a part; `case`: letter for letter."""
    if case:
        return f"contains({sql}, {bind(part)})"
    return f"regexp_matches({sql}, {bind(_pattern(part))}, 'i')"


def blueprint_has_part(column: str, part: str, *, case: bool, bind: Callable[[object], str]) -> str:
    """SQL for whether the text of a blueprint has a part, never null."""
    # A line break may lie between two blocks, where the JSON has no line break: each line is a part of its own.
    line = max(part.split("\n"), key=len)
    escaped = "".join(_SHORT.get(c) or (c if c >= " " else f"\\u{ord(c):04X}") for c in line)
    # CASE, for AND would parse every row.
    likely = has_part(f"{column}::VARCHAR", escaped, case=case, bind=bind)
    exact = has_part(text_column(column), part, case=case, bind=bind)
    return f"CASE WHEN {likely} THEN coalesce({exact}, false) ELSE false END"


def _pattern(part: str) -> str:
    """Return a regular expression for a text as it is; in those of RE2 case is Unicode's, letter by letter."""
    return "".join(c if c.isalnum() or c > "\x7f" else f"\\x{{{ord(c):x}}}" for c in part)
