"""A large request of JSON as many small ones: of what Python makes of a whole one it would hold twenty times its size.

The text is walked once, by its brackets, down to lists that are too long: each run of their items becomes a request of
its own, with the resource and scope that it stands in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptlog.otel.otlp_batch import MOST_PARTS, PIECE_BYTES, TOO_MANY_PARTS, NotOtlpError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    Parse = Callable[[bytes], Any]
    Wrap = Callable[[dict[str, Any]], Any]

#: The lists on the way to a span or log record, by their names in JSON and in protobuf.
_LISTS = (
    frozenset({"resourceSpans", "resource_spans", "resourceLogs", "resource_logs"}),
    frozenset({"scopeSpans", "scope_spans", "scopeLogs", "scope_logs"}),
    frozenset({"spans", "logRecords", "log_records"}),
)
_AROUND = frozenset({"resource", "scope"})
_LONGEST_NAME = 100

# None of these has two ways to match a text, so that going back finds nothing and is soon done. Possessive quantifiers
# would say the same and not go back at all, but before Python 3.11.5 they miss matches.
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_SCALARS = rb'[^\[\]{}"]'


def _bracketed(depth: int) -> bytes:
    """Return a pattern of what stands in brackets, nested so deep at most."""
    inner = rb"|" + _bracketed(depth - 1) if depth else b""
    return rb"[\[{]%b*(?:(?:%b%b)%b*)*[\]}]" % (_SCALARS, _STRING, inner, _SCALARS)


_SHALLOW = _bracketed(12)  # deeper than spans are; what is deeper is walked step by step
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_NEXT = re.compile(rb"[\s,]*")
_COLON = re.compile(rb"\s*:\s*")
_SCALAR = re.compile(rb"[^\[\]{}\",\s]+")
_ONE = re.compile(_SHALLOW, re.DOTALL)
_ITEMS = re.compile(rb"(?:[\s,]*%b)+" % _SHALLOW, re.DOTALL)
_ANYTHING = re.compile(
    rb"(?:%b|%b|%b)%b*(?:(?:%b|%b)%b*)*"
    % (_SCALARS, _STRING, _SHALLOW, _SCALARS, _STRING, _SHALLOW, _SCALARS),
    re.DOTALL,
)

_Range = tuple[int, int]


@dataclass(slots=True)
class _Object:
    """One that is too large to be read whole: its lists, walked, and where its other members stand."""

    others: dict[str, _Range] = field(default_factory=dict)
    lists: list[tuple[str, list[_Range | _Object]]] = field(default_factory=list)


def pieces(text: bytes, parse: Parse, skipped: Counter[str]) -> Iterator[Any]:
    """Return what a JSON text holds, in documents that `otlp_json.decode` reads one by one.

    Args:
        text: the request.
        parse: reads JSON.
        skipped: takes what has too many parts to be held.

    Raises:
        ValueError: it is not JSON.
        NotOtlpError: a resource or scope has too many parts.
    """
    if len(text) <= PIECE_BYTES:
        yield parse(text)
        return
    start = _next(text, 0)
    if text[start : start + 1] == b"[":
        found, end = _walk_list(text, start + 1, 0)
    elif text[start : start + 1] == b"{":
        one, end = _walk_object(text, start + 1, 0)
        found = [one]
    else:
        found, end = [(start, len(text))], len(text)
    if _next(text, end) != len(text):
        raise ValueError(f"something follows at byte {end:,}")
    for item in found:
        if isinstance(item, _Object):
            yield from _split(text, item, 0, parse, skipped, lambda document: document)
        else:
            yield parse(b"[%b]" % text[item[0] : item[1]].strip(b", \t\r\n"))


def _split(
    text: bytes, found: _Object, level: int, parse: Parse, skipped: Counter[str], wrap: Wrap
) -> Iterator[Any]:
    """Return one document for each run of items, with all that stands around them."""
    around: dict[str, Any] = {}
    for name, (start, end) in found.others.items():
        if level and name in _AROUND:
            if _has_many_parts(text, start, end):
                raise NotOtlpError(f"{name} has {TOO_MANY_PARTS}")
            around[name] = parse(text[start:end])
        elif not level:
            around[name[:_LONGEST_NAME]] = None  # that it is there may say what this is
    if not any(items for _, items in found.lists):
        yield wrap({**around, **{name: [] for name, _ in found.lists}})
    for name, items in found.lists:

        def within(inner: Any, name: str = name) -> Any:
            return wrap({**around, name: inner})

        for item in items:
            if isinstance(item, _Object):
                yield from _split(
                    text, item, level + 1, parse, skipped, lambda inner, within=within: within([inner])  # type: ignore[misc]
                )  # fmt: skip
            elif _has_many_parts(text, *item):
                skipped[f"spans or log records with {TOO_MANY_PARTS}"] += 1
            else:
                yield within(parse(b"[%b]" % text[item[0] : item[1]].strip(b", \t\r\n")))


def _has_many_parts(text: bytes, start: int, end: int) -> bool:
    """Return whether what stands there, if it is larger than a piece, would become very many objects."""
    return (
        end - start > PIECE_BYTES and text.count(b"{", start, end) + text.count(b"[", start, end) > MOST_PARTS
    )


# -- walking -----------------------------------------------------------------------------------------------------------


def _next(text: bytes, at: int) -> int:
    found = _NEXT.match(text, at)
    return found.end() if found else at


def _walk_list(text: bytes, at: int, level: int) -> tuple[list[_Range | _Object], int]:
    """Return the items of a list, of which the first would stand at `at`, in runs; and where it ends."""
    items: list[_Range | _Object] = []
    while True:
        if run := _ITEMS.match(text, at, at + PIECE_BYTES):
            items.append(run.span())
            at = run.end()
            continue
        at = _next(text, at)
        sign = text[at : at + 1]
        if sign == b"]":
            return items, at + 1
        if sign == b"{" and level < len(_LISTS):
            item, at = _walk_object(text, at + 1, level)
            items.append(item)
        else:
            end = _end_of(text, at)
            items.append((at, end))
            at = end


def _walk_object(text: bytes, at: int, level: int) -> tuple[_Object, int]:
    """Return an object, of which the first member would stand at `at`; and where it ends."""
    found = _Object()
    while text[(at := _next(text, at)) : at + 1] == b'"':
        end = _end_of_string(text, at)
        colon = _COLON.match(text, end)
        if colon is None:
            raise ValueError(f"a name without a value at byte {at:,}")
        name, at = _text(text[at:end]), colon.end()
        if name in _LISTS[level] and text[at : at + 1] == b"[":
            items, at = _walk_list(text, at + 1, level + 1)
            found.lists.append((name, items))
        else:
            start, at = at, _end_of(text, at)
            found.others[name] = (start, at)
    if text[at : at + 1] != b"}":
        raise ValueError(f"an object is not ended at byte {at:,}")
    return found, at + 1


def _text(string: bytes) -> str:
    return string[1:-1].decode("utf-8", "replace")  # a name that is escaped is none of ours


def _end_of(text: bytes, at: int) -> int:
    """Return where a value ends."""
    sign = text[at : at + 1]
    if sign not in (b"{", b"["):
        if sign == b'"':
            return _end_of_string(text, at)
        found = _SCALAR.match(text, at)
        if found is None:
            raise ValueError(f"a value is missing or not ended at byte {at:,}")
        return found.end()
    if found := _ONE.match(text, at, at + PIECE_BYTES):
        return found.end()
    depth, at = 1, at + 1
    while True:
        if found := _ANYTHING.match(text, at, at + PIECE_BYTES):
            at = found.end()
        sign = text[at : at + 1]
        if sign in (b"{", b"["):
            depth += 1
            at += 1
        elif sign in (b"}", b"]"):
            depth -= 1
            at += 1
            if not depth:
                return at
        elif sign == b'"':
            at = _end_of_string(text, at)
        elif not found:
            raise ValueError(f"it ends within brackets, or a text is not ended at byte {at:,}")


def _end_of_string(text: bytes, at: int) -> int:
    """Return where a string ends; it is read in steps, for a pattern remembers each escape that it has passed."""
    start, at = at, at + 1
    while True:
        found = _IN_STRING.match(text, at, at + PIECE_BYTES)
        end = found.end() if found else at
        if text[end : end + 1] == b'"':
            return end + 1
        if end == at:
            raise ValueError(f"a text is not ended, from byte {start:,}")
        at = end
