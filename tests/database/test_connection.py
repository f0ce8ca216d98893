"""What the door lets in: our files of a version we know, and everything else is refused with a way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from promptlog import PromptLog
from promptlog.database.schema import MIGRATIONS, SCHEMA, VERSION
from promptlog.errors import StoreDamagedError, StoreUnwritableError, StoreVersionError
from tests.processes.support import Child, assert_there_once, log, paths_of, run

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() ORDER BY ALL"


def a_store(path: Path) -> list[str]:
    """Make a store and let it go; return the ids in it."""
    with PromptLog(path) as client:
        ids = log(client, 3)
        assert client.requests.count() == 3
    return ids


def test_schema_and_version(tmp_path: Path) -> None:
    """A new store has the tables of SCHEMA and records VERSION; there is a step to each version from 2 on."""
    a_store(tmp_path / "s.duckdb")
    with duckdb.connect(":memory:") as fresh, duckdb.connect(tmp_path / "s.duckdb", read_only=True) as made:
        fresh.execute(SCHEMA)
        assert made.execute(COLUMNS).fetchall() == fresh.execute(COLUMNS).fetchall()
        assert made.execute("SELECT version FROM promptlog_schema").fetchall() == [(VERSION,)]
    assert sorted(MIGRATIONS) == list(range(2, VERSION + 1))


def test_newer_version(tmp_path: Path) -> None:
    """A newer promptlog's store is refused with both versions and what to install, and logging goes on."""
    path = tmp_path / "s.duckdb"
    ids = a_store(path)
    with duckdb.connect(path) as other:
        other.execute("UPDATE promptlog_schema SET version = 99")
    with PromptLog(path) as client:
        ids += log(client, 1)
        with pytest.raises(StoreVersionError, match=rf"version 99.*up to {VERSION}.*pip install -U"):
            client.requests.count()
    with duckdb.connect(path) as other:
        other.execute("UPDATE promptlog_schema SET version = ?", [VERSION])
    assert_there_once(path, ids)


def test_foreign_duckdb_file(tmp_path: Path) -> None:
    """Somebody else's DuckDB file is refused and not changed."""
    path = tmp_path / "theirs.duckdb"
    with duckdb.connect(path) as other:
        other.execute("CREATE TABLE requests AS SELECT 42 AS n")
    before = path.read_bytes()
    with PromptLog(path) as client:
        log(client, 1)
        with pytest.raises(StoreDamagedError, match=r"did not make.*a file of its own"):
            client.requests.count()
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"hello, world\n" * 1000, b"x", b"SQLite format 3\0" + bytes(5000)])
def test_no_database_at_all(tmp_path: Path, content: bytes) -> None:
    """A file that is no database is refused by name and left as it is."""
    path = tmp_path / "text.duckdb"
    path.write_bytes(content)
    with PromptLog(path) as client, pytest.raises(StoreDamagedError, match=r"text\.duckdb"):
        client.requests.count()
    assert path.read_bytes() == content


def test_empty_file(tmp_path: Path) -> None:
    """An empty file, such as `touch` makes, becomes a store."""
    path = tmp_path / "empty.duckdb"
    path.touch()
    assert_there_once(path, a_store(path))


FULL = """
import resource
from promptlog.errors import StoreUnwritableError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
path, size = ARGS[0], int(ARGS[1])
client = PromptLog(path)
for request_id in log(client, 500, "full", text="hi" * 500):
    say(request_id)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # standard error is a file too: nothing is said there
for _ in range(3):
    try:
        client.requests.count()
    except StoreUnwritableError as error:
        assert path in str(error)
    else:
        raise AssertionError("it had room")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert client.requests.count() == 500
"""


@pytest.mark.parametrize("size", [0, 1000, 4096, 9000, 12288, 100_000, 400_000])
def test_full_disk_while_asking(tmp_path: Path, size: int) -> None:
    """A disk that is full when the file is made or written raises StoreUnwritableError, and with room all is there."""
    path = tmp_path / "s.duckdb"
    assert_there_once(path, run(FULL, path, size))


def test_damaged_wal(tmp_path: Path) -> None:
    """A damaged write-ahead log is named, and moving it aside, as the message says, opens the store again."""
    path = tmp_path / "s.duckdb"
    with PromptLog(path) as client:
        log(client, 2)
        client.requests.count()
    body = """
    client = PromptLog(ARGS[0])
    log(client, 500, "wal")
    client.merge()
    say("merged")
    hear()
    """
    with Child(body, path) as child:
        child.expect("merged")
        child.kill()
    wal = path.with_name(path.name + ".wal")
    data = bytearray(wal.read_bytes())
    for at in range(len(data) // 3, len(data) // 3 + 64):
        data[at] ^= 0xFF
    wal.write_bytes(data)
    with PromptLog(path) as client:
        kept = log(client, 1)
        with pytest.raises(StoreDamagedError, match=rf"{wal.name} is damaged.*Move that file aside"):
            client.requests.count()
    wal.rename(tmp_path / "aside")
    with PromptLog(path) as client:
        assert set(kept) <= set(client.requests.ids())


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A store below a file can be neither read nor made: the error is a StoreUnwritableError with a way out."""
    (tmp_path / "file").touch()
    client = PromptLog(tmp_path / "file" / "s.duckdb")
    with pytest.raises(StoreUnwritableError, match="PROMPTLOG_PATH"):
        client.requests.count()


def test_missing_folder(tmp_path: Path) -> None:
    """Folders above the store are made when first needed, by logging and by asking alike."""
    one, two = tmp_path / "a" / "b" / "s.duckdb", tmp_path / "c" / "d" / "s.duckdb"
    with PromptLog(one) as client:
        assert not one.parent.exists()
        log(client, 1)
        assert client.requests.count() == 1
    with PromptLog(two) as client:
        assert client.requests.count() == 0


def test_sandbox(tmp_path: Path) -> None:
    """SQL of a question reaches no other file, cannot lift that, and cannot write."""
    path = tmp_path / "s.duckdb"
    (tmp_path / "secret.csv").write_text("a\n1\n")
    body = """
    from promptlog.errors import PromptLogError
    client = PromptLog(ARGS[0])
    log(client, 1, "a")
    for text in (
        f"SELECT * FROM read_csv('{ARGS[1]}')", f"SELECT * FROM '{ARGS[1]}'", "SET enable_external_access = true",
        "DELETE FROM requests", "SELECT 1; DROP TABLE requests", f"COPY requests TO '{ARGS[1]}'",
        f"ATTACH '{ARGS[1]}.db'", "COMMIT",
    ):
        try:
            say(text, client.sql(text).fetchall())
        except PromptLogError as error:
            assert str(error).strip()
    assert client.requests.count() == 1
    """
    assert run(body, path, tmp_path / "secret.csv") == []
    assert (tmp_path / "secret.csv").read_text() == "a\n1\n"
    assert paths_of(path).staging.is_dir()
