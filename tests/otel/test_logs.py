"""Events and log records: messages, choices and evaluations."""

from __future__ import annotations

from typing import Any

import pytest

from promptlog.models.encode import encode
from promptlog.models.record import why_not_a_record
from promptlog.otel.mapping import log_record, span_record
from promptlog.otel.strings import DROPPED
from tests.otel.plain_spans import SPAN, START, TRACE, a_call, a_log, a_span, an_event, said

YO = said("yo", "assistant")
CALLS = [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
PARTS = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
#: Name, body, attributes; input and output.
SPOKEN: list[tuple[str, Any, dict[str, Any], list[Any] | None, list[Any] | None]] = [
    ("gen_ai.system.message", {"content": "be"}, {}, [said("be", "system")], None),
    ("gen_ai.system.message", {"role": "developer", "content": "be"}, {}, [said("be", "developer")], None),
    ("gen_ai.user.message", {"content": "hi"}, {}, [said("hi")], None),
    ("gen_ai.user.message", "hi", {}, [said("hi")], None),
    ("gen_ai.user.message", None, {"content": "hi"}, [said("hi")], None),
    ("gen_ai.user.message", None, {"gen_ai.user.message.content": "hi"}, [said("hi")], None),
    ("gen_ai.user.message", None, {"gen_ai.event.content": '{"role": "user", "content": "hi"}'}, [said("hi")], None),
    ("gen_ai.assistant.message", {"tool_calls": CALLS}, {}, [{"role": "assistant", "content": [], "tool_calls": CALLS}], None),
    ("gen_ai.tool.message", {"id": "c1", "content": "42"}, {}, [{**said("42", "tool"), "tool_call_id": "c1"}], None),
    ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yo"}}, {}, None, [YO]),
    ("gen_ai.choice", {"index": 0, "message": {"content": "yo"}, "tool_calls": CALLS}, {}, None, [{**YO, "tool_calls": CALLS}]),
    ("gen_ai.choice", {"message": "yo"}, {}, None, [YO]),
    ("gen_ai.choice", None, {"message": '{"content": "yo"}', "finish_reason": "stop", "index": 0}, None, [YO]),
    ("gen_ai.content.prompt", None, {"gen_ai.prompt": '[{"role": "user", "content": "hi"}]'}, [said("hi")], None),
    ("gen_ai.content.completion", None, {"gen_ai.completion": '[{"role": "assistant", "content": "yo"}]'}, None, [YO]),
    (
        "gen_ai.client.inference.operation.details", None,
        {"gen_ai.system_instructions": [{"type": "text", "content": "be"}], "gen_ai.input.messages": PARTS,
         "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "yo"}], "finish_reason": "stop"}]},
        [said("be", "system"), said("hi")], [YO],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "attributes", "given", "answered"), SPOKEN)
def test_what_was_said_is_read_off_logs(
    name: str, body: Any, attributes: dict[str, Any], given: list[Any] | None, answered: list[Any] | None
) -> None:
    """Messages in the body or in attributes, which are then not kept twice; the rest of them is."""
    record = log_record(
        a_log(name, body, **attributes, **{"gen_ai.system": "openai", "gen_ai.response.id": "r1"})
    )
    assert record is not None
    log = record["log"]
    assert (log.get("input"), log.get("output")) == (given, answered)
    assert (log["trace_id"], log["span_id"], log["time"], log["name"]) == (TRACE, SPAN, START + 500_000, name)
    assert log["response_id"] == "r1"
    assert log["attributes"].keys() <= {"gen_ai.system", "index"}
    assert record["source_time"] == START + 500_000
    assert why_not_a_record(encode({**record, "time": START})) is None
    assert log_record(a_log(name, body, **attributes), capture_content=False) is None


@pytest.mark.parametrize(
    ("name", "attributes", "given", "answered"),
    [(name, attributes, given, answered) for name, body, attributes, given, answered in SPOKEN if not body],
)
def test_what_was_said_is_read_off_the_events_of_a_span(
    name: str, attributes: dict[str, Any], given: list[Any] | None, answered: list[Any] | None
) -> None:
    """They are then events no more."""
    record = span_record(a_span(a_call(), events=[an_event(name, **attributes)]))
    assert record.get("input", {}).get("messages") == given
    assert record.get("output", {}).get("messages") == answered
    assert "events" not in record["span"]


def test_the_name_may_stand_in_an_attribute() -> None:
    """As it did before logs had names."""
    record = log_record(a_log(None, {"content": "hi"}, **{"event.name": "gen_ai.user.message"}))
    assert record is not None
    assert record["log"]["input"] == [said("hi")]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (None, "text"),
        ("something.else", {"content": "hi"}),
        ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"role": "assistant"}}),
        ("gen_ai.user.message", None),
        ("gen_ai.client.inference.operation.details", None),
        ("gen_ai.evaluation.result", None),
    ],
)
def test_a_log_that_tells_nothing_of_a_call_is_passed_over(name: str | None, body: Any) -> None:
    """An instrumentation that keeps content out sends the shells of messages."""
    assert log_record(a_log(name, body)) is None


EVALUATIONS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"name": "Relevance", "score.value": 4.2, "score.label": "good", "explanation": "on topic"}, {"score": 4.2, "label": "good", "explanation": "on topic"}),
    ({"name": "Relevance", "score.value": -1}, {"score": -1.0}),
    ({"name": "Relevance", "score.label": "pass"}, {"label": "pass"}),
    ({"name": "Relevance", "score.value": "0.5"}, {"score": 0.5}),
    ({"name": "Relevance", "score.value": True}, {"score": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), EVALUATIONS)
def test_an_evaluation_keeps_its_own_scale(given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Beside the call or in it, with content or without."""
    attributes = {f"gen_ai.evaluation.{key}": value for key, value in given.items()}
    for capture_content in (True, False):
        record = log_record(
            a_log("gen_ai.evaluation.result", None, **attributes, x=1), capture_content=capture_content
        )
        assert record is not None
        assert record["log"]["score"] == {"name": "Relevance", **expected}
        assert record["log"]["attributes"] == {"x": 1}
        call = span_record(
            a_span(a_call(), events=[an_event("gen_ai.evaluation.result", **attributes)]),
            capture_content=capture_content,
        )
        assert call["evaluations"] == {"Relevance": expected}
        assert "events" not in call["span"]


@pytest.mark.parametrize("value", [float("nan"), "NaN", "best", [1]])
def test_a_score_that_is_no_number_leaves_the_label(value: Any) -> None:
    """And is named."""
    attributes = {
        "gen_ai.evaluation.name": "r",
        "gen_ai.evaluation.score.value": value,
        "gen_ai.evaluation.score.label": "good",
    }
    record = log_record(a_log("gen_ai.evaluation.result", None, **attributes))
    assert record is not None
    assert record["log"]["score"] == {"name": "r", "label": "good"}
    assert record["log"]["attributes"][DROPPED][0].startswith("gen_ai.evaluation.score.value: ")


def test_an_evaluation_of_a_span_that_is_no_call_stays_its_event() -> None:
    """There is no request to give the score to."""
    events = [
        an_event(
            "gen_ai.evaluation.result",
            **{"gen_ai.evaluation.name": "r", "gen_ai.evaluation.score.value": 1.0},
        )
    ]
    record = span_record(a_span({"gen_ai.operation.name": "invoke_agent"}, events=events))
    assert record["span"]["events"][0]["name"] == "gen_ai.evaluation.result"


def test_logs_without_ids_wait_for_the_response_that_they_name() -> None:
    """An evaluation that is made later knows the response's id alone."""
    from dataclasses import replace

    log = replace(a_log("gen_ai.evaluation.result", None, **{"gen_ai.evaluation.score.value": 1.0, "gen_ai.response.id": "r"}), trace_id=None, span_id=None)  # fmt: skip
    record = log_record(log)
    assert record is not None
    assert record["log"].keys() == {"time", "name", "score", "response_id"}
    assert record["log"]["score"]["name"] == "default"
