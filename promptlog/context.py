"""Metadata and tags for every request that is logged inside a block, in this thread or task alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from promptlog.models.checks import check_metadata, check_tags
from promptlog.models.encode import encode


class Context(NamedTuple):
    """What the blocks around a call add to it."""

    metadata: dict[str, str]
    tags: list[str]


_current: ContextVar[Context | None] = ContextVar("promptlog_context", default=None)
current_context = _current.get


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
