"""Bodies, read: unpacked, and parsed as JSON. What is large is so in a thread, where it does not stop the others."""

from __future__ import annotations

import gc
import json
import re
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json
from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

    from promptlog.server.house import House

_LARGE_BYTES = 256 * 1024  # a millisecond or two to parse


async def text_body(request: Request, house: House) -> bytes:
    """Return the text of the JSON that a request carries, unpacked.

    A form of a page elsewhere could send text, never JSON without asking first; so the type is insisted on.

    Raises:
        HTTPException: 415 where it is no JSON by its type, and as in `body_of`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(
            415, f"the body must be JSON, with the header Content-Type: application/json; got {kind[:80]!r}"
        )
    return await body_of(request, house)


async def body_of(request: Request, house: House) -> bytes:
    """Return what a request carries, unpacked.

    Raises:
        HTTPException: as in `unpacked`.
    """
    body = await request.body()
    encoding = request.headers.get("content-encoding")
    return await house.work(unpacked, body, encoding, house.max_body_bytes) if encoding else body


async def parsed(body: bytes, house: House) -> dict[str, Any]:
    """Return the JSON object that a text holds.

    Raises:
        HTTPException: 400; it holds none.
    """
    try:
        found = _read(body) if len(body) < _LARGE_BYTES else await house.work(_read_large, body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise HTTPException(400, f"the body must be a JSON object, got {type(found).__name__}")
    return found


def _read(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:  # half a surrogate, another encoding than UTF-8, or no JSON
        text = body.decode(json.detect_encoding(body))
        return from_json(_SURROGATES.sub(_whole, text))


#: What an escape of JSON can be, of which the last is half of a character.
_SURROGATES = re.compile(
    r"\\\\|(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)


def _whole(found: re.Match[str]) -> str:
    """Return an escape; for half a character, which a text that was cut ends with, what stands for one that is missing."""
    return "\\ufffd" if len(found[0]) == 6 else found[0]  # noqa: PLR2004 - one \u0000


def _read_large(body: bytes) -> Any:
    with uncollected():
        return _read(body)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no garbage while much is made that stays: Python would look through all of it, time and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def unpacked(body: bytes, encoding: str, most: int) -> bytes:
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
    if reader.unused_data.strip(b"\0"):  # to read on would cost a copy of the rest for each of a million
        raise HTTPException(
            400, f"the body is more than one {encoding}: something stands behind it; pack all as one"
        )
    return found
