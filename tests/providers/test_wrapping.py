"""Wrapped clients: the real SDKs over a socket behave as ever, and every call is in the log."""

from __future__ import annotations

import asyncio
import copy
import gc
import resource
import signal
import time
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from pydantic import BaseModel

import promptlog
from promptlog.errors import InvalidInputError, InvalidMetadataError, InvalidTagError, NotLoggedWarning
from promptlog.providers import wrapping
from tests.server.support import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from promptlog import PromptLog
    from promptlog.models.request import Request
    from tests.wire import Wire

HI: Any = [{"role": "user", "content": "Hi there"}]
TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture
def gpt(client: PromptLog, wire: Wire) -> Iterator[openai.OpenAI]:
    """A wrapped OpenAI."""
    with openai.OpenAI(base_url=wire.openai(), api_key="k", max_retries=0) as plain:
        yield client.wrap(plain)


@pytest.fixture
def claude(client: PromptLog, wire: Wire) -> Iterator[anthropic.Anthropic]:
    """A wrapped Anthropic."""
    with anthropic.Anthropic(base_url=wire.anthropic(), api_key="k", max_retries=0) as plain:
        yield client.wrap(plain)


def only(client: PromptLog) -> Request:
    """Return the one request that is logged."""
    requests = list(client.requests)
    assert len(requests) == 1
    return requests[0]


def test_a_wrapped_client_is_the_client(
    gpt: openai.OpenAI, claude: anthropic.Anthropic, client: PromptLog
) -> None:
    """Its class, its settings, its copies; wrapping twice is wrapping once."""
    assert isinstance(gpt, openai.OpenAI)
    assert isinstance(claude, anthropic.Anthropic)
    assert isinstance(gpt.chat.completions, type(openai.OpenAI(api_key="k").chat.completions))
    assert gpt.api_key == "k"
    assert client.wrap(gpt) is gpt
    assert gpt.with_options(timeout=3).timeout == 3
    with pytest.raises(
        InvalidInputError, match="wrap takes a client of OpenAI's or Anthropic's SDK, such as OpenAI"
    ):
        client.wrap(openai.OpenAI)
    with pytest.raises(InvalidInputError, match="got int"):
        client.wrap(3)


def test_chat(gpt: openai.OpenAI, client: PromptLog) -> None:
    """One call with all that is known of it."""
    answer = gpt.chat.completions.create(model="gpt-4o", messages=HI, temperature=0.5)
    assert isinstance(answer, openai.types.chat.ChatCompletion)
    logged = only(client)
    assert (logged.provider, logged.model, logged.api_type) == ("openai", "gpt-4o", "chat-completions")
    assert logged.function_name == "openai.chat.completions.create"
    assert (logged.input_text, logged.output_text) == ("Hi there", "You said: Hi there")
    assert (logged.input_tokens, logged.output_tokens, logged.finish_reason) == (2, 4, "stop")
    assert logged.cost_usd == pytest.approx(2 * 2.5e-6 + 4 * 10e-6)
    assert logged.parameters == {"temperature": 0.5}
    assert logged.status == "SUCCESS"


def test_what_is_sent_is_what_is_logged(gpt: Any, client: PromptLog, wire: Wire) -> None:
    """Parameters of a server's own count; secrets in headers, and what was left out, do not."""
    answer = gpt.chat.completions.create(
        model="m", messages=[*HI, {"role": "user", "content": "twice"}], extra_body={"top_k": 3}, temperature=openai.NOT_GIVEN,
        extra_headers={"authorization": "Bearer k", "x-secret": "s3"}, timeout=9, stop=openai.omit,
    )  # fmt: skip
    again = [
        *HI,
        answer.choices[0].message,
        {"role": "user", "content": "again"},
    ]  # the SDK's object, as programs write it
    gpt.chat.completions.create(model="m", messages=again, tools=[TOOL], tool_choice="none")
    second, first = client.requests
    assert first.parameters == {"top_k": 3}
    assert first.input == {
        "type": "chat",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": t}]} for t in ("Hi there", "twice")
        ],
    }
    assert second.input is not None
    assert [message["role"] for message in second.input["messages"]] == ["user", "assistant", "user"]
    assert (second.input["tools"], second.input["tool_choice"]) == ([TOOL], "none")
    assert wire.asked[0].body["top_k"] == 3


def test_every_way_to_ask_openai(gpt: openai.OpenAI, client: PromptLog, wire: Wire) -> None:
    """create, parse, stream, raw responses, responses, embeddings, a copy of the client: one line each."""

    class Shape(BaseModel):
        text: str

    chat = gpt.chat.completions
    assert chat.create(model="m", messages=HI, tools=[TOOL]).choices[0].message.tool_calls
    with pytest.raises(
        ValueError, match="Invalid JSON"
    ):  # the model's text is none: the SDK says so, after the call
        chat.parse(model="m", messages=HI, response_format=Shape)
    with chat.stream(model="m", messages=HI) as stream:
        assert stream.get_final_completion().choices[0].message.content == "You said: Hi there"
    assert chat.with_raw_response.create(model="m", messages=HI).parse().choices
    raw: Any = chat.with_raw_response.create(model="m", messages=HI, stream=True)
    assert raw.headers["x-request-id"] == "req_1"
    assert len(list(raw.parse())) == 6
    with chat.with_streaming_response.create(model="m", messages=HI) as body:
        assert body.parse().choices
    assert gpt.responses.create(model="m", input="Hi there").output_text
    assert [event.type for event in gpt.responses.create(model="m", input="Hi there", stream=True)][
        -1
    ] == "response.completed"
    with gpt.responses.stream(model="m", input="Hi there") as events:
        assert events.get_final_response().output_text
    assert len(gpt.embeddings.create(model="e", input=["Hi there"]).data[0].embedding) == 8
    assert gpt.with_options(timeout=9).chat.completions.create(model="m", messages=iter(HI)).choices
    assert gpt.post("/chat/completions", body={"model": "m", "messages": HI}, cast_to=object)
    logged = list(client.requests)
    assert len(logged) == 12
    assert {request.input_text for request in logged} == {"Hi there"}
    assert [r.error_type for r in logged if r.status != "SUCCESS"] == ["UNKNOWN_ERROR"]
    assert sum(request.output_text == "You said: Hi there" for request in logged) == 9
    embedded = next(request for request in logged if request.api_type == "embeddings")
    assert (embedded.output, embedded.input_tokens, embedded.function_name) == (
        None,
        2,
        "openai.embeddings.create",
    )
    assert not any("x-promptlog" in asked.headers for asked in wire.asked)


def test_every_way_to_ask_anthropic(claude: anthropic.Anthropic, client: PromptLog) -> None:
    """create, its events, the helper that gathers them, the beta's, and a raw response."""
    asked: Any = {"model": "claude-sonnet-5", "max_tokens": 100, "system": "Be brief.", "messages": HI}
    assert claude.messages.create(**asked).content
    assert [event.type for event in claude.messages.create(**asked, stream=True)][-1] == "message_stop"
    with claude.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == "You said: Hi there"
    assert claude.beta.messages.create(**asked).content
    assert claude.messages.with_raw_response.create(**asked).parse().content
    logged = list(client.requests)
    assert len(logged) == 5
    for request in logged:
        assert (request.provider, request.api_type) == ("anthropic", "messages")
        assert request.input_text == "Be brief.\n\nHi there"
        assert request.output_text == "You said: Hi there"
        assert (request.input_tokens, request.output_tokens, request.finish_reason) == (4, 4, "end_turn")
        assert request.cost_usd == pytest.approx(4 * 2e-6 + 4 * 10e-6)


def test_both_awaited(client: PromptLog, wire: Wire) -> None:
    """The asynchronous clients, plain, streamed, helped and raw."""
    asked: Any = {"model": "c", "max_tokens": 100, "messages": HI}

    async def main() -> None:
        async with (
            openai.AsyncOpenAI(base_url=wire.openai(), api_key="k") as plain,
            anthropic.AsyncAnthropic(base_url=wire.anthropic(), api_key="k") as other,
        ):
            gpt, claude = client.wrap(plain), client.wrap(other)
            assert isinstance(gpt, openai.AsyncOpenAI)
            assert (await gpt.chat.completions.create(model="m", messages=HI)).choices
            stream: Any = await gpt.chat.completions.create(model="m", messages=HI, stream=True)
            assert len([chunk async for chunk in stream]) == 6
            async with gpt.chat.completions.stream(model="m", messages=HI) as helper:
                assert (await helper.get_final_completion()).choices
            raw: Any = await gpt.chat.completions.with_raw_response.create(model="m", messages=HI)
            assert raw.parse().choices
            async with gpt.chat.completions.with_streaming_response.create(model="m", messages=HI) as body:
                assert (await body.parse()).choices
            assert (await claude.messages.create(**asked)).content
            async with claude.messages.stream(**asked) as said:
                assert [text async for text in said.text_stream] == ["You", " said:", " Hi", " there"]
            other_raw: Any = await claude.messages.with_raw_response.create(**asked)
            assert (await other_raw.parse()).content
            pair: Any = await gpt.chat.completions.create(model="m", messages=HI, return_pl_id=True)  # type: ignore[call-overload]
            assert pair[0].choices
            assert client.requests.get(pair[1]).output_text == "You said: Hi there"
            messages: Any = claude.messages
            events = await messages.create(**asked, stream=True, return_pl_id=True)
            ids = [id async for _, id in events]
            assert client.requests.get(ids[-1]).output_text == "You said: Hi there"

    asyncio.run(main())
    assert [request.output_text for request in client.requests] == ["You said: Hi there"] * 10


def test_keywords_of_the_log(gpt: Any, claude: Any, client: PromptLog, wire: Wire) -> None:
    """Tags, metadata, a group and the id, which are not sent; the provider's own metadata is sent, and logged too."""
    group = client.group.create()
    answer, id = gpt.chat.completions.create(
        model="m", messages=HI, pl_tags=["a"], pl_metadata={"user": "u1"}, pl_group_id=group, return_pl_id=True,
        metadata={"user": "u0", "team": "t"}, extra_headers={"x-mine": "1"},
    )  # fmt: skip
    assert answer.choices
    logged = client.requests.get(id)
    assert (logged.tags, logged.metadata, logged.group_id) == (["a"], {"user": "u1", "team": "t"}, group)
    assert wire.asked[-1].body["metadata"] == {"user": "u0", "team": "t"}
    assert wire.asked[-1].headers["x-mine"] == "1"
    with claude.messages.stream(model="c", max_tokens=9, messages=HI, pl_tags=["b"]) as stream:
        stream.until_done()
    assert client.requests.filter(promptlog.tag("b")).count() == 1
    with promptlog.context(metadata={"session": "s"}):
        streaming = gpt.chat.completions.create(model="m", messages=HI, stream=True)
    list(streaming)
    assert (
        client.requests.filter(promptlog.meta("session") == "s").count() == 1
    )  # that of the call, not of its reading
    before = len(wire.asked)
    with pytest.raises(InvalidMetadataError):
        gpt.chat.completions.create(model="m", messages=HI, pl_metadata={"user": 3})
    with pytest.raises(InvalidTagError):
        gpt.chat.completions.create(model="m", messages=HI, pl_tags=[3])
    assert len(wire.asked) == before


def test_a_stream_gives_the_id_once_it_is_whole(gpt: Any, claude: Any, client: PromptLog) -> None:
    """PromptLayer's pairs; the helper's pair comes at once."""
    chat = {"model": "m", "messages": HI, "stream": True, "stream_options": {"include_usage": True}}
    pairs = list(gpt.chat.completions.create(**chat, return_pl_id=True))
    ids = [id for _, id in pairs]
    assert ids[:5] == [None] * 5
    assert client.requests.get(ids[-1]).output_tokens == 4
    with pytest.raises(ValueError, match="unpack"):
        _stream, _id = gpt.chat.completions.create(**chat, return_pl_id=True)
    manager, id = claude.messages.stream(model="c", max_tokens=9, messages=HI, return_pl_id=True)
    with manager as stream:
        stream.until_done()
    assert client.requests.get(id).output_text == "You said: Hi there"


# -- how calls end ----------------------------------------------------------------------------------------------------


def test_failures_are_logged_and_raised_unchanged(client: PromptLog, wire: Wire) -> None:
    """Each failure has PromptLayer's type, its message and its latency."""
    behaviours = {
        "status=429": ("PROVIDER_RATE_LIMIT", openai.RateLimitError),
        "status=500": ("PROVIDER_ERROR", openai.InternalServerError),
        "status=401": ("PROVIDER_AUTH_ERROR", openai.AuthenticationError),
        "hang=1": ("PROVIDER_TIMEOUT", openai.APITimeoutError),
        "cut=0": ("PROVIDER_ERROR", openai.APIConnectionError),
    }
    for behaviour, (kind, error) in behaviours.items():
        patience = 0.2 if behaviour == "hang=1" else 60
        with openai.OpenAI(
            base_url=wire.openai(behaviour), api_key="k", max_retries=0, timeout=patience
        ) as plain:
            with pytest.raises(error) as caught:
                client.wrap(plain).chat.completions.create(model="m", messages=HI)
            logged = client.requests.first()
            assert logged is not None
            assert (logged.status, logged.error_type, logged.error_message) == (
                "ERROR",
                kind,
                str(caught.value)[:1024],
            )
            assert logged.output is None
            assert logged.latency_ms >= (200 if behaviour == "hang=1" else 0)
    assert client.requests.count() == 5


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("status=429", "PROVIDER_RATE_LIMIT"),
        ("status=402", "PROVIDER_QUOTA_LIMIT"),
        ("status=500", "PROVIDER_ERROR"),
        ("status=401", "PROVIDER_AUTH_ERROR"),
        ("hang=1", "PROVIDER_TIMEOUT"),
        ("cut=0", "PROVIDER_ERROR"),
    ],
)
def test_awaited_failures_are_logged_and_raised_unchanged(
    client: PromptLog, wire: Wire, behaviour: str, kind: str
) -> None:
    """Of both SDKs, wrapped and by PromptLayer's way, in every way to ask."""

    async def main() -> None:
        sent: Any = {"api_key": "k", "max_retries": 0, "timeout": 0.2 if behaviour == "hang=1" else 60}
        async with (
            openai.AsyncOpenAI(base_url=wire.openai(behaviour), **sent) as plain,
            client.anthropic.AsyncAnthropic(base_url=wire.anthropic(behaviour), **sent) as claude,
        ):
            gpt = client.wrap(plain)
            chat: Any = gpt.chat.completions

            async def parsed() -> None:
                async with chat.with_streaming_response.create(model="m", messages=HI) as body:
                    await body.parse()

            for asking in (
                chat.create(model="m", messages=HI),
                chat.create(model="m", messages=HI, return_pl_id=True),
                chat.with_raw_response.create(model="m", messages=HI),
                parsed(),
                gpt.responses.create(model="m", input="Hi there"),
                gpt.embeddings.create(model="m", input="Hi there"),
                claude.messages.create(model="m", messages=HI, max_tokens=5),
            ):
                before = client.requests.count()
                with pytest.raises(Exception) as caught:
                    await asking
                assert client.requests.count() == before + 1
                logged = client.requests.first()
                assert logged is not None
                assert (logged.status, logged.error_type, logged.input_text, logged.output) == (
                    "ERROR",
                    kind,
                    "Hi there",
                    None,
                )
                assert logged.error_message == str(caught.value)[:1024]

    asyncio.run(main())


def test_a_body_that_breaks_off_is_no_stream_that_was_left(gpt: Any, client: PromptLog, wire: Wire) -> None:
    """The program asked for it; its block closes it afterwards."""
    wire.next("cut=0")
    create = gpt.chat.completions.with_streaming_response.create
    with pytest.raises(Exception, match="closed"), create(model="m", messages=HI) as body:
        body.parse()
    assert (only(client).status, only(client).error_type) == ("ERROR", "PROVIDER_ERROR")


def test_calls_that_are_cancelled_are_logged(client: PromptLog, wire: Wire) -> None:
    """By the program or by its limit of time, of which the call is told no more than that; `run` has it the same."""
    client.templates.publish(
        {
            "prompt_name": "p",
            "prompt_template": {"type": "chat", "messages": [{"role": "user", "content": "Hi there"}]},
        }
    )

    async def main() -> None:
        async with (
            openai.AsyncOpenAI(base_url=wire.openai("hang=3"), api_key="k") as plain,
            promptlog.AsyncPromptLog(client.path, providers={"openai": plain}) as log,
        ):
            chat = client.wrap(plain).chat.completions
            for asking in (
                lambda: chat.create(model="m", messages=HI),
                lambda: log.run("p", provider="openai", model="m"),
            ):
                before = len(wire.asked)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(asking(), 1)
                task = asyncio.ensure_future(asking())
                both = before + 2
                await asyncio.to_thread(wait_until, lambda both=both: len(wire.asked) == both)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(main())
    logged = list(client.requests)
    assert len(logged) == 4
    for request in logged:
        assert (request.status, request.error_type, request.error_message) == (
            "ERROR",
            "UNKNOWN_ERROR",
            "CancelledError",
        )
        assert request.input_text == "Hi there"


def test_retries_of_the_sdk_are_one_call(client: PromptLog, wire: Wire) -> None:
    """Two refusals and an answer: the program saw one call that went well."""
    wire.next("status=429", "status=500", "")
    with openai.OpenAI(base_url=wire.openai(), api_key="k", max_retries=2) as plain:
        client.wrap(plain).chat.completions.create(model="m", messages=HI)
    assert len(wire.asked) == 3
    assert only(client).status == "SUCCESS"


@pytest.mark.parametrize("behaviour", ["cut=4", "error=4"])
def test_a_stream_that_breaks_off_is_logged_with_what_came(
    client: PromptLog, wire: Wire, behaviour: str
) -> None:
    """OpenAI's and Anthropic's: ERROR, the SDK's own exception, and the words so far."""
    with openai.OpenAI(base_url=wire.openai(behaviour), api_key="k") as plain, pytest.raises(openai.APIError):
        list(client.wrap(plain).chat.completions.create(model="m", messages=HI, stream=True))
    logged = only(client)
    assert (logged.status, logged.error_type) == ("ERROR", "PROVIDER_ERROR")
    assert logged.output_text == "You said: Hi"
    with (
        anthropic.Anthropic(base_url=wire.anthropic(behaviour), api_key="k") as other,
        pytest.raises(Exception, match=r"peer closed|Overloaded"),
    ):
        list(client.wrap(other).messages.create(model="c", max_tokens=9, messages=HI, stream=True))
    assert [request.output_text for request in client.requests] == ["You", "You said: Hi"]


def test_a_stream_that_is_left_is_logged_as_what_came(gpt: Any, claude: Any, client: PromptLog) -> None:
    """By break in a block, by close, by the helpers, and by nobody who holds it any more."""
    chat = {"model": "m", "messages": HI, "stream": True}
    with gpt.chat.completions.create(**chat) as stream:
        for chunk in stream:
            if chunk.choices[0].delta.content == " said:":
                break
    stream = gpt.chat.completions.create(**chat)
    for _ in range(3):
        next(stream)
    stream.close()
    stream = gpt.chat.completions.create(**chat)
    for _ in range(3):
        next(stream)
    del stream
    gc.collect()
    with gpt.chat.completions.stream(model="m", messages=HI) as helper:
        for event in helper:
            if event.type == "content.delta" and event.delta == " said:":
                break
    with claude.messages.stream(model="c", max_tokens=9, messages=HI) as said:
        for text in said.text_stream:
            if text == " said:":
                break
    logged = list(client.requests)
    assert [request.output_text for request in logged] == ["You said:"] * 5
    assert {(request.status, request.error_type) for request in logged} == {
        ("WARNING", "PROVIDER_PARTIAL_RESPONSE")
    }
    assert {request.error_message for request in logged} == {"the stream was left before its end"}


def test_a_stream_left_after_its_end_is_whole(gpt: Any, client: PromptLog) -> None:
    """Who stops at the finish reason has the whole answer."""
    for chunk in gpt.chat.completions.create(
        model="m", messages=HI, stream=True, stream_options={"include_usage": True}
    ):
        if chunk.choices[0].finish_reason:
            break
    del chunk
    gc.collect()
    assert (only(client).status, only(client).output_text) == ("SUCCESS", "You said: Hi there")


def test_async_streams_that_are_left_or_cancelled(client: PromptLog, wire: Wire) -> None:
    """The program left, not the model: both are partial."""

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=wire.openai("every=0.02"), api_key="k") as plain:
            chat = client.wrap(plain).chat.completions
            async with await chat.create(model="m", messages=HI, stream=True) as stream:
                async for _ in stream:
                    break
            seen = asyncio.Event()

            async def read() -> None:
                async for _ in await chat.create(model="m", messages=HI, stream=True):
                    seen.set()
                    await asyncio.sleep(0)

            task = asyncio.create_task(read())
            await seen.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())
    assert {request.error_message for request in client.requests} == {"the stream was left before its end"}
    assert client.requests.count() == 2


def test_latency_is_the_models_alone(gpt: Any, client: PromptLog) -> None:
    """What a program does between two chunks is not the model's time."""
    busy = 0.0
    begun = time.perf_counter()
    for _ in gpt.chat.completions.create(model="m", messages=HI, stream=True):
        since = time.perf_counter()
        while time.perf_counter() - since < 0.02:
            pass
        busy += time.perf_counter() - since
    elapsed = time.perf_counter() - begun
    assert 0 < only(client).latency_ms <= (elapsed - busy) * 1000


def test_a_full_disk_loses_no_answer(gpt: Any, client: PromptLog) -> None:
    """The kernel refuses the line: there is a warning, the answer, and no id."""
    client.merge()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.warns(NotLoggedWarning, match="free some room"):
            answer, id = gpt.chat.completions.create(model="m", messages=HI, return_pl_id=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert answer.choices[0].message.content == "You said: Hi there"
    assert id is None
    assert gpt.chat.completions.create(model="m", messages=HI)
    assert only(client).status == "SUCCESS"


def test_a_text_that_is_no_unicode_is_logged(gpt: Any, client: PromptLog) -> None:
    """What the SDK refuses to send is a call that failed: its line has what can be written of it."""
    with pytest.raises(UnicodeEncodeError):
        gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": "half \ud83d"}])
    assert (only(client).status, only(client).input_text) == ("ERROR", "half \ufffd")


def test_a_wrapped_client_can_be_copied(gpt: Any, client: PromptLog) -> None:
    """By `copy`, as a framework may do it."""
    again = copy.copy(gpt)
    assert again.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}]).choices
    assert only(client).status == "SUCCESS"


def test_a_call_too_large_for_the_log_is_answered(gpt: Any, client: PromptLog) -> None:
    """A body over a line's limit is sent, answered, and warned of."""
    large: Any = [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:" + "x" * 17_000_000}}]}
    ]
    with pytest.warns(NotLoggedWarning, match="17,"):
        assert gpt.chat.completions.create(model="m", messages=large).choices
    assert client.requests.count() == 0


def test_promptlayers_way_to_a_client(client: PromptLog, wire: Wire) -> None:
    """`promptlayer_client.openai.OpenAI()` is a wrapped client; all else is the package's."""
    with client.openai.OpenAI(base_url=wire.openai(), api_key="k") as gpt:
        gpt.chat.completions.create(model="m", messages=HI, pl_tags=["t"])
    with client.anthropic.Anthropic(base_url=wire.anthropic(), api_key="k") as claude:
        claude.messages.create(model="c", max_tokens=9, messages=HI)
    assert client.requests.count() == 2
    assert client.openai.RateLimitError is openai.RateLimitError


def test_clients_of_other_clouds_say_whose_they_are(client: PromptLog, wire: Wire) -> None:
    """Azure's is a class of its own at an address of its own; a copy for another address is still logged."""
    with openai.AzureOpenAI(
        azure_endpoint="https://mine.openai.azure.com", api_key="k", api_version="2024-10-21"
    ) as azure:
        assert isinstance(client.wrap(azure), openai.AzureOpenAI)
        elsewhere = client.wrap(azure).with_options(base_url=wire.openai())
        elsewhere.chat.completions.create(model="gpt-4o", messages=HI)
        assert only(client).model == "gpt-4o"
        assert wrapping._provider_of(azure) == "openai.azure"


def test_async_client(tmp_path: Path, wire: Wire) -> None:
    """AsyncPromptLog watches too."""

    async def main() -> None:
        async with promptlog.AsyncPromptLog(tmp_path / "a.duckdb") as log:
            gpt = log.openai.AsyncOpenAI(base_url=wire.openai(), api_key="k")

            @log.traceable()
            async def ask() -> Any:
                return await gpt.chat.completions.create(model="m", messages=HI)

            await ask()
            await gpt.close()
            (request,) = list(log.requests)
            assert request.trace_id is not None

    asyncio.run(main())


def test_run_inside_a_function_is_in_its_span(client: PromptLog) -> None:
    """What run logs hangs in the tree as well."""
    client.templates.publish(
        {
            "prompt_name": "p",
            "prompt_template": {"type": "chat", "messages": [{"role": "user", "content": "Hi"}]},
        }
    )
    client._providers = {"local": lambda **_: "hello"}

    @client.traceable()
    def work() -> Any:
        return client.run("p", provider="local", model="m")

    id = work()["request_id"]
    trace = client.trace(str(client.requests.get(id).trace_id))
    assert [call.request_id for call in trace.spans[0].requests] == [id]


def test_a_wrapped_client_as_a_provider_is_logged_once(gpt: Any, client: PromptLog) -> None:
    """What run logs, the wrapper does not log again."""
    from promptlog.providers.choose import provider_for

    provider = provider_for("gpt", {"gpt": gpt})
    provider.call(provider.request({"type": "chat", "messages": HI}, "m", {}))
    assert client.requests.count() == 0
