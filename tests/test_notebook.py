"""The example notebook runs as it stands, and what it finds is what the files say by themselves.

`python -m tests.test_notebook` runs it and keeps its outputs, but for those that show texts or this machine's folders.
"""

from __future__ import annotations

import csv
import json
import math
import os
import random
import re
import statistics
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from nbclient import NotebookClient

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK = Path(__file__).parent / "notebooks" / "azure.ipynb"
PRICES = {"gpt": (0.15, 0.60), "cla": (3.00, 15.00), "Met": (0.18, 0.18)}  # US dollars for a million tokens
NOT_KEPT = {"texts", "machine"}  # tags of cells whose outputs are not committed


def run(notebook: NotebookNode, data: Path) -> None:
    """Execute a notebook in a kernel of its own, which finds the data there."""
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", record_timing=False)
    client.execute(env={**os.environ, "PROMPTLOG_DATA": str(data)})


def by_hand(data: Path) -> list[dict[str, Any]]:
    """The notebook's rows without promptlog, polars or a table: arrivals, texts in turn, invented users."""
    with (data / "azure_llm_trace_2023_conv.csv").open() as file:
        arrivals = list(csv.DictReader(file))
    with (data / "alpaca_eval_outputs.jsonl").open() as file:
        texts = [json.loads(line) for line in file]
    dice = random.Random(7)
    rows = []
    for number, arrival in enumerate(arrivals):
        text = texts[number % len(texts)]
        tokens = int(arrival["ContextTokens"]), int(arrival["GeneratedTokens"])
        prices = PRICES[text["generator"][:3]]
        rows.append(
            {
                "minute": arrival["TIMESTAMP"][:16],
                "dataset": text["dataset"],
                "user": f"user_{int(3000 * dice.random() ** 2)}",
                "tokens": tokens[1],
                "cost": sum(n * price for n, price in zip(tokens, prices, strict=True)) / 1e6,
                "found": text["generator"].startswith("gpt-4")
                and tokens[1] > 100
                and "chocolate" in (text["instruction"] + "\0" + text["output"]).lower(),
            }
        )
    return rows


def test_the_notebook_finds_what_the_files_say(shared_data: Path) -> None:
    """Busiest minute, p95 by dataset, costliest users, search and cost by plan are those of plain Python on the files."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    told = (
        "import json\n"
        "print(json.dumps([busiest.values.tolist(), p95.values.tolist(), costliest.values.tolist(),"
        " cakes.count(), plans.rows(), report.inserted, found.totals.requests], default=str))"
    )
    notebook.cells.append(nbformat.v4.new_code_cell(told))  # type: ignore[no-untyped-call]
    run(notebook, shared_data)
    busiest, p95, costliest, cakes, plans, inserted, paying = json.loads(notebook.cells[-1].outputs[0].text)

    rows = by_hand(shared_data)
    ((minute, requests),) = Counter(row["minute"] for row in rows).most_common(1)
    tokens = sum(row["tokens"] for row in rows if row["minute"] == minute)
    assert [(f"{time[:16]}", *rest) for time, *rest in busiest] == [(minute, requests, tokens)]

    of_dataset = defaultdict(list)
    for row in rows:
        of_dataset[row["dataset"]].append(row["tokens"])
    expected = [
        [name, len(of), statistics.median(of), statistics.quantiles(of, n=100, method="inclusive")[94]]
        for name, of in sorted(of_dataset.items())
    ]
    assert p95 == expected

    of_user = defaultdict(list)
    for row in rows:
        of_user[row["user"]].append(row)
    most = sorted(of_user.items(), key=lambda item: -math.fsum(row["cost"] for row in item[1]))[:10]
    assert costliest == [
        [
            user,
            pytest.approx(math.fsum(row["cost"] for row in of)),
            len(of),
            sum(row["tokens"] for row in of),
        ]
        for user, of in most
    ]

    assert cakes == sum(row["found"] for row in rows) > 0

    of_plan = defaultdict(list)
    for row in rows:
        number = int(row["user"].removeprefix("user_"))
        of_plan["enterprise" if number < 20 else "pro" if number < 600 else None].append(row)
    assert plans == [
        [
            plan,
            len(of_plan[plan]),
            len({row["user"] for row in of_plan[plan]}),
            pytest.approx(math.fsum(row["cost"] for row in of_plan[plan])),
            pytest.approx(len(of_plan[plan]) / len(rows)),
        ]
        for plan in ("enterprise", "pro", None)
    ]
    assert paying == len(of_plan["enterprise"]) + len(of_plan["pro"])
    assert inserted == 2 * paying  # plan and country


def test_a_kernel_without_widgets_can_ask(tmp_path: Path) -> None:
    """In Jupyter DuckDB has a progress bar of its own, which it refuses to turn off where ipywidgets is missing."""
    story = (
        "import sys; sys.modules['ipywidgets'] = None\n"
        f"from promptlog import PromptLog; client = PromptLog({str(tmp_path / 'a.duckdb')!r})\n"
        "client.log_many([dict(provider='p', model='m', input='i', output='o', request_start_time=1, request_end_time=2)])\n"
        "client.backfill([{'request_id': client.requests.ids()[0], 'plan': 'pro'}], on='request_id')\n"
        "client.requests.count()"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(story)])  # type: ignore[no-untyped-call]
    run(notebook, tmp_path)
    assert notebook.cells[0].outputs[0].data["text/plain"] == "1"


def test_no_text_is_committed() -> None:
    """What the notebook keeps of its run are numbers and charts: no prompt, no answer, no folder of a machine."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        if NOT_KEPT & set(cell.metadata.get("tags", ())):
            assert not cell.outputs
    assert not re.search(
        r"/tmp|/home|/Users|/root|/var", json.dumps([cell.get("outputs") for cell in notebook.cells])
    )


def _keep_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    run(notebook, Path(os.environ["PROMPTLOG_DATA"]))
    for cell in notebook.cells:
        if NOT_KEPT & set(cell.metadata.get("tags", ())):
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, NOTEBOOK)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    _keep_outputs()
