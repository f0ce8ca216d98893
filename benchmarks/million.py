"""A million requests with 5 metadata keys: look-ups, groups, backfills and size, beside the best done by hand."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from benchmarks.harness import Row, paired, timed
from benchmarks.stores import by_hand, fill
from promptlog import PromptLog, col, count, meta

if TYPE_CHECKING:
    from collections.abc import Callable

_COUNT, _MORE = 1_000_000, 100_000
_USERS = 3000
_COLUMNS = (
    "request_id",
    "start_time",
    "model",
    "latency_ms",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "input",
    "output",
)
_IDS = "SELECT request_id FROM metadata_sorted WHERE key = 'user_id' AND value = ?"
_SAME_IDS = f"SELECT request_id FROM requests WHERE request_id IN ({_IDS}) ORDER BY start_time DESC"
_ROWS = f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE request_id IN ({_IDS}) ORDER BY start_time DESC"
_ROUNDS = 15


class Sides:
    """Our store and the file made by hand, both open and warm."""

    def __init__(self, ours: Path, raw: Path, users: int = _USERS) -> None:
        self.client = PromptLog(ours)
        self.raw = duckdb.connect(str(raw))
        self.raw.execute("SET enable_progress_bar = false")
        self._users = users
        self._turn = 0

    def user(self) -> str:
        """Return another user each time."""
        self._turn += 1
        return f"user_{self._turn * 37 % self._users}"

    def close(self) -> None:
        self.client.close()
        self.raw.close()

    # -- the same question, both ways --------------------------------------------------------------------------

    def our_ids(self) -> float:
        asked = self.client.requests.filter(meta("user_id") == self.user())
        return timed(asked.ids)

    def raw_ids(self) -> float:
        user = self.user()
        return timed(lambda: self.raw.execute(_IDS, [user]).fetchall())

    def raw_same_ids(self) -> float:
        user = self.user()
        return timed(lambda: self.raw.execute(_SAME_IDS, [user]).fetchall())

    def our_rows(self) -> float:
        asked = self.client.requests.filter(meta("user_id") == self.user()).select(*_COLUMNS)
        return timed(asked.df)

    def raw_rows(self) -> float:
        """By hand, the one statement that says it."""
        user = self.user()
        return timed(lambda: self.raw.execute(_ROWS, [user]).df())

    def raw_rows_in_two_steps(self) -> float:
        """By hand, the ids first and then as literals: what one finds after a day with the profiler."""
        user = self.user()

        def work() -> None:
            ids = ", ".join(f"'{row[0]}'::UUID" for row in self.raw.execute(_IDS, [user]).fetchall())
            self.raw.execute(
                f"SELECT {', '.join(_COLUMNS)} FROM requests WHERE request_id IN ({ids}) ORDER BY start_time DESC"
            ).df()

        return timed(work)

    def our_groups(self) -> float:
        asked = self.client.requests.group_by(meta("user_id")).agg(
            n=count(), tokens=col.input_tokens.sum(), p95=col.latency_ms.quantile(0.95)
        )
        return timed(asked.df)

    def raw_groups(self) -> float:
        text = (
            "SELECT m.value, count(*), sum(input_tokens), quantile_cont(latency_ms, 0.95) "
            "FROM requests r JOIN metadata m ON m.request_id = r.request_id AND m.key = 'user_id' GROUP BY 1"
        )
        return timed(lambda: self.raw.execute(text).df())

    def wide_groups(self) -> float:
        text = "SELECT user_id, count(*), sum(input_tokens), quantile_cont(latency_ms, 0.95) FROM wide GROUP BY 1"
        return timed(lambda: self.raw.execute(text).df())


def run() -> list[Row]:
    """Build both, then ask in turn."""
    with tempfile.TemporaryDirectory() as name:
        ours, raw = Path(name) / "ours.duckdb", Path(name) / "raw.duckdb"
        fill(ours, _COUNT)
        with PromptLog(ours) as client:
            client.compact(progress=False)
        by_hand(ours, raw)
        rows = [_size(ours, raw)]
        rows += _cold(ours, raw)
        sides = Sides(ours, raw)
        sides.client.requests.count()
        rows += _look_ups(sides)
        rows += _groups(sides)
        rows += _backfills(sides)
        sides.client.compact(progress=False)
        compacted = _median(sides.our_ids)
        fill(ours, _MORE, first=_COUNT)
        since = _median(sides.our_ids)
        sides.close()
    rows.insert(
        6,
        Row(f"… with {_MORE:,} requests arrived since compaction", _ms(since), f"compacted {_ms(compacted)}", since / compacted, "≤ 5x", since / compacted <= 5),
    )  # fmt: skip
    return rows


def _look_ups(sides: Sides) -> list[Row]:
    what = f"{_COUNT:,} requests, one of {_USERS:,} users"
    ids = paired(sides.our_ids, sides.raw_same_ids, _ROUNDS)
    bare = paired(sides.our_ids, sides.raw_ids, _ROUNDS)
    whole = paired(sides.our_rows, sides.raw_rows, _ROUNDS)
    steps = paired(sides.our_rows, sides.raw_rows_in_two_steps, _ROUNDS)
    return [
        _time(f"{what}: ids, newest first", ids, "DuckDB sorted, the same SQL", 2.0),
        _time(
            f"{what}: ids, newest first", bare, "DuckDB sorted, the ids that metadata has, in no order", None
        ),
        _time(f"{what}: whole requests", whole, "DuckDB sorted, one statement", 2.0),
        _time(f"{what}: whole requests", steps, "DuckDB sorted, ids first, then as literals", 2.0),
    ]


def _groups(sides: Sides) -> list[Row]:
    sides.raw.execute(
        "CREATE TABLE wide AS SELECT r.*, m.value AS user_id FROM requests r JOIN metadata m "
        "ON m.request_id = r.request_id AND m.key = 'user_id'"
    )
    joined = paired(sides.our_groups, sides.raw_groups, 7)
    wide = paired(sides.our_groups, sides.wide_groups, 7)
    return [
        _time("group by user_id: count, sum, p95", joined, "the hand-written join", 1.3),
        _time("group by user_id: count, sum, p95", wide, "user_id as a column of the table", 5.0),
    ]


def _backfills(sides: Sides) -> list[Row]:
    ids = sides.client.sql("SELECT request_id FROM requests ORDER BY request_id").arrow()
    shuffled = sides.client.sql("SELECT request_id FROM requests ORDER BY hash(request_id)").arrow()
    users = [f"user_{number}" for number in range(_USERS)]
    turn = iter(range(100))

    def named(table: pa.Table, key: str) -> pa.Table:
        return table.append_column(key, pa.array([f"value-{number % 7}" for number in range(len(table))]))

    def ours(table: pa.Table, on: Any) -> Callable[[], float]:
        def work() -> float:
            frame = named(table, f"ours-{next(turn)}")
            return timed(lambda: sides.client.backfill(frame, on=on, progress=False))

        return work

    def upsert(select: str, table: pa.Table) -> Callable[[], float]:
        def work() -> float:
            key = f"raw-{next(turn)}"
            sides.raw.register("given", named(table, "value"))
            text = (
                f"INSERT INTO metadata {select.format(key=key)} ORDER BY 1 "
                f"ON CONFLICT DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"
            )
            return timed(lambda: sides.raw.execute(text))

        return work

    by_id = "SELECT request_id::UUID, '{key}', value, now()::TIMESTAMP FROM given"
    by_user = (
        "SELECT m.request_id, '{key}', g.value, now()::TIMESTAMP FROM metadata m JOIN given g ON g.user_id = m.value "
        "WHERE m.key = 'user_id'"
    )
    of_users = pa.table({"user_id": users})
    return [
        _speed("backfill of 1M values by request_id", paired(ours(ids, "request_id"), upsert(by_id, ids), 3), "upsert by hand, sorted"),
        _speed("… of rows in any order", paired(ours(shuffled, "request_id"), upsert(by_id, shuffled), 3), "upsert by hand, sorted"),
        _speed("backfill of 1M values by user_id", paired(ours(of_users, meta("user_id")), upsert(by_user, of_users), 3), "join and upsert by hand, sorted"),
    ]  # fmt: skip


_OURS_COLD = f"""
import sys
from promptlog import PromptLog, meta
client = PromptLog(sys.argv[1])
print(len(client.requests.filter(meta("user_id") == sys.argv[2]).select{_COLUMNS}.fetchall()))
"""
_RAW_COLD = f"""
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print(len(connection.execute({_ROWS!r}, [sys.argv[2]]).fetchall()))
"""


def _cold(ours: Path, raw: Path) -> list[Row]:
    turn = iter(range(_USERS))

    def process(code: str, path: Path) -> Callable[[], float]:
        return lambda: timed(
            lambda: subprocess.run(
                [sys.executable, "-c", code, str(path), f"user_{next(turn)}"], check=True, capture_output=True
            )
        )

    times = paired(process(_OURS_COLD, ours), process(_RAW_COLD, raw), 9)
    return [_time("whole requests of one user from a cold process", times, "a script of DuckDB's alone", 1.5)]


def _size(ours: Path, raw: Path) -> Row:
    mine, theirs = ours.stat().st_size / _COUNT, raw.stat().st_size / _COUNT
    return Row("bytes a request, texts included", f"{mine:,.0f}", f"DuckDB, same schema and sorted copy {theirs:,.0f}", mine / theirs, "≤ 1.2x", mine / theirs <= 1.2)  # fmt: skip


def _median(work: Callable[[], float]) -> float:
    return sorted(work() for _ in range(_ROUNDS))[_ROUNDS // 2]


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"


def _time(work: str, times: tuple[float, float, float], against: str, goal: float | None) -> Row:
    ours, baseline, ratio = times
    met = ratio <= goal if goal else None
    return Row(
        work, _ms(ours), f"{against} {_ms(baseline)}", ratio, f"≤ {goal:g}x" if goal else "beside it", met
    )


def _speed(work: str, times: tuple[float, float, float], against: str) -> Row:
    ours, baseline, ratio = times
    return Row(work, f"{ours:.2f} s", f"{against} {baseline:.2f} s", 1 / ratio, "≥ 0.7x", 1 / ratio >= 0.7)
