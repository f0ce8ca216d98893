"""The SQL of a backfill: stage a source, match it with requests, apply what matches chunk by chunk.

Staging and matching work outside the store, on files: a source of ten million rows takes bounded memory and nobody's
time. The store is held only to write out what the source is matched with, and for each chunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from promptlog.database.apply import not_removed
from promptlog.database.cells import as_text, is_text
from promptlog.database.connection import our_errors, transaction
from promptlog.database.metadata import Changes, compare_metadata, write_changes
from promptlog.database.schema import BY_VALUE
from promptlog.database.sources import check_case, names_of, open_source, said_of, workbench
from promptlog.database.text import as_pattern, exactly, literal, quoted
from promptlog.errors import InvalidInputError
from promptlog.settings import MAX_KEY_CHARS, MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from promptlog.database.store import Store

CHUNK_BYTES = 64_000_000  # of a transaction: of values, and of what an entry costs beside its value
_ENTRY_BYTES = 640  # so a chunk of short values has about 100,000 entries
_GROUP_BYTES = 32_000_000  # of staged rows, and of a thread's entries, that wait to be written
_MOST_WAITING = 100_000  # entries
_FEW_ROWS = 100_000  # of a source, of which the store is asked only for the requests that match
_MEMORY = "1GB"
_SAMPLES = 5
_STAGED, _TARGETS = "staged.parquet", "targets.parquet"
_CASTS = {"id": "::UUID", "number": "::DOUBLE"}  # what texts are matched as


@dataclass(frozen=True)
class Target:
    """What a column of the source is matched with."""

    column: str  # of the source
    name: str  # a metadata key, or a column of the request
    kind: str  # "meta", or the kind of the request's column: "text", "number" or "id"
    table: str = "requests"  # where the request's column stands

    def __str__(self) -> str:
        return f"meta({self.name!r})" if self.kind == "meta" else f"col.{self.name}"


@dataclass(frozen=True)
class Matched:
    """What a staged source came to."""

    rows: int
    matched: int
    sample: list[dict[str, Any]]  # of rows that match no request
    requests: int
    chunks: list[Path]


def stage_columns(
    folder: Path, source: Any, kind: str, targets: Sequence[Target], keys: Sequence[str] | None, *, cast: bool
) -> None:
    """Check a frame or files, and stage each row as the values it is matched by and a map of its metadata.

    Args:
        folder: where the staged file goes.
        source: as `open_source` takes it.
        kind: likewise.
        targets: what the rows are matched with.
        keys: the metadata keys to take; None: all.
        cast: whether cells that are not text become text.

    Raises:
        InvalidInputError: a column is missing or of a wrong type, or a cell is wrong; the message names row and column.
    """
    with workbench(folder, _MEMORY) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        types = open_source(connection, source, kind)
        check_case(
            names_of(connection, source, kind), "rename one, or give the source in long form (key, value)"
        )
        on = [target.column for target in targets]
        if missing := next((name for name in on if name not in types), None):
            raise InvalidInputError(
                f"the source has no column {missing!r} to match by; it has {', '.join(types)}. "
                f"on={{{next(iter(types))!r}: …}}, in the shell --on {targets[on.index(missing)].name}=COLUMN, names another"
            )
        long = set(types) == {*on, "key", "value"}
        try:
            entries = (
                _entries_of_pairs(connection, types, keys, cast=cast)
                if long
                else _entries_of_columns(
                    connection, {name: types[name] for name in types if name not in on}, keys, cast=cast
                )
            )
            matched_by = [
                _matched_by(connection, target, types[target.column], cast=cast) for target in targets
            ]
            fields = ", ".join(f"{sql} AS on{number}" for number, sql in enumerate(matched_by, 1))
            _write_staged(connection, folder, f"SELECT {fields}, {entries} AS entries FROM source")
            _check_staged(connection, folder, targets, long=long)
        except (duckdb.OutOfMemoryException, duckdb.IOException):  # the workbench says it
            raise
        except duckdb.Error as error:
            raise InvalidInputError(f"cannot read the source: {said_of(error)}") from error


def stage_lines(folder: Path, lines: Path, targets: Sequence[Target], *, long: bool) -> None:
    """Stage rows that Python has checked: a JSON line each, of a list `on` and a map `entries`."""
    with workbench(folder, _MEMORY) as connection:
        fields = ", ".join(f'"on"[{number}] AS on{number}' for number in range(1, len(targets) + 1))
        _write_staged(
            connection,
            folder,
            f"SELECT {fields}, entries FROM read_json({exactly(lines)}, format = 'newline_delimited', "
            f"columns = {{'on': 'VARCHAR[]', 'entries': 'MAP(VARCHAR, VARCHAR)'}}, maximum_object_size = {MAX_LINE_BYTES + 1024})",
        )
        _check_staged(connection, folder, targets, long=long)


def _entries_of_pairs(
    connection: duckdb.DuckDBPyConnection, types: dict[str, str], keys: Sequence[str] | None, *, cast: bool
) -> str:
    if not is_text(types["key"]):
        raise InvalidInputError(f"column 'key' holds {types['key']}; metadata keys are strings")
    value = _cell(connection, "value", types["value"], cast=cast)
    entry = f"CASE WHEN {value} IS NOT NULL THEN map([key::VARCHAR], [{value}]) ELSE map() END"
    if keys is None:
        return entry
    return f"CASE WHEN key IN ({', '.join(map(literal, keys)) or 'NULL'}) THEN {entry} ELSE map() END"


def _entries_of_columns(
    connection: duckdb.DuckDBPyConnection, types: dict[str, str], keys: Sequence[str] | None, *, cast: bool
) -> str:
    if missing := next((key for key in keys or () if key not in types), None):
        raise InvalidInputError(f"the source has no column {missing!r}; it has {', '.join(types)}")
    taken = list(types) if keys is None else list(dict.fromkeys(keys))
    if not taken:
        raise InvalidInputError("the source has no column of metadata beside those it is matched by")
    for key in taken:
        if not 0 < len(key) <= MAX_KEY_CHARS:
            raise InvalidInputError(
                f"column {key[:60]!r} is no metadata key of 1 to {MAX_KEY_CHARS:,} characters"
            )
    cells = ", ".join(
        f"{{'key': {literal(key)}, 'value': {_cell(connection, key, types[key], cast=cast)}}}"
        for key in taken
    )
    return f"map_from_entries(list_filter([{cells}], lambda e: e.value IS NOT NULL))"


def _cell(connection: duckdb.DuckDBPyConnection, name: str, kind: str, *, cast: bool) -> str:
    """SQL for a cell as text; refuses a column that holds something else, and names the first such cell."""
    text = as_text(quoted(name), kind)
    if text is not None and (cast or is_text(kind)):
        return text
    first = connection.execute(
        f"SELECT number, cell FROM (SELECT row_number() OVER () - 1 AS number, {quoted(name)}::VARCHAR AS cell FROM source) "
        f"WHERE cell IS NOT NULL LIMIT 1"
    ).fetchone()
    if first is None:
        return "NULL::VARCHAR"
    way_out = "cast=True makes text of it" if text is not None else "it has no text: leave the column out"
    raise InvalidInputError(
        f"row {first[0]}, column {name!r}: {first[1][:60]} is {kind}, not a string, and metadata is text; {way_out}"
    )


def _matched_by(connection: duckdb.DuckDBPyConnection, target: Target, kind: str, *, cast: bool) -> str:
    if target.kind in ("meta", "text"):
        return _cell(connection, target.column, kind, cast=cast)
    return f"{quoted(target.column)}::VARCHAR"


def _write_staged(connection: duckdb.DuckDBPyConnection, folder: Path, rows: str) -> None:
    """Write rows in their order, each with the number of its entries and their weight in a chunk, in groups of bounded bytes.

    DuckDB bounds a group by bytes only where it need not keep the order of rows; of one thread it keeps it all the same,
    and is as fast here.
    """
    connection.execute("SET threads = 1")
    connection.execute("SET preserve_insertion_order = false")
    weight = f"coalesce(list_sum(list_transform(map_values(entries), lambda v: strlen(v) + {_ENTRY_BYTES})), 0)::BIGINT"
    connection.execute(
        f"COPY (SELECT *, cardinality(entries)::BIGINT AS count, {weight} AS weight FROM ({rows})) TO {literal(str(folder / _STAGED))} "
        f"(FORMAT parquet, ROW_GROUP_SIZE_BYTES {_GROUP_BYTES})"
    )
    connection.execute("RESET threads")
    connection.execute("RESET preserve_insertion_order")


def _check_staged(
    connection: duckdb.DuckDBPyConnection, folder: Path, targets: Sequence[Target], *, long: bool
) -> None:
    """Refuse what no request can be matched by, keys that are none, and two values for one target."""
    connection.execute(
        f"CREATE VIEW staged AS FROM read_parquet({exactly(folder / _STAGED)}, file_row_number = true)"
    )
    for number, target in enumerate(targets, 1):
        if cast := _CASTS.get(target.kind):
            _refuse_first(
                connection,
                f"on{number} IS NOT NULL AND TRY_CAST(on{number} AS {cast[2:]}) IS NULL",
                f"column {target.column!r}: ",
                f"on{number}",
                "is no UUID; foreign_request_id makes one of another system's id"
                if target.kind == "id"
                else "is no number",
            )
    if long:
        _refuse_first(
            connection,
            f"len(list_filter(map_keys(entries), lambda k: len(k) NOT BETWEEN 1 AND {MAX_KEY_CHARS})) > 0",
            "the key ",
            "map_keys(entries)[1]",
            f"does not have 1 to {MAX_KEY_CHARS:,} characters",
        )
    on = ", ".join(f"on{number}" for number in range(1, len(targets) + 1))
    # Two spellings of an id, or of a number, are one target.
    alike = "".join(
        f", on{number}{_CASTS[target.kind]} AS on{number}"
        for number, target in enumerate(targets, 1)
        if target.kind in _CASTS
    )
    connection.execute(
        f"CREATE VIEW judged AS SELECT * {f'REPLACE ({alike[2:]})' if alike else ''} FROM staged"
    )
    doubled = "judged"
    if not long:  # one row for each target is the rule, and is seen without looking at the entries
        doubled = (
            f"(FROM judged SEMI JOIN (SELECT {on} FROM judged GROUP BY ALL HAVING count(*) > 1) USING ({on}))"
        )
    # Hashes of the values and not the values themselves, which need not fit into memory.
    two = connection.execute(
        f"SELECT e.key, arg_min(row, hash(e.value)), arg_max(row, hash(e.value)) "
        f"FROM (SELECT {on}, unnest(map_entries(entries)) AS e, file_row_number AS row FROM {doubled}) "
        f"WHERE {' AND '.join(f'on{number} IS NOT NULL' for number in range(1, len(targets) + 1))} "
        f"GROUP BY {on}, e.key HAVING min(hash(e.value)) <> max(hash(e.value)) LIMIT 1"
    ).fetchone()
    if two:
        key, *rows = two
        (first, *values, one), (last, *_, other) = connection.execute(
            f"SELECT file_row_number, {on.replace(',', '::VARCHAR,')}::VARCHAR, entries[?][:60] FROM judged WHERE file_row_number IN (?, ?) ORDER BY 1",
            [key, *rows],
        ).fetchall()
        which = ", ".join(f"{target.column} {value!r}" for target, value in zip(targets, values, strict=True))
        raise InvalidInputError(
            f"rows {first} and {last} both give {key!r} to {which}: {one!r} and {other!r}; keep one of them"
        )


def _refuse_first(
    connection: duckdb.DuckDBPyConnection, wrong: str, what: str, shown: str, problem: str
) -> None:
    first = connection.execute(
        f"SELECT file_row_number, {shown} FROM staged WHERE {wrong} ORDER BY file_row_number LIMIT 1"
    ).fetchone()
    if first:
        raise InvalidInputError(f"row {first[0]}, {what}{first[1][:60]!r} {problem}")


# -- matching --------------------------------------------------------------------------------------------------


def export_targets(connection: duckdb.DuckDBPyConnection, folder: Path, targets: Sequence[Target]) -> None:
    """Write the requests' ids and what they are matched by beside the staged source.

    Args:
        connection: the store's.
        folder: of the staged source.
        targets: what the rows are matched with.
    """
    staged = f"read_parquet({exactly(folder / _STAGED)})"
    row = connection.execute(f"SELECT count(*) FROM {staged}").fetchone()
    few = row is not None and row[0] <= _FEW_ROWS
    columns, joins, where = ["r.request_id"], "", []
    for number, target in enumerate(targets, 1):
        value = f"t{number}.value"
        if target.kind == "meta":
            only = f" AND value IN (SELECT on{number} FROM {staged})" if few else ""
            joins += (
                f" JOIN (SELECT request_id, value FROM {BY_VALUE} WHERE key = {literal(target.name)}{only}) t{number} "
                f"ON t{number}.request_id = r.request_id"
            )
        elif target.kind == "id":
            value = "r.request_id"
            if few:
                where.append(f"r.request_id IN (SELECT on{number}::UUID FROM {staged})")
        elif target.table == "requests":
            value = f"r.{target.name}"
        else:
            value = f"t{number}.{target.name}"
            joins += f" JOIN {target.table} t{number} ON t{number}.request_id = r.request_id"
        columns.append(f"{value} AS by{number}")
    condition = f" WHERE {' AND '.join(where)}" if where else ""
    connection.execute(
        f"COPY (SELECT {', '.join(columns)} FROM requests r{joins}{condition}) "
        f"TO {literal(str(folder / _TARGETS))} (FORMAT parquet)"
    )


def match(folder: Path, targets: Sequence[Target]) -> Matched:
    """Join the staged source with the requests, and leave what is to be written in a folder for each chunk, in the order of ids."""
    same = " AND ".join(
        f"s.on{number}{_CASTS.get(target.kind, '')} = t.by{number}"
        for number, target in enumerate(targets, 1)
    )
    with workbench(folder, _MEMORY) as connection:
        for name, file in (("staged", _STAGED), ("targets", _TARGETS)):
            connection.execute(
                f"CREATE VIEW {name} AS FROM read_parquet({exactly(folder / file)}, file_row_number = true)"
            )
        # Values stay where they are until it is known which chunk they go to: sorting them takes their size in memory.
        # All that a request is given is in one chunk, so that a repetition is seen as one.
        connection.execute(
            f"CREATE TABLE places AS SELECT request_id, row, weight, "
            f"((sum(weight) OVER (ORDER BY request_id)) // {CHUNK_BYTES})::INTEGER AS chunk "
            f"FROM (SELECT t.request_id, s.file_row_number AS row, s.weight FROM staged s JOIN targets t ON {same})"
        )
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM staged), count(DISTINCT row), count(DISTINCT request_id) FROM places"
        ).fetchone()
        rows, matched, requests = counts or (0, 0, 0)
        fields = ", ".join(f"on{number}" for number in range(1, len(targets) + 1))
        sample = (
            connection.execute(
                f"SELECT {fields} FROM staged s ANTI JOIN places p ON p.row = s.file_row_number "
                f"ORDER BY file_row_number LIMIT {_SAMPLES}"
            ).fetchall()
            if matched < rows
            else []
        )
        chunks = _write_chunks(connection, folder / "chunks")
    names = [target.column for target in targets]
    return Matched(rows, matched, [dict(zip(names, row, strict=True)) for row in sample], requests, chunks)


def _write_chunks(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[Path]:
    """Write the entries of each chunk to a folder of its own, in one pass over what is staged."""
    widest = connection.execute(
        "SELECT max(weight / count) FROM (SELECT sum(weight) AS weight, sum(count) AS count FROM staged "
        "GROUP BY file_row_number // 2048) WHERE count > 0"
    ).fetchone()
    waiting = min(_MOST_WAITING, int(_GROUP_BYTES / ((widest and widest[0]) or _ENTRY_BYTES)) + 1)
    connection.execute(f"SET partitioned_write_flush_threshold = {waiting}")
    connection.execute(
        f"COPY (SELECT request_id, e.key AS key, e.value AS value, chunk "
        f"FROM (SELECT p.request_id, p.chunk, unnest(map_entries(s.entries)) AS e "
        f"FROM staged s JOIN places p ON p.row = s.file_row_number)) TO {literal(str(folder))} "
        f"(FORMAT parquet, COMPRESSION uncompressed, PARTITION_BY (chunk))"
    )
    return sorted(folder.iterdir(), key=lambda path: int(path.name.removeprefix("chunk=")))


def apply_chunk(store: Store, chunk: Path, now_us: int, *, overwrite: bool, dry_run: bool) -> Changes:
    """Apply a folder of what matches in one transaction; with `dry_run` only count what that would change."""
    with store.lease("backfilling") as connection, our_errors(store.paths):
        writes = f"SELECT request_id, key, value, {now_us}::BIGINT AS time FROM read_parquet({literal(as_pattern(chunk) + '/*.parquet')}, hive_partitioning = false)"
        row = connection.execute("SELECT count(*) FROM removals").fetchone()
        if row and row[0]:
            writes = not_removed(writes, "key", "metadata")
        if dry_run:
            changes = compare_metadata(connection, writes, overwrite=overwrite)
            connection.execute("DROP TABLE changes")
            return changes
        with transaction(connection):
            changes = compare_metadata(connection, writes, overwrite=overwrite)
            write_changes(connection, changes)
        store.tidy(connection)
        return changes
