"""PromptLayer's prompt registry, answered from ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.models.content import text_of
from promptlog.providers.openai import LOCAL
from promptlog.server.numbers import small_int
from promptlog.server.rest import labels
from promptlog.server.rest.answers import WrongField, answer
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import naming, required
from promptlog.server.rest.labels import name_of
from promptlog.server.rest.listing import all_prompts, flag
from promptlog.server.rest.patching import patched

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def routes() -> list[BaseRoute]:
    """Return the doors. A name may hold slashes, so what stands below a name comes before it, and the list before both."""
    return [
        *(
            door("GET", path, all_prompts, writes=False)
            for path in ("/prompt-templates", "/rest/prompt-templates")
        ),
        *(door("POST", path, publish) for path in ("/rest/prompt-templates", "/prompt-templates")),
        *labels.routes(get_published),
        # PromptLayer's SDK for JavaScript sends no body where it has no parameters.
        door("POST", "/prompt-templates/{name:path}", get_prompt, writes=False, needs_body=False),
        door("GET", "/prompt-templates/{name:path}", get_published, writes=False),
        door("PATCH", "/rest/prompt-templates/{name:path}", patch),
    ]


async def get_prompt(call: Call) -> dict[str, Any]:
    """Return a prompt, rendered where variables are given, with the arguments of its provider's SDK."""
    return await _got(call, await name_of(call), call.body)


async def _got(call: Call, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    params = {key: value for key, value in given.items() if key in _PARAMS and value is not None}
    if isinstance(text := params.get("version"), str) and (version := small_int(text)) is not None:
        params["version"] = version
    with naming(*_PARAMS, "prompt_name"):
        found = await call.house.ask(lambda: call.house.client.templates.get(name, params))
    call.house.remember_prompt(found["id"], name)
    return {**found, **_completion(found), **_address(call, found)}


async def get_published(call: Call) -> dict[str, Any]:
    """Return a prompt as it was published; with the arguments of its provider's SDK, and without its snippets, where asked for."""
    name, query = await name_of(call), call.request.query_params
    found = await _got(call, name, query)
    versions = await call.house.ask(lambda: call.house.client.templates.versions(name))
    row = next(one for one in versions if one["version"] == found["version"])
    if not flag(query, "resolve_snippets", default=True):
        found["prompt_template"] = row["prompt_template"]
    if not flag(query, "include_llm_kwargs", default=False):
        del found["llm_kwargs"]
    more = {
        "metadata": row["metadata"],
        "release_labels": row["release_labels"],
        "created_at": row["published_at"],
    }
    return {"success": True, **found, **more}


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


async def publish(call: Call) -> Response:
    """Publish a version of a prompt. PromptLayer's SDK sends the same parts twice, once for the prompt and once for the version."""
    body = call.body
    if body.get("external_ids"):
        raise WrongField(
            ("external_ids",), "promptlog keeps no ids of other systems: put yours into the metadata"
        )
    if isinstance(body.get("prompt_version"), dict):
        prompt = body.get("prompt_template")
        given = {**(prompt if isinstance(prompt, dict) else {}), **body["prompt_version"]}
        if body.get("release_labels") is not None:
            given["release_labels"] = body["release_labels"]
    else:
        given = {name: value for name, value in body.items() if name not in ("api_key", "external_ids")}
    required(given, "prompt_name", "prompt_template")
    if unknown := given.keys() - {*_PUBLISHED, *_PUBLISH_IGNORES}:
        raise WrongField(
            (min(unknown),), f"there is no such field; it takes {', '.join(_PUBLISHED)}", "extra_forbidden"
        )
    with naming(*_PUBLISHED):
        found = await call.house.ask(lambda: call.house.client.templates.publish(given))
    return _published(call, found)


def _published(call: Call, found: dict[str, Any]) -> Response:
    call.house.remember_prompt(found["id"], found["prompt_name"])
    return answer({"success": True, **found, "external_ids": []}, 201)


async def patch(call: Call) -> Response:
    """Publish a version that differs from another in the parts that are given."""
    name = await name_of(call)
    versions = await call.house.ask(lambda: call.house.client.templates.versions(name))
    given = patched(versions, call.body)
    with naming(*_PUBLISHED):
        found = await call.house.ask(lambda: call.house.client.templates.publish(given))
    return _published(call, found)
