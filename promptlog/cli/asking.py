"""`list`, `show` and `sql`: questions and their answers."""

from __future__ import annotations

import sys
from json import loads
from typing import TYPE_CHECKING, Annotated

import typer

from promptlog.cli import filters
from promptlog.cli.options import Id, Json, Metadata, Store, open_client
from promptlog.cli.screen import Column, console, note, print_table
from promptlog.cli.text import json_line, latency, short_time, tokens, usd, visible

if TYPE_CHECKING:
    from promptlog.client import PromptLog
    from promptlog.expressions.nodes import Condition

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


def list_requests(
    meta: Metadata = None,
    tag: filters.Tag = None,
    model: filters.Model = None,
    status: filters.Status = None,
    since: filters.Since = None,
    until: filters.Until = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="How many, newest first.")] = 20,
    show: Annotated[
        list[str] | None,
        typer.Option("--show", metavar="KEY", help="A metadata key as a column; may be repeated."),
    ] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """List requests, newest first, filtered.

    All filters must hold; with --json, one request whole a line.
    """
    conditions = filters.conditions(meta, tag, model, status, since, until)
    client = open_client(store)
    printed = 0
    if json:
        for request in client.requests.filter(*conditions).limit(limit):
            sys.stdout.write(json_line(request.model_dump()) + "\n")
            printed += 1
    else:
        printed = _print_requests(client, conditions, limit, list(dict.fromkeys(show or ())))
    if not printed and limit:
        say_why_empty(client)


def _print_requests(client: PromptLog, conditions: list[Condition], limit: int, keys: list[str]) -> int:
    on = console()
    wide = on.is_terminal and on.width >= _ROOM_FOR_INPUT
    names = (*_SHOWN, *(["input"] if wide else []))
    asked = client.requests.filter(*conditions).limit(limit).select(*names)
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


def say_why_empty(client: PromptLog) -> None:
    """Tell a store that is empty from a filter that nothing meets."""
    if client.requests.limit(1).ids():
        note("No request matches.")
        return
    note(f"Nothing is logged yet in {client.path}. To log something:")
    note('  promptlog log --provider openai --model gpt-4o --input "Hi" --output "Hello" --meta user_id=u1')
    note("  in Python: promptlog.PromptLog().log_request(...); or see it all at work: promptlog demo")


def show(request_id: Id, store: Store = None, json: Json = False) -> None:
    """Show one request whole, by its id or a beginning of it."""
    request = open_client(store).requests.get(request_id.strip())
    if json:
        sys.stdout.write(json_line(request.model_dump()) + "\n")
        return
    from promptlog.cli.drawing import draw

    draw(request)


def sql(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="One statement; - reads it from stdin.")],
    store: Store = None,
    json: Json = False,
) -> None:
    """Ask in SQL that only reads.

    The tables are requests, metadata, tags, scores, request_prompts and request_groups; their times are UTC.
    With --json, one row a line.
    """
    rows = open_client(store).sql(sys.stdin.read() if text == "-" else text).dicts()
    if json:
        for row in rows:
            sys.stdout.write(json_line(row) + "\n")
    elif not rows:
        note("No rows.")
    elif rows[0].keys() == {"explain_key", "explain_value"}:  # a drawing: its lines are what it says
        sys.stdout.writelines(visible(str(row["explain_value"])) + "\n" for row in rows)
    else:
        firsts = {name: next((row[name] for row in rows if row[name] is not None), None) for name in rows[0]}
        columns = [Column(name, right=_is_number(first)) for name, first in firsts.items()]
        print_table(columns, [list(row.values()) for row in rows])


def _is_number(value: object) -> bool:
    from decimal import Decimal

    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
