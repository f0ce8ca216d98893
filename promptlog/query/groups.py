"""`client.requests.group_by(...).agg(...)`: what is told of groups of requests, a row each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn
from zoneinfo import ZoneInfo

from promptlog.errors import InvalidInputError, QueryError, UnknownColumnError
from promptlog.expressions.aggregates import Aggregate, GroupCondition, TagKey, TimeKey
from promptlog.expressions.grouping import Aggregation, NamedKey, checked_name, key_of
from promptlog.expressions.nodes import Condition
from promptlog.query.grouped import TOO_LARGE, Compiler, Grouping
from promptlog.query.question import narrowed
from promptlog.query.results import Result, Values
from promptlog.query.spans import TOO_MANY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import altair as alt
    import duckdb
    import pandas as pd
    import pyarrow as pa

    from promptlog.database.store import Store
    from promptlog.query.question import Question


_ENDS = frozenset(
    {"df", "pl", "arrow", "fetchall", "dicts", "columns", "count", "plot", "having", "sort", "limit"}
)


class GroupBy:
    """Requests in groups, of which nothing is told yet: call `.agg(...)`."""

    def __init__(self, store: Store, source: Question, keys: tuple[NamedKey, ...]) -> None:
        self._store = store
        self._source = source
        self._keys = keys

    def __repr__(self) -> str:
        keys = ", ".join(map(repr, self._keys))
        return f"<GroupBy {keys or 'all requests'}: .agg(n=count(), …) tells of each group>"

    def __getattr__(self, name: str) -> NoReturn:
        if name in _ENDS:
            raise InvalidInputError(
                f"of these groups nothing is told yet: call .agg(n=count()) before .{name}"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}; it has .agg(…)")

    def agg(self, *aggregates: Aggregation, **named: Aggregation) -> Groups:
        """Say what is told of each group: a column each, after those of the keys.

        Args:
            aggregates: such as `count()` or `col.cost_usd.sum()`, whose columns are called `count` and `cost_usd_sum`.
            named: the same by the name of the column: `n=count()`.

        Raises:
            InvalidInputError: one is no aggregate, there is none at all, or two columns have one name.
        """
        outputs = tuple((_aggregation(given).name, _aggregation(given)) for given in aggregates)
        outputs += tuple((checked_name(name), _aggregation(given)) for name, given in named.items())
        if not outputs:
            raise InvalidInputError("agg takes at least one aggregate, such as count() or col.cost_usd.sum()")
        _refuse_twice([*(key.name for key in self._keys), *(name for name, _ in outputs)])
        grouping = Grouping(self._source, self._keys, tuple((name, given.node) for name, given in outputs))
        return Groups(self._store, grouping)


class Groups(Result):
    """Groups of requests and what is told of them, in the order of their keys unless sorted.

    Each method returns a new one; nothing runs before an end is called.

    Ends: `.df()`, `.pl()`, `.arrow()`, `.fetchall()`, `.dicts()`, `.columns()`, `.count()`, `.plot()`. Spans of time are in the
    zone that `by_time` names.
    """

    def __init__(self, store: Store, grouping: Grouping) -> None:
        super().__init__(store, "aggregating requests")
        self._grouping = grouping

    def _with(self, **changes: Any) -> Groups:
        return Groups(self._store, replace(self._grouping, **changes))

    def __repr__(self) -> str:
        return f"<Groups of {', '.join(self.columns())}: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    # -- building ----------------------------------------------------------------------------------------------

    def having(self, *conditions: GroupCondition) -> Groups:
        """Keep the groups of which all conditions hold, such as `count() > 10`.

        Raises:
            InvalidInputError: an argument is no condition on an aggregate.
        """
        for condition in conditions:
            if not isinstance(condition, GroupCondition):
                hint = "; conditions on requests go to filter, before group_by"
                raise InvalidInputError(
                    f"having takes conditions on aggregates such as count() > 10, got {condition!r} "
                    f"of type {type(condition).__name__}{hint if isinstance(condition, Condition) else ''}"
                )
        return self._with(having=(*self._grouping.having, *conditions))

    def sort(self, *by: str | Aggregation | object, descending: bool = False) -> Groups:
        """Sort by columns of the answer by name, by aggregates, or by keys as `group_by` took them; nulls last.

        Groups that tie are in the order of their keys.
        """
        return self._with(order=tuple((self._ordering(given), descending) for given in by))

    def limit(self, n: int) -> Groups:
        """Keep the first `n` groups of the order."""
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 1 << 63:
            raise InvalidInputError(f"limit takes a number of groups, 0 or more, got {n!r}")
        return self._with(limit=n)

    def _ordering(self, given: object) -> int | Aggregate:
        grouping = self._grouping
        if isinstance(given, Aggregation):
            return given.node
        if isinstance(given, str):
            names = [key.name for key in grouping.keys]
            if given in names:
                return names.index(given)
            outputs = dict(grouping.outputs)
            if given in outputs:
                return outputs[given]
            raise UnknownColumnError(_unknown(given, self.columns()))
        wanted = key_of(given).node
        places = [at for at, key in enumerate(grouping.keys) if key.node == wanted]
        if not places:
            raise InvalidInputError(
                f"sort: {given!r} is no key of these groups, which are by {list(grouping.keys)!r}"
            )
        return places[0]

    # -- ends --------------------------------------------------------------------------------------------------

    def columns(self) -> list[str]:
        """Return the names of the columns, keys first; nothing runs."""
        return self._grouping.columns()

    def count(self) -> int:
        """Return the number of groups."""
        with _clear_errors(), self._store.ask(self._doing) as connection:
            text, values = self._sql_on(connection)
            ((found,),) = connection.execute(f"SELECT count(*) FROM ({text})", values).fetchall()
        return int(found)

    def df(self) -> pd.DataFrame:
        """Return a pandas data frame."""
        with _clear_errors():
            frame = super().df()
        zone = self._zone()
        if zone is not None:
            for name in self._times():
                frame[name] = frame[name].dt.tz_convert(zone)
        return frame

    def arrow(self) -> pa.Table:
        """Return an Arrow table."""
        with _clear_errors():
            table = super().arrow()
        if (zone := self._zone()) is not None:
            import pyarrow as pa

            for name in self._times():
                at = table.column_names.index(name)
                table = table.set_column(at, name, table.column(at).cast(pa.timestamp("us", zone)))
        return table

    def plot(
        self,
        y: str | Sequence[str] | None = None,
        *,
        top: int = 8,
        other: bool = True,
        title: str | None = None,
    ) -> alt.Chart:
        """Return a Vega-Altair chart: lines where `by_time` is a key, a line a group; else bars. Needs the extra `plot`.

        Args:
            y: which aggregate is drawn, by its column's name, else the first; the others stand in the tooltips. Several
                where `by_time` is the only key: a line each.
            top: how many groups are shown: those with the most, or of means and quantiles those with the most requests,
                or the first as sorted by an aggregate.
            other: whether all other groups are shown together as "other": what is told of it is told of its requests.
            title: instead of one made of the names.

        Groups that `having` or `limit` chose are drawn as they are, without "other".

        Raises:
            MissingExtraError: altair is not installed.
            InvalidInputError: there are no groups, no such aggregate, or it is no number.
        """
        from promptlog.plots import chart
        from promptlog.query.series import drawing, wanted

        told = wanted(self._grouping, y, top, title, other=other)
        return chart(drawing(self._grouping, told, lambda grouping: Groups(self._store, grouping).fetchall()))

    def _fetch(self, most: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        with _clear_errors():
            names, rows = super()._fetch(most)
        if (zone := self._zone()) is not None:
            info, places = ZoneInfo(zone), [names.index(name) for name in self._times()]
            for number, row in enumerate(rows):
                rows[number] = tuple(
                    value.astimezone(info) if at in places and isinstance(value, datetime) else value
                    for at, value in enumerate(row)
                )
        return names, rows

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:
        return Compiler(self._grouping, zoned=zoned).statement()

    def _sql_on(self, connection: duckdb.DuckDBPyConnection, *, zoned: bool = True) -> tuple[str, Values]:
        few = narrowed(connection, self._grouping.source)
        return Compiler(replace(self._grouping, source=few), zoned=zoned).statement()

    def _title(self) -> str:
        return "groups"

    def _times(self) -> list[str]:
        return [key.name for key in self._grouping.keys if isinstance(key.node, TimeKey)]

    def _zone(self) -> str | None:
        """Return the zone of the spans, where it is not UTC."""
        nodes = [key.node for key in self._grouping.keys]
        zones = [node.time_zone for node in nodes if isinstance(node, TimeKey) and node.time_zone != "UTC"]
        return zones[0] if zones else None


class _clear_errors:  # noqa: N801 - used as a statement
    """Take out of the driver's words those that are ours."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        for ours in (TOO_MANY, TOO_LARGE):
            if isinstance(error, QueryError) and ours in str(error):
                raise QueryError(ours) from None


def named_keys(given: Iterable[object], named: dict[str, object]) -> tuple[NamedKey, ...]:
    """Return what `group_by` was given as keys with names.

    Raises:
        InvalidInputError: one is no key, there is none, two have one name, or two are spans of time.
    """
    keys = (*map(key_of, given), *(_renamed(name, key_of(one)) for name, one in named.items()))
    if not keys:
        raise InvalidInputError(
            "group_by takes at least one key, such as col.model; without groups write requests.agg(…)"
        )
    _refuse_twice([key.name for key in keys])
    for kind, what in ((TimeKey, "by_time"), (TagKey, "tag")):
        if sum(isinstance(key.node, kind) for key in keys) > 1:
            raise InvalidInputError(f"group_by takes {what} once")
    return keys


def _renamed(name: str, key: NamedKey) -> NamedKey:
    return NamedKey(key.node, key.shown, checked_name(name))


def _aggregation(given: object) -> Aggregation:
    if isinstance(given, Aggregation):
        return given
    hint = ""
    called = getattr(given, "__name__", "")
    if called in {"count", "share", "error_rate"}:
        hint = f"; call it: {called}()"
    elif isinstance(given, Condition):
        hint = "; to count the requests of which it holds, count(condition)"
    raise InvalidInputError(
        f"agg takes aggregates such as count() or col.cost_usd.sum(), got {given!r}{hint}"
    )


def _refuse_twice(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise InvalidInputError(
                f"two columns would be called {seen[name.lower()]!r}"
                + (f" and {name!r}, which DuckDB takes for one" if name != seen[name.lower()] else "")
                + "; name one of them another way: n=count() in agg, .alias('name'), or user=meta('user_id') in group_by"
            )
        seen[name.lower()] = name


def _unknown(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(known)}"
    return f"the groups have no column {name!r}; {hint}; an aggregate does too: .sort(count())"
