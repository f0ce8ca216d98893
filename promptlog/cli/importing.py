"""`import`: a file of requests, and with a word before it what other tools write: `import otlp`."""

from __future__ import annotations

from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads annotations as the program runs
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from promptlog.cli.options import Json, Store, open_client
from promptlog.cli.text import json_line, one_line


class _FilesToo(TyperGroup):
    """Commands, and where none of them is named the one that takes a file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name before a file's."""
        first = next((arg for arg in args if not arg.startswith("-")), None)
        if args and first not in self.commands and args[0] not in ctx.help_option_names:
            args = ["file", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_FilesToo, no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def imports() -> None:
    """Load requests from a file, or from what another tool wrote.

    `promptlog import FILE` is short for `promptlog import file FILE`, whose help says what the file holds.
    """


@app.command("file")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Parquet, CSV or JSON Lines.")],
    store: Store = None,
    json: Json = False,
) -> None:
    """Load many requests from a Parquet, CSV or JSON Lines file.

    Its columns are the arguments of log_request; metadata is one column of maps or JSON, or columns metadata.<key>.
    """
    requests = open_client(store).log_many(file)
    typer.echo(
        json_line({"imported": requests})
        if json
        else f"{requests:,} request{'' if requests == 1 else 's'} imported"
    )


@app.command("otlp")
def import_otlp(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE", help="What OpenTelemetry's collector writes, or one request; .gz too."
        ),
    ],
    no_content: Annotated[
        bool, typer.Option("--no-content", help="Leave messages, arguments and results out.")
    ] = False,
    no_inherit: Annotated[
        bool,
        typer.Option("--no-inherit", help="Give calls nothing of what the spans above them say of the user."),
    ] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """Load spans and log records that were exported as OTLP; calls to a model become requests.

    A file holds JSON lines or protobuf of the collector's file exporter, or one request as JSON or protobuf. All files
    are read before anything is written; the same file again changes nothing.
    """
    from promptlog import otel

    report = otel.import_otlp(
        open_client(store),
        files,
        capture_content=False if no_content else None,
        inherit=not no_inherit,
        count_known=True,
    )
    if json:
        typer.echo(json_line(vars(report)))
    else:
        typer.echo("\n".join(one_line(line) for line in str(report).splitlines()))


@app.command("promptlayer")
def import_promptlayer(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE…", help="JSON or JSON Lines, as PromptLayer's API returned it."),
    ],
    store: Store = None,
    json: Json = False,
) -> None:
    """Load what PromptLayer's API returned: requests, under ids made of its numbers, traces and prompts.

    Search pages (/api/public/v2/requests/search), requests (/api/public/v2/requests/ID), traces (/api/public/v2/traces/ID),
    prompts (/prompt-templates and /prompt-templates/NAME) and bodies of /log-request. Give all files at once: pages have a
    request's metadata, the request itself its content. The same files again change nothing.
    """
    from promptlog.transfer.known import count_known
    from promptlog.transfer.promptlayer import import_promptlayer as load

    client = open_client(store)
    append = client._append_lines  # noqa: SLF001 - a door of the client's own house
    found = load(files, append, client.templates.restore, partial(count_known, client.requests))
    if json:
        told = {
            "imported": found.requests,
            "known": found.known,
            "spans": found.spans,
            "prompts": found.prompts,
        }
        typer.echo(json_line(told))
        return
    known = f": {found.requests - found.known:,} new, {found.known:,} here already" if found.known else ""
    typer.echo(f"{found.requests:,} request{'' if found.requests == 1 else 's'} imported{known}")
    if found.spans:
        typer.echo(f"{found.spans:,} span{'' if found.spans == 1 else 's'} imported")
    if found.prompts:
        typer.echo(f"{found.prompts:,} version{'' if found.prompts == 1 else 's'} of prompts imported")
