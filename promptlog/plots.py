"""Charts by Vega-Altair, of the extra `plot`. Knows nothing of how its rows were found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from promptlog.errors import InvalidInputError, MissingExtraError

if TYPE_CHECKING:
    import altair as alt

#: Tableau's ten, grey aside, which is for "other".
_COLOURS = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#ff9da7", "#9c755f", "#86bcb6",
)  # fmt: skip
_GREY = "#bab0ac"
_WIDTH, _HEIGHT = 640, 320
_HOURS = {"hours": "%H:%M", "minutes": "%H:%M"}  # Vega's own are of twelve hours: 18:15 would read 06:15
_ROOM_FOR_POINTS = 400  # so many in a chart are dots on a line; more are only a thicker line


@dataclass(frozen=True)
class Measure:
    """A column of numbers, and how d3 writes them."""

    name: str
    format: str


@dataclass(frozen=True)
class Drawing:
    """What a chart shows.

    `rows` hold a time or None, a label, and a value for each measure, of which the one at `shown` is drawn and the others
    stand in tooltips. `order` is that of the labels, of which `other` is grey.
    """

    rows: list[tuple[Any, ...]]
    measures: list[Measure]
    shown: int
    label: str
    order: list[str]
    other: str | None
    time: str | None
    time_format: str
    zone: str
    title: str
    note: str


def chart(drawing: Drawing) -> alt.Chart:
    """Return a chart: lines where there is time, else bars.

    Raises:
        MissingExtraError: altair is not installed.
        InvalidInputError: what is to be drawn is no number.
    """
    from importlib.util import find_spec

    if find_spec("altair") is None:
        raise MissingExtraError.of("altair", "plot")
    import altair as alt

    base = alt.Chart(alt.InlineData(values=_values(drawing)))
    title = alt.TitleParams(drawing.title, subtitle=drawing.note, anchor="start", subtitleColor="#888")
    drawn = _lines(base, drawing) if drawing.time is not None else _bars(base, drawing)
    return drawn.properties(title=title)


def _lines(base: alt.Chart, drawing: Drawing) -> alt.Chart:
    import altair as alt

    several = len(drawing.order) > 1
    colour = alt.Color(
        "label:N",
        title=drawing.label,
        scale=alt.Scale(domain=drawing.order, range=_colours(drawing)),
        sort=drawing.order,
    )
    zone = "" if drawing.zone == "UTC" else f" ({drawing.zone})"
    points = alt.OverlayMarkDef(size=24) if len(drawing.rows) <= _ROOM_FOR_POINTS else False
    lines: alt.Chart = base.mark_line(strokeWidth=2, point=points).encode(
        # Vega knows UTC and the browser's own zone alone, so what the zone's clocks show is given as UTC.
        x=alt.X(
            "time:T",
            title=f"{drawing.time}{zone}",
            scale=alt.Scale(type="utc"),
            axis=alt.Axis(format=_HOURS),
        ),
        y=_y(alt.Y, drawing),
        color=colour if several else alt.value(_COLOURS[0]),
        tooltip=[alt.Tooltip("shown:N", title=f"{drawing.time}{zone}"), *_tooltips(drawing, label=several)],
    )
    return lines.properties(width=_WIDTH, height=_HEIGHT)


def _bars(base: alt.Chart, drawing: Drawing) -> alt.Chart:
    import altair as alt

    colours = alt.Scale(domain=drawing.order, range=_colours(drawing, one=True))
    bars: alt.Chart = base.mark_bar(cornerRadiusEnd=2).encode(
        x=_y(alt.X, drawing),
        y=alt.Y("label:N", title=drawing.label, sort=drawing.order, axis=alt.Axis(titlePadding=12)),
        color=alt.Color("label:N", scale=colours, legend=None),
        tooltip=_tooltips(drawing, label=True),
    )
    return bars.properties(width=_WIDTH, height=alt.Step(22))


def _y(channel: Any, drawing: Drawing) -> Any:
    import altair as alt

    measure = drawing.measures[drawing.shown]
    # No prefixes of units: of 0.18 dollars they would make "$180m".
    axis = alt.Axis(format=".0%" if "%" in measure.format else "$,.6~r" if "$" in measure.format else ",.6~r")
    return channel(f"v{drawing.shown}:Q", title=measure.name, axis=axis)


def _tooltips(drawing: Drawing, *, label: bool) -> list[Any]:
    import altair as alt

    named = [alt.Tooltip("label:N", title=drawing.label)] if label else []
    return named + [
        alt.Tooltip(f"v{at}:Q", title=measure.name, format=measure.format)
        if _are_numbers(drawing, at)
        else alt.Tooltip(f"v{at}:N", title=measure.name)
        for at, measure in enumerate(drawing.measures)
    ]


def _values(drawing: Drawing) -> list[dict[str, Any]]:
    """Return the rows as Vega takes them: names without dots or brackets, which mean something to it."""
    if not _are_numbers(drawing, drawing.shown):
        raise InvalidInputError(
            f"plot: {drawing.measures[drawing.shown].name!r} is no number; name another y"
        )
    zone = ZoneInfo(drawing.zone)
    values = []
    for time, label, *told in drawing.rows:
        if drawing.time is not None and time is None:  # what has no time has no place
            continue
        value: dict[str, Any] = {"label": label}
        if time is not None:
            wall = time.astimezone(zone).replace(tzinfo=None)
            value |= {"time": f"{wall.isoformat()}Z", "shown": wall.strftime(drawing.time_format)}
        values.append(value | {f"v{at}": _plain(one) for at, one in enumerate(told)})
    return values


def _are_numbers(drawing: Drawing, at: int) -> bool:
    values = (row[2 + at] for row in drawing.rows)
    return all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _colours(drawing: Drawing, *, one: bool = False) -> list[str]:
    return [
        _GREY if name == drawing.other else _COLOURS[0 if one else at % len(_COLOURS)]
        for at, name in enumerate(drawing.order)
    ]
