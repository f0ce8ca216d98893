"""Paired runs: ours and the baseline in turn, so that a machine whose speed drifts treats both alike."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Row:
    """One line of the results page."""

    work: str
    ours: str
    baseline: str
    ratio: float | None
    goal: str
    met: bool | None

    def __str__(self) -> str:
        ratio = (
            "-"
            if self.ratio is None
            else f"{self.ratio:.2f}x"
            if self.ratio >= 0.01
            else f"{self.ratio:.1g}x"
        )
        verdict = {True: "yes", False: "**no**", None: "-"}[self.met]
        return f"| {self.work} | {self.ours} | {self.baseline} | {ratio} | {self.goal} | {verdict} |"


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    gc.collect()
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def paired(
    ours: Callable[[], float], baseline: Callable[[], float], rounds: int
) -> tuple[float, float, float]:
    """Return the median seconds of both and the median of the ratios ours / baseline, pair by pair."""
    pairs = []
    for number in range(rounds):
        # Who goes first alternates: the second finds caches warm.
        if number % 2:
            other = baseline()
            pairs.append((ours(), other))
        else:
            mine = ours()
            pairs.append((mine, baseline()))
    ratios = [mine / other for mine, other in pairs]
    mine, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    return mine, other, statistics.median(ratios)


def quantile(values: list[float], q: float) -> float:
    """Return the q-quantile of values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]
