"""A backfill is a join and a rule, said again in Python: whatever the source, its form and what it is matched by."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlog import col, meta
from tests.property.bench import empty_store
from tests.samples import request

if TYPE_CHECKING:
    from promptlog import PromptLog

_KEYS = st.sampled_from(["user_id", "plan", "k'1", 'q"2', "ключ"])
_VALUES = st.sampled_from(["u1", "u2", "", "é", "'; drop table metadata"]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=4
)
_IDS = [str(uuid.UUID(int=number)) for number in range(1, 7)]
_MODELS = ["m1", "m2"]

#: What rows are matched by, and how a request says it in Python.
_ON: dict[str, tuple[Any, Any]] = {
    "request_id": ("request_id", lambda r: r.request_id),
    "user_id": (meta("user_id"), lambda r: r.metadata.get("user_id")),
    "model": (col.model, lambda r: r.model),
}


@st.composite
def _cases(draw: st.DrawFn) -> dict[str, Any]:
    on = draw(st.lists(st.sampled_from(list(_ON)), min_size=1, max_size=2, unique=True))
    choices = {
        "request_id": st.sampled_from([*_IDS, str(uuid.UUID(int=99))]),
        "user_id": st.sampled_from(["u1", "u2", "nobody", "é"]),
        "model": st.sampled_from([*_MODELS, "other"]),
    }
    place = st.tuples(*(st.none() | choices[name] for name in on))
    keys = [key for key in ("user_id", "plan", "k'1", 'q"2', "ключ") if key not in on]
    if draw(st.booleans()):
        cells = draw(
            st.dictionaries(st.tuples(place, st.sampled_from(keys)), _VALUES | st.none(), max_size=12)
        )
        rows = [
            {**dict(zip(on, where, strict=True)), "key": key, "value": value}
            for (where, key), value in cells.items()
        ]
    else:
        taken = draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))
        wide = draw(st.dictionaries(place, st.tuples(*(_VALUES | st.none() for _ in taken)), max_size=6))
        rows = [
            {**dict(zip(on, where, strict=True)), **dict(zip(taken, values, strict=True))}
            for where, values in wide.items()
        ]
    return {
        "on": on,
        "rows": rows,
        "there": draw(st.dictionaries(st.sampled_from(_IDS), st.dictionaries(_KEYS, _VALUES, max_size=3))),
        "overwrite": draw(st.booleans()),
        "frame": draw(st.booleans()) and bool(rows),
        "keys": draw(st.none() | st.lists(st.sampled_from(keys), min_size=1, unique=True)),
    }


@settings(max_examples=25)
@given(case=_cases())
def test_a_backfill_is_what_python_makes_of_it(client: PromptLog, case: dict[str, Any]) -> None:
    """Values and report, and the dry run's report is the same."""
    _holds(client, case)


@pytest.mark.slow
@settings(max_examples=400)
@given(case=_cases())
def test_a_backfill_is_what_python_makes_of_it_at_length(client: PromptLog, case: dict[str, Any]) -> None:
    """The same, over many more stories."""
    _holds(client, case)


def _holds(client: PromptLog, case: dict[str, Any]) -> None:
    empty_store(client)
    for number, (request_id, metadata) in enumerate(case["there"].items()):
        client.log_request(**request(request_id=request_id, metadata=metadata, model=_MODELS[number % 2]))
    before = list(client.requests)
    keys = case["keys"]
    if keys is not None and case["rows"] and "key" not in case["rows"][0]:
        keys = [
            key for key in keys if key in case["rows"][0]
        ] or None  # the rows must have the columns that are named
    expected = {request.request_id: dict(request.metadata) for request in before}
    counts = {"matched": 0, "inserted": 0, "replaced": 0, "unchanged": 0}
    reached = set()
    for row in case["rows"]:
        place = [row[name] for name in case["on"]]
        targets = [
            r for r in before if None not in place and place == [_ON[name][1](r) for name in case["on"]]
        ]
        counts["matched"] += bool(targets)
        reached |= {r.request_id for r in targets}
        entries = (
            {row["key"]: row["value"]}
            if "key" in row
            else {k: v for k, v in row.items() if k not in case["on"]}
        )
        for key, value in entries.items():
            if value is None or (keys is not None and key not in keys):
                continue
            for found in targets:
                old = found.metadata.get(key)
                if old is None:
                    counts["inserted"] += 1
                elif case["overwrite"] and old != value:
                    counts["replaced"] += 1
                else:
                    counts["unchanged"] += 1
                if old is None or case["overwrite"]:
                    expected[found.request_id][key] = value
    on = [_ON[name][0] for name in case["on"]]
    source = (
        pl.DataFrame(case["rows"], schema=dict.fromkeys(case["rows"][0], pl.String))
        if case["frame"]
        else case["rows"]
    )
    for dry_run in (True, False):
        report = client.backfill(source, on=on, keys=keys, overwrite=case["overwrite"], dry_run=dry_run)
        assert {name: getattr(report, name) for name in counts} == counts
        assert (report.rows, report.requests) == (len(case["rows"]), len(reached))
    assert {request.request_id: request.metadata for request in client.requests} == expected
