"""Fields of bodies: which there are, which are wrong, and ids in PromptLayer's form and ours."""

from __future__ import annotations

import difflib
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.errors import (
    InvalidInputError,
    InvalidMetadataError,
    InvalidRequestIdError,
    InvalidTagError,
    RecordTooLargeError,
)
from promptlog.identifiers import foreign_request_id, parse_request_id
from promptlog.server.numbers import small_int
from promptlog.server.rest.answers import WrongField

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The source of ids that PromptLayer gave: what was imported from there is met by its number.
SOURCE = "promptlayer"
_WORD = re.compile(r"\w+")


def seconds(milliseconds: float | None) -> float | None:
    """Return a duration in PromptLayer's unit, exact to the microsecond that times have here."""
    return None if milliseconds is None else round(milliseconds / 1000, 6)


def required(body: Mapping[str, Any], *names: str) -> None:
    """Refuse a body without one of the fields.

    Raises:
        WrongField: it is missing; of a field that may be null, null is there.
    """
    for name in names:
        if name not in body:
            raise WrongField((name,), "field required", "missing")


def known(body: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the fields of a body but its API key, all of which must be known.

    Raises:
        WrongField: one is not; the nearest that is known is said.
    """
    names = list(names)
    for name in body:
        if name not in names and name != "api_key":
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it takes {', '.join(names)}"
            raise WrongField((name,), f"there is no field {name!r}; {hint}", "extra_forbidden")
    return {name: value for name, value in body.items() if name != "api_key"}


@contextmanager
def naming(*fields: str) -> Iterator[None]:
    """Turn what the client refuses into an error of the field that its message names.

    Raises:
        WrongField: an argument is wrong.
        HTTPException: 413, where all of them are too large.
    """
    try:
        yield
    except RecordTooLargeError as error:
        raise HTTPException(413, str(error)) from None
    except InvalidInputError as error:
        raise WrongField(_where(error, fields), str(error)) from None


def _where(error: InvalidInputError, fields: tuple[str, ...]) -> tuple[str, ...]:
    if isinstance(error, InvalidRequestIdError):
        return ("request_id",)
    if isinstance(error, InvalidMetadataError) and "metadata" in fields:
        return ("metadata",)
    if isinstance(error, InvalidTagError) and "tags" in fields:
        return ("tags",)
    if "prompt version" in str(error) and "prompt_version_number" in fields:
        return ("prompt_version_number",)
    named = next((word for word in _WORD.findall(str(error)) if word in fields), None)
    return (named,) if named else ()


def request_id_of(given: Any) -> str:
    """Return our id of a request: a UUID as it is, a number of PromptLayer's as what stands for it here.

    Raises:
        InvalidRequestIdError: it is neither.
    """
    if isinstance(given, int) and not isinstance(given, bool):
        return foreign_request_id(SOURCE, given)
    if isinstance(given, str) and (number := small_int(given)) is not None:
        return foreign_request_id(SOURCE, number)
    return parse_request_id(given)
