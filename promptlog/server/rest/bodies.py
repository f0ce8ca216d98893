"""Bodies of JSON, read."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json
from starlette.exceptions import HTTPException

from promptlog.server.safety import MAX_BODY_BYTES

if TYPE_CHECKING:
    from starlette.requests import Request


async def json_body(request: Request) -> dict[str, Any]:
    """Return the JSON object that a request carries.

    A form of a page elsewhere could send text, never JSON without asking first; so the type is insisted on.

    Raises:
        HTTPException: 415 where it is no JSON by its type, 400 where it cannot be read.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(
            415, f"the body must be JSON, with the header Content-Type: application/json; got {kind[:80]!r}"
        )
    body = await request.body()
    if encoding := request.headers.get("content-encoding"):
        body = unpacked(body, encoding)
    try:
        found = _read(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise HTTPException(400, f"the body must be a JSON object, got {type(found).__name__}")
    return found


def _read(body: bytes) -> Any:
    try:
        return from_json(body)
    except (
        ValueError
    ):  # half a surrogate, or two hundred levels: the standard library takes what Python wrote
        return json.loads(body)


def unpacked(body: bytes, encoding: str, most: int = 8 * MAX_BODY_BYTES) -> bytes:
    """Return a body unpacked, up to a bound: a small one can hold terabytes of zeros.

    Raises:
        HTTPException: 415 where it is packed otherwise, 400 where it is torn, 413 where it is too large.
    """
    encoding = encoding.strip().lower()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise HTTPException(
            415, f"Content-Encoding {encoding[:40]!r} is not read here; send gzip, or nothing packed"
        )
    reader = zlib.decompressobj(31 if encoding == "gzip" else 15)
    try:
        found = reader.decompress(body, most)
    except zlib.error as error:
        raise HTTPException(400, f"the body is no whole {encoding}: {error}") from None
    if reader.unconsumed_tail:
        raise HTTPException(413, f"the body has more than {most:,} bytes unpacked; send less at once")
    if not reader.eof:
        raise HTTPException(400, f"the body is no whole {encoding}: it is cut off")
    return found
