"""What the plain run tries of a large grid: a fixed sample; with ``--long``, all of it."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")

LONG = "CLICDATA_LONG" in os.environ


def some(cases: Iterable[T], one_in: int, seed: object = 0) -> list[T]:
    """Return every case in a long run, else one in so many, at least one; in order, and the same each time."""
    every = list(cases)
    if LONG or not every:
        return every
    drawn = random.Random(str(seed)).sample(range(len(every)), max(1, len(every) // one_in))
    return [every[number] for number in sorted(drawn)]
