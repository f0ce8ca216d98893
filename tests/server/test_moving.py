"""A store moves into another through PromptLayer's API: what the server says of it, `import promptlayer` reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from promptlog import PromptLog
from promptlog.cli.app import app
from promptlog.otel import import_otlp
from promptlog.server.app import make_app

if TYPE_CHECKING:
    from pathlib import Path

BASE = "/api/public/v2"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TIMES = {"request_start_time": 1_767_225_600.25, "request_end_time": 1_767_225_601.123456}
COMMON: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "input": "Hi", "output": "Ho", **TIMES}
CALL = {"id": "1", "type": "function", "function": {"name": "oven", "arguments": "{}"}}
FULL: dict[str, Any] = {
    "input": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}], "parameters": {"temperature": 0.5},
    "tags": ["a", "b"], "metadata": {"user_id": "u1", "empty": ""}, "input_tokens": 0, "output_tokens": 4, "price": 0.0,
    "function_name": "f", "score": 0, "prompt_name": "cake", "prompt_version_number": 1, "api_type": "chat-completions",
    "prompt_input_variables": {"a": [1, {"b": 2}]}, "status": "WARNING", "error_type": "PROVIDER_PARTIAL_RESPONSE",
    "error_message": "m", "group_id": 7, "cached_tokens": 1, "cache_write_tokens": 2, "reasoning_tokens": 3, "finish_reason": "stop",
}  # fmt: skip
SPANS = [
    ("00f067aa0ba902b7", "", 1, {"promptlayer.metadata.shop": "north", "tag.tags": "kept", "function_output": "5"}),
    ("10f067aa0ba902b8", "00f067aa0ba902b7", 3, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.system": "openai"}),
]  # fmt: skip


def fill(client: PromptLog) -> None:
    """Log a request of each kind, a trace, and prompts."""
    cake = {"prompt_name": "cake", "metadata": {"model": {"provider": "openai", "name": "gpt-4o"}}}
    for text, label in (("A {a}", "old"), ("The {a}", "prod")):
        template = {"type": "completion", "content": text}
        client.templates.publish(cake | {"prompt_template": template, "release_labels": [label], "tags": ["k"]})  # fmt: skip
    first = client.log_request(**COMMON | FULL)["id"]
    assert first is not None
    client.track.score(first, 40, "tone")
    spoken = client.log_request(**COMMON | {"input": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]})["id"]  # fmt: skip
    assert spoken is not None
    client.track.prompt(spoken, "cake", {"a": 1}, label="prod")
    client.log_request(**COMMON | {"output": None, "error_type": "X"})
    client.log_request(**COMMON | {"input": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "{"}], "output": None})  # fmt: skip
    client.log_request(**COMMON | {"output": {"role": "assistant", "content": None, "tool_calls": [CALL]}})
    client.log_request(
        **COMMON | {part: {"type": "completion", "content": [{"type": "text", "text": part}]} for part in ("input", "output")}
    )  # fmt: skip
    client.log_request(**COMMON, input_tokens=0, output_tokens=0)
    client.log_request(**COMMON, prompt_id=77, prompt_version_number=3, replayed_from=first)
    spans = [
        {
            "traceId": TRACE, "spanId": id, "parentSpanId": parent, "name": id, "kind": kind, "startTimeUnixNano": "1767225600000001000",
            "endTimeUnixNano": "1767225601000000000", "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in told.items()],
            "events": [{"name": "e", "timeUnixNano": "1767225600500000000", "attributes": [{"key": "n", "value": {"intValue": "1"}}]}],
            "links": [{"traceId": TRACE, "spanId": id, "attributes": []}],
        }
        for id, parent, kind, told in SPANS
    ]  # fmt: skip
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    judged = {
        "traceId": TRACE, "spanId": SPANS[1][0], "timeUnixNano": "1767225601000000000", "eventName": "gen_ai.evaluation.result",
        "attributes": [
            {"key": "gen_ai.evaluation.name", "value": {"stringValue": "taste"}}, {"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": 0.5}},
            {"key": "gen_ai.evaluation.score.label", "value": {"stringValue": "good"}},
        ],
    }  # fmt: skip
    for kind, scope, part, records in (
        ("resourceSpans", "scopeSpans", "spans", spans),
        ("resourceLogs", "scopeLogs", "logRecords", [judged]),
    ):
        document = {kind: [{"resource": resource, scope: [{"scope": {"name": "lib"}, part: records}]}]}
        import_otlp(client, json.dumps(document), progress=False)


def said(client: PromptLog) -> list[Any]:
    """Return all that the server answers about a store, question by question."""
    with TestClient(make_app(client), base_url="http://localhost") as server:
        page = server.post(f"{BASE}/requests/search", json={"per_page": 1000}).json()
        requests = [server.get(f"{BASE}/requests/{one['id']}").json() for one in page["items"]]
        trace = server.get(f"{BASE}/traces/{TRACE}").json()
        listed = server.get("/prompt-templates").json()
        versions = [server.get("/prompt-templates/cake", params={"version": number}).json() for number in (1, 2)]  # fmt: skip
    return [page, *requests, trace, *versions, listed]


def whole(client: PromptLog) -> list[Any]:
    """Return what a store holds. When a request was logged is told to the microsecond, and kept one later."""
    requests = sorted(client.requests, key=lambda one: one.request_id)
    return [
        [one.model_dump(exclude={"logged_at"}) for one in requests],
        [one.model_dump() for one in client.trace(TRACE).spans],
        client.templates.versions("cake"),
    ]


@pytest.mark.parametrize("reverse", [False, True], ids=["", "reversed"])
def test_a_store_moves_whole(tmp_path: Path, reverse: bool) -> None:
    """Requests under their ids, with all that was set on them, the trace, the prompts: in whatever order the answers come."""
    source, target = PromptLog(tmp_path / "a.duckdb"), PromptLog(tmp_path / "b.duckdb")
    fill(source)
    answers = said(source)
    file = tmp_path / "all.jsonl"
    file.write_text("\n".join(json.dumps(one) for one in (answers[::-1] if reverse else answers)))
    before = whole(source)
    for client in (target, target, source):  # again, and into where it came from, it changes nothing
        done = CliRunner().invoke(app, ["--store", str(client.path), "import", "promptlayer", str(file)])
        assert done.exit_code == 0, done.output
        assert whole(client) == before
    third = {"prompt_name": "cake", "prompt_template": {"type": "completion", "content": "Third {a}"}}
    assert target.templates.publish(third)["version_number"] == 3
