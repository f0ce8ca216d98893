"""What PromptLayer's API returns, as requests of ours, so that history can move here.

Three shapes are known by their fields: items of a search page, a request as `/api/public/v2/requests/{id}` has it, and
bodies of `/log-request`, as they were sent or as they were answered. Of one request several may be given (a search page has
its metadata, the request itself its content): what they tell is put together.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json

from promptlog.errors import InvalidInputError
from promptlog.identifiers import foreign_request_id
from promptlog.models.build import request_record
from promptlog.models.checks import check_score, check_score_name
from promptlog.models.encode import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

SOURCE = "promptlayer"
SOURCE_ID = "source_id"  # the metadata key that keeps PromptLayer's id

#: Ours, and the fields that have it, in the order in which they are believed.
_FIELDS: dict[str, tuple[str, ...]] = {
    "provider": ("provider", "provider_type"),
    "model": ("model", "engine"),
    "request_start_time": ("request_start_time",),
    "request_end_time": ("request_end_time",),
    "input_tokens": ("input_tokens",),
    "output_tokens": ("output_tokens",),
    "price": ("price",),
    "status": ("status",),
    "error_type": ("error_type",),
    "error_message": ("error_message",),
    "function_name": ("function_name",),
    "api_type": ("api_type",),
    "prompt_name": ("prompt_name",),
    "prompt_id": ("prompt_id",),
    "prompt_version_number": ("prompt_version_number",),
    "prompt_input_variables": ("prompt_input_variables",),
    "trace_id": ("trace_id",),
    "span_id": ("span_id",),
    "parameters": ("parameters",),
    "input": ("input",),
    "output": ("output",),
}


def import_promptlayer(files: Iterable[Path], append: Callable[[Iterable[bytes]], None]) -> int:
    """Read files of JSON or JSON Lines, write their requests, and return how many these are.

    Args:
        files: what PromptLayer's API returned; all of them are read before anything is written.
        append: takes the records.

    The same files again change nothing, and what was tracked here since stays: each record counts from its request's end.

    Raises:
        InvalidInputError: a file is no JSON, or holds what is no request of PromptLayer's; says which and where.
        OSError: a file cannot be read, or the disk refused.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in files:
        for place, given in enumerate(_documents(path)):
            for part in _parts(given, f"{path}, request {place}"):
                id = str(part.pop("id"))
                kept = found.setdefault(id, {})
                kept.update({name: value for name, value in part.items() if value or name not in kept})
    records = [_record(id, part) for id, part in found.items()]
    append(records)
    return len(records)


def _documents(path: Path) -> Iterator[Any]:
    """Give the documents of a file: the whole, or one a line."""
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        yield from_json(data)
    except ValueError as whole:
        lines = data.splitlines()
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield from_json(line)
                except ValueError as error:
                    said = error if number > 1 else whole
                    raise InvalidInputError(f"line {number} of {str(path)!r} is not JSON: {said}") from None


def _parts(given: Any, where: str) -> Iterator[dict[str, Any]]:
    """Give each request of a document, in our arguments and `id`, `metadata`, `tags`, `scores`."""
    if isinstance(given, list):
        for place, one in enumerate(given):
            yield from _parts(one, f"{where}[{place}]")
    elif isinstance(given, dict) and isinstance(given.get("items"), list):
        yield from _parts(given["items"], where)
    elif isinstance(given, dict) and "request_start_time" in given:
        yield _part(given)
    else:
        raise InvalidInputError(
            f"{where} is no request of PromptLayer's: it has no request_start_time. Give the answers of "
            f"/api/public/v2/requests/search and /api/public/v2/requests/{{id}}, or bodies of /log-request"
        )


def _part(given: Mapping[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = {
        ours: known[0]
        for ours, theirs in _FIELDS.items()
        if (known := [given[name] for name in theirs if given.get(name) is not None])
    }
    kwargs, response = _dict(given.get("function_kwargs")), _dict(given.get("request_response"))
    part |= {name: kwargs[name] for name in ("input", "parameters") if kwargs.get(name)}
    part |= {"output": response["output"]} if response.get("output") else {}
    blueprint = _dict(_dict(given.get("prompt_blueprint")).get("prompt_template"))
    if blueprint and "input" not in part:
        part["input"], part["output"] = _halves(blueprint)
        model = _dict(_dict(_dict(given.get("prompt_blueprint")).get("metadata")).get("model"))
        part |= {
            name: model[name] for name in ("parameters", "api_type") if model.get(name) and name not in part
        }
    id = given.get("id") if given.get("id") is not None else given.get("request_id")
    if id is None:  # what was sent had none yet: the same body is the same request
        id = foreign_request_id("body", json.dumps(given, sort_keys=True))
    metadata = given.get("metadata")
    pairs = metadata if isinstance(metadata, list) else [metadata]
    return {
        "id": id,
        **part,
        "metadata": {
            key: _text(value) for pair in pairs for key, value in _dict(pair).items() if value is not None
        },
        "tags": [_text(tag) for tag in given.get("tags_array") or given.get("tags") or ()],
        "scores": _scores(given),
    }


def _halves(blueprint: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return what went in and what came out of a blueprint that has both: the assistant's last words are the answer."""
    messages = blueprint.get("messages")
    if not isinstance(messages, list):
        return blueprint, None
    cut = len(messages)
    while cut and _dict(messages[cut - 1]).get("role") == "assistant":
        cut -= 1
    said = {"type": "chat", "messages": messages[cut:]} if messages[cut:] else None
    return {**blueprint, "messages": messages[:cut]}, said


def _scores(given: Mapping[str, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for one in given.get("scores") or ():
        value = _dict(one).get("score", _dict(one).get("value"))
        if value is not None:
            found[check_score_name(_dict(one).get("name") or None)] = check_score(value)
    if not found and given.get("score"):  # 0 is what its SDK sends where nothing was said
        found[check_score_name(given.get("score_name") or None)] = check_score(given["score"])
    return found


def _record(id: str, part: dict[str, Any]) -> bytes:
    scores = part.pop("scores")
    metadata = {**part.pop("metadata"), SOURCE_ID: id}
    arguments = {"provider": "unknown", "model": "unknown", "input": None, "output": None, **part}
    arguments.setdefault("request_end_time", arguments["request_start_time"])
    if not (arguments.get("input_tokens") or arguments.get("output_tokens")):
        arguments.pop("input_tokens", None)
        arguments.pop("output_tokens", None)
    try:
        record = request_record(**arguments, metadata=metadata, request_id=foreign_request_id(SOURCE, id))
    except InvalidInputError as error:
        error.args = (f"request {id}: {error}",)
        raise
    if scores:
        record["scores"] = scores
    record["source_time"] = record["end_time"]
    return encode(record)


def _dict(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
