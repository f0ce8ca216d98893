"""`log_many`: whatever a source is, the same requests arrive; what is wrong is named and writes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from promptlog import PromptLog, errors, foreign_request_id
from tests.samples import START

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def rows(count: int = 300) -> list[dict[str, Any]]:
    """Return requests with everything on them, as log_request's arguments."""
    return [
        {
            "request_id": foreign_request_id("bulk", number),
            "provider": "openai",
            "model": "gpt-4o" if number % 2 else "o1",
            "input": f'question {number} "quoted"\n{{"not": "a message"}} é',
            "output": [{"role": "assistant", "content": f"answer {number}"}],
            "request_start_time": START + number,
            "request_end_time": START + number + 0.123456,
            "metadata": {"user_id": f"u{number % 7}"} | ({"odd": "yes"} if number % 2 else {}),
            "tags": ["a", f"t{number % 3}"],
            "input_tokens": number,
            "price": 0.25,
            "score": 50,
            "score_name": "quality",
            "prompt_name": "cake",
            "prompt_version_number": 3,
            "group_id": number % 5,
        }
        for number in range(count)
    ]


def _parquet(given: list[dict[str, Any]], folder: Path) -> str:
    pq.write_table(pa.Table.from_pylist(given), folder / "given.parquet")
    return str(folder / "given.parquet")


def _csv(given: list[dict[str, Any]], folder: Path) -> str:
    frame = pd.DataFrame(given)
    for column in ("metadata", "tags", "output"):
        frame[column] = frame[column].map(json.dumps)
    frame.to_csv(folder / "given.csv", index=False)
    return str(folder / "given.csv")


def _jsonl(given: list[dict[str, Any]], folder: Path) -> Path:
    (folder / "given.jsonl").write_text("\n".join(map(json.dumps, given)) + "\n")
    return folder / "given.jsonl"


SOURCES: dict[str, Callable[[list[dict[str, Any]], Path], Any]] = {
    "dicts": lambda given, _: given,
    "generator": lambda given, _: (row for row in given),
    "pandas": lambda given, _: pd.DataFrame(given),
    "polars": lambda given, _: pl.DataFrame(given),
    "arrow": lambda given, _: pa.Table.from_pylist(given),
    "parquet": _parquet,
    "csv": _csv,
    "jsonl": _jsonl,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_what_log_request_gives(kind: str, client: PromptLog, tmp_path: Path) -> None:
    """A frame or file of requests arrives as if each had been logged by itself."""
    given = rows()
    one_by_one = PromptLog(tmp_path / "one.duckdb")
    for row in given:
        one_by_one.log_request(**row)
    assert client.log_many(SOURCES[kind](given, tmp_path)) == len(given)
    expected = [request.model_dump(exclude={"logged_at"}) for request in one_by_one.requests]
    assert [request.model_dump(exclude={"logged_at"}) for request in client.requests] == expected


@pytest.mark.parametrize("kind", ["dicts", "arrow"])
def test_again_is_harmless(kind: str, client: PromptLog, tmp_path: Path) -> None:
    """Where ids are given, loading twice leaves one of each, and no conflict."""
    source = SOURCES[kind](rows(), tmp_path)
    client.log_many(source)
    before = list(client.requests)
    client.log_many(source)
    assert list(client.requests) == before
    assert client.sql("SELECT count(*) FROM conflicts").fetchall() == [(0,)]


@pytest.mark.parametrize("kind", ["dicts", "arrow"])
def test_without_ids_each_row_is_a_new_request_in_the_order_of_time(
    kind: str, client: PromptLog, tmp_path: Path
) -> None:
    """Ids of version 7 are made from the start."""
    given = [{name: value for name, value in row.items() if name != "request_id"} for row in rows(50)]
    client.log_many(SOURCES[kind](given, tmp_path))
    client.log_many(SOURCES[kind](given, tmp_path))
    found = client.sql("SELECT request_id::VARCHAR, start_time FROM requests ORDER BY request_id").fetchall()
    assert len(found) == 100
    assert [start for _, start in found] == sorted(start for _, start in found)
    assert all(request_id[14] == "7" and request_id[19] in "89ab" for request_id, _ in found)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"metadata": {"a": 1}}, "metadata value of key '?a'? is"),
    ({"metadata": {"": "x"}}, "metadata key is empty"),
    ({"request_start_time": START + 1e6}, "before request_start_time|lies before"),
    ({"status": "OK"}, "SUCCESS, WARNING, ERROR"),
    ({"input_tokens": -1}, "input_tokens"),
    ({"score": 101.0}, "score"),
    ({"provider": ""}, "provider is empty"),
    ({"tags": [""]}, "tag is empty"),
    ({"tags": ["x" * 513]}, "tag"),
    ({"request_id": "chatcmpl-1"}, "UUID"),
    ({"output": [{"content": "no role", "role": None}]}, "output"),
]


@pytest.mark.parametrize("kind", ["dicts", "arrow"])
@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[str(changes)[:30] for changes, _ in WRONG])
def test_a_wrong_row_is_named_and_nothing_is_written(
    kind: str, changes: dict[str, Any], message: str, client: PromptLog, tmp_path: Path
) -> None:
    """One wrong row among good ones stops the load before it starts; the message has its number."""
    given = rows(5)
    for row in given:
        row.setdefault("status", "SUCCESS")
    given[3] |= changes
    if kind == "dicts" and changes.get("output"):
        del given[3]["output"][0]["role"]
    with pytest.raises(errors.InvalidInputError, match=rf"(row|record) 3: .*({message})"):
        client.log_many(SOURCES[kind](given, tmp_path))
    assert client.requests.count() == 0


def test_wide_metadata_is_text_and_stays_text(client: PromptLog, tmp_path: Path) -> None:
    """Columns `metadata.<key>` are metadata; "007" of a CSV file is no number; an empty cell is no value."""
    header = (
        "provider,model,input,output,request_start_time,request_end_time,metadata.user_id,metadata.plan,score"
    )
    (tmp_path / "wide.csv").write_text(
        f"{header}\np,m,hi,yo,1790000000,1790000001.5,007,,\np,m,hi,,1790000001,1790000002,1e3,pro,80\n"
    )
    assert client.log_many(tmp_path / "wide.csv") == 2
    second, first = client.requests
    assert (first.metadata, second.metadata) == ({"user_id": "007"}, {"user_id": "1e3", "plan": "pro"})
    assert (first.scores, second.scores) == ({}, {"default": 80.0})
    assert second.output is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.parquet", "no file"),
        (7, "iterable of dicts"),
        ([7], "record 0 is of type int"),
        ([{"provider": "p"}], "record 0: .*missing"),
        (pl.DataFrame({"provider": ["p"]}), "column 'model' is missing"),
        (pl.DataFrame({"modle": ["p"]}), "did you mean 'model'"),
        (pl.DataFrame({"user_id": ["p"]}), "metadata.user_id"),
        (pl.DataFrame({"metadata.n": [1]}), "cast it to text"),
    ],
)
def test_a_wrong_source_is_named(source: Any, message: str, client: PromptLog) -> None:
    """A source that cannot be meant says so, and how to mend it."""
    with pytest.raises(errors.InvalidInputError, match=message):
        client.log_many(source)


def test_a_path_means_one_file(client: PromptLog, tmp_path: Path) -> None:
    """Brackets, stars and quotes in a name are letters, not patterns."""
    odd = tmp_path / "it's [1]*?.parquet"
    pq.write_table(pa.Table.from_pylist(rows(2)), odd)
    pq.write_table(pa.Table.from_pylist(rows(9)), tmp_path / "it's 1xy.parquet")
    assert client.log_many(odd) == 2


def test_nothing_is_left_behind(client: PromptLog, tmp_path: Path) -> None:
    """Staged files go, after success and after failure."""
    client.log_many(rows(10))
    with pytest.raises(errors.InvalidInputError):
        client.log_many([{}])
    assert list((tmp_path / "store.duckdb.journal" / "staging").iterdir()) == []
