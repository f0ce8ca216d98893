"""Attributes of spans: whatever they are, exporting keeps the span and what is good of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export import SpanExportResult
from pydantic_core import from_json

from promptlog import PromptLog
from promptlog.models.record import why_not_a_record
from promptlog.otel import PromptLogSpanExporter
from tests.otel.sdk_spans import span
from tests.processes.support import paths_of

if TYPE_CHECKING:
    from pathlib import Path

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters()),
    st.binary(),
    st.just(object()),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip


@given(st.lists(st.dictionaries(st.text(st.characters(), max_size=5), values, max_size=5), max_size=4))
def test_whatever_attributes_hold(folder: Path, given_attributes: list[dict[str, Any]]) -> None:
    """Whatever the attributes are, exporting raises nothing, each span becomes a line that the journal's reader takes, and its good ones are there."""
    with PromptLog(folder / "any.duckdb") as client:
        exporter = PromptLogSpanExporter(client)
        batch = [span("s", {"good": 1, **some}, number=n) for n, some in enumerate(given_attributes, 1)]
        assert exporter.export(batch) is SpanExportResult.SUCCESS
        segments = paths_of(client.path).segments
        lines = (
            [line for file in segments.iterdir() for line in file.read_bytes().splitlines()] if batch else []
        )
        for file in segments.iterdir() if batch else ():
            file.unlink()
    assert len(lines) == len(given_attributes)
    for line, some in zip(lines, given_attributes, strict=True):
        assert why_not_a_record(line) is None
        if "good" not in some:
            assert from_json(line)["span"]["attributes"]["good"] == 1
    assert exporter.lost_records == 0
