"""Fork with a warm connection and under load: nothing of the parent's is lost, and the child works too.

DuckDB by itself loses committed rows here without an error: a child that ends, closes, collects or reconnects what it
inherited destroys the parent's write-ahead log (reference/duckdb.md, silent losses B and C). The scripts commit
after the fork and are then killed, so that the log is all there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.processes.support import Child, assert_there_once, run

if TYPE_CHECKING:
    from pathlib import Path

WARM = """
client = PromptLog(ARGS[0])
ids = log(client, 200, "warm")
assert client.requests.count() == 200
connection = client._store._connection  # a reference that somebody kept: it must not matter
assert connection is not None
sys.stdout.flush()
child = os.fork()
if child == 0:
    {child}
    os._exit(99)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
for _ in range(10):
    ids += log(client, int(ARGS[1]) // 10, "after")
    client.merge()
for request_id in ids:
    say(request_id)
say("merged")
hear()
"""

ENDS = {
    "sys.exit": "sys.exit()",
    "os._exit": "os._exit(0)",
    "return from main": "raise SystemExit(0)",
    "close": "client.close(); sys.exit()",
    "collect": "import gc; del client, connection; gc.collect(); sys.exit()",
    "close the connection": "connection.close(); sys.exit()",
    "exec": "os.execvp(sys.executable, [sys.executable, '-c', ''])",
    "log": "assert None not in log(client, 50, 'child'); sys.exit()",
    "ask": "log(client, 50, 'child'); assert client.requests.count() == 250; sys.exit()",
    "ask and _exit": "log(client, 50, 'child'); assert client.requests.count() == 250; os._exit(0)",
    "ask anew": "client = PromptLog(ARGS[0]); assert client.requests.count() == 200; client.close(); sys.exit()",
    "fork again": "p = os.fork(); p or (client.requests.count(), os._exit(0)); os._exit(os.waitpid(p, 0)[1])",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_child_of_a_warm_parent(tmp_path: Path, end: str) -> None:
    """However a forked child ends, what its parent commits afterwards survives the parent's kill."""
    path = tmp_path / "s.duckdb"
    by_child = 50 if "log(" in ENDS[end] else 0
    with Child(WARM.replace("{child}", ENDS[end]), path, 4000) as parent:
        ids = []
        while (line := parent.hear()) != "merged":
            ids.append(line)
        parent.kill()
        assert parent.errors() == ""  # no complaint of a leak, no traceback
    assert len(ids) == 4200
    assert_there_once(path, ids, beside=by_child)


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_a_child_of_a_warm_parent_at_length(tmp_path: Path, end: str) -> None:
    """The same with the 20,000 requests that were lost in the experiments."""
    path = tmp_path / "s.duckdb"
    with Child(WARM.replace("{child}", ENDS[end]), path, 20_000) as parent:
        ids = []
        while (line := parent.hear()) != "merged":
            ids.append(line)
        parent.kill()
    assert len(ids) == 20_200
    assert_there_once(path, ids, beside=50)


def test_a_child_that_outlives_its_questions(tmp_path: Path) -> None:
    """Parent and forked child ask and log in turns, and neither shuts the other out or loses its requests."""
    path = tmp_path / "s.duckdb"
    body = """
    client = PromptLog(ARGS[0])
    ids = log(client, 10, "before")
    assert client.requests.count() == 10
    child = os.fork()
    who = "parent" if child else "child"
    for i in range(15):
        for request_id in log(client, 20, who):
            say(request_id)
        assert client.requests.count() >= 20 * i
    if child == 0:
        sys.exit()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for request_id in ids:
        say(request_id)
    assert client.requests.count() == 610
    """
    ids = run(body, path)
    assert len(ids) == 610
    assert_there_once(path, ids)


def test_fork_inside_a_question(tmp_path: Path) -> None:
    """A child forked inside a lease may log; asking is refused, and the parent loses nothing."""
    path = tmp_path / "s.duckdb"
    body = """
    from promptlog.errors import StoreError
    client = PromptLog(ARGS[0])
    ids = log(client, 10, "before")
    with client._store.ask("forking") as connection:
        child = os.fork()
        if child == 0:
            ids = log(client, 5, "child")
    if child == 0:
        for request_id in ids:
            say(request_id)
        try:
            client.requests.count()
        except StoreError as error:
            assert "forked in the middle of a question" in str(error)
        else:
            os._exit(98)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ids += log(client, 2000, "after")
    client.merge()
    for request_id in ids:
        say(request_id)
    say("merged")
    hear()
    """
    with Child(body, path) as parent:
        ids = []
        while (line := parent.hear()) != "merged":
            ids.append(line)
        parent.kill()
    assert len(ids) == 2015
    assert_there_once(path, ids)


LOAD = """
client = PromptLog(ARGS[0])
stop = threading.Event()
asking = ARGS[1] == "asking"
if asking:
    # Python itself hangs in a child that was forked while another thread was importing: so import first.
    client.requests.count()

def work(who):
    while not stop.wait(0.01):  # no faster than a merge can follow
        for request_id in log(client, 10, who):
            say(request_id)
        if asking and who == "thread0":
            client.requests.count()

threads = [threading.Thread(target=work, args=(f"thread{n}",)) for n in range(4)]
for thread in threads:
    thread.start()
children = []
for n in range(12):
    child = os.fork()
    if child == 0:
        for request_id in log(client, 50, f"child{n}"):
            say(request_id)
        if asking:
            assert client.requests.count() >= 50
        sys.exit() if n % 2 else os._exit(0)
    children.append(child)
    if len(children) == 3:
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        children = []
stop.set()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("mode", ["logging", "asking"])
def test_fork_under_load(tmp_path: Path, mode: str) -> None:
    """Threads log, and ask, while the main thread forks children that do the same: no deadlock, nothing lost."""
    path = tmp_path / "s.duckdb"
    ids = run(LOAD, path, mode)
    assert len(ids) >= 600
    assert_there_once(path, ids)


MULTI = """
import multiprocessing
from pathlib import Path

def work(path, n):
    from promptlog import PromptLog
    client = PromptLog(path)
    ids = []
    for i in range(20):
        ids.append(client.log_request(
            provider="pool", model="m", input="hi", output="x", request_start_time=1.0, request_end_time=2.0,
            metadata={"n": str(i), "who": str(n)},
        )["request_id"])
    assert client.requests.count() >= 20
    return ids

if __name__ == "__main__":
    import sys
    from promptlog import PromptLog
    client = PromptLog(sys.argv[1])
    assert client.requests.count() == 0  # warm
    context = multiprocessing.get_context(sys.argv[2])
    with context.Pool(2) as pool:
        for ids in pool.starmap(work, [(sys.argv[1], n) for n in range(6)]):
            print("\\n".join(ids))
    assert client.requests.count() == 120
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path: Path, method: str) -> None:
    """A pool of each start method logs and asks beside its warm parent."""
    path = tmp_path / "s.duckdb"
    script = tmp_path / "pool_script.py"
    script.write_text(MULTI)
    ids = run(
        "import runpy; sys.argv = [ARGS[0], *ARGS[1:]]; runpy.run_path(ARGS[0], run_name='__main__')"
        if method == "fork"
        else "os.execv(sys.executable, [sys.executable, *ARGS])",
        script,
        path,
        method,
    )
    assert len(ids) == 120
    assert_there_once(path, ids)


STREAMING = """
import gc
import openai
from tests.wire import Wire

with Wire() as wire:
    client = PromptLog(ARGS[0], providers={"local": lambda **_: iter("abc")})
    message = {"role": "user", "content": "hi"}
    client.templates.publish({"prompt_name": "p", "prompt_template": {"type": "chat", "messages": [message]}})
    gpt = client.wrap(openai.OpenAI(base_url=wire.openai(), api_key="k"))
    left = [
        client.run("p", provider="local", model="m", stream=True),
        gpt.chat.completions.create(model="m", messages=[message], stream=True),
        client.traceable(name="letters")(lambda: (yield from "abc"))(),
    ]
    for each in left:
        next(each)
    child = os.fork()
    if child == 0:
        del left, each
        gc.collect()
        sys.exit()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for each in left:
        assert len(list(each)) >= 2
    say(sorted(status for (status,) in client.sql("SELECT status FROM requests").fetchall()))
    say(client.sql("SELECT status FROM spans").fetchall())
    say("done")
"""


def test_a_child_drops_the_streams_of_its_parent(tmp_path: Path) -> None:
    """What a parent reads on is its own to log: a forked child that ends has left nothing."""
    assert run(STREAMING, str(tmp_path / "s.duckdb")) == ["['SUCCESS', 'SUCCESS']", "[('OK',)]", "done"]
