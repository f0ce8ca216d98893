"""What one rendering of a template may do: how many steps, and how many letters."""

from __future__ import annotations

import re
from collections.abc import ItemsView, KeysView, ValuesView
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined
from jinja2.utils import Namespace

from promptlog.prompts.text import MOST_CHARS, MOST_STEPS, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MOST_MADE = 10 * MOST_CHARS  # of all texts that are made on the way
_MOST_BITS = 10_000  # of a number
_MOST_WIDE = 100_000  # a number that a filter is given
_WIDE = re.compile(r"\d{4}|\*")  # a width in a format that no prompt has
_RUN = re.compile(r"\s+|\S+")
_LETTERS_A_STEP = 1000
_COPIED_A_STEP = (
    4000  # letters: what is cut into lines is copied with each of them, as far as nothing breaks it
)


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


#: The filters that make a text of whatever they are given.
_TEXTUAL = words(
    "capitalize center e escape forceescape format indent lower replace string striptags title tojson trim truncate upper "
    "urlencode wordcount wordwrap"
)
#: The filters that take a text letter by letter.
_LETTERWISE = words("batch first groupby join last list map reject reverse select slice sort unique")
#: The filters that look at each word of a text in Python.
_SLOW = words("striptags title urlencode wordcount wordwrap")


class Budget:
    """Counts what the rendering of one text does.

    Args:
        room: what is left for the whole template; the steps are its own.

    Raises:
        OverflowError: every method, when it is too much.
    """

    __slots__ = ("_chars", "_room")

    def __init__(self, room: Room | None = None) -> None:
        self._room = room or Room()
        self._chars = _MOST_MADE

    def take(self, steps: int) -> None:
        """Count steps."""
        self._room.steps -= steps
        if self._room.steps < 0:
            raise OverflowError(
                f"it takes more than {MOST_STEPS:,} steps (items of loops, lists and filters, and calls)"
            )

    def make(self, chars: int) -> None:
        """Count the letters of a text that is made or put out."""
        self._chars -= chars
        if chars > MOST_CHARS or self._chars < 0:
            check_size(MOST_CHARS + 1)

    def counted(self, items: Any) -> Any:
        """Return what iterates as `items` does, each item a step."""
        if hasattr(items, "__len__"):
            self.take(len(items))
            return items
        return self._one_by_one(items)

    def _one_by_one(self, items: Any) -> Iterator[Any]:
        for item in items:
            self.take(1)
            yield item

    def weighed(self, value: Any) -> Any:
        """Return a value that is looked at as a whole, as in a comparison: what that takes is counted."""
        if isinstance(value, str):
            self.take(len(value) // _LETTERS_A_STEP)
        elif isinstance(value, list | tuple | dict | Namespace):
            self.walk(value)
        return value

    def made(self, value: Any) -> Any:
        """Return a value that was made, counted."""
        if isinstance(value, str):
            self.make(len(value))
        elif isinstance(value, KeysView | ValuesView | ItemsView):
            self.take(len(value))
            return list(value)  # a view would hide what is in it
        elif isinstance(value, list | tuple | dict):
            self.walk(value)
        return value

    def measure(self, value: Any) -> None:
        """Count the letters that a value has when it is made a text."""
        self.make(len(value) if isinstance(value, str) else self.walk(value))

    def walk(self, value: Any) -> int:
        """Return about how many letters show a list and all that is in it, each item a step."""
        chars, waiting = 0, [value]
        while waiting:
            one = waiting.pop()
            self.take(1)
            if isinstance(one, str):
                chars += len(one)
            elif isinstance(one, dict):
                waiting += [*one.keys(), *one.values()]
            elif isinstance(one, list | tuple):
                waiting += one
            elif isinstance(one, Namespace):
                raise OverflowError("a namespace is no value: it is not shown, compared, or put into a list")
            chars += 4
        return chars

    def text(self, join: Callable[[list[str]], str], parts: list[Any]) -> str:
        """Return parts as one text."""
        self.measure(parts)
        return join([str(part) for part in parts])


def check_size(chars: int) -> None:
    """Refuse a text that is too long.

    Raises:
        OverflowError: it is.
    """
    if chars > MOST_CHARS:
        raise OverflowError(f"it makes a text of more than {MOST_CHARS:,} letters")


def check_bits(bits: int) -> None:
    """Refuse a number that is too long.

    Raises:
        OverflowError: it is.
    """
    if bits > _MOST_BITS:
        raise OverflowError(f"it computes a number of more than {_MOST_BITS:,} bits")


def check_number(name: str, number: object) -> None:
    """Refuse a width or count that is too large for a filter.

    Raises:
        OverflowError: it is.
    """
    if isinstance(number, int) and abs(number) > _MOST_WIDE:
        raise OverflowError(
            f"the filter {name!r} is given the number {number:,}, and takes up to {_MOST_WIDE:,}"
        )


def check_format(text: str, values: tuple[Any, ...]) -> None:
    """Refuse a format (`%5d`) whose result is too long.

    Raises:
        OverflowError: it is.
    """
    if _WIDE.search(text):
        raise OverflowError("a width in a format has up to three digits")
    budget = Budget()
    longest = max((1000, *(budget.walk(value) for value in values)))
    check_size(len(text) + text.count("%") * longest)


def guard_filter(name: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any], budget: Budget) -> Any:
    """Return the value that a filter is given, as far as its result is bounded."""
    given = (*args, *kwargs.values())
    if isinstance(value, str):
        budget.take(len(value) // (1 if name in _LETTERWISE else 8 if name in _SLOW else _LETTERS_A_STEP))
    elif name in _TEXTUAL:
        budget.measure(value)
    elif hasattr(value, "__iter__") and not isinstance(value, Undefined):
        value = budget.counted(value)
    if name == "format":
        check_format(str(value), given)
    elif name == "replace":
        guard_method("replace", str(value), tuple(map(str, given[:2])), budget)
    elif name == "join" and not isinstance(value, str):
        value = list(value)
        budget.measure(value)
        check_size(len(str(given[0])) * len(value) if given else 0)
    elif name == "indent":
        text = str(value)
        wide = max((len(one) if isinstance(one, str) else int(one) for one in given), default=4)
        check_size(len(text) + (wide + 1) * (text.count("\n") + 1))
    elif name == "wordwrap":
        text = str(value)
        width = max(1, int(kwargs.get("width", args[0] if args else 79)))
        budget.take(sum(len(run[0]) ** 2 for run in _RUN.finditer(text)) // (width * _COPIED_A_STEP))
        ends = max((len(one) for one in given if isinstance(one, str)), default=1)
        check_size(len(text) * (ends + 1))
    elif name == "batch" and given:
        fill = budget.walk(list(given[1:]))
        check_size(fill * abs(int(given[0])))
        budget.take(abs(int(given[0])))
    elif name == "slice" and given:
        budget.take(abs(int(given[0])))
    elif name == "sum" and any(not isinstance(one, int | float | str) for one in given):
        raise OverflowError("the filter 'sum' adds numbers alone")
    return value


def guard_method(name: str, text: str, args: tuple[Any, ...], budget: Budget) -> tuple[Any, ...]:
    """Return the arguments of a method of a text, as far as its result is bounded."""
    budget.take(len(text) // _LETTERS_A_STEP)
    if name == "join" and args:
        items = list(budget.counted(args[0]))
        budget.measure(items)
        check_size(len(text) * len(items))
        return (items,)
    if name == "replace" and len(args) > 1 and isinstance(args[0], str) and isinstance(args[1], str):
        check_size(len(text) + (text.count(args[0]) + 1) * len(args[1]))
    if name in ("split", "rsplit", "splitlines"):
        budget.take(len(text) // 8)
    return args
