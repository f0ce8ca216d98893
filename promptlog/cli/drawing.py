"""One request on the screen: numbers, what was tracked, and the conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from promptlog.cli.screen import console
from promptlog.cli.text import cell, json_line, latency, one_line, tokens, usd, visible
from promptlog.models.conversation import said_by, tools_in

if TYPE_CHECKING:
    from rich.console import Console

    from promptlog.models.request import Request

_STATUS_STYLES = {"SUCCESS": "bold green", "WARNING": "bold yellow", "ERROR": "bold red"}
_ROLE_STYLES = {"user": "bold cyan", "assistant": "bold green", "system": "bold magenta"}
_LABEL_WIDTH = 12
_WIDEST_KEY = 30


def draw(request: Request) -> None:
    """Print one request whole."""
    on = console()
    _header(on, request)
    _pairs(on, "metadata", sorted(request.metadata.items()))
    if request.tags:
        draw_line(on, "tags", ", ".join(map(one_line, request.tags)))
    _pairs(on, "scores", list(request.judgements.items()))
    draw_conversation(on, "input", request.input)
    draw_conversation(on, "output", request.output)


def _header(on: Console, request: Request) -> None:
    from rich.text import Text

    title = Text(request.request_id, style="bold").append("  ")
    on.print(title.append(request.status, style=_STATUS_STYLES.get(request.status, "bold")), soft_wrap=True)
    draw_line(on, "time", f"{request.start_time:%Y-%m-%d %H:%M:%S.%f} UTC")
    draw_line(on, "model", " ".join(part for part in (request.provider, request.model) if part))
    draw_line(on, "latency", latency(request.latency_ms))
    kinds = (
        ("cached", request.cached_tokens),
        ("written to cache", request.cache_write_tokens),
        ("reasoning", request.reasoning_tokens),
    )
    detail = ", ".join(f"{count:,} {kind}" for kind, count in kinds if count)
    draw_line(
        on, "tokens", tokens(request.input_tokens, request.output_tokens) + (f" ({detail})" if detail else "")
    )
    draw_line(on, "cost", usd(request.cost_usd))
    version = f" version {request.prompt_version}" if request.prompt_version is not None else ""
    label = f" ({request.prompt_label})" if request.prompt_label else ""
    draw_line(on, "prompt", f"{request.prompt_name or request.prompt_id or ''}{version}{label}")
    for name in ("input_variables", "parameters"):
        value = getattr(request, name)
        draw_line(on, name.removeprefix("input_"), json_line(value) if value else "")
    for name in (
        "finish_reason",
        "api_type",
        "function_name",
        "group_id",
        "trace_id",
        "span_id",
        "replayed_from",
    ):
        draw_line(on, name.replace("_", " "), cell(getattr(request, name)))
    problem = ": ".join(part for part in (request.error_type, request.error_message) if part)
    draw_line(on, "error", problem, style="red")


def draw_line(on: Console, label: str, value: str, style: str = "") -> None:
    """Print a label and what it says; nothing where it says nothing."""
    from rich.text import Text

    if value:
        text = Text(f"{label:<{_LABEL_WIDTH}} ", style="dim")
        on.print(text.append(one_line(value), style=f"not dim {style}"), soft_wrap=True)


def _pairs(on: Console, title: str, pairs: list[tuple[str, str]]) -> None:
    widest = min(max((len(one_line(key)) for key, _ in pairs), default=0), _WIDEST_KEY)
    for number, (key, value) in enumerate(pairs):
        draw_line(on, "" if number else title, f"{one_line(key):<{widest}}  {one_line(value)}")


def draw_conversation(on: Console, title: str, content: dict[str, Any] | None) -> None:
    """Print a prompt blueprint as what was said by whom."""
    from rich.text import Text

    if content is None:
        return
    on.print()
    on.print(Text(title, style="bold underline"))
    for name, about, told in tools_in(content):
        draw_line(on, "tool", ": ".join(filter(None, [name, about])))
        _indented(on, json_line(told))
    for role, name, parts in said_by(content):
        shown, called = one_line(role), f" ({one_line(name)})" if name else ""
        on.print(Text(f"{shown}{called}", style=_ROLE_STYLES.get(shown, "bold yellow")), soft_wrap=True)
        for part in parts:
            _indented(on, part)


def _indented(on: Console, part: str) -> None:
    from rich.padding import Padding
    from rich.text import Text

    text = visible(part).strip("\n").expandtabs(4)
    if on.is_terminal:
        on.print(Padding(Text(text), (0, 0, 0, 2), expand=False))
    else:  # lines as they were said, for grep
        on.print(Text("\n".join(f"  {line}".rstrip() for line in text.split("\n"))), soft_wrap=True)
