"""`client.requests`: filter, sort and limit without running anything; end in a frame, a count, ids or models."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptlog.errors import (
    InvalidInputError,
    InvalidRequestIdError,
    RequestNotFoundError,
)
from promptlog.expressions.nodes import And, Condition, Since, Until
from promptlog.identifiers import parse_request_id
from promptlog.models.checks import check_keys
from promptlog.query.conditions import Binder
from promptlog.query.operands import column_name, json_of, sorted_by
from promptlog.query.question import (
    Question,
    as_sql,
    find,
    ids_sql,
    in_words,
    narrowed,
    planned,
    where_sql,
)
from promptlog.query.results import Result, Values
from promptlog.query.sharing import found_in_turns
from promptlog.query.whole import requests_of, rows_of, within_bytes

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator

    import duckdb

    from promptlog.database.store import Store
    from promptlog.expressions.face import Expression
    from promptlog.expressions.grouping import Aggregation
    from promptlog.models.analytics import Analytics
    from promptlog.models.facets import Facets
    from promptlog.models.request import Request
    from promptlog.query.catalogue import Inside
    from promptlog.query.groups import GroupBy, Groups

_PAGE = 500  # requests read at once while iterating: no lease of the store outlives a page
_PREFIX = re.compile(r"[0-9a-f]{1,32}")


class Requests(Result):
    """Requests, newest first unless sorted. Each method returns a new one; nothing runs before an end is called.

    Ends: `.df()`, `.pl()`, `.arrow()`, `.fetchall()`, `.dicts()`, `.count()`, `.first()`, `.ids()`, and iteration,
    which gives `Request` models.
    """

    def __init__(self, store: Store, question: Question | None = None) -> None:
        super().__init__(store)
        self._question = question or Question()

    def _with(self, **changes: Any) -> Requests:
        return Requests(self._store, replace(self._question, **changes))

    def __repr__(self) -> str:
        return f"<{in_words(self._question)}: .df(), .count(), .first(), or iterate>"

    def _repr_html_(self) -> str:
        from promptlog.html import shown
        from promptlog.query.notebook import requests_page

        return shown(lambda: requests_page(self))

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
        added = (
            condition for condition in conditions if condition != And(())
        )  # of all requests, as an empty search
        return self._with(conditions=(*self._question.conditions, *added))

    def search(self, text: str) -> Requests:
        """Keep the requests that a search text asks for, such as `user_id:u1 latency_ms>500 "chocolate cake"`.

        `promptlog search --help` has the language.

        Raises:
            SearchSyntaxError: the text cannot be read; the message points at the place.
        """
        from promptlog.expressions.search import parse

        return self.filter(parse(text))

    def sort(self, *by: str | Expression, descending: bool = False) -> Requests:
        """Sort by columns, metadata or scores; who has none stands last. Requests that tie are in the order of ids.

        Args:
            by: columns by name or as `col.x`; `meta("user_id")`, which sorts as text, `meta("price").as_float()` and its
                like; `score("quality")`.
            descending: whether the greatest stand first.
        """
        return self._with(order=tuple((sorted_by(one), descending) for one in by), past=None)

    def limit(self, n: int) -> Requests:
        """Keep the first `n` requests of the order."""
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 1 << 63:
            raise InvalidInputError(f"limit takes a number of requests, 0 or more, got {n!r}")
        return self._with(limit=n)

    def after(self, request_id: str | uuid.UUID) -> Requests:
        """Keep the requests that come after this one in the order: the next page, whatever was logged meanwhile.

        It costs the same on the first page and on the thousandth. The order is that of `sort`; the request need not
        be one of those asked for.

        Raises:
            InvalidRequestIdError: it is no whole id. Where no request has it, asking raises `RequestNotFoundError`.
        """
        return self._with(after=parse_request_id(request_id), past=None)

    def select(self, *columns: str | Expression) -> Requests:
        """Choose the columns of a frame, by name or as `col.x`; JSON such as `input` is shown when chosen."""
        if not columns:
            raise InvalidInputError("select takes at least one column")
        return self._with(columns=tuple(dict.fromkeys(column_name(column) for column in columns)))

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

    def analytics(
        self, *, every: str | None = None, time_zone: str = "UTC", cost_by: str | None = None, top: int = 50
    ) -> Analytics:
        """Answer `client.analytics` about these requests; a limit counts."""
        from promptlog.query.analytics import analyse

        return analyse(self._store, self, every=every, time_zone=time_zone, cost_by=cost_by, top=top)

    def facets(self, *, most: int = 8, keys: int = 12, newest: int = 10_000) -> Facets:
        """Tell which values these requests have, and on how many of them.

        That is of status, model, provider, prompt, error type, tags and metadata.

        Args:
            most: how many values of each at most, those on the most requests.
            keys: how many metadata keys at most, those on the most requests.
            newest: of how many requests at most; of more, the first in the order are counted. The answer says so.

        Raises:
            InvalidInputError: an argument is no number from 1 on.
        """
        from promptlog.query.facets import count_facets

        return count_facets(self._store, self._question, most=most, keys=keys, newest=newest)

    def inside(self, of: Expression, *, limit: int | None = 20) -> Inside:
        """Return what stands inside JSON: the paths of a column, or the values at a path, those of the most requests first.

        Args:
            of: `col.output`, `col.input_variables` or `col.parameters`; or a path inside, such as `col.output["action"]`.
            limit: how many at most; None gives all.

        Returns:
            Rows of `key` or `value`, and of `requests` that have it. A key is a path to texts, numbers or truths. JSON of
            more than 200,000 characters has no keys here. Of many requests ask the newest: `requests.limit(10_000).inside(…)`.

        Raises:
            InvalidInputError: there is no JSON that can be asked, or `limit` is no number.
        """
        from promptlog.query.catalogue import Inside, check_limit

        check_limit(limit)
        return Inside(self._store, self, json_of(of), limit)

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

        return GroupBy(self._store, self._question, named_keys(keys, named))

    def agg(self, *aggregates: Aggregation, **named: Aggregation) -> Groups:
        """Tell of all the requests in one row, as `group_by(...).agg(...)` does of each group."""
        from promptlog.query.groups import GroupBy

        return GroupBy(self._store, self._question, ()).agg(*aggregates, **named)

    # -- ends --------------------------------------------------------------------------------------------------

    def count(self) -> int:
        """Return the number of requests."""
        binder = Binder()
        with self._store.ask(self._doing) as connection:
            question = narrowed(connection, self._question)
            limit = f" LIMIT {question.limit}" if question.limit is not None else ""
            text = (
                f"SELECT count(*) FROM (SELECT 1 FROM requests r WHERE {where_sql(question, binder)}{limit})"
            )
            # All rows, though it is one: what is left unfetched bars the connection's next question.
            ((found,),) = connection.execute(text, binder.values).fetchall()
        return int(found)

    def ids(self) -> list[str]:
        """Return the ids, in order."""
        question = found_in_turns(self._store, self._doing, self._question)
        if self._question.ids is None and question.ids is not None and question.limit is None:
            return list(question.ids)
        with self._store.ask(self._doing) as connection:
            return find(connection, narrowed(connection, question))

    def first(self) -> Request | None:
        """Return the first request whole, or None where there is none."""
        ids = self.limit(1 if self._question.limit is None else min(1, self._question.limit)).ids()
        return next(self._read(ids), None)

    def __iter__(self) -> Iterator[Request]:
        """Give each request whole, read in pages, so that nobody waits for who iterates."""
        ids = self.ids()
        for start in range(0, len(ids), _PAGE):
            yield from self._read(ids[start : start + _PAGE])

    def page(self, most: int, *, most_bytes: int = 8_000_000) -> tuple[list[Request], bool]:
        """Return the first requests whole, and whether there are more: what a page can show, however long they are.

        Args:
            most: how many requests at most, from 1 to 500.
            most_bytes: how many bytes of JSON their inputs, outputs and parameters have together at most; the first
                request is returned whatever it has. The next page is asked for with `after(its last id)`.

        Raises:
            InvalidInputError: `most` is no such number.
        """
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= _PAGE:
            raise InvalidInputError(f"a page has from 1 to {_PAGE} requests, got {most!r}")
        limit = self._question.limit
        ids = self.limit(most + 1 if limit is None else min(most + 1, limit)).ids()
        if not ids:
            return [], False
        with self._store.ask(self._doing) as connection:
            shown = within_bytes(connection, ids[:most], most_bytes)
            rows = rows_of(connection, shown)
        return [*requests_of(shown, rows)], len(ids) > len(shown)

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

    def _prepared(self) -> Requests:
        return Requests(self._store, found_in_turns(self._store, self._doing, self._question))

    def _narrowed(self, connection: duckdb.DuckDBPyConnection) -> Requests:
        """Return the same requests, as few as can be told now."""
        return Requests(self._store, narrowed(connection, self._question))

    def _ids_sql(self, binder: Binder) -> str | None:
        """SQL for the ids alone, in no order; None where that is all of them."""
        return ids_sql(self._question, binder)

    def _is_of_times_alone(self) -> bool:
        """Tell whether nothing is asked but when they started, which is told at the speed of a scan."""
        question = self._question
        times = all(isinstance(condition, Since | Until) for condition in question.conditions)
        return times and (question.ids, question.past, question.limit) == (None, None, None)

    # -- SQL ---------------------------------------------------------------------------------------------------

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:
        return as_sql(self._question, zoned=zoned)

    def _sql_on(self, connection: duckdb.DuckDBPyConnection, *, zoned: bool = True) -> tuple[str, Values]:
        return as_sql(planned(connection, self._question), zoned=zoned)

    def _read(self, ids: list[str]) -> Iterator[Request]:
        if not ids:
            return
        with self._store.ask(self._doing) as connection:
            rows = rows_of(connection, ids)
        yield from requests_of(ids, rows)
