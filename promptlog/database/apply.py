"""The rule of replacement, as SQL: folds a table of records into the tables of the store.

The latest write of a key wins; on equal times the greater value; a removal wins over a write of the same time. So
the result depends on which records were applied, never on their order, their number or how they were sliced.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import duckdb

from promptlog.database.connection import transaction
from promptlog.database.joining import forget_found
from promptlog.database.metadata import insert_metadata, remove_metadata, replace_metadata
from promptlog.database.numbers import with_names
from promptlog.database.spans import (
    EVALUATIONS_TYPE,
    LOG_TYPE,
    SPAN_TYPE,
    exclude_known,
    hide_removed,
    insert_logs,
    insert_spans,
    settle_traces,
)

if TYPE_CHECKING:
    from collections.abc import Callable

#: The columns that a request's own row has, in the order of the table, after `request_id` and `logged_at`.
ROW_COLUMNS = (
    "start_time", "end_time", "latency_ms", "provider", "model", "api_type", "function_name", "status",
    "error_type", "error_message", "input", "output", "parameters", "input_tokens", "output_tokens", "cost_usd",
    "trace_id", "span_id",
    "cached_tokens", "cache_write_tokens", "reasoning_tokens", "finish_reason", "replay_key", "replayed_from",
)  # fmt: skip

#: What a table of records must have to be applied. A journal's line has these fields; times are microseconds.
RECORD_TYPES = {
    "kind": "VARCHAR",  # 'request', 'track', 'remove' (the whole request), 'span' or 'log' (no request)
    "request_id": "UUID",
    "time": "BIGINT",
    "start_time": "BIGINT",
    "end_time": "BIGINT",
    "provider": "VARCHAR",
    "model": "VARCHAR",
    "api_type": "VARCHAR",
    "function_name": "VARCHAR",
    "status": "VARCHAR",
    "error_type": "VARCHAR",
    "error_message": "VARCHAR",
    "input": "JSON",
    "output": "JSON",
    "parameters": "JSON",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "cost_usd": "DOUBLE",
    "trace_id": "VARCHAR",
    "span_id": "VARCHAR",
    "cached_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "reasoning_tokens": "BIGINT",
    "finish_reason": "VARCHAR",
    "replay_key": "UUID",
    "replayed_from": "UUID",
    "metadata": "MAP(VARCHAR, VARCHAR)",
    "tags": "VARCHAR[]",
    "scores": "MAP(VARCHAR, DOUBLE)",
    "evaluations": "JSON",
    "prompt": 'STRUCT("name" VARCHAR, "version" BIGINT, "label" VARCHAR, "id" VARCHAR, "variables" JSON)',
    "group_id": "BIGINT",
    "removed": "STRUCT(metadata VARCHAR[], tag VARCHAR[], score VARCHAR[])",
    "span": "JSON",
    "log": "JSON",
}

#: What these are where a record has any of them; few have, and reading such columns takes as long as all others.
RARE_TYPES = {"evaluations": EVALUATIONS_TYPE, "span": SPAN_TYPE, "log": LOG_TYPE}

_ROWS = """
    SELECT request_id, make_timestamp(time) AS logged_at, make_timestamp(start_time) AS start_time,
           make_timestamp(end_time) AS end_time, (end_time - start_time) / 1000.0 AS latency_ms, provider, model,
           api_type, function_name, status, error_type, error_message, input, output, parameters, input_tokens,
           output_tokens, cost_usd, trace_id, span_id, cached_tokens, cache_write_tokens, reasoning_tokens,
           finish_reason, replay_key, replayed_from
    FROM {records} WHERE kind = 'request'
"""


def _row(columns: tuple[str, ...]) -> str:
    return "row(" + ", ".join(f"{{0}}.{column}" for column in columns) + ")::VARCHAR"


#: The columns since version 3 take part only where one has a value: hashes of older rows stay what they were.
_FIRST = ROW_COLUMNS[: ROW_COLUMNS.index("cached_tokens")]
_SINCE = ROW_COLUMNS[len(_FIRST) :]
_HASH = f"md5({_row(_FIRST)} || CASE WHEN {_row(_SINCE)} = '({', '.join(['NULL'] * len(_SINCE))})' THEN '' ELSE {_row(_SINCE)} END)"


#: Each table that is written after its request: the SELECT of its writes, its key, its values, and the kind under
#: which its removals stand (None: it has none).
_TABLES: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...], str | None]] = {
    "metadata": (
        "metadata",
        "SELECT request_id, unnest(map_keys(metadata)) AS key, unnest(map_values(metadata)) AS value, time",
        ("request_id", "key"),
        ("value",),
        "metadata",
    ),
    "tags": ("tags", "SELECT request_id, unnest(tags) AS tag, time", ("request_id", "tag"), (), "tag"),
    "scores": (
        "scores",
        "SELECT request_id, unnest(map_keys(scores)) AS name, unnest(map_values(scores)) AS score, "
        "NULL::VARCHAR AS label, NULL::VARCHAR AS explanation, time",
        ("request_id", "name"),
        ("score", "label", "explanation"),
        "score",
    ),
    "evaluations": (
        "scores",
        "SELECT request_id, unnest(map_keys(evaluations)) AS name, "
        + "".join(
            f"unnest(list_transform(map_values(evaluations), lambda e: e.{part})) AS {part}, "
            for part in ("score", "label", "explanation")
        )
        + "time",
        ("request_id", "name"),
        ("score", "label", "explanation"),
        "score",
    ),
    "prompt": (
        "request_prompts",
        'SELECT request_id, prompt."name" AS prompt_name, prompt."version" AS prompt_version, '
        'prompt."label" AS prompt_label, prompt."id" AS prompt_id, prompt."variables" AS input_variables, time',
        ("request_id",),
        ("prompt_name", "prompt_version", "prompt_label", "prompt_id", "input_variables"),
        None,
    ),
    "group_id": ("request_groups", "SELECT request_id, group_id, time", ("request_id",), ("group_id",), None),
}


def apply_records(
    connection: duckdb.DuckDBPyConnection, records: str, and_then: Callable[[], object] = lambda: None
) -> None:
    """Fold the records of the table `records` into the store, in one transaction.

    Args:
        connection: the store's.
        records: the name of a table of ours with the columns of `RECORD_TYPES`.
        and_then: what belongs into the same transaction.
    """
    has = _count_parts(connection, records)
    only_requests = has["request"] + has["apart"] == has["record"] and not has["removed"]
    if only_requests and not _one(
        connection, f"SELECT count(*) FROM removals SEMI JOIN {records} USING (request_id)"
    ):
        # Most of what is logged is new: inserting it as such takes two thirds of the time. A key that stands there
        # already, or twice in the records, makes DuckDB refuse the whole transaction.
        with suppress(duckdb.ConstraintException):
            with transaction(connection):
                _insert_new(connection, records, has)
                _settle_traces(connection, records, has)
                and_then()
            return
    with transaction(connection):
        _replace(connection, records, has)
        _settle_traces(connection, records, has)
        and_then()


def _settle_traces(connection: duckdb.DuckDBPyConnection, records: str, has: dict[str, int]) -> None:
    if not (has["trace"] or has["log"] or has["remove"]) or not _one(
        connection, "SELECT count(*) FROM spans"
    ):
        return

    def upsert(table: str, writes: str) -> None:
        _, _, key, values, _ = _TABLES["evaluations" if table == "scores" else table]
        _upsert(connection, table, writes, key, values)

    removals = _one(connection, "SELECT count(*) FROM removals") > 0
    parts = [part for part in ("span", "log") if has[part]]
    settle_traces(connection, records, parts, upsert, not_removed if removals else lambda writes, *_: writes)
    if removals and _one(connection, "SELECT count(*) FROM removals WHERE kind = 'request'"):
        hide_removed(connection)


def _insert_new(connection: duckdb.DuckDBPyConnection, records: str, has: dict[str, int]) -> None:
    sorted_already = not _one(
        connection,
        f"SELECT count(*) FROM (SELECT request_id < lag(request_id) OVER () AS back FROM {records}) WHERE back",
    )
    order = "" if sorted_already else " ORDER BY request_id"
    connection.execute(f"INSERT INTO requests SELECT * FROM ({_ROWS.format(records=records)}){order}")
    for part, (table, select, key, values, _) in _TABLES.items():
        if has[part]:
            writes = f"{select} FROM {records} WHERE {part} IS NOT NULL"
            if table == "metadata":
                insert_metadata(connection, writes, order)
                continue
            if table == "request_prompts" and has["numbered"]:
                writes = with_names(connection, writes)
            columns = ", ".join((*key, *values))
            connection.execute(
                f"INSERT INTO {table} ({columns}, updated_at) SELECT {columns}, make_timestamp(time) "
                f"FROM ({writes}){order}"
            )
    if has["span"]:
        insert_spans(connection, records, again="")
    if has["log"]:
        insert_logs(connection, records)


def _replace(connection: duckdb.DuckDBPyConnection, records: str, has: dict[str, int]) -> None:
    if has["removed"] or has["remove"]:
        _add_removals(connection, records)
    removals = _one(connection, "SELECT count(*) FROM removals") > 0
    if has["request"]:
        has["trace"] += _insert_requests(
            connection, records, has["request"], removals=removals, spans=has["span"] > 0
        )
    for part, (table, select, key, values, kind) in _TABLES.items():
        if has[part]:
            writes = f"{select} FROM {records} WHERE {part} IS NOT NULL"
            if table == "request_prompts" and has["numbered"]:
                writes = with_names(connection, writes)
            if removals:
                writes = not_removed(writes, key[-1], kind)
            if table == "metadata":
                replace_metadata(connection, writes)
            else:
                _upsert(connection, table, writes, key, values)
    if has["removed"] or has["remove"]:
        _delete_removed(connection, records)
    if has["span"]:
        insert_spans(connection, records, again="ON CONFLICT DO NOTHING")
    if has["log"]:
        insert_logs(connection, records)


def _count_parts(connection: duckdb.DuckDBPyConnection, records: str) -> dict[str, int]:
    """Count what the records carry, so that what they do not carry costs nothing."""
    parts = {
        "record": "true",
        "request": "kind = 'request'",
        "remove": "kind = 'remove'",
        "removed": "removed IS NOT NULL",
        "apart": "kind IN ('span', 'log')",
        "span": "span IS NOT NULL",
        "log": "log IS NOT NULL",
        "trace": "span IS NOT NULL OR trace_id IS NOT NULL OR span_id IS NOT NULL",
        "numbered": 'prompt."id" IS NOT NULL AND prompt."name" IS NULL',
        **{part: f"{part} IS NOT NULL" for part in _TABLES},
    }
    counts = ", ".join(f"count(*) FILTER ({condition})" for condition in parts.values())
    row = connection.execute(f"SELECT {counts} FROM {records}").fetchone() or ()
    return dict(zip(parts, row, strict=True))


def _upsert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    writes: str,
    key: tuple[str, ...],
    values: tuple[str, ...],
) -> None:
    """Apply writes (key…, values…, time) to a table of (key…, values…, updated_at), in the order of the key."""
    # DuckDB keeps the first of two rows for one key within a statement, so the greatest is chosen before.
    packed = ", ".join(f"{name} := {name}" for name in ("time", *values))
    columns = ", ".join((*key, *values))
    mine, theirs = (
        f"({', '.join(f'{side}.{column}' for column in ('updated_at', *values))})"
        for side in ("excluded", table)
    )
    connection.execute(
        f"""
        INSERT INTO {table} ({columns}, updated_at)
        SELECT {columns}, make_timestamp(time)
        FROM (SELECT {", ".join(key)}, unnest(last)
              FROM (SELECT {", ".join(key)}, max(struct_pack({packed})) AS last FROM ({writes}) GROUP BY ALL))
        ORDER BY {", ".join(key)}
        ON CONFLICT DO UPDATE SET {", ".join(f"{c} = excluded.{c}" for c in (*values, "updated_at"))}
        WHERE {mine} > {theirs}
        """
    )


def not_removed(writes: str, key: str, kind: str | None) -> str:
    """Return those of the writes that no removal covers."""
    own = f"OR (kind = '{kind}' AND r.key = w.{key} AND removed_at >= make_timestamp(time))" if kind else ""
    return (
        f"SELECT * FROM ({writes}) w WHERE NOT EXISTS "
        f"(FROM removals r WHERE r.request_id = w.request_id AND (kind = 'request' {own}))"
    )


def _insert_requests(
    connection: duckdb.DuckDBPyConnection, records: str, count: int, *, removals: bool, spans: bool
) -> int:
    """Insert the requests of the records, and return how many need their trace found again."""
    rows = _ROWS.format(records=records)
    if spans:
        rows += f" AND {exclude_known(records)}"
    if removals:
        rows += " AND request_id NOT IN (SELECT request_id FROM removals WHERE kind = 'request')"
    row = connection.execute(
        f"INSERT INTO requests SELECT * FROM ({rows}) ORDER BY request_id ON CONFLICT DO NOTHING"
    ).fetchone()
    if not row or row[0] < count:  # rare: an id that was there, or stands twice in the records
        again = forget_found(connection, f"SELECT request_id FROM ({rows})")
        _settle_conflicts(connection, rows)
        return again
    return 0


def _settle_conflicts(connection: duckdb.DuckDBPyConnection, rows: str) -> None:
    """Of several rows for one id the one with the smallest (logged_at, hash) stays; the others' hashes are kept."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE contenders AS "
        f"SELECT n.*, {_HASH.format('n')} AS hash, o.logged_at AS old_logged_at, {_HASH.format('o')} AS old_hash "
        f"FROM ({rows}) n JOIN requests o USING (request_id) "
        f"WHERE (n.logged_at, hash) IS DISTINCT FROM (o.logged_at, old_hash)"
    )
    names = ("logged_at", *ROW_COLUMNS)
    connection.execute(
        f"""
        INSERT INTO requests
        SELECT DISTINCT ON (request_id) request_id, {", ".join(names)} FROM contenders
        WHERE (logged_at, hash) < (old_logged_at, old_hash)
        ORDER BY request_id, logged_at, hash
        ON CONFLICT DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in names)}
        """
    )
    connection.execute(
        f"""
        INSERT INTO conflicts
        SELECT DISTINCT * FROM (SELECT request_id, unnest([hash, old_hash]) FROM contenders) ON CONFLICT DO NOTHING;
        DELETE FROM conflicts c USING requests r
        WHERE r.request_id = c.request_id AND r.request_id IN (SELECT request_id FROM contenders)
          AND {_HASH.format("r")} = c.content_hash;
        DROP TABLE contenders
        """
    )


def _add_removals(connection: duckdb.DuckDBPyConnection, records: str) -> None:
    connection.execute(
        f"""
        INSERT INTO removals
        SELECT request_id, kind, key, make_timestamp(max(time)) FROM ({_removals_in(records)}) GROUP BY ALL
        ON CONFLICT DO UPDATE SET removed_at = excluded.removed_at WHERE excluded.removed_at > removals.removed_at
        """
    )


def _removals_in(records: str) -> str:
    lists = " UNION ALL ".join(
        f"SELECT request_id, '{kind}' AS kind, unnest(removed.{kind}) AS key, time FROM {records} "
        f"WHERE removed IS NOT NULL"
        for kind in ("metadata", "tag", "score")
    )
    return f"SELECT request_id, 'request' AS kind, '' AS key, time FROM {records} WHERE kind = 'remove' UNION ALL {lists}"


def _delete_removed(connection: duckdb.DuckDBPyConnection, records: str) -> None:
    """Delete what the removals in these records cover. What was written later is not covered."""
    here = f"SELECT DISTINCT request_id, kind, key FROM ({_removals_in(records)})"
    remove_metadata(
        connection,
        f"SELECT request_id, key, value FROM metadata m JOIN removals r USING (request_id, key) "
        f"SEMI JOIN ({here}) USING (request_id, kind, key) WHERE kind = 'metadata' AND m.updated_at <= r.removed_at "
        f"UNION SELECT request_id, key, value FROM metadata "
        f"WHERE request_id IN (SELECT request_id FROM {records} WHERE kind = 'remove')",
    )
    for table, key, kind in dict.fromkeys((table, key, kind) for table, _, key, _, kind in _TABLES.values()):
        if kind and table != "metadata":
            connection.execute(
                f"DELETE FROM {table} t USING (SELECT r.* FROM removals r SEMI JOIN ({here}) USING (request_id, kind, key) "
                f"WHERE kind = '{kind}') r "
                f"WHERE t.request_id = r.request_id AND t.{key[1]} = r.key AND t.updated_at <= r.removed_at"
            )
    told = dict.fromkeys(table for table, *_ in _TABLES.values() if table != "metadata")
    for table in ("requests", "conflicts", *told):
        connection.execute(
            f"DELETE FROM {table} WHERE request_id IN (SELECT request_id FROM {records} WHERE kind = 'remove')"
        )


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
