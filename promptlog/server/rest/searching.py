"""Requests searched, read one by one, and what can be typed into a search: PromptLayer's `/api/public/v2/requests`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.errors import InvalidInputError, InvalidRequestIdError
from promptlog.expressions.face import col, tag
from promptlog.expressions.grouping import count
from promptlog.identifiers import prompt_id
from promptlog.server.rest.answers import paged
from promptlog.server.rest.blueprints import blueprint_of
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import known, naming, request_id_of, seconds
from promptlog.server.rest.filters import condition_of, names_of

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog
    from promptlog.expressions.face import Expression
    from promptlog.expressions.nodes import Condition
    from promptlog.models.request import Request
    from promptlog.models.trace import Trace

SORTS = {
    "request_start_time": "start_time",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cost": "cost_usd",
    "latency_ms": "latency_ms",
    "status": "status",
}
_PER_PAGE, _MOST_PER_PAGE = 10, 1000
_MOST_DEEP = 100_000  # requests before the last one of a page
_SUGGESTED = 50
QUERY = (
    "filter_group", "filters", "q", "sort_by", "sort_order", "page", "per_page", "include_prompt_name",
    "metadata_cost_breakdown_key",
)  # fmt: skip


def routes() -> list[BaseRoute]:
    """Return the doors."""
    base = "/api/public/v2"
    return [
        door("POST", f"{base}/requests/search", search, writes=False),
        door("GET", f"{base}/requests/suggestions", suggestions, writes=False),
        door("GET", f"{base}/requests/{{request_id}}", get_request, writes=False),
        door("GET", f"{base}/traces/{{trace_id}}", get_trace, writes=False),
    ]


# -- search ------------------------------------------------------------------------------------------------------------


async def search(call: Call) -> dict[str, Any]:
    """Return a page of the requests that a filter asks for."""
    body = known(call.body, QUERY)
    page, per_page = _number(body, "page", 1, 1 << 31), _number(body, "per_page", _PER_PAGE, _MOST_PER_PAGE)
    if page * per_page > _MOST_DEEP:
        raise HTTPException(
            400, f"page: pages end at {_MOST_DEEP:,} requests; filter, or sort the other way round"
        )
    sort = _sort(body)
    return await call.house.ask(_search, call.house.client, body, sort, page, per_page)


def _number(body: dict[str, Any], name: str, default: int, most: int) -> int:
    given = body.get(name)
    if given is None:
        return default
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
        raise HTTPException(400, f"{name}: it is a number from 1 to {most:,}, got {str(given)[:40]}")
    return given


def _sort(body: dict[str, Any]) -> tuple[str, bool]:
    by, order = body.get("sort_by"), body.get("sort_order")
    if by is None and order is None:
        return "start_time", True
    if by is None or order is None:
        raise HTTPException(400, "sort_by and sort_order come together")
    if not isinstance(by, str) or by not in SORTS:
        raise HTTPException(400, f"sort_by: it is one of {', '.join(SORTS)}, got {str(by)[:40]!r}")
    if order not in ("asc", "desc"):
        raise HTTPException(400, f"sort_order: it is asc or desc, got {str(order)[:40]!r}")
    return SORTS[by], order == "desc"


def _search(
    client: PromptLog, body: dict[str, Any], sort: tuple[str, bool], page: int, per_page: int
) -> dict[str, Any]:
    asked = client.requests.filter(condition_of(body, names_of(client)))
    total = asked.count()
    column, descending = sort
    asked = asked.sort(column, descending=descending)
    before = (page - 1) * per_page
    if before:
        ids = asked.limit(page * per_page).ids()[before:] if before < total else []
        asked = client.requests.filter(col.request_id.is_in(ids)).sort(column, descending=descending)
    rows = _rows(asked.limit(per_page))
    items = [_item(row, with_prompt=body.get("include_prompt_name", True)) for row in rows]
    return paged(items, page, per_page, total)


def _rows(asked: Any) -> list[dict[str, Any]]:
    chosen = asked.select(
        "request_id", "model", "provider", "input_tokens", "output_tokens", "cost_usd", "start_time", "end_time", "latency_ms",
        "status", "error_type", "error_message", "prompt_name", "prompt_version", "trace_id", "group_id",
    )  # fmt: skip
    rows: list[dict[str, Any]] = chosen.with_metadata().with_tags().with_scores().dicts()
    return rows


def _item(row: dict[str, Any], *, with_prompt: bool) -> dict[str, Any]:
    """Return a request as PromptLayer lists it, and what else there is to tell in a line."""
    return {
        "id": row["request_id"],
        "request_id": row["request_id"],
        "engine": row["model"],
        "provider_type": row["provider"],
        "input_tokens": row["input_tokens"],
        "output_tokens": row["output_tokens"],
        "price": row["cost_usd"],
        "request_start_time": row["start_time"],
        "request_end_time": row["end_time"],
        "latency": seconds(row["latency_ms"]),
        "status": row["status"],
        "error_type": row["error_type"],
        "error_message": row["error_message"],
        "tags_array": row["tags"],
        "metadata": [{key: value} for key, value in row["metadata"].items()],
        "scores": [{"name": name, "score": score} for name, score in row["scores"].items()],
        "prompt_name": row["prompt_name"] if with_prompt else None,
        "prompt_version_number": row["prompt_version"] if with_prompt else None,
        "trace_id": row["trace_id"],
        "group_id": row["group_id"],
    }


# -- one request, one trace --------------------------------------------------------------------------------------------


async def get_request(call: Call) -> dict[str, Any]:
    """Return one request whole."""
    given = call.request.path_params["request_id"]
    try:
        request_id = request_id_of(given)
    except InvalidRequestIdError as error:
        raise HTTPException(404, str(error)) from None
    return _whole(await call.house.ask(lambda: call.house.client.requests.get(request_id)))


def _whole(found: Request) -> dict[str, Any]:
    tokens = [count for count in (found.input_tokens, found.output_tokens) if count is not None]
    blueprint = blueprint_of(
        found.input, found.output, provider=found.provider, model=found.model, parameters=found.parameters,
        api_type=found.api_type,
    )  # fmt: skip
    return {
        "success": True,
        "request_id": found.request_id,
        "prompt_blueprint": blueprint,
        "provider": found.provider,
        "model": found.model,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "tokens": sum(tokens) if tokens else None,
        "price": found.cost_usd,
        "request_start_time": found.start_time,
        "request_end_time": found.end_time,
        "latency_ms": found.latency_ms,
        "trace_id": found.trace_id,
        # Ours beside PromptLayer's.
        "input": found.input,
        "output": found.output,
        "status": found.status,
        "error_type": found.error_type,
        "error_message": found.error_message,
        "function_name": found.function_name,
        "metadata": found.metadata,
        "tags_array": found.tags,
        "scores": [
            {
                "name": name,
                "score": found.scores.get(name),
                **({"label": found.score_labels[name]} if name in found.score_labels else {}),
            }
            for name in found.judgements
        ],
        "prompt_name": found.prompt_name,
        "prompt_version_number": found.prompt_version,
        "prompt_label": found.prompt_label,
        "prompt_id": found.prompt_id,
        "prompt_input_variables": found.input_variables,
        **{name: getattr(found, name) for name in _AS_THEY_ARE},
    }


_AS_THEY_ARE = (
    "group_id", "span_id", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "finish_reason", "replayed_from",
    "logged_at",
)  # fmt: skip


async def get_trace(call: Call) -> dict[str, Any]:
    """Return the spans of a trace."""
    return _trace(await trace_of(call))


async def trace_of(call: Call) -> Trace:
    """Return the trace that a path names.

    Raises:
        HTTPException: 404, of what is no trace's id too.
    """
    trace_id = call.request.path_params["trace_id"]
    try:
        return await call.house.ask(lambda: call.house.client.trace(trace_id))
    except InvalidInputError as error:
        raise HTTPException(404, str(error)) from None


def _trace(found: Trace) -> dict[str, Any]:
    spans = [
        {
            "id": span.span_id,
            "name": span.name,
            "span_id": span.span_id,
            "parent_id": span.parent_span_id,
            "request_log_id": span.requests[0].request_id if span.requests else None,
            "start_time": span.start_time,
            "end_time": span.end_time,
            "kind": span.kind,
            "status": {"status_code": span.status, "description": span.status_message},
            **{
                name: getattr(span, name)
                for name in ("attributes", "events", "links", "resource", "scope", "metadata", "tags")
            },
        }
        for span in found.spans
    ]
    return {
        "success": True,
        "trace_id": found.trace_id,
        "spans": spans,
        "request_log_ids": [call.request_id for call in found.requests],
    }


# -- suggestions -------------------------------------------------------------------------------------------------------

_BY_COLUMN = {
    "engine": "model", "provider_type": "provider", "status": "status", "prompt": "prompt_name", "prompt_name": "prompt_name",
    "error_type": "error_type",
}  # fmt: skip
#: What stands inside JSON: the keys of a column, the values of a key of it, and the names of tools.
_INSIDE: dict[str, Expression] = {
    "output_keys": col.output, "input_variable_keys": col.input_variables, "tool_names": col.output["tool_calls.function.name"],
}  # fmt: skip
_VALUES = {"output_values": col.output, "input_variable_values": col.input_variables}
_NEWEST = 10_000  # requests inside which is looked
SUGGESTED_FIELDS = (
    *_BY_COLUMN, "prompt_id", "tags", "metadata_keys", "metadata_values", *_INSIDE, *_VALUES,
)  # fmt: skip


async def suggestions(call: Call) -> dict[str, Any]:
    """Return the values of a field that begin so, the most frequent first."""
    query = call.request.query_params
    field, prefix, key = query.get("field"), query.get("prefix", ""), query.get("metadata_key")
    if field not in SUGGESTED_FIELDS:
        raise HTTPException(
            400, f"field: it is one of {', '.join(SUGGESTED_FIELDS)}, got {str(field)[:40]!r}"
        )
    if field in ("metadata_values", *_VALUES) and not key:
        raise HTTPException(400, "metadata_key: it is missing; the key whose values are asked for")
    body: dict[str, Any] = {}
    if group := query.get("filter_group"):
        try:
            body["filter_group"] = json.loads(group)
        except (ValueError, RecursionError) as error:
            raise HTTPException(400, f"filter_group: it is no JSON: {error}") from None
    if field == "prompt" and (number := query.get("prompt_id")):
        body["filters"] = [{"field": "prompt_id", "operator": "eq", "value": number}]
    with naming():
        values = await call.house.ask(_suggest, call.house.client, field, prefix, key or "", body)
    return {"success": True, "values": values}


def _suggest(client: PromptLog, field: str, prefix: str, key: str, body: dict[str, Any]) -> list[str]:
    condition: Condition = condition_of(body, names_of(client))
    narrowed = [condition] if body else []
    if field == "metadata_values":
        cases = dict.fromkeys((prefix, prefix.lower(), prefix.upper(), prefix.capitalize()))
        found = [
            row["value"]
            for one in cases
            for row in client.metadata.values(key, *narrowed, prefix=one, limit=_SUGGESTED).dicts()
        ]
        return list(dict.fromkeys(found))[:_SUGGESTED]
    if field == "metadata_keys":
        found = [row["key"] for row in client.metadata.keys(*narrowed).dicts()]
    elif field in _INSIDE or field in _VALUES:
        of = _INSIDE[field] if field in _INSIDE else _VALUES[field][key]
        inside = client.requests.filter(*narrowed).limit(_NEWEST).inside(of, limit=_NEWEST)
        found = [value for value, _ in inside.fetchall()]
    elif field == "prompt_id":
        found = _prompt_ids(client.requests.filter(*narrowed))
    else:
        by = tag if field == "tags" else col(_BY_COLUMN[field])
        rows = (
            client.requests.filter(*narrowed)
            .group_by(by)
            .agg(n=count())
            .sort("n", descending=True)
            .limit(1000)
            .dicts()
        )
        found = [value for row in rows if (value := next(iter(row.values()))) is not None]
    return [value for value in found if value.lower().startswith(prefix.lower())][:_SUGGESTED]


def _prompt_ids(asked: Any) -> list[str]:
    """Return the numbers of the prompts that requests came from: those of their names, else those that were logged."""
    rows = (
        asked.group_by(col.prompt_name, col.prompt_id)
        .agg(n=count())
        .sort("n", descending=True)
        .limit(1000)
        .dicts()
    )
    told = (
        str(prompt_id(row["prompt_name"])) if row["prompt_name"] is not None else row["prompt_id"]
        for row in rows
    )
    return list(dict.fromkeys(one for one in told if one is not None))
