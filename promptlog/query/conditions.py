"""Conditions as SQL. Every value is bound; the text is made of our own names alone.

Each condition becomes a predicate on the request `r` that is true or false, never null, so that NOT is exact.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, assert_never

from promptlog.database.metadata import value_hash
from promptlog.database.schema import BY_VALUE
from promptlog.errors import InvalidInputError
from promptlog.expressions import nodes
from promptlog.identifiers import LATEST_US
from promptlog.models.columns import COLUMNS
from promptlog.query.inside import has_value, is_there
from promptlog.query.texts import blueprint_has_part, has_part, text_column

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ALIASES = {"requests": "r", "request_prompts": "p", "request_groups": "g"}
#: What Python's stack and DuckDB's own limits on the depth of an expression leave room for.
_DEEPEST, _MOST_JOINED = 100, 500
_JSON = {"input", "output", "parameters", "input_variables"}
SQL_OPERATORS = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

#: What `as_float` and its like read; DuckDB's own casts take more ("1_0", "1.5" as an integer) and round.
CASTS = {
    "text": "value",
    "float": r"CASE WHEN regexp_full_match(value, '[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?') "
    r"AND isfinite(TRY_CAST(value AS DOUBLE)) THEN TRY_CAST(value AS DOUBLE) END",
    "int": r"CASE WHEN regexp_full_match(value, '[+-]?\d+') THEN TRY_CAST(value AS BIGINT) END",
    "datetime": r"CASE WHEN regexp_full_match(value, '\d{4}-\d\d-\d\d([T ]([01]\d|2[0-3]):\d\d(:\d\d(\.\d{1,6})?)?"
    r"(Z|[+-]([01]\d|2[0-3])(:?\d\d)?)?)?') THEN epoch_us(TRY_CAST(value AS TIMESTAMPTZ)) END",
}


def column_sql(name: str) -> str:
    """SQL for a column, read from the request `r`, its prompt `p` or its group `g`."""
    column = COLUMNS[name]
    if name in {"input_text", "output_text"}:
        return text_column(f"r.{name.removesuffix('_text')}")
    return f"{ALIASES[column.table]}.{name}" + ("::VARCHAR" if name in _JSON else "")


class Binder:
    """Collects the values that a text's question marks stand for."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._now_us = time.time_ns() // 1000
        self._depth = 0

    def bind(self, value: object) -> str:
        """Return a placeholder for a value."""
        self.values.append(value)
        return "?"

    def condition(self, node: nodes.Condition) -> str:
        """Return a condition as SQL.

        Raises:
            InvalidInputError: it is nested too deep, or joins too many.
        """
        if self._depth >= _DEEPEST:
            raise InvalidInputError(
                f"conditions are nested more than {_DEEPEST} deep; join them side by side, or give filter several"
            )
        self._depth += 1
        try:
            return self._condition(node)
        finally:
            self._depth -= 1

    def _joined(self, word: str, parts: Sequence[nodes.Condition]) -> str:
        if len(parts) > _MOST_JOINED:
            raise InvalidInputError(
                f"{len(parts):,} conditions joined by {word} are more than {_MOST_JOINED}; for many values of one key or "
                f"column use .is_in([...]), else ask several times"
            )
        return "(" + f" {word} ".join(map(self.condition, parts)) + ")"

    def _condition(self, node: nodes.Condition) -> str:
        match node:
            case nodes.And(parts):
                return self._joined("AND", parts) if parts else "true"
            case nodes.Or(parts):
                return self._joined("OR", one_for_each_operand(parts)) if parts else "false"
            case nodes.Not(part):
                return f"NOT {self.condition(part)}"
            case nodes.Comparison(left, operator, right):
                return self._where(
                    left,
                    lambda sql: f"{sql} {SQL_OPERATORS[operator]} {self._value(left, right)}",
                    equal_to=(right,) if operator == "==" else (),
                    has=right if operator == "==" and isinstance(right, str) else "",
                )
            case nodes.IsIn(left, values):
                if not values:
                    return "false"
                return self._where(
                    left,
                    lambda sql: self._is_in(sql, left, values),
                    equal_to=values,
                )
            case nodes.Contains(nodes.ColumnOperand("input_text" | "output_text" as name), part, case):
                column = f"r.{name.removesuffix('_text')}"
                return blueprint_has_part(column, part, case=case, bind=self.bind)
            case nodes.Contains(left, part, case):
                found = partial(has_part, part=part, case=case, bind=self.bind)
                return self._where(left, found, has=part if case else "")
            case nodes.StartsWith(left, part):
                return self._where(left, lambda sql: f"starts_with({sql}, {self.bind(part)})", has=part)
            case nodes.EndsWith(left, part):
                return self._where(left, lambda sql: f"ends_with({sql}, {self.bind(part)})", has=part)
            case nodes.Exists(nodes.JsonOperand(cast="text") as inside):
                return _of_request(inside.column, lambda sql: is_there(inside, sql, self.bind))
            case nodes.Exists(operand):
                return self._where(operand, lambda sql: f"{sql} IS NOT NULL")
            case nodes.HasTag(tag):
                return f"r.request_id IN (SELECT request_id FROM tags WHERE tag = {self.bind(tag)})"
            case nodes.Since(moment, span):
                return f"r.start_time >= {self._moment(moment, span)}"
            case nodes.Until(moment, span):
                return f"r.start_time < {self._moment(moment, span)}"
            case _:
                raise TypeError(f"no condition: {node!r}")

    def _moment(self, moment: int | None, span_us: int | None) -> str:
        if moment is None:  # a span may reach beyond all times that there are
            moment = min(max(self._now_us - (span_us or 0), 0), LATEST_US + 1)
        return f"make_timestamp({self.bind(moment)}::BIGINT)"

    def _is_in(self, sql: str, operand: nodes.Operand, values: tuple[nodes.Value, ...]) -> str:
        """SQL that is true where a value is one of these.

        Fractions stand apart: beside one DuckDB compares whole numbers as fractions too, and large ones look alike then.
        """
        fractions = [value for value in values if isinstance(value, float)]
        others = [value for value in values if not isinstance(value, float)]
        found = [
            f"{sql} IN ({', '.join(self._value(operand, value) for value in some)})"
            for some in (others, fractions)
            if some
        ]
        return found[0] if len(found) == 1 else f"({' OR '.join(found)})"

    def _value(self, operand: nodes.Operand, value: nodes.Value) -> str:
        kind = COLUMNS[operand.name].kind if isinstance(operand, nodes.ColumnOperand) else ""
        if kind == "time":
            return f"make_timestamp({self.bind(value)}::BIGINT)"
        return self.bind(value) + ("::UUID" if kind == "id" else "")

    def _where(
        self,
        operand: nodes.Operand,
        predicate: Callable[[str], str],
        equal_to: tuple[nodes.Value, ...] = (),
        has: str = "",
    ) -> str:
        """Return the predicate on an operand; where that stands in a table beside, on the requests it is true of.

        Args:
            operand: what is asked about.
            predicate: makes SQL of the operand's SQL.
            equal_to: the values one of which it must equal; empty where it is no such predicate.
            has: a part that its text must have.
        """
        match operand:
            case nodes.ColumnOperand(name):
                if COLUMNS[name].table == "requests":
                    return f"coalesce({predicate(column_sql(name))}, false)"
                cast = "::VARCHAR" if name in _JSON else ""
                return _of_request(name, lambda sql: predicate(sql + cast))
            case nodes.JsonOperand(name, _, cast):
                read = CASTS[cast]  # of a `value`
                return _of_request(
                    name, lambda sql: has_value(operand, sql, lambda: predicate(read), has, self.bind)
                )
            case nodes.MetaOperand(key, cast):
                # The placeholder of the key comes first in the text, so it is bound first.
                hashed = (
                    ", ".join(str(value_hash(str(value))) for value in equal_to) if cast == "text" else ""
                )
                hashes = f"value_hash IN ({hashed}) AND " if hashed else ""
                where = f"key = {self.bind(key)} AND {hashes}{predicate(CASTS[cast])}"
                return f"r.request_id IN (SELECT request_id FROM {BY_VALUE} WHERE {where})"
            case nodes.ScoreOperand(name):
                where = f"name = {self.bind(name)} AND {predicate('score')}"
                return f"r.request_id IN (SELECT request_id FROM scores WHERE {where})"
            case _:
                assert_never(operand)


def _of_request(name: str, predicate: Callable[[str], str]) -> str:
    """SQL for a predicate on a column as it is, where that may stand in a table beside; it is never null there."""
    table = COLUMNS[name].table
    if table == "requests":
        return predicate(f"r.{name}")
    return f"r.request_id IN (SELECT request_id FROM {table} WHERE {predicate(name)})"


def one_for_each_operand(parts: tuple[nodes.Condition, ...]) -> list[nodes.Condition]:
    """Return the alternatives, of which those that an operand equals this or that are one.

    Each that stands in a table beside is a subquery, and DuckDB's planner takes seconds for two hundred of them.
    """
    values: dict[nodes.Operand, dict[nodes.Value, None]] = {}
    left: list[nodes.Condition] = []
    for part in parts:
        match part:
            case nodes.Comparison(operand, "==", value):
                values.setdefault(operand, {})[value] = None
            case nodes.IsIn(operand, some):
                values.setdefault(operand, {}).update(dict.fromkeys(some))
            case _:
                left.append(part)
    return [*(nodes.IsIn(operand, tuple(found)) for operand, found in values.items()), *left]
