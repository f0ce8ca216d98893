"""Charts of what is filtered: numbers over time, of all requests or by group, and the Python that asks the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptlog.expressions.face import col, meta, tag
from promptlog.expressions.grouping import count
from promptlog.server.pages.filters import term_of
from promptlog.server.pages.python import opening

if TYPE_CHECKING:
    from datetime import datetime

    from promptlog.expressions.nodes import Condition
    from promptlog.server.pages.view import View

COLUMNS = ("model", "tag", "prompt_name", "provider", "status", "error_type", "function_name")
_META = "meta."
MEASURES: dict[str, Any] = {
    "requests": count(),
    "errors": count(col.status == "ERROR"),
    "cost": col.cost_usd.sum(),
    "tokens_in": col.input_tokens.sum(),
    "tokens_out": col.output_tokens.sum(),
    "p50": col.latency_ms.quantile(0.5),
    "p95": col.latency_ms.quantile(0.95),
}
#: Each measure as Python, and the names that it is written with.
_PYTHON: dict[str, tuple[str, set[str]]] = {
    "requests": ("count()", {"count"}),
    "errors": ('count(col.status == "ERROR")', {"count", "col"}),
    "cost": ("col.cost_usd.sum()", {"col"}),
    "tokens_in": ("col.input_tokens.sum()", {"col"}),
    "tokens_out": ("col.output_tokens.sum()", {"col"}),
    "p50": ("col.latency_ms.quantile(0.5)", {"col"}),
    "p95": ("col.latency_ms.quantile(0.95)", {"col"}),
}


@dataclass(frozen=True, slots=True)
class By:
    """What is grouped by: a column, `tag`, or a metadata key, which may be called like a column."""

    name: str
    is_metadata: bool

    @classmethod
    def of(cls, given: str) -> By | None:
        """Read an address: `model` or `meta.model`; what is no column is a key without more."""
        if given in ("", *COLUMNS):
            return cls(given, is_metadata=False) if given else None
        return cls(given.removeprefix(_META), is_metadata=True)

    def __str__(self) -> str:
        return f"{_META}{self.name}" if self.is_metadata else self.name

    @property
    def is_tag(self) -> bool:
        """Whether a request may stand in several groups."""
        return self.name == "tag" and not self.is_metadata

    @property
    def key(self) -> Any:
        """What `group_by` takes."""
        return meta(self.name) if self.is_metadata else tag if self.is_tag else col(self.name)

    @property
    def python(self) -> tuple[str, str]:
        """The same as Python, and the name that it is written with."""
        if self.is_metadata:
            return f"meta({self.name!r})", "meta"
        return ("tag", "tag") if self.is_tag else (f"col.{self.name}", "col")

    def term(self, value: str) -> Condition:
        """Return the condition that a request is of a group."""
        return term_of(self.name, value, is_metadata=self.is_metadata)


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart: a line or a part of each bar for each series.

    Attributes:
        title, total: what it is of, and that of all requests; `format` says how its numbers are written.
        bars: whether the series are parts of bars that add up; else they are lines.
        series: names and values, one for each of the times.
        python: what asks the same.
    """

    title: str
    total: float | None
    format: str
    bars: bool
    series: list[tuple[str, list[float | None]]]
    python: str

    def data(self, times: list[int]) -> dict[str, Any]:
        """Return what the script draws."""
        return {
            "times": times,
            "bars": self.bars,
            "format": self.format,
            "names": [name for name, _ in self.series],
            "values": [values for _, values in self.series],
        }


@dataclass(frozen=True, slots=True)
class Course:
    """The numbers of a view over time, which charts are made of.

    Attributes:
        path: where the store is.
        view, by, width: what is asked, by which groups, and how wide each span of time is.
        totals: each measure of all requests.
        rows: each measure in each span of time, `time` with them.
        parts: the same of the first groups, by name and time.
    """

    path: str
    view: View
    by: By | None
    width: str
    totals: dict[str, Any]
    rows: list[dict[str, Any]]
    parts: dict[str, dict[datetime, Any]]

    def charts(self) -> list[Chart]:
        """Return all charts."""
        return [
            self._bars("Requests", "number", "requests"),
            self._bars("Errors", "number", "errors"),
            self._bars("Cost", "usd", "cost"),
            self._bars("Tokens", "number", "tokens_in", "tokens_out"),
            self._lines("Latency", "latency", "p50", "p95"),
        ]

    def _bars(self, title: str, form: str, *names: str) -> Chart:
        """Return a chart of measures that add up; of groups, with what all others have."""
        series: list[tuple[str, list[float | None]]] = [(name, self._of_all(name)) for name in names]
        if self.parts:
            sums = {group: self._added(of, names) for group, of in self.parts.items()}
            whole = [sum(values) for values in zip(*(self._of_all(name, 0.0) for name in names), strict=True)]
            left = [max(all_of - sum(some), 0.0) for all_of, *some in zip(whole, *sums.values(), strict=True)]
            series = [(group, [*values]) for group, values in sums.items()]
            is_all = self.by is not None and self.by.is_tag  # a request counts under each of its tags
            if not is_all and sum(left) > 1e-9 * max(sum(whole), 1):
                series.append(("other", [*left]))
        total = sum(_number(self.totals[name]) or 0 for name in names)
        return Chart(title, total, form, True, series, self._python(*names))

    def _lines(self, title: str, form: str, *names: str) -> Chart:
        """Return a chart of measures beside each other; of groups, the last of them alone."""
        last = names[-1]
        series = [(name, self._of_all(name)) for name in names]
        if self.parts:
            title, names = f"{title}, {last}", (last,)
            series = [
                (group, [_number(of.get(row["time"], {}).get(last)) for row in self.rows])
                for group, of in self.parts.items()
            ]
        return Chart(title, self.totals[last], form, False, series, self._python(*names))

    def _of_all(self, name: str, unknown: float | None = None) -> list[Any]:
        return [unknown if row[name] is None else float(row[name]) for row in self.rows]

    def _added(self, of: dict[datetime, Any], names: tuple[str, ...]) -> list[float]:
        return [sum(_number(of.get(row["time"], {}).get(name)) or 0.0 for name in names) for row in self.rows]

    def _python(self, *names: str) -> str:
        asked = f"client.search({self.view.q!r})" if self.view.q else "client.requests"
        key, used = self.by.python if self.by else ("", "by_time")
        told = ", ".join(f"{name}={_PYTHON[name][0]}" for name in names)
        y = f"[{', '.join(map(repr, names))}]" if len(names) > 1 and not self.by else ""
        needs = {"by_time", used}.union(*(_PYTHON[name][1] for name in names))
        keys = ", ".join(filter(None, (f"by_time({self.width!r})", key)))
        return f"{opening(self.path, *sorted(needs))}{asked}.group_by({keys}).agg({told}).plot({y})\n"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
