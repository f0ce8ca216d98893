"""`/log-request` and `/track-request`: a call to a model, as its caller tells it or as PromptLayer's SDK saw it.

Each is in the journal when it is answered; nothing else is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.models.arguments import RequestArguments
from promptlog.models.content import blueprint
from promptlog.server.house import written
from promptlog.server.rest.answers import answer
from promptlog.server.rest.blueprints import blueprint_of
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import known, naming, required
from promptlog.server.rest.wrapped import seen

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

FIELDS = tuple(RequestArguments.__annotations__)
REQUIRED = ("provider", "model", "input", "output", "request_start_time", "request_end_time")
#: What PromptLayer's SDK sends where its caller said nothing; nobody means it.
_UNTOLD = {"input_tokens": 0, "output_tokens": 0, "price": 0, "function_name": "", "score": 0}


def routes() -> list[BaseRoute]:
    """Return the doors."""
    return [door("POST", "/log-request", log_request), door("POST", "/track-request", track_request)]


async def log_request(call: Call) -> Response:
    """Log one request; PromptLayer's 201 has the id as `id`, its documentation as `request_id`."""
    arguments = told(known(call.body, FIELDS))
    required(arguments, *REQUIRED)
    await name_prompt(call, arguments)
    with naming(*FIELDS):
        logged = call.house.client.log_request(**arguments)
    request_id = written(logged["id"])
    return answer(
        {
            "success": True,
            "id": request_id,
            "request_id": request_id,
            "prompt_version": blueprint_of(
                blueprint(arguments["input"], "user", "input"),
                blueprint(arguments["output"], "assistant", "output"),
                provider=arguments["provider"],
                model=arguments["model"],
                parameters=arguments.get("parameters"),
                api_type=arguments.get("api_type"),
            ),
            "status": arguments.get("status") or ("ERROR" if arguments.get("error_type") else "SUCCESS"),
            "error_type": arguments.get("error_type"),
            "error_message": arguments.get("error_message"),
        },
        201,
    )


def told(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments without what stands for nothing: of tokens both 0, a price of 0, an unnamed score of 0."""
    if arguments.get("output_tokens") or arguments.get("input_tokens"):
        untold = {"price": 0, "function_name": "", "score": 0}
    else:
        untold = _UNTOLD
    if arguments.get("score_name") is not None:
        untold = {name: value for name, value in untold.items() if name != "score"}
    return {
        name: value
        for name, value in arguments.items()
        if name not in untold or value != untold[name] or isinstance(value, bool)
    }


async def track_request(call: Call) -> dict[str, Any]:
    """Log what `run` and the wrappers of PromptLayer's SDK saw of a call."""
    required(call.body, "function_name", "request_start_time", "request_end_time")
    found = seen(call.body)
    arguments = {name: value for name, value in found.arguments.items() if value is not None}
    arguments.setdefault("output", None)
    await name_prompt(call, arguments, version=call.body.get("prompt_version"))
    with naming(*FIELDS):
        logged = call.house.client.log_request(**arguments)
    return {
        "success": True,
        "request_id": written(logged["id"]),
        "prompt_blueprint": found.blueprint if call.body.get("return_prompt_blueprint") else None,
        "message": "Request tracked successfully",
    }


async def name_prompt(call: Call, arguments: dict[str, Any], version: Any = None) -> None:
    """Say the name of a prompt of which only the number is told, where it is one of ours."""
    if version is not None:
        arguments.setdefault("prompt_version_number", version)
    number = arguments.get("prompt_id")
    if number is not None and arguments.get("prompt_name") is None:
        name = await call.house.prompt_name(number)
        if name is not None:
            arguments["prompt_name"] = name
