"""What a question ends in: frames, rows, models. Nothing runs before one of these is called."""

from __future__ import annotations

import re
from copy import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from promptlog.database.connection import our_errors
from promptlog.errors import QueryError
from promptlog.models.tables import need as _need

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from promptlog.database.store import Store
    from promptlog.query.requests import Requests

Values = list[Any] | dict[str, Any]
_READS = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}


class Result:
    """Rows of a question, asked anew each time an end is called."""

    def __init__(self, store: Store, doing: str = "answering a question") -> None:
        self._store = store
        self._doing = doing

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:
        """Return the text and the values it binds; `zoned` times carry their zone, as frames want them."""
        raise NotImplementedError

    def _sql_on(
        self,
        connection: duckdb.DuckDBPyConnection,  # noqa: ARG002 - for those that look first
        *,
        zoned: bool = True,
    ) -> tuple[str, Values]:
        """Return text and values as they are best asked of what the tables hold now."""
        return self._sql(zoned=zoned)

    def _prepared(self) -> Result:
        """Return what is asked in one go; what takes long may be found before, in turns with other processes."""
        return self

    def df(self) -> pd.DataFrame:
        """Return a pandas data frame."""
        _need("pandas")
        asked = self._prepared()
        with self._store.ask(self._doing) as connection:
            text, values = asked._sql_on(connection)  # noqa: SLF001 - of this class
            return _pandas(connection, text, values)

    def pl(self) -> pl.DataFrame:
        """Return a polars data frame."""
        _need("polars")
        import polars as pl

        frame = pl.from_arrow(self.arrow())
        assert isinstance(frame, pl.DataFrame)  # noqa: S101 - a table of Arrow has no other counterpart
        return frame

    def arrow(self) -> pa.Table:
        """Return an Arrow table."""
        _need("pyarrow")
        asked = self._prepared()
        with self._store.ask(self._doing) as connection:
            text, values = asked._sql_on(connection)  # noqa: SLF001 - of this class
            return connection.sql(text, params=values).to_arrow_table()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows as tuples; times are `datetime` in UTC."""
        return self._fetch()[1]

    def dicts(self) -> list[dict[str, Any]]:
        """Return all rows as dictionaries by column name."""
        names, rows = self._fetch()
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise QueryError(f"two columns are called {twice!r}; name them apart with AS")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return self._fetch()[0]

    def _fetch(self, most: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        asked = self._prepared()
        with self._store.ask(self._doing) as connection:
            text, values = asked._sql_on(connection, zoned=False)  # noqa: SLF001 - of this class
            return fetch(connection, text, values, most)

    def _title(self) -> str:
        """Say in a word or two what the rows are."""
        return "rows"

    def _repr_html_(self) -> str:
        from promptlog.html import ROWS, rows_page, shown

        def build() -> str:
            names, rows = self._fetch(ROWS + 1)
            return rows_page(self._title(), names, rows[:ROWS], total=None, more=len(rows) > ROWS)

        return shown(build)


class Told(Result):
    """What is told of requests: rows that are not requests themselves."""

    def __init__(self, store: Store, requests: Requests, doing: str) -> None:
        super().__init__(store, doing)
        self._requests = requests

    def _sql_on(self, connection: duckdb.DuckDBPyConnection, *, zoned: bool = True) -> tuple[str, Values]:
        now = copy(self)
        now._requests = self._requests._narrowed(connection)  # noqa: SLF001 - the rooms of a question
        now._look_first(connection)  # noqa: SLF001 - its own
        return now._sql(zoned=zoned)  # noqa: SLF001 - its own

    def _look_first(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Keep what the text is made with; called on a copy that answers once."""


class SqlResult(Result):
    """The rows of one SQL statement that only reads."""

    def __init__(self, store: Store, text: str, values: Values) -> None:
        super().__init__(store, "answering a query in SQL")
        self._values = values
        with our_errors(store.paths):
            statements = duckdb.extract_statements(text)
        if len(statements) != 1:
            raise QueryError(f"sql takes exactly one statement, got {len(statements)}")
        if statements[0].type not in _READS or not _explains_a_select(statements[0]):
            raise QueryError(
                f"sql only reads, and this is a statement of type {statements[0].type.name}; write SELECT, or use "
                f"log_request, track and untrack to change what is stored"
            )
        self._text = _without_end(statements[0].query)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._text!r}: .df(), .pl(), .arrow(), .fetchall() or .dicts()>"

    def _sql(self, *, zoned: bool = True) -> tuple[str, Values]:  # noqa: ARG002 - the text decides
        return self._text, self._values

    def df(self) -> pd.DataFrame:
        """Return a pandas data frame."""
        _need("pandas")
        with self._store.ask(self._doing) as connection, reading_only(connection):
            return _pandas(connection, self._text, self._values)

    def arrow(self) -> pa.Table:
        """Return an Arrow table."""
        _need("pyarrow")
        with self._store.ask(self._doing) as connection, reading_only(connection):
            return connection.sql(self._text, params=self._values).to_arrow_table()

    def _fetch(self, most: int | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        with self._store.ask(self._doing) as connection, reading_only(connection):
            return fetch(connection, self._text, self._values, most)

    def _title(self) -> str:
        return "SQL"


class reading_only:  # noqa: N801 - used as a statement
    """A transaction that DuckDB lets write nothing, EXPLAIN ANALYZE's statement included."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN TRANSACTION READ ONLY")

    def __exit__(self, *error: object) -> None:
        self._connection.execute("ROLLBACK")


def fetch(
    connection: duckdb.DuckDBPyConnection, text: str, values: Values, most: int | None = None
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return column names and rows, or as many as `most` of them, as Python's own types."""
    cursor = connection.execute(text, values)
    described = cursor.description or []
    names = [column[0] for column in described]
    zoned = [str(column[1]) == "TIMESTAMP WITH TIME ZONE" for column in described]
    if any(zoned):
        # The driver would need pytz for these; as UTC without a zone it needs nothing.
        columns = [f"c{number}" for number in range(len(names))]
        shown = (f"{name}::TIMESTAMP" if zone else name for name, zone in zip(columns, zoned, strict=True))
        cursor = connection.execute(
            f"SELECT {', '.join(shown)} FROM ({text}\n) AS q({', '.join(columns)})", values
        )
    rows = cursor.fetchall() if most is None else cursor.fetchmany(most)
    return names, [tuple(_utc(value) for value in row) for row in rows]


def _explains_a_select(statement: duckdb.Statement) -> bool:
    """Whether what EXPLAIN explains, and EXPLAIN ANALYZE runs, only reads; true of a statement that is no EXPLAIN."""
    if statement.type != duckdb.StatementType.EXPLAIN:
        return True
    inner = re.sub(r"(?is)^\s*explain\s+(analyze\s+)?(\([^)]*\)\s*)?", "", statement.query)
    try:
        return [found.type for found in duckdb.extract_statements(inner)] == [duckdb.StatementType.SELECT]
    except duckdb.Error:
        return False


def _without_end(text: str) -> str:
    """Return a statement without its semicolon, so that it can stand inside another."""
    places = [place for place, kind in duckdb.tokenize(text) if kind != duckdb.token_type.comment]
    return text[: places[-1]] if places and text[places[-1]] == ";" else text


def _pandas(connection: duckdb.DuckDBPyConnection, text: str, values: Values) -> pd.DataFrame:
    import warnings

    with warnings.catch_warnings():
        # DuckDB 2.0's conversion calls what pandas 3.1 deprecates; its user can do nothing about it.
        warnings.filterwarnings("ignore", message="The inplace keyword in DataFrame.drop")
        return connection.execute(text, values).df()


def _utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
