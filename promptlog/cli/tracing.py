"""`trace`: the spans of one trace as a tree."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from promptlog.cli.options import Json, Store, open_client
from promptlog.cli.screen import Column, note, print_table
from promptlog.cli.text import json_line, latency, tokens, usd

if TYPE_CHECKING:
    from promptlog.models.trace import Call

_BAR = 24


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
