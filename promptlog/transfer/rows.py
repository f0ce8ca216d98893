"""Rows of a backfill that come as dictionaries: checked one by one, staged as lines."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from promptlog.database.cells import MOST_WHOLE
from promptlog.errors import InvalidInputError
from promptlog.identifiers import plain_number
from promptlog.models.checks import check_keys
from promptlog.settings import MAX_LINE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def stage_rows(
    target: Path,
    rows: Iterable[Any],
    on: Sequence[tuple[str, bool]],
    keys: Sequence[str] | None,
    *,
    cast: bool,
) -> bool:
    """Write each row as a line of the values it is matched by and its metadata; return whether they are in long form.

    Args:
        target: the file.
        rows: dictionaries.
        on: the columns that rows are matched by, and whether each holds text.
        keys: the metadata keys to take; None: all.
        cast: whether cells that are not text become text.

    Raises:
        InvalidInputError: a row or cell is wrong; the message names row and column.
    """
    names = [name for name, _ in on]
    wanted = None if keys is None else set(keys)
    unseen = set(wanted or ())
    long: bool | None = None
    with target.open("wb") as file:
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise InvalidInputError(f"row {number} is of type {type(row).__name__}, not a dict")
            if long is None:
                long = set(row) == {*names, "key", "value"}
            if missing := next(
                (name for name in (*names, *(("key", "value") if long else ())) if name not in row), None
            ):
                raise InvalidInputError(f"row {number} has no {missing!r}; it has {', '.join(map(str, row))}")
            if long and (more := next((name for name in row if name not in {*names, "key", "value"}), None)):
                raise InvalidInputError(
                    f"row {number} has {more!r} beside key and value, and the rows before have none: long form has "
                    f"just {', '.join((*names, 'key', 'value'))}"
                )
            unseen -= row.keys()
            values = [_cell(row, number, name, cast=cast or not is_text) for name, is_text in on]
            cells = (
                {_key(row["key"], number): "value"}
                if long
                else {_key(name, number): name for name in row if name not in names}
            )
            entries = {
                key: text
                for key, name in cells.items()
                if (wanted is None or key in wanted)
                and (text := _cell(row, number, name, cast=cast)) is not None
            }
            line = to_json({"on": values, "entries": entries})
            if len(line) > MAX_LINE_BYTES:
                raise InvalidInputError(
                    f"row {number} has {len(line) / 1e6:,.1f} MB of text; the limit is {MAX_LINE_BYTES / 1e6:,.1f} MB"
                )
            file.write(line + b"\n")
    if long is False and (missing := next((key for key in keys or () if key in unseen), None)):
        raise InvalidInputError(f"keys names {missing!r}, and no row has it")
    return bool(long)


def _key(name: Any, number: int) -> str:
    try:
        return check_keys([name])[0]
    except InvalidInputError as error:
        error.args = (f"row {number}: {error}",)
        raise


def _cell(row: dict[Any, Any], number: int, name: str, *, cast: bool) -> str | None:
    value = plain_number(row[name])
    if isinstance(value, str):
        text = value
    elif is_missing(value):
        return None
    elif not cast:
        raise InvalidInputError(
            f"row {number}, column {name!r}: {str(value)[:60]} is of type {type(value).__name__}, not a string, and "
            f"metadata is text; cast=True makes text of it"
        )
    else:
        made = as_text(value)
        if made is None:
            raise InvalidInputError(
                f"row {number}, column {name!r}: {type(value).__name__} has no text: leave the column out"
            )
        text = made
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            f"row {number}, column {name!r}: not valid Unicode text (a lone surrogate)"
        ) from None
    return text


def is_missing(value: object) -> bool:
    """Tell whether a cell is empty: None, NaN, or what pandas has for it."""
    is_nan = isinstance(value, float | Decimal) and math.isnan(value)
    return value is None or is_nan or type(value).__name__ in ("NAType", "NaTType")


def text_cells(cells: Iterable[Any], name: str, *, cast: bool) -> list[str | None]:
    """Return the cells of a column as text, by the rule for dictionaries; the message names row and column."""
    return [_cell({name: value}, number, name, cast=cast) for number, value in enumerate(cells)]


def as_text(value: Any) -> str | None:
    """Return a value as metadata, by the rule that `database.cells.as_text` states; None where it has no text."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | uuid.UUID():
            return str(value)
        case float() | Decimal():
            if (
                math.isfinite(value)
                and value == int(value)
                and (isinstance(value, Decimal) or abs(value) < MOST_WHOLE)
            ):
                return str(int(value))
            text = str(value)
            return text.rstrip("0") if isinstance(value, Decimal) and "E" not in text else text
        case datetime():
            zone = "Z" if value.tzinfo else ""
            moment = value.astimezone(UTC) if value.tzinfo else value
            return moment.strftime("%Y-%m-%dT%H:%M:%S" + (".%f" if moment.microsecond else "")) + zone
        case date() | time():
            return value.isoformat()
        case dict() | list() | tuple():
            try:
                return to_json(value).decode()
            except ValueError:
                return None
        case _:
            return None
