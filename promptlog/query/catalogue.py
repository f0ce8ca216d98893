"""Which keys there are and which values a key has: of metadata, `client.metadata`, and inside JSON, `requests.inside`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.database.schema import BY_VALUE
from promptlog.errors import InvalidInputError
from promptlog.expressions.face import meta
from promptlog.models.columns import COLUMNS
from promptlog.query.conditions import CASTS, Binder
from promptlog.query.inside import keys_rows, value_rows
from promptlog.query.pieces import moment
from promptlog.query.requests import Requests
from promptlog.query.results import Told, Values

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

    from promptlog.database.store import Store
    from promptlog.expressions.nodes import Condition, JsonOperand

_SAMPLES = 5
_SAMPLE_CHARS = 60
_ENDS = 64  # what most keys' first and last requests are found in: so small a part of the time at its ends

#: A bit for what a distinct value can be read as; an empty text says nothing.
_KIND = f"""CASE WHEN value = '' THEN 0
    WHEN lower(value) IN ('true', 'false') THEN 1
    WHEN ascii(value) IN (123, 91) THEN CASE WHEN json_valid(value) THEN 2 ELSE 32 END
    WHEN ascii(value) NOT BETWEEN 43 AND 57 THEN 32
    WHEN ({CASTS["int"]}) IS NOT NULL THEN 4
    WHEN ({CASTS["float"]}) IS NOT NULL THEN 8
    WHEN ({CASTS["datetime"]}) IS NOT NULL THEN 16
    ELSE 32 END"""


class Metadata:
    """The catalogue of metadata: what keys there are, and what values."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return "<client.metadata: .keys() and .values(key, prefix=…, limit=…)>"

    def overview(self, limit: int = 8) -> tuple[int, list[tuple[str, int]]]:
        """Return the number of requests, and the keys that were set most often with how often that was."""
        text = "SELECT key, count(*) AS times FROM metadata GROUP BY key ORDER BY times DESC, key LIMIT ?"
        with self._store.ask("counting") as connection:
            counted = connection.execute("SELECT count(*) FROM requests").fetchone()
            keys = connection.execute(text, [limit]).fetchall()
        return int(counted[0]) if counted else 0, keys

    def keys(self, *conditions: Condition) -> Keys:
        """Return the keys, those on the most requests first.

        Args:
            conditions: count only the requests of which all hold. Without any, requests and values are counted where
                they are written, as `values` does, metadata whose request is still to come included.

        Returns:
            Rows of `key`; `requests` that carry it; `distinct_values`; `type`; `first_seen` and `last_seen`, the
            starts of the first and the last request that carry it; and `samples`, its 5 most frequent values, cut to
            60 characters. `type` is a guess from all distinct values but the empty one: bool (each is true or false,
            in any case of letters), int, float, datetime (each can be read by `.as_int()`, `.as_float()`,
            `.as_datetime()`), json (each is an object or a list), else text.

        Raises:
            InvalidInputError: an argument is no condition.
        """
        return Keys(self._store, Requests(self._store).filter(*conditions))

    def values(
        self,
        key: str,
        *conditions: Condition,
        prefix: str = "",
        limit: int | None = 20,
        last_seen: bool = False,
    ) -> KeyValues:
        """Return the values of a key, the most frequent first; equally frequent ones in the order of text.

        Args:
            key: the metadata key; one that nobody uses has no values.
            conditions: count only the requests of which all hold. Without any, values are counted where they are
                written, which takes milliseconds among millions, metadata whose request is still to come included.
            prefix: keep the values that begin with this, letter for letter.
            limit: how many at most; None gives all.
            last_seen: add the start of the last request that carries the value, which takes longer.

        Returns:
            Rows of `value`, `requests` and, when asked for, `last_seen`.

        Raises:
            InvalidInputError: an argument is of a wrong type or is no condition.
        """
        meta(key).starts_with(prefix)  # refuses what is no key and no text
        check_limit(limit)
        asked = Requests(self._store).filter(*conditions)
        return KeyValues(self._store, asked, key, prefix, limit, last_seen=last_seen)


class Keys(Told):
    """The keys of metadata, those on the most requests first."""

    def __init__(self, store: Store, requests: Requests) -> None:
        super().__init__(store, requests, "listing metadata keys")
        #: Of each key the starts of the first and the last request, where no condition holds.
        self._ends: list[tuple[str, datetime, datetime]] = []

    def __repr__(self) -> str:
        return "<metadata keys: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    def _title(self) -> str:
        return "metadata keys"

    def _look_first(self, connection: duckdb.DuckDBPyConnection) -> None:
        if self._requests._ids_sql(Binder()) is None:  # noqa: SLF001 - the rooms of a question
            self._ends = _ends(connection)

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:
        binder = Binder()
        ids = self._requests._ids_sql(binder)  # noqa: SLF001 - the rooms of a question
        if ids is None:
            found = f"SELECT key, value, count(*) AS requests FROM {BY_VALUE} GROUP BY key, value"
            bound = [binder.bind(list(column)) for column in zip(*self._ends, strict=True)] or ["[]"] * 3
            keys, first, last = bound
            seen = (
                f"SELECT unnest({keys}::VARCHAR[]) AS key, unnest({first}::TIMESTAMP[]) AS first_seen, "
                f"unnest({last}::TIMESTAMP[]) AS last_seen"
            )
        else:
            found = (
                f"SELECT m.key, m.value, count(*) AS requests, min(r.start_time) AS first, max(r.start_time) AS last "
                f"FROM metadata m JOIN requests r USING (request_id) WHERE r.request_id IN ({ids}) "
                f"GROUP BY m.key, m.value"
            )
            seen = "SELECT key, min(first) AS first_seen, max(last) AS last_seen FROM found GROUP BY key"
        first, last = (moment(f"seen.{name}", zoned=zoned) for name in ("first_seen", "last_seen"))
        cut = f"CASE WHEN length(value) > {_SAMPLE_CHARS} THEN left(value, {_SAMPLE_CHARS - 1}) || '…' ELSE value END"
        text = f"""
            WITH found AS MATERIALIZED ({found}
            ), seen AS ({seen}
            ), keys AS (
                SELECT key, sum(requests)::BIGINT AS requests, count(*) AS distinct_values, bit_or({_KIND}) AS kinds
                FROM found GROUP BY key
            ), frequent AS (
                SELECT key, -unnest(top).less AS requests, unnest(top).value AS value
                FROM (SELECT key, min({{'less': -requests, 'value': value}}, {_SAMPLES}) AS top FROM found GROUP BY key)
            ), samples AS (
                SELECT key, list({cut} ORDER BY requests DESC, value) AS samples FROM frequent GROUP BY key
            )
            SELECT key, requests, distinct_values,
                   CASE kinds WHEN 1 THEN 'bool' WHEN 2 THEN 'json' WHEN 4 THEN 'int' WHEN 8 THEN 'float'
                              WHEN 12 THEN 'float' WHEN 16 THEN 'datetime' ELSE 'text' END AS type,
                   {first} AS first_seen, {last} AS last_seen, samples
            FROM keys JOIN seen USING (key) JOIN samples USING (key) ORDER BY requests DESC, key"""
        return text, binder.values


def _ends(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, datetime, datetime]]:
    """Return of each key that some request carries the starts of the first and the last.

    Those of most keys are found among the first and the last requests that there are; all requests are looked through
    for the others alone.
    """

    def find(told: str, table: str, where: str, *values: object) -> list[tuple[str, Any]]:
        text = f"SELECT m.key, {told} FROM {table} m JOIN requests r USING (request_id) WHERE {where} GROUP BY m.key"
        return connection.execute(text, list(values)).fetchall()

    ((first, last),) = connection.execute("SELECT min(start_time), max(start_time) FROM requests").fetchall()
    if first is None:
        return []
    part = (last - first) / _ENDS
    early = dict(find("min(start_time)", "metadata", "start_time <= ?", first + part))
    late = dict(find("max(start_time)", "metadata", "start_time >= ?", last - part))
    ends = [(key, early[key], late[key]) for key in early.keys() & late.keys()]
    every = connection.execute(f"SELECT DISTINCT key FROM {BY_VALUE}").fetchall()
    if others := [key for (key,) in every if key not in early or key not in late]:
        told = "{'first': min(start_time), 'last': max(start_time)}"
        found = find(told, BY_VALUE, "m.key IN (SELECT unnest(?::VARCHAR[]))", others)
        ends += [(key, both["first"], both["last"]) for key, both in found]
    return ends


class KeyValues(Told):
    """The values of one key, the most frequent first."""

    def __init__(
        self, store: Store, requests: Requests, key: str, prefix: str, limit: int | None, *, last_seen: bool
    ) -> None:
        super().__init__(store, requests, "listing metadata values")
        self._key = key
        self._prefix = prefix
        self._limit = limit
        self._last_seen = last_seen

    def __repr__(self) -> str:
        return f"<values of {self._key!r}: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    def _title(self) -> str:
        begin = f" that begin with {self._prefix!r}" if self._prefix else ""
        return f"values of {self._key!r}{begin}"

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:
        binder = Binder()
        where = f"key = {binder.bind(self._key)}"
        if self._prefix:
            where += f" AND starts_with(value, {binder.bind(self._prefix)})"
        ids = self._requests._ids_sql(binder)  # noqa: SLF001 - the rooms of a question
        asked = f"AND request_id IN ({ids})" if ids else ""
        limit = f"LIMIT {self._limit}" if self._limit is not None else ""
        text = (
            f"SELECT value, count(*) AS requests FROM {BY_VALUE} WHERE {where} {asked} GROUP BY value "
            f"ORDER BY requests DESC, value {limit}"
        )
        if not self._last_seen:
            return text, binder.values
        key = binder.bind(self._key)
        ids = self._requests._ids_sql(binder)  # noqa: SLF001 - the rooms of a question
        asked = f"AND r.request_id IN ({ids})" if ids else ""
        return (
            f"WITH listed AS MATERIALIZED ({text}), seen AS (SELECT m.value, max(r.start_time) AS last_seen "
            f"FROM {BY_VALUE} m SEMI JOIN listed USING (value) JOIN requests r USING (request_id) "
            f"WHERE m.key = {key} {asked} GROUP BY m.value) "
            f"SELECT value, requests, {moment('last_seen', zoned=zoned)} AS last_seen "
            f"FROM listed LEFT JOIN seen USING (value) ORDER BY requests DESC, value",
            binder.values,
        )


class Inside(Told):
    """The paths inside the JSON of a column, or the values at one of them, those of the most requests first."""

    def __init__(self, store: Store, requests: Requests, of: JsonOperand, limit: int | None) -> None:
        super().__init__(store, requests, "listing what stands inside JSON")
        self._of = of
        self._limit = limit

    def __repr__(self) -> str:
        return f"<{self._title()}: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    def _title(self) -> str:
        return (
            f"{'keys' if self._of.path is None else f'values of {self._of.path!r}'} inside {self._of.column}"
        )

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:  # noqa: ARG002 - there are no times
        binder = Binder()
        column = self._of.column
        ids = self._requests._ids_sql(binder)  # noqa: SLF001 - the rooms of a question
        asked = f"WITH asked AS MATERIALIZED ({ids}) " if ids else ""
        rows = f"SELECT request_id, {column} FROM {COLUMNS[column].table}"
        rows += " SEMI JOIN asked USING (request_id)" if ids else ""
        shown, found = "key", keys_rows(column, rows)
        if self._of.path is not None:
            shown, found = "value", value_rows(self._of, rows, binder.bind)
        limit = f"LIMIT {self._limit}" if self._limit is not None else ""
        return (
            f"{asked}SELECT {shown}, count(*) AS requests FROM ({found}) GROUP BY {shown} "
            f"ORDER BY requests DESC, {shown} {limit}",
            binder.values,
        )


def check_limit(limit: object) -> None:
    """Refuse what is no number of rows.

    Raises:
        InvalidInputError: it is neither None nor a whole number from 0 on.
    """
    if limit is not None and (
        isinstance(limit, bool) or not isinstance(limit, int) or not 0 <= limit < 1 << 63
    ):
        raise InvalidInputError(f"limit takes a number of rows, 0 or more, or None for all, got {limit!r}")
