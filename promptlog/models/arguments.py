"""The keyword arguments of `log_request`, for type checkers and for those who load many.

Source of the names: PromptLayer's Python SDK 1.5.16, `log_request`; after `error_message` they are ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Mapping
    from datetime import datetime


class RequestArguments(TypedDict):
    """What one request is logged with; see `PromptLog.log_request`."""

    provider: str
    model: str
    input: Any
    output: Any
    request_start_time: float | str | datetime
    request_end_time: float | str | datetime
    parameters: NotRequired[Mapping[str, Any] | None]
    tags: NotRequired[Iterable[str] | None]
    metadata: NotRequired[Mapping[str, str] | None]
    prompt_name: NotRequired[str | None]
    prompt_version_number: NotRequired[int | None]
    prompt_input_variables: NotRequired[Mapping[str, Any] | None]
    input_tokens: NotRequired[int | None]
    output_tokens: NotRequired[int | None]
    price: NotRequired[float | None]
    function_name: NotRequired[str | None]
    score: NotRequired[float | None]
    prompt_id: NotRequired[str | int | None]
    score_name: NotRequired[str | None]
    api_type: NotRequired[str | None]
    status: NotRequired[str | None]
    error_type: NotRequired[str | None]
    error_message: NotRequired[str | None]
    request_id: NotRequired[str | uuid.UUID | None]
    trace_id: NotRequired[str | None]
    span_id: NotRequired[str | None]
    group_id: NotRequired[int | None]
    cached_tokens: NotRequired[int | None]
    cache_write_tokens: NotRequired[int | None]
    reasoning_tokens: NotRequired[int | None]
    finish_reason: NotRequired[str | None]
    replay_key: NotRequired[str | uuid.UUID | None]
    replayed_from: NotRequired[str | uuid.UUID | None]
