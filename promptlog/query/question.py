"""What is asked of requests, and the statement that answers it: ids first where they are few."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from promptlog.database.schema import BY_VALUE
from promptlog.database.text import quoted
from promptlog.errors import RequestNotFoundError
from promptlog.expressions.nodes import And, Condition, Not, Since, Until
from promptlog.expressions.show import operand_text
from promptlog.models.columns import COLUMNS, FRAME_COLUMNS
from promptlog.query.conditions import ALIASES, Binder, column_sql
from promptlog.query.order import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    Order,
    behind,
    first_by_value,
    joined_for_order,
    needs_joins,
    ordered,
    place_of,
    tables_of,
)
from promptlog.query.planner import FEW, among, narrow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import duckdb

    from promptlog.query.results import Values

_NEAR = (1 / 64, 1 / 8)  # of the time that there is
_MOST_NEAR = 50_000
LONG = frozenset(("input", "output", "input_text", "output_text", "parameters", "error_message"))


@dataclass(frozen=True)
class Question:
    """What was asked so far."""

    conditions: tuple[Condition, ...] = ()
    ids: tuple[str, ...] | None = None  # of no other requests; what the planner found
    order: Order = NEWEST_FIRST
    after: str | None = None  # the id that the requests stand behind, in the order
    past: tuple[Any, ...] | None = None  # that request's values of what is sorted by, once they are looked up
    limit: int | None = None
    columns: tuple[str, ...] = FRAME_COLUMNS
    metadata: tuple[str, ...] = ()
    all_metadata: bool = False
    tags: bool = False
    scores: tuple[str, ...] = ()
    all_scores: bool = False


def planned(connection: duckdb.DuckDBPyConnection, question: Question) -> Question:
    """Find the ids first where they are few, because then whole rows are read by the index."""
    question = narrowed(connection, question)
    if (
        question.ids is not None
        and not question.conditions
        and question.limit is None
        and question.past is None
    ):
        return question
    few = question.ids is not None or (question.limit is not None and question.limit <= FEW)
    if few or _reads_texts(question):
        ids = find(connection, question if few else replace(question, limit=FEW + 1))
        if len(ids) <= FEW:
            return replace(question, conditions=(), limit=None, after=None, past=None, ids=tuple(ids))
    return question


def narrowed(connection: duckdb.DuckDBPyConnection, question: Question) -> Question:
    """Return the same question, of the few requests alone that it can be about, where they are few."""
    question = _placed(connection, question)
    conditions, ids = narrow(connection, question.conditions)
    if ids is None:
        return question
    return replace(question, conditions=tuple(conditions), ids=tuple(ids))


def _placed(connection: duckdb.DuckDBPyConnection, question: Question) -> Question:
    """Look up where in the order the request stands that the others come after."""
    if question.after is None or question.past is not None:
        return question
    binder = Binder()
    text = place_of(question.order, question.after, binder)
    found = connection.execute(text, binder.values).fetchall()
    if not found:
        raise RequestNotFoundError(
            f"no request has the id {question.after}, after which others were asked for"
        )
    return replace(question, past=found[0])


def find(connection: duckdb.DuckDBPyConnection, question: Question) -> list[str]:
    """Return the ids of the requests asked for, in order."""
    if question.limit is not None and question.ids is None:
        binder = Binder()
        text = first_by_value(question.order, question.past, question.conditions, question.limit, binder)
        found = _ids(connection, text, binder) if text else []
        if text and len(found) == question.limit:
            return found
    found = []
    for part in nearest_first(connection, question):
        found += find_part(connection, part, len(found))
        if len(found) == question.limit:
            break
    return found


def find_part(connection: duckdb.DuckDBPyConnection, part: Question, found: int) -> list[str]:
    """Return the ids of one part of `nearest_first`, of which so many were found in the parts before it."""
    binder = Binder()
    more = part if part.limit is None else replace(part, limit=part.limit - found)
    return _ids(connection, picked_sql(more, binder), binder)


def _ids(connection: duckdb.DuckDBPyConnection, text: str, binder: Binder) -> list[str]:
    rows = connection.execute(f"SELECT request_id::VARCHAR FROM ({text})", binder.values).fetchall()
    return [row[0] for row in rows]


def nearest_first(
    connection: duckdb.DuckDBPyConnection, question: Question, ends: Sequence[float] = _NEAR
) -> Iterator[Question]:
    """Yield the question in parts: of the requests nearest in the order of time, of those behind them, at last of all others.

    Where the first parts give as many as the limit is, no other request can be among the first: a common word among a
    million texts is found in the newest of them, in the hundredth part of the time. Each request is in one part.

    Args:
        connection: the store's; it is asked before the first part comes.
        question: what is asked.
        ends: where the parts end but the last, as parts of the time that there is.
    """
    is_by_time = question.order in (NEWEST_FIRST, OLDEST_FIRST)
    conditions = question.conditions
    if is_by_time and question.limit is not None and question.limit <= _MOST_NEAR and question.ids is None:
        ((first, last, count),) = connection.execute(
            "SELECT epoch_us(min(start_time)), epoch_us(max(start_time)), count(*) FROM requests"
        ).fetchall()
        if question.conditions and count > _MOST_NEAR:
            for part in ends:
                near = _near(question, first, last, part)
                yield replace(question, conditions=(*conditions, near))
                conditions = (*question.conditions, Not(near))
    yield replace(question, conditions=conditions)


def _near(question: Question, first: int, last: int, part: float) -> Condition:
    """Return the condition that a request starts in the part of the time that the order begins with."""
    begin = last if question.order == NEWEST_FIRST else first
    if question.past is not None:
        begin = round(question.past[0].replace(tzinfo=UTC).timestamp() * 1e6)
    if question.order == NEWEST_FIRST:
        return Since(moment=max(round(begin - (begin - first) * part), 0))
    return Until(moment=round(begin + (last - begin) * part) + 1)


def _reads_texts(question: Question) -> bool:
    """Tell whether the answer shows what may be long."""
    return not LONG.isdisjoint(question.columns)


def where_sql(question: Question, binder: Binder) -> str:
    """SQL that is true of the requests `r` asked for, order and limit aside."""
    parts = [binder.condition(And(question.conditions))]
    if question.past is not None:
        parts.append(behind(question.order, question.past, binder))
    if question.ids is not None:  # what is bound first stands first
        parts.append(among(question.ids, binder, whole_rows=False))
    return " AND ".join(parts)


def ids_sql(question: Question, binder: Binder) -> str | None:
    """SQL for the ids of the requests asked for, in no order; None where that is all of them."""
    if question.limit is not None:
        return picked_sql(question, binder)
    if not question.conditions and question.ids is None and question.past is None:
        return None
    return f"SELECT r.request_id FROM requests r WHERE {where_sql(question, binder)}"


def picked_sql(question: Question, binder: Binder) -> str:
    """SQL for the ids of the requests asked for, in order."""
    beside = beside_tables(tables_of(question.order)) + joined_for_order(question.order, binder)
    where = where_sql(question, binder)
    limit = f" LIMIT {question.limit}" if question.limit is not None else ""
    return (
        f"SELECT r.request_id FROM requests r{beside} WHERE {where} ORDER BY {ordered(question.order)}{limit}"
    )


def beside_tables(tables: set[str]) -> str:
    """SQL that joins those of the tables that have one row a request beside `requests` itself."""
    return "".join(
        f" LEFT JOIN {table} {alias} ON {alias}.request_id = r.request_id"
        for table, alias in ALIASES.items()
        if table in tables and table != "requests"
    )


def joined(table: str, alias: str, gathered: str) -> str:
    """SQL that joins what a table beside has of each picked request, gathered into one value."""
    return (
        f" LEFT JOIN (SELECT request_id, {gathered} AS gathered FROM {table} "
        f"WHERE request_id IN (SELECT request_id FROM picked) GROUP BY request_id) {alias} "
        f"ON {alias}.request_id = r.request_id"
    )


def _framed(name: str, *, zoned: bool) -> str:
    """A column as frames show it: ids as text, times with their zone."""
    sql = column_sql(name)
    if COLUMNS[name].kind == "id":
        return f"{sql}::VARCHAR"
    return f"({sql} AT TIME ZONE 'UTC')" if zoned and COLUMNS[name].kind == "time" else sql


def as_sql(question: Question, *, zoned: bool) -> tuple[str, Values]:
    """Return the statement that answers a question, and its values."""
    binder = Binder()
    picked = ""
    if question.ids is None:
        picked = picked_sql(question, binder)
    elif (
        question.metadata or question.all_metadata or question.tags or question.all_scores
        or needs_joins(question.order)
    ):  # fmt: skip
        picked = f"SELECT unnest({binder.bind(list(question.ids))}::UUID[]) AS request_id"
    shown, joins = [f"{_framed(name, zoned=zoned)} AS {name}" for name in question.columns], ""
    names = _Names(question)
    for number, key in enumerate(question.metadata):
        name = names.free(key, "metadata.")
        shown.append(f"m{number}.value AS {quoted(name)}")
        joins += (
            f" LEFT JOIN (SELECT request_id, value FROM {BY_VALUE} WHERE key = {binder.bind(key)} "
            f"AND request_id IN (SELECT request_id FROM picked)) m{number} ON m{number}.request_id = r.request_id"
        )
    if question.all_metadata:
        shown.append("coalesce(m.gathered, map()) AS metadata")
        joins += joined("metadata", "m", "map_from_entries(list((key, value) ORDER BY key))")
    if question.tags:
        shown.append("coalesce(t.gathered, []) AS tags")
        joins += joined("tags", "t", "list(tag ORDER BY tag)")
    for number, score_name in enumerate(question.scores):
        shown.append(f"s{number}.score AS {quoted(names.free(f'score.{score_name}', 'score.'))}")
        joins += (
            f" LEFT JOIN (SELECT request_id, score FROM scores WHERE name = {binder.bind(score_name)}) s{number} "
            f"ON s{number}.request_id = r.request_id"
        )
    if question.all_scores:
        shown.append("coalesce(s.gathered, map()) AS scores")
        joins += joined(
            "scores", "s", "map_from_entries(list((name, score) ORDER BY name) FILTER (score IS NOT NULL))"
        )
    joins += joined_for_order(question.order, binder, " AND request_id IN (SELECT request_id FROM picked)")
    if question.ids is None:
        which = " SEMI JOIN picked USING (request_id)"
        where = ""
    else:
        which, where = "", f" WHERE {among(question.ids, binder, whole_rows=_reads_texts(question))}"
    beside = beside_tables({COLUMNS[name].table for name in question.columns} | tables_of(question.order))
    return (
        (f"WITH picked AS MATERIALIZED ({picked}) " if picked else "")
        + f"SELECT {', '.join(shown)} FROM requests r{which}{beside}{joins}{where} "
        f"ORDER BY {ordered(question.order)}",
        binder.values,
    )


class _Names:
    """Gives each added column a name that no other has, letter case aside: frames and DuckDB do not keep it apart."""

    def __init__(self, question: Question) -> None:
        whole = {"metadata": question.all_metadata, "tags": question.tags, "scores": question.all_scores}
        self._taken = {*COLUMNS, *(name for name, shown in whole.items() if shown)}

    def free(self, wanted: str, prefix: str) -> str:
        while wanted.lower() in self._taken:
            wanted = prefix + wanted
        self._taken.add(wanted.lower())
        return wanted


def in_words(question: Question) -> str:
    """Return what is asked for in words, the conditions as the search language has them."""
    parts = ["requests"]
    if question.conditions:
        one = question.conditions[0] if len(question.conditions) == 1 else And(question.conditions)
        parts.append(f"of which {one}")
    if question.order != NEWEST_FIRST:
        named = ((operand_text(operand), down) for operand, down in question.order)
        parts.append(f"by {', '.join(f'{name} descending' if down else name for name, down in named)}")
    if question.after is not None:
        parts.append(f"after {question.after}")
    if question.limit is not None:
        parts.append(f"limited to {question.limit:,}")
    return " ".join(parts)
