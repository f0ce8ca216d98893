"""PromptLayer's analytics, answered by ours: one overview in its words. Latencies are seconds there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.expressions.face import col
from promptlog.expressions.grouping import by_time, count
from promptlog.identifiers import prompt_id
from promptlog.server.rest.charts import custom_analytics
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import known, seconds
from promptlog.server.rest.filter_table import CALLS_TOOLS, PLAIN_TEXT, TOOL
from promptlog.server.rest.filters import condition_of, names_of
from promptlog.server.rest.searching import QUERY

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog
    from promptlog.models.analytics import Analytics
    from promptlog.models.tables import Table

_UNIT_MS = {
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "mo": 2_628_000_000,
    "q": 7_884_000_000,
    "y": 31_536_000_000,
}
_DAY_MS = _UNIT_MS["d"]
_INTERVALS = {
    "1m": "minute",
    "1h": "hour",
    "1d": "day",
    "1w": "week",
    "1mo": "month",
    "1q": "quarter",
    "1y": "year",
}
_LATENCIES = {"average_latency": "mean", "p50_latency": "p50", "p90_latency": "p90", "p95_latency": "p95"}
_TOP = 50
_MOST_TOOLS = 20  # of which it is told how long they took
_MOST_INSIDE = 50_000  # requests whose answers are looked into; of more that would take too long


def routes() -> list[BaseRoute]:
    """Return the doors."""
    base = "/api/public/v2/requests/analytics"
    return [
        door("POST", base, analytics, writes=False),
        door("POST", f"{base}/custom-analytics", custom_analytics, writes=False),
    ]


async def analytics(call: Call) -> dict[str, Any]:
    """Return the numbers of the requests that a filter asks for: in all, over time, and by what."""
    body = known(call.body, QUERY)
    key = body.get("metadata_cost_breakdown_key")
    if key is not None and not isinstance(key, str):
        raise HTTPException(
            400, f"metadata_cost_breakdown_key: it is a metadata key, got {type(key).__name__}"
        )
    return await call.house.ask(_analyse, call.house.client, body, key)


def _analyse(client: PromptLog, body: dict[str, Any], key: str | None) -> dict[str, Any]:
    asked = client.requests.filter(condition_of(body, names_of(client)))
    found = asked.analytics(cost_by=key, top=_TOP)
    more = asked.group_by(by_time(found.every)).agg(
        cached=col.cached_tokens.sum(),
        thinking=col.reasoning_tokens.sum(),
        traced=col.trace_id.count(),
        **{status: count(col.status == status) for status in ("SUCCESS", "WARNING", "ERROR")},
    )
    buckets = {
        row["time"]: {name: value if name == "time" else int(value or 0) for name, value in row.items()}
        for row in more.dicts()
    }
    by_day = {
        "model": _by_day(asked, found, "model", found.by_model),
        "provider": _by_day(asked, found, "provider", found.by_provider),
        "prompt_name": _by_day(asked, found, "prompt_name", found.by_prompt),
    }
    looks_inside = found.totals.requests <= _MOST_INSIDE
    shapes = _shapes(asked, found) if looks_inside else {}
    return {
        **_totals(found, buckets),
        "stats": [
            _bucket(row, buckets.get(row["time"], {}), found.every) | shapes.get(row["time"], {})
            for row in found.over_time.dicts()
        ],
        "mostUsedModels": [[row["model"], row["requests"]] for row in _named(found.by_model, "model")],
        "modelRequestsByDay": by_day["model"][0],
        "providerRequestsByDay": by_day["provider"][0],
        "promptTemplateRequestsByDay": by_day["prompt_name"][0],
        "latencyByModelByDay": by_day["model"][1],
        "latencyByProviderByDay": by_day["provider"][1],
        "latencyByPromptTemplateByDay": by_day["prompt_name"][1],
        "mostUsedPromptTemplates": [
            {
                "promptId": str(prompt_id(row["prompt_name"])),
                "requests": row["requests"],
                "promptName": row["prompt_name"],
            }
            for row in _named(found.by_prompt, "prompt_name")
        ],
        "errorTypes": [
            {"errorType": row["error_type"], "requests": row["requests"]}
            for row in found.by_error_type.dicts()
        ],
        "providerBreakdown": _breakdown(found.by_provider, "provider", "provider"),
        "promptBreakdown": [
            {"promptId": str(prompt_id(row["promptName"])), **row}
            for row in _breakdown(found.by_prompt, "prompt_name", "promptName")
        ],
        "tagsBreakdown": _breakdown(found.by_tag, "tag", "tag"),
        "metadataKeysTop": found.top_metadata_keys.dicts(),
        "metadataValueBreakdown": [
            {
                "key": row["key"],
                "value": row["value"],
                "label": row["value"] if key is not None else f"{row['key']} = {row['value']}",
                "requests": row["requests"],
                "cost": row["cost_usd"],
            }
            for row in found.cost_by_metadata.dicts()
        ],
        **(_inside(asked) if looks_inside else {}),
    }


def _shapes(asked: Any, found: Analytics) -> dict[Any, dict[str, Any]]:
    """Return how many answers of each bucket are JSON, calls of tools, and plain text."""
    counted = {"json": col.output.is_json(), "toolCall": CALLS_TOOLS, "plainText": PLAIN_TEXT}
    rows = (
        asked.group_by(by_time(found.every)).agg(**{name: count(of) for name, of in counted.items()}).dicts()
    )
    told = {row["time"]: {name: row[name] for name in counted} for row in rows}
    nothing = dict.fromkeys(counted, 0)
    return {
        row["time"]: {"outputShapeCounts": told.get(row["time"], nothing)} for row in found.over_time.dicts()
    }


def _inside(asked: Any) -> dict[str, Any]:
    """Return what stands inside the answers: the keys of those that are JSON, and the tools that they call."""
    keys = asked.inside(col.output, limit=_TOP).fetchall()
    calling = asked.filter(CALLS_TOOLS)
    tools = calling.inside(TOOL, limit=_TOP).fetchall()
    took = col.latency_ms
    latencies = []
    for name, requests in tools[:_MOST_TOOLS]:
        (row,) = calling.filter(name == TOOL).agg(mean=took.mean(), least=took.min(), most=took.max()).dicts()
        latencies.append(
            {
                "toolName": name,
                "requests": requests,
                "avgLatencySeconds": seconds(row["mean"]),
                "minLatencySeconds": seconds(row["least"]),
                "maxLatencySeconds": seconds(row["most"]),
            }
        )
    return {
        "outputKeysTop": [{"key": key, "requests": requests} for key, requests in keys],
        "toolsUsageBars": [{"name": name, "requests": requests} for name, requests in tools],
        "toolsLatency": latencies,
    }


def _by_day(
    asked: Any, found: Analytics, column: str, table: Table
) -> tuple[dict[str, list[list[Any]]], dict[str, dict[str, list[list[Any]]]]]:
    """Return how many requests each value of a column had in each bucket, and how long they took, of the most frequent values."""
    requests: dict[str, list[list[Any]]] = {row[column]: [] for row in _named(table, column)}
    latency: dict[str, dict[str, list[list[Any]]]] = {
        value: {name: [] for name in _LATENCIES} for value in requests
    }
    if not requests:
        return {}, {}
    took = col.latency_ms
    rows = (
        asked.filter(col(column).is_in(list(requests)))
        .group_by(by_time(found.every), col(column))
        .agg(
            n=count(),
            mean=took.mean(),
            p50=took.quantile(0.5),
            p90=took.quantile(0.9),
            p95=took.quantile(0.95),
        )
        .dicts()
    )
    for row in rows:
        if row[column] in requests and row["n"]:
            date = _date(row["time"], found.every)
            requests[row[column]].append([date, row["n"]])
            for name, measure in _LATENCIES.items():
                latency[row[column]][name].append([date, seconds(row[measure])])
    return requests, latency


def _totals(found: Analytics, buckets: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    totals = found.totals
    cached = sum(row["cached"] for row in buckets.values())
    over_time = [row for row in found.over_time.dicts() if row["requests"]]
    return {
        "success": True,
        "chartInterval": _interval(found.every),
        "averageLatency": seconds(totals.latency_ms_mean),
        "totalCost": totals.cost_usd,
        "totalTokens": totals.input_tokens + totals.output_tokens,
        "totalRequests": totals.requests,
        "totalCachedTokens": cached,
        "totalThinkingTokens": sum(row["thinking"] for row in buckets.values()),
        "cacheTokenRatio": cached / totals.input_tokens if totals.input_tokens else None,
        "latency": {
            name: {
                _date(row["time"], found.every): seconds(row[f"latency_ms_{measure}"]) for row in over_time
            }
            for name, measure in _LATENCIES.items()
        },
    }


def _interval(every: str) -> dict[str, Any]:
    """Return how wide a bucket is; minutes are told where it is whole minutes and less than a day."""
    width = _width_ms(every)
    minutes = width // _UNIT_MS["m"] if width < _DAY_MS and width % _UNIT_MS["m"] == 0 else None
    return {"interval": _INTERVALS.get(every, every), "bucketSizeMs": width, "bucketMinutes": minutes}


def _width_ms(every: str) -> int:
    digits = every.rstrip("smhdwqyo")
    return int(digits or 1) * _UNIT_MS[every[len(digits) :]]


def _date(time: datetime, every: str) -> str:
    """Return the name of a bucket: its day, or the moment at which it begins where a day has several."""
    return time.date().isoformat() if _width_ms(every) >= _DAY_MS else time.isoformat()


def _bucket(row: dict[str, Any], more: dict[str, Any], every: str) -> dict[str, Any]:
    return {
        "date": _date(row["time"], every),
        "dateLabel": row["time"].strftime("%b %d %H:%M").removesuffix(" 00:00"),
        "requests": row["requests"],
        "tokens": row["input_tokens"] + row["output_tokens"],
        "inputTokens": row["input_tokens"],
        "outputTokens": row["output_tokens"],
        "cost": row["cost_usd"],
        "latency": seconds(row["latency_ms_mean"]),
        "cachedTokens": more.get("cached", 0),
        "thinkingTokens": more.get("thinking", 0),
        "traceShare": more.get("traced", 0) / row["requests"] if row["requests"] else None,
        "statusCounts": {status: more.get(status, 0) for status in ("SUCCESS", "WARNING", "ERROR")},
    }


def _breakdown(table: Any, column: str, name: str) -> list[dict[str, Any]]:
    return [
        {
            name: row[column],
            "requests": row["requests"],
            "cost": row["cost_usd"],
            "tokens": row["input_tokens"] + row["output_tokens"],
            "inputTokens": row["input_tokens"],
            "outputTokens": row["output_tokens"],
        }
        for row in _named(table, column)
    ]


def _named(table: Any, column: str) -> list[dict[str, Any]]:
    """Return the rows that are of something: requests without a prompt or a tag are a row of their own."""
    return [row for row in table.dicts() if row[column] is not None]
