"""Measure in interleaved rounds, and state a result beside its bound."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, NamedTuple


class Line(NamedTuple):
    """One line of the table."""

    work: str
    ours: str
    beside: str
    ratio: str
    bound: str
    met: bool


def at_least(factor: float, work: str, ours: float, other: float, beside: str) -> Line:
    """Compare the seconds of the package with the seconds of another way."""
    bound, met = f"at least {factor}x", other / ours >= factor
    return Line(work, _seconds(ours), f"{_seconds(other)}: {beside}", f"{other / ours:.1f}x", bound, met)


def at_most(factor: float, work: str, ours: float, limit: float, beside: str) -> Line:
    """Compare the seconds of the package with the seconds that no way can avoid."""
    bound, met = f"at most {factor}x", ours / limit <= factor
    return Line(work, _seconds(ours), f"{_seconds(limit)}: {beside}", f"{ours / limit:.2f}x", bound, met)


def within(limit: float, work: str, ours: float, beside: str) -> Line:
    """Compare the seconds of the package with a fixed number of seconds."""
    return Line(work, _seconds(ours), beside, "", f"at most {_seconds(limit)}", ours <= limit)


def medians(ways: dict[str, Callable[[], Any]], rounds: int, budget: float = 45) -> list[float]:
    """Return the median seconds of each way; each runs once a round, until it has used up the budget."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, run in ways.items():
            if sum(seconds[name]) < budget:
                seconds[name].append(_timed(run))
    return [statistics.median(each) for each in seconds.values()]


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process that has done nothing else."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def _timed(run: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    del result  # freeing the result doesn't count
    return seconds


def _seconds(value: float) -> str:
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.1f} s"
