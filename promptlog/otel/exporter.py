"""Exporters of the OpenTelemetry SDK that append to the journal: no server, no queue of their own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from promptlog.errors import printable
from promptlog.otel.encoding import Encoder, captures_content
from promptlog.otel.sdk import Converter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from promptlog.client import PromptLog

_logger = logging.getLogger(__name__)
_SHOWN = 3  # of what was lost, what a warning names
T = TypeVar("T")


class _Exporter:
    """What both exporters are: a batch goes in, lines of the journal come out, and no error reaches the program.

    Attributes:
        lost_records: how many spans or log records could not be kept.
        lost_attributes: how many attributes of those that were could not. Each span names its own under
            `promptlog.dropped_attributes`, and a warning is logged.
    """

    _what: str

    def __init__(self, client: PromptLog, capture_content: bool | None) -> None:
        self._append_lines = client._append_lines  # noqa: SLF001 - an edge of the client's own house
        self._capture_content = captures_content(capture_content)
        self._shut_down = False
        self.lost_records = 0
        self.lost_attributes = 0

    def _take(self, batch: Sequence[T], encoder: Encoder, body_of: Callable[[T], bytes | None]) -> bool:
        """Append a batch; False where the disk refused it, or after the shutdown."""
        if self._shut_down:
            _logger.warning("promptlog's exporter is shut down: %d %s not kept", len(batch), self._what)
            return False
        bodies: list[bytes] = []
        bad: list[str] = []
        for item in batch:
            try:
                body = body_of(item)
            except Exception as error:  # whatever it is, the others of the batch are kept
                bad.append(printable(f"{type(error).__name__}: {error}"))
                continue
            if body is not None:
                bodies.append(body)
        if bad or encoder.lost:
            self._say(bad, encoder.lost)
        try:
            self._append_lines(bodies)
        except Exception as error:  # the disk's refusals, above all
            why = getattr(error, "strerror", None) or error
            _logger.error("not all of %d %s are kept: %s", len(bodies), self._what, why)  # noqa: TRY400 - the reason is the disk's
            return False
        return True

    def _say(self, bad: list[str], lost: list[str]) -> None:
        self.lost_records += len(bad)
        self.lost_attributes += len(lost)
        if bad:
            _logger.warning("%d %s not kept: %s", len(bad), self._what, "; ".join(bad[:_SHOWN]))
        if lost:
            _logger.warning(
                "%d attributes of %s not kept: %s", len(lost), self._what, "; ".join(lost[:_SHOWN])
            )

    def shutdown(self) -> None:
        """Take nothing more. The client stays open: it is the caller's."""
        self._shut_down = True

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return True: what `export` acknowledged is with the kernel."""
        return True


class PromptLogSpanExporter(_Exporter, SpanExporter):
    """Exports spans into a store: those that are calls to a model become requests, all of them are kept as spans.

    Exporting a batch is an append to the journal, as `log_request` is; the same span twice is one span.

    Args:
        client: the store.
        capture_content: whether messages, arguments and results are kept; unless told, what
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says, and where it says nothing, what the
            instrumentation sends.
        inherit: whether user, conversation, metadata and tags of a span reach the calls below it.
    """

    _what = "spans"

    def __init__(
        self, client: PromptLog, *, capture_content: bool | None = None, inherit: bool = True
    ) -> None:
        super().__init__(client, capture_content)
        self._inherit = inherit

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append spans: SUCCESS once the kernel has them, FAILURE where the disk refused or after the shutdown."""
        encoder = Encoder(self._capture_content, self._inherit)
        convert, encode = Converter(encoder.lost).span, encoder.span
        kept = self._take(spans, encoder, lambda span: encode(convert(span)))
        return SpanExportResult.SUCCESS if kept else SpanExportResult.FAILURE


class PromptLogLogExporter(_Exporter, LogRecordExporter):
    """Exports the messages and evaluations that instrumentations emit as log records; others are passed over.

    Args:
        client: the store.
        capture_content: as in `PromptLogSpanExporter`.
    """

    _what = "log records"

    def __init__(self, client: PromptLog, *, capture_content: bool | None = None) -> None:
        super().__init__(client, capture_content)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Append log records: SUCCESS once the kernel has them, FAILURE where the disk refused or after the shutdown."""
        encoder = Encoder(self._capture_content, inherit=False)
        convert, encode = Converter(encoder.lost).log, encoder.log
        kept = self._take(batch, encoder, lambda log: encode(convert(log)))
        return LogRecordExportResult.SUCCESS if kept else LogRecordExportResult.FAILURE
