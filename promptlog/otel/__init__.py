"""OpenTelemetry: spans of instrumented programs as requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlog.otel.exporter import PromptLogLogExporter, PromptLogSpanExporter
    from promptlog.otel.importing import OtlpReport, import_otlp
    from promptlog.otel.otlp import OtlpBatch, read_otlp
    from promptlog.otel.processor import PromptLogSpanProcessor
    from promptlog.otel.provider import setup

__all__ = [
    "OtlpBatch",
    "OtlpReport",
    "PromptLogLogExporter",
    "PromptLogSpanExporter",
    "PromptLogSpanProcessor",
    "import_otlp",
    "read_otlp",
    "setup",
]

_ROOMS = {
    "OtlpBatch": "otlp",
    "OtlpReport": "importing",
    "PromptLogLogExporter": "exporter",
    "PromptLogSpanExporter": "exporter",
    "PromptLogSpanProcessor": "processor",
    "import_otlp": "importing",
    "read_otlp": "otlp",
    "setup": "provider",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'promptlog.otel' has no attribute {name!r}")
    from importlib import import_module

    from promptlog.errors import MissingExtraError

    try:
        value = globals()[name] = getattr(import_module(f"promptlog.otel.{_ROOMS[name]}"), name)
    except ImportError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise MissingExtraError.of("opentelemetry-sdk", "otel") from None
    return value


def __dir__() -> list[str]:
    return __all__
