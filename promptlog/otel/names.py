"""Which spans are calls to a model, and the names that PromptLayer gives their providers and kinds.

Sources: PromptLayer's SDK 1.5.16 (`span_exporter.py`: canonical providers and kinds), OpenTelemetry's
`gen_ai.operation.name`, OpenInference's `openinference.span.kind`, Traceloop's `llm.request.type`, Langfuse's
`langfuse.observation.type`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Set by our processor on a span that starts right inside a call to a model: that one is the request.
WITHIN_CALL = "promptlog.within_call"

#: What an attribute says about the span's kind: the operation where that is a call to a model.
CALLS: dict[str, dict[str, str]] = {
    "gen_ai.operation.name": {
        "chat": "chat",
        "text_completion": "text_completion",
        "completion": "text_completion",
        "generate_content": "generate_content",
        "embeddings": "embeddings",
        "interactions.create": "interactions",
    },
    "openinference.span.kind": {"LLM": "chat", "EMBEDDING": "embeddings"},
    "llm.request.type": {"chat": "chat", "completion": "text_completion", "embedding": "embeddings"},
    "langfuse.observation.type": {"generation": "chat", "embedding": "embeddings"},
    "node_type": {"LLM_CALL": "chat"},
}
_CALLS = tuple(CALLS.items())
#: Where none of these speaks, a span with a model and one of those is a call.
_OTHERWISE = ("traceloop.span.kind", "gen_ai.tool.name", "gen_ai.agent.name")
_HINTS = (
    "gen_ai.provider.name",
    "gen_ai.system",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "gen_ai.input.messages",
)

_PROVIDERS = {
    "openai.responses": "openai",
    "azure": "openai.azure",
    "az.ai.openai": "openai.azure",
    "azure.ai.openai": "openai.azure",
    "azure_openai": "openai.azure",
    "az.ai.inference": "azure.ai.inference",
    "gemini": "google",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "google_genai": "google",
    "vertex_ai": "vertexai",
    "gcp.vertex_ai": "vertexai",
    "aws": "amazon.bedrock",
    "aws.bedrock": "amazon.bedrock",
    "bedrock": "amazon.bedrock",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "xai",
    "moonshot_ai": "moonshot",
    "together_ai": "together",
    "hugging_face": "huggingface",
}
_AZURE = (".openai.azure.com", ".cognitiveservices.azure.com")
_VERTEX = "aiplatform.googleapis.com"
_BEDROCK = {
    "converse": "converse",
    "conversestream": "converse",
    "invokemodel": "invoke-model",
    "invokemodelwithresponsestream": "invoke-model",
}


def operation_of(attributes: Mapping[str, Any]) -> str | None:
    """Return the operation of a span that is a call to a model, in OpenTelemetry's words; None where it is none."""
    silent = True
    for name, calls in _CALLS:
        said = attributes.get(name)
        if said is not None:
            if isinstance(said, str) and (operation := calls.get(said)):
                return operation
            silent = False
    if (
        silent
        and "gen_ai.request.model" in attributes
        and any(name in attributes for name in _HINTS)
        and not any(name in attributes for name in _OTHERWISE)
    ):
        return "chat"
    return None


def contains_no_call(attributes: Mapping[str, Any]) -> bool:
    """Return whether a span is one call to a model, as it begins: what is traced right inside is the same call.

    A generation of Langfuse's that names no model may be a function of the program that makes calls.
    """
    return operation_of(attributes) is not None and (
        "langfuse.observation.type" not in attributes or "langfuse.observation.model.name" in attributes
    )


def provider_of(name: str, attributes: Mapping[str, Any]) -> str:
    """Return PromptLayer's name of a provider; one that it does not know keeps its own, in lower case."""
    name = name.strip().lower()
    name = _PROVIDERS.get(name, name)
    if name in {"openai", "anthropic"}:
        address = attributes.get("server.address")
        if isinstance(address, str):
            if name == "openai" and address.endswith(_AZURE):
                return "openai.azure"
            if name == "anthropic" and address.endswith(_VERTEX):
                return "vertexai"
    return name


def api_type_of(operation: str, provider: str | None, attributes: Mapping[str, Any]) -> str:
    """Return PromptLayer's name of the provider's interface that was called."""
    if operation == "embeddings":
        return "embeddings"
    if provider in {"openai", "openai.azure"}:
        said = attributes.get("openai.api.type")
        if said == "responses" or attributes.get("gen_ai.provider.name") == "openai.responses":
            return "responses"
        return "completions" if operation == "text_completion" else "chat-completions"
    if provider == "anthropic" or attributes.get("gen_ai.provider.name") == "anthropic":
        return "messages"
    if provider == "amazon.bedrock":
        method = str(attributes.get("rpc.method", "")).lower()
        if method in _BEDROCK:
            return _BEDROCK[method]
    return operation.replace("_", "-")


#: PromptLayer's words for what a provider's server answers; another status of 400 and above is PROVIDER_ERROR.
_ERROR_TYPES = {
    401: "PROVIDER_AUTH_ERROR",
    402: "PROVIDER_QUOTA_LIMIT",
    408: "PROVIDER_TIMEOUT",
    429: "PROVIDER_RATE_LIMIT",
    504: "PROVIDER_TIMEOUT",
}
_STATUS = re.compile(r"Error code: ([45]\d\d)\b")  # how OpenAI's and Anthropic's SDKs begin what they raise


def error_type_in(message: str | None, attributes: Mapping[str, Any]) -> str | None:
    """Return the type of a failure that names none, by the status of HTTP that it tells of; None where it tells of none."""
    status = attributes.get("http.response.status_code")
    if not isinstance(status, int):
        found = _STATUS.search(message or "")
        status = int(found[1]) if found else 0
    return _ERROR_TYPES.get(status, "PROVIDER_ERROR" if status >= 400 else None)  # noqa: PLR2004 - HTTP's
