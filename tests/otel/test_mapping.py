"""Spans as records: which are calls, what wins, what is repaired, what is kept out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlog.identifiers import span_request_id
from promptlog.models.encode import encode
from promptlog.models.record import why_not_a_record
from promptlog.otel.mapping import span_record
from promptlog.otel.strings import DROPPED
from promptlog.otel.table import TABLE
from tests.otel.plain_spans import SPAN, START, TRACE, a_call, a_span, an_event, said


@pytest.mark.parametrize(
    ("attributes", "api_type"),
    [
        ({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}, "chat-completions"),
        ({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai.responses"}, "responses"),
        ({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "openai.api.type": "responses"}, "responses"),
        ({"gen_ai.operation.name": "text_completion", "gen_ai.system": "openai"}, "completions"),
        ({"gen_ai.operation.name": "chat", "gen_ai.system": "anthropic"}, "messages"),
        ({"gen_ai.operation.name": "chat", "gen_ai.system": "aws.bedrock", "rpc.method": "Converse"}, "converse"),
        ({"gen_ai.operation.name": "generate_content", "gen_ai.system": "gcp.gemini"}, "generate-content"),
        ({"gen_ai.operation.name": "embeddings", "gen_ai.system": "openai"}, "embeddings"),
        ({"openinference.span.kind": "LLM", "llm.provider": "openai"}, "chat-completions"),
        ({"openinference.span.kind": "EMBEDDING"}, "embeddings"),
        ({"llm.request.type": "chat"}, "chat"),
        ({"langfuse.observation.type": "generation"}, "chat"),
        ({"node_type": "LLM_CALL", "gen_ai.provider.name": "openai.responses"}, "responses"),
        ({"node_type": "PROMPT_TEMPLATE", "gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic"}, "messages"),
        ({"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o"}, "chat-completions"),
        ({"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "gpt-4o", "gen_ai.system": "openai"}, None),
        ({"gen_ai.operation.name": "execute_tool"}, None),
        ({"gen_ai.operation.name": "retrieval", "gen_ai.request.model": "ada", "gen_ai.provider.name": "openai"}, None),
        ({"openinference.span.kind": "AGENT"}, None),
        ({"openinference.span.kind": "RERANKER", "gen_ai.request.model": "x", "gen_ai.system": "cohere"}, None),
        ({"llm.request.type": "rerank", "gen_ai.request.model": "x", "gen_ai.system": "cohere"}, None),
        ({"traceloop.span.kind": "workflow"}, None),
        ({"langfuse.observation.type": "span"}, None),
        ({"node_type": "CODE_EXECUTION"}, None),
        ({"http.request.method": "POST"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_calls_to_a_model_become_requests_and_no_other_span_does(
    attributes: dict[str, Any], api_type: str | None
) -> None:
    """The request says which interface was called; what is no call is a span and keeps every attribute."""
    record = span_record(a_span(attributes))
    if api_type is None:
        assert record["kind"] == "span"
        assert "request_id" not in record
        assert record["span"].get("attributes", {}) == attributes
    else:
        assert record["kind"] == "request"
        assert record["api_type"] == api_type
        assert record["request_id"] == span_request_id(TRACE, SPAN, START)


def test_a_request_that_is_logged_by_other_means_is_linked_and_not_made_again() -> None:
    """PromptLayer's SDK logs the request itself and says so on the span."""
    record = span_record(
        a_span(
            a_call(**{"promptlayer.request_log.managed": True, "promptlayer.request_log.span_id": "ef" * 8})
        )
    )
    assert record["kind"] == "span"
    assert record["span"]["managed_span_id"] == "ef" * 8
    assert record["span"]["attributes"]["gen_ai.operation.name"] == "chat"
    alone = span_record(a_span(a_call(**{"promptlayer.request_log.managed": "true"})))
    assert alone["kind"] == "span"


def test_a_failed_call_of_promptlayers_wrapper_is_a_request() -> None:
    """Its SDK logs what is answered by other means, and of what raises sends nothing but this span."""
    asked = {"model": "gpt-4o", "temperature": 0.5, "messages": [{"role": "user", "content": "Hi"}]}
    noted = {
        "provider": "openai",
        "function_name": "openai.OpenAI.chat.completions.create",
        "function_input": str({"args": (), "kwargs": asked}),
    }
    raised = an_event("exception", **{"exception.type": "openai.RateLimitError", "exception.message": "slow"})
    record = span_record(a_span(noted, status="ERROR", events=[raised]))
    assert record["kind"] == "request"
    told = [
        record[name]
        for name in ("provider", "model", "parameters", "status", "error_type", "error_message", "api_type")
    ]
    assert told == [
        "openai",
        "gpt-4o",
        {"temperature": 0.5},
        "ERROR",
        "PROVIDER_RATE_LIMIT",
        "slow",
        "chat-completions",
    ]
    assert record["span"]["events"][0]["attributes"]["exception.type"] == "openai.RateLimitError"
    assert record["input"]["messages"][0]["content"][0]["text"] == "Hi"
    hidden = span_record(a_span(noted, status="ERROR"), capture_content=False)
    assert (hidden["model"], "Hi" in str(hidden)) == ("gpt-4o", False)
    odd = noted | {"function_input": "{'args': (), 'kwargs': {'model': <object>}}"}
    kept = span_record(a_span(odd, status="ERROR"))
    assert kept["span"]["attributes"]["function_input"] == odd["function_input"]
    for other in (noted | {"function_output": "x"}, noted | {"function_name": "openai.OpenAI"}):
        assert span_record(a_span(other, status="ERROR"))["kind"] == "span"
    assert span_record(a_span(noted))["kind"] == "span"


@pytest.mark.parametrize(
    ("message", "error_type"),
    [
        ("Error code: 429 - The server was told to answer 429.", "PROVIDER_RATE_LIMIT"),
        ("Error code: 402 - pay", "PROVIDER_QUOTA_LIMIT"),
        ("Request timed out.", "PROVIDER_TIMEOUT"),
        ("Connection error.", "PROVIDER_ERROR"),
        ("Missing required arguments", "UNKNOWN_ERROR"),
    ],
)
def test_a_failed_call_of_promptlayers_awaited_wrapper_is_a_request(message: str, error_type: str) -> None:
    """The wrapper's span ended before the call; the instrumentation's stands beside it and says that it is logged elsewhere.

    Who runs a prompt is around the call still, and logs that it failed.
    """
    marked = {"promptlayer.request_log.managed": True, "promptlayer.request_log.span_id": "ef" * 8}
    failed: dict[str, Any] = {"status": "ERROR", "status_message": message}
    for around in (None, "ab" * 8):  # a program's own span may be around both
        record = span_record(a_span(a_call(**marked), parent_span_id=around, **failed))
        assert record["kind"] == "request"
        assert (record["status"], record["error_type"], record["error_message"]) == (
            "ERROR",
            error_type,
            message,
        )
    assert span_record(a_span(a_call(**marked), parent_span_id="ef" * 8, **failed))["kind"] == "span"
    assert span_record(a_span(a_call(**marked)))["kind"] == "span"
    beside = span_record(a_span(a_call(**{"promptlayer.request_log.managed": True}), **failed))
    assert beside["kind"] == "span"


@pytest.mark.parametrize(
    ("winner", "loser", "field"),
    [
        ("promptlayer.metadata.user_id", "user.id", "metadata.user_id"),
        ("promptlayer.metadata.conversation_id", "gen_ai.conversation.id", "metadata.conversation_id"),
        ("user.id", "enduser.id", "metadata.user_id"),
        ("user.id", "traceloop.association.properties.user_id", "metadata.user_id"),
        ("gen_ai.conversation.id", "session.id", "metadata.conversation_id"),
        ("promptlayer.prompt.name", "gen_ai.prompt.name", "prompt.name"),
        ("gen_ai.request.model", "gen_ai.response.model", "model"),
        ("llm.request.model_name", "llm.model_name", "model"),
        ("promptlayer.provider.type", "gen_ai.provider.name", "provider"),
        ("gen_ai.provider.name", "gen_ai.system", "provider"),
        ("gen_ai.request.seed", "gen_ai.openai.request.seed", "parameters.seed"),
    ],
)
@pytest.mark.parametrize("winner_first", [True, False])
def test_the_better_of_two_words_wins_and_the_other_stays(
    winner: str, loser: str, field: str, winner_first: bool
) -> None:
    """Whichever is set first; what lost stays in the attributes, unless it says the same."""
    order = [winner, loser] if winner_first else [loser, winner]
    record = span_record(a_span(a_call(**{name: "won" if name == winner else "lost" for name in order})))
    found: Any = record
    for part in field.split("."):
        found = found[part]
    assert found == "won"
    assert record["span"]["attributes"][loser] == "lost"
    assert winner not in record["span"]["attributes"]
    same = span_record(a_span(a_call(**dict.fromkeys(order, "same"))))
    assert same["span"]["attributes"] == {"gen_ai.operation.name": "chat"}


def test_a_named_key_wins_over_one_of_an_object_and_a_span_over_its_resource() -> None:
    """What the resource says counts from before the span, so that a span around the call wins over it too."""
    record = span_record(
        a_span(
            a_call(metadata='{"team": "json", "plan": "pro"}', **{"promptlayer.metadata.team": "named"}),
            resource={"promptlayer.metadata.team": "resource", "user.id": "service", "tag.tags": ["r"]},
        )
    )
    assert record["span"]["metadata"] == {"plan": "pro", "team": "named"}
    assert record["metadata"] == {"team": "resource", "user_id": "service"}
    assert record["source_time"] < START
    assert record["tags"] == ["r"]
    alone = span_record(
        a_span(a_call(**{"user.id": "own"}), resource={"user.id": "service", "service.name": "s"}),
        inherit=False,
    )
    assert alone["metadata"] == {"user_id": "own"}
    assert alone["source_time"] == START
    assert "metadata" not in alone["span"]


def test_objects_of_two_vocabularies_add_up() -> None:
    """The first in the table wins a key, whichever is set first; what lost stays, unless it says the same."""
    objects = {"langfuse.trace.metadata": '{"a": 1, "b": 1}', "metadata": '{"b": 2, "c": 2}'}
    for order in (list(objects), list(reversed(objects))):
        record = span_record(a_span(a_call(**{name: objects[name] for name in order})))
        assert record["metadata"] == {"a": "1", "b": "1", "c": "2"}
        assert record["span"]["attributes"] == {
            "gen_ai.operation.name": "chat",
            "metadata": '{"b": 2, "c": 2}',
        }
    agreed = span_record(a_span(a_call(**{**objects, "metadata": '{"a": 1, "c": 2}'})))
    assert agreed["span"]["attributes"] == {"gen_ai.operation.name": "chat"}


@pytest.mark.parametrize("key", ["*", "<key>", "a.b", " "])
def test_any_text_is_a_key(key: str) -> None:
    """Also what the table writes for others, beside an object."""
    record = span_record(a_span(a_call(metadata='{"x": "y"}', **{f"promptlayer.metadata.{key}": "v"})))
    assert record["metadata"] == {"x": "y", key: "v"}


def test_without_inheritance_a_span_around_keeps_its_identity_in_its_attributes() -> None:
    """Nothing is handed down and nothing lost."""
    attributes = {"user.id": "ann", "tag.tags": ["a"], "langfuse.observation.type": "agent"}
    kept = span_record(a_span(attributes), inherit=False)["span"]
    assert kept["attributes"] == attributes
    assert "metadata" not in kept
    assert "tags" not in kept


def test_tags_of_all_vocabularies_add_up() -> None:
    """None twice."""
    tags = {"promptlog.tags": ["a", "b"], "tag.tags": ["b", "c"], "langfuse.trace.tags": ["d"]}
    assert span_record(a_span(a_call(**tags)))["tags"] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ({}, {"status": "SUCCESS"}),
        ({"status": "OK"}, {"status": "SUCCESS"}),
        ({"status": "ERROR", "status_message": "boom"}, {"status": "ERROR", "error_message": "boom"}),
        (
            {"status": "ERROR", "status_message": "Error code: 429 - slow down"},
            {"status": "ERROR", "error_type": "PROVIDER_RATE_LIMIT", "error_message": "Error code: 429 - slow down"},
        ),
        (
            {"status": "ERROR", "attributes": a_call(**{"http.response.status_code": 503})},
            {"status": "ERROR", "error_type": "PROVIDER_ERROR"},
        ),
        ({"attributes": a_call(**{"error.type": "timeout"})}, {"status": "ERROR", "error_type": "timeout"}),
        (
            {
                "status": "ERROR", "status_message": "RateLimitError: slow down",
                "events": [an_event("exception", **{"exception.type": "RateLimitError", "exception.message": "slow down"})],
            },
            {"status": "ERROR", "error_type": "RateLimitError", "error_message": "slow down"},
        ),
        ({"events": [an_event("exception", **{"exception.type": "Caught"})]}, {"status": "SUCCESS"}),
        (
            {"attributes": a_call(**{"langfuse.observation.level": "WARNING", "langfuse.observation.status_message": "w"})},
            {"status": "WARNING", "error_message": "w"},
        ),
    ],
)  # fmt: skip
def test_how_it_went(span: dict[str, Any], expected: dict[str, str]) -> None:
    """Status, type and message; an exception that was caught is no error, and each stays an event with its stack."""
    record = span_record(a_span(**({"attributes": a_call()} | span)))
    assert {
        key: record.get(key) for key in ("status", "error_type", "error_message") if key in record
    } == expected
    assert len(record["span"].get("events", ())) == len(span.get("events", ()))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        # OpenTelemetry, OpenInference: the whole includes its parts.
        ({"gen_ai.usage.input_tokens": 10, "gen_ai.usage.cache_read.input_tokens": 4}, (10, None, 4, None, None)),
        # Anthropic's own count, passed on, does not.
        (
            {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.cache_read.input_tokens": 4, "gen_ai.usage.cache_creation.input_tokens": 2},
            (9, None, 4, 2, None),
        ),
        # Langfuse's own parts add up.
        (
            {"langfuse.observation.usage_details": '{"input": 6, "output": 5, "total": 15, "input_cached_tokens": 3, "input_cache_creation": 1, "output_reasoning_tokens": 2}'},
            (10, 7, 3, 1, 2),
        ),
        # OpenAI's and Anthropic's, in Langfuse.
        (
            {"langfuse.observation.usage_details": '{"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}'},
            (10, 5, 4, None, 2),
        ),
        (
            {"langfuse.observation.usage_details": '{"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 1}'},
            (15, 5, 4, 1, None),
        ),
    ],
)  # fmt: skip
def test_tokens_have_one_meaning(attributes: dict[str, Any], expected: tuple[int | None, ...]) -> None:
    """Input includes what the cache gave and took, output includes reasoning, whatever the vocabulary's meaning is."""
    record = span_record(a_span(a_call(**attributes)))
    names = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
    assert tuple(record.get(name) for name in names) == expected


def test_a_total_that_is_the_sum_says_nothing_new() -> None:
    """It is kept where it differs."""
    counts = {"llm.token_count.prompt": 3, "llm.token_count.completion": 2}
    assert (
        "llm.token_count.total"
        not in span_record(a_span(a_call(**counts, **{"llm.token_count.total": 5})))["span"]["attributes"]
    )
    assert (
        span_record(a_span(a_call(**counts, **{"llm.token_count.total": 9})))["span"]["attributes"][
            "llm.token_count.total"
        ]
        == 9
    )


def test_openai_is_told_in_its_own_words() -> None:
    """Instrumentations that translate its words are translated back: what is replayed is what was called."""
    record = span_record(
        a_span(a_call(**{
            "gen_ai.provider.name": "openai", "gen_ai.request.stop_sequences": ["x"], "gen_ai.response.finish_reasons": ["tool_call"],
        }))
    )  # fmt: skip
    assert record["parameters"] == {"stop": ["x"]}
    assert record["finish_reason"] == "tool_calls"


def test_the_model_that_was_asked_for_is_found_among_the_parameters() -> None:
    """OpenInference names the one that answered, which stays in the attributes."""
    record = span_record(
        a_span({"openinference.span.kind": "LLM", "llm.model_name": "m-2024", "llm.invocation_parameters": '{"model": "m", "seed": 1}'})
    )  # fmt: skip
    assert record["model"] == "m"
    assert record["parameters"] == {"seed": 1}
    assert record["span"]["attributes"]["llm.model_name"] == "m-2024"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gen_ai.usage.input_tokens", -5),
        ("gen_ai.usage.input_tokens", 1 << 70),
        ("gen_ai.usage.input_tokens", 1.5),
        ("gen_ai.usage.input_tokens", "many"),
        ("gen_ai.usage.input_tokens", True),
        ("gen_ai.usage.input_tokens", [3]),
        ("llm.cost.total", "NaN"),
        ("llm.cost.total", -1.0),
        ("promptlayer.prompt.version", "v2"),
        ("promptlayer.prompt.version", 0),
        ("promptlayer.prompt.name", ""),
        ("metadata", "no json"),
        ("metadata", "[1]"),
        ("llm.invocation_parameters", "{truncated"),
        ("tag.tags", ["t" * 513]),
        ("tag.tags", ["", "t" * 513]),
        ("promptlayer.metadata." + "k" * 1025, "v"),
    ],
)
def test_a_value_that_does_not_fit_stays_an_attribute_and_is_named(name: str, value: Any) -> None:
    """It costs its own field alone."""
    record = span_record(a_span(a_call(**{name: value, "gen_ai.request.model": "gpt-4o", "user.id": "ann"})))
    assert (record["model"], record["metadata"]) == ("gpt-4o", {"user_id": "ann"})
    kept = record["span"]["attributes"]
    assert kept[name] == value
    (reason,) = kept[DROPPED]
    assert reason.startswith(name[:200] + ": ")
    encode(record)


def test_a_good_value_takes_the_place_of_a_bad_one() -> None:
    """A second vocabulary on the same span is a second chance."""
    record = span_record(a_span(a_call(**{"gen_ai.usage.input_tokens": -1, "llm.token_count.prompt": 7})))
    assert record["input_tokens"] == 7


@pytest.mark.parametrize(
    "content",
    [
        '[{"role": "user", "content": "half \\ud83d"}]',
        '[{"role": "user", "content": NaN}]',
        '[{"role": "user", "parts": [{"type": ["odd"], "content": 3}, null, 4]}]',
        '[{"role": {"odd": 1}, "content": {"odd": 1}, "tool_calls": [3, {"function": 4}]}]',
        '[{"role": "user"}, 5]',
        "[" * 5000,
        "{truncated",
        "",
        "17",
    ],
)
def test_odd_messages_cost_no_request(content: str) -> None:
    """Whatever stands there, the call is kept and can be written."""
    for name in (
        "gen_ai.input.messages",
        "langfuse.observation.output",
        "gen_ai.tool.definitions",
        "gen_ai.prompt.0.tool_calls",
    ):
        record = span_record(a_span(a_call(**{name: content, "gen_ai.request.model": "m"})))
        assert record["model"] == "m"
        encode(record)


def test_times_that_cannot_be_are_repaired() -> None:
    """An end before the start is the start; the calendar ends with 9999."""
    assert span_record(a_span(a_call(), end_us=START - 5))["end_time"] == START
    late = span_record(a_span(a_call(), start_us=1 << 62, end_us=1 << 63))
    assert late["start_time"] == late["end_time"] == late["span"]["end_time"] < 1 << 58


SECRET = "s3cr3t"


def test_content_is_kept_out_of_request_attributes_and_events() -> None:
    """No row's content, nor that of tools, retrieval, agents or events, is anywhere in the record."""
    from promptlog.otel.sorting import is_content_name
    from promptlog.otel.table import CONTENT, PARAMETERS

    numbered = {
        "llm.input_messages.": "0.message.content",
        "llm.prompts.": "0.prompt.text",
        "llm.tools.": "0.tool.json_schema",
    }
    names = [
        row.attribute
        + numbered.get(
            row.attribute, "0.content" if row.field[0] == "@" else "k" if row.attribute[-1] == "." else ""
        )
        for row in TABLE
    ]
    content = [name for name in names if is_content_name(name)]
    assert len(content) >= 22
    secret = dict.fromkeys([*content, *CONTENT], json.dumps([{"role": "user", "content": SECRET}]))
    events = [
        an_event("gen_ai.user.message", content=SECRET),
        an_event("gen_ai.choice", message=SECRET, finish_reason="stop"),
        an_event("gen_ai.content.prompt", **{"gen_ai.prompt": SECRET}),
        an_event("gen_ai.client.inference.operation.details", **{"gen_ai.input.messages": [{"role": "user", "parts": [SECRET]}]}),
        an_event("other", **{"input.value": SECRET, "kept": 1}),
    ]  # fmt: skip
    parameters = {
        "llm.invocation_parameters": json.dumps(
            {"seed": 1, "messages": [SECRET], "tools": [SECRET], "system": SECRET}
        )
    }
    for attributes in (a_call(**secret, **parameters), {**secret, "openinference.span.kind": "TOOL"}):
        record = span_record(a_span({**attributes, "user.id": "ann"}, events=events), capture_content=False)
        assert SECRET not in encode(record).decode()
        assert record["span"]["metadata"] == {"user_id": "ann"}
        assert {"name": "other", "time": events[0].time_us, "attributes": {"kept": 1}} in record["span"][
            "events"
        ]
        assert SECRET in encode(span_record(a_span(attributes, events=events))).decode()
    assert record["kind"] == "span"
    for name in ("llm.input_messages", "llm.prompts", "llm.tools.x", "llm.output_messages.0", *PARAMETERS):
        for value in (SECRET, [SECRET], f'{{"messages": "{SECRET}'):  # text cut off too
            for attributes in ({name: value}, a_call(**{name: value})):
                encoded = encode(span_record(a_span(attributes), capture_content=False)).decode()
                assert SECRET not in encoded
    both = dict.fromkeys(PARAMETERS, json.dumps({"messages": SECRET, "seed": 1}))
    both["llm.invocation_parameters"] = json.dumps({"messages": SECRET, "seed": 2})
    assert SECRET not in encode(span_record(a_span(a_call(**both)), capture_content=False)).decode()
    judged = an_event(
        "gen_ai.evaluation.result", **{"gen_ai.input.messages": SECRET}
    )  # neither score nor label
    assert (
        SECRET not in encode(span_record(a_span(a_call(), events=[judged]), capture_content=False)).decode()
    )
    call = span_record(a_span(a_call(**secret, **parameters), events=events), capture_content=False)
    assert call["finish_reason"] == "stop"
    assert call["parameters"] == {"seed": 1}
    assert "input" not in call


names = st.sampled_from([row.attribute for row in TABLE]) | st.text(max_size=8)
tails = st.sampled_from(
    [
        "",
        "0.message.content",
        "0.content",
        "1.message.tool_calls.0.tool_call.function.name",
        "k",
        "0",
        "0..",
        "x.y",
    ]
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "content", "parts", "type", "text", "tool_calls", "function", "id", "messages", "input", "x"]), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip
attributes_of_all_sorts = st.dictionaries(
    st.tuples(names, tails).map("".join), values | values.map(json.dumps), max_size=12
)


@given(
    attributes=attributes_of_all_sorts,
    resource=attributes_of_all_sorts,
    capture=st.booleans(),
    inherit=st.booleans(),
)
def test_no_span_is_refused(
    attributes: dict[str, Any], resource: dict[str, Any], capture: bool, inherit: bool
) -> None:
    """Whatever the attributes are, there is a record that the store takes."""
    for more in ({}, {"gen_ai.operation.name": "chat"}):
        events = [an_event("gen_ai.choice", **attributes), an_event("gen_ai.evaluation.result", **attributes)]
        record = span_record(
            a_span({**attributes, **more}, resource=resource, events=events),
            capture_content=capture,
            inherit=inherit,
        )
        assert why_not_a_record(encode({**record, "time": START})) is None


@given(attributes=attributes_of_all_sorts)
def test_the_same_span_is_the_same_record(attributes: dict[str, Any]) -> None:
    """Also when the order of its attributes differs: an export again changes nothing."""
    backwards = dict(reversed(attributes.items()))
    again = span_record(a_span(attributes))
    assert span_record(a_span(attributes)) == again
    assert span_record(a_span(backwards))["kind"] == again["kind"]


def test_a_span_keeps_what_it_is() -> None:
    """Ids, names, links, resource and scope; events keep their times."""
    given = a_span(
        {"http.route": "/"}, parent_span_id="aa" * 8, links=[{"trace_id": TRACE}], resource={"service.name": "s"}, scope="lib",
        status="ERROR", status_message="no", events=[an_event("retry", attempt=1)],
    )  # fmt: skip
    assert span_record(given) == {
        "kind": "span", "source_time": START,
        "span": {
            "trace_id": TRACE, "span_id": SPAN, "parent_span_id": "aa" * 8, "name": "chat gpt-4o", "kind": "CLIENT",
            "start_time": START, "end_time": START + 1_000_000, "status": "ERROR", "status_message": "no", "scope": "lib",
            "links": [{"trace_id": TRACE}], "resource": {"service.name": "s"}, "attributes": {"http.route": "/"},
            "events": [{"name": "retry", "time": START + 500_000, "attributes": {"attempt": 1}}],
        },
    }  # fmt: skip


def test_messages_as_attributes_go_before_events_and_these_before_raw_values() -> None:
    """The same words in a second place are not kept twice."""
    events = [
        an_event("gen_ai.user.message", content="event"),
        an_event("gen_ai.choice", message={"content": "yo"}),
    ]
    raw = {"input.value": "raw", "input.mime_type": "text/plain"}
    record = span_record(a_span(a_call(**raw, **{"gen_ai.prompt.0.content": "flat", "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"parts"}]}]'}), events=events))  # fmt: skip
    assert record["input"]["messages"] == [said("parts")]
    assert record["output"]["messages"] == [said("yo", "assistant")]
    assert record["span"]["attributes"] == {"gen_ai.operation.name": "chat"}
    assert "events" not in record["span"]
    record = span_record(a_span(a_call(**raw), events=events))
    assert record["input"]["messages"] == [said("event")]
    record = span_record(a_span(a_call(**raw)))
    assert record["input"]["messages"] == [said("raw")]
