"""A request as it is read: one whole call with all that was tracked on it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from promptlog.models.content import text_of


class Request(BaseModel):
    """One call to a model. Times are UTC; what is not known is None."""

    model_config = ConfigDict(frozen=True)

    request_id: str
    start_time: datetime
    end_time: datetime
    latency_ms: float
    provider: str | None = None
    model: str | None = None
    api_type: str | None = None
    function_name: str | None = None
    status: str = "SUCCESS"
    error_type: str | None = None
    error_message: str | None = None
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    parameters: dict[str, Any] | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    trace_id: str | None = None
    span_id: str | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    finish_reason: str | None = None
    replayed_from: str | None = None
    prompt_name: str | None = None
    prompt_version: int | None = None
    prompt_label: str | None = None
    prompt_id: str | None = None
    input_variables: dict[str, Any] | None = None
    group_id: int | None = None
    logged_at: datetime
    metadata: dict[str, str] = {}
    tags: list[str] = []
    scores: dict[str, float] = {}
    score_labels: dict[str, str] = {}

    def _repr_html_(self) -> str:
        from promptlog.html import request_page, shown

        return shown(lambda: request_page(self))

    @property
    def judgements(self) -> dict[str, str]:
        """Each score as text, with its label: "95", "0.5 good", "bad"."""
        names = sorted(self.scores.keys() | self.score_labels.keys())
        numbers = {name: f"{score:g}" for name, score in self.scores.items()}
        return {name: f"{numbers.get(name, '')} {self.score_labels.get(name, '')}".strip() for name in names}

    @property
    def input_text(self) -> str:
        """The text that went in, messages joined by blank lines."""
        return text_of(self.input)

    @property
    def output_text(self) -> str:
        """The text that came out."""
        return text_of(self.output)
