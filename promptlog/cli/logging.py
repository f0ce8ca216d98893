"""`log`: one request from flags, or many as JSON on stdin."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli.options import Json, Metadata, Store, open_client, pairs
from promptlog.cli.text import json_line
from promptlog.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promptlog.client import PromptLog

_OPTIONAL = "STDIN or flags"


def _option(flag: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(flag, help=help, metavar=metavar)


def log(
    provider: Annotated[str | None, _option("--provider", "Such as openai. Needed.")] = None,
    model: Annotated[str | None, _option("--model", "Such as gpt-4o. Needed.")] = None,
    input: Annotated[str | None, _option("--input", "What went in; - reads it from stdin.")] = None,
    output: Annotated[str | None, _option("--output", "What came out; - reads it from stdin.")] = None,
    start: Annotated[str | None, _option("--start", "ISO 8601 or epoch seconds; else now.", "TIME")] = None,
    end: Annotated[str | None, _option("--end", "Likewise; else start + latency.", "TIME")] = None,
    latency_ms: Annotated[float | None, _option("--latency-ms", "How long it took.")] = None,
    meta: Metadata = None,
    tag: Annotated[list[str] | None, _option("--tag", "A label; may be repeated.")] = None,
    input_tokens: Annotated[int | None, _option("--input-tokens", "A count.")] = None,
    output_tokens: Annotated[int | None, _option("--output-tokens", "A count.")] = None,
    cost_usd: Annotated[float | None, _option("--cost", "In US dollars.", "USD")] = None,
    score: Annotated[float | None, _option("--score", "From 0 to 100.")] = None,
    score_name: Annotated[str | None, _option("--score-name", 'The score\'s name, else "default".')] = None,
    prompt: Annotated[str | None, _option("--prompt", "The prompt template's name.", "NAME")] = None,
    prompt_version: Annotated[int | None, _option("--prompt-version", "Its version.")] = None,
    parameters: Annotated[str | None, _option("--parameters", "What the model ran with.", "JSON")] = None,
    status: Annotated[str | None, _option("--status", "SUCCESS, WARNING or ERROR.")] = None,
    error_message: Annotated[str | None, _option("--error", "What went wrong.", "MESSAGE")] = None,
    request_id: Annotated[str | None, _option("--id", "A UUID; else a new one.", "UUID")] = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Log one request from flags; without flags, from JSON on stdin.

    On stdin stands one object, or one a line (JSON Lines), with the arguments of log_request: provider, model,
    input, output, request_start_time, request_end_time, metadata, tags, … Prints the ids.
    """
    flags = {
        "provider": provider,
        "model": model,
        "input": _text(input),
        "output": _text(output),
        "metadata": pairs(meta, "--meta") or None,
        "tags": tag or None,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "price": cost_usd,
        "score": score,
        "score_name": score_name,
        "prompt_name": prompt,
        "prompt_version_number": prompt_version,
        "parameters": _parsed(parameters),
        "status": status,
        "error_message": error_message,
        "request_id": request_id,
    }
    given = {name: value for name, value in flags.items() if value is not None}
    client = open_client(store)
    if given or not (start is end is latency_ms is None):
        if provider is None or model is None:
            raise InvalidInputError("log needs --provider and --model, or JSON on stdin and no flags")
        times = _times(start, end, latency_ms)
        _log(client, {"input": None, "output": None, **given, **times}, as_json)
    else:
        _log_stdin(client, as_json)


def _text(given: str | None) -> str | None:
    return sys.stdin.read() if given == "-" else given


def _parsed(given: str | None) -> Any:
    try:
        return None if given is None else json.loads(given)
    except ValueError as error:
        raise InvalidInputError(f"--parameters is no JSON: {error}") from None


def _times(start: str | None, end: str | None, latency_ms: float | None) -> dict[str, Any]:
    """Return start and end from what is given of start, end and latency; what is left open is now."""
    if None not in (start, end, latency_ms):
        raise InvalidInputError("log takes two of --start, --end and --latency-ms")
    if latency_ms is not None and not 0 <= latency_ms < 1e12:  # noqa: PLR2004 - NaN fails this too
        raise InvalidInputError(f"--latency-ms takes milliseconds, 0 or more, got {latency_ms!r}")
    from promptlog.identifiers import to_us

    lasts_us = round((latency_ms or 0) * 1000)
    start_us = None if start is None else to_us(_moment(start), "--start")
    end_us = None if end is None else to_us(_moment(end), "--end")
    if start_us is None:
        end_us = time.time_ns() // 1000 if end_us is None else end_us
        start_us = end_us - lasts_us
    elif end_us is None:
        end_us = start_us + lasts_us
    return {"request_start_time": start_us / 1e6, "request_end_time": end_us / 1e6}


def _moment(given: str) -> float | str:
    try:
        return float(given)
    except ValueError:
        return given


def _log(client: PromptLog, arguments: dict[str, Any], as_json: bool) -> None:
    logged = client.log_request(**arguments)  # type: ignore[typeddict-item]
    request_id = str(logged["request_id"])
    sys.stdout.write((json_line({"request_id": request_id}) if as_json else request_id) + "\n")


def _log_stdin(client: PromptLog, as_json: bool) -> None:
    if sys.stdin.isatty():
        raise InvalidInputError("log takes flags (promptlog log --help), or JSON on stdin: … | promptlog log")
    number = 0
    for where, found in _objects(sys.stdin.buffer):
        try:
            _log(client, _checked(found), as_json)
        except InvalidInputError as error:
            before = f"; the {number:,} before it are logged" if number else ""
            raise InvalidInputError(f"{where}: {error}{before}") from None
        number += 1
    if not number:
        raise InvalidInputError("stdin is empty; log takes JSON there, or flags: promptlog log --help")


def _objects(stdin: Any) -> Iterator[tuple[str, Any]]:
    """Give each object with the place it stands at: one a line, as lines come, or one over all lines."""
    lines = ((number, line) for number, line in enumerate(stdin, 1) if line.strip())
    for number, line in lines:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == 1 or line.strip() in (b"{", b"["):
                yield "stdin", _whole(line + b"".join(rest for _, rest in lines), error)
                return
            yield f"line {number}", error
            return
        yield f"line {number}", found


def _whole(text: bytes, error: Exception) -> Any:
    """Return the one object that `text` is; the error of its first line, where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as whole:
        return whole if text.lstrip()[:1] in b"{[" and b"\n" in text.strip() else error


def _checked(found: Any) -> dict[str, Any]:
    """Return the arguments of `log_request`, or say which is missing or unknown."""
    if isinstance(found, Exception):
        raise InvalidInputError(f"no JSON: {found}")
    if not isinstance(found, dict):
        raise InvalidInputError(f"log takes objects, one a line, got {json.dumps(found)[:60]}")
    from inspect import signature

    from promptlog.models.build import request_record

    known = signature(request_record).parameters
    for name in found:
        if name not in known:
            raise InvalidInputError(f"log_request takes no {name!r}; it takes {', '.join(known)}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in found:
            raise InvalidInputError(f"log_request needs {name!r}, and it is missing")
    return found
