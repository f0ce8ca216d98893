"""Requests as a table or as JSON, for the commands that find some."""

from __future__ import annotations

import sys
from itertools import chain
from json import loads
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli.hints import say_why_empty
from promptlog.cli.patience import patience
from promptlog.cli.screen import Column, console, print_table
from promptlog.cli.sorting import order_of
from promptlog.cli.text import json_line, latency, short_time, tokens, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptlog.client import PromptLog
    from promptlog.expressions.nodes import Condition

Limit = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="How many, newest first.")]
Show = Annotated[
    list[str] | None,
    typer.Option("--show", metavar="KEY", help="A metadata key as a column; may be repeated."),
]
Sort = Annotated[
    str | None,
    typer.Option(
        "--sort",
        metavar="WHAT",
        help="By a column such as cost_usd, a metadata key such as meta.user_id, score or score.NAME: the greatest "
        "first, with a plus before it the least.",
    ),
]

_SHORT_ID = 18  # of a version 7 UUID: its time to the microsecond, and so nearly always its own
_ROOM_FOR_INPUT = 120  # columns of a terminal
_INPUT_CHARS = 200
_SHOWN = (
    "request_id",
    "start_time",
    "model",
    "latency_ms",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "status",
)
_STATUS = _SHOWN.index("status")


def print_requests(
    client: PromptLog,
    conditions: Sequence[Condition],
    *,
    sort: str | None,
    limit: int,
    keys: Sequence[str] | None,
    json: bool,
) -> None:
    """Print the first `limit` requests; of none, say why on stderr."""
    found = client.requests.filter(*conditions).limit(limit)
    if sort is not None:
        by, down = order_of(client, sort)
        found = found.sort(by, descending=down)
    printed = _print_json(found) if json else _print_table(found, list(dict.fromkeys(keys or ())))
    if not printed and limit:
        say_why_empty(client, conditions)


def _print_json(found: Any) -> int:
    printed = 0
    requests = iter(found)
    with patience("looking for requests"):
        first = next(requests, None)  # they are all looked for, and the first of them read
    for request in chain([first] if first else [], requests):
        sys.stdout.write(json_line(request.model_dump()) + "\n")
        printed += 1
    return printed


def _print_table(found: Any, keys: list[str]) -> int:
    on = console()
    wide = on.is_terminal and on.width >= _ROOM_FOR_INPUT
    names = (*_SHOWN, *(["input"] if wide else []))
    asked = found.select(*names)
    with patience("looking for requests"):
        rows = (asked.with_metadata(*keys) if keys else asked).fetchall()
    if not rows:
        return 0
    columns = [
        Column("id", style="cyan"),
        Column("time (UTC)"),
        Column("model", shrinks=True),
        Column("latency", right=True, goes=1),
        Column("tokens", right=True, goes=3),
        Column("cost", right=True, goes=2),
        Column("status", goes=0 if any(row[_STATUS] != "SUCCESS" for row in rows) else 4),
        *(Column(key, style="green", shrinks=True) for key in keys),
        *([Column("input", style="dim", shrinks=True)] if wide else []),
    ]
    shown = []
    for id, start, model, latency_ms, tokens_in, tokens_out, cost, status, *rest in rows:
        texts = [_last_said(rest.pop(0))] if wide else []
        short = id[:_SHORT_ID] if on.is_terminal else id
        told = [
            short,
            short_time(start),
            model,
            latency(latency_ms),
            tokens(tokens_in, tokens_out),
            usd(cost),
        ]
        shown.append([*told, status, *rest, *texts])
    print_table(columns, shown)
    return len(rows)


def _last_said(input: str | None) -> str:
    """Return the beginning of what the user said last: what tells one request from another."""
    from promptlog.models.content import text_of

    blueprint = loads(input) if input else {}
    asked = [m for m in blueprint.get("messages") or () if isinstance(m, dict) and m.get("role") == "user"]
    return text_of({**blueprint, "messages": asked[-1:]})[:_INPUT_CHARS]
