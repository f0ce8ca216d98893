"""`run` over the real SDKs and a real socket: what is sent, what comes back, what is logged, and what is refused."""

from __future__ import annotations

import asyncio
import copy
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from promptlog import AsyncPromptLog, PromptLog, context
from promptlog.errors import (
    InvalidInputError,
    InvalidMetadataError,
    InvalidTagError,
    MissingKeyError,
    PromptNotFoundError,
    TemplateError,
    UnusedVariableWarning,
)
from tests.processes.support import ROOT, run
from tests.prompts.both import CAKE, SAID, VARIABLES, Both

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.wire import Wire

#: The example at the top of PromptLayer's page on metadata, but for the import.
EXAMPLE = """
from promptlog import PromptLog as PromptLayer
promptlayer_client = PromptLayer()

response = promptlayer_client.run(
    prompt_name="cake-recipe",
    input_variables={"cake_type": "Chocolate", "serving_size": "8"},
    tags=["production", "recipe-feature"],
    metadata={"user_id": "user_123", "session_id": "sess_abc"},
)
promptlayer_client.track.score(request_id=response["request_id"], score=95)
promptlayer_client.track.metadata(request_id=response["request_id"], metadata={"post_id": "2cef2345f"})
"""


def test_promptlayers_example_runs_as_it_stands(tmp_path: Path, wire: Wire) -> None:
    """The page's example, its import changed, asks the model that the prompt names, and all that it says is kept."""
    path = tmp_path / "store.duckdb"
    client = PromptLog(path)
    client.templates.publish(
        {
            "prompt_name": "cake-recipe",
            "prompt_template": {
                "type": "chat",
                "messages": [{"role": "user", "content": "A {cake_type} cake for {serving_size}."}],
            },
            "metadata": {
                "model": {"provider": "openai", "name": "gpt-4o", "parameters": {"temperature": 0.2}}
            },
        }
    )
    environment = {
        **os.environ, "PROMPTLOG_PATH": str(path), "OPENAI_BASE_URL": wire.openai(), "OPENAI_API_KEY": "sk-test",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", EXAMPLE],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    (logged,) = client.requests
    assert logged.output_text == "You said: A Chocolate cake for 8."
    assert logged.metadata == {"user_id": "user_123", "session_id": "sess_abc", "post_id": "2cef2345f"}
    assert (logged.tags, logged.scores) == (["production", "recipe-feature"], {"default": 95.0})
    assert (logged.prompt_name, logged.prompt_version) == ("cake-recipe", 1)
    assert logged.input_variables == {"cake_type": "Chocolate", "serving_size": "8"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_all_of_a_run_is_logged(both: Both, provider: str, *, stream: bool) -> None:
    """Prompt, answer, tokens, parameters, metadata, tags, group and prompt link are there, of a stream too."""
    model = "gpt-4o" if provider == "openai" else "claude-haiku-4-5"
    with context(metadata={"experiment": "e1", "user_id": "outer"}, tags=["canary"]):
        both.run(
            prompt_release_label="prod", tags=["production"], metadata={"user_id": "u1"}, group_id=7, stream=stream,
            provider=provider, model=model, model_parameter_overrides={"max_tokens": 50, "temperature": 0.2},
        )  # fmt: skip
    logged = both.only()
    assert logged.status == "SUCCESS"
    assert (logged.provider, logged.model, logged.output_text) == (provider, model, SAID)
    assert [message["role"] for message in (logged.input or {})["messages"]] == ["system", "user"]
    assert logged.input_text == "You are a baker.\n\nA plum cake for 8"
    assert logged.parameters == {"max_tokens": 50, "temperature": 0.2}
    assert logged.metadata == {"experiment": "e1", "user_id": "u1"}
    assert (logged.tags, logged.group_id) == (["canary", "production"], 7)
    assert (logged.prompt_name, logged.prompt_version, logged.prompt_label) == ("cake-recipe", 1, "prod")
    assert (logged.input_variables, logged.replayed_from) == (VARIABLES, None)
    assert logged.finish_reason in ("stop", "end_turn")
    assert logged.input_tokens
    assert logged.output_tokens
    assert logged.cost_usd
    assert logged.latency_ms > 0
    (asked,) = both.wire.asked
    assert (asked.body["max_tokens"], asked.body["temperature"]) == (50, 0.2)
    assert asked.body["model"] == model


def test_an_answer_has_promptlayers_shape(both: Both) -> None:
    """The id, the SDK's own response, and the prompt with the answer after it."""
    from openai.types.chat import ChatCompletion

    answer = both.run()
    assert list(answer) == ["request_id", "raw_response", "prompt_blueprint"]
    assert answer["request_id"] == both.only().request_id
    assert isinstance(answer["raw_response"], ChatCompletion)
    blueprint = answer["prompt_blueprint"]
    assert [message["role"] for message in blueprint["prompt_template"]["messages"]] == [
        "system",
        "user",
        "assistant",
    ]
    assert blueprint["prompt_template"]["messages"][-1]["content"][0]["text"] == SAID
    assert blueprint["metadata"]["model"] == {
        "provider": "openai", "name": "gpt-4o", "parameters": {"max_tokens": 100}, "api_type": "chat-completions",
    }  # fmt: skip


def test_a_stream_gives_chunks_and_at_last_the_id(both: Both) -> None:
    """Each chunk is given on with its text; the last comes once more, with the id and the whole blueprint."""
    from openai.types.chat import ChatCompletionChunk

    *pieces, last = both.run(stream=True)
    assert all(
        isinstance(piece["raw_response"], ChatCompletionChunk) and piece["request_id"] is None
        for piece in pieces
    )
    contents = [piece["prompt_blueprint"]["prompt_template"]["messages"][0]["content"] for piece in pieces]
    assert "".join(block["text"] for content in contents for block in content) == SAID
    assert last["request_id"] == both.only().request_id
    assert last["raw_response"] is pieces[-1]["raw_response"]
    assert last["prompt_blueprint"]["prompt_template"]["messages"][-1]["content"][0]["text"] == SAID


def _echo(model: str, messages: list[dict[str, Any]], **parameters: Any) -> str:
    return f"{model} {messages[-1]['content']} {sorted(parameters)}"


def test_a_function_is_a_model(make: Callable[..., Both]) -> None:
    """Any callable answers under its name, whole and as a stream; whoever joins a stream's texts has them once."""
    both = make(providers={"local": _echo, "slow": lambda **_: iter(["a", "b", "c"])})
    said = "tiny A plum cake for 8 ['max_tokens']"
    assert both.run(provider="local", model="tiny")["raw_response"] == said
    assert (
        "".join(piece["raw_response"] for piece in both.run(provider="local", model="tiny", stream=True))
        == said
    )
    assert "".join(piece["raw_response"] for piece in both.run(provider="slow", stream=True)) == "abc"
    assert [(one.provider, one.output_text) for one in both.requests()] == [
        ("slow", "abc"),
        ("local", said),
        ("local", said),
    ]


def test_a_completion_template_runs(both: Both) -> None:
    """A text to complete is asked too; the blueprint has the answer after it."""
    template = {"type": "completion", "content": "Bake {what}: "}
    both.log.templates.publish(
        {"prompt_name": "c", "prompt_template": template, "metadata": CAKE["metadata"]}
    )
    answer = both.run("c", input_variables={"what": "bread"})
    content = answer["prompt_blueprint"]["prompt_template"]["content"]
    assert content[0]["text"] == "Bake bread: "
    assert content[-1]["text"] == both.only().output_text


def test_what_a_run_gives_is_the_callers(make: Callable[..., Both]) -> None:
    """Whoever changes what a provider was given, or what came back, changes nothing of the prompt that is kept."""
    seen: list[Any] = []

    def changes(messages: list[Any], tools: list[Any], stop: list[str], **_: Any) -> str:
        seen.append(copy.deepcopy((messages, tools, stop)))
        tools[0]["function"]["name"] = "other"
        messages[0]["content"][1]["image_url"]["url"] = "other"
        stop.append("other")
        return "Done."

    both = make(providers={"changes": changes})
    image = {"type": "image_url", "image_url": {"url": "https://a.b/c.png"}}
    template = {
        "type": "chat",
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Look:"}, image]}],
    }
    model = {"provider": "changes", "name": "m", "parameters": {"stop": ["."]}}
    metadata = {"model": model, "team": {"name": "kitchen"}}
    both.log.templates.publish({"prompt_name": "p", "prompt_template": template, "metadata": metadata})
    for _ in range(2):
        blueprint = both.run("p", input_variables={})["prompt_blueprint"]
        assert blueprint["metadata"]["team"] == {"name": "kitchen"}
        blueprint["metadata"]["team"]["name"] = "other"
    assert seen[0] == seen[1]
    assert both.log.templates.get("p")["metadata"] == metadata


# -- refused before anything is sent -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"metadata": {"n": 1}}, InvalidMetadataError, "metadata value of key 'n'"),
        ({"metadata": ["a"]}, InvalidMetadataError, "metadata must be a dict"),
        ({"metadata": {"a": "\ud800"}}, InvalidInputError, "not valid Unicode"),
        ({"tags": [3]}, InvalidTagError, "tags must be strings"),
        ({"group_id": "x"}, InvalidInputError, "group_id must be an int"),
        ({"input_variables": ["cake"]}, InvalidInputError, "input_variables must be a dict"),
        ({"input_variables": {"cake_type": "plum"}}, TemplateError, "the variable 'n' is not given"),
        (
            {"input_variables": {"cake_type": "x", "n": object()}},
            InvalidInputError,
            "input_variables.n cannot be",
        ),
        (
            {"input_variables": {"cake_type": "x", "n": float("nan")}},
            InvalidInputError,
            "input_variables.n is NaN",
        ),
        ({"model_parameter_overrides": {"x": float("inf")}}, InvalidInputError, "infinite"),
        ({"model_parameter_overrides": {"x": object()}}, InvalidInputError, "parameters.x cannot be"),
        ({"model_parameter_overrides": {"model": "m"}}, InvalidInputError, "give run model="),
        ({"model_parameter_overrides": 3}, InvalidInputError, "model_parameter_overrides must be a dict"),
        ({"prompt_version": 0}, InvalidInputError, "prompt_version must be at least 1"),
        ({"prompt_version": 9}, PromptNotFoundError, "no version 9"),
        ({"prompt_release_label": "prd"}, PromptNotFoundError, "did you mean 'prod'?"),
        ({"prompt_name": "cake-recipes"}, PromptNotFoundError, "did you mean 'cake-recipe'?"),
        ({"provider": "opnai"}, InvalidInputError, "did you mean 'openai'"),
        ({"replay": "sometimes"}, InvalidInputError, "replay must be one of"),
    ],
)
def test_what_is_wrong_is_said_before_the_model_is_asked(
    both: Both, arguments: dict[str, Any], error: type[Exception], said: str, *, stream: bool
) -> None:
    """One clear error; nothing was sent and nothing is logged."""
    name = arguments.pop("prompt_name", "cake-recipe") if "prompt_name" in arguments else "cake-recipe"
    with pytest.raises(error, match=re.escape(said)):
        both.run(name, stream=stream, **arguments)
    arguments.setdefault("prompt_name", name)
    assert both.wire.asked == []
    assert both.requests() == []


def test_a_variable_that_the_template_does_not_name(both: Both) -> None:
    """It is ignored, as PromptLayer does, and named in a warning at the caller's line."""
    with pytest.warns(UnusedVariableWarning, match="names no variable 'colour'") as warned:
        both.run(input_variables={**VARIABLES, "colour": "red"})
    assert both.awaited or warned[0].filename.endswith("both.py")
    assert both.only().status == "SUCCESS"


def test_a_prompt_without_a_model(both: Both) -> None:
    """The error says what to give; with it, the prompt runs."""
    both.log.templates.publish({"prompt_name": "bare", "prompt_template": CAKE["prompt_template"]})
    with pytest.raises(
        InvalidInputError, match=r"prompt 'bare' names no provider: run it with one \(provider="
    ):
        both.run("bare")
    assert both.run("bare", provider="openai", model="gpt-4o")["request_id"]


def test_no_api_key(make: Callable[..., Both], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key there is no call, and so no request in the log."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    both = make(providers={"anthropic": {}})
    with pytest.raises(MissingKeyError, match="ANTHROPIC_API_KEY"):
        both.run(provider="anthropic", model="claude")
    assert both.requests() == []


def test_a_provider_whose_package_is_not_there(both: Both) -> None:
    """The error names the package and the extra; nothing is logged."""
    said = run(
        """
        sys.modules["openai"] = None
        try:
            PromptLog(ARGS[0]).run("cake-recipe", input_variables={"cake_type": "a", "n": 1})
        except ImportError as error:
            say(type(error).__name__, error)
        """,
        both.log.path,
    )
    assert "MissingExtraError" in said[0]
    assert "openai" in said[0]
    assert both.requests() == []


# -- many at once, other processes -------------------------------------------------------------------------------------


def test_two_hundred_at_once(tmp_path: Path, wire: Wire) -> None:
    """Two hundred runs of one event loop, half of them streams, each of which leaves its own request."""
    both = Both(tmp_path / "store.duckdb", wire, awaited=True)

    async def one(client: AsyncPromptLog, n: int) -> str:
        variables = {"cake_type": "plum", "n": n}
        answer = await client.run(
            "cake-recipe", input_variables=variables, metadata={"n": str(n)}, stream=n % 2 == 0
        )
        if n % 2:
            return str(answer["request_id"])
        return str([piece async for piece in answer][-1]["request_id"])

    async def all_of_them() -> list[str]:
        async with AsyncPromptLog(**both.arguments) as client:
            return await asyncio.gather(*(one(client, n) for n in range(200)))

    ids = asyncio.run(all_of_them())
    logged = {request.request_id: request for request in both.requests()}
    assert set(logged) == set(ids)
    assert len(ids) == 200
    for n, request_id in enumerate(ids):
        assert logged[request_id].output_text == f"You said: A plum cake for {n}"
        assert logged[request_id].metadata == {"n": str(n)}


FORKS = """
import os, sys
from promptlog import PromptLog

path, base_url = sys.argv[1:]
client = PromptLog(path, providers={"openai": {"base_url": base_url, "api_key": "sk-test", "timeout": 10}})
client.run("cake-recipe", input_variables={"cake_type": "first", "n": 8})
child = os.fork()
name = "parent" if child else "child"
for n in range(20):
    answer = client.run("cake-recipe", input_variables={"cake_type": name, "n": n})
    assert answer["raw_response"].choices[0].message.content == f"You said: A {name} cake for {n}"
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_has_connections_of_its_own(tmp_path: Path, wire: Wire) -> None:
    """A forked child that shared its parent's connection would be given the answers to its parent's questions."""
    both = Both(tmp_path / "store.duckdb", wire, awaited=False)
    arguments = [str(tmp_path / "store.duckdb"), wire.openai()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [sys.executable, "-c", FORKS, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert len(both.requests()) == 41


def test_a_publish_in_another_process_is_run_at_once(make: Callable[..., Both]) -> None:
    """A prompt that was run, and published anew elsewhere, is run as it is now; a version of it as it was."""
    both = make(providers={"local": _echo})
    assert "plum" in both.run(provider="local")["raw_response"]
    body = """
    template = {"type": "completion", "content": "Bread!"}
    PromptLog(ARGS[0]).templates.publish({"prompt_name": "cake-recipe", "prompt_template": template})
    """
    run(body, both.log.path)
    assert "Bread!" in both.run(provider="local", model="m", input_variables={})["raw_response"]
    assert "plum" in both.run(provider="local", prompt_version=1)["raw_response"]


def test_the_awaited_client_does_what_the_other_does(tmp_path: Path) -> None:
    """Logging, tracking and upkeep are awaited; questions are asked as ever."""

    async def work() -> None:
        async with AsyncPromptLog(tmp_path / "store.duckdb") as client:
            logged = await client.log_request(
                provider="p", model="m", input="i", output="o", request_start_time=1, request_end_time=2
            )
            request_id = logged["request_id"]
            await client.track.metadata(request_id, {"a": "b", "c": "d"})
            await client.track.score(request_id, 90)
            await client.track.tags(request_id, ["t"])
            await client.track.prompt(request_id, "p", {"x": 1}, version=2)
            await client.track.group(request_id, await client.group.create())
            await client.untrack.metadata(request_id, "c")
            assert await client.merge() == 7
            found = await asyncio.to_thread(client.requests.first)
            assert found is not None
            assert (found.metadata, found.scores, found.tags) == ({"a": "b"}, {"default": 90.0}, ["t"])
            assert client.search("a:b").count() == client.sql("SELECT 1").fetchall()[0][0] == 1

    asyncio.run(work())
