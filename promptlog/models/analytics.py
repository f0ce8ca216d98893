"""What `client.analytics` answers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from promptlog.models.tables import Table


@dataclass(frozen=True, slots=True)
class Totals:
    """All requests in numbers. Sums count what is known; `None` where there is nothing to tell."""

    requests: int
    errors: int
    error_rate: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: float
    latency_ms_mean: float | None
    latency_ms_p50: float | None
    latency_ms_p90: float | None
    latency_ms_p95: float | None
    first: datetime | None  # start of the first request, and of the last
    last: datetime | None


@dataclass(frozen=True)
class Analytics:
    """What `client.analytics` found, all of one moment.

    `over_time` and the tables `by_…` have the columns requests, errors, error_rate, input_tokens, output_tokens,
    cost_usd, latency_ms_mean, latency_ms_p50, latency_ms_p90 and latency_ms_p95, after the column they are named for.
    """

    totals: Totals
    every: str  # the width of a bucket of time
    time_zone: str
    over_time: Table  # by `time`, a bucket's begin; none is left out between the first and the last
    by_model: Table
    by_provider: Table
    by_prompt: Table  # by `prompt_name`
    by_tag: Table  # a request counts under each of its tags
    by_status: Table
    by_error_type: Table  # of requests that have one, or failed
    top_metadata_keys: Table  # key, requests
    cost_by_metadata: Table  # key, value, requests, cost_usd: what cost most

    def __repr__(self) -> str:
        all = self.totals
        return (
            f"<Analytics of {all.requests:,} requests, {all.errors:,} errors, "
            f"{all.input_tokens:,} tokens in and {all.output_tokens:,} out, ${all.cost_usd:,.2f}: "
            f".totals, .over_time, .{', .'.join(field.name for field in fields(self)[4:])}>"
        )

    def _repr_html_(self) -> str:
        from promptlog.html import analytics_page, shown

        return shown(lambda: analytics_page(self))

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as what JSON can hold: tables are lists of objects, times ISO 8601."""
        found: dict[str, Any] = {}
        for field in fields(self):
            part = getattr(self, field.name)
            if isinstance(part, Table):
                found[field.name] = [_plain(row) for row in part.dicts()]
            elif isinstance(part, Totals):
                found[field.name] = _plain({name.name: getattr(part, name.name) for name in fields(part)})
            else:
                found[field.name] = part
        return found


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
