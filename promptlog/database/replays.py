"""The SQL that finds an answer again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from promptlog.database.store import Store

_COLUMNS = "output, model, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, finish_reason"


def newest_answer(store: Store, key: str) -> tuple[str, dict[str, Any]] | None:
    """Return the id and the answer of the newest request with a replay key that a model answered whole."""
    with store.ask("looking for an answer", lambda lines: _matters(lines, key)) as connection:
        # The id first: the columns of a scan are read for all rows, those of a look-up by id for one.
        ids = connection.execute(
            "SELECT request_id FROM requests WHERE replay_key = ?::UUID AND status = 'SUCCESS' AND replayed_from IS NULL "
            "AND output IS NOT NULL ORDER BY start_time DESC, request_id DESC LIMIT 1",
            [key],
        ).fetchall()
        if not ids:
            return None
        (values,) = connection.execute(
            f"SELECT {_COLUMNS} FROM requests WHERE request_id = ?", [ids[0][0]]
        ).fetchall()
    found = dict(zip(_COLUMNS.split(", "), values, strict=True))
    return str(ids[0][0]), {**found, "output": json.loads(found["output"])}


def _matters(lines: bytes, key: str) -> bool:
    """Tell whether lines of the journal hold an answer with that key, or remove a request.

    Text of a user's has its quotes escaped there, so what is looked for is found as a field alone.
    """
    if b'"kind":"remove"' in lines:
        return True
    place = lines.find(f'"replay_key":"{key}"'.encode())
    while place >= 0:
        end = lines.find(b"\n", place)
        if b'"replayed_from":"' not in lines[lines.rfind(b"\n", 0, place) + 1 : end]:
            return True
        place = lines.find(f'"replay_key":"{key}"'.encode(), end)
    return False
