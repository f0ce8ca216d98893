"""Ctrl-C during a question: heard also while DuckDB's own threads do the work, and nothing is left in disorder."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from jupyter_client.manager import start_new_kernel

from promptlog import PromptLog
from promptlog.database.ctrl_c import ctrl_c_ends

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# One task, which the main thread or another one takes.
ENDLESS = "SELECT sum(sqrt(range)) FROM range(900_000_000_000)"


@pytest.fixture(autouse=True)
def _not_deaf() -> Iterator[None]:
    """A shell's background jobs, which tests may run in, are started deaf to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def press(after: float) -> threading.Timer:
    """Press Ctrl-C in a while."""
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def test_a_question_is_ended_and_the_next_one_is_answered(tmp_path: Path) -> None:
    """Whoever works on it; the lease is free again."""
    with PromptLog(tmp_path / "store.duckdb") as client:
        client.requests.count()
        for _ in range(6):
            timer = press(0.2)
            with pytest.raises(KeyboardInterrupt):
                client.sql(ENDLESS).dicts()
            timer.join()
            assert client.requests.count() == 0


def test_a_notebooks_stop_button(tmp_path: Path) -> None:
    """The cell that asks ends with KeyboardInterrupt, each time, and the kernel goes on."""
    kernel, asked = start_new_kernel(kernel_name="python3")

    def run(code: str, stopped_after: float | None = None) -> str:
        sent = asked.execute(code, stop_on_error=False)  # else a kernel aborts what comes soon after an error
        if stopped_after:
            time.sleep(stopped_after)
            kernel.interrupt_kernel()
        while (answer := asked.get_shell_msg(timeout=30))["parent_header"].get("msg_id") != sent:
            pass
        return str(answer["content"].get("ename", answer["content"]["status"]))

    try:
        opened = f"import promptlog; client = promptlog.PromptLog({str(tmp_path / 'a.duckdb')!r})"
        assert run(f"{opened}; client.requests.count()") == "ok"
        for _ in range(4):
            assert run(f"client.sql({ENDLESS!r}).dicts()", 0.5) == "KeyboardInterrupt"
        assert run("assert client.requests.count() == 0") == "ok"
    finally:
        asked.stop_channels()
        kernel.shutdown_kernel(now=True)


def test_between_two_statements(tmp_path: Path) -> None:
    """It ends the one that comes next."""

    def work() -> None:
        with client._store.lease("working") as connection:
            os.kill(os.getpid(), signal.SIGINT)
            connection.execute("SELECT 1")
            connection.execute(ENDLESS)

    with PromptLog(tmp_path / "store.duckdb") as client, pytest.raises(KeyboardInterrupt):
        work()


def test_who_listens_for_signals_hears_of_it_too(tmp_path: Path) -> None:
    """An event loop's own descriptor is told, and is the one that is told from then on."""
    heard, said = os.pipe()
    os.set_blocking(said, False)
    before = signal.set_wakeup_fd(said)
    try:
        with PromptLog(tmp_path / "store.duckdb") as client:
            client.requests.count()
            timer = press(0.1)
            with pytest.raises(KeyboardInterrupt):
                client.sql(ENDLESS).dicts()
            timer.join()
        assert os.read(heard, 9) == bytes([signal.SIGINT])
        assert signal.set_wakeup_fd(said) == said
    finally:
        signal.set_wakeup_fd(before)
    os.close(heard)
    os.close(said)


def test_another_meaning_of_ctrl_c_stays() -> None:
    """A program's own handler is called as ever, and ends nothing."""
    called: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: called.append(number))
    with ctrl_c_ends(lambda: called.append(-1)):
        os.kill(os.getpid(), signal.SIGINT)
    assert called == [signal.SIGINT]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_fork_finds_no_thread_of_ours(tmp_path: Path) -> None:
    """A thread that lives on would make each fork a risk, and Python warns of it; the next question is ended as ever."""
    with PromptLog(tmp_path / "store.duckdb") as client:
        for _ in range(2):
            client.requests.count()  # to open it takes long on a busy machine
            timer = press(0.2)
            with pytest.raises(KeyboardInterrupt):
                client.sql(ENDLESS).dicts()
            timer.join()
            assert "promptlog-ctrl-c" in {thread.name for thread in threading.enumerate()}
            child = os.fork()
            if not child:
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert "promptlog-ctrl-c" not in {thread.name for thread in threading.enumerate()}


def test_a_child_that_is_forked_inside_has_its_own_ctrl_c() -> None:
    """It ends nothing of its parent's."""
    ended: list[str] = []
    with ctrl_c_ends(lambda: ended.append("the parent's")):
        child = os.fork()
        if not child:
            ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
            os._exit(0 if ours and signal.set_wakeup_fd(-1) == -1 else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert ended == []
