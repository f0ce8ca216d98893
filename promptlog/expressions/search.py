"""The search language: `parse` reads its text into conditions, `str` of a condition writes it.

```
user_id:user_123 tag:production latency_ms>500 -status:error (region:eu OR region:us) "chocolate cake"
```

The grammar stands in `search.lark`, what the terms mean in `terms`, and how conditions are written in `show`.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from promptlog.errors import InvalidInputError, SearchSyntaxError
from promptlog.expressions.nodes import And, Condition, Not, Or
from promptlog.expressions.terms import Given, Misread, Places, comparison, given, said

_DEEPEST = 100  # parts within parts; what reads conditions calls itself once a level
_TERM = "a word, a phrase in quotes, or a comparison such as user_id:u1"


def parse(text: str) -> Condition:
    """Return the condition that a search text asks for; an empty text asks for all requests.

    Args:
        text: such as `user_id:user_123 latency_ms>500 "chocolate cake"`; `promptlog search --help` has the language.

    Raises:
        SearchSyntaxError: it cannot be read; the error has the place, and what was expected there.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"search takes a text such as 'user_id:u1', got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise SearchSyntaxError.at(text, error.start, "valid Unicode, not a lone surrogate") from None
    try:
        found = _parser().parse(text)
    except Misread as error:
        raise SearchSyntaxError.at(text, error.position, error.expected, error.problem) from None
    except UnexpectedInput as error:
        raise SearchSyntaxError.at(text, *_explained(text, error)) from None
    assert isinstance(found, Condition)  # noqa: S101 - the transformer made it
    if _depth(found) > _DEEPEST:
        raise SearchSyntaxError.at(
            text, 0, f"at most {_DEEPEST} parentheses and minus signs within each other"
        )
    return found


@cache
def _parser() -> Lark:
    grammar = files("promptlog.expressions").joinpath("search.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", transformer=_Conditions(), maybe_placeholders=False)


class _Conditions(Transformer[Token, Condition]):
    """Makes the conditions while the text is read. Each method is a rule of the grammar."""

    def start(self, parts: list[Condition]) -> Condition:
        return parts[0] if parts else And(())

    def expression(self, parts: list[Condition]) -> Condition:
        return Or(tuple(parts))

    def conjunction(self, parts: list[Condition]) -> Condition:
        return And(tuple(parts))

    one_of = expression
    all_of = conjunction

    def negated(self, parts: list[Condition]) -> Condition:
        return Not(parts[0])

    def said(self, parts: list[Token]) -> Condition:
        return said(str(parts[0]), _place(parts[0]))

    def listed(self, values: list[Token]) -> list[Token]:
        return values

    def comparison(self, parts: list[Token | list[Token]]) -> Condition:
        name, *casts, operator = (part for part in parts[:-1] if isinstance(part, Token))
        values = parts[-1]
        cast = casts[0] if casts else operator
        places = Places(_place(name), _place(cast), _place(operator))
        read: Given | list[Given] = (
            _given(values) if isinstance(values, Token) else [_given(value) for value in values]
        )
        return comparison(str(name), str(cast)[2:] if casts else "", str(operator), read, places)


def _given(token: Token) -> Given:
    return given(str(token), _place(token))


def _place(token: Token) -> int:
    return token.start_pos or 0


def _depth(condition: Condition) -> int:
    deepest, waiting = 0, [(condition, 1)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        inner = node.parts if isinstance(node, And | Or) else (node.part,) if isinstance(node, Not) else ()
        waiting += [(part, depth + 1) for part in inner]
    return deepest


# -- what was expected, in words -------------------------------------------------------------------------------

#: A value, word or phrase at a place where none can be read: its quote is not closed, or something is glued to it.
_PIECE = re.compile(r'\*?"(?:[^"\\]|\\[\s\S])*("?)|[^\s"():=<>~]+')


def _explained(text: str, error: UnexpectedInput) -> tuple[int, str]:
    """Return the place at which a text cannot be read, and what was expected there."""
    if isinstance(error, UnexpectedCharacters):
        return _unreadable(text, error.pos_in_stream or 0)
    if not isinstance(error, UnexpectedToken):
        return len(text), _TERM
    place = len(text) if error.token.type == "$END" else _place(error.token)
    expected, found = error.expected, text[place : place + 1]
    if "OPERATOR" in expected or (found and found in ":=<>~"):
        return _unreadable(text, place)
    if "VALUE" in expected:
        return place, "a value, as in latency_ms>500"
    if "_OR_ELSE" in expected:
        return place, "OR and a value, or a closing parenthesis"
    if not found and "RPAR" in expected:
        return place, "a closing parenthesis"
    if found == ")" and "$END" in expected:
        return place, "no closing parenthesis, for none is open"
    return place, _TERM


def _unreadable(text: str, place: int) -> tuple[int, str]:
    """Explain a place at which nothing begins that the language knows."""
    rest = text[place:]
    if rest.startswith("::"):
        return place, "a single colon, or one of ::text ::float ::int ::datetime ::json and an operator"
    if rest[0] == ":" and text[:place].strip() and not text[place - 1].isspace():
        return place + 1, "a value right after the colon; text that has a colon stands in quotes"
    if piece := _PIECE.match(rest):
        if piece[1] == "":
            return place, "a closing quote for the one that begins here"
        place += piece.end()
        if text[place] == ":" and piece[1]:
            return place, 'a blank after the quote; a key with blanks is written meta."my key":x'
        return place, "a blank here; text with parentheses, quotes or signs stands in quotes"
    return (
        place,
        f"a name right before {rest[0]}, as in latency_ms>500; text that has such a sign stands in quotes",
    )
