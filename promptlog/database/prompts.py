"""The SQL of prompts: read and written at once, under the store's lease, for publishing is rare."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from promptlog.database.connection import our_errors, transaction
from promptlog.database.numbers import name_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import duckdb

    from promptlog.database.store import Store

_COLUMNS = "prompt_name, version, template, metadata, commit_message, tags, content_hash, published_at"
_READ = f"SELECT {_COLUMNS} FROM prompts"


class PromptRow(NamedTuple):
    """One version of a prompt."""

    prompt_name: str
    version: int
    template: dict[str, Any]
    metadata: dict[str, Any]
    commit_message: str | None
    tags: list[str]
    content_hash: str
    published_at: datetime


@contextmanager
def reading(store: Store) -> Iterator[Prompts]:
    """Give the prompts for reading, for as long as the block lasts."""
    with store.lease("reading prompts") as connection, our_errors(store.paths):
        yield Prompts(connection)


@contextmanager
def writing(store: Store, changed: Callable[[], None]) -> Iterator[Prompts]:
    """Give the prompts for one transaction.

    Args:
        store: whose they are.
        changed: called before what changed can be seen, so that whoever reads later knows that it did.

    Raises:
        StoreUnwritableError: the store can only be read.
    """
    with store.lease("publishing a prompt") as connection, our_errors(store.paths):
        store.check_writable()
        with transaction(connection):
            prompts = Prompts(connection)
            yield prompts
            if prompts.added:
                name_requests(connection, prompts.added)
            changed()


class Prompts:
    """The tables `prompts` and `prompt_labels` on a connection.

    Attributes:
        added: names of the prompts of which versions were written.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.added: set[str] = set()

    def _rows(self, sql: str, values: list[Any]) -> list[PromptRow]:
        rows = self._connection.execute(sql, values).fetchall()
        return [
            PromptRow(
                name,
                version,
                json.loads(template),
                json.loads(metadata or "{}"),
                message,
                tags or [],
                digest,
                when,
            )
            for name, version, template, metadata, message, tags, digest, when in rows
        ]

    def find(self, name: str, version: int | None, label: str | None) -> PromptRow | None:
        """Return a version: of that number, with that label, with both, or the newest."""
        sql = f"{_READ} WHERE prompt_name = ?"
        values: list[Any] = [name]
        if version is not None:
            sql, values = f"{sql} AND version = ?", [*values, version]
        if label is not None:
            sql += " AND version = (SELECT version FROM prompt_labels WHERE prompt_name = ? AND label = ?)"
            values += [name, label]
        rows = self._rows(f"{sql} ORDER BY version DESC LIMIT 1", values)
        return rows[0] if rows else None

    def versions(self, name: str) -> list[PromptRow]:
        """Return all versions of a prompt, the newest first."""
        return self._rows(f"{_READ} WHERE prompt_name = ? ORDER BY version DESC", [name])

    def newest(self, label: str | None, limit: int, offset: int) -> list[PromptRow]:
        """Return each prompt's newest version, or that with the label, in the order of names."""
        if label is None:
            which = "version = (SELECT max(version) FROM prompts AS of WHERE of.prompt_name = prompts.prompt_name)"
            values: list[Any] = []
        else:
            which = (
                "(prompt_name, version) IN (SELECT (prompt_name, version) FROM prompt_labels WHERE label = ?)"
            )
            values = [label]
        return self._rows(
            f"{_READ} WHERE {which} ORDER BY prompt_name LIMIT ? OFFSET ?", [*values, limit, offset]
        )

    def with_text(self, part: str) -> list[PromptRow]:
        """Return the versions of all prompts whose template holds a text, in the order of names and versions."""
        return self._rows(
            f"{_READ} WHERE contains(template::VARCHAR, ?) ORDER BY prompt_name, version", [part]
        )

    def beginnings(self) -> dict[str, datetime]:
        """Return when the first version of each prompt was published."""
        sql = "SELECT prompt_name, min(published_at) FROM prompts GROUP BY prompt_name"
        return dict(self._connection.execute(sql).fetchall())

    def labellings(self, name: str | None) -> list[tuple[str, str, int, datetime]]:
        """Return each label of a prompt, or of all: prompt, label, version, and when it came there."""
        sql = "SELECT prompt_name, label, version, updated_at FROM prompt_labels"
        where, values = ("", []) if name is None else (" WHERE prompt_name = ?", [name])
        return self._connection.execute(f"{sql}{where} ORDER BY prompt_name, label", values).fetchall()

    def names(self) -> list[str]:
        """Return the names of all prompts."""
        rows = self._connection.execute(
            "SELECT DISTINCT prompt_name FROM prompts ORDER BY prompt_name"
        ).fetchall()
        return [row[0] for row in rows]

    def labels(self, name: str) -> dict[str, int]:
        """Return the labels of a prompt, each with its version."""
        rows = self._connection.execute(
            "SELECT label, version FROM prompt_labels WHERE prompt_name = ? ORDER BY label", [name]
        ).fetchall()
        return dict(rows)

    def add(self, row: PromptRow) -> None:
        """Write a version."""
        self.added.add(row.prompt_name)
        self._connection.execute(
            f"INSERT INTO prompts ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                row.prompt_name, row.version, json.dumps(row.template, ensure_ascii=False),
                json.dumps(row.metadata, ensure_ascii=False), row.commit_message, row.tags, row.content_hash, row.published_at,
            ],
        )  # fmt: skip

    def set_label(self, name: str, label: str, version: int, when: datetime) -> None:
        """Put a label on a version, taking it off the one that had it."""
        self._connection.execute(
            "INSERT INTO prompt_labels (prompt_name, label, version, updated_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at",
            [name, label, version, when],
        )

    def remove_label(self, name: str, label: str) -> None:
        """Take a label off."""
        self._connection.execute(
            "DELETE FROM prompt_labels WHERE prompt_name = ? AND label = ?", [name, label]
        )
