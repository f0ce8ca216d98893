"""The real instrumentations, over a real socket: whichever a program uses, the same call becomes the same row."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from tests.otel.programs import BEGIN, PROGRAMS
from tests.processes.support import run
from tests.wire import Wire

if TYPE_CHECKING:
    from pathlib import Path

_EVERY = {
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
EXPECTED: dict[str, dict[str, Any]] = {
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
        "error_type": "PROVIDER_RATE_LIMIT",
        "assistant": None,
        "input_tokens": None,
        "output_tokens": None,
        "cached_tokens": None,
        "finish_reason": None,
    },
}
