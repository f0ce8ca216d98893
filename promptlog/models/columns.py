"""The columns that questions may name, and what each holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "time", "id"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a request.

    `table` is where it stands: "requests", or a table beside it that has at most one row a request.
    """

    name: str
    kind: Kind
    table: str = "requests"


_TEXT = (
    "provider",
    "model",
    "api_type",
    "function_name",
    "status",
    "error_type",
    "error_message",
    "trace_id",
    "span_id",
)

#: Every column, in the order in which a frame shows them.
COLUMNS: dict[str, Column] = {
    column.name: column
    for column in (
        Column("request_id", "id"),
        Column("start_time", "time"),
        Column("end_time", "time"),
        Column("latency_ms", "number"),
        *(Column(name, "text") for name in _TEXT[:7]),
        Column("input_text", "text"),
        Column("output_text", "text"),
        Column("input", "text"),
        Column("output", "text"),
        Column("parameters", "text"),
        Column("input_tokens", "number"),
        Column("output_tokens", "number"),
        Column("cost_usd", "number"),
        Column("prompt_name", "text", "request_prompts"),
        Column("prompt_version", "number", "request_prompts"),
        Column("prompt_label", "text", "request_prompts"),
        Column("prompt_id", "text", "request_prompts"),
        Column("input_variables", "text", "request_prompts"),
        Column("group_id", "number", "request_groups"),
        *(Column(name, "text") for name in _TEXT[7:]),
        Column("cached_tokens", "number"),
        Column("cache_write_tokens", "number"),
        Column("reasoning_tokens", "number"),
        Column("finish_reason", "text"),
        Column("replay_key", "id"),
        Column("replayed_from", "id"),
        Column("logged_at", "time"),
    )
}

#: The columns whose JSON can be asked for what stands inside; that of an output is what the answer says.
JSON_COLUMNS = frozenset({"input_variables", "parameters", "output"})

#: What a frame shows unless told: the JSON that the text columns are made from is left out, and what only replay reads.
FRAME_COLUMNS = tuple(
    name for name in COLUMNS if name not in {"input", "output", "parameters", "input_variables", "replay_key"}
)
