"""Which provider a name means."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError, UnknownProviderError
from promptlog.providers.anthropic import Anthropic
from promptlog.providers.callables import FromCallable
from promptlog.providers.clients import sdk_of
from promptlog.providers.openai import LOCAL, OpenAIChat, OpenAIResponses
from promptlog.providers.wrapping import unwrapped

if TYPE_CHECKING:
    from promptlog.providers.protocol import Provider


def provider_for(
    name: str, given: Mapping[str, Any] | None = None, *, api_type: str | None = None
) -> Provider:
    """Return the provider of a name.

    Args:
        name: one of `given`, or "openai", "anthropic", or a server of one's own machine: "ollama", "llama.cpp", "vllm",
            "lmstudio" at the port that each has by default.
        given: what `PromptLog(providers=…)` was given, by name: a callable; a client of OpenAI's or Anthropic's SDK; a
            dict of such a client's arguments, `{"base_url": …, "api_key": …}`; or a `Provider`.
        api_type: "responses" for OpenAI's responses; else its chat completions are called.

    Raises:
        UnknownProviderError: there is no such provider; the nearest names are said.
        InvalidInputError: what was given is none.
        MissingExtraError, MissingKeyError: only when it is called.
    """
    one = unwrapped((given or {}).get(name))  # what run logs, no wrapper logs again
    if api_type not in {None, "chat-completions", "responses", "messages"}:
        raise InvalidInputError(
            f"api_type must be 'chat-completions', 'responses' or 'messages', got {api_type!r}"
        )
    speaks = OpenAIResponses if api_type == "responses" else OpenAIChat
    if one is None:
        if name == "openai":
            return speaks(name)
        if name == "anthropic":
            return Anthropic(name)
        if name in LOCAL:
            return speaks(name, base_url=LOCAL[name])
        raise _unknown(name, given or {})
    if isinstance(one, Mapping):
        return (Anthropic if name == "anthropic" or api_type == "messages" else speaks)(name, **one)
    if hasattr(one, "request") and hasattr(one, "acall"):
        return one  # type: ignore[no-any-return]
    match sdk_of(one):
        case "openai":
            return speaks(name, client=one)
        case "anthropic":
            return Anthropic(name, client=one)
    if callable(one):
        return FromCallable(name, one)
    raise InvalidInputError(
        f"providers[{name!r}] is of type {type(one).__name__}; give a callable, a client of OpenAI's or Anthropic's SDK, "
        f"or a dict of a client's arguments, such as {{'base_url': 'http://localhost:11434/v1'}}"
    )


def _unknown(name: str, given: Mapping[str, Any]) -> UnknownProviderError:
    known = [*given, "openai", "anthropic", *LOCAL]
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    hint = f"did you mean {' or '.join(map(repr, near))}? There" if near else "there"
    return UnknownProviderError(
        f"no provider {name!r}; {hint} are {', '.join(map(repr, known))}, and what "
        f"PromptLog(providers={{{name!r}: …}}) gives: a callable, or {{'base_url': …}} of a server that speaks as OpenAI's (in the shell: --base-url)"
    )
