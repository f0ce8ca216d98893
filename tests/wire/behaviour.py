"""What a request asks the server to do beside answering it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True)
class Behaviour:
    """One request's fate. As text: `status=429`, `cut=3`, `wait=0.2&every=0.05`, `hang=1`.

    Args:
        status: an HTTP status to answer with instead (429, 500, 402, 401, …).
        hang: 1: the answer never comes (the connection is kept until the client lets go).
        cut: the connection is dropped after so many chunks of a stream; a plain answer is dropped in its middle.
        error: a stream says after so many chunks that the provider is overloaded.
        wait: seconds before the answer.
        every: seconds between the chunks of a stream.
        cached: tokens of the input that the provider's cache had.
        written: tokens of the input that were written into that cache.
        usage: 0: the answer says nothing of tokens.
    """

    status: int = 0
    hang: int = 0
    cut: int = -1
    error: int = -1
    wait: float = 0.0
    every: float = 0.0
    cached: int = 0
    written: int = 0
    usage: int = 1

    @classmethod
    def parse(cls, text: str) -> Behaviour:
        """Read `name=value` pairs joined by `&`."""
        numbers = {field.name: float if field.type == "float" else int for field in fields(cls)}
        given = parse_qsl(text, strict_parsing=bool(text))
        told: dict[str, Any] = {name: numbers[name](value) for name, value in given}
        return cls(**told)
