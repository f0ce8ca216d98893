"""Exporters of the OpenTelemetry SDK that append to the journal: no server, no queue of their own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

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


class _Sink:
    """What both exporters are: a batch goes in, lines of the journal come out, and no error reaches the program."""

    def __init__(self, client: PromptLog, what: str) -> None:
        self._append_lines = client._append_lines  # noqa: SLF001 - an edge of the client's own house
        self._what = what
        self._shut_down = False
        #: Spans or log records that could not be kept, and attributes of those that were.
        self.lost_records = 0
        self.lost_attributes = 0

    def take(self, batch: Sequence[T], encoder: Encoder, body_of: Callable[[T], bytes | None]) -> bool:
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
                bad.append(f"{type(error).__name__}: {error}")
                continue
            if body is not None:
                bodies.append(body)
        if bad or encoder.lost:
            self._say(bad, encoder.lost)
        if not bodies:
            return True
        try:
            self._append_lines(bodies)
        except OSError as error:
            _logger.error("%d %s not kept: %s", len(bodies), self._what, error.strerror or error)  # noqa: TRY400 - the reason is the disk's
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


class PromptLogSpanExporter(SpanExporter):
    """Exports spans into a store: those that are calls to a model become requests, all of them are kept as spans.

    Exporting a batch is an append to the journal, as `log_request` is; the same span twice is one span.

    Args:
        client: the store.
        capture_content: whether messages, arguments and results are kept; unless told, what
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says, and where it says nothing, what the
            instrumentation sends.
        inherit: whether user, conversation, metadata and tags of a span reach the calls below it.

    Attributes:
        lost_records, lost_attributes: how many spans, and attributes of spans, could not be kept. Each span names its
            own under `promptlog.dropped_attributes`, and a warning is logged.
    """

    def __init__(
        self, client: PromptLog, *, capture_content: bool | None = None, inherit: bool = True
    ) -> None:
        self._sink = _Sink(client, "spans")
        self._capture_content = captures_content(capture_content)
        self._inherit = inherit

    lost_records = property(lambda self: self._sink.lost_records)
    lost_attributes = property(lambda self: self._sink.lost_attributes)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append spans: SUCCESS once the kernel has them, FAILURE where the disk refused or after the shutdown."""
        encoder = Encoder(self._capture_content, self._inherit)
        converter = Converter(encoder.lost)
        convert, encode = converter.span, encoder.span
        kept = self._sink.take(spans, encoder, lambda span: encode(convert(span)))
        return SpanExportResult.SUCCESS if kept else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        """Take no more spans; the client stays open."""
        self._sink.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return True: what `export` acknowledged is with the kernel."""
        return True


class PromptLogLogExporter(LogRecordExporter):
    """Exports the messages and evaluations that instrumentations emit as log records; others are passed over.

    Args:
        client: the store.
        capture_content: as in `PromptLogSpanExporter`.

    Attributes:
        lost_records, lost_attributes: as in `PromptLogSpanExporter`, of log records.
    """

    def __init__(self, client: PromptLog, *, capture_content: bool | None = None) -> None:
        self._sink = _Sink(client, "log records")
        self._capture_content = captures_content(capture_content)

    lost_records = property(lambda self: self._sink.lost_records)
    lost_attributes = property(lambda self: self._sink.lost_attributes)

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Append log records: SUCCESS once the kernel has them, FAILURE where the disk refused or after the shutdown."""
        encoder = Encoder(self._capture_content, inherit=False)
        converter = Converter(encoder.lost)
        convert, encode = converter.log, encoder.log
        kept = self._sink.take(batch, encoder, lambda log: encode(convert(log)))
        return LogRecordExportResult.SUCCESS if kept else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        """Take no more log records; the client stays open."""
        self._sink.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return True: what `export` acknowledged is with the kernel."""
        return True
