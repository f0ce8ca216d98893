"""Prompts: their versions, what changed between them, and a try with variables."""

from __future__ import annotations

import json
from difflib import unified_diff
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.routing import Route

from promptlog.errors import MissingKeyError, PromptLogError
from promptlog.expressions.face import col
from promptlog.models.content import text_of
from promptlog.providers.failures import is_logged_note, logged_as
from promptlog.server.house import house_of
from promptlog.server.numbers import small_int
from promptlog.server.pages import content, prompt_use
from promptlog.server.pages.rendering import answer, part
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Mapping

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from promptlog.server.house import House

PATH = "/prompts"
_MOST = 500
_VARIABLE = "v."  # begins the names of the fields that hold variables
_FAR = 1_000_000


def routes() -> list[BaseRoute]:
    """Return the routes of prompts. A name may hold anything, dots and slashes too, and so is no part of a path."""
    return [
        Route(PATH, show),
        Route(f"{PATH}/one", show_one),
        Route(f"{PATH}/use", show_use),
        Route(f"{PATH}/render", show_rendered),
        Route(f"{PATH}/run", show_run, methods=["POST"]),
    ]


async def show(request: Request) -> Response:
    """The list."""
    house = house_of(request)

    def ask() -> dict[str, Any]:
        used = prompt_use.of_all(house.client)
        labels: dict[str, list[dict[str, Any]]] = {}
        for one in house.client.templates.labels():
            labels.setdefault(one["prompt_name"], []).append(one)
        found = [
            {
                **prompt,
                "address": _address(prompt["prompt_name"]),
                "model": _model(prompt),
                "used": used.get(prompt["prompt_name"]),
                "labels": labels.get(prompt["prompt_name"], ()),
                "those": View(q=str(col.prompt_name == prompt["prompt_name"])).address(),
            }
            for prompt in house.client.templates.all(per_page=_MOST)
        ]
        return {"prompts": found, "most": _MOST}

    return await answer(request, "prompts.html", ask)


async def show_one(request: Request) -> Response:
    """One prompt: a version, and what changed in it."""
    house, name = house_of(request), request.query_params.get("name", "")
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
            "name": name, "versions": versions, "shown": shown, "other": other,
            "diff": _diff(other, shown) if other else [],
            "said": content.conversation(shown["prompt_template"]),
            "tools": content.tools(shown["prompt_template"]),
            "runs_on": content.tree(shown["metadata"]),
            "variables": shown["prompt_template"].get("input_variables") or [],
            "model": _model(shown), "named": (shown["metadata"] or {}).get("model") or {},
            "address": f"{PATH}/one",
            "use": _address(name, "use"),
            "render": _address(name, "render"),
            "run": _address(name, "run"),
            "those": View(q=str(col.prompt_name == name)).address(),
        }  # fmt: skip

    return await answer(request, "prompt.html", ask)


async def show_use(request: Request) -> Response:
    """How its versions do, which takes a moment in a large store."""
    house, name = house_of(request), request.query_params.get("name", "")
    return await answer(request, "parts/prompt_use.html", prompt_use.of_versions, house.client, name)


async def show_rendered(request: Request) -> Response:
    """The template with its variables in their places; or why that cannot be."""
    house, name = house_of(request), request.query_params.get("name", "")
    given = dict(request.query_params)

    def ask() -> dict[str, Any]:
        try:
            found = house.client.templates.get(
                name, {**_reference(given), "input_variables": _variables(given)}
            )
        except PromptLogError as error:
            return _failed(error)
        return _tried(found["prompt_template"])

    return await answer(request, "parts/tried.html", ask)


async def show_run(request: Request) -> Response:
    """What the model answers, which is logged as any run is: lines of JSON, of pieces of text and at last of the whole."""
    house, name = house_of(request), request.query_params.get("name", "")
    form = await request.form()
    pieces = _run(house, name, {key: value for key, value in form.items() if isinstance(value, str)})

    async def lines() -> AsyncIterator[bytes]:
        # In other threads than questions: who waits for a model keeps nobody from asking the store.
        try:
            while (piece := await run_in_threadpool(next, pieces, None)) is not None:
                yield json.dumps(piece).encode() + b"\n"
        finally:
            pieces.close()  # who leaves ends the call; it is logged as left

    return StreamingResponse(lines(), media_type="application/x-ndjson")


def _run(house: House, name: str, given: Mapping[str, str]) -> Generator[dict[str, str]]:
    """Yield `text`s that the model says, then what a try shows as `html`; what a provider raises is said, whatever it is."""
    found: dict[str, Any] = {}
    try:
        for found in house.client.run(
            prompt_name=name,
            prompt_version=_reference(given).get("version"),
            input_variables=_variables(given),
            provider=given.get("provider", "").strip() or None,
            model=given.get("model", "").strip() or None,
            stream=True,
        ):
            if found["request_id"] is None and (
                text := text_of(found["prompt_blueprint"]["prompt_template"])
            ):
                yield {"text": text}
        answer = found["prompt_blueprint"]["prompt_template"]
        if isinstance(answer.get("messages"), list):
            answer = {**answer, "messages": answer["messages"][-1:]}
        shown = _tried(answer, found["request_id"])
    except Exception as error:
        shown = _failed(error)
    yield {"html": part("parts/tried.html", **shown)}


def _tried(template: dict[str, Any], request_id: str | None = None) -> dict[str, Any]:
    """Return what a try shows."""
    said = content.conversation(template)
    return {"said": said, "request_id": request_id, "error": ""}


def _failed(error: Exception) -> dict[str, Any]:
    said = str(error) if isinstance(error, PromptLogError) else f"{type(error).__name__}: {error}"
    if isinstance(error, MissingKeyError):
        said = (
            f"no API key for the provider {error.provider!r}: set {error.variable} where promptlog serve starts, or start "
            f"it with --provider {error.provider}=URL, a server that speaks as it does"
        )
    said = "\n".join([said, *(note for note in getattr(error, "__notes__", ()) if not is_logged_note(note))])
    return {"error": said, "said": [], "request_id": logged_as(error)}


def _reference(given: Mapping[str, str]) -> dict[str, int]:
    version = _version(given.get("version", ""))
    return {} if version is None else {"version": version}


def _variables(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the variables that a form gives: text, or JSON where it is an object, a list or ""; of an empty field none."""
    found: dict[str, Any] = {}
    for name, text in given.items():
        if name.startswith(_VARIABLE) and text:
            value: Any = text
            if text.strip()[:1] in ("{", "[") or text.strip() == '""':
                try:
                    value = json.loads(text)
                except (ValueError, RecursionError):
                    value = text
            found[name.removeprefix(_VARIABLE)] = value
    return found


def _version(text: str) -> int | None:
    return small_int(text, _FAR - 1) or None


def _address(name: str, what: str = "one", **more: str) -> str:
    return f"{PATH}/{what}?{urlencode({'name': name, **more})}"


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
