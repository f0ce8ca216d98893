"""OpenTelemetry: spans of instrumented programs as requests."""
