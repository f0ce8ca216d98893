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

#: Where the blocks of text are: in the content of a completion, or of a chat's messages.
_PATHS = ("$.content[*].text", "$.messages[*].content[*].text")
_SHORT = {"\b": r"\b", "\t": r"\t", "\f": r"\f", "\r": r"\r", '"': r"\"", "\\": r"\\"}


def text_column(column: str) -> str:
    """SQL for the text blocks of a blueprint, joined as `models.content.text_of` joins them."""
    lists = ", ".join(f"json_extract_string({column}, '{path}')" for path in _PATHS)
    return f"CASE WHEN {column} IS NOT NULL THEN coalesce({_joined(f'list_concat({lists})')}, '') END"


def _joined(blocks: str) -> str:
    # array_to_string would say the same, and compute the list twice.
    return f"list_aggregate({blocks}, 'string_agg', chr(10) || chr(10))"


def has_part(sql: str, part: str, *, case: bool, bind: Callable[[object], str]) -> str:
    """SQL for whether a text has a part; `case`: letter for letter."""
    if case:
        return f"contains({sql}, {bind(part)})"
    return f"regexp_matches({sql}, {bind(_pattern(part))}, 'i')"


def blueprint_has_part(column: str, part: str, *, case: bool, bind: Callable[[object], str]) -> str:
    """SQL for whether the text of a blueprint has a part, never null."""
    # A line break may lie between two blocks, where the JSON has none: the longest line is what is scanned for.
    line = max(part.split("\n"), key=len)
    escaped = "".join(_SHORT.get(c) or (c if c >= " " else f"\\u{ord(c):04X}") for c in line)
    likely = has_part(f"{column}::VARCHAR", escaped, case=case, bind=bind)
    # CASE is what looks at the rows left, where AND looks at all. A part of one line lies within one of the lists:
    # most often in that of the messages, and then the other need not be read.
    texts = [text_column(column)]
    if part and line == part:
        texts = [_joined(f"json_extract_string({column}, '{path}')") for path in reversed(_PATHS)]
    *first, last = (f"coalesce({has_part(text, part, case=case, bind=bind)}, false)" for text in texts)
    found = "".join(f"WHEN {sql} THEN true " for sql in first)
    return f"CASE WHEN NOT coalesce({likely}, false) THEN false {found}ELSE {last} END"


def _pattern(part: str) -> str:
    """Return a regular expression for a text as it is; in those of RE2 case is Unicode's, letter by letter."""
    return "".join(c if c.isalnum() or c > "\x7f" else f"\\x{{{ord(c):x}}}" for c in part)
