"""`list`, `show` and `sql`: questions and their answers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli.listing import Limit, Show, Sort, print_requests
from promptlog.cli.options import Id, Json, Metadata, Store, open_client, pairs
from promptlog.cli.screen import Column, note, print_table
from promptlog.cli.text import json_line, visible

if TYPE_CHECKING:
    from promptlog.expressions.nodes import Condition


def list_requests(
    meta: Metadata = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be repeated.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model's name.")] = None,
    status: Annotated[
        str | None, typer.Option("--status", metavar="STATUS", help="SUCCESS, WARNING or ERROR.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="7d, 90m, or ISO 8601.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Likewise.")] = None,
    limit: Limit = 20,
    sort: Sort = None,
    show: Show = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """List requests, newest first, filtered.

    All filters must hold; with --json, one request whole a line.
    """
    conditions = _conditions(meta, tag, model, status, since, until)
    print_requests(open_client(store), conditions, sort=sort, limit=limit, keys=show, json=json)


def _conditions(
    meta: list[str] | None,
    tags: list[str] | None,
    model: str | None,
    status: str | None,
    since: str | None,
    until: str | None,
) -> list[Condition]:
    from promptlog.expressions import face
    from promptlog.models.checks import check_status

    conditions: list[Any] = [face.meta(key) == value for key, value in pairs(meta, "--meta").items()]
    conditions += [face.tag(name) for name in tags or ()]
    if model is not None:
        conditions.append(face.col.model == model)
    if status is not None:
        conditions.append(face.col.status == check_status(status.upper()))
    if since is not None:
        conditions.append(face.since(since))
    if until is not None:
        conditions.append(face.until(until))
    return conditions


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
