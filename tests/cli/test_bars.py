"""Bars and sparklines."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlog.cli.bars import bar, sparkline, squeezed

_numbers = st.one_of(st.none(), st.integers(0, 10**9), st.floats(0, 1e12))


@given(_numbers, st.floats(0, 1e12), st.integers(1, 40))
def test_a_bar_keeps_within_its_width(value: float | None, most: float, width: int) -> None:
    """Nothing has no bar, and what is more than nothing has one."""
    shown = bar(value, most, width)
    assert len(shown) <= width
    assert bool(shown) == bool(value and most)


def test_bars_have_eighths() -> None:
    """Length tells the ratio to an eighth of a character."""
    assert [bar(value, 16, 2) for value in (16, 8, 9, 1, 0, -1)] == ["██", "█", "█▏", "▏", "", ""]


@given(st.lists(_numbers, max_size=200), st.integers(1, 60))
def test_a_line_has_a_character_a_value(values: list[float | None], width: int) -> None:
    """Squeezed, it fits, and all that was there is still counted."""
    assert len(sparkline(values)) == len(values)
    sums = squeezed(values, width)
    assert len(sums) <= width
    assert sum(sums) == pytest.approx(sum(value or 0 for value in values))


def test_heights() -> None:
    """The highest is full, nothing is a space."""
    assert sparkline([0, 1, 4, 8, None]) == " ▂▅█ "


def test_without_unicode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stdout takes ASCII alone, so do the drawings."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert (bar(1, 2, 4), sparkline([1, 0, 8])) == ("##", "2 8")
