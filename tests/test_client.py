"""The face: what a program that was written for PromptLayer meets."""

from __future__ import annotations

import asyncio
import threading
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import PromptLog, col, context, errors, foreign_request_id, meta
from tests.samples import START, request

if TYPE_CHECKING:
    from pathlib import Path


def test_the_seed_example(client: PromptLog) -> None:
    """Log, score, add metadata, find: PromptLayer's page, offline."""
    answer = client.log_request(**request(tags=["production"], metadata={"user_id": "user_123"}))
    assert answer["request_id"] == answer["id"]
    request_id = answer["request_id"]
    assert request_id is not None
    assert client.track.score(request_id=request_id, score=95) is True
    assert (
        client.track.metadata(request_id=request_id, metadata={"post_id": "2cef2345f", "user_id": "user_456"})
        is True
    )
    found = client.requests.filter(meta("user_id") == "user_456").first()
    assert found is not None
    assert found.request_id == request_id
    assert found.metadata == {"post_id": "2cef2345f", "user_id": "user_456"}
    assert found.scores == {"default": 95.0}
    assert found.tags == ["production"]
    assert (found.input_text, found.output_text) == ("How do I bake a cake?", "With flour.")
    assert (found.latency_ms, found.status) == (500.0, "SUCCESS")


def test_everything_that_can_be_tracked(client: PromptLog) -> None:
    """Each call of track and untrack is seen by the next question."""
    request_id = client.log_request(
        **request(tags=["a"], metadata={"k": "1", "gone": "x"}, score=10, group_id=3)
    )["id"]
    assert request_id is not None
    group = client.group.create()
    client.track.tags(request_id, ["b", "c"])
    client.track.score(request_id, 20, "quality")
    client.track.prompt(request_id, "cake", {"type": "Chocolate"}, version=2, label="prod")
    client.track.group(request_id, group)
    client.untrack.metadata(request_id, ["gone"])
    client.untrack.tags(request_id, "a")
    client.untrack.score(request_id)
    found = client.requests.get(request_id)
    assert (found.metadata, found.tags, found.scores) == ({"k": "1"}, ["b", "c"], {"quality": 20.0})
    assert (found.prompt_name, found.prompt_version, found.prompt_label) == ("cake", 2, "prod")
    assert (found.input_variables, found.group_id) == ({"type": "Chocolate"}, group)


def test_what_is_unset_is_none(client: PromptLog) -> None:
    """No count, price or score is made up: PromptLayer's own defaults of 0 would count."""
    client.log_request(**request(output=None))
    found = client.requests.first()
    assert found is not None
    assert (found.input_tokens, found.output_tokens, found.cost_usd, found.output) == (None, None, None, None)
    assert (found.scores, found.metadata, found.tags, found.prompt_name) == ({}, {}, [], None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (START, datetime.fromtimestamp(START, UTC)),
        (int(START), datetime.fromtimestamp(START, UTC)),
        ("2026-01-31T12:00:00", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00.000001+02:00", datetime(2026, 1, 31, 10, 0, 0, 1, tzinfo=UTC)),
        (
            datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=-5))),
            datetime(2026, 1, 31, 17, tzinfo=UTC),
        ),
    ],
)
def test_times(client: PromptLog, given: Any, expected: datetime) -> None:
    """A moment comes as seconds, text or datetime, and is kept to the microsecond in UTC."""
    client.log_request(**request(request_start_time=given, request_end_time=given))
    found = client.requests.first()
    assert found is not None
    assert found.start_time == expected
    assert uuid.UUID(found.request_id).int >> 80 == int(
        expected.timestamp() * 1000
    )  # version 7 carries the start


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("hi", [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]),
        ({"role": "tool", "tool_call_id": "1", "content": "4"},
         [{"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "4"}]}]),
        ([{"role": "user", "content": None}], [{"role": "user", "content": []}]),
        ({"type": "chat", "messages": [{"role": "user", "content": "hi"}]},
         [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]),
    ],
)  # fmt: skip
def test_content_becomes_a_blueprint(client: PromptLog, given: Any, kept: Any) -> None:
    """Text, a message, messages or a blueprint: what is kept is PromptLayer's shape, content in blocks."""
    client.log_request(**request(input=given))
    found = client.requests.first()
    assert found is not None
    assert found.input is not None
    assert found.input["messages"] == kept


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"metadata": {"user": 7}}, errors.InvalidMetadataError, "'user' is of type int"),
    ({"metadata": {7: "x"}}, errors.InvalidMetadataError, "key 7 is of type int"),
    ({"metadata": {"": "x"}}, errors.InvalidMetadataError, "empty"),
    ({"metadata": {"k" * 1025: "x"}}, errors.InvalidMetadataError, "1,025 characters; the limit is 1,024"),
    ({"metadata": [("a", "b")]}, errors.InvalidMetadataError, "dict"),
    ({"metadata": {"k": "\ud800"}}, errors.InvalidInputError, "metadata.k .*surrogate"),
    ({"tags": ["t" * 513]}, errors.InvalidTagError, "513 characters; the limit is 512"),
    ({"tags": [3]}, errors.InvalidTagError, "type int"),
    ({"score": 101}, errors.InvalidScoreError, "between 0 and 100"),
    ({"score": float("nan")}, errors.InvalidScoreError, "nan"),
    ({"score": True}, errors.InvalidScoreError, "bool"),
    ({"price": float("inf")}, errors.InvalidInputError, "price must be a finite number"),
    ({"parameters": {"t": [1, float("nan")]}}, errors.InvalidInputError, "parameters.t.1 is NaN"),
    ({"input": [{"role": "user", "content": [{"x": object()}]}]}, errors.InvalidInputError, "input.messages.0"),
    ({"input": {"text": "hi"}}, errors.InvalidInputError, "neither a prompt blueprint"),
    ({"input": b"hi"}, errors.InvalidInputError, "input"),
    ({"request_end_time": START - 1}, errors.InvalidTimeError, "before request_start_time"),
    ({"request_start_time": START * 1000}, errors.InvalidTimeError, "milliseconds"),
    ({"request_start_time": "yesterday"}, errors.InvalidTimeError, "ISO 8601"),
    ({"request_id": "chatcmpl-1"}, errors.InvalidRequestIdError, "foreign_request_id"),
    ({"request_id": 132}, errors.InvalidRequestIdError, "132"),
    ({"status": "OK"}, errors.InvalidInputError, "SUCCESS, WARNING, ERROR"),
    ({"input_tokens": -1}, errors.InvalidInputError, "input_tokens"),
    ({"input_tokens": 1.5}, errors.InvalidInputError, "float"),
    ({"provider": ""}, errors.InvalidInputError, "provider is empty"),
    ({"group_id": "x"}, errors.InvalidInputError, "group_id"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "kind", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_arguments_raise_and_write_nothing(
    client: PromptLog, changes: dict[str, Any], kind: type[Exception], message: str
) -> None:
    """A programmer's mistake is one clear error, a ValueError too, and leaves no trace."""
    with pytest.raises(kind, match=message) as caught:
        client.log_request(**request(**changes))
    assert isinstance(caught.value, errors.PromptLogError)
    assert isinstance(caught.value, ValueError)
    assert client.requests.count() == 0


def test_a_missing_argument_is_named_as_the_call(client: PromptLog) -> None:
    """Python's own error speaks of log_request."""
    with pytest.raises(TypeError, match=r"log_request\(\) missing"):
        client.log_request(provider="openai")  # type: ignore[call-arg]


def test_an_empty_metadata_is_no_write(client: PromptLog, tmp_path: Path) -> None:
    """Tracking nothing writes nothing, and still refuses an id that is none."""
    assert client.track.metadata(uuid.uuid4(), {}) is True
    assert not (tmp_path / "store.duckdb.journal").exists()
    with pytest.raises(errors.InvalidRequestIdError):
        client.track.metadata("nonsense", {})


def test_promptlayers_constructor_is_taken(tmp_path: Path) -> None:
    """A program's constructor call runs as it is; a key in the path's place is refused; a typo is named."""
    client = PromptLog(
        tmp_path / "a.duckdb", api_key="pl_0123456789abcdef0123", throw_on_error=False, enable_tracing=True
    )
    assert client.path == tmp_path / "a.duckdb"
    for key in ("pl_0123456789abcdef0123", "pl_abc123"):
        with pytest.raises(errors.InvalidInputError, match="API key"):
            PromptLog(key)
    with pytest.raises(errors.InvalidInputError, match="'durabilty'"):
        PromptLog(durabilty="fsync")
    with pytest.raises(errors.InvalidInputError, match="'process' or 'fsync'"):
        PromptLog(durability="disk")  # type: ignore[arg-type]


def test_where_the_store_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path given, else $PROMPTLOG_PATH, else the user's data folder."""
    monkeypatch.setenv("PROMPTLOG_PATH", str(tmp_path / "env.duckdb"))
    assert PromptLog().path == tmp_path / "env.duckdb"
    assert PromptLog(tmp_path / "given.duckdb").path == tmp_path / "given.duckdb"
    monkeypatch.delenv("PROMPTLOG_PATH")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert PromptLog().path.name == "promptlog.duckdb"
    assert tmp_path in PromptLog().path.parents


def test_context_adds_to_what_is_logged_inside(client: PromptLog) -> None:
    """Inner wins over outer, the call over both; outside nothing is added."""
    with context(metadata={"session": "s", "a": "outer"}, tags=["t"]):
        with context(metadata={"a": "inner", "b": "inner"}, tags=["u"]):
            inner = client.log_request(**request(metadata={"b": "own"}, tags=["own"]))["id"]
        outer = client.log_request(**request())["id"]
    outside = client.log_request(**request())["id"]
    assert inner is not None
    assert outer is not None
    assert outside is not None
    assert client.requests.get(inner).metadata == {"session": "s", "a": "inner", "b": "own"}
    assert client.requests.get(inner).tags == ["own", "t", "u"]
    assert client.requests.get(outer).metadata == {"session": "s", "a": "outer"}
    assert client.requests.get(outside).metadata == {}
    with pytest.raises(errors.InvalidMetadataError), context(metadata={"a": 1}):  # type: ignore[dict-item]
        pass


def test_contexts_of_tasks_and_threads_are_their_own(client: PromptLog) -> None:
    """Two tasks that take turns, and a thread beside them, never see each other's context."""

    async def chat(name: str) -> str | None:
        with context(metadata={"task": name}):
            await asyncio.sleep(0)
            return client.log_request(**request())["id"]

    async def both() -> list[str | None]:
        return list(await asyncio.gather(*(chat(str(number)) for number in range(20))))

    with context(metadata={"main": "yes"}):
        ids = asyncio.run(both())
        thread = threading.Thread(target=lambda: ids.append(client.log_request(**request())["id"]))
        thread.start()
        thread.join()
    found = [client.requests.get(str(request_id)).metadata for request_id in ids]
    assert found == [*({"main": "yes", "task": str(number)} for number in range(20)), {}]


def test_a_foreign_id_becomes_the_same_uuid_always(client: PromptLog) -> None:
    """Importing another system's request twice meets the same request; this UUID is written down for good."""
    first = foreign_request_id("openai", "chatcmpl-1")
    assert first == "510e7fa6-8c47-5a17-bc8f-aa5bcf8bb033"
    assert len({first, foreign_request_id("anthropic", "chatcmpl-1"), foreign_request_id("openai", 1)}) == 3
    client.log_request(**request(request_id=first))
    assert client.requests.get(uuid.UUID(first)).request_id == first


def test_tracking_what_was_not_logged_warns(client: PromptLog) -> None:
    """None is the id that log_request returns where the disk refused: the program goes on, and hears of it here."""
    with pytest.warns(errors.NotLoggedWarning, match="its request was not logged"):
        assert client.track.metadata(None, {"a": "b"}) is False
    with pytest.raises(errors.InvalidMetadataError):
        client.track.metadata(None, {"a": 1})  # type: ignore[dict-item]


def test_numbers_and_moments_of_other_packages(client: PromptLog) -> None:
    """What a frame gives back can be put in again, and compared with."""
    import numpy as np
    import pandas as pd

    naive = pd.Timestamp("2026-01-31 12:00")
    client.log_request(
        **request(
            request_start_time=naive, request_end_time=naive, input_tokens=np.int64(7), score=np.float32(3)
        )
    )
    found = client.requests.filter(col.input_tokens > np.int64(6), col.start_time >= naive).first()
    assert found is not None
    assert found.start_time == naive.to_pydatetime().astimezone(UTC)
    assert (found.input_tokens, found.scores) == (7, {"default": 3.0})
    with pytest.raises(errors.InvalidTimeError):
        client.log_request(**request(request_start_time=pd.NaT))


def test_an_error_is_an_error(client: PromptLog) -> None:
    """Who says what went wrong need not say that it did; who says otherwise is believed."""
    client.log_request(**request(error_message="boom"))
    client.log_request(**request(error_type="PROVIDER_TIMEOUT", status="WARNING"))
    assert sorted(found.status for found in client.requests) == ["ERROR", "WARNING"]
