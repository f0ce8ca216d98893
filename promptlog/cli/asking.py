"""`list`, `show` and `sql`: questions and their answers."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from promptlog.cli import filters
from promptlog.cli.listing import Limit, Show, Sort, print_requests
from promptlog.cli.options import Id, Json, Metadata, Store, open_client
from promptlog.cli.patience import patience
from promptlog.cli.screen import Column, note, print_table
from promptlog.cli.text import json_line, visible


def list_requests(
    meta: Metadata = None,
    tag: filters.Tag = None,
    model: filters.Model = None,
    status: filters.Status = None,
    since: filters.Since = None,
    until: filters.Until = None,
    limit: Limit = 20,
    sort: Sort = None,
    show: Show = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """List requests, newest first, filtered.

    All filters must hold; with --json, one request whole a line.
    """
    conditions = filters.conditions(meta, tag, model, status, since, until)
    print_requests(open_client(store), conditions, sort=sort, limit=limit, keys=show, json=json)


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

    The tables are requests, metadata, tags, scores, request_prompts, request_groups, spans, span_logs, prompts and
    prompt_labels; their times are UTC.
    With --json, one row a line.
    """
    found = open_client(store).sql(sys.stdin.read() if text == "-" else text)
    with patience():
        rows = found.dicts()
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
