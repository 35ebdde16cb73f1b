"""How many cases of a large grid, and examples of hypothesis, a run tries: a sample, or all with ``--long``."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

LONG = "CLICDATA_LONG" in os.environ


def some(cases: Iterable[T], one_in: int, seed: object = 0) -> list[T]:
    """Return all cases in a long run. Else return a fixed sample in order, at least one case."""
    every = list(cases)
    if LONG or not every:
        return every
    drawn = random.Random(str(seed)).sample(range(len(every)), max(1, len(every) // one_in))
    return [every[number] for number in sorted(drawn)]


def examples(most: int) -> int:
    """Return how many examples hypothesis draws: all in a long run, else a fourth."""
    return most if LONG else most // 4
