"""Stores of a million requests and of ten, and the same rows laid out by hand on the bare library."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from benchmarks.workload import DATA, requests
from promptlog import PromptLog
from promptlog.database.schema import SCHEMA
from promptlog.identifiers import new_request_id

if TYPE_CHECKING:
    from pathlib import Path

_AT_ONCE = 100_000
_TABLES = {"requests": "request_id", "metadata": "request_id, key", "tags": "request_id, tag"}


def fill(path: Path, count: int, first: int = 0) -> None:
    """Load `count` requests of the workload, with their real texts, after the `first` of them."""
    rows = itertools.islice(requests(first + count), first, None)
    with PromptLog(path) as client:
        while some := list(itertools.islice(rows, _AT_ONCE)):
            for row in some:
                row["request_id"] = new_request_id(round(row["request_start_time"] * 1e6))
            columns = {name: pa.array([row[name] for row in some]) for name in some[0] if name != "metadata"}
            pairs = pa.array(
                [list(row["metadata"].items()) for row in some], pa.map_(pa.string(), pa.string())
            )
            client.log_many(pa.table({**columns, "metadata": pairs}), progress=False)


def fill_short(path: Path, count: int, users: int, *, replayable: bool = False) -> None:
    """Load `count` requests with short texts: the trace's arrivals and tokens turn by turn, 5 metadata keys each.

    Args:
        path: the store's file.
        count: how many.
        users: of how many users.
        replayable: give each a replay key, as if `run` had logged it.
    """
    more = ", uuid() AS replay_key" if replayable else ""
    trace = DATA / "azure_llm_trace_2023_conv.csv"
    arrivals = (
        f"SELECT row_number() OVER () - 1 AS place, epoch(TIMESTAMP) AS start, ContextTokens AS i, GeneratedTokens AS o "
        f"FROM read_csv('{trace}')"
        if trace.exists()
        else "SELECT range AS place, 1.7e9 + range * 0.18 AS start, range % 3000 AS i, range % 700 AS o FROM range(19366)"
    )
    part = path.with_suffix(".parquet")
    with duckdb.connect() as made, PromptLog(path) as client:
        made.execute("SET enable_progress_bar = false")
        made.execute(f"CREATE TABLE arrivals AS {arrivals}")
        for begin in range(0, count, 1_000_000):
            made.execute(
                f"""
                COPY (
                    SELECT 'openai' AS provider, 'model-' || n % 5 AS model, 'question ' || n AS input, 'answer' AS output,
                           start + 3600.0 * (n // 19366) AS request_start_time, request_start_time + o * 0.02 AS request_end_time,
                           i AS input_tokens, o AS output_tokens, i * 2.5e-6 + o * 1e-5 AS price,
                           'user_' || hash(n) % {users} AS "metadata.user_id", 'sess_' || n // 7 AS "metadata.session_id",
                           'set-' || n % 11 AS "metadata.dataset", 'region-' || n % 4 AS "metadata.region",
                           'exp-' || n % 7 AS "metadata.experiment" {more}
                    FROM (SELECT range AS n FROM range({begin}, {min(begin + 1_000_000, count)})) JOIN arrivals ON place = n % 19366
                    ORDER BY n
                ) TO '{part}' (FORMAT parquet)
                """
            )
            client.log_many(part, progress=False)
    part.unlink()


def by_hand(ours: Path, raw: Path, *, keys: bool = True) -> None:
    """Copy a store's rows into tables made by hand, and sort a copy of metadata by key and value.

    Args:
        ours: the store's file; nobody has it open.
        raw: the file to make, with DuckDB's defaults.
        keys: make the tables of the same schema, primary keys and all; else only what look-ups read.
    """
    connection = duckdb.connect(str(raw))
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"ATTACH '{ours}' AS ours (READ_ONLY)")
    if keys:
        connection.execute(SCHEMA)
        connection.execute("DROP TABLE metadata_by_value")
        for table, key in _TABLES.items():
            connection.execute(f"INSERT INTO {table} SELECT * FROM ours.{table} ORDER BY {key}")
    else:
        connection.execute("CREATE TABLE requests AS FROM ours.requests ORDER BY request_id")
        connection.execute("ALTER TABLE requests ADD PRIMARY KEY (request_id)")
    connection.execute(
        "CREATE TABLE metadata_sorted AS SELECT key, value, request_id FROM ours.metadata ORDER BY key, value"
    )
    connection.close()
