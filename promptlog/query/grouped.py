"""Groups of requests as SQL: the rows with their keys, the aggregates over them, the spans of time that are empty.

The text is nested in four: rows of requests (`k0`, `v0`, `f0`), their groups (`g0`, `a0`), the spans filled in, and the
columns asked for. A key of metadata is a LEFT JOIN, as fast as an inner one: requests without it are a group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptlog.database.metadata import value_hash
from promptlog.database.schema import BY_VALUE
from promptlog.database.text import literal, quoted
from promptlog.expressions import aggregates as agg
from promptlog.expressions.nodes import (
    And,
    ColumnOperand,
    Comparison,
    Condition,
    Exists,
    IsIn,
    JsonOperand,
    MetaOperand,
    Operand,
    Value,
)
from promptlog.models.columns import COLUMNS
from promptlog.query import spans
from promptlog.query.conditions import CASTS, SQL_OPERATORS, Binder, column_sql
from promptlog.query.inside import first_value
from promptlog.query.planner import flat
from promptlog.query.question import Question, beside_tables, ids_sql, where_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.expressions.grouping import NamedKey

_WHOLE = {"input_tokens", "output_tokens", "prompt_version", "group_id"}
_STATUS = ColumnOperand("status")
_FUNCTIONS = {"mean": "avg", "min": "min", "max": "max"}

NONE = "(none)"  # the label of what has no value
BETWEEN = " \u00b7 "

TOO_LARGE = "a sum is beyond 63 bits; sum such values as_float(), or filter"


@dataclass(frozen=True)
class Fold:
    """All keys but that of time as one label, in a column `name`; labels that are not to be kept become `other`."""

    name: str
    keep: tuple[str, ...] | None = None
    other: str = "other"


@dataclass(frozen=True)
class Grouping:
    """What was asked of groups so far."""

    source: Question
    keys: tuple[NamedKey, ...]
    outputs: tuple[tuple[str, agg.Aggregate], ...] = ()
    having: tuple[agg.GroupCondition, ...] = ()
    order: tuple[tuple[int | agg.Aggregate, bool], ...] = ()  # a key's place or an aggregate; descending
    limit: int | None = None
    fold: Fold | None = None

    def columns(self) -> list[str]:
        """Return the names of the columns, keys first."""
        keys = [key.name for key in self.keys]
        if self.fold is not None:
            keys = [*(key.name for key in self.keys if isinstance(key.node, agg.TimeKey)), self.fold.name]
        return [*keys, *(name for name, _ in self.outputs)]


class Compiler:
    """Writes one question about groups. Values are bound in the order of the text, so each part is written once."""

    def __init__(self, asked: Grouping, *, zoned: bool) -> None:
        self._asked = asked
        self._zoned = zoned
        self._binder = Binder()
        self._operands: dict[Operand, str] = {}
        self._filters: dict[Condition, str] = {}
        ordered = [by for by, _ in asked.order if not isinstance(by, int)]
        nodes = (*(node for _, node in asked.outputs), *agg.compared(asked.having), *ordered)
        self._columns = {node: f"a{number}" for number, node in enumerate(dict.fromkeys(nodes))}
        #: The keys as the answer shows them: None is the label of those that are folded.
        self._keys: list[agg.Key | None] = [key.node for key in asked.keys]
        if asked.fold is not None:
            self._keys = [*(key for key in self._keys if isinstance(key, agg.TimeKey)), None]
        self._time = 0
        self._span: agg.TimeKey | None = None
        for at, key in enumerate(self._keys):
            if isinstance(key, agg.TimeKey):
                self._time, self._span = at, key

    def statement(self) -> tuple[str, list[object]]:
        """Return the text and the values it binds."""
        asked = self._asked
        text = f"WITH grouped AS ({self._grouped()})"
        rows = "grouped"
        if self._span is not None and self._span.fill:
            text = text.replace("AS (", "AS MATERIALIZED (", 1)  # it is read three times
            zeros = [_zero(node) for node in self._columns]
            text += spans.filling(self._span, zeros, self._groups(), f"g{self._time}")
            rows = "filled"
        columns = [(f"g{at}", _key_kind(key)) for at, key in enumerate(self._keys)]
        columns += [(self._columns[node], _told_kind(node)) for _, node in asked.outputs]
        names = asked.columns()
        shown = [f"{self._framed(*one)} AS {quoted(name)}" for one, name in zip(columns, names, strict=True)]
        having = " AND ".join(self._having(condition) for condition in asked.having)
        text += f" SELECT {', '.join(shown)} FROM {rows}" + (f" WHERE {having}" if having else "")
        if order := self._order():
            text += f" ORDER BY {', '.join(order)}"
        return text + (f" LIMIT {asked.limit}" if asked.limit is not None else ""), self._binder.values

    # -- groups ------------------------------------------------------------------------------------------------

    def _grouped(self) -> str:
        groups = self._groups()
        shown = [
            f"{spans.start(key, f'k{at}') if isinstance(key, agg.TimeKey) else f'k{at}'} AS g{at}"
            for at, key in enumerate(self._keys)
        ]
        shown += [f"{self._aggregate(node)} AS {name}" for node, name in self._columns.items()]
        by = f" GROUP BY {', '.join(f'k{at}' for at in range(len(groups)))}" if groups else ""
        return f"SELECT {', '.join(shown)} FROM ({self._rows()}){by}"

    def _groups(self) -> list[str]:
        return [f"g{at}" for at in range(len(self._keys))]

    def _aggregate(self, node: agg.Aggregate | float) -> str:
        if isinstance(node, int | float):
            return f"{node!r}::{'BIGINT' if isinstance(node, int) else 'DOUBLE'}"
        if isinstance(node, agg.Share):
            return self._share()
        if isinstance(node, agg.Arithmetic):
            return _arithmetic(node, self._aggregate(node.left), self._aggregate(node.right))
        only = f" FILTER (WHERE {self._filter(node.only)})" if node.only is not None else ""
        match node:
            case agg.Count():
                return f"count(*){only}"
            case agg.ErrorRate():
                return f"avg(CASE WHEN {self._operand(_STATUS)} = 'ERROR' THEN 1 ELSE 0 END){only}"
            case agg.Quantile(operand, q):
                shares = self._shares(node)
                # All shares of one operand in one call: it is sorted once.
                return f"(quantile_cont({self._operand(operand)}, {shares}::DOUBLE[]){only})[{shares.index(q) + 1}]"
            case agg.Reduce("count", operand):
                return f"count({self._operand(operand)}){only}"
            case agg.Reduce("n_unique", operand):
                return f"count(DISTINCT {self._operand(operand)}){only}"
            case agg.Reduce("sum", operand):
                # As BIGINT where it is whole: DuckDB's own sum is of 128 bits, which frames show as floats.
                total = f"coalesce(sum({self._operand(operand)}){only}, 0)"
                if _sum_type(operand) == "DOUBLE":
                    return f"{total}::DOUBLE"
                fits = f"{total} BETWEEN -9223372036854775808 AND 9223372036854775807"
                return f"CASE WHEN {fits} THEN {total}::BIGINT ELSE error({literal(TOO_LARGE)}) END"
            case agg.Reduce(function, operand):
                return f"{_FUNCTIONS[function]}({self._operand(operand)}){only}"

    def _shares(self, quantile: agg.Quantile) -> list[float]:
        return [
            node.q
            for column in self._columns
            for node in agg.leaves(column)
            if isinstance(node, agg.Quantile)
            and (node.operand, node.only) == (quantile.operand, quantile.only)
        ]

    def _share(self) -> str:
        if not any(isinstance(key.node, agg.TagKey) for key in self._asked.keys):
            return "count(*) / nullif(sum(count(*)) OVER (), 0)"
        # A request stands under each of its tags, and is one request all the same.
        return f"count(*) / (SELECT nullif(count(*), 0) FROM requests r WHERE {_where(self._asked.source, self._binder)})"

    def _operand(self, operand: Operand) -> str:
        return self._operands.setdefault(operand, f"v{len(self._operands)}")

    def _filter(self, condition: Condition) -> str:
        return self._filters.setdefault(condition, f"f{len(self._filters)}")

    # -- rows --------------------------------------------------------------------------------------------------

    def _rows(self) -> str:
        """SQL for one row a request, or one for each of its tags."""
        asked = self._asked
        joins = _Joins()
        keys = [self._key(key.node, joins) for key in asked.keys]
        if asked.fold is not None:
            keys = self._folded(keys, asked.fold)
        shown = [f"{sql} AS k{at}" for at, sql in enumerate(keys)]
        shown += [f"{joins.value(operand)} AS {name}" for operand, name in self._operands.items()]
        shown += [
            f"{self._binder.condition(condition)} AS {name}" for condition, name in self._filters.items()
        ]
        once = ""
        if asked.fold is not None and any(isinstance(key.node, agg.TagKey) for key in asked.keys):
            # Two tags that are folded into one are one.
            once = f"DISTINCT ON (r.request_id, {', '.join(f'k{at}' for at in range(len(keys)))}) "
        source = joins.narrowed(asked.source)
        joined = joins.text(self._binder)
        # An object is there, inside JSON, and is no value: of what stands there it is asked anew.
        beside: dict[Operand, str] = {
            of: alias for of, alias in joins.joined.items() if not isinstance(of, JsonOperand)
        }
        where = _where(source, self._binder, beside)
        return f"SELECT {once}{', '.join(shown) or '1'} FROM requests r{joined} WHERE {where}"

    def _key(self, key: agg.Key, joins: _Joins) -> str:
        match key:
            case agg.OperandKey(operand):
                return joins.value(operand)
            case agg.TagKey():
                return joins.tag()
            case agg.TimeKey():
                return spans.bucket(key, joins.value(key.operand))

    def _folded(self, keys: list[str], fold: Fold) -> list[str]:
        places = [isinstance(key.node, agg.TimeKey) for key in self._asked.keys]
        time = [key for key, is_time in zip(keys, places, strict=True) if is_time]
        parts = ", ".join(
            f"coalesce({key}::VARCHAR, {literal(NONE)})"
            for key, is_time in zip(keys, places, strict=True)
            if not is_time
        )
        label = f"concat_ws({literal(BETWEEN)}, {parts})"
        if fold.keep is not None:
            kept = ", ".join(self._binder.bind(name) for name in fold.keep)
            label = f"CASE WHEN {label} IN ({kept}) THEN {label} ELSE {self._binder.bind(fold.other)} END"
        return [*time, label]

    # -- columns -----------------------------------------------------------------------------------------------

    def _framed(self, sql: str, kind: str) -> str:
        if kind == "time" and self._zoned:
            return f"({sql} AT TIME ZONE 'UTC')"
        return f"{sql}::VARCHAR" if kind == "id" else sql

    def _having(self, condition: agg.GroupCondition) -> str:
        match condition:
            case agg.Compared(left, operator, right):
                value = self._binder.bind(right)
                kind = _told_kind(left)
                value = f"make_timestamp({value}::BIGINT)" if kind == "time" else value
                value = f"{value}::UUID" if kind == "id" else value
                return f"coalesce({self._columns[left]} {SQL_OPERATORS[operator]} {value}, false)"
            case agg.AllOf(parts):
                return "(" + " AND ".join(self._having(part) for part in parts) + ")"
            case agg.AnyOf(parts):
                return "(" + " OR ".join(self._having(part) for part in parts) + ")"
            case agg.NoneOf(part):
                return f"NOT {self._having(part)}"
        raise TypeError(f"no condition on groups: {condition!r}")

    def _order(self) -> list[str]:
        """Groups that tie, or are not sorted at all, are in the order of their keys."""
        ways = [
            f"{self._columns[by] if not isinstance(by, int) else f'g{by}'} {'DESC' if down else 'ASC'} NULLS LAST"
            for by, down in self._asked.order
        ]
        return [*ways, *(f"{group} ASC NULLS LAST" for group in self._groups())]


class _Joins:
    """The tables beside the requests that a question reads, each joined once."""

    def __init__(self) -> None:
        self._beside = set[str]()
        self.joined: dict[Operand, str] = {}  # the alias of what has a `value`
        self._only: dict[Operand, tuple[Value, ...]] = {}  # what the values are one of
        self._tags = False

    def value(self, operand: Operand) -> str:
        """Return SQL for an operand's value, null where it is missing."""
        if isinstance(operand, ColumnOperand):
            table = COLUMNS[operand.name].table
            if table != "requests":
                self._beside.add(table)
            return column_sql(operand.name)
        alias = self.joined.setdefault(operand, f"o{len(self.joined)}")
        if isinstance(operand, MetaOperand | JsonOperand) and operand.cast == "datetime":
            return f"make_timestamp({alias}.value)"
        return f"{alias}.value"

    def tag(self) -> str:
        """Return SQL for each of a request's tags."""
        self._tags = True
        return "t.tag"

    def narrowed(self, source: Question) -> Question:
        """Join no values but those that all requests of a question have one of; return what is left of the question.

        What stands beside is then looked up, where reading all of a key's values would take ten times as long.
        """
        if source.limit is not None:
            return source
        left = list[Condition]()
        for condition in flat(source.conditions):
            match condition:
                case IsIn(MetaOperand(_, "text") as operand, values) if values and operand in self.joined:
                    pass
                case Comparison(MetaOperand(_, "text") as operand, "==", value) if operand in self.joined:
                    values = (value,)
                case _:
                    left.append(condition)
                    continue
            if operand in self._only:  # two such conditions on one key
                left.append(condition)
            else:
                self._only[operand] = values
                left.append(Exists(operand))
        return replace(source, conditions=tuple(left))

    def text(self, binder: Binder) -> str:
        """Return the joins."""
        text = beside_tables(self._beside)
        for operand, alias in self.joined.items():
            if isinstance(operand, MetaOperand):
                rows = f"SELECT request_id, {CASTS[operand.cast]} AS value FROM {BY_VALUE} WHERE key = "
                rows += binder.bind(operand.key)
                if values := self._only.get(operand):
                    hashes = ", ".join(str(value_hash(str(value))) for value in values)
                    rows += f" AND value_hash IN ({hashes})"
                    rows += f" AND value IN ({', '.join(map(binder.bind, values))})"
            elif isinstance(operand, JsonOperand):
                value = first_value(operand, operand.column, CASTS[operand.cast], binder.bind)
                rows = f"SELECT request_id, {value} AS value FROM {COLUMNS[operand.column].table}"
            else:
                rows = (
                    f"SELECT request_id, score AS value FROM scores WHERE name = {binder.bind(operand.name)}"
                )
            text += f" LEFT JOIN ({rows}) {alias} ON {alias}.request_id = r.request_id"
        return text + (" LEFT JOIN tags t ON t.request_id = r.request_id" if self._tags else "")


def _where(question: Question, binder: Binder, joined: Mapping[Operand, str] | None = None) -> str:
    """Return the condition on a request `r`, beside which the values of some operands are joined under an alias."""
    there, rest = list[str](), list[Condition]()
    if question.limit is None:
        for condition in question.conditions:
            for part in condition.parts if isinstance(condition, And) else (condition,):
                # That a key is there need not be looked up when its values stand beside: half the time of a group-by.
                if isinstance(part, Exists) and joined is not None and part.operand in joined:
                    there.append(f"{joined[part.operand]}.value IS NOT NULL")
                else:
                    rest.append(part)
        return " AND ".join([*there, where_sql(replace(question, conditions=tuple(rest)), binder)])
    return f"r.request_id IN ({ids_sql(question, binder)})"


def _sum_type(operand: Operand) -> str:
    whole = operand.name in _WHOLE if isinstance(operand, ColumnOperand) else False
    return (
        "BIGINT"
        if whole or (isinstance(operand, MetaOperand | JsonOperand) and operand.cast == "int")
        else "DOUBLE"
    )


def _arithmetic(node: agg.Arithmetic, left: str, right: str) -> str:
    return f"({left} / nullif({right}, 0))" if node.operator == "/" else f"({left} {node.operator} {right})"


def _zero(node: agg.Aggregate | float) -> str:
    match node:
        case int() | float():
            return repr(node)
        case agg.Arithmetic(left, _, right):
            return _arithmetic(node, _zero(left), _zero(right))
        case agg.Count() | agg.Reduce("count" | "n_unique"):
            return "0::BIGINT"
        case agg.Reduce("sum", operand):
            return f"0::{_sum_type(operand)}"
        case agg.Share():
            return "0::DOUBLE"
        case _:
            return "NULL"


def _key_kind(key: agg.Key | None) -> str:
    return _kind(key.operand) if isinstance(key, agg.OperandKey | agg.TimeKey) else ""


def _told_kind(node: agg.Aggregate) -> str:
    """Return the kind of what an aggregate says, where frames show it otherwise than the tables hold it."""
    return _kind(node.operand) if isinstance(node, agg.Reduce) and node.function in {"min", "max"} else ""


def _kind(operand: Operand) -> str:
    if isinstance(operand, ColumnOperand):
        return COLUMNS[operand.name].kind
    is_time = isinstance(operand, MetaOperand | JsonOperand) and operand.cast == "datetime"
    return "time" if is_time else ""
