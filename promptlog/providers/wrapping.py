"""Clients of OpenAI's and Anthropic's SDKs that log every call they make.

Two parts. The tap: a copy of the client whose `post`, through which every call of an API goes (`create`, `parse`,
`stream`, `with_raw_response`), is logged where its path is known. The face: the copy, with methods that take the keywords of
a log (`pl_tags`, …) beside their own; they travel to the tap as a header, which is taken off there.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from promptlog.errors import InvalidInputError, MissingExtraError
from promptlog.models.checks import check_count, check_metadata, check_tags
from promptlog.providers.chat import Chat
from promptlog.providers.clients import is_async, sdk_of
from promptlog.providers.cost import cost_usd
from promptlog.providers.embeddings import Embeddings
from promptlog.providers.logged import LoggedCall
from promptlog.providers.messages import Messages
from promptlog.providers.responses import Responses
from promptlog.providers.streams import LoggedAsyncStream, LoggedStream, Standin

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog.providers.logged import Log

Client = TypeVar("Client")


class _Endpoint(NamedTuple):
    function_name: str
    speaks: Any


#: The calls that are logged, by the path they post to.
_ENDPOINTS = {
    "/chat/completions": _Endpoint("openai.chat.completions.create", Chat()),
    "/responses": _Endpoint("openai.responses.create", Responses()),
    "/embeddings": _Endpoint("openai.embeddings.create", Embeddings()),
    "/v1/messages": _Endpoint("anthropic.messages.create", Messages()),
}
_HEADER = "x-promptlog"
_RAW = "X-Stainless-Raw-Response"

#: Hosts of others at which an SDK finds a provider. Source: PromptLayer's SDK 1.5.16.
_HOSTS = {
    "openai.azure.com": "openai.azure",
    "cognitiveservices.azure.com": "openai.azure",
    "aiplatform.googleapis.com": "vertexai",
    "amazonaws.com": "amazon.bedrock",
}


class _Ticket(str):
    """What one call asks of its log line: the value of a header that is never sent."""

    __slots__ = ("arguments", "call")

    arguments: dict[str, Any]
    call: LoggedCall | None


def wrap(client: Client, log: Log) -> Client:
    """Return a client that behaves as the given one and logs its calls; see `PromptLog.wrap`."""
    if type(client) is _Face:
        return client  # wrapped already: a call is logged once
    if isinstance(client, type) or sdk_of(client) is None:
        what = f"the class {client.__name__}" if isinstance(client, type) else type(client).__name__
        raise InvalidInputError(
            f"wrap takes a client of OpenAI's or Anthropic's SDK, such as OpenAI(), got {what}"
        )
    return cast("Client", _Face(_tap(cast("Any", client).copy(), log), client))


def unwrapped(client: Any) -> Any:
    """Return the client that a wrapped one was made of; any other object as it is."""
    return client.unwrapped if type(client) is _Face else client


class Package:
    """An SDK's package whose clients log: PromptLayer's `client.openai.OpenAI()`."""

    def __init__(self, name: str, log: Log) -> None:
        self._name = name
        self._log = log

    def __getattr__(self, name: str) -> Any:
        from importlib import import_module

        try:
            value = getattr(import_module(self._name), name)
        except ImportError:
            raise MissingExtraError.of(self._name, self._name) from None
        if not (isinstance(value, type) and hasattr(value, "with_options")):
            return value

        @functools.wraps(value, updated=())
        def make(*args: Any, **kwargs: Any) -> Any:
            return wrap(value(*args, **kwargs), self._log)

        return make


# -- the tap ----------------------------------------------------------------------------------------------------------


def _tap(client: Any, log: Log) -> Any:
    """Return a client, which is nobody else's, with its calls logged, and those of its copies."""
    post, copy = client.post, client.copy
    provider = _provider_of(client)

    def begin(path: str, body: Any, extra: Any, ticket: _Ticket | None) -> LoggedCall | None:
        endpoint = _ENDPOINTS.get(path.partition("?")[0])
        if endpoint is None or not isinstance(body, Mapping):
            return None
        given = {**body, **(extra if isinstance(extra, Mapping) else {})}
        call = _begin(endpoint, given, ticket, provider, client.base_url, log)
        if ticket is not None:
            ticket.call = call
        return call

    if is_async(client):

        async def logged_later(path: str, *, body: Any = None, options: Any = None, **more: Any) -> Any:
            ticket, options = _take_off(options)
            body = _at_hand(body)
            call = begin(path, body, options.get("extra_json"), ticket)
            if call is None:
                return await post(path, body=body, options=options, **more)
            try:
                answer = await post(path, body=body, options=options, **more)
            except BaseException as error:
                call.end(error)
                raise
            if _is_read(answer, options):
                with _told_by_parsing(call):
                    parsed = answer.parse()
                    call.took(await parsed if inspect.isawaitable(parsed) else parsed)
                return answer
            return _answered(call, answer, options, LoggedAsyncStream)

        client.post = logged_later
    else:

        def logged(path: str, *, body: Any = None, options: Any = None, **more: Any) -> Any:
            ticket, options = _take_off(options)
            body = _at_hand(body)
            call = begin(path, body, options.get("extra_json"), ticket)
            if call is None:
                return post(path, body=body, options=options, **more)
            try:
                answer = post(path, body=body, options=options, **more)
            except BaseException as error:
                call.end(error)
                raise
            if _is_read(answer, options):
                with _told_by_parsing(call):
                    call.took(answer.parse())
                return answer
            return _answered(call, answer, options, LoggedStream)

        client.post = logged
    client.copy = client.with_options = lambda **options: _tap(copy(**options), log)
    return client


def _take_off(options: Any) -> tuple[_Ticket | None, dict[str, Any]]:
    """Return the ticket of a call, and its options without it."""
    options = dict(options or {})
    headers = options.get("headers")
    ticket = headers.get(_HEADER) if isinstance(headers, Mapping) else None
    if ticket is None:
        return None, options
    options["headers"] = {name: value for name, value in cast("Any", headers).items() if name != _HEADER}
    return ticket, options


def _at_hand(body: Any) -> Any:
    """Return a body whose messages can be read twice: the SDKs take iterators too."""
    if not isinstance(body, Mapping) or not any(isinstance(value, Iterator) for value in body.values()):
        return body
    return {name: list(value) if isinstance(value, Iterator) else value for name, value in body.items()}


def _begin(
    endpoint: _Endpoint,
    body: Mapping[str, Any],
    ticket: _Ticket | None,
    provider: str,
    base_url: Any,
    log: Log,
) -> LoggedCall:
    """Start what is logged of a call. A body that cannot be read is logged as far as it can."""
    given = {name: value for name, value in body.items() if type(value).__name__ not in {"Omit", "NotGiven"}}
    own = given.get("metadata")
    own = {k: v for k, v in own.items() if isinstance(v, str)} if isinstance(own, Mapping) else {}
    model = str(given.get("model"))
    try:
        asked = endpoint.speaks.asked({name: value for name, value in given.items() if name != "metadata"})
        known = {"input": asked.input, "parameters": asked.parameters}
    except Exception:
        known = {"input": None}
    told = ticket.arguments if ticket is not None else {}
    metadata = {**own, **told.get("metadata", {})}
    return LoggedCall(
        log,
        endpoint.speaks.reader(),
        lambda answer: cost_usd(provider, model, answer, base_url=base_url),
        provider=provider,
        model=model,
        api_type=endpoint.speaks.api_type,
        function_name=endpoint.function_name,
        **known,
        **{**told, "metadata": metadata},
    )


def _is_read(answer: Any, options: Mapping[str, Any]) -> bool:
    """Return whether an answer is a raw response whose body has come: `with_raw_response`, and no stream."""
    if (options.get("headers") or {}).get(_RAW) != "true":
        return False
    return "text/event-stream" not in answer.http_response.headers.get("content-type", "")


@contextmanager
def _told_by_parsing(call: LoggedCall) -> Iterator[None]:
    """Log what a raw response is parsed to; that it cannot be parsed is raised when the program parses it."""
    try:
        yield
    except Exception as error:
        call.end(error)
    else:
        call.end()


def _answered(call: LoggedCall, answer: Any, options: Mapping[str, Any], kind: type[Any]) -> Any:
    """Log an answer, or return one that will be logged: a stream, a raw response by what it is parsed to."""
    if _RAW in (options.get("headers") or {}):
        return _Raw(answer, call, kind)
    return _taken(call, answer, kind)


def _taken(call: LoggedCall, answer: Any, kind: type[Any]) -> Any:
    if hasattr(answer, "__next__") or hasattr(answer, "__anext__"):
        return kind(answer, call)
    call.took(answer)
    call.end()
    return answer


class _Raw(Standin):
    """A raw response whose body has not come yet: it is logged by what it is parsed to."""

    _call: LoggedCall
    _kind: type[Any]
    _parsed: Any

    def __init__(self, response: Any, call: LoggedCall, kind: type[Any]) -> None:
        super().__init__(response, _call=call, _kind=kind, _parsed=None)

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        with self._failing():
            parsed = self._original.parse(*args, **kwargs)
        if inspect.isawaitable(parsed):
            return self._later(parsed)
        if self._parsed is None:
            self._parsed = _taken(self._call, parsed, self._kind)
        return self._parsed

    async def _later(self, parsed: Any) -> Any:
        with self._failing():
            answer = await parsed
        if self._parsed is None:
            self._parsed = _taken(self._call, answer, self._kind)
        return self._parsed

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Log what breaks off while the body is read: to close it, as its block then does, would say that it was left."""
        try:
            yield
        except BaseException as error:
            self._call.end(error)
            raise

    def close(self) -> Any:
        """Close it; what nobody parsed is logged without an output."""
        self._call.leave()
        return self._original.close()


def _provider_of(client: Any) -> str:
    host = str(getattr(client.base_url, "host", ""))
    found = next((name for end, name in _HOSTS.items() if f".{host}".endswith((f".{end}", f"-{end}"))), None)
    return found or cast("str", sdk_of(client))


# -- the face ---------------------------------------------------------------------------------------------------------

_METHODS = frozenset({"create", "parse", "stream"})


class _Face(Standin):
    """A tapped client or one of its resources, whose methods take the keywords of a log."""

    unwrapped: Any

    def __init__(self, original: Any, unwrapped: Any = None) -> None:
        super().__init__(original, unwrapped=unwrapped)

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        if name in {"copy", "with_options"}:
            return lambda **options: _Face(value(**options))
        if name in _METHODS and callable(value):
            return _with_keywords(value)
        return _Face(value) if ".resources." in type(value).__module__ else value

    def __enter__(self) -> Any:
        self._original.__enter__()
        return self

    def __exit__(self, *args: object) -> None:
        self._original.__exit__(*args)

    async def __aenter__(self) -> Any:
        await self._original.__aenter__()
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._original.__aexit__(*args)


def _with_keywords(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that takes `pl_tags`, `pl_metadata`, `pl_group_id` and `return_pl_id` beside its own."""

    @functools.wraps(method)
    def called(
        *args: Any,
        pl_tags: Any = None,
        pl_metadata: Any = None,
        pl_group_id: int | None = None,
        return_pl_id: bool = False,
        **kwargs: Any,
    ) -> Any:
        if pl_tags is None and pl_metadata is None and pl_group_id is None and not return_pl_id:
            return method(*args, **kwargs)
        ticket = _Ticket("1")
        ticket.call = None
        ticket.arguments = {}
        if pl_tags is not None:
            ticket.arguments["tags"] = check_tags(pl_tags)
        if pl_metadata is not None:
            ticket.arguments["metadata"] = check_metadata(pl_metadata)
        if pl_group_id is not None:
            ticket.arguments["group_id"] = check_count(pl_group_id, "pl_group_id")
        if return_pl_id:
            import time

            from promptlog.identifiers import new_request_id

            ticket.arguments["request_id"] = new_request_id(time.time_ns() // 1000)
        kwargs["extra_headers"] = {**(kwargs.get("extra_headers") or {}), _HEADER: ticket}
        answer = method(*args, **kwargs)
        if not return_pl_id:
            return answer
        return _paired_later(answer, ticket) if inspect.isawaitable(answer) else _paired(answer, ticket)

    return called


async def _paired_later(answer: Any, ticket: _Ticket) -> Any:
    return _paired(await answer, ticket)


def _paired(answer: Any, ticket: _Ticket) -> Any:
    """Return an answer and its request's id; a stream gives its chunks with it, as PromptLayer's does."""
    if type(answer) in {LoggedStream, LoggedAsyncStream}:
        answer.pairs = True
        return answer
    if ticket.call is not None:
        return answer, ticket.call.request_id
    begins_later = hasattr(answer, "__enter__") or hasattr(answer, "__aenter__")
    return answer, ticket.arguments["request_id"] if begins_later else None
