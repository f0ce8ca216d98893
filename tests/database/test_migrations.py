"""A file of every released version opens, is brought to the present, and holds what it held."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from promptlog import PromptLog, meta
from promptlog.database.schema import MIGRATIONS, SCHEMA, VERSION
from promptlog.errors import StoreVersionError

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("version-*.duckdb.gz"))
_SHAPE = (
    "SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE database_name = current_database() "
    "AND NOT internal ORDER BY ALL"
)
_KEYS = (
    "SELECT table_name, constraint_type, constraint_column_names FROM duckdb_constraints() "
    "WHERE database_name = current_database() ORDER BY ALL"
)


def test_every_version_has_its_fixture_and_its_step() -> None:
    """No version without a file that proves its migration, no step left out."""
    assert [path.name for path in FIXTURES] == [
        f"version-{number}.duckdb.gz" for number in range(1, VERSION + 1)
    ]
    assert sorted(MIGRATIONS) == list(range(2, VERSION + 1))


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.stem)
def test_an_old_file_becomes_the_present_schema(fixture: Path, tmp_path: Path) -> None:
    """Tables, columns, types and keys are those that a new file has; every row is there."""
    path = tmp_path / "old.duckdb"
    path.write_bytes(gzip.decompress(fixture.read_bytes()))
    with PromptLog(path) as client:
        second, first = client.requests.sort("request_id", descending=True)
        assert (first.metadata, first.tags, first.scores) == (
            {"user_id": "u1"},
            ["production"],
            {"default": 95.0},
        )
        assert (first.prompt_name, first.prompt_version, first.group_id) == ("cake", 2, 7)
        assert (first.input_text, first.cost_usd, first.parameters) == (
            "How do I bake a cake?",
            0.25,
            {"temperature": 0.5},
        )
        assert (second.status, second.output, second.latency_ms) == ("ERROR", None, 3000.0)
        assert client.sql("SELECT count(*) FROM conflicts").fetchall() == [(1,)]
        assert client.sql("SELECT count(*) FROM removals").fetchall() == [(2,)]
    with duckdb.connect(str(path)) as old, duckdb.connect() as new:
        new.execute(SCHEMA)
        for query in (_SHAPE, _KEYS):
            assert old.execute(query).fetchall() == new.execute(query).fetchall()
        assert old.execute("SELECT version FROM promptlog_schema").fetchall() == [(VERSION,)]


def test_an_old_file_that_can_only_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may write brings it to the present; until then no question is half answered."""
    path = tmp_path / "old.duckdb"
    path.write_bytes(gzip.decompress(FIXTURES[0].read_bytes()))
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda *_: False)
        with PromptLog(path) as client, pytest.raises(StoreVersionError, match="version 1, made by an older"):
            client.requests.filter(meta("user_id") == "u1").count()
    with PromptLog(path) as client:
        assert client.requests.filter(meta("user_id") == "u1").count() >= 0
