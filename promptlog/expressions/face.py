"""How people write conditions: `meta("user_id") == "u1"`, `col.latency_ms > 500`, `tag("production")`, `since("7d")`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from promptlog.errors import ConditionAsBoolError, InvalidInputError, UnknownColumnError
from promptlog.expressions.aggregable import Aggregable
from promptlog.expressions.moments import moment_us, span_us
from promptlog.expressions.nodes import (
    And,
    Cast,
    ColumnOperand,
    Comparison,
    Condition,
    Contains,
    EndsWith,
    Exists,
    HasTag,
    IsIn,
    JsonOperand,
    MetaOperand,
    Not,
    Operand,
    Operator,
    Or,
    ScoreOperand,
    Since,
    StartsWith,
    Until,
    Value,
)
from promptlog.identifiers import parse_request_id, plain_number, to_us
from promptlog.models.checks import STATUSES, check_keys, check_score_name, check_tags
from promptlog.models.columns import COLUMNS, JSON_COLUMNS

if TYPE_CHECKING:
    from datetime import date, timedelta
    from typing import Self

MAX_PATH_KEYS = 32  # each is a step of the statement that asks for it
MAX_FOLDED_CHARS = 1000  # of a part that is looked for whatever its case: the pattern it becomes is bounded


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

    __iter__: ClassVar[None] = None  # what has keys is no list

    def __getitem__(self, key: str) -> JsonExpression:
        """What stands under a key inside its JSON: `col.input_variables["cake_type"]`, `col.output["result.status"]`.

        There is JSON inside `col.input_variables`, `col.parameters` and `col.output`. That of an output is what the answer
        says, where that is a JSON object, or its tool calls (`col.output["tool_calls.function.arguments.city"]`), as in
        PromptLayer's search.

        Args:
            key: a key, or keys joined by dots; a key with a dot in it is found at the top alone. Lists are looked through:
                of several values a comparison holds where it holds of one.

        Raises:
            InvalidInputError: the column has no JSON that can be asked, or the key is no text.
        """
        operand = self.operand
        if isinstance(operand, JsonOperand) and operand.path is not None and operand.cast == "text":
            return JsonExpression(operand.column, f"{operand.path}.{_json_key(key, self)}")
        if isinstance(operand, ColumnOperand) and operand.name in JSON_COLUMNS:
            return JsonExpression(operand.name, _json_key(key, self))
        raise InvalidInputError(_no_json(self))

    def is_json(self) -> Condition:
        """It is a JSON object: of `col.output`, what the answer says is one, and it calls no tools.

        Raises:
            InvalidInputError: it is another column than `col.output`, `col.input_variables` and `col.parameters`.
        """
        if not isinstance(self.operand, ColumnOperand) or self.operand.name not in JSON_COLUMNS:
            raise InvalidInputError(_no_json(self))
        return Exists(JsonOperand(self.operand.name, None))

    def is_in(self, values: Iterable[Any]) -> Condition:
        """It equals one of the values; of none, where there are none."""
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise InvalidInputError(f"{self!r}.is_in takes a list of values, got {type(values).__name__}")
        return IsIn(self.operand, tuple(self._word(value) for value in values))

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

    def ends_with(self, part: str) -> Condition:
        """Its text ends with this."""
        return EndsWith(self.operand, self._part(part, "ends_with"))

    def _part(self, part: object, method: str) -> str:
        if self._kind != "text":
            raise InvalidInputError(f"{self!r} is no text, and .{method} needs one")
        return self._value(part)  # type: ignore[return-value]

    def _compare(self, operator: Operator, other: object) -> Condition:
        return Comparison(self.operand, operator, self._word(other))

    def _word(self, value: object) -> Value:
        found = self._value(value)
        if self.operand == ColumnOperand("status") and found not in STATUSES:
            raise InvalidInputError(f"{self!r} is one of {', '.join(STATUSES)}, got {value!r}")
        return found

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
            hint = (
                f"; metadata is text: compare numbers by {self!r}.as_float(), or with the text {str(value)!r}"
            )
        return (
            f"{self!r} is {kind} and cannot be compared with {value!r} of type {type(value).__name__}{hint}"
        )


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # a whole number that no double holds
        return False


class ReadableExpression(Expression):
    """Text that can be read as something else."""

    operand: MetaOperand | JsonOperand

    def __init__(self, operand: MetaOperand | JsonOperand, shown: str) -> None:
        kinds = {"text": "text", "float": "number", "int": "int", "datetime": "time"}
        cast = f".as_{operand.cast}()" if operand.cast != "text" else ""
        super().__init__(operand, kinds[operand.cast], shown + cast)

    def _read_as(self, cast: Cast) -> Self:
        raise NotImplementedError

    def as_float(self) -> Self:
        """Compare as a number; what is no decimal number is missing."""
        return self._read_as("float")

    def as_int(self) -> Self:
        """Compare as a whole number of up to 63 bits; what is none is missing."""
        return self._read_as("int")

    def as_datetime(self) -> Self:
        """Compare as a moment in ISO 8601, UTC where it names no zone; what is none is missing."""
        return self._read_as("datetime")


class MetaExpression(ReadableExpression):
    """The value of a metadata key."""

    def __init__(self, key: str, cast: Cast = "text") -> None:
        super().__init__(MetaOperand(key, cast), f"meta({key!r})")
        self._key = key

    def _read_as(self, cast: Cast) -> MetaExpression:
        return MetaExpression(self._key, cast)


class JsonExpression(ReadableExpression):
    """What stands inside the JSON of a column: one value, or several where there are lists.

    A number that it is compared with is compared as a number, also with text that reads as one; true and false are the texts
    "true" and "false". Text is compared with a number's digits as JSON writes them.
    """

    def __init__(self, column: str, path: str, cast: Cast = "text") -> None:
        super().__init__(JsonOperand(column, path, cast), f"col.{column}[{path!r}]")
        self._column, self._path = column, path

    def _read_as(self, cast: Cast) -> JsonExpression:
        return JsonExpression(self._column, self._path, cast)

    def is_in(self, values: Iterable[Any]) -> Condition:
        """One of its values equals one of these; of none, where there are none."""
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            return super().is_in(values)
        kinds: dict[Operand, list[Value]] = {}
        for value in values:
            side = self._for(value)
            kinds.setdefault(side.operand, []).append(side._value(value))  # noqa: SLF001 - its own kind
        found = [IsIn(operand, tuple(some)) for operand, some in kinds.items()] or [IsIn(self.operand, ())]
        return found[0] if len(found) == 1 else Or(tuple(found))

    def _compare(self, operator: Operator, other: object) -> Condition:
        side = self._for(other)
        return Comparison(side.operand, operator, side._value(other))  # noqa: SLF001 - its own kind

    def _for(self, value: object) -> JsonExpression:
        """Return it as it is read to be compared with a value."""
        value = plain_number(value)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return self.as_float() if is_number and self.operand.cast == "text" else self

    def _value(self, value: object) -> Value:
        if isinstance(value, bool) and self.operand.cast == "text":
            return "true" if value else "false"
        return super()._value(value)


def _json_key(key: object, of: Expression) -> str:
    if isinstance(key, int) and not isinstance(key, bool):
        raise InvalidInputError(
            f"{of!r}[{key}]: lists are looked through, each of their values counts; leave the place out"
        )
    if not isinstance(key, str) or not key:
        raise InvalidInputError(f"{of!r}[…] takes a key, a text that is not empty, got {key!r}")
    if key.count(".") >= MAX_PATH_KEYS:
        raise InvalidInputError(f"{of!r}[…] takes up to {MAX_PATH_KEYS} keys, got {key.count('.') + 1}")
    _refuse_surrogates(key, "key")
    return key


def _no_json(given: Expression) -> str:
    named = ", ".join(f"col.{name}" for name in COLUMNS if name in JSON_COLUMNS)
    return f"{given!r} has no JSON that can be asked for what stands inside; {named} have"


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
    """The request started at or after `when`: a span before now ("7d", "90m", a timedelta), "today", "yesterday" or a moment."""
    span = span_us(when)
    return Since(span_us=span) if span is not None else Since(moment=moment_us(when, "since"))


def until(when: str | float | date | timedelta) -> Condition:
    """The request started before `when`, given as in `since`: before a day's midnight, UTC, where it is a day."""
    span = span_us(when)
    return Until(span_us=span) if span is not None else Until(moment=moment_us(when, "until"))


def _refuse_surrogates(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(f"{what}: {text!r} is not valid Unicode text (a lone surrogate)") from None
