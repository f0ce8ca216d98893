"""What PromptLayer's and OTLP's doors take and answer, as OpenAPI 3.1 describes it: `/openapi.json`, and `/openapi` to read."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from starlette.responses import HTMLResponse

from promptlog.server.rest.answers import answer
from promptlog.server.rest.charts import CHART
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.searching import SUGGESTED_FIELDS
from promptlog.server.schemas import (
    BULK_SPAN,
    FILTER,
    FILTER_GROUP,
    GET_PROMPT,
    GOT,
    GOT_RAW,
    GROUP_ID,
    ID,
    KEY,
    LISTING,
    LOG,
    LOGGED,
    MAYBE_OBJECT,
    MAYBE_TEXT,
    METADATA,
    NAMED,
    NUMBER,
    OBJECT,
    OK,
    PAGE,
    PATCH,
    PROMPT,
    QUERY_FIELDS,
    SCORE,
    TEXT,
    TRACK,
    VERSION,
    Schema,
    an_object,
    query,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response
    from starlette.routing import BaseRoute


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
        self._reply = reply or OK
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
                str(self._status): {"description": "Done."}
                if self._status == 204  # noqa: PLR2004 - no content
                else {"description": "Done.", "content": _json(self._reply)},
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


_OTLP: Schema = {"type": "object", "properties": {"partialSuccess": OBJECT}}
OPERATIONS: dict[tuple[str, str], _Operation] = {
    ("post", "/log-request"): _Operation("Log one call to a model.", LOG, LOGGED, 201),
    ("post", "/track-request"): _Operation("Log a call as PromptLayer's SDK saw it.", TRACK),
    **_tracks("metadata", "Set metadata: a key that is there is replaced, others stay.",
              an_object("request_id metadata", request_id=ID, metadata={**METADATA, "type": "object"}, api_key=KEY)),
    **_tracks("score", "Set a score from 0 to 100 under a name.",
              an_object("request_id score", request_id=ID, score=SCORE, name=NAMED, score_name=NAMED, api_key=KEY)),
    **_tracks("prompt", "Say which prompt a request came from.",
              an_object("request_id prompt_name", request_id=ID, prompt_name=TEXT, prompt_input_variables=MAYBE_OBJECT,
                      version=VERSION, label=MAYBE_TEXT, api_key=KEY)),
    **{("post", path): _Operation("Put a request into a group.",
                                  an_object("request_id group_id", request_id=ID, group_id=GROUP_ID, api_key=KEY))
       for path in ("/track-group", "/rest/track-group")},
    **{("post", path): _Operation("Draw the number of a new group.", an_object("", api_key=KEY))
       for path in ("/create-group", "/rest/create-group")},
    **{("get", path): _Operation("List prompts, the newest first, a page at a time.", None, PAGE, 200, *LISTING)
       for path in ("/prompt-templates", "/rest/prompt-templates")},
    **{("post", path): _Operation("Publish a version of a prompt.", PROMPT, None, 201)
       for path in ("/rest/prompt-templates", "/prompt-templates")},
    ("post", "/prompt-templates/{name}"): _Operation("Return a prompt, rendered where variables are given.", GET_PROMPT, GOT, 200, _path("name", TEXT)),
    ("get", "/prompt-templates/{name}"): _Operation(
        "Return a prompt as it was published.", None, GOT_RAW, 200, _path("name", TEXT), query("version", {"type": "integer", "minimum": 1}),
        query("label", {"type": "string"}), query("resolve_snippets", {"type": "boolean"}), query("include_llm_kwargs", {"type": "boolean"})),
    ("patch", "/rest/prompt-templates/{name}"): _Operation("Publish a version that differs from another in these parts.", PATCH, None, 201, _path("name", TEXT)),
    ("get", "/prompt-templates/{name}/labels"): _Operation("List the labels of a prompt.", None, None, 200, _path("name", TEXT)),
    ("get", "/prompt-templates/{name}/snippet-usage"): _Operation(
        "List the prompts that include a prompt.", None, None, 200, _path("name", TEXT), query("prompt_version_number", {"type": "integer", "minimum": 1})),
    ("post", "/prompts/{prompt_id}/label"): _Operation(
        "Put a label on a version of a prompt.", an_object("prompt_version_number name", prompt_version_number=NUMBER, name=TEXT, api_key=KEY),
        None, 200, _path("prompt_id", NUMBER)),
    ("patch", "/prompt-labels/{label_id}"): _Operation(
        "Move a label to another version.", an_object("prompt_version_number", prompt_version_number=NUMBER, api_key=KEY), None, 200, _path("label_id", NUMBER)),
    ("delete", "/prompt-labels/{label_id}"): _Operation("Take a label off.", None, None, 204, _path("label_id", NUMBER)),
    ("post", f"{_BASE}/requests/search"): _Operation("Search requests.", {"type": "object", "properties": QUERY_FIELDS, "additionalProperties": False}, PAGE),
    ("get", f"{_BASE}/requests/suggestions"): _Operation(
        "Return the values of a field, the most frequent first.", None, OK, 200, query("field", {"enum": list(SUGGESTED_FIELDS)}, required=True),
        query("prefix", {"type": "string"}), query("metadata_key", {"type": "string", "description": "The key whose values are asked for: of metadata, or inside an output or variables."}), query("prompt_id", {"type": "integer", "minimum": 1}), query("filter_group", {"type": "string"})),
    ("get", f"{_BASE}/requests/{{request_id}}"): _Operation("Return one request whole.", None, OK, 200, _path("request_id", TEXT)),
    ("get", f"{_BASE}/traces/{{trace_id}}"): _Operation("Return the spans of a trace.", None, OK, 200, _path("trace_id", {"type": "string", "pattern": "^[0-9a-f]{32}$"})),
    ("post", f"{_BASE}/traces/{{trace_id}}/close"): _Operation(
        "Say that a trace is closed; spans are taken all the same.", None, OK, 201, _path("trace_id", {"type": "string", "pattern": "^[0-9a-f]{32}$"})),
    ("post", "/spans-bulk"): _Operation(
        "Take spans in PromptLayer's own format, each with a request where it is one.",
        an_object("spans", spans={"type": "array", "items": BULK_SPAN}, close_after={"type": "boolean"}, api_key=KEY),
        {**OK, "required": ["success", "spans", "request_logs"]}, 201),
    ("post", f"{_BASE}/requests/analytics"): _Operation("Tell of requests in numbers.", {"type": "object", "properties": QUERY_FIELDS, "additionalProperties": False}),
    ("post", f"{_BASE}/requests/analytics/custom-analytics"): _Operation(
        "Draw charts of one's own.",
        {"type": "object", "required": ["customCharts"], "properties": {**QUERY_FIELDS, "customCharts": {"type": "array", "minItems": 1, "maxItems": 50, "items": CHART}}, "additionalProperties": False}),
    ("post", "/v1/traces"): _Operation("Take spans as OTLP (JSON, or protobuf).", _otlp("resourceSpans", "scopeSpans", "spans", _SPAN), _OTLP),
    ("post", "/v1/logs"): _Operation("Take log records as OTLP (JSON, or protobuf).", _otlp("resourceLogs", "scopeLogs", "logRecords", OBJECT), _OTLP),
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
            "content": {"type": ["string", "array", "null"], "items": OBJECT},
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
                "Filter": FILTER,
                "FilterGroup": FILTER_GROUP,
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
