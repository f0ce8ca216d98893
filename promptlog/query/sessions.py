"""`client.sessions`: requests by conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

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

    from promptlog.database.store import Store
    from promptlog.query.requests import Requests

_USER = "user_id"
_COLUMNS: tuple[str, ...] = get_args(SessionColumn)


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
        self._order = f"{sort} {'DESC' if descending else 'ASC'} NULLS LAST, session"
        self._limit = f"LIMIT {limit}" if limit is not None else ""

    def __repr__(self) -> str:
        return f"<sessions by {' or '.join(self._keys)}: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    def _title(self) -> str:
        return f"sessions by {' or '.join(self._keys)}"

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:
        binder = Binder()
        sessions = self._sessions(binder)
        ids = self._requests._ids_sql(binder)  # noqa: SLF001 - the rooms of a question
        asked = f"WHERE r.request_id IN ({ids})" if ids else ""
        start, end = (moment(f"top.{name}", zoned=zoned) for name in ("start_time", "end_time"))
        text = f"""
            WITH turns AS MATERIALIZED (
                SELECT s.session, r.request_id, r.start_time, r.end_time, r.model, r.status, r.cost_usd,
                       r.input_tokens, r.output_tokens
                FROM ({sessions}) s JOIN requests r USING (request_id) {asked}
            ), top AS MATERIALIZED (
                SELECT session, count(*) AS requests, min(start_time) AS start_time, max(end_time) AS end_time,
                       epoch_us(max(end_time) - min(start_time)) / 1e6 AS duration_s, coalesce(sum(cost_usd), 0) AS cost_usd,
                       {total("input_tokens")}, {total("output_tokens")},
                       count(*) FILTER (status = 'ERROR') AS errors
                FROM turns GROUP BY session ORDER BY {self._order} {self._limit}
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

    def _sessions(self, binder: Binder) -> str:
        """SQL for the session of each request: the value of the first of the keys that it carries."""
        parts = []
        for number, key in enumerate(self._keys):
            part = f"SELECT request_id, value AS session FROM {BY_VALUE} WHERE key = {binder.bind(key)}"
            if number:
                earlier = ", ".join(binder.bind(key) for key in self._keys[:number])
                part += f" AND request_id NOT IN (SELECT request_id FROM {BY_VALUE} WHERE key IN ({earlier}))"
            parts.append(part)
        return " UNION ALL ".join(parts)
