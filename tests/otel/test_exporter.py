"""The exporters keep the SDK's contract, and what is odd about a span costs what is odd, not the span."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)
from opentelemetry.trace import StatusCode

from promptlog import PromptLog
from promptlog.otel import PromptLogLogExporter, PromptLogSpanExporter
from promptlog.otel.strings import DROPPED
from promptlog.settings import MAX_LINE_BYTES
from tests.otel.sdk_spans import START_NS, kept, span
from tests.processes.support import paths_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def exporter(client: PromptLog) -> PromptLogSpanExporter:
    return PromptLogSpanExporter(client)


@pytest.mark.parametrize("processor", [BatchSpanProcessor, SimpleSpanProcessor])
def test_spans_of_a_program(client: PromptLog, processor: type[Any]) -> None:
    """Behind either processor of the SDK, what a program traces is there after a shutdown, tree and all."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor(PromptLogSpanExporter(client)))
    tracer = provider.get_tracer("shop")
    with tracer.start_as_current_span("outer", attributes={"a": [1, 2], "b": b"\xff"}) as outer:
        with tracer.start_as_current_span("inner") as inner:
            inner.add_event("found", {"n": 1})
            inner.add_link(outer.get_span_context(), {"why": "test"})
        outer.set_status(StatusCode.ERROR, "no luck")
    provider.shutdown()
    rows = client.sql(
        "SELECT name, trace_id, parent_span_id, span_id, status, status_message, scope, attributes->>'$.b',"
        " events->>'$[0].name', links->>'$[0].span_id', start_time <= end_time FROM spans ORDER BY start_time, name DESC"
    ).fetchall()
    trace, top, below = (
        format(number, spec)
        for number, spec in (
            (outer.get_span_context().trace_id, "032x"),
            (outer.get_span_context().span_id, "016x"),
            (inner.get_span_context().span_id, "016x"),
        )
    )
    assert rows == [
        ("outer", trace, None, top, "ERROR", "no luck", "shop", "/w==", None, None, True),
        ("inner", trace, top, below, "UNSET", None, "shop", None, "found", top, True),
    ]


def test_the_contract(client: PromptLog, exporter: PromptLogSpanExporter) -> None:
    """A real exporter of the SDK: SUCCESS while it takes spans, FAILURE once it is shut down, and flushing is nothing."""
    assert isinstance(exporter, SpanExporter)
    assert exporter.export([]) is SpanExportResult.SUCCESS
    assert exporter.export((span("kept"),)) is SpanExportResult.SUCCESS
    assert exporter.force_flush() is True
    exporter.shutdown()
    exporter.shutdown()
    assert exporter.export([span("late", number=2)]) is SpanExportResult.FAILURE
    assert exporter.force_flush(1) is True
    assert list(kept(client)) == ["kept"]


def test_a_batch_is_one_write(
    client: PromptLog, exporter: PromptLogSpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exporting is an append, however many spans there are."""
    writes: list[bytes] = []
    real = os.write

    def spy(fd: int, data: bytes) -> int:
        writes.append(data)
        return real(fd, data)

    monkeypatch.setattr(os, "write", spy)
    exporter.export([span(f"s{n}", number=n) for n in range(1, 101)])
    assert len(writes) == 1
    monkeypatch.undo()
    assert len(kept(client)) == 100


def test_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With durability="fsync" a batch is synced once, whatever is in it."""
    synced: list[int] = []
    real = os.fsync

    def spy(fd: int) -> None:
        synced.append(fd)
        real(fd)

    with PromptLog(tmp_path / "s.duckdb", durability="fsync") as client:
        exporter = PromptLogSpanExporter(client)
        exporter.export([span()])
        monkeypatch.setattr(os, "fsync", spy)
        exporter.export([span(number=n) for n in range(1, 100)])
    assert len(synced) == 1


def test_exported_again(client: PromptLog, exporter: PromptLogSpanExporter) -> None:
    """The same span twice is one span, in one batch or another, before a merge or after."""
    exporter.export([span(), span()])
    assert len(kept(client)) == 1
    exporter.export([span(), span("other", number=2)])
    assert client.sql("SELECT count(*) FROM spans").fetchall() == [(2,)]


def holding_itself() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\ud800b", "a?b"),
        ({"k\ud800": ["\udfff"]}, {"k?": ["?"]}),
        (float("nan"), "NaN"),
        ([float("-inf"), 1.5], ["-Infinity", 1.5]),
        (b"\xff\x00", "/wA="),
        ((1, (True, None)), [1, [True, None]]),
        (1 << 70, 1 << 70),
        ({}, {}),
        ("", ""),
        (holding_itself(), None),
        (object(), None),
        ({1: "a"}, None),
        ({"deep": [holding_itself()]}, None),
        ("x" * MAX_LINE_BYTES, None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_odd_attributes(client: PromptLog, exporter: PromptLogSpanExporter, value: Any, stored: Any) -> None:
    """An attribute that JSON cannot hold is repaired, or it alone is left out, counted and named; the rest of the batch is as it was."""
    batch = [
        span("before", {"a": 1}),
        span("odd", {"good": "yes", "odd": value, "n": 1}, number=2),
        span("after", {"a": 1}, number=3),
    ]
    assert exporter.export(batch) is SpanExportResult.SUCCESS
    found = kept(client)
    assert (found["before"], found["after"]) == ({"a": 1}, {"a": 1})
    odd = found["odd"]
    assert (odd["good"], odd["n"]) == ("yes", 1)
    if stored is None:
        assert "odd" not in odd
        assert [said.split(":")[0] for said in odd[DROPPED]] == ["odd"]
        assert exporter.lost_attributes == 1
    else:
        assert odd == {"good": "yes", "odd": stored, "n": 1}
        assert exporter.lost_attributes == 0
    assert exporter.lost_records == 0


def test_odd_names(client: PromptLog, exporter: PromptLogSpanExporter) -> None:
    """A name that is no text becomes one; a name that is longer than a record is left out and named by its beginning."""
    names: dict[Any, Any] = {1: "one", None: "none", ("a", 2): "pair", "x" * MAX_LINE_BYTES: 1, "good": 1}
    exporter.export([span("odd", names)])
    odd = kept(client)["odd"]
    assert [said[:5] for said in odd.pop(DROPPED)] == ["xxxxx"]
    assert odd == {"1": "one", "None": "none", "('a', 2)": "pair", "good": 1}
    assert (exporter.lost_records, exporter.lost_attributes) == (0, 1)


def test_odd_places(client: PromptLog, exporter: PromptLogSpanExporter) -> None:
    """Odd attributes of events, links and the resource, and odd names, cost no span either."""
    exporter.export(
        [
            span("event", events=(("e\ud800", {"odd": object(), "good": 1, "large": "x" * MAX_LINE_BYTES}),)),
            span("resource", {"a": 1}, number=2, resource=Resource({"r": "\ud800"})),
            span("name\ud800", number=3),
            span(None, number=4),  # type: ignore[arg-type]
        ]
    )
    assert list(kept(client)) == ["event", "resource", "name?", ""]
    ((event,),) = client.sql("SELECT events->'$[0].attributes' FROM spans WHERE name = 'event'").fetchall()
    assert '"good":1' in event
    assert exporter.lost_attributes == 2


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [(None, START_NS, (0, 0)), (START_NS, None, (0, 0)), (START_NS, START_NS - 10**9, (0, 0)), (START_NS, START_NS + 1500, (0, 1))],
)  # fmt: skip
def test_odd_times(
    client: PromptLog,
    exporter: PromptLogSpanExporter,
    start: int | None,
    end: int | None,
    times: tuple[int, int],
) -> None:
    """A span with one time begins and ends then; one that ends before it starts ends at its start; microseconds are kept."""
    exporter.export([span(start=start, end=end)])
    ((begin, finish),) = client.sql("SELECT epoch_us(start_time), epoch_us(end_time) FROM spans").fetchall()
    assert (begin - START_NS // 1000, finish - START_NS // 1000) == times


def test_spans_that_are_none(
    client: PromptLog, exporter: PromptLogSpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """A span without ids, without times, or no span at all is counted and said, and the others of its batch are kept."""
    batch: list[Any] = [
        span("no trace", trace=0), span("no id", number=0), span("no time", start=None, end=None), None, "span",
        span("kept", number=9),
    ]  # fmt: skip
    assert exporter.export(batch) is SpanExportResult.SUCCESS
    assert list(kept(client)) == ["kept"]
    assert exporter.lost_records == 5
    assert "5 spans not kept" in caplog.text


def test_what_is_said_can_be_printed(
    client: PromptLog, exporter: PromptLogSpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """A name with a lone surrogate or a line's end reaches the log escaped, and any handler can write it."""
    assert exporter.export([span("s", {"a\ud800\n": object()})]) is SpanExportResult.SUCCESS
    assert r"a\ud800\n: it is of type object" in caplog.text
    caplog.text.encode()
    assert kept(client)["s"][DROPPED] == [r"a\ud800\n: it is of type object"]


def test_a_store_that_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the disk refuses, the export fails with a word in the log and no error; with room again it goes on."""
    client = PromptLog(tmp_path / "s.duckdb")
    exporter = PromptLogSpanExporter(client)
    paths_of(client.path).journal.touch()  # a file where the folder should be
    assert exporter.export([span()]) is SpanExportResult.FAILURE
    assert "not all of 1 spans are kept" in caplog.text
    paths_of(client.path).journal.unlink()
    assert exporter.export([span()]) is SpanExportResult.SUCCESS
    assert len(kept(client)) == 1
    client.close()


@pytest.mark.parametrize("processor", [BatchLogRecordProcessor, SimpleLogRecordProcessor])
def test_logs_of_a_program(client: PromptLog, processor: type[Any]) -> None:
    """Events of calls that come as log records are kept with their span's ids; other records of a program are passed over."""
    exporter = PromptLogLogExporter(client)
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(processor(exporter))
    tracer = TracerProvider().get_tracer("t")
    with tracer.start_as_current_span("call") as call:
        logger = provider.get_logger("shop")
        logger.emit(
            LogRecord(event_name="gen_ai.user.message", body={"content": "hi"}, observed_timestamp=START_NS)
        )
        logger.emit(LogRecord(body="something else happened"))
        logger.emit(
            LogRecord(event_name="gen_ai.choice", body={"index": 0, "message": {"content": "a\ud800"}})
        )
    provider.shutdown()
    rows = client.sql("SELECT name, span_id FROM span_logs ORDER BY time").fetchall()
    assert [name for name, _ in rows] == ["gen_ai.user.message", "gen_ai.choice"]
    assert {of for _, of in rows} == {format(call.get_span_context().span_id, "016x")}
    assert isinstance(exporter, LogRecordExporter)
    assert exporter.force_flush() is True
    assert exporter.export([]) is LogRecordExportResult.FAILURE
    assert (exporter.lost_records, exporter.lost_attributes) == (0, 0)
