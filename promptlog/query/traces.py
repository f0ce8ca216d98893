"""`client.traces`: the latest traces, the longest, the most expensive, and those that hold a request which matches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from promptlog.errors import InvalidInputError
from promptlog.expressions.nodes import And, Since, Until, reads_texts
from promptlog.models.traces import TraceColumn
from promptlog.query.catalogue import check_limit
from promptlog.query.conditions import Binder
from promptlog.query.pieces import moment, total
from promptlog.query.planner import flat
from promptlog.query.question import Question, narrowed, where_sql
from promptlog.query.results import Result, Values

if TYPE_CHECKING:
    import duckdb

    from promptlog.database.store import Store
    from promptlog.query.requests import Requests

_COLUMNS: tuple[str, ...] = get_args(TraceColumn)
_MOST_NUMBER = 1e300
#: So many steps for each trace are looked at first; most have fewer. Of more than so many it takes as long to look at all,
#: unless texts are read.
_STEPS_EACH, _FEWEST_STEPS, _MORE = 16, 1000, 16
_MOST_STEPS, _MOST_STEPS_OF_TEXTS = 20_000, 300_000
#: The latest are taken of each table first, and of these then: so DuckDB reads the row groups that hold them alone.
_STEPS = (
    "(SELECT trace_id, start_time FROM spans r WHERE {spans} {first}) UNION ALL "
    "(SELECT trace_id, start_time FROM requests r WHERE trace_id IS NOT NULL AND {requests} {first}) {first}"
)
#: When traces began, as `told` has it, for who asks nothing else of them.
_BEGINS = (
    "WITH asked AS MATERIALIZED (SELECT unnest({ids}::VARCHAR[]) AS trace_id), told AS ("
    "SELECT trace_id, coalesce(min(begun) FILTER (is_span), min(begun)) AS start_time, NULL AS first_call, NULL AS last_call "
    "FROM (SELECT trace_id, start_time AS begun, true AS is_span FROM spans SEMI JOIN asked USING (trace_id) "
    "UNION ALL SELECT trace_id, start_time, false FROM requests SEMI JOIN asked USING (trace_id)) GROUP BY trace_id)"
)
_NAMED = (
    "coalesce(first(name ORDER BY start_time, span_id) FILTER (parent_span_id IS NULL), "
    "first(name ORDER BY start_time, span_id))"
)
_FAILED = """, failed AS (
    SELECT trace_id, count(*) AS errors FROM (
        SELECT trace_id, span_id FROM steps WHERE status = 'ERROR'
        UNION  -- a call that failed and its span are one
        SELECT c.trace_id, coalesce(s.span_id, c.span_id, c.request_id::VARCHAR)
        FROM calls c LEFT JOIN steps s USING (trace_id, request_id) WHERE c.status = 'ERROR'
    ) GROUP BY trace_id
)"""


@dataclass(frozen=True)
class Bounds:
    """What must hold of a trace itself.

    Attributes:
        name: what it is called; a star before or behind it stands for any text.
        errors: whether something in it failed; None: either.
        low_ms, high_ms: of its duration.
        low_usd, high_usd: of its cost.
        before: when it must have begun before, UTC.
    """

    name: str | None = None
    errors: bool | None = None
    low_ms: float | None = None
    high_ms: float | None = None
    low_usd: float | None = None
    high_usd: float | None = None
    before: datetime | None = None

    def __post_init__(self) -> None:
        """Check what was given, under the words of `client.traces`.

        Raises:
            InvalidInputError: one is of another kind.
        """
        if self.name is not None and not isinstance(self.name, str):
            raise InvalidInputError(f"name must be a text, got {self.name!r}")
        if self.errors not in (None, True, False):
            raise InvalidInputError(f"errors must be True, False or None for either, got {self.errors!r}")
        given = {"min_latency_ms": self.low_ms, "max_latency_ms": self.high_ms}
        given |= {"min_cost_usd": self.low_usd, "max_cost_usd": self.high_usd}
        for word, value in given.items():
            if value is not None and (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not abs(value) <= _MOST_NUMBER
            ):
                raise InvalidInputError(f"{word} must be a number, got {value!r}")
        if self.before is not None and (not isinstance(self.before, datetime) or self.before.tzinfo is None):
            raise InvalidInputError(f"before must be a datetime with a time zone, got {self.before!r}")

    def sql(self, binder: Binder) -> str:
        """SQL that is true of the traces `r` within them."""
        parts = ["true"]
        if self.name is not None:
            parts.append(_called(self.name, binder))
        if self.errors is not None:
            parts.append("r.errors > 0" if self.errors else "r.errors = 0")
        for column, sign, value in (
            ("latency_ms", ">=", self.low_ms),
            ("latency_ms", "<=", self.high_ms),
            ("cost_usd", ">=", self.low_usd),
            ("cost_usd", "<=", self.high_usd),
        ):
            if value is not None:
                parts.append(f"r.{column} {sign} {binder.bind(float(value))}")
        if self.before is not None:
            parts.append(self.begun_before(binder))
        return " AND ".join(parts)

    def begun_before(self, binder: Binder) -> str:
        """SQL that is true of what `r` started before the bound."""
        if self.before is None:
            return "true"
        return f"r.start_time < {binder.bind(self.before.astimezone(UTC).replace(tzinfo=None))}"


def _called(name: str, binder: Binder) -> str:
    """SQL that is true of the traces `r` of a name; a star before or behind it stands for any text."""
    part = name.removeprefix("*").removesuffix("*") if len(name) > 1 else name.strip("*")
    match name.startswith("*"), name.endswith("*"):
        case True, True:
            found = f"contains(r.name, {binder.bind(part)})"
        case True, False:
            found = f"ends_with(r.name, {binder.bind(part)})"
        case False, True:
            found = f"starts_with(r.name, {binder.bind(part)})"
        case _:
            found = f"r.name = {binder.bind(part)}"
    return f"coalesce({found}, false)"


class Traces(Result):
    """The latest traces, or others. Arguments as in `client.traces`."""

    def __init__(
        self,
        store: Store,
        requests: Requests,
        bounds: Bounds,
        *,
        sort: TraceColumn,
        descending: bool,
        limit: int | None,
    ) -> None:
        super().__init__(store, "listing traces")
        check_limit(limit)
        if sort not in _COLUMNS:
            raise InvalidInputError(f"traces sort by one of {', '.join(_COLUMNS)}, got {sort!r}")
        parts = list(flat(requests._question.conditions))  # noqa: SLF001 - the rooms of a question
        # When is asked of the trace: one without a request has a time as well.
        self._times = And(tuple(part for part in parts if isinstance(part, Since | Until)))
        self._question = Question(tuple(part for part in parts if not isinstance(part, Since | Until)))
        self._bounds, self._limit = bounds, limit
        self._is_newest = sort == "start_time" and descending
        self._sort, self._way = sort, "DESC" if descending else "ASC"

    def __repr__(self) -> str:
        return "<traces: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    def _title(self) -> str:
        return "traces"

    def _sql_on(self, connection: duckdb.DuckDBPyConnection, *, zoned: bool = True) -> tuple[str, Values]:
        binder = Binder()
        start, end = (moment(f"r.{name}", zoned=zoned) for name in ("start_time", "end_time"))
        shown = (
            f"r.trace_id, r.name, {start} AS start_time, {end} AS end_time, r.latency_ms, r.spans, r.requests, r.errors, "
            f"r.input_tokens, r.output_tokens, r.cost_usd"
        )
        question = narrowed(connection, self._question)
        if self._limit is None or question.ids is not None:  # of few requests all is told at once
            limit = "" if self._limit is None else f" LIMIT {self._limit}"
            return f"{self._all(question, shown, binder)}{limit}", binder.values
        ids = self._find(connection, question, self._limit)
        told = _told(f"SELECT unnest({binder.bind(ids)}::VARCHAR[]) AS trace_id")
        return f"{told} SELECT {shown} FROM told r ORDER BY {self._order}", binder.values

    @property
    def _order(self) -> str:
        ways = [f"r.{self._sort} {self._way} NULLS LAST"]
        return ", ".join(
            [*ways, *([] if self._sort == "start_time" else ["r.start_time DESC"]), "r.trace_id"]
        )

    def _find(self, connection: duckdb.DuckDBPyConnection, question: Question, limit: int) -> list[str]:
        """Return the ids of the first traces in order."""
        if not limit:
            return []
        if self._is_newest:
            found = self._latest(connection, question, limit)
            if found is not None:
                return found
        binder = Binder()
        text = f"{self._all(question, 'r.trace_id', binder, few=True)} LIMIT {limit}"
        return [row[0] for row in connection.execute(text, binder.values).fetchall()]

    def _all(self, question: Question, shown: str, binder: Binder, *, few: bool = False) -> str:
        """SQL that looks at all traces; `few`: just the columns that tell which are shown, and in what order."""
        told = _told(self._among(question, binder), errors=not few or self._needs_errors)
        return f"{told} SELECT {shown} FROM told r WHERE {self._where(binder)} ORDER BY {self._order}"

    @property
    def _needs_errors(self) -> bool:
        return self._bounds.errors is not None or self._sort == "errors"

    def _where(self, binder: Binder) -> str:
        return f"{binder.condition(self._times)} AND {self._bounds.sql(binder)}"

    def _stepped(self, binder: Binder) -> str:
        """SQL that is true of the first step `r` of each trace that began when it is asked for."""
        return f"{binder.condition(self._times)} AND {self._bounds.begun_before(binder)}"

    def _among(self, question: Question, binder: Binder) -> str | None:
        """SQL for the ids of the traces that can be meant; None: of all."""
        parts = []
        if self._times.parts or self._bounds.before is not None:
            parts.append(
                f"SELECT trace_id FROM spans r WHERE {self._stepped(binder)} "
                f"UNION SELECT trace_id FROM requests r WHERE trace_id IS NOT NULL AND {self._stepped(binder)}"
            )
        if question.conditions or question.ids is not None:
            parts.append(
                f"WITH found AS MATERIALIZED (SELECT r.request_id, r.trace_id FROM requests r WHERE {where_sql(question, binder)}) "
                f"SELECT trace_id FROM found WHERE trace_id IS NOT NULL "
                f"UNION SELECT trace_id FROM spans SEMI JOIN found USING (request_id)"
            )
        return " INTERSECT ".join(f"(FROM ({part}))" for part in parts) if parts else None

    def _latest(
        self, connection: duckdb.DuckDBPyConnection, question: Question, limit: int
    ) -> list[str] | None:
        """Return the ids of the latest traces: the latest steps are looked at, more of them until it is certain.

        None: so many would have to be looked at that all are found as fast.
        """
        most = max(limit * _STEPS_EACH, _FEWEST_STEPS)
        enough = _MOST_STEPS_OF_TEXTS if any(map(reads_texts, question.conditions)) else _MOST_STEPS
        while most <= enough:
            binder = Binder()
            text = _STEPS.format(
                spans=self._stepped(binder),
                requests=self._stepped(binder),
                first=f"ORDER BY start_time DESC LIMIT {most}",
            )
            steps = connection.execute(text, binder.values).fetchall()
            # A trace none of whose steps was looked at began no later than the last of them did.
            whole = len(steps) < most
            found = self._begun(connection, steps, None if whole else steps[-1][1])
            ids = (
                self._holding(connection, question, found)
                if question.conditions
                else [id for id, *_ in found]
            )
            if whole or len(ids) >= limit:
                return ids[:limit]
            most *= _MORE
        return None

    def _begun(
        self, connection: duckdb.DuckDBPyConnection, steps: list[Any], after: datetime | None
    ) -> list[Any]:
        """Return those of the traces of some steps that are asked for and began after a moment, the newest first.

        With each, when the first and the last of its requests began.
        """
        binder = Binder()
        ids = list(dict.fromkeys(id for id, _ in steps))
        if self._question.conditions or self._bounds != Bounds(before=self._bounds.before):
            told = _told(
                f"SELECT unnest({binder.bind(ids)}::VARCHAR[]) AS trace_id", errors=self._needs_errors
            )
        else:
            told = _BEGINS.format(ids=binder.bind(ids))
        where = self._where(binder)
        if after is not None:
            where += f" AND r.start_time > {binder.bind(after)}"
        text = f"{told} SELECT r.trace_id, r.first_call, r.last_call FROM told r WHERE {where} ORDER BY {self._order}"
        return connection.execute(text, binder.values).fetchall()

    def _holding(
        self, connection: duckdb.DuckDBPyConnection, question: Question, traces: list[Any]
    ) -> list[str]:
        """Return the ids of those of some traces that hold a request which matches."""
        with_calls = [(first, last) for _, first, last in traces if first is not None]
        if not with_calls:
            return []
        binder = Binder()
        told = _told(
            f"SELECT unnest({binder.bind([id for id, *_ in traces])}::VARCHAR[]) AS trace_id", errors=False
        )
        # The time is a filter that leaves all other row groups unread, whatever else is asked.
        low, high = (
            binder.bind(min(first for first, _ in with_calls)),
            binder.bind(max(last for _, last in with_calls)),
        )
        text = (
            f"{told} SELECT DISTINCT trace_id FROM calls SEMI JOIN (SELECT r.request_id FROM requests r "
            f"WHERE r.start_time >= {low} AND r.start_time <= {high} AND {where_sql(question, binder)}) USING (request_id)"
        )
        there = {id for (id,) in connection.execute(text, binder.values).fetchall()}
        return [id for id, *_ in traces if id in there]


def _told(asked: str | None, *, errors: bool = True) -> str:
    """SQL for the tables that tell of traces, `told` the last of them.

    Args:
        asked: SQL for the ids of those that are told of; None tells of all.
        errors: whether it is told how many steps failed.
    """
    given = f"WITH asked AS MATERIALIZED ({asked}), " if asked is not None else "WITH "
    which = "SEMI JOIN asked USING (trace_id)" if asked is not None else ""
    return f"""{given}steps AS MATERIALIZED (
            SELECT trace_id, span_id, parent_span_id, name, start_time, end_time, status, request_id FROM spans {which}
        ), calls AS MATERIALIZED (
            SELECT request_id, trace_id, span_id, start_time, end_time, status, input_tokens, output_tokens, cost_usd
            FROM requests {which} WHERE trace_id IS NOT NULL
            UNION ALL  -- one that was logged by other means may not know its trace
            SELECT DISTINCT r.request_id, s.trace_id, r.span_id, r.start_time, r.end_time, r.status, r.input_tokens,
                   r.output_tokens, r.cost_usd
            FROM steps s JOIN requests r USING (request_id) WHERE r.trace_id IS DISTINCT FROM s.trace_id
        ), trees AS (
            SELECT trace_id, count(*) AS spans, min(start_time) AS begun, max(end_time) AS ended, {_NAMED} AS name
            FROM steps GROUP BY trace_id
        ), sums AS (
            SELECT trace_id, count(*) AS requests, min(start_time) AS begun, max(start_time) AS last_call,
                   max(end_time) AS ended, {total("input_tokens")}, {total("output_tokens")},
                   coalesce(sum(cost_usd), 0) AS cost_usd
            FROM calls GROUP BY trace_id
        ){_FAILED if errors else ""}, told AS (
            SELECT trace_id, t.name, coalesce(t.begun, s.begun) AS start_time, coalesce(t.ended, s.ended) AS end_time,
                   epoch_us(coalesce(t.ended, s.ended) - coalesce(t.begun, s.begun)) / 1e3 AS latency_ms,
                   coalesce(t.spans, 0) AS spans, coalesce(s.requests, 0) AS requests,
                   {"coalesce(f.errors, 0) AS errors, " if errors else ""}
                   coalesce(s.input_tokens, 0) AS input_tokens, coalesce(s.output_tokens, 0) AS output_tokens,
                   coalesce(s.cost_usd, 0) AS cost_usd, s.begun AS first_call, s.last_call
            FROM trees t FULL JOIN sums s USING (trace_id) {"LEFT JOIN failed f USING (trace_id)" if errors else ""}
        )"""
