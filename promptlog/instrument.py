"""The part of the client that watches a program that calls models by itself: `wrap`, `traceable`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from promptlog.context import Context

Client = TypeVar("Client")
Function = TypeVar("Function", bound="Callable[..., Any]")


class Instrument:
    """What `PromptLog` does beside a program."""

    def _log(self, record: dict[str, Any], around: Context | None, *, plain: bool = False) -> str | None:
        raise NotImplementedError

    def _append(self, record: dict[str, Any], *, plain: bool = False) -> bool:
        raise NotImplementedError

    def wrap(self, client: Client) -> Client:
        """Return a client that behaves as the given one, and logs every call of a model it makes.

        Args:
            client: an `OpenAI`, `AsyncOpenAI`, `Anthropic` or `AsyncAnthropic`, or one of their kinds for Azure, Bedrock,
                Vertex or another address. It is not changed; both share its connections.

        Logged are `chat.completions`, `responses`, `embeddings` (without the numbers) and `messages`: `create`, `parse`
        and `stream`, their streams, `with_options`, and `with_raw_response`; of `with_streaming_response` what is parsed.
        A failed call is logged with status ERROR and raised unchanged; a stream that is left is logged as far as it came,
        with status WARNING. Latency is the time that the program waited for the model. Nothing is lost
        where a call cannot be logged: there is a `NotLoggedWarning`. Retries of the SDK are one call.

        `create`, `parse` and `stream` take keywords of ours, which are not sent:
            pl_tags: labels.
            pl_metadata: string keys and values. (`metadata` is OpenAI's and Anthropic's own, and is sent; its texts are
                logged as metadata too, and `pl_metadata` wins over them.)
            pl_group_id: a number of `group.create()`.
            return_pl_id: return a pair, the response and the request's id (None where it could not be logged). A stream of
                `create` gives pairs of a chunk and the id, which is None until the answer is whole, as PromptLayer's
                does; `stream` returns a pair of what it returns and the id.

        Raises:
            InvalidInputError: it is no such client. The keywords raise what `log_request` raises, before the call.
        """
        from promptlog.providers.wrapping import wrap

        return wrap(client, self._log)

    @property
    def openai(self) -> Any:
        """PromptLayer's way to a wrapped client: `client.openai.OpenAI()` is `client.wrap(openai.OpenAI())`."""
        from promptlog.providers.wrapping import Package

        return Package("openai", self._log)

    @property
    def anthropic(self) -> Any:
        """PromptLayer's way to a wrapped client: `client.anthropic.Anthropic()`."""
        from promptlog.providers.wrapping import Package

        return Package("anthropic", self._log)

    @overload
    def traceable(self, attributes: Function, name: None = None) -> Function: ...

    @overload
    def traceable(
        self, attributes: Mapping[str, Any] | None = None, name: str | None = None
    ) -> Callable[[Function], Function]: ...

    def traceable(self, attributes: Any = None, name: str | None = None) -> Any:
        """Return a decorator that logs each call of a function as a span: `@client.traceable()`.

        Args:
            attributes: of the span, beside `function_input` and `function_output`, which are texts as PromptLayer's are.
            name: of the span, else the function's.

        The function may be a coroutine function or a generator, async too. Spans nest, and requests that are logged inside
        carry the trace and span they are in: `client.trace(trace_id)` shows the tree. What the function raises is
        noted, and raised unchanged. Texts over 100,000 characters are cut.

        Raises:
            InvalidInputError: attributes are no dict of JSON values.
        """
        from promptlog.tracing import traceable

        if callable(attributes):  # @client.traceable without parentheses
            return traceable(self._append, None, name)(attributes)
        return traceable(self._append, attributes, name)
