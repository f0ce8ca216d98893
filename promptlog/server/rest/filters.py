"""PromptLayer's filters, read: groups within groups, down to one field, operator and value each.

What cannot be answered is refused by name, with the reason: a filter that is left out would give a wrong answer.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from promptlog.errors import InvalidInputError
from promptlog.expressions.face import tag
from promptlog.expressions.grouping import count
from promptlog.expressions.nodes import And, Condition, Or
from promptlog.expressions.terms import phrase
from promptlog.server.rest.filter_table import FIELDS, MOST_KEYS, OPERATORS, UNANSWERED, Asked, Names

if TYPE_CHECKING:
    from promptlog.client import PromptLog

_DEEPEST = 32  # groups within groups
_MOST_FILTERS = 500


def names_of(client: PromptLog) -> Names:
    """Return what is asked of a store only where a filter needs it."""

    @cache  # one question may have hundreds of filters
    def tags() -> list[str]:
        return [
            row["tag"]
            for row in client.requests.group_by(tag).agg(n=count()).dicts()
            if row["tag"] is not None
        ]

    @cache
    def keys() -> list[str]:
        return [key for key, _ in client.metadata.overview(MOST_KEYS + 1)[1]]

    @cache
    def prompts() -> dict[int, str]:
        return {one["id"]: one["prompt_name"] for one in client.templates.all(1, 100_000)}

    return Names(tags, keys, lambda number: prompts().get(number))


def condition_of(body: dict[str, Any], names: Names) -> Condition:
    """Return the condition of a query's `filter_group`, `filters` and `q`.

    Raises:
        HTTPException: 400; a part cannot be read or answered, and the message says which and why.
    """
    parts: list[Condition] = []
    reader = _Reader(names)
    if (group := body.get("filter_group")) is not None:
        parts.append(reader.group(group, "filter_group", 0))
    if (filters := body.get("filters")) is not None:
        parts.append(reader.group({"filters": filters}, "filters", 0))
    if (said := body.get("q")) is not None:
        if not isinstance(said, str):
            raise _wrong("q", f"it is text to search for, got {type(said).__name__}")
        with _saying("q"):
            parts += [phrase(word) for word in said.split()]
    return And(tuple(parts))


class _Reader:
    def __init__(self, names: Names) -> None:
        self._names = names
        self._seen = 0

    def group(self, given: Any, where: str, depth: int) -> Condition:
        """Return a group: filters and groups of which all hold, or one at least."""
        if not isinstance(given, dict):
            raise _wrong(where, f"a group is an object with logic and filters, got {type(given).__name__}")
        if depth > _DEEPEST:
            raise _wrong(where, f"groups stand in at most {_DEEPEST} others")
        logic, filters = given.get("logic", "AND"), given.get("filters", [])
        if logic not in ("AND", "OR"):
            raise _wrong(f"{where}.logic", f"it is AND or OR, got {logic!r}")
        if not isinstance(filters, list):
            raise _wrong(f"{where}.filters", f"it is a list, got {type(filters).__name__}")
        self._seen += len(filters)
        if self._seen > _MOST_FILTERS:
            raise _wrong(
                where, f"there are more than {_MOST_FILTERS} filters; several values go into one by `in`"
            )
        parts = tuple(
            self._part(one, f"{where}.filters[{place}]", depth) for place, one in enumerate(filters)
        )
        return Or(parts) if logic == "OR" and parts else And(parts)

    def _part(self, given: Any, where: str, depth: int) -> Condition:
        if isinstance(given, dict) and ("filters" in given or "logic" in given):
            return self.group(given, where, depth + 1)
        if not isinstance(given, dict) or not isinstance(given.get("field"), str):
            raise _wrong(
                where, "a filter is an object with field, operator, value and, of what has keys, nested_key"
            )
        return self._filter(given["field"], given, where)

    def _filter(self, field: str, given: dict[str, Any], where: str) -> Condition:
        if field in UNANSWERED:
            raise _wrong(f"{where}.field", f"{field!r} cannot be asked here: {UNANSWERED[field]}")
        if field not in FIELDS:
            raise _wrong(f"{where}.field", f"there is no field {field!r}; there are {', '.join(FIELDS)}")
        kind, name = FIELDS[field]
        operators = OPERATORS[kind]
        operator = given.get("operator")
        if not isinstance(operator, str) or operator not in operators:
            raise _wrong(f"{where}.operator", f"{field} takes {', '.join(operators)}, got {operator!r}")
        with _saying(where):
            return operators[operator](
                Asked(name or field, given.get("value"), given.get("nested_key"), self._names)
            )


# -- errors ------------------------------------------------------------------------------------------------------------


def _wrong(where: str, message: str) -> HTTPException:
    return HTTPException(400, f"{where}: {message}")


class _saying:  # noqa: N801 - used as a statement
    """Turn what an expression refuses into a 400 that says where in the body it stands."""

    def __init__(self, where: str) -> None:
        self._where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, InvalidInputError):
            raise _wrong(self._where, str(error)) from None
