"""The commands and the options that stand before them."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlog.cli import (
    analysis,
    asking,
    backfilling,
    importing,
    logging,
    looking,
    options,
    prompting,
    running,
    searching,
    serving,
    stats,
    tracing,
    tracking,
    upkeep,
)
from promptlog.cli.failures import OneLineErrors
from promptlog.cli.text import json_line

app = typer.Typer(
    name="promptlog",
    cls=OneLineErrors,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import PackageNotFoundError, version

    try:
        found = version("promptlog-local")
    except PackageNotFoundError:  # run from a checkout
        found = "(not installed)"
    typer.echo(f"promptlog {found}")
    raise typer.Exit


@app.callback()
def promptlog(
    store: options.Store = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Log LLM requests into one local DuckDB file, and ask it questions. No server, no account."""
    options.remember_store(store)


@app.command()
def demo(store: options.Store = None) -> None:
    """Show what promptlog does, on invented requests in a fresh store."""
    from promptlog.cli import demo as show

    show.run(options.given_store(store))


@app.command()
def path(store: options.Store = None, json: options.Json = False) -> None:
    """Print where the store is."""
    client = options.open_client(store)
    if json:
        typer.echo(json_line({"path": str(client.path), "exists": client.path.exists()}))
    else:
        typer.echo(str(client.path))


app.command("log")(logging.log)
app.command("list")(asking.list_requests)
app.command("search", cls=searching.SearchCommand, help=searching.HELP)(searching.search)
app.command("show")(asking.show)
app.command("trace")(tracing.trace)
app.command("traces", cls=searching.SearchCommand)(tracing.traces)
app.command("stats")(stats.stats)
app.command("keys")(looking.keys)
app.command("values")(looking.values)
app.command("sessions")(looking.sessions)
app.command("track")(tracking.track)
app.command("tag")(tracking.tag)
app.command("score")(tracking.score)
app.command("backfill")(backfilling.backfill)
app.command("sql")(asking.sql)
app.command("top")(analysis.top)
app.command("run")(running.run)
app.add_typer(prompting.prompts)
app.command("merge")(upkeep.merge)
app.command("compact")(upkeep.compact)
app.command("serve")(serving.serve)
app.add_typer(importing.app, name="import")
