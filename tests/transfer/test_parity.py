"""One request, whichever door it comes by: a frame or file stores what `log_request` stores, or refuses it too."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from promptlog import PromptLog, errors
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path

SAME: list[dict[str, Any]] = [
    {"output": text}
    for text in ("[]", "{}", "[1]", '{"a": 1}', '{"role": "admin", "name": "Ann"}', '[{"role": "admin"}]', "NaN", " [", "")
] + [
    {"output": {"type": "completion", "content": "once upon"}},
    {"output": {"type": "completion", "content": [{"type": "text", "text": "a"}]}},
    {"output": {"type": "chat", "messages": [{"role": "assistant", "content": "a"}]}},
    {"output": {"type": "chat", "messages": [{"role": "assistant", "content": {"result": "42"}}]}},
    {"output": [{"role": "assistant", "content": {"result": "42"}}]},
    {"output": [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}]},
    {"output": {"role": "assistant", "content": "a"}},
    {"output": []},
    {"parameters": {}},
    {"parameters": {"temperature": 0.5, "stop": ["a"], "nested": {"a": None}}},
    {"parameters": None, "metadata": None, "tags": None, "score": None, "price": None, "status": None},
    {"metadata": {"a": "", "b": "null", "c": "{}", "d": "1.0"}},
    {"tags": []},
    {"tags": ["a", "b", "a"]},
    {"score": 0, "score_name": "zero"},
    {"prompt_id": 7},
    {"prompt_id": "seven"},
    {"prompt_input_variables": {"a": 1}},
    {"prompt_name": "only a name"},
    {"function_name": ""},
    {"price": 0},
    {"input_tokens": 0, "output_tokens": 2**62},
    {"request_start_time": "2026-01-31T12:00:00", "request_end_time": "2026-01-31T13:00:00+00:00"},
    {"request_start_time": datetime(2026, 1, 31, 12, tzinfo=UTC), "request_end_time": datetime(2026, 1, 31, 13, tzinfo=UTC)},
    {"request_start_time": datetime(2026, 1, 31, 12), "request_end_time": datetime(2026, 7, 31, 13)},  # noqa: DTZ001 - local
]  # fmt: skip

REFUSED: list[dict[str, Any]] = [
    {"output": {"type": "completion", "x": 1}},
    {"output": {"type": "chat", "messages": [{"content": "a"}]}},
    {"output": {"text": "a"}},
    {"output": [1]},
    {"parameters": [1, 2]},
    {"parameters": {"t": float("nan")}},
    {"parameters": {"t": [float("inf")]}},
    {"input_tokens": True},
    {"price": True},
    {"score": True},
    {"api_type": ""},
    {"error_type": ""},
    {"prompt_name": ""},
    {"prompt_id": ""},
    {"score": 1, "score_name": ""},
    {"tags": [1, 2]},
    {"metadata": {"a": None}},
    {"group_id": 1.5},
]


def _stored(client: PromptLog) -> dict[str, Any]:
    (found,) = client.requests
    return found.model_dump(exclude={"logged_at", "request_id"})


@pytest.fixture(autouse=True)
def _far_from_greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where local time is not UTC, so that one cannot pass for the other."""
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()


@pytest.mark.parametrize("changes", SAME, ids=lambda changes: json.dumps(changes, default=str)[:50])
def test_a_frame_stores_what_log_request_stores(changes: dict[str, Any], tmp_path: Path) -> None:
    """Value by value, for what is odd but right."""
    with PromptLog(tmp_path / "one.duckdb") as one, PromptLog(tmp_path / "frame.duckdb") as frame:
        one.log_request(**request(**changes))
        frame.log_many(pl.DataFrame([request(**changes)]))
        assert _stored(frame) == _stored(one)


@pytest.mark.parametrize("changes", REFUSED, ids=lambda changes: json.dumps(changes, default=str)[:50])
def test_a_frame_refuses_what_log_request_refuses(changes: dict[str, Any], client: PromptLog) -> None:
    """What is wrong is wrong by either door, and leaves nothing."""
    if "metadata" not in changes:  # a frame's struct has a null for each key that other rows have
        with pytest.raises(errors.InvalidInputError):
            client.log_many(pl.DataFrame([request(**changes)], strict=False))
    with pytest.raises(errors.InvalidInputError):
        client.log_request(**request(**changes))
    assert client.requests.count() == 0


def test_a_frame_as_dictionaries_and_lines(tmp_path: Path) -> None:
    """A frame with gaps is the same requests where its rows are dictionaries of pandas or polars, or lines of JSON."""
    frame = pl.DataFrame([
        {**request(), "input_tokens": 3, "price": 0.5, "metadata": {"user": "u", "error": None}, "metadata.plan": "pro"},
        {**request(), "input_tokens": None, "price": None, "metadata": {"user": "v", "error": "e"}, "metadata.plan": None},
    ])  # fmt: skip
    frame.write_ndjson(tmp_path / "a.jsonl")
    pandas = frame.to_pandas()
    assert str(pandas["input_tokens"].dtype) == "float64"
    pandas.to_json(tmp_path / "b.jsonl", orient="records", lines=True)
    sources = (frame, frame.to_dicts(), pandas.to_dict("records"), tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    stored = []
    for number, source in enumerate(sources):
        with PromptLog(tmp_path / f"{number}.duckdb") as client:
            assert client.log_many(source) == 2
            found = [one.model_dump(exclude={"logged_at", "request_id"}) for one in client.requests]
            stored.append(sorted(found, key=lambda one: one["metadata"]["user"]))
    assert stored[0][0]["metadata"] == {"plan": "pro", "user": "u"}
    assert [one["input_tokens"] for one in stored[0]] == [3, None]
    assert all(one == stored[0] for one in stored)


def test_csv_is_read_as_it_is_written(client: PromptLog, tmp_path: Path) -> None:
    """Quotes of one kind, lines within a field anywhere, fields of megabytes: nothing of the form is guessed."""
    head = "provider,model,input,output,request_start_time,request_end_time"
    rows = [f'p,m,\'quoted\',"say ""hi""",{START + n},{START + n}' for n in range(30_000)]
    rows += [f'p,m,"two\nlines","{"x" * 3_000_000}",{START + 40_000},{START + 40_000}']
    (tmp_path / "odd.csv").write_text("\n".join([head, *rows]) + "\n")
    assert client.log_many(tmp_path / "odd.csv") == 30_001
    last = client.requests.first()
    assert last is not None
    assert (last.input_text, len(last.output_text)) == ("two\nlines", 3_000_000)
    early = client.requests.sort("start_time").first()
    assert early is not None
    assert (early.input_text, early.output_text) == ("'quoted'", 'say "hi"')


def test_keys_that_differ_in_case_alone_are_not_renamed_silently(client: PromptLog, tmp_path: Path) -> None:
    """DuckDB would call the second `user_1`."""
    frame = pl.DataFrame([{**request(), "metadata.User": "a", "metadata.user": "b"}])
    frame.write_parquet(tmp_path / "case.parquet")
    frame.write_csv(tmp_path / "case.csv")
    for source in (frame, frame.to_pandas(), tmp_path / "case.parquet", tmp_path / "case.csv"):
        with pytest.raises(errors.InvalidInputError, match="differ in case alone"):
            client.log_many(source)
