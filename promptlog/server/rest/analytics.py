"""PromptLayer's analytics, answered by ours: one overview in its words. Latencies are seconds there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.expressions.face import col
from promptlog.expressions.grouping import by_time, count
from promptlog.server.rest.charts import custom_analytics
from promptlog.server.rest.doors import Call, door
from promptlog.server.rest.fields import known
from promptlog.server.rest.filters import condition_of, names_of
from promptlog.server.rest.searching import QUERY

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from promptlog.client import PromptLog
    from promptlog.models.analytics import Analytics

_UNIT_MINUTES = {
    "s": 1 / 60,
    "m": 1,
    "h": 60,
    "d": 1440,
    "w": 10_080,
    "mo": 43_800,
    "q": 131_400,
    "y": 525_600,
}
_TOP = 50


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
    every = by_time(found.every)
    more = asked.group_by(every).agg(
        cached=col.cached_tokens.sum(),
        thinking=col.reasoning_tokens.sum(),
        traced=col.trace_id.count(),
        **{status: count(col.status == status) for status in ("SUCCESS", "WARNING", "ERROR")},
    )
    buckets = {row["time"]: row for row in more.dicts()}

    def by_day(column: str, name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        rows = asked.group_by(every, col(column)).agg(n=count(), latency=col.latency_ms.mean()).dicts()
        told = [row for row in rows if row[column] is not None and row["n"]]
        requests = [{"date": row["time"], name: row[column], "requests": row["n"]} for row in told]
        return requests, [
            {"date": row["time"], name: row[column], "latency": _seconds(row["latency"])} for row in told
        ]

    models, model_latency = by_day("model", "model")
    providers, provider_latency = by_day("provider", "provider")
    prompts, prompt_latency = by_day("prompt_name", "promptName")
    return {
        **_totals(found, buckets),
        "stats": [_bucket(row, buckets.get(row["time"], {})) for row in found.over_time.dicts()],
        "mostUsedModels": [[row["model"], row["requests"]] for row in found.by_model.dicts()],
        "modelRequestsByDay": models,
        "providerRequestsByDay": providers,
        "promptTemplateRequestsByDay": prompts,
        "latencyByModelByDay": model_latency,
        "latencyByProviderByDay": provider_latency,
        "latencyByPromptTemplateByDay": prompt_latency,
        "mostUsedPromptTemplates": [
            {"promptName": row["prompt_name"], "requests": row["requests"]}
            for row in _named(found.by_prompt, "prompt_name")
        ],
        "errorTypes": [
            {"errorType": row["error_type"], "requests": row["requests"]}
            for row in found.by_error_type.dicts()
        ],
        "providerBreakdown": _breakdown(found.by_provider, "provider", "provider"),
        "promptBreakdown": _breakdown(found.by_prompt, "prompt_name", "promptName"),
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
    }


def _totals(found: Analytics, buckets: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    totals = found.totals
    cached = sum(row["cached"] for row in buckets.values())
    digits = found.every.rstrip("smhdwqyo")
    minutes = int(digits or 1) * _UNIT_MINUTES[found.every[len(digits) :]]
    return {
        "success": True,
        "chartInterval": {
            "interval": found.every,
            "bucketSizeMs": round(minutes * 60_000),
            "bucketMinutes": minutes,
        },
        "averageLatency": _seconds(totals.latency_ms_mean),
        "totalCost": totals.cost_usd,
        "totalTokens": totals.input_tokens + totals.output_tokens,
        "totalRequests": totals.requests,
        "totalCachedTokens": cached,
        "totalThinkingTokens": sum(row["thinking"] for row in buckets.values()),
        "cacheTokenRatio": cached / totals.input_tokens if totals.input_tokens else None,
        "latency": {
            "average_latency": _seconds(totals.latency_ms_mean),
            "p50_latency": _seconds(totals.latency_ms_p50),
            "p90_latency": _seconds(totals.latency_ms_p90),
            "p95_latency": _seconds(totals.latency_ms_p95),
        },
    }


def _bucket(row: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {
        "date": row["time"],
        "dateLabel": row["time"].strftime("%b %d %H:%M").removesuffix(" 00:00"),
        "requests": row["requests"],
        "tokens": row["input_tokens"] + row["output_tokens"],
        "inputTokens": row["input_tokens"],
        "outputTokens": row["output_tokens"],
        "cost": row["cost_usd"],
        "latency": _seconds(row["latency_ms_mean"]),
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


def _seconds(latency_ms: float | None) -> float | None:
    return None if latency_ms is None else latency_ms / 1000
