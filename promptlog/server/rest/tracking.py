"""What is set on a request after it was logged: PromptLayer's track calls and its groups, under both families of paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.server.house import written
from promptlog.server.numbers import small_int
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import known, naming, request_id_of, required

if TYPE_CHECKING:
    from starlette.routing import BaseRoute


def routes() -> list[BaseRoute]:
    """Return the doors."""
    return [
        *(door("POST", f"{family}-metadata", track_metadata) for family in _FAMILIES),
        *(door("POST", f"{family}-score", track_score) for family in _FAMILIES),
        *(door("POST", f"{family}-prompt", track_prompt) for family in _FAMILIES),
        *(door("POST", path, track_group) for path in ("/track-group", "/rest/track-group")),
        *(door("POST", path, create_group) for path in ("/create-group", "/rest/create-group")),
    ]


_FAMILIES = ("/library-track", "/rest/track")


async def track_metadata(call: Call) -> dict[str, Any]:
    """Set metadata on a request: a key that is there is replaced, all others stay."""
    body = known(call.body, ("request_id", "metadata"))
    required(body, "request_id", "metadata")
    with naming(*body):
        written(call.house.client.track.metadata(request_id_of(body["request_id"]), body["metadata"]))
    return _tracked("Metadata")


async def track_score(call: Call) -> dict[str, Any]:
    """Set a score on a request."""
    body = known(call.body, ("request_id", "score", "name", "score_name"))
    required(body, "request_id", "score")
    name = body.get("name") if body.get("name") is not None else body.get("score_name")
    with naming(*body):
        written(call.house.client.track.score(request_id_of(body["request_id"]), body["score"], name))
    return _tracked("Score")


async def track_prompt(call: Call) -> dict[str, Any]:
    """Say which prompt a request came from."""
    body = _unshifted(
        known(call.body, ("request_id", "prompt_name", "prompt_input_variables", "version", "label"))
    )
    required(body, "request_id", "prompt_name")
    version = body.get("version")
    if isinstance(version, str) and (number := small_int(version)) is not None:
        version = number
    with naming(*body):
        done = call.house.client.track.prompt(
            request_id_of(body["request_id"]),
            body["prompt_name"],
            body.get("prompt_input_variables"),
            version,
            body.get("label"),
        )
        written(done)
    return _tracked("Prompt")


def _unshifted(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body as it was meant: the asynchronous SDK 1.5.16 sends each argument under the name of the one before.

    Its `throw_on_error` arrives as the id, and so on; nobody else sends a truth value there. The label is lost on its way.
    """
    if not isinstance(body.get("request_id"), bool) or not isinstance(
        body.get("prompt_input_variables"), str
    ):
        return body
    return {
        "request_id": body.get("prompt_name"),
        "prompt_name": body["prompt_input_variables"],
        "prompt_input_variables": body.get("version"),
        "version": body.get("label"),
    }


async def track_group(call: Call) -> dict[str, Any]:
    """Put a request into a group."""
    body = known(call.body, ("request_id", "group_id"))
    required(body, "request_id", "group_id")
    with naming(*body):
        written(call.house.client.track.group(request_id_of(body["request_id"]), body["group_id"]))
    return _tracked("Group")


async def create_group(call: Call) -> dict[str, Any]:
    """Draw the number of a new group."""
    known(call.body, ())
    return {"success": True, "id": call.house.client.group.create()}


def _tracked(what: str) -> dict[str, Any]:
    return {"success": True, "message": f"{what} tracked successfully"}
