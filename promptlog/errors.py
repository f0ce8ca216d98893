"""Everything that promptlog raises.

```
PromptLogError
├── InvalidInputError          (also ValueError)      an argument is wrong; nothing was written
│   ├── InvalidMetadataError
│   ├── InvalidTagError
│   ├── InvalidScoreError
│   ├── InvalidRequestIdError
│   ├── InvalidTimeError
│   ├── RecordTooLargeError
│   ├── UnknownColumnError     (also AttributeError)
│   ├── TemplateError          a prompt template is wrong, or cannot be rendered with these variables
│   ├── UnknownProviderError   no provider has that name
│   ├── SearchSyntaxError      a search text cannot be read; says where and what was expected
│   └── QueryError             the database refused a query
├── ConditionAsBoolError       (also TypeError)       `a and b` where `a & b` was meant
├── RequestNotFoundError       (also LookupError)
├── PromptNotFoundError        (also LookupError)    no prompt of that name, version or label
├── NotReplayableError         (also LookupError)    replay="always", and the log has no answer to this request
├── TraceNotFoundError         (also LookupError)
├── MissingExtraError          (also ImportError)     a package of an extra is not installed
├── MissingKeyError            (also LookupError)     a provider was called without an API key
└── StoreError
    ├── StoreBusyError         (also TimeoutError)
    ├── StoreInterruptedError  a question was ended before it had its answer
    ├── StoreVersionError      the file is of a version that this promptlog cannot use
    ├── StoreDamagedError      the file cannot be opened
    └── StoreUnwritableError   (also OSError)         a full disk, a read-only folder
```

A message names the thing, the cause and the way out.
"""

from __future__ import annotations


class PromptLogError(Exception):
    """The root: catching it catches all that promptlog raises on purpose."""


class InvalidInputError(PromptLogError, ValueError):
    """An argument is wrong. Nothing was written."""


class InvalidMetadataError(InvalidInputError):
    """Metadata is not a dictionary of strings within their limits."""

    @classmethod
    def not_a_dict(cls, given: object) -> InvalidMetadataError:
        """Metadata as a whole is of another type."""
        return cls(f"metadata must be a dict of strings to strings, got {type(given).__name__}")

    @classmethod
    def wrong_key(cls, key: object) -> InvalidMetadataError:
        """A key is no string."""
        return cls(
            f"metadata key {key!r} is of type {type(key).__name__}; keys must be strings: use str(key)"
        )

    @classmethod
    def wrong_value(cls, key: str, value: object) -> InvalidMetadataError:
        """A value is no string."""
        return cls(
            f"metadata value of key {key!r} is of type {type(value).__name__}; values must be strings: "
            f"pass str(value), or leave the key out where there is no value"
        )


class InvalidTagError(InvalidInputError):
    """A tag is not a string of 1 to 512 characters."""


class InvalidScoreError(InvalidInputError):
    """A score is not a number from 0 to 100, or its name is no string."""


class InvalidRequestIdError(InvalidInputError):
    """A request id is no UUID."""

    @classmethod
    def foreign(cls, given: object) -> InvalidRequestIdError:
        """An id of another system's making ("chatcmpl-…", 132), or one that is torn."""
        return cls(
            f"request_id {given!r} is no UUID. Give the whole id that log_request returned; of another system's id "
            f"promptlog.foreign_request_id('openai', {str(given)!r}) makes one, the same each time"
        )


class InvalidTimeError(InvalidInputError):
    """A time cannot be read, lies outside 1970-9999, or an end lies before its start."""


class RecordTooLargeError(InvalidInputError):
    """One call carries more than a line of the journal may hold."""


class UnknownColumnError(InvalidInputError, AttributeError):
    """A column of that name does not exist."""

    @classmethod
    def named(cls, name: str, known: list[str]) -> UnknownColumnError:
        """Say which columns come nearest, and that metadata has another door."""
        import difflib

        if name in _ELSEWHERE:
            return cls(f"requests have no column {name!r}; write {_ELSEWHERE[name]}")
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
        hint = (
            f"did you mean {' or '.join(f'col.{n}' for n in near)}?"
            if near
            else f"columns: {', '.join(known)}."
        )
        return cls(
            f"requests have no column {name!r}; {hint} For a metadata key write meta({name.removeprefix('meta.')!r})."
        )


#: What people look for as a column, and where it is.
_ELSEWHERE = {
    "metadata": "meta('<key>')",
    "tag": "tag('<name>')",
    "tags": "tag('<name>')",
    "score": "score('<name>')",
    "scores": "score('<name>')",
    "price": "col.cost_usd",
    "cost": "col.cost_usd",
    "latency": "col.latency_ms",
    "error": "col.error_message",
    "id": "col.request_id",
    "user": "meta('user_id')",
    "user_id": "meta('user_id')",
    "session_id": "meta('session_id')",
    "request_start_time": "col.start_time",
    "request_end_time": "col.end_time",
    "prompt_version_number": "col.prompt_version",
    "prompt_input_variables": "col.input_variables",
}


class TemplateError(InvalidInputError):
    """A prompt template is wrong, or cannot be rendered with the variables that were given. Nothing was sent."""


class UnknownProviderError(InvalidInputError):
    """No provider has this name. Nothing was sent."""


class SearchSyntaxError(InvalidInputError):
    """A search text cannot be read. The message has three lines: what is wrong, the text, and a mark under the place.

    Attributes:
        text: the whole text.
        position: the character at which it goes wrong, counted from 0; the text's length where more was expected.
        expected: what would have been right there, in words.
    """

    text: str = ""
    position: int = 0
    expected: str = ""

    @classmethod
    def at(cls, text: str, position: int, expected: str, problem: str = "") -> SearchSyntaxError:
        """Point at a place and say what was expected there, or what is wrong with what is there."""
        error = cls(f"search text: {problem or f'expected {expected}'}\n{_pointed_at(text, position)}")
        error.text, error.position, error.expected = text, position, expected
        return error


_ROOM = 72  # columns of text shown around the place, so that the mark stands under it in any terminal


def _pointed_at(text: str, position: int) -> str:
    """Return the line of the text that holds a place, cut to what a terminal shows, and a mark below the place."""
    from unicodedata import combining, east_asian_width

    begin = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position) if "\n" in text[position:] else len(text)
    first = max(begin, position - _ROOM * 2 // 3)
    last = min(end, first + _ROOM)
    shown = [character if character.isprintable() else " " for character in text[first:last]]
    before = "… " if first > begin else ""
    width = len(before) + sum(
        0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1
        for character in shown[: position - first]
    )
    return f"  {before}{''.join(shown)}{' …' if last < end else ''}\n  {' ' * width}^"


class QueryError(InvalidInputError):
    """The database refused a query."""


class ConditionAsBoolError(PromptLogError, TypeError):
    """A condition was used where Python wants a truth value."""


class RequestNotFoundError(PromptLogError, LookupError):
    """No request has this id or prefix."""


class PromptNotFoundError(PromptLogError, LookupError):
    """No prompt has this name, version or label."""

    @classmethod
    def named(cls, name: str, known: list[str]) -> PromptNotFoundError:
        """No version of it was ever published."""
        return cls(f"there is no prompt {name!r}; {_nearest(name, known, 'prompts')}")

    @classmethod
    def labelled(cls, name: str, label: str, known: list[str]) -> PromptNotFoundError:
        """No version of it has this label."""
        return cls(f"prompt {name!r} has no label {label!r}; {_nearest(label, known, 'labels')}")


def _nearest(given: str, known: list[str], what: str) -> str:
    from difflib import get_close_matches

    if near := get_close_matches(given, known, n=3, cutoff=0.6):
        return f"did you mean {' or '.join(map(repr, near))}?"
    most = 8
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return f"{what}: {', '.join(map(repr, known[:most]))}{more}" if known else f"there are no {what} yet"


class NotReplayableError(PromptLogError, LookupError):
    """A request was to be answered from the log alone, and the log has no answer to it."""


class TraceNotFoundError(PromptLogError, LookupError):
    """No span and no request has this trace id."""


class MissingExtraError(PromptLogError, ImportError):
    """A package that belongs to an extra is not installed."""

    @classmethod
    def of(cls, package: str, extra: str) -> MissingExtraError:
        """Say what to install."""
        return cls(
            f"this needs the package {package!r}, of the extra {extra!r}: pip install 'promptlog-local[{extra}]'"
        )


class MissingKeyError(PromptLogError, LookupError):
    """There is no API key for a provider. Nothing was called and nothing was logged.

    Attributes:
        provider: the provider's name.
        variable: the environment variable that its SDK reads a key from.
    """

    provider: str = ""
    variable: str = ""

    @classmethod
    def of(cls, provider: str, variable: str, client: str) -> MissingKeyError:
        """Say where a key can come from."""
        error = cls(
            f"no API key for the provider {provider!r}: set {variable}, or give a client that has one: "
            f"PromptLog(providers={{{provider!r}: {client}(api_key=…)}})"
        )
        error.provider, error.variable = provider, variable
        return error


class StoreError(PromptLogError):
    """The store cannot do its work."""


class StoreBusyError(StoreError, TimeoutError):
    """Another process kept the store for longer than we were willing to wait."""


class StoreInterruptedError(StoreError):
    """A question was ended before it had its answer, by `PromptLog.interrupt`. Nothing was written."""


class StoreVersionError(StoreError):
    """The store was made by a newer promptlog, or by an older one and cannot be written."""


class StoreDamagedError(StoreError):
    """DuckDB cannot open the file."""


class StoreUnwritableError(StoreError, OSError):
    """The store's folder takes no more: a full disk, missing rights."""


class NotLoggedWarning(RuntimeWarning):
    """A request or its metadata could not be written, and the program was let run on.

    Turn it into an error where losing a log line is worse than stopping:
    `warnings.simplefilter("error", promptlog.errors.NotLoggedWarning)`.
    """


class UnusedVariableWarning(UserWarning):
    """A variable was given that the prompt template does not name; it is ignored, as PromptLayer does."""


def warn_not_logged(why: str) -> None:
    """Warn that something could not be written, at the line outside this package that asked for it."""
    warn(f"not logged: {why}", NotLoggedWarning)


def printable(text: str) -> str:
    """Return a text that any log and terminal takes, on one line: a lone surrogate or a control character stands escaped."""
    return text if text.isprintable() else ascii(text)[1:-1]


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line outside this package that asked for what is being done."""
    import sys
    import warnings

    depth, frame = 1, sys._getframe(0)  # noqa: SLF001 - what warnings itself does
    ours = ("promptlog", "contextlib")  # through which our own blocks come
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(ours):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, category, stacklevel=depth)
