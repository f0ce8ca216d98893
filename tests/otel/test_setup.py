"""One line sets a program up, in a process of its own: what it sets is global."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.processes.support import ROOT, run

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = """
from opentelemetry import _logs, trace
from promptlog import context, errors, otel
client = PromptLog(ARGS[0])

def names():
    say(*[name for (name,) in client.sql("SELECT name FROM spans ORDER BY start_time").fetchall()])
"""


def test_one_line(tmp_path: Path) -> None:
    """After it, what any tracer of the program ends can be asked for at once, content is asked of instrumentations, and a second call gives the same provider."""
    lines = run(
        BEGIN
        + """
provider = otel.setup(client, resource={"service.name": "shop"})
assert otel.setup(PromptLog(ARGS[0])) is provider is trace.get_tracer_provider()
assert _logs.get_logger_provider() is provider.logger_provider
with trace.get_tracer("t").start_as_current_span("one"):
    pass
names()
say(client.sql("SELECT resource->>'$.\\"service.name\\"' FROM spans").fetchall()[0][0])
say(os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"], os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"])
provider.shutdown()
with trace.get_tracer("t").start_as_current_span("late"):
    pass
names()
""",
        tmp_path / "s.duckdb",
    )
    assert lines == ["one", "shop", "SPAN_ONLY gen_ai_latest_experimental", "one"]


def test_another_provider_is_there(tmp_path: Path) -> None:
    """A program's own provider is not pushed aside: an error says how to add promptlog to it, and one can be made apart."""
    lines = run(
        BEGIN
        + """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
provider = TracerProvider()
trace.set_tracer_provider(provider)
try:
    otel.setup(client)
except errors.InvalidInputError as error:
    say(error)
apart = otel.setup(client, set_global=False, batch=True)
with apart.get_tracer("t").start_as_current_span("apart"):
    pass
assert apart.force_flush()
provider.add_span_processor(BatchSpanProcessor(otel.PromptLogSpanExporter(client)))
with trace.get_tracer("t").start_as_current_span("added"):
    pass
provider.force_flush()
names()
assert trace.get_tracer_provider() is provider
""",
        tmp_path / "s.duckdb",
    )
    assert "add_span_processor(BatchSpanProcessor(PromptLogSpanExporter(client)))" in lines[0]
    assert lines[1:] == ["apart added"]


def test_long_conversations(tmp_path: Path) -> None:
    """A span may have as many attributes as a long conversation has messages; where the environment sets a limit, what is left out is counted."""
    body = """
otel.setup(client)
with trace.get_tracer("t").start_as_current_span("s", attributes={f"m.{n}": "hi" for n in range(500)}):
    pass
rows = client.sql('''SELECT len(json_keys(attributes)), attributes->'promptlog.dropped_attributes'->>0 FROM spans''').fetchall()
say(rows[0])
"""
    assert run(BEGIN + body, tmp_path / "a.duckdb") == ["(500, None)"]
    limited = "os.environ['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT'] = '128'\n" + BEGIN + body
    assert run(limited, tmp_path / "b.duckdb") == [
        "(129, '372 others: left out by the program, over a limit of attributes')"
    ]


@pytest.mark.parametrize("batch", [True, False])
def test_what_a_program_leaves_at_its_end(tmp_path: Path, batch: bool) -> None:
    """A program that ends without a word has all its spans written, the batch that waits too."""
    body = f"""
tracer = otel.setup(client, batch={batch}).get_tracer("t")
for n in range(100):
    tracer.start_span("s").end()
"""
    run(BEGIN + body, tmp_path / "s.duckdb")
    assert run(BEGIN + "names()", tmp_path / "s.duckdb") == [" ".join(["s"] * 100)]


def test_spans_of_forked_workers(tmp_path: Path) -> None:
    """A provider that is made before a fork works in parent and children, each with a segment of its own."""
    body = """
tracer = otel.setup(client, batch=True).get_tracer("t")
tracer.start_span("parent").end()
for n in range(3):
    if not os.fork():
        tracer.start_span(f"child{n}").end()
        trace.get_tracer_provider().force_flush()
        os._exit(0)
for n in range(3):
    assert os.wait()[1] == 0
tracer.start_span("last").end()
trace.get_tracer_provider().force_flush()
say(*sorted(name for (name,) in client.sql("SELECT name FROM spans").fetchall()))
"""
    assert run(BEGIN + body, tmp_path / "s.duckdb") == ["child0 child1 child2 last parent"]


@pytest.mark.parametrize(
    ("told", "environment", "kept"),
    [(None, None, True), (None, "true", True), (None, "EVENT_ONLY", True), (None, "false", False),
     (None, "NO_CONTENT", False), (False, "true", False), (True, "false", True)],
)  # fmt: skip
def test_who_decides_about_content(
    monkeypatch: pytest.MonkeyPatch, told: bool | None, environment: str | None, kept: bool
) -> None:
    """The argument, else OpenTelemetry's variable, else what is sent is kept."""
    from promptlog.otel.encoding import CAPTURE, captures_content

    monkeypatch.delenv(CAPTURE, raising=False)
    if environment is not None:
        monkeypatch.setenv(CAPTURE, environment)
    assert captures_content(told) is kept


def test_without_the_extra() -> None:
    """Where OpenTelemetry is not installed an error says what to install, and OTLP as JSON is read all the same."""
    code = """
import sys
sys.modules["opentelemetry"] = None
from promptlog import errors, otel
assert otel.read_otlp('{"resourceSpans": []}').spans == []
for name in ("setup", "PromptLogSpanExporter"):
    try:
        getattr(otel, name)
    except errors.MissingExtraError as error:
        print(error)
try:
    otel.read_otlp(b"\\n\\x00")
except errors.MissingExtraError as error:
    print(error)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = ran.stdout.splitlines()
    assert len(said) == 3
    assert all("pip install" in line and "'otel'" in line for line in said)
