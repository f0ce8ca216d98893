"""promptlog: a local-first, embedded store for LLM requests.

One DuckDB file, no server, no account. Programs log into it in microseconds from any number of processes; people
ask it questions from a notebook or a shell, offline.

The house. A floor imports only floors below it, and `tests/test_floors.py` holds that:

```
5  cli (the shell; __main__ opens it)   otel (OpenTelemetry: spans as requests)   the edges
   server (a browser, PromptLayer's SDK and OTLP over HTTP)
4  client, async_client, track, overview, prompting,           PromptLog: the face over all of it
   instrument
3  query (expressions -> SQL), transfer (bulk), plots,         one job each
   prompts (templates, registry, run, replay)
2  database (schema, lease, store, merge, compaction): the only import of duckdb
1  journal (append, read, sweep)      expressions (conditions, aggregates, search)      providers (models to call)
   tracing (functions as spans)
0  errors, identifiers, settings, models, context, html (what a notebook shows)
```

A process that only logs imports floors 0 and 1 and `client`, and never DuckDB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog import errors
from promptlog.client import PromptLog
from promptlog.context import context
from promptlog.identifiers import foreign_request_id

if TYPE_CHECKING:
    from promptlog.async_client import AsyncPromptLog
    from promptlog.expressions.face import col, meta, score, since, tag, until
    from promptlog.expressions.grouping import by_time, count, error_rate, share
    from promptlog.models.request import Request

__all__ = [
    "AsyncPromptLog",
    "PromptLog",
    "Request",
    "by_time",
    "col",
    "context",
    "count",
    "error_rate",
    "errors",
    "foreign_request_id",
    "meta",
    "score",
    "share",
    "since",
    "tag",
    "until",
]

#: Loaded when first named: a program that only logs pays for none of these.
_LAZY = {
    "AsyncPromptLog": "promptlog.async_client",
    "Request": "promptlog.models.request",
    **dict.fromkeys(("col", "meta", "score", "since", "tag", "until"), "promptlog.expressions.face"),
    **dict.fromkeys(("by_time", "count", "error_rate", "share"), "promptlog.expressions.grouping"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'promptlog' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
