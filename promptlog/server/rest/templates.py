"""PromptLayer's prompt registry, answered from ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.models.content import text_of
from promptlog.providers.openai import LOCAL
from promptlog.server.numbers import small_int
from promptlog.server.rest.answers import WrongField, answer
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import naming, required

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

_PARAMS = (
    "version", "label", "provider", "model", "input_variables", "metadata_filters", "model_parameter_overrides",
    "skip_input_variable_rendering", "workspace_id",
)  # fmt: skip
_PUBLISHED = ("prompt_name", "prompt_template", "tags", "commit_message", "metadata", "release_labels")
_PUBLISH_IGNORES = (
    "folder_id", "inference_client_name", "parent_version_id", "provider_base_url_name", "provider_id", "report_id",
    "workspace_id",
)  # fmt: skip
_MOST = 1000  # prompts in a page


def routes() -> list[BaseRoute]:
    """Return the doors. A name may hold slashes, so the list comes before it."""
    return [
        *(
            door("GET", path, all_prompts, writes=False)
            for path in ("/prompt-templates", "/rest/prompt-templates")
        ),
        *(door("POST", path, publish) for path in ("/rest/prompt-templates", "/prompt-templates")),
        door("POST", "/prompt-templates/{name:path}", get_prompt, writes=False),
        door("GET", "/prompt-templates/{name:path}", get_prompt, writes=False),
    ]


async def get_prompt(call: Call) -> dict[str, Any]:
    """Return a prompt, rendered where variables are given, with the arguments of its provider's SDK."""
    name: str = call.request.path_params["name"]
    given: dict[str, Any] = call.body or dict(call.request.query_params)
    params = {key: value for key, value in given.items() if key in _PARAMS and value is not None}
    if isinstance(text := params.get("version"), str) and (version := small_int(text)) is not None:
        params["version"] = version
    with naming(*_PARAMS, "prompt_name"):
        found = await call.house.ask(lambda: call.house.client.templates.get(name, params))
    call.house.remember_prompt(found["id"], name)
    return {**found, **_completion(found), **_address(call, found)}


def _completion(prompt: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a completion as the SDK calls it: with a prompt, where `run` here sends a user's message."""
    kwargs, template = prompt["llm_kwargs"], prompt["prompt_template"]
    if not kwargs or template.get("type") != "completion" or "messages" not in kwargs:
        return {}
    if ((prompt["metadata"] or {}).get("model") or {}).get("provider") == "anthropic":
        return {}  # its SDK has no completions any more
    rest = {name: value for name, value in kwargs.items() if name != "messages"}
    return {"llm_kwargs": {**rest, "prompt": text_of(template)}}


def _address(call: Call, prompt: dict[str, Any]) -> dict[str, Any]:
    """Return where the SDK shall find the provider: as the server was told, else where such a server listens."""
    model = (prompt["metadata"] or {}).get("model") or {}
    provider = str(model.get("provider"))
    url = call.house.base_urls.get(provider, LOCAL.get(provider))
    if url is None:
        return {}
    if provider in ("openai", "anthropic"):
        return {"provider_base_url": {"name": provider, "url": url}}
    return {"custom_provider": {"name": provider, "client": "openai", "api_key": "none", "base_url": url}}


async def all_prompts(call: Call) -> dict[str, Any]:
    """Return a page of the prompts, each in its newest version or the one that has a label."""
    query = call.request.query_params
    page, per_page = _number(query.get("page"), "page", 1), _number(query.get("per_page"), "per_page", 30)
    if per_page > _MOST:
        raise HTTPException(400, f"per_page is at most {_MOST}, got {per_page}")
    label = query.get("label") or None
    items = await call.house.ask(lambda: call.house.client.templates.all(page, per_page, label))
    more = len(items) == per_page and bool(
        await call.house.ask(lambda: call.house.client.templates.all(page * per_page + 1, 1, label))
    )
    return {
        "success": True,
        "items": items,
        "page": page,
        "per_page": per_page,
        "has_next": more,
        "has_prev": page > 1,
        "next_num": page + 1 if more else None,
        "prev_num": page - 1 if page > 1 else None,
    }


def _number(given: str | None, name: str, default: int) -> int:
    if given is None:
        return default
    if number := small_int(given, 10**9):
        return number
    raise HTTPException(400, f"{name} is a number from 1 on, got {given[:40]!r}")


async def publish(call: Call) -> Response:
    """Publish a version of a prompt. PromptLayer's SDK sends the same parts twice, once for the prompt and once for the version."""
    body = call.body
    if isinstance(body.get("prompt_version"), dict):
        prompt = body.get("prompt_template")
        given = {**(prompt if isinstance(prompt, dict) else {}), **body["prompt_version"]}
        if body.get("release_labels") is not None:
            given["release_labels"] = body["release_labels"]
    else:
        given = {name: value for name, value in body.items() if name != "api_key"}
    required(given, "prompt_name", "prompt_template")
    if unknown := given.keys() - {*_PUBLISHED, *_PUBLISH_IGNORES}:
        raise WrongField(
            (min(unknown),), f"there is no such field; it takes {', '.join(_PUBLISHED)}", "extra_forbidden"
        )
    with naming(*_PUBLISHED):
        found = await call.house.ask(lambda: call.house.client.templates.publish(given))
    call.house.remember_prompt(found["id"], found["prompt_name"])
    return answer({"success": True, **found}, 201)
