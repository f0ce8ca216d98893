"""Prompt templates: read and rendered, kept under names and versions, run against a model or answered from the log."""
