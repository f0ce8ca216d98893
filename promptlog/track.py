"""`client.track` and `client.untrack`: what is set on a request after it was logged, or before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError, warn_not_logged
from promptlog.identifiers import parse_request_id
from promptlog.models.build import prompt_link
from promptlog.models.checks import (
    check_count,
    check_keys,
    check_metadata,
    check_score,
    check_score_name,
    check_tags,
)

if TYPE_CHECKING:
    import uuid

Append = Callable[[dict[str, Any]], bool]


def _is_an_id(request_id: object) -> bool:
    """Nothing is to be written; a wrong id is an error all the same."""
    return request_id is None or bool(parse_request_id(request_id))


class _Tracker:
    def __init__(self, append: Append) -> None:
        self._append_record = append

    def _append(self, request_id: str | uuid.UUID | None, **parts: Any) -> bool:
        if (
            request_id is None
        ):  # what log_request returns where the disk refused: logging does not stop a program
            warn_not_logged("its request was not logged either (request_id is None)")
            return False
        return self._append_record({"kind": "track", "request_id": parse_request_id(request_id), **parts})


class Track(_Tracker):
    """Sets things on a request. Each call returns True; False, with a warning, where the disk refused it."""

    def metadata(self, request_id: str | uuid.UUID | None, metadata: Mapping[str, str]) -> bool:
        """Set metadata: a key that is there is replaced, all others stay. An empty dict changes nothing.

        Raises:
            InvalidMetadataError: a key or value is no string; nothing is written.
            InvalidRequestIdError: the id is no UUID.
        """
        checked = check_metadata(metadata)
        return self._append(request_id, metadata=checked) if checked else _is_an_id(request_id)

    def score(self, request_id: str | uuid.UUID | None, score: float, score_name: str | None = None) -> bool:
        """Set the score of a name ("default" without one) to a number from 0 to 100."""
        return self._append(request_id, scores={check_score_name(score_name): check_score(score)})

    def tags(self, request_id: str | uuid.UUID | None, tags: str | Iterable[str]) -> bool:
        """Add tags; those that are there stay."""
        checked = check_tags(tags)
        return self._append(request_id, tags=checked) if checked else _is_an_id(request_id)

    def prompt(
        self,
        request_id: str | uuid.UUID | None,
        prompt_name: str,
        prompt_input_variables: Mapping[str, Any] | None = None,
        version: int | None = None,
        label: str | None = None,
    ) -> bool:
        """Say which prompt template the request came from, in place of what was said before."""
        if prompt_name is None:
            raise InvalidInputError("prompt_name must be a string, got NoneType")
        return self._append(
            request_id,
            prompt=prompt_link(
                name=prompt_name, version=version, label=label, variables=prompt_input_variables
            ),
        )

    def group(self, request_id: str | uuid.UUID | None, group_id: int) -> bool:
        """Put the request into a group, in place of the one it was in."""
        return self._append(request_id, group_id=check_count(group_id, "group_id"))


class Untrack(_Tracker):
    """Takes things off a request. A removal is a write with its time: what was set earlier does not come back."""

    def metadata(self, request_id: str | uuid.UUID | None, keys: str | Iterable[str]) -> bool:
        """Remove metadata keys."""
        return self._remove(request_id, "metadata", check_keys(keys))

    def tags(self, request_id: str | uuid.UUID | None, tags: str | Iterable[str]) -> bool:
        """Remove tags."""
        return self._remove(request_id, "tag", check_tags(tags))

    def score(self, request_id: str | uuid.UUID | None, score_name: str | None = None) -> bool:
        """Remove the score of a name, else "default"."""
        return self._remove(request_id, "score", [check_score_name(score_name)])

    def _remove(self, request_id: str | uuid.UUID | None, kind: str, keys: list[str]) -> bool:
        if not keys:
            return _is_an_id(request_id)
        return self._append(request_id, removed={kind: keys})
