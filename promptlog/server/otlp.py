"""OTLP over HTTP: `/v1/traces` and `/v1/logs`, as the SDKs of all languages and the collector send it.

Source: the OpenTelemetry protocol's specification 1.9, "OTLP/HTTP". What is refused in part is told as partial success,
which clients do not send again; only 429, 502, 503 and 504 are.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from promptlog.errors import InvalidInputError, StoreError
from promptlog.server.rest.answers import JSON, answer
from promptlog.server.rest.bodies import body_of
from promptlog.server.rest.doors import Call, door

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog
    from promptlog.otel.importing import OtlpReport

_PROTOBUF = "application/x-protobuf"
_INVALID_ARGUMENT, _UNAVAILABLE = 3, 14  # of google.rpc.Code
_CODES = {401: 16, 403: 7, 413: 8, 503: _UNAVAILABLE}
_EMPTY = (b"", b"{}")  # a request that holds nothing: exporters send it to see whether we are there
_SAID = 5  # reasons told in one answer


def otlp_routes() -> list[BaseRoute]:
    """Return the doors."""
    doors = [door("POST", f"/v1/{signal}", receive, reads_body=False) for signal in ("traces", "logs")]
    return [Route(one.path, partial(_refusing, one.endpoint), methods=["POST"]) for one in doors]


async def _refusing(enter: Callable[[Request], Awaitable[Response]], request: Request) -> Response:
    """Answer a request; whatever is refused, for want of a key too, is told as the protocol has it."""
    try:
        return await enter(request)
    except HTTPException as error:
        code = _CODES.get(error.status_code, _INVALID_ARGUMENT)
        return _status(_kind_of(request), error.status_code, code, error.detail, error.headers)


def _kind_of(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def receive(call: Call) -> Response:
    """Write what one request holds; all of it is in the journal when it is answered."""
    kind = _kind_of(call.request)
    if kind not in (JSON, _PROTOBUF):
        raise HTTPException(415, f"OTLP comes as {_PROTOBUF} or {JSON}, got {kind[:80]!r}")
    body = await body_of(call.request, call.house)
    if body in _EMPTY:
        return _partial(kind, 0, "")
    try:
        report = await call.house.work(_write, call.house.client, body, kind == JSON)
    except InvalidInputError as error:
        return _status(kind, 400, _INVALID_ARGUMENT, str(error))
    except StoreError as error:
        return _status(kind, 503, _UNAVAILABLE, str(error), {"Retry-After": "1"})
    reasons = [f"{count:,} {what}" for what, count in report.skipped.items()]
    reasons += [f"{report.lost_attributes:,} attributes not kept"] if report.lost_attributes else []
    more = f"; and {len(reasons) - _SAID:,} more" if len(reasons) > _SAID else ""
    return _partial(
        kind, sum(report.skipped.values()), "; ".join(reasons[:_SAID]) + more, call.request.url.path
    )


def _write(client: PromptLog, body: bytes, is_json: bool) -> OtlpReport:
    from promptlog.otel.encoding import Encoder, captures_content
    from promptlog.otel.importing import import_batches
    from promptlog.otel.otlp import read_body

    encoder = Encoder(captures_content(None), inherit=True)
    return import_batches(client, read_body(body, is_json=is_json), encoder)


def _partial(kind: str, rejected: int, message: str, path: str = "/v1/traces") -> Response:
    """Return a success, and what of the request was not."""
    if kind == JSON:
        name = "rejectedLogRecords" if path.endswith("logs") else "rejectedSpans"
        told = (
            {"partialSuccess": {name: str(rejected), "errorMessage": message}} if message or rejected else {}
        )
        return answer(told)
    inner = (b"\x08" + _varint(rejected) if rejected else b"") + _text(2, message)
    return Response(_field(1, inner) if inner else b"", media_type=_PROTOBUF)


def _status(
    kind: str, status: int, code: int, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a failure as google.rpc.Status has it."""
    if kind != _PROTOBUF:
        return answer({"code": code, "message": message}, status, headers)
    return Response(b"\x08" + _varint(code) + _text(2, message), status, headers, _PROTOBUF)


# Three fields of protobuf: no reason to load its package before there is something to read.


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits in each byte
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode("utf-8", "replace")) if text else b""


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content
