"""`setup`: a tracer provider in one line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from promptlog.errors import InvalidInputError
from promptlog.otel.encoding import CAPTURE
from promptlog.otel.exporter import PromptLogLogExporter, PromptLogSpanExporter
from promptlog.otel.processor import PromptLogSpanProcessor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from opentelemetry.util.types import AttributeValue

    from promptlog.client import PromptLog

_ATTRIBUTES = 10_000  # a span of `setup` may have
#: What has instrumentations of the older conventions, which send messages as log records, use the present ones.
_OPT_IN, _LATEST = "OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental"


class PromptLogTracerProvider(TracerProvider):
    """A tracer provider with the logger provider that belongs to it; both are flushed and shut down as one.

    Attributes:
        logger_provider: for instrumentations that send messages as log records.
        path: the store's file.
    """

    logger_provider: LoggerProvider
    path: Path

    def shutdown(self) -> None:
        """Write what waits, and take no more."""
        super().shutdown()
        self.logger_provider.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Write what waits; False where that took too long."""
        flushed = super().force_flush(timeout_millis)
        return self.logger_provider.force_flush(timeout_millis) and flushed


def setup(
    client: PromptLog,
    *,
    set_global: bool = True,
    batch: bool = False,
    capture_content: bool | None = None,
    inherit: bool = True,
    context: bool = True,
    baggage: bool = True,
    resource: Mapping[str, AttributeValue] | None = None,
) -> PromptLogTracerProvider:
    """Make a tracer provider whose spans go into a store, and make it the program's.

    Args:
        client: the store.
        set_global: whether instrumentations that are told of no provider find this one. Otherwise give it to them:
            `instrument(tracer_provider=provider, logger_provider=provider.logger_provider)`.
        batch: whether spans are gathered by a thread of the SDK and written every few seconds. Unless told, each is
            written when it ends, which takes less than 0.1 ms: a question sees it at once, and no kill loses it.
        capture_content: whether messages are kept. Unless told, what
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT says; where that is not set either they are, and it is set
            to SPAN_ONLY, with OTEL_SEMCONV_STABILITY_OPT_IN, for instrumentations that ask them, as PromptLayer's SDK
            does: call `setup` before `instrument`.
        inherit: whether user, conversation, metadata and tags of a span reach the calls below it.
        context: whether `promptlog.context(...)` is copied onto spans that start inside.
        baggage: whether baggage is.
        resource: attributes of this program, such as `{"service.name": "shop"}`; the standard environment variables
            count too.

    Returns:
        the provider. Called again for the same store, the one that is the program's already.

    Raises:
        InvalidInputError: another tracer provider is the program's already; the message says how to add promptlog to it.
    """
    if set_global:
        present = trace.get_tracer_provider()
        if isinstance(present, PromptLogTracerProvider) and present.path == client.path:
            return present
        if not isinstance(present, trace.ProxyTracerProvider | trace.NoOpTracerProvider):
            raise InvalidInputError(
                f"this program has a tracer provider already ({type(present).__name__}); add promptlog to it: "
                "provider.add_span_processor(BatchSpanProcessor(PromptLogSpanExporter(client))), or make one apart: "
                "setup(client, set_global=False)"
            )
    if capture_content is not False:
        _ask_for_content()
    spans = PromptLogSpanExporter(client, capture_content=capture_content, inherit=inherit)
    logs = PromptLogLogExporter(client, capture_content=capture_content)
    described = None if resource is None else Resource.create(resource)
    provider = PromptLogTracerProvider(resource=described, span_limits=_limits())
    provider.path = client.path
    provider.add_span_processor(PromptLogSpanProcessor(context=context, baggage=baggage))
    provider.add_span_processor(BatchSpanProcessor(spans) if batch else SimpleSpanProcessor(spans))
    provider.logger_provider = LoggerProvider(resource=described)
    provider.logger_provider.add_log_record_processor(
        BatchLogRecordProcessor(logs) if batch else SimpleLogRecordProcessor(logs)
    )
    if set_global:
        trace.set_tracer_provider(provider)
        if not isinstance(_logs.get_logger_provider(), LoggerProvider):  # else the program's own stays
            _logs.set_logger_provider(provider.logger_provider)
    return provider


def _limits() -> SpanLimits:
    """Return what a span may hold: as the environment says, else more attributes than the SDK's 128.

    OpenInference spreads messages over attributes, and the SDK would leave the oldest out.
    """
    told = "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in os.environ or "OTEL_ATTRIBUTE_COUNT_LIMIT" in os.environ
    return SpanLimits() if told else SpanLimits(max_span_attributes=_ATTRIBUTES)


def _ask_for_content() -> None:
    """Tell instrumentations to send messages on spans, where the environment does not say what they shall do."""
    if CAPTURE in os.environ:
        return
    os.environ[CAPTURE] = "SPAN_ONLY"
    named = [name for name in os.environ.get(_OPT_IN, "").split(",") if name]
    os.environ[_OPT_IN] = ",".join(dict.fromkeys([*named, _LATEST]))
