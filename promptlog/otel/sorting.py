"""Attributes, sorted in one pass into the fields that the table names and the rest."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from promptlog.otel.flattened import Tree, grow
from promptlog.otel.strings import as_text, parsed
from promptlog.otel.table import CONTENT_PARAMETERS, PARAMETERS, Rule, find_rule, is_content
from promptlog.settings import MAX_KEY_CHARS

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEPT_FIELDS = {"operation"}  # what a span is stays in its attributes too
_MOST_KNOWN = 20_000  # names are few, but for keys of metadata that somebody makes up
_LONGEST_KNOWN = 200


class _Known(dict[str, Any]):
    """What was found out about names, so that the next span looks it up."""

    def __init__(self, find: Any) -> None:
        self._find = find

    def __missing__(self, name: str) -> Any:
        found = self._find(name)
        if len(self) < _MOST_KNOWN and len(name) < _LONGEST_KNOWN:
            self[name] = found
        return found


_CALL_RULES: Mapping[str, Rule | None] = _Known(lambda name: find_rule(name, call=True))
_OTHER_RULES: Mapping[str, Rule | None] = _Known(lambda name: find_rule(name, call=False))
_CONTENT: Mapping[str, bool] = _Known(is_content)


def is_content_name(name: str) -> bool:
    """Return whether an attribute tells what went in or came out."""
    return _CONTENT[name]


def says_something(attributes: Mapping[str, Any]) -> bool:
    """Return whether attributes, a resource's, hold identity, metadata or tags."""
    return any(_OTHER_RULES[name] is not None for name in attributes)


def _without_content(parameters: Any) -> dict[str, Any]:
    """Return parameters without messages and tools; of what is no object nothing, for nobody knows what it holds."""
    found = parsed(parameters)
    return (
        {key: found[key] for key in found if key not in CONTENT_PARAMETERS} if isinstance(found, dict) else {}
    )


#: By field: the rank of the row that filled it, the attribute and the value.
Fields = dict[str, tuple[int, str, Any]]


class Sorted:
    """What the attributes of one span say.

    Attributes:
        groups: fields by their group; those that stand alone under "".
        trees: flattened messages and tools.
        tags: of all vocabularies.
        rest: attributes that fill nothing.
        dropped: those of the rest that could have, with the reason.
    """

    __slots__ = ("_attributes", "_capture_content", "dropped", "groups", "rest", "tags", "trees")

    def __init__(self, attributes: Mapping[str, Any], *, call: bool, capture_content: bool) -> None:
        self._attributes, self._capture_content = attributes, capture_content
        self.groups: dict[str, Fields] = {"": {}}
        self.trees: dict[str, Tree] = {}
        self.tags: list[str] = []
        self.rest: dict[str, Any] = {}
        self.dropped: list[str] = []
        rules = _CALL_RULES if call else _OTHER_RULES
        groups, trees, rest = self.groups, self.trees, self.rest
        for name, value in attributes.items():
            if not capture_content:
                if _CONTENT[name]:
                    continue
                if name in PARAMETERS:
                    value = _without_content(value)  # noqa: PLW2901 - what is left of it
            rule = rules[name]
            if rule is None:
                rest[name] = value
                continue
            group, field, rank, read, path = rule
            if path is not None:
                grow(trees.setdefault(field, {}), path, value)
                continue
            try:
                found = value if read is None else read(value)
            except (ValueError, OverflowError) as error:
                rest[name] = value
                self.dropped.append(f"{name[:_LONGEST_KNOWN]}: {error}")
                continue
            fields = groups.get(group)
            if fields is None:
                fields = groups[group] = {}
            if not group:
                if field == "tags":
                    self.tags += found
                    continue
                if field in _KEPT_FIELDS:
                    rest[name] = value
            before = fields.get(field)
            if before is None:
                fields[field] = (rank, name, found)
            elif not field:  # objects add up
                best, other = sorted((before, (rank, name, found)), key=itemgetter(0))
                fields[field] = (*best[:2], {**other[2], **best[2]})
                if not other[2].items() <= fields[field][2].items():
                    self._lose(other, None)
            elif rank < before[0]:
                fields[field] = (rank, name, found)
                self._lose(before, found)
            else:
                self._lose((rank, name, found), before[2])

    def _lose(self, loser: tuple[int, str, Any], winner: Any) -> None:
        """Keep what another row's word went before, where it says something else."""
        if loser[2] != winner:
            name = loser[1]
            self.rest[name] = loser[2] if name in PARAMETERS else self._attributes[name]

    def take(self, field: str) -> Any:
        """Return the value of a field that stands alone and use it up; None where there is none."""
        found = self.groups[""].pop(field, None)
        return None if found is None else found[2]

    def take_group(self, group: str) -> dict[str, Any]:
        """Return the fields of a group; those that were named win over those of an object."""
        fields = self.groups.pop(group, None)
        if fields is None:
            return {}
        found = {field: value for field, (_, _, value) in fields.items()}
        many = found.pop("", None)
        return found if many is None else {**many, **found}

    def take_metadata(self) -> dict[str, str]:
        """Return metadata, all of it text."""
        if "metadata" not in self.groups:
            return {}
        found = self.take_group("metadata")
        if all(type(value) is str for value in found.values()) and all(found):
            odd = max(map(len, found), default=0) > MAX_KEY_CHARS
            if not odd:
                return found
        return {
            key: as_text(value) for key, value in found.items() if self._is_key(key) and value is not None
        }

    def _is_key(self, key: str) -> bool:
        if 0 < len(key) <= MAX_KEY_CHARS:
            return True
        self.dropped.append(
            f"metadata key {key[:40]!r}: it has {len(key):,} characters; the limit is {MAX_KEY_CHARS:,}"
        )
        return False

    def give_back_content(self, error: Exception) -> None:
        """Return messages that could not be read to the rest."""
        names = [name for name in self._attributes if _CONTENT[name] and self._capture_content]
        self.rest.update((name, self._attributes[name]) for name in names)
        self.dropped += [
            f"{name[:_LONGEST_KNOWN]}: {type(error).__name__}: {error}"[:500] for name in names[:10]
        ]

    def put_back(self) -> None:
        """Return what nobody took to the rest."""
        for _, name, _value in self.groups[""].values():
            self.rest[name] = self._attributes[name]
