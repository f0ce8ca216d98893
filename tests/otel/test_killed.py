"""Exporters in several processes, some of which are killed: a span that was acknowledged is there, once."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog
from tests.processes.support import Child

if TYPE_CHECKING:
    from pathlib import Path

EXPORT = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from promptlog.otel import PromptLogSpanExporter
exporter = PromptLogSpanExporter(PromptLog(ARGS[0]))
kept = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(kept))
tracer = provider.get_tracer("t")
CALL = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m", "pad": "x" * 500}
say("ready")
hear()
for _ in range(int(ARGS[1])):
    kept.clear()
    for _ in range(16):
        with tracer.start_as_current_span("root"), tracer.start_as_current_span("chat", attributes=CALL):
            pass
    batch = kept.get_finished_spans()
    assert exporter.export(batch) is SpanExportResult.SUCCESS
    for span in batch:  # said after it was acknowledged
        say(span.name, format(span.context.span_id, "016x"))
"""

MERGE = """
client = PromptLog(ARGS[0])
say("ready")
hear()
while True:
    client.merge()
"""


@pytest.mark.parametrize(("rounds", "batches"), [(1, 40), pytest.param(25, 200, marks=pytest.mark.slow)])
def test_four_export_and_one_is_killed(tmp_path: Path, rounds: int, batches: int) -> None:
    """Four processes export while a fifth merges; one of them is killed in the middle: no acknowledged span is lost or doubled, and each call is one request."""
    path = tmp_path / "s.duckdb"
    dice = random.Random(rounds)
    said: list[str] = []
    for _ in range(rounds):
        with ExitStack() as stack:
            merger = stack.enter_context(Child(MERGE, path))
            doomed, *others = [stack.enter_context(Child(EXPORT, path, batches)) for _ in range(4)]
            for child in (merger, doomed, *others):
                child.expect("ready")
            for child in (merger, doomed, *others):
                child.tell()
            said += [doomed.hear() for _ in range(1 + dice.randrange(300))]
            said += doomed.kill()
            for child in others:
                said += child.lines()
    with PromptLog(path) as client:
        spans = client.sql("SELECT name, span_id FROM spans").fetchall()
        found = {f"{name} {of}" for name, of in spans}
        calls = client.sql("SELECT count(*), count(DISTINCT span_id) FROM requests").fetchall()
    assert len(said) > rounds * batches * 32 * 3
    assert len(found) == len(spans)
    assert set(said) <= found, f"{len(set(said) - found)} of {len(said)} lost"
    assert len(found) <= len(set(said)) + 32 * rounds
    assert calls == [(sum(line.startswith("chat") for line in found),) * 2]
