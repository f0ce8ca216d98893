"""A span of any of the common vocabularies as a record of the journal. The table is in `table`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.identifiers import LATEST_US, span_request_id
from promptlog.otel import events as gen_ai_events
from promptlog.otel import wrapped
from promptlog.otel.content import add_content
from promptlog.otel.logs import log_record
from promptlog.otel.names import WITHIN_CALL, api_type_of, error_type_in, operation_of, provider_of
from promptlog.otel.sorting import Sorted, is_content_name, says_something
from promptlog.otel.strings import DROPPED, as_text
from promptlog.otel.usage import cost_of, from_langfuse, settle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promptlog.otel.data import SpanData

__all__ = ["log_record", "span_record"]

#: Says of a span that its call is logged by other means.
MANAGED = "promptlayer.request_log.managed"
#: What a resource says counts from before anything that a span could say, or a span around it.
_BEFORE_SPANS_US = 1000
_COUNTS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
_NO_LIMIT = {"inf", "Infinity"}  # Langfuse's SDK writes "no max_tokens" so


def span_record(span: SpanData, *, capture_content: bool = True, inherit: bool = True) -> dict[str, Any]:
    """Return the record of a span, without the time of appending.

    A call to a model becomes a record of kind "request" whose `span` is the span; any other span is a record of kind
    "span". An attribute that fills a column of the request is not stored a second time; all others stay in the span's
    attributes. One that names a field but does not fit it stays too, and `promptlog.dropped_attributes` says why.

    Args:
        span: the span.
        capture_content: False keeps out messages, arguments and results of tools and prompt variables.
        inherit: whether the span's metadata and tags are meant for the calls below it too.
    """
    attributes = span.attributes
    managed = MANAGED in attributes and as_text(attributes[MANAGED]).lower() == "true"
    within = WITHIN_CALL in attributes
    operation = None if managed or within else operation_of(attributes)
    if operation is None and span.status == "ERROR" and not within:
        failed = wrapped.as_call(span, managed=managed)
        if failed is not None:
            span, operation = failed
            attributes = span.attributes
    call = operation is not None
    found = Sorted(attributes, call=call, capture_content=capture_content)
    own = found.take_metadata()
    start = min(max(span.start_us, 0), LATEST_US)
    end = min(max(span.end_us, start), LATEST_US)
    kept: dict[str, Any] = {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "name": span.name,
        "kind": span.kind,
        "start_time": start,
        "end_time": end,
        "status": span.status,
    }
    for name in ("parent_span_id", "status_message", "scope", "links", "resource"):
        if value := getattr(span, name):
            kept[name] = value
    tags = list(dict.fromkeys(found.tags))
    if inherit and own:
        kept["metadata"] = own
    if inherit and tags:
        kept["tags"] = tags
    record: dict[str, Any] = {"kind": "request" if call else "span", "source_time": start}
    if operation is not None:
        record["request_id"] = span_request_id(span.trace_id, span.span_id, start)
        record["start_time"], record["end_time"] = start, end
        record["trace_id"], record["span_id"] = span.trace_id, span.span_id
        _add_call(record, kept, span, found, operation, capture_content=capture_content)
        _add_identity(record, span.resource, own, tags, found, inherit=inherit)
    else:
        if managed_span_id := found.take("managed_span_id"):
            kept["managed_span_id"] = managed_span_id
        if span.events:
            kept["events"] = [
                _event(event.name, event.time_us, event.attributes, capture_content=capture_content)
                for event in span.events
                if capture_content or event.name not in gen_ai_events.SPOKEN
            ]
        if not inherit:  # nobody takes it over
            _give_back(found, attributes)
    found.put_back()
    if found.dropped:
        before = found.rest.get(DROPPED)
        found.rest[DROPPED] = [*(before if isinstance(before, list) else ()), *found.dropped]
    if found.rest:
        kept["attributes"] = found.rest
    record["span"] = kept
    return record


def _give_back(found: Sorted, attributes: Mapping[str, Any]) -> None:
    """Leave identity and tags of a span that hands nothing down in its attributes."""
    for name, value in attributes.items():
        if (
            name not in found.rest
            and not name.startswith("promptlayer.request_log.")
            and not is_content_name(name)
        ):
            found.rest[name] = value


def _event(
    name: str, time_us: int, attributes: Mapping[str, Any], *, capture_content: bool
) -> dict[str, Any]:
    if not capture_content:
        attributes = {key: value for key, value in attributes.items() if not is_content_name(key)}
    return (
        {"name": name, "time": time_us, "attributes": attributes}
        if attributes
        else {"name": name, "time": time_us}
    )


def _add_identity(
    record: dict[str, Any],
    resource: Mapping[str, Any],
    own: dict[str, str],
    tags: list[str],
    found: Sorted,
    *,
    inherit: bool,
) -> None:
    """Add metadata, tags and the prompt: what the resource says yields to the span and, with inheritance, to those around."""
    if says_something(resource):
        general = Sorted(resource, call=False, capture_content=True)
        if metadata := general.take_metadata():
            if inherit:
                record["source_time"] = max(record["source_time"] - _BEFORE_SPANS_US, 0)
                own = metadata
            else:
                own = {**metadata, **own}
        if general.tags:
            tags = list(dict.fromkeys([*general.tags, *tags]))
    if own:
        record["metadata"] = own
    if tags:
        record["tags"] = tags
    prompt = found.take_group("prompt")
    if variables := found.take_group("variables"):
        prompt["variables"] = variables
    if prompt:
        record["prompt"] = prompt


def _add_call(
    record: dict[str, Any],
    kept: dict[str, Any],
    span: SpanData,
    found: Sorted,
    operation: str,
    *,
    capture_content: bool,
) -> None:
    """Add what a request has beside identity: model, provider, outcome, tokens, parameters, content."""
    attributes = span.attributes
    provider = found.take("provider")
    if provider is not None:
        record["provider"] = provider = provider_of(provider, attributes)
    record["api_type"] = found.take("api_type") or api_type_of(operation, provider, attributes)
    found.take("operation")
    parameters = found.take_group("parameters")
    model, answering = found.take("model"), found.groups[""].pop("answering_model", None)
    asked = parameters.pop("model", None)  # OpenInference's invocation parameters
    if model is None and isinstance(asked, str):
        model = asked
    if answering is not None:
        if model is None:
            model = answering[2]
        elif model != answering[2]:
            found.rest[answering[1]] = answering[2]
    if model is not None:
        record["model"] = model
    if response_id := found.take("response_id"):
        kept["response_id"] = response_id
    _add_usage(record, found)
    try:
        told = add_content(
            record, kept, span.events, found, parameters, operation, capture_content=capture_content
        )
    except (
        Exception
    ) as error:  # messages come in any shape: what cannot be read stays as it came, and the call is kept
        told = None
        for side in ("input", "output"):
            record.pop(side, None)
        found.give_back_content(error)
    finish = found.take("finish_reason") or told
    openai = provider in {"openai", "openai.azure"}
    if finish:
        record["finish_reason"] = "tool_calls" if openai and finish == "tool_call" else finish
    parameters = {
        key: value
        for key, value in parameters.items()
        if value is not None and not (isinstance(value, str) and value in _NO_LIMIT)
    }
    if openai and "stop_sequences" in parameters:  # its interface's word
        parameters["stop"] = parameters.pop("stop_sequences")
    if parameters:
        record["parameters"] = parameters
    _add_outcome(record, span, found)


def _add_usage(record: dict[str, Any], found: Sorted) -> None:
    counts = {name: value for name in _COUNTS if (value := found.take(name)) is not None}
    usage = found.take("usage")
    if usage is not None:
        counts = {**from_langfuse(usage), **counts}
    record.update(settle(counts))
    alone = found.groups[""]
    total = alone.get("total_tokens")
    if total is not None and total[2] == record.get("input_tokens", 0) + record.get("output_tokens", 0):
        del alone["total_tokens"]  # it says nothing new
    cost, costs = found.take("cost_usd"), found.take("costs")
    if cost is None and costs is not None:
        cost = cost_of(costs)
    if cost is not None:
        record["cost_usd"] = cost


def _add_outcome(record: dict[str, Any], span: SpanData, found: Sorted) -> None:
    """Add the status and, where it went wrong, the type and message: the exception's own words before the span's."""
    attributes = span.attributes
    level, said = found.take("level"), found.take("status_message")
    error_type = found.take("error_type")
    failed = span.status == "ERROR" or level == "ERROR" or (error_type is not None and span.status != "OK")
    record["status"] = "ERROR" if failed else "WARNING" if level == "WARNING" else "SUCCESS"
    message = None
    if failed:
        for event in span.events:
            if event.name == "exception":
                kind, text = event.attributes.get("exception.type"), event.attributes.get("exception.message")
                error_type = error_type or (kind if isinstance(kind, str) else None)
                message = text if isinstance(text, str) else message
        message = message or said or span.status_message
        error_type = error_type or error_type_in(message, attributes)
    elif level == "WARNING":
        message = said
    if error_type:
        record["error_type"] = error_type
    if message:
        record["error_message"] = message
