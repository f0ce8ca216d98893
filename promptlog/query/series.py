"""What a chart of groups shows: a few lines or bars, and all the other groups told of anew as one.

A mean or a quantile of many groups cannot be made of theirs, so what is "other" is asked of its requests.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError
from promptlog.expressions import aggregates as agg
from promptlog.expressions.nodes import ColumnOperand
from promptlog.plots import Drawing, Measure
from promptlog.query.grouped import BETWEEN, NONE, Fold, Grouping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Rows = list[tuple[Any, ...]]

_MOST_POINTS = 20_000
_MOST_SHOWN = 100


@dataclass(frozen=True)
class Wanted:
    """What `plot` was told."""

    y: tuple[str, ...]
    top: int
    other: bool
    title: str | None


def wanted(
    grouping: Grouping, y: str | Sequence[str] | None, top: int, title: str | None, *, other: bool
) -> Wanted:
    """Check what `plot` was told.

    Raises:
        InvalidInputError: there is nothing to draw, no such aggregate, or it is no number.
    """
    if not grouping.keys:
        raise InvalidInputError("one row is no chart: group_by something, such as by_time('1d'), then plot")
    if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= _MOST_SHOWN:
        raise InvalidInputError(f"plot: top is how many groups are shown, 1 to {_MOST_SHOWN}, got {top!r}")
    if title is not None and not isinstance(title, str):
        raise InvalidInputError(f"plot: title is a text, got {title!r}")
    if not isinstance(y, str | list | tuple | None):
        raise InvalidInputError(
            f"plot: y is the name of an aggregate, or several, got {y!r}; top=… says how many groups"
        )
    outputs = dict(grouping.outputs)
    names = (next(iter(outputs)),) if y is None else (y,) if isinstance(y, str) else tuple(y)
    for name in names:
        if name not in outputs:
            raise InvalidInputError(f"plot: {name!r} is no aggregate of these groups: {', '.join(outputs)}")
    if not names or (len(names) > 1 and [type(key.node) for key in grouping.keys] != [agg.TimeKey]):
        raise InvalidInputError("plot takes one y, or several where by_time is the only key: a line each")
    return Wanted(names, top, other, title)


def drawing(grouping: Grouping, told: Wanted, ask: Callable[[Grouping], Rows]) -> Drawing:
    """Return what a chart shows.

    Args:
        grouping: the groups.
        told: what `plot` was told.
        ask: answers a question about groups.
    """
    times = [key for key in grouping.keys if isinstance(key.node, agg.TimeKey)]
    others = [key for key in grouping.keys if not isinstance(key.node, agg.TimeKey)]
    label = ", ".join(key.name for key in others)
    other, note = None, ""
    if not others:
        rows = _by_measure(ask(grouping), grouping, told.y)
        order, label = list(told.y), ""
    elif grouping.limit is not None or grouping.having:
        rows = [_labelled(row, grouping) for row in ask(grouping)]
        order, note = _first(rows, told.top if times else max(told.top, _MOST_SHOWN))
        rows = [row for row in rows if row[1] in set(order)]
    else:
        rows, order, other, note = _folded(grouping, told, label, ask)
    if len(rows) > _MOST_POINTS:
        raise InvalidInputError(
            f"plot: {len(rows):,} points are more than a chart can show ({_MOST_POINTS:,}); use longer spans of time, or filter"
        )
    outputs = dict(grouping.outputs)
    measures = [Measure(name, _format(node)) for name, node in outputs.items()]
    shown = list(outputs).index(told.y[0])
    if not others:  # a line each, on one axis
        measures, shown = [Measure(", ".join(told.y), measures[shown].format)], 0
    return Drawing(
        rows=rows,
        measures=measures,
        shown=shown,
        label=label,
        order=order,
        other=other,
        time=times[0].name if times else None,
        time_format=_time_format(times[0].node) if times else "",  # type: ignore[arg-type]
        zone=times[0].node.time_zone if times else "UTC",  # type: ignore[union-attr]
        title=told.title or f"{', '.join(told.y)} by {', '.join(key.name for key in grouping.keys)}",
        note=note,
    )


def _by_measure(rows: Rows, grouping: Grouping, names: tuple[str, ...]) -> Rows:
    """Return a row for each value: its time, the name of the aggregate, the value."""
    places = {name: at for at, name in enumerate(grouping.columns())}
    return [(row[0], name, row[places[name]]) for name in names for row in rows]


def _labelled(row: tuple[Any, ...], grouping: Grouping) -> tuple[Any, ...]:
    """Return the time or None, the label of the other keys, and what is told."""
    time, labels = None, []
    for key, value in zip(grouping.keys, row, strict=False):
        if isinstance(key.node, agg.TimeKey):
            time = value
        else:
            labels.append(NONE if value is None else str(value))
    return time, BETWEEN.join(labels), *row[len(grouping.keys) :]


def _first(rows: Rows, most: int) -> tuple[list[str], str]:
    labels = list(dict.fromkeys(row[1] for row in rows))
    left_out = f"the first {most} of {len(labels)} groups" if len(labels) > most else ""
    return labels[:most], left_out


def _folded(
    grouping: Grouping, told: Wanted, label: str, ask: Callable[[Grouping], Rows]
) -> tuple[Rows, list[str], str | None, str]:
    """Return rows of the first groups and of "other", the labels in their order, that of the rest, and how they were chosen."""
    node = dict(grouping.outputs)[told.y[0]]
    adds_up = isinstance(node, agg.Count | agg.Share) or (
        isinstance(node, agg.Reduce) and node.function in {"count", "sum"}
    )
    # The highest means and quantiles are those of groups of one: the groups with the most requests say more.
    by_value: tuple[tuple[int | agg.Aggregate, bool], ...] = ((node if adds_up else agg.Count(), True),)
    sorted_by = tuple(one for one in grouping.order if not isinstance(one[0], int))
    ranking = replace(
        grouping,
        keys=tuple(key for key in grouping.keys if not isinstance(key.node, agg.TimeKey)),
        order=sorted_by or by_value,
        limit=told.top + 1,
        fold=Fold(label),
    )
    found = [row[0] for row in ask(ranking)]
    order, rest = found[: told.top], len(found) > told.top
    other = ("(all other)" if "other" in order else "other") if rest else None
    fold = Fold(label) if other is None else Fold(label, keep=tuple(order), other=other)
    rows = ask(replace(grouping, order=(), fold=fold))
    if ranking.keys == grouping.keys:
        rows = [(None, *row) for row in rows]
        if not sorted_by and not adds_up:  # chosen by their requests, and yet shown by size
            at = 2 + list(dict(grouping.outputs)).index(told.y[0])
            size = {row[1]: row[at] for row in rows}
            order.sort(key=lambda name: (size[name] is None, -_size(size[name])))
    if other is None:
        return rows, order, None, ""
    how = "as sorted" if sorted_by else f"by {told.y[0]}" if adds_up else "by requests"
    note = f"the first {told.top} {how}"
    if told.other and adds_up and ranking.keys == grouping.keys:
        at = 2 + list(dict(grouping.outputs)).index(told.y[0])
        size = {row[1]: _size(row[at]) for row in rows}
        if size.get(other, 0.0) > max(
            size[name] for name in order
        ):  # beside its bar the others would be slivers
            rows = [row for row in rows if row[1] != other]
            note += f"; all others together: {size[other]:,.6g}"
            if not any(
                isinstance(key.node, agg.TagKey) for key in grouping.keys
            ):  # a request counts under each
                note += f" ({size[other] / sum(size.values()):.0%} of the whole)"
            return rows, order, None, note
    if not told.other:
        return [row for row in rows if row[1] != other], order, None, note
    return rows, [*order, other], other, f"{note}; all others together are {other!r}"


def _size(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _format(node: agg.Aggregate) -> str:
    """Return how d3 writes its numbers."""
    if isinstance(node, agg.ErrorRate | agg.Share):
        return ".1%"
    operand = node.operand if isinstance(node, agg.Reduce | agg.Quantile) else None
    counts = isinstance(node, agg.Reduce) and node.function in {"count", "n_unique"}
    if operand == ColumnOperand("cost_usd") and not counts:
        return "$,.4~r"
    return ",d" if counts or isinstance(node, agg.Count) else ",.6~r"


def _time_format(key: agg.TimeKey) -> str:
    if key.unit == "mo":
        return "%Y-%m"
    return "%Y-%m-%d" if key.unit == "d" else "%Y-%m-%d %H:%M" + (":%S" if key.every % 60 else "")
