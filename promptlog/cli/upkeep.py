"""`merge` and `compact`."""

from __future__ import annotations

import typer

from promptlog.cli.options import Json, Store, open_client
from promptlog.cli.screen import note
from promptlog.cli.text import json_line


def merge(store: Store = None, json: Json = False) -> None:
    """Fold the journals into the tables; asking does this by itself."""
    client = open_client(store)
    records, rejected = client.merge(), client.rejected()
    typer.echo(
        json_line({"merged": records, "rejected": rejected})
        if json
        else f"{records:,} record{_s(records)} merged"
    )
    if rejected:
        note(f"{rejected:,} line{_s(rejected)} could not be read: see {client.path}.journal/rejected/")


def compact(store: Store = None, json: Json = False) -> None:
    """Sort metadata anew, so that look-ups are as fast as they can be.

    The store keeps itself in order; this goes all the way. Others log and ask meanwhile, and it may be stopped.
    """
    client = open_client(store)
    entries = client.compact()
    size = client.path.stat().st_size
    typer.echo(
        json_line({"moved": entries, "bytes": size})
        if json
        else f"{entries:,} entr{'y' if entries == 1 else 'ies'} of metadata moved; the file has {size / 1e6:,.1f} MB"
        if entries
        else "Nothing to do: metadata is sorted."
    )


def _s(count: int) -> str:
    return "" if count == 1 else "s"
