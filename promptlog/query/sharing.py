"""Questions that read many texts for a few requests: others have the store between the parts of one.

A rare word among a million texts takes seconds to find, and DuckDB lets one process alone open the file. So the ids are
found in parts of the time, each in a lease of its own, and the answer is read of these. What is logged meanwhile may be
missing in it, as in any answer that was begun before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from promptlog.expressions.nodes import And, ColumnOperand, JsonOperand, Not, Or
from promptlog.models.columns import JSON_COLUMNS
from promptlog.query.order import NEWEST_FIRST, OLDEST_FIRST
from promptlog.query.planner import FEW
from promptlog.query.question import LONG, find_part, narrowed, nearest_first

if TYPE_CHECKING:
    from promptlog.database.store import Store
    from promptlog.query.question import Question

#: Of the time that there is: the first two as `nearest_first` has them, then as much each time.
_PARTS = (1 / 64, *(number / 8 for number in range(1, 8)))


def found_in_turns(store: Store, doing: str, question: Question) -> Question:
    """Return the question of the ids alone that answer it, where that is found by reading texts; else as it is.

    Raises:
        StoreError: as `Store.ask` does.
    """
    by_time = question.order in (NEWEST_FIRST, OLDEST_FIRST)
    if not by_time or question.limit is None or question.limit > FEW or not _reads_texts(question):
        return question
    with store.ask(doing) as connection:
        question = narrowed(connection, question)
        parts = list(nearest_first(connection, question, _PARTS))
    if len(parts) == 1:  # of few requests
        return question
    found: list[str] = []
    for part in parts:
        with store.ask(doing) as connection:
            found += find_part(connection, part, len(found))
        if len(found) == question.limit:
            break
    return replace(question, conditions=(), limit=None, after=None, past=None, ids=tuple(found))


def _reads_texts(question: Question) -> bool:
    waiting = list(question.conditions)
    while waiting:
        node = waiting.pop()
        waiting += node.parts if isinstance(node, And | Or) else [node.part] if isinstance(node, Not) else []
        asked = getattr(node, "left", getattr(node, "operand", None))
        if isinstance(asked, JsonOperand) or (
            isinstance(asked, ColumnOperand) and asked.name in (LONG | set(JSON_COLUMNS))
        ):
            return True
    return False
