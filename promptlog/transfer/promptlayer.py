"""What PromptLayer's API returns, as requests of ours, so that history can move here.

Shapes are known by their fields: items of a search page, a request as `/api/public/v2/requests/{id}` has it, and
bodies of `/log-request`, as they were sent or as they were answered. Of one request several may be given (a search page has
its metadata, the request itself its content): what they tell is put together. Traces and versions of prompts are read beside
them. `promptlog serve` answers the same questions, with all that a store knows: what came from there keeps its ids.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic_core import from_json, to_json

from promptlog.errors import InvalidInputError, InvalidRequestIdError
from promptlog.identifiers import foreign_request_id, parse_request_id, to_us
from promptlog.models.build import request_record
from promptlog.models.checks import check_score, check_score_name, check_text
from promptlog.models.encode import encode
from promptlog.transfer.files import no_json
from promptlog.transfer.promptlayer_parts import is_prompt, is_trace, span_records

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
    "group_id": ("group_id",),
    # Ours alone.
    **{
        name: (name,)
        for name in (
            "cached_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
            "finish_reason",
            "replayed_from",
        )
    },
    "prompt_label": ("prompt_label",),
    "logged_at": ("logged_at",),
}


class Imported(NamedTuple):
    """How much was found."""

    requests: int
    known: (
        int | None
    )  # of the requests, those that were here already; None where the store was too busy to say
    spans: int
    prompts: int  # versions that were not here


def import_promptlayer(
    files: Iterable[Path],
    append: Callable[[Iterable[bytes]], None],
    restore: Callable[[Iterable[Mapping[str, Any]]], int],
    count_known: Callable[[Iterable[str]], int | None],
) -> Imported:
    """Read files of JSON or JSON Lines, write their requests, spans and prompts, and return how many these are.

    Args:
        files: what PromptLayer's API returned; all of them are read before anything is written.
        append: takes the records.
        restore: takes the versions of prompts.
        count_known: tells how many of some ids are here already.

    The same files again change nothing, and what was tracked here since stays: each record counts from its request's end.

    Raises:
        InvalidInputError: a file is no JSON, or holds what is no request of PromptLayer's; says which and where.
        OSError: a file cannot be read, or the disk refused.
    """
    found: dict[str, dict[str, Any]] = {}
    spans: list[bytes] = []
    prompts: list[Mapping[str, Any]] = []
    for path in files:
        for place, given in enumerate(_documents(path)):
            for one, where in _objects(given, f"{path}, document {place}"):
                if is_trace(one):
                    spans += span_records(one, where)
                elif is_prompt(one):
                    prompts.append(one)
                else:
                    part = _part(one, where)
                    id = str(part.pop("id"))
                    _add(found.setdefault(id, {}), part)
    ids = {id: id if part["ours"] else foreign_request_id(SOURCE, id) for id, part in found.items()}
    records = [_record(ids[id], id, part) for id, part in found.items()]
    known = count_known(ids.values())
    restored = restore(prompts) if prompts else 0
    append([*records, *spans])
    return Imported(len(records), known, len(spans), restored)


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
                    raise no_json(line, number, path, error if number > 1 else whole) from None


def _add(kept: dict[str, Any], part: dict[str, Any]) -> None:
    """Add what another answer tells of a request: a page has the numbers of its scores, the request itself their labels too."""
    for name, score in kept.get("scores", {}).items():
        part["scores"][name] = {**score, **part["scores"].get(name, {})}
    kept.update({name: value for name, value in part.items() if value or name not in kept})


def _objects(given: Any, where: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Give each object of a document, out of lists and pages, with where it stands."""
    if isinstance(given, dict) and isinstance(given.get("items"), list):
        given = given["items"]
    if isinstance(given, list):
        for place, one in enumerate(given):
            yield from _objects(one, f"{where}[{place}]")
    else:
        yield given if isinstance(given, dict) else {}, where


def _part(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a request in our arguments and `id`, `metadata`, `tags`, `scores`."""
    if "request_start_time" not in given:
        raise InvalidInputError(
            f"{where} is no request of PromptLayer's: it has no request_start_time. Give the answers of "
            f"/api/public/v2/requests/search, /api/public/v2/requests/{{id}}, /api/public/v2/traces/{{id}} and "
            f"/prompt-templates, or bodies of /log-request"
        )
    part: dict[str, Any] = {
        ours: known[0]
        for ours, theirs in _FIELDS.items()
        if (known := [given[name] for name in theirs if given.get(name) is not None])
    }
    kwargs, response = _dict(given.get("function_kwargs")), _dict(given.get("request_response"))
    part |= {name: kwargs[name] for name in ("input", "parameters") if kwargs.get(name)}
    part |= {"output": response["output"]} if response.get("output") else {}
    whole = _dict(given.get("prompt_blueprint"))
    blueprint, model = _dict(whole.get("prompt_template")), _dict(_dict(whole.get("metadata")).get("model"))
    if blueprint and not ({"input", "output"} & (part.keys() | given.keys())):
        part["input"], part["output"] = _halves(blueprint)
    part |= {name: model[name] for name in ("parameters", "api_type") if model.get(name) and name not in part}
    id = given.get("id") if given.get("id") is not None else given.get("request_id")
    ours = _is_ours(id)
    if id is None:  # what was sent had none yet: the same body is the same request
        id = foreign_request_id("body", json.dumps(given, sort_keys=True))
    metadata = given.get("metadata")
    pairs = metadata if isinstance(metadata, list) else [metadata]
    return {
        "id": id,
        "ours": ours,
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


def _scores(given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each score's number and label by its name."""
    found: dict[str, dict[str, Any]] = {}
    for one in given.get("scores") or ():
        value, label = _dict(one).get("score", _dict(one).get("value")), _dict(one).get("label")
        told = {"score": value, "label": None if label is None else _text(label)}
        if told := {name: part for name, part in told.items() if part is not None}:
            found[check_score_name(_dict(one).get("name") or None)] = told
    if not found and given.get("score"):  # 0 is what its SDK sends where nothing was said
        found[check_score_name(given.get("score_name") or None)] = {"score": given["score"]}
    return found


def _record(request_id: str, id: str, part: dict[str, Any]) -> bytes:
    scores, metadata = part.pop("scores"), part.pop("metadata")
    label, logged_at = part.pop("prompt_label", None), part.pop("logged_at", None)
    arguments = {"provider": "unknown", "model": "unknown", "input": None, "output": None, **part}
    arguments.setdefault("request_end_time", arguments["request_start_time"])
    if not arguments.pop("ours"):
        metadata = {**metadata, SOURCE_ID: id}
        if not (arguments.get("input_tokens") or arguments.get("output_tokens")):
            arguments.pop("input_tokens", None)
            arguments.pop("output_tokens", None)
    try:
        record = request_record(**arguments, metadata=metadata, request_id=request_id)
        if label is not None:
            record.setdefault("prompt", {})["label"] = check_text(label, "prompt_label")
        record["source_time"] = record["end_time"] if logged_at is None else to_us(logged_at, "logged_at") + 1
        judged = {name: one for name, one in scores.items() if "label" in one}
        if numbers := {name: check_score(one["score"]) for name, one in scores.items() if name not in judged}:
            record["scores"] = numbers
        if judged:
            record["evaluations"] = judged
    except InvalidInputError as error:
        error.args = (f"request {id}: {error}",)
        raise
    return encode(record)


def _is_ours(id: object) -> bool:
    """Return whether an id is one of a store's, and not a number of PromptLayer's."""
    try:
        return parse_request_id(id) == id
    except InvalidRequestIdError:
        return False


def _dict(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
