"""What is seen, as Python that can be pasted into a notebook."""

from __future__ import annotations

from pprint import pformat
from typing import TYPE_CHECKING, Any

from promptlog.server.pages.view import DEFAULT_SORT

if TYPE_CHECKING:
    from promptlog.models.request import Request
    from promptlog.server.pages.view import View

_LOGGED = (
    "provider", "model", "input", "output", "parameters", "input_tokens", "output_tokens", "api_type", "function_name",
    "status", "error_type", "error_message", "prompt_name", "metadata", "tags",
)  # fmt: skip
_AS_DEFAULT = {"status": "SUCCESS"}


def opening(path: str) -> str:
    """Return the lines that open the store."""
    return f"from promptlog import PromptLog\n\nclient = PromptLog({path!r})\n"


def searching(path: str, view: View) -> str:
    """Return Python that asks for what a list shows, in its order."""
    lines, order = opening(path), view.order
    sort = ""
    if view.sort != DEFAULT_SORT:
        by = repr(order)
        if not isinstance(order, str):
            lines = lines.replace("import PromptLog", f"import PromptLog, {by.partition('(')[0]}")
        sort = f".sort({by}, descending=True)" if view.descending else f".sort({by})"
    return f"{lines}found = client.search({view.q!r}){sort}\nfound.df()\n"


def finding(path: str, request: Request) -> str:
    """Return Python that finds a request."""
    return f"{opening(path)}request = client.requests.get({request.request_id!r})\n"


def logging(path: str, request: Request) -> str:
    """Return Python that logs the same as a new request."""
    given: dict[str, Any] = {"provider": None, "model": None, "input": None, "output": None}
    for name in _LOGGED:
        value = getattr(request, name)
        if value not in (None, {}, []) and value != _AS_DEFAULT.get(name):
            given[name] = value
    given["request_start_time"] = request.start_time.isoformat()
    given["request_end_time"] = request.end_time.isoformat()
    if request.prompt_version is not None:
        given["prompt_version_number"] = request.prompt_version
    if request.input_variables:
        given["prompt_input_variables"] = request.input_variables
    if request.cost_usd is not None:
        given["price"] = request.cost_usd
    given["provider"] = given["provider"] or "unknown"
    given["model"] = given["model"] or "unknown"
    lines = [f"    {name}={_indented(value)}," for name, value in given.items()]
    return "\n".join([opening(path) + "client.log_request(", *lines, ")", ""])


def _indented(value: Any) -> str:
    return pformat(value, width=100, sort_dicts=False).replace("\n", "\n    ")
