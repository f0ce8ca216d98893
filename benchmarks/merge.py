"""Merging journals and loading tables, beside the same rows put into the same schema by hand."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import Row, paired, timed
from benchmarks.workload import requests
from promptlog import PromptLog
from promptlog.database.apply import RECORD_TYPES
from promptlog.database.metadata import VALUE_HASH
from promptlog.database.schema import SCHEMA
from promptlog.identifiers import new_request_id
from promptlog.journal.reader import segment_sizes

_REQUESTS = 60_000
_LOADED = 240_000  # two row groups of a Parquet file as DuckDB writes it
_TABLES = ("requests", "metadata", "tags")
#: The schema has metadata once more, in the order of its values: whoever fills it by hand fills this too.
_COPY = (
    f"INSERT INTO metadata_by_value SELECT key, {VALUE_HASH.format('value')} AS value_hash, value, request_id, 0 "
    f"FROM metadata ORDER BY key, value_hash, request_id"
)
_COLUMNS = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in RECORD_TYPES.items()) + "}"


def _fresh(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder)) / "bench.duckdb"


def _raw(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(str(path))
    connection.execute("SET enable_progress_bar = false")
    connection.execute(SCHEMA)
    return connection


def _upsert_parquet(folder: Path) -> float:
    """By hand: the rows as they will stand, from Parquet, in the order of the key."""
    connection = _raw(_fresh(folder))

    def work() -> None:
        for table, key in (
            ("requests", "request_id"),
            ("metadata", "request_id, key"),
            ("tags", "request_id, tag"),
        ):
            names = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
            sets = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
            connection.execute(
                f"INSERT INTO {table} SELECT * FROM read_parquet('{folder}/{table}.parquet') ORDER BY {key} "
                f"ON CONFLICT DO UPDATE SET {sets}"
            )
        connection.execute(_COPY)
        connection.close()

    return timed(work)


def _upsert_lines(folder: Path, lines: Path) -> float:
    """By hand: the journal's own lines, read by DuckDB, unnested and upserted."""
    connection = _raw(_fresh(folder))

    def work() -> None:
        connection.execute("BEGIN")
        connection.execute(
            f"CREATE TEMP TABLE r AS FROM read_json('{lines}', format = 'newline_delimited', columns = {_COLUMNS})"
        )
        connection.execute(
            "INSERT INTO requests SELECT request_id, make_timestamp(time), make_timestamp(start_time), "
            "make_timestamp(end_time), (end_time - start_time) / 1000, provider, model, api_type, function_name, status, "
            "error_type, error_message, input, output, parameters, input_tokens, output_tokens, cost_usd, trace_id, "
            "span_id, cached_tokens, cache_write_tokens, reasoning_tokens, finish_reason, replay_key, replayed_from "
            "FROM r ORDER BY request_id ON CONFLICT DO NOTHING"
        )
        connection.execute(
            "INSERT INTO metadata SELECT request_id, unnest(map_keys(metadata)), unnest(map_values(metadata)), "
            "make_timestamp(time) FROM r ORDER BY 1, 2 ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
        )
        connection.execute(
            "INSERT INTO tags SELECT request_id, unnest(tags), make_timestamp(time) FROM r ORDER BY 1, 2 ON CONFLICT DO NOTHING"
        )
        connection.execute(_COPY)
        connection.execute("COMMIT")
        connection.close()

    return timed(work)


def _merge(folder: Path, rows: list[dict[str, Any]]) -> float:
    client = PromptLog(_fresh(folder))
    for row in rows:
        client.log_request(**row)

    def work() -> None:
        client.merge()
        client.close()

    return timed(work)


def _load(folder: Path, source: Any) -> float:
    client = PromptLog(_fresh(folder))
    client.requests.count()  # the baseline finds its tables made too

    def work() -> None:
        assert client.log_many(source, progress=False) == _LOADED
        client.close()

    return timed(work)


def _raw_load(folder: Path, source: Path) -> float:
    """By hand: insert from the Parquet file of arguments that log_many reads, no checks, no replacing."""
    connection = _raw(_fresh(folder))

    def work() -> None:
        connection.execute(
            f"CREATE VIEW a AS SELECT *, to_timestamp(request_start_time)::TIMESTAMP AS s, "
            f"to_timestamp(request_end_time)::TIMESTAMP AS e FROM read_parquet('{source}')"
        )
        connection.execute(
            "INSERT INTO requests SELECT request_id::UUID, now()::TIMESTAMP, s, e, epoch_ms(e) - epoch_ms(s), provider, model, NULL, NULL, 'SUCCESS', NULL, NULL, "
            "json_object('type', 'chat', 'messages', input), json_object('type', 'chat', 'messages', output), NULL, input_tokens, output_tokens, price, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM a"
        )
        connection.execute(
            "INSERT INTO metadata SELECT request_id::UUID, unnest(map_keys(metadata)), unnest(map_values(metadata)), now()::TIMESTAMP FROM a"
        )
        connection.execute(_COPY)
        connection.execute("INSERT INTO tags SELECT request_id::UUID, unnest(tags), now()::TIMESTAMP FROM a")
        connection.close()

    return timed(work)


def _prepare(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write the rows as the baselines read them: the tables as Parquet, and the journal's lines."""
    client = PromptLog(_fresh(folder))
    for row in rows:
        client.log_request(**row)
    lines = folder / "lines.jsonl"
    with lines.open("wb") as file:
        for name in segment_sizes(client._paths):
            file.write((client._paths.segments / name).read_bytes())
    for table in _TABLES:
        pq.write_table(client.sql(f"SELECT * FROM {table}").arrow(), folder / f"{table}.parquet")
    client.close()
    return lines


def _arguments(folder: Path, count: int) -> Path:
    """Write the arguments of `log_request` as a Parquet file."""
    path = folder / "arguments.parquet"
    given = [
        {**row, "request_id": new_request_id(round(row["request_start_time"] * 1e6))}
        for row in requests(count)
    ]
    columns = {name: pa.array([row[name] for row in given]) for name in given[0] if name != "metadata"}
    pairs = pa.array([list(row["metadata"].items()) for row in given], pa.map_(pa.string(), pa.string()))
    table = pa.table({**columns, "metadata": pairs})
    with duckdb.connect() as connection:
        connection.register("given", table)
        connection.execute(f"COPY given TO '{path}' (FORMAT parquet)")
    return path


def run(rounds: int = 3) -> list[Row]:
    """Merge 60,000 requests and load 240,000, with 5 metadata keys and 2 tags, by us and by hand."""
    rows = list(requests(_REQUESTS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = _prepare(folder, rows)
        merge_lines = paired(lambda: _merge(folder, rows), lambda: _upsert_lines(folder, lines), rounds)
        merge_parquet = paired(lambda: _merge(folder, rows), lambda: _upsert_parquet(folder), rounds)
        arguments = _arguments(folder, _LOADED)
        load = paired(lambda: _load(folder, arguments), lambda: _raw_load(folder, arguments), rounds)
    return [
        _speed("merge of journals", merge_lines, "DuckDB upsert of the same lines", 0.7),
        _speed("merge of journals", merge_parquet, "DuckDB upsert of the finished rows from Parquet", 0.7),
        _speed("log_many of a Parquet file", load, "DuckDB insert of the same file", 0.8, _LOADED),
    ]


def _speed(
    work: str, times: tuple[float, float, float], against: str, goal: float, count: int = _REQUESTS
) -> Row:
    ours, baseline, ratio = times
    speed = 1 / ratio  # of requests a second: more is better
    return Row(
        work, f"{count / ours:,.0f} requests/s", f"{against} {count / baseline:,.0f}/s", speed,
        f"≥ {goal}x", speed >= goal,
    )  # fmt: skip
