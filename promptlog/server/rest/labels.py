"""What stands below a prompt in PromptLayer's registry: its release labels, and which prompts include it.

A label has a number there; here it is one of the prompt's name and the label's, the same always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from promptlog.identifiers import prompt_id
from promptlog.server.numbers import small_int
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import known, naming, required
from promptlog.server.rest.filters import names_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.routing import BaseRoute


def routes(get_published: Callable[[Call], Awaitable[dict[str, Any]]]) -> list[BaseRoute]:
    """Return the doors. `get_published` returns the prompt itself, which may have a name such as "mail/labels"."""

    def below(
        what: str, work: Callable[[Call], Awaitable[dict[str, Any]]]
    ) -> Callable[[Call], Awaitable[dict[str, Any]]]:
        async def either(call: Call) -> dict[str, Any]:
            if call.request.scope.get("raw_path", b"").endswith(f"/{what}".encode()):
                return await work(call)
            call.request.path_params["name"] += (
                f"/{what}"  # its slash was written %2F: it is part of the name
            )
            return await get_published(call)

        return either

    return [
        door("GET", "/prompt-templates/{name:path}/labels", below("labels", get_labels), writes=False),
        door(
            "GET",
            "/prompt-templates/{name:path}/snippet-usage",
            below("snippet-usage", get_usage),
            writes=False,
        ),
        door("POST", "/prompts/{prompt_id}/label", create_label),
        door("PATCH", "/prompt-labels/{label_id}", move_label),
        door("DELETE", "/prompt-labels/{label_id}", delete_label),
    ]


async def name_of(call: Call) -> str:
    """Return the name of the prompt that a path means: by its name, or by its number."""
    given: str = call.request.path_params["name"]
    if (number := small_int(given)) is not None:
        return await call.house.ask(lambda: names_of(call.house.client).prompt(number)) or given
    return given


async def get_labels(call: Call) -> dict[str, Any]:
    """Return the labels of a prompt."""
    name = await name_of(call)
    found = await call.house.ask(lambda: call.house.client.templates.labels(name))
    return {
        "success": True,
        "release_labels": [
            {
                "prompt_version_id": one["version"],
                "prompt_version_number": one["version"],
                "release_label": one["label"],
                "release_label_id": _label_id(one),
            }
            for one in found
        ],
    }


async def create_label(call: Call) -> dict[str, Any]:
    """Put a label on a version; it leaves the one that had it."""
    body = known(call.body, ("prompt_version_number", "name"))
    required(body, "prompt_version_number", "name")
    given: str = call.request.path_params["prompt_id"]
    number, found = small_int(given), None
    if number is not None:
        found = await call.house.ask(lambda: names_of(call.house.client).prompt(number))
    if found is None:
        raise HTTPException(404, f"no prompt has the number {given[:40]}")
    return await _put(call, found, body["name"], body["prompt_version_number"])


async def move_label(call: Call) -> dict[str, Any]:
    """Move a label to another version."""
    body = known(call.body, ("prompt_version_number",))
    required(body, "prompt_version_number")
    label = await _label(call)
    return await _put(call, label["prompt_name"], label["label"], body["prompt_version_number"])


async def delete_label(call: Call) -> Response:
    """Take a label off."""
    label = await _label(call)
    await call.house.ask(lambda: call.house.client.templates.unlabel(label["prompt_name"], label["label"]))
    return Response(status_code=204)


async def _label(call: Call) -> dict[str, Any]:
    given = call.request.path_params["label_id"]
    for one in await call.house.ask(call.house.client.templates.labels):
        if str(_label_id(one)) == given:
            return one
    raise HTTPException(404, f"no label has the number {given[:40]}")


async def _put(call: Call, name: str, label: Any, version: Any) -> dict[str, Any]:
    templates = call.house.client.templates
    with naming("prompt_version_number", "name"):
        on = await call.house.ask(lambda: templates.label(name, label, version))
    found = await call.house.ask(lambda: templates.labels(name))
    # None: somebody has taken it off meanwhile.
    when = next((one["updated_at"] for one in found if one["label"] == label), None)
    return {
        "success": True,
        "id": _label_id({"prompt_name": name, "label": label}),
        "name": label,
        "prompt_id": prompt_id(name),
        "prompt_version_id": on,
        "created_at": when,
    }


def _label_id(label: dict[str, Any]) -> int:
    return prompt_id(f"{label['prompt_name']}@label:{label['label']}")


async def get_usage(call: Call) -> dict[str, Any]:
    """Return the prompts that include a prompt, and their labels on versions that do."""
    name, given = await name_of(call), call.request.query_params.get("prompt_version_number")
    version = small_int(given) if given is not None else None
    if given is not None and version is None:
        raise HTTPException(400, f"prompt_version_number is a number from 1 on, got {given[:40]!r}")
    with naming("prompt_version_number"):
        found = await call.house.ask(lambda: call.house.client.templates.used_by(name, version))
    prompts: dict[str, list[int]] = {}
    labels = []
    for one in found:
        prompts.setdefault(one["prompt_name"], []).append(one["version"])
        labels += [(one["prompt_name"], label) for label in one["release_labels"]]
    return {
        "success": True,
        "message": f"{len(prompts)} prompts include {name!r}",
        "snippet_name": name,
        "snippet_usage": [
            {"prompt_registry_id": prompt_id(of), "prompt_name": of, "version_numbers": versions}
            for of, versions in prompts.items()
        ],
        "total_prompts_using_snippet": len(prompts),
        "label_usage": [
            {"prompt_registry_id": prompt_id(of), "prompt_name": of, "label_name": label}
            for of, label in labels
        ],
        "total_labels_using_snippet": len(labels),
    }
