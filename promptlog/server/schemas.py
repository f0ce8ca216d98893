"""The shapes of what programs send and are answered, as JSON Schema: the parts of the description in `openapi`."""

from __future__ import annotations

from typing import Any

from promptlog.server.rest.filter_table import FIELDS, OPERATORS
from promptlog.server.rest.listing import SORTS as PROMPT_SORTS
from promptlog.server.rest.listing import STATUS, TIMES
from promptlog.server.rest.searching import SORTS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
MAYBE_TEXT: Schema = {"type": ["string", "null"], "minLength": 1}
COUNT: Schema = {"type": ["integer", "null"], "minimum": 0, "maximum": 2**53}
OBJECT: Schema = {"type": "object"}
MAYBE_OBJECT: Schema = {"type": ["object", "null"]}
METADATA: Schema = {
    "type": ["object", "null"],
    "propertyNames": {"minLength": 1, "maxLength": 1024},
    "additionalProperties": {"type": "string"},
}
TAGS: Schema = {"type": ["array", "null"], "items": {"type": "string", "minLength": 1, "maxLength": 512}}
MOMENT: Schema = {
    "description": "Seconds since 1970, or ISO 8601; UTC unless it says otherwise.",
    "anyOf": [{"type": "number", "minimum": 0, "maximum": 1e11}, {"type": "string", "format": "date-time"}],
}
ID: Schema = {
    "description": "The UUID that logging returned, or the number that PromptLayer gave to what was imported from there.",
    "anyOf": [{"type": "string", "format": "uuid"}, {"type": "integer", "minimum": 1, "maximum": 2**53}],
}
CONTENT: Schema = {
    "description": "A prompt blueprint, a list of messages, one message, or text.",
    "anyOf": [
        {"type": "null"},
        {"type": "string"},
        {"$ref": "#/components/schemas/Message"},
        {"type": "array", "items": {"$ref": "#/components/schemas/Message"}},
        {"$ref": "#/components/schemas/Blueprint"},
    ],
}
GROUP_ID: Schema = {"type": "integer", "minimum": 0, "maximum": 2**53}


def an_object(required: str, **properties: Schema) -> Schema:
    """Return the schema of an object of these fields and no others, those of `required` (words) among them."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


KEY: Schema = {"type": "string", "description": "Where PromptLayer's SDK sends its API key."}
LOG = an_object(
    "provider model input output request_start_time request_end_time",
    provider=TEXT, model=TEXT, input=CONTENT, output=CONTENT, request_start_time=MOMENT, request_end_time=MOMENT,
    parameters=MAYBE_OBJECT, tags=TAGS, metadata=METADATA, prompt_name=MAYBE_TEXT,
    prompt_version_number={"type": ["integer", "null"], "minimum": 1, "maximum": 2**53},
    prompt_input_variables=MAYBE_OBJECT, input_tokens=COUNT, output_tokens=COUNT,
    price={"type": ["number", "null"], "minimum": 0, "description": "US dollars."},
    function_name={"type": ["string", "null"]}, score={"type": ["number", "null"], "minimum": 0, "maximum": 100},
    score_name={"type": ["string", "null"], "minLength": 1, "maxLength": 1024}, api_type=MAYBE_TEXT,
    status={"enum": ["SUCCESS", "WARNING", "ERROR", None]}, error_type=MAYBE_TEXT, error_message=MAYBE_TEXT,
    prompt_id={"type": ["integer", "null"], "minimum": 0, "maximum": 2**53},
    request_id={"type": ["string", "null"], "format": "uuid"}, trace_id=MAYBE_TEXT, span_id=MAYBE_TEXT,
    group_id={**GROUP_ID, "type": ["integer", "null"]}, cached_tokens=COUNT, cache_write_tokens=COUNT,
    reasoning_tokens=COUNT, finish_reason=MAYBE_TEXT, replay_key={"type": ["string", "null"], "format": "uuid"},
    replayed_from={"type": ["string", "null"], "format": "uuid"}, api_key=KEY,
)  # fmt: skip
_NANOSECONDS: Schema = {
    "anyOf": [{"type": "integer", "minimum": 10**18, "maximum": 2 * 10**18}, {"type": "string", "pattern": "^1[0-9]{18}$"}]
}  # fmt: skip
BULK_SPAN: Schema = {
    "type": "object",
    "required": ["name", "context", "start_time", "end_time"],
    "properties": {
        "name": {"type": "string"},
        "context": {
            "type": "object",
            "required": ["trace_id", "span_id"],
            "properties": {
                "trace_id": {"type": "string", "pattern": "^[1-9a-f][0-9a-f]{31}$"},
                "span_id": {"type": "string", "pattern": "^[1-9a-f][0-9a-f]{15}$"},
            },
        },
        "kind": {"enum": [f"SpanKind.{kind}" for kind in ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")]},
        "parent_id": {"type": ["string", "null"], "pattern": "^[0-9a-f]{1,16}$"},
        "start_time": _NANOSECONDS,
        "end_time": _NANOSECONDS,
        "status": {
            "type": "object",
            "properties": {
                "status_code": {"enum": [f"StatusCode.{code}" for code in ("UNSET", "OK", "ERROR")]},
                "description": {"type": ["string", "null"]},
            },
        },
        "attributes": OBJECT,
        "events": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "timestamp": _NANOSECONDS, "attributes": OBJECT}}},
        "links": {"type": "array", "items": {"type": "object", "properties": {"context": OBJECT, "attributes": OBJECT}}},
        "resource": {"type": "object", "properties": {"attributes": OBJECT, "schema_url": {"type": "string"}}},
        "log_request": {"anyOf": [{"type": "null"}, {**LOG, "required": ["provider", "model", "input", "output"]}]},
    },
}  # fmt: skip
TRACK: Schema = {
    "type": "object",
    "required": ["function_name", "request_start_time", "request_end_time"],
    "properties": {
        "function_name": {"type": "string"}, "provider_type": {"type": ["string", "null"]}, "args": {"type": "array"},
        "kwargs": OBJECT, "request_response": {}, "tags": {"type": ["array", "null"]}, "metadata": MAYBE_OBJECT,
        "request_start_time": MOMENT, "request_end_time": MOMENT, "prompt_id": {"type": ["integer", "null"]},
        "prompt_version": {"type": ["integer", "null"], "minimum": 1}, "prompt_input_variables": MAYBE_OBJECT,
        "group_id": {"type": ["integer", "null"], "minimum": 0}, "span_id": {"type": ["string", "null"]},
        "return_prompt_blueprint": {"type": "boolean"}, "api_key": KEY,
    },
}  # fmt: skip
TEMPLATE: Schema = {
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
PROMPT: Schema = {
    "type": "object",
    "required": ["prompt_name", "prompt_template"],
    "properties": {
        "prompt_name": {"type": "string", "minLength": 1, "maxLength": 512}, "prompt_template": TEMPLATE, "tags": TAGS,
        "commit_message": {"type": ["string", "null"]}, "metadata": MAYBE_OBJECT,
        "release_labels": {"type": ["array", "null"], "items": TEXT},
    },
    "additionalProperties": False,
}  # fmt: skip
GET_PROMPT: Schema = {
    "type": "object",
    "properties": {
        "version": {"type": ["integer", "null"], "minimum": 1}, "label": {"type": ["string", "null"]},
        "provider": {"type": ["string", "null"]}, "model": {"type": ["string", "null"]}, "input_variables": MAYBE_OBJECT,
        "metadata_filters": MAYBE_OBJECT, "model_parameter_overrides": MAYBE_OBJECT, "api_key": KEY,
    },
}  # fmt: skip
FILTER = {
    "type": "object",
    "required": ["field", "operator"],
    "properties": {
        "field": {"enum": list(FIELDS)},
        "operator": {
            "description": "Each field takes those of its type, and an error names them. A negative one holds where the value is missing.",
            "enum": sorted({name for operators in OPERATORS.values() for name in operators}),
        },
        "value": {},
        "nested_key": {
            "description": "Of metadata its key; of output and input_variables keys joined by dots, lists looked through.",
            "type": ["string", "null"],
        },
    },
}
FILTER_GROUP = {
    "type": "object",
    "properties": {
        "logic": {"enum": ["AND", "OR"]},
        "filters": {"type": "array", "items": {"anyOf": [{"$ref": "#/components/schemas/Filter"}, {"$ref": "#/components/schemas/FilterGroup"}]}},
    },
}  # fmt: skip
QUERY_FIELDS: dict[str, Schema] = {
    "filter_group": {"$ref": "#/components/schemas/FilterGroup"},
    "filters": {"type": "array", "items": {"$ref": "#/components/schemas/Filter"}},
    "q": {"type": ["string", "null"]},
    "sort_by": {"enum": [*SORTS, None]},
    "sort_order": {"enum": ["asc", "desc", None]},
    "page": {"type": "integer", "minimum": 1},
    "per_page": {"type": "integer", "minimum": 1, "maximum": 1000},
    "include_prompt_name": {"type": "boolean"},
    "metadata_cost_breakdown_key": {"type": ["string", "null"]},
    "api_key": KEY,
}
SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 100}
NAMED: Schema = {"type": ["string", "null"], "minLength": 1, "maxLength": 1024}
VERSION: Schema = {
    "anyOf": [{"type": ["integer", "null"], "minimum": 1}, {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"}]
}

OK: Schema = {"type": "object", "required": ["success"], "properties": {"success": {"const": True}}}
LOGGED: Schema = {
    "type": "object",
    "required": ["id", "request_id"],
    "properties": {"id": {"type": "string", "format": "uuid"}},
}
PAGE: Schema = {"type": "object", "required": ["items", "page", "per_page", "has_next", "has_prev"]}
GOT: Schema = {
    "type": "object",
    "required": ["id", "prompt_name", "version", "prompt_template", "metadata", "llm_kwargs"],
}
GOT_RAW: Schema = {
    "type": "object",
    "required": ["success", "id", "prompt_name", "version", "prompt_template", "snippets", "created_at"],
}
NUMBER: Schema = {"type": "integer", "minimum": 1, "maximum": 2**53}
_PLACES: Schema = {"type": ["array", "object", "null"]}
PATCH: Schema = {
    "type": "object",
    "properties": {
        "version": {"type": ["integer", "null"], "minimum": 1}, "label": {"type": ["string", "null"]}, "messages": _PLACES,
        "tools": _PLACES, "functions": _PLACES, "content": _PLACES, "function_call": {}, "tool_choice": {},
        "model_parameters": MAYBE_OBJECT, "response_format": MAYBE_OBJECT, "commit_message": {"type": ["string", "null"]},
        "release_labels": {"type": ["array", "null"], "items": TEXT}, "api_key": KEY,
    },
    "additionalProperties": False,
}  # fmt: skip


def query(name: str, schema: Schema, *, required: bool = False) -> Schema:
    """Return a parameter of a query."""
    return {"name": name, "in": "query", "schema": schema, "required": required}


#: How the list of prompts is asked for.
LISTING: tuple[Schema, ...] = (
    query("page", {"type": "integer", "minimum": 1}),
    query("per_page", {"type": "integer", "minimum": 1, "maximum": 1000}),
    query("label", {"type": "string"}),
    query("name", {"type": "string"}),
    query("tags", {"type": "array", "items": {"type": "string"}}),
    query("status", {"enum": list(STATUS)}),
    query("is_snippet", {"type": "boolean"}),
    query("sort_by", {"enum": list(PROMPT_SORTS)}),
    query("sort_order", {"enum": ["asc", "desc"]}),
    *(query(name, {"type": "string", "format": "date-time"}) for name in TIMES),
)
