"""Answers out of the log: alike requests, in the provider's own shape, without its package, network or key."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import openai
import pytest

from promptlog.errors import InvalidInputError, NotReplayableError, UnknownProviderError
from promptlog.prompts.replay import replay_key
from tests.processes.support import run
from tests.prompts.both import CAKE, SAID, VARIABLES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.prompts.both import Both


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("first", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("then", [False, True], ids=["as whole", "as stream"])
def test_an_alike_request_is_answered_from_the_log(
    both: Both, provider: str, *, first: bool, then: bool
) -> None:
    """Whole or as a stream, whichever it was: the SDK's types, the same answer, marked with whose it was, for nothing."""
    arguments = {"provider": provider, "model": "claude-haiku-4-5", "replay": "auto"}
    was = both.run(stream=first, **arguments)
    original = (was[-1] if first else was)["request_id"]
    again = both.run(stream=then, metadata={"user_id": "u2"}, **arguments)
    last = again[-1] if then else again
    assert len(both.wire.asked) == 1
    assert last["replayed_from"] == original
    assert last["prompt_blueprint"]["prompt_template"]["messages"][-1]["content"][0]["text"] == SAID
    assert type(last["raw_response"]).__module__.startswith(f"{provider}.types")
    newest, oldest = both.requests()
    assert newest.request_id == last["request_id"] != original
    assert (newest.replayed_from, newest.cost_usd, newest.metadata) == (original, 0.0, {"user_id": "u2"})
    for name in ("output", "input", "input_tokens", "output_tokens", "finish_reason", "status", "api_type"):
        assert getattr(newest, name) == getattr(oldest, name), name
    if then:
        texts = [
            block["text"]
            for one in again[:-1]
            for m in one["prompt_blueprint"]["prompt_template"]["messages"]
            for block in m["content"]
        ]
        assert "".join(texts) == SAID
        assert all(one["replayed_from"] == original for one in again)
    else:
        assert type(last["raw_response"]).__name__ == (
            "ChatCompletion" if provider == "openai" else "Message"
        )


def test_what_is_alike(make: Callable[..., Both]) -> None:
    """Prompt text, model, provider and parameters count; version, variables, metadata and the order of keys do not."""
    both = make(providers={"local": lambda **_: "hello"})
    both.run(replay="auto", model_parameter_overrides={"seed": 1, "top_p": 0.5})
    alike: dict[str, Any] = {"replay": "auto", "model_parameter_overrides": {"top_p": 0.5, "seed": 1}}
    assert "replayed_from" in both.run(**alike)
    messages = [
        {"role": "system", "content": "You are a baker."},
        {"role": "user", "content": "A {kind} cake for 8"},
    ]
    template = {"type": "chat", "messages": messages}
    both.log.templates.publish({**CAKE, "prompt_name": "other", "prompt_template": template})
    assert "replayed_from" in both.run("other", **{**alike, "input_variables": {"kind": "plum"}})
    unlike: list[dict[str, Any]] = [
        {"model_parameter_overrides": {"top_p": 0.5, "seed": 2}},
        {"input_variables": {**VARIABLES, "n": 9}},
        {"model": "gpt-4o-mini"},
        {"provider": "local"},
    ]
    for change in unlike:
        assert "replayed_from" not in both.run(**{**alike, **change})


def test_never_is_what_it_is_unless_told(make: Callable[..., Both]) -> None:
    """A client asks the model each time; one made with replay="auto" does not; a call decides for itself."""
    both = make()
    both.run()
    assert "replayed_from" not in both.run()
    auto = make(replay="auto")
    assert "replayed_from" in auto.run()
    assert "replayed_from" not in auto.run(replay="never")
    with pytest.raises(
        InvalidInputError, match="replay must be one of 'auto', 'always', 'never', got 'often'"
    ):
        make(replay="often")


def test_always_asks_no_model(both: Both) -> None:
    """Where the log has no answer that is an error, and nothing is sent or logged."""
    with pytest.raises(
        NotReplayableError, match="no answer to prompt 'cake-recipe' version 1 of openai gpt-4o"
    ):
        both.run(replay="always")
    assert (both.wire.asked, both.requests()) == ([], [])
    both.run()
    assert "replayed_from" in both.run(replay="always", stream=True)[-1]
    assert len(both.wire.asked) == 1


@pytest.mark.parametrize("mode", ["always", "auto"])
def test_a_provider_that_is_not_here_answers_from_the_log(make: Callable[..., Both], mode: str) -> None:
    """What a function answered once needs no function again; where the log has no answer, nothing is asked or logged."""
    original = make(providers={"local": lambda **_: "hello"}).run(provider="local")["request_id"]
    elsewhere = make()
    again = elsewhere.run(provider="local", replay=mode)
    assert (again["raw_response"], again["replayed_from"]) == ("hello", original)
    streamed = elsewhere.run(provider="local", replay=mode, stream=True)
    assert (streamed[0]["raw_response"], streamed[-1]["replayed_from"]) == ("hello", original)
    logged = len(elsewhere.requests())
    missing = {"always": "no answer to prompt", "auto": "no provider 'local'"}[mode]
    with pytest.raises((NotReplayableError, UnknownProviderError), match=missing):
        elsewhere.run(provider="local", replay=mode, model="another")
    with pytest.raises(UnknownProviderError, match="no provider 'local'"):
        elsewhere.run(provider="local")
    assert len(elsewhere.requests()) == logged


def test_only_a_whole_answer_is_given_again(both: Both) -> None:
    """Neither a failed call nor a stream that was left is an answer, and an answer from the log is no original."""
    both.wire.next("status=500")
    with pytest.raises(openai.InternalServerError):
        both.run(replay="auto")
    both.left(3, replay="auto")
    original = both.run(replay="auto")["request_id"]
    first, second = both.run(replay="auto"), both.run(replay="auto")
    assert first["replayed_from"] == second["replayed_from"] == original


def test_the_newest_answer_is_given(make: Callable[..., Both]) -> None:
    """Of several answers to alike requests, the last one."""
    answers = iter(["old", "new"])
    both = make(providers={"local": lambda **_: next(answers)})
    both.run(provider="local")
    both.run(provider="local")
    assert both.run(provider="local", replay="always")["raw_response"] == "new"


def test_without_package_network_or_key(both: Both) -> None:
    """A process in which no SDK can be imported, no socket opened and no key found replays what is in the log."""
    both.run()
    both.run(provider="anthropic", model="claude-haiku-4-5")
    both.log.close()
    said = run(
        """
        import os, socket
        for name in ("openai", "anthropic", "httpx", "genai_prices"):
            sys.modules[name] = None
        for name in [name for name in os.environ if name.endswith("_API_KEY")]:
            del os.environ[name]
        def refuse(*_, **__): raise AssertionError("a socket was opened")
        socket.socket.connect = refuse
        client = PromptLog(ARGS[0], replay="always")
        variables = {"cake_type": "plum", "n": 8}
        for provider, model in (("openai", "gpt-4o"), ("anthropic", "claude-haiku-4-5")):
            answer = client.run("cake-recipe", input_variables=variables, provider=provider, model=model)
            say(answer["prompt_blueprint"]["prompt_template"]["messages"][-1]["content"][0]["text"])
            say(type(answer["raw_response"]).__name__)
            *_, last = client.run("cake-recipe", input_variables=variables, provider=provider, model=model, stream=True)
            say(last["replayed_from"] == answer["replayed_from"])
        """,
        both.log.path,
    )
    assert said == [SAID, "dict", "True", SAID, "dict", "True"]


def test_a_replay_that_is_left_is_no_request(both: Both) -> None:
    """No model worked for it, so leaving it leaves nothing."""
    both.run()
    both.left(2, replay="always")
    assert len(both.requests()) == 1


def test_the_key_never_changes() -> None:
    """Alike requests of this version and the next share a key: this one was computed by the first."""
    rendered = {
        "type": "chat",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Grüße"}]}],
    }
    key = replay_key("openai", "gpt-4o", {"temperature": 0}, rendered)
    assert key == "e0a74dd6-3a13-8bb3-a48f-5992c148ac8b"
    assert uuid.UUID(key).version == 8
    assert uuid.UUID(key).variant == uuid.RFC_4122


def test_a_replay_leaves_the_journal_alone(make: Callable[..., Both]) -> None:
    """Replays are lines of the journal themselves: the next one does not wait for them to be merged, and misses nothing."""
    both = make(providers={"local": lambda **_: "hello"})
    both.run(provider="local")
    for _ in range(3):
        assert both.run(provider="local", replay="always")["raw_response"] == "hello"
    assert both.log.merge() == 3
    # What another process answers meanwhile is found, though it is not merged yet.
    body = """
    answer = lambda **_: "newer"
    PromptLog(ARGS[0], providers={"local": answer}).run("cake-recipe", input_variables={"cake_type": "plum", "n": 8}, provider="local")
    """
    run(body, both.log.path)
    assert both.run(provider="local", replay="always")["raw_response"] == "newer"
