"""Templates, what they can call, and how a page or a part of one is answered."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, ParamSpec

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from promptlog.models import words
from promptlog.server.house import house_of
from promptlog.server.pages import content
from promptlog.server.undoing import MOST

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

P = ParamSpec("P")
_THOUSAND = 1000


@cache
def environment() -> Environment:
    """Return the one environment of all templates: everything that is stored is escaped."""
    made = Environment(
        loader=PackageLoader("promptlog.server"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        number=number, usd=words.usd, latency=words.latency, percent=words.percent, visible=words.visible,
        line=line, compact=content.compact, time=time_text, when=when, iso=iso, duration=words.duration, short=short,
    )  # fmt: skip
    made.globals.update(
        static=static, most_chars=content.MOST_CHARS, most_unfolded=content.MOST_UNFOLDED, most_undone=MOST
    )
    return made


@cache
def static(name: str) -> str:
    """Return the address of a file we ship; it changes with what is in it, so that browsers may keep it."""
    content = files("promptlog.server").joinpath("static", name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


async def answer(
    request: Request,
    template: str,
    question: Callable[P, dict[str, Any]],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> HTMLResponse:
    """Answer with a template that shows what a question returns.

    Both the question and the writing of the page are done in a thread: a large page keeps nobody else waiting.

    Raises:
        HTTPException: 503, where too many wait already.
    """

    def work() -> HTMLResponse:
        return page(request, template, **question(*args, **kwargs))

    return await house_of(request).ask(work)


def page(request: Request, template: str, status: int = 200, **shown: Any) -> HTMLResponse:
    """Return an answer of a template; what may be large is better written by `answer`."""
    house = house_of(request)
    text = environment().get_template(template).render(
        csrf_token=house.csrf_token,
        read_only=house.read_only,
        store=str(house.client.path),
        store_name=house.client.path.name,
        path=request.url.path,
        **shown,
    )  # fmt: skip
    return HTMLResponse(text.encode("utf-8", "replace"), status)


def part(template: str, **shown: Any) -> str:
    """Return a part of a page as text."""
    return environment().get_template(template).render(**shown)


def number(value: float | None) -> str:
    """Return a number with commas; nothing where it is not known."""
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def short(value: float) -> str:
    """Return a number in at most four characters or so: 950, 1.2k, 34k, 1.5M."""
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (_THOUSAND, "k")):
        if value >= size:
            return (
                f"{value / size:.1f}".rstrip("0").rstrip(".") + letter
                if value < 100 * size
                else f"{value / size:.0f}{letter}"
            )
    return f"{value:g}"


def line(text: str, most: int = 160) -> str:
    """Return stored text as one line, cut where it is long."""
    found = words.one_line(text[: most * 2])
    return found if len(found) <= most else f"{found[: most - 1]}…"


def time_text(moment: datetime | None) -> str:
    """Return a moment in UTC to the second."""
    return "" if moment is None else words.short_time(moment)


def when(moment: datetime) -> str:
    """Return a moment in UTC to the second, the year only where it is not this one."""
    return time_text(moment).removeprefix(f"{datetime.now(UTC).year}-")


def iso(moment: datetime) -> str:
    """Return a moment as a machine reads it."""
    return moment.isoformat().replace("+00:00", "Z")
