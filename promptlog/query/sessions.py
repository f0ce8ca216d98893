"""`client.sessions`: requests by conversation.

Of a limited question, only the column that sorts is told of all sessions; the rest is told of those that are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from promptlog.database.metadata import value_hash
from promptlog.database.schema import BY_VALUE
from promptlog.errors import InvalidInputError
from promptlog.expressions.face import meta
from promptlog.models.checks import check_keys
from promptlog.models.sessions import SESSION_KEYS, SessionColumn
from promptlog.query.catalogue import check_limit
from promptlog.query.conditions import Binder
from promptlog.query.pieces import moment, total
from promptlog.query.results import Told, Values

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import duckdb

    from promptlog.database.store import Store
    from promptlog.query.requests import Requests

_USER = "user_id"
_COLUMNS: tuple[str, ...] = get_args(SessionColumn)
#: What is told of each session, from the rows of its requests.
_TOLD = {
    "session": "session",
    "requests": "count(*) AS requests",
    "start_time": "min(start_time) AS start_time",
    "end_time": "max(end_time) AS end_time",
    "duration_s": "epoch_us(max(end_time) - min(start_time)) / 1e6 AS duration_s",
    "cost_usd": "coalesce(sum(cost_usd), 0) AS cost_usd",
    "input_tokens": total("input_tokens"),
    "output_tokens": total("output_tokens"),
    "errors": "count(*) FILTER (status = 'ERROR') AS errors",
}
_NEWEST_PART = 8  # the newest sessions are looked for in the newest eighth of the time first
_SPARE = 4  # among so many times as many sessions as are shown, since some that go on there began before
_MOST = 4000  # sessions that are looked up by name; more are told of in one statement with all others


class Sessions(Told):
    """Requests by conversation. Arguments as in `client.sessions`."""

    def __init__(
        self,
        store: Store,
        requests: Requests,
        *,
        by: str | Sequence[str] = SESSION_KEYS,
        sort: SessionColumn = "start_time",
        descending: bool = True,
        limit: int | None = None,
    ) -> None:
        super().__init__(store, requests, "listing sessions")
        self._keys = list(dict.fromkeys(check_keys(by)))
        for key in self._keys:
            meta(key)  # refuses what is no text of Unicode
        if not self._keys:
            raise InvalidInputError("by takes at least one metadata key")
        if sort not in _COLUMNS:
            raise InvalidInputError(f"sessions sort by one of {', '.join(_COLUMNS)}, got {sort!r}")
        check_limit(limit)
        self._sort, self._descending, self._most = sort, descending, limit
        self._order = f"{sort} {'DESC' if descending else 'ASC'} NULLS LAST, session"
        self._limit = f"LIMIT {limit}" if limit is not None else ""
        self._names: list[str] | None = None  # of no other sessions

    def __repr__(self) -> str:
        return f"<sessions by {' or '.join(self._keys)}: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    def _title(self) -> str:
        return f"sessions by {' or '.join(self._keys)}"

    def _look_first(self, connection: duckdb.DuckDBPyConnection) -> None:
        there = self._there(connection)
        # Looking for a session under the other keys takes time where there are none.
        self._keys = [key for key in self._keys if key in there] or self._keys[:1]
        # A filter is asked once: looking twice would take longer than telling of all. Times cost nothing.
        if (
            self._most is not None
            and _SPARE * self._most <= min(sum(there.values()), _MOST)
            and self._requests._is_of_times_alone()  # noqa: SLF001 - the rooms of a question
        ):
            names = self._newest(connection, self._most)
            self._names = self._find(connection, self._most) if names is None else names

    def _there(self, connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
        """Return those of the keys that some request carries, with the number of their values, about."""
        keys = ", ".join("?" * len(self._keys))
        text = f"SELECT key, approx_count_distinct(value_hash) FROM {BY_VALUE} WHERE key IN ({keys}) GROUP BY key"
        return dict(connection.execute(text, self._keys).fetchall())

    def _newest(self, connection: duckdb.DuckDBPyConnection, most: int) -> list[str] | None:
        """Return the newest sessions, if they are asked for and all of them began in the newest part of the time."""
        if self._sort != "start_time" or not self._descending or not most:
            return None
        ((since,),) = connection.execute(
            f"SELECT max(start_time) - (max(start_time) - min(start_time)) / {_NEWEST_PART} FROM requests"
        ).fetchall()
        # Every session that began there is seen there, and none of the others comes before it. Those that are seen may
        # have begun earlier: all their requests tell.
        seen = self._find(connection, _SPARE * most, where=" AND r.start_time >= ?", bound=since)
        if len(seen) < most:
            return None
        found = self._find(connection, most, seen, having="HAVING min(start_time) >= ?", bound=since)
        return found if len(found) == most else None

    def _find(
        self,
        connection: duckdb.DuckDBPyConnection,
        most: int,
        among: list[str] | None = None,
        *,
        where: str = "",
        having: str = "",
        bound: datetime | None = None,
    ) -> list[str]:
        """Return the names of the first sessions in order.

        Args:
            connection: the store's.
            most: how many at most.
            among: of no other sessions.
            where: what holds of their requests `r` too.
            having: what holds of them.
            bound: the value that one of these two binds.
        """
        binder = Binder()
        told = ", ".join(_TOLD[name] for name in dict.fromkeys(("session", self._sort)))
        turns = self._turns(binder, among) + where
        if bound is not None:
            binder.bind(bound)
        text = f"SELECT {told} FROM ({turns}) GROUP BY session {having} ORDER BY {self._order} LIMIT {most}"
        return [row[0] for row in connection.execute(text, binder.values).fetchall()]

    def _turns(self, binder: Binder, names: list[str] | None) -> str:
        """SQL for the requests asked for, each with its session; with names, those of these sessions."""
        sessions = self._sessions(binder, names)
        ids = self._requests._ids_sql(binder)  # noqa: SLF001 - the rooms of a question
        return f"""
            SELECT s.session, r.request_id, r.start_time, r.end_time, r.model, r.status, r.cost_usd, r.input_tokens,
                   r.output_tokens
            FROM ({sessions}) s JOIN requests r USING (request_id)
            WHERE {f"r.request_id IN ({ids})" if ids else "true"}"""

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:
        binder = Binder()
        start, end = (moment(f"top.{name}", zoned=zoned) for name in ("start_time", "end_time"))
        text = f"""
            WITH turns AS MATERIALIZED ({self._turns(binder, self._names)}
            ), top AS MATERIALIZED (
                SELECT {", ".join(_TOLD.values())} FROM turns GROUP BY session ORDER BY {self._order} {self._limit}
            ), users AS (
                SELECT t.session, CASE WHEN min(u.value) = max(u.value) THEN min(u.value) END AS user_id
                FROM turns t SEMI JOIN top USING (session) JOIN {BY_VALUE} u USING (request_id)
                WHERE u.key = {binder.bind(_USER)} GROUP BY t.session
            ), models AS (
                SELECT session, list(model ORDER BY model) AS models
                FROM (SELECT DISTINCT session, model FROM turns SEMI JOIN top USING (session) WHERE model IS NOT NULL)
                GROUP BY session
            )
            SELECT session, requests, {start} AS start_time, {end} AS end_time, duration_s, cost_usd, input_tokens,
                   output_tokens, errors, user_id, coalesce(models, []) AS models
            FROM top LEFT JOIN users USING (session) LEFT JOIN models USING (session) ORDER BY top.{self._order}"""
        return text, binder.values

    def _sessions(self, binder: Binder, names: list[str] | None) -> str:
        """SQL for the session of each request: the value of the first of the keys that it carries."""
        parts = []
        for number, key in enumerate(self._keys):
            part = f"SELECT request_id, value AS session FROM {BY_VALUE} WHERE key = {binder.bind(key)}"
            if names is not None:
                hashes = binder.bind([value_hash(name) for name in names])
                part += f" AND value_hash IN (SELECT unnest({hashes}::UINTEGER[]))"
                part += f" AND value IN (SELECT unnest({binder.bind(names)}::VARCHAR[]))"
            if number:
                earlier = ", ".join(binder.bind(key) for key in self._keys[:number])
                part += f" AND request_id NOT IN (SELECT request_id FROM {BY_VALUE} WHERE key IN ({earlier}))"
            parts.append(part)
        return " UNION ALL ".join(parts)
