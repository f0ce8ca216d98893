"""PromptLayer's REST, both families of its paths: bodies and replies as its unmodified SDK has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.server.rest import analytics, logging, searching, spans, templates, tracking

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


def rest_routes() -> list[BaseRoute]:
    """Return the doors for programs, the busiest first."""
    return [
        *logging.routes(),
        *tracking.routes(),
        *templates.routes(),
        *analytics.routes(),
        *searching.routes(),
        *spans.routes(),
    ]
