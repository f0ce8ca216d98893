"""The part of the client that tells what is in a store: its metadata, its sessions, its numbers, its HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.models.sessions import SESSION_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from promptlog.database.store import Store
    from promptlog.expressions.nodes import Condition
    from promptlog.models.analytics import Analytics
    from promptlog.models.sessions import SessionColumn
    from promptlog.models.trace import Trace
    from promptlog.models.traces import TraceColumn
    from promptlog.query.catalogue import Metadata
    from promptlog.query.requests import Requests
    from promptlog.query.sessions import Sessions
    from promptlog.query.traces import Traces
    from promptlog.settings import StorePaths


class Overview:
    """What `PromptLog` says of a store as a whole."""

    _paths: StorePaths

    @property
    def _store(self) -> Store:
        raise NotImplementedError

    @property
    def requests(self) -> Requests:
        """All requests."""
        raise NotImplementedError

    @property
    def metadata(self) -> Metadata:
        """The catalogue of metadata: `.keys()`, and `.values(key, prefix=…)` for suggestions."""
        from promptlog.query.catalogue import Metadata

        return Metadata(self._store)

    def trace(self, trace_id: str) -> Trace:
        """Return a trace: the tree of its spans, and the requests that stand in it.

        Args:
            trace_id: OpenTelemetry's, 32 hex digits; a request has it as `trace_id`.

        Raises:
            InvalidInputError: it is no trace id.
            TraceNotFoundError: no span and no request has it.
        """
        from promptlog.query.trace import read_trace

        return read_trace(self._store, trace_id)

    def traces(
        self,
        *conditions: Condition,
        search: str = "",
        name: str | None = None,
        errors: bool | None = None,
        min_latency_ms: float | None = None,
        max_latency_ms: float | None = None,
        min_cost_usd: float | None = None,
        max_cost_usd: float | None = None,
        sort: TraceColumn = "start_time",
        descending: bool = True,
        limit: int | None = 50,
        before: datetime | None = None,
    ) -> Traces:
        """Return the latest traces, the one that began last first; or others, in another order.

        Args:
            conditions: only the traces that hold a request of which all hold. `since` and `until` are asked of when the
                trace began, so that one without a request is found by its time.
            search: the same as a search text, such as `user_id:u1 status:error`.
            name: only those of this name; `POST*`, `*agent` and `*chat*` begin with it, end with it, contain it.
            errors: only those in which a span or a request failed; False: none did.
            min_latency_ms: the shortest duration.
            max_latency_ms: the longest.
            min_cost_usd: the least that its requests cost, as far as is known.
            max_cost_usd: the most.
            sort: a column of numbers or times, or "name".
            descending: the greatest first.
            limit: how many at most; None gives all.
            before: only those that began before it; with a time zone.

        Returns:
            Rows of `trace_id`; `name`, that of the first span without a parent, else of the first; `start_time` of the
            first and `end_time` of the last of its spans to end, and `latency_ms` between them; `spans` and `requests`,
            how many there are; `errors`, how many of either failed, a request and its span counted once; and
            `input_tokens`, `output_tokens` and `cost_usd` of its requests, the sums of what is known. Of a trace whose
            spans were not exported, its requests tell.

        Raises:
            InvalidInputError: an argument is wrong.
            SearchSyntaxError: the search text cannot be read.
        """
        from promptlog.query.traces import Bounds, Traces

        asked = self.requests.filter(*conditions).search(search)
        bounds = Bounds(name, errors, min_latency_ms, max_latency_ms, min_cost_usd, max_cost_usd, before)
        return Traces(self._store, asked, bounds, sort=sort, descending=descending, limit=limit)

    def sessions(
        self,
        *conditions: Condition,
        by: str | Sequence[str] = SESSION_KEYS,
        sort: SessionColumn = "start_time",
        descending: bool = True,
        limit: int | None = None,
    ) -> Sessions:
        """Return requests by conversation, the newest conversation first.

        Args:
            conditions: count only the requests of which all hold.
            by: the metadata key whose value is the session; of several, the first that a request carries. Requests
                without it are in no session.
            sort: a column of numbers or times, or "session".
            descending: the greatest first.
            limit: how many sessions at most; None gives all.

        Returns:
            Rows of `session`; `requests`, its turns; `start_time` of the first and `end_time` of the last to end;
            `duration_s` between them; `cost_usd`, `input_tokens` and `output_tokens`, the sums of what is known;
            `errors`; `user_id`, where all that carry one carry the same; and `models`, a sorted list.

        Raises:
            InvalidInputError: an argument is wrong.
        """
        from promptlog.query.sessions import Sessions

        asked = self.requests.filter(*conditions)
        return Sessions(self._store, asked, by=by, sort=sort, descending=descending, limit=limit)

    def analytics(
        self,
        *conditions: Condition,
        every: str | None = None,
        time_zone: str = "UTC",
        cost_by: str | None = None,
        top: int = 50,
    ) -> Analytics:
        """Tell in one answer what PromptLayer's analytics page tells: numbers, over time, and by what.

        Args:
            conditions: only the requests of which all hold.
            every: the width of a bucket of time: as `by_time` takes it, such as "15m", "1d". Else it is chosen so that there are at
                most about 100.
            time_zone: whose days, weeks and months they are, such as "Europe/Berlin".
            cost_by: a metadata key, whose values are listed by cost; else pairs of any key and value.
            top: how many rows a table by something has at most.

        Raises:
            InvalidInputError: an argument is wrong, or there would be more than 100,000 buckets.
        """
        return self.requests.filter(*conditions).analytics(
            every=every, time_zone=time_zone, cost_by=cost_by, top=top
        )

    def _repr_html_(self) -> str:
        from promptlog.html import client_page, shown

        database = self._paths.database

        def build() -> str:
            if not database.exists() and not self._paths.segments.exists():  # looking makes no store
                return client_page(database, 0, 0, [])
            requests, keys = self.metadata.overview()
            files = (database, database.with_name(f"{database.name}.wal"))
            size = sum(file.stat().st_size for file in files if file.exists())
            return client_page(database, requests, size, keys)

        return shown(build)
