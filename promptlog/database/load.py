"""Whole tables into the store: from a frame's or a file's columns to records, checked in SQL.

The columns are the arguments of `log_request`; metadata may also come as columns `metadata.<key>`. Conversion runs in
a database of its own in memory, so it needs no lock, and leaves Parquet files of a slice each.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import duckdb

from promptlog.database.apply import RECORD_TYPES, apply_records
from promptlog.database.connection import our_errors, transaction
from promptlog.database.merge import read_records
from promptlog.errors import InvalidInputError
from promptlog.identifiers import LATEST_US
from promptlog.models.build import request_record
from promptlog.models.checks import STATUSES
from promptlog.settings import MAX_KEY_CHARS, MAX_TAG_CHARS

if TYPE_CHECKING:
    from pathlib import Path

    from promptlog.database.lease import Store

_SLICE_ROWS = 16_384
_METADATA = "metadata."
_ARGUMENTS = inspect.signature(request_record).parameters
_REQUIRED = [name for name, argument in _ARGUMENTS.items() if argument.default is argument.empty]
_READERS = {
    "parquet": "read_parquet(?)",
    "csv": "read_csv(?, all_varchar = true)",  # what looks like a number is still text: "007" is a user's id
}


def apply_staged(store: Store, path: Path) -> None:
    """Apply one staged file in one transaction, as a merge applies a slice."""
    with store.lease("loading many requests") as connection, our_errors(store.paths):
        if path.suffix == ".jsonl":
            read_records(connection, path)
        else:
            columns = ", ".join(f"{name}::{kind} AS {name}" for name, kind in RECORD_TYPES.items())
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE records AS SELECT {columns} FROM read_parquet(?)", [str(path)]
            )
        with transaction(connection):
            apply_records(connection, "records")
        connection.execute("DROP TABLE records")


def stage_table(folder: Path, source: Any, kind: str, now_us: int) -> int:
    """Check a frame or file of requests, stage it as Parquet files, and return the number of its rows.

    Args:
        folder: where the files go.
        source: an object that speaks Arrow's C stream, or the path of a file.
        kind: "frame", "parquet" or "csv".
        now_us: the time that the rows are logged at.

    Raises:
        InvalidInputError: a column is missing, unknown or of a type that cannot be meant; or a row is wrong.
    """
    with duckdb.connect(config={"python_enable_replacements": False}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET temp_directory = {_literal(f'{folder}.spill')}")
        try:
            if kind == "frame":
                connection.register("source", source)
            else:
                connection.execute(
                    f"CREATE VIEW source AS FROM {_READERS[kind].replace('?', _literal(str(source)))}"
                )
            described = connection.execute("DESCRIBE source").fetchall()
        except duckdb.Error as error:
            raise InvalidInputError(
                f"cannot read {source if kind != 'frame' else 'the frame'}: {error}"
            ) from error
        types = {row[0]: str(row[1]) for row in described}
        _check_columns(types)
        try:
            return _convert(connection, folder, types, now_us)
        except duckdb.Error as error:
            raise InvalidInputError(f"cannot convert the requests: {error}") from error


def _check_columns(types: dict[str, str]) -> None:
    for name, kind in types.items():
        if name not in _ARGUMENTS and not name.startswith(_METADATA):
            import difflib

            near = difflib.get_close_matches(name, _ARGUMENTS, n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"a metadata key is given as {_METADATA + name!r}"
            )
            raise InvalidInputError(f"column {name!r} is no argument of log_request; {hint}")
        if name.startswith(_METADATA):
            key = name.removeprefix(_METADATA)
            if not 0 < len(key) <= MAX_KEY_CHARS:
                raise InvalidInputError(
                    f"column {name[:60]!r} names no metadata key of 1 to {MAX_KEY_CHARS:,} characters"
                )
            if kind not in ("VARCHAR", '"NULL"'):
                raise InvalidInputError(
                    f"column {name!r} holds {kind}; metadata values are strings: cast it to text first"
                )
    if missing := [name for name in _REQUIRED if name not in types]:
        raise InvalidInputError(
            f"the column {missing[0]!r} is missing; every request needs {', '.join(_REQUIRED)}"
        )


def _convert(connection: duckdb.DuckDBPyConnection, folder: Path, types: dict[str, str], now_us: int) -> int:
    fields = _Fields(types)
    columns = fields.columns(now_us)
    problem = "CASE " + " ".join(f"WHEN {wrong} THEN {text}" for wrong, text in fields.problems) + " END"
    connection.execute(
        f"CREATE TABLE converted AS SELECT {', '.join(f'{sql} AS {name}' for name, sql in columns.items())}, "
        f"{problem} AS problem FROM source"
    )
    first = connection.execute(
        "SELECT rowid, problem FROM converted WHERE problem IS NOT NULL LIMIT 1"
    ).fetchone()
    if first:
        raise InvalidInputError(f"row {first[0]}: {first[1]}")
    row = connection.execute("SELECT count(*) FROM converted").fetchone()
    count = int(row[0]) if row else 0
    for part, start in enumerate(range(0, count, _SLICE_ROWS)):
        path = _literal(str(folder / f"part-{part:06}.parquet"))
        connection.execute(
            f"COPY (SELECT * EXCLUDE problem FROM converted WHERE rowid >= {start} AND rowid < {start + _SLICE_ROWS}) "
            f"TO {path} (FORMAT parquet, COMPRESSION uncompressed)"
        )
    return count


class _Fields:
    """SQL for each field of a record from the columns there are, and for what may be wrong with them."""

    def __init__(self, types: dict[str, str]) -> None:
        self._types = types
        self.problems: list[
            tuple[str, str]
        ] = []  # a condition that is true of a wrong row, and SQL for its message

    def columns(self, now_us: int) -> dict[str, str]:
        start, end = self._time("request_start_time"), self._time("request_end_time")
        self._wrong(f"{end} < {start}", "'request_end_time lies before request_start_time'")
        score = self._number("score", "DOUBLE", most=100)
        name = f"coalesce({self._text('score_name')}, 'default')"
        prompt = {
            "name": self._text("prompt_name"),
            "version": self._number("prompt_version_number", "BIGINT", least=1),
            "label": "NULL::VARCHAR",
            "id": f"{self._raw('prompt_id')}::VARCHAR",
            "variables": self._json("prompt_input_variables"),
        }
        packed = ", ".join(f'"{part}" := {sql}' for part, sql in prompt.items())
        unset = " AND ".join(f"({sql}) IS NULL" for sql in prompt.values())
        return {
            "kind": "'request'",
            "request_id": self._id(start),
            "time": f"{now_us}::BIGINT",
            "start_time": start,
            "end_time": end,
            "provider": self._text("provider", required=True),
            "model": self._text("model", required=True),
            "api_type": self._text("api_type"),
            "function_name": f"nullif({self._text('function_name')}, '')",
            "status": self._status(),
            "error_type": self._text("error_type"),
            "error_message": self._text("error_message"),
            "input": self._content("input", "user"),
            "output": self._content("output", "assistant"),
            "parameters": self._json("parameters"),
            "input_tokens": self._number("input_tokens", "BIGINT"),
            "output_tokens": self._number("output_tokens", "BIGINT"),
            "cost_usd": self._number("price", "DOUBLE"),
            "trace_id": self._text("trace_id"),
            "span_id": self._text("span_id"),
            "metadata": self._metadata(),
            "tags": self._tags(),
            "scores": f"CASE WHEN {score} IS NOT NULL THEN map([{name}], [{score}]) END",
            "prompt": f"CASE WHEN NOT ({unset}) THEN struct_pack({packed}) END",
            "group_id": self._number("group_id", "BIGINT"),
            "removed": "NULL",
        }

    def _wrong(self, condition: str, message: str) -> None:
        self.problems.append((condition, message))

    def _raw(self, name: str) -> str:
        return _quoted(name) if name in self._types else "NULL"

    def _text(self, name: str, *, required: bool = False) -> str:
        raw = self._raw(name)
        if name in self._types and self._types[name] not in ("VARCHAR", '"NULL"'):
            raise InvalidInputError(f"column {name!r} holds {self._types[name]}; it must be text")
        if required:
            self._wrong(f"coalesce({raw}, '') = ''", f"'{name} is empty'")
        return f"{raw}::VARCHAR"

    def _time(self, name: str) -> str:
        raw, kind = self._raw(name), self._types[name]
        if kind in ("VARCHAR", "DATE") or kind.startswith("TIMESTAMP"):
            sql = f"epoch_us(TRY_CAST({raw} AS TIMESTAMPTZ))"
            if kind == "VARCHAR":  # a CSV file's epoch seconds are text too
                sql = f"coalesce(CAST(round(TRY_CAST({raw} AS DOUBLE) * 1e6) AS BIGINT), {sql})"
        else:
            sql = f"CAST(round({raw} * 1e6::DOUBLE) AS BIGINT)"
        self._wrong(
            f"coalesce(NOT ({sql} BETWEEN 0 AND {LATEST_US}), true)",
            f"'{name} ' || coalesce({raw}::VARCHAR, 'null') || ' is neither seconds since 1970 nor a time'",
        )
        return sql

    def _number(self, name: str, kind: str, least: int = 0, most: int | None = None) -> str:
        """A number; NaN is missing, as pandas has it."""
        if name not in self._types:
            return f"NULL::{kind}"
        as_double = f"TRY_CAST({self._raw(name)} AS DOUBLE)"
        raw = f"CASE WHEN isnan({as_double}) THEN NULL ELSE {self._raw(name)} END"
        sql = f"TRY_CAST({raw} AS {kind})"
        bounds = (
            f"{sql} < {least}"
            + (f" OR {sql} > {most}" if most is not None else "")
            + f" OR isinf({as_double})"
        )
        if kind == "BIGINT":
            bounds += f" OR {as_double} <> trunc({as_double})"
        limits = f"from {least} to {most}" if most is not None else f"of at least {least}"
        self._wrong(
            f"({raw}) IS NOT NULL AND coalesce({sql} IS NULL OR {bounds}, true)",
            f"'{name} ' || {self._raw(name)}::VARCHAR || ' is not a number {limits}'",
        )
        return sql

    def _id(self, start: str) -> str:
        """The id, or a new one of version 7 as `identifiers.new_request_id` makes it."""
        digits = f"format('{{:012x}}', {start} // 1000)"
        new = (
            f"(substr({digits}, 1, 8) || '-' || substr({digits}, 9, 4) || '-7' || "
            f"format('{{:03x}}', {start} % 1000 * 4096 // 1000) || substr(uuid()::VARCHAR, 19))::UUID"
        )
        if "request_id" not in self._types:
            return new
        raw = self._raw("request_id")
        self._wrong(
            f"{raw} IS NOT NULL AND TRY_CAST({raw} AS UUID) IS NULL",
            f"'request_id ' || {raw}::VARCHAR || ' is no UUID; foreign_request_id makes one of another system''s id'",
        )
        return f"CASE WHEN {raw} IS NULL THEN {new} ELSE TRY_CAST({raw} AS UUID) END"

    def _status(self) -> str:
        status = self._text("status")
        allowed = ", ".join(f"'{name}'" for name in STATUSES)
        self._wrong(
            f"{status} NOT IN ({allowed})", f"'status ' || {status} || ' is none of {', '.join(STATUSES)}'"
        )
        return f"coalesce({status}, 'SUCCESS')"

    def _json(self, name: str) -> str:
        """A JSON object, from its text or from a struct or map."""
        if name not in self._types:
            return "NULL::JSON"
        raw = self._raw(name)
        if self._types[name] not in ("VARCHAR", "JSON", '"NULL"'):
            return f"to_json({raw})"
        self._wrong(f"{raw} IS NOT NULL AND NOT {_is_json(raw, 'OBJECT')}", f"'{name} is no JSON object'")
        return f"CASE WHEN {_is_json(raw, 'OBJECT')} THEN {_as_json(raw)} END"

    def _content(self, name: str, role: str) -> str:
        """A prompt blueprint, as `models.content.blueprint` makes it."""
        raw = self._raw(name)
        text = self._types[name] == "VARCHAR"
        given = _as_json(raw) if text else f"to_json({raw})"
        whole = (
            f"CASE WHEN {_is_json(given, 'ARRAY')} AND {_all_have_roles(f'{given}')} "
            f"THEN json_object('type', 'chat', 'messages', {_messages(f'{given}')}) "
            f"WHEN {_is_json(given, 'OBJECT')} AND {given}->>'type' = 'chat' "
            f"AND json_type({given}, '$.messages') = 'ARRAY' "
            f"THEN json_merge_patch({given}, json_object('messages', {_messages(f'({given}->{_Q}messages{_Q})')})) "
            f"WHEN {_is_json(given, 'OBJECT')} AND {given}->>'type' = 'completion' THEN {given} "
            f"WHEN {_is_json(given, 'OBJECT')} AND json_exists({given}, '$.role') "
            f"THEN json_object('type', 'chat', 'messages', {_messages(f'json_array({given})')}) END"
        ).replace(_Q, "'")
        if text:
            said = f"json_object('role', '{role}', 'content', json_array(json_object('type', 'text', 'text', {raw})))"
            return f"CASE WHEN {raw} IS NOT NULL THEN coalesce({whole}, json_object('type', 'chat', 'messages', json_array({said}))) END"
        self._wrong(
            f"{raw} IS NOT NULL AND ({whole}) IS NULL",
            f"'{name} is neither a prompt blueprint, nor messages with roles, nor text'",
        )
        return whole

    def _metadata(self) -> str:
        parts = []
        if "metadata" in self._types:
            parts.append(self._metadata_column())
        wide = [name for name in self._types if name.startswith(_METADATA)]
        if wide:
            entries = ", ".join(
                f"{{'key': {_literal(name.removeprefix(_METADATA))}, 'value': {_quoted(name)}::VARCHAR}}"
                for name in wide
            )
            parts.append(f"map_from_entries(list_filter([{entries}], lambda e: e.value IS NOT NULL))")
        if not parts:
            return "NULL::MAP(VARCHAR, VARCHAR)"
        whole = (
            parts[0]
            if len(parts) == 1
            else f"map_concat({', '.join(f'coalesce({part}, map())' for part in parts)})"
        )
        return f"CASE WHEN cardinality({whole}) > 0 THEN {whole} END"

    def _metadata_column(self) -> str:
        raw, kind = self._raw("metadata"), self._types["metadata"]
        if kind == '"NULL"':
            return "NULL::MAP(VARCHAR, VARCHAR)"
        given = f"to_json({raw})"
        if kind in ("VARCHAR", "JSON"):
            self._wrong(
                f"{raw} IS NOT NULL AND NOT {_is_json(raw, 'OBJECT')}", "'metadata is no JSON object'"
            )
            given = f"CASE WHEN {_is_json(raw, 'OBJECT')} THEN {_as_json(raw)} END"
        # A frame's struct has every key of every row: those without a value are null, and left out.
        skipped = "'NULL'" if kind.startswith("STRUCT") else "''"
        pairs = f"list_filter(map_entries(({given})::MAP(VARCHAR, JSON)), lambda e: json_type(e.value) <> {skipped})"
        wrong = f"list_filter({pairs}, lambda e: json_type(e.value) <> 'VARCHAR')"
        self._wrong(
            f"len({wrong}) > 0",
            f"'metadata value of key ' || {wrong}[1].key || ' is ' || {wrong}[1].value::VARCHAR || "
            f"', not a string; cast it to text first'",
        )
        self._wrong(
            f"len(list_filter({pairs}, lambda e: len(e.key) NOT BETWEEN 1 AND {MAX_KEY_CHARS})) > 0",
            f"'a metadata key is empty or has over {MAX_KEY_CHARS} characters'",
        )
        return (
            f"map_from_entries(list_transform({pairs}, lambda e: "
            f"{{'key': e.key, 'value': json_extract_string(e.value, '$')}}))"
        )

    def _tags(self) -> str:
        if "tags" not in self._types:
            return "NULL::VARCHAR[]"
        raw, kind = self._raw("tags"), self._types["tags"]
        if kind == "VARCHAR":  # JSON, or one tag
            tags = f"CASE WHEN {_is_json(raw, 'ARRAY')} THEN TRY_CAST({_as_json(raw)} AS VARCHAR[]) WHEN {raw} <> '' THEN [{raw}] END"
        elif kind in ("VARCHAR[]", '"NULL"', "INTEGER[]") or kind.endswith("NULL[]"):
            tags = f"{raw}::VARCHAR[]"
        else:
            raise InvalidInputError(f"column 'tags' holds {kind}; it must be lists of text, JSON or one tag")
        self._wrong(
            f"len(list_filter({tags}, lambda t: t IS NULL OR len(t) NOT BETWEEN 1 AND {MAX_TAG_CHARS})) > 0",
            f"'a tag is empty or has over {MAX_TAG_CHARS} characters'",
        )
        return f"CASE WHEN len({tags}) > 0 THEN list_distinct({tags}) END"


_Q = "\x01"


def _is_json(sql: str, kind: str) -> str:
    """Whether text or JSON is an object or an array; text that is no JSON is neither."""
    return f"coalesce(json_type({_as_json(sql)}) = '{kind}', false)"


def _as_json(sql: str) -> str:
    return f"TRY_CAST({sql} AS JSON)"


def _all_have_roles(messages: str) -> str:
    return f"len(list_filter(TRY_CAST({messages} AS JSON[]), lambda m: NOT coalesce(json_exists(m, '$.role'), false))) = 0"


def _messages(messages: str) -> str:
    """Messages whose content is a list of blocks."""
    blocks = "json_array(json_object('type', 'text', 'text', m->>'content'))"
    return (
        f"to_json(list_transform(TRY_CAST({messages} AS JSON[]), lambda m: CASE json_type(m, '$.content') WHEN 'ARRAY' THEN m "
        f"WHEN 'VARCHAR' THEN json_merge_patch(m, json_object('content', {blocks})) "
        f"ELSE json_merge_patch(m, json_object('content', json_array())) END))"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
