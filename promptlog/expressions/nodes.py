"""Conditions as data. Every condition is true or false of a request, never unknown: see DESIGN "two-valued"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn

from promptlog.errors import ConditionAsBoolError

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Cast = Literal["text", "float", "int", "datetime"]
Value = str | int | float


@dataclass(frozen=True, slots=True)
class ColumnOperand:
    """A column of the request."""

    name: str


@dataclass(frozen=True, slots=True)
class MetaOperand:
    """The value of a metadata key, read as text or as something else; what cannot be read so is missing."""

    key: str
    cast: Cast = "text"


@dataclass(frozen=True, slots=True)
class ScoreOperand:
    """The number under a score's name."""

    name: str


@dataclass(frozen=True, slots=True)
class JsonOperand:
    """What stands inside the JSON of a column, read as text or as something else.

    It may be several values, for lists are looked through: a comparison holds where it holds of one of them.

    Attributes:
        column: one of `models.columns.JSON_COLUMNS`.
        path: keys joined by dots; None is the JSON as a whole, of which can be asked that it is there.
        cast: what the values are read as; what cannot be read so is missing.
    """

    column: str
    path: str | None
    cast: Cast = "text"


Operand = ColumnOperand | MetaOperand | ScoreOperand | JsonOperand


class Condition:
    """What is true or false of each request. Combine with `&`, `|` and `~`.

    `str` of it is text of the search language, which `search.parse` reads back as an equal condition.
    """

    __slots__ = ()

    def __and__(self, other: Condition) -> Condition:
        mine = self.parts if isinstance(self, And) else (self,)  # flat: hundreds in a row must not nest
        return And((*mine, _checked(other, "&")))

    def __or__(self, other: Condition) -> Condition:
        mine = self.parts if isinstance(self, Or) else (self,)
        return Or((*mine, _checked(other, "|")))

    def __invert__(self) -> Condition:
        return Not(self)

    def __str__(self) -> str:
        from promptlog.expressions.show import to_text

        return to_text(self)

    def __repr__(self) -> str:
        return f"<Condition {str(self) or '(all requests)'}>"

    def __bool__(self) -> NoReturn:
        raise ConditionAsBoolError(
            "a condition has no truth value of its own, it is asked of each request: "
            "write a & b for `a and b`, a | b for `a or b`, ~a for `not a`, with parentheses around comparisons"
        )


def _checked(other: object, operator: str) -> Condition:
    if not isinstance(other, Condition):
        raise ConditionAsBoolError(
            f"{operator} joins two conditions, got {type(other).__name__}; are parentheses missing? "
            f'(meta("a") == "b") {operator} (col.status == "ERROR")'
        )
    return other


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Condition):
    """A comparison with a value; false where the operand is missing. Times are microseconds since 1970, UTC."""

    left: Operand
    operator: Operator
    right: Value


@dataclass(frozen=True, slots=True, repr=False)
class IsIn(Condition):
    """The operand equals one of the values."""

    left: Operand
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Contains(Condition):
    """The operand's text has this part: letter for letter, or whatever the case of its letters is."""

    left: Operand
    part: str
    case: bool = True


@dataclass(frozen=True, slots=True, repr=False)
class StartsWith(Condition):
    """The operand's text begins with this."""

    left: Operand
    part: str


@dataclass(frozen=True, slots=True, repr=False)
class EndsWith(Condition):
    """The operand's text ends with this."""

    left: Operand
    part: str


@dataclass(frozen=True, slots=True, repr=False)
class Exists(Condition):
    """The operand is there: a column is not null, a key is set (to an empty text too), a value can be read as cast.

    Inside JSON a null is not there, while an object or an empty text is.
    """

    operand: Operand


@dataclass(frozen=True, slots=True, repr=False)
class HasTag(Condition):
    """The request carries the tag."""

    tag: str


@dataclass(frozen=True, slots=True, repr=False)
class Since(Condition):
    """The request started at or after a moment: microseconds since 1970, or a span before the question is asked."""

    moment: int | None = None
    span_us: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Until(Condition):
    """The request started before a moment, given as in `Since`."""

    moment: int | None = None
    span_us: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class And(Condition):
    """All hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Or(Condition):
    """One holds at least."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Not(Condition):
    """It does not hold: where the operand is missing too."""

    part: Condition


def metadata_keys(condition: Condition) -> set[str]:
    """Return the metadata keys that a condition asks of."""
    found, waiting = set(), [condition]
    while waiting:
        node = waiting.pop()
        waiting += node.parts if isinstance(node, And | Or) else [node.part] if isinstance(node, Not) else []
        asked = getattr(node, "left", getattr(node, "operand", None))
        if isinstance(asked, MetaOperand):
            found.add(asked.key)
    return found


def reads_texts(condition: Condition) -> bool:
    """Whether a condition looks for a part of a text, such as an input's, which takes long among many requests."""
    waiting = [condition]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Contains):
            return True
        waiting += node.parts if isinstance(node, And | Or) else [node.part] if isinstance(node, Not) else []
    return False
