"""The order of requests: what is sorted by, where one request stands in it, and what comes after that."""

from __future__ import annotations

from typing import Any

from promptlog.database.schema import BY_VALUE
from promptlog.expressions.nodes import And, ColumnOperand, Condition, MetaOperand, ScoreOperand
from promptlog.models.columns import COLUMNS
from promptlog.query.conditions import ALIASES, CASTS, Binder, column_sql

SortOperand = ColumnOperand | MetaOperand | ScoreOperand
Order = tuple[tuple[SortOperand, bool], ...]  # what is sorted by, and whether the greatest stand first

NEWEST_FIRST: Order = ((ColumnOperand("start_time"), True),)
OLDEST_FIRST: Order = ((ColumnOperand("start_time"), False),)
_NEVER_NULL = frozenset(("request_id", "start_time", "end_time", "latency_ms", "status", "logged_at"))
_TO_SPARE = 64  # values more than are asked for: some wait for their request


def ordered(order: Order) -> str:
    """SQL of the columns that requests are sorted by; what stands beside them is joined by `joined_for_order`."""
    ways = [
        f"{_sql(at, operand)} {'DESC' if down else 'ASC'} NULLS LAST"
        for at, (operand, down) in enumerate(order)
    ]
    return ", ".join([*ways, f"r.request_id {'DESC' if _ties_down(order) else 'ASC'}"])


def tables_of(order: Order) -> set[str]:
    """Return the tables of the columns that are sorted by."""
    return {COLUMNS[operand.name].table for operand, _ in order if isinstance(operand, ColumnOperand)}


def needs_joins(order: Order) -> bool:
    """Whether metadata or scores are sorted by."""
    return not all(isinstance(operand, ColumnOperand) for operand, _ in order)


def joined_for_order(order: Order, binder: Binder, of: str = "") -> str:
    """SQL that joins the metadata and scores which requests are sorted by; `of`: a condition on their ids."""
    return "".join(
        f" LEFT JOIN (SELECT request_id, {_beside(operand, binder)}{of}) o{at} ON o{at}.request_id = r.request_id"
        for at, (operand, _) in enumerate(order)
        if not isinstance(operand, ColumnOperand)
    )


def place_of(order: Order, request_id: str, binder: Binder) -> str:
    """SQL for the values by which a request stands in the order, its id the last; no row where there is none."""
    shown = ", ".join([*(_alone(operand, binder, request_id) for operand, _ in order), "r.request_id"])
    return f"SELECT {shown} FROM requests r WHERE r.request_id = {binder.bind(request_id)}::UUID"


def behind(order: Order, past: tuple[Any, ...], binder: Binder) -> str:
    """SQL that is true of the requests that come after these values of the order and the id."""
    ways: Order = (*order, (ColumnOperand("request_id"), _ties_down(order)))
    # The first column alone as well: zone maps read this, and nothing beside an OR.
    found = f"{_from(*ways[0], past[0], binder)} AND " if _is_of_requests(ways[0][0]) else ""
    choices = []
    for at, ((operand, down), value) in enumerate(zip(ways, past, strict=True)):
        if value is not None:  # nulls stand last: nothing but what follows comes after one
            same = "".join(
                f"{_alone(other, binder)} IS NOT DISTINCT FROM {binder.bind(equal)} AND "
                for (other, _), equal in zip(ways[:at], past[:at], strict=True)
            )
            choices.append(f"({same}{_beyond(operand, value, binder, '<' if down else '>')})")
    return f"{found}({' OR '.join(choices)})"


def first_by_value(
    order: Order, past: tuple[Any, ...] | None, conditions: tuple[Condition, ...], limit: int, binder: Binder
) -> str | None:
    """SQL for the ids of the first of those requests, in the order of one metadata key, that have it.

    Where they are as many as the limit is, no other comes before them: of a million requests they are found in a tenth
    of the time that it takes to sort those without the key too. None: it is another order.
    """
    (operand, down), *more = order or NEWEST_FIRST
    if more or not isinstance(operand, MetaOperand) or (past is not None and past[0] is None):
        return None
    way, sign = ("DESC", "<") if down else ("ASC", ">")
    after = ""
    values = f"SELECT request_id, {_beside(operand, binder)}"
    if past is not None:
        value, request_id = past
        after = (
            f" AND (ranked {sign} {binder.bind(value)} OR (ranked = {binder.bind(value)} "
            f"AND request_id {sign} {binder.bind(request_id)}::UUID))"
        )
    if not conditions:
        # The first values are those of the first requests, but for metadata that waits for its request.
        after += f" ORDER BY ranked {way}, request_id {way} LIMIT {limit + _TO_SPARE}"
    return (
        f"SELECT r.request_id FROM requests r JOIN (FROM ({values}) WHERE ranked IS NOT NULL{after}) o USING (request_id) "
        f"WHERE {binder.condition(And(conditions))} ORDER BY ranked {way}, r.request_id {way} LIMIT {limit}"
    )


def _ties_down(order: Order) -> bool:
    """Whether the greatest id stands first of the requests that tie."""
    return bool(order) and order[-1][1]


def _is_of_requests(operand: SortOperand) -> bool:
    return isinstance(operand, ColumnOperand) and COLUMNS[operand.name].table == "requests"


def _sql(at: int, operand: SortOperand) -> str:
    """SQL for what is sorted by, joined."""
    return column_sql(operand.name) if isinstance(operand, ColumnOperand) else f"o{at}.ranked"


def _beside(operand: SortOperand, binder: Binder) -> str:
    """SQL for the one value of each request, from the table that it stands in."""
    match operand:
        case MetaOperand(key, cast):
            return f"{CASTS[cast]} AS ranked FROM {BY_VALUE} WHERE key = {binder.bind(key)}"
        case ScoreOperand(name):
            return f"score AS ranked FROM scores WHERE name = {binder.bind(name)}"
        case ColumnOperand(name):
            alias = ALIASES[COLUMNS[name].table]
            return f"{column_sql(name)} AS ranked FROM {COLUMNS[name].table} {alias} WHERE true"


def _alone(operand: SortOperand, binder: Binder, request_id: str | None = None) -> str:
    """SQL for what is sorted by, of the request `r`, whether or not the table that it stands in is joined.

    Where its id is told, metadata is read from where that of one request lies together.
    """
    if isinstance(operand, ColumnOperand) and _is_of_requests(operand):
        return column_sql(operand.name)
    if isinstance(operand, MetaOperand) and request_id is not None:
        beside = f"{CASTS[operand.cast]} FROM metadata WHERE key = {binder.bind(operand.key)}"
        return f"(SELECT {beside} AND request_id = {binder.bind(request_id)}::UUID)"
    return f"(SELECT {_beside(operand, binder)} AND request_id = r.request_id)"


def _from(operand: SortOperand, down: bool, value: Any, binder: Binder) -> str:
    if value is None:
        return f"{_alone(operand, binder)} IS NULL"
    return _beyond(operand, value, binder, "<=" if down else ">=")


def _beyond(operand: SortOperand, value: Any, binder: Binder, sign: str) -> str:
    """SQL that is true where what is sorted by is beyond a value, or missing."""
    found = f"{_alone(operand, binder)} {sign} {binder.bind(value)}"
    if not _is_of_requests(operand):
        return f"coalesce({found}, true)"
    never_null = isinstance(operand, ColumnOperand) and operand.name in _NEVER_NULL
    return f"({found})" if never_null else f"({found} OR {_alone(operand, binder)} IS NULL)"
