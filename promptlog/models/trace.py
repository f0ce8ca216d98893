"""A trace as it is read: the tree of its spans, and the requests that stand in it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from promptlog.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator


class Call(BaseModel):
    """A request that a span is, or that was logged inside it, in short."""

    model_config = ConfigDict(frozen=True)

    request_id: str
    status: str
    model: str | None = None
    latency_ms: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class Span(BaseModel):
    """One step of a program. Times are UTC.

    `attributes` are those that no column of the request holds. `metadata` and `tags` are what the span says of itself
    and of the calls below it.
    """

    model_config = ConfigDict(frozen=True)

    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    name: str
    kind: str
    start_time: datetime
    end_time: datetime
    status: str
    status_message: str | None = None
    attributes: dict[str, Any] = {}
    events: list[Any] = []
    links: list[Any] = []
    resource: dict[str, Any] = {}
    scope: str | None = None
    metadata: dict[str, str] = {}
    tags: list[str] = []
    requests: list[Call] = []

    @property
    def latency_ms(self) -> float:
        """End minus start."""
        return (self.end_time - self.start_time).total_seconds() * 1000


class Trace(BaseModel):
    """The spans of one trace in the order of their start, and the requests whose span was not exported."""

    model_config = ConfigDict(frozen=True)

    trace_id: str
    spans: list[Span]
    requests: list[Call] = []

    def _repr_html_(self) -> str:
        from promptlog.html import shown, trace_page

        return shown(lambda: trace_page(self))

    def __str__(self) -> str:
        """The tree as lines of text: each span with its duration, the models that were asked in it, and what failed."""
        lines = [f"trace {self.trace_id}"]
        for depth, span in self.walk():
            lines.append(
                _line("  " * (depth + 1) + printable(span.name), span.latency_ms, span.requests, span.status)
            )
        lines += [_line("  (no span)", call.latency_ms, [call], "") for call in self.requests]
        return "\n".join(lines)

    @property
    def roots(self) -> list[Span]:
        """The spans without a parent here: it is none, or was not exported yet."""
        known = {span.span_id for span in self.spans}
        return [span for span in self.spans if span.parent_span_id not in known]

    def children(self, span: Span) -> list[Span]:
        """Return the spans right below one, in the order of their start."""
        return [other for other in self.spans if other.parent_span_id == span.span_id]

    def bars(self) -> Iterator[tuple[int, Span, float, float]]:
        """Yield what `walk` does, and where each span begins and how long it is, as shares of the trace's time."""
        first = min((span.start_time for span in self.spans), default=None)
        last = max((span.end_time for span in self.spans), default=None)
        whole = (last - first).total_seconds() if first and last else 0
        for depth, span in self.walk():
            begun = (span.start_time - first).total_seconds() if first else 0
            yield depth, span, *((begun / whole, span.latency_ms / 1000 / whole) if whole else (0.0, 1.0))

    def walk(self) -> Iterator[tuple[int, Span]]:
        """Yield every span once, each below its parent, with its depth from 0."""
        below: dict[str | None, list[Span]] = {}
        for span in self.spans:
            below.setdefault(span.parent_span_id, []).append(span)
        seen: set[str] = set()
        # Spans that call each other parent hang from no root: each is begun with, where nothing led to it.
        for first in (*self.roots, *self.spans):
            todo = [(0, first)]
            while todo:
                depth, span = todo.pop()
                if span.span_id not in seen:
                    seen.add(span.span_id)
                    yield depth, span
                    todo += [(depth + 1, child) for child in reversed(below.get(span.span_id, []))]


def _line(begin: str, latency_ms: float, calls: list[Call], status: str) -> str:
    models = dict.fromkeys(printable(call.model) for call in calls if call.model)
    failed = "ERROR" if "ERROR" in (status, *(call.status for call in calls)) else ""
    return "  ".join(filter(None, (begin, f"{latency_ms:,.0f} ms", ", ".join(models), failed)))
