"""Traces: the latest, one whole, and what one of its spans holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.routing import Route

from promptlog.expressions.face import col
from promptlog.server.house import house_of
from promptlog.server.numbers import small_int
from promptlog.server.pages import content
from promptlog.server.pages.rendering import answer, iso
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.models.trace import Call, Span, Trace

PATH = "/traces"
_MOST = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_US = 253_402_300_799_000_000  # the year 9999


def routes() -> list[BaseRoute]:
    """Return the routes of traces."""
    return [
        Route(PATH, show),
        Route(f"{PATH}/{{trace_id}}", show_one),
        Route(f"{PATH}/{{trace_id}}/spans/{{span_id}}", show_span),
    ]


async def show(request: Request) -> Response:
    """The latest traces; `before` in the address, in microseconds since 1970, asks for older ones."""
    house, given = house_of(request), request.query_params.get("before", "")
    us = small_int(given, _FAR_US)
    before = None if us is None else _EPOCH + timedelta(microseconds=us)

    def ask() -> dict[str, Any]:
        rows = house.client.traces(limit=_MOST, before=before).dicts()
        older = ""
        if len(rows) == _MOST:
            older = f"{PATH}?before={(rows[-1]['start_time'] - _EPOCH) // timedelta(microseconds=1)}"
        return {"rows": rows, "older": older, "newest": PATH if before else ""}

    return await answer(request, "traces.html", ask)


async def show_one(request: Request) -> Response:
    """One trace: the tree of its spans."""
    house, trace_id = house_of(request), request.path_params["trace_id"]

    def ask() -> dict[str, Any]:
        trace = house.client.trace(trace_id)
        calls = _calls(trace)
        first = min((span.start_time for span in trace.spans), default=None)
        last = max((span.end_time for span in trace.spans), default=None)
        return {
            "trace": trace, "here": "", "name": next((root.name for root in trace.roots), ""),
            "first": first,
            "latency_ms": (last - first).total_seconds() * 1000 if first and last else None,
            "calls": calls,
            "errors": sum(span.status == "ERROR" for span in trace.spans),
            "tokens": [_sum(calls, name) for name in ("input_tokens", "output_tokens")],
            "cost_usd": _sum(calls, "cost_usd"),
            "those": View(q=str(col.trace_id == trace.trace_id)).address(),
        }  # fmt: skip

    return await answer(request, "trace.html", ask)


def _calls(trace: Trace) -> list[Call]:
    return [call for span in trace.spans for call in span.requests] + trace.requests


def _sum(calls: list[Call], name: str) -> Any:
    known = [value for call in calls if (value := getattr(call, name)) is not None]
    return sum(known) if known else None


async def show_span(request: Request) -> Response:
    """What a span holds: part of the tree where it is asked for there, else a page."""
    house, of = house_of(request), request.path_params

    def ask() -> dict[str, Any]:
        trace = house.client.trace(of["trace_id"])
        span = next((one for one in trace.spans if one.span_id == of["span_id"].lower()), None)
        if span is None:
            raise HTTPException(404, f"the trace {trace.trace_id} has no span {of['span_id']!r}")
        return {"span": span, "held": _held(span), "trace": trace}

    template = "parts/span.html" if "hx-request" in request.headers else "span.html"
    return await answer(request, template, ask)


def _held(span: Span) -> list[tuple[str, Any]]:
    """Return what a span holds, under a heading each: a text that is JSON is read, so that it unfolds."""
    given = {
        "attributes": {name: content.read_json(value) for name, value in span.attributes.items()},
        "events": [_read_event(event) for event in span.events],
        "links": span.links,
        "metadata": span.metadata,
        "tags": span.tags,
        "resource": span.resource,
    }
    return [(name, content.tree(value)) for name, value in given.items() if value]


def _read_event(event: Any) -> Any:
    if not isinstance(event, dict):
        return event
    shown, time = dict(event), event.get("time")
    if isinstance(time, int) and 0 <= time <= _FAR_US:
        shown["time"] = iso(_EPOCH + timedelta(microseconds=time))
    if isinstance(attributes := event.get("attributes"), dict):
        shown["attributes"] = {name: content.read_json(value) for name, value in attributes.items()}
    return shown
