"""From the columns of a frame or file to the fields of records, checked, as one SELECT.

The columns are the arguments of `log_request`; metadata may also come as columns `metadata.<key>`. What
`models.build` and `models.content` do for one request in Python stands here for a million in SQL; a test holds that
both give the same.
"""

from __future__ import annotations

from promptlog.database.blueprint import blueprint, is_kind
from promptlog.database.text import literal, quoted
from promptlog.errors import InvalidInputError
from promptlog.identifiers import LATEST_US
from promptlog.models.checks import DEFAULT_SCORE, STATUSES
from promptlog.settings import MAX_KEY_CHARS, MAX_TAG_CHARS

METADATA_PREFIX = "metadata."


class Fields:
    """SQL for each field of a record from the columns there are, and for what may be wrong with them.

    Three selects stand in each other, so that nothing is computed twice: what is parsed out of a column, the fields
    made of that, and the first problem of the row.
    """

    def __init__(self, types: dict[str, str], zone: str, *, only_text: bool = False) -> None:
        """Know the source.

        Args:
            types: DuckDB's type of each column.
            zone: the local time zone's name.
            only_text: the source is a CSV file.
        """
        self._types = types
        self._zone = zone
        self._only_text = only_text
        self._parsed: dict[str, str] = {}  # name -> SQL on the source's columns
        self._problems: list[
            tuple[str, str]
        ] = []  # a condition that is true of a wrong row, SQL for its message

    def select(self, now_us: int) -> str:
        """Return the SELECT from `source` that gives all fields and `problem`, which is null where there is none."""
        fields = self._fields(now_us)
        parsed = "".join(f", {sql} AS {quoted(name)}" for name, sql in self._parsed.items())
        made = ", ".join(f"{sql} AS {quoted('=' + name)}" for name, sql in fields.items())
        problem = "CASE " + " ".join(f"WHEN {wrong} THEN {text}" for wrong, text in self._problems) + " END"
        shown = ", ".join(f"{quoted('=' + name)} AS {name}" for name in fields)
        return f"SELECT {shown}, {problem} AS problem FROM (SELECT *, {made} FROM (SELECT *{parsed} FROM source))"

    def _fields(self, now_us: int) -> dict[str, str]:
        start, end = self._time("request_start_time"), self._time("request_end_time")
        self._wrong(f"{end} < {start}", "'request_end_time lies before request_start_time'")
        return {
            "kind": "'request'",
            "request_id": self._id(start),
            "time": f"{now_us}::BIGINT",
            "start_time": start,
            "end_time": end,
            "provider": self._text("provider", required=True),
            "model": self._text("model", required=True),
            "api_type": self._text("api_type"),
            "function_name": f"nullif({self._text('function_name', may_be_empty=True)}, '')",
            "status": self._status(),
            "error_type": self._text("error_type"),
            "error_message": self._text("error_message"),
            "input": self._content("input", "user"),
            "output": self._content("output", "assistant"),
            "parameters": self._object("parameters"),
            "input_tokens": self._number("input_tokens", "BIGINT"),
            "output_tokens": self._number("output_tokens", "BIGINT"),
            "cost_usd": self._number("price", "DOUBLE"),
            "trace_id": self._text("trace_id"),
            "span_id": self._text("span_id"),
            **{
                name: self._number(name, "BIGINT")
                for name in ("cached_tokens", "cache_write_tokens", "reasoning_tokens")
            },
            "finish_reason": self._text("finish_reason"),
            **{name: self._other_id(name) for name in ("replay_key", "replayed_from")},
            "metadata": self._metadata(),
            "tags": self._tags(),
            "scores": self._scores(),
            "evaluations": "NULL",
            "prompt": self._prompt(),
            "group_id": self._number("group_id", "BIGINT"),
            "removed": "NULL",
            "span": "NULL",
            "log": "NULL",
        }

    # -- parts -------------------------------------------------------------------------------------------------

    def _wrong(self, condition: str, message: str) -> None:
        self._problems.append((condition, message))

    def _parse(self, name: str, sql: str) -> str:
        """Compute something once, and return the name it goes by."""
        self._parsed["~" + name] = sql
        return quoted("~" + name)

    def _raw(self, name: str) -> str:
        return quoted(name) if name in self._types else "NULL"

    def _is_text(self, name: str) -> bool:
        return self._types[name] in ("VARCHAR", '"NULL"') or self._types[name].startswith("ENUM")

    def _text(self, name: str, *, required: bool = False, may_be_empty: bool = False) -> str:
        if name not in self._types:
            return "NULL::VARCHAR"
        if not self._is_text(name):
            raise InvalidInputError(f"column {name!r} holds {self._types[name]}; it must be text")
        text = f"{self._raw(name)}::VARCHAR"
        if not may_be_empty:
            self._wrong(f"coalesce({text}, '') = ''" if required else f"{text} = ''", f"'{name} is empty'")
        return text

    def _time(self, name: str) -> str:
        raw, kind = self._raw(name), self._types[name]
        if kind == "VARCHAR":  # without an offset it is UTC, which is this connection's zone
            sql = f"epoch_us(TRY_CAST({raw} AS TIMESTAMPTZ))"
            if self._only_text:  # a CSV file's epoch seconds are text too
                sql = f"coalesce(TRY_CAST(round(TRY_CAST({raw} AS DOUBLE) * 1e6) AS BIGINT), {sql})"
        elif kind == "TIMESTAMP WITH TIME ZONE":
            sql = f"epoch_us({raw})"
        elif kind == "DATE" or kind.startswith("TIMESTAMP"):  # local time, as a datetime without a zone is
            sql = f"epoch_us(timezone({literal(self._zone)}, {raw}::TIMESTAMP))"
        elif kind == "BOOLEAN":
            raise InvalidInputError(f"column {name!r} holds {kind}; it must be seconds or times")
        else:
            sql = f"TRY_CAST(round({raw} * 1e6::DOUBLE) AS BIGINT)"
        micros = self._parse(name, sql)
        self._wrong(
            f"coalesce(NOT ({micros} BETWEEN 0 AND {LATEST_US}), true)",
            f"'{name} ' || coalesce({raw}::VARCHAR, 'null') || ' is neither seconds since 1970 nor a time'",
        )
        return micros

    def _number(self, name: str, kind: str, least: int = 0, most: int | None = None) -> str:
        """A number; NaN is missing, as pandas has it."""
        if name not in self._types:
            return f"NULL::{kind}"
        if self._types[name] == "BOOLEAN":
            raise InvalidInputError(f"column {name!r} holds BOOLEAN; it must be numbers")
        raw = self._raw(name)
        as_double = f"TRY_CAST({raw} AS DOUBLE)"
        number = self._parse(name, f"TRY_CAST(CASE WHEN NOT isnan({as_double}) THEN {raw} END AS {kind})")
        bounds = f"{number} < {least} OR isinf({as_double})" + (
            f" OR {number} > {most}" if most is not None else ""
        )
        if kind == "BIGINT":
            bounds += f" OR {as_double} <> trunc({as_double})"
        limits = f"from {least} to {most}" if most is not None else f"of at least {least}"
        self._wrong(
            f"{raw} IS NOT NULL AND NOT coalesce(isnan({as_double}), false) AND coalesce({number} IS NULL OR {bounds}, true)",
            f"'{name} ' || {raw}::VARCHAR || ' is not a number {limits}'",
        )
        return number

    def _id(self, start: str) -> str:
        """The id, or a new one of version 7 as `identifiers.new_request_id` makes it."""
        digits = f"format('{{:012x}}', {start} // 1000)"
        new = (
            f"(substr({digits}, 1, 8) || '-' || substr({digits}, 9, 4) || '-7' || "
            f"format('{{:03x}}', {start} % 1000 * 4096 // 1000) || substr(uuid()::VARCHAR, 19))::UUID"
        )
        # A start that is wrong makes no id, and is said to be wrong.
        new = f"CASE WHEN {start} BETWEEN 0 AND {LATEST_US} THEN {new} END"
        if "request_id" not in self._types:
            return new
        raw = self._raw("request_id")
        self._wrong(
            f"{raw} IS NOT NULL AND TRY_CAST({raw} AS UUID) IS NULL",
            f"'request_id ' || {raw}::VARCHAR || ' is no UUID; foreign_request_id makes one of another system''s id'",
        )
        return f"CASE WHEN {raw} IS NULL THEN {new} ELSE TRY_CAST({raw} AS UUID) END"

    def _other_id(self, name: str) -> str:
        if name not in self._types:
            return "NULL::UUID"
        raw = self._raw(name)
        self._wrong(
            f"{raw} IS NOT NULL AND TRY_CAST({raw} AS UUID) IS NULL",
            f"'{name} ' || {raw}::VARCHAR || ' is no UUID'",
        )
        return f"TRY_CAST({raw} AS UUID)"

    def _status(self) -> str:
        status = self._text("status")
        allowed = ", ".join(f"'{name}'" for name in STATUSES)
        self._wrong(
            f"{status} NOT IN ({allowed})", f"'status ' || {status} || ' is none of {', '.join(STATUSES)}'"
        )
        error = f"coalesce({self._raw('error_type')}, {self._raw('error_message')})"
        return f"coalesce({status}, CASE WHEN {error} IS NULL THEN 'SUCCESS' ELSE 'ERROR' END)"

    def _object(self, name: str) -> str:
        """A JSON object, from its text or from a struct or map; an empty one is none."""
        if name not in self._types:
            return "NULL::JSON"
        raw = self._raw(name)
        text = self._is_text(name) or self._types[name] == "JSON"
        parsed = self._parse(name, f"TRY_CAST({raw} AS JSON)" if text else f"to_json({raw})")
        self._wrong(f"{raw} IS NOT NULL AND NOT {is_kind(parsed, 'OBJECT')}", f"'{name} is no JSON object'")
        self._refuse_nan(name, parsed)
        return f"CASE WHEN {is_kind(parsed, 'OBJECT')} AND {parsed}::VARCHAR <> '{{}}' THEN {parsed} END"

    def _refuse_nan(self, name: str, json: str) -> None:
        if any(kind in self._types[name] for kind in ("DOUBLE", "FLOAT")):
            self._wrong(
                f"regexp_matches({json}::VARCHAR, '[:,\\[](NaN|-?Infinity|nan|-?inf)\\b')",
                f"'{name} holds a number that is NaN or infinite, which JSON cannot hold'",
            )

    def _scores(self) -> str:
        score = self._number("score", "DOUBLE", most=100)
        name = f"coalesce({self._text('score_name')}, '{DEFAULT_SCORE}')"
        return f"CASE WHEN {score} IS NOT NULL THEN map([{name}], [{score}]) END"

    def _prompt(self) -> str:
        link = {
            "name": self._text("prompt_name"),
            "version": self._number("prompt_version_number", "BIGINT", least=1),
            "label": "NULL::VARCHAR",
            "id": self._prompt_id(),
            "variables": self._object("prompt_input_variables"),
        }
        packed = ", ".join(f'"{part}" := {sql}' for part, sql in link.items())
        given = " OR ".join(f"({sql}) IS NOT NULL" for sql in link.values())
        return f"CASE WHEN {given} THEN struct_pack({packed}) END"

    def _prompt_id(self) -> str:
        if "prompt_id" not in self._types or self._is_text("prompt_id"):
            return self._text("prompt_id")
        return f"{self._number('prompt_id', 'BIGINT')}::VARCHAR"

    # -- content -----------------------------------------------------------------------------------------------

    def _content(self, name: str, role: str) -> str:
        """A prompt blueprint, as `models.content.blueprint` makes it."""
        raw = self._raw(name)
        problem = f"'{name} is neither a prompt blueprint, nor messages with roles, nor text'"
        if self._types[name].replace('"', "").replace(" ", "") in _MESSAGE_LISTS:
            self._wrong(f"list_contains(list_transform({raw}, lambda m: m.role IS NULL), true)", problem)
            said = "CASE WHEN m.content IS NULL THEN [] ELSE [{'type': 'text', 'text': m.content}] END"
            messages = f"list_transform({raw}, lambda m: {{'role': m.role, 'content': {said}}})"
            return f"CASE WHEN {raw} IS NOT NULL THEN to_json({{'type': 'chat', 'messages': {messages}}}) END"
        if not self._is_text(name):
            json = self._parse(name, f"to_json({raw})")
            whole = self._parse(f"whole {name}", blueprint(f"to_json({raw})", said=False))
            self._refuse_nan(name, json)
            self._wrong(f"{raw} IS NOT NULL AND {json} <> 'null' AND {whole} IS NULL", problem)
            return whole
        looks_like_json = f"ltrim({raw})[1] IN ('[', '{{')"
        json = f"TRY_CAST({raw} AS JSON)"
        said = (
            f'(\'{{"type":"chat","messages":[{{"role":"{role}","content":[{{"type":"text","text":\' || '
            f"to_json({raw})::VARCHAR || '}}]}}]}}')::JSON"
        )
        return (
            f"CASE WHEN {raw} IS NULL THEN NULL "
            f"WHEN {looks_like_json} THEN coalesce({blueprint(json, said=True)}, {said}) ELSE {said} END"
        )

    # -- metadata and tags -------------------------------------------------------------------------------------

    def _metadata(self) -> str:
        parts = []
        if "metadata" in self._types:
            parts.append(self._metadata_column())
        wide = {
            name.removeprefix(METADATA_PREFIX): quoted(name)
            for name in self._types
            if name.startswith(METADATA_PREFIX)
        }
        if wide:
            parts.append(_map_of(wide))
        if not parts:
            return "NULL::MAP(VARCHAR, VARCHAR)"
        if len(parts) > 1:
            parts = [f"map_concat({', '.join(f'coalesce({part}, map())' for part in parts)})"]
        whole = self._parse("all metadata", parts[0])
        self._wrong(
            f"len(list_filter(map_keys({whole}), lambda k: len(k) NOT BETWEEN 1 AND {MAX_KEY_CHARS})) > 0",
            f"'a metadata key is empty or has over {MAX_KEY_CHARS} characters'",
        )
        return f"CASE WHEN cardinality({whole}) > 0 THEN {whole} END"

    def _metadata_column(self) -> str:
        raw, kind = self._raw("metadata"), self._types["metadata"]
        if kind == '"NULL"':
            return "NULL::MAP(VARCHAR, VARCHAR)"
        if kind == "MAP(VARCHAR, VARCHAR)":
            self._wrong(
                f"list_count(map_values({raw})) < cardinality({raw})",
                "'a metadata value is null, not a string'",
            )
            return raw
        if kind in ("VARCHAR", "JSON"):
            json = (
                f"CASE WHEN {is_kind(f'TRY_CAST({raw} AS JSON)', 'OBJECT')} THEN TRY_CAST({raw} AS JSON) END"
            )
            self._wrong(
                f"{raw} IS NOT NULL AND NOT {is_kind(f'TRY_CAST({raw} AS JSON)', 'OBJECT')}",
                "'metadata is no JSON object'",
            )
        elif kind.startswith(("STRUCT", "MAP")):
            json = f"to_json({raw})"
        else:
            raise InvalidInputError(
                f"column 'metadata' holds {kind}; it must be maps, structs or JSON objects"
            )
        # A frame's struct has every key of every row: those without a value are null, and left out.
        skipped = "NULL" if kind.startswith("STRUCT") else ""
        entries = f"map_entries(({json})::MAP(VARCHAR, JSON))"
        pairs = f"list_filter({entries}, lambda e: coalesce(json_type(e.value), 'NULL') <> '{skipped}')"
        bad = f"list_filter({pairs}, lambda e: coalesce(json_type(e.value), 'NULL') <> 'VARCHAR')"
        wrong = self._parse("wrong metadata", f"{bad}[1]")
        self._wrong(
            f"{wrong} IS NOT NULL",
            f"'metadata value of key ' || {wrong}.key || ' is ' || coalesce({wrong}.value::VARCHAR, 'null') || "
            f"', not a string; cast it to text first'",
        )
        texts = "lambda e: {'key': e.key, 'value': json_extract_string(e.value, '$')}"
        return f"map_from_entries(list_transform({pairs}, {texts}))"

    def _tags(self) -> str:
        if "tags" not in self._types:
            return "NULL::VARCHAR[]"
        raw, kind = self._raw("tags"), self._types["tags"]
        if kind == "VARCHAR":  # JSON, or one tag
            json = f"TRY_CAST({raw} AS JSON)"
            sql = f"CASE WHEN {is_kind(json, 'ARRAY')} THEN TRY_CAST({json} AS VARCHAR[]) WHEN {raw} <> '' THEN [{raw}] END"
        elif kind in ("VARCHAR[]", '"NULL"') or kind == '"NULL"[]':
            sql = f"{raw}::VARCHAR[]"
        elif kind == "INTEGER[]":  # what lists without an item come as
            sql = f"{raw}::VARCHAR[]"
            self._wrong(f"len({raw}) > 0", "'tags are numbers, not strings'")
        else:
            raise InvalidInputError(f"column 'tags' holds {kind}; it must be lists of text, JSON or one tag")
        tags = self._parse("all tags", sql)
        self._wrong(
            f"len(list_filter({tags}, lambda t: t IS NULL OR len(t) NOT BETWEEN 1 AND {MAX_TAG_CHARS})) > 0",
            f"'a tag is empty or has over {MAX_TAG_CHARS} characters'",
        )
        return f"CASE WHEN len({tags}) > 0 THEN list_distinct({tags}) END"


#: Lists of messages whose content is text, as frames have them: made into blueprints without a detour by JSON.
_MESSAGE_LISTS = {"STRUCT(roleVARCHAR,contentVARCHAR)[]", "STRUCT(contentVARCHAR,roleVARCHAR)[]"}


def _map_of(columns: dict[str, str]) -> str:
    """SQL for a map of keys to the columns' values, those that are null left out."""
    entries = ", ".join(f"{{'key': {literal(key)}, 'value': {sql}::VARCHAR}}" for key, sql in columns.items())
    return f"map_from_entries(list_filter([{entries}], lambda e: e.value IS NOT NULL))"
