"""Finds the few requests a question is about before it is asked: by their ids DuckDB reads rows where they stand.

A condition that reads `IN (SELECT …)` makes DuckDB scan every row group of `requests`, texts and all: 380 ms for 300
requests of a million. The same ids as literals go through the index of the primary key: 13 ms. So the value of a
metadata key is looked up first, in a millisecond or two, and where it is rare the ids stand in the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.database.metadata import value_hash
from promptlog.database.schema import BY_VALUE
from promptlog.expressions.nodes import And, Comparison, Condition, IsIn, MetaOperand, Or
from promptlog.query.conditions import one_for_each_operand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import duckdb

    from promptlog.query.conditions import Binder

#: So many ids DuckDB looks up in an index (its setting index_scan_max_count); for more it scans.
FEW = 2048

#: A scan of narrow columns costs as much as looking up so many ids.
_FEW_TO_LOOK_UP = 200


def narrow(
    connection: duckdb.DuckDBPyConnection, conditions: Iterable[Condition]
) -> tuple[list[Condition], list[str] | None]:
    """Look up the rarest of the metadata values that all requests asked for must have.

    Returns:
        the conditions left to check, and the ids of the few requests that can fulfil them; None: of too many.
    """
    left = list(flat(conditions))
    best: list[str] | None = None
    found_by: Condition | None = None
    for condition in left:
        ids = _look_up(connection, condition)
        if ids is not None and (best is None or len(ids) < len(best)):
            best, found_by = ids, condition
            if not ids:
                break
    return [condition for condition in left if condition is not found_by], best


def among(ids: Sequence[str], binder: Binder, *, whole_rows: bool) -> str:
    """SQL that is true of the requests `r` with these ids, in the form that is fastest for what is read of them.

    Args:
        ids: whole UUIDs, as the database wrote them or `parse_request_id` checked them.
        binder: of the statement.
        whole_rows: whether long texts are read too.
    """
    if not ids:
        return "false"
    if len(ids) <= (FEW if whole_rows else _FEW_TO_LOOK_UP):
        literals = ", ".join(f"'{id}'::UUID" for id in ids)
        return f"r.request_id IN ({literals})"
    return f"r.request_id IN (SELECT unnest({binder.bind(list(ids))}::UUID[]))"


def flat(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Give the conditions of which all must hold, one by one."""
    for condition in conditions:
        if isinstance(condition, And):
            yield from flat(condition.parts)
        elif isinstance(condition, Or):
            alternatives = one_for_each_operand(condition.parts)
            yield alternatives[0] if len(alternatives) == 1 else condition
        else:
            yield condition


def _look_up(connection: duckdb.DuckDBPyConnection, condition: Condition) -> list[str] | None:
    """Return the ids that a condition on a metadata value is true of, if they are few."""
    match condition:
        case Comparison(MetaOperand(key, "text"), "==", value):
            values = (value,)
        case IsIn(MetaOperand(key, "text"), values) if len(values) <= FEW:
            pass
        case _:
            return None
    marks = ", ".join("?" * len(values))
    rows = connection.execute(
        f"SELECT request_id::VARCHAR FROM {BY_VALUE} "
        f"WHERE key = ? AND value_hash IN ({marks}) AND value IN ({marks}) LIMIT {FEW + 1}",
        [key, *(value_hash(str(value)) for value in values), *values],
    ).fetchall()
    return [row[0] for row in rows] if len(rows) <= FEW else None
