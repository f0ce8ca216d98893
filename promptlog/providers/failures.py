"""What kind of failure an exception is, in PromptLayer's words."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

#: Packages whose exceptions are a provider's, or of the wire to it.
_PROVIDERS = frozenset(
    {
        "anthropic",
        "boto3",
        "botocore",
        "cohere",
        "google",
        "groq",
        "httpcore",
        "httpx",
        "httpx2",
        "litellm",
        "mistralai",
    }
    | {"ollama", "openai", "requests", "urllib3", "aiohttp"}
)


_MOST_MESSAGE_CHARS = 1024  # PromptLayer's limit of error_message


def failure_of(error: BaseException) -> dict[str, str]:
    """Return what a failed call of a model is logged with: status, error_type and error_message. It never raises."""
    try:
        message, kind = str(error), error_type_of(error)
    except Exception:  # one that cannot show itself
        message, kind = "", "UNKNOWN_ERROR"
    message = message[:_MOST_MESSAGE_CHARS] or type(error).__name__
    return {"status": "ERROR", "error_type": kind, "error_message": message}


def error_type_of(error: BaseException) -> str:
    """Return the `error_type` that a failed call of a model is logged with.

    Source: PromptLayer's SDK 1.5.16, `track/error_tracking.py`, whose order this is. Two things are added: a timeout is
    known by the class's name too (OpenAI's says "Request timed out."), and a lost connection is the provider's.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    package = type(error).__module__.partition(".")[0]
    of_provider = package in _PROVIDERS or isinstance(error, ConnectionError)
    return _error_type(_status(error), names, str(error), of_provider=of_provider)


def error_type_told(kind: str, message: str) -> str:
    """Return the same of an exception of which another program tells.

    Args:
        kind: its class, "openai.RateLimitError"; "" where that is not told.
        message: its text, as OpenAI's and Anthropic's SDKs write it.
    """
    package, _, name = kind.rpartition(".")
    told = _STATUS.match(message)
    of_provider = package.partition(".")[0] in _PROVIDERS or (not kind and message in _SAID_BY_PROVIDERS)
    return _error_type(int(told[1]) if told else None, {name}, message, of_provider=of_provider or bool(told))


_STATUS = re.compile(r"Error code: ([45]\d\d)\b")  # how both SDKs begin what a server refuses
_SAID_BY_PROVIDERS = {"Connection error.", "Request timed out."}


def _error_type(status: Any, names: set[str], message: str, *, of_provider: bool) -> str:
    if status == 429 or "RateLimitError" in names:  # noqa: PLR2004 - HTTP's
        return "PROVIDER_RATE_LIMIT"
    if status == 402:  # noqa: PLR2004 - HTTP's
        return "PROVIDER_QUOTA_LIMIT"
    if any(name.endswith(("TimeoutError", "Timeout")) for name in names):
        return "PROVIDER_TIMEOUT"
    if status == 401 or "AuthenticationError" in names:  # noqa: PLR2004 - HTTP's
        return "PROVIDER_AUTH_ERROR"
    if of_provider:
        text = message.lower()
        if "quota" in text:
            return "PROVIDER_QUOTA_LIMIT"
        return "PROVIDER_TIMEOUT" if "timeout" in text or "timed out" in text else "PROVIDER_ERROR"
    return "UNKNOWN_ERROR"


def say_where(error: BaseException, provider: str) -> None:
    """Note on an exception of a lost connection which address was called; OpenAI's says but "Connection error."."""
    with suppress(Exception):  # of httpx, those without a request refuse to be asked for it
        request: Any = getattr(error, "request", None)
        if request is not None and _status(error) is None:
            error.add_note(f"the provider {provider!r} was called at {request.url}")


_LOGGED_AS = "logged as request "


def say_logged(error: BaseException, request_id: str) -> None:
    """Note on an exception which request it was logged as."""
    with suppress(Exception):
        error.add_note(f"{_LOGGED_AS}{request_id}")


def logged_as(error: BaseException) -> str | None:
    """Return the id of the request that an exception was logged as; None where it says none."""
    notes = [note for note in getattr(error, "__notes__", ()) if is_logged_note(note)]
    return notes[-1].removeprefix(_LOGGED_AS) if notes else None


def is_logged_note(note: str) -> bool:
    """Return whether a note is one of `say_logged`."""
    return note.startswith(_LOGGED_AS)


def _status(error: BaseException) -> Any:
    """Return the HTTP status of an exception of any SDK, where it has one."""
    status = getattr(error, "status_code", None)
    return status if status is not None else getattr(getattr(error, "response", None), "status_code", None)
