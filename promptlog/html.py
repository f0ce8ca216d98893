"""What a notebook shows of our objects: small pieces of HTML that live in Jupyter, marimo and a plain page.

Colours are the surroundings' own (`inherit`, greys that are half transparent), so that light and dark both fit. All
that is stored is escaped; nothing is loaded from anywhere and nothing runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

from promptlog.models.conversation import said_by
from promptlog.models.words import latency, one_line, percent, short_time, tokens, usd, visible

if TYPE_CHECKING:
    from promptlog.models.analytics import Analytics, Totals
    from promptlog.models.request import Request
    from promptlog.models.tables import Table
    from promptlog.models.trace import Call, Trace

ROWS = 10  # what a table shows of its beginning
_CELL_CHARS = 50
_FACT_CHARS = 2000
_SAID_CHARS = 4000
_BAR_PX = 90
_TRACE_PX = 240
_CHART_PX = (560, 48)
_GREY = "rgba(128,128,128,.25)"
_BLUE = "rgba(66,133,220,.75)"
_COLOURS = {"SUCCESS": "#2e9e5b", "WARNING": "#c98a1b", "ERROR": "#d9534f"}
_ROLES = {"user": "#3b8fd1", "assistant": "#2e9e5b", "system": "#a366c9", "developer": "#a366c9"}

_STYLE = f"""<style>
.promptlog {{ color: var(--jp-content-font-color1, inherit); font-size: 13px; line-height: 1.45; overflow-x: auto; }}
.promptlog table {{ border-collapse: collapse; margin: .4em 0 .8em; font-size: inherit; }}
.promptlog tr, .promptlog tr:nth-child(n), .promptlog th, .promptlog td {{ background: none; }}
.promptlog th, .promptlog td {{ padding: .2em 1.2em .2em 0; border: 0; border-bottom: 1px solid {_GREY};
  text-align: left; vertical-align: top; max-width: none; white-space: nowrap; }}
.promptlog .n {{ text-align: right; font-variant-numeric: tabular-nums; }}
.promptlog .d {{ opacity: .65; font-weight: normal; }}
.promptlog td.f {{ white-space: pre-wrap; overflow-wrap: anywhere; max-width: 60em; }}
.promptlog .t {{ border: 1px solid {_GREY}; border-radius: .3em; padding: 0 .4em; margin-right: .4em; }}
.promptlog .s {{ border-left: 3px solid; padding-left: .8em; margin: .5em 0; max-width: 60em; }}
.promptlog pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; padding: 0; background: none;
  color: inherit; font-family: inherit; font-size: inherit; }}
.promptlog code {{ background: none; color: inherit; }}
</style>"""

Cell = tuple[str, str]  # HTML, and the class of its <td>


def shown(build: Callable[[], str]) -> str:
    """Return what `build` makes, or what went wrong in it: a cell that displays something must not fail for that."""
    try:
        return build()
    except Exception as error:
        said = f"<b>{_text(type(error).__name__)}</b>: {_text(str(error), _FACT_CHARS)}"
        return _page(f'<span style="color: {_COLOURS["ERROR"]}">{said}</span>')


def client_page(path: object, requests: int, size_bytes: int, keys: Sequence[tuple[str, int]]) -> str:
    """Return where a store is, how much is in it, its keys on the most requests, and how to begin."""
    head = f"<b>promptlog</b> <code>{_text(str(path), _FACT_CHARS)}</code>"
    if not requests:
        begin = 'client.log_request(provider="openai", model="gpt-4o", input="Hi", output="Hello", …)'
        return _page(f"{head}<br>Nothing is logged yet. To log something: <code>{escape(begin)}</code>")
    size = f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:,.0f} kB"  # noqa: PLR2004
    most = max((count for _, count in keys), default=0)
    rows = [[_cell(key), _cell(count), _bar(count, most)] for key, count in keys]
    table = _table(["metadata key", "requests", ""], rows) if rows else ""
    first = f'meta("{keys[0][0]}") == "…"' if keys and keys[0][0].isidentifier() else 'since("7d")'
    begin = f"client.requests.filter({first}).df()"
    return _page(
        f'{head} <span class="d">{requests:,} requests, {size}</span>{table}'
        f'<span class="d">To begin: <code>{escape(begin)}</code>, <code>client.analytics()</code></span>'
    )


def rows_page(
    title: str, names: Sequence[str], rows: Sequence[Sequence[Any]], *, total: int | None, more: bool = False
) -> str:
    """Return the first rows of something under a title.

    Args:
        title: what it is; the rest says which.
        names: of the columns.
        rows: as many as are shown.
        total: how many there are, where that is known.
        more: whether there are more than these, where the total is not known.
    """
    if total is None:
        count = f"the first {len(rows):,} rows" if more else f"{len(rows):,} row{_s(len(rows))}"
    else:
        few = f", the first {len(rows):,} shown" if total > len(rows) else ""
        count = f"{total:,} row{_s(total)}{few}"
    table = _table(names, [[_cell(value) for value in row] for row in rows]) if names else ""
    return _page(f'<b>{_text(title, _FACT_CHARS)}</b> <span class="d">{count}</span>{table}')


def table_page(table: Table) -> str:
    """Return the first rows of a table in memory."""
    return rows_page("", table.columns(), table.fetchall()[:ROWS], total=len(table))


def request_page(request: Request) -> str:
    """Return one request whole: numbers, what was tracked on it, and the conversation."""
    status = f'<b style="color: {_COLOURS.get(request.status, "inherit")}">{_text(request.status)}</b>'
    version = f" version {request.prompt_version}" if request.prompt_version is not None else ""
    facts = {
        "time": f"{short_time(request.start_time)} UTC",
        "model": " ".join(part for part in (request.provider, request.model) if part),
        "latency": latency(request.latency_ms),
        "tokens": tokens(request.input_tokens, request.output_tokens),
        "cost": usd(request.cost_usd),
        "prompt": f"{request.prompt_name or request.prompt_id or ''}{version}",
        "error": ": ".join(part for part in (request.error_type, request.error_message) if part),
        "variables": _json(request.input_variables) if request.input_variables else "",
        "parameters": _json(request.parameters) if request.parameters else "",
    }
    lines = [[_dim(name), _fact(value)] for name, value in facts.items() if value]
    lines += [
        [_dim("tags"), ("".join(f'<span class="t">{_text(tag)}</span>' for tag in request.tags), "")]
    ] * bool(request.tags)
    lines += _pairs("metadata", request.metadata)
    lines += _pairs("score", request.judgements)
    return _page(
        f"{status} <code>{_text(request.request_id)}</code>{_table((), lines)}"
        f"{_conversation('input', request.input)}{_conversation('output', request.output)}"
    )


def trace_page(trace: Trace) -> str:
    """Return the tree of a trace, each span with its place in time and its requests in short."""
    head = (
        f'<b>trace</b> <code>{_text(trace.trace_id)}</code> <span class="d">{len(trace.spans):,} spans</span>'
    )
    rows = []
    for depth, span, left, width in trace.bars():
        place = f"margin-left:{left * _TRACE_PX:.1f}px;width:{max(width * _TRACE_PX, 1):.1f}px"
        colour = _COLOURS["ERROR"] if span.status == "ERROR" else _BLUE
        bar = f'<div style="width:{_TRACE_PX}px"><div style="{place};height:.8em;background:{colour}"></div></div>'
        name = f'<span style="padding-left:{depth * 1.2:.1f}em">{_text(span.name)}</span>'
        rows.append([(name, ""), (bar, ""), _number(latency(span.latency_ms)), *_calls(span.requests)])
    rows += [[_dim("no span"), ("", ""), ("", ""), *_calls([call])] for call in trace.requests]
    return _page(head + _table(["span", "", "duration", "model", "tokens", "cost", "request"], rows))


def _calls(calls: Sequence[Call]) -> list[Cell]:
    """Return the cells that tell of the requests of one span, each on a line."""
    told = [
        (call.model or "", tokens(call.input_tokens, call.output_tokens), usd(call.cost_usd), call.request_id)
        for call in calls
    ]
    return [("<br>".join(_text(part) for part in column), "") for column in zip(*told, strict=True)] or [
        ("", "")
    ] * 4


def analytics_page(found: Analytics) -> str:
    """Return totals, the course of time, and the first rows of the tables."""
    totals = found.totals
    if not totals.requests:
        return _page("<b>analytics</b> no request matches")
    parts = [_totals(totals), _course(found)]
    for name in ("model", "prompt", "tag", "status", "error_type"):
        table: Table = getattr(found, f"by_{name}")
        if any(row[0] is not None for row in table.fetchall()):
            parts.append(_measures(name.replace("_", " "), table))
    costs = found.cost_by_metadata.dicts()[:ROWS]
    most = max((row["cost_usd"] for row in costs), default=0)
    if most:
        rows = [
            [_cell(f"{row['key']}={row['value']}"), _number(usd(row["cost_usd"])), _bar(row["cost_usd"], most),
             _cell(row["requests"])]
            for row in costs
        ]  # fmt: skip
        parts.append(_table(["metadata", "cost", "", "requests"], rows))
    return _page("".join(parts))


def _totals(totals: Totals) -> str:
    spans = [short_time(moment) for moment in (totals.first, totals.last) if moment is not None]
    quantiles = (totals.latency_ms_p50, totals.latency_ms_p90, totals.latency_ms_p95)
    facts = {
        "requests": f"{totals.requests:,}",
        "started": f"{' to '.join(spans)} UTC",
        "errors": f"{totals.errors:,} ({percent(totals.error_rate)})",
        "tokens": f"{totals.input_tokens:,} in, {totals.output_tokens:,} out",
        "cost": usd(totals.cost_usd),
        "latency p50, p90, p95": ", ".join(latency(ms) for ms in quantiles if ms is not None),
    }
    return _table((), [[_dim(name), _cell(value)] for name, value in facts.items()])


def _course(found: Analytics) -> str:
    """Return requests and cost over time as bars; nothing where there is one bucket."""
    times = found.over_time.column("time")
    if len(times) < 2:  # noqa: PLR2004 - one bar shows no course
        return ""
    said = {"requests": "{:,.0f}".format, "cost_usd": usd}
    charts = [
        f'<div class="d">{name.removesuffix("_usd")}, at most {tell(max(values))} in {_text(found.every)}</div>{_bars(values)}'
        for name, tell in said.items()
        if max(values := found.over_time.column(name))
    ]
    ends = f"{times[0]:%Y-%m-%d %H:%M} to {times[-1]:%Y-%m-%d %H:%M} {_text(found.time_zone)}"
    return f'{"".join(charts)}<div class="d">{ends}</div>'


def _bars(values: Sequence[float]) -> str:
    width, height = _CHART_PX
    step, most = width / len(values), max(values)
    path = "".join(
        f"M{at * step:.1f} {height}v-{max(value / most * height, 1):.1f}h{max(step * 0.85, 0.5):.2f}V{height}z"
        for at, value in enumerate(values)
        if value
    )
    return (
        f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" style="max-width: 100%">'
        f'<path d="{path}" fill="{_BLUE}"/></svg>'
    )


def _measures(title: str, table: Table) -> str:
    rows = table.dicts()[:ROWS]
    name, most = table.columns()[0], max(row["requests"] for row in rows)
    lines = [
        [
            _cell("(none)" if row[name] is None else row[name]),
            _cell(row["requests"]),
            _bar(row["requests"], most),
            _number(percent(row["error_rate"])),
            _number(usd(row["cost_usd"])),
            _number(latency(row["latency_ms_p95"])),
        ]
        for row in rows
    ]
    return _table([title, "requests", "", "errors", "cost", "p95"], lines)


def _pairs(title: str, pairs: Mapping[str, str]) -> list[list[Cell]]:
    return [[_dim(f"{title} {key}"), _fact(value)] for key, value in sorted(pairs.items())]


def _conversation(title: str, content: dict[str, Any] | None) -> str:
    if content is None:
        return ""
    said = []
    for role, name, parts in said_by(content):
        colour = _ROLES.get(role, "#c98a1b")
        who = _text(f"{role} ({name})" if name else role)
        texts = "".join(f"<pre>{_long(part)}</pre>" for part in parts)
        said.append(
            f'<div class="s" style="border-color: {colour}"><b style="color: {colour}">{who}</b>{texts}</div>'
        )
    return f'<div class="d">{title}</div>{"".join(said)}'


def _long(text: str) -> str:
    text = visible(text.strip("\n"))
    if len(text) <= _SAID_CHARS:
        return escape(text)
    return f'{escape(text[:_SAID_CHARS])}… <span class="d">({len(text):,} characters)</span>'


def _page(inner: str) -> str:
    return f'{_STYLE}<div class="promptlog">{inner}</div>'


def _table(names: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    lines = [list(row) for row in rows]
    kinds = ["n" if any(row[at][1] == "n" for row in lines) else "" for at in range(len(names))]
    head = "".join(f'<th class="{kind}">{_text(name)}</th>' for name, kind in zip(names, kinds, strict=True))
    cells = ("".join(f'<td class="{kind}">{html}</td>' for html, kind in row) for row in lines)
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if names else ''}<tbody>{body}</tbody></table>"


def _cell(value: Any) -> Cell:
    match value:
        case None:
            return "", ""
        case bool():
            return str(value).lower(), ""
        case int():
            return f"{value:,}", "n"
        case float():
            return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}", "n"  # noqa: PLR2004
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}", ""
        case str():
            return _text(value), ""
        case [*parts] if all(isinstance(part, str) for part in parts):
            return _text(", ".join(parts)), ""
        case Mapping() | list() | tuple():
            return _text(_json(value)), ""
        case _:
            return _text(str(value)), ""


def _fact(value: str) -> Cell:
    """Return what a request shows of itself, whole unless it is bulk."""
    return _text(value, _FACT_CHARS), "f"


def _number(text: str) -> Cell:
    return escape(text), "n"


def _dim(text: str) -> Cell:
    return f'<span class="d">{_text(text)}</span>', ""


def _bar(value: float, most: float) -> Cell:
    width = max(round(value / most * _BAR_PX), 1) if most > 0 and value > 0 else 0
    style = f"display: inline-block; width: {width}px; height: .7em; background: {_BLUE}"
    return f'<span style="{style}"></span>', ""


def _text(text: str, most: int = _CELL_CHARS) -> str:
    """Return stored text as one line of HTML, cut where it is longer than `most`."""
    line = one_line(text)
    return escape(line if len(line) <= most else f"{line[: most - 1]}…")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _s(count: int) -> str:
    return "" if count == 1 else "s"
