"""Cells of frames and files as metadata: text as it is, anything else by one stated rule, here for columns in SQL.

`transfer.rows` says the same of Python's values; a test holds that both give the same.
"""

from __future__ import annotations

_WHOLE = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
}
MOST_WHOLE = 10**15  # what a double holds to the last digit is written as a whole number


def is_text(kind: str) -> bool:
    """Tell whether a column of this type holds strings, or nothing at all."""
    return kind in ("VARCHAR", '"NULL"') or kind.startswith("ENUM")


def as_text(column: str, kind: str) -> str | None:
    """SQL for a cell as text, null where there is no value; None where the type has no text.

    Numbers without a trailing .0, times in ISO 8601 (with Z where they carry a zone), true and false, UUIDs, and JSON
    for lists and structs. NaN is no value.

    Args:
        column: SQL.
        kind: DuckDB's type of it.
    """
    if is_text(kind) or kind in _WHOLE or kind in ("BOOLEAN", "UUID", "TIME", "JSON"):
        return f"{column}::VARCHAR"
    if kind in ("DOUBLE", "FLOAT"):
        return (
            f"CASE WHEN isnan({column}) THEN NULL WHEN {column} = trunc({column}) AND abs({column}) < {MOST_WHOLE} "
            f"THEN TRY_CAST({column} AS BIGINT)::VARCHAR ELSE {column}::VARCHAR END"
        )
    if kind.startswith("DECIMAL"):
        return f"CASE WHEN {column} = trunc({column}) THEN TRY_CAST({column} AS HUGEINT)::VARCHAR ELSE rtrim({column}::VARCHAR, '0') END"
    if kind == "DATE":
        return f"strftime({column}, '%Y-%m-%d')"
    if kind.startswith("TIMESTAMP"):
        zone = "Z" if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS") else ""
        # Of a workbench, whose zone is UTC. Nanoseconds with a zone become microseconds only without it.
        moment = f"{column}{'::TIMESTAMP_NS' if kind == 'TIMESTAMPTZ_NS' else ''}::TIMESTAMP"
        return (
            f"CASE WHEN epoch_us({moment}) % 1000000 = 0 THEN strftime({moment}, '%Y-%m-%dT%H:%M:%S{zone}') "
            f"ELSE strftime({moment}, '%Y-%m-%dT%H:%M:%S.%f{zone}') END"
        )
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        return f"to_json({column})::VARCHAR"
    return None
