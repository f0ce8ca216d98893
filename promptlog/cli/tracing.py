"""`trace` and `traces`: the spans of one trace as a tree, and the latest traces or those that are looked for."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from promptlog.cli import filters
from promptlog.cli.options import Json, Metadata, Store, open_client
from promptlog.cli.output import Csv, one_format, print_result
from promptlog.cli.patience import patience
from promptlog.cli.screen import Column, note, print_table
from promptlog.cli.sorting import sign_and_name
from promptlog.cli.text import json_line, latency, short_time, tokens, usd

if TYPE_CHECKING:
    from promptlog.models.trace import Call
    from promptlog.models.traces import TraceColumn

_BAR = 24


def traces(
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT]", help="What a request of the trace must be, as `search` has it."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Its name; also 'POST*', '*agent', '*chat*'.")
    ] = None,
    errors: Annotated[
        bool | None, typer.Option("--errors/--no-errors", help="A span or a request failed, or none did.")
    ] = None,
    min_latency_ms: Annotated[
        float | None, typer.Option("--min-latency-ms", metavar="MS", help="It took so long or longer.")
    ] = None,
    max_latency_ms: Annotated[
        float | None, typer.Option("--max-latency-ms", metavar="MS", help="It took no longer.")
    ] = None,
    min_cost_usd: Annotated[
        float | None, typer.Option("--min-cost-usd", metavar="USD", help="Its requests cost so much or more.")
    ] = None,
    max_cost_usd: Annotated[
        float | None, typer.Option("--max-cost-usd", metavar="USD", help="They cost no more.")
    ] = None,
    sort: Annotated[
        str,
        typer.Option("--sort", metavar="COLUMN", help="start_time, latency_ms, cost_usd, errors, spans, …"),
    ] = "start_time",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="How many at most.")] = 20,
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
    """List traces: the latest, or those that are looked for.

    The newest come first, or the greatest of what they are sorted by; with a plus before it, the least. TEXT, --meta, --tag, --model and --status find the
    traces that hold such a request; --since and --until ask when the trace began.
    """
    one_format(json=json, csv=csv)
    conditions = filters.conditions(meta, tag, model, status, since, until)
    client = open_client(store)
    down, column = sign_and_name(sort)
    found = client.traces(
        *conditions, search=" ".join(text or ()).strip(), name=name, errors=errors,
        min_latency_ms=min_latency_ms, max_latency_ms=max_latency_ms, min_cost_usd=min_cost_usd,
        max_cost_usd=max_cost_usd, sort=cast("TraceColumn", column), descending=down, limit=limit,
    )  # fmt: skip
    if json or csv:
        print_result(found, as_csv=csv)
        return
    with patience():
        rows = found.dicts()
    if not rows:
        if limit and client.traces(limit=1).dicts():
            note("No trace matches.")
        elif limit:
            note("No trace is logged yet: client.traceable makes spans, and so does OpenTelemetry.")
        return
    _print(rows)


def _print(rows: list[dict[str, Any]]) -> None:
    print_table(
        [
            Column("id", style="cyan"),
            Column("name", shrinks=True),
            Column("start (UTC)"),
            Column("took", right=True),
            Column("spans", right=True, goes=1),
            Column("requests", right=True, goes=2),
            Column("errors", right=True),
            Column("tokens", right=True, goes=4),
            Column("cost", right=True, goes=3),
        ],
        [
            [
                row["trace_id"],
                row["name"],
                short_time(row["start_time"]),
                latency(row["latency_ms"]),
                f"{row['spans']:,}",
                f"{row['requests']:,}",
                f"{row['errors']:,}",
                tokens(row["input_tokens"], row["output_tokens"]) if row["requests"] else "",
                usd(row["cost_usd"]) if row["requests"] else "",
            ]
            for row in rows
        ],
    )


def trace(
    trace_id: Annotated[
        str, typer.Argument(metavar="TRACE_ID", help="32 hex digits; `show` prints a request's.")
    ],
    store: Store = None,
    json: Json = False,
) -> None:
    """Show the spans of a trace as a tree, with their requests."""
    found = open_client(store).trace(trace_id.strip())
    if json:
        sys.stdout.write(json_line(found.model_dump()) + "\n")
        return
    rows = []
    for depth, span, left, width in found.bars():
        begin = min(round(left * _BAR), _BAR - 1)
        bar = "·" * begin + "█" * max(1, round(width * _BAR))
        rows.append(
            [
                f"{'· ' * depth}{span.name}",
                f"{bar[:_BAR]:·<{_BAR}}",
                latency(span.latency_ms),
                *_told(span.requests),
            ]
        )
        rows[-1][-1] = rows[-1][-1] or span.status.replace("UNSET", "")
    rows += [["(no span)", "", latency(call.latency_ms), *_told([call])] for call in found.requests]
    note(f"trace {found.trace_id}, {len(found.spans):,} spans")
    print_table(
        [
            Column("span", shrinks=True),
            Column("", style="cyan", goes=2),
            Column("duration", right=True),
            Column("model", goes=1),
            Column("tokens", right=True, goes=3),
            Column("cost", right=True, goes=4),
            Column("request", goes=5),
            Column("status"),
        ],
        rows,
    )


def _told(calls: list[Call]) -> list[str]:
    """Return the cells that tell of the requests of one span; of several, what they come to."""
    if not calls:
        return [""] * 5
    models = list(dict.fromkeys(call.model for call in calls if call.model))
    counts = [
        sum(known)
        if (known := [getattr(call, name) for call in calls if getattr(call, name) is not None])
        else None
        for name in ("input_tokens", "output_tokens")
    ]
    costs = [call.cost_usd for call in calls if call.cost_usd is not None]
    worst = next(
        (status for status in ("ERROR", "WARNING") for call in calls if call.status == status), "SUCCESS"
    )
    which = calls[0].request_id if len(calls) == 1 else f"{len(calls)} requests"
    return [", ".join(models), tokens(*counts), usd(sum(costs) if costs else None), which, worst]
