"""No answer is lost to its log, and no call to a failure: each ends in one line, however it ends."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

from promptlog import AsyncPromptLog
from promptlog.errors import InvalidInputError, NotLoggedWarning, NotReplayableError
from tests.prompts.both import CAKE, SAID, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.prompts.both import Both


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("behaviour", "provider", "error", "error_type"),
    [
        ("status=429", "openai", openai.RateLimitError, "PROVIDER_RATE_LIMIT"),
        ("status=429", "anthropic", anthropic.RateLimitError, "PROVIDER_RATE_LIMIT"),
        ("status=402", "openai", openai.APIStatusError, "PROVIDER_QUOTA_LIMIT"),
        ("status=401", "openai", openai.AuthenticationError, "PROVIDER_AUTH_ERROR"),
        ("status=500", "openai", openai.InternalServerError, "PROVIDER_ERROR"),
        ("status=500", "anthropic", anthropic.InternalServerError, "PROVIDER_ERROR"),
    ],
)
def test_a_call_that_fails_is_logged_and_raised_as_it_is(
    both: Both, behaviour: str, provider: str, error: type[Exception], error_type: str, *, stream: bool
) -> None:
    """The provider's own exception comes out, and the log has it with PromptLayer's type of error and all that was known."""
    both.wire.next(behaviour)
    with pytest.raises(error) as raised:
        both.run(
            provider=provider, model="claude-haiku-4-5", stream=stream, metadata={"user_id": "u1"}, tags=["t"]
        )
    logged = both.only()
    assert (logged.status, logged.error_type) == ("ERROR", error_type)
    assert logged.error_message == str(raised.value)[:1024]
    assert (logged.output, logged.metadata, logged.tags) == (None, {"user_id": "u1"}, ["t"])
    assert logged.input_text.endswith("A plum cake for 8")
    assert logged.latency_ms > 0


def test_a_timeout(make: Callable[..., Both]) -> None:
    """An answer that never comes is a PROVIDER_TIMEOUT when the SDK's patience ends."""
    both = make()
    both.arguments["providers"]["openai"]["timeout"] = 0.3
    both.log._providers_kept = {}  # type: ignore[attr-defined]
    both.wire.next("hang=1")
    with pytest.raises(openai.APITimeoutError):
        both.run()
    assert (both.only().status, both.only().error_type) == ("ERROR", "PROVIDER_TIMEOUT")


def test_an_unreachable_provider(make: Callable[..., Both]) -> None:
    """Nobody listens at the address: the SDK's exception, which is told where that was, and a PROVIDER_ERROR in the log."""
    both = make(providers={"down": {"base_url": "http://127.0.0.1:9/v1", "max_retries": 0}})
    with pytest.raises(openai.APIConnectionError) as raised:
        both.run(provider="down")
    called = "http://127.0.0.1:9/v1/chat/completions"
    where = f"the provider 'down' was called at {called}"
    assert raised.value.__notes__ == [where, f"logged as request {both.only().request_id}"]
    assert (both.only().provider, both.only().error_type) == ("down", "PROVIDER_ERROR")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_callable_that_fails_in_our_words(make: Callable[..., Both], *, stream: bool) -> None:
    """An error of ours that comes out of a provider is one of its call: a callable may itself use a log, or answer nonsense."""

    def nonsense(**_: Any) -> Any:
        return 7

    def torn(**_: Any) -> Iterator[str]:
        yield "You"
        raise NotReplayableError("nothing alike")

    both = make(providers={"nonsense": nonsense, "torn": torn})
    with pytest.raises(InvalidInputError, match="answered with int"):
        both.run(provider="nonsense", stream=stream)
    with pytest.raises(NotReplayableError):
        both.run(provider="torn", stream=stream)
    assert [(one.provider, one.status) for one in both.requests()] == [
        ("torn", "ERROR"),
        ("nonsense", "ERROR"),
    ]
    assert (both.requests()[0].output_text or "") == ("You" if stream else "")


@pytest.mark.parametrize(("behaviour", "provider"), [("cut=4", "openai"), ("error=5", "anthropic")])
def test_a_stream_that_breaks(both: Both, behaviour: str, provider: str) -> None:
    """What came is logged, with the error, which comes out of the iteration."""
    both.wire.next(behaviour)
    with pytest.raises(Exception) as raised:
        both.run(provider=provider, model="claude-haiku-4-5", stream=True)
    logged = both.only()
    assert logged.status == "ERROR"
    assert logged.error_message == str(raised.value)[:1024]
    assert logged.output_text
    assert SAID.startswith(logged.output_text)
    assert logged.output_text != SAID


def test_a_stream_that_is_left(both: Both) -> None:
    """Leaving a stream in its middle logs what came, as a WARNING with PromptLayer's type of error."""
    both.left(4, metadata={"user_id": "u1"})
    gc.collect()
    logged = both.only()
    assert (logged.status, logged.error_type) == ("WARNING", "PROVIDER_PARTIAL_RESPONSE")
    assert logged.error_message == "the reader left the stream after 4 chunks"
    assert logged.output_text == "You said: A"
    assert logged.metadata == {"user_id": "u1"}


def test_a_stream_that_is_left_at_its_end(both: Both) -> None:
    """Who stops at the chunk that says why the answer ended has all of it: that is no partial answer."""
    pieces = both.run(stream=True)
    both.left(len(pieces) - 2)
    gc.collect()
    newest = both.requests()[0]
    assert (newest.status, newest.output_text, newest.finish_reason) == ("SUCCESS", SAID, "stop")


def test_a_stream_that_nobody_reads(both: Both) -> None:
    """The model was asked, so it is logged, though no chunk was ever taken."""

    async def ask() -> None:
        await AsyncPromptLog(**both.arguments).run("cake-recipe", input_variables=VARIABLES, stream=True)

    if both.awaited:
        asyncio.run(ask())
    else:
        both.log.run("cake-recipe", input_variables=VARIABLES, stream=True)
    gc.collect()
    assert (both.only().status, both.only().error_message) == (
        "WARNING",
        "the reader left the stream after 0 chunks",
    )


def test_an_exception_in_the_reader(both: Both) -> None:
    """A reader that fails leaves the stream: logged as what came, and its own exception goes on."""

    def read() -> None:
        for _ in both.log.run("cake-recipe", input_variables=VARIABLES, stream=True):
            raise KeyError("the reader's")

    with pytest.raises(KeyError, match="the reader's"):
        read()
    gc.collect()
    assert both.only().error_type == "PROVIDER_PARTIAL_RESPONSE"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_task_that_is_cancelled(make: Callable[..., Both], *, stream: bool) -> None:
    """A call that is cancelled was made: an ERROR; of a stream, what came."""
    both = make()
    both.wire.next("every=30" if stream else "hang=1")

    async def work() -> None:
        client = AsyncPromptLog(**both.arguments)
        answer = await client.run("cake-recipe", input_variables=VARIABLES, stream=stream)
        if stream:
            async for _ in answer:
                pass

    async def cancel() -> None:
        task = asyncio.create_task(work())
        while not both.wire.asked:  # noqa: ASYNC110 - the server is in another thread
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    gc.collect()
    logged = both.only()
    assert logged.status == ("WARNING" if stream else "ERROR")
    assert logged.error_type == ("PROVIDER_PARTIAL_RESPONSE" if stream else "UNKNOWN_ERROR")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_answer_is_given_where_the_log_takes_nothing(both: Both, *, stream: bool) -> None:
    """A folder that takes no lines: the answer comes all the same, its id is None, and a warning says why."""
    both.run()
    both.log.close()
    segments = both.log.path.with_name("store.duckdb.journal") / "segments"
    both.log.merge()
    for left in segments.iterdir():
        left.unlink()
    segments.rmdir()
    segments.touch()
    with pytest.warns(NotLoggedWarning, match="cannot be written"):
        answer = both.run(stream=stream)
    last = answer[-1] if stream else answer
    assert last["request_id"] is None
    assert last["prompt_blueprint"]["prompt_template"]["messages"][-1]["content"][0]["text"] == SAID


def test_an_answer_that_cannot_be_written_is_given(make: Callable[..., Both]) -> None:
    """An answer beyond what a line holds is the caller's all the same."""
    output = "x" * 17_000_000
    both = make(providers={"local": lambda **_: output})
    with pytest.warns(NotLoggedWarning, match="this answer of gpt-4o cannot be written"):
        answer = both.run(provider="local")
    assert answer["raw_response"] == output
    assert answer["request_id"] is None


def test_characters_that_came_in_halves_are_logged_whole(make: Callable[..., Both]) -> None:
    """A model that cuts its text into tokens cuts characters too; the caller has its text as it came."""
    both = make(providers={"local": lambda **_: iter(["half \ud83d", "\ude00, half \ud83d"])})
    answer = both.run(provider="local")
    assert answer["raw_response"] == "half \ud83d\ude00, half \ud83d"
    assert both.only().request_id == answer["request_id"]
    assert both.only().output_text == "half \U0001f600, half \ufffd"


class Hidden(Exception):  # noqa: N818 - it is what it is called
    """An exception that cannot show itself."""

    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("error", "message"),
    [(Hidden(), "Hidden"), (ValueError("half \ud83d"), "half \ufffd")],
    ids=["cannot show itself", "no Unicode"],
)
def test_a_failure_that_cannot_be_written_is_logged_as_far_as_it_can(
    make: Callable[..., Both], error: Exception, message: str
) -> None:
    """The exception comes out as it is, whatever it says."""

    def fails(**_: Any) -> str:
        raise error

    both = make(providers={"local": fails})
    with pytest.raises(type(error)) as raised:
        both.run(provider="local")
    assert raised.value is error
    assert (both.only().status, both.only().error_message) == ("ERROR", message)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_task_is_cancelled_while_a_function_that_blocks_streams(tmp_path: Path, *, stream: bool) -> None:
    """The thread that waits for the next piece is left to itself: the task is cancelled, and does not fail."""
    asked, over = threading.Event(), threading.Event()

    def slow(**_: Any) -> Iterator[str]:
        asked.set()
        over.wait(20)
        yield "late"

    async def work() -> None:
        client = AsyncPromptLog(tmp_path / "store.duckdb", providers={"local": slow})
        await client.templates.publish(CAKE)

        async def ask() -> None:
            answer = await client.run(
                "cake-recipe", input_variables=VARIABLES, provider="local", stream=stream
            )
            if stream:
                [piece async for piece in answer]

        task = asyncio.create_task(ask())
        await asyncio.to_thread(asked.wait, 20)
        task.cancel()
        try:
            with pytest.raises(asyncio.CancelledError):
                await task
        finally:
            over.set()
        assert [one.error_message for one in client.requests] == [
            "the reader left the stream after 0 chunks" if stream else "CancelledError"
        ]

    asyncio.run(work())


def test_latency_is_the_models_alone(make: Callable[..., Both]) -> None:
    """What the reader of a stream does between chunks is not in its latency; what the model takes is."""

    def slow(**_: Any) -> Iterator[str]:
        for word in "abc":
            time.sleep(0.02)
            yield word

    both = make(providers={"local": slow})
    begin = time.perf_counter()
    slept = 0.0
    if both.awaited:

        async def work() -> float:
            slept = 0.0
            async for _ in await AsyncPromptLog(**both.arguments).run(
                "cake-recipe", input_variables=VARIABLES, stream=True, provider="local"
            ):
                before = time.perf_counter()
                await asyncio.sleep(0.1)
                slept += time.perf_counter() - before
            return slept

        slept = asyncio.run(work())
    else:
        for _ in both.log.run("cake-recipe", input_variables=VARIABLES, stream=True, provider="local"):
            before = time.perf_counter()
            time.sleep(0.1)
            slept += time.perf_counter() - before
    whole = time.perf_counter() - begin
    assert 60 <= both.only().latency_ms <= (whole - slept) * 1000
