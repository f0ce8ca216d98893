"""The table of attributes: what each of the common vocabularies says, and the field of a request that it fills.

Rows that fill the same field stand in order of precedence, and PromptLayer's own come first. What loses to another row
stays in the span's attributes where it says something else. A name that ends with a dot is a prefix: what follows is
`<key>` in the field, or, for the fields `@…`, a place in a list of messages or tools.

Sources, with the packages that were read: PromptLayer (promptlayer 1.5.16 and its OpenTelemetry page), OpenTelemetry
(opentelemetry-semantic-conventions 0.66b2, opentelemetry-util-genai 1.3b0), OpenInference
(openinference-semantic-conventions 0.1.42), Traceloop (opentelemetry-semantic-conventions-ai 0.5.1), Langfuse 5.0.4,
Anthropic's SDK 2.13.0 (which traces by itself).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from promptlog.otel import reading as read
from promptlog.settings import MAX_KEY_CHARS

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPTLAYER = "promptlayer"
GEN_AI = "gen_ai current"
OLD_GEN_AI = "gen_ai deprecated"
OPENINFERENCE = "openinference"
TRACELOOP = "traceloop"
LANGFUSE = "langfuse"
ANTHROPIC = "anthropic"
PROMPTLOG = "promptlog"


class Row(NamedTuple):
    """One attribute of one vocabulary.

    Attributes:
        source: the vocabulary.
        attribute: its name; a prefix where it ends with a dot.
        field: what it fills; `metadata.*`, `parameters.*` are many at once, from a JSON object.
        read: makes the field's value of the attribute's, or raises a ValueError that says what is wrong.
        anywhere: also on spans that are no calls to a model, whose calls inherit it, and on resources.
    """

    source: str
    attribute: str
    field: str
    read: Callable[[Any], Any]
    anywhere: bool = False


# fmt: off
TABLE: tuple[Row, ...] = (
    # Identity and metadata. A key that is named as such wins over one that another vocabulary means.
    Row(PROMPTLAYER, "promptlayer.metadata.", "metadata.<key>", read.metadata, anywhere=True),
    Row(GEN_AI, "user.id", "metadata.user_id", read.metadata, anywhere=True),
    Row(LANGFUSE, "langfuse.user.id", "metadata.user_id", read.metadata, anywhere=True),
    Row(OLD_GEN_AI, "enduser.id", "metadata.user_id", read.metadata, anywhere=True),
    Row(GEN_AI, "gen_ai.conversation.id", "metadata.conversation_id", read.metadata, anywhere=True),
    Row(GEN_AI, "session.id", "metadata.conversation_id", read.metadata, anywhere=True),
    Row(LANGFUSE, "langfuse.session.id", "metadata.conversation_id", read.metadata, anywhere=True),
    Row(LANGFUSE, "langfuse.trace.metadata.", "metadata.<key>", read.wrapped, anywhere=True),
    Row(LANGFUSE, "langfuse.observation.metadata.", "metadata.<key>", read.wrapped),
    Row(LANGFUSE, "langfuse.trace.metadata", "metadata.*", read.mapping, anywhere=True),
    Row(TRACELOOP, "traceloop.association.properties.", "metadata.<key>", read.metadata, anywhere=True),
    Row(PROMPTLAYER, "openai_agents.metadata.", "metadata.<key>", read.metadata, anywhere=True),
    Row(OPENINFERENCE, "metadata", "metadata.*", read.mapping, anywhere=True),
    Row(PROMPTLAYER, "openai_agents.group_id", "metadata.conversation_id", read.metadata, anywhere=True),
    Row(TRACELOOP, "gen_ai.user", "metadata.user_id", read.metadata),
    Row(TRACELOOP, "llm.user", "metadata.user_id", read.metadata),
    # Tags of every vocabulary are added up.
    Row(PROMPTLOG, "promptlog.tags", "tags", read.tags, anywhere=True),
    Row(OPENINFERENCE, "tag.tags", "tags", read.tags, anywhere=True),
    Row(LANGFUSE, "langfuse.trace.tags", "tags", read.tags, anywhere=True),
    # The prompt template that the call came from.
    Row(PROMPTLAYER, "promptlayer.prompt.name", "prompt.name", read.text),
    Row(GEN_AI, "gen_ai.prompt.name", "prompt.name", read.text),
    Row(LANGFUSE, "langfuse.observation.prompt.name", "prompt.name", read.text),
    Row(TRACELOOP, "traceloop.prompt.key", "prompt.name", read.text),
    Row(PROMPTLAYER, "promptlayer.prompt.version", "prompt.version", read.version),
    Row(GEN_AI, "gen_ai.prompt.version", "prompt.version", read.version),
    Row(LANGFUSE, "langfuse.observation.prompt.version", "prompt.version", read.version),
    Row(TRACELOOP, "traceloop.prompt.version", "prompt.version", read.version),
    Row(OPENINFERENCE, "llm.prompt_template.version", "prompt.version", read.version),
    Row(PROMPTLAYER, "promptlayer.prompt.label", "prompt.label", read.text),
    Row(PROMPTLAYER, "promptlayer.prompt.id", "prompt.id", read.text),
    Row(OPENINFERENCE, "prompt.id", "prompt.id", read.text),
    Row(GEN_AI, "gen_ai.prompt.variable.", "variables.<key>", read.anything),
    Row(OPENINFERENCE, "llm.prompt_template.variables", "variables.*", read.mapping),
    Row(TRACELOOP, "traceloop.prompt.template_variables", "variables.*", read.mapping),
    # Model, provider, operation. The model is the one that was asked for, as PromptLayer has it; the one that answered
    # stands in for it. The operation becomes `api_type` and stays in the attributes, as it does on other spans.
    Row(GEN_AI, "gen_ai.request.model", "model", read.text),
    Row(OPENINFERENCE, "llm.request.model_name", "model", read.text),
    Row(LANGFUSE, "langfuse.observation.model.name", "model", read.text),
    Row(OPENINFERENCE, "llm.model_name", "answering_model", read.text),
    Row(OPENINFERENCE, "embedding.model_name", "answering_model", read.text),
    Row(GEN_AI, "gen_ai.response.model", "answering_model", read.text),
    Row(OPENINFERENCE, "llm.response.model_name", "answering_model", read.text),
    Row(PROMPTLAYER, "promptlayer.provider.type", "provider", read.text),
    Row(GEN_AI, "gen_ai.provider.name", "provider", read.text),
    Row(OLD_GEN_AI, "gen_ai.system", "provider", read.text),
    Row(OPENINFERENCE, "llm.provider", "provider", read.text),
    Row(OPENINFERENCE, "llm.system", "provider", read.text),
    Row(PROMPTLAYER, "promptlayer.api.type", "api_type", read.text),
    Row(GEN_AI, "gen_ai.operation.name", "operation", read.text),
    Row(OPENINFERENCE, "openinference.span.kind", "operation", read.text),
    Row(TRACELOOP, "llm.request.type", "operation", read.text),
    Row(LANGFUSE, "langfuse.observation.type", "operation", read.text),
    Row(PROMPTLAYER, "node_type", "operation", read.text),
    Row(GEN_AI, "openai.api.type", "api_type", read.dashed),
    Row(GEN_AI, "gen_ai.response.id", "response_id", read.text),
    # Tokens. Input counts include what was read from and written to a cache, output counts include reasoning.
    Row(GEN_AI, "gen_ai.usage.input_tokens", "input_tokens", read.count),
    Row(OPENINFERENCE, "llm.token_count.prompt", "input_tokens", read.count),
    Row(OLD_GEN_AI, "gen_ai.usage.prompt_tokens", "input_tokens", read.count),
    Row(TRACELOOP, "llm.usage.prompt_tokens", "input_tokens", read.count),
    Row(GEN_AI, "gen_ai.usage.output_tokens", "output_tokens", read.count),
    Row(OPENINFERENCE, "llm.token_count.completion", "output_tokens", read.count),
    Row(OLD_GEN_AI, "gen_ai.usage.completion_tokens", "output_tokens", read.count),
    Row(TRACELOOP, "llm.usage.completion_tokens", "output_tokens", read.count),
    Row(GEN_AI, "gen_ai.usage.cache_read.input_tokens", "cached_tokens", read.count),
    Row(OLD_GEN_AI, "gen_ai.usage.cache_read_input_tokens", "cached_tokens", read.count),
    Row(OPENINFERENCE, "llm.token_count.prompt_details.cache_read", "cached_tokens", read.count),
    Row(OPENINFERENCE, "llm.token_count.prompt_details.cache_input", "cached_tokens", read.count),
    Row(GEN_AI, "gen_ai.usage.cache_creation.input_tokens", "cache_write_tokens", read.count),
    Row(GEN_AI, "gen_ai.usage.cache_write.input_tokens", "cache_write_tokens", read.count),
    Row(OLD_GEN_AI, "gen_ai.usage.cache_creation_input_tokens", "cache_write_tokens", read.count),
    Row(OPENINFERENCE, "llm.token_count.prompt_details.cache_write", "cache_write_tokens", read.count),
    Row(GEN_AI, "gen_ai.usage.reasoning.output_tokens", "reasoning_tokens", read.count),
    Row(TRACELOOP, "gen_ai.usage.reasoning_tokens", "reasoning_tokens", read.count),
    Row(TRACELOOP, "llm.usage.reasoning_tokens", "reasoning_tokens", read.count),
    Row(OPENINFERENCE, "llm.token_count.completion_details.reasoning", "reasoning_tokens", read.count),
    Row(OPENINFERENCE, "llm.token_count.total", "total_tokens", read.count),
    Row(TRACELOOP, "gen_ai.usage.total_tokens", "total_tokens", read.count),
    Row(TRACELOOP, "llm.usage.total_tokens", "total_tokens", read.count),
    Row(LANGFUSE, "langfuse.observation.usage_details", "usage", read.mapping),
    Row(OPENINFERENCE, "llm.cost.total", "cost_usd", read.dollars),
    Row(LANGFUSE, "gen_ai.usage.cost", "cost_usd", read.dollars),
    Row(LANGFUSE, "langfuse.observation.cost_details", "costs", read.mapping),
    # How it ended.
    Row(GEN_AI, "gen_ai.response.finish_reasons", "finish_reason", read.first),
    Row(OPENINFERENCE, "llm.finish_reason", "finish_reason", read.first),
    Row(ANTHROPIC, "anthropic.message.stop_reason", "finish_reason", read.text),
    Row(TRACELOOP, "gen_ai.response.finish_reason", "finish_reason", read.first),
    Row(TRACELOOP, "llm.response.finish_reason", "finish_reason", read.first),
    Row(TRACELOOP, "gen_ai.response.stop_reason", "finish_reason", read.first),
    Row(TRACELOOP, "llm.response.stop_reason", "finish_reason", read.first),
    Row(GEN_AI, "error.type", "error_type", read.text),
    Row(LANGFUSE, "langfuse.observation.level", "level", read.text),
    Row(LANGFUSE, "langfuse.observation.status_message", "status_message", read.text),
    # Parameters, by the names that the providers' interfaces have.
    Row(GEN_AI, "gen_ai.request.temperature", "parameters.temperature", read.anything),
    Row(GEN_AI, "gen_ai.request.max_tokens", "parameters.max_tokens", read.anything),
    Row(GEN_AI, "gen_ai.request.top_p", "parameters.top_p", read.anything),
    Row(GEN_AI, "gen_ai.request.top_k", "parameters.top_k", read.anything),
    Row(GEN_AI, "gen_ai.request.seed", "parameters.seed", read.anything),
    Row(GEN_AI, "gen_ai.request.stop_sequences", "parameters.stop_sequences", read.structure),
    Row(GEN_AI, "gen_ai.request.frequency_penalty", "parameters.frequency_penalty", read.anything),
    Row(GEN_AI, "gen_ai.request.presence_penalty", "parameters.presence_penalty", read.anything),
    Row(GEN_AI, "gen_ai.request.choice.count", "parameters.n", read.anything),
    Row(GEN_AI, "gen_ai.request.stream", "parameters.stream", read.streaming),
    Row(GEN_AI, "gen_ai.request.encoding_formats", "parameters.encoding_format", read.first),
    Row(GEN_AI, "gen_ai.request.reasoning.level", "parameters.reasoning_effort", read.anything),
    Row(GEN_AI, "gen_ai.embeddings.dimension.count", "parameters.dimensions", read.anything),
    Row(GEN_AI, "openai.request.service_tier", "parameters.service_tier", read.anything),
    Row(OLD_GEN_AI, "gen_ai.openai.request.service_tier", "parameters.service_tier", read.anything),
    Row(OLD_GEN_AI, "gen_ai.openai.request.seed", "parameters.seed", read.anything),
    Row(OLD_GEN_AI, "gen_ai.openai.request.response_format", "parameters.response_format", read.structure),
    Row(TRACELOOP, "gen_ai.request.n", "parameters.n", read.anything),
    Row(TRACELOOP, "gen_ai.request.max_completion_tokens", "parameters.max_completion_tokens", read.anything),
    Row(TRACELOOP, "gen_ai.request.reasoning_effort", "parameters.reasoning_effort", read.anything),
    Row(TRACELOOP, "gen_ai.request.repetition_penalty", "parameters.repetition_penalty", read.anything),
    Row(TRACELOOP, "gen_ai.is_streaming", "parameters.stream", read.streaming),
    Row(TRACELOOP, "llm.is_streaming", "parameters.stream", read.streaming),
    Row(TRACELOOP, "llm.top_k", "parameters.top_k", read.anything),
    Row(TRACELOOP, "llm.frequency_penalty", "parameters.frequency_penalty", read.anything),
    Row(TRACELOOP, "llm.presence_penalty", "parameters.presence_penalty", read.anything),
    Row(TRACELOOP, "llm.chat.stop_sequences", "parameters.stop_sequences", read.structure),
    Row(TRACELOOP, "llm.request.repetition_penalty", "parameters.repetition_penalty", read.anything),
    Row(TRACELOOP, "llm.request.reasoning_effort", "parameters.reasoning_effort", read.anything),
    Row(OPENINFERENCE, "llm.invocation_parameters", "parameters.*", read.mapping),
    Row(OPENINFERENCE, "embedding.invocation_parameters", "parameters.*", read.mapping),
    Row(LANGFUSE, "langfuse.observation.model.parameters", "parameters.*", read.mapping),
    # What went in, and what came out.
    Row(GEN_AI, "gen_ai.system_instructions", "system", read.structure),
    Row(GEN_AI, "gen_ai.input.messages", "input", read.structure),
    Row(OPENINFERENCE, "llm.input_messages.", "@input.messages", read.anything),
    Row(OPENINFERENCE, "llm.prompts.", "@input.texts", read.anything),
    Row(OPENINFERENCE, "embedding.embeddings.", "@input.embedded", read.anything),
    Row(TRACELOOP, "gen_ai.prompt.", "@input.flat", read.anything),
    Row(LANGFUSE, "langfuse.observation.input", "input", read.structure),
    Row(OLD_GEN_AI, "gen_ai.prompt", "input", read.structure),
    Row(OPENINFERENCE, "input.value", "raw_input", read.structure),
    Row(OPENINFERENCE, "input.mime_type", "input_type", read.text),
    Row(GEN_AI, "gen_ai.output.messages", "output", read.structure),
    Row(OPENINFERENCE, "llm.output_messages.", "@output.messages", read.anything),
    Row(OPENINFERENCE, "llm.choices.", "@output.texts", read.anything),
    Row(TRACELOOP, "gen_ai.completion.", "@output.flat", read.anything),
    Row(LANGFUSE, "langfuse.observation.output", "output", read.structure),
    Row(OLD_GEN_AI, "gen_ai.completion", "output", read.structure),
    Row(OPENINFERENCE, "output.value", "raw_output", read.structure),
    Row(OPENINFERENCE, "output.mime_type", "output_type", read.text),
    Row(GEN_AI, "gen_ai.tool.definitions", "tools", read.structure),
    Row(OPENINFERENCE, "llm.tools.", "@tools.schemas", read.anything),
    Row(TRACELOOP, "llm.request.functions.", "@tools.flat", read.anything),
    # The request is logged by other means: a link, not a second one.
    Row(PROMPTLAYER, "promptlayer.request_log.span_id", "managed_span_id", read.text, anywhere=True),
)
# fmt: on

#: Beside the rows above: what people said, what a tool was given and answered. Kept out with `capture_content=False`.
CONTENT = frozenset({
    "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents",
    "gen_ai.task.input", "gen_ai.task.output", "gen_ai.event.content",
    "traceloop.entity.input", "traceloop.entity.output", "traceloop.prompt.template",
    "langfuse.trace.input", "langfuse.trace.output", "langfuse.experiment.item.expected_output",
    "llm.function_call", "llm.prompt_template.template", "tool.parameters", "reranker.query", "embedding.text",
    "mcp.request.argument", "mcp.response.value", "function_input", "function_output",
    "all_messages_events", "pydantic_ai.all_messages", "final_result", "tool_arguments", "tool_response",
    "request_data", "response_data", "events", "mlflow.spanInputs", "mlflow.spanOutputs",
    "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response", "gcp.vertex.agent.data",
    "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response",
})  # fmt: skip
CONTENT_PREFIXES = (
    "llm.input_messages", "llm.output_messages", "llm.prompts", "llm.completions", "llm.choices", "llm.tools",
    "retrieval.documents.", "reranker.input_documents.", "reranker.output_documents.", "embedding.", "input.", "output.",
    "gen_ai.content.", "gen_ai.prompt.", "gen_ai.completion.", "document.", "ai.prompt", "ai.response.text",
    "ai.response.object", "ai.response.toolCalls", "ai.toolCall.args", "ai.toolCall.result",
    "openai_agents.function.input", "openai_agents.function.output", "openai_agents.generation.raw_",
    "openai_agents.response.raw_", "openai_agents.custom.data", "openai_agents.raw_json",
    "haystack.component.input", "haystack.component.output", "lk.instructions", "lk.chat_ctx", "lk.response", "lk.user_input", "lk.function_tool.arguments", "lk.function_tool.output",
)  # fmt: skip
#: Parameters that are content: some instrumentations put the whole request there.
CONTENT_PARAMETERS = frozenset({
    "messages", "input", "prompt", "contents", "system", "instructions", "tools", "functions"
})  # fmt: skip
#: The attributes that hold parameters as one object.
PARAMETERS = frozenset(row.attribute for row in TABLE if row.field == "parameters.*")
_CONTENT_FIELDS = {"system", "input", "output", "raw_input", "raw_output", "tools"}


class Rule(NamedTuple):
    """What is done with one attribute: a row as it applies to a whole name."""

    group: str  # "metadata" of the field metadata.user_id; "" of a field that stands alone
    field: str  # "user_id"; "" for many at once
    rank: int
    read: Callable[[Any], Any] | None  # None: the value is taken as it is
    path: tuple[str, ...] | None = None  # a place in a list, where the field is one


def _rule(field: str, rank: int, reader: Callable[[Any], Any], key: str | None = None) -> Rule:
    group, dot, rest = field.partition(".")
    if not dot:
        group, rest = "", field
    elif key is not None:
        rest = key
    elif rest == "*":
        rest = ""
    return Rule(group, rest, rank, None if reader is read.anything else reader)


_RANKED = tuple(enumerate(TABLE))
_NAMED = {
    row.attribute: _rule(row.field, rank, row.read) for rank, row in _RANKED if row.attribute[-1] != "."
}
_PREFIXES = tuple((rank, row) for rank, row in _RANKED if row.attribute[-1] == ".")
_ANYWHERE = {row.attribute for row in TABLE if row.anywhere}


def find_rule(name: str, *, call: bool) -> Rule | None:
    """Return what is done with an attribute; None where it stays in the span's attributes.

    Args:
        name: the attribute's.
        call: whether the span is a call to a model.
    """
    if name in _NAMED:
        return _NAMED[name] if call or name in _ANYWHERE else None
    for rank, row in _PREFIXES:
        if name.startswith(row.attribute) and (call or row.anywhere):
            key = name[len(row.attribute) :]
            if not key:
                return None
            if row.field[0] != "@":
                reader = row.read if len(key) <= MAX_KEY_CHARS else read.too_long
                return _rule(row.field, rank, reader, key)
            path = tuple(key.split("."))
            # Vectors are no messages, nor is gen_ai.prompt.name: a list's items are numbered.
            whole = path[0].isdecimal() and len(path) > 1 and path[-1] != "vector"
            return Rule("", row.field, rank, None, path) if whole else None
    return None


def is_content(name: str) -> bool:
    """Return whether an attribute tells what went in or came out."""
    rule = find_rule(name, call=True)
    if rule is not None:
        return (
            rule.path is not None
            or rule.group == "variables"
            or (not rule.group and rule.field in _CONTENT_FIELDS)
        )
    return name in CONTENT or name.startswith(CONTENT_PREFIXES)
