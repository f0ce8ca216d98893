"""`backfill`: a file's metadata onto the requests it matches."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from promptlog.cli.options import Json, Store, open_client
from promptlog.cli.text import json_line, one_line


def backfill(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Parquet, CSV or JSON Lines, or a quoted pattern.")
    ],
    on: Annotated[
        list[str],
        typer.Option(
            "--on",
            metavar="NAME[=COLUMN]",
            help="What requests are matched by, request_id, a metadata key or a column, and the file's column for "
            "it where that has another name; may be repeated.",
        ),
    ],
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="KEY", help="Take this key alone; may be repeated.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the values that are there.")] = False,
    cast: Annotated[bool, typer.Option("--cast", help="Make text of cells that are not.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing, say what would be.")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Write a file's metadata onto all requests that its rows match.

    Each column beside those of --on is a metadata key; or the file has just the columns key and value beside them.
    A NAME is a column of requests where there is one of that name, else a metadata key; meta.NAME is always a key.
    """
    report = open_client(store).backfill(
        file, _targets(on), keys=key, overwrite=not keep, cast=cast, dry_run=dry_run
    )
    if json:
        typer.echo(json_line(vars(report)))
    else:
        typer.echo("\n".join(one_line(line) for line in str(report).splitlines()))


def _targets(on: list[str]) -> dict[str, Any]:
    """Return what the file's columns are matched with."""
    from promptlog.errors import InvalidInputError
    from promptlog.expressions.face import col, meta
    from promptlog.models.columns import COLUMNS

    targets: dict[str, Any] = {}
    for text in on:
        name, _, column = text.partition("=")
        key = name.removeprefix("meta.")
        if not key or (column or key) in targets:
            raise InvalidInputError(f"--on takes a name once, or name=column, got {text!r}")
        targets[column or key] = col(name) if name in COLUMNS else meta(key)
    return targets
