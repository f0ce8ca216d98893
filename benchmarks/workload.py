"""Requests as they are: real arrivals and token counts, real prompts and answers, where the data is there.

Set PROMPTLOG_DATA to the folder that holds `azure_llm_trace_2023_conv.csv` (AzurePublicDataset, CC-BY 4.0) and
`alpaca_eval_outputs.jsonl` (AlpacaEval). Without it the same shapes are made up.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import random
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(os.environ.get("PROMPTLOG_DATA") or Path(__file__).parents[2] / "shared" / "data")
_REGIONS = ("eu-west", "us-east", "us-west", "ap-south")


@cache
def _texts() -> list[tuple[str, str, str, str]]:
    """(dataset, prompt, answer, model) of each real pair."""
    path = DATA / "alpaca_eval_outputs.jsonl"
    if not path.exists():
        words = [
            "the",
            "quick",
            "brown",
            "fox",
            "jumps",
            "over",
            "a",
            "lazy",
            "dog",
            "while",
            "it",
            "rains",
            "in",
            "Spain",
        ]
        made = random.Random(7)
        return [
            (
                "made-up",
                " ".join(made.choices(words, k=60)),
                " ".join(made.choices(words, k=320)),
                f"model-{i % 3}",
            )
            for i in range(2000)
        ]
    with path.open() as file:
        rows = [json.loads(line) for line in file]
    return [(row["dataset"], row["instruction"], row["output"], row["generator"]) for row in rows]


@cache
def _arrivals() -> list[tuple[float, int, int]]:
    """(epoch seconds, input tokens, output tokens) of each real request."""
    path = DATA / "azure_llm_trace_2023_conv.csv"
    if not path.exists():
        made = random.Random(8)
        return [(1.7e9 + i * 0.18, made.randint(10, 4000), made.randint(1, 800)) for i in range(19_366)]
    with path.open() as file:
        return [
            (
                datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC).timestamp(),
                int(row["ContextTokens"]),
                int(row["GeneratedTokens"]),
            )
            for row in csv.DictReader(file)
        ]


def requests(count: int) -> Iterator[dict[str, Any]]:
    """Give the arguments of `log_request` for `count` requests: 5 metadata keys and 2 tags each."""
    texts, arrivals = _texts(), _arrivals()
    span = arrivals[-1][0] - arrivals[0][0] + 1
    chance = random.Random(42)
    for number in range(count):
        turn, place = divmod(number, len(arrivals))
        start, input_tokens, output_tokens = arrivals[place]
        start += turn * span
        dataset, prompt, answer, model = texts[number % len(texts)]
        user = chance.randrange(3000)
        yield {
            "provider": "openai" if model.startswith("gpt") else "other",
            "model": model,
            "input": [{"role": "user", "content": prompt}],
            "output": [{"role": "assistant", "content": answer}],
            "request_start_time": start,
            "request_end_time": start + 0.02 * output_tokens,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "price": round(input_tokens * 2.5e-6 + output_tokens * 1e-5, 8),
            "metadata": {
                "user_id": f"user_{user}",
                "session_id": f"sess_{user}_{number // 50_000}",
                "dataset": dataset,
                "region": _REGIONS[user % 4],
                "experiment": f"exp-{number % 7}",
            },
            "tags": ["production", "beta" if number % 10 == 0 else "stable"],
        }


def two_kilobytes(count: int) -> list[dict[str, Any]]:
    """Give requests whose text is 2 KB in all."""
    text = " ".join(answer for _, _, answer, _ in itertools.islice(_texts(), 200))
    rows = []
    for number, row in enumerate(requests(count)):
        at = number * 97 % (len(text) - 2048)
        rows.append({**row, "input": text[at : at + 700], "output": text[at + 700 : at + 2048]})
    return rows
