"""What was logged and tracked is what is read: across the journal, the merge and the tables, letter for letter."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests import strategies as ours
from tests.property.bench import empty_store

if TYPE_CHECKING:
    from promptlog import PromptLog
    from promptlog.models.request import Request

#: What stands in a request under another name than the argument's.
_NAMES = {
    "price": "cost_usd",
    "request_start_time": "start_time",
    "request_end_time": "end_time",
    "prompt_version_number": "prompt_version",
    "prompt_input_variables": "input_variables",
}
_SPECIAL = {"score", "score_name", "tags", "metadata", "input", "output", "request_id"}

_logged = st.lists(ours.request_arguments(), min_size=1, max_size=4)


_deep: Any = {}
for _ in range(240):
    _deep = {"a": _deep}
_DEEP = {
    "provider": "p", "model": "m", "input": None, "output": {"role": "r", "content": [_deep]}, "parameters": _deep,
    "request_start_time": "2026-01-31", "request_end_time": "2026-01-31",
}  # fmt: skip


@settings(max_examples=60)
@given(logged=_logged)
@example(logged=[_DEEP])
def test_what_is_logged_is_what_is_read(client: PromptLog, logged: list[dict[str, Any]]) -> None:
    """`requests.get` gives back each argument of `log_request`, and no argument that is right is refused."""
    _logs_and_reads(client, logged)


@pytest.mark.slow
@settings(max_examples=500)
@given(logged=_logged)
def test_what_is_logged_is_what_is_read_at_length(client: PromptLog, logged: list[dict[str, Any]]) -> None:
    """The same law, over many more requests."""
    _logs_and_reads(client, logged)


def test_deep_json_that_says_nan_is_logged(client: PromptLog) -> None:
    """The letters NaN in a text are no number, however deep what stands beside them."""
    _logs_and_reads(client, [{**_DEEP, "provider": "NaN"}])


def _logs_and_reads(client: PromptLog, logged: list[dict[str, Any]]) -> None:
    empty_store(client)
    wanted: dict[str, dict[str, Any]] = {}
    for arguments in logged:
        request_id = client.log_request(**arguments)["request_id"]
        assert request_id
        wanted.setdefault(request_id, arguments)
    for request_id, arguments in wanted.items():
        if len(wanted) == len(logged):  # no id was drawn twice
            _agrees(client.requests.get(request_id), arguments)


def _agrees(found: Request, given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name not in _SPECIAL:
            _same(name, getattr(found, _NAMES.get(name, name)), value)
    if "request_id" in given:
        assert uuid.UUID(found.request_id) == uuid.UUID(str(given["request_id"]))
    assert found.metadata == (given.get("metadata") or {})
    given_tags = given.get("tags") or ()
    assert found.tags == sorted({given_tags} if isinstance(given_tags, str) else set(given_tags))
    assert found.scores == ({given.get("score_name", "default"): given["score"]} if "score" in given else {})
    assert _exact(_bare(found.input)) == _exact(_bare(given["input"], "user"))
    assert _exact(_bare(found.output)) == _exact(_bare(given["output"], "assistant"))


def _same(name: str, found: Any, given: Any) -> None:
    if name in ("request_start_time", "request_end_time"):
        assert found == _moment(given), name
    elif name == "price":  # a price is a float
        assert found == float(given)
    elif name == "prompt_id":
        assert found == str(given)
    elif name in ("parameters", "prompt_input_variables"):
        assert _exact(found) == _exact(given or None), name
    elif name == "function_name":
        assert found == (given or None)
    else:
        assert found == given, name


def _exact(value: Any) -> Any:
    """Tell 1, 1.0 and True apart, as JSON does."""
    if isinstance(value, dict):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return type(value).__name__, value


def _moment(given: Any) -> datetime:
    if isinstance(given, int):
        return datetime.fromtimestamp(given, UTC)
    moment = datetime.fromisoformat(given) if isinstance(given, str) else given
    assert isinstance(moment, datetime)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _bare(content: Any, role: str = "") -> Any:
    """Return content of any form as a blueprint."""
    if isinstance(content, str):
        content = {"role": role, "content": [{"type": "text", "text": content}]}
    if isinstance(content, dict) and "type" not in content:
        content = [content]
    return {"type": "chat", "messages": content} if isinstance(content, list) else content


_steps = st.lists(
    st.one_of(
        st.tuples(st.just("metadata"), ours.metadata),
        st.tuples(st.just("tags"), ours.tags),
        st.tuples(st.just("score"), st.tuples(ours.points, ours.keys() | st.none())),
        st.tuples(st.just("group"), ours.counts),
        st.tuples(st.just("merge"), st.none()),
        st.tuples(st.just("untrack metadata"), st.lists(st.integers(0, 9), max_size=3)),
        st.tuples(st.just("untrack tags"), st.lists(st.integers(0, 9), max_size=3)),
        st.tuples(st.just("untrack score"), st.integers(0, 9)),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(steps=_steps)
def test_what_is_tracked_is_what_is_read(client: PromptLog, steps: list[tuple[str, Any]]) -> None:
    """Calls of one process take effect in their order, wherever merges fall between them."""
    _tracks_and_reads(client, steps)


@pytest.mark.slow
@settings(max_examples=500)
@given(steps=_steps)
def test_what_is_tracked_is_what_is_read_at_length(client: PromptLog, steps: list[tuple[str, Any]]) -> None:
    """The same law, over many more stories."""
    _tracks_and_reads(client, steps)


def _tracks_and_reads(client: PromptLog, steps: list[tuple[str, Any]]) -> None:
    empty_store(client)
    logged = client.log_request(
        provider="p", model="m", input=None, output=None, request_start_time=1, request_end_time=2
    )
    request_id = str(logged["id"])
    metadata: dict[str, str] = {}
    tags: set[str] = set()
    scores: dict[str, float] = {}
    group: int | None = None
    for step, what in steps:
        if step == "metadata":
            assert client.track.metadata(request_id, what)
            metadata |= what
        elif step == "tags":
            assert client.track.tags(request_id, what)
            tags |= set(what)
        elif step == "score":
            assert client.track.score(request_id, *what)
            scores["default" if what[1] is None else what[1]] = what[0]
        elif step == "group":
            assert client.track.group(request_id, what)
            group = what
        elif step == "merge":
            client.merge()
        elif step == "untrack metadata":
            gone = _some_of(metadata, what)
            assert client.untrack.metadata(request_id, gone)
            metadata = {key: value for key, value in metadata.items() if key not in gone}
        elif step == "untrack tags":
            gone = _some_of(tags, what)
            assert client.untrack.tags(request_id, gone)
            tags -= set(gone)
        else:
            for name in _some_of(scores, [what]):
                assert client.untrack.score(request_id, name)
                del scores[name]
    found = client.requests.get(request_id)
    assert found.metadata == metadata
    assert found.tags == sorted(tags)
    assert found.scores == scores
    assert found.group_id == group


def _some_of(known: Any, places: list[int]) -> list[str]:
    names = sorted(known)
    return list(dict.fromkeys(names[place % len(names)] for place in places)) if names else []
