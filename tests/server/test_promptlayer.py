"""The real `promptlayer` 1.5.16, unmodified, with `base_url` at our server; then the store is asked by Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from promptlog import PromptLog, foreign_request_id
from promptlog.identifiers import prompt_id
from tests.server.sdk import LOGGED
from tests.server.support import serving, wait_until
from tests.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from promptlog import Request
    from tests.server.support import Served

SAID = "You said: A plum cake"  # what the loopback model answers


@dataclass(frozen=True)
class Ran:
    """What a program's calls returned, and the store that they wrote."""

    found: dict[str, Any]
    client: PromptLog

    def request(self, name: str) -> Request:
        """Return the request that a call made."""
        return self.client.requests.get(self.found[name]["request_id"])


def ran(program: str, kind: str, store: Path) -> Ran:
    """Run a program of the SDK's in a process of its own, against a server in another, with a model in this one."""
    with Wire() as wire:
        providers = [
            f"--provider={name}={url}"
            for name, url in (("openai", wire.openai()), ("anthropic", wire.anthropic()))
        ]
        with serving(store, *providers) as served:
            command = [sys.executable, "-m", "tests.server.sdk", program, kind, served.url]
            env = os.environ | {"OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-test"}
            done = subprocess.run(command, check=False, capture_output=True, text=True, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    return Ran(json.loads(done.stdout), PromptLog(store))


def check_log_request_holds_what_was_sent(program: Ran) -> None:
    """Every argument of the SDK's log_request, and what was tracked on it later."""
    kept = program.request("log_request")
    assert kept.start_time == datetime.fromtimestamp(LOGGED["request_start_time"], UTC)
    assert kept.latency_ms == 1500
    for name in ("provider", "model", "input", "output", "parameters", "input_tokens", "output_tokens", "status", "error_type",
                 "error_message", "function_name", "prompt_name"):  # fmt: skip
        assert getattr(kept, name) == LOGGED[name], name
    assert kept.cost_usd == LOGGED["price"]
    assert kept.prompt_version == 1
    assert kept.input_variables == {"cake_type": "plum"}
    assert kept.tags == ["chat", "production"]
    assert kept.metadata == {
        "user_id": "user_456",
        "session_id": "sess_abc",
        "plan": "pro",
    }  # user_id was replaced
    assert kept.scores == {"default": 95, "tone": 40}
    assert program.found["log_request"]["id"] == kept.request_id
    version = program.found["log_request"]["prompt_version"]
    assert [one["role"] for one in version["prompt_template"]["messages"]] == ["user", "assistant"]
    assert version["metadata"]["model"]["parameters"] == LOGGED["parameters"]


def check_what_the_sdk_fills_in_is_not_known(program: Ran) -> None:
    """It sends 0 tokens, 0 dollars and a score of 0 where its caller said nothing."""
    kept = program.request("log_request_bare")
    assert (kept.input_tokens, kept.output_tokens, kept.cost_usd, kept.scores, kept.function_name) == (
        None,
        None,
        None,
        {},
        None,
    )


def check_every_track_call(program: Ran) -> None:
    """Prompt and group are set on a request that had none; the asynchronous SDK mixes up the arguments of one."""
    kept = program.request("log_request_bare")
    assert [program.found[name] for name in ("metadata", "score", "named_score", "prompt", "group")] == [
        True
    ] * 5
    assert (kept.prompt_name, kept.prompt_version, kept.input_variables) == (
        "cake/recipe",
        1,
        {"cake_type": "lemon"},
    )
    assert kept.group_id == program.found["group_id"]


def check_templates(program: Ran) -> None:
    """A prompt is published, found by its label and rendered, and listed."""
    assert program.found["publish"]["version_number"] == 1
    got = program.found["get"]
    assert got["prompt_template"]["messages"][1]["content"] == [{"type": "text", "text": "A plum cake"}]
    assert got["llm_kwargs"]["messages"][1] == {"role": "user", "content": "A plum cake"}
    assert [one["prompt_name"] for one in program.found["all"]] == ["cake-claude", "cake/recipe"]
    assert "no prompt 'nowhere'" in program.found["no_prompt"]


def check_what_there_is_not_is_said_at_once(program: Ran) -> None:
    """The SDK does not try again, which it waits 2 seconds for, and passes the sentence on."""
    said, seconds = program.found["workflow"]
    assert "promptlog runs no workflows" in said
    assert seconds < 2


RUNS = [
    ("run", "openai", "cake/recipe"),
    ("run_claude", "anthropic", "cake-claude"),
    ("stream", "openai", "cake/recipe"),
    ("stream_claude", "anthropic", "cake-claude"),
]


def check_run(program: Ran) -> None:
    """What ran is a request of its prompt and version, whole; its blueprint ends with the answer."""
    for name, provider, prompt in RUNS:
        kept = program.request(name)
        assert (kept.provider, kept.prompt_name, kept.prompt_version) == (provider, prompt, 1)
        assert (kept.output_text, kept.input_tokens, kept.output_tokens) == (SAID, 5, 5)
        assert kept.input_text == "You bake.\n\nA plum cake"
        assert kept.cost_usd is not None
        assert kept.tags == ["ran"]
        assert kept.input_variables == {"cake_type": "plum"}
        # Its stream does not send the metadata that the program gave: the SDK drops it.
        assert kept.metadata == ({} if "stream" in name else {"user_id": "u1"})
        last = program.found[name]["prompt_blueprint"]["prompt_template"]["messages"][-1]
        assert last["content"][0]["text"] == SAID


def check_run_in_a_group_and_one_that_fails(program: Ran) -> None:
    """The group is kept; the failure is a request with its kind of error."""
    assert program.request("run_grouped").group_id == program.found["group_id"]
    failed = program.client.search("status:error").first()
    assert failed is not None
    assert (failed.provider, failed.output, failed.prompt_name) == ("anthropic", None, "cake/recipe")
    assert failed.error_type == "UNKNOWN_ERROR"
    assert failed.error_message == program.found["failed_run"]


def check_wrappers(program: Ran) -> None:
    """`pl_tags` are tags, and the id that comes back is that of the request."""
    for name in ("openai", "anthropic"):
        kept = program.client.requests.get(program.found[name])
        assert (kept.provider, kept.tags, kept.output_text) == (name, ["wrapped"], "You said: Hi there")
        assert kept.input_text == "Hi there"


def check_a_wrong_id_is_refused_with_a_reason(program: Ran) -> None:
    """The SDK's error says what we said."""
    assert "request_id 'nonsense' is no UUID" in program.found["wrong_id"]


def check_nothing_else_was_written(program: Ran) -> None:
    """Each call is one request."""
    assert program.client.requests.count() == 10


CHECKS = [
    check_log_request_holds_what_was_sent,
    check_what_the_sdk_fills_in_is_not_known,
    check_every_track_call,
    check_templates,
    check_what_there_is_not_is_said_at_once,
    check_run,
    check_run_in_a_group_and_one_that_fails,
    check_wrappers,
    check_a_wrong_id_is_refused_with_a_reason,
    check_nothing_else_was_written,
]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_every_call_of_the_sdk(kind: str, tmp_path: Path) -> None:
    """What a whole program of the SDK's sent is what the store holds: `CHECKS` says what of it, one by one."""
    program = ran("calls", kind, tmp_path / "a.duckdb")
    for check in CHECKS:
        check(program)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_tracing(kind: str, tmp_path: Path) -> None:
    """A traced function, its tool and a run stand in one trace, under their names; so do the requests that were tracked."""
    found = ran("traced", kind, tmp_path / "a.duckdb")
    ((trace_id,),) = found.client.sql("SELECT trace_id FROM spans WHERE name = 'bake'").fetchall()
    spans = {span.name: span for span in found.client.trace(trace_id).spans}
    assert {"bake", "Tool: oven", "PromptLayer Run", "Prompt template fetch"} <= spans.keys()
    assert (
        spans["Tool: oven"].parent_span_id == spans["PromptLayer Run"].parent_span_id == spans["bake"].span_id
    )
    assert spans["Tool: oven"].attributes["function_output"] == "180 degrees"
    assert [call.request_id for call in spans["PromptLayer Run"].requests] == [found.found["run"]]
    (kept,) = found.client.search(f"trace_id:{trace_id} function_name:openai.chat.completions.create")
    assert (kept.request_id, kept.span_id) == (found.found["run"], spans["PromptLayer Run"].span_id)
    assert kept.metadata["shop"] == "north"  # of the span around it
    if kind == "sync":  # the wrapped client's call is a trace of its own
        wrapped = found.client.requests.get(found.found["openai"])
        assert wrapped.trace_id not in (None, trace_id)
        assert [span.span_id for span in found.client.trace(wrapped.trace_id).roots] == [wrapped.span_id]
    failed = {(one.model, one.input_text, one.error_message) for one in found.client.search("status:error")}
    # A set: an instrumentation that the SDK does not mark tells of the call once more.
    assert failed == ({("gpt-4o-mini", "Hi there", found.found["refused"])} if kind == "sync" else set())


def test_a_span_of_a_call_that_was_tracked_is_no_second_request(tmp_path: Path) -> None:
    """What the SDK marks as logged by other means is joined to that request, and hands it what the trace says."""
    with serving(tmp_path / "a.duckdb") as served:
        body = {
            "function_name": "openai.chat.completions.create", "provider_type": "openai", "args": [], "api_key": "pl_test",
            "kwargs": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}, "span_id": "00f067aa0ba902b7",
            "request_response": {"choices": [{"message": {"role": "assistant", "content": "Ho"}}]},
            "request_start_time": 1_767_225_600.0, "request_end_time": 1_767_225_601.0,
        }  # fmt: skip
        request_id = httpx.post(f"{served.url}/track-request", json=body).json()["request_id"]
        marked = {
            "promptlayer.request_log.managed": True,
            "promptlayer.request_log.span_id": "00f067aa0ba902b7",
            "gen_ai.operation.name": "chat",
        }
        spans = [
            span("00f067aa0ba902b7", "", {"promptlayer.metadata.shop": "north"}),
            span("00f067aa0ba902b8", "00f067aa0ba902b7", marked),
        ]
        sent = httpx.post(
            f"{served.url}/v1/traces", json={"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
        )
        assert sent.json() == {}
    client = PromptLog(tmp_path / "a.duckdb")
    (kept,) = client.requests
    assert kept.request_id == request_id
    assert kept.metadata == {"shop": "north"}
    assert [call.request_id for one in client.trace(TRACE).spans for call in one.requests] == [request_id]


TRACE = "0af7651916cd43dd8448eb211c80319c"


def span(id: str, parent: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a span of OTLP's JSON."""
    kinds = {bool: "boolValue", str: "stringValue"}
    return {
        "traceId": TRACE, "spanId": id, "parentSpanId": parent, "name": id, "kind": 1,
        "startTimeUnixNano": "1767225600000000000", "endTimeUnixNano": "1767225601000000000",
        "attributes": [{"key": key, "value": {kinds[type(value)]: value}} for key, value in attributes.items()],
    }  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("rest") / "a.duckdb") as server:
        yield server


ARGUMENTS = {
    "provider": "p", "model": "m", "input": "i", "output": "o",
    "request_start_time": "2026-01-01T00:00:00", "request_end_time": "2026-01-01T00:00:01Z",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "where", "said"),
    [
        ({"metadata": {"n": 3}}, ["body", "metadata"], "use str|pass str"),
        ({"tags": ["x" * 600]}, ["body", "tags"], "512"),
        ({"score": 101}, ["body", "score"], "between 0 and 100"),
        ({"input_tokens": -1}, ["body", "input_tokens"], "at least 0"),
        ({"prompt_version_number": 0}, ["body", "prompt_version_number"], "at least 1"),
        ({"request_end_time": 5}, ["body", "request_end_time"], "lies before"),
        ({"status": "FINE"}, ["body", "status"], "SUCCESS, WARNING, ERROR"),
        ({"input": {"a": 1}}, ["body", "input"], "neither a prompt blueprint"),
        ({"metdata": {}}, ["body", "metdata"], "did you mean 'metadata'"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_errors_have_promptlayers_shape_and_say_more(
    served: Served, change: dict[str, Any], where: list[str], said: str
) -> None:
    """422 names the field; nothing is written."""
    import re

    refused = httpx.post(f"{served.url}/log-request", json=ARGUMENTS | change)
    assert refused.status_code == 422
    (detail,) = refused.json()["detail"]
    assert detail["loc"] == where
    assert re.search(said, detail["msg"])
    assert refused.json()["success"] is False


def test_a_missing_field(served: Served) -> None:
    """Its name is said."""
    refused = httpx.post(f"{served.url}/log-request", json={"provider": "p"})
    assert refused.json()["detail"] == [
        {"loc": ["body", "model"], "msg": "field required", "type": "missing"}
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1]", b"\xff", b'{"a":' * 100_000],
    ids=["empty", "torn", "list", "bytes", "deep"],
)
def test_a_body_that_is_no_object(served: Served, content: bytes) -> None:
    """400, and why."""
    refused = httpx.post(
        f"{served.url}/log-request", content=content, headers={"content-type": "application/json"}
    )
    assert refused.status_code == 400
    assert refused.json()["success"] is False


def test_numbers_of_promptlayers_meet_what_was_imported_under_them(served: Served) -> None:
    """A program that kept 132 as a request's id goes on with it."""
    said = httpx.post(f"{served.url}/rest/track-metadata", json={"request_id": 132, "metadata": {"a": "b"}})
    assert said.json() == {"success": True, "message": "Metadata tracked successfully"}
    client = PromptLog(served.store)
    client.log_request(**ARGUMENTS, request_id=foreign_request_id("promptlayer", 132))  # type: ignore[arg-type]
    assert client.requests.get(foreign_request_id("promptlayer", 132)).metadata == {"a": "b"}


def test_the_name_of_a_prompt_that_is_told_by_its_number(served: Served) -> None:
    """It is found from when the prompt is published on; a store that is busy costs the name, and not the request."""
    url, client = f"{served.url}/log-request", PromptLog(served.store)
    template = {"prompt_name": "later", "prompt_template": {"type": "completion", "content": "x"}}
    number = prompt_id("later")
    before = httpx.post(url, json=ARGUMENTS | {"prompt_id": number}).json()["id"]
    client.templates.publish(template)
    tracked = {name: ARGUMENTS[name] for name in ("request_start_time", "request_end_time")}
    with client._store.lease("keeping others waiting"):
        for path, body in (
            ("/log-request", ARGUMENTS),
            ("/track-request", {**tracked, "function_name": "openai.chat.completions.create", "kwargs": {}}),
        ):
            said = httpx.post(f"{served.url}{path}", json=body | {"prompt_id": 132}, timeout=5)
            assert said.status_code in (200, 201)

    def named() -> bool:
        found = httpx.post(url, json=ARGUMENTS | {"prompt_id": number}).json()["id"]
        return client.requests.get(found).prompt_name == "later"

    wait_until(named)
    assert client.requests.get(before).prompt_id == str(number)
    assert client.requests.get(said.json()["request_id"]).prompt_id == "132"


def test_a_name_that_the_busy_store_did_not_tell_is_found_later(tmp_path: Path) -> None:
    """By the merge, also for what was logged by its number while another process had the store."""
    client = PromptLog(tmp_path / "a.duckdb")
    client.templates.publish(
        {"prompt_name": "known", "prompt_template": {"type": "completion", "content": "x"}}
    )
    number = prompt_id("known")
    times = {name: ARGUMENTS[name] for name in ("request_start_time", "request_end_time")}
    tracked = {**times, "function_name": "openai.chat.completions.create", "kwargs": {}, "prompt_id": number}
    ids = []
    with serving(tmp_path / "a.duckdb") as served, client._store.lease("keeping others waiting"):
        for path, body in (("/log-request", ARGUMENTS | {"prompt_id": number}), ("/track-request", tracked)):
            ids.append(httpx.post(f"{served.url}{path}", json=body, timeout=5).json()["request_id"])
        lines = b"".join(path.read_bytes() for path in client._store.paths.segments.iterdir())
        assert b'"known"' not in lines  # it was not known then
    assert [client.requests.get(id).prompt_name for id in ids] == ["known", "known"]


def test_an_id_is_found_as_soon_as_it_is_given_out(served: Served) -> None:
    """Answers may lag behind other processes, but who has an id from one of them asks for it in vain nowhere."""
    client, base = PromptLog(served.store), f"{served.url}/api/public/v2"
    for number in range(3):
        assert (
            httpx.post(f"{base}/requests/search", json={}).status_code == 200
        )  # it is up to date from now on
        trace = f"{number + 1:032x}"
        logged = client.log_request(**ARGUMENTS, trace_id=trace)["id"]  # type: ignore[arg-type]
        path = (f"{base}/traces/{trace}", f"{base}/requests/{logged}", f"{served.url}/requests/{logged}")[
            number
        ]
        assert httpx.get(path).status_code == 200


def test_a_key_where_one_is_set(tmp_path: Path) -> None:
    """In the header, as a bearer's or in the body, as the SDK's old calls have it; the pages stay open."""
    with serving(tmp_path / "a.duckdb", "--api-key", "pl_mine") as served:
        url = f"{served.url}/log-request"
        assert httpx.post(url, json=ARGUMENTS).status_code == 401
        assert httpx.post(url, json=ARGUMENTS, headers={"x-api-key": "pl_other"}).status_code == 401
        assert httpx.post(url, json=ARGUMENTS, headers={"x-api-key": "pl_mine"}).status_code == 201
        assert httpx.post(url, json=ARGUMENTS, headers={"authorization": "Bearer pl_mine"}).status_code == 201
        mixed = {"x-api-key": "any", "authorization": "Bearer pl_mine"}
        assert httpx.post(url, json=ARGUMENTS, headers=mixed).status_code == 201
        assert httpx.post(f"{served.url}/create-group", json={"api_key": "pl_mine"}).status_code == 200
        assert httpx.get(served.url).status_code == 200
        assert httpx.get(f"{served.url}/openapi").status_code == 200
