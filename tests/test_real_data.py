"""Real input: a morning of real arrivals with real texts, logged by four processes and asked by a fifth."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import polars as pl
import pytest

from benchmarks.workload import requests
from promptlog import PromptLog, by_time, col, count, meta

if TYPE_CHECKING:
    from pathlib import Path

WRITERS = 4
_WRITE = """
import sys
from benchmarks.workload import requests
from promptlog import PromptLog
client = PromptLog(sys.argv[1])
mine = int(sys.argv[2])
for number, row in enumerate(requests(int(sys.argv[3]))):
    if number % 4 == mine:
        row["metadata"] |= {"row": str(number)}
        client.log_request(**row)
"""


def test_the_azure_trace_arrives_row_by_row(shared_data: Path, tmp_path: Path) -> None:
    """19,366 arrivals with 2,415 real prompts and answers in turn: what is asked back is what the files say."""
    with (shared_data / "azure_llm_trace_2023_conv.csv").open() as file:
        arrivals = list(csv.DictReader(file))
    with (shared_data / "alpaca_eval_outputs.jsonl").open() as file:
        texts = [json.loads(line) for line in file]
    path = tmp_path / "trace.duckdb"
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITE, str(path), str(number), str(len(arrivals))])
        for number in range(WRITERS)
    ]
    client = PromptLog(path)
    counts = [client.requests.count()]
    while any(writer.poll() is None for writer in writers):  # asked while they log
        counts.append(client.requests.filter(meta("region") == "eu-west").count())
    assert [writer.wait() for writer in writers] == [0] * WRITERS
    assert counts[1:] == sorted(counts[1:])

    frame = client.requests.sort("start_time").with_metadata("row", "dataset", "user_id", "region").df()
    assert len(frame) == len(arrivals) == 19_366
    by_row = frame.set_index(frame["row"].astype(int)).sort_index()
    assert by_row.index.tolist() == list(range(len(arrivals)))
    for number, (arrival, found) in enumerate(zip(arrivals, by_row.itertuples(), strict=True)):
        text = texts[number % len(texts)]
        start = datetime.fromisoformat(arrival["TIMESTAMP"][:26]).replace(tzinfo=UTC)
        assert found.start_time == start
        assert (found.input_tokens, found.output_tokens) == (
            int(arrival["ContextTokens"]),
            int(arrival["GeneratedTokens"]),
        )
        assert (found.input_text, found.output_text) == (text["instruction"], text["output"])
        assert (found.model, found.dataset) == (text["generator"], text["dataset"])
    assert frame["user_id"].nunique() <= 3000
    assert set(frame["region"]) == {"eu-west", "us-east", "us-west", "ap-south"}
    some = next(iter(islice(client.requests, 1)))
    assert some.tags[0] in {"beta", "production"}
    client.close()


def test_aggregates_of_the_azure_trace(shared_data: Path, client: PromptLog) -> None:
    """The busiest minute, and the 95th percentile of output tokens by dataset, are what the files say by themselves."""
    trace = pl.read_csv(shared_data / "azure_llm_trace_2023_conv.csv")
    with (shared_data / "alpaca_eval_outputs.jsonl").open() as file:
        texts = [json.loads(line)["dataset"] for line in file]
    client.log_many(requests(len(trace)), progress=False)

    minutes = client.requests.group_by(by_time("1m")).agg(n=count(), tokens=col.input_tokens.sum())
    by_hand = trace.group_by(pl.col("TIMESTAMP").str.slice(0, 16).alias("minute")).agg(
        n=pl.len(), tokens=pl.col("ContextTokens").sum()
    )
    busiest = by_hand.sort("n", "minute", descending=[True, False]).row(0)
    (found,) = minutes.sort("n", descending=True).limit(1).fetchall()
    assert (f"{found[0]:%Y-%m-%d %H:%M}", *found[1:]) == busiest
    assert minutes.having(count() > 0).count() == len(by_hand)
    assert minutes.pl()["n"].sum() == len(trace)

    p95 = (
        client.requests.group_by(meta("dataset"))
        .agg(n=count(), p95=col.output_tokens.quantile(0.95))
        .fetchall()
    )
    datasets = pl.Series("dataset", [texts[number % len(texts)] for number in range(len(trace))])
    expected = (
        trace.with_columns(datasets)
        .group_by("dataset")
        .agg(n=pl.len(), p95=pl.col("GeneratedTokens").quantile(0.95, interpolation="linear"))
    )
    for mine, theirs in zip(p95, expected.sort("dataset").iter_rows(), strict=True):
        assert mine[:2] == theirs[:2]
        assert mine[2] == pytest.approx(theirs[2])
