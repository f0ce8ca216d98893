"""`track`, `tag` and `score`: what is set on a request after it was logged."""

from __future__ import annotations

from typing import Annotated

import typer

from promptlog.cli.options import Id, Store, open_client, pairs, whole_id
from promptlog.cli.screen import note
from promptlog.cli.text import one_line
from promptlog.errors import InvalidInputError


def track(
    request_id: Id,
    metadata: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Metadata to set.")
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="KEY", help="A key to remove; may be repeated.")
    ] = None,
    store: Store = None,
) -> None:
    """Set metadata on a request; a key that is there is replaced."""
    found = pairs(metadata, "track")
    if not found and not remove:
        raise InvalidInputError("track takes an id and at least one key=value, or --remove KEY")
    if both := found.keys() & set(remove or ()):
        raise InvalidInputError(f"track is to set and to remove {min(both)!r}")
    client = open_client(store)
    whole = whole_id(client, request_id)
    if found:
        client.track.metadata(whole, found)
    if remove:
        client.untrack.metadata(whole, remove)
    changes = [*(f"{key}={value}" for key, value in found.items()), *(f"-{key}" for key in remove or ())]
    note(f"{whole}: {one_line(' '.join(changes))}")


def tag(
    request_id: Id,
    tags: Annotated[list[str], typer.Argument(metavar="TAG...", help="Labels such as production.")],
    remove: Annotated[bool, typer.Option("--remove", help="Remove the tags instead.")] = False,
    store: Store = None,
) -> None:
    """Add tags to a request, or remove them."""
    client = open_client(store)
    whole = whole_id(client, request_id)
    (client.untrack.tags if remove else client.track.tags)(whole, tags)
    note(f"{whole}: {'-' if remove else '+'} {one_line(', '.join(tags))}")


def score(
    request_id: Id,
    number: Annotated[float, typer.Argument(metavar="NUMBER", help="From 0 to 100.")],
    name: Annotated[str | None, typer.Option("--name", help='The score\'s name, else "default".')] = None,
    store: Store = None,
) -> None:
    """Set a score of a request; one of that name is replaced."""
    client = open_client(store)
    whole = whole_id(client, request_id)
    client.track.score(whole, number, name)
    note(f"{whole}: {one_line(name or 'default')} {number:g}")
