"""What a provider is: how a prompt becomes a call, and how what comes back becomes what is logged.

Two layers. A `Format` is a wire format alone (chat completions, responses, messages): pure functions over plain data,
with no package of a provider imported. A `Provider` is a format plus someone to call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

Blueprint = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asked of a model, in the words of a log: the way back from keyword arguments to a blueprint.

    Attributes:
        input: the prompt blueprint, with the tools that were offered.
        model: the model's name as it was given.
        parameters: what else was given (temperature, …), as JSON.
    """

    input: Blueprint
    model: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, in the words of a log; None is what is not known.

    Attributes:
        output: a blueprint of the assistant's messages alone, one for each choice.
        model: the model that answered, as the provider names it ("gpt-4o-2024-08-06").
        input_tokens: all that went in, those from and into the provider's cache included.
        output_tokens: all that came out, reasoning included.
        cached_tokens: of the input, those that the provider's cache had.
        cache_write_tokens: of the input, those that were written into it.
        reasoning_tokens: of the output, those that were thought.
        finish_reason: why it ended, in the provider's word ("stop", "end_turn", "tool_calls"); of the first choice.
        error: what the provider says went wrong, where it says so in an answer and no exception is raised.
    """

    output: Blueprint | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    error: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Return what is known of it as keyword arguments of `log_request`: all but the model, which the caller names."""
        names = (
            "output", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
            "finish_reason",
        )  # fmt: skip
        known = {name: value for name in names if (value := getattr(self, name)) is not None}
        failed = {"status": "ERROR", "error_type": "PROVIDER_ERROR", "error_message": self.error}
        return {**known, **failed} if self.error else known


class Reader(Protocol):
    """Gathers one answer: give it the whole response, or each chunk of a stream in turn.

    Attributes:
        finish_reason: why the answer ended; None until it has (a count of tokens may still come).
    """

    finish_reason: str | None

    def add(self, item: Any) -> str:
        """Take a response or a chunk (the SDK's object or a dict of its shape), and return the text that it adds.

        What cannot be read is passed over: a reader never raises.
        """
        ...

    def answer(self) -> Answer:
        """Return what has come so far; it may be asked again after more has come."""
        ...


class Format(Protocol):
    """One wire format."""

    api_type: str

    def request(self, prompt: Blueprint, model: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keyword arguments of a call for a rendered prompt.

        Args:
            prompt: a blueprint, rendered: {"type": "chat", "messages": […], "tools": […], …} or a completion.
            model: the model's name.
            parameters: the model's parameters, which are passed on as they are.

        Raises:
            InvalidInputError: a message cannot be said in this format.
        """
        ...

    def asked(self, arguments: Mapping[str, Any]) -> Asked:
        """Return what keyword arguments ask, for the log; what cannot be read is passed over."""
        ...

    def reader(self) -> Reader:
        """Return a reader for one answer."""
        ...

    def raw(self, answer: Answer, *, stream: bool = False) -> Any:
        """Return a stored answer as the provider would have sent it, for a replay.

        Returns:
            the SDK's own object where its package is installed, else a dict of its shape; where `stream` is set, a list
            of the chunks: add them to a reader and the same answer comes out.
        """
        ...


class Provider(Format, Protocol):
    """Someone to call: what `run` uses.

    Attributes:
        name: what is logged as `provider` ("openai", "anthropic", the key in `PromptLog(providers=…)`).
        api_type: what is logged as `api_type` ("chat-completions", "responses", "messages").
        function_name: what is logged as `function_name` ("openai.chat.completions.create").
    """

    name: str
    function_name: str

    def ready(self) -> None:
        """Get ready to call (import a package, make a client), so that the time of a call is the model's alone.

        Raises:
            MissingExtraError: the provider's package is not installed.
            MissingKeyError: there is no API key.
        """
        ...

    async def aready(self) -> None:
        """Get ready to be awaited."""
        ...

    def call(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Call the model with what `request` returned.

        Returns:
            the raw response; with `stream`, an iterator of raw chunks, which has `close()`.

        Raises:
            MissingExtraError: the provider's package is not installed.
            MissingKeyError: there is no API key.
            Exception: the SDK's own, unchanged.
        """
        ...

    async def acall(self, arguments: Mapping[str, Any], *, stream: bool = False) -> Any:
        """Call the model without blocking the event loop; with `stream`, an async iterator, which has `aclose()`."""
        ...

    def cost_usd(self, answer: Answer, model: str) -> float | None:
        """Return what the answer cost; None where tokens or prices are not known."""
        ...
