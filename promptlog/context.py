"""What every request that is logged inside a block gets: metadata and tags, and its place in a trace.

A block holds in its own thread or task alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from promptlog.models.checks import check_metadata, check_tags
from promptlog.models.encode import encode


class SpanContext(NamedTuple):
    """Where in a trace the program is: OpenTelemetry's ids, 32 and 16 hex digits."""

    trace_id: str
    span_id: str


class Context(NamedTuple):
    """What the blocks around a call add to it."""

    metadata: dict[str, str]
    tags: list[str]
    span: SpanContext | None = None


_current: ContextVar[Context | None] = ContextVar("promptlog_context", default=None)
_span: ContextVar[SpanContext | None] = ContextVar("promptlog_span", default=None)
current_span = _span.get


def current_context() -> Context | None:
    """Return what the blocks around add; None where there are none."""
    around, span = _current.get(), _span.get()
    return around if span is None else (around or Context({}, []))._replace(span=span)


def add_context(record: dict[str, Any], around: Context | None) -> None:
    """Add to a request's record what the blocks around it add; what it says itself wins."""
    if around is None:
        return
    if around.metadata:
        record["metadata"] = {**around.metadata, **record.get("metadata", {})}
    if around.tags:
        record["tags"] = list(dict.fromkeys([*around.tags, *record.get("tags", ())]))
    if around.span is not None and "trace_id" not in record and "span_id" not in record:
        record.update(around.span._asdict())


@contextmanager
def span_context(span: SpanContext) -> Iterator[None]:
    """Put the requests that are logged inside into a span, unless they say another."""
    token = _span.set(span)
    try:
        yield
    finally:
        _span.reset(token)


@contextmanager
def context(
    *, metadata: Mapping[str, str] | None = None, tags: Iterable[str] | None = None
) -> Iterator[None]:
    """Add metadata and tags to every request logged inside, nested blocks included.

    An inner block's value of a key wins over an outer one's, and a call's own over both. The block holds for the
    thread or asyncio task it stands in and for tasks started inside.

    Raises:
        InvalidMetadataError: as in `log_request`, here already.
        InvalidTagError: likewise.
    """
    outer = _current.get() or Context({}, [])
    own = Context(
        check_metadata(dict(metadata)) if isinstance(metadata, Mapping) else check_metadata(metadata or {}),
        check_tags(tags if tags is not None else ()),
    )
    encode(
        {"metadata": own.metadata, "tags": own.tags}
    )  # text that cannot be written is refused here, not later
    token = _current.set(
        Context({**outer.metadata, **own.metadata}, list(dict.fromkeys([*outer.tags, *own.tags])))
    )
    try:
        yield
    finally:
        _current.reset(token)
