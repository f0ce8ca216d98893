"""Prompts: their versions, what changed between them, and a try with variables."""

from __future__ import annotations

import json
from difflib import unified_diff
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from starlette.routing import Route

from promptlog.errors import MissingKeyError, PromptLogError
from promptlog.expressions.face import col
from promptlog.server.house import house_of
from promptlog.server.pages import content
from promptlog.server.pages.rendering import page
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

PATH = "/prompts"
_MOST = 500
_VARIABLE = "v."  # begins the names of the fields that hold variables
_FAR = 1_000_000


def routes() -> list[BaseRoute]:
    """Return the routes of prompts. A name may hold slashes, so that what is done with it stands before it."""
    return [
        Route(PATH, show),
        Route("/render/{name:path}", show_rendered),
        Route("/run/{name:path}", show_run, methods=["POST"]),
        Route(f"{PATH}/{{name:path}}", show_one),
    ]


async def show(request: Request) -> Response:
    """The list."""
    house = house_of(request)

    def ask() -> list[dict[str, Any]]:
        found = house.client.templates.all(per_page=_MOST)
        return [
            {**prompt, "address": _address(prompt["prompt_name"]), "model": _model(prompt)}
            for prompt in found
        ]

    return page(request, "prompts.html", prompts=await house.ask(ask), most=_MOST)


async def show_one(request: Request) -> Response:
    """One prompt: a version, and what changed in it."""
    house, name = house_of(request), request.path_params["name"]
    wanted, against = (_version(request.query_params.get(one, "")) for one in ("version", "against"))

    def ask() -> dict[str, Any]:
        versions = house.client.templates.versions(name)
        at = next((at for at, one in enumerate(versions) if one["version"] == wanted), 0)
        shown = versions[at]
        other = next((one for one in versions if one["version"] == against), None)
        if other is None and at + 1 < len(versions):
            other = versions[at + 1]
        for one in versions:
            one["address"] = _address(name, version=str(one["version"]))
            one["those"] = View(
                q=str((col.prompt_name == name) & (col.prompt_version == one["version"]))
            ).address()
        return {
            "versions": versions,
            "shown": shown,
            "other": other,
            "diff": _diff(other, shown) if other else [],
        }

    found = await house.ask(ask)
    shown = found["shown"]
    return page(
        request, "prompt.html", **found, name=name,
        said=content.conversation(shown["prompt_template"]),
        most_chars=content.MOST_CHARS,
        variables=shown["prompt_template"].get("input_variables") or [],
        model=_model(shown),
        address=_address(name),
        render=f"/render/{quote(name)}",
        run=f"/run/{quote(name)}",
        those=View(q=str(col.prompt_name == name)).address(),
    )  # fmt: skip


async def show_rendered(request: Request) -> Response:
    """The template with its variables in their places; or why that cannot be."""
    house, name = house_of(request), request.path_params["name"]
    given = dict(request.query_params)

    def ask() -> dict[str, Any]:
        found = house.client.templates.get(name, {**_reference(given), "input_variables": _variables(given)})
        return {"said": content.conversation(found["prompt_template"]), "request_id": None}

    return page(request, "parts/tried.html", **await house.ask(_tried, ask))


async def show_run(request: Request) -> Response:
    """What the model answers, which is logged as any run is."""
    house, name = house_of(request), request.path_params["name"]
    form = await request.form()
    given = {key: value for key, value in form.items() if isinstance(value, str)}

    def ask() -> dict[str, Any]:
        found = house.client.run(
            prompt_name=name,
            prompt_version=_reference(given).get("version"),
            input_variables=_variables(given),
        )
        answer = {**found["prompt_blueprint"]["prompt_template"]}
        if isinstance(answer.get("messages"), list):
            answer["messages"] = answer["messages"][-1:]
        return {"said": content.conversation(answer), "request_id": found["request_id"]}

    return page(request, "parts/tried.html", **await house.ask(_tried, ask))


def _tried(ask: Any) -> dict[str, Any]:
    """Return what a try shows; what a provider raises is said, whatever it is."""
    try:
        return {**ask(), "error": "", "most_chars": content.MOST_CHARS}
    except MissingKeyError as error:
        said = (
            f"no API key for the provider {error.provider!r}: set {error.variable} where promptlog serve starts, or start "
            f"it with --provider {error.provider}=URL, a server that speaks as it does"
        )
        return {"error": said, "said": [], "request_id": None, "most_chars": 0}
    except PromptLogError as error:
        return {"error": str(error), "said": [], "request_id": None, "most_chars": 0}
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        return {"error": said, "said": [], "request_id": None, "most_chars": 0}


def _reference(given: Mapping[str, str]) -> dict[str, int]:
    version = _version(given.get("version", ""))
    return {} if version is None else {"version": version}


def _variables(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables that a form gives: text, or JSON where it is an object or a list."""
    found: dict[str, Any] = {}
    for name, text in given.items():
        if name.startswith(_VARIABLE):
            value: Any = text
            if text.strip()[:1] in ("{", "["):
                try:
                    value = json.loads(text)
                except (ValueError, RecursionError):
                    value = text
            found[name.removeprefix(_VARIABLE)] = value
    return found


def _version(text: str) -> int | None:
    return int(text) if text.isdecimal() and 0 < int(text[:9]) < _FAR else None


def _address(name: str, **more: str) -> str:
    parameters = f"?{urlencode(more)}" if more else ""
    return f"{PATH}/{quote(name)}{parameters}"


def _model(prompt: dict[str, Any]) -> str:
    model = (prompt["metadata"] or {}).get("model") or {}
    return " ".join(str(model[part]) for part in ("provider", "name") if model.get(part))


def _diff(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines of a difference, each with "plus", "minus", "at" or "" for what it is."""
    kinds = {"+": "plus", "-": "minus", "@": "at"}
    lines = list(unified_diff(_lines(old), _lines(new), lineterm="", n=3))[2:]
    return [(kinds.get(line[:1], ""), line) for line in lines]


def _lines(prompt: dict[str, Any]) -> list[str]:
    """Return a version as lines: each message under its role, then what it runs on."""
    lines = []
    for message in content.conversation(prompt["prompt_template"]):
        lines.append(f"[{message.role}]")
        for block in message.blocks:
            lines += (
                block.text.splitlines()
                if block.kind == "prose"
                else [
                    json.dumps(block.value) if block.value is not None else f"{block.text} {block.reference}"
                ]
            )
    lines.append("[model]")
    lines += json.dumps(prompt["metadata"] or {}, indent=1, ensure_ascii=False, sort_keys=True).splitlines()
    return lines
