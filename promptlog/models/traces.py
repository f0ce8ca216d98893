"""What a list of traces can be sorted by."""

from __future__ import annotations

from typing import Literal

#: The columns by which traces can be sorted.
TraceColumn = Literal[
    "start_time",
    "end_time",
    "name",
    "latency_ms",
    "cost_usd",
    "errors",
    "spans",
    "requests",
    "input_tokens",
    "output_tokens",
]
