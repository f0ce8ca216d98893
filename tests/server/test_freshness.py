"""Merging while somebody looks."""

from __future__ import annotations

import asyncio

from promptlog.server.freshness import Freshness


def test_whatever_fails_is_tried_again() -> None:
    """A merge that fails, in whatever way, is not the last."""

    async def run() -> None:
        tried, again = 0, asyncio.Event()

        async def merge() -> None:
            nonlocal tried
            tried += 1
            if tried == 1:
                raise RuntimeError("no fault of the store's")
            again.set()

        freshness = Freshness(merge)
        keeping = asyncio.create_task(freshness.keep())
        freshness.asked()
        await asyncio.wait_for(again.wait(), 20)
        keeping.cancel()

    asyncio.run(run())
