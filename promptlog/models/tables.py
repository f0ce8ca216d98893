"""Rows that have been read, with the same ends as a question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from promptlog.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    import polars as pl
    import pyarrow as pa

Kind = Literal["VARCHAR", "BIGINT", "DOUBLE", "TIMESTAMP"]


@dataclass(frozen=True)
class Table:
    """A small table in memory: `.df()`, `.pl()`, `.arrow()`, `.dicts()`, `.fetchall()`, `.columns()`.

    Iterating gives each row as a dictionary. `time_zone` is that of its times.
    """

    _names: tuple[str, ...]
    _kinds: tuple[Kind, ...]
    _rows: tuple[tuple[Any, ...], ...]
    time_zone: str = "UTC"

    def in_zone(self, time_zone: str) -> Table:
        """Return the table with its times in another zone."""
        zone = ZoneInfo(time_zone)
        rows = tuple(
            tuple(value.astimezone(zone) if isinstance(value, datetime) else value for value in row)
            for row in self._rows
        )
        return replace(self, _rows=rows, time_zone=time_zone)

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._names)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows as tuples."""
        return list(self._rows)

    def dicts(self) -> list[dict[str, Any]]:
        """Return all rows as dictionaries by column name."""
        return [dict(zip(self._names, row, strict=True)) for row in self._rows]

    def column(self, name: str) -> list[Any]:
        """Return the values of one column.

        Raises:
            KeyError: there is no such column.
        """
        if name not in self._names:
            raise KeyError(name)
        at = self._names.index(name)
        return [row[at] for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.dicts())

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(self._names)}: .df(), .pl(), .arrow(), .dicts()>"

    def _repr_html_(self) -> str:
        from promptlog.html import shown, table_page

        return shown(lambda: table_page(self))

    def df(self) -> pd.DataFrame:
        """Return a pandas data frame."""
        need("pandas")
        import pandas as pd

        columns: dict[str, pd.Series[Any]] = {}
        for name, kind in zip(self._names, self._kinds, strict=True):
            values = self.column(name)
            if kind == "TIMESTAMP":
                times = pd.to_datetime(pd.Series(values, dtype="object"), utc=True)
                columns[name] = times.dt.as_unit("us").dt.tz_convert(self.time_zone)
            else:
                whole = kind == "BIGINT" and None not in values
                dtype = "int64" if whole else "object" if kind == "VARCHAR" else "float64"
                columns[name] = pd.Series(values, dtype=dtype)
        return pd.DataFrame(columns)

    def pl(self) -> pl.DataFrame:
        """Return a polars data frame."""
        need("polars")
        import polars as pl

        kinds = {
            "VARCHAR": pl.String(),
            "BIGINT": pl.Int64(),
            "DOUBLE": pl.Float64(),
            "TIMESTAMP": pl.Datetime("us", self.time_zone),
        }
        schema = {name: kinds[kind] for name, kind in zip(self._names, self._kinds, strict=True)}
        return pl.DataFrame(list(self._rows), schema=schema, orient="row")

    def arrow(self) -> pa.Table:
        """Return an Arrow table."""
        need("pyarrow")
        import pyarrow as pa

        kinds = {
            "VARCHAR": pa.string(),
            "BIGINT": pa.int64(),
            "DOUBLE": pa.float64(),
            "TIMESTAMP": pa.timestamp("us", self.time_zone),
        }
        arrays = [
            pa.array(self.column(name), kinds[kind])
            for name, kind in zip(self._names, self._kinds, strict=True)
        ]
        return pa.table(arrays, names=list(self._names))


def need(package: str) -> None:
    """Refuse to go on where a package that frames need is missing.

    Raises:
        MissingExtraError: it is not installed, or pyarrow beside it is not.
    """
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise MissingExtraError.of(package, "frames")
    if package != "pandas" and find_spec("pyarrow") is None:
        raise MissingExtraError.of("pyarrow", "frames")
