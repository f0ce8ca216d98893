"""Prompts that requests name by their number alone: the name is found where the prompt is one of ours.

Who logs does not wait for the store, which knows the names. So it is found when what was logged is merged, else when the
prompt is published: whichever comes last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.identifiers import prompt_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb


def with_names(connection: duckdb.DuckDBPyConnection, writes: str) -> str:
    """Return a SELECT of rows of `request_prompts` with the names that their numbers stand for.

    Before two of them are compared, and not after: so which of them stays does not hang on the order they came in.
    """
    names = connection.execute("SELECT DISTINCT prompt_name FROM prompts").fetchall()
    if not names:
        return writes
    _number(connection, (name for (name,) in names))
    return (
        f"SELECT w.* REPLACE (coalesce(w.prompt_name, n.prompt_name) AS prompt_name) "
        f"FROM ({writes}) w LEFT JOIN prompt_numbers n ON n.prompt_id = w.prompt_id"
    )


def name_requests(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Give the requests that were logged by the number of these prompts, which are published now, their names."""
    _number(connection, names)
    connection.execute(
        "UPDATE request_prompts SET prompt_name = n.prompt_name FROM prompt_numbers n "
        "WHERE request_prompts.prompt_name IS NULL AND request_prompts.prompt_id = n.prompt_id"
    )


def _number(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Make the table `prompt_numbers` of prompts and their numbers."""
    numbers = {name: str(prompt_id(name)) for name in names}
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE prompt_numbers AS SELECT unnest($names) AS prompt_name, unnest($numbers) AS prompt_id",
        {"names": list(numbers), "numbers": list(numbers.values())},
    )
