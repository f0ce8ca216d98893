"""Where a store may live, who may write there, and what a process that only logs carries."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog
from tests.processes.support import assert_there_once, log, paths_of, run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "name", ["with spaces and ünïcödé 日本.duckdb", 'it\'s "quoted".db', "no-suffix", "100%; x"]
)
def test_names(tmp_path: Path, name: str) -> None:
    """A path may hold spaces, quotes and any letters."""
    path = tmp_path / "ein Ordner" / name
    with PromptLog(path) as client:
        ids = log(client, 3)
        assert client.requests.count() == 3
    assert_there_once(path, ids)


READ_ONLY = """
import warnings
from promptlog.errors import NotLoggedWarning, StoreUnwritableError
PromptLog(ARGS[1]).requests.count()  # imports all while the libraries can be read
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
os.environ["HOME"] = "/"
client = PromptLog(ARGS[0])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    answer = client.log_request(provider="p", model="m", input="hi", output="x", request_start_time=1.0,
                                request_end_time=2.0)
assert answer == {"request_id": None, "id": None}, answer
assert [w.category for w in caught] == [NotLoggedWarning], caught
for _ in range(2):
    assert client.requests.count() == 3
    client.close()
try:
    PromptLog(ARGS[0] + ".other").requests.count()
except StoreUnwritableError as error:
    assert "cannot be made" in str(error)
else:
    raise AssertionError("made a store in a folder that is read-only")
"""


@pytest.fixture
def open_tmp(tmp_path: Path) -> Path:
    """A folder whose ancestors another user may pass."""
    for folder in (tmp_path, *tmp_path.parents[:3]):  # pytest's own
        if "pytest" in str(folder) and folder.stat().st_uid == os.getuid():
            folder.chmod(0o755)
    return tmp_path


def test_read_only_folder(open_tmp: Path) -> None:
    """Who may only read can ask; logging warns and gives None, and a store cannot be made there."""
    folder = open_tmp / "shared"
    path = folder / "s.duckdb"
    with PromptLog(path) as client:
        ids = log(client, 3)
        client.merge()
    places = [folder, *folder.rglob("*")]
    for place in places:
        place.chmod(0o555 if place.is_dir() else 0o444)
    try:
        run(READ_ONLY, path, open_tmp / "other.duckdb")
    finally:
        for place in places:
            if place.exists():
                place.chmod(0o755 if place.is_dir() else 0o644)
    assert_there_once(path, ids)


def test_two_stores_in_one_process(tmp_path: Path) -> None:
    """Two stores of one process keep apart, in turns and at the same time."""
    with PromptLog(tmp_path / "one.duckdb") as one, PromptLog(tmp_path / "two.duckdb") as two:
        ids_one, ids_two = log(one, 2), log(two, 3)
        assert (one.requests.count(), two.requests.count()) == (2, 3)
        ids_one += log(one, 2)
        assert sorted(one.requests.ids()) == sorted(ids_one)
        assert sorted(two.requests.ids()) == sorted(ids_two)


def test_two_clients_of_one_path(tmp_path: Path) -> None:
    """Two clients of one path share a segment and a lease: neither waits for the other."""
    path = tmp_path / "s.duckdb"
    one, two = PromptLog(path), PromptLog(str(path))
    log(one, 1)
    log(two, 1)
    assert len(list(paths_of(path).segments.iterdir())) == 1
    assert (one.requests.count(), two.requests.count()) == (2, 2)
    assert one._store is two._store
    one.close()
    log(two, 1)  # a client that closed does not stop the other
    assert two.requests.count() == 3
    two.close()


def test_symlinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to the file or to its folder, and a relative path, are the same store."""
    (tmp_path / "real").mkdir()
    path = tmp_path / "real" / "s.duckdb"
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    (tmp_path / "file.duckdb").symlink_to(path)
    monkeypatch.chdir(tmp_path)
    clients = [
        PromptLog(name)
        for name in (path, tmp_path / "folder" / "s.duckdb", "file.duckdb", "real/../real/s.duckdb")
    ]
    ids = [request_id for client in clients for request_id in log(client, 1)]
    assert {client.path for client in clients} == {path.resolve()}
    assert [client.requests.count() for client in clients] == [4] * 4
    for client in clients:
        client.close()
    assert_there_once(path, ids)


def test_a_relative_path_stays(tmp_path: Path) -> None:
    """A program that changes its folder goes on logging where it began."""
    (tmp_path / "elsewhere").mkdir()
    body = """
    client = PromptLog("s.duckdb")
    ids = log(client, 2, "a")
    os.chdir("elsewhere")
    ids += log(client, 2, "b")
    assert client.requests.count() == 4
    say(*ids)
    """
    (ids,) = run(body, cwd=tmp_path)
    assert_there_once(tmp_path / "s.duckdb", ids.split())


def test_what_logging_imports(tmp_path: Path) -> None:
    """A process that only logs carries no DuckDB, no frames, no models and no thread."""
    body = """
    client = PromptLog(ARGS[0])
    (request_id,) = log(client, 1, "a")
    client.track.metadata(request_id, {"k": "v"})
    client.track.score(request_id, 5)
    client.track.tags(request_id, ["t"])
    client.untrack.tags(request_id, ["t"])
    heavy = {"duckdb", "_duckdb", "pandas", "pyarrow", "polars", "numpy", "pydantic.main", "typer", "rich",
             "promptlog.database", "promptlog.query"}
    say(sorted(heavy & set(sys.modules)), threading.active_count())
    """
    assert run(body, tmp_path / "s.duckdb") == ["[] 1"]
