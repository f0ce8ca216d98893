"""What `--sort` names: a column, a metadata key or a score, as the search language and the pages' addresses have them."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from promptlog.errors import InvalidInputError, SearchSyntaxError
from promptlog.expressions.nodes import ColumnOperand, Exists, JsonOperand, MetaOperand, ScoreOperand
from promptlog.models.columns import COLUMNS

if TYPE_CHECKING:
    from promptlog.client import PromptLog
    from promptlog.expressions.face import Expression

_CAST = re.compile(r"::(text|float|int|datetime)$")
_KEY = re.compile(
    r'meta\.([^"][\s\S]*)'
)  # as an address has it: whatever the key is made of, it needs no quotes
_FEW = 50  # values by which a key is told to be of numbers
_MANY = 1000  # keys and requests among which a name is looked for that may have been meant
_ALIKE = 0.6


def sign_and_name(text: str) -> tuple[bool, str]:
    """Return whether the greatest stand first, which only a plus turns round, and what is sorted by."""
    text = text.strip()
    return not text.startswith("+"), text[1:] if text[:1] in ("+", "-") else text


def order_of(client: PromptLog, text: str) -> tuple[str | Expression, bool]:
    """Return what requests are sorted by, as `Requests.sort` takes it, and whether the greatest stand first.

    A metadata key whose values are numbers sorts as numbers, unless `::text` is written behind it.

    Raises:
        InvalidInputError: it cannot be sorted by, or no request has it; the nearest that there is stands in the message.
    """
    from promptlog.expressions.face import meta, score

    down, name = sign_and_name(text)
    operand = _operand(name)
    match operand:
        case ColumnOperand(column):
            return column, down
        case ScoreOperand(of):
            if not client.requests.filter(score(of).exists()).limit(1).ids():
                _refuse_score(client, name, of)
            return score(of), down
        case MetaOperand(key):
            values = [value for value, *_ in client.metadata.values(key, limit=_FEW).fetchall()]
            if not values:
                _refuse_key(client, name, key)
            return _read(meta(key), name, values), down


def _operand(name: str) -> ColumnOperand | MetaOperand | ScoreOperand:
    """Return what a name stands for in the search language."""
    from promptlog.expressions.search import parse

    if name == "scores":  # the pages' name of the score without one
        name = "score"
    if found := _KEY.fullmatch(_CAST.sub("", name)):
        return MetaOperand(found[1])
    try:
        condition = parse(f"{name}:exists")
    except SearchSyntaxError:
        condition = None
    match condition:
        case Exists(JsonOperand()):
            raise InvalidInputError(f"requests are not sorted by what stands inside JSON, got {name!r}")
        case Exists(ColumnOperand() | MetaOperand() | ScoreOperand() as operand):
            return operand
        case _:
            raise InvalidInputError(
                f"--sort takes a column such as cost_usd, a metadata key such as meta.user_id, or score, got {name!r}"
            )


def _read(key: Any, name: str, values: list[str]) -> Expression:
    """Return a metadata key read as it is asked for, else as its values look."""
    from promptlog.expressions.terms import NUMBER

    found = _CAST.search(name)
    cast = found[1] if found else "float" if all(NUMBER.fullmatch(value) for value in values) else "text"
    read: Expression = key if cast == "text" else getattr(key, f"as_{cast}")()
    return read


def _refuse_key(client: PromptLog, name: str, key: str) -> None:
    requests, counted = client.metadata.overview(_MANY)
    if not requests:  # the list says so
        return
    keys = [one for one, _ in counted]
    near = get_close_matches(key, dict.fromkeys([*COLUMNS, *keys, "score"]), n=2, cutoff=_ALIKE)
    told = [
        f"meta.{one}" if one in keys and (one in COLUMNS or name.startswith("meta.")) else one for one in near
    ]
    raise InvalidInputError(
        f"no request has the metadata key {key!r}, nor is there such a column"
        + (f"; did you mean {' or '.join(told)}?" if told else "; `promptlog keys` lists the keys")
    )


def _refuse_score(client: PromptLog, name: str, of: str) -> None:
    rows = client.requests.limit(_MANY).select("request_id").with_scores().dicts()
    if not rows:
        return
    names = sorted({one for row in rows for one in row["scores"]})
    near = get_close_matches(of, names, n=1, cutoff=_ALIKE) or names[:3]
    told = ["score" if one == "default" else f"score.{one}" for one in near]
    raise InvalidInputError(
        f"no request has the score {name!r}" + (f"; did you mean {' or '.join(told)}?" if told else "")
    )
