"""`top`: the groups that cost, take or fail the most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli import filters
from promptlog.cli.bars import bar
from promptlog.cli.hints import say_what_was_meant, say_why_empty
from promptlog.cli.options import Json, Metadata, Store, open_client
from promptlog.cli.output import Csv, one_format, print_result
from promptlog.cli.patience import patience
from promptlog.cli.screen import Column, note, print_table
from promptlog.cli.text import latency, usd
from promptlog.errors import InvalidInputError

if TYPE_CHECKING:
    from promptlog.expressions.grouping import NamedKey

_BAR = 12

#: What `--by` takes, and the column it sorts by.
_BY = {
    "cost": "cost_usd",
    "requests": "requests",
    "tokens": "tokens",
    "latency": "latency_ms_p95",
    "errors": "errors",
}

_TOLD = {*_BY.values(), "error_rate"}


def top(
    key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="A metadata key such as user_id, a column such as model, or tag."),
    ],
    by: Annotated[
        str, typer.Option("--by", metavar="WHAT", help=f"{', '.join(_BY)}; latency is the 95th percentile.")
    ] = "cost",
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=0, help="How many at most.")] = 10,
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
    """Show who costs the most: users, models, any other groups.

    Or who takes the most tokens or time, or fails the most: see --by.

    A column is meant where a column and a metadata key have one name; meta.KEY means the key, and
    input_variables.cake_type what stands inside JSON. Requests without the key
    are a group of their own; by tag, a request counts under each of its tags. Filters narrow the requests that count.
    """
    from promptlog.expressions.face import col
    from promptlog.expressions.grouping import count, error_rate
    from promptlog.expressions.nodes import MetaOperand

    one_format(json=json, csv=csv)
    if by not in _BY:
        raise InvalidInputError(f"--by takes {', '.join(_BY)}, got {by!r}")
    conditions = filters.conditions(meta, tag, model, status, since, until)
    client = open_client(store)
    grouped = _key(key)
    groups = (
        client.requests.filter(*conditions)
        .group_by(grouped)
        .agg(
            requests=count(),
            cost_usd=col.cost_usd.sum(),
            tokens=col.input_tokens.sum() + col.output_tokens.sum(),
            latency_ms_p95=col.latency_ms.quantile(0.95),
            errors=count(col.status == "ERROR"),
            error_rate=error_rate(),
        )
        .sort(_BY[by], descending=True)
        .limit(limit)
    )
    if json or csv:
        print_result(groups, as_csv=csv)
        return
    with patience():
        rows = groups.fetchall()
    if rows:
        _print(groups.columns(), rows, _BY[by])
        if [row[0] for row in rows] == [None]:
            note(f"No request that matches has {key!r}.")
            asked = getattr(grouped.node, "operand", None)
            say_what_was_meant(client, [asked.key] if isinstance(asked, MetaOperand) else [])
    elif limit:
        say_why_empty(client, conditions)


def _key(given: str) -> NamedKey:
    """Return the key that a word means: `tag`, a column, a place inside its JSON, or a key of metadata."""
    from promptlog.expressions import face
    from promptlog.expressions.grouping import key_of
    from promptlog.models.columns import COLUMNS, JSON_COLUMNS

    if given.startswith("meta."):
        return key_of(face.meta(given.removeprefix("meta."))).alias(given)
    if given == "tag":
        return key_of(face.tag)
    column, dot, path = given.partition(".")
    if dot and column in JSON_COLUMNS:
        return key_of(face.col(column)[path])
    key = key_of(face.col(given) if given in COLUMNS else face.meta(given))
    if given.lower() in _TOLD:  # the column of that name tells something else
        return key.alias(f"{'col' if given in COLUMNS else 'meta'}.{given}")
    return key


def _print(names: list[str], rows: list[tuple[Any, ...]], by: str) -> None:
    ranked = names.index(by)
    most = max((row[ranked] for row in rows if row[ranked] is not None), default=0)
    heads = {"cost_usd": "cost", "latency_ms_p95": "latency p95", "error_rate": ""}
    columns = [
        Column(names[0], style="green", shrinks=True),
        Column("", style="cyan", goes=5),
        *(
            Column(heads.get(name, name), right=True, goes=0 if name == by else goes)
            for name, goes in zip(names[1:], (1, 2, 3, 6, 4, 7), strict=True)
        ),
    ]
    print_table(columns, [[_name(row[0]), bar(row[ranked], most, _BAR), *_told(*row[1:])] for row in rows])


def _name(value: object) -> object:
    return "(none)" if value is None else value


def _told(
    requests: int, cost_usd: float, tokens: int, latency_ms: float, errors: int, error_rate: float
) -> list[str]:
    share = f"{error_rate:.1%}" if errors else ""
    return [f"{requests:,}", usd(cost_usd), f"{tokens:,}", latency(latency_ms), f"{errors:,}", share]
