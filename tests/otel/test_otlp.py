"""OTLP in any form is read as the SDK's own spans are, and what is none is refused with one clear error."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlog.errors import InvalidInputError, StoreUnwritableError
from promptlog.otel import PromptLogLogExporter, PromptLogSpanExporter, import_otlp, read_otlp
from promptlog.otel.otlp_batch import MENDED
from promptlog.otel.sdk import Converter
from promptlog.otel.strings import DROPPED
from tests.otel.requests import (
    as_json,
    as_protobuf,
    forms,
    logs_as_json,
    logs_as_protobuf,
    real_logs,
    real_spans,
    sized,
)
from tests.otel.sdk_spans import START_NS, kept, span
from tests.processes.support import paths_of

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog import PromptLog
    from promptlog.otel.data import SpanData

SPANS = real_spans()
LOGS = real_logs()
WHOLE = as_protobuf(SPANS)


def plain(one: SpanData) -> SpanData:
    """A span whose lists are lists, for comparing."""
    return replace(one, events=list(one.events), links=list(one.links))


@pytest.mark.parametrize("form", forms(SPANS))
def test_every_form(form: str) -> None:
    """Whatever the form, what is read is what the exporter makes of the same spans."""
    convert = Converter([])
    batch = read_otlp(forms(SPANS)[form])
    assert [plain(one) for one in batch.spans] == [plain(convert.span(one)) for one in SPANS]
    assert (batch.logs, batch.lost, dict(batch.skipped), dict(batch.repaired)) == ([], [], {}, {})


@pytest.mark.parametrize("form", [logs_as_protobuf, logs_as_json])
def test_logs(form: Any) -> None:
    """Log records are told from spans, on the wire too, and read as the exporter reads them."""
    convert = Converter([])
    batch = read_otlp(form(LOGS))
    assert batch.spans == []
    assert batch.logs == [convert.log(one) for one in LOGS]


def test_importing_is_exporting(client: PromptLog, tmp_path: Path) -> None:
    """A store that imported a trace holds what one does that exported it, and importing or exporting again changes nothing."""
    report = import_otlp(client, as_protobuf(SPANS))
    assert (report.spans, report.requests) == (2, 1)
    logs = import_otlp(client, logs_as_json(LOGS))
    assert (logs.logs, logs.other_logs) == (1, 1)
    everything = (
        "SELECT * FROM spans ORDER BY span_id",
        "SELECT * FROM span_logs",
        "SELECT * EXCLUDE (logged_at) FROM requests",
    )
    before = [client.sql(question).fetchall() for question in everything]
    import_otlp(client, as_json(SPANS))
    PromptLogSpanExporter(client).export(SPANS)
    PromptLogLogExporter(client).export(LOGS)
    assert [client.sql(question).fetchall() for question in everything] == before
    assert [len(rows) for rows in before] == [2, 1, 1]


def test_switches(client: PromptLog) -> None:
    """Content and inheritance can be left out of an import as of an export."""
    import_otlp(client, WHOLE, capture_content=False, inherit=False)
    (request,) = client.requests
    assert (request.input, request.model, request.metadata) == (None, "gpt-4o-mini", {"team": "a"})
    assert "secret" not in str(client.sql("SELECT * FROM spans").fetchall())


def test_what_is_kept_unless_told(client: PromptLog) -> None:
    """Unless told, messages are there, and what the span around a call says of the user, and the resource of the team."""
    import_otlp(client, WHOLE)
    (request,) = client.requests
    assert (request.input_text, request.metadata) == ("a secret", {"team": "a", "user_id": "u1"})


def document(**changes: Any) -> str:
    """A request of one span, as JSON."""
    whole = {
        "traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "name": "s",
        "startTimeUnixNano": str(START_NS), "endTimeUnixNano": str(START_NS + 2000),
    }  # fmt: skip
    one = {key: value for key, value in (whole | changes).items() if value is not None}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [one]}]}]})


START = START_NS // 1000


@pytest.mark.parametrize(
    ("changes", "times", "said"),
    [
        ({}, (START, START + 2), ""),
        ({"startTimeUnixNano": None}, (START + 2, START + 2), "spans without a start: it is their end"),
        ({"endTimeUnixNano": "0"}, (START, START), "spans without an end: it is their start"),
        ({"endTimeUnixNano": 5}, (START, START), "spans that end before they start: they end at their start"),
        ({"startTimeUnixNano": None, "endTimeUnixNano": None}, None, "spans without times"),
        ({"traceId": ""}, None, "spans without ids"),
        ({"spanId": "0" * 16}, None, "spans without ids"),
        ({"startTimeUnixNano": "1" + "0" * 24, "endTimeUnixNano": "1" + "0" * 24}, None, "spans of a time before 1970 or after 9999"),
    ],
)  # fmt: skip
def test_repairs(changes: dict[str, Any], times: tuple[int, int] | None, said: str) -> None:
    """A span that is nearly one is repaired or passed over, by stated rules, and that is counted."""
    batch = read_otlp(document(**changes))
    assert [(one.start_us, one.end_us) for one in batch.spans] == ([times] if times else [])
    assert dict(batch.repaired + batch.skipped) == ({said: 1} if said else {})


@pytest.mark.parametrize("end", [None, START_NS - 1, START_NS])
def test_repairs_of_protobuf(end: int | None) -> None:
    """Protobuf by the same rules."""
    batch = read_otlp(as_protobuf([span(end=end), span("no id", number=0)]))
    assert [(one.name, one.end_us) for one in batch.spans] == [("step", START)]
    assert batch.skipped == {"spans without ids": 1}


METRICS = json.dumps({"resourceMetrics": []})


NO_OTLP: list[tuple[Any, str]] = [
    (b"", "the source is empty"),
    ("", "the source is empty"),
    (gzip.compress(b""), "the source is empty"),
    (WHOLE[:-7], "truncated"),
    (sized(WHOLE)[:-7], "cut off"),
    (sized(WHOLE, WHOLE[:-7]), "request 2 of the source is no OTLP: it is truncated"),
    (gzip.compress(WHOLE)[:-9], "no whole gzip"),
    (as_json(SPANS)[:-7], "is not JSON, or is cut off"),
    (as_json(SPANS) + "\n" + as_json(SPANS)[:-7], "line 2 of the source is not JSON, or is cut off"),
    ("{}", "neither resourceSpans nor resourceLogs"),
    ('{"hello": 1}', "neither resourceSpans nor resourceLogs"),
    ("[1]", "it is JSON of type int"),
    ('{"resourceSpans": 1}', "resourceSpans must be a list of objects"),
    ('{"resourceSpans": [1]}', "resourceSpans must be a list of objects"),
    ('{"resourceSpans": [{"resource": 1}]}', "resource must be an object, got int"),
    (document(name=1), "name must be text, got int"),
    (document(traceId="xyz"), "traceId must have 32 hexadecimal digits, got 'xyz'"),
    (document(spanId="00"), "spanId must have 16 hexadecimal digits, got '00'"),
    (document(startTimeUnixNano="soon"), "startTimeUnixNano must be a whole number, got 'soon'"),
    (document(startTimeUnixNano=True), "startTimeUnixNano must be a whole number"),
    (document(attributes={"a": 1}), "attributes must be a list of objects"),
    (b"\x28\xb5\x2f\xfdxxxx", "compressed with zstd"),
    (b"hello world", "no protobuf of OTLP"),
    (b"\xff" * 100, "no protobuf of OTLP"),
    (b"\x0a\x0c\x12\x0a\x12\x08\x0a\x06metric", "neither spans nor log records"),
    (5, "read from bytes or JSON text, got int"),
]


@pytest.mark.parametrize(("source", "said"), NO_OTLP, ids=[said for _, said in NO_OTLP])
def test_what_is_no_otlp(client: PromptLog, source: Any, said: str) -> None:
    """One error that says what is wrong and where, and nothing is written of what came before it."""
    with pytest.raises(InvalidInputError, match=said):
        read_otlp(source)
    if isinstance(source, bytes):
        with pytest.raises(InvalidInputError, match=said):
            import_otlp(client, source)
    assert not paths_of(client.path).journal.exists()


def refusal(source: bytes | str) -> str:
    """Why a source is refused; where it is read, what a refusal would begin with."""
    try:
        read_otlp(source)
    except InvalidInputError as error:
        return str(error)
    return "the source is no OTLP: it is"


@given(st.binary(max_size=60) | st.integers(0, len(WHOLE)).map(lambda end: WHOLE[:end]))
def test_any_bytes(data: bytes) -> None:
    """Whatever bytes come, they are read or refused in our words."""
    assert "the source" in refusal(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.sampled_from(["traceId", "spanId", "parentSpanId", "name", "kind", "startTimeUnixNano", "status", "attributes",
                        "events", "links"]), json_values)  # fmt: skip
def test_any_field(name: str, value: Any) -> None:
    """Whatever a field holds, the request is read or refused in our words."""
    assert refusal(document(**{name: value})).startswith("the source is no OTLP: ")


def test_a_bad_attribute_costs_itself_alone() -> None:
    """A wrong type, a value too deep for us: the span is kept with its other attributes, and what is lost is said."""
    good = {"key": "good", "value": {"stringValue": "kept"}}
    deep: dict[str, Any] = {"stringValue": "x"}
    for _ in range(110):
        deep = {"arrayValue": {"values": [deep]}}
    for value in (
        {"intValue": "x"},
        {"doubleValue": "much"},
        {"arrayValue": 5},
        {"kvlistValue": {"values": 5}},
        deep,
    ):
        batch = read_otlp(document(attributes=[{"key": "bad", "value": value}, good]))
        assert batch.spans[0].attributes["good"] == "kept"
        assert "bad" not in batch.spans[0].attributes
        (lost,) = batch.lost
        assert lost.startswith("bad: ")
        assert batch.spans[0].attributes[DROPPED] == [lost]


ODD_TEXTS = [b"half \\ud83d", b"no \xff UTF-8"]


@pytest.mark.parametrize("text", ODD_TEXTS)
@pytest.mark.parametrize("place", ["name", "value"])
def test_text_in_json_that_is_no_unicode(text: bytes, place: str) -> None:
    """It is mended, counted and said; the lines around it are read."""
    attributes = [{"key": "k", "value": {"stringValue": "@" if place == "value" else "v"}}]
    odd = document(name="@" if place == "name" else "s", attributes=attributes).encode().replace(b"@", text)
    batch = read_otlp(b"\n".join([odd, document().encode()]))
    assert len(batch.spans) == 2
    assert list(batch.repaired) == [MENDED]
    mended = batch.spans[0].name if place == "name" else batch.spans[0].attributes["k"]
    assert mended.encode("ascii", "replace") in {b"half ?", b"no ? UTF-8"}


@pytest.mark.parametrize("form", [as_protobuf, logs_as_protobuf])
def test_text_in_protobuf_that_is_no_unicode(form: Any) -> None:
    """Likewise; ids and bytes stay what they are."""
    items = SPANS if form is as_protobuf else LOGS
    whole = form(items)
    odd = whole.replace(b"gen_ai.", b"gen\xffai.", 1).replace(b"shop", b"sh\xfep", 1)
    assert odd != whole
    right, mended = read_otlp(whole), read_otlp(odd)
    assert mended.repaired == {MENDED: 1}
    before: list[Any] = [*right.spans, *right.logs]
    after: list[Any] = [*mended.spans, *mended.logs]
    for one, other in zip(before, after, strict=True):
        assert (one.trace_id, one.span_id) == (other.trace_id, other.span_id)
        assert other.resource["service.name"] in {"shop", "sh\ufffdp"}
    told = [name for span in mended.spans for name in span.attributes] + [log.name for log in mended.logs]
    assert any("gen\ufffdai." in (name or "") for name in told)


def test_an_empty_request() -> None:
    """A request without spans is one: a collector sends it."""
    for source in ('{"resourceSpans": []}', '{"resourceLogs": [{}]}', b"\x0a\x00"):
        batch = read_otlp(source)
        assert (batch.spans, batch.logs) == ([], [])
    assert read_otlp(METRICS).skipped == {"requests of metrics or profiles": 1}


def test_json_text_after_its_mark(client: PromptLog) -> None:
    """Text is told from a path, with a byte order mark before it too."""
    assert import_otlp(client, "\ufeff\n " + document()).spans == 1


def test_files(client: PromptLog, tmp_path: Path) -> None:
    """Several files of several forms are one import."""
    paths = []
    for number, (form, content) in enumerate(forms(SPANS).items()):
        paths.append(tmp_path / f"{number} {form}")
        paths[-1].write_bytes(content.encode() if isinstance(content, str) else content)
    report = import_otlp(client, paths)
    assert report.spans == 2 * len(paths)
    assert set(kept(client)) == {"POST /ask", "chat"}


def test_a_pipe(client: PromptLog, tmp_path: Path) -> None:
    """What another program unpacks is read as it comes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = Thread(target=pipe.write_bytes, args=(gzip.compress(WHOLE),))
    writing.start()
    assert import_otlp(client, pipe).spans == len(SPANS)
    writing.join()


def test_a_bad_file_among_good_ones(client: PromptLog, tmp_path: Path) -> None:
    """Nothing is written of any file where one is bad, and the error names it and the line."""
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text(as_json(SPANS))
    bad.write_text(as_json(SPANS) + "\n" + METRICS + "\n{}\n")
    with pytest.raises(InvalidInputError, match=r"line 3 of .*bad\.jsonl' is no OTLP"):
        import_otlp(client, [good, bad])
    with pytest.raises(FileNotFoundError):
        import_otlp(client, [good, tmp_path / "absent"])
    with pytest.raises(InvalidInputError, match="got int"):
        import_otlp(client, 5)  # type: ignore[arg-type]
    assert not paths_of(client.path).journal.exists()


def test_many_spans_go_through_a_file(client: PromptLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for the end of a long source is not kept in memory."""
    from promptlog.otel import importing

    monkeypatch.setattr(importing, "_IN_MEMORY_BYTES", 1000)
    spans = [span(f"s{n}", {"text": "x" * 1000 + "\n"}, number=n) for n in range(1, 3001)]
    assert import_otlp(client, as_protobuf(spans)).spans == 3000
    assert len(kept(client)) == 3000


def test_a_store_that_cannot_be_written(client: PromptLog) -> None:
    """The error is the store's."""
    paths_of(client.path).journal.touch()
    with pytest.raises(StoreUnwritableError, match="import again"):
        import_otlp(client, WHOLE)
