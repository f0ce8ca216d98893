"""What a list shows, as its address has it: the search, the order, the columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from promptlog.errors import InvalidInputError, SearchSyntaxError
from promptlog.expressions.face import meta, score
from promptlog.expressions.nodes import And, Condition, Or, Since, Until, reads_texts
from promptlog.expressions.search import parse
from promptlog.expressions.show import term_text
from promptlog.models.columns import COLUMNS
from promptlog.settings import MAX_KEY_CHARS

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

    from promptlog.expressions.face import Expression

DEFAULT_SORT = "-start_time"
DEFAULT_COLUMNS = (
    "start_time", "status", "model", "input_text", "input_tokens", "output_tokens", "cost_usd", "latency_ms",
)  # fmt: skip
MOST_CHARS = 10_000  # of a search text
_MOST_COLUMNS = 20
_META, _AS_NUMBER, _SCORES = "meta.", "::float", "scores"
_KEY = re.compile(rf"-?meta\.(?!{_AS_NUMBER}$)[\s\S]{{1,{MAX_KEY_CHARS}}}")


@dataclass(frozen=True)
class View:
    """One view of requests.

    Attributes:
        q: the search text.
        sort: a column's name, `scores` for the score without a name, `meta.user_id` or, where its values are numbers, `meta.price::float`; with a minus before it
            for the greatest first.
        columns: what the table shows, as `c` in the address; empty: the usual ones.
    """

    q: str = ""
    sort: str = DEFAULT_SORT
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, query: QueryParams) -> View:
        """Read an address; what is no column to sort by is not there.

        Raises:
            InvalidInputError: the search text is too long.
        """
        sort = query.get("sort", DEFAULT_SORT)
        if sort.removeprefix("-") not in (*COLUMNS, _SCORES) and not _KEY.fullmatch(sort):
            sort = DEFAULT_SORT
        columns = tuple(dict.fromkeys(name for name in query.getlist("c") if name))[:_MOST_COLUMNS]
        q = query.get("q", "").strip()
        if len(q) > MOST_CHARS:
            raise InvalidInputError(f"a search text may have {MOST_CHARS:,} characters here, got {len(q):,}")
        return cls(q, sort, columns)

    @property
    def by(self) -> str:
        """The column that is sorted by."""
        return self.sort.removeprefix("-").removesuffix(_AS_NUMBER)

    @property
    def order(self) -> str | Expression:
        """What is sorted by, as `Requests.sort` takes it."""
        if self.by == _SCORES:
            return score()
        if not self.by.startswith(_META):
            return self.by
        found = meta(self.by.removeprefix(_META))
        return found.as_float() if self.sort.endswith(_AS_NUMBER) else found

    @property
    def descending(self) -> bool:
        """Whether the greatest stand first."""
        return self.sort.startswith("-")

    def parameters(self, **more: str) -> str:
        """Return what stands behind the question mark of this view's address."""
        pairs = [("q", self.q)] if self.q else []
        pairs += [("sort", self.sort)] if self.sort != DEFAULT_SORT else []
        pairs += [("c", name) for name in self.columns]
        return urlencode([*pairs, *more.items()])

    def address(self, path: str = "/", **more: str) -> str:
        """Return this view's address."""
        parameters = self.parameters(**more)
        return f"{path}?{parameters}" if parameters else path

    def sorted_by(self, column: str, *, numbers: bool = False) -> View:
        """Return the view sorted by a column: numbers and times the greatest first, the other way the second time."""
        if self.by == column:
            turned = self.sort.removeprefix("-") if self.descending else f"-{self.sort}"
            return replace(self, sort=turned)
        is_meta = column.startswith(_META)
        down = numbers if is_meta else column == _SCORES or COLUMNS[column].kind in ("number", "time")
        name = f"{column}{_AS_NUMBER}" if is_meta and numbers else column
        return replace(self, sort=f"-{name}" if down else name)

    def with_q(self, q: str) -> View:
        """Return the view of another search."""
        return replace(self, q=q)

    def showing(self, *columns: str) -> View:
        """Return the view with other columns; without any, the usual ones."""
        return replace(self, columns=columns)

    # -- terms -------------------------------------------------------------------------------------------------

    @cached_property
    def terms(self) -> tuple[Condition, ...]:
        """The conditions of which all must hold; none where the text cannot be read."""
        try:
            found = parse(self.q)
        except SearchSyntaxError:
            return ()
        return found.parts if isinstance(found, And) and len(found.parts) != 1 else (found,)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Each of the terms so that it can stand beside others."""
        return tuple(map(term_text, self.terms))

    def having(self, term: Condition) -> View:
        """Return the view of those requests of which a term holds too."""
        if not self.q:
            return self.with_q(str(term))
        before = self.texts[0] if len(self.terms) == 1 and isinstance(self.terms[0], Or) else self.q
        return self.with_q(f"{before} {term_text(term)}")

    def lacking(self, *terms: Condition) -> View:
        """Return the view without these terms."""
        left = [text for term, text in zip(self.terms, self.texts, strict=True) if term not in terms]
        return self.with_q(" ".join(left))

    def within(self, since: Condition | None, until: Condition | None = None) -> View:
        """Return the view of another span of time."""
        added = [term_text(term) for term in (since, until) if term is not None]
        if self.q and not self.terms:  # it cannot be read: nothing of it is lost
            return self.with_q(" ".join([self.q, *added]))
        spans = [term for term in self.terms if isinstance(term, Since | Until)]
        return self.with_q(" ".join([*filter(None, [self.lacking(*spans).q]), *added]))

    @property
    def of_its_times(self) -> View:
        """The view of all requests of the same span of time."""
        return View().with_q(
            " ".join(term_text(term) for term in self.terms if isinstance(term, Since | Until))
        )

    @property
    def reads_texts(self) -> bool:
        """Whether the search looks into inputs and outputs, which takes long among many."""
        return any(map(reads_texts, self.terms))
