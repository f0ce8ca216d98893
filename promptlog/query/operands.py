"""What a question is about, as its caller names it: a column by its name or as `col.x`, a key, a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promptlog.errors import InvalidInputError, UnknownColumnError
from promptlog.expressions.nodes import ColumnOperand, JsonOperand
from promptlog.models.columns import COLUMNS, JSON_COLUMNS

if TYPE_CHECKING:
    from promptlog.query.order import SortOperand


def json_of(given: object) -> JsonOperand:
    """Return what stands inside a column, as a whole or at a path."""
    if isinstance(getattr(given, "operand", None), JsonOperand):
        operand: JsonOperand = given.operand  # type: ignore[attr-defined]
        return operand
    name = column_name(given)
    if name not in JSON_COLUMNS:
        raise InvalidInputError(
            f"col.{name} has no JSON that can be asked for what stands inside; col.output has"
        )
    return JsonOperand(name, None)


def sorted_by(given: object) -> SortOperand:
    """Return what is sorted by."""
    from promptlog.expressions.face import Expression

    if isinstance(given, Expression) and not isinstance(given.operand, JsonOperand):
        return given.operand
    if isinstance(given, str) and given not in COLUMNS:
        raise UnknownColumnError.named(given, list(COLUMNS))
    if not isinstance(given, str):
        raise InvalidInputError(
            f'requests are sorted by columns, by name or as col.x, by meta("key") or score("name"), got {given!r}'
        )
    return ColumnOperand(given)


def column_name(given: object) -> str:
    """Return the name of a column."""
    from promptlog.expressions.face import Expression

    if isinstance(given, Expression) and isinstance(given.operand, ColumnOperand):
        return given.operand.name
    if isinstance(given, str):
        if given not in COLUMNS:
            found = UnknownColumnError.named(given, list(COLUMNS))
            raise UnknownColumnError(f"{found} To show one: .with_metadata({given!r}).")
        return given
    hint = "; metadata is added by .with_metadata(key), scores by .with_scores(name)"
    raise InvalidInputError(f"a column is given by name or as col.x, got {given!r}{hint}")
