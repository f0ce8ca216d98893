"""Whatever stands in a body or an address: an answer, and never a failure of the server's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from promptlog import PromptLog
from promptlog.server.app import make_app
from tests.server.test_search import BASE, one

if TYPE_CHECKING:
    from collections.abc import Iterator

NINES, ZEROS = "9" * 5000, "0" * 5000
TRACKED = {"function_name": "openai.responses.create", "request_start_time": 1, "request_end_time": 2}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    client = PromptLog(tmp_path_factory.mktemp("odd") / "a.duckdb")
    message = {"role": "user", "content": "A {x} cake"}
    called = {
        "role": "assistant",
        "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[" * 9000}}],
    }
    client.templates.publish(
        {"prompt_name": "cake", "prompt_template": {"type": "chat", "messages": [message, called]}}
    )
    said = {"role": "placeholder", "name": "said"}
    client.templates.publish({"prompt_name": "chat", "prompt_template": {"type": "chat", "messages": [said]}})
    with TestClient(make_app(client), base_url="http://localhost") as browser:
        yield browser


def sent(server: TestClient, path: str, body: Any) -> tuple[int, str]:
    """Return the status of what is answered and its text; what the server did not expect is raised here."""
    if body is None:
        answer = server.get(path)
    else:
        answer = server.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    return answer.status_code, answer.text


def chart(**parts: Any) -> dict[str, Any]:
    """Return the body of one chart."""
    return {
        "customCharts": [{"id": "a", "chartType": "bar", "metric": "sum", "metricField": "cost", **parts}]
    }


def filtered(*parts: Any) -> dict[str, Any]:
    """Return the body of one filter."""
    return {"filters": [one(*parts)]}


def saying(**message: Any) -> dict[str, Any]:
    """Return the body that asks for a prompt with this message in it."""
    return {"provider": "anthropic", "model": "m", "input_variables": {"said": [message]}}


SEARCH, CHARTS = f"{BASE}/search", f"{BASE}/analytics/custom-analytics"
RATIO = {"type": "ratio", "numeratorSeriesKey": [], "denominatorSeriesKey": "value"}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        # numbers as text
        (f"/prompt-templates?page={ZEROS}1", None, 200, '"page":1,'),
        (f"/prompt-templates?page={NINES}", None, 400, "page is a number"),
        ("/prompt-templates?page=²", None, 400, "page is a number"),
        (f"/prompt-templates/cake?version={NINES}", None, 422, "version"),
        ("/prompt-templates/cake", {"version": NINES}, 422, "version"),
        ("/library-track-prompt", {"request_id": 1, "prompt_name": "cake", "version": NINES}, 422, "version"),
        (f"/requests/new?logged_us={NINES}", None, 200, ""),
        (f"/prompts/one?name=cake&version={ZEROS}1", None, 200, "cake"),
        (f"/prompts/one?name=cake&version=000000001{NINES}", None, 200, "cake"),
        # filters
        (SEARCH, filtered("prompt_id", "is", "²"), 200, '"total":0'),
        (SEARCH, filtered("prompt_id", "is", NINES), 200, '"total":0'),
        (SEARCH, filtered("cost", "gt", 10**400), 400, "a number"),
        (SEARCH, filtered("engine", [], "x"), 400, "engine takes is"),
        (SEARCH, filtered("engine", {}, "x"), 400, "engine takes is"),
        (SEARCH, filtered("request_start_time", "is", "2023-13-45"), 400, "ISO 8601"),
        (SEARCH, filtered("request_start_time", "is", "9999-12-31"), 200, '"total":0'),
        (SEARCH, filtered("request_start_time", "is", "0001-01-01"), 400, "outside the years"),
        # charts
        (CHARTS, chart(metricField=[]), 400, "metricField: it is one of"),
        (CHARTS, chart(metric="count", metricField=5), 200, '"label":"count"'),
        (CHARTS, chart(metric=[]), 400, "metric: it is one of"),
        (CHARTS, chart(derivedInsights=[RATIO]), 400, "numeratorSeriesKey"),
        (CHARTS, chart(key="label"), 400, "'label' is what rows"),
        # texts that were cut within a character
        ("/create-group", {"\ud800": 1}, 422, "there is no field '\ufffd'"),
        (SEARCH, {"q": "\ud800"}, 200, '"total":0'),
        (SEARCH, {"\ud800": "\ud800"}, 422, "there is no field"),
        ("/track-request", {**TRACKED, "kwargs": {"input": "\ud800"}, "return_prompt_blueprint": True}, 200, "\ufffd"),
        # prompts
        ("/prompt-templates/cake", {"provider": True, "model": "m"}, 422, "provider must be a string"),
        ("/prompt-templates/cake", {"provider": [[]], "model": "m"}, 422, "provider must be a string"),
        ("/prompt-templates/cake", {"model": [1], "provider": "openai"}, 422, "model must be a string"),
        ("/prompt-templates/cake", {"model_parameter_overrides": True}, 422, "model_parameter_overrides must"),
        ("/prompt-templates/cake?model_parameter_overrides=x", None, 422, "model_parameter_overrides must"),
        ("/prompt-templates/cake", {"provider": "anthropic", "model": "m"}, 422, "are no JSON"),
        ("/prompt-templates/chat", saying(role=["x"], content="y"), 200, '"llm_kwargs":{'),
        ("/prompt-templates/chat", saying(role="user", content=[{"type": {}, "image_url": "x"}]), 200, '"llm_kwargs":{'),
        # what the SDK saw
        ("/track-request", {**TRACKED, "kwargs": {"input": [{"type": []}]}}, 200, "request_id"),
        ("/track-request", {**TRACKED, "function_name": "messages", "kwargs": {"extra_body": 5}}, 200, "request_id"),
    ],
)  # fmt: skip
def test_odd_values_are_answered(server: TestClient, path: str, body: Any, status: int, said: str) -> None:
    """With what fits them, or with what is wrong about them."""
    answered, text = sent(server, path, body)
    assert (answered, said in text) == (status, True), text[:300]


def test_a_place_far_behind_fills_no_memory(server: TestClient) -> None:
    """An event that names the two thousand millionth part of an answer is one part more."""
    delta = {"type": "response.output_text.delta", "content_index": 2**31, "delta": "Take flour"}
    body = {**TRACKED, "request_response": [delta], "return_prompt_blueprint": True}
    status, text = sent(server, "/track-request", body)
    assert (status, text.count("Take flour")) == (200, 1)


def test_half_a_character_is_one_that_is_missing(server: TestClient) -> None:
    """What JavaScript leaves of a text that it cuts is logged; whole pairs and written-out escapes stay."""
    log = {"provider": "p", "model": "m", "input": "i", "request_start_time": 1, "request_end_time": 2}
    body = json.dumps({**log, "output": "o", "metadata": {"k": "HERE"}})
    body = body.replace("HERE", r"\ud83d \ud83d\ude00 \\ud83d \ude00")
    headers = {"content-type": "application/json"}
    told = server.post("/log-request", content=body, headers=headers).json()
    read = server.get(f"{BASE}/{told['id']}").json()
    assert read["metadata"] == {"k": "\ufffd \U0001f600 \\ud83d \ufffd"}


def test_many_unknown_prompts_are_looked_up_once(server: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """One question lists the prompts once, however many numbers it has."""
    from promptlog.prompts.templates import Templates

    listed: list[int] = []
    every = Templates.all

    def counted(self: Templates, *args: Any) -> Any:
        listed.append(1)
        return every(self, *args)

    monkeypatch.setattr(Templates, "all", counted)
    status, _ = sent(server, SEARCH, filtered("prompt_id", "in", list(range(1, 50))))
    assert (status, len(listed)) == (200, 1)


def test_stored_json_with_half_a_character_is_shown_as_text(server: TestClient) -> None:
    """A text may be JSON that writes half a character; no page can, and none fails for it."""
    half = '{"said": "\\ud83d"}'
    log = {"provider": "p", "model": "m", "request_start_time": 1, "request_end_time": 2}
    called = {"id": "1", "type": "function", "function": {"name": "look", "arguments": half}}
    said = [{"role": "assistant", "content": None, "tool_calls": [called]}]
    trace_id = "0123456789abcdef" * 2
    status, told = sent(server, "/log-request", {**log, "input": half, "output": said, "trace_id": trace_id})
    assert status == 201
    span = {
        "name": "s", "context": {"trace_id": trace_id, "span_id": "0123456789abcdef"}, "kind": "SpanKind.INTERNAL",
        "start_time": 1, "end_time": 2, "status": {"status_code": "StatusCode.OK"}, "attributes": {"said": half},
    }  # fmt: skip
    assert sent(server, "/spans-bulk", {"spans": [span]})[0] == 201
    request_id = json.loads(told)["id"]
    for path in (f"/requests/{request_id}", "/", f"/traces/{trace_id}/spans/0123456789abcdef"):
        status, text = sent(server, path, None)
        assert status == 200, path
        assert "\\ud83d" in text, path
