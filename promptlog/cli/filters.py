"""The options that say which requests a command is about, and the conditions they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli.options import pairs

if TYPE_CHECKING:
    from promptlog.expressions.nodes import Condition

Tag = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; may be repeated.")]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model's name.")]
Status = Annotated[str | None, typer.Option("--status", metavar="STATUS", help="SUCCESS, WARNING or ERROR.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="WHEN", help="7d, 90m, today, yesterday, or ISO 8601.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="Likewise.")]


def conditions(
    meta: list[str] | None,
    tags: list[str] | None,
    model: str | None,
    status: str | None,
    since: str | None,
    until: str | None,
) -> list[Condition]:
    """Return the conditions that all must hold.

    Raises:
        InvalidInputError: an option cannot be read.
    """
    from promptlog.expressions import face
    from promptlog.models.checks import check_status

    found: list[Any] = [face.meta(key) == value for key, value in pairs(meta, "--meta").items()]
    found += [face.tag(name) for name in tags or ()]
    if model is not None:
        found.append(face.col.model == model)
    if status is not None:
        found.append(face.col.status == check_status(status.upper()))
    if since is not None:
        found.append(face.since(since))
    if until is not None:
        found.append(face.until(until))
    return found
