"""How a prompt does: what its versions cost, how long they take, how often they fail, and what they score."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from promptlog.expressions.face import col, score
from promptlog.expressions.grouping import count
from promptlog.server.pages.python import opening
from promptlog.server.pages.view import View

if TYPE_CHECKING:
    from datetime import datetime

    from promptlog.client import PromptLog

_RECENT = 1000  # requests whose scores say which names there are
_MOST_SCORES = 4
#: Each column: what it is asked by, and the same as Python.
_MEASURES = {
    "requests": (count(), "count()"),
    "errors": (count(col.status == "ERROR"), 'count(col.status == "ERROR")'),
    "p50": (col.latency_ms.quantile(0.5), "col.latency_ms.quantile(0.5)"),
    "p95": (col.latency_ms.quantile(0.95), "col.latency_ms.quantile(0.95)"),
    "tokens_out": (col.output_tokens.mean(), "col.output_tokens.mean()"),
    "cost": (col.cost_usd.mean(), "col.cost_usd.mean()"),
    "last": (col.start_time.max(), "col.start_time.max()"),
}


def of_all(client: PromptLog) -> dict[str, tuple[int, datetime]]:
    """Return for each prompt that was used the number of its requests and when the last began."""
    asked = client.requests.filter(col.prompt_name.exists()).group_by(col.prompt_name)
    return {
        name: (requests, last) for name, requests, last in asked.agg(count(), col.start_time.max()).fetchall()
    }


def of_versions(client: PromptLog, name: str) -> dict[str, Any]:
    """Return a row for each version that was used, the latest first, the names of scores, and all of it as Python."""
    asked = client.requests.filter(col.prompt_name == name)
    recent = asked.select("request_id").with_scores().sort("start_time", descending=True).limit(_RECENT)
    seen = Counter(named for row in recent.dicts() for named in row["scores"])
    scores = [named for named, _ in seen.most_common(_MOST_SCORES)]
    means = [score(named).mean().alias(f"score {named}") for named in scores]
    measures = {measure: aggregate for measure, (aggregate, _) in _MEASURES.items()}
    groups = asked.group_by(version=col.prompt_version).agg(*means, **measures)
    rows = groups.sort("version", descending=True).dicts()
    for row in rows:
        version = row["version"]
        those = col.prompt_version.is_null() if version is None else col.prompt_version == version
        row["those"] = View(q=str((col.prompt_name == name) & those)).address()
        row["scores"] = [row[f"score {named}"] for named in scores]
    return {"rows": rows, "scores": scores, "python": _python(str(client.path), name, scores)}


def _python(path: str, name: str, scores: list[str]) -> str:
    means = [f"score({named!r}).mean().alias({'score ' + named!r})" for named in scores]
    told = [*means, *(f"{measure}={written}" for measure, (_, written) in _MEASURES.items())]
    names = ("col", "count", *(["score"] if scores else []))
    return "\n".join([
        f"{opening(path, *names)}asked = client.requests.filter(col.prompt_name == {name!r})",
        "versions = asked.group_by(version=col.prompt_version).agg(",
        *(f"    {one}," for one in told),
        ")",
        "rows = versions.dicts()  # with pandas installed: versions.df()\n",
    ])  # fmt: skip
