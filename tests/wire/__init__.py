"""A model provider on loopback that speaks OpenAI's and Anthropic's wire formats; see `Wire`."""

from tests.wire.server import Wire

__all__ = ["Wire"]
