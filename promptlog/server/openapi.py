"""What PromptLayer's and OTLP's doors take and answer, as OpenAPI 3.1 describes it: `/openapi.json`, and `/openapi` to read."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from promptlog.server.rest.answers import answer
from promptlog.server.rest.charts import CHART
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.filter_table import FIELDS, OPERATORS
from promptlog.server.rest.searching import SORTS, SUGGESTED_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_MAYBE_TEXT: Schema = {"type": ["string", "null"], "minLength": 1}
_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**53}
_OBJECT: Schema = {"type": "object"}
_MAYBE_OBJECT: Schema = {"type": ["object", "null"]}
_METADATA: Schema = {
    "type": ["object", "null"],
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {"type": "string"},
}
_TAGS: Schema = {"type": ["array", "null"], "items": {"type": "string", "minLength": 1, "maxLength": 512}}
_MOMENT: Schema = {
    "description": "Seconds since 1970, or ISO 8601; UTC unless it says otherwise.",
    "anyOf": [{"type": "number", "minimum": 0, "maximum": 1e11}, {"type": "string", "format": "date-time"}],
}
_ID: Schema = {
    "description": "The UUID that logging returned, or the number that PromptLayer gave to what was imported from there.",
    "anyOf": [{"type": "string", "format": "uuid"}, {"type": "integer", "minimum": 1, "maximum": 2**53}],
}
_CONTENT: Schema = {
    "description": "A prompt blueprint, a list of messages, one message, or text.",
    "anyOf": [
        {"type": "null"},
        {"type": "string"},
        {"$ref": "#/components/schemas/Message"},
        {"type": "array", "items": {"$ref": "#/components/schemas/Message"}},
        {"$ref": "#/components/schemas/Blueprint"},
    ],
}
_GROUP_ID: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53}


def _object(required: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


_KEY: Schema = {"type": "string", "description": "Where PromptLayer's SDK sends its API key."}
_LOG = _object(
    "provider model input output request_start_time request_end_time",
    provider=_TEXT, model=_TEXT, input=_CONTENT, output=_CONTENT, request_start_time=_MOMENT, request_end_time=_MOMENT,
    parameters=_MAYBE_OBJECT, tags=_TAGS, metadata=_METADATA, prompt_name=_MAYBE_TEXT,
    prompt_version_number={"type": ["integer", "null"], "minimum": 1, "maximum": 2**53},
    prompt_input_variables=_MAYBE_OBJECT, input_tokens=_COUNT, output_tokens=_COUNT,
    price={"type": ["number", "null"], "minimum": 0, "description": "US dollars."},
    function_name={"type": ["string", "null"]}, score={"type": ["number", "null"], "minimum": 0, "maximum": 100},
    score_name={"type": ["string", "null"], "minLength": 1, "maxLength": 1024}, api_type=_MAYBE_TEXT,
    status={"enum": ["SUCCESS", "WARNING", "ERROR", None]}, error_type=_MAYBE_TEXT, error_message=_MAYBE_TEXT,
    prompt_id={"type": ["integer", "null"], "minimum": 0, "maximum": 2**53},
    request_id={"type": ["string", "null"], "format": "uuid"}, trace_id=_MAYBE_TEXT, span_id=_MAYBE_TEXT,
    group_id={**_GROUP_ID, "type": ["integer", "null"]}, cached_tokens=_COUNT, cache_write_tokens=_COUNT,
    reasoning_tokens=_COUNT, finish_reason=_MAYBE_TEXT, replay_key={"type": ["string", "null"], "format": "uuid"},
    replayed_from={"type": ["string", "null"], "format": "uuid"}, api_key=_KEY,
)  # fmt: skip
_TRACK: Schema = {
    "type": "object",
    "required": ["function_name", "request_start_time", "request_end_time"],
    "properties": {
        "function_name": {"type": "string"}, "provider_type": {"type": ["string", "null"]}, "args": {"type": "array"},
        "kwargs": _OBJECT, "request_response": {}, "tags": {"type": ["array", "null"]}, "metadata": _MAYBE_OBJECT,
        "request_start_time": _MOMENT, "request_end_time": _MOMENT, "prompt_id": {"type": ["integer", "null"]},
        "prompt_version": {"type": ["integer", "null"], "minimum": 1}, "prompt_input_variables": _MAYBE_OBJECT,
        "group_id": {"type": ["integer", "null"], "minimum": 0}, "span_id": {"type": ["string", "null"]},
        "return_prompt_blueprint": {"type": "boolean"}, "api_key": _KEY,
    },
}  # fmt: skip
_TEMPLATE: Schema = {
    "anyOf": [
        {
            "type": "object",
            "required": ["type", "content"],
            "properties": {"type": {"const": "completion"}, "content": {"type": "string"}},
        },
        {
            "type": "object",
            "required": ["type", "messages"],
            "properties": {
                "type": {"const": "chat"},
                "messages": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"$ref": "#/components/schemas/Message"},
                },
            },
        },
    ]
}
_PROMPT: Schema = {
    "type": "object",
    "required": ["prompt_name", "prompt_template"],
    "properties": {
        "prompt_name": {"type": "string", "minLength": 1, "maxLength": 512}, "prompt_template": _TEMPLATE, "tags": _TAGS,
        "commit_message": {"type": ["string", "null"]}, "metadata": _MAYBE_OBJECT,
        "release_labels": {"type": ["array", "null"], "items": _TEXT},
    },
    "additionalProperties": False,
}  # fmt: skip
_GET_PROMPT: Schema = {
    "type": "object",
    "properties": {
        "version": {"type": ["integer", "null"], "minimum": 1}, "label": {"type": ["string", "null"]},
        "provider": {"type": ["string", "null"]}, "model": {"type": ["string", "null"]}, "input_variables": _MAYBE_OBJECT,
        "metadata_filters": _MAYBE_OBJECT, "model_parameter_overrides": _MAYBE_OBJECT, "api_key": _KEY,
    },
}  # fmt: skip
_FILTER = {
    "type": "object",
    "required": ["field", "operator"],
    "properties": {
        "field": {"enum": list(FIELDS)},
        "operator": {"enum": sorted({name for operators in OPERATORS.values() for name in operators})},
        "value": {},
        "nested_key": {"type": ["string", "null"]},
    },
}
_FILTER_GROUP = {
    "type": "object",
    "properties": {
        "logic": {"enum": ["AND", "OR"]},
        "filters": {"type": "array", "items": {"anyOf": [{"$ref": "#/components/schemas/Filter"}, {"$ref": "#/components/schemas/FilterGroup"}]}},
    },
}  # fmt: skip
_QUERY_FIELDS: dict[str, Schema] = {
    "filter_group": {"$ref": "#/components/schemas/FilterGroup"},
    "filters": {"type": "array", "items": {"$ref": "#/components/schemas/Filter"}},
    "q": {"type": ["string", "null"]},
    "sort_by": {"enum": [*SORTS, None]},
    "sort_order": {"enum": ["asc", "desc", None]},
    "page": {"type": "integer", "minimum": 1},
    "per_page": {"type": "integer", "minimum": 1, "maximum": 1000},
    "include_prompt_name": {"type": "boolean"},
    "metadata_cost_breakdown_key": {"type": ["string", "null"]},
    "api_key": _KEY,
}
_SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 100}
_NAMED: Schema = {"type": ["string", "null"], "minLength": 1, "maxLength": 1024}
_VERSION: Schema = {
    "anyOf": [{"type": ["integer", "null"], "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"}]
}

_OK: Schema = {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}}
_LOGGED: Schema = {
    "type": "object",
    "required": ["id", "request_id"],
    "properties": {"id": {"type": "string", "format": "uuid"}},
}
_PAGE: Schema = {"type": "object", "required": ["items", "page", "per_page", "has_next", "has_prev"]}
_GOT: Schema = {
    "type": "object",
    "required": ["id", "prompt_name", "version", "prompt_template", "metadata", "llm_kwargs"],
}


def _query(name: str, schema: Schema, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "required": required}


def _path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "schema": schema, "required": True}


class _Operation:
    """What one door takes and answers."""

    def __init__(
        self,
        summary: str,
        body: Schema | None = None,
        reply: Schema | None = None,
        status: int = 200,
        *parameters: Schema,
    ) -> None:
        self._summary = summary
        self._body = body
        self._reply = reply or _OK
        self._status = status
        self._parameters = list(parameters)

    def described(self, method: str, path: str) -> Schema:
        error = {
            "description": "Refused; the message says why.",
            "content": _json({"$ref": "#/components/schemas/Error"}),
        }
        statuses = ["400", "401", "403", "404", "408", "413", "415", "421", "422", "503", "507"]
        found: Schema = {
            "summary": self._summary,
            "operationId": f"{method}_{path}".replace("/", "_")
            .replace("{", "")
            .replace("}", "")
            .replace("-", "_"),
            "parameters": self._parameters,
            "responses": {
                str(self._status): {"description": "Done.", "content": _json(self._reply)},
                **dict.fromkeys(statuses, error),
            },
        }
        if self._body is not None:
            found["requestBody"] = {"required": True, "content": _json(self._body)}
        return found


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _tracks(path: str, summary: str, body: Schema) -> dict[tuple[str, str], _Operation]:
    return {
        ("post", f"{family}-{path}"): _Operation(summary, body)
        for family in ("/library-track", "/rest/track")
    }


_BASE = "/api/public/v2"
_SPAN = {
    "type": "object",
    "required": ["traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"],
    "properties": {
        "traceId": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "spanId": {"type": "string", "pattern": "^[0-9a-f]{16}$"},
        "name": {"type": "string"},
        "startTimeUnixNano": {"type": "string", "pattern": "^1[0-9]{18}$"},
        "endTimeUnixNano": {"type": "string", "pattern": "^1[0-9]{18}$"},
    },
}


def _otlp(resources: str, scopes: str, records: str, record: Schema) -> Schema:
    inner: Schema = record
    for name in (records, scopes, resources):
        inner = {"type": "object", "properties": {name: {"type": "array", "items": inner}}}
    return inner


_OTLP: Schema = {"type": "object", "properties": {"partialSuccess": _OBJECT}}
OPERATIONS: dict[tuple[str, str], _Operation] = {
    ("post", "/log-request"): _Operation("Log one call to a model.", _LOG, _LOGGED, 201),
    ("post", "/track-request"): _Operation("Log a call as PromptLayer's SDK saw it.", _TRACK),
    **_tracks("metadata", "Set metadata: a key that is there is replaced, others stay.",
              _object("request_id metadata", request_id=_ID, metadata={**_METADATA, "type": "object"}, api_key=_KEY)),
    **_tracks("score", "Set a score from 0 to 100 under a name.",
              _object("request_id score", request_id=_ID, score=_SCORE, name=_NAMED, score_name=_NAMED, api_key=_KEY)),
    **_tracks("prompt", "Say which prompt a request came from.",
              _object("request_id prompt_name", request_id=_ID, prompt_name=_TEXT, prompt_input_variables=_MAYBE_OBJECT,
                      version=_VERSION, label=_MAYBE_TEXT, api_key=_KEY)),
    **{("post", path): _Operation("Put a request into a group.",
                                  _object("request_id group_id", request_id=_ID, group_id=_GROUP_ID, api_key=_KEY))
       for path in ("/track-group", "/rest/track-group")},
    **{("post", path): _Operation("Draw the number of a new group.", _object("", api_key=_KEY))
       for path in ("/create-group", "/rest/create-group")},
    **{("get", path): _Operation("List prompts, a page at a time.", None, _PAGE, 200, _query("page", {"type": "integer", "minimum": 1}),
                                 _query("per_page", {"type": "integer", "minimum": 1, "maximum": 1000}), _query("label", {"type": "string"}))
       for path in ("/prompt-templates", "/rest/prompt-templates")},
    **{("post", path): _Operation("Publish a version of a prompt.", _PROMPT, None, 201)
       for path in ("/rest/prompt-templates", "/prompt-templates")},
    ("post", "/prompt-templates/{name}"): _Operation("Return a prompt, rendered where variables are given.", _GET_PROMPT, _GOT, 200, _path("name", _TEXT)),
    ("get", "/prompt-templates/{name}"): _Operation("Return a prompt as it was published.", None, _GOT, 200, _path("name", _TEXT),
                                                    _query("version", {"type": "integer", "minimum": 1}), _query("label", {"type": "string"})),
    ("post", f"{_BASE}/requests/search"): _Operation("Search requests.", {"type": "object", "properties": _QUERY_FIELDS, "additionalProperties": False}, _PAGE),
    ("get", f"{_BASE}/requests/suggestions"): _Operation(
        "Return the values of a field, the most frequent first.", None, _OK, 200, _query("field", {"enum": list(SUGGESTED_FIELDS)}, required=True),
        _query("prefix", {"type": "string"}), _query("metadata_key", {"type": "string"}), _query("filter_group", {"type": "string"})),
    ("get", f"{_BASE}/requests/{{request_id}}"): _Operation("Return one request whole.", None, _OK, 200, _path("request_id", _TEXT)),
    ("get", f"{_BASE}/traces/{{trace_id}}"): _Operation("Return the spans of a trace.", None, _OK, 200, _path("trace_id", {"type": "string", "pattern": "^[0-9a-f]{32}$"})),
    ("post", f"{_BASE}/requests/analytics"): _Operation("Tell of requests in numbers.", {"type": "object", "properties": _QUERY_FIELDS, "additionalProperties": False}),
    ("post", f"{_BASE}/requests/analytics/custom-analytics"): _Operation(
        "Draw charts of one's own.",
        {"type": "object", "required": ["customCharts"], "properties": {**_QUERY_FIELDS, "customCharts": {"type": "array", "minItems": 1, "maxItems": 50, "items": CHART}}, "additionalProperties": False}),
    ("post", "/v1/traces"): _Operation("Take spans as OTLP (JSON, or protobuf).", _otlp("resourceSpans", "scopeSpans", "spans", _SPAN), _OTLP),
    ("post", "/v1/logs"): _Operation("Take log records as OTLP (JSON, or protobuf).", _otlp("resourceLogs", "scopeLogs", "logRecords", _OBJECT), _OTLP),
}  # fmt: skip


@cache
def description() -> Schema:
    """Return the description."""
    paths: dict[str, Schema] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method] = operation.described(method, path)
    message = {
        "type": "object",
        "required": ["role"],
        "properties": {
            "role": {"type": "string"},
            "content": {"type": ["string", "array", "null"], "items": _OBJECT},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "promptlog",
            "version": "1",
            "description": "A local store of LLM requests, with the doors of PromptLayer's REST API and of OTLP.",
        },
        "paths": paths,
        "security": [{}, {"key": []}, {"bearer": []}],
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-KEY"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "Error": {
                    "type": "object",
                    "properties": {"success": {"const": False}, "message": {"type": "string"}},
                },
                "Filter": _FILTER,
                "FilterGroup": _FILTER_GROUP,
                "Message": message,
                "Blueprint": {
                    "type": "object",
                    "required": ["type", "messages"],
                    "properties": {
                        "type": {"const": "chat"},
                        "messages": {"type": "array", "items": message},
                    },
                },
            },
        },
    }


def routes() -> list[BaseRoute]:
    """Return the doors that describe the others."""
    return [
        door("GET", "/openapi.json", _described, writes=False, keyed=False),
        door("GET", "/openapi", _page, writes=False, keyed=False),
    ]


async def _described(_: Call) -> Response:
    return answer(description())


async def _page(_: Call) -> Response:
    rows = "".join(
        _row(path, method, one)
        for path, methods in description()["paths"].items()
        for method, one in methods.items()
    )
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>promptlog: the API</title><h1>What programs can ask</h1>"
        "<p>The whole description, with every field: <a href='/openapi.json'>openapi.json</a></p>"
        f"<table><thead><tr><th>Method<th>Path<th>What it does<tbody>{rows}</table></html>"
    )


def _row(path: str, method: str, operation: Mapping[str, Any]) -> str:
    return f"<tr><td>{method.upper()}<td><code>{escape(path)}</code><td>{escape(operation['summary'])}"
