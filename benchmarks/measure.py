"""Interleaved rounds: every variant once in each round, so that what else the machine does hits all alike."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Kind = Literal["ours", "peer", "limit"]
UNCHECKED = "-"


@dataclass
class Variant:
    """A way of doing the work. ``check`` says "equal", or what of the result is wrong."""

    name: str
    kind: Kind
    run: Callable[[], Any]
    check: Callable[[], str] | None = None


@dataclass
class Timing:
    """What came of a variant."""

    table: str
    variant: str
    kind: Kind
    rows: int
    verdict: str
    seconds: list[float] = field(default_factory=list)  # on the clock
    processor: list[float] = field(default_factory=list)  # seconds of all cores, this process only
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def median(self) -> float | None:
        """The median of the rounds on the clock, None where it could not be run."""
        return statistics.median(self.seconds) if self.seconds else None

    @property
    def busy(self) -> float | None:
        """The median of the rounds in time of the processor."""
        return statistics.median(self.processor) if self.processor else None


def interleaved(
    table: str,
    rows: int,
    variants: Sequence[Variant],
    *,
    rounds: int,
    budget: float,
    checked: Callable[[], object] | None = None,
) -> list[Timing]:
    """Check each variant once, call ``checked``, then time all of them round by round.

    One that raised is not timed. One that has used up ``budget`` seconds sits out the rounds that are left.
    """
    timings = [Timing(table, v.name, v.kind, rows, _verdict(v)) for v in variants]
    if checked is not None:
        checked()
    gc.collect()
    gc.freeze()  # what is kept for the runs to come is none of theirs
    for _ in range(rounds):
        for variant, timing in zip(variants, timings, strict=True):
            if not timing.verdict.startswith("raises") and sum(timing.seconds) < budget:
                clock, processor = _timed(variant.run)
                timing.seconds.append(clock)
                timing.processor.append(processor)
    gc.unfreeze()
    for timing in timings:
        told = f"{timing.median:9.3f} s of {len(timing.seconds)}" if timing.seconds else "not timed"
        print(f"  {timing.variant:<52} {told}  {timing.verdict}", flush=True)
    return timings


def _verdict(variant: Variant) -> str:
    try:
        return variant.check() if variant.check is not None else UNCHECKED
    except Exception as error:  # noqa: BLE001  # a peer that can't do it is a result
        return f"raises {type(error).__name__}"


def _timed(run: Callable[[], Any]) -> tuple[float, float]:
    gc.collect()
    began = time.perf_counter(), time.process_time()
    result = run()
    taken = time.perf_counter() - began[0], time.process_time() - began[1]
    del result
    return taken
