"""Merging converges: what the tables hold follows from which records were written, never from how they came."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog.database.apply import _HASH, ROW_COLUMNS
from promptlog.database.metadata import value_hash
from promptlog.database.prompts import PromptRow, Prompts
from promptlog.identifiers import prompt_id
from tests.property.bench import lines_of
from tests.strategies import PUBLISHED, Journey, Record, journeys, records

if TYPE_CHECKING:
    from tests.property.bench import Bench, Contents

_SCORE_PARTS = ("score", "label", "explanation")
_PROMPT_PARTS = ("name", "version", "label", "id", "variables")


@settings(max_examples=8)
@given(data=st.data(), written=records())
def test_every_journey_of_the_same_records_ends_in_the_same_tables(
    bench: Bench, data: st.DataObject, written: list[Record]
) -> None:
    """Whatever the order, the split over segments, the repetition and the slices: the tables are the rule's."""
    _holds(bench, written, [data.draw(journeys(len(written))) for _ in range(3)])


@pytest.mark.slow
@settings(max_examples=120)
@given(data=st.data(), written=records())
def test_every_journey_ends_in_the_same_tables_at_length(
    bench: Bench, data: st.DataObject, written: list[Record]
) -> None:
    """The same law, over many more stories."""
    _holds(bench, written, [data.draw(journeys(len(written))) for _ in range(4)])


def _holds(bench: Bench, written: list[Record], ways: list[Journey]) -> None:
    _publish(bench)
    expected = _tables(bench, written)
    for way in ways:
        bench.empty()
        _travel(bench, written, way)
        found = bench.contents()
        for table, rows in expected.items():
            assert found[table] == rows, (table, way)


def _publish(bench: Bench) -> None:
    """Publish the prompt whose number some records tell without its name."""
    if bench.connection.execute("SELECT count(*) FROM prompts").fetchone() == (0,):
        Prompts(bench.connection).add(
            PromptRow(
                PUBLISHED, 1, {}, {}, None, [], "", datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
            )
        )


def _travel(bench: Bench, written: list[Record], way: Journey) -> None:
    segments = [bench.new_segment() for _ in range(3)]
    for number, segment, merges in way.steps:
        bench.append(segments[segment], lines_of([written[number]]))
        if merges:
            bench.merge(way.slice_bytes)
            bench.compact(slices=number % 4)  # at any stage of which the next merge may come
    bench.merge(way.slice_bytes)


# -- the rule, said again in Python ----------------------------------------------------------------------------


def _tables(bench: Bench, written: list[Record]) -> Contents:
    gone = {r["request_id"] for r in written if r["kind"] == "remove"}
    removed: dict[tuple[str, str, str], int] = {}
    for record in written:
        places = [(kind, key) for kind, found in record.get("removed", {}).items() for key in found]
        if record["kind"] == "remove":
            places = [("request", "")]
        for kind, key in places:
            place = (record["request_id"], kind, key)
            removed[place] = max(removed.get(place, 0), record["time"])

    def latest(
        part: str, kind: str | None, written: list[Record] = written
    ) -> dict[tuple[str, Any], tuple[int, Any]]:
        """Return, for each key, the greatest (time, value) that no removal covers."""
        found: dict[tuple[str, Any], tuple[int, Any]] = {}
        for record in written:
            given = record.get(part)
            if given is None or record["request_id"] in gone:
                continue
            pairs = (
                given.items()
                if isinstance(given, dict) and kind
                else [(key, None) for key in given]
                if kind
                else [(None, given)]
            )
            for key, value in pairs:
                place, write = (record["request_id"], key), (record["time"], value)
                if kind and removed.get((record["request_id"], kind, str(key)), -1) >= record["time"]:
                    continue
                if place not in found or _order(write) > _order(found[place]):
                    found[place] = write
        return found

    metadata = latest("metadata", "metadata")
    rows, conflicts = _requests(bench, [r for r in written if r["request_id"] not in gone])
    return {
        "requests": rows,
        "conflicts": conflicts,
        "metadata": {(i, k, value, _time(t)) for (i, k), (t, value) in metadata.items()},
        "metadata_by_value": {(k, value_hash(value), value, i) for (i, k), (_, value) in metadata.items()},
        "tags": {(i, k, _time(t)) for (i, k), (t, _) in latest("tags", "tag").items()},
        "scores": {
            (i, k, score, _time(t), *judged)
            for (i, k), (t, (score, *judged)) in latest("scores", "score", _judged(written)).items()
        },
        "request_prompts": {
            (i, *_parts(value), _time(t)) for (i, _), (t, value) in latest("prompt", None).items()
        },
        "request_groups": {(i, value, _time(t)) for (i, _), (t, value) in latest("group_id", None).items()},
        "removals": {(*place, _time(t)) for place, t in removed.items()},
    }


def _judged(written: list[Record]) -> list[Record]:
    """Return the records of scores and evaluations alike: (score, label, explanation) under a name."""
    plain = [
        {**r, "scores": {name: (score, None, None) for name, score in r["scores"].items()}}
        for r in written
        if "scores" in r
    ]
    judged = [
        {**r, "scores": {name: tuple(map(e.get, _SCORE_PARTS)) for name, e in r["evaluations"].items()}}
        for r in written
        if "evaluations" in r
    ]
    return plain + judged


def _order(write: tuple[int, Any]) -> Any:
    """Equal times go to the greater value: text by its code points; in a prompt, part by part, null the greatest."""
    time, value = write
    parts = _parts(value) if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
    return time, [(part is None, part if part is not None else 0) for part in parts]


def _parts(prompt: dict[str, Any]) -> tuple[Any, ...]:
    values = [prompt.get(part) for part in _PROMPT_PARTS]
    if values[0] is None and values[3] == str(prompt_id(PUBLISHED)):
        values[0] = PUBLISHED
    return (*values[:-1], _json(values[-1]))


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"))


def _requests(bench: Bench, written: list[Record]) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """Of several rows for one id the smallest (time, hash) stays; the others' hashes are kept."""
    rivals: dict[str, set[tuple[int, str, tuple[Any, ...]]]] = {}
    for record in written:
        if record["kind"] == "request":
            row = _row(record)
            rivals.setdefault(record["request_id"], set()).add((record["time"], _hash(bench, row), row))
    rows, conflicts = set(), set()
    for request_id, found in rivals.items():
        time, kept, row = min(found, key=lambda rival: rival[:2])
        rows.add((request_id, _time(time), _time(row[0]), _time(row[1]), *row[2:]))
        conflicts |= {(request_id, other) for _, other, _ in found if other != kept}
    return rows, conflicts


def _row(record: Record) -> tuple[Any, ...]:
    values = {**record, "latency_ms": (record["end_time"] - record["start_time"]) / 1000}
    found = [values.get(column) for column in ROW_COLUMNS]
    return tuple(_json(value) if isinstance(value, dict) else value for value in found)


def _hash(bench: Bench, row: tuple[Any, ...]) -> str:
    """Return the database's hash of a row, after one row was written alone: no other rule takes part."""
    return _cached_hash(bench, row)


@cache
def _cached_hash(bench: Bench, row: tuple[Any, ...]) -> str:
    values = [_time(value) if place < 2 else value for place, value in enumerate(row)]
    kinds = dict(
        bench.connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'requests'"
        ).fetchall()
    )
    columns = ", ".join(f"?::{kinds[name]} AS {name}" for name in ROW_COLUMNS)
    found = bench.connection.execute(
        f"SELECT {_HASH.format('x')} FROM (SELECT {columns}) x", values
    ).fetchone()
    assert found
    return str(found[0])


def _time(us: int) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)).replace(tzinfo=None)
