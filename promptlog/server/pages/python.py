"""What is seen, as Python that can be pasted into a notebook."""

from __future__ import annotations

from pprint import pformat
from typing import TYPE_CHECKING, Any

from promptlog.server.pages.view import DEFAULT_SORT

if TYPE_CHECKING:
    from promptlog.models.request import Request
    from promptlog.server.pages.view import View

#: What `log_request` takes, by what a request calls it; each is given only where it says something.
_LOGGED = {
    name: name
    for name in (
        "provider", "model", "input", "output", "parameters", "input_tokens", "output_tokens", "cached_tokens",
        "cache_write_tokens", "reasoning_tokens", "finish_reason", "api_type", "function_name", "status", "error_type",
        "error_message", "metadata", "tags", "group_id", "trace_id", "span_id", "replayed_from", "prompt_name", "prompt_id",
    )
} | {"prompt_version": "prompt_version_number", "input_variables": "prompt_input_variables", "cost_usd": "price"}  # fmt: skip
_AS_DEFAULT = {"status": "SUCCESS"}


def opening(path: str, *names: str) -> str:
    """Return the lines that open the store, and import more names."""
    return f"from promptlog import {', '.join(('PromptLog', *names))}\n\nclient = PromptLog({path!r})\n"


def searching(path: str, view: View) -> str:
    """Return Python that asks for what a list shows, in its order."""
    by, sort = repr(view.order), ""
    if view.sort != DEFAULT_SORT:
        sort = f".sort({by}, descending=True)" if view.descending else f".sort({by})"
    names = [] if isinstance(view.order, str) else [by.partition("(")[0]]
    return f"{opening(path, *names)}found = client.search({view.q!r}){sort}\nfound.df()\n"


def finding(path: str, request: Request) -> str:
    """Return Python that finds a request."""
    return f"{opening(path)}request = client.requests.get({request.request_id!r})\n"


def logging(path: str, request: Request) -> str:
    """Return Python that logs the same as a new request."""
    given: dict[str, Any] = {"provider": "unknown", "model": "unknown", "input": None, "output": None}
    given["request_start_time"] = request.start_time.isoformat()
    given["request_end_time"] = request.end_time.isoformat()
    for name, argument in _LOGGED.items():
        value = getattr(request, name)
        if value not in (None, {}, []) and value != _AS_DEFAULT.get(name):
            given[argument] = value
    lines = [f"    {name}={_indented(value)}," for name, value in given.items()]
    more = [
        f'client.track.score(logged["id"], {value!r}, {name!r})' for name, value in request.scores.items()
    ]
    if request.prompt_label:
        link = (request.prompt_name, request.input_variables, request.prompt_version, request.prompt_label)
        more.append(f'client.track.prompt(logged["id"], {", ".join(map(repr, link))})')
    return "\n".join([opening(path) + "logged = client.log_request(", *lines, ")", *more, ""])


def _indented(value: Any) -> str:
    return pformat(value, width=100, sort_dicts=False).replace("\n", "\n    ")
