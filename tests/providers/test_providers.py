"""Whom to call: the real SDKs over a socket, servers that speak as OpenAI's, and any callable."""

from __future__ import annotations

import asyncio
import logging
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers

from promptlog.errors import InvalidInputError, MissingExtraError, MissingKeyError
from promptlog.providers.choose import provider_for
from promptlog.providers.cost import cost_usd
from promptlog.providers.failures import error_type_of
from promptlog.providers.protocol import Answer
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from promptlog.providers.protocol import Provider

HELLO = {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi there"}]}]}


def ask(
    provider: Provider, model: str = "m", *, stream: bool = False, **parameters: Any
) -> tuple[str, Answer]:
    """Call, read, and return the text and the answer."""
    given = provider.call(provider.request(HELLO, model, parameters), stream=stream)
    reader = provider.reader()
    said = "".join([reader.add(item) for item in (given if stream else [given])])
    return said, reader.answer()


def aask(provider: Provider, *, stream: bool = False) -> tuple[str, Answer]:
    """Do the same in an event loop."""

    async def main() -> tuple[str, Answer]:
        given = await provider.acall(provider.request(HELLO, "m", {}), stream=stream)
        reader = provider.reader()
        items = [item async for item in given] if stream else [given]
        return "".join([reader.add(item) for item in items]), reader.answer()

    return asyncio.run(main())


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api_type", ["chat-completions", "responses", "messages"])
def test_sdks(wire: Wire, api_type: str, stream: bool) -> None:
    """Each API, called and awaited (in two event loops, one after the other), plain and as a stream, with its tokens."""
    name = "anthropic" if api_type == "messages" else "openai"
    address = wire.anthropic() if api_type == "messages" else wire.openai()
    provider = provider_for(name, {name: {"base_url": address, "api_key": "k"}}, api_type=api_type)
    assert (provider.name, provider.api_type) == (name, api_type)
    for said, answer in (
        ask(provider, stream=stream),
        aask(provider, stream=stream),
        aask(provider, stream=stream),
    ):
        assert said == "You said: Hi there"
        assert (answer.input_tokens, answer.output_tokens) == (2, 4)


def test_a_client_that_is_given_is_the_one_that_calls(wire: Wire) -> None:
    """A program's own client keeps its settings; the wrong kind of client is named."""
    with openai.OpenAI(base_url=wire.openai(), api_key="mine", default_headers={"x-mine": "1"}) as client:
        provider = provider_for("mine", {"mine": client})
        assert ask(provider)[0] == "You said: Hi there"
        assert wire.asked[-1].headers["x-mine"] == "1"
        with pytest.raises(
            InvalidInputError, match="has a OpenAI, and this call needs the asynchronous client"
        ):
            aask(provider)
    with anthropic.Anthropic(base_url=wire.anthropic(), api_key="mine") as other:
        assert ask(provider_for("a", {"a": other}))[0] == "You said: Hi there"


def test_any_server_that_speaks_as_openai(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server by its address gets no key of OpenAI's."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert ask(provider_for("ollama", {"ollama": {"base_url": wire.openai()}}))[0] == "You said: Hi there"
    assert wire.asked[-1].headers["authorization"] == "Bearer none"


@pytest.mark.parametrize("in_environment", [True, False], ids=["a key in the environment", "none"])
def test_any_server_that_speaks_as_anthropic(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, *, in_environment: bool
) -> None:
    """A server by its address gets no key of Anthropic's, and asks for none."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        if in_environment:
            monkeypatch.setenv(name, "sk-secret")
        else:
            monkeypatch.delenv(name, raising=False)
    provider = provider_for("anthropic", {"anthropic": {"base_url": wire.anthropic()}})
    for asked in (ask, aask):
        assert asked(provider)[0] == "You said: Hi there"
        assert "secret" not in str(wire.asked[-1].headers)


@pytest.mark.parametrize("api_type", ["chat-completions", "responses", "messages"])
def test_whether_it_streams_is_not_a_parameter(wire: Wire, api_type: str) -> None:
    """Parameters of a prompt that was stored with `stream` do not change what is asked for."""
    address = wire.anthropic() if api_type == "messages" else wire.openai()
    provider = provider_for("x", {"x": {"base_url": address, "api_key": "k"}}, api_type=api_type)
    assert ask(provider)[0] == "You said: Hi there"
    given = provider.request(HELLO, "m", {"stream": True})
    reader = provider.reader()
    assert reader.add(provider.call(given)) == "You said: Hi there"


def test_no_key_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both SDKs say it differently, and one only when it calls."""
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("openai", "anthropic"):
        with pytest.raises(
            MissingKeyError, match=f"no API key for the provider '{name}': set {name.upper()}_API_KEY"
        ):
            ask(provider_for(name))
        with pytest.raises(MissingKeyError):
            aask(provider_for(name))


def test_a_package_that_is_missing_is_named() -> None:
    """In a Python without the SDKs, choosing works, and calling names the extra."""
    code = (
        "import sys; sys.modules['openai'] = sys.modules['anthropic'] = None\n"
        "from promptlog.providers.choose import provider_for\n"
        "from promptlog.errors import MissingExtraError\n"
        "for name in ('openai', 'anthropic'):\n"
        "    try: provider_for(name).call({})\n"
        "    except MissingExtraError as error: print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        str(MissingExtraError.of(name, name)) for name in ("openai", "anthropic")
    ]


def test_an_unknown_provider_has_neighbours() -> None:
    """The nearest names are said, and how to give one."""
    with pytest.raises(InvalidInputError, match="no provider 'opnai'; did you mean 'openai'"):
        provider_for("opnai")
    with pytest.raises(InvalidInputError, match=r"providers\['x'\] is of type int; give a callable"):
        provider_for("x", {"x": 3})
    with pytest.raises(InvalidInputError, match="api_type"):
        provider_for("openai", api_type="telepathy")


# -- failures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("status=429", "PROVIDER_RATE_LIMIT"),
        ("status=402", "PROVIDER_QUOTA_LIMIT"),
        ("status=401", "PROVIDER_AUTH_ERROR"),
        ("status=500", "PROVIDER_ERROR"),
        ("hang=1", "PROVIDER_TIMEOUT"),
        ("cut=2", "PROVIDER_ERROR"),
        ("error=2", "PROVIDER_ERROR"),
    ],
)
@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_failures_pass_unchanged_and_have_promptlayers_types(
    wire: Wire, name: str, behaviour: str, kind: str
) -> None:
    """The SDK's own exception comes through, of a stream too, and is named."""
    address = wire.anthropic(behaviour) if name == "anthropic" else wire.openai(behaviour)
    patience = 0.2 if behaviour == "hang=1" else 60
    options = {"base_url": address, "api_key": "k", "timeout": patience, "max_retries": 0}
    with pytest.raises(Exception) as caught:
        ask(provider_for(name, {name: options}), stream=True)
    assert type(caught.value).__module__.partition(".")[0] in {"openai", "anthropic", "httpx2"}
    assert error_type_of(caught.value) == kind


def test_error_types_of_other_failures() -> None:
    """An unreachable server is the provider's failure; what a program does wrong is its own."""
    with Wire() as gone:
        address = gone.openai()
    with pytest.raises(openai.APIConnectionError) as caught:
        ask(provider_for("x", {"x": {"base_url": address, "max_retries": 0}}))
    assert error_type_of(caught.value) == "PROVIDER_ERROR"
    assert error_type_of(TimeoutError()) == "PROVIDER_TIMEOUT"
    assert error_type_of(ConnectionRefusedError()) == "PROVIDER_ERROR"
    assert error_type_of(KeyError("x")) == "UNKNOWN_ERROR"


# -- callables --------------------------------------------------------------------------------------------------------


def says(model: str, messages: list[dict[str, Any]], **parameters: Any) -> str:
    return f"{model} heard {messages[-1]['content']} {parameters}"


def streams(model: str, messages: list[dict[str, Any]]) -> Iterator[str]:
    yield from (model, " heard ", messages[-1]["content"])


async def asays(model: str, messages: list[dict[str, Any]]) -> str:
    await asyncio.sleep(0)
    return f"{model} heard {messages[-1]['content']}"


async def astreams(model: str, messages: list[dict[str, Any]]) -> AsyncIterator[str]:
    for piece in (model, " heard ", messages[-1]["content"]):
        await asyncio.sleep(0)
        yield piece


def shaped(model: str, messages: list[dict[str, Any]], stream: bool = False) -> Any:
    usage = {"prompt_tokens": 4, "completion_tokens": 2}
    message = {"role": "assistant", "content": f"{model} heard Hi there"}
    if stream:
        return iter(
            [{"choices": [{"index": 0, "delta": message}]}, {"choices": [{"index": 0, "finish_reason": "stop", "delta": {}}], "usage": usage}]
        )  # fmt: skip
    return {"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("function", [streams, asays, astreams, shaped])
def test_callables(function: Any, stream: bool) -> None:
    """Text, pieces of text, and OpenAI's shape, from functions that block and that are awaited, called and awaited."""
    provider = provider_for("local", {"local": function})
    for said, answer in (ask(provider, stream=stream), aask(provider, stream=stream)):
        assert said == "m heard Hi there"
        assert answer.output == {
            "type": "chat",
            "messages": [{"role": "assistant", "content": [{"type": "text", "text": said}]}],
        }
        assert answer.input_tokens == (4 if function is shaped else None)
        raw = provider.raw(answer)
        assert raw == said if function is not shaped else raw.choices[0].message.content == said


def test_callables_in_a_running_loop() -> None:
    """In a notebook a loop runs already; a coroutine function still answers a plain call."""

    async def main() -> list[str]:
        return [
            ask(provider_for("f", {"f": f}), stream=s)[0] for f in (asays, astreams) for s in (False, True)
        ]

    assert asyncio.run(main()) == ["m heard Hi there"] * 4


def test_an_abandoned_stream_of_a_callable_is_closed() -> None:
    """What the function holds is let go."""
    closed: list[str] = []

    def held(**_: Any) -> Iterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("sync")

    async def aheld(**_: Any) -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("async")

    for function in (held, aheld):
        stream = provider_for("f", {"f": function}).call({"model": "m", "messages": []}, stream=True)
        assert next(stream) == "a"
        stream.close()
    assert closed == ["sync", "async"]


def test_parameters_and_what_is_no_answer() -> None:
    """Parameters are keyword arguments; an answer of another kind is refused by name."""
    assert ask(provider_for("f", {"f": says}), temperature=0)[0] == "m heard Hi there {'temperature': 0}"
    with pytest.raises(InvalidInputError, match="the provider 'f' answered with int"):
        ask(provider_for("f", {"f": lambda **_: 3}))
    with pytest.raises(ZeroDivisionError):
        ask(provider_for("f", {"f": lambda **_: 1 / 0}))


# -- cost -------------------------------------------------------------------------------------------------------------


MODELS = [
    (one.id, model.id) for one in providers if one.id in {"openai", "anthropic"} for model in one.models
]


@pytest.mark.parametrize(("provider", "name"), MODELS)
def test_costs_are_those_of_genai_prices(provider: str, name: str) -> None:
    """The quick sum is what the library says of every model, for prices with steps too."""
    dice = random.Random(name)
    for _ in range(5):
        cached, written, rest, output = (dice.randrange(10 ** dice.randrange(1, 7)) for _ in range(4))
        into = cached + written + rest
        answer = Answer(
            input_tokens=into, output_tokens=output, cached_tokens=cached, cache_write_tokens=written
        )
        usage = Usage(
            input_tokens=into, output_tokens=output, cache_read_tokens=cached, cache_write_tokens=written
        )
        try:
            expected = float(calc_price(usage, name, provider_id=provider).total_price)
        except (LookupError, ValueError):
            assert cost_usd(provider, name, answer) is None
        else:
            assert cost_usd(provider, name, answer) == expected


def test_cost_counts_cached_tokens_once(caplog: pytest.LogCaptureFixture) -> None:
    """Cached input is cheaper and within the input; what has no price has no cost, which is said once."""
    million = 1_000_000
    full = cost_usd("openai", "gpt-4o", Answer(input_tokens=million, output_tokens=0))
    half = cost_usd("openai", "gpt-4o", Answer(input_tokens=million, output_tokens=0, cached_tokens=million))
    assert (full, half) == (2.5, 1.25)
    assert (
        cost_usd("openai", "alias", Answer(input_tokens=million, output_tokens=0, model="gpt-4o-2024-08-06"))
        == 2.5
    )
    written = Answer(input_tokens=60_000, output_tokens=0, cached_tokens=20_000, cache_write_tokens=20_000)
    assert cost_usd("anthropic", "claude-sonnet-4-5", written) == pytest.approx(0.02 * (3 + 0.3 + 3.75))
    assert cost_usd("openai", "gpt-4o", Answer()) is None
    assert (
        cost_usd("local", "llama", Answer(input_tokens=1, output_tokens=1), base_url="http://localhost:1/v1")
        is None
    )
    assert cost_usd(
        "x",
        "deepseek-chat",
        Answer(input_tokens=million, output_tokens=0),
        base_url="https://api.deepseek.com",
    )
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert cost_usd("openai", "my-own", Answer(input_tokens=1, output_tokens=1)) is None
    assert [record.getMessage() for record in caplog.records] == [
        "no price is known for the model 'my-own' of openai: its requests are logged without a cost"
    ]
