"""`stats`: what is in a store, in numbers, on one screen."""

from __future__ import annotations

from dataclasses import astuple, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli import filters
from promptlog.cli.bars import bar, sparkline, squeezed
from promptlog.cli.hints import say_why_empty
from promptlog.cli.options import Json, Metadata, Store, open_client
from promptlog.cli.output import Csv, one_format, print_rows
from promptlog.cli.patience import patience
from promptlog.cli.screen import Column, console, print_table
from promptlog.cli.text import json_line, latency, one_line, percent, short_time, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from promptlog.models.analytics import Analytics, Totals

_LABEL_WIDTH = 12
_SPARKS = 56
_BAR = 10
_WIDEST_NAME = 30
_LEAST_NAME = 16
_TABLES = {
    "model": "by_model",
    "prompt": "by_prompt",
    "tag": "by_tag",
    "status": "by_status",
    "error type": "by_error_type",
}
_NUMBERS = (Column("requests", right=True, least=9), Column("", style="cyan", goes=3, least=_BAR))
_MORE = (
    Column("errors", right=True, goes=1, least=6),
    Column("cost", right=True, least=9),
    Column("p95", right=True, goes=2, least=8),
)


def stats(
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="How many rows a table has.")] = 5,
    cost_by: Annotated[
        str | None, typer.Option("--cost-by", metavar="KEY", help="The values of this key by their cost.")
    ] = None,
    every: Annotated[
        str | None,
        typer.Option("--every", metavar="WIDTH", help="The width of a bucket of time: 15m, 1h, 1d, 1mo."),
    ] = None,
    time_zone: Annotated[
        str, typer.Option("--time-zone", metavar="NAME", help="Whose days they are: Europe/Berlin.")
    ] = "UTC",
    meta: Metadata = None,
    tag: filters.Tag = None,
    model: filters.Model = None,
    status: filters.Status = None,
    since: filters.Since = None,
    until: filters.Until = None,
    store: Store = None,
    json: Json = False,
    csv: Csv = False,
) -> None:
    """Show requests, cost, errors and latency, in all and by what.

    Filters narrow the requests that count. With --json, all of it as one object; with --csv, a row for each row of
    each table.
    """
    one_format(json=json, csv=csv)
    conditions = filters.conditions(meta, tag, model, status, since, until)
    client = open_client(store)
    with patience():
        found = client.analytics(*conditions, every=every, time_zone=time_zone, cost_by=cost_by, top=top)
    if json:
        typer.echo(json_line(found.to_dict()))
    elif csv:
        _print_csv(found)
    elif not found.totals.requests:
        say_why_empty(client, conditions)
    else:
        _draw(found)


def _draw(found: Analytics) -> None:
    on = console()
    _totals(on, found.totals)
    _over_time(on, found)
    shown: list[tuple[str, list[dict[str, Any]]]] = []
    for title, name in _TABLES.items():
        rows = getattr(found, name).dicts()
        named = [row for row in rows if next(iter(row.values())) is not None]
        if named:  # where nobody uses prompts, a table of those without says nothing
            shown.append((title, rows))
    names = [_name(row) for _, rows in shown for row in rows]
    pairs = [_pair(row) for row in found.cost_by_metadata]
    keys = found.top_metadata_keys.fetchall()
    widest = max(map(len, (*names, *pairs, *(one_line(key) for key, _ in keys))), default=0)
    least = max(min(widest, _WIDEST_NAME), _LEAST_NAME)
    for title, rows in shown:
        _table(title, least, [_name(row) for row in rows], rows)
    if keys:
        typer.echo()
        most = keys[0][1]
        columns = [Column("metadata key", style="green", shrinks=True, least=least), *_NUMBERS]
        print_table(columns, [[key, f"{count:,}", bar(count, most, _BAR)] for key, count in keys])
        _costs(found, pairs, least)


def _totals(on: Console, totals: Totals) -> None:
    assert totals.first is not None  # noqa: S101 - there is a request
    assert totals.last is not None  # noqa: S101
    _line(on, "requests", f"{totals.requests:,}")
    _line(on, "started", f"{short_time(totals.first)} to {short_time(totals.last)} UTC")
    _line(on, "errors", f"{totals.errors:,} ({percent(totals.error_rate)})")
    _line(on, "tokens", f"{totals.input_tokens:,} in, {totals.output_tokens:,} out")
    _line(on, "cost", usd(totals.cost_usd))
    quantiles = {"p50": totals.latency_ms_p50, "p90": totals.latency_ms_p90, "p95": totals.latency_ms_p95}
    _line(
        on, "latency", ", ".join(f"{name} {latency(ms)}" for name, ms in quantiles.items() if ms is not None)
    )


def _over_time(on: Console, found: Analytics) -> None:
    from rich.text import Text

    if len(found.over_time) < 2:  # noqa: PLR2004 - one bar shows no course
        return
    zone = f" ({found.time_zone})" if found.every[-1] not in "sm" else ""
    on.print()
    each = -(-len(found.over_time) // len(squeezed(found.over_time.column("requests"), _SPARKS)))
    unit = found.every.lstrip("0123456789")
    width = f"{int(found.every.removesuffix(unit)) * each}{unit}"
    on.print(Text(f"over time{zone}, a bar is {width}", style="bold"), soft_wrap=True)
    for label, shown in (
        ("requests", lambda most: f"{most:,.0f}"),
        ("cost_usd", usd),
        ("errors", lambda most: f"{most:,.0f}"),
    ):
        sums = squeezed(found.over_time.column(label), _SPARKS)
        if most := max(sums):
            _line(on, label.removesuffix("_usd"), f"{sparkline(sums)}  at most {shown(most)}", strip=False)


def _line(on: Console, label: str, value: str, *, strip: bool = True) -> None:
    from rich.text import Text

    text = Text(f"{label:<{_LABEL_WIDTH}}", style="dim")
    on.print(text.append(one_line(value) if strip else value, style="not dim"), soft_wrap=True)


def _table(title: str, least: int, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    typer.echo()
    most = max(row["requests"] for row in rows)
    columns = [Column(title, style="green", shrinks=True, least=least), *_NUMBERS, *_MORE]
    print_table(
        columns,
        [
            [
                name,
                f"{row['requests']:,}",
                bar(row["requests"], most, _BAR),
                percent(row["error_rate"]),
                usd(row["cost_usd"]),
                latency(row["latency_ms_p95"]),
            ]
            for name, row in zip(names, rows, strict=True)
        ],
    )


def _costs(found: Analytics, pairs: Sequence[str], least: int) -> None:
    costs = found.cost_by_metadata.dicts()
    most = max((row["cost_usd"] for row in costs), default=0)
    if not most:
        return
    typer.echo()
    columns = [
        Column("cost by metadata", style="green", shrinks=True, least=least),
        Column("cost", right=True, least=9),
        _NUMBERS[1],
        Column("requests", right=True, least=9),
    ]
    print_table(
        columns,
        [
            [pair, usd(row["cost_usd"]), bar(row["cost_usd"], most, _BAR), f"{row['requests']:,}"]
            for pair, row in zip(pairs, costs, strict=True)
        ],
    )


def _name(row: dict[str, Any]) -> str:
    name = next(iter(row.values()))
    return "(none)" if name is None else one_line(name)


def _pair(row: dict[str, Any]) -> str:
    return one_line(f"{row['key']}={row['value']}")


def _print_csv(found: Analytics) -> None:
    """Print every table in one: which part a row is of, its name, and the measures it has."""
    measures = found.over_time.columns()[1:]
    totals = dict(zip((field.name for field in fields(found.totals)), astuple(found.totals), strict=True))
    rows = [["totals", None, *(totals[name] for name in measures)]]
    parts = ("over_time", "by_provider", *_TABLES.values(), "top_metadata_keys", "cost_by_metadata")
    for part in parts:
        for row in getattr(found, part):
            name = f"{row['key']}={row['value']}" if part == "cost_by_metadata" else next(iter(row.values()))
            rows.append([part, name, *(row.get(measure) for measure in measures)])
    print_rows(["part", "name", *measures], rows, as_csv=True)
