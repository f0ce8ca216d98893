"""The table of attributes, row by row."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openinference.semconv.trace import MessageAttributes
from openinference.semconv.trace import SpanAttributes as OpenInference
from opentelemetry.semconv._incubating.attributes import (
    enduser_attributes,
    gen_ai_attributes,
    openai_attributes,
)
from opentelemetry.semconv_ai import SpanAttributes as Traceloop

from promptlog.models.encode import encode
from promptlog.otel.mapping import span_record
from promptlog.otel.names import CALLS
from promptlog.otel.table import (
    GEN_AI,
    LANGFUSE,
    OLD_GEN_AI,
    OPENINFERENCE,
    PROMPTLAYER,
    PROMPTLOG,
    TABLE,
    TRACELOOP,
    Row,
)
from tests.otel.plain_spans import a_call, a_span, said

HI, YO = said("hi"), said("yo", "assistant")
PARTS = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}])
TOOL = {"type": "function", "function": {"name": "look"}}
#: Of each row: the end of a prefixed name, a value as the vocabulary sends it, where it arrives, and as what.
SAMPLES: dict[str, tuple[str, Any, str, Any]] = {
    "promptlayer.metadata.": ("team", True, "metadata.team", "true"),
    "user.id": ("", "ann", "metadata.user_id", "ann"),
    "langfuse.user.id": ("", "ann", "metadata.user_id", "ann"),
    "enduser.id": ("", 7, "metadata.user_id", "7"),
    "gen_ai.conversation.id": ("", "c1", "metadata.conversation_id", "c1"),
    "session.id": ("", "c1", "metadata.conversation_id", "c1"),
    "langfuse.session.id": ("", "c1", "metadata.conversation_id", "c1"),
    "langfuse.trace.metadata.": ("team", '"acme"', "metadata.team", "acme"),
    "langfuse.observation.metadata.": ("share", "1.5", "metadata.share", "1.5"),
    "langfuse.trace.metadata": ("", '{"n": [1, "a"]}', "metadata.n", '[1,"a"]'),
    "traceloop.association.properties.": ("customer_id", 12, "metadata.customer_id", "12"),
    "openai_agents.metadata.": ("team", "core", "metadata.team", "core"),
    "metadata": ("", '{"team": "core", "beta": false}', "metadata.beta", "false"),
    "openai_agents.group_id": ("", "g", "metadata.conversation_id", "g"),
    "gen_ai.user": ("", "ann", "metadata.user_id", "ann"),
    "llm.user": ("", "ann", "metadata.user_id", "ann"),
    "promptlog.tags": ("", ["a", "b"], "tags", ["a", "b"]),
    "tag.tags": ("", '["a", "b"]', "tags", ["a", "b"]),
    "langfuse.trace.tags": ("", ("a",), "tags", ["a"]),
    "promptlayer.prompt.name": ("", "greet", "prompt.name", "greet"),
    "gen_ai.prompt.name": ("", "greet", "prompt.name", "greet"),
    "langfuse.observation.prompt.name": ("", "greet", "prompt.name", "greet"),
    "traceloop.prompt.key": ("", "greet", "prompt.name", "greet"),
    "promptlayer.prompt.version": ("", "3", "prompt.version", 3),
    "gen_ai.prompt.version": ("", "3", "prompt.version", 3),
    "langfuse.observation.prompt.version": ("", 3, "prompt.version", 3),
    "traceloop.prompt.version": ("", 3, "prompt.version", 3),
    "llm.prompt_template.version": ("", "3", "prompt.version", 3),
    "promptlayer.prompt.label": ("", "prod", "prompt.label", "prod"),
    "promptlayer.prompt.id": ("", 12, "prompt.id", "12"),
    "prompt.id": ("", "p12", "prompt.id", "p12"),
    "gen_ai.prompt.variable.": ("city", "Ulm", "prompt.variables.city", "Ulm"),
    "llm.prompt_template.variables": ("", '{"city": "Ulm"}', "prompt.variables.city", "Ulm"),
    "traceloop.prompt.template_variables": ("", '{"city": "Ulm"}', "prompt.variables.city", "Ulm"),
    "gen_ai.request.model": ("", "gpt-4o", "model", "gpt-4o"),
    "llm.request.model_name": ("", "gpt-4o", "model", "gpt-4o"),
    "langfuse.observation.model.name": ("", "gpt-4o", "model", "gpt-4o"),
    "llm.model_name": ("", "gpt-4o", "model", "gpt-4o"),
    "embedding.model_name": ("", "ada", "model", "ada"),
    "gen_ai.response.model": ("", "gpt-4o", "model", "gpt-4o"),
    "llm.response.model_name": ("", "gpt-4o", "model", "gpt-4o"),
    "promptlayer.provider.type": ("", "openai.azure", "provider", "openai.azure"),
    "gen_ai.provider.name": ("", "gcp.gemini", "provider", "google"),
    "gen_ai.system": ("", "az.ai.openai", "provider", "openai.azure"),
    "llm.provider": ("", "OpenAI", "provider", "openai"),
    "llm.system": ("", "vertexai", "provider", "vertexai"),
    "promptlayer.api.type": ("", "responses", "api_type", "responses"),
    "openai.api.type": ("", "chat_completions", "api_type", "chat-completions"),
    "gen_ai.operation.name": ("", "generate_content", "api_type", "generate-content"),
    "openinference.span.kind": ("", "EMBEDDING", "api_type", "embeddings"),
    "llm.request.type": ("", "embedding", "api_type", "embeddings"),
    "langfuse.observation.type": ("", "embedding", "api_type", "embeddings"),
    "node_type": ("", "LLM_CALL", "api_type", "chat"),
    "gen_ai.response.id": ("", "chatcmpl-1", "span.response_id", "chatcmpl-1"),
    "gen_ai.usage.input_tokens": ("", 10, "input_tokens", 10),
    "llm.token_count.prompt": ("", 10, "input_tokens", 10),
    "gen_ai.usage.prompt_tokens": ("", 10, "input_tokens", 10),
    "llm.usage.prompt_tokens": ("", 10, "input_tokens", 10),
    "gen_ai.usage.output_tokens": ("", 5, "output_tokens", 5),
    "llm.token_count.completion": ("", 5, "output_tokens", 5),
    "gen_ai.usage.completion_tokens": ("", "5", "output_tokens", 5),
    "llm.usage.completion_tokens": ("", 5.0, "output_tokens", 5),
    "gen_ai.usage.cache_read.input_tokens": ("", 4, "cached_tokens", 4),
    "gen_ai.usage.cache_read_input_tokens": ("", 4, "cached_tokens", 4),
    "llm.token_count.prompt_details.cache_read": ("", 4, "cached_tokens", 4),
    "llm.token_count.prompt_details.cache_input": ("", 4, "cached_tokens", 4),
    "gen_ai.usage.cache_creation.input_tokens": ("", 3, "cache_write_tokens", 3),
    "gen_ai.usage.cache_write.input_tokens": ("", 3, "cache_write_tokens", 3),
    "gen_ai.usage.cache_creation_input_tokens": ("", 3, "cache_write_tokens", 3),
    "llm.token_count.prompt_details.cache_write": ("", 3, "cache_write_tokens", 3),
    "gen_ai.usage.reasoning.output_tokens": ("", 2, "reasoning_tokens", 2),
    "gen_ai.usage.reasoning_tokens": ("", 2, "reasoning_tokens", 2),
    "llm.usage.reasoning_tokens": ("", 2, "reasoning_tokens", 2),
    "llm.token_count.completion_details.reasoning": ("", 2, "reasoning_tokens", 2),
    "llm.token_count.total": ("", 15, "span.attributes.llm\0token_count\0total", 15),
    "gen_ai.usage.total_tokens": ("", 15, "span.attributes.gen_ai\0usage\0total_tokens", 15),
    "llm.usage.total_tokens": ("", 15, "span.attributes.llm\0usage\0total_tokens", 15),
    "langfuse.observation.usage_details": ("", '{"input": 6, "input_cached_tokens": 4}', "input_tokens", 10),
    "llm.cost.total": ("", 0.25, "cost_usd", 0.25),
    "gen_ai.usage.cost": ("", "0.25", "cost_usd", 0.25),
    "langfuse.observation.cost_details": ("", '{"input": 0.2, "output": 0.05}', "cost_usd", 0.25),
    "gen_ai.response.finish_reasons": ("", ["stop"], "finish_reason", "stop"),
    "llm.finish_reason": ("", "stop", "finish_reason", "stop"),
    "anthropic.message.stop_reason": ("", "end_turn", "finish_reason", "end_turn"),
    "gen_ai.response.finish_reason": ("", "stop", "finish_reason", "stop"),
    "llm.response.finish_reason": ("", "stop", "finish_reason", "stop"),
    "gen_ai.response.stop_reason": ("", "end_turn", "finish_reason", "end_turn"),
    "llm.response.stop_reason": ("", "end_turn", "finish_reason", "end_turn"),
    "error.type": ("", "openai.RateLimitError", "error_type", "openai.RateLimitError"),
    "langfuse.observation.level": ("", "WARNING", "status", "WARNING"),
    "langfuse.observation.status_message": ("", "slow", "error_message", "slow"),
    "gen_ai.request.temperature": ("", 0.5, "parameters.temperature", 0.5),
    "gen_ai.request.max_tokens": ("", 9, "parameters.max_tokens", 9),
    "gen_ai.request.top_p": ("", 0.5, "parameters.top_p", 0.5),
    "gen_ai.request.top_k": ("", 4, "parameters.top_k", 4),
    "gen_ai.request.seed": ("", 4, "parameters.seed", 4),
    "gen_ai.request.stop_sequences": ("", ["\n"], "parameters.stop_sequences", ["\n"]),
    "gen_ai.request.frequency_penalty": ("", 0.5, "parameters.frequency_penalty", 0.5),
    "gen_ai.request.presence_penalty": ("", 0.5, "parameters.presence_penalty", 0.5),
    "gen_ai.request.choice.count": ("", 2, "parameters.n", 2),
    "gen_ai.request.stream": ("", True, "parameters.stream", True),
    "gen_ai.request.encoding_formats": ("", ["float"], "parameters.encoding_format", "float"),
    "gen_ai.request.reasoning.level": ("", "low", "parameters.reasoning_effort", "low"),
    "gen_ai.embeddings.dimension.count": ("", 256, "parameters.dimensions", 256),
    "openai.request.service_tier": ("", "flex", "parameters.service_tier", "flex"),
    "gen_ai.openai.request.service_tier": ("", "flex", "parameters.service_tier", "flex"),
    "gen_ai.openai.request.seed": ("", 4, "parameters.seed", 4),
    "gen_ai.openai.request.response_format": ("", "json_object", "parameters.response_format", "json_object"),
    "gen_ai.request.n": ("", 2, "parameters.n", 2),
    "gen_ai.request.max_completion_tokens": ("", 9, "parameters.max_completion_tokens", 9),
    "gen_ai.request.reasoning_effort": ("", "low", "parameters.reasoning_effort", "low"),
    "gen_ai.request.repetition_penalty": ("", 0.5, "parameters.repetition_penalty", 0.5),
    "gen_ai.is_streaming": ("", True, "parameters.stream", True),
    "llm.is_streaming": ("", True, "parameters.stream", True),
    "llm.top_k": ("", 4, "parameters.top_k", 4),
    "llm.frequency_penalty": ("", 0.5, "parameters.frequency_penalty", 0.5),
    "llm.presence_penalty": ("", 0.5, "parameters.presence_penalty", 0.5),
    "llm.chat.stop_sequences": ("", ["\n"], "parameters.stop_sequences", ["\n"]),
    "llm.request.repetition_penalty": ("", 0.5, "parameters.repetition_penalty", 0.5),
    "llm.request.reasoning_effort": ("", "low", "parameters.reasoning_effort", "low"),
    "llm.invocation_parameters": ("", '{"seed": 4}', "parameters.seed", 4),
    "embedding.invocation_parameters": ("", '{"dimensions": 8}', "parameters.dimensions", 8),
    "langfuse.observation.model.parameters": ("", '{"seed": 4, "max_tokens": "Infinity"}', "parameters", {"seed": 4}),
    "gen_ai.system_instructions": ("", '[{"type": "text", "content": "be"}]', "input.messages", [said("be", "system")]),
    "gen_ai.input.messages": ("", PARTS, "input.messages", [HI]),
    "llm.input_messages.": ("0.message.content", "hi", "input.messages", [HI]),
    "llm.prompts.": ("0.prompt.text", "hi", "input.messages", [HI]),
    "embedding.embeddings.": ("0.embedding.text", "hi", "input.messages", [HI]),
    "gen_ai.prompt.": ("0.content", "hi", "input.messages", [HI]),
    "langfuse.observation.input": ("", '[{"role": "user", "content": "hi"}]', "input.messages", [HI]),
    "gen_ai.prompt": ("", "hi", "input.messages", [HI]),
    "input.value": ("", '{"messages": [{"role": "user", "content": "hi"}]}', "input.messages", [HI]),
    "input.mime_type": ("", "text/plain", "span.attributes.input\0mime_type", "text/plain"),
    "gen_ai.output.messages": ("", PARTS.replace("user", "assistant").replace("hi", "yo"), "output.messages", [YO]),
    "llm.output_messages.": ("0.message.content", "yo", "output.messages", [YO]),
    "llm.choices.": ("0.completion.text", "yo", "output.messages", [YO]),
    "gen_ai.completion.": ("0.content", "yo", "output.messages", [YO]),
    "langfuse.observation.output": ("", '{"role": "assistant", "content": "yo"}', "output.messages", [YO]),
    "gen_ai.completion": ("", "yo", "output.messages", [YO]),
    "output.value": ("", "yo", "output.messages", [YO]),
    "output.mime_type": ("", "text/plain", "span.attributes.output\0mime_type", "text/plain"),
    "gen_ai.tool.definitions": ("", '[{"type": "function", "name": "look"}]', "input.tools", [TOOL]),
    "llm.tools.": ("0.tool.json_schema", json.dumps(TOOL), "input.tools", [TOOL]),
    "llm.request.functions.": ("0.name", "look", "input.tools", [TOOL]),
    "promptlayer.request_log.span_id": ("", "ef" * 8, "span.managed_span_id", "ef" * 8),
}  # fmt: skip
#: What a row needs beside it to show.
BESIDE: dict[str, dict[str, Any]] = {
    "langfuse.observation.status_message": {"langfuse.observation.level": "ERROR"},
    "promptlayer.request_log.span_id": {"promptlayer.request_log.managed": True},
    "gen_ai.tool.definitions": {"gen_ai.prompt": "hi"},
    "llm.tools.": {"gen_ai.prompt": "hi"},
    "llm.request.functions.": {"gen_ai.prompt": "hi"},
}


def found_at(record: dict[str, Any], path: str) -> Any:
    for part in path.split("."):
        record = record[part.replace("\0", ".")]
    return record


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.attribute)
def test_each_row_fills_its_field(row: Row) -> None:
    """A span with one attribute has what it says where the table says, and, but for what a span is, nowhere else."""
    tail, value, path, expected = SAMPLES[row.attribute]
    name = row.attribute + tail
    given = {**BESIDE.get(row.attribute, {}), name: value}
    if row.field != "operation":
        given = a_call(**given)
    record = span_record(a_span(given))
    assert found_at(record, path) == expected
    encode(record)
    kept = record["span"].get("attributes", {})
    assert (name in kept) == (row.field == "operation" or path.startswith("span.attributes"))
    assert "promptlog.dropped_attributes" not in kept


def test_there_is_a_sample_for_each_row_and_no_other() -> None:
    """A row that is added without a value to test it with fails."""
    assert sorted(SAMPLES) == sorted(row.attribute for row in TABLE)


@pytest.mark.parametrize("row", [row for row in TABLE if row.anywhere], ids=lambda row: row.attribute)
def test_what_holds_anywhere_is_read_off_a_span_that_is_no_call_and_off_a_resource(row: Row) -> None:
    """Identity and tags of an agent's span stand in it for the calls below; those of a resource go to each call."""
    tail, value, path, expected = SAMPLES[row.attribute]
    given = {row.attribute + tail: value}
    around = span_record(a_span({**given, **BESIDE.get(row.attribute, {})}))
    assert around["kind"] == "span"
    assert found_at(around["span"], path.removeprefix("span.")) == expected
    if not path.startswith("span."):
        below = span_record(a_span(a_call(), resource=given))
        assert found_at(below, path) == expected
        assert "metadata" not in below["span"]  # it is no word of this span's
        assert below["span"]["resource"] == given


def test_what_says_that_a_span_is_a_call_stands_in_the_table() -> None:
    """The attributes that `names` asks are rows like any other."""
    assert set(CALLS) == {row.attribute for row in TABLE if row.field == "operation"}


def constants(*modules: Any) -> set[str]:
    return {value for module in modules for value in vars(module).values() if isinstance(value, str)}


#: Attributes that the packages have no constant for, with where they are written.
ELSEWHERE = {
    "user.id", "session.id",  # general conventions
    "langfuse.user.id", "langfuse.session.id", "gen_ai.usage.cost",  # Langfuse's page on OpenTelemetry
    "gen_ai.usage.cache_write.input_tokens", "gen_ai.prompt.version", "gen_ai.prompt.variable.", "gen_ai.request.reasoning.level",  # util.genai
    "anthropic.message.stop_reason",  # anthropic's _tracing.py
    "llm.usage.prompt_tokens", "llm.usage.completion_tokens",  # Traceloop before 0.30
}  # fmt: skip


def test_the_names_are_the_vocabularies_own() -> None:
    """Each name of the table is a constant of the package that its source ships."""
    from langfuse._client.attributes import LangfuseOtelSpanAttributes

    known = {
        GEN_AI: constants(gen_ai_attributes, openai_attributes) | {"error.type"},
        OLD_GEN_AI: constants(gen_ai_attributes, enduser_attributes, Traceloop),
        OPENINFERENCE: constants(OpenInference, MessageAttributes) | {"llm.choices"},
        TRACELOOP: constants(Traceloop, gen_ai_attributes),
        LANGFUSE: constants(LangfuseOtelSpanAttributes),
    }
    for row in TABLE:
        if row.source not in {PROMPTLAYER, PROMPTLOG} and row.attribute not in ELSEWHERE:
            assert row.attribute.removesuffix(".") in known[row.source], row.attribute
