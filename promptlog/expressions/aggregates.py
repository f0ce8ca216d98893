"""Aggregates and the keys of groups as data, and conditions on aggregates. Knows no SQL."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NoReturn

from promptlog.errors import ConditionAsBoolError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptlog.expressions.nodes import Condition, Operand, Operator, Value

Unit = Literal["s", "d", "mo"]
Sign = Literal["+", "-", "*", "/"]
Function = Literal["count", "sum", "mean", "min", "max", "n_unique"]

# -- aggregates: what is told of a group. `only` narrows it to the group's requests of which a condition holds --------


@dataclass(frozen=True, slots=True)
class Count:
    """How many requests."""

    only: Condition | None = None


@dataclass(frozen=True, slots=True)
class Reduce:
    """A function of an operand's values, missing ones left out."""

    function: Function
    operand: Operand
    only: Condition | None = None


@dataclass(frozen=True, slots=True)
class Quantile:
    """The value below which the share `q` of the operand's values lies, interpolated between two neighbours."""

    operand: Operand
    q: float
    only: Condition | None = None


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The share of requests whose status is ERROR."""

    only: Condition | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """The group's requests as a share of all that were asked about."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two aggregates, or an aggregate and a number, put together; null where one is, or the divisor is 0."""

    left: Aggregate | float
    operator: Sign
    right: Aggregate | float


Aggregate = Count | Reduce | Quantile | ErrorRate | Share | Arithmetic


def leaves(node: Aggregate | float) -> list[Aggregate]:
    """Return the aggregates that one is made of; of one that is no arithmetic, itself."""
    if isinstance(node, Arithmetic):
        return [*leaves(node.left), *leaves(node.right)]
    return [] if isinstance(node, int | float) else [node]


def narrowed(node: Aggregate, condition: Condition) -> Aggregate:
    """Return an aggregate of the requests alone of which a condition holds too; one of all requests stays."""
    if isinstance(node, Arithmetic):
        left, right = (
            side if isinstance(side, int | float) else narrowed(side, condition)
            for side in (node.left, node.right)
        )
        return Arithmetic(left, node.operator, right)
    if isinstance(node, Share):
        return node
    return replace(node, only=condition if node.only is None else node.only & condition)


# -- keys: what makes a group ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperandKey:
    """Requests of one value are a group; those without a value are one too."""

    operand: Operand


@dataclass(frozen=True, slots=True)
class TagKey:
    """A group for each tag, in which a request stands under each of its tags; those without one are a group."""


@dataclass(frozen=True, slots=True)
class TimeKey:
    """Spans of time: `every` seconds of a clock, or days or months of a calendar, in a zone."""

    every: int
    unit: Unit
    operand: Operand
    time_zone: str = "UTC"
    fill: bool = True


Key = OperandKey | TagKey | TimeKey

# -- conditions on aggregates ------------------------------------------------------------------------------------------


class GroupCondition:
    """What is true or false of each group. Combine with `&`, `|` and `~`."""

    __slots__ = ()

    def __and__(self, other: GroupCondition) -> GroupCondition:
        mine = self.parts if isinstance(self, AllOf) else (self,)
        return AllOf((*mine, _checked(other, "&")))

    def __or__(self, other: GroupCondition) -> GroupCondition:
        mine = self.parts if isinstance(self, AnyOf) else (self,)
        return AnyOf((*mine, _checked(other, "|")))

    def __invert__(self) -> GroupCondition:
        return NoneOf(self)

    def __bool__(self) -> NoReturn:
        raise ConditionAsBoolError(
            "a condition on an aggregate has no truth value of its own, it is asked of each group: "
            "write a & b for `a and b`, a | b for `a or b`, ~a for `not a`, with parentheses around comparisons"
        )


def _checked(other: object, operator: str) -> GroupCondition:
    if not isinstance(other, GroupCondition):
        raise ConditionAsBoolError(
            f"{operator} joins two conditions on aggregates, got {type(other).__name__}; are parentheses missing? "
            f"(count() > 10) {operator} (col.latency_ms.mean() > 500); conditions on requests go to filter"
        )
    return other


@dataclass(frozen=True, slots=True)
class Compared(GroupCondition):
    """A comparison with a value; false where the aggregate is missing. Times are microseconds since 1970, UTC."""

    left: Aggregate
    operator: Operator
    right: Value


@dataclass(frozen=True, slots=True)
class AllOf(GroupCondition):
    """All hold."""

    parts: tuple[GroupCondition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf(GroupCondition):
    """One holds at least."""

    parts: tuple[GroupCondition, ...]


@dataclass(frozen=True, slots=True)
class NoneOf(GroupCondition):
    """It does not hold: where the aggregate is missing too."""

    part: GroupCondition


def compared(conditions: Sequence[GroupCondition]) -> list[Aggregate]:
    """Return the aggregates that conditions compare."""
    found: list[Aggregate] = []
    for condition in conditions:
        match condition:
            case Compared(left):
                found.append(left)
            case AllOf(parts) | AnyOf(parts):
                found += compared(parts)
            case NoneOf(part):
                found += compared([part])
    return found
