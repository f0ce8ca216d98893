"""The writer's laws: a line is one write, times rise, segments rotate, and nothing acknowledged is torn."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from pydantic_core import from_json

from promptlog import PromptLog
from promptlog.errors import RecordTooLargeError
from promptlog.identifiers import Clock
from promptlog.journal import writer as writer_module
from promptlog.journal.writer import Writer, writer_for
from promptlog.settings import MAX_LINE_BYTES, StorePaths
from tests.processes.support import Child, assert_there_once, log, paths_of, run


@pytest.fixture
def paths(tmp_path: Path) -> StorePaths:
    return paths_of(tmp_path / "s.duckdb")


def all_lines(paths: StorePaths) -> list[bytes]:
    """Every line of every segment; each must be whole."""
    lines = []
    for path in paths.segments.iterdir():
        data = path.read_bytes()
        assert not data or data.endswith(b"\n")
        lines += data.splitlines()
    return lines


def test_a_line_is_one_write(paths: StorePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record goes to the kernel in a single write that ends with its only newline."""
    writes: list[bytes] = []
    real = os.write

    def spy(fd: int, data: bytes) -> int:
        writes.append(data)
        return real(fd, data)

    monkeypatch.setattr(os, "write", spy)
    writer = Writer(paths)
    times = [writer.append(b'{"a":%d}' % i) for i in range(5)]
    assert writes == [b'{"time":%d,"a":%d}\n' % (time, i) for i, time in enumerate(times)]
    assert b"".join(writes) == next(paths.segments.iterdir()).read_bytes()
    writer.close()


def test_many_lines_are_one_write(paths: StorePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch goes to the kernel in a single write, each line with a time of its own, and single lines go on after it."""
    writes: list[bytes] = []
    real = os.write

    def spy(fd: int, data: bytes) -> int:
        writes.append(data)
        return real(fd, data)

    monkeypatch.setattr(os, "write", spy)
    writer = Writer(paths)
    last = writer.append_many([b'{"a":%d}' % i for i in range(5)])
    after = writer.append(b'{"a":5}')
    assert len(writes) == 2
    lines = [from_json(line) for line in all_lines(paths)]
    assert [line["a"] for line in lines] == [0, 1, 2, 3, 4, 5]
    times = [line["time"] for line in lines]
    assert times == sorted(set(times))
    assert times[4:] == [last, after]
    writer.close()


def test_times_rise_when_the_clock_steps_back(paths: StorePaths) -> None:
    """Times of one process strictly rise when the system's clock stands still or is set back."""
    readings = iter([5_000_000, 5_000_000, 1_000_000, 1_000_999, 9_000_000, 2_000_000])
    writer = Writer(paths, Clock(now_ns=readings.__next__))
    times = [writer.append(b'{"a":1}') for _ in range(6)]
    assert times == [5000, 5001, 5002, 5003, 9000, 9001]
    assert [from_json(line)["time"] for line in all_lines(paths)] == times
    writer.close()


def test_rotation(paths: StorePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its size a segment is left, unlocked, for a new one, and no line is lost or torn."""
    monkeypatch.setattr(writer_module, "SEGMENT_BYTES", 300)
    writer = Writer(paths)
    for i in range(100):
        writer.append(b'{"n":%d}' % i)
    sizes = [path.stat().st_size for path in paths.segments.iterdir()]
    assert len(sizes) > 5
    assert max(sizes) < 300 + 50
    assert sorted(from_json(line)["n"] for line in all_lines(paths)) == list(range(100))
    writer.close()


def test_threads_with_rotation(paths: StorePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads share a writer that rotates all the time, and every line is there once."""
    monkeypatch.setattr(writer_module, "SEGMENT_BYTES", 500)
    writer = Writer(paths)
    times: list[int] = []
    errors: list[BaseException] = []

    def work(who: int) -> None:
        try:
            times.extend(writer.append(b'{"who":%d,"i":%d}' % (who, i)) for i in range(300))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found = sorted((line["who"], line["i"]) for line in map(from_json, all_lines(paths)))
    assert found == [(who, i) for who in range(8) for i in range(300)]
    assert len(set(times)) == 2400
    writer.close()


def test_order_of_lines_is_order_of_times(paths: StorePaths) -> None:
    """Within a segment times rise from line to line, whatever threads wrote them."""
    writer = Writer(paths)
    threads = [
        threading.Thread(target=lambda: [writer.append(b'{"a":1}') for _ in range(500)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = [from_json(line)["time"] for line in all_lines(paths)]
    assert len(times) == 2000
    assert times == sorted(set(times))
    writer.close()


def test_deleted_folder(tmp_path: Path) -> None:
    """Somebody deletes the journal under a live writer: the next call goes into a new segment and is found."""
    client = PromptLog(tmp_path / "s.duckdb")
    log(client, 2)
    shutil.rmtree(paths_of(client.path).journal)
    kept = log(client, 3)
    assert len(all_lines(paths_of(client.path))) == 3
    assert sorted(client.requests.ids()) == sorted(kept)
    client.close()


def test_deleted_segment(paths: StorePaths) -> None:
    """A segment that is unlinked under its writer is not written to again."""
    writer = Writer(paths)
    writer.append(b'{"a":1}')
    next(paths.segments.iterdir()).unlink()
    writer.append(b'{"a":2}')
    assert [from_json(line)["a"] for line in all_lines(paths)] == [2]
    writer.close()


def test_one_writer_a_store(paths: StorePaths) -> None:
    """A process has one writer of a store, and so one segment."""
    assert writer_for(paths) is writer_for(paths_of(paths.database))


def test_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With durability="fsync" each call syncs the segment, the first one the folders on the way to it too, and logging works."""
    synced: list[int] = []
    real = os.fsync

    def spy(fd: int) -> None:
        synced.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fsync", spy)
    client = PromptLog(tmp_path / "s.duckdb", durability="fsync")
    ids = log(client, 3)
    assert len(synced) == 6
    assert client.requests.count() == len(ids)
    client.close()


def test_too_large(tmp_path: Path) -> None:
    """A call over 16 MiB is refused before anything is written, and the next one works."""
    client = PromptLog(tmp_path / "s.duckdb")
    with pytest.raises(RecordTooLargeError):
        log(client, 1, text="x" * MAX_LINE_BYTES)
    assert not paths_of(client.path).journal.exists()
    assert len(log(client, 1)) == 1
    client.close()


FULL = """
import resource, warnings
from pathlib import Path
from promptlog.errors import NotLoggedWarning
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
client = PromptLog(ARGS[0])
for request_id in log(client, 3, "before"):
    say("id", request_id)
segment, = (Path(ARGS[0] + ".journal") / "segments").iterdir()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for room in (0, 1, 50, 150):
    before = segment.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + room, hard))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = client.log_request(
            provider="full", model="m", input="hi" * 200, output=None,
            request_start_time=1.0, request_end_time=2.0)
        tracked = client.track.metadata("00000000-0000-7000-8000-000000000000", {"k": "v" * 400})
    assert answer == {"request_id": None, "id": None}, answer
    assert tracked is False
    assert [w.category for w in caught] == [NotLoggedWarning] * 2, caught
    assert all("not logged" in str(w.message) and w.filename == "<string>" for w in caught), caught
    assert segment.stat().st_size == before, "a torn line stands there"
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    for request_id in log(client, 2, f"after{room}"):
        say("id", request_id)
say("segments", len(list(segment.parent.iterdir())))
"""


def test_full_disk(tmp_path: Path) -> None:
    """On a full disk a call warns and gives None, its torn line is taken back, and with room again logging goes on."""
    path = tmp_path / "s.duckdb"
    lines = run(FULL, path)
    assert lines[-1] == "segments 1"
    assert all(from_json(line)["kind"] == "request" for line in all_lines(paths_of(path)))
    assert_there_once(path, [line.split()[1] for line in lines[:-1]])
    assert not paths_of(path).rejected.exists()


FULL_BATCH = """
import json, resource
from pathlib import Path
from promptlog.journal.writer import Writer
from tests.processes.support import paths_of
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = Writer(paths_of(Path(ARGS[0])))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
kept, number = [], 0

def batch():
    global number
    number += 10
    return [json.dumps({"n": n, "text": "x" * 50}).encode() for n in range(number - 10, number)]

writer.append_many(batch())
segment, = Path(ARGS[0] + ".journal", "segments").iterdir()
line = len(segment.read_bytes().splitlines()[0]) + 1
for room in (0, 1, line - 1, line, line + 1, 3 * line + 5, 9 * line + line // 2):
    before = segment.stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + room, hard))
    try:
        writer.append_many(batch())
    except OSError:
        pass
    else:
        raise AssertionError("there was no room for that")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    data = segment.read_bytes()
    assert data.endswith(b"\\n"), "a torn line stands there"
    said = [json.loads(text)["n"] for text in data[before:].splitlines()]
    assert said == list(range(number - 10, number - 10 + len(said))), said
    assert room - 2 * line < len(data) - before <= room, (room, len(data) - before)
    writer.append_many(batch())
    assert [json.loads(text)["n"] for text in segment.read_bytes()[len(data):].splitlines()] == list(range(number - 10, number))
assert len(list(segment.parent.iterdir())) == 1
say("done")
"""


def test_full_disk_under_a_batch(tmp_path: Path) -> None:
    """Where a disk fills up inside a batch, its whole lines stay (they may have been read), the torn one is cut off, and logging goes on."""
    assert run(FULL_BATCH, tmp_path / "s.duckdb") == ["done"]


SIGNALS = """
import promptlog.journal.writer as writer
writer.SEGMENT_BYTES = 2000
client = PromptLog(ARGS[0])
ids, over = [], False

def handler(*_):
    ids.extend(log(client, 1, "handler"))
    if not over:  # one at a time: faster ones would nest without an end
        signal.setitimer(signal.ITIMER_REAL, 0.0002)

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0002)
mine = log(client, 5000, "main")
over = True
signal.setitimer(signal.ITIMER_REAL, 0)
for request_id in mine + ids:
    say(request_id)
folder = ARGS[0] + ".journal/segments"
open_now = [fd for fd in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{fd}").startswith(folder)]
assert len(open_now) < 10, "descriptors are left behind"
"""


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_signal_handler_that_logs(tmp_path: Path) -> None:
    """A signal handler logs while its thread is logging and rotating: no deadlock, every request there once."""
    path = tmp_path / "s.duckdb"
    ids = run(SIGNALS, path)
    assert len(ids) > 5000
    assert None not in ids
    assert_there_once(path, ids)


def test_interrupted_after_the_write(paths: StorePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C right after the write leaves the whole line: a merge may have read it, and the next must not lie there."""
    writer = Writer(paths)
    writer.append(b'{"a":1}')
    real = os.write

    def interrupted(fd: int, data: bytes) -> int:
        real(fd, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append(b'{"a":2}')
    writer.append(b'{"a":3}')
    assert [from_json(line)["a"] for line in all_lines(paths)] == [1, 2, 3]
    writer.close()


def test_interrupted_after_the_write_of_a_batch(paths: StorePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C right after the write of a batch leaves all of its lines."""
    writer = Writer(paths)
    real = os.write

    def interrupted(fd: int, data: bytes) -> int:
        real(fd, data)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.append_many([b'{"a":1}', b'{"a":2}'])
    writer.append_many([b'{"a":3}', b'{"a":4}'])
    assert [from_json(line)["a"] for line in all_lines(paths)] == [1, 2, 3, 4]
    writer.close()


BATCHES = """
client = PromptLog(ARGS[0])
import json
from promptlog.identifiers import new_request_id
while True:
    ids = [new_request_id(1_000_000) for _ in range(40)]
    client._writer.append_many([
        json.dumps({
            "kind": "request", "request_id": id, "start_time": 1_000_000, "end_time": 2_000_000, "status": "SUCCESS",
            "provider": "p", "model": "m" * 300, "metadata": {"who": "batch", "n": str(n)},
        }).encode()
        for n, id in enumerate(ids)
    ])
    for id in ids:
        say(id)
"""


def test_killed_in_the_middle_of_batches(tmp_path: Path) -> None:
    """Whenever a process that appends batches is killed, each line it acknowledged is there once, and each line is whole."""
    path = tmp_path / "s.duckdb"
    ids = []
    for round_ in range(8):
        with Child(BATCHES, path) as child:
            ids += [child.hear() for _ in range(1 + 37 * round_)]
            ids += child.kill()
    assert_there_once(path, ids, beside=8 * 40)


def test_killed_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """What a writer that died left of a line is kept in rejected/, and the whole lines before it are merged."""
    path = tmp_path / "s.duckdb"
    with Child("client = PromptLog(ARGS[0]); say(*log(client, 2, 'a')); hear()", path) as child:
        ids = child.hear().split()
        child.kill()
    segment = next(paths_of(path).segments.iterdir())
    with segment.open("ab") as file:
        file.write(b'{"time":123,"kind":"requ')
    assert_there_once(path, ids)
    assert not segment.exists()
    kept = list(paths_of(path).rejected.iterdir())
    assert [from_json(file.read_bytes())["line"] for file in kept] == ['{"time":123,"kind":"requ']
