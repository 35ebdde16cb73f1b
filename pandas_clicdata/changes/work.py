"""The changes that each verb would make, from a comparison of the frame with the data set. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_clicdata.changes.compare import (
    Change,
    Comparison,
    MatchBy,
    Work,
    cells_of,
    count_rows,
    other_kinds,
    question,
    repeated_there,
)
from pandas_clicdata.changes.reach import deletes_by, deletes_of_all
from pandas_clicdata.frames import match

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

FEW_DELETES, SHARE_OF_DELETES = 10, 0.1  # more than both are refused, unless the caller says otherwise


def work_of_delete(compared: Comparison, *, first_only: bool, by: MatchBy | None) -> Work:
    """Return the deletes of the rows that have a key of the frame."""
    work = Work(problems=other_kinds(compared))
    unclear = question(compared, "would be deleted", first_only=first_only)
    if unclear and (by is None or (first_only and by == "wide")):
        decides = 'match="exact"' if first_only else 'match="exact" or match="wide"'
        work.problems.append(f"{unclear}. {decides} decides, if you know what ClicData does or which rows you want")
    rows = compared.matched.tolist()
    for row, raw in zip(rows, compared.frame.raw(rows), strict=True):
        places = compared.places.get(row, [])
        if first_only:  # the first row by wide comparison, and by exact comparison
            places = sorted({*places[:1], *[place for place in places if compared.exact.remote[place] == row][:1]})
        work.deletes.append(Change(cells_of(raw, compared.on), row, places))
    work.unmatched = compared.unmatched
    work.duplicates, work.collisions = repeated_there(compared), compared.rivals
    return work


def work_of_update(
    compared: Comparison,
    columns: Sequence[str],
    *,
    by: MatchBy | None,
    first_only: bool = False,
    keep_missing: bool = False,
    tolerance: Mapping[str, float | timedelta] | None = None,
) -> Work:
    """Return the updates of the rows that have a key of the frame and differ from it in one of these columns."""
    work = Work()
    unclear = question(compared, "would be set", first_only=first_only)
    if unclear and by is None:
        work.problems.append(
            f'{unclear}. match="exact" or match="wide" decides, if you know what ClicData does or which rows you want'
        )
    rows, places = compared.pairs
    if first_only:
        first = np.diff(rows, prepend=-1) != 0
        rows, places = rows[first], places[first]
    differ = match.changed(
        compared.frame, compared.there, rows, places, columns, tolerance=tolerance, keep_missing=keep_missing
    )
    changed = np.unique(rows[np.logical_or.reduce([*differ.values(), np.zeros(len(rows), bool)])])
    starts, stops = (np.searchsorted(rows, changed, side).tolist() for side in ("left", "right"))
    raws = compared.frame.raw(changed.tolist())
    for row, start, stop, raw in zip(changed.tolist(), starts, stops, raws, strict=True):
        named = tuple(name for name in columns if differ[name][start:stop].any())
        found = cells_of(raw, compared.on), cells_of(raw, named)
        work.updates.append(Change(found[0], row, places[start:stop].tolist(), named, found[1]))
    work.unmatched = compared.unmatched
    is_changed = np.zeros(compared.frame.count, bool)
    is_changed[changed] = True
    work.unchanged = compared.matched[~is_changed[compared.matched]]
    work.duplicates, work.collisions = repeated_there(compared), compared.rivals
    return work


def work_of_upsert(
    compared: Comparison,
    columns: Sequence[str],
    *,
    by: MatchBy | None,
    duplicates: str = "raise",
    keep_missing: bool = False,
    tolerance: Mapping[str, float | timedelta] | None = None,
    max_updates: int | None = None,
) -> Work:
    """Return the updates, and the inserts of the rows whose key the data set doesn't have."""
    work = work_of_update(compared, columns, by=by, keep_missing=keep_missing, tolerance=tolerance)
    first_of_group = compared.group[work.unmatched] == work.unmatched
    work.inserts, work.unmatched = work.unmatched[first_of_group], work.unmatched[:0]
    work.problems += other_kinds(compared, inserts=True)
    if by is None and not work.problems and len(compared.alike):
        labels = ", ".join(repr(label) for label in compared.labels[compared.alike[:5]])
        work.problems.append(
            f"on: {len(compared.alike)} rows have keys that differ from an earlier one only in letter case, trailing "
            f'blanks or the form of a letter (row labels {labels}): match="exact" makes them different keys, '
            'match="wide" the same key'
        )
    if duplicates == "raise" and len(work.duplicates):
        rows = work.duplicates
        work.problems.append(
            f"on: {len(rows):,} {'key is' if len(rows) == 1 else 'keys are each'} in several rows of the data set"
            f'{compared.shown(compared.frame, rows)}: duplicates="all" sets all of these rows'
        )
    if max_updates is not None and len(work.updates) > max_updates:
        work.problems.append(f"{len(work.updates):,} keys would be updated, and max_updates is {max_updates:,}")
    return work


def work_of_sync(compared: Comparison, work: Work, *, max_deletes: float | None) -> Work:
    """Add to the work of an upsert the deletes of the rows whose key is not in the frame."""
    gone = np.flatnonzero(compared.found < 0)
    work.deletes, unreachable = deletes_by(compared.there, gone, compared.on)
    if len(unreachable):
        work.problems.append(
            f"{count_rows(len(unreachable))} of the data set would be deleted and have a null in {compared.on}, which "
            "no filter can reach: delete them by another column"
        )
    there = compared.there.count
    if not compared.frame.count and there:
        work.problems.append("the frame is empty, and every row would be deleted: replace(allow_empty=True) does that")
    elif problem := too_many(
        f"{count_rows(len(gone))} of {there:,} would be deleted", len(gone), there, max_deletes, "max_deletes"
    ):
        work.problems.append(problem)
    return work


def too_many(would: str, count: int, there: int, most: float | None, argument: str) -> str | None:
    """Return the problem of too many deletes; None if they are allowed. ``would`` begins the message."""
    if most is not None:
        allowed = most if isinstance(most, int) else most * there
        return f"{would}, and {argument} is {most:,}" if count > allowed else None
    if count > FEW_DELETES and count > SHARE_OF_DELETES * there:
        return f"{would}, more than ten and more than a tenth: {argument}={count} permits it"
    return None


def work_of_replace(
    compared: Comparison, scope: Any, *, by: MatchBy | None, batch: str | None = None, max_deleted: float | None = None
) -> Work:
    """Return the deletes of the rows in ``scope``, and the insert of every row of the frame.

    ``scope`` has the rows with a key of the frame, or all rows if there are no key columns. With a column ``batch``,
    which has a stamp for each run, it has only rows of earlier runs. These are deleted by their stamps.
    """
    there, unreachable = compared.there, np.empty(0, np.int64)
    if compared.on:
        work = work_of_delete(compared, first_only=False, by=by)
        work.deletes = [change for change in work.deletes if change.places]
    else:
        work = Work()
    if batch is not None:
        work.deletes, unreachable = deletes_by(there, scope, [*compared.on, batch])
    elif not compared.on:
        work.deletes, unreachable = deletes_of_all(there)
    if len(unreachable):
        what = f"have no stamp in {batch!r}" if batch else "have a null in every column"
        work.problems.append(f"{count_rows(len(unreachable))} would be deleted and {what}, and no filter reaches them")
    would = f"{count_rows(len(scope))} of {there.count:,} would be deleted"
    if max_deleted is not None and (problem := too_many(would, len(scope), there.count, max_deleted, "max_deleted")):
        work.problems.append(problem)
    work.inserts = np.arange(compared.frame.count)
    work.unmatched = work.duplicates = np.empty(0, np.int64)
    return work
