"""The real instrumentations, over a real socket: whichever a program uses, the same call becomes the same row."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from tests.otel.programs import BEGIN, PROGRAMS
from tests.processes.support import run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.wire import Wire

Row = dict[str, Any]

_EVERY: Row = {
    "provider": "openai",
    "model": "gpt-4o-mini",
    "api_type": "chat-completions",
    "status": "SUCCESS",
    "error_type": None,
    "system": "Be brief.",
    "user": "Hello there",
    "tools": None,
    "assistant": "You said: Hello there",
    "tool_call": None,
    "temperature": 0.5,
    "input_tokens": 4,
    "output_tokens": 4,
    "cached_tokens": 2,
    "finish_reason": "stop",
    "user_id": "user_123",
    "conversation_id": "sess_abc",
    "plan": "pro",
    "tags": ["production"],
    "in a trace": True,
}
#: What a call becomes: one that is answered, one whose answer is a stream, one with a tool, one that is refused.
EXPECTED: dict[str, Row] = {
    "plain": _EVERY,
    "stream": _EVERY,
    "tool": _EVERY
    | {
        "tools": ["weather"],
        "assistant": None,
        "tool_call": ["weather", {"city": "Hello there"}],
        "finish_reason": "tool_calls",
    },
    "refused": _EVERY
    | {
        "status": "ERROR",
        "error_type": "openai.RateLimitError",
        "assistant": None,
        "input_tokens": None,
        "output_tokens": None,
        "cached_tokens": None,
        "finish_reason": None,
    },
}

#: Anthropic's interface has other words, counts the cache apart and asks for no temperature here.
_ANTHROPIC: dict[str, Row] = {
    "": {"provider": "anthropic", "api_type": "messages", "temperature": None, "input_tokens": 6, "finish_reason": "end_turn"},
    "tool": {"finish_reason": "tool_use"},
    "refused": {"input_tokens": None, "finish_reason": None, "error_type": "anthropic.RateLimitError"},
}  # fmt: skip

#: What each instrumentation does not give, or has another word for: by the call it is about, "" for all of them.
DIFFERS: dict[str, dict[str, Row]] = {
    "opentelemetry-instrumentation-openai-v2": {
        "": {"cached_tokens": None},
        "tool": {"tools": None},
        "refused": {"error_type": "RateLimitError"},
    },
    "opentelemetry-instrumentation-openai-v2, messages as logs": {
        "": {"cached_tokens": None},
        "stream": {"finish_reason": None},  # its log record has it, but a request is what it was
        "tool": {"tools": None},
        "refused": {"error_type": "RateLimitError"},
    },
    "opentelemetry-instrumentation-genai-openai": {},
    "openinference-instrumentation-openai": {},
    "opentelemetry-instrumentation-openai (Traceloop)": {"refused": {"error_type": "RateLimitError"}},
    "openinference-instrumentation-anthropic": _ANTHROPIC,
    "anthropic by itself": {
        **_ANTHROPIC,
        "stream": {"assistant": None},
        "tool": {"finish_reason": "tool_use", "tools": None},
        "refused": {**_ANTHROPIC["refused"], "error_type": "rate_limit_error"},
    },
    "langfuse, by OTLP": {
        "": {"provider": None, "api_type": "chat", "finish_reason": None},
        "refused": {"error_type": "PROVIDER_RATE_LIMIT"},
    },
    "promptlayer, by OTLP": {},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_same_call_is_the_same_row(tmp_path: Path, wire: Wire, name: str) -> None:
    """Four calls of a real SDK become four requests, field by field what they are of every instrumentation but for what `DIFFERS` says."""
    module, program = PROGRAMS[name]
    if not _is_there(module):
        pytest.skip(f"{module} is not installed: versions of opentelemetry-util-genai exclude each other")
    lines = run(BEGIN + program, tmp_path / "s.duckdb", f"http://127.0.0.1:{wire.port}/{{}}")
    differs = DIFFERS[name]
    expected = [row | differs.get("", {}) | differs.get(call, {}) for call, row in EXPECTED.items()]
    assert [json.loads(line) for line in lines] == expected


def test_each_stands_in_the_table() -> None:
    """The table names every program, and nothing else."""
    assert list(DIFFERS) == list(PROGRAMS)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
