"""PromptLayer's fields and operators: what each pair asks of a request, as a condition of ours.

One table: each field is of a type, and a type has operators. A negative operator is the opposite of its positive: it holds
where the value is missing too.

Source: PromptLayer's documentation of its search ("search data model") and its OpenAPI file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError
from promptlog.expressions.face import col, meta, tag
from promptlog.expressions.nodes import And, Condition, Not, Or
from promptlog.server.numbers import small_int
from promptlog.server.rest.fields import request_id_of

if TYPE_CHECKING:
    from promptlog.expressions.face import Expression

MOST_KEYS = 200  # metadata keys that can be asked for one by one
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Names:
    """What a filter needs to know of the store beside the filter.

    Attributes:
        tags: asks for all tags that there are.
        keys: asks for all metadata keys.
        prompt: asks for the name of a prompt's number.
    """

    tags: Callable[[], list[str]]
    keys: Callable[[], list[str]]
    prompt: Callable[[int], str | None]


@dataclass(frozen=True, slots=True)
class Asked:
    """One filter's parts."""

    name: str
    value: Any
    key: Any
    names: Names

    @property
    def column(self) -> Expression:
        """The column that is asked about."""
        return col(self.name)

    @property
    def nested(self) -> Expression:
        """What stands under the nested key: of metadata, or inside the JSON of a column."""
        if not isinstance(self.key, str) or not self.key:
            raise InvalidInputError(f"nested_key is missing: the key inside {self.name} that is asked about")
        return meta(self.key) if self.name == "metadata" else self.column[self.key]

    def own(self, value: Any) -> Any:
        """Return a value as what stands under the nested key is compared with: metadata is text."""
        if self.name == "metadata" or not isinstance(value, bool | int | float):
            return Asked(self.name, value, self.key, self.names).text
        return value

    @property
    def text(self) -> str:
        """The value as text."""
        if isinstance(self.value, bool) or not isinstance(self.value, str | int | float):
            raise InvalidInputError(f"value is text, got {type(self.value).__name__}")
        return str(self.value)

    @property
    def many(self) -> list[Any]:
        """The values of a list."""
        if not isinstance(self.value, list):
            raise InvalidInputError(f"value is a list, got {type(self.value).__name__}")
        return self.value

    @property
    def texts(self) -> list[str]:
        """Those values as texts."""
        return [Asked(self.name, one, self.key, self.names).text for one in self.many]

    @property
    def pair(self) -> tuple[Any, Any]:
        """The least and the greatest."""
        if len(self.many) != 2:  # noqa: PLR2004 - least and greatest
            raise InvalidInputError(
                f"value is a list of two, the least and the greatest, got {len(self.many)}"
            )
        return self.many[0], self.many[1]


Make = Callable[[Asked], Condition]


def _with_opposites(positive: dict[str, Make], opposites: dict[str, str]) -> dict[str, Make]:
    """Return operators with their opposites, by the names of both."""

    def opposite(make: Make) -> Make:
        return lambda asked: Not(make(asked))

    return positive | {name: opposite(positive[of]) for name, of in opposites.items()}


# -- values ------------------------------------------------------------------------------------------------------------


def _text(asked: Asked) -> str:
    return asked.text.upper() if asked.name == "status" else asked.text


def _texts(asked: Asked) -> list[str]:
    return [one.upper() for one in asked.texts] if asked.name == "status" else asked.texts


def _on(asked: Asked) -> Condition:
    """Return that a time is a moment, or on a day."""
    if isinstance(asked.value, str) and _DAY.fullmatch(asked.value):
        return asked.column.between(asked.value, f"{asked.value}T23:59:59.999999")
    found: Condition = asked.column == asked.value
    return found


def _tool(name: str) -> Condition:
    """Return that the output calls a tool. Blueprints are kept as JSON without blanks; text in it has its quotes escaped."""
    return And(
        (CALLS_TOOLS, col.output.contains(f'"function":{{"name":{json.dumps(name, ensure_ascii=False)}'))
    )


def _prompt(asked: Asked, number: Any) -> Condition:
    """Return that a request is of a prompt, by its number: as it was logged, or as the name that is ours."""
    if isinstance(number, bool) or not isinstance(number, int | str):
        raise InvalidInputError(f"value is the number of a prompt, got {type(number).__name__}")
    by_number = col.prompt_id == str(number)
    known = small_int(str(number))
    name = None if known is None else asked.names.prompt(known)
    return by_number if name is None else Or((by_number, col.prompt_name == name))


def _any_tag(asked: Asked) -> Condition:
    return Or(tuple(tag(name) for name in asked.names.tags()))


def _any_key(asked: Asked) -> Condition:
    keys = asked.names.keys()
    if len(keys) > MOST_KEYS:
        raise InvalidInputError(
            f"there are more than {MOST_KEYS} metadata keys to ask for one by one; name those that matter"
        )
    return Or(tuple(meta(key).exists() for key in keys))


def _has_keys(asked: Asked) -> Condition:
    """Return that a JSON object has a key: only an empty one has no quotes."""
    if asked.name == "output":
        return Or((CALLS_TOOLS, And((col.output.is_json(), col.output_text.contains('"')))))
    return And((asked.column.is_json(), asked.column.contains('"')))


TOOL = col.output["tool_calls.function.name"]  # the tools that an answer calls, by name
CALLS_TOOLS = col.output.contains('"tool_calls":[{')
PLAIN_TEXT = And((col.output.exists(), Not(col.output.is_json()), Not(CALLS_TOOLS)))

# -- the table ---------------------------------------------------------------------------------------------------------

_STRING = _with_opposites(
    {"is": lambda a: a.column == _text(a), "in": lambda a: a.column.is_in(_texts(a))},
    {"is_not": "is", "not_in": "in"},
)
_TEXT_PARTS = _with_opposites(
    {
        "contains": lambda a: a.column.contains(a.text, case=False),
        "starts_with": lambda a: a.column.starts_with(a.text),
        "ends_with": lambda a: a.column.ends_with(a.text),
    },
    {"not_contains": "contains"},
)
_NUMERIC = _with_opposites(
    {
        "eq": lambda a: a.column == a.value,
        "gt": lambda a: a.column > a.value,
        "gte": lambda a: a.column >= a.value,
        "lt": lambda a: a.column < a.value,
        "lte": lambda a: a.column <= a.value,
        "between": lambda a: a.column.between(*a.pair),
        "is_null": lambda a: a.column.is_null(),
        "is_not_null": lambda a: a.column.exists(),
        "in": lambda a: a.column.is_in(a.many),
    },
    {"neq": "eq", "not_in": "in"},
)

#: Of each type of field, what its operators ask.
OPERATORS: dict[str, dict[str, Make]] = {
    "string": _STRING | {"is_null": lambda a: a.column.is_null(), "is_not_null": lambda a: a.column.exists()},
    "text": _TEXT_PARTS,
    "number": _NUMERIC,
    "time": {
        "is": _on,
        "before": lambda a: a.column < a.value,
        "after": lambda a: a.column > a.value,
        "between": lambda a: a.column.between(*a.pair),
    },
    "id": _with_opposites(
        {
            "is": lambda a: a.column == request_id_of(a.value),
            "eq": lambda a: a.column == request_id_of(a.value),
            "in": lambda a: a.column.is_in([request_id_of(one) for one in a.many]),
        },
        {"is_not": "is", "neq": "eq", "not_in": "in"},
    ),
    "prompt": _with_opposites(
        {
            "is": lambda a: _prompt(a, a.value),
            "eq": lambda a: _prompt(a, a.value),
            "in": lambda a: Or(tuple(_prompt(a, one) for one in a.many)),
            "is_not_null": lambda _: Or((col.prompt_id.exists(), col.prompt_name.exists())),
        },
        {"is_not": "is", "neq": "eq", "not_in": "in", "is_null": "is_not_null"},
    ),
    "tags": _with_opposites(
        {
            "contains": lambda a: tag(a.text),
            "in": lambda a: Or(tuple(tag(one) for one in a.texts)),
            "is_not_empty": _any_tag,
        },
        {"not_contains": "contains", "not_in": "in", "is_empty": "is_not_empty"},
    ),
    "keys": _with_opposites(
        {
            "contains": lambda a: meta(a.text).exists(),
            "in": lambda a: Or(tuple(meta(one).exists() for one in a.texts)),
            "is_not_empty": _any_key,
        },
        {"not_contains": "contains", "not_in": "in", "is_empty": "is_not_empty"},
    ),
    "tools": _with_opposites(
        {
            "contains": lambda a: _tool(a.text),
            "in": lambda a: Or(tuple(_tool(one) for one in a.texts)),
            "is_not_empty": lambda _: CALLS_TOOLS,
        },
        {"not_contains": "contains", "not_in": "in", "is_empty": "is_not_empty"},
    ),
    "calls": {"is_true": lambda _: CALLS_TOOLS, "is_false": lambda _: Not(CALLS_TOOLS)},
    "nested": _with_opposites(
        {
            "key_equals": lambda a: a.nested == a.own(a.value),
            "key_contains": lambda a: a.nested.contains(a.text, case=False),
            "in": lambda a: a.nested.is_in([a.own(one) for one in a.many]),
            "is_not_empty": lambda a: And((a.nested.exists(), Or((a.nested != "", Not(a.nested == ""))))),
        },
        {"key_not_equals": "key_equals", "not_in": "in", "is_empty": "is_not_empty"},
    ),
    "json_keys": _with_opposites(
        {
            "contains": lambda a: a.column[a.text].exists(),
            "in": lambda a: Or(tuple(a.column[one].exists() for one in a.texts)),
            "is_not_empty": _has_keys,
        },
        {"not_contains": "contains", "not_in": "in", "is_empty": "is_not_empty"},
    ),
    "json": {"is_true": lambda a: a.column.is_json(), "is_false": lambda a: Not(a.column.is_json())},
    "plain": {"is_true": lambda _: PLAIN_TEXT, "is_false": lambda _: Not(PLAIN_TEXT)},
}

#: Each field: its type, and the column that it is here where that has another name.
FIELDS: dict[str, tuple[str, str]] = {
    "pl_id": ("id", "request_id"),
    "request_id": ("id", ""),
    "prompt_id": ("prompt", ""),
    "engine": ("string", "model"),
    "provider_type": ("string", "provider"),
    "status": ("string", ""),
    "input_text": ("text", ""),
    "output_text": ("text", ""),
    "prompt_version_number": ("number", "prompt_version"),
    "input_tokens": ("number", ""),
    "output_tokens": ("number", ""),
    "cost": ("number", "cost_usd"),
    "latency_ms": ("number", ""),
    "request_start_time": ("time", "start_time"),
    "request_end_time": ("time", "end_time"),
    "is_tool_call": ("calls", ""),
    "tags": ("tags", ""),
    "metadata_keys": ("keys", ""),
    "metadata": ("nested", ""),
    "tool_names": ("tools", ""),
    "is_json": ("json", "output"),
    "is_plain_text": ("plain", "output"),
    "output": ("nested", ""),
    "output_keys": ("json_keys", "output"),
    "input_variables": ("nested", ""),
    "input_variable_keys": ("json_keys", "input_variables"),
    # Ours beside PromptLayer's.
    "error_type": ("string", ""),
    "prompt_name": ("string", ""),
    "function_name": ("string", ""),
    "trace_id": ("string", ""),
    "group_id": ("number", ""),
    "cached_tokens": ("number", ""),
    "thinking_tokens": ("number", "reasoning_tokens"),
}

_JUDGED = "it takes a model to judge; log your own judgement as metadata, and ask for that"
#: PromptLayer's fields that are not answered, and why.
UNANSWERED = {
    "user_intent": _JUDGED,
    "agent_intent": _JUDGED,
}
