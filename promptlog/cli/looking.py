"""`keys`, `values` and `sessions`: what is in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli import filters
from promptlog.cli.bars import bar
from promptlog.cli.hints import say_why_empty
from promptlog.cli.options import Json, Metadata, Store, open_client
from promptlog.cli.output import Csv, one_format, print_result
from promptlog.cli.patience import patience
from promptlog.cli.screen import Column, note, print_table
from promptlog.cli.sorting import sign_and_name
from promptlog.cli.text import duration, short_time, tokens, usd

if TYPE_CHECKING:
    from promptlog.client import PromptLog

_BAR = 10

Limit = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="How many at most.")]


def keys(
    meta: Metadata = None,
    tag: filters.Tag = None,
    model: filters.Model = None,
    status: filters.Status = None,
    since: filters.Since = None,
    until: filters.Until = None,
    store: Store = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """List the metadata keys, their requests, values and samples.

    Filters narrow the requests that count.
    """
    one_format(json=json, csv=csv)
    conditions = filters.conditions(meta, tag, model, status, since, until)
    client = open_client(store)
    found = client.metadata.keys(*conditions)
    if json or csv:
        print_result(found, as_csv=csv)
        return
    with patience():
        rows = found.dicts()
    if not rows:
        _say_no_metadata(client)
        return
    most = max(row["requests"] for row in rows)
    columns = [
        Column("key", style="green", shrinks=True),
        Column("requests", right=True),
        Column("", style="cyan", goes=2),
        Column("values", right=True),
        Column("type", goes=1),
        Column("last seen (UTC)", goes=3),
        Column("samples", style="dim", shrinks=True),
    ]
    print_table(
        columns,
        [
            [
                row["key"],
                f"{row['requests']:,}",
                bar(row["requests"], most, _BAR),
                f"{row['distinct_values']:,}",
                row["type"],
                short_time(row["last_seen"]),
                ", ".join(row["samples"]),
            ]
            for row in rows
        ],
    )


def values(
    key: Annotated[str, typer.Argument(metavar="KEY", help="A metadata key, such as user_id.")],
    prefix: Annotated[
        str, typer.Option("--prefix", metavar="TEXT", help="Those that begin so, letter for letter.")
    ] = "",
    limit: Limit = 20,
    meta: Metadata = None,
    tag: filters.Tag = None,
    model: filters.Model = None,
    status: filters.Status = None,
    since: filters.Since = None,
    until: filters.Until = None,
    store: Store = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """List the values of a metadata key, the most frequent first.

    Filters narrow the requests that count.
    """
    one_format(json=json, csv=csv)
    conditions = filters.conditions(meta, tag, model, status, since, until)
    client = open_client(store)
    found = client.metadata.values(key, *conditions, prefix=prefix, limit=limit, last_seen=True)
    if json or csv:
        print_result(found, as_csv=csv)
        return
    with patience():
        rows = found.fetchall()
    if not rows:
        if limit:
            _say_no_metadata(client, key)
        return
    most = rows[0][1]
    columns = [
        Column(key, style="green", shrinks=True),
        Column("requests", right=True),
        Column("", style="cyan", goes=2),
        Column("last seen (UTC)", goes=1),
    ]
    print_table(
        columns,
        [
            [value, f"{requests:,}", bar(requests, most, _BAR), short_time(last) if last else ""]
            for value, requests, last in rows
        ],
    )


def sessions(
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="KEY",
            help="The metadata key that names a session, else session_id and conversation_id; may be repeated.",
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option("--sort", metavar="COLUMN", help="start_time, cost_usd, requests, errors, …")
    ] = "start_time",
    limit: Limit = 20,
    meta: Metadata = None,
    tag: filters.Tag = None,
    model: filters.Model = None,
    status: filters.Status = None,
    since: filters.Since = None,
    until: filters.Until = None,
    store: Store = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """List sessions: the requests of one conversation together.

    The newest come first, or the greatest of what they are sorted by; with a plus before it, the least. Filters narrow the requests that count.
    """
    one_format(json=json, csv=csv)
    conditions = filters.conditions(meta, tag, model, status, since, until)
    client = open_client(store)
    down, column = sign_and_name(sort)
    arguments: dict[str, Any] = {"sort": column, "descending": down, "limit": limit} | (
        {"by": by} if by else {}
    )
    found = client.sessions(*conditions, **arguments)
    if json or csv:
        print_result(found, as_csv=csv)
        return
    with patience():
        rows = found.dicts()
    if not rows:
        if not client.requests.limit(1).ids():
            say_why_empty(client)
        elif limit:
            note(
                "No request that matches is in a session: log with metadata session_id, or name a key by --by."
            )
        return
    most = max(row["requests"] for row in rows)
    columns = [
        Column("session", style="cyan", shrinks=True),
        Column("requests", right=True),
        Column("", style="cyan", goes=4),
        Column("start (UTC)"),
        Column("took", right=True, goes=1),
        Column("tokens", right=True, goes=5),
        Column("cost", right=True),
        Column("errors", right=True, goes=0 if any(row["errors"] for row in rows) else 6),
        Column("user", style="green", shrinks=True, goes=2),
        Column("models", style="dim", shrinks=True, goes=3),
    ]
    print_table(columns, [_session(row, most) for row in rows])


def _session(row: dict[str, Any], most: int) -> list[str | None]:
    return [
        row["session"],
        f"{row['requests']:,}",
        bar(row["requests"], most, _BAR),
        short_time(row["start_time"]),
        duration(row["duration_s"]),
        tokens(row["input_tokens"], row["output_tokens"]),
        usd(row["cost_usd"]),
        f"{row['errors']:,}",
        row["user_id"],
        ", ".join(row["models"]),
    ]


def _say_no_metadata(client: PromptLog, key: str | None = None) -> None:
    if not client.requests.limit(1).ids():
        say_why_empty(client)
    elif key is None:
        note("No request that matches has metadata.")
    else:
        note(f"No request that matches has such a value of {key!r}. To list the keys: promptlog keys")
