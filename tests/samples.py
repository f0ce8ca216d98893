"""One request as most tests log it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from promptlog.models.arguments import RequestArguments

START = 1_790_000_000.0


def request(**changes: Any) -> RequestArguments:
    """Return log_request's arguments for a small request, changed as told."""
    arguments = {
        "provider": "openai",
        "model": "gpt-4o",
        "input": "How do I bake a cake?",
        "output": "With flour.",
        "request_start_time": START,
        "request_end_time": START + 0.5,
    }
    return cast("RequestArguments", {**arguments, **changes})
