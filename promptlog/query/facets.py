"""`client.requests.facets`: the values by which one might narrow a question, with counts.

Counting all of a million requests takes a second; a person who narrows a question looks at the recent ones. So the
newest are counted, as many as stand in a few row groups, and the answer says of how many it tells.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb

from promptlog.errors import InvalidInputError
from promptlog.models.facets import Facet, Facets
from promptlog.query.conditions import Binder
from promptlog.query.question import narrowed, nearest_first, picked_sql

if TYPE_CHECKING:
    from promptlog.database.store import Store
    from promptlog.query.question import Question

_COLUMNS = ("status", "model", "provider", "prompt_name", "error_type")
_ENOUGH = 1000  # of the nearest in time: who narrows a question need not wait for the others to be looked for
_ASKED = "temp.promptlog_facets"
_ROWS = (
    "SELECT r.request_id, r.status, r.model, r.provider, p.prompt_name, r.error_type FROM requests r "
    "LEFT JOIN request_prompts p ON p.request_id = r.request_id"
)
#: Of what stands beside: the rows of the requests asked for, which lie together where the requests do.
_OF_THEM = (
    f"WHERE request_id BETWEEN (SELECT min(request_id) FROM {_ASKED}) AND (SELECT max(request_id) FROM {_ASKED}) "
    f"AND request_id IN (SELECT request_id FROM {_ASKED})"
)


def count_facets(store: Store, question: Question, *, most: int, keys: int, newest: int) -> Facets:
    """Answer `requests.facets`. Arguments as there."""
    for name, given in (("most", most), ("keys", keys), ("newest", newest)):
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given < 1 << 31:
            raise InvalidInputError(f"facets: {name} takes a number from 1 on, got {given!r}")
    few = question.limit is not None and question.limit <= newest
    limit = question.limit if few and question.limit is not None else newest
    with store.ask("counting facets") as connection:
        asked = narrowed(connection, replace(question, limit=limit))
        try:
            connection.execute(f"CREATE OR REPLACE TEMP TABLE promptlog_facets AS {_ROWS} LIMIT 0")
            counted, whole = 0, True
            parts = list(nearest_first(connection, asked))
            for part in parts:
                counted += _gather(connection, replace(part, limit=limit - counted))
                whole = part is parts[-1] and (few or counted < newest)
                if counted >= min(limit, _ENOUGH):
                    break
            return Facets(counted, whole, _count(connection, most, keys))
        finally:
            with suppress(duckdb.Error):  # what went wrong inside is the error to show
                connection.execute(f"DROP TABLE IF EXISTS {_ASKED}")


def _gather(connection: duckdb.DuckDBPyConnection, question: Question) -> int:
    """Put the requests asked for into the table, and return how many they are."""
    binder = Binder()
    ids = picked_sql(question, binder)
    ((counted,),) = connection.execute(
        f"INSERT INTO {_ASKED} WITH asked AS MATERIALIZED ({ids}) {_ROWS} "
        f"WHERE r.request_id BETWEEN (SELECT min(request_id) FROM asked) AND (SELECT max(request_id) FROM asked) "
        f"AND r.request_id IN (SELECT request_id FROM asked)",
        binder.values,
    ).fetchall()
    return int(counted)


def _count(connection: duckdb.DuckDBPyConnection, most: int, keys: int) -> list[Facet]:
    """Count the values of columns, tags and the keys on the most requests."""
    columns = " UNION ALL ".join(
        f"SELECT {number} AS place, '{name}' AS name, {name} AS value, count(*) AS requests FROM {_ASKED} "
        f"WHERE {name} IS NOT NULL GROUP BY {name}"
        for number, name in enumerate(_COLUMNS)
    )
    tags = f"SELECT {len(_COLUMNS)}, 'tag', tag, count(*) FROM tags {_OF_THEM} GROUP BY tag"
    metadata = f"SELECT 100, key, value, count(*) FROM metadata {_OF_THEM} GROUP BY key, value"
    rows = connection.execute(
        f"WITH found AS (SELECT *, row_number() OVER (PARTITION BY place, name ORDER BY requests DESC, value) AS rank, "
        f"sum(requests) OVER (PARTITION BY place, name) AS carried FROM ({columns} UNION ALL {tags} UNION ALL {metadata})) "
        f"SELECT place, name, value, requests FROM found WHERE rank <= ? ORDER BY place, carried DESC, name, rank",
        [most + 1],
    ).fetchall()
    found: dict[tuple[bool, str], list[tuple[str, int]]] = {}
    for place, name, value, requests in rows:
        found.setdefault((place == 100, name), []).append((value, requests))  # noqa: PLR2004 - the place of metadata
    facets = [
        Facet(name, is_metadata, values[:most], more=len(values) > most)
        for (is_metadata, name), values in found.items()
    ]
    last = [facet for facet in facets if facet.is_metadata][:keys]
    return [facet for facet in facets if not facet.is_metadata] + last
