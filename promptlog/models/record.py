"""What a line of the journal holds. The hot path writes it by hand; this model judges a line that DuckDB refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from promptlog.identifiers import LATEST_US

_Micros = Annotated[int, Field(ge=0, le=LATEST_US)]
_Int64 = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)]


class PromptLink(BaseModel):
    """The prompt template that a request came from."""

    name: str | None = None
    version: _Int64 | None = None
    label: str | None = None
    id: str | None = None
    variables: dict[str, Any] | None = None


class Removed(BaseModel):
    """Keys, tags and score names that are taken off a request."""

    metadata: list[str] = []
    tag: list[str] = []
    score: list[str] = []


class Evaluation(BaseModel):
    """A judgement in the scale of who judged."""

    score: float | None = None
    label: str | None = None
    explanation: str | None = None


class SpanPart(BaseModel):
    """A span of OpenTelemetry's; what no column of a request holds stands in `attributes`."""

    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    name: str
    kind: str
    start_time: _Micros
    end_time: _Micros
    status: str
    status_message: str | None = None
    attributes: dict[str, Any] | None = None
    events: list[Any] | None = None
    links: list[Any] | None = None
    resource: dict[str, Any] | None = None
    scope: str | None = None
    metadata: dict[str, str] | None = None
    tags: list[str] | None = None
    response_id: str | None = None
    managed_span_id: str | None = None


class NamedEvaluation(Evaluation):
    """A judgement, and what was judged."""

    name: str


class LogPart(BaseModel):
    """Messages or an evaluation that came as a log, apart from their span."""

    trace_id: str | None = None
    span_id: str | None = None
    response_id: str | None = None
    time: _Micros
    name: str | None = None
    input: list[Any] | None = None
    output: list[Any] | None = None
    score: NamedEvaluation | None = None
    attributes: dict[str, Any] | None = None


class AnyRecord(BaseModel):
    """What every line has."""

    model_config = ConfigDict(extra="ignore")

    time: _Micros
    source_time: _Micros | None = None  # when it happened, where that is not when it was appended


class SpanRecord(AnyRecord):
    """A span that is no call to a model."""

    kind: Literal["span"]
    span: SpanPart


class LogRecord(AnyRecord):
    """A log that belongs to a span."""

    kind: Literal["log"]
    log: LogPart


class TrackRecord(AnyRecord):
    """Something set on a request after it was logged, or before."""

    kind: Literal["track", "remove"]
    request_id: UUID
    metadata: dict[str, str] | None = None
    tags: list[str] | None = None
    scores: dict[str, float] | None = None
    evaluations: dict[str, Evaluation] | None = None
    prompt: PromptLink | None = None
    group_id: _Int64 | None = None
    removed: Removed | None = None


class RequestRecord(TrackRecord):
    """One request with all that was known when it was logged."""

    kind: Literal["request"]  # type: ignore[assignment]
    start_time: _Micros
    end_time: _Micros
    status: str
    provider: str | None = None
    model: str | None = None
    api_type: str | None = None
    function_name: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    input_tokens: _Int64 | None = None
    output_tokens: _Int64 | None = None
    cost_usd: float | None = None
    trace_id: str | None = None
    span_id: str | None = None
    cached_tokens: _Int64 | None = None
    cache_write_tokens: _Int64 | None = None
    reasoning_tokens: _Int64 | None = None
    finish_reason: str | None = None
    replay_key: UUID | None = None
    replayed_from: UUID | None = None
    span: SpanPart | None = None


_Record = Annotated[RequestRecord | TrackRecord | SpanRecord | LogRecord, Field(discriminator="kind")]


def why_not_a_record(line: bytes) -> str | None:
    """Return why a line is no record of ours, in one line; None where it is one."""
    from pydantic import TypeAdapter, ValidationError

    try:
        TypeAdapter(_Record).validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else str(first["msg"])
    return None
