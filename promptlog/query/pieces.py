"""Small pieces of SQL that several questions are made of."""

from __future__ import annotations

_MOST = (1 << 63) - 1  # a sum of counts that is beyond this stays there, so that frames have whole numbers


def moment(column: str, *, zoned: bool) -> str:
    """SQL for a time as frames show it, with its zone, or as rows do."""
    return f"({column} AT TIME ZONE 'UTC')" if zoned else column


def total(column: str) -> str:
    """SQL for the sum of a column of counts under the column's name; 0 where none is known."""
    return f"least(coalesce(sum({column}), 0), {_MOST})::BIGINT AS {column}"
