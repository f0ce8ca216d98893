"""The arguments of `log_request`, checked, as the record that is written."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidTimeError
from promptlog.identifiers import new_request_id, parse_request_id, to_us
from promptlog.models.checks import (
    check_cost,
    check_count,
    check_dict,
    check_metadata,
    check_score,
    check_score_name,
    check_status,
    check_tags,
    check_text,
)
from promptlog.models.content import blueprint

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Iterable, Mapping

Moment = float | str | datetime


def request_record(
    *,
    provider: str,
    model: str,
    input: Any,
    output: Any,
    request_start_time: Moment,
    request_end_time: Moment,
    parameters: Mapping[str, Any] | None = None,
    tags: Iterable[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    prompt_name: str | None = None,
    prompt_version_number: int | None = None,
    prompt_input_variables: Mapping[str, Any] | None = None,
    input_tokens: int | None = None,
    output_tokens: int | None = None,
    price: float | None = None,
    function_name: str | None = None,
    score: float | None = None,
    prompt_id: str | int | None = None,
    score_name: str | None = None,
    api_type: str | None = None,
    status: str | None = None,
    error_type: str | None = None,
    error_message: str | None = None,
    request_id: str | uuid.UUID | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
    group_id: int | None = None,
    cached_tokens: int | None = None,
    cache_write_tokens: int | None = None,
    reasoning_tokens: int | None = None,
    finish_reason: str | None = None,
    replay_key: str | uuid.UUID | None = None,
    replayed_from: str | uuid.UUID | None = None,
) -> dict[str, Any]:
    """Return the record of one request; what is None is left out.

    The arguments are those of `PromptLog.log_request`, which says what they are.

    Raises:
        InvalidInputError: an argument is wrong; the message names it.
    """
    start = to_us(request_start_time, "request_start_time")
    end = to_us(request_end_time, "request_end_time")
    if end < start:
        raise InvalidTimeError(
            f"request_end_time {request_end_time!r} lies before request_start_time {request_start_time!r}"
        )
    record: dict[str, Any] = {
        "kind": "request",
        "request_id": new_request_id(start) if request_id is None else parse_request_id(request_id),
        "start_time": start,
        "end_time": end,
        "provider": check_text(provider, "provider"),
        "model": check_text(model, "model"),
        "status": _status(status, error_type or error_message),
    }
    if input is not None:
        record["input"] = blueprint(input, "user", "input")
    if output is not None:
        record["output"] = blueprint(output, "assistant", "output")
    if parameters:
        record["parameters"] = check_dict(parameters, "parameters")
    if metadata:
        record["metadata"] = check_metadata(metadata)
    if tags:
        record["tags"] = check_tags(tags)
    if price is not None:
        record["cost_usd"] = check_cost(price)
    if score is not None:
        record["scores"] = {check_score_name(score_name): check_score(score)}
    if input_tokens is not None:
        record["input_tokens"] = check_count(input_tokens, "input_tokens")
    if output_tokens is not None:
        record["output_tokens"] = check_count(output_tokens, "output_tokens")
    if group_id is not None:
        record["group_id"] = check_count(group_id, "group_id")
    if function_name:  # PromptLayer's SDK sends "" for none
        record["function_name"] = check_text(function_name, "function_name")
    texts = api_type, error_type, error_message, finish_reason, trace_id, span_id
    if texts != _NO_TEXTS:
        record.update(_checked(check_text, _TEXTS, texts))
    rest = cached_tokens, cache_write_tokens, reasoning_tokens, replay_key, replayed_from
    if rest != _NO_REST:
        record.update(_checked(check_count, _COUNTS, rest[:3]))
        record.update(_checked(lambda id, _: parse_request_id(id), _IDS, rest[3:]))
    if not (
        prompt_name is None
        and prompt_id is None
        and prompt_version_number is None
        and not prompt_input_variables
    ):
        record["prompt"] = prompt_link(
            name=prompt_name, version=prompt_version_number, id=prompt_id, variables=prompt_input_variables
        )
    return record


_TEXTS = ("api_type", "error_type", "error_message", "finish_reason", "trace_id", "span_id")
_COUNTS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens")
_IDS = ("replay_key", "replayed_from")
_NO_TEXTS = (None,) * len(_TEXTS)
_NO_REST = (None,) * (len(_COUNTS) + len(_IDS))


def _checked(
    check: Callable[[Any, str], Any], names: tuple[str, ...], values: tuple[Any, ...]
) -> dict[str, Any]:
    """Return those of the values that are given, checked, under their names."""
    return {name: check(value, name) for name, value in zip(names, values, strict=True) if value is not None}


def _status(given: str | None, error: object) -> str:
    if given is not None:
        return check_status(given)
    return "ERROR" if error else "SUCCESS"


#: Python names this when an argument is missing or unknown, and the user called that one.
request_record.__qualname__ = "PromptLog.log_request"


def prompt_link(
    *,
    name: str | None,
    version: int | None = None,
    label: str | None = None,
    id: str | int | None = None,
    variables: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the part of a record that says which prompt template a request came from."""
    link: dict[str, Any] = {}
    if name is not None:
        link["name"] = check_text(name, "prompt_name")
    if version is not None:
        link["version"] = check_count(version, "prompt version", least=1)
    if label is not None:
        link["label"] = check_text(label, "prompt label")
    if id is not None:
        link["id"] = str(check_count(id, "prompt_id")) if isinstance(id, int) else check_text(id, "prompt_id")
    if variables:
        link["variables"] = check_dict(variables, "prompt_input_variables")
    return link
