"""What a session is: requests that share a conversation's id."""

from __future__ import annotations

from typing import Literal

#: The metadata keys that name a conversation; of a request that carries both, the first counts. Programs write
#: `session_id`; PromptLayer's OpenTelemetry mapping writes `gen_ai.conversation.id` and `session.id` under the other.
SESSION_KEYS = ("session_id", "conversation_id")

#: The columns by which sessions can be sorted.
SessionColumn = Literal[
    "session",
    "requests",
    "start_time",
    "end_time",
    "duration_s",
    "cost_usd",
    "input_tokens",
    "output_tokens",
    "errors",
]
