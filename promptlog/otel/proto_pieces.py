"""A large request of protobuf as many small ones: of what its package makes of a whole one it would hold 200 times its size.

Fields are walked as they stand on the wire, down to lists that are too long: each run of their items becomes a request of
its own, with the resource and scope that it stands in. Spans and log records are at the same places.
Source: protobuf's "Encoding"; `opentelemetry/proto/trace/v1/trace.proto`, `logs.proto`, `common.proto`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from promptlog.otel.otlp_batch import MOST_PARTS, PIECE_BYTES, TOO_MANY_PARTS, NotOtlpError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

#: The numbers of the fields on the way to a span or log record: resource_spans, scope_spans, spans.
_LISTS = (1, 2, 2)

_VARINT, _FIXED_64, _SIZED, _FIXED_32 = 0, 1, 2, 5

#: In which fields messages hold messages that can be many: a span or log record, a resource or scope, an attribute, ….
_HOLDS: dict[str, dict[int, str]] = {
    "item": {9: "pair", 11: "event", 13: "link", 5: "value", 6: "pair"},
    "around": {1: "pair", 3: "pair"},
    "event": {3: "pair"},
    "link": {4: "pair"},
    "pair": {2: "value"},
    "value": {5: "list", 6: "map"},
    "list": {1: "value"},
    "map": {1: "pair"},
}


class _Field(NamedTuple):
    number: int
    wire: int
    start: int  # of the field
    value: int  # of what it holds
    end: int


def pieces(data: bytes, skipped: Counter[str]) -> Iterator[bytes]:
    """Return what a request holds as requests that are read one by one.

    Args:
        data: the request.
        skipped: takes what has too many parts to be held.

    Raises:
        NotOtlpError: it is truncated or no protobuf; or a resource or scope has too many parts.
    """
    if len(data) <= PIECE_BYTES:
        yield data
    else:
        yield from _split(data, 0, len(data), 0, skipped)


def _split(data: bytes, start: int, end: int, level: int, skipped: Counter[str]) -> Iterator[bytes]:
    around: list[bytes] = []
    runs: list[tuple[_Field, _Field]] = []
    for field in _fields(data, start, end):
        if field.number != _LISTS[level] or field.wire != _SIZED:
            if field.end - field.start > PIECE_BYTES and _has_many_parts(
                data, field.value, field.end, "around"
            ):
                raise NotOtlpError(f"a resource or scope has {TOO_MANY_PARTS}")
            around.append(data[field.start : field.end])
        elif runs and field.end - runs[-1][0].start <= PIECE_BYTES and runs[-1][1].end == field.start:
            runs[-1] = (runs[-1][0], field)
        else:
            runs.append((field, field))
    head = b"".join(around)
    if not runs:
        yield head
    for first, last in runs:
        if first is not last or first.end - first.start <= PIECE_BYTES:
            yield head + data[first.start : last.end]
        elif level + 1 < len(_LISTS):
            tag = bytes([_LISTS[level] << 3 | _SIZED])
            for inner in _split(data, first.value, first.end, level + 1, skipped):
                yield head + tag + _varint(len(inner)) + inner
        elif _has_many_parts(data, first.value, first.end, "item"):
            skipped[f"spans or log records with {TOO_MANY_PARTS}"] += 1
        else:
            yield head + data[first.start : first.end]


def _fields(data: bytes, at: int, end: int) -> Iterator[_Field]:
    """Return the fields of a message.

    Raises:
        NotOtlpError: it is truncated or no protobuf.
    """
    while at < end:
        start = at
        tag, at = _read_varint(data, at, end)
        wire = tag & 7
        value = at
        if wire == _SIZED:
            size, value = _read_varint(data, at, end)
            at = value + size
        elif wire == _VARINT:
            _, at = _read_varint(data, at, end)
        elif wire in (_FIXED_64, _FIXED_32):
            at += 8 if wire == _FIXED_64 else 4
        else:
            raise NotOtlpError("it is no protobuf of OTLP")
        if at > end:
            raise NotOtlpError("it is truncated, or no protobuf of OTLP")
        yield _Field(tag >> 3, wire, start, value, at)


def _read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    found = shift = 0
    while at < end and shift < 64:  # noqa: PLR2004 - bits
        byte = data[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last
            return found, at
        shift += 7
    raise NotOtlpError("it is truncated, or no protobuf of OTLP")


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits in each byte
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _has_many_parts(data: bytes, start: int, end: int, kind: str) -> bool:
    """Return whether a message would become very many objects."""
    parts, waiting = 0, [(start, end, kind)]
    while waiting and parts <= MOST_PARTS:
        start, end, kind = waiting.pop()
        try:
            for field in _fields(data, start, end):
                held = _HOLDS[kind].get(field.number)
                if held is not None and field.wire == _SIZED:
                    parts += 1
                    if field.end > field.value:
                        waiting.append((field.value, field.end, held))
                    if parts > MOST_PARTS:
                        break
        except NotOtlpError:
            continue  # what is read as a message here is text in another kind of it, or is refused by who reads it
    return parts > MOST_PARTS
