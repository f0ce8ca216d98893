"""`/spans-bulk`, PromptLayer's own format of spans, and the closing of traces.

Its SDKs sent spans there before they sent OTLP (the Python one up to 1.4, the JavaScript one still). They become the same records
as those of OTLP; the log that a span may carry becomes the request of that span.

Source: PromptLayer's OpenAPI file; its SDK for Python 1.4.0 and for JavaScript, `span-exporter`.
"""

from __future__ import annotations

import re
import uuid
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.errors import InvalidInputError
from promptlog.identifiers import LATEST_US, span_request_id
from promptlog.models.build import request_record
from promptlog.models.encode import encode
from promptlog.otel.data import EventData, SpanData
from promptlog.otel.encoding import Encoder, captures_content
from promptlog.otel.mapping import MANAGED
from promptlog.otel.names import operation_of
from promptlog.otel.otlp_batch import KINDS, SPAN_DIGITS, STATUS, TRACE_DIGITS, OtlpBatch
from promptlog.otel.values import plain_attributes
from promptlog.server.house import written
from promptlog.server.numbers import small_int
from promptlog.server.rest.answers import WrongField, answer
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import known, naming, required
from promptlog.server.rest.logging import FIELDS, REQUIRED, name_prompt, told
from promptlog.server.rest.searching import trace_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog

_HEX = re.compile(r"[0-9a-fA-F]*")
_LATEST_NS = LATEST_US * 1000


def routes() -> list[BaseRoute]:
    """Return the doors."""
    return [
        door("POST", "/spans-bulk", spans_bulk),
        door("POST", "/api/public/v2/traces/{trace_id}/close", close_trace, reads_body=False),
    ]


async def spans_bulk(call: Call) -> Response:
    """Write spans, and the requests that they carry: all of them, or none where one is wrong.

    A prompt that a request names need not be here; PromptLayer leaves such a request out. `close_after` changes nothing:
    a trace is never closed here.
    """
    body = known(call.body, ("spans", "close_after"))
    required(body, "spans")
    spans, logs = _objects(body["spans"], ("spans",)), {}
    for place, given in enumerate(spans):
        if (log := given.get("log_request")) is not None:
            where = ("spans", place, "log_request")
            with _within(*where):
                logs[place] = told(known(_object(log, ()), FIELDS))
                await name_prompt(call, logs[place])
    return answer(await call.house.work(_write, call.house.client, spans, logs), 201)


def _write(client: PromptLog, spans: list[dict[str, Any]], logs: dict[int, dict[str, Any]]) -> dict[str, Any]:
    encoder = Encoder(captures_content(None), inherit=True)
    bodies, shown, requests = [], [], []
    for place, given in enumerate(spans):
        span = _span(given, ("spans", place), encoder.lost)
        if place in logs:
            with _within("spans", place, "log_request"):
                record = _request(logs[place], span)
                bodies.append(encode(record))
            requests.append({"id": record["request_id"], "span_id": span.span_id})
            if operation_of(span.attributes) is not None:  # the call is logged beside it, and not twice
                span = replace(span, attributes={**span.attributes, MANAGED: True})
        before = encoder.requests
        try:
            bodies.append(encoder.span(span))
        except InvalidInputError as error:
            raise WrongField(("spans", place), str(error)) from None
        if encoder.requests > before:
            id = span_request_id(span.trace_id, span.span_id, span.start_us)
            requests.append({"id": id, "span_id": span.span_id})
        shown.append({"id": span.span_id, "name": span.name, "span_id": span.span_id})
    try:
        client._append_lines(bodies)  # noqa: SLF001 - an edge of the client's own house
    except OSError:
        written(False)
    return {"success": True, "spans": shown, "request_logs": requests}


def _request(arguments: dict[str, Any], span: SpanData) -> dict[str, Any]:
    """Return the record of a request that a span carries; sent again, it is the same."""
    arguments = {
        **arguments,
        "request_start_time": arguments.get("request_start_time") or _moment(span.start_us),
        "request_end_time": arguments.get("request_end_time") or _moment(span.end_us),
        "trace_id": span.trace_id,
        "span_id": span.span_id,
    }
    required(arguments, *REQUIRED)
    with naming(*FIELDS):
        record = request_record(**arguments)
    if arguments.get("request_id") is None:
        record["request_id"] = span_request_id(span.trace_id, span.span_id, record["start_time"])
    record["source_time"] = record["end_time"]
    return record


def _moment(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, UTC).replace(microsecond=us % 1_000_000)


# -- a span ------------------------------------------------------------------------------------------------------------


def _span(given: dict[str, Any], where: tuple[str | int, ...], lost: list[str]) -> SpanData:
    """Return a span. What PromptLayer asks for and nothing depends on may be missing.

    Raises:
        WrongField: a part is missing or wrong.
    """
    with _within(*where):
        required(given, "name", "context", "start_time", "end_time")
        context, status = _object(given["context"], ("context",)), _object(given.get("status"), ("status",))
        with _within("context"):
            required(context, "trace_id", "span_id")
            trace_id = _id(context["trace_id"], TRACE_DIGITS, "trace_id")
            span_id = _id(context["span_id"], SPAN_DIGITS, "span_id")
        resource = _object(given.get("resource"), ("resource",))
        batch = OtlpBatch()
        batch.add_span(
            trace_id,
            span_id,
            _id(given.get("parent_id") or "", SPAN_DIGITS, "parent_id"),
            _time(given["start_time"], "start_time"),
            _time(given["end_time"], "end_time"),
            name=_text(given["name"], "name"),
            kind=_one_of(given.get("kind"), KINDS, "kind"),
            status=_one_of(status.get("status_code"), STATUS, "status"),
            status_message=_text(status.get("description") or "", "status"),
            attributes=_attributes(given, lost),
            events=[_event(one, lost) for one in _objects(given.get("events") or [], ("events",))],
            links=[_link(one, lost) for one in _objects(given.get("links") or [], ("links",))],
            resource=_attributes(resource, lost),
            scope=None,
        )
        if batch.skipped:
            raise WrongField((), f"these are {next(iter(batch.skipped))}")
        return batch.spans[0]


def _event(given: dict[str, Any], lost: list[str]) -> EventData:
    time_us = _time(given.get("timestamp") or 0, "events") // 1000
    return EventData(_text(given.get("name") or "", "events"), time_us, _attributes(given, lost))


def _link(given: dict[str, Any], lost: list[str]) -> dict[str, Any]:
    """Return a link; the SDK for JavaScript names its parts in its own way."""
    context = _object(given.get("context"), ("links",))
    trace_id = context.get("trace_id") or context.get("traceId") or ""
    span_id = context.get("span_id") or context.get("spanId") or ""
    return {
        "trace_id": _id(trace_id, TRACE_DIGITS, "links"),
        "span_id": _id(span_id, SPAN_DIGITS, "links"),
        "attributes": _attributes(given, lost),
    }


def _attributes(given: dict[str, Any], lost: list[str]) -> dict[str, Any]:
    return plain_attributes(_object(given.get("attributes"), ("attributes",)), lost)


def _id(given: Any, digits: int, where: str) -> str:
    """Return an id in lower case; the SDK 1.4 for Python leaves out the zeros that a parent's begins with."""
    if not isinstance(given, str) or len(given) > digits or not _HEX.fullmatch(given):
        raise WrongField((where,), f"it has {digits} hexadecimal digits, got {str(given)[:40]!r}")
    return given.lower().zfill(digits) if given else ""


def _time(given: Any, where: str) -> int:
    """Return nanoseconds; JavaScript, whose numbers do not reach so far, has them as text."""
    found = small_int(given) if isinstance(given, str) else given
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= _LATEST_NS:
        raise WrongField((where,), f"it is nanoseconds since 1970, a whole number, got {str(given)[:40]!r}")
    return found


def _one_of(given: Any, names: tuple[str, ...], where: str) -> str:
    """Return the last part of a name such as `SpanKind.CLIENT`; the first of them all where none is told."""
    if given is None:
        return names[0]
    last = given.rpartition(".")[2] if isinstance(given, str) else ""
    if last not in names:
        raise WrongField(
            (where,), f"it ends with one of {', '.join(dict.fromkeys(names))}, got {str(given)[:40]!r}"
        )
    return last


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str):
        raise WrongField((where,), f"it is text, got {type(given).__name__}")
    return given


def _object(given: Any, where: tuple[str, ...]) -> dict[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise WrongField(where, f"it is an object, got {type(given).__name__}")
    return given


def _objects(given: Any, where: tuple[str, ...]) -> list[dict[str, Any]]:
    if not isinstance(given, list):
        raise WrongField(where, f"it is a list, got {type(given).__name__}")
    return [_object(one, where) for one in given]


@contextmanager
def _within(*where: str | int) -> Iterator[None]:
    """Let errors of fields say within what they stand."""
    try:
        yield
    except WrongField as error:
        raise WrongField((*where, *error.where), error.message, error.kind) from None


# -- closing -----------------------------------------------------------------------------------------------------------


async def close_trace(call: Call) -> Response:
    """Say that a trace is closed. Nothing is done: spans that come later are kept, as those of a retry or a slow service."""
    found = await trace_of(call)
    if not found.spans:
        raise HTTPException(404, f"trace {found.trace_id} has no spans")
    now = datetime.now(UTC)
    closure = {
        "id": uuid.uuid5(uuid.NAMESPACE_OID, f"closure:{found.trace_id}"),
        "workspace_id": None,
        "trace_id": found.trace_id,
        "status": "closed",
        "created_at": now,
        "updated_at": now,
    }
    return answer({"success": True, "closure": closure}, 201)
