"""OTLP as JSON: what the specification says, and what else is seen (ids as base64, names of fields with underscores)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

from promptlog.otel.data import EventData
from promptlog.otel.otlp_batch import KINDS, SPAN_DIGITS, STATUS, TRACE_DIGITS, NotOtlpError
from promptlog.otel.values import plain_attributes, without

if TYPE_CHECKING:
    from promptlog.otel.otlp_batch import OtlpBatch

_HEX = re.compile(r"[0-9a-fA-F]*")
_METRICS = ("resourceMetrics", "resource_metrics", "resourceProfiles", "resource_profiles")


def decode(document: Any, into: OtlpBatch) -> None:
    """Read one request, or a list of them.

    Raises:
        NotOtlpError: it is none.
    """
    if isinstance(document, list):
        for one in document:
            decode(one, into)
        return
    if not isinstance(document, dict):
        raise NotOtlpError(f"it is JSON of type {type(document).__name__} where OTLP has an object")
    known = False
    for name, read in (("resourceSpans", _read_spans), ("resourceLogs", _read_logs)):
        if _get(document, name) is not None:
            known = True
            for group in _objects(document, name):
                read(group, into)
    if not known:
        if not any(name in document for name in _METRICS):
            raise NotOtlpError("it is JSON, but has neither resourceSpans nor resourceLogs")
        into.skipped["requests of metrics or profiles"] += 1


def _read_spans(group: dict[str, Any], into: OtlpBatch) -> None:
    resource = _attributes(_object(group, "resource"), into.lost)
    for scope in _objects(group, "scopeSpans"):
        name = _text(_object(scope, "scope"), "name") or None
        for span in _objects(scope, "spans"):
            status = _object(span, "status")
            into.add_span(
                _id(span, "traceId", TRACE_DIGITS),
                _id(span, "spanId", SPAN_DIGITS),
                _id(span, "parentSpanId", SPAN_DIGITS),
                _int(span, "startTimeUnixNano"),
                _int(span, "endTimeUnixNano"),
                name=_text(span, "name"),
                kind=_enum(span, "kind", KINDS),
                status=_enum(status, "code", STATUS),
                status_message=_text(status, "message"),
                attributes=_attributes(span, into.lost),
                events=[
                    EventData(
                        _text(event, "name"),
                        _int(event, "timeUnixNano") // 1000,
                        _attributes(event, into.lost),
                    )
                    for event in _objects(span, "events")
                ],
                links=[
                    {
                        "trace_id": _id(link, "traceId", TRACE_DIGITS),
                        "span_id": _id(link, "spanId", SPAN_DIGITS),
                        "attributes": _attributes(link, into.lost),
                    }
                    for link in _objects(span, "links")
                ],
                resource=resource,
                scope=name,
            )


def _read_logs(group: dict[str, Any], into: OtlpBatch) -> None:
    resource = _attributes(_object(group, "resource"), into.lost)
    for scope in _objects(group, "scopeLogs"):
        name = _text(_object(scope, "scope"), "name") or None
        for log in _objects(scope, "logRecords"):
            into.add_log(
                _id(log, "traceId", TRACE_DIGITS),
                _id(log, "spanId", SPAN_DIGITS),
                _int(log, "timeUnixNano") or _int(log, "observedTimeUnixNano"),
                _text(log, "eventName"),
                _body(log, into.lost),
                _attributes(log, into.lost),
                resource,
                name,
            )


_SNAKE: dict[str, str] = {}


def _get(given: dict[str, Any], name: str) -> Any:
    """Return a field by its name in JSON, else by its name in protobuf, which readers of it must take too."""
    found = given.get(name)
    if found is None:
        snake = _SNAKE.get(name)
        if snake is None:
            snake = _SNAKE[name] = re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)
        found = given.get(snake)
    return found


def _objects(given: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = _get(given, name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise NotOtlpError(f"{name} must be a list of objects")
    return found


def _object(given: dict[str, Any], name: str) -> dict[str, Any]:
    found = _get(given, name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise NotOtlpError(f"{name} must be an object, got {type(found).__name__}")
    return found


def _text(given: dict[str, Any], name: str) -> str:
    found = _get(given, name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise NotOtlpError(f"{name} must be text, got {type(found).__name__}")
    return found


def _int(given: dict[str, Any], name: str) -> int:
    return _as_int(_get(given, name), name)


def _as_int(found: Any, name: str) -> int:
    """Return a number of 64 bits, which JSON has as text."""
    if found is None or found == "":
        return 0
    if isinstance(found, str) and len(found) < 32 and found.lstrip("-").isascii():  # noqa: PLR2004 - no number of 64 bits is as long
        try:
            return int(found)
        except ValueError:
            pass
    if isinstance(found, int | float) and not isinstance(found, bool) and found == found // 1:
        return int(found)
    raise NotOtlpError(f"{name} must be a whole number, got {str(found)[:40]!r}")


def _enum(given: dict[str, Any], name: str, names: tuple[str, ...]) -> str:
    """Return one of `names`: by its number, or by a name such as SPAN_KIND_CLIENT; the first where it is unknown."""
    found = _get(given, name)
    if isinstance(found, str) and not found.isdigit():
        last = found.rsplit("_", 1)[-1].upper()
        return last if last in names else names[0]
    number = _as_int(found, name)
    return names[number] if 0 <= number < len(names) else names[0]


def _id(given: dict[str, Any], name: str, digits: int) -> str:
    """Return an id as lower-case hex; plain protobuf libraries write base64 in its place."""
    text = _text(given, name)
    if not text or (len(text) == digits and _HEX.fullmatch(text)):
        return text.lower()
    try:
        found = base64.b64decode(text, validate=True).hex()
    except (binascii.Error, ValueError):
        found = ""
    if len(found) != digits:
        raise NotOtlpError(f"{name} must have {digits} hexadecimal digits, got {text[:80]!r}")
    return found


def _attributes(given: dict[str, Any], lost: list[str]) -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    odd: dict[str, str] = {}
    for pair in _objects(given, "attributes"):
        key = _text(pair, "key")
        try:
            pairs[key] = _value(_object(pair, "value"))
        except (NotOtlpError, RecursionError) as error:
            odd[key] = str(error)
    found = plain_attributes(pairs, lost, _int(given, "droppedAttributesCount"))
    return without(found, odd, lost) if odd else found


def _body(log: dict[str, Any], lost: list[str]) -> Any:
    try:
        return _value(_object(log, "body"))
    except (NotOtlpError, RecursionError) as error:
        lost.append(f"a log record's body: {error}")
        return None


def _value(given: dict[str, Any]) -> Any:
    """Return what an AnyValue holds."""
    for name, held in given.items():
        match name:
            case "stringValue" | "string_value" | "bytesValue" | "bytes_value":
                return held if isinstance(held, str) else None
            case "boolValue" | "bool_value":
                return bool(held)
            case "intValue" | "int_value":
                return _as_int(held, name)
            case "doubleValue" | "double_value":
                return _number(held)
            case "arrayValue" | "array_value":
                return [_value(item) for item in _objects(_object(given, name), "values")]
            case "kvlistValue" | "kvlist_value":
                pairs = _objects(_object(given, name), "values")
                return {_text(pair, "key"): _value(_object(pair, "value")) for pair in pairs}
            case _:
                continue
    return None


def _number(held: Any) -> Any:
    """Return a number; NaN and the infinities are text in JSON, and stay it."""
    if isinstance(held, str):
        try:
            return float(held)
        except ValueError:
            raise NotOtlpError(f"doubleValue must be a number, got {held[:40]!r}") from None
    return held if isinstance(held, int | float) else None
