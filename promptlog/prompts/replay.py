"""Answers out of the log: the key that alike requests share, and the answer that was given to one of them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic_core import to_jsonable_python

from promptlog.errors import InvalidInputError, NotReplayableError, StoreError
from promptlog.models.encode import encode
from promptlog.providers.protocol import Answer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from promptlog.database.store import Store

Replay = Literal["auto", "always", "never"]
_SORTED = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=to_jsonable_python
)
_MODES = ("auto", "always", "never")


def check_replay(given: object) -> Replay:
    """Return when answers come from the log.

    Raises:
        InvalidInputError: it is none of the three.
    """
    if given not in _MODES:
        raise InvalidInputError(f"replay must be one of {', '.join(map(repr, _MODES))}, got {given!r}")
    return cast("Replay", given)


def replay_key(provider: str, model: str, parameters: dict[str, Any], rendered: dict[str, Any]) -> str:
    """Return the UUID (version 8, RFC 9562) that alike requests share: a hash of prompt, model, provider, parameters.

    A stream and a whole answer are alike.

    Raises:
        InvalidInputError: one of them is no JSON.
    """
    try:
        text = _SORTED.encode([provider, model, parameters, rendered])
        digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    except (TypeError, ValueError, RecursionError) as error:
        encode({"parameters": parameters, "prompt": rendered})  # says where
        raise InvalidInputError(f"the prompt, its variables or its parameters are no JSON: {error}") from None
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"


def find_answer(store: Store, key: str, mode: Replay, what: str) -> tuple[str, Answer] | None:
    """Return the newest answer in the log to a request of that key, and whose it is; None where there is none.

    Args:
        store: whose log.
        key: see `replay_key`.
        mode: "auto" or "always".
        what: the prompt and its model in words.

    Raises:
        NotReplayableError: there is none, and the mode is "always".
        StoreError: the store cannot be asked, and the mode is "always"; else the model is asked instead.
    """
    from promptlog.database.replays import newest_answer  # a program that only logs imports no database

    try:
        found = newest_answer(store, key)
    except StoreError:
        if mode == "always":
            raise
        return None
    if found is not None:
        request_id, columns = found
        return request_id, Answer(**columns)
    if mode == "always":
        raise NotReplayableError(
            f"the log has no answer to {what} with these variables and parameters, and replay='always' asks no model; "
            f"run it once with replay='auto', or look for what differs from an earlier run: replay_key is {key}"
        )
    return None


def at_hand(chunks: list[Any]) -> Generator[Any]:
    """Give chunks as a stream gives them."""
    yield from chunks


async def at_hand_later(chunks: list[Any]) -> AsyncGenerator[Any]:
    """Give chunks as a stream that is awaited gives them."""
    for chunk in chunks:
        yield chunk
