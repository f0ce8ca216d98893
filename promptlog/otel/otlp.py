"""`read_otlp`: requests of OTLP, in any of the forms in which they are kept or sent."""

from __future__ import annotations

import gzip
import json
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from promptlog.errors import InvalidInputError, MissingExtraError
from promptlog.otel import json_pieces, otlp_json, proto_pieces
from promptlog.otel.otlp_batch import MENDED, NotOtlpError, OtlpBatch
from promptlog.otel.strings import whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["OtlpBatch", "read_otlp", "read_stream"]

GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_SIZE_BYTES = 4


def read_otlp(source: bytes | str) -> OtlpBatch:
    """Read what OTLP sends: an ExportTraceServiceRequest or ExportLogsServiceRequest.

    Args:
        source: protobuf, or JSON as bytes or text, where ids may be hex or base64 and one request may stand on each
            line; gzip is unpacked.

    Returns:
        spans and log records, and what was repaired or passed over: a span without ids or times is skipped, one that
        has but one time begins and ends then, one that ends before it starts ends at its start.

    Raises:
        InvalidInputError: it is empty, truncated or no OTLP; the message says why.
        MissingExtraError: it is protobuf, and opentelemetry-proto is not installed.
    """
    if not isinstance(source, bytes | bytearray | memoryview | str):
        raise InvalidInputError(f"OTLP is read from bytes or JSON text, got {type(source).__name__}")
    data = source.encode("utf-8", "replace") if isinstance(source, str) else bytes(source)
    found = OtlpBatch()
    for batch in read_stream(BytesIO(data), "the source"):
        found.spans += batch.spans
        found.logs += batch.logs
        found.repaired += batch.repaired
        found.skipped += batch.skipped
        found.lost += batch.lost
    return found


def read_body(body: bytes, *, is_json: bool) -> Iterator[OtlpBatch]:
    """Read one request as it came over the wire: what it is has been told, nothing is guessed and nothing unpacked.

    A large one comes in batches, which take a small part of the memory that all of it would take at once.

    Raises:
        InvalidInputError, MissingExtraError: as in `read_otlp`; what came before was given already.
    """
    if body.startswith(GZIP):
        raise InvalidInputError("the body is packed with gzip and does not say so, or is packed twice")
    return _documents(_bare(body), "the body") if is_json else _messages(body, "the body")


def read_stream(stream: BinaryIO, name: str) -> Iterator[OtlpBatch]:
    """Read one request after the other from a seekable stream; `name` says in messages what it is.

    Raises:
        InvalidInputError, MissingExtraError: as in `read_otlp`; what came before was given already.
    """
    first = stream.read(2 * _SIZE_BYTES)
    stream.seek(-len(first), 1)
    if first.startswith(GZIP):
        try:
            yield from read_stream(gzip.GzipFile(fileobj=stream, mode="rb"), name)  # type: ignore[arg-type]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidInputError(f"{name} is no whole gzip file: {error}") from None
        return
    if not first:
        raise InvalidInputError(f"{name} is empty: there is no request of OTLP in it")
    if first.startswith(_ZSTD) or first[_SIZE_BYTES:].startswith(_ZSTD):
        raise InvalidInputError(
            f"{name} is compressed with zstd; unpack it first: zstd -dc FILE | promptlog import otlp /dev/stdin"
        )
    if first.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        yield from _read_json(stream, name)
    else:
        yield from _read_protobuf(stream, name)


def _read_json(stream: BinaryIO, name: str) -> Iterator[OtlpBatch]:
    """Read one request a line, else the whole as one."""
    line, number = stream.readline(), 1
    try:
        _parse(_bare(line))
    except ValueError:
        line += stream.read()  # written over several lines
    while line:
        if bare := _bare(line):
            yield from _documents(bare, f"line {number} of {name}" if number > 1 else name)
        line = stream.readline()
        number += 1


def _bare(line: bytes) -> bytes:
    return line.removeprefix(b"\xef\xbb\xbf").strip()


def _parse(bare: bytes) -> tuple[Any, bool]:
    """Return what JSON holds, and whether text in it that is no Unicode was mended."""
    try:
        return from_json(bare), False
    except ValueError as error:
        try:
            return whole(json.loads(bare.decode("utf-8", "replace"))), True
        except (ValueError, RecursionError):
            raise error from None


def _documents(bare: bytes, where: str) -> Iterator[OtlpBatch]:
    """Read a request of JSON, in pieces where it is large."""
    whole_request = OtlpBatch()

    def parse(text: bytes) -> Any:
        found, mended = _parse(text)
        if mended:
            whole_request.repaired[MENDED] = 1
        return found

    try:
        for document in json_pieces.pieces(bare, parse, whole_request.skipped):
            batch = OtlpBatch()
            otlp_json.decode(document, batch)
            yield batch
    except NotOtlpError as error:
        raise InvalidInputError(f"{where} is no OTLP: {error}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"{where} is not JSON, or is cut off: {error}") from None
    yield whole_request


def _messages(data: bytes, where: str) -> Iterator[OtlpBatch]:
    """Read a request of protobuf, likewise."""
    try:
        from promptlog.otel import otlp_proto
    except ImportError:
        raise MissingExtraError.of("opentelemetry-proto", "otel") from None
    whole_request, kind = OtlpBatch(), None
    try:
        for piece in proto_pieces.pieces(data, whole_request.skipped):
            batch = OtlpBatch()
            kind = otlp_proto.decode(piece, batch, kind)
            if batch.repaired.pop(MENDED, 0):
                whole_request.repaired[MENDED] = 1
            yield batch
    except NotOtlpError as error:
        raise InvalidInputError(f"{where} is no OTLP: {error}") from None
    yield whole_request


def _read_protobuf(stream: BinaryIO, name: str) -> Iterator[OtlpBatch]:
    """Read the whole as one request; or one after the other, each with its size before it, as the collector keeps them."""
    sized = stream.read(1) == b"\0"  # the first of four bytes of a size below 16 MiB; no request begins so
    stream.seek(-1, 1)
    number = 0
    while data := _next_sized(stream, name) if sized else stream.read():
        number += 1
        yield from _messages(data, f"request {number} of {name}" if sized else name)


def _next_sized(stream: BinaryIO, name: str) -> bytes:
    size = int.from_bytes(head := stream.read(_SIZE_BYTES), "big")
    data = stream.read(size)
    if len(data) < size or 0 < len(head) < _SIZE_BYTES:
        raise InvalidInputError(f"{name} is cut off in the middle of a request, or no OTLP")
    return data
