"""Functions as spans: the tree of who called whom, with the requests inside."""

from __future__ import annotations

import asyncio
import resource
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import promptlog
from promptlog.errors import InvalidInputError, NotLoggedWarning

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from promptlog import PromptLog
    from promptlog.models.trace import Span, Trace


def log(client: PromptLog, text: str = "x") -> None:
    client.log_request(
        provider="p", model="m", input=text, output=text, request_start_time=1, request_end_time=2
    )


def traces(client: PromptLog) -> list[Trace]:
    """Return all traces, by their beginning."""
    ids = client.sql(
        "SELECT trace_id FROM spans GROUP BY trace_id ORDER BY min(start_time), trace_id"
    ).fetchall()
    return [client.trace(id) for (id,) in ids]


def only(client: PromptLog) -> Span:
    (trace,) = traces(client)
    (span,) = trace.spans
    return span


def test_a_function_is_a_span(client: PromptLog) -> None:
    """Its name, what went in and came out, as PromptLayer shows them, and the attributes it was given."""

    @client.traceable(attributes={"team": "t"})
    def add(a: int, b: int = 2) -> int:
        """Add."""
        return a + b

    assert add(1, b=3) == 4
    assert (add.__name__, add.__doc__) == ("add", "Add.")
    span = only(client)
    assert (span.name, span.kind, span.status, span.parent_span_id) == ("add", "INTERNAL", "OK", None)
    assert span.attributes == {
        "team": "t",
        "function_input": "{'args': (1,), 'kwargs': {'b': 3}}",
        "function_output": "4",
    }
    assert span.end_time >= span.start_time


def test_spans_nest_and_requests_know_where_they_are(client: PromptLog) -> None:
    """Functions called inside are children; a request hangs on the innermost, unless it says another."""

    @client.traceable(name="inner step")
    def inner() -> None:
        log(client, "deep")

    @client.traceable
    def outer() -> None:
        log(client, "flat")
        inner()
        client.log_request(
            provider="p", model="m", input="else", output="else", request_start_time=1, request_end_time=2,
            trace_id="f" * 32, span_id="e" * 16,
        )  # fmt: skip

    outer()
    log(client, "outside")
    (trace,) = traces(client)
    by_name = {span.name: span for span in trace.spans}
    assert by_name["inner step"].parent_span_id == by_name["outer"].span_id
    assert [client.requests.get(call.request_id).input_text for call in by_name["outer"].requests] == ["flat"]
    assert [client.requests.get(call.request_id).input_text for call in by_name["inner step"].requests] == [
        "deep"
    ]
    placed = {request.input_text: request.trace_id for request in client.requests}
    assert (placed["else"], placed["outside"]) == ("f" * 32, None)


def test_failures_are_noted_and_raised_unchanged(client: PromptLog) -> None:
    """The very exception comes out of every span on its way."""
    broken = ZeroDivisionError("nothing to share")

    @client.traceable()
    def inner() -> None:
        raise broken

    @client.traceable()
    def outer() -> None:
        inner()

    with pytest.raises(ZeroDivisionError) as caught:
        outer()
    assert caught.value is broken
    (trace,) = traces(client)
    for span in trace.spans:
        assert (span.status, span.status_message) == ("ERROR", "nothing to share")
        assert span.attributes["error.type"] == "ZeroDivisionError"
        assert span.events[0]["attributes"]["exception.message"] == "nothing to share"
        assert "function_output" not in span.attributes
    log(client)
    assert client.requests.first().trace_id is None  # type: ignore[union-attr]


def test_a_function_may_fail_with_what_ends_an_iterator(client: PromptLog) -> None:
    """Only of a generator it is the end; and one that is cancelled, or runs out of time, has failed as well."""

    @client.traceable()
    def first() -> Any:
        return next(iter(()))

    @client.traceable()
    async def later() -> Any:
        return await anext(aiter(nothing()))

    @client.traceable()
    async def waits() -> None:
        await asyncio.Event().wait()

    async def nothing() -> AsyncIterator[int]:
        return
        yield

    async def main() -> None:
        with pytest.raises(StopAsyncIteration):
            await later()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waits(), 0.01)
        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with pytest.raises(StopIteration):
        first()
    asyncio.run(main())
    told = [
        (trace.spans[0].name, trace.spans[0].status, trace.spans[0].attributes["error.type"])
        for trace in traces(client)
    ]
    assert told == [
        ("first", "ERROR", "StopIteration"),
        ("later", "ERROR", "StopAsyncIteration"),
        ("waits", "ERROR", "asyncio.exceptions.CancelledError"),
        ("waits", "ERROR", "asyncio.exceptions.CancelledError"),
    ]


def test_coroutines(client: PromptLog) -> None:
    """Tasks that run at once stand each in its own span, under the one that gathered them."""

    @client.traceable()
    async def one(text: str) -> str:
        await asyncio.sleep(0)
        log(client, text)
        return text

    @client.traceable()
    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(one(str(i)) for i in range(5)))

    assert asyncio.run(all_of_them()) == list("01234")
    (trace,) = traces(client)
    root = next(span for span in trace.spans if span.name == "all_of_them")
    children = [span for span in trace.spans if span.name == "one"]
    assert {span.parent_span_id for span in children} == {root.span_id}
    for span in children:
        (call,) = span.requests
        assert f"'{client.requests.get(call.request_id).input_text}'" in span.attributes["function_input"]


def test_generators(client: PromptLog) -> None:
    """A span lasts from the first item to the last; between two the program is outside of it."""

    @client.traceable()
    def count(n: int) -> Iterator[int]:
        for i in range(n):
            log(client, f"inside {i}")
            yield i

    for i in count(2):
        log(client, f"between {i}")
    span = only(client)
    assert (span.status, span.attributes["function_output"]) == ("OK", "[0, 1]")
    inside = {request.input_text for request in client.requests if request.span_id == span.span_id}
    assert inside == {"inside 0", "inside 1"}
    assert client.requests.count() == 4


def test_generators_are_generators_still(client: PromptLog) -> None:
    """What is sent and thrown in arrives, what is returned comes out, and closing closes."""
    closed: list[bool] = []

    @client.traceable()
    def echo() -> Any:
        got = None
        try:
            while True:
                try:
                    got = yield got
                except KeyError:
                    got = "caught"
                if got == "stop":
                    return "done"
        finally:
            closed.append(True)

    generator = echo()
    assert [next(generator), generator.send(1), generator.throw(KeyError())] == [None, 1, "caught"]
    with pytest.raises(StopIteration) as stop:
        generator.send("stop")
    assert stop.value.value == "done"
    left = echo()
    next(left)
    left.close()
    assert closed == [True, True]
    assert [span.status for trace in traces(client) for span in trace.spans] == ["OK", "UNSET"]


def test_async_generators(client: PromptLog) -> None:
    """Read to the end, left in the middle, and failing."""

    @client.traceable()
    async def count(n: int) -> AsyncIterator[int]:
        for i in range(n):
            await asyncio.sleep(0)
            log(client, str(i))
            yield 1 // (1 - i) if n > 2 else i

    async def main() -> None:
        assert [i async for i in count(2)] == [0, 1]
        async for _ in (left := count(2)):
            break
        await left.aclose()  # type: ignore[attr-defined]
        with suppress(ZeroDivisionError):
            async for _ in count(3):
                pass

    asyncio.run(main())
    found = [(span.status, len(span.requests)) for trace in traces(client) for span in trace.spans]
    assert found == [("OK", 2), ("UNSET", 1), ("ERROR", 2)]


def test_context_and_spans_go_together(client: PromptLog) -> None:
    """Metadata of a block reaches requests in the span, and the other way round."""

    @client.traceable()
    def work() -> None:
        with promptlog.context(metadata={"inner": "1"}):
            log(client)

    with promptlog.context(metadata={"outer": "1"}):
        work()
    request = client.requests.first()
    assert request is not None
    assert request.metadata == {"inner": "1", "outer": "1"}
    assert request.span_id == only(client).span_id


def test_objects_that_cannot_be_shown_and_long_ones(client: PromptLog) -> None:
    """A span never stops the function it is of."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    @client.traceable()
    def take(_: Any) -> str:
        return "é" * 200_000 + "\ud800"

    take(Odd())
    attributes = only(client).attributes
    assert attributes["function_input"] == "<dict that cannot be shown: no>"
    assert attributes["function_output"].endswith("… (200,006 characters)")


def test_a_failure_that_cannot_be_written_is_raised_as_it_is(client: PromptLog) -> None:
    """An exception that cannot show itself, or is no Unicode, ends its span all the same; and a very long one is cut."""

    class Hidden(Exception):  # noqa: N818 - it is what it is called
        def __str__(self) -> str:
            raise RuntimeError("no")

    @client.traceable
    def fail(error: Exception) -> None:
        raise error

    for error in (Hidden(), ValueError("half \ud83d"), ValueError("x" * 17_000_000)):
        with pytest.raises(type(error)) as raised:
            fail(error)
        assert raised.value is error
    said = [trace.spans[0].status_message for trace in traces(client)]
    assert said[:2] == ["<Hidden that cannot be shown: no>", "half \\ud83d"]
    assert str(said[2]).endswith("… (17,000,000 characters)")


def test_a_full_disk_does_not_stop_the_function(client: PromptLog) -> None:
    """There is a warning, and the result."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log(client)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.warns(NotLoggedWarning, match="free some room"):
            assert client.traceable()(lambda: 3)() == 3
        with pytest.warns(NotLoggedWarning) as warned, pytest.raises(ZeroDivisionError):
            client.traceable()(lambda: 1 / 0)()
        assert {one.filename for one in warned} == {__file__}
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_wrong_arguments_are_refused_where_they_stand(client: PromptLog) -> None:
    """At the decorator, not at some later call."""
    with pytest.raises(InvalidInputError, match="attributes must be a dict, got list"):
        client.traceable(attributes=[1])  # type: ignore[call-overload]
    with pytest.raises(InvalidInputError, match=r"attributes\.a"):
        client.traceable(attributes={"a": float("nan")})
    with pytest.raises(InvalidInputError, match="traceable decorates functions, got int"):
        client.traceable(name="x")(3)  # type: ignore[type-var]
