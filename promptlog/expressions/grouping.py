"""How people write aggregates and the keys of groups: `count()`, `col.cost_usd.sum()`, `by_time("1d")`."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from promptlog.errors import ConditionAsBoolError, InvalidInputError
from promptlog.expressions.aggregable import Aggregable
from promptlog.expressions.aggregates import (
    Aggregate,
    Arithmetic,
    Compared,
    Count,
    ErrorRate,
    Function,
    Key,
    OperandKey,
    Quantile,
    Reduce,
    Share,
    Sign,
    TagKey,
    TimeKey,
    leaves,
    narrowed,
)
from promptlog.expressions.nodes import (
    ColumnOperand,
    Condition,
    JsonOperand,
    MetaOperand,
    Operand,
    Operator,
    Value,
)
from promptlog.expressions.widths import width_of, zone_named
from promptlog.identifiers import plain_number

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta


class Aggregation:
    """What is told of each group. Comparing it gives a condition for `having`; `+`, `-`, `*` and `/` join numbers.

    `col.cost_usd.sum() / count()` is null where one side is, or the divisor is 0.
    """

    def __init__(
        self,
        node: Aggregate,
        shown: str,
        name: str,
        value: Callable[[object], Value] | None = None,
        *,
        is_number: bool = True,
    ) -> None:
        self.node = node
        self.name = name  # of its column, where it is given no other
        self._shown = shown
        self._value = value or self._number
        self._is_number = is_number

    def __repr__(self) -> str:
        return self._shown

    def __hash__(self) -> int:
        return hash(self.node)

    def alias(self, name: str) -> Aggregation:
        """Name its column."""
        made = copy.copy(self)
        made.name = checked_name(name)
        made._shown = f"{self._shown}.alias({name!r})"  # noqa: SLF001 - its own kind
        return made

    def filter(self, condition: Condition) -> Aggregation:
        """Narrow it to the requests of the group of which a condition holds; the groups stay."""
        if not isinstance(condition, Condition):
            raise InvalidInputError(
                f"{self!r}.filter takes a condition on requests such as col.status == 'ERROR', got {condition!r}"
            )
        if any(isinstance(leaf, Share) for leaf in leaves(self.node)):
            raise InvalidInputError("share() cannot be filtered: filter the requests before group_by")
        made = copy.copy(self)
        made.node = narrowed(self.node, condition)
        made._shown = f"{self._shown}.filter({condition!r})"  # noqa: SLF001 - its own kind
        return made

    def __add__(self, other: Aggregation | float) -> Aggregation:
        return self._joined("+", other)

    def __sub__(self, other: Aggregation | float) -> Aggregation:
        return self._joined("-", other)

    def __mul__(self, other: Aggregation | float) -> Aggregation:
        return self._joined("*", other)

    def __truediv__(self, other: Aggregation | float) -> Aggregation:
        return self._joined("/", other)

    def __radd__(self, other: float) -> Aggregation:
        return self._joined("+", other, reverse=True)

    def __rsub__(self, other: float) -> Aggregation:
        return self._joined("-", other, reverse=True)

    def __rmul__(self, other: float) -> Aggregation:
        return self._joined("*", other, reverse=True)

    def __rtruediv__(self, other: float) -> Aggregation:
        return self._joined("/", other, reverse=True)

    def _joined(self, sign: Sign, other: object, *, reverse: bool = False) -> Aggregation:
        for one in (self, other):
            if isinstance(one, Aggregation) and not one._is_number:  # noqa: SLF001 - its own kind
                raise InvalidInputError(f"{one!r} is no number, and {sign} needs two")
        node = other.node if isinstance(other, Aggregation) else self._number(other)
        sides: tuple[Any, Any] = (node, self.node) if reverse else (self.node, node)
        shown = f"({other!r} {sign} {self!r})" if reverse else f"({self!r} {sign} {other!r})"
        return Aggregation(Arithmetic(sides[0], sign, sides[1]), shown, self.name)

    def __eq__(self, other: object) -> Compared:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: object) -> Compared:  # type: ignore[override]
        return self._compare("!=", other)

    def __lt__(self, other: Any) -> Compared:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Compared:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Compared:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Compared:
        return self._compare(">=", other)

    def _no_operand(self, other: object) -> NoReturn:
        raise ConditionAsBoolError(
            f"{other!r} and {self!r} stand beside & or | without parentheses around their comparisons: "
            f"write (count() > 10) & (col.latency_ms.mean() > 500)"
        )

    __and__ = __rand__ = __or__ = __ror__ = _no_operand

    def _compare(self, operator: Operator, other: object) -> Compared:
        return Compared(self.node, operator, self._value(other))

    def _number(self, value: object) -> Value:
        value = plain_number(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidInputError(
                f"{self!r} is a number, and {value!r} of type {type(value).__name__} is none"
            )
        return float(value) if abs(value) >= 1 << 63 else value


def reduced(given: Aggregable, function: Function) -> Aggregation:
    """Return what a function makes of an expression's values.

    Raises:
        InvalidInputError: it needs numbers, and they are none.
    """
    if function in {"sum", "mean"}:
        _must_be_a_number(given, function)
    # The least and the greatest are values of its own kind, and compared as those are.
    own = getattr(given, "_value", None) if function in {"min", "max"} else None
    name = f"{name_of(given.operand)}_{function}"
    is_number = own is None or given.kind in {"number", "int"}
    return Aggregation(
        Reduce(function, given.operand), f"{given!r}.{function}()", name, own, is_number=is_number
    )


def median_of(given: Aggregable) -> Aggregation:
    """Return the value in the middle of an expression's values."""
    _must_be_a_number(given, "median")
    return Aggregation(
        Quantile(given.operand, 0.5), f"{given!r}.median()", f"{name_of(given.operand)}_median"
    )


def quantile_of(given: Aggregable, q: object) -> Aggregation:
    """Return the value below which a share of an expression's values lies."""
    _must_be_a_number(given, "quantile")
    q = plain_number(q)
    if isinstance(q, bool) or not isinstance(q, int | float) or not 0 <= q <= 1:
        raise InvalidInputError(f"{given!r}.quantile takes a share from 0 to 1, such as 0.95, got {q!r}")
    name = f"{name_of(given.operand)}_p{q * 100:.10g}"
    return Aggregation(Quantile(given.operand, float(q)), f"{given!r}.quantile({q!r})", name)


def named(given: Aggregable, name: str) -> NamedKey:
    """Return an expression as a key whose column has a name."""
    return NamedKey(OperandKey(given.operand), f"{given!r}.alias({name!r})", checked_name(name))


def _must_be_a_number(given: Aggregable, method: str) -> None:
    if given.kind in {"number", "int"}:
        return
    kinds = {"time": "a moment", "id": "an id"}
    hint = "n_unique(), min() and max() take any kind"
    if isinstance(given.operand, MetaOperand | JsonOperand) and given.operand.cast == "text":
        hint = f"it is read as text: write {given!r}.as_float().{method}(…)"
    raise InvalidInputError(
        f"{given!r} is {kinds.get(given.kind, 'text')} and .{method} needs a number; {hint}"
    )


@dataclass(frozen=True)
class NamedKey:
    """A key of groups with the name of its column."""

    node: Key
    shown: str
    name: str

    def __repr__(self) -> str:
        return self.shown

    def alias(self, name: str) -> NamedKey:
        """Name its column."""
        return NamedKey(self.node, f"{self.shown}.alias({name!r})", checked_name(name))


def count(condition: Condition | None = None) -> Aggregation:
    """How many requests; with a condition, of how many it holds."""
    made = Aggregation(Count(), "count()", "count")
    return made if condition is None else made.filter(condition)


def error_rate() -> Aggregation:
    """The share of requests whose status is ERROR, from 0 to 1; null where there is no request."""
    return Aggregation(ErrorRate(), "error_rate()", "error_rate")


def share() -> Aggregation:
    """The group's requests as a share, from 0 to 1, of all that were asked about, `having` and `limit` aside.

    Shares add up to 1, but for groups by tag: a request counts under each of its tags.
    """
    return Aggregation(Share(), "share()", "share")


def by_time(
    every: str | timedelta, *, on: Aggregable | None = None, time_zone: str = "UTC", fill: bool = True
) -> NamedKey:
    """Group by spans of time, each named by its beginning in a column `time`.

    Args:
        every: "15m", "1h", "1d", "1w" (from Monday), "1mo", "1q", "1y". Seconds and minutes must divide an hour, hours a day.
        on: the moment that counts, else `col.start_time`; `meta("due").as_datetime()` does too.
        time_zone: whose days they are, such as "Europe/Berlin". A day is a day of its calendar, of 23 or 25 hours
            where clocks change.
        fill: whether spans without a request between the first and the last are there too, for every group of the other
            keys. Counts and sums are 0 in them, all else is null.

    Raises:
        InvalidInputError: no such span or zone, or `on` is no moment.
    """
    number, unit = width_of(every)
    operand: Operand = ColumnOperand("start_time")
    shown = repr(every)
    if on is not None:
        if not isinstance(on, Aggregable) or on.kind != "time":
            raise InvalidInputError(
                f"by_time needs a moment such as col.end_time or meta('due').as_datetime(), got {on!r}"
            )
        operand = on.operand
        shown += f", on={on!r}"
    shown += f", time_zone={time_zone!r}" if time_zone != "UTC" else ""
    shown += "" if fill else ", fill=False"
    return NamedKey(
        TimeKey(number, unit, operand, zone_named(time_zone), bool(fill)), f"by_time({shown})", "time"
    )


def name_of(operand: Operand) -> str:
    """Return the name of an operand as a column shows it."""
    match operand:
        case MetaOperand(key):
            return key
        case JsonOperand(column, path):
            return f"{column}.{path}"
    return operand.name


def key_of(given: object) -> NamedKey:
    """Return what `group_by` was given as a key: an expression, a column's name, `by_time(…)` or `tag` itself.

    Raises:
        InvalidInputError: it is none of these.
    """
    from promptlog.expressions import face

    if isinstance(given, NamedKey):
        return given
    if isinstance(given, str):
        given = face.col(given)
    if isinstance(given, Aggregable):
        return NamedKey(OperandKey(given.operand), repr(given), name_of(given.operand))
    if given is face.tag:
        return NamedKey(TagKey(), "tag", "tag")
    hint = "; to keep the requests of which it holds, filter" if isinstance(given, Condition) else ""
    raise InvalidInputError(
        f"group_by takes col.model, meta('user_id'), tag or by_time('1d'), got {given!r}{hint}"
    )


def checked_name(name: object) -> str:
    """Return the name of a column of the answer."""
    if not isinstance(name, str) or not name:
        raise InvalidInputError(f"a column's name is a text that is not empty, got {name!r}")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            f"the column's name {name!r} is not valid Unicode text (a lone surrogate)"
        ) from None
    return name
