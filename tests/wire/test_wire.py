"""The server speaks what the real SDKs read, held against their strict validation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

if TYPE_CHECKING:
    from tests.wire import Wire

TOOL: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
STRICT: Any = {**TOOL, "function": {**TOOL["function"], "strict": True}}
HELLO: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello there"}]


def _openai(wire: Wire, behaviour: str = "", key: str = "sk-test", **more: Any) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=wire.openai(behaviour), api_key=key, max_retries=0, _strict_response_validation=True, **more
    )


def _anthropic(wire: Wire, behaviour: str = "", key: str = "sk-test", **more: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=wire.anthropic(behaviour),
        api_key=key,
        max_retries=0,
        _strict_response_validation=True,
        **more,
    )


def test_chat_completions(wire: Wire) -> None:
    """A plain answer, choices, a limit, and a tool call with its answer."""
    with _openai(wire, "cached=2") as client:
        plain = client.chat.completions.create(model="m", messages=HELLO, n=2)
        assert [choice.message.content for choice in plain.choices] == [
            "You said: Hello there",
            "You said: Hello there (choice 2)",
        ]
        assert plain.usage is not None
        assert (plain.usage.prompt_tokens, plain.usage.completion_tokens) == (4, 10)
        assert plain.usage.prompt_tokens_details is not None
        assert plain.usage.prompt_tokens_details.cached_tokens == 2
        short = client.chat.completions.create(model="m", messages=HELLO, max_completion_tokens=2)
        assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("You said:", "length")
        called = client.chat.completions.create(model="m", messages=HELLO, tools=[TOOL])
        call: Any = (called.choices[0].message.tool_calls or [])[0]
        assert (call.function.name, call.function.arguments) == ("weather", '{"city": "Hello there"}')
        back: Any = [
            *HELLO,
            called.choices[0].message,
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ]
        assert (
            client.chat.completions.create(model="m", messages=back, tools=[TOOL]).choices[0].message.content
        )


def test_chat_streams(wire: Wire) -> None:
    """Pieces, tool arguments in halves, and usage at the end where it is asked for."""
    with _openai(wire) as client:
        with client.chat.completions.stream(
            model="m", messages=HELLO, stream_options={"include_usage": True}
        ) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.content == "You said: Hello there"
        assert final.usage is not None
        assert final.usage.completion_tokens == 4
        with client.chat.completions.stream(model="m", messages=HELLO, tools=[STRICT]) as stream:
            message: Any = stream.get_final_completion().choices[0].message
        assert message.tool_calls[0].function.arguments == '{"city": "Hello there"}'


@pytest.mark.parametrize("more", [{}, {"reasoning": {"effort": "low"}}, {"max_output_tokens": 2}], ids=str)
def test_responses(wire: Wire, more: dict[str, Any]) -> None:
    """Plain and as events, both the same."""
    with _openai(wire, "cached=1") as client:
        plain = client.responses.create(model="m", input="Hello there", instructions="Be brief.", **more)
        with client.responses.stream(
            model="m", input="Hello there", instructions="Be brief.", **more
        ) as stream:
            for event in stream:
                last = event
        assert isinstance(
            last,
            openai.types.responses.ResponseCompletedEvent | openai.types.responses.ResponseIncompleteEvent,
        )
        assert last.response.output_text == plain.output_text
        assert last.response.usage == plain.usage
        tool: Any = {
            "type": "function",
            "name": "weather",
            "parameters": TOOL["function"]["parameters"],
            "strict": False,
        }
        called = client.responses.create(model="m", input="Rome", tools=[tool]).output[0]
        assert called.type == "function_call"
        assert called.arguments == '{"city": "Rome"}'


def test_embeddings(wire: Wire) -> None:
    """A vector a text; the SDK asks for base64, which its own strict validation does not know."""
    with openai.OpenAI(base_url=wire.openai(), api_key="k") as client:
        answered = client.embeddings.create(model="e", input=["one", "two words"])
        assert [len(item.embedding) for item in answered.data] == [8, 8]
        assert answered.usage.prompt_tokens == 3


@pytest.mark.parametrize("more", [{}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}], ids=str)
def test_messages(wire: Wire, more: Any) -> None:
    """Plain and as events, both the same, tool use too."""
    asked: Any = {"model": "c", "max_tokens": 100, "system": "Be brief.", "messages": HELLO[1:], **more}
    tool: Any = {"name": "weather", "input_schema": TOOL["function"]["parameters"]}
    with _anthropic(wire, "cached=5&written=3") as client:
        extra: Any
        for extra in ({}, {"tools": [tool]}):
            plain = client.messages.create(**asked, **extra)
            with client.messages.stream(**asked, **extra) as stream:
                streamed = stream.get_final_message()
            assert [block.to_dict() for block in streamed.content] == [
                block.to_dict() for block in plain.content
            ]
            assert (plain.usage.cache_read_input_tokens, plain.usage.cache_creation_input_tokens) == (5, 3)
            assert streamed.usage.output_tokens == plain.usage.output_tokens
            assert streamed.stop_reason == plain.stop_reason


def test_refusals(wire: Wire) -> None:
    """Statuses by address, header, queue and key become the SDKs' own errors."""
    for behaviour, kind in (
        ("status=429", openai.RateLimitError),
        ("status=500", openai.InternalServerError),
    ):
        with _openai(wire, behaviour) as client, pytest.raises(kind):
            client.chat.completions.create(model="m", messages=HELLO)
    with _openai(wire) as client:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="m", messages=HELLO, extra_headers={"x-wire": "status=429"})
        wire.next("status=500")
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="m", messages=HELLO)
        assert client.chat.completions.create(model="m", messages=HELLO).choices
        with pytest.raises(openai.BadRequestError, match="model"):
            client.post("/chat/completions", body={}, cast_to=object)
    with _openai(wire, key="wrong") as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="m", messages=HELLO)
    with _anthropic(wire, "status=429") as other, pytest.raises(anthropic.RateLimitError):
        other.messages.create(model="c", max_tokens=9, messages=HELLO[1:])
    assert wire.asked[-1].body["max_tokens"] == 9


def test_hangs_and_cuts(wire: Wire) -> None:
    """A hang runs into the SDK's timeout; a stream breaks off after so many chunks, or says that it fails."""
    with _openai(wire, "hang=1", timeout=0.1) as client, pytest.raises(openai.APITimeoutError):
        client.chat.completions.create(model="m", messages=HELLO)
    for behaviour in ("cut=3", "error=3"):
        got = []
        with _openai(wire, behaviour) as client, pytest.raises(openai.APIError):  # noqa: PT012
            for chunk in client.chat.completions.create(model="m", messages=HELLO, stream=True):
                got.append(chunk)  # noqa: PERF402
        assert len(got) == 3
    with _anthropic(wire, "error=3") as other, pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        for _ in other.messages.create(model="c", max_tokens=9, messages=HELLO[1:], stream=True):
            pass
    with _openai(wire, "cut=0") as client, pytest.raises(openai.APIConnectionError):
        client.chat.completions.create(model="m", messages=HELLO)


def test_many_at_once(wire: Wire) -> None:
    """Two hundred requests that take 50 ms each stand in no queue."""

    async def main() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=wire.openai("wait=0.05"), api_key="k") as client:
            asked = [
                client.chat.completions.create(model="m", messages=[{"role": "user", "content": str(i)}])
                for i in range(200)
            ]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*asked)]

    assert asyncio.run(main()) == [f"You said: {i}" for i in range(200)]
