"""`log`: one request from flags, or many as JSON on stdin."""

from __future__ import annotations

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptlog.cli.options import Json, Metadata, Store, open_client, pairs
from promptlog.cli.text import json_line
from promptlog.errors import InvalidInputError, InvalidTimeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from promptlog.client import PromptLog

_NUMBER = re.compile(r"\d+(\.\d*)?")
_LONGEST_MS = 1e12  # thirty years


def _option(flag: str, help: str, metavar: str | None = None) -> Any:
    return typer.Option(flag, help=help, metavar=metavar)


def log(
    provider: Annotated[str | None, _option("--provider", "Such as openai. Needed.", "NAME")] = None,
    model: Annotated[str | None, _option("--model", "Such as gpt-4o. Needed.", "NAME")] = None,
    input: Annotated[str | None, _option("--input", "What went in; - reads it from stdin.", "TEXT")] = None,
    output: Annotated[
        str | None, _option("--output", "What came out; - reads it from stdin.", "TEXT")
    ] = None,
    start: Annotated[str | None, _option("--start", "ISO 8601 or epoch seconds; else now.", "TIME")] = None,
    end: Annotated[str | None, _option("--end", "Likewise; else start + latency.", "TIME")] = None,
    latency_ms: Annotated[float | None, _option("--latency-ms", "How long it took.", "MS")] = None,
    metadata: Metadata = None,
    tags: Annotated[list[str] | None, _option("--tag", "A label; may be repeated.", "TAG")] = None,
    input_tokens: Annotated[int | None, _option("--input-tokens", "A count.", "N")] = None,
    output_tokens: Annotated[int | None, _option("--output-tokens", "A count.", "N")] = None,
    price: Annotated[float | None, _option("--cost", "In US dollars.", "USD")] = None,
    score: Annotated[float | None, _option("--score", "From 0 to 100.", "N")] = None,
    score_name: Annotated[
        str | None, _option("--score-name", 'The score\'s name, else "default".', "NAME")
    ] = None,
    prompt_name: Annotated[str | None, _option("--prompt", "The prompt template's name.", "NAME")] = None,
    prompt_version_number: Annotated[int | None, _option("--prompt-version", "Its version.", "N")] = None,
    parameters: Annotated[str | None, _option("--parameters", "What the model ran with.", "JSON")] = None,
    status: Annotated[str | None, _option("--status", "SUCCESS, WARNING or ERROR.", "STATUS")] = None,
    error_message: Annotated[str | None, _option("--error", "What went wrong.", "MESSAGE")] = None,
    request_id: Annotated[str | None, _option("--id", "A UUID; else a new one.", "UUID")] = None,
    store: Store = None,
    as_json: Json = False,
) -> None:
    """Log one request from flags; without flags, from JSON on stdin.

    On stdin stands one object, or one a line (JSON Lines), with the arguments of log_request: provider, model,
    input, output, request_start_time, request_end_time, metadata, tags, … Prints the ids.
    """
    flags = {name: value for name, value in dict(locals()).items() if value not in (None, [])}
    for name in ("store", "as_json"):
        flags.pop(name, None)
    client = open_client(store)
    if flags:
        _log(client, _from_flags(**flags), as_json)
    else:
        _log_stdin(client, as_json)


def _from_flags(
    *, start: str | None = None, end: str | None = None, latency_ms: float | None = None, **given: Any
) -> dict[str, Any]:
    """Return the arguments of `log_request` that the flags say, which bear its names where they mean the same."""
    if "provider" not in given or "model" not in given:
        raise InvalidInputError("log needs --provider and --model, or JSON on stdin and no flags")
    times = _times(start, end, latency_ms)
    for name in ("input", "output"):
        given[name] = _text(given.get(name))
    if "metadata" in given:
        given["metadata"] = pairs(given["metadata"], "--meta")
    if "parameters" in given:
        given["parameters"] = _parsed(given["parameters"])
    return given | times


def _text(given: str | None) -> str | None:
    return sys.stdin.read() if given == "-" else given


def _parsed(given: str) -> Any:
    try:
        return json.loads(given)
    except ValueError as error:
        raise InvalidInputError(f"--parameters is no JSON: {error}") from None


def _times(start: str | None, end: str | None, latency_ms: float | None) -> dict[str, Any]:
    """Return start and end from two of start, end and latency; what is left open is now."""
    if None not in (start, end, latency_ms):
        raise InvalidInputError("log takes two of --start, --end and --latency-ms")
    if latency_ms is not None and not 0 <= latency_ms < _LONGEST_MS:  # NaN fails this too
        raise InvalidInputError(f"--latency-ms takes milliseconds, 0 or more, got {latency_ms!r}")
    lasts = timedelta(milliseconds=latency_ms or 0)
    began = None if start is None else _moment(start, "--start")
    ended = None if end is None else _moment(end, "--end")
    try:
        if began is None:
            ended = ended or datetime.now(UTC)
            began = ended - lasts
        ended = ended or began + lasts
    except OverflowError:
        raise InvalidTimeError("--latency-ms leads out of the calendar") from None
    return {"request_start_time": began, "request_end_time": ended}


def _moment(given: str, flag: str) -> datetime:
    """Return epoch seconds or ISO 8601 as a moment; without an offset it is UTC, as everywhere here."""
    try:
        if _NUMBER.fullmatch(given):
            return datetime.fromtimestamp(float(given), UTC)
        moment = datetime.fromisoformat(given)
    except (ValueError, OverflowError, OSError):
        raise InvalidTimeError(
            f"{flag} {given!r} is neither ISO 8601, such as 2026-01-31T12:00:00Z, nor seconds since 1970"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _log(client: PromptLog, arguments: dict[str, Any], as_json: bool) -> None:
    logged = client.log_request(**arguments)
    request_id = str(logged["request_id"])
    sys.stdout.write((json_line({"request_id": request_id}) if as_json else request_id) + "\n")
    sys.stdout.flush()  # it is logged now: who feeds us line by line may go on


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
    """Give each object with the place it stands at, as its line comes; or the one that stands over all lines."""
    lines = ((number, line) for number, line in enumerate(stdin, 1) if line.strip())
    for count, (number, line) in enumerate(lines):
        found = _json(line)
        if count == 0 and isinstance(found, Exception):
            yield "stdin", _json(line + b"".join(rest for _, rest in lines))
            return
        yield f"line {number}", found


def _json(text: bytes) -> Any:
    """Return what the JSON says, or why it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return error


def _checked(found: Any) -> dict[str, Any]:
    """Return the arguments of `log_request`, or say which is missing or unknown."""
    if isinstance(found, Exception):
        raise InvalidInputError(f"no JSON: {found}")
    if not isinstance(found, dict):
        raise InvalidInputError(f"log takes objects, one a line, got {json.dumps(found)[:60]}")
    from difflib import get_close_matches
    from inspect import signature

    from promptlog.models.build import request_record

    known = signature(request_record).parameters
    for name in found:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(known)}"
            raise InvalidInputError(f"log_request takes no {name!r}; {hint}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in found:
            raise InvalidInputError(f"log_request needs {name!r}, and it is missing")
    return found
