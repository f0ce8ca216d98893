"""The columns of the table of requests, and the rows that it shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from promptlog.expressions.face import col
from promptlog.expressions.terms import NUMBER as _NUMBER
from promptlog.models.columns import COLUMNS
from promptlog.server.pages import content
from promptlog.server.pages.view import DEFAULT_COLUMNS, View

if TYPE_CHECKING:
    from datetime import datetime

    from promptlog.client import PromptLog

PAGE = 50
_LABELS = {
    "request_id": "id", "start_time": "time", "end_time": "end", "latency_ms": "latency", "input_text": "input",
    "output_text": "output", "input_tokens": "in", "output_tokens": "out", "cost_usd": "cost", "prompt_name": "prompt",
    "prompt_version": "version", "error_type": "error", "error_message": "message", "cached_tokens": "cached",
    "reasoning_tokens": "reasoning", "finish_reason": "finish", "function_name": "function",
}  # fmt: skip
_ABOUT = {"input_tokens": "input tokens", "output_tokens": "output tokens", "start_time": "start, UTC"}
_INPUT = {"input_text": "input"}  # its last message is shown, where the text begins with the same for all
_EXTRA = ("tags", "scores")
CHOICES = (
    "start_time", "status", "model", "provider", "input_text", "output_text", "input_tokens", "output_tokens",
    "cached_tokens", "reasoning_tokens", "cost_usd", "latency_ms", "prompt_name", "prompt_version", "tags", "scores",
    "error_type", "error_message", "finish_reason", "function_name", "api_type", "trace_id", "group_id", "request_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """A column of the table."""

    name: str
    label: str
    kind: str  # of its cells: a column's name where that has a look of its own, else "text", "number", "metadata"
    about: str = ""
    sorts: bool = False
    numbers: bool = False  # of metadata: whether what is shown of it is numbers, and so sorts as such


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table."""

    request_id: str
    start_time: datetime
    logged_us: int
    cells: list[Any]


def shown_columns(view: View, keys: list[tuple[str, int]]) -> list[Shown]:
    """Return the columns of a view; where none are chosen, the usual ones, and the user where there are such."""
    names = view.columns
    if not names:
        user = ("meta.user_id",) if any(key == "user_id" for key, _ in keys) else ()
        names = (*DEFAULT_COLUMNS[:3], *user, *DEFAULT_COLUMNS[3:])
    return [*map(shown, names)]


def shown(name: str) -> Shown:
    """Return the column that a name stands for; what is none is a metadata key."""
    if name in COLUMNS:
        kind = name if name in _SPECIAL else "number" if COLUMNS[name].kind == "number" else "text"
        return Shown(name, _LABELS.get(name, name.replace("_", " ")), kind, _ABOUT.get(name, ""), sorts=True)
    if name in _EXTRA:
        return Shown(name, name, name, sorts=name == "scores")
    key = name.removeprefix("meta.")
    return Shown(f"meta.{key}", key, "metadata", f"metadata key {key}", sorts=True)


def read_as_numbers(columns: list[Shown], found: list[Row]) -> list[Shown]:
    """Return the columns, of metadata with whether all its values in these rows are numbers."""

    def numbers(at: int) -> bool:
        values = [row.cells[at] for row in found if row.cells[at] is not None]
        return bool(values) and all(map(_NUMBER.fullmatch, values))

    return [
        replace(column, numbers=True) if column.kind == "metadata" and numbers(at) else column
        for at, column in enumerate(columns)
    ]


_SPECIAL = frozenset(
    (
        "start_time",
        "end_time",
        "logged_at",
        "status",
        "model",
        "input_text",
        "output_text",
        "cost_usd",
        "latency_ms",
    )
)


def rows(
    client: PromptLog, view: View, columns: list[Shown], after: str | None = None, most: int = PAGE
) -> list[Row]:
    """Return the first rows of a view, or those after a request."""
    asked = client.search(view.q).sort(view.order, descending=view.descending)
    if after is not None:
        asked = asked.after(after)
    return read(asked.limit(most), columns)


def last_logged_us(client: PromptLog) -> int:
    """Return when the last of the requests was logged that answers hold now."""
    ((last,),) = client.requests.agg(last=col.logged_at.max()).fetchall()
    return 0 if last is None else round(last.timestamp() * 1e6)


def newer(
    client: PromptLog, view: View, columns: list[Shown], logged_us: int, most: int
) -> tuple[int, list[Row]]:
    """Return how many requests were logged after a moment, and the latest of them, those that started last first."""
    asked = client.search(view.q).filter(col.logged_at > logged_us / 1e6).sort("logged_at", descending=True)
    found = read(asked.limit(most), columns)
    count = len(found)
    if count == most:  # what came between the two questions is told the next time
        count = asked.filter(col.logged_at <= found[0].logged_us / 1e6).count()
    return count, sorted(found, key=lambda row: (row.start_time, row.request_id), reverse=True)


def read(asked: Any, columns: list[Shown]) -> list[Row]:
    """Return the rows of a question."""
    names = [_INPUT.get(column.name, column.name) for column in columns if column.name in COLUMNS]
    keys = [column.label for column in columns if column.kind == "metadata"]
    asked = asked.select("request_id", "start_time", "logged_at", *names)
    order = list(dict.fromkeys(("request_id", "start_time", "logged_at", *names)))
    if keys:
        asked = asked.with_metadata(*keys)
        order += [f"meta.{key}" for key in dict.fromkeys(keys)]
    wanted = {column.name for column in columns}
    if "tags" in wanted:
        asked = asked.with_tags()
        order.append("tags")
    if "scores" in wanted:
        asked = asked.with_scores()
        order.append("scores")
    found = []
    for values in asked.fetchall():
        cell = dict(zip(order, values, strict=True))
        if given := cell.get("input"):
            cell["input_text"] = content.preview(given)
        found.append(
            Row(
                cell["request_id"],
                cell["start_time"],
                round(cell["logged_at"].timestamp() * 1e6),
                [cell.get(column.name) for column in columns],
            )
        )
    return found
