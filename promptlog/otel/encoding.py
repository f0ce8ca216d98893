"""One span or log record as a line of the journal: what is odd about it costs what is odd, not the record."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from promptlog.errors import RecordTooLargeError
from promptlog.models.encode import encode
from promptlog.otel.mapping import log_record, span_record
from promptlog.otel.values import mended, mended_log, without_largest
from promptlog.providers.cost import cost_usd
from promptlog.providers.protocol import Answer

if TYPE_CHECKING:
    from promptlog.otel.data import LogData, SpanData

#: OpenTelemetry's switch for content: what instrumentations read too.
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_OFF = {"false", "no_content", "0", "no", "off"}


def captures_content(told: bool | None) -> bool:
    """Return whether content is kept: as told, else as the environment says, else yes."""
    return os.environ.get(CAPTURE, "").strip().lower() not in _OFF if told is None else told


_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens")
_HAS_PRICES = find_spec("genai_prices") is not None


def _price(record: dict[str, Any]) -> float | None:
    """Return what a call cost by the prices of its time; None where it says too little, or no price is known."""
    provider, model = record.get("provider"), record.get("model")
    if not (_HAS_PRICES and provider and model):
        return None
    answer = Answer(**{name: record[name] for name in _TOKENS if name in record})
    return cost_usd(provider, model, answer, at=record["start_time"] / 1e6)


@dataclass(slots=True)
class Encoder:
    """Encodes what is kept, and says what is not.

    Attributes:
        capture_content: whether messages, arguments and results are kept.
        inherit: whether what a span says of its user, metadata and tags reaches the calls below it.
        lost: attributes that could not be kept, each with the reason.
        requests: how many of the spans were calls to a model.
        ids: takes the ids of these, where somebody wants them.
    """

    capture_content: bool
    inherit: bool
    lost: list[str] = field(default_factory=list)
    requests: int = 0
    ids: set[str] | None = None

    def span(self, span: SpanData) -> bytes:
        """Return a span's record.

        Raises:
            InvalidInputError: without its attributes it still cannot be written.
        """
        try:
            return self._span(span)
        except Exception:  # whatever is odd about it, a name that is no text too
            span = mended(span)
        while True:
            try:
                return self._span(span)
            except RecordTooLargeError:
                smaller = without_largest(span, self.lost)
                if smaller is None:
                    raise
                span = smaller

    def _span(self, span: SpanData) -> bytes:
        record = span_record(span, capture_content=self.capture_content, inherit=self.inherit)
        if record["kind"] == "request":
            self.requests += 1
            if self.ids is not None:
                self.ids.add(record["request_id"])
            if "cost_usd" not in record and (cost := _price(record)) is not None:
                record["cost_usd"] = cost
        return encode(record)

    def log(self, log: LogData) -> bytes | None:
        """Return a log's record; None where it says nothing of a model's call.

        Raises:
            InvalidInputError: it cannot be written.
        """
        try:
            return self._log(log)
        except RecordTooLargeError:
            raise
        except Exception:
            return self._log(mended_log(log))

    def _log(self, log: LogData) -> bytes | None:
        record = log_record(log, capture_content=self.capture_content)
        return None if record is None else encode(record)
