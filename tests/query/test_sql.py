"""`client.sql` reads, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog, errors
from tests.samples import request

if TYPE_CHECKING:
    from pathlib import Path


def test_values_are_bound(client: PromptLog) -> None:
    """Question marks stand for values, however they are spelled."""
    client.log_request(**request(metadata={"k": "'; DROP TABLE requests; --"}))
    text = "SELECT count(*) AS n FROM metadata WHERE value = ?"
    assert client.sql(text, ["'; DROP TABLE requests; --"]).dicts() == [{"n": 1}]
    assert client.sql(text, ["x"]).df()["n"].tolist() == [0]


def test_values_have_names_or_places(client: PromptLog) -> None:
    """A dict is bound by name, a list by place; a text is neither."""
    assert client.sql("SELECT $n + $m AS x", {"n": 1, "m": 2}).dicts() == [{"x": 3}]
    assert client.sql("SELECT ? + ? AS x", (1, 2)).df()["x"].tolist() == [3]
    with pytest.raises(errors.InvalidInputError, match="a list or a dict"):
        client.sql("SELECT ?", "abc")


def test_moments_need_no_further_package(client: PromptLog) -> None:
    """A time with a zone comes as an aware datetime."""
    ((found,),) = client.sql("SELECT TIMESTAMPTZ '2026-01-31 12:00:00+02'").fetchall()
    assert found == datetime(2026, 1, 31, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM requests", "DROP TABLE requests", "COMMIT; DROP TABLE requests", "SELECT 1; SELECT 2", "",
        "EXPLAIN ANALYZE DELETE FROM requests", "EXPLAIN ANALYZE CHECKPOINT", "EXPLAIN ANALYZE COPY (SELECT 1) TO 'x'", "SET memory_limit = '1GB'", "ATTACH 'other.duckdb'",
        "COPY requests TO 'out.csv'", "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list", "CHECKPOINT",
        "SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM '/etc/hostname'", "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_csv('/etc/passwd')", "SELEC 1",
    ],
)  # fmt: skip
def test_what_does_more_than_read_is_refused(text: str, client: PromptLog, tmp_path: Path) -> None:
    """Writes, second statements, settings and other files are one error of ours, and change nothing."""
    client.log_request(**request())
    with pytest.raises(errors.QueryError):
        client.sql(text).fetchall()
    assert client.requests.count() == 1
    assert (
        sorted(path.name for path in tmp_path.iterdir()) == ["store.duckdb", "store.duckdb.journal"]
        or (tmp_path / "store.duckdb.wal").exists()
    )


def test_frames_of_the_caller_are_not_reached(client: PromptLog) -> None:
    """A name in SQL is a table of the store, never a variable that happens to be called so."""
    frame = client.sql("SELECT 1 AS x").df()
    assert len(frame) == 1
    with pytest.raises(errors.QueryError, match="frame"):
        client.sql("SELECT * FROM frame").fetchall()


@pytest.mark.parametrize(
    "text",
    [
        "FROM requests",
        "WITH a AS (SELECT 1) FROM a",
        "DESCRIBE requests",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "EXPLAIN (FORMAT json) SELECT 1",
        "explain analyze from requests",
    ],
)
def test_all_ways_to_read_work(text: str, client: PromptLog) -> None:
    """Whatever only reads is answered."""
    client.sql(text).fetchall()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT now() AS t -- c",
        "SELECT now() AS t; -- c",
        'SELECT now() AS "a""b"',
        "SELECT now() AS t, now() AS t",
    ],
)
def test_moments_come_whatever_the_text_looks_like(text: str, client: PromptLog) -> None:
    """Comments, semicolons, odd names and names that stand twice do no harm."""
    assert all(value.tzinfo is UTC for value in client.sql(text).fetchall()[0])


def test_a_name_that_stands_twice_is_no_key(client: PromptLog) -> None:
    """Dictionaries cannot hold two columns of one name, and losing one silently would be worse than an error."""
    with pytest.raises(errors.QueryError, match="two columns are called 'a'"):
        client.sql("SELECT 1 AS a, 2 AS a").dicts()
    assert client.sql("SELECT 1 AS a, 2 AS a").fetchall() == [(1, 2)]
    assert client.sql("SELECT 1 AS a WHERE false").columns() == ["a"]
