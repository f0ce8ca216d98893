"""SQLite by hand: what a careful programmer would write in an afternoon."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# WITHOUT ROWID makes the index on (key, value) hold the id too: it reads faster and is smaller than with row ids.
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE requests (request_id TEXT PRIMARY KEY, start REAL, end REAL, provider TEXT, model TEXT, input TEXT,
                       output TEXT, input_tokens INT, output_tokens INT, price REAL);
CREATE TABLE metadata (request_id TEXT, key TEXT, value TEXT, PRIMARY KEY (request_id, key)) WITHOUT ROWID;
CREATE TABLE tags (request_id TEXT, tag TEXT, PRIMARY KEY (request_id, tag)) WITHOUT ROWID;
CREATE INDEX by_value ON metadata (key, value);
"""
_USER = """
SELECT r.*, (SELECT json_group_object(key, value) FROM metadata WHERE request_id = r.request_id)
FROM metadata m JOIN requests r USING (request_id) WHERE m.key = 'user_id' AND m.value = ?
ORDER BY r.start DESC LIMIT ?
"""
_OF_EACH = """
SELECT m.value, r.input_tokens, (r.end - r.start) * 1000
FROM metadata m JOIN requests r USING (request_id) WHERE m.key = 'user_id'
"""
_UPSERT = "INSERT INTO metadata VALUES (?, 'experiment', ?) ON CONFLICT DO UPDATE SET value = excluded.value"


class Sqlite:
    """Requests, metadata and tags, an index on (key, value), WAL, one transaction a bulk."""

    name = f"SQLite {sqlite3.sqlite_version} by hand"
    calls: ClassVar[dict[str, str]] = {
        "load": "executemany, one transaction",
        "user": "index on (key, value), join",
        "groups": "join, p95 in Python",
        "replace": "executemany upsert",
    }

    def __init__(self, folder: Path) -> None:
        self._path = folder / "by-hand.sqlite"
        self._db = sqlite3.connect(self._path, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._ids: list[str] = []

    @staticmethod
    def installed() -> bool:
        return True

    def load(self, rows: Sequence[dict[str, Any]]) -> None:
        db = self._db
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    row["request_id"], row["request_start_time"], row["request_end_time"], row["provider"], row["model"],
                    json.dumps(row["input"]), json.dumps(row["output"]), row["input_tokens"], row["output_tokens"],
                    row["price"],
                )
                for row in rows
            ),
        )  # fmt: skip
        db.executemany(
            "INSERT INTO metadata VALUES (?, ?, ?)",
            ((row["request_id"], key, value) for row in rows for key, value in row["metadata"].items()),
        )
        db.executemany(
            "INSERT INTO tags VALUES (?, ?)",
            ((row["request_id"], tag) for row in rows for tag in row["tags"]),
        )
        db.execute("COMMIT")
        self._ids = [row["request_id"] for row in rows]

    def user(self, user: str, limit: int | None = None) -> Sequence[Any]:
        found = self._db.execute(_USER, (user, -1 if limit is None else limit)).fetchall()
        return [(*row[:-1], json.loads(row[-1])) for row in found]

    def groups(self) -> pd.DataFrame:
        """Gather in Python: SQLite here has no percentile, and window functions took half as long again."""
        gathered: dict[str, tuple[list[int], list[float]]] = {}
        for user, tokens, latency in self._db.execute(_OF_EACH):
            of_user = gathered.get(user)
            if of_user is None:
                of_user = gathered[user] = ([], [])
            of_user[0].append(tokens)
            of_user[1].append(latency)
        return pd.DataFrame(
            [(user, len(tokens), sum(tokens), _p95(times)) for user, (tokens, times) in gathered.items()],
            columns=["user_id", "n", "tokens", "p95"],
        )

    def replace(self, value: str) -> int:
        self._db.execute("BEGIN")
        self._db.executemany(_UPSERT, ((request_id, value) for request_id in self._ids))
        self._db.execute("COMMIT")
        return len(self._ids)

    def size(self) -> int:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return self._path.stat().st_size

    def close(self) -> None:
        self._db.close()


def _p95(times: list[float]) -> float:
    times.sort()
    place = 0.95 * (len(times) - 1)
    below = int(place)
    above = min(below + 1, len(times) - 1)
    return times[below] + (times[above] - times[below]) * (place - below)
