"""Traces: the latest and those that are looked for, one whole, and what one of its spans holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast, get_args

from starlette.exceptions import HTTPException
from starlette.routing import Route

from promptlog.expressions.face import col
from promptlog.models.traces import TraceColumn
from promptlog.server.house import house_of
from promptlog.server.numbers import small_int
from promptlog.server.pages import content, filters, misspelt
from promptlog.server.pages.rendering import answer, iso
from promptlog.server.pages.view import DEFAULT_SORT, View

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.models.trace import Call, Span, Trace
    from promptlog.server.house import House

PATH = "/traces"
_MOST, _MOST_SORTED = 50, 200
_NEWEST = "-start_time"
_COLUMNS: tuple[str, ...] = get_args(TraceColumn)
_MOST_NUMBER = 1e12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_US = 253_402_300_799_000_000  # the year 9999


def routes() -> list[BaseRoute]:
    """Return the routes of traces."""
    return [
        Route(PATH, show),
        Route(f"{PATH}/{{trace_id}}", show_one),
        Route(f"{PATH}/{{trace_id}}/spans/{{span_id}}", show_span),
    ]


@dataclass(frozen=True)
class _Asked:
    """What an address asks for beside the search; what cannot be read is not there.

    Attributes:
        name: what traces are called; "" any.
        errors: "yes" or "no"; "" either.
        longer: seconds that they took at least, as it was written.
        dearer: dollars that they cost at least.
        sort: a column, with a minus before it for the greatest first.
    """

    name: str = ""
    errors: str = ""
    longer: str = ""
    dearer: str = ""
    sort: str = _NEWEST

    @classmethod
    def of(cls, query: QueryParams) -> _Asked:
        given = {name: query.get(name, "").strip() for name in ("name", "errors", "longer", "dearer")}
        given["errors"] = given["errors"] if given["errors"] in ("yes", "no") else ""
        for name in ("longer", "dearer"):
            given[name] = given[name] if _number(given[name]) is not None else ""
        sort = query.get("by_column", _NEWEST)
        return cls(**given, sort=sort if sort.removeprefix("-") in _COLUMNS else _NEWEST)

    @property
    def column(self) -> TraceColumn:
        """What is sorted by."""
        return cast("TraceColumn", self.sort.removeprefix("-"))

    @property
    def down(self) -> bool:
        """Whether the greatest stand first."""
        return self.sort.startswith("-")

    def parameters(self, sort: str | None = None) -> dict[str, str]:
        """Return what stands in an address, sorted so or otherwise."""
        given = {"name": self.name, "errors": self.errors, "longer": self.longer, "dearer": self.dearer}
        sort = self.sort if sort is None else sort
        return {name: value for name, value in given.items() if value} | (
            {"by_column": sort} if sort != _NEWEST else {}
        )

    def turned(self, column: str) -> str:
        """Return the order by a column: the greatest first, names from A; the other way the second time."""
        if column == self.column:
            return column if self.down else f"-{column}"
        return column if column == "name" else f"-{column}"


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found <= _MOST_NUMBER else None


async def show(request: Request) -> Response:
    """The latest traces, or those that are looked for; `before` in the address, in microseconds since 1970, goes on."""
    house, view, asked = house_of(request), View.of(request.query_params), _Asked.of(request.query_params)
    us = small_int(request.query_params.get("before", ""), _FAR_US)
    return await answer(
        request, "traces.html", _load, house, replace(view, sort=DEFAULT_SORT, columns=()), asked, us
    )


def _load(house: House, view: View, asked: _Asked, before_us: int | None) -> dict[str, Any]:
    more, error = asked.parameters(), filters.misread(view)
    shown: dict[str, Any] = {
        "view": view, "asked": asked, "error": error, "rows": [], "older": "", "most": 0, "meant": [],
        "newest": view.address(PATH, **more) if before_us is not None else "",
        "narrowed": bool(view.q or asked.parameters(sort=_NEWEST)),
        "every": View().address(PATH, **_Asked(sort=asked.sort).parameters()),
        "loose": view.address(PATH, **_Asked(sort=asked.sort).parameters()) if asked.parameters(sort=_NEWEST) else "",
        "chips": filters.chips(view, PATH, **more),
        "spans": filters.spans(view, PATH, **more), "days": filters.days(view, PATH, **more),
        "sorts": {name: view.address(PATH, **asked.parameters(asked.turned(name))) for name in _COLUMNS},
    }  # fmt: skip
    if error:
        return shown
    is_newest = asked.sort == _NEWEST
    most = _MOST if is_newest else _MOST_SORTED
    rows = house.client.traces(
        search=view.q, name=asked.name or None, errors={"yes": True, "no": False}.get(asked.errors),
        min_latency_ms=1000 * float(asked.longer) if asked.longer else None,
        min_cost_usd=float(asked.dearer) if asked.dearer else None,
        sort=asked.column, descending=asked.down, limit=most,
        before=None if before_us is None else _EPOCH + timedelta(microseconds=before_us),
    ).dicts()  # fmt: skip
    if len(rows) == most and is_newest:
        us = (rows[-1]["start_time"] - _EPOCH) // timedelta(microseconds=1)
        shown["older"] = view.address(PATH, **more, before=str(us))
    elif len(rows) == most:
        shown["most"] = most
    if not rows and view.q:
        shown["meant"] = misspelt.meant(house, view, PATH, **more)
    return {**shown, "rows": rows}


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
