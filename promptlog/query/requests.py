"""`client.requests`: filter, sort and limit without running anything; end in a frame, a count, ids or models."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from promptlog.errors import (
    InvalidInputError,
    InvalidRequestIdError,
    RequestNotFoundError,
    UnknownColumnError,
)
from promptlog.expressions.nodes import And, ColumnOperand, Condition
from promptlog.identifiers import parse_request_id
from promptlog.models.checks import check_keys
from promptlog.models.columns import COLUMNS, FRAME_COLUMNS
from promptlog.query.conditions import Binder, column_sql
from promptlog.query.results import Result, Values, fetch

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    from promptlog.database.lease import Store
    from promptlog.expressions.face import Expression
    from promptlog.expressions.grouping import Aggregation
    from promptlog.models.request import Request
    from promptlog.query.grouped import Source
    from promptlog.query.groups import GroupBy, Groups

_PAGE = 500  # requests read at once while iterating: no lease of the store outlives a page
_PREFIX = re.compile(r"[0-9a-f]{1,32}")
_WHOLE_COLUMNS = tuple(name for name in COLUMNS if name not in {"input_text", "output_text"})
_JSON_COLUMNS = ("input", "output", "parameters", "input_variables")


@dataclass(frozen=True)
class _Question:
    """What was asked so far."""

    conditions: tuple[Condition, ...] = ()
    order: tuple[tuple[str, bool], ...] = (("start_time", True),)  # column, descending
    limit: int | None = None
    columns: tuple[str, ...] = FRAME_COLUMNS
    metadata: tuple[str, ...] = ()
    all_metadata: bool = False
    tags: bool = False
    scores: tuple[str, ...] = ()
    all_scores: bool = False


class Requests(Result):
    """Requests, newest first unless sorted. Each method returns a new one; nothing runs before an end is called.

    Ends: `.df()`, `.pl()`, `.arrow()`, `.fetchall()`, `.dicts()`, `.count()`, `.first()`, `.ids()`, and iteration,
    which gives `Request` models.
    """

    def __init__(self, store: Store, question: _Question | None = None) -> None:
        super().__init__(store)
        self._question = question or _Question()

    def _with(self, **changes: Any) -> Requests:
        return Requests(self._store, replace(self._question, **changes))

    def __repr__(self) -> str:
        return f"<Requests {self._question.conditions or 'all'}: .df(), .count(), .first(), or iterate>"

    # -- building ----------------------------------------------------------------------------------------------

    def filter(self, *conditions: Condition) -> Requests:
        """Keep the requests of which all conditions hold.

        Raises:
            InvalidInputError: an argument is no condition.
        """
        for condition in conditions:
            if not isinstance(condition, Condition):
                raise InvalidInputError(
                    f"filter takes conditions such as meta('user_id') == 'u1', got {condition!r} "
                    f"of type {type(condition).__name__}"
                )
        return self._with(conditions=(*self._question.conditions, *conditions))

    def sort(self, *by: str | Expression, descending: bool = False) -> Requests:
        """Sort by columns, given by name or as `col.x`; nulls last. Requests that tie are in the order of ids."""
        names = [_column_name(column) for column in by]
        return self._with(order=tuple((name, descending) for name in names))

    def limit(self, n: int) -> Requests:
        """Keep the first `n` requests of the order."""
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise InvalidInputError(f"limit takes a number of requests, 0 or more, got {n!r}")
        return self._with(limit=n)

    def select(self, *columns: str | Expression) -> Requests:
        """Choose the columns of a frame, by name or as `col.x`; JSON such as `input` is shown when chosen."""
        if not columns:
            raise InvalidInputError("select takes at least one column")
        return self._with(columns=tuple(dict.fromkeys(_column_name(column) for column in columns)))

    def with_metadata(self, *keys: str) -> Requests:
        """Add metadata keys as columns of their names; without a key, all metadata as one column of maps.

        A key that has the name of a column is shown as `metadata.<key>`.
        """
        added = (*self._question.metadata, *check_keys(keys))
        return self._with(
            metadata=tuple(dict.fromkeys(added)), all_metadata=self._question.all_metadata or not keys
        )

    def with_tags(self) -> Requests:
        """Add a column `tags`, a sorted list."""
        return self._with(tags=True)

    def with_scores(self, *names: str) -> Requests:
        """Add scores as columns `score.<name>`; without a name, all scores as one column `scores` of maps."""
        added = (*self._question.scores, *check_keys(names))
        return self._with(
            scores=tuple(dict.fromkeys(added)), all_scores=self._question.all_scores or not names
        )

    def group_by(self, *keys: object, **named: object) -> GroupBy:
        """Put the requests into groups, of which `.agg(...)` tells; with a limit, those that it keeps.

        Args:
            keys: `col.model` or its name, `meta("user_id")` and its like, `score("quality")`, `by_time("1d")`, or `tag`
                itself. Several together make a group of each combination that there is.
            named: the same by the name of the column: `user=meta("user_id")`.

        Requests without a key's value are a group of their own, whose key is null. Grouped by `tag`, a request counts
        under each of its tags, and so the groups' counts may add up to more than there are.

        Raises:
            InvalidInputError: one is no key, there is none, or two columns have one name.
        """
        from promptlog.query.groups import GroupBy, named_keys

        return GroupBy(self._store, self._source(), named_keys(keys, named))

    def agg(self, *aggregates: Aggregation, **named: Aggregation) -> Groups:
        """Tell of all the requests in one row, as `group_by(...).agg(...)` does of each group."""
        from promptlog.query.groups import GroupBy

        return GroupBy(self._store, self._source(), ()).agg(*aggregates, **named)

    def _source(self) -> Source:
        from promptlog.query.grouped import Source

        question = self._question
        limited = question.limit is not None
        return Source(question.conditions, (lambda binder: _picked(question, binder)) if limited else None)

    # -- ends --------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """Return the number of requests."""
        binder = Binder()
        picked = _picked(self._question, binder)
        with self._store.ask(self._doing) as connection:
            # All rows, though it is one: what is left unfetched bars the connection's next question.
            ((found,),) = connection.execute(f"SELECT count(*) FROM ({picked})", binder.values).fetchall()
        return int(found)

    def ids(self) -> list[str]:
        """Return the ids, in order."""
        binder = Binder()
        text = f"SELECT request_id::VARCHAR FROM ({_picked(self._question, binder)})"
        with self._store.ask(self._doing) as connection:
            return [row[0] for row in connection.execute(text, binder.values).fetchall()]

    def first(self) -> Request | None:
        """Return the first request whole, or None where there is none."""
        ids = self.limit(1 if self._question.limit is None else min(1, self._question.limit)).ids()
        return next(self._read(ids), None)

    def __iter__(self) -> Iterator[Request]:
        """Give each request whole, read in pages, so that nobody waits for who iterates."""
        ids = self.ids()
        for start in range(0, len(ids), _PAGE):
            yield from self._read(ids[start : start + _PAGE])

    def get(self, request_id: str | uuid.UUID) -> Request:
        """Return one request whole.

        Args:
            request_id: its id, or the beginning of it that no other request shares.

        Raises:
            RequestNotFoundError: there is none.
            InvalidRequestIdError: it is no id, or several requests begin so.
        """
        found = next(self._read([self.resolve(request_id)]), None)
        if found is None:
            raise RequestNotFoundError(f"no request has the id {request_id}")
        return found

    def resolve(self, request_id: str | uuid.UUID) -> str:
        """Return the whole id of what may be its beginning; a whole one is not looked up.

        Raises:
            RequestNotFoundError: no request begins so.
            InvalidRequestIdError: it is no id, or several requests begin so.
        """
        digits = request_id.replace("-", "").lower() if isinstance(request_id, str) else ""
        if not _PREFIX.fullmatch(digits) or len(digits) == 32:  # noqa: PLR2004 - all digits of a UUID
            return parse_request_id(request_id)
        bounds = [parse_request_id(digits.ljust(32, filler)) for filler in "0f"]
        text = "SELECT request_id::VARCHAR FROM requests WHERE request_id BETWEEN ?::UUID AND ?::UUID LIMIT 3"
        with self._store.ask(self._doing) as connection:
            found = [row[0] for row in connection.execute(text, bounds).fetchall()]
        if not found:
            raise RequestNotFoundError(f"no request's id begins with {request_id!r}")
        if len(found) > 1:
            raise InvalidRequestIdError(
                f"{request_id!r} is the beginning of several ids ({', '.join(found)}…); give more of it"
            )
        return str(found[0])

    # -- SQL ---------------------------------------------------------------------------------------------------

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:
        question = self._question
        binder = Binder()
        picked = _picked(question, binder)
        shown, joins = [f"{_framed(name, zoned=zoned)} AS {name}" for name in question.columns], ""
        names = _Names(question)
        for number, key in enumerate(question.metadata):
            name = names.free(key, "metadata.")
            shown.append(f"m{number}.value AS {_quoted(name)}")
            joins += (
                f" LEFT JOIN (SELECT request_id, value FROM metadata WHERE key = {binder.bind(key)} "
                f"AND request_id IN (SELECT request_id FROM picked)) m{number} ON m{number}.request_id = r.request_id"
            )
        if question.all_metadata:
            shown.append("coalesce(m.gathered, map()) AS metadata")
            joins += _joined("metadata", "m", "map_from_entries(list((key, value) ORDER BY key))")
        if question.tags:
            shown.append("coalesce(t.gathered, []) AS tags")
            joins += _joined("tags", "t", "list(tag ORDER BY tag)")
        for number, score_name in enumerate(question.scores):
            shown.append(f"s{number}.score AS {_quoted(names.free(f'score.{score_name}', 'score.'))}")
            joins += (
                f" LEFT JOIN (SELECT request_id, score FROM scores WHERE name = {binder.bind(score_name)}) s{number} "
                f"ON s{number}.request_id = r.request_id"
            )
        if question.all_scores:
            shown.append("coalesce(s.gathered, map()) AS scores")
            joins += _joined("scores", "s", "map_from_entries(list((name, score) ORDER BY name))")
        order = ", ".join(_order(question.order))
        return (
            f"WITH picked AS MATERIALIZED ({picked}) SELECT {', '.join(shown)} FROM requests r "
            f"SEMI JOIN picked USING (request_id) {_beside(question)}{joins} ORDER BY {order}",
            binder.values,
        )

    def _read(self, ids: list[str]) -> Iterator[Request]:
        if not ids:
            return
        from promptlog.models.request import Request

        columns = ", ".join(
            "r.request_id::VARCHAR AS request_id" if name == "request_id" else f"{column_sql(name)} AS {name}"
            for name in _WHOLE_COLUMNS
        )
        text = (
            f"WITH picked AS (SELECT unnest(?::UUID[]) AS request_id) SELECT {columns}, "
            f"coalesce(m.gathered, []) AS metadata, coalesce(t.gathered, []) AS tags, coalesce(s.gathered, []) AS scores "
            f"FROM requests r SEMI JOIN picked USING (request_id) LEFT JOIN request_prompts p USING (request_id) "
            f"LEFT JOIN request_groups g USING (request_id)"
            + _joined("metadata", "m", "list([key, value] ORDER BY key)")
            + _joined("tags", "t", "list(tag ORDER BY tag)")
            + _joined("scores", "s", "list((name, score) ORDER BY name)")
        )
        with self._store.ask(self._doing) as connection:
            names, rows = fetch(connection, text, [ids])
        found = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
        for request_id in ids:
            row = found.get(request_id)
            if row is None:  # removed meanwhile
                continue
            for name in _JSON_COLUMNS:
                # The standard library's reader: pydantic's stops at 200 levels, and its writer takes more.
                row[name] = json.loads(row[name]) if row[name] is not None else None
            yield Request(**{**row, "metadata": dict(row["metadata"]), "scores": dict(row["scores"])})


class _Names:
    """Gives each added column a name that no other has, letter case aside: frames and DuckDB do not keep it apart."""

    def __init__(self, question: _Question) -> None:
        whole = {"metadata": question.all_metadata, "tags": question.tags, "scores": question.all_scores}
        self._taken = {*COLUMNS, *(name for name, shown in whole.items() if shown)}

    def free(self, wanted: str, prefix: str) -> str:
        while wanted.lower() in self._taken:
            wanted = prefix + wanted
        self._taken.add(wanted.lower())
        return wanted


def _picked(question: _Question, binder: Binder) -> str:
    """SQL for the ids of the requests asked for, in order."""
    where = binder.condition(And(question.conditions))
    names = {name for name, _ in question.order}
    beside = _beside_tables({COLUMNS[name].table for name in names})
    limit = f" LIMIT {question.limit}" if question.limit is not None else ""
    return f"SELECT r.request_id FROM requests r{beside} WHERE {where} ORDER BY {', '.join(_order(question.order))}{limit}"


def _order(order: tuple[tuple[str, bool], ...]) -> list[str]:
    ways = [f"{column_sql(name)} {'DESC' if down else 'ASC'} NULLS LAST" for name, down in order]
    return [*ways, f"r.request_id {'DESC' if order and order[-1][1] else 'ASC'}"]


def _beside(question: _Question) -> str:
    return _beside_tables(
        {COLUMNS[name].table for name in (*question.columns, *(name for name, _ in question.order))}
    )


def _beside_tables(tables: set[str]) -> str:
    joins = {"request_prompts": "p", "request_groups": "g"}
    return "".join(
        f" LEFT JOIN {table} {alias} ON {alias}.request_id = r.request_id"
        for table, alias in joins.items()
        if table in tables
    )


def _joined(table: str, alias: str, gathered: str) -> str:
    return (
        f" LEFT JOIN (SELECT request_id, {gathered} AS gathered FROM {table} "
        f"WHERE request_id IN (SELECT request_id FROM picked) GROUP BY request_id) {alias} "
        f"ON {alias}.request_id = r.request_id"
    )


def _framed(name: str, *, zoned: bool) -> str:
    """A column as frames show it: ids as text, times with their zone."""
    if name == "request_id":
        return "r.request_id::VARCHAR"
    sql = column_sql(name)
    return f"({sql} AT TIME ZONE 'UTC')" if zoned and COLUMNS[name].kind == "time" else sql


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _column_name(given: object) -> str:
    from promptlog.expressions.face import Expression

    if isinstance(given, Expression) and isinstance(given.operand, ColumnOperand):
        return given.operand.name
    if isinstance(given, str):
        if given not in COLUMNS:
            raise UnknownColumnError.named(given, list(COLUMNS))
        return given
    raise InvalidInputError(f"a column is given by name or as col.x, got {given!r}")
