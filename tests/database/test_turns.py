"""Threads of one process are served in the order they came."""

from __future__ import annotations

import threading
import time

from promptlog.database.turns import Turns


def wait_for_line(turns: Turns, length: int) -> None:
    """Until so many stand in line; the line is the only thing that tells."""
    deadline = time.monotonic() + 30
    while len(turns._line) < length:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_served_in_order() -> None:
    """Whoever waits longest is next, and the last holder stands behind all who wait."""
    turns = Turns()
    served: list[int] = []

    def work(number: int) -> None:
        assert turns.acquire(30)
        served.append(number)
        turns.release()

    assert turns.acquire(0)
    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        wait_for_line(turns, number + 2)
    turns.release()
    assert turns.acquire(30)
    served.append(99)
    turns.release()
    for thread in threads:
        thread.join()
    assert served == [*range(8), 99]


def test_giving_up_leaves_no_gap() -> None:
    """Who gives up leaves the line, and those behind move up."""
    turns = Turns()
    assert turns.try_acquire()
    assert not turns.try_acquire()
    assert not turns.acquire(0.01)
    assert len(turns._line) == 1
    served = threading.Event()

    def wait() -> None:
        assert turns.acquire(30)
        served.set()

    thread = threading.Thread(target=wait)
    thread.start()
    wait_for_line(turns, 2)
    assert not turns.acquire(0.01)
    turns.release()
    assert served.wait(30)
    thread.join()
    turns.release()
    assert turns.try_acquire()


def test_exclusive() -> None:
    """However many threads come and go, one is inside at a time."""
    turns = Turns()
    inside, most, done = [0], [0], [0]

    def work() -> None:
        for _ in range(200):
            assert turns.acquire(60)
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            done[0] += 1
            inside[0] -= 1
            turns.release()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, done) == ([1], [1200])
