"""The copy of metadata says what metadata says, whatever is moved, and stays in few runs."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog, errors, meta
from promptlog.database import compaction
from promptlog.database.metadata import LOOSE
from tests.processes.support import Child
from tests.samples import request

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test reaches."""
    monkeypatch.setattr(compaction, "LOOSE_ENTRIES", 50)
    monkeypatch.setattr(compaction, "_SLICE_ENTRIES", 40)
    monkeypatch.setattr(compaction, "_SAMPLE_PERCENT", 100)


def agrees(client: PromptLog) -> bool:
    """Tell whether the copy has each entry of metadata once and no other."""
    differs = client.sql(
        "SELECT count(*) FROM ("
        "(SELECT key, value, request_id FROM metadata EXCEPT ALL SELECT key, value, request_id FROM metadata_by_value) "
        "UNION ALL "
        "(SELECT key, value, request_id FROM metadata_by_value EXCEPT ALL SELECT key, value, request_id FROM metadata))"
    ).fetchall()
    return differs == [(0,)]


def runs(client: PromptLog) -> dict[int, int]:
    """Return the entries of each run, counted anew."""
    found = client.sql("SELECT run, count(*) FROM metadata_by_value GROUP BY run").fetchall()
    return {run: entries for run, entries in found}  # noqa: C416 - pairs of ints


def breaks(client: PromptLog) -> int:
    """Count the places where a sorted run goes back."""
    return int(
        client.sql(
            f"SELECT count(*) FROM (SELECT (key, value_hash, request_id) < lag((key, value_hash, request_id)) "
            f"OVER (PARTITION BY run ORDER BY rowid) AS back FROM metadata_by_value WHERE run <> {LOOSE}) WHERE back"
        ).fetchall()[0][0]
    )


def log(client: PromptLog, count: int, chance: random.Random) -> None:
    """Log requests of one of twenty users each."""
    for number in range(count):
        user = f"u{chance.randrange(20)}"
        client.log_request(**request(metadata={"user_id": user, "n": str(number), "region": "eu"}))


@pytest.mark.usefixtures("small")
def test_merging_keeps_few_sorted_runs(client: PromptLog) -> None:
    """What arrives is sorted before it is much, and runs are joined before they are many."""
    chance = random.Random(1)
    for _ in range(40):
        log(client, 10, chance)
        client.track.metadata(client.requests.sort("request_id").limit(1).ids()[0], {"n": "again"})
        client.merge()
    found = runs(client)
    assert sum(found.values()) == 1200
    assert found.get(LOOSE, 0) <= 2 * 50 + 31
    assert len(found) < 20
    assert max(found.values()) > 100  # eight runs became one
    assert breaks(client) == 0
    assert agrees(client)


@pytest.mark.usefixtures("small")
def test_compact_leaves_one_sorted_run(client: PromptLog) -> None:
    """All of it, in slices; a second time there is nothing to do; what is written afterwards is found too."""
    chance = random.Random(2)
    for _ in range(5):
        log(client, 30, chance)
        client.merge()
    expected = {user: client.requests.filter(meta("user_id") == user).count() for user in ("u1", "u2")}
    assert client.compact() >= 450
    assert list(runs(client).values()) == [450]
    assert breaks(client) == 0
    assert agrees(client)
    assert client.compact() == 0
    client.log_request(**request(metadata={"user_id": "u1"}))
    assert client.requests.filter(meta("user_id") == "u1").count() == expected["u1"] + 1
    assert client.requests.filter(meta("user_id") == "u2").count() == expected["u2"]


@pytest.mark.usefixtures("small")
def test_loose_entries_are_sorted_while_runs_are_being_joined(client: PromptLog) -> None:
    """A load brings more than a slice of joining moves, and yet what is in no order stays little."""
    chance = random.Random(5)
    for _ in range(20):
        log(client, 30, chance)
        client.merge()
    with client._store.lease("planning") as connection:
        compaction.begin(connection)
    for _ in range(20):
        log(client, 25, chance)
        client.merge()
        assert runs(client).get(LOOSE, 0) <= 2 * 50 + 75
    assert agrees(client)
    client.compact()
    assert list(runs(client).values()) == [3300]
    assert breaks(client) == 0
    assert agrees(client)


@pytest.mark.usefixtures("small")
def test_what_another_process_has_begun_to_join_comes_first(client: PromptLog) -> None:
    """Two plans at once would join the same runs by bounds of their own; and all becomes one run in the end."""
    chance = random.Random(6)
    for _ in range(3):
        log(client, 30, chance)
        client.merge()
    begin = compaction.begin
    with client._store.lease("planning") as connection:
        assert begin(connection)
        compaction.go_on(connection)
        assert not begin(connection)
        assert connection.execute("SELECT count(*) FROM metadata_compaction").fetchone() == (1,)
    log(client, 10, chance)
    client.compact()
    assert list(runs(client).values()) == [300]
    assert agrees(client)


def test_an_empty_store_has_nothing_to_compact(client: PromptLog) -> None:
    """No error, no work."""
    assert client.compact() == 0


@pytest.mark.usefixtures("small")
def test_removed_and_replaced_entries_leave_the_copy(client: PromptLog) -> None:
    """Also when they stand in a run that is being joined."""
    chance = random.Random(3)
    log(client, 100, chance)
    client.merge()
    log(client, 100, chance)
    client.merge()
    ids = client.requests.ids()
    with client._store.lease("planning") as connection:
        compaction.begin(connection)
        assert compaction.go_on(connection)
    for request_id in ids[::3]:
        client.untrack.metadata(request_id, "n")
        client.track.metadata(request_id, {"user_id": "new"})
    client.merge()
    assert agrees(client)
    client.compact()
    assert agrees(client)
    assert client.requests.filter(meta("user_id") == "new").count() == len(ids[::3])


_COMPACT = """
from unittest import mock
from promptlog.database import compaction
compaction._SLICE_ENTRIES = 200
compaction._SAMPLE_PERCENT = 100
client = PromptLog(ARGS[0])
say("go")
client.compact()
say("done")
"""


@pytest.mark.parametrize("after_ms", [0, 3, 10, 30, 60])
def test_a_killed_compaction_is_gone_on_with(after_ms: int, tmp_path: Path) -> None:
    """Nothing is lost or doubled at any moment, and the next process finishes what was begun."""
    path = tmp_path / "store.duckdb"
    with PromptLog(path) as client:
        chance = random.Random(4)
        for _ in range(3):
            log(client, 1000, chance)
            client.merge()
            with client._store.lease("sorting") as connection:
                compaction._sort_loose(connection, compaction._runs(connection))
    with Child(_COMPACT, path) as child:
        child.expect("go")
        time.sleep(after_ms / 1000)
        child.process.kill()
        child.process.wait()
    with PromptLog(path) as client:
        assert agrees(client)
        client.compact()
        assert list(runs(client).values()) == [9000]
        assert breaks(client) == 0
        assert agrees(client)


def test_a_store_that_can_only_be_read_is_not_compacted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so."""
    path = tmp_path / "store.duckdb"
    with PromptLog(path) as client:
        client.log_request(**request())
        client.merge()
    monkeypatch.setattr("os.access", lambda *_: False)
    with PromptLog(path) as client, pytest.raises(errors.StoreUnwritableError, match="can only be read"):
        client.compact()
