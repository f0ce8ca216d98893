"""Conditions as text of the search language, which `search.parse` reads back as equal conditions."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import assert_never

from promptlog.expressions import nodes
from promptlog.expressions.moments import UNITS_US
from promptlog.expressions.terms import RUNNING_TEXT, SPECIAL, phrase
from promptlog.models.checks import DEFAULT_SCORE
from promptlog.models.columns import COLUMNS, JSON_COLUMNS

_BARE_KEY = re.compile(r"\w[\w.$@/-]*")
_BARE_WORD = re.compile(r"[\w/@.+#%&$][\w/@.+#%&$,;'-]*")
_BARE_VALUE = re.compile(r"[\w/@.+#%&$-][\w/@.+#%&$,;:'-]*")
_SCOPES = ("meta.", "col.", "score.", *(f"{name}." for name in sorted(JSON_COLUMNS)))
_WORDS = ("AND", "OR", "NOT", "missing", "exists")
_ODD = re.compile(r'[\\"\n\t\r]|[^ -~]')
_ESCAPES = {"\n": r"\n", "\t": r"\t", "\r": r"\r", '"': r"\"", "\\": r"\\"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_text(condition: nodes.Condition) -> str:
    """Return a condition as a search text; of all requests, an empty one."""
    match condition:
        case nodes.And(parts) if len(parts) != 1:
            return " ".join(map(_term, parts))
        case nodes.Or(parts) if len(parts) > 1 and _phrase(condition) is None:
            return " OR ".join(map(_term, parts))
        case _:
            return _term(condition)


def term_text(condition: nodes.Condition) -> str:
    """Return a condition as a search text that can stand beside others."""
    return _term(condition)


def operand_text(operand: nodes.Operand) -> str:
    """Return what a condition can be asked of, as a search text names it."""
    cast = f"::{operand.cast}" if isinstance(operand, nodes.MetaOperand) and operand.cast != "text" else ""
    return _name(operand) + cast


def _term(condition: nodes.Condition) -> str:
    """Return a condition so that it can stand beside others."""
    match condition:
        case nodes.And(()):
            return "*"
        case nodes.And(parts):
            return _group("AND", parts)
        case nodes.Or(parts):
            if (text := _phrase(condition)) is None:
                return _group("OR", parts)
            return text if _BARE_WORD.fullmatch(text) and text not in _WORDS else _quoted(text)
        case nodes.Not(nodes.Exists(operand)):
            return f"{_name(operand)}{_cast(operand)}:missing"
        case nodes.Not(part):
            return f"-{_term(part)}"
        case nodes.HasTag(tag):
            return f"tag:{_text(tag)}"
        case nodes.Since(moment, span):
            return f"since:{_when(moment, span)}"
        case nodes.Until(moment, span):
            return f"until:{_when(moment, span)}"
        case nodes.Exists(operand):
            return f"{_name(operand)}{_cast(operand)}:exists"
        case nodes.Comparison(left, operator, right):
            sign = _equals(left) if operator == "==" else operator
            return f"{_name(left)}{_cast(left, operator)}{sign}{_value(left, right)}"
        case nodes.IsIn(left, values):
            shown = " OR ".join(_value(left, value) for value in values)
            return f"{_name(left)}{_cast(left)}{_equals(left)}({shown})"
        case nodes.StartsWith(left, part):
            return f"{_name(left)}{_stored(left, part)}:{_text(part)}*"
        case nodes.EndsWith(left, part):
            return f"{_name(left)}{_stored(left, part)}:*{_text(part)}"
        case nodes.Contains(left, part, case=True):
            return f"{_name(left)}{_stored(left, part)}:*{_text(part)}*"
        case nodes.Contains(left, part):
            return f"{_name(left)}{':' if _is_running(left) else '~'}{_text(part)}"
    raise TypeError(f"no condition: {condition!r}")


def _group(connective: str, parts: tuple[nodes.Condition, ...]) -> str:
    """Return parts in parentheses; a single one is told from a part alone by a connective before it."""
    if len(parts) < 2:  # noqa: PLR2004 - what has nothing to join
        return f"({' '.join((connective, *map(_term, parts)))})"
    return f"({(' OR ' if connective == 'OR' else ' ').join(map(_term, parts))})"


def _phrase(condition: nodes.Or) -> str | None:
    """Return what is looked for in input and output, where that is all a condition says."""
    match condition.parts:
        case (nodes.Contains(_, part), _) if condition == phrase(part):
            return part
    return None


# -- names -----------------------------------------------------------------------------------------------------


def _name(operand: nodes.Operand) -> str:
    match operand:
        case nodes.ColumnOperand(name):
            return name
        case nodes.ScoreOperand(name):
            return "score" if name == DEFAULT_SCORE else f"score.{_key(name)}"
        case nodes.JsonOperand(column, path):
            return column if path is None else f"{column}.{_key(path)}"
        case nodes.MetaOperand(key):
            is_taken = key in COLUMNS or key in SPECIAL or key.startswith(_SCOPES)
            return key if _BARE_KEY.fullmatch(key) and not is_taken else f"meta.{_key(key)}"
    assert_never(operand)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _quoted(key)


def _cast(operand: nodes.Operand, operator: nodes.Operator = "==") -> str:
    """Return what must be said of how an operand is read: nothing where the language would read it so anyway."""
    if isinstance(operand, nodes.JsonOperand) and operand.path is None:
        return "::json"
    if isinstance(operand, nodes.MetaOperand | nodes.JsonOperand):
        ordered = operator not in ("==", "!=")
        read_as = ("float", "datetime") if ordered else ("text",)
        return "" if operand.cast in read_as else f"::{operand.cast}"
    return ""


def _stored(operand: nodes.Operand, part: str) -> str:
    """Return `::text` where a part of a status is not in capitals."""
    return "::text" if _is_status(operand) and part != part.upper() else ""


def _is_status(operand: nodes.Operand) -> bool:
    return operand == nodes.ColumnOperand("status")


def _is_running(operand: nodes.Operand) -> bool:
    return isinstance(operand, nodes.ColumnOperand) and operand.name in RUNNING_TEXT


def _equals(operand: nodes.Operand) -> str:
    return "=" if _is_running(operand) else ":"


# -- values ----------------------------------------------------------------------------------------------------


def _value(operand: nodes.Operand, value: nodes.Value) -> str:
    match operand:
        case nodes.ColumnOperand(name):
            is_time = COLUMNS[name].kind == "time"
        case nodes.MetaOperand() | nodes.JsonOperand():
            is_time = operand.cast == "datetime"
        case _:
            is_time = False
    if isinstance(value, str):
        return _text(value)
    return _moment(int(value)) if is_time else repr(value)


def _moment(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).isoformat().replace("+00:00", "Z")


def _when(moment: int | None, span_us: int | None) -> str:
    if moment is not None:
        return _moment(moment)
    span = abs(span_us or 0)
    unit = next((name for name in ("d", "h", "m", "s", "ms") if span % UNITS_US[name] == 0), "us")
    return f"{'+' if (span_us or 0) < 0 else ''}{span // UNITS_US[unit]}{unit}"


def _text(text: str) -> str:
    is_bare = _BARE_VALUE.fullmatch(text) and text not in _WORDS and ".." not in text
    return text if is_bare else _quoted(text)


def _quoted(text: str) -> str:
    return f'"{_ODD.sub(_written_out, text)}"'


def _written_out(found: re.Match[str]) -> str:
    character = found[0]
    if character.isprintable() and character not in _ESCAPES:
        return character
    code = ord(character)
    return _ESCAPES.get(character) or (f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}")  # noqa: PLR2004
