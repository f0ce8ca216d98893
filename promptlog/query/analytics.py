"""`client.analytics`: what one wants to know first of a set of requests, in one answer."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast, get_args

import duckdb

from promptlog.database.schema import BY_VALUE
from promptlog.errors import InvalidInputError
from promptlog.expressions.aggregates import TimeKey
from promptlog.expressions.face import meta
from promptlog.expressions.nodes import ColumnOperand
from promptlog.expressions.widths import spelt, width_of, zone_named
from promptlog.models.analytics import Analytics, Totals
from promptlog.models.tables import Kind, Table
from promptlog.query import spans
from promptlog.query.conditions import Binder
from promptlog.query.pieces import total
from promptlog.query.results import _utc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promptlog.database.store import Store
    from promptlog.query.requests import Requests

_TOP = 50
_MANY = 100_000
_NARROW = "request_id, start_time, latency_ms, provider, model, status, error_type, input_tokens, output_tokens, cost_usd"
#: What is told of each group of requests `r`. Sums count what is known; of no request there is no rate and no latency.
_MEASURES = """
    requests, errors, CASE WHEN requests > 0 THEN errors / requests END AS error_rate, input_tokens, output_tokens,
    cost_usd, latency_ms_mean, quantiles[1] AS latency_ms_p50, quantiles[2] AS latency_ms_p90,
    quantiles[3] AS latency_ms_p95"""
_MEASURED = f"""
    count(r.request_id) AS requests, count(*) FILTER (r.status = 'ERROR') AS errors,
    {total("input_tokens")}, {total("output_tokens")}, coalesce(sum(cost_usd), 0)::DOUBLE AS cost_usd,
    avg(latency_ms) AS latency_ms_mean, quantile_cont(latency_ms, [0.5, 0.9, 0.95]) AS quantiles"""
_NOTHING = ["0", "0", "0", "0", "0", "NULL", "NULL"]  # each of these where there is no request


def analyse(
    store: Store,
    requests: Requests,
    *,
    every: str | None = None,
    time_zone: str = "UTC",
    cost_by: str | None = None,
    top: int = _TOP,
) -> Analytics:
    """Answer `client.analytics` about the requests of a question. Arguments as there."""
    zone = zone_named(time_zone)
    if every is not None:
        every = spelt(*width_of(every))
    if cost_by is not None:
        meta(cost_by)  # refuses what is no key
    if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top < 1 << 63:
        raise InvalidInputError(f"top takes a number of rows, 1 or more, got {top!r}")
    with store.ask("analysing requests") as connection, _source(connection, requests) as source:
        # One lease: nobody writes between these statements, so that all tell of the same requests.
        asking = _Asking(connection, source, top)
        totals = asking.totals()
        if every is None:
            every = _fitting(totals)
        key = TimeKey(*width_of(every), ColumnOperand("start_time"), zone)
        _refuse_many(key, every, totals)
        keys, costs = asking.metadata(cost_by)
        prompts = "LEFT JOIN request_prompts p USING (request_id)"
        tags = "LEFT JOIN tags t USING (request_id)"
        return Analytics(
            totals=totals,
            every=every,
            time_zone=zone,
            over_time=asking.over_time(key),
            by_model=asking.by("model"),
            by_provider=asking.by("provider"),
            by_prompt=asking.by("prompt_name", prompts),
            by_tag=asking.by("tag", tags),
            by_status=asking.by("status"),
            by_error_type=asking.by("error_type", "WHERE error_type IS NOT NULL OR status = 'ERROR'"),
            top_metadata_keys=keys,
            cost_by_metadata=costs,
        )


def _fitting(totals: Totals) -> str:
    if totals.first is None or totals.last is None:
        return "1d"
    return spans.fitting((totals.last - totals.first).total_seconds())


def _refuse_many(key: TimeKey, every: str, totals: Totals) -> None:
    if totals.first is None or totals.last is None:
        return
    seconds = (totals.last - totals.first).total_seconds()
    if seconds / spans.roughly_s(key.every, key.unit) > _MANY:
        raise InvalidInputError(
            f"every={every!r} makes more than {_MANY:,} buckets of the time from {totals.first:%Y-%m-%d} to "
            f"{totals.last:%Y-%m-%d}; name a wider one, or filter by since and until"
        )


@contextmanager
def _source(connection: duckdb.DuckDBPyConnection, requests: Requests) -> Iterator[str]:
    """Give the table that holds the requests asked for: the table itself, or what it is asked for just once."""
    binder = Binder()
    ids = requests._narrowed(connection)._ids_sql(binder)  # noqa: SLF001 - the rooms of a question
    if ids is None:
        yield "requests"
        return
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE promptlog_asked AS SELECT {_NARROW} FROM requests r "
        f"WHERE r.request_id IN ({ids})",
        binder.values,
    )
    try:
        yield "temp.promptlog_asked"
    finally:
        with suppress(duckdb.Error):  # what went wrong inside is the error to show
            connection.execute("DROP TABLE IF EXISTS temp.promptlog_asked")


class _Asking:
    """The statements, each over one table of requests."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, source: str, top: int) -> None:
        self._connection = connection
        self._source = source
        self._top = top

    def _read(self, text: str, values: list[Any]) -> Table:
        """Return what SQL finds. Its columns have the types of `Kind`; times are UTC."""
        cursor = self._connection.execute(text, values)
        described = cursor.description or []
        kinds = tuple(str(column[1]) for column in described)
        assert set(kinds) <= set(get_args(Kind)), kinds  # noqa: S101 - our own SQL
        rows = tuple(tuple(_utc(value) for value in row) for row in cursor.fetchall())
        return Table(tuple(column[0] for column in described), cast("tuple[Kind, ...]", kinds), rows)

    def totals(self) -> Totals:
        text = (
            f"SELECT {_MEASURES}, first, last FROM (SELECT {_MEASURED}, min(start_time) AS first, "
            f"max(start_time) AS last FROM {self._source} r)"
        )
        return Totals(**self._read(text, []).dicts()[0])

    def by(self, column: str, more: str = "") -> Table:
        """Requests by a column, of the table itself or of one that `more` joins; those of the most first."""
        text = (
            f"SELECT {column}, {_MEASURES} FROM (SELECT {column}, {_MEASURED} FROM {self._source} r {more} "
            f"GROUP BY {column}) ORDER BY requests DESC, {column} NULLS LAST LIMIT {self._top}"
        )
        return self._read(text, [])

    def over_time(self, key: TimeKey) -> Table:
        """Requests by spans of time, without a gap from the first to the last."""
        text = (
            f"WITH grouped AS MATERIALIZED (SELECT {spans.start(key, 'span')} AS time, {_MEASURED} "
            f"FROM (SELECT *, {spans.bucket(key, 'start_time')} AS span FROM {self._source}) r GROUP BY span)"
            f"{spans.filling(key, _NOTHING, ['time'], 'time')} SELECT time, {_MEASURES} FROM filled ORDER BY time"
        )
        return self._read(text, []).in_zone(key.time_zone)

    def metadata(self, key: str | None) -> tuple[Table, Table]:
        """The keys on the most requests, and the values that cost most, of one key or of all."""
        top = f"LIMIT {self._top}"
        costs = (
            f"SELECT m.key, m.value, count(*) AS requests, coalesce(sum(r.cost_usd), 0)::DOUBLE AS cost_usd "
            f"FROM {BY_VALUE if key is not None else 'metadata'} m JOIN {self._source} r USING (request_id) "
            f"{'WHERE m.key = ?' if key is not None else ''} GROUP BY m.key, m.value"
        )
        keys = f"SELECT key, count(*) AS requests FROM metadata SEMI JOIN {self._source} USING (request_id) GROUP BY key"
        by_cost = f"ORDER BY cost_usd DESC, requests DESC, key, value {top}"
        return (
            self._read(f"{keys} ORDER BY requests DESC, key {top}", []),
            self._read(f"{costs} {by_cost}", [key] if key is not None else []),
        )
