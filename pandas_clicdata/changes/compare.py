"""A frame and the rows of a data set, matched by key."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from pandas_clicdata.errors import ClicDataWarning, InputError
from pandas_clicdata.frames import match
from pandas_clicdata.frames.rows import NULL, row_cells
from pandas_clicdata.frames.types import join_names
from pandas_clicdata.session.wire import json_body, parsed
from pandas_clicdata.uploads.receipt import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from pandas_clicdata.frames.rows import Rows

MatchBy = Literal["exact", "wide"]
MATCH: tuple[MatchBy, ...] = ("exact", "wide")
_MOST_EXAMPLES = 3  # of rows, in an error
_LONGEST_EXAMPLE = 100  # characters


class Change(NamedTuple):
    """One request: rows of the data set that ``find`` matches get the cells of ``data``. Without cells it deletes them.

    ``row`` is the row of the frame with the key (-1: none). ``places`` are the rows that the request is known to reach.
    """

    find: bytes
    row: int
    places: Sequence[int]
    columns: tuple[str, ...] = ()
    data: bytes = b""


@dataclass
class Work:
    """The changes that make the data set equal to the frame. Rows of both are given by position."""

    inserts: Any = field(default_factory=lambda: np.empty(0, np.int64))
    updates: list[Change] = field(default_factory=list)
    deletes: list[Change] = field(default_factory=list)
    unchanged: Any = field(default_factory=lambda: np.empty(0, np.int64))
    unmatched: Any = field(default_factory=lambda: np.empty(0, np.int64))
    duplicates: Any = field(default_factory=lambda: np.empty(0, np.int64))
    collisions: Any = field(default_factory=lambda: np.empty(0, np.int64))
    problems: list[str] = field(default_factory=list)

    def same_as(self, other: Work) -> bool:
        """Whether both would make the same changes."""
        return np.array_equal(self.inserts, other.inserts) and all(
            [(one.find, one.data) for one in mine] == [(one.find, one.data) for one in others]
            for mine, others in ((self.updates, other.updates), (self.deletes, other.deletes))
        )


class Comparison:
    """The rows of a frame and of a data set that have the same key.

    Unless text is compared exactly (``by``), keys that ClicData may not distinguish form one group. A group has all
    rows of the data set that any of its keys may reach.

    Attributes
    ----------
    keys : array of int64
        The first row of each distinct key of the frame.
    group : array of int64
        For each row of the frame, the first row of its group.
    found : array of int64
        For each row of the data set, the first row of the group that it belongs to, or -1.
    """

    def __init__(self, frame: Rows, there: Rows, on: Sequence[str], by: MatchBy | None, labels: pd.Index[Any]) -> None:
        self.frame, self.there, self.on, self.labels = frame, there, list(on), labels
        self.exact = self.wide = match.match(frame, there, self.on, wide=False)
        if any("text" in match.key_kinds(rows, name) for rows in (frame, there) for name in self.on):
            self.wide = match.match(frame, there, self.on, wide=True)
        self.group, self.found = self.exact if by == "exact" else self.wide
        self.keys = np.flatnonzero(self.exact.local == np.arange(len(self.exact.local)))
        self.rivals = np.flatnonzero((self.wide.remote >= 0) & (self.exact.remote < 0))
        self.alike = self.keys[self.wide.local[self.keys] != self.keys]
        is_found = np.zeros(len(self.group), bool)
        is_found[self.found[self.found >= 0]] = True
        is_matched = is_found[self.group[self.keys]]
        self.matched, self.unmatched = self.keys[is_matched], self.keys[~is_matched]

    @cached_property
    def pairs(self) -> tuple[Any, Any]:
        """Pairs of a row of the frame, in order, and a row of the data set that its key reaches.

        A key reaches the rows that equal it. The first key of a group also reaches the other rows of the group.
        """
        owner = np.where(self.exact.remote >= 0, self.exact.remote, self.found)
        places = np.flatnonzero(owner >= 0)
        places = places[np.argsort(owner[places], kind="stable")]
        return owner[places], places

    @cached_property
    def places(self) -> dict[int, list[int]]:
        """The rows of the data set that each key reaches."""
        places: dict[int, list[int]] = {}
        for row, place in zip(*(side.tolist() for side in self.pairs), strict=True):
            places.setdefault(row, []).append(place)
        return places

    def shown(self, rows: Rows, places: Any) -> str:
        """Return the key cells of a few rows, for messages."""
        texts = []
        for place in places[:_MOST_EXAMPLES]:
            cells = rows.raw_cells(int(place), self.on)
            texts.append(", ".join(f"{name}={parsed(cell)!a}" for name, cell in cells.items())[:_LONGEST_EXAMPLE])
        return f" ({'; '.join(texts)}{', ...' if len(places) > _MOST_EXAMPLES else ''})" if texts else ""


def cells_of(row: bytes, columns: Sequence[str]) -> bytes:
    """Return cells of a row, which is JSON, as a list for a request."""
    named = row_cells(row)
    cells = (b'{"column":%b,"value":%b}' % (json_body(name), named.get(name, NULL)) for name in columns)
    return b"[%b]" % b",".join(cells)


# ---------------------------------------------------------------------------------------------------------
# Problems of keys


def key_problems(compared: Comparison, others: Sequence[str], by: MatchBy | None) -> list[str]:
    """Return why the keys of the frame can't be used; ``others`` are the columns that its rows set."""
    problems = [*_missing_keys(compared), *_repeated_keys(compared, others)]
    return problems or _alike_keys(compared, others, by)


def _missing_keys(compared: Comparison) -> list[str]:
    """Return the problem of rows of the frame without a key: it isn't known which rows of ClicData match them."""
    null = null_rows(compared.frame, compared.on)
    if not len(null):
        return []
    labels = ", ".join(repr(label) for label in compared.labels[null[:5]])
    return [
        f"{count_rows(len(null))} {'has' if len(null) == 1 else 'have'} a missing value in a key column (row labels "
        f"{labels}): it isn't known which rows of ClicData match. Leave them out, such as with df.dropna(subset=[...])"
    ]


def null_rows(rows: Rows, columns: Iterable[str]) -> Any:
    """Return the rows with a null in one of these columns."""
    null = np.zeros(rows.count, bool)
    for name in columns:
        cells = rows.cells(name)
        null |= [cell is None for cell in cells] if isinstance(cells, list) else cells.is_null().to_numpy()
    return np.flatnonzero(null)


def _repeated_keys(compared: Comparison, others: Sequence[str]) -> list[str]:
    """Return the problem of rows of the frame that have other cells than an earlier row of the same key."""
    first_of = compared.exact.local
    later = np.flatnonzero(first_of != np.arange(len(first_of)))
    differing = _differing(compared, later, first_of[later], others)
    if not len(differing):
        return []
    labels = ", ".join(repr(label) for label in compared.labels[differing[:5]])
    return [
        f"on: {count_rows(len(differing))} {'has' if len(differing) == 1 else 'have'} other values for a key than an "
        f"earlier row of the frame (row labels {labels}): keep one row per key"
    ]


def _differing(compared: Comparison, rows: Any, firsts: Any, columns: Sequence[str]) -> Any:
    """Return which of these rows of the frame have other cells in ``columns`` than their pairs in ``firsts``."""
    if not len(rows) or not columns:
        return rows[:0]
    differ = match.changed(compared.frame, compared.frame, rows, firsts, columns)
    return rows[np.logical_or.reduce(list(differ.values()))]


def _alike_keys(compared: Comparison, others: Sequence[str], by: MatchBy | None) -> list[str]:
    """Return the problem of keys of the frame that ClicData may not distinguish, and whose cells differ."""
    rows = compared.alike if by != "exact" else compared.alike[:0]
    differing = _differing(compared, rows, compared.wide.local[rows], others)
    if not len(differing):
        return []
    pairs = zip(compared.labels[compared.wide.local[differing[:5]]], compared.labels[differing[:5]], strict=True)
    labels = ", ".join(f"{first!r} and {second!r}" for first, second in pairs)
    return [
        f"on: {len(differing)} rows have other values than an earlier row whose key may be the same to ClicData (row "
        f"labels {labels}): keep one row per key"
        ', or give match="exact" if you know that it distinguishes letter case and trailing blanks'
    ]


def question(compared: Comparison, would: str, *, first_only: bool = False) -> str | None:
    """Return how the reached rows depend on whether ClicData compares text exactly; None if they don't."""
    exact, wide = (np.flatnonzero(view.remote >= 0) for view in (compared.exact, compared.wide))
    if first_only:
        exact, wide = (_first_of_each(view.remote) for view in (compared.exact, compared.wide))
        alike = compared.alike[np.isin(compared.wide.local[compared.alike], compared.wide.remote)]
        if np.array_equal(exact, wide) and not len(alike):
            return None
    elif len(exact) == len(wide):
        return None
    others = np.setdiff1d(wide, exact)
    return (
        f"{count_rows(len(exact))} {would} if ClicData compares text exactly"
        f"{compared.shown(compared.there, exact)}, and {count_rows(len(wide))} if it ignores letter case and trailing "
        f"blanks{compared.shown(compared.there, others if len(others) else wide)}: it is not known which"
    )


def _first_of_each(remote: Any) -> Any:
    keys, places = np.unique(remote, return_index=True)
    return np.sort(places[keys >= 0])


def other_kinds(compared: Comparison, *, inserts: bool = False) -> list[str]:
    """Return the problem of key columns whose cells are of another kind than those of the data set.

    Times are another kind than text only with ``inserts``, where rows of new keys are appended.
    """
    times, problems = set() if inserts else {match.NAIVE, match.AWARE}, []
    for name in compared.on:
        mine, theirs = (match.key_kinds(rows, name) for rows in (compared.frame, compared.there))
        as_text = [kinds - times | ({"text"} if kinds & times else set()) for kinds in (mine, theirs)]
        if not mine or not theirs or as_text[0] & as_text[1]:
            continue
        problem = f"on: {name!r} holds {_named(mine)} in the frame and {_named(theirs)} in the data set, so "
        if {*mine, *theirs} == {match.NAIVE, match.AWARE}:
            ways = (
                ".dt.tz_convert(None) converts it to UTC, .dt.tz_localize(None) keeps the local time"
                if match.AWARE in mine
                else ".dt.tz_localize(...) gives it an offset"
            )
            problem += f"it is not known which are the same times: convert the column ({ways})"
        else:
            new = " and every row would look new" if inserts else ""
            problem += f"no key would match{new}: convert the column"
        problems.append(problem)
    return problems


def _named(kinds: set[str]) -> str:
    return " and ".join(sorted(kinds))


def warn_of_fractions(frame: Rows, on: Sequence[str]) -> None:
    """Warn of key columns that may come back with fewer digits, at the line that called the package."""
    names = [name for name in on if match.has_fractions(frame, name)]
    caller, level = sys._getframe(), 1
    while caller.f_back is not None and str(caller.f_globals.get("__name__")).startswith("pandas_clicdata."):
        caller, level = caller.f_back, level + 1
    if names:
        text = (
            f"on: {join_names(map(repr, names))} has numbers with a fraction. If ClicData keeps fewer digits, such a "
            "key is new in each run, and its row doubles: round the column, or send it as text with types="
        )
        warnings.warn(ClicDataWarning(text), stacklevel=level)


def repeated_there(compared: Comparison) -> Any:
    """Return the rows of the frame whose key is in several rows of the data set."""
    return np.flatnonzero(np.bincount(compared.found[compared.found >= 0]) > 1)


def count_rows(count: int) -> str:
    """Return a number of rows in words."""
    return counted(count, "row")


def refuse(problems: Sequence[str]) -> None:
    """Raise an `InputError` if there are problems."""
    if problems:
        raise InputError(list(problems))
