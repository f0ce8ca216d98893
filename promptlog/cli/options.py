"""What commands share: options, the client, ids that may be shortened, `key=value`."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from promptlog.client import PromptLog
from promptlog.errors import InvalidInputError

Store = Annotated[
    str | None,
    typer.Option("--store", metavar="PATH", help="The store's file; else $PROMPTLOG_PATH, else the default."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="A request's id, or a beginning no other shares.")]
Metadata = Annotated[
    list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="Metadata; may be repeated.")
]

_PREFIX = re.compile(r"[0-9a-f-]*[0-9a-f][0-9a-f-]*")
_UUID_DIGITS = 32

_before_the_command: str | None = None


def remember_store(path: str | None) -> None:
    """Keep the `--store` that stood before the command."""
    global _before_the_command
    _before_the_command = path


def given_store(path: str | None) -> str | None:
    """Return the `--store` after the command, else the one before it."""
    return path if path is not None else _before_the_command


def open_client(path: str | None) -> PromptLog:
    """Return the client of the store that the command line names."""
    return PromptLog(given_store(path))


def whole_id(client: PromptLog, given: str) -> str:
    """Return the id that `given` begins; what is no beginning is left to be judged where it is used."""
    text = given.strip().lower()
    if _PREFIX.fullmatch(text) and len(text.replace("-", "")) < _UUID_DIGITS:
        return client.requests.resolve(text)
    return given.strip()


def pairs(given: list[str] | None, what: str) -> dict[str, str]:
    """Return `key=value` texts as a dictionary; a value may hold more equals signs.

    Raises:
        InvalidInputError: one has no equals sign or no key, or two give one key different values.
    """
    found: dict[str, str] = {}
    for text in given or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidInputError(f"{what} takes key=value, got {text!r}")
        if found.setdefault(key, value) != value:
            raise InvalidInputError(f"{what} gives {key!r} two values, {found[key]!r} and {value!r}")
    return found
