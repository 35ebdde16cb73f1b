"""Counts of the calls and faults of all tests. They are added up and printed at the end: see conftest.py."""

from __future__ import annotations

from collections import Counter

counted: Counter[str] = Counter()
left_out = 0  # cases of wide tests, which only a long run tries

# The beginnings of the counts to add up. Counts with a colon, or of rows with stamps, are part of others.
WORK = ("calls", "requests", "reads", "rows", "frames", "answers", "journals", "random schedules")
HARM = ("faults", "cells of fault x operation x login", "processes killed", "processes interrupted", "places")


def add(what: str, number: int) -> None:
    """Add a number to a count."""
    counted[what] += number


def told(kinds: tuple[str, ...]) -> str:
    """Return the sums of these kinds."""
    whole = {what: number for what, number in counted.items() if ":" not in what and "with stamps" not in what}
    sums = {kind: sum(number for what, number in whole.items() if what.startswith(kind)) for kind in kinds}
    named = {"places": "places of a Ctrl-C", "answers": "answers fuzzed", "journals": "journals cut short"}
    return (
        ", ".join(f"{number:,} {named.get(kind, kind)}" for kind, number in sums.items() if number) or "nothing counted"
    )
