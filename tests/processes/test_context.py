"""`promptlog.context` holds for its thread or task alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.processes.support import run

if TYPE_CHECKING:
    from pathlib import Path

BODY = """
import asyncio, promptlog
client = PromptLog(ARGS[0])

def one(who):
    return client.log_request(provider=who, model="m", input="hi", output="x", request_start_time=1.0,
                              request_end_time=2.0)["request_id"]

async def task(n):
    with promptlog.context(metadata={"user": f"task{n}"}, tags=["async"]):
        for _ in range(20):
            await asyncio.sleep(0)
            one(f"task{n}")
        await asyncio.gather(*(inner(n) for _ in range(2)))

async def inner(n):
    with promptlog.context(metadata={"inner": "yes"}):
        await asyncio.sleep(0)
        one(f"task{n}")

async def main():
    await asyncio.gather(*(task(n) for n in range(10)), bare())

async def bare():
    for _ in range(20):
        await asyncio.sleep(0)
        one("bare")

barrier = threading.Barrier(5)

def thread(n):
    with promptlog.context(metadata={"user": f"thread{n}"}, tags=["threads"]):
        barrier.wait()
        for _ in range(50):
            one(f"thread{n}")

with promptlog.context(metadata={"outside": "yes"}):
    threads = [threading.Thread(target=thread, args=(n,)) for n in range(5)]
    for t in threads: t.start()
    for t in threads: t.join()
asyncio.run(main())
one("bare")

rows = client.sql('''
    SELECT provider, (SELECT value FROM metadata m WHERE m.request_id = r.request_id AND key = 'user') AS who,
           (SELECT string_agg(tag) FROM tags t WHERE t.request_id = r.request_id), count(*)
    FROM requests r GROUP BY ALL''').fetchall()
for provider, who, tags, count in rows:
    if provider == "bare":
        assert (who, tags, count) == (None, None, 21)
    elif provider.startswith("task"):
        assert (who, tags, count) == (provider, "async", 22)
    else:
        assert (who, tags, count) == (provider, "threads", 50)
assert len(rows) == 16
(keys,) = client.sql("SELECT count(*) FILTER (key = 'inner'), count(*) FILTER (key = 'outside') FROM metadata").fetchall()
assert keys == (20, 0), keys
"""


def test_threads_and_tasks(tmp_path: Path) -> None:
    """Tasks and threads that run at the same time each get their own block's metadata and tags, and no other's."""
    run(BODY, tmp_path / "s.duckdb")
