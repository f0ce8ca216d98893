"""`/analytics/custom-analytics`: charts of one's own, each a metric by a field, over time or in all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.errors import InvalidInputError
from promptlog.expressions.face import col, meta, tag
from promptlog.expressions.grouping import by_time, count
from promptlog.server.rest.fields import known
from promptlog.server.rest.filter_table import TOOL
from promptlog.server.rest.filters import condition_of, names_of
from promptlog.server.rest.searching import QUERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from promptlog.client import PromptLog
    from promptlog.expressions.nodes import Condition
    from promptlog.server.rest.doors import Call

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_CHARTS, _MOST_SERIES, _MOST_TITLE, _LIMIT, _MOST_LIMIT = 50, 20, 200, 25, 100
_TYPES = ("bar", "line", "area")
_OF_ROWS = ("label", "bucketKey")
_METRICS = ("count", "sum", "avg", "min", "max", "percentile")
#: Each metric field: its column, its unit, and by what its numbers are divided.
_MEASURED: dict[str, tuple[str, str, int]] = {
    "input_tokens": ("input_tokens", "tokens", 1),
    "output_tokens": ("output_tokens", "tokens", 1),
    "cached_tokens": ("cached_tokens", "tokens", 1),
    "thinking_tokens": ("reasoning_tokens", "tokens", 1),
    "cost": ("cost_usd", "currency", 1),
    "latency_ms": ("latency_ms", "duration_seconds", 1000),
    "prompt_version_number": ("prompt_version", "number", 1),
}
_GROUPED: dict[str, Any] = {
    "engine": col.model,
    "provider_type": col.provider,
    "prompt_id": col.prompt_name,
    "prompt_version_number": col.prompt_version,
    "status": col.status,
    "error_type": col.error_type,
    "tags": tag,
}
#: A request counts under each that it has, so each is asked by itself: of the most frequent, which requests have it.
_EACH: dict[str, Callable[[Any, int], dict[str, Condition]]] = {
    "metadata_keys": lambda asked, limit: {
        row["key"]: meta(row["key"]).exists() for row in asked.analytics(top=limit).top_metadata_keys.dicts()
    },
    "output_keys": lambda asked, limit: {
        key: col.output[key].exists() for key, _ in asked.inside(col.output, limit=limit).fetchall()
    },
    "input_variable_keys": lambda asked, limit: {
        key: col.input_variables[key].exists()
        for key, _ in asked.inside(col.input_variables, limit=limit).fetchall()
    },
    "tool_names": lambda asked, limit: {
        name: name == TOOL for name, _ in asked.inside(TOOL, limit=limit).fetchall()
    },
}
_UNANSWERED = ("turn_count", "tool_call_count")

_CHART_METRIC: dict[str, Any] = {
    "metric": {"enum": list(_METRICS)},
    "metricField": {"enum": list(_MEASURED)},
    "percentile": {"type": "number", "minimum": 0, "maximum": 100},
}
#: One chart, as the API's description has it.
CHART: dict[str, Any] = {
    "type": "object",
    "required": ["id", "chartType"],
    "anyOf": [{"required": ["metric", "metricField", "percentile"]}, {"required": ["series"]}],
    "properties": {
        "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
        "title": {"type": "string", "maxLength": _MOST_TITLE},
        "chartType": {"enum": list(_TYPES)},
        **_CHART_METRIC,
        "series": {
            "type": "array",
            "items": {"type": "object", "required": ["metric"], "properties": _CHART_METRIC},
        },
        "groupByField": {"enum": [*_GROUPED, *_EACH, None]},
        "groupByMetadataKey": {"type": ["string", "null"], "minLength": 1},
        "timeSeries": {"type": "boolean"},
        "limit": {"type": "integer", "minimum": 1, "maximum": _MOST_LIMIT},
    },
}


async def custom_analytics(call: Call) -> dict[str, Any]:
    """Return the data of charts, each described by metric, field and group."""
    body = known(call.body, ("customCharts", *QUERY))
    charts = body.get("customCharts")
    if not isinstance(charts, list) or not 0 < len(charts) <= _MOST_CHARTS:
        raise HTTPException(400, f"customCharts: it is a list of 1 to {_MOST_CHARTS} charts")
    checked = [_Chart(one, f"customCharts[{place}]") for place, one in enumerate(charts)]
    if len({chart.id for chart in checked}) < len(checked):
        raise HTTPException(400, "customCharts: two have one id")
    return await call.house.ask(_draw, call.house.client, body, checked)


def _draw(client: PromptLog, body: dict[str, Any], charts: list[_Chart]) -> dict[str, Any]:
    asked = client.requests.filter(condition_of(body, names_of(client)))
    every = "1d"
    if any(chart.over_time for chart in charts):
        every = asked.analytics().every
    return {"success": True, "customCharts": [chart.data(asked, every) for chart in charts]}


class _Series:
    """One metric of a chart."""

    def __init__(self, given: Any, where: str, key: str) -> None:
        if not isinstance(given, dict):
            raise HTTPException(400, f"{where}: a series is an object with metric and metricField")
        told = given.get("key")
        self.key: str = told if isinstance(told, str) and told else key
        if self.key in _OF_ROWS:
            raise HTTPException(
                400, f"{where}.key: {self.key!r} is what rows of data have beside their series"
            )
        metric, field = given.get("metric"), given.get("metricField")
        if metric not in _METRICS:
            raise HTTPException(
                400, f"{where}.metric: it is one of {', '.join(_METRICS)}, got {str(metric)[:40]!r}"
            )
        self.divided = 1
        if metric == "count":
            self.unit, self.aggregation = "count", count()
        else:
            if field in _UNANSWERED:
                raise HTTPException(
                    400, f"{where}.metricField: {field} cannot be asked here: it is not counted"
                )
            if not isinstance(field, str) or field not in _MEASURED:
                raise HTTPException(
                    400, f"{where}.metricField: it is one of {', '.join(_MEASURED)}, got {str(field)[:40]!r}"
                )
            column, self.unit, self.divided = _MEASURED[field]
            self.aggregation = _aggregation(column, metric, given.get("percentile"), where)
        label = given.get("label")
        self.label = (
            label
            if isinstance(label, str) and label
            else " ".join(filter(None, (metric, field if isinstance(field, str) else None)))
        )

    def shown(self) -> dict[str, str]:
        return {"key": self.key, "label": self.label, "unit": self.unit}


def _aggregation(column: str, metric: str, percentile: Any, where: str) -> Any:
    of = col(column)
    if metric != "percentile":
        return {"sum": of.sum, "avg": of.mean, "min": of.min, "max": of.max}[metric]()
    if isinstance(percentile, bool) or not isinstance(percentile, int | float) or not 0 <= percentile <= 100:  # noqa: PLR2004
        raise HTTPException(
            400, f"{where}.percentile: it is a number from 0 to 100, got {str(percentile)[:40]!r}"
        )
    return of.quantile(percentile / 100)


class _Chart:
    """One chart, checked."""

    def __init__(self, given: Any, where: str) -> None:
        if not isinstance(given, dict):
            raise HTTPException(400, f"{where}: a chart is an object")
        self.id, self.kind = given.get("id"), given.get("chartType")
        if not isinstance(self.id, str) or not _ID.fullmatch(self.id):
            raise HTTPException(400, f"{where}.id: it has 1 to 64 letters, digits, _ and -")
        self.title = given.get("title") or self.id
        if not isinstance(self.title, str) or len(self.title) > _MOST_TITLE:
            raise HTTPException(400, f"{where}.title: it is text of at most {_MOST_TITLE} characters")
        if self.kind not in _TYPES:
            raise HTTPException(
                400, f"{where}.chartType: it is one of {', '.join(_TYPES)}, got {str(self.kind)[:40]!r}"
            )
        series = given.get("series") or [given]
        if not isinstance(series, list) or len(series) > _MOST_SERIES:
            raise HTTPException(400, f"{where}.series: it is a list of at most {_MOST_SERIES}")
        self.series = [
            _Series(
                one,
                where if one is given else f"{where}.series[{place}]",
                "value" if one is given else f"series{place + 1}",
            )
            for place, one in enumerate(series)
        ]
        if len({one.key for one in self.series}) < len(self.series):
            raise HTTPException(400, f"{where}.series: two have one key")
        self.over_time = given.get("timeSeries") is True
        self.group = _group(given, where)
        self.limit = _LIMIT if given.get("limit") is None else given["limit"]
        if (
            isinstance(self.limit, bool)
            or not isinstance(self.limit, int)
            or not 1 <= self.limit <= _MOST_LIMIT
        ):
            raise HTTPException(400, f"{where}.limit: it is a number from 1 to {_MOST_LIMIT}")
        self.insights = _insights(given, where, {one.key for one in self.series})
        if self.over_time and self.group is not None and len(self.series) > 1:
            raise HTTPException(
                400, f"{where}: several series over time cannot be grouped; make a chart of each"
            )

    def data(self, asked: Any, every: str) -> dict[str, Any]:
        """Ask, and return the chart with its data."""
        wanted = {f"v{place}": one.aggregation for place, one in enumerate(self.series)}
        whole = asked.agg(**wanted).dicts()[0]
        series = [one.shown() for one in self.series]
        if isinstance(self.group, str):
            series, data = self._by_each(asked, every, wanted)
        elif self.group is not None and self.over_time:
            series, data = self._groups_over_time(asked, every, wanted)
        elif self.group is not None:
            by = self.group if self.group is tag else self.group.alias("g")
            rows = asked.group_by(by).agg(**wanted).sort("v0", descending=True).limit(self.limit).dicts()
            data = [{"label": _label(next(iter(row.values()))), **self._values(row)} for row in rows]
        elif self.over_time:
            rows = asked.group_by(by_time(every)).agg(**wanted).dicts()
            data = [
                {"label": _label(row["time"]), "bucketKey": row["time"], **self._values(row)} for row in rows
            ]
        else:
            data = [{"label": "Overall", **self._values(whole)}]
        return {
            "id": self.id,
            "title": self.title,
            "chartType": self.kind,
            "series": series,
            "data": data,
            "derivedInsights": [self._insight(one, self._values(whole)) for one in self.insights],
        }

    def _groups_over_time(
        self, asked: Any, every: str, wanted: dict[str, Any]
    ) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
        """Return a series for each of the most frequent groups, and the rows of all."""
        by = self.group if self.group is tag else self.group.alias("g")
        top = asked.group_by(by).agg(n=count()).sort("n", descending=True).limit(self.limit).dicts()
        keys = {group: _series_key(group) for row in top for group in (next(iter(row.values())),)}
        only = self.series[0]
        nothing = dict.fromkeys(keys.values(), 0 if only.unit == "count" else None)
        found: dict[Any, dict[str, Any]] = {}
        for row in asked.group_by(by_time(every), by).agg(**wanted).dicts():
            time, group, *_ = row.values()
            bucket = found.setdefault(time, {"label": _label(time), "bucketKey": time, **nothing})
            if group in keys:
                bucket[keys[group]] = self._values(row)[only.key]
        series = [{"key": key, "label": _label(group), "unit": only.unit} for group, key in keys.items()]
        return series, list(found.values())

    def _by_each(
        self, asked: Any, every: str, wanted: dict[str, Any]
    ) -> tuple[list[dict[str, str]], list[dict[str, Any]]]:
        """Return what has each of the most frequent keys or tools: a row of each; over time, a series of each."""
        each = _EACH[self.group](asked, self.limit)
        keys = list(each)
        having = {key: asked.filter(condition) for key, condition in each.items()}
        if not self.over_time:
            rows = [(key, having[key].agg(**wanted).dicts()[0]) for key in keys]
            rows.sort(key=lambda row: row[1]["v0"] or 0, reverse=True)
            data = [{"label": key, **self._values(row)} for key, row in rows]
            return [one.shown() for one in self.series], data
        only, found = self.series[0], dict[Any, dict[str, Any]]()
        names = {key: _series_key(key) for key in keys}
        nothing = dict.fromkeys(names.values(), 0 if only.unit == "count" else None)
        for key in keys:
            for row in having[key].group_by(by_time(every)).agg(**wanted).dicts():
                bucket = {"label": _label(row["time"]), "bucketKey": row["time"], **nothing}
                found.setdefault(row["time"], bucket)[names[key]] = self._values(row)[only.key]
        series = [{"key": names[key], "label": key, "unit": only.unit} for key in keys]
        return series, [found[time] for time in sorted(found)]

    def _values(self, row: dict[str, Any]) -> dict[str, Any]:
        values = ((one, row[f"v{place}"]) for place, one in enumerate(self.series))
        return {
            one.key: round(value / one.divided, 6) if value is not None and one.divided > 1 else value
            for one, value in values
        }

    def _insight(self, given: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        upper, lower = values[given["numeratorSeriesKey"]], values[given["denominatorSeriesKey"]]
        ratio = upper / lower if upper is not None and lower else None
        return {
            "type": "ratio",
            "label": given.get("label") or "",
            "numeratorSeriesKey": given["numeratorSeriesKey"],
            "denominatorSeriesKey": given["denominatorSeriesKey"],
            "value": ratio,
        }


def _group(given: dict[str, Any], where: str) -> Any:
    field, key = given.get("groupByField"), given.get("groupByMetadataKey")
    if field is not None and key is not None:
        raise HTTPException(400, f"{where}: groupByField and groupByMetadataKey exclude each other")
    if key is not None:
        try:
            return meta(key)
        except InvalidInputError as error:
            raise HTTPException(400, f"{where}.groupByMetadataKey: {error}") from None
    if field is None:
        return None
    if isinstance(field, str) and field in _EACH:
        return field
    if not isinstance(field, str) or field not in _GROUPED:
        raise HTTPException(
            400,
            f"{where}.groupByField: it is one of {', '.join((*_GROUPED, *_EACH))}, got {str(field)[:40]!r}",
        )
    return _GROUPED[field]


def _insights(given: dict[str, Any], where: str, keys: set[str]) -> list[dict[str, Any]]:
    insights = given.get("derivedInsights") or []
    if not isinstance(insights, list):
        raise HTTPException(400, f"{where}.derivedInsights: it is a list")
    for one in insights:
        if not isinstance(one, dict) or one.get("type", "ratio") != "ratio":
            raise HTTPException(400, f"{where}.derivedInsights: each is an object of type ratio")
        for name in ("numeratorSeriesKey", "denominatorSeriesKey"):
            if not isinstance(one.get(name), str) or one[name] not in keys:
                raise HTTPException(
                    400, f"{where}.derivedInsights.{name}: it is the key of a series of the chart"
                )
    return insights


def _label(value: Any) -> str:
    if value is None:
        return "(none)"
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _series_key(group: Any) -> str:
    """Return the name under which a row has a group's number: what it is called, but where a row has something else there."""
    label = _label(group)
    return f"value {label}" if label in ("label", "bucketKey") else label
