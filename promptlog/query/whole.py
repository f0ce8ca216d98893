"""Requests whole: with their input, output and all that was tracked on them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from promptlog.models.columns import COLUMNS
from promptlog.query.conditions import Binder, column_sql
from promptlog.query.planner import among
from promptlog.query.question import joined
from promptlog.query.results import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

    from promptlog.models.request import Request

_WHOLE_COLUMNS = tuple(name for name in COLUMNS if name not in {"input_text", "output_text", "replay_key"})
_JSON_COLUMNS = ("input", "output", "parameters", "input_variables")


def rows_of(connection: duckdb.DuckDBPyConnection, ids: list[str]) -> dict[str, dict[str, object]]:
    """Return the rows of requests by id, as `requests_of` reads them; one that was removed is not there."""
    columns = ", ".join(
        f"{column_sql(name)}{'::VARCHAR' if COLUMNS[name].kind == 'id' else ''} AS {name}"
        for name in _WHOLE_COLUMNS
    )
    binder = Binder()
    text = (
        f"WITH picked AS MATERIALIZED (SELECT unnest({binder.bind(ids)}::UUID[]) AS request_id) SELECT {columns}, "
        f"coalesce(m.gathered, []) AS metadata, coalesce(t.gathered, []) AS tags, coalesce(s.gathered, []) AS scores "
        f"FROM requests r LEFT JOIN request_prompts p USING (request_id) "
        f"LEFT JOIN request_groups g USING (request_id)"
        + joined("metadata", "m", "list([key, value] ORDER BY key)")
        + joined("tags", "t", "list(tag ORDER BY tag)")
        + joined("scores", "s", "list((name, score, label) ORDER BY name)")
        + f" WHERE {among(ids, binder, whole_rows=True)}"
    )
    names, rows = fetch(connection, text, binder.values)
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def requests_of(ids: list[str], rows: dict[str, dict[str, object]]) -> Iterator[Request]:
    """Give requests from their rows, in the order of the ids. It asks nothing, and so holds nobody up."""
    from promptlog.models.request import Request

    for request_id in ids:
        row: dict[str, object] | None = rows.get(request_id)
        if row is None:  # removed meanwhile
            continue
        for name in _JSON_COLUMNS:
            # The standard library's reader: pydantic's stops at 200 levels, and its writer takes more.
            given = row[name]
            row[name] = json.loads(given) if isinstance(given, str) else None
        row["metadata"] = dict(row["metadata"])  # type: ignore[call-overload]
        scores: list[tuple[str, float | None, str | None]] = row["scores"]  # type: ignore[assignment]
        row["scores"] = {name: score for name, score, _ in scores if score is not None}
        row["score_labels"] = {name: label for name, _, label in scores if label is not None}
        yield Request.model_validate(row)


def within_bytes(connection: duckdb.DuckDBPyConnection, ids: list[str], most_bytes: int) -> list[str]:
    """Return the first of these ids, as many as have inputs and outputs of so many bytes together; at least one."""
    binder = Binder()
    sizes = " + ".join(
        f"coalesce(strlen(r.{name}::VARCHAR), 0)" for name in ("input", "output", "parameters")
    )
    text = (
        f"SELECT r.request_id::VARCHAR, {sizes} FROM requests r WHERE {among(ids, binder, whole_rows=True)}"
    )
    size_of = dict(connection.execute(text, binder.values).fetchall())
    found: list[str] = []
    for request_id in ids:
        most_bytes -= size_of.get(request_id, 0)
        if found and most_bytes < 0:
            break
        found.append(request_id)
    return found
