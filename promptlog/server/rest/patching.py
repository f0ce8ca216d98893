"""A version of a prompt made of another: PromptLayer's "patch", which says only what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.errors import PromptNotFoundError
from promptlog.server.numbers import small_int
from promptlog.server.rest.answers import WrongField
from promptlog.server.rest.fields import known

if TYPE_CHECKING:
    from collections.abc import Sequence

_LISTS = {"messages": "chat", "tools": "chat", "functions": "chat", "content": "completion"}
_VALUES = ("function_call", "tool_choice")
_FIELDS = (
    "version", "label", *_LISTS, *_VALUES, "model_parameters", "response_format", "commit_message", "release_labels",
)  # fmt: skip


def patched(versions: Sequence[dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
    """Return what is to be published.

    Args:
        versions: all of a prompt, the newest first.
        body: the parts that differ. A list is replaced whole, or at places by an object of them (`{"0": …}`); model
            parameters are added to those that are there; null takes a part away.

    Raises:
        HTTPException: 400; the parts contradict each other or the prompt.
        WrongField: there is no such part, or it is of another type.
        PromptNotFoundError: there is no such version or label.
    """
    body = known(body, _FIELDS)
    base = _base(versions, body.get("version"), body.get("label"))
    template = dict(base["prompt_template"])
    for name, kind in (*_LISTS.items(), *((name, "chat") for name in _VALUES)):
        if name not in body:
            continue
        if template["type"] != kind:
            raise HTTPException(
                400, f"{name}: prompt {base['prompt_name']!r} is a {template['type']}, and has none"
            )
        if body[name] is None:
            template.pop(name, None)
        else:
            template[name] = _list(template.get(name), body[name], name) if name in _LISTS else body[name]
    return {
        "prompt_name": base["prompt_name"],
        "prompt_template": template,
        "metadata": _metadata(base["metadata"] or {}, body),
        "tags": base["tags"],
        "commit_message": body.get("commit_message"),
        "release_labels": body.get("release_labels"),
    }


def _base(versions: Sequence[dict[str, Any]], version: Any, label: Any) -> dict[str, Any]:
    if version is None and label is None:
        return versions[0]
    if version is not None and label is not None:
        raise HTTPException(400, "version and label exclude each other: each says which version is patched")
    for one in versions:
        if version == one["version"] or label in one["release_labels"]:
            return one
    name = versions[0]["prompt_name"]
    if label is not None:
        raise PromptNotFoundError.labelled(
            name, str(label), [label for one in versions for label in one["release_labels"]]
        )
    raise PromptNotFoundError(
        f"prompt {name!r} has no version {version}; its newest is {versions[0]['version']}"
    )


def _list(now: Any, given: Any, name: str) -> list[Any]:
    if isinstance(given, list):
        return given
    if not isinstance(given, dict):
        raise WrongField(
            (name,), f"it is a list, or an object of places such as {{'0': …}}, got {type(given).__name__}"
        )
    found = list(now or ())
    for place, item in given.items():
        if (at := small_int(place, len(found) - 1)) is None:
            raise HTTPException(
                400, f"{name}: there is no place {place[:40]!r}; there are {len(found)}, from 0"
            )
        found[at] = item
    return found


def _metadata(metadata: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Return metadata with the model's parameters as they are to be."""
    given = body.get("model_parameters")
    if given is None and "response_format" not in body:
        return metadata
    if given is not None and not isinstance(given, dict):
        raise WrongField(("model_parameters",), f"it is an object, got {type(given).__name__}")
    if "response_format" in body and "response_format" in (given or {}):
        raise HTTPException(400, "response_format stands beside model_parameters, or in them, not both")
    model = metadata.get("model") or {}
    parameters = {**(model.get("parameters") or {}), **(given or {})}
    if "response_format" in body:
        parameters["response_format"] = body["response_format"]
        if body["response_format"] is None:
            del parameters["response_format"]
    return {**metadata, "model": {**model, "parameters": parameters}}
