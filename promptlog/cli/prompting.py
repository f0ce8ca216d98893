"""`prompts`: the prompts of a store, their versions and labels."""

from __future__ import annotations

import json as json_module
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli.options import Json, Store, open_client, pairs
from promptlog.cli.screen import Column, console, note, print_table
from promptlog.cli.text import json_line, short_time, visible
from promptlog.errors import InvalidInputError, PromptNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promptlog.client import PromptLog

Name = Annotated[str, typer.Argument(metavar="NAME", help="A prompt's name.")]
Version = Annotated[
    int | None, typer.Option("--version", metavar="N", help="Which version; else the newest.")
]
Label = Annotated[str | None, typer.Option("--label", metavar="LABEL", help="The version with this label.")]
Variables = Annotated[
    list[str] | None, typer.Option("--var", metavar="KEY=VALUE", help="A variable; may be repeated.")
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param", metavar="KEY=VALUE", help="A parameter such as temperature=0.2; may be repeated."
    ),
]

prompts = typer.Typer(
    name="prompts",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, show, compare and publish prompts.",
)


@prompts.command("list")
def list_prompts(label: Label = None, store: Store = None, json: Json = False) -> None:
    """List the prompts, each with its newest version."""
    client = open_client(store)
    rows = list(_all(client, label))
    if json:
        sys.stdout.writelines(json_line(row) + "\n" for row in rows)
        return
    if not rows:
        note(
            "There are no prompts yet: promptlog prompts publish NAME FILE"
            if label is None
            else f"No prompt has the label {label!r}."
        )
        return
    columns = [
        Column("prompt", style="cyan", shrinks=True),
        Column("version", right=True),
        Column("labels", style="green", shrinks=True),
        Column("model", goes=2),
        Column("variables", style="dim", shrinks=True, goes=1),
        Column("published (UTC)", goes=3),
        Column("message", style="dim", shrinks=True, goes=4),
    ]
    labels: dict[str, list[str]] = {}
    newest = {row["prompt_name"]: row["version"] for row in rows}
    for on in client.templates.labels():
        name, version = on["prompt_name"], on["version"]
        where = "" if newest.get(name) == version else f" (v{version})"
        labels.setdefault(name, []).append(f"{on['label']}{where}")
    print_table(columns, [_row(row, labels.get(row["prompt_name"], [])) for row in rows])


def _all(client: PromptLog, label: str | None) -> Iterator[dict[str, Any]]:
    page, size = 1, 1000
    while some := client.templates.all(page=page, per_page=size, label=label):
        yield from some
        page += 1


def _row(row: dict[str, Any], labels: list[str]) -> list[object]:
    model = row["metadata"].get("model") or {}
    return [
        row["prompt_name"],
        row["version"],
        ", ".join(labels),
        model.get("name"),
        ", ".join(row["prompt_template"].get("input_variables", [])),
        short_time(row["published_at"]),
        row["commit_message"],
    ]


@prompts.command()
def show(
    name: Name,
    version: Version = None,
    label: Label = None,
    variables: Variables = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Show a prompt; with --var, rendered."""
    client = open_client(store)
    params: dict[str, Any] = {"version": version, "label": label}
    if variables:
        params["input_variables"] = pairs(variables, "--var")
    found = client.templates.get(name, params)
    if json:
        sys.stdout.write(json_line(found) + "\n")
        return
    from promptlog.cli.drawing import draw_conversation, draw_line

    on = console()
    draw_line(on, "prompt", f"{found['prompt_name']} version {found['version']}")
    labels = next(
        row["release_labels"] for row in client.templates.versions(name) if row["version"] == found["version"]
    )
    draw_line(on, "labels", ", ".join(labels))
    model = found["metadata"].get("model") or {}
    draw_line(on, "model", " ".join(str(model[key]) for key in ("provider", "name") if model.get(key)))
    draw_line(on, "parameters", json_line(model["parameters"]) if model.get("parameters") else "")
    draw_line(on, "variables", ", ".join(found["prompt_template"].get("input_variables", [])))
    draw_line(on, "tags", ", ".join(found["tags"]))
    draw_line(on, "message", found["commit_message"] or "")
    draw_conversation(on, "template" if not variables else "rendered", found["prompt_template"])


@prompts.command()
def diff(
    name: Name,
    old: Annotated[
        int | None, typer.Argument(metavar="[OLD]", help="A version; else the one before NEW.")
    ] = None,
    new: Annotated[int | None, typer.Argument(metavar="[NEW]", help="A version; else the newest.")] = None,
    store: Store = None,
) -> None:
    """Show what changed between two versions, as `diff -u` does."""
    from difflib import unified_diff

    by_version = {row["version"]: row for row in open_client(store).templates.versions(name)}
    newer = max(by_version) if new is None else new
    older = max((version for version in by_version if version < newer), default=newer) if old is None else old
    for version in (older, newer):
        if version not in by_version:
            raise InvalidInputError(
                f"prompt {name!r} has no version {version}; its newest is {max(by_version)}"
            )
    lines = unified_diff(
        _lines(by_version[older]),
        _lines(by_version[newer]),
        f"{name} version {older}",
        f"{name} version {newer}",
        lineterm="",
    )
    on = console()
    styles = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        style = "bold" if line.startswith(("+++", "---")) else styles.get(line[:1], "")
        on.print(visible(line), style=style, soft_wrap=True)


def _lines(row: dict[str, Any]) -> list[str]:
    """Return a version as lines: texts as they read, all else as JSON."""
    template = row["prompt_template"]
    parts = template.get("messages") or [{**template, "role": "completion"}]
    lines: list[str] = []
    for part in parts:
        lines.append(f"[{part.get('role')}] {part.get('name') or ''}".rstrip())
        for block in part.get("content") or ():
            lines += block["text"].splitlines() if isinstance(block.get("text"), str) else [json_line(block)]
        lines.append("")
    rest = {
        key: value
        for key, value in template.items()
        if key not in ("type", "messages", "content", "input_variables")
    }
    for key, value in [*rest.items(), *row["metadata"].items()]:
        lines += (
            f"{key}: {json_module.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)}".splitlines()
        )
    return lines


@prompts.command()
def publish(
    name: Name,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A text, or PromptLayer's JSON; - reads stdin.")
    ],
    provider: Annotated[
        str | None, typer.Option("--provider", metavar="NAME", help="Such as openai.")
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Such as gpt-4o.")] = None,
    parameters: Parameters = None,
    template_format: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="Of a text: jinja2 or f-string.")
    ] = "jinja2",
    completion: Annotated[
        bool, typer.Option("--completion", help="A text to complete, or a snippet; else a user's message.")
    ] = False,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="LABEL", help="May be repeated.")
    ] = None,
    message: Annotated[str | None, typer.Option("--message", metavar="TEXT", help="What changed.")] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Publish a version of a prompt from a text or JSON.

    JSON is what client.templates.publish takes, or the template alone. The same as the newest version makes none. A text
    or a template alone keeps the model of the newest version, as far as no option says otherwise.
    """
    text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    templates = open_client(store).templates
    body = _body(text, template_format, completion=completion)
    body["prompt_name"] = name
    if body.keys() == {"prompt_name", "prompt_template"}:
        with suppress(PromptNotFoundError):
            body["metadata"] = templates.versions(name)[0]["metadata"]
    if provider or model or parameters:
        metadata = body.setdefault("metadata", {})
        own = metadata.setdefault("model", {})
        own.update({key: value for key, value in (("provider", provider), ("name", model)) if value})
        own["parameters"] = {**(own.get("parameters") or {}), **parameters_of(parameters)}
    if labels:
        body["release_labels"] = labels
    if message:
        body["commit_message"] = message
    published = templates.publish(body)
    if json:
        sys.stdout.write(json_line(published) + "\n")
        return
    on = f" ({', '.join(published['release_labels'])})" if published["release_labels"] else ""
    typer.echo(visible(f"{name} version {published['version']}{on}"))


def _body(text: str, template_format: str, *, completion: bool) -> dict[str, Any]:
    try:
        found = json_module.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict) and "prompt_template" in found:
        return found
    if isinstance(found, dict) and found.get("type") in ("chat", "completion"):
        return {"prompt_template": found}
    part = {"content": text.removesuffix("\n"), "template_format": template_format}
    if completion:
        return {"prompt_template": {"type": "completion", **part}}
    return {"prompt_template": {"type": "chat", "messages": [{"role": "user", **part}]}}


@prompts.command()
def label(
    name: Name,
    label: Annotated[str, typer.Argument(metavar="LABEL", help="Such as prod.")],
    version: Annotated[int | None, typer.Argument(metavar="[VERSION]", help="Else the newest.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take it off instead.")] = False,
    store: Store = None,
) -> None:
    """Put a label on a version, taking it off another."""
    templates = open_client(store).templates
    if remove:
        templates.unlabel(name, label)
        note(visible(f"{name}: - {label}"))
    else:
        note(visible(f"{name}: {label} is on version {templates.label(name, label, version)}"))


def parameters_of(given: list[str] | None) -> dict[str, Any]:
    """Return `key=value` texts as parameters: JSON where it is some, else text."""
    found: dict[str, Any] = {}
    for key, value in pairs(given, "--param").items():
        try:
            found[key] = json_module.loads(value)
        except ValueError:
            found[key] = value
    return found
