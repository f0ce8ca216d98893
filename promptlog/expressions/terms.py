"""What the terms of the search language mean: a name, an operator and a value as a condition."""

from __future__ import annotations

import operator as ways
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError
from promptlog.expressions import face
from promptlog.expressions.moments import NAMED_DAYS, named_day
from promptlog.expressions.nodes import (
    And,
    ColumnOperand,
    Comparison,
    Condition,
    Exists,
    IsIn,
    Not,
    Or,
)
from promptlog.models.checks import STATUSES
from promptlog.models.columns import COLUMNS, JSON_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable

#: Names that are neither a column nor a metadata key.
SPECIAL = ("tag", "score", "since", "until", "meta", "col")
#: Columns of running text: `name:part` looks inside them whatever the case, `name=text` compares the whole.
RUNNING_TEXT = frozenset(
    {"input_text", "output_text", "input", "output", "parameters", "input_variables", "error_message"}
)
#: The columns in which a word or phrase alone is looked for.
PHRASE_COLUMNS = ("input_text", "output_text")

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
NUMBER = re.compile(_NUMBER)
MOMENT = re.compile(_MOMENT)
_RANGE = re.compile(rf"({_NUMBER}|{_MOMENT}|\*?)\.\.({_NUMBER}|{_MOMENT}|\*?)")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{1,32}")
_WHOLE_DIGITS = 400  # more are no number that a double holds, and Python reads no longer ones

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[\s\S])")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "*": "*"}
_SURROGATES = range(0xD800, 0xE000)
_WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "==": ways.eq, "!=": ways.ne, "<": ways.lt, "<=": ways.le, ">": ways.gt, ">=": ways.ge,
}  # fmt: skip
_WANTED = {
    "number": "a number, as in latency_ms>500",
    "int": "a whole number",
    "time": "a date or a moment in UTC, as in 2026-01-31 or 2026-01-31T12:00:00Z",
    "id": "the id of a request, or its beginning and a star",
}


class Misread(Exception):  # noqa: N818 - it never leaves this package: it becomes a SearchSyntaxError
    """A part of the text makes no sense."""

    def __init__(self, position: int, expected: str, problem: str = "") -> None:
        super().__init__(expected)
        self.position = position
        self.expected = expected
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it stands in the text, without its quotes, escapes and wild stars."""

    text: str
    position: int
    quoted: bool = False
    open_start: bool = False  # a star before it
    open_end: bool = False
    ends: tuple[Given | None, Given | None] | None = None  # of a range; None where it is open

    @property
    def wild(self) -> bool:
        """Whether it has a star."""
        return self.open_start or self.open_end

    def is_word(self, *words: str) -> bool:
        """Whether it is such a word of the language, not text."""
        return not self.quoted and not self.wild and self.text in words


def given(raw: str, position: int) -> Given:
    """Return a value from its text and its place."""
    if (found := _RANGE.fullmatch(raw)) and found[0] not in ("..", "*..*"):
        low, high = (
            Given(found[end], position + found.start(end)) if found[end] not in ("", "*") else None
            for end in (1, 2)
        )
        return Given(raw, position, ends=(low, high))
    open_start = raw.startswith("*") and raw != "*"
    open_end = raw.endswith("*") and not raw.endswith("\\*")
    inner = raw[open_start : len(raw) - open_end]
    if inner.startswith('"'):
        return Given(unquoted(inner, position + open_start), position, True, open_start, open_end)
    return Given(inner.replace("\\*", "*"), position, False, open_start, open_end)


def unquoted(raw: str, position: int) -> str:
    """Return what stands in quotes, escapes resolved."""

    def character(found: re.Match[str]) -> str:
        escape = found[1]
        if escape in _ESCAPED:
            return _ESCAPED[escape]
        code = int(escape[1:], 16) if len(escape) > 1 else _SURROGATES.start
        if code <= sys.maxunicode and code not in _SURROGATES:
            return chr(code)
        raise Misread(
            position + 2 + found.start(), r'one of " \ * n t r, uXXXX or UXXXXXXXX after \ in quotes'
        )

    return _ESCAPE.sub(character, raw[1:-1])


# -- terms -----------------------------------------------------------------------------------------------------


def said(raw: str, position: int) -> Condition:
    """Return what a word or phrase alone asks for; stars around a word add nothing, and one alone asks for all."""
    text = unquoted(raw, position) if raw.startswith('"') else raw.strip("*")
    if not text and not raw.startswith('"'):
        return And(())
    found: Condition = _valid(position, lambda: phrase(text))
    return found


def phrase(text: str) -> Condition:
    """Return the condition that input or output has the text, whatever its case."""
    return Or(tuple(face.col(name).contains(text, case=False) for name in PHRASE_COLUMNS))


def comparison(name: str, cast: str, operator: str, values: Given | list[Given], places: Places) -> Condition:
    """Return what a name, an operator and a value ask for; several values stand in parentheses.

    Args:
        name: as it stands in the text.
        cast: what metadata is read as: "text", "float", "int" or "datetime"; "json", of a column; or "".
        operator: one of `: = == != ~ < <= > >=`, or `:` and one of the last four.
        values: what follows.
        places: where the first three stand.
    """
    operator = {"==": "="}.get(operator, operator[1:] if operator[1:] in _WAYS else operator)
    if isinstance(values, list) and operator not in (":", "="):
        raise Misread(places.operator, f"a colon before several values, as in {name}:(a OR b)")
    if name in ("tag", "since", "until"):
        if cast or operator not in ((":", "=", "!=") if name == "tag" else (":", "=")):
            raise Misread(places.cast if cast else places.operator, f"a colon after {name}")
        if isinstance(values, list):
            return Or(tuple(_special(name, operator, value) for value in values))
        return _special(name, operator, values)
    term = _Term(_expression(name, places.name), cast)
    if cast == "json":
        return _whole_json(term.left, operator, values, places)
    if cast:
        term = term.read_as(places.cast)
    if isinstance(values, list):
        return term.any_of(operator, values)
    return term.condition(operator, values)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of a comparison begin."""

    name: int
    cast: int
    operator: int


def _special(name: str, operator: str, value: Given) -> Condition:
    """Return what `tag`, `since` and `until` ask for."""
    if name == "tag":
        if value.wild or value.is_word("missing", "exists"):
            raise Misread(value.position, 'a whole tag; in quotes it may be any text, as in tag:"missing"')
        found: Condition = _valid(value.position, lambda: face.tag(value.text))
        return Not(found) if operator == "!=" else found
    try:
        return face.since(value.text) if name == "since" else face.until(value.text)
    except InvalidInputError:
        raise Misread(
            value.position, f"a span or a moment, as in {name}:7d, {name}:90m or {name}:2026-01-31T12:00:00Z"
        ) from None


def _whole_json(
    left: face.Expression, operator: str, value: Given | list[Given], places: Places
) -> Condition:
    """Return that a column is a JSON object, or is none."""
    if operator not in (":", "=") or isinstance(value, list) or not value.is_word("missing", "exists"):
        raise Misread(places.operator, "exists or missing after ::json, as in output::json:exists")
    found: Condition = _valid(places.cast, left.is_json)
    return Not(found) if value.text == "missing" else found


def _expression(name: str, position: int) -> face.Expression:
    """Return what a name stands for: a column when it is one, a place inside its JSON, else a metadata key."""
    scope, dot, rest = name.partition(".")
    if not dot or scope not in ("meta", "col", "score", *JSON_COLUMNS):
        if name in ("meta", "col"):
            raise Misread(position + len(name), f"a dot and a name after {name}")
        if name == "score":
            return face.score()
        return face.col(name) if name in COLUMNS else _valid(position, lambda: face.meta(name))
    position += len(scope) + 1
    inner = unquoted(rest, position) if rest.startswith('"') else rest
    if scope == "col":
        if inner not in COLUMNS:
            near = get_close_matches(inner, COLUMNS, n=3) or COLUMNS
            raise Misread(position, f"a column, such as {', '.join(near)}")
        return face.col(inner)
    if scope in JSON_COLUMNS:
        return _valid(position, lambda: face.col(scope)[inner])  # type: ignore[no-any-return]
    return _valid(position, lambda: face.meta(inner) if scope == "meta" else face.score(inner))  # type: ignore[no-any-return]


def _valid(position: int, make: Callable[[], Any]) -> Any:
    """Return what the Python face makes; what it refuses is wrong at this place."""
    try:
        return make()
    except InvalidInputError as error:
        raise Misread(position, "a value that is within its limits", str(error)) from None


@dataclass(frozen=True, slots=True)
class _Term:
    """What is compared, and what the text says it is read as."""

    left: face.Expression
    cast: str = ""

    @property
    def _column(self) -> str:
        return self.left.operand.name if isinstance(self.left.operand, ColumnOperand) else ""

    @property
    def _is_status(self) -> bool:
        """Whether the value is a status, which is stored in capitals."""
        return self._column == "status" and not self.cast

    def read_as(self, position: int) -> _Term:
        """Read metadata and JSON as its cast says; `::text` takes a column of text letter for letter."""
        left = self.left
        if isinstance(left, face.ReadableExpression):
            casts = {"float": left.as_float, "int": left.as_int, "datetime": left.as_datetime}
            return _Term(casts[self.cast]() if self.cast in casts else left, self.cast)
        if self.cast != "text" or left.kind != "text":
            raise Misread(position, f"an operator: {left!r} is no metadata and is not read as {self.cast}")
        return self

    def any_of(self, operator: str, values: list[Given]) -> Condition:
        """Return whether it is one of the values."""
        parts = tuple(self.condition(operator, value) for value in values)
        plain = tuple(part.right for part in parts if isinstance(part, Comparison) and part.operator == "==")
        return IsIn(self.left.operand, plain) if len(plain) == len(parts) else Or(parts)

    def condition(self, operator: str, value: Given) -> Condition:
        """Return its comparison with one value."""
        if operator not in (":", "="):
            if value.wild:
                raise Misread(
                    value.position, f"a value without a star after {operator}; in quotes it may be any text"
                )
            if operator == "~":
                return self._text(value, lambda: self.left.contains(value.text, case=False))
            return (self if operator == "!=" else self._guessed(value)).compare(operator, value)
        if value.is_word("missing", "exists"):
            there = Exists(self.left.operand)
            return Not(there) if value.text == "missing" else there
        if value.wild:
            return self._wild(value)
        if value.ends and (self.left.kind != "text" or self._is_free):
            low, high = value.ends
            parts = [self._guessed(low).compare(">=", low)] if low else []
            parts += [self._guessed(high).compare("<=", high)] if high else []
            return And(tuple(parts)) if len(parts) > 1 else parts[0]
        if operator == ":" and self._column in RUNNING_TEXT and not self.cast:
            return self._text(value, lambda: self.left.contains(value.text, case=False))
        return self.compare("==", value)

    @property
    def _is_free(self) -> bool:
        """Whether the value says what metadata or JSON is read as."""
        return isinstance(self.left, face.ReadableExpression) and not self.cast

    def _guessed(self, value: Given) -> _Term:
        """Return what metadata is read as when it is greater or less than a value."""
        if not isinstance(self.left, face.ReadableExpression) or self.cast:
            return self
        if NUMBER.fullmatch(value.text):
            return _Term(self.left.as_float(), "float")
        if MOMENT.fullmatch(value.text):
            return _Term(self.left.as_datetime(), "datetime")
        raise Misread(
            value.position,
            "a number or a date; texts are compared by their order with ::text, as in k::text<b",
        )

    def _wild(self, value: Given) -> Condition:
        """Return what stars ask for: `x*` begins with, `*x` ends with, `*x*` contains, `*` alone exists."""
        if not value.text and not value.quoted:
            return Exists(self.left.operand)
        if self.left.kind == "id" and not value.open_start:
            digits = value.text.replace("-", "")
            if _HEXADECIMAL.fullmatch(digits):
                return self.left.between(*(digits.ljust(32, filler) for filler in "0f"))
        text = value.text.upper() if self._is_status else value.text
        left = self.left
        asked = (
            left.starts_with if not value.open_start else left.contains if value.open_end else left.ends_with
        )
        return self._text(value, lambda: asked(text))

    def _text(self, value: Given, make: Callable[[], Condition]) -> Condition:
        if self.left.kind != "text":
            raise Misread(value.position, f"{_WANTED[self.left.kind]}; stars and ~ are for text")
        found: Condition = _valid(value.position, make)
        return found

    def compare(self, operator: str, value: Given) -> Condition:
        """Return its comparison with a value that is taken as it is."""
        kind, text, ask = self.left.kind, value.text, _WAYS[operator]
        if kind == "text":
            if self._is_status:
                text = text.upper()
                if text not in STATUSES:
                    raise Misread(value.position, f"a status: {', '.join(STATUSES)}")
            found: Condition = _valid(value.position, lambda: ask(self.left, text))
            return found
        if kind == "time" and (text in NAMED_DAYS or _DAY.fullmatch(text)):
            return self._on_day(operator, value)
        try:
            if kind in ("number", "int"):
                return ask(self.left, number(text))  # type: ignore[no-any-return]
            return ask(self.left, text)  # type: ignore[no-any-return]
        except (InvalidInputError, ValueError):
            raise Misread(value.position, _WANTED[kind]) from None

    def _on_day(self, operator: str, value: Given) -> Condition:
        """Return a comparison with a day, which is not over before the next one begins."""
        try:
            text = named_day(value.text).isoformat() if value.text in NAMED_DAYS else value.text
            day = datetime.fromisoformat(text).replace(tzinfo=UTC)
            begun, over = self.left >= day, self.left >= day + timedelta(days=1)
            still = self.left < day + timedelta(days=1)
        except (InvalidInputError, ValueError, OverflowError):
            raise Misread(value.position, _WANTED["time"]) from None
        ways = {
            "==": And((begun, still)),
            "!=": Or((self.left < day, over)),
            ">": over,
            "<=": still,
            ">=": begun,
        }
        return ways.get(operator, self.left < day)


def number(text: str) -> int | float:
    """Return a number; whole ones stay whole.

    Raises:
        ValueError: it is none.
    """
    if not NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(text) if len(text) > _WHOLE_DIGITS or not text.lstrip("+-").isdigit() else int(text)
