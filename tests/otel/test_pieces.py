"""Large requests of OTLP are read in pieces: what they hold is what the whole holds, and it takes little memory."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from promptlog import PromptLog
from promptlog.errors import InvalidInputError
from promptlog.otel import json_pieces, otlp_json, proto_pieces
from promptlog.otel.otlp import read_body
from promptlog.otel.otlp_batch import OtlpBatch
from tests.server.support import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.support import Served

_PIECE_BYTES = 300  # a span has about as many


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pieces small."""
    for module in (json_pieces, proto_pieces):
        monkeypatch.setattr(module, "PIECE_BYTES", _PIECE_BYTES)


def gathered(body: bytes, *, is_json: bool = True) -> OtlpBatch:
    """Return all that a body holds."""
    found = OtlpBatch()
    for batch in read_body(body, is_json=is_json):
        for name in ("spans", "logs", "repaired", "skipped", "lost"):
            setattr(found, name, getattr(found, name) + getattr(batch, name))
    return found


# -- what they hold ----------------------------------------------------------------------------------------------------

_TEXTS = st.one_of(
    st.sampled_from(["", '"', "\\", '{"a":[1', "]}", "[[[{", '\\"}]', "é", "x" * 2 * _PIECE_BYTES]), st.text(max_size=20)
)  # fmt: skip
_VALUES = st.recursive(
    st.one_of(
        _TEXTS.map(lambda text: {"stringValue": text}),
        st.integers(-5, 5).map(lambda number: {"intValue": str(number)}),
        st.booleans().map(lambda truth: {"boolValue": truth}),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: {"arrayValue": {"values": items}}),
        st.lists(inner, max_size=3).map(
            lambda items: {"kvlistValue": {"values": [{"key": f"k{n}", "value": v} for n, v in enumerate(items)]}}
        ),
    ),
    max_leaves=8,
)  # fmt: skip
_ATTRIBUTES = st.lists(
    st.builds(lambda key, value: {"key": key, "value": value}, _TEXTS, _VALUES), max_size=3
)
_TIMES = {"startTimeUnixNano": "1767225600000000000", "endTimeUnixNano": "1767225601000000000"}
_SPANS = st.builds(
    lambda number, name, attributes, times: {
        "traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": name, "kind": 3, "attributes": attributes, **times,
    },
    st.integers(0, 3), _TEXTS, _ATTRIBUTES, st.sampled_from([_TIMES, _TIMES, _TIMES, {}]),
)  # fmt: skip
_LOGS = st.builds(
    lambda number, body, attributes: {
        "traceId": f"{number:032x}", "spanId": f"{number:016x}", "timeUnixNano": "1767225600000000000", "body": body,
        "attributes": attributes,
    },
    st.integers(0, 3), _VALUES, _ATTRIBUTES,
)  # fmt: skip


def _groups(item: st.SearchStrategy[Any], scopes: str, items: str) -> st.SearchStrategy[Any]:
    """Return resources with scopes with items; what stands around comes first or last."""

    def ordered(first: dict[str, Any], second: dict[str, Any], turned: bool) -> dict[str, Any]:
        return {**second, **first} if turned else {**first, **second}

    scope = st.builds(
        ordered,
        st.fixed_dictionaries({}, optional={"scope": st.just({"name": "s"}), "schemaUrl": _TEXTS}),
        st.fixed_dictionaries({items: st.lists(item, max_size=6)}),
        st.booleans(),
    )
    return st.lists(
        st.builds(
            ordered,
            st.fixed_dictionaries({}, optional={"resource": _ATTRIBUTES.map(lambda a: {"attributes": a})}),
            st.fixed_dictionaries({scopes: st.lists(scope, max_size=3)}),
            st.booleans(),
        ),
        max_size=3,
    )


_TRACES = _groups(_SPANS, "scopeSpans", "spans").map(lambda groups: {"resourceSpans": groups})
_RECORDS = _groups(_LOGS, "scopeLogs", "logRecords").map(lambda groups: {"resourceLogs": groups})


@settings(max_examples=80)
@given(
    document=st.one_of(_TRACES, _RECORDS, st.tuples(_TRACES, _RECORDS).map(lambda two: {**two[0], **two[1]}),
                       st.lists(_TRACES, min_size=1, max_size=3)),
    indent=st.sampled_from([None, 1]), ascii=st.booleans(),
)  # fmt: skip
def test_json_in_pieces_is_json(document: Any, indent: int | None, ascii: bool) -> None:
    """Whatever is long in it, and however it is written."""
    whole = OtlpBatch()
    otlp_json.decode(document, whole)
    body = json.dumps(document, indent=indent, ensure_ascii=ascii).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_pieces, "PIECE_BYTES", _PIECE_BYTES)
        assert gathered(body) == whole


@settings(max_examples=80)
@given(document=st.one_of(_TRACES, _RECORDS))
def test_protobuf_in_pieces_is_protobuf(document: dict[str, Any]) -> None:
    """The same on the wire, where spans and log records are told apart by what they hold."""
    kind = ExportTraceServiceRequest if "resourceSpans" in document else ExportLogsServiceRequest
    text = json.dumps(document).replace('"traceId": "', '"traceId": "').encode()
    request = ParseDict(_with_base64(json.loads(text)), kind())
    body = request.SerializeToString()
    try:
        whole = gathered(body, is_json=False)
    except InvalidInputError:
        return  # nothing in it tells what it is
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proto_pieces, "PIECE_BYTES", _PIECE_BYTES)
        try:
            assert gathered(body, is_json=False) == whole
        except InvalidInputError as error:  # a first piece of nothing but spans without times and ids
            assert "neither spans nor log records" in str(error)  # noqa: PT017 - it may raise, and then so


def _with_base64(value: Any) -> Any:
    """Return OTLP's JSON as protobuf's own reader has it: ids as base64."""
    import base64

    if isinstance(value, list):
        return [_with_base64(item) for item in value]
    if isinstance(value, dict):
        return {
            key: base64.b64encode(bytes.fromhex(item)).decode() if key in ("traceId", "spanId") else _with_base64(item)
            for key, item in value.items()
        }  # fmt: skip
    return value


SPAN = {"traceId": "01" * 16, "spanId": "02" * 8, "name": "n", "kind": 3, **_TIMES}


def request(*spans: dict[str, Any]) -> bytes:
    """Return a request of OTLP's JSON."""
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


@pytest.mark.usefixtures("small")
def test_what_is_wrong_in_a_piece_is_said() -> None:
    """As of a whole: torn, followed by something, no OTLP, text that is no Unicode."""
    spans = [{**SPAN, "spanId": f"{n + 1:016x}"} for n in range(20)]
    whole = request(*spans)
    deep = b"[" * 5000 + b"]" * 5000
    for body, said in (
        (whole[:-3], "is not JSON, or is cut off"),
        (whole[:900], "is not JSON, or is cut off"),
        (whole + b"{}", "something follows"),
        (whole.replace(b'"0000000000000009"', b"9..9"), "is not JSON"),
        (whole.replace(b"0000000000000009", b"9"), "16 hexadecimal digits"),
        (whole.replace(b'"kind": 3', b'"kind": 3, "x": ' + deep), "recursion limit"),
        (json.dumps({"x": ["y" * 500]}).encode(), "neither resourceSpans nor resourceLogs"),
        (json.dumps({"resourceSpans": [5] * 500}).encode(), "must be a list of objects"),
    ):
        with pytest.raises(InvalidInputError, match=said):
            gathered(body)
    mended = gathered(whole.replace(b'"name": "n"', b'"name": "\xff"'))
    assert (len(mended.spans), sum(mended.repaired.values())) == (20, 1)
    metrics = gathered(json.dumps({"resourceMetrics": ["y" * 500]}).encode())
    assert metrics.skipped == {"requests of metrics or profiles": 1}
    with pytest.raises(InvalidInputError, match="truncated"):
        gathered(b"\x0a\xff\xff\x7f" + b"x" * 500, is_json=False)


# -- what they take ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("pieces") / "a.duckdb") as server:
        gathered(request(SPAN))
        yield server


_MIB = 1024 * 1024


def _sized(number: int, content: bytes) -> bytes:
    size, found = len(content), bytearray([number << 3 | 2])
    while size > 127:
        found.append(size & 127 | 128)
        size >>= 7
    return bytes([*found, size]) + content


def _hostile() -> dict[str, tuple[bytes, bool]]:
    """Return bodies of 4 MiB that Python would hold in 90 to 900."""
    values = b",".join([b"{}"] * (4 * _MIB // 3))
    span = {**SPAN, "attributes": [{"key": "a", "value": {"arrayValue": {"values": ["@"]}}}]}
    timed = _sized(2, b"\x39" + b"\1" * 8)
    return {
        "json": (b'{"resourceSpans":[],"x":[' + b"[]," * (4 * _MIB // 3) + b"[]]}", True),
        "one span": (request(span, SPAN).replace(b'"@"', values), True),
        "protobuf": (_sized(1, _sized(2, timed + b"\x12\0" * (2 * _MIB))), False),
        "one span of protobuf": (_sized(1, _sized(2, timed + _sized(2, b"\x4a\0" * (2 * _MIB)))), False),
    }


@pytest.mark.skipif(sys.platform != "linux", reason="it asks Linux for the most memory that a process had")
@pytest.mark.parametrize(
    "name",
    [
        "json",
        pytest.param("one span", marks=pytest.mark.slow),
        pytest.param("protobuf", marks=pytest.mark.slow),
        "one span of protobuf",
    ],
)
def test_small_parts_take_no_memory(served: Served, name: str) -> None:
    """A body takes a few times its size, whatever it is made of; a span of a million parts is left out, and said."""
    from pathlib import Path

    body, is_json = _hostile()[name]
    process = Path("/proc") / str(served.process.pid)
    kind = "application/json" if is_json else "application/x-protobuf"

    def most_bytes() -> int:
        lines = (process / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

    httpx.post(f"{served.url}/v1/traces", content=request(SPAN), headers={"content-type": "application/json"})
    httpx.get(f"{served.url}/traces")  # the store is open from now on
    (process / "clear_refs").write_text("5")  # counts anew
    before = most_bytes()
    said = httpx.post(f"{served.url}/v1/traces", content=body, headers={"content-type": kind}, timeout=60)
    assert said.status_code == 200
    assert most_bytes() - before < 20 * len(body)  # and no more for a larger one: it is that of a piece
    if name.startswith("one span"):
        assert b"more than 1,000,000 parts" in said.content


def test_a_body_that_is_wrong_at_its_end_writes_nothing(tmp_path: Path) -> None:
    """All of it or nothing, though it is read in pieces."""
    spans = [{**SPAN, "spanId": f"{n + 1:016x}", "name": "x" * 500} for n in range(2000)]
    body = request(*spans, {**SPAN, "spanId": "9"})
    with serving(tmp_path / "a.duckdb") as served:
        said = httpx.post(
            f"{served.url}/v1/traces", content=body, headers={"content-type": "application/json"}
        )
        assert said.status_code == 400
        good = httpx.post(
            f"{served.url}/v1/traces", content=request(*spans), headers={"content-type": "application/json"}
        )
        assert good.json() == {}
    client = PromptLog(tmp_path / "a.duckdb")
    assert client.sql("SELECT count(*) FROM spans").fetchall() == [(2000,)]
