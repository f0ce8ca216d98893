"""What PromptLayer's server has and a local store has not: told, with a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.routing import Route

from promptlog.server.rest.doors import door

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.server.rest.doors import Call

_WORKFLOWS = "promptlog runs no workflows: call your own functions, and trace them with OpenTelemetry"
_SKILLS = "promptlog keeps no skills: keep them as files beside the program"
_EVALS = "promptlog runs no evaluations: score requests with track-score, and compare them in Python or the analytics"
_TABLES = "promptlog has no tables and datasets: export requests with Python or the shell"
_FOLDERS = "promptlog has no folders: a prompt's name may hold slashes"
_TOOLS = "promptlog keeps no tools and runs none: keep their descriptions in the prompts that use them"
_TRACES = "promptlog searches and counts requests, not traces: ask for those of a trace by trace_id, or use client.sql on its spans"
_IDS = "promptlog keeps no ids of other systems: keep yours in a prompt's metadata"
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
    "/report-columns": _EVALS,
    "/api/public/v2/tables": _TABLES,
    "/api/public/v2/datasets": _TABLES,
    "/api/public/v2/dataset-groups": _TABLES,
    "/api/public/v2/dataset-versions": _TABLES,
    "/api/public/v2/folders": _FOLDERS,
    "/api/public/v2/tool-registry": _TOOLS,
    "/api/public/v2/env-vars": _TOOLS,
    "/api/public/v2/traces/search": _TRACES,
    "/api/public/v2/traces/analytics": _TRACES,
    "/prompt-templates/by-external-id": _IDS,
}


def routes(doors: Iterable[BaseRoute]) -> list[BaseRoute]:
    """Return the doors that stand behind those that there are: what is not here, and what is asked for in a wrong way."""
    allowed: dict[str, set[str]] = {}
    for one in doors:
        if isinstance(one, Route):
            allowed.setdefault(one.path, set()).update(one.methods or ())
    wrong = [
        door(method, path, _wrong(methods), writes=False, reads_body=False)
        for path, methods in allowed.items()
        for method in _METHODS
        if method not in methods
    ]
    absent = [
        door(method, path, _absent(why), writes=False, reads_body=False)
        for path, why in _PATHS.items()
        for path in (path, f"{path}/{{rest:path}}")
        for method in _METHODS
    ]
    unknown = [
        door(method, f"{path}/{{rest:path}}", _unknown, writes=False, reads_body=False)
        for path in _OURS
        for method in _METHODS
    ]
    return [*absent, *wrong, *unknown]


async def _unknown(_: Call) -> Response:
    raise HTTPException(404)


def _wrong(methods: set[str]) -> Callable[[Call], Awaitable[Response]]:
    told = ", ".join(sorted(methods))

    async def wrong(call: Call) -> Response:
        raise HTTPException(
            405, f"{call.request.url.path[:200]} takes {told}, not {call.request.method}", {"Allow": told}
        )

    return wrong


def _absent(why: str) -> Callable[[Call], Awaitable[Response]]:
    async def absent(_: Call) -> Response:
        raise HTTPException(404, why)  # 501 says it too, but PromptLayer's SDK repeats what is 5xx for 14 s

    return absent
