"""What PromptLayer's server has and a local store has not: told, with a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from promptlog.server.rest.doors import door

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.server.rest.doors import Call

_WORKFLOWS = "promptlog runs no workflows: call your own functions, and trace them with OpenTelemetry"
_SKILLS = "promptlog keeps no skills: keep them as files beside the program"
_EVALS = "promptlog runs no evaluations: score requests with track-score, and compare them in Python or the analytics"
_TABLES = "promptlog has no tables and datasets: export requests with Python or the shell"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_OURS = ("/api", "/rest", "/v1")  # what else is asked for below these is answered as programs want it
_PATHS = {
    "/workflows": _WORKFLOWS,
    "/rest/workflows": _WORKFLOWS,
    "/ws-token-request-library": _WORKFLOWS,
    "/workflow-version-execution-results": _WORKFLOWS,
    "/api/public/v2/workflows": _WORKFLOWS,
    "/api/public/v2/skill-collections": _SKILLS,
    "/api/public/v2/evaluations": _EVALS,
    "/reports": _EVALS,
    "/api/public/v2/tables": _TABLES,
    "/api/public/v2/dataset-groups": _TABLES,
    "/api/public/v2/dataset-versions": _TABLES,
    "/api/public/v2/folders": _TABLES,
    "/spans-bulk": "promptlog takes spans as OTLP: send them to /v1/traces",
}


def routes() -> list[BaseRoute]:
    """Return the doors."""
    absent = [
        door(method, path, _absent(why), writes=False, reads_body=False)
        for path, why in _PATHS.items()
        for path in (path, f"{path}/{{rest:path}}")
        for method in _METHODS
    ]
    close = "a trace is never closed here: its spans may come whenever they do"
    unknown = [
        door(method, f"{path}/{{rest:path}}", _unknown, writes=False, reads_body=False)
        for path in _OURS
        for method in _METHODS
    ]
    return [
        door("POST", "/api/public/v2/traces/{trace_id}/close", _absent(close), writes=False),
        *absent,
        *unknown,
    ]


async def _unknown(_: Call) -> Response:
    raise HTTPException(404)


def _absent(why: str) -> Callable[[Call], Awaitable[Response]]:
    async def absent(_: Call) -> Response:
        raise HTTPException(501, why)

    return absent
