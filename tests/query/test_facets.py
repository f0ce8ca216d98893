"""`facets`: the values of a set of requests, with counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from promptlog import PromptLog, col, errors, meta, tag

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def client(tmp_path: Path) -> PromptLog:
    client = PromptLog(tmp_path / "a.duckdb")
    client.log_many(
        [
            {
                "provider": "openai", "model": f"m{number % 2}", "input": "i", "output": f"word{number}",
                "request_start_time": 1_700_000_000 + number, "request_end_time": 1_700_000_001 + number,
                "prompt_name": "p" if number < 10 else None, "tags": ["even"] if number % 2 == 0 else ["odd", "x"],
                "metadata": {"user_id": f"u{number % 5}", "number": str(number)},
                "status": "ERROR" if number == 7 else "SUCCESS", "error_type": "RATE" if number == 7 else None,
            }
            for number in range(40)
        ]
    )  # fmt: skip
    return client


def test_facets_count_what_is_asked_for(client: PromptLog) -> None:
    """Columns, tags and metadata, the most frequent values first; the counts are those of the conditions."""
    found = client.requests.filter(tag("odd")).facets(most=3)
    assert (found.counted, found.whole) == (20, True)
    facets = {(facet.is_metadata, facet.name): facet for facet in found.facets}
    assert facets[False, "status"].values == [("SUCCESS", 19), ("ERROR", 1)]
    assert facets[False, "model"].values == [("m1", 20)]
    assert facets[False, "prompt_name"].values == [("p", 5)]
    assert facets[False, "error_type"].values == [("RATE", 1)]
    assert facets[False, "tag"].values == [("odd", 20), ("x", 20)]
    assert facets[True, "user_id"].values == [("u0", 4), ("u1", 4), ("u2", 4)]
    assert facets[True, "user_id"].more
    for (is_metadata, name), facet in facets.items():
        for value, count in facet.values:
            condition = (
                meta(name) == value if is_metadata else tag(value) if name == "tag" else col(name) == value
            )
            assert client.requests.filter(tag("odd"), condition).count() == count


def test_of_many_the_newest_are_counted(client: PromptLog) -> None:
    """The answer says of how many it tells; a limit counts; of none there are none."""
    found = client.requests.facets(newest=10)
    assert (found.counted, found.whole) == (10, False)
    assert {value for value, _ in next(f for f in found.facets if f.name == "number").values} < {
        str(n) for n in range(30, 40)
    }
    assert client.requests.limit(4).facets().counted == 4
    assert client.requests.filter(meta("user_id") == "nobody").facets().facets == []
    with pytest.raises(errors.InvalidInputError, match="most"):
        client.requests.facets(most=0)


def test_the_nearest_are_looked_for_first(tmp_path: Path) -> None:
    """Among many, the first of an order by time are found as they are among all, whatever condition and page."""
    client = PromptLog(tmp_path / "a.duckdb")
    client.log_many(
        [
            {
                "provider": "p", "model": f"m{number % 7}", "input": "i", "output": "o",
                "request_start_time": 1_700_000_000 + number // 3, "request_end_time": 1_700_100_000,
            }
            for number in range(50_100)
        ]
    )  # fmt: skip
    for down in (True, False):
        asked = client.requests.filter(col.model == "m3").sort("start_time", descending=down)
        whole = asked.ids()
        for limit in (50, 500, 5000):
            assert asked.limit(limit).ids() == whole[:limit]
        (facet,) = (one for one in asked.limit(5000).facets().facets if one.name == "model")
        assert facet.values == [("m3", 5000)]
        assert asked.after(whole[3000]).limit(50).ids() == whole[3001:3051]
        assert asked.limit(50_000).ids() == whole
        assert asked.after(whole[-10]).limit(50).ids() == whole[-9:]
