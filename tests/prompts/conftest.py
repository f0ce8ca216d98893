"""Both faces of a client, over the real SDKs, against a provider on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.prompts.both import Both

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.wire import Wire


@pytest.fixture(params=["sync", "async"])
def make(request: pytest.FixtureRequest, tmp_path: Path, wire: Wire) -> Callable[..., Both]:
    """Makes a client with arguments of one's own."""

    def made(**arguments: Any) -> Both:
        return Both(tmp_path / "store.duckdb", wire, awaited=request.param == "async", **arguments)

    return made


@pytest.fixture
def both(make: Callable[..., Both]) -> Both:
    """A client."""
    return make()
