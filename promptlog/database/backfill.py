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
from promptlog.database.sources import check_case, names_of, open_source, workbench
from promptlog.database.text import exactly, literal, quoted
from promptlog.errors import InvalidInputError
from promptlog.settings import MAX_KEY_CHARS, MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from promptlog.database.store import Store

CHUNK_ENTRIES = 100_000  # of a transaction
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
    files: list[Path]


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
            _write_staged(connection, folder, matched_by, entries)
            _check_staged(connection, folder, targets, long=long)
        except (duckdb.OutOfMemoryException, duckdb.IOException):  # the workbench says it
            raise
        except duckdb.Error as error:
            raise InvalidInputError(f"cannot read the source: {error}") from error


def stage_lines(folder: Path, lines: Path, targets: Sequence[Target], *, long: bool) -> None:
    """Stage rows that Python has checked: a JSON line each, of a list `on` and a map `entries`."""
    with workbench(folder, _MEMORY) as connection:
        fields = ", ".join(f'"on"[{number}] AS on{number}' for number in range(1, len(targets) + 1))
        connection.execute(
            f"COPY (SELECT {fields}, entries FROM read_json({exactly(lines)}, format = 'newline_delimited', "
            f"columns = {{'on': 'VARCHAR[]', 'entries': 'MAP(VARCHAR, VARCHAR)'}}, maximum_object_size = {MAX_LINE_BYTES + 1024})) "
            f"TO {literal(str(folder / _STAGED))} (FORMAT parquet)"
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


def _write_staged(
    connection: duckdb.DuckDBPyConnection, folder: Path, matched_by: Sequence[str], entries: str
) -> None:
    fields = ", ".join(f"{sql} AS on{number}" for number, sql in enumerate(matched_by, 1))
    connection.execute(
        f"COPY (SELECT {fields}, {entries} AS entries FROM source) TO {literal(str(folder / _STAGED))} (FORMAT parquet)"
    )


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
        f", on{number}{_CASTS[target.kind]}::VARCHAR AS on{number}"
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
    ambiguous = connection.execute(
        f"SELECT {on}, e.key, arg_min(e.value, row), arg_max(e.value, row), min(row), max(row) "
        f"FROM (SELECT {on}, unnest(map_entries(entries)) AS e, file_row_number AS row FROM {doubled}) "
        f"WHERE {' AND '.join(f'on{number} IS NOT NULL' for number in range(1, len(targets) + 1))} "
        f"GROUP BY {on}, e.key HAVING min(e.value) <> max(e.value) LIMIT 1"
    ).fetchone()
    if ambiguous:
        *values, key, one, other, first, last = ambiguous
        which = ", ".join(f"{target.column} {value!r}" for target, value in zip(targets, values, strict=True))
        raise InvalidInputError(
            f"rows {first} and {last} both give {key!r} to {which}: {one[:60]!r} and {other[:60]!r}; keep one of them"
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
    """Join the staged source with the requests, and leave what is to be written in files, in the order of ids."""
    same = " AND ".join(
        f"s.on{number}{_CASTS.get(target.kind, '')} = t.by{number}"
        for number, target in enumerate(targets, 1)
    )
    with workbench(folder, _MEMORY) as connection:
        for name, file in (("staged", _STAGED), ("targets", _TARGETS)):
            connection.execute(
                f"CREATE VIEW {name} AS FROM read_parquet({exactly(folder / file)}, file_row_number = true)"
            )
        counts = connection.execute(
            f"SELECT (SELECT count(*) FROM staged), (SELECT count(*) FROM staged s SEMI JOIN targets t ON {same}), "
            f"(SELECT count(*) FROM targets t SEMI JOIN staged s ON {same})"
        ).fetchone()
        rows, matched, requests = counts or (0, 0, 0)
        fields = ", ".join(f"on{number}" for number in range(1, len(targets) + 1))
        sample = (
            connection.execute(
                f"SELECT {fields} FROM staged s ANTI JOIN targets t ON {same} ORDER BY file_row_number LIMIT {_SAMPLES}"
            ).fetchall()
            if matched < rows
            else []
        )
        chunks = folder / "chunks"
        chunks.mkdir()
        connection.execute(
            f"COPY (SELECT request_id, e.key AS key, e.value AS value "
            f"FROM (SELECT t.request_id, unnest(map_entries(s.entries)) AS e FROM staged s JOIN targets t ON {same}) "
            f"ORDER BY request_id, key) TO {literal(str(chunks))} (FORMAT parquet, COMPRESSION uncompressed, "
            f"ROW_GROUP_SIZE {CHUNK_ENTRIES}, ROW_GROUPS_PER_FILE 1, OVERWRITE_OR_IGNORE, FILENAME_PATTERN 'chunk-{{i}}')"
        )
    names = [target.column for target in targets]
    return Matched(
        rows, matched, [dict(zip(names, row, strict=True)) for row in sample], requests,
        sorted(chunks.iterdir(), key=lambda path: int(path.stem.removeprefix("chunk-"))),
    )  # fmt: skip


def apply_chunk(store: Store, file: Path, now_us: int, *, overwrite: bool, dry_run: bool) -> Changes:
    """Apply a file of what matches in one transaction; with `dry_run` only count what that would change."""
    with store.lease("backfilling") as connection, our_errors(store.paths):
        writes = f"SELECT request_id, key, value, {now_us}::BIGINT AS time FROM read_parquet({exactly(file)})"
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
