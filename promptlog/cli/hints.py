"""What a command says where it found nothing: how to log, or which key was misspelt."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from promptlog.cli.screen import note
from promptlog.models.columns import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from promptlog.client import PromptLog
    from promptlog.expressions.nodes import Condition

_ALIKE = 0.65
_MANY = 10_000  # keys


def say_why_empty(client: PromptLog, conditions: Iterable[Condition] = ()) -> None:
    """Tell a store that is empty from a filter that nothing meets, and name its keys that no request has."""
    from promptlog.expressions.nodes import metadata_keys

    if client.requests.limit(1).ids():
        note("No request matches.")
        say_what_was_meant(client, sorted({key for one in conditions for key in metadata_keys(one)}))
        return
    note(f"Nothing is logged yet in {client.path}. To log something:")
    note('  promptlog log --provider openai --model gpt-4o --input "Hi" --output "Hello" --meta user_id=u1')
    note("  in Python: promptlog.PromptLog().log_request(...); or see it all at work: promptlog demo")


def say_what_was_meant(client: PromptLog, keys: Iterable[str]) -> None:
    """Name those that are on no request, with the nearest key or column that there is."""
    from promptlog.expressions.face import meta

    unknown = [key for key in keys if not client.requests.filter(meta(key).exists()).limit(1).ids()]
    known = [key for key, _ in client.metadata.overview(_MANY)[1]] if unknown else []
    for key in unknown:
        near = get_close_matches(
            key, [*known, *COLUMNS, "tag", "score", "since", "until"], n=1, cutoff=_ALIKE
        )
        if near and near[0] not in known:
            note(f"{key} was read as a metadata key; did you mean {near[0]}?")
        else:
            note(
                f"No request has the metadata key {key}; "
                + (f"did you mean {near[0]}?" if near else "`promptlog keys` lists the keys.")
            )
