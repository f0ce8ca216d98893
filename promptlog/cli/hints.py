"""What a command says where it found nothing: how to log, or which key was misspelt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.cli.screen import note

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from promptlog.client import PromptLog
    from promptlog.expressions.nodes import Condition

_MANY = 10_000  # keys


def say_why_empty(client: PromptLog, conditions: Iterable[Condition] = ()) -> None:
    """Tell a store that is empty from a filter that nothing meets, and name its keys that no request has."""
    from promptlog.expressions.misspelt import keys_of

    if client.requests.limit(1).ids():
        note("No request matches.")
        say_what_was_meant(client, keys_of(conditions))
        return
    note(f"Nothing is logged yet in {client.path}. To log something:")
    note('  promptlog log --provider openai --model gpt-4o --input "Hi" --output "Hello" --meta user_id=u1')
    note("  in Python: promptlog.PromptLog().log_request(...); or see it all at work: promptlog demo")


def say_what_was_meant(client: PromptLog, keys: Collection[str]) -> None:
    """Name those that are on no request, with the nearest key or column that there is."""
    from promptlog.expressions.face import meta
    from promptlog.expressions.misspelt import unknown_keys

    known = [key for key, _ in client.metadata.overview(_MANY)[1]] if keys else []

    def is_there(key: str) -> list[str]:
        return client.requests.filter(meta(key).exists()).limit(1).ids()

    for key, near in unknown_keys(keys, known, is_there).items():
        if near is None:
            note(f"No request has the metadata key {key}; `promptlog keys` lists the keys.")
        elif near in known:
            note(f"No request has the metadata key {key}; did you mean {near}?")
        else:
            note(f"{key} was read as a metadata key; did you mean {near}?")
