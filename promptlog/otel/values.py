"""Values of attributes as plain Python that JSON can hold, and what is done about those that it cannot."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from promptlog.settings import MAX_LINE_BYTES

if TYPE_CHECKING:
    from promptlog.otel.data import LogData, SpanData

#: Where a span says what of it could not be kept: a list of texts.
DROPPED = "promptlog.dropped_attributes"

_AS_IT_IS = frozenset({str, bool, int, type(None)})
_MAX_DEPTH = 100  # what holds itself has no end, and a reader of JSON has one
_LARGE = 1024 * 1024  # where a record is too large, an attribute past this is one that made it so


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


def plain_attributes(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return attributes as plain values; of one that cannot be kept, what is wrong with it stands under `DROPPED`."""
    if not given:
        return {}
    try:
        found: dict[str, Any] = given.copy()  # type: ignore[attr-defined]  # the SDK's own, and ten times faster than dict()
    except AttributeError:
        found = dict(given)
    unkeepable: list[str] | None = None
    for key, value in found.items():
        if type(value) not in _AS_IT_IS:
            try:
                found[key] = plain(value)
            except UnkeepableError as error:
                unkeepable = [*(unkeepable or ()), key]
                found[key] = str(error)
    return found if unkeepable is None else _without(found, {key: found[key] for key in unkeepable})


def _without(attributes: Mapping[str, Any], reasons: Mapping[str, str]) -> dict[str, Any]:
    """Return attributes without some of them, and with the reasons."""
    kept = {key: value for key, value in attributes.items() if key not in reasons}
    said = kept.get(DROPPED)
    kept[DROPPED] = [*(said if isinstance(said, list) else ()), *(f"{k}: {why}" for k, why in reasons.items())]
    return kept


def mended(given: SpanData) -> SpanData:
    """Return a span with all its texts valid Unicode: a lone surrogate becomes a question mark.

    It is asked for only where a record was refused, so that spans in order do not pay for it.
    """
    return replace(
        given,
        name=_text(given.name),
        status_message=None if given.status_message is None else _text(given.status_message),
        attributes=_mended(given.attributes),
        events=[
            replace(event, name=_text(event.name), attributes=_mended(event.attributes)) for event in given.events
        ],
        links=[_mended(link) for link in given.links],
        resource=_mended(given.resource),
        scope=None if given.scope is None else _text(given.scope),
    )


def mended_log(given: LogData) -> LogData:
    """Return a log record with all its texts valid Unicode."""
    return replace(
        given, body=_mended(given.body), attributes=_mended(given.attributes), resource=_mended(given.resource)
    )


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(str(key)): _mended(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return value


def without_largest(given: SpanData) -> SpanData | None:
    """Return a span without the largest attribute of its own or of its events; None where no attribute is large."""
    places: list[tuple[int, int, str]] = [
        (len(to_json(value)), where, key)
        for where, attributes in enumerate((given.attributes, *(event.attributes for event in given.events)), -1)
        for key, value in attributes.items()
    ]
    size, where, key = max(places, default=(0, 0, ""))
    if size < _LARGE:
        return None
    reason = {key: f"it has {size:,} bytes, and a span with all it has must stay under {MAX_LINE_BYTES:,}"}
    if where < 0:
        return replace(given, attributes=_without(given.attributes, reason))
    events = list(given.events)
    events[where] = replace(events[where], attributes=_without(events[where].attributes, reason))
    return replace(given, events=events)
