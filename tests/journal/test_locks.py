"""`flock` with manners: exclusive, visible to those who wait, and safe under fork."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from promptlog.journal.locks import FileLock
from tests.processes.support import Child, run

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
from pathlib import Path
from promptlog.journal.locks import FileLock
lock = FileLock(Path(ARGS[0]))
assert lock.try_acquire()
"""


def test_exclusive_within_a_process(tmp_path: Path) -> None:
    """Two instances shut each other out in one process too, and letting go is harmless when not held."""
    one, two = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert one.try_acquire()
    assert not two.try_acquire()
    two.release()
    assert one.held
    assert two.is_wanted()
    one.release()
    assert not two.is_wanted()
    assert two.try_acquire()
    two.release()


def test_exclusive_between_processes(tmp_path: Path) -> None:
    """Another process's lock is seen, told about, and free when that process is killed."""
    mine = FileLock(tmp_path / "lock")
    with Child(HOLD + "lock.write_note(b'me'); say('held'); hear()", tmp_path / "lock") as child:
        child.expect("held")
        assert not mine.try_acquire()
        assert mine.is_wanted()
        assert mine.read_note() == b"me"
        child.kill()
    assert not mine.is_wanted()
    assert mine.try_acquire()
    mine.release()


def test_asking_does_not_take(tmp_path: Path) -> None:
    """`is_wanted` on a file that is not there is False and makes none."""
    lock = FileLock(tmp_path / "lock")
    assert not lock.is_wanted()
    assert not lock.path.exists()
    assert lock.read_note() == b""


def test_file_removed_while_locked(tmp_path: Path) -> None:
    """A lock on a file that was removed guards nothing: another process gets a lock on the new file."""
    (tmp_path / "folder").mkdir()
    old, new = FileLock(tmp_path / "folder" / "lock"), FileLock(tmp_path / "folder" / "lock")
    assert old.try_acquire()
    shutil.rmtree(tmp_path / "folder")
    (tmp_path / "folder").mkdir()
    assert new.try_acquire()
    old.release()
    assert new.held
    new.release()


def test_a_child_neither_keeps_nor_frees(tmp_path: Path) -> None:
    """A forked child's release does not free its parent's lock, and its life does not prolong it."""
    body = """
    down, up = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(down[1])
        assert not lock.held
        lock.release()
        os.write(up[1], b"x")
        os.read(down[0], 1)  # lives until told
        os._exit(0)
    os.read(up[0], 1)
    other = FileLock(Path(ARGS[0]))
    assert not other.try_acquire(), "the child freed it"
    lock.release()
    assert other.try_acquire(), "the child keeps it"
    os.write(down[1], b"x")
    assert os.waitpid(child, 0)[1] == 0
    """
    import textwrap

    run(HOLD + textwrap.dedent(body), tmp_path / "lock")


def test_a_childs_life_does_not_prolong_a_killed_parents_lock(tmp_path: Path) -> None:
    """A parent is killed while a forked child lives on: its lock is free at once."""
    body = """
    if os.fork() == 0:
        say("child")
        hear()
        os._exit(0)
    signal.pause()
    """
    import textwrap

    with Child(HOLD + textwrap.dedent(body), tmp_path / "lock") as parent:
        parent.expect("child")
        parent.process.kill()
        parent.process.wait()
        mine = FileLock(tmp_path / "lock")
        assert mine.try_acquire()
        mine.release()
        parent.tell()
