"""What an expression offers to groups. What it gives is imported when asked for: a filter pays for none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptlog.expressions.grouping import Aggregation, NamedKey
    from promptlog.expressions.nodes import Operand


class Aggregable:
    """Something of a request whose values can be told of a group in one: the other half of `Expression`."""

    operand: Operand

    @property
    def kind(self) -> str:
        """What it holds: "text", "number", "int", "time" or "id"."""
        raise NotImplementedError

    def alias(self, name: str) -> NamedKey:
        """Name its column, where it is a key of `group_by`."""
        from promptlog.expressions.grouping import named

        return named(self, name)

    def count(self) -> Aggregation:
        """How many requests have it."""
        from promptlog.expressions.grouping import reduced

        return reduced(self, "count")

    def sum(self) -> Aggregation:
        """Its sum; 0 where no request has it."""
        from promptlog.expressions.grouping import reduced

        return reduced(self, "sum")

    def mean(self) -> Aggregation:
        """Its mean; null where no request has it."""
        from promptlog.expressions.grouping import reduced

        return reduced(self, "mean")

    def min(self) -> Aggregation:
        """The least; null where no request has it."""
        from promptlog.expressions.grouping import reduced

        return reduced(self, "min")

    def max(self) -> Aggregation:
        """The greatest; null where no request has it."""
        from promptlog.expressions.grouping import reduced

        return reduced(self, "max")

    def n_unique(self) -> Aggregation:
        """How many different values there are; a missing one is none."""
        from promptlog.expressions.grouping import reduced

        return reduced(self, "n_unique")

    def median(self) -> Aggregation:
        """The value in the middle, between two of them where there are two; null where no request has it."""
        from promptlog.expressions.grouping import median_of

        return median_of(self)

    def quantile(self, q: float) -> Aggregation:
        """The value below which the share `q` of its values lies, such as 0.95; null where no request has it.

        Exact, and interpolated between the two values beside it, as NumPy and pandas do.
        """
        from promptlog.expressions.grouping import quantile_of

        return quantile_of(self, q)
