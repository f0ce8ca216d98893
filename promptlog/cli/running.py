"""`run`: a prompt, its answer on stdout as it comes."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli.failures import failure
from promptlog.cli.options import Json, Metadata, Store, given_store, pairs
from promptlog.cli.prompting import Label, Name, Parameters, Variables, Version, parameters_of
from promptlog.cli.screen import note
from promptlog.cli.text import json_line, one_line, visible
from promptlog.client import PromptLog
from promptlog.errors import InvalidInputError, MissingKeyError, NotLoggedWarning, PromptLogError

if TYPE_CHECKING:
    from collections.abc import Iterable


def run(
    name: Name,
    variables: Variables = None,
    metadata: Metadata = None,
    tags: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="May be repeated.")] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider", metavar="NAME", help="In place of the prompt's: openai, anthropic, ollama, …"
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="In place of the prompt's.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="Of a server that speaks as the provider does."),
    ] = None,
    parameters: Parameters = None,
    version: Version = None,
    label: Label = None,
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Print as it comes; unless told, on a terminal."),
    ] = None,
    replay: Annotated[
        str, typer.Option("--replay", metavar="WHEN", help="auto, always or never: answer from the log.")
    ] = "never",
    store: Store = None,
    json: Json = False,
) -> None:
    """Run a prompt, print its answer as it comes, and log it."""
    if base_url is not None and provider is None:
        raise InvalidInputError(
            "--base-url needs --provider: the name that is logged, such as openai or ollama"
        )
    providers = {provider: {"base_url": base_url}} if provider and base_url else None
    client = PromptLog(given_store(store), providers=providers)
    streams = stream if stream is not None else sys.stdout.isatty() and not json
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            answer = client.run(
                name, version, label, pairs(variables, "--var"), parameters_of(parameters), tags, pairs(metadata, "--meta"),
                stream=streams, provider=provider, model=model, replay=replay,  # type: ignore[arg-type]  # run says which
            )  # fmt: skip
            last = _print(answer if streams else [answer], quiet=json)
        except MissingKeyError as error:
            raise failure(
                f"no API key for the provider {error.provider!r}: set {error.variable}, or ask a server that needs "
                f"none: --provider ollama --model NAME"
            ) from None
        except PromptLogError:
            raise
        except Exception as error:  # a provider's own, of any kind
            said = one_line(
                " ".join(
                    [str(error) or "no message", *(f"({note})" for note in getattr(error, "__notes__", ()))]
                )
            )
            raise failure(f"the model did not answer: {type(error).__name__}: {said}") from None
    _report(last, warned, json=json)


def _report(last: dict[str, Any], warned: list[warnings.WarningMessage], *, json: bool) -> None:
    """Say what became of the request."""
    if json:
        told = {key: last[key] for key in ("request_id", "prompt_blueprint", "replayed_from") if key in last}
        sys.stdout.write(json_line(told) + "\n")
    elif last["request_id"]:
        again = f", replayed from {last['replayed_from']}" if "replayed_from" in last else ""
        note(f"request {last['request_id']}{again}")
    for warning in warned:
        if issubclass(warning.category, NotLoggedWarning):
            raise failure(str(warning.message))  # the answer is printed; a script must not think it logged
        note(f"promptlog: {one_line(str(warning.message))}")


def _print(answers: Iterable[dict[str, Any]], *, quiet: bool) -> dict[str, Any]:
    """Print an answer, or each piece of one as it comes, and return the last of what came."""
    shown = visible if sys.stdout.isatty() else str
    last: dict[str, Any] = {}
    pieces = False
    for last in answers:
        template = last["prompt_blueprint"]["prompt_template"]
        messages = template.get("messages") or []
        piece = len(messages) == 1 and messages[0]["role"] == "assistant"
        if not quiet and (piece or not pieces):  # the whole comes after its pieces once more
            sys.stdout.write(shown(_text(template, whole=not piece)))
            sys.stdout.flush()
        pieces = pieces or piece
    if not quiet:
        sys.stdout.write("\n")
        sys.stdout.flush()
    return last


def _text(template: dict[str, Any], *, whole: bool) -> str:
    """Return what the assistant says in a blueprint: calls of tools as JSON."""
    said = template.get("messages", [template])[-1 if whole else 0 :]
    blocks = [block for one in said for block in one.get("content") or ()]
    texts = [block["text"] for block in blocks if isinstance(block.get("text"), str)]
    if template.get("type") == "completion":
        texts = texts[-1:]
    calls = [json_line(call) for one in said for call in one.get("tool_calls") or ()]
    return "\n".join([*texts, *calls]) if whole else "".join(texts)
