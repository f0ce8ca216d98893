"""Messages of each vocabulary as the blueprint has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptlog.otel.mapping import span_record
from promptlog.otel.messages import messages, tools_of
from promptlog.otel.strings import as_text, parsed, unwrapped
from tests.otel.plain_spans import a_call, a_span, said


def call(name: str = "look", arguments: str = '{"a":1}', identity: str = "c1") -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


ASKED = {"role": "assistant", "content": [], "tool_calls": [call()]}
ANSWERED = {"role": "tool", "content": [{"type": "text", "text": "42"}], "tool_call_id": "c1"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
THOUGHT = {"type": "thinking", "thinking": "hm"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("hi", [said("hi")]),
        (["a", "b"], [said("a"), said("b")]),
        (None, []),
        ("", []),
        ([], []),
        (17, [said("17")]),
        ({"question": "why"}, [said('{"question":"why"}')]),
        ([{"question": "why"}], [said('[{"question":"why"}]')]),
        ('"wrapped"', [said("wrapped")]),
        # OpenTelemetry
        ([{"role": "user", "parts": [{"type": "text", "content": "hi"}]}], [said("hi")]),
        ([{"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1}}]}], [ASKED]),
        ([{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "42"}]}], [ANSWERED]),
        ([{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "result": 42}]}], [ANSWERED]),
        ([{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}]}], [{"role": "assistant", "content": [THOUGHT]}]),
        ([{"role": "user", "parts": [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": "QUJD"}]}], [{"role": "user", "content": [IMAGE]}]),
        (
            [{"role": "user", "parts": [{"type": "uri", "modality": "audio", "mime_type": "audio/wav", "uri": "http://x/a.wav"}]}],
            [{"role": "user", "content": [{"type": "media", "media": {"title": None, "type": "audio/wav", "url": "http://x/a.wav"}}]}],
        ),
        (
            [{"role": "user", "parts": [{"type": "file", "modality": "image", "file_id": "f1", "mime_type": None}]}],
            [{"role": "user", "content": [{"type": "media", "media": {"title": "f1", "type": "image", "url": "f1"}}]}],
        ),
        (
            [{"role": "assistant", "parts": [{"type": "server_tool_call", "id": "s", "name": "web", "server_tool_call": {"q": 1}}]}],
            [{"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "web", "input": {"q": 1}}]}],
        ),
        ([{"role": "assistant", "parts": [{"type": "refusal", "content": "no"}]}], [said("no", "assistant")]),
        ([{"role": "assistant", "parts": [{"type": "compaction", "id": "k"}]}], [{"role": "assistant", "content": [{"type": "compaction", "id": "k"}]}]),
        # OpenAI's chat
        ({"role": "user", "content": "hi", "name": "ann"}, [{**said("hi"), "name": "ann"}]),
        ({"messages": [{"role": "user", "content": "hi"}], "tools": [], "model": "m"}, [said("hi")]),
        ({"choices": [{"index": 0, "message": {"role": "assistant", "content": "yo"}}]}, [said("yo", "assistant")]),
        ([{"role": "assistant", "content": None, "tool_calls": [call(arguments='{"a":1}')]}], [ASKED]),
        ([{"role": "tool", "tool_call_id": "c1", "content": "42"}], [ANSWERED]),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}]}], [{"role": "user", "content": [IMAGE]}]),
        ([{"role": "assistant", "content": None, "refusal": "no"}], [said("no", "assistant")]),
        # OpenAI's responses
        ({"input": "hi", "instructions": "be", "model": "m"}, [said("be", "system"), said("hi")]),
        ([{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}], [said("hi")]),
        ([{"type": "function_call", "call_id": "c1", "id": "fc", "name": "look", "arguments": '{"a":1}'}], [ASKED]),
        ([{"type": "function_call_output", "call_id": "c1", "output": "42"}], [ANSWERED]),
        ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}], [{"role": "assistant", "content": [THOUGHT]}]),
        # Anthropic
        (
            {"system": "be", "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}]}]},
            [said("be", "system"), {"role": "user", "content": [IMAGE]}],
        ),
        ([{"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"a": 1}}]}], [ASKED]),
        ([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "42"}, {"type": "text", "text": "hi"}]}], [ANSWERED, said("hi")]),
        ([{"role": "assistant", "content": [{**THOUGHT, "signature": "s"}]}], [{"role": "assistant", "content": [{**THOUGHT, "signature": "s"}]}]),
        # Gemini
        ({"contents": [{"role": "model", "parts": [{"text": "yo"}]}]}, [said("yo", "assistant")]),
    ],
)  # fmt: skip
def test_messages_of_any_shape(given: Any, expected: list[dict[str, Any]]) -> None:
    """The same as JSON text and as it is."""
    assert messages(given, "user") == expected
    if not isinstance(given, str):
        assert messages(json.dumps(given), "user") == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"type": "function", "function": {"name": "look"}},
            {"type": "function", "function": {"name": "look"}},
        ),
        (
            {"name": "look", "description": "d", "input_schema": {"type": "object"}},
            {
                "type": "function",
                "function": {"name": "look", "description": "d", "parameters": {"type": "object"}},
            },
        ),
        (
            {"type": "function", "name": "look", "parameters": '{"type": "object"}'},
            {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}},
        ),
        ({"type": "web_search_20250305", "name": "web"}, {"type": "web_search_20250305", "name": "web"}),
    ],
)
def test_tools_of_any_provider(given: Any, expected: Any) -> None:
    """OpenAI's shape; a tool of the provider's own stays as it is."""
    assert tools_of([given]) == [expected]
    assert tools_of(json.dumps(given)) == [expected]


def test_flattened_messages_are_put_together() -> None:
    """OpenInference's and Traceloop's numbered attributes, in the order of the numbers."""
    message = "llm.input_messages."
    attributes: dict[str, Any] = {f"{message}{at}.message.content": str(at) for at in (10, 9, 2, 0)}
    attributes |= {
        f"{message}0.message.role": "system",
        f"{message}2.message.contents.0.message_content.type": "text",
        f"{message}2.message.contents.0.message_content.text": "see",
        f"{message}2.message.contents.1.message_content.image.image.url": "data:image/png;base64,QUJD",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.contents.0.message_content.type": "reasoning",
        "llm.output_messages.0.message.contents.0.message_content.text": "hm",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "look",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"a":1}',
        "llm.output_messages.1.message.function_call_name": "look",
        "llm.output_messages.1.message.function_call_arguments_json": '{"a":1}',
    }
    record = span_record(a_span(a_call(**attributes)))
    two = {"role": "user", "content": [{"type": "text", "text": "2"}, {"type": "text", "text": "see"}, IMAGE]}
    assert record["input"]["messages"] == [said("0", "system"), two, said("9"), said("10")]
    assert record["output"]["messages"] == [
        {**ASKED, "content": [THOUGHT]},
        {**ASKED, "tool_calls": [call(identity="")]},
    ]
    assert record["span"]["attributes"] == {"gen_ai.operation.name": "chat"}


def test_flattened_messages_of_promptlayers_agents() -> None:
    """Tool calls are JSON there, and thoughts a key of their own."""
    attributes = {
        "gen_ai.prompt.0.role": "tool", "gen_ai.prompt.0.tool_call_id": "c1", "gen_ai.prompt.0.content": "42",
        "gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.thinking": "hm", "gen_ai.completion.0.finish_reason": "tool_use",
        "gen_ai.completion.0.tool_calls": '[{"id": "c1", "type": "tool_call", "name": "look", "arguments": {"a": 1}}]',
    }  # fmt: skip
    record = span_record(a_span(a_call(**attributes)))
    assert record["input"]["messages"] == [ANSWERED]
    assert record["output"]["messages"] == [{**ASKED, "content": [THOUGHT]}]
    assert record["finish_reason"] == "tool_use"


def test_a_completion_is_text_and_not_a_chat() -> None:
    """PromptLayer's second kind of blueprint; embeddings have an input alone."""
    given = {"gen_ai.operation.name": "text_completion", "gen_ai.prompt": "Once", "gen_ai.completion": "upon"}
    record = span_record(a_span(given))
    assert record["input"] == {"type": "completion", "content": [{"type": "text", "text": "Once"}]}
    vector = {"embedding.embeddings.0.embedding.text": "hi", "embedding.embeddings.0.embedding.vector": [0.1]}
    record = span_record(a_span({"openinference.span.kind": "EMBEDDING", **vector}))
    assert record["input"]["messages"] == [said("hi")]
    assert "output" not in record
    assert record["span"]["attributes"]["embedding.embeddings.0.embedding.vector"] == [0.1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"), ("", ""), (True, "true"), (False, "false"), (3, "3"), (1.5, "1.5"), (None, "null"),
        (["a", 1, None], '["a",1,null]'), ({"a": "ü"}, '{"a":"ü"}'), (10**30, "1" + "0" * 30),
    ],
)  # fmt: skip
def test_the_rule_for_values_that_are_no_strings(value: Any, text: str) -> None:
    """All else is what JSON writes."""
    assert as_text(value) == text


def test_json_inside_text() -> None:
    """A JSON string is unwrapped, other text stays; what JSON or UTF-8 cannot hold becomes text that they can."""
    assert [unwrapped(given) for given in ('"acme"', "acme", '"', '"a" or "b"', "12", True)] == ["acme", "acme", '"', '"a" or "b"', "12", "true"]  # fmt: skip
    assert parsed('[NaN, -Infinity, "\\ud83d", {"\\ud83d": 1}]') == ["NaN", "-Infinity", "?", {"?": 1}]
    assert parsed("[" * 100_000) == "[" * 100_000
