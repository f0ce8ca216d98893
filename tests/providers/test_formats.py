"""Formats: a prompt becomes a call, an answer becomes a log, and a stored answer becomes the SDK's object again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_jsonable_python

from promptlog.errors import InvalidInputError
from promptlog.models.build import request_record
from promptlog.models.encode import encode
from promptlog.providers.chat import Chat
from promptlog.providers.messages import Messages
from promptlog.providers.protocol import Answer
from promptlog.providers.responses import Responses

if TYPE_CHECKING:
    from tests.wire import Wire

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def text(words: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": words}]


CALL = {"id": "call_7", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}
PROMPT: dict[str, Any] = {
    "type": "chat",
    "messages": [
        {"role": "system", "content": text("Be brief.")},
        {"role": "user", "content": text("How is Rome?")},
        {"role": "assistant", "content": [], "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_7", "content": text("sunny")},
        {"role": "user", "content": [*text("And this?"), {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
    ],
    "tools": [WEATHER],
}  # fmt: skip


def test_chat_request() -> None:
    """Text alone is a plain string; tools and their answers go as they are."""
    asked = Chat().request(PROMPT, "m", {"temperature": 0})
    assert asked == {
        "model": "m",
        "temperature": 0,
        "tools": [WEATHER],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How is Rome?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "call_7", "content": "sunny"},
            PROMPT["messages"][4],
        ],
    }


def test_messages_request() -> None:
    """Anthropic's: system apart, calls and results as blocks, an embedded image as its bytes, a limit always."""
    asked = Messages().request({**PROMPT, "tool_choice": "required"}, "c", {})
    assert asked == {
        "model": "c",
        "max_tokens": 4096,
        "system": "Be brief.",
        "tools": [
            {
                "name": "weather",
                "description": "The weather of a city.",
                "input_schema": WEATHER["function"]["parameters"],  # type: ignore[index]
            }
        ],
        "tool_choice": {"type": "any"},
        "messages": [
            {"role": "user", "content": "How is Rome?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "call_7", "name": "weather", "input": {"city": "Rome"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_7", "content": "sunny"}]},
            {
                "role": "user",
                "content": [
                    *text("And this?"),
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                ],
            },
        ],
    }  # fmt: skip


def test_responses_request() -> None:
    """OpenAI's responses: calls and results are items of their own, tools are flat."""
    asked = Responses().request(
        {**PROMPT, "tool_choice": {"type": "function", "function": {"name": "weather"}}}, "m", {}
    )
    assert asked["tool_choice"] == {"type": "function", "name": "weather"}
    assert asked["tools"][0]["name"] == "weather"
    assert asked["input"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "How is Rome?"},
        {"type": "function_call", "call_id": "call_7", "name": "weather", "arguments": '{"city": "Rome"}'},
        {"type": "function_call_output", "call_id": "call_7", "output": "sunny"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "And this?"},
                {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
            ],
        },
    ]


@pytest.mark.parametrize("kind", [Chat, Messages, Responses])
def test_what_was_asked_is_the_prompt_again(kind: type[Chat | Messages | Responses]) -> None:
    """The arguments of a call say the prompt they were made of: what a wrapper logs is what run logs."""
    asked = kind().asked(kind().request(PROMPT, "m", {"temperature": 0.5, "extra_headers": {"x": "secret"}}))
    assert asked.input["messages"] == PROMPT["messages"]
    assert asked.input["tools"] == [WEATHER]
    assert asked.model == "m"
    limit = {"max_tokens": 4096} if kind is Messages else {}
    assert asked.parameters == {"temperature": 0.5, **limit}


def test_a_completion_is_a_message_of_the_user() -> None:
    """A completion template can be said to a chat model."""
    prompt = {"type": "completion", "content": text("Once upon")}
    assert Chat().request(prompt, "m", {})["messages"] == [{"role": "user", "content": "Once upon"}]
    assert Messages().request(prompt, "m", {"max_tokens": 9})["max_tokens"] == 9


def test_results_of_one_turn_stand_in_one_message() -> None:
    """Anthropic wants all results of a turn together."""
    results = [{"role": "tool", "tool_call_id": str(i), "content": text(str(i))} for i in range(2)]
    said = Messages().request({"type": "chat", "messages": results}, "c", {})["messages"]
    assert [[block["tool_use_id"] for block in turn["content"]] for turn in said] == [["0", "1"]]


def test_arguments_that_are_no_json_are_named() -> None:
    """Anthropic takes a tool's input as an object."""
    call = {**CALL, "function": {"name": "weather", "arguments": "{"}}
    prompt = {"type": "chat", "messages": [{"role": "assistant", "content": [], "tool_calls": [call]}]}
    with pytest.raises(InvalidInputError, match="'weather' are no JSON"):
        Messages().request(prompt, "c", {})


CASES: dict[str, dict[str, Any]] = {
    "text": {},
    "cut short": {"limit": 2},
    "tools": {"tools": [WEATHER]},
    "thinking": {"thinks": True},
}


def _ask(wire: Wire, kind: type[Any], case: dict[str, Any], *, stream: bool) -> Any:
    prompt = {"type": "chat", "messages": PROMPT["messages"][:2], "tools": case.get("tools")}
    limit, thinks = case.get("limit"), case.get("thinks")
    answer: Any
    if kind is Messages:
        more = {"max_tokens": limit or 100, **({"thinking": {"type": "adaptive"}} if thinks else {})}
        with anthropic.Anthropic(base_url=wire.anthropic("cached=5&written=3"), api_key="k") as client:
            answer = client.messages.create(**kind().request(prompt, "c", more), stream=stream)
            return list(answer) if stream else answer
    with openai.OpenAI(base_url=wire.openai("cached=5&written=3"), api_key="k") as client:
        if kind is Chat:
            more = {"max_tokens": limit, **({"reasoning_effort": "low"} if thinks else {})}
            options: Any = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
            answer = client.chat.completions.create(**kind().request(prompt, "m", more), **options)
        else:
            more = {"max_output_tokens": limit, **({"reasoning": {"effort": "low"}} if thinks else {})}
            answer = client.responses.create(**kind().request(prompt, "m", more), stream=stream)
        return list(answer) if stream else answer


def _read(kind: type[Any], items: list[Any]) -> tuple[Answer, str]:
    reader = kind().reader()
    said = "".join([reader.add(item) for item in items])
    return reader.answer(), said


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", [Chat, Messages, Responses])
def test_an_answer_is_read_alike_plain_streamed_and_replayed(wire: Wire, kind: type[Any], case: str) -> None:
    """The SDK's object, its stream, and both made anew of what was stored all say the same answer."""
    plain, said = _read(kind, [_ask(wire, kind, CASES[case], stream=False)])
    streamed = _ask(wire, kind, CASES[case], stream=True)
    assert _read(kind, streamed) == (plain, said)
    assert plain.output is not None
    assert plain.finish_reason
    words = {
        "text": "You said: How is Rome?",
        "cut short": "You said:",
        "tools": "",
        "thinking": "You said: How is Rome?",
    }
    assert said == words[case]
    if case == "tools":
        called = plain.output["messages"][0]["tool_calls"][0]["function"]
        assert called == {"name": "weather", "arguments": '{"city": "How is Rome?"}'}
    if case == "thinking":
        assert plain.output["messages"][0]["content"][0]["thinking"] == "Let me think."
        assert plain.reasoning_tokens == 3
    assert plain.input_tokens == 5 + (8 if kind is Messages else 0)
    assert (plain.cached_tokens, plain.cache_write_tokens) == (5, None if kind is Chat else 3)

    raw = kind().raw(plain)
    again = kind().raw(plain, stream=True)
    assert type(raw).__module__.startswith(("openai.types", "anthropic.types"))
    assert {type(item) for item in again} <= {type(item) for item in streamed}
    assert _read(kind, [raw]) == (plain, said)
    assert _read(kind, again) == (plain, said)


def test_choices_are_messages(wire: Wire) -> None:
    """Each of several choices is a message of the output."""
    with openai.OpenAI(base_url=wire.openai(), api_key="k") as client:
        asked = Chat().request({"type": "chat", "messages": PROMPT["messages"][:2]}, "m", {"n": 3})
        whole = _read(Chat, [client.chat.completions.create(**asked)])
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        assert _read(Chat, list(client.chat.completions.create(**asked, **options))) == whole
    assert whole[0].output is not None
    assert len(whole[0].output["messages"]) == 3
    assert _read(Chat, Chat().raw(whole[0], stream=True)) == whole


def test_a_stream_that_broke_off_is_what_came(wire: Wire) -> None:
    """A reader knows at any time what it has; the count of tokens was still to come."""
    for kind in (Chat, Messages, Responses):
        chunks = _ask(wire, kind, {}, stream=True)
        at = next(i for i in range(len(chunks)) if _read(kind, chunks[:i])[1].startswith("You said: How"))
        partial, said = _read(kind, chunks[:at])
        assert said == "You said: How"
        assert partial.output == {"type": "chat", "messages": [{"role": "assistant", "content": text(said)}]}
        assert partial.output_tokens is None
        assert partial.finish_reason is None
    called = _ask(wire, Messages, {"tools": [WEATHER]}, stream=True)
    cut, _ = _read(Messages, called[:3])
    assert cut.output is not None
    assert cut.output["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"city": "Ho'


def test_a_reader_never_raises() -> None:
    """What cannot be read is passed over."""
    for kind in (Chat, Messages, Responses):
        reader = kind().reader()
        for odd in (
            None,
            7,
            [],
            {},
            {"choices": [None]},
            {"type": "content_block_delta"},
            {"type": "response.output_text.delta"},
            object(),
        ):
            reader.add(odd)
        reader.answer()


WORDS = st.text(min_size=1, max_size=30)
COUNT = st.none() | st.integers(0, 10**6)
CALLS = st.lists(
    st.builds(
        lambda id, name, given: {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(given, ensure_ascii=False)}},
        WORDS, WORDS, st.dictionaries(WORDS, st.integers() | WORDS | st.none(), max_size=2),
    ),
    max_size=2,
)  # fmt: skip


@st.composite
def answers(draw: st.DrawFn, ends: list[str]) -> Answer:
    """Return an answer as a store may hold it: thoughts, then words, then calls."""
    thought, said, calls = draw(st.none() | WORDS), draw(st.none() | WORDS), draw(CALLS)
    blocks = [{"type": "thinking", "thinking": thought, "signature": "s"}] if thought else []
    made: dict[str, Any] = {"role": "assistant", "content": [*blocks, *(text(said) if said else [])]}
    cached, written = draw(COUNT), draw(COUNT)
    return Answer(
        output={"type": "chat", "messages": [{**made, "tool_calls": calls} if calls else made]},
        model=draw(WORDS),
        input_tokens=(cached or 0) + (written or 0) + draw(st.integers(0, 99)),
        output_tokens=draw(st.integers(0, 99)),
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=draw(COUNT),
        finish_reason=draw(st.sampled_from(ends)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        (Chat, ["stop", "length", "tool_calls"]),
        (Messages, ["end_turn", "max_tokens", "tool_use"]),
        (Responses, ["completed", "max_output_tokens", "failed"]),
    ],
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_stored_answer_is_replayed_as_it_was(
    kind: type[Any], ends: list[str], data: st.DataObject
) -> None:
    """Whole and in pieces, the SDK's objects say what is stored; chat completions have no signature of a thought."""
    answer = data.draw(answers(ends))
    if kind is Chat and answer.output is not None:
        for block in answer.output["messages"][0]["content"]:
            block.pop("signature", None)
    assert _read(kind, [kind().raw(answer)])[0] == answer
    assert _read(kind, kind().raw(answer, stream=True))[0] == answer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, inner in pairs for found in _places(inner, (*path, key)))]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", [Chat, Messages, Responses])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_whatever_a_server_says_the_answer_is_logged(
    kind: type[Any], stream: bool, data: st.DataObject
) -> None:
    """Servers that speak almost as OpenAI's send odd things in odd places: a reader takes them, and so does the log."""
    answer = Answer(
        output={"type": "chat", "messages": [{"role": "assistant", "content": text("one two"), "tool_calls": [CALL]}]},
        model="m", input_tokens=3, output_tokens=4, cached_tokens=1, finish_reason="stop",
    )  # fmt: skip
    raw = kind().raw(answer, stream=stream)
    said = to_jsonable_python(raw if stream else [raw], by_alias=True)
    path = data.draw(st.sampled_from([p for p in _places(said) if p]))
    parent = said
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = data.draw(JSON)
    read, _ = _read(kind, said)
    times = {"request_start_time": 1, "request_end_time": 2}
    record: Any = request_record(
        provider="p", model="m", input=None, **{"output": None, **read.arguments(), **times}
    )
    encode(record)
