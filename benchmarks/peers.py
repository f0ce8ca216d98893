"""What people would use instead, in one table: SQLite by hand, MLflow, Phoenix, each beside us at the same requests.

MLflow and Phoenix stand in it where they are installed, at the number of requests that PROMPTLOG_PEER_REQUESTS says,
else 2,000: they take minutes for what SQLite and we load in seconds.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Row, paired, timed
from benchmarks.rivals.mlflow import Mlflow
from benchmarks.rivals.ours import Ours
from benchmarks.rivals.phoenix import Phoenix
from benchmarks.rivals.sqlite import Sqlite
from benchmarks.workload import requests
from promptlog.identifiers import new_request_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.rivals import Rival

_COUNT = 100_000
_FEW = int(os.environ.get("PROMPTLOG_PEER_REQUESTS", "2000"))
_LONG = 10_000  # requests of which MLflow and Phoenix are loaded with but once
_PAGE = 20


def run(count: int = _COUNT, few: int = _FEW) -> list[Row]:
    """Load, ask and backfill `count` requests beside SQLite, and `few` beside the others."""
    rows = _beside(Sqlite, count)
    for rival in (Mlflow, Phoenix):
        if rival.installed():
            rows += _beside(rival, few)
    return rows


def _beside(rival: type[Rival], count: int) -> list[Row]:
    given = [
        {**row, "request_id": new_request_id(round(row["request_start_time"] * 1e6))}
        for row in requests(count)
    ]
    with tempfile.TemporaryDirectory() as name:
        sides = Sides(Path(name), rival, given)
        try:
            return sides.measure()
        finally:
            sides.close()


class Sides:
    """Our store and a rival's, holding the same requests."""

    def __init__(self, folder: Path, rival: type[Rival], given: list[dict[str, Any]]) -> None:
        self._folder = folder
        self._kinds: tuple[type[Rival], type[Rival]] = (Ours, rival)
        self._stores: dict[type[Rival], Rival] = {}
        self._folders: dict[type[Rival], Path] = {}
        self._bare: dict[type[Rival], int] = {}
        self._given = given
        self._users = sorted({row["metadata"]["user_id"] for row in given})

    def measure(self) -> list[Row]:
        """Give a row for each piece of work, in an order in which none changes what the next one finds."""
        load = self._load()
        self._agree()
        count, each = f"{len(self._given):,}", len(self._given) / len(self._users)
        user = f"one user's among {count} requests ({each:.0f} on average), whole"
        rows = [
            self._speed(f"bulk load of {count} requests", "load", load, "requests"),
            self._size(f"bytes a request on disk, of {count}"),
            self._time(user, "user", self._asked(lambda store, user: store.user(user), 15)),
        ]
        if each > _PAGE:
            page = self._asked(lambda store, user: store.user(user, _PAGE), 15)
            rows.append(self._time(f"… the {_PAGE} newest of them", "user", page))
        return [
            *rows,
            self._time(f"group {count} requests by user_id: count, sum, p95", "groups", self._asked(lambda store, _: store.groups(), 5)),
            self._speed(f"replace one metadata key of {count} requests", "replace", self._replaced(), "values"),
        ]  # fmt: skip

    def close(self) -> None:
        for kind in list(self._stores):
            self._stores.pop(kind).close()

    # -- the work ----------------------------------------------------------------------------------------------

    def _load(self) -> tuple[float, float, float]:
        """Time loads of each into stores of their own; the last ones stay."""

        def into(kind: type[Rival]) -> Callable[[], float]:
            def work() -> float:
                if kind in self._stores:
                    self._stores.pop(kind).close()
                    shutil.rmtree(self._folders[kind])
                # A path of its own each time: MLflow remembers what it opened by path.
                self._folders[kind] = Path(tempfile.mkdtemp(dir=self._folder))
                store = self._stores[kind] = kind(self._folders[kind])
                self._bare[kind] = store.size()
                return timed(lambda: store.load(self._given)) / len(self._given)

            return work

        ours, theirs = self._kinds
        rounds = 1 if theirs is not Sqlite and len(self._given) > _LONG else 3
        return paired(into(ours), into(theirs), rounds)

    def _asked(self, ask: Callable[[Rival, str], object], rounds: int) -> tuple[float, float, float]:
        """Time a question about one user after the other, the same ones on both sides."""

        def of(kind: type[Rival]) -> Callable[[], float]:
            users = itertools.cycle(self._users[:: max(1, len(self._users) // 40)])
            store = self._stores[kind]
            ask(store, next(users))  # warm
            return lambda: timed(lambda: ask(store, next(users)))

        ours, theirs = self._kinds
        return paired(of(ours), of(theirs), rounds)

    def _replaced(self) -> tuple[float, float, float]:
        """Time a value: who is slow replaces a sample."""

        def of(kind: type[Rival]) -> Callable[[], float]:
            values = (f"value-{number}" for number in itertools.count())
            store = self._stores[kind]
            store.replace(next(values))  # from here on there is one to replace

            def work() -> float:
                done: list[int] = []
                seconds = timed(lambda: done.append(store.replace(next(values))))
                return seconds / done[0]

            return work

        ours, theirs = self._kinds
        return paired(of(ours), of(theirs), 3)

    def _agree(self) -> None:
        """Make sure that both answer the same before anything is timed."""
        ours, theirs = (self._stores[kind] for kind in self._kinds)
        for user in self._users[:3]:
            true = sum(row["metadata"]["user_id"] == user for row in self._given)
            assert len(ours.user(user)) == len(theirs.user(user)) == true
            assert len(ours.user(user, _PAGE)) == len(theirs.user(user, _PAGE)) == min(true, _PAGE)
        mine, other = (
            store.groups().set_index("user_id")[["n", "tokens", "p95"]].sort_index().astype(float)
            for store in (ours, theirs)
        )
        assert mine["n"].sum() == len(self._given)
        assert (mine.index == other.index).all()
        assert ((mine - other).abs() < [1e-9, 1e-9, 2]).all(
            axis=None
        )  # MLflow's times are whole milliseconds

    # -- rows --------------------------------------------------------------------------------------------------

    def _call(self, work: str) -> str:
        rival = self._stores[self._kinds[1]]
        return f"{rival.name} ({rival.calls[work]})"

    def _time(self, work: str, call: str, times: tuple[float, float, float]) -> Row:
        ours, theirs, ratio = times
        return Row(work, f"{ours * 1e3:,.1f} ms", f"{self._call(call)} {theirs * 1e3:,.1f} ms", ratio, "beside it", None)  # fmt: skip

    def _speed(self, work: str, call: str, times: tuple[float, float, float], unit: str) -> Row:
        ours, theirs, ratio = times
        return Row(work, f"{1 / ours:,.0f} {unit}/s", f"{self._call(call)} {1 / theirs:,.0f}/s", 1 / ratio, "beside it", None)  # fmt: skip

    def _size(self, work: str) -> Row:
        """What the load added: an empty store of Phoenix's has a megabyte."""
        ours, theirs = (
            (self._stores[kind].size() - self._bare[kind]) / len(self._given) for kind in self._kinds
        )
        rival = self._stores[self._kinds[1]]
        return Row(work, f"{ours:,.0f}", f"{rival.name} {theirs:,.0f}", ours / theirs, "beside it", None)
