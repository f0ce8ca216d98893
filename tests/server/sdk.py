"""A program that was written for PromptLayer's SDK: every call that it makes of a server, at whatever address.

`python -m tests.server.sdk calls|traced sync|async BASE_URL` prints what the calls returned, as JSON by name. It runs in a process of its
own: tracing sets a provider for the whole process, and the SDK patches event loops.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import time
from typing import Any

PROMPT = {
    "prompt_name": "cake/recipe",
    "prompt_template": {
        "type": "chat",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "You bake."}], "template_format": "f-string", "input_variables": []},
            {"role": "user", "content": [{"type": "text", "text": "A {cake_type} cake"}], "template_format": "f-string", "input_variables": ["cake_type"]},
        ],
    },
    "metadata": {"model": {"provider": "openai", "name": "gpt-4o-mini", "parameters": {"temperature": 0.5}}},
    "release_labels": ["prod"],
    "commit_message": "first",
    "tags": ["kitchen"],
}  # fmt: skip
CLAUDE = {
    **PROMPT,
    "prompt_name": "cake-claude",
    "metadata": {
        "model": {"provider": "anthropic", "name": "claude-haiku-4-5", "parameters": {"max_tokens": 64}}
    },
}
LOGGED: dict[str, Any] = {
    "provider": "openai",
    "model": "gpt-4o",
    "input": {"type": "chat", "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
    "output": {
        "type": "chat",
        "messages": [{"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}],
    },
    "request_start_time": 1_767_225_600.25,
    "request_end_time": 1_767_225_601.75,
    "parameters": {"temperature": 0.25},
    "tags": ["production", "chat"],
    "metadata": {"user_id": "user_123", "session_id": "sess_abc"},
    "prompt_name": "cake/recipe",
    "prompt_version_number": 1,
    "prompt_input_variables": {"cake_type": "plum"},
    "input_tokens": 12,
    "output_tokens": 34,
    "price": 0.0021,
    "function_name": "mine",
    "score": 77,
    "status": "WARNING",
    "error_type": "PROVIDER_RATE_LIMIT",
    "error_message": "slow down",
}


async def value(found: Any) -> Any:
    """Return what a call returns, awaited where it is to be."""
    return await found if inspect.isawaitable(found) else found


async def calls(kind: str, base_url: str) -> dict[str, Any]:
    """Make every call of one of the two clients, and return what each returned."""
    import promptlayer

    asynchronous = kind == "async"
    make = promptlayer.AsyncPromptLayer if asynchronous else promptlayer.PromptLayer
    pl = make(api_key="pl_test", base_url=base_url)
    found: dict[str, Any] = {}
    publisher = promptlayer.PromptLayer(
        api_key="pl_test", base_url=base_url
    )  # the async client cannot publish
    found["publish"] = publisher.templates.publish(PROMPT)
    publisher.templates.publish(CLAUDE)
    found["get"] = await value(
        pl.templates.get("cake/recipe", {"label": "prod", "input_variables": {"cake_type": "plum"}})
    )
    found["all"] = await value(pl.templates.all())
    found["log_request"] = await value(pl.log_request(**LOGGED))
    found["log_request_bare"] = await value(
        pl.log_request(
            provider="local",
            model="tiny",
            input=LOGGED["input"],
            output=LOGGED["output"],
            request_start_time=1.0,
            request_end_time=2.0,
        )
    )
    id = found["log_request"]["id"]
    found["metadata"] = await value(
        pl.track.metadata(request_id=id, metadata={"user_id": "user_456", "plan": "pro"})
    )
    found["score"] = await value(pl.track.score(request_id=id, score=95))
    found["named_score"] = await value(pl.track.score(request_id=id, score=40, score_name="tone"))
    bare = found["log_request_bare"]["id"]
    found["prompt"] = await value(
        pl.track.prompt(
            request_id=bare,
            prompt_name="cake/recipe",
            prompt_input_variables={"cake_type": "lemon"},
            version=1,
        )
    )
    found["group_id"] = await value(pl.group.create())
    found["group"] = await value(pl.track.group(request_id=bare, group_id=found["group_id"]))
    run: dict[str, Any] = {
        "prompt_name": "cake/recipe",
        "input_variables": {"cake_type": "plum"},
        "tags": ["ran"],
        "metadata": {"user_id": "u1"},
    }
    for name, more in (
        ("run", {}),
        ("run_claude", {"prompt_name": "cake-claude"}),
        ("run_grouped", {"group_id": found["group_id"]}),
    ):
        ran = await value(pl.run(**(run | more)))
        found[name] = {"request_id": ran["request_id"], "prompt_blueprint": ran["prompt_blueprint"]}
    for name, more in (("stream", {}), ("stream_claude", {"prompt_name": "cake-claude"})):
        streamed = await value(pl.run(**(run | more), stream=True))
        pieces = [piece async for piece in streamed] if asynchronous else list(streamed)
        found[name] = {
            "request_id": pieces[-1]["request_id"],
            "prompt_blueprint": pieces[-1]["prompt_blueprint"],
        }
    client = publisher.openai.OpenAI(base_url=openai_url(found), api_key="sk-test")
    asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi there"}]}
    _, found["openai"] = client.chat.completions.create(**asked, pl_tags=["wrapped"], return_pl_id=True)
    anthropic = publisher.anthropic.Anthropic(base_url=anthropic_url(found), api_key="sk-test")
    _, found["anthropic"] = anthropic.messages.create(
        **asked | {"model": "claude-haiku-4-5"}, max_tokens=64, pl_tags=["wrapped"], return_pl_id=True
    )
    try:
        await value(pl.track.metadata(request_id="nonsense", metadata={"a": "b"}))
    except promptlayer.PromptLayerError as error:
        found["wrong_id"] = f"{type(error).__name__}: {error}"
    try:
        await value(pl.templates.get("nowhere"))
    except promptlayer.PromptLayerNotFoundError as error:
        found["no_prompt"] = str(error)
    began = time.monotonic()
    try:
        await value(pl.run_workflow("bake"))
    except promptlayer.PromptLayerError as error:
        found["workflow"] = [str(error), time.monotonic() - began]
    try:
        await value(
            pl.run(
                **run,
                provider="anthropic",
                model="claude-haiku-4-5",
                model_parameter_overrides={"no_such": 1},  # Anthropic's SDK refuses it
            )
        )
    except Exception as error:
        found["failed_run"] = str(error)
    return found


async def traced(kind: str, base_url: str) -> dict[str, Any]:
    """Make the calls that are traced, and return what each returned."""
    import promptlayer

    asynchronous = kind == "async"
    publisher = promptlayer.PromptLayer(api_key="pl_test", base_url=base_url)
    publisher.templates.publish(PROMPT)
    found: dict[str, Any] = {"get": publisher.templates.get("cake/recipe")}
    make = promptlayer.AsyncPromptLayer if asynchronous else promptlayer.PromptLayer
    pl = make(api_key="pl_test", base_url=base_url, enable_tracing=True)

    @pl.traceTool(name="oven")
    def heat(degrees: int) -> str:
        return f"{degrees} degrees"

    @pl.traceable(attributes={"promptlayer.metadata.shop": "north"}, name="bake")
    async def bake() -> Any:
        heat(180)
        return await value(
            pl.run(
                "cake/recipe",
                input_variables={"cake_type": "plum"},
                metadata={"user_id": "u1"},
                prompt_release_label="prod",
            )
        )

    found["run"] = (await bake())["request_id"]
    if not asynchronous:
        client = pl.openai.OpenAI(base_url=openai_url(found), api_key="sk-test")
        asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi there"}]}
        _, found["openai"] = client.chat.completions.create(**asked, return_pl_id=True)
        failing = pl.openai.OpenAI(base_url=openai_url(found), api_key="sk-test", max_retries=0)
        try:
            failing.chat.completions.create(**asked, extra_headers={"x-wire": "status=429"})
        except Exception as error:
            found["refused"] = str(error)
    pl.tracer_provider.force_flush()
    del found["get"]
    return found


def openai_url(found: dict[str, Any]) -> str:
    """Return where the loopback model is, as the server told it."""
    return str(found["get"]["provider_base_url"]["url"])


def anthropic_url(found: dict[str, Any]) -> str:
    """Return the same for Anthropic's SDK."""
    return openai_url(found).removesuffix("/v1")


def main() -> None:
    """Run the program."""
    program, kind, base_url = sys.argv[1:]
    made = {"calls": calls, "traced": traced}[program](kind, base_url)
    json.dump(asyncio.run(made), sys.stdout)


if __name__ == "__main__":
    main()
