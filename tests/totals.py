"""What the tests have put the package through, added up and shown in the end: see conftest.py."""

from __future__ import annotations

from collections import Counter

counted: Counter[str] = Counter()


def add(what: str, number: int) -> None:
    """Count so many more of something."""
    counted[what] += number
