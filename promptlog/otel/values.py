"""Values of attributes as plain Python that JSON can hold, and what is done about those that it cannot."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from promptlog.errors import printable
from promptlog.otel.strings import DROPPED
from promptlog.settings import MAX_LINE_BYTES

if TYPE_CHECKING:
    from promptlog.otel.data import LogData, SpanData

_AS_IT_IS = frozenset({str, bool, int, type(None)})
_MAX_DEPTH = 100  # what holds itself has no end, and a reader of JSON has one
_LONGEST_NAME = 200  # of an attribute's name, in what is said of it


class UnkeepableError(Exception):
    """A value is nothing that JSON can hold."""


def plain(value: object, depth: int = 0) -> Any:
    """Return a value as JSON's types: bytes as base64, a number that is none as text, as OTLP's JSON has both.

    Raises:
        UnkeepableError: it is of another type, or so deep that it seems to hold itself.
    """
    kind = type(value)
    if kind in _AS_IT_IS:
        return value
    if depth > _MAX_DEPTH:
        raise UnkeepableError("it holds itself, or is too deep")
    if isinstance(value, float):
        return float(value) if isfinite(value) else _not_finite(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {_key(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [plain(item, depth + 1) for item in value]
    raise UnkeepableError(f"it is of type {kind.__name__}")


def _not_finite(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN alone


def _key(key: object) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    raise UnkeepableError(f"it has a key of type {type(key).__name__}")


def plain_attributes(given: Mapping[str, Any] | None, lost: list[str], dropped: int = 0) -> dict[str, Any]:
    """Return attributes as plain values.

    Args:
        given: the attributes.
        lost: takes those that cannot be kept, each with the reason; they stand under `DROPPED` too.
        dropped: how many the sender had left out already, which is said in the same place.
    """
    if not given and not dropped:
        return {}
    try:
        found: dict[str, Any] = given.copy()  # type: ignore[union-attr]  # the SDK's own: ten times faster than dict()
    except AttributeError:
        found = dict(given or ())
    reasons: dict[str, str] = {}
    for key, value in found.items():
        if type(value) not in _AS_IT_IS:
            try:
                found[key] = plain(value)
            except UnkeepableError as error:
                reasons[key] = str(error)
    if dropped:
        reasons[f"{dropped:,} others"] = "left out by the program, over a limit of attributes"
    return without(found, reasons, lost) if reasons else found


def without(attributes: Mapping[str, Any], reasons: Mapping[str, str], lost: list[str]) -> dict[str, Any]:
    """Return attributes without some of them, and with the reasons."""
    said = [f"{printable(str(key)[:_LONGEST_NAME])}: {why}" for key, why in reasons.items()]
    lost += said
    kept = {key: value for key, value in attributes.items() if key not in reasons}
    before = kept.get(DROPPED)
    kept[DROPPED] = [*before, *said] if isinstance(before, list) else said
    return kept


def mended(given: SpanData) -> SpanData:
    """Return a span with all its texts valid Unicode and all names text: a lone surrogate becomes a question mark.

    It is asked for only where a record was refused, so that spans in order do not pay for it.
    """
    events = [
        replace(event, name=_mended(event.name), attributes=_mended(event.attributes))
        for event in given.events
    ]
    return replace(
        given, name=_mended(given.name), status_message=_mended(given.status_message),
        attributes=_mended(given.attributes), events=events, links=_mended(given.links),
        resource=_mended(given.resource), scope=_mended(given.scope),
    )  # fmt: skip


def mended_log(given: LogData) -> LogData:
    """Return a log record with all its texts valid Unicode."""
    return replace(
        given, name=_mended(given.name), body=_mended(given.body), attributes=_mended(given.attributes),
        resource=_mended(given.resource), scope=_mended(given.scope),
    )  # fmt: skip


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {_mended(str(key)): _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value


def without_largest(given: SpanData, lost: list[str]) -> SpanData | None:
    """Return a mended span without the largest attribute of its own or of its events; None where it has none."""
    places = [
        (len(to_json(value)) + len(key), where, key)
        for where, attributes in enumerate(
            (given.attributes, *(event.attributes for event in given.events)), -1
        )
        for key, value in attributes.items()
        if key != DROPPED
    ]
    if not places:
        return None
    size, where, key = max(places)
    reason = {key: f"{size:,} bytes of a span that may have {MAX_LINE_BYTES:,} in all"}
    if where < 0:
        return replace(given, attributes=without(given.attributes, reason, lost))
    events = list(given.events)
    events[where] = replace(events[where], attributes=without(events[where].attributes, reason, lost))
    return replace(given, events=events)
