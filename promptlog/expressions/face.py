"""How people write conditions: `meta("user_id") == "u1"`, `col.latency_ms > 500`, `tag("production")`, `since("7d")`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from promptlog.errors import ConditionAsBoolError, InvalidInputError, UnknownColumnError
from promptlog.expressions.aggregable import Aggregable
from promptlog.expressions.nodes import (
    And,
    Cast,
    ColumnOperand,
    Comparison,
    Condition,
    Contains,
    Exists,
    HasTag,
    IsIn,
    MetaOperand,
    Not,
    Operand,
    Operator,
    ScoreOperand,
    Since,
    StartsWith,
    Until,
    Value,
)
from promptlog.identifiers import parse_request_id, plain_number, to_us
from promptlog.models.checks import check_keys, check_score_name, check_tags
from promptlog.models.columns import COLUMNS

if TYPE_CHECKING:
    from datetime import date

MAX_FOLDED_CHARS = 1000  # of a part that is looked for whatever its case: the pattern it becomes is bounded
_SPAN = re.compile(r"(\+?)([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h|d|w)")
UNITS_US = {
    "us": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000,
}  # fmt: skip


class Expression(Aggregable):
    """Something of a request that can be compared with a value. Comparing gives a `Condition`."""

    def __init__(self, operand: Operand, kind: str, shown: str) -> None:
        self.operand = operand
        self._kind = kind
        self._shown = shown

    @property
    def kind(self) -> str:
        """What it holds: "text", "number", "int", "time" or "id"."""
        return self._kind

    def __repr__(self) -> str:
        return self._shown

    def __hash__(self) -> int:
        return hash(self.operand)

    def __eq__(self, other: object) -> Condition:  # type: ignore[override]
        return self._compare("==", other)

    def __ne__(self, other: object) -> Condition:  # type: ignore[override]
        return self._compare("!=", other)

    def __lt__(self, other: Any) -> Condition:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Condition:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Condition:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Condition:
        return self._compare(">=", other)

    def _no_operand(self, other: object) -> NoReturn:
        raise ConditionAsBoolError(
            f"{other!r} and {self!r} stand beside & or | without parentheses around their comparisons: "
            f'write (col.status == "ERROR") & (col.latency_ms > 500)'
        )

    __and__ = __rand__ = __or__ = __ror__ = _no_operand

    def is_in(self, values: Iterable[Any]) -> Condition:
        """It equals one of the values; of none, where there are none."""
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise InvalidInputError(f"{self!r}.is_in takes a list of values, got {type(values).__name__}")
        return IsIn(self.operand, tuple(self._value(value) for value in values))

    def between(self, low: Any, high: Any) -> Condition:
        """It is at least `low` and at most `high`."""
        return And((self._compare(">=", low), self._compare("<=", high)))

    def is_null(self) -> Condition:
        """It is missing."""
        return Not(Exists(self.operand))

    def exists(self) -> Condition:
        """It is there, be it an empty text."""
        return Exists(self.operand)

    def contains(self, part: str, *, case: bool = True) -> Condition:
        """Its text has this part, letter for letter; with `case=False`, whatever the case of its letters is."""
        part = self._part(part, "contains")
        if not case and len(part) > MAX_FOLDED_CHARS:
            raise InvalidInputError(
                f"contains(…, case=False) looks for up to {MAX_FOLDED_CHARS:,} characters, got {len(part):,}; "
                f"look for a part of that, or letter for letter"
            )
        return Contains(self.operand, part, case)

    def starts_with(self, part: str) -> Condition:
        """Its text begins with this."""
        return StartsWith(self.operand, self._part(part, "starts_with"))

    def _part(self, part: object, method: str) -> str:
        if self._kind != "text":
            raise InvalidInputError(f"{self!r} is no text, and .{method} needs one")
        return self._value(part)  # type: ignore[return-value]

    def _compare(self, operator: Operator, other: object) -> Condition:
        return Comparison(self.operand, operator, self._value(other))

    def _value(self, value: object) -> Value:
        """Return a value as this operand's kind, or say at once that it can never be equal."""
        if value is None:
            raise InvalidInputError(
                f"{self!r} is compared with None; write {self!r}.is_null() or {self!r}.exists()"
            )
        if self._kind == "time":
            return to_us(value, repr(self))
        if self._kind == "id":
            return parse_request_id(value)
        if self._kind == "text":
            if isinstance(value, str):
                _refuse_surrogates(value, repr(self))
                return value
            raise InvalidInputError(self._mismatch(value, "text"))
        value = plain_number(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise InvalidInputError(self._mismatch(value, "a number"))
        if self._kind == "int" and value != int(value):
            raise InvalidInputError(self._mismatch(value, "a whole number"))
        return float(value) if abs(value) >= 1 << 63 else value

    def _mismatch(self, value: object, kind: str) -> str:
        hint = ""
        if (
            isinstance(self.operand, MetaOperand)
            and self.operand.cast == "text"
            and not isinstance(value, str)
        ):
            hint = f"; metadata is text: compare with {str(value)!r}, or numbers by {self!r}.as_float()"
        return (
            f"{self!r} is {kind} and cannot be compared with {value!r} of type {type(value).__name__}{hint}"
        )


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number that no double holds
        return False


class MetaExpression(Expression):
    """The value of a metadata key."""

    def __init__(self, key: str, cast: Cast = "text") -> None:
        kinds = {"text": "text", "float": "number", "int": "int", "datetime": "time"}
        shown = f"meta({key!r})" + (f".as_{cast}()" if cast != "text" else "")
        super().__init__(MetaOperand(key, cast), kinds[cast], shown)
        self._key = key

    def as_float(self) -> MetaExpression:
        """Compare as a number; what is no decimal number is missing."""
        return MetaExpression(self._key, "float")

    def as_int(self) -> MetaExpression:
        """Compare as a whole number of up to 63 bits; what is none is missing."""
        return MetaExpression(self._key, "int")

    def as_datetime(self) -> MetaExpression:
        """Compare as a moment in ISO 8601, UTC where it names no zone; what is none is missing."""
        return MetaExpression(self._key, "datetime")


class _Columns:
    """`col.latency_ms` or `col("latency_ms")`: a column of the request."""

    def __call__(self, name: str) -> Expression:
        column = COLUMNS.get(name) if isinstance(name, str) else None
        if column is None:
            raise UnknownColumnError.named(str(name), list(COLUMNS))
        return Expression(ColumnOperand(name), column.kind, f"col.{name}")

    def __getattr__(self, name: str) -> Expression:
        if name.startswith("__"):  # a protocol's question, such as copy's or a notebook's: no typo
            raise AttributeError(name)
        return self(name)

    def __dir__(self) -> list[str]:
        return list(COLUMNS)

    def __repr__(self) -> str:
        return f"col: {', '.join(COLUMNS)}"


col = _Columns()


def meta(key: str) -> MetaExpression:
    """The value of the metadata key `key`, as text."""
    if not isinstance(key, str):
        raise InvalidInputError(f"meta takes a key, got {type(key).__name__}")
    check_keys([key])
    _refuse_surrogates(key, "meta key")
    return MetaExpression(key)


def tag(name: str) -> Condition:
    """The request carries the tag `name`."""
    if not isinstance(name, str):
        raise InvalidInputError(f"tag takes a tag, got {type(name).__name__}")
    check_tags([name])
    _refuse_surrogates(name, "tag")
    return HasTag(name)


def score(name: str = "default") -> Expression:
    """The score of that name, a number."""
    _refuse_surrogates(check_score_name(name), "score")
    return Expression(ScoreOperand(name), "number", f"score({name!r})")


def since(when: str | float | date | timedelta) -> Condition:
    """The request started at or after `when`: a span before now ("7d", "90m", a timedelta), or a moment."""
    span = _span_us(when)
    return Since(span_us=span) if span is not None else Since(moment=to_us(when, "since"))


def until(when: str | float | date | timedelta) -> Condition:
    """The request started before `when`, given as in `since`."""
    span = _span_us(when)
    return Until(span_us=span) if span is not None else Until(moment=to_us(when, "until"))


def _span_us(when: object) -> int | None:
    if isinstance(when, timedelta):
        return int(when.total_seconds() * 1e6)
    found = _SPAN.fullmatch(when) if isinstance(when, str) else None
    if found is None and isinstance(when, str) and not when[:4].isdigit():
        raise InvalidInputError(
            f"{when!r} is neither a span (30s, 90m, 12h, 7d, 2w) nor a moment in ISO 8601 (2026-01-31T12:00:00Z)"
        )
    if found is None:
        return None
    span_us = int(Decimal(found[2]) * UNITS_US[found[3]])
    return -span_us if found[1] else span_us  # "+1d" lies a day ahead


def _refuse_surrogates(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{what}: {text!r} is not valid Unicode text (a lone surrogate)") from None
