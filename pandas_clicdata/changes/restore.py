"""Versions of a data set: compare two versions, and restore one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pandas_clicdata.changes.carry import Carrier
from pandas_clicdata.changes.compare import Comparison, Work, count_rows, null_rows
from pandas_clicdata.changes.plan import Plan
from pandas_clicdata.changes.reach import deletes_by, deletes_of_rows, is_sure
from pandas_clicdata.changes.verbs import read_rows
from pandas_clicdata.changes.work import work_of_update
from pandas_clicdata.frames import match
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.uploads.append import AppendOptions

if TYPE_CHECKING:
    from pandas_clicdata.changes.verbs import Pages, Read
    from pandas_clicdata.frames.rows import Rows
    from pandas_clicdata.session.session import Session


@dataclass(frozen=True, repr=False)
class Changes:
    """The differences between the rows of a data set in two states.

    Attributes
    ----------
    on : list of str
        The columns that identify a row; empty if rows are compared as a whole.
    added, removed : DataFrame
        Rows that are new, and rows that are no longer there.
    changed : DataFrame
        A row per cell that differs: the key columns, ``column`` (text), ``old`` and ``new`` (Python objects, as in
        JSON). Empty if rows are compared as a whole.
    unchanged : int
        Rows that are equal.
    """

    on: list[str]
    added: pd.DataFrame
    removed: pd.DataFrame
    changed: pd.DataFrame
    unchanged: int

    def __repr__(self) -> str:
        cells = f"{len(self.changed):,} cells changed, " if self.on else ""
        by = f"by {', '.join(self.on)}" if self.on else "row by row"
        return (
            f"<Changes {by}: {count_rows(len(self.added))} added, {cells}{len(self.removed):,} removed, "
            f"{self.unchanged:,} unchanged>"
        )


def changes(session: Session, rec_id: int, since: Pages, until: Pages, progress: bool | None) -> Changes:
    """Return the differences between two states of a data set."""
    first, last = (read_rows(session, rec_id, pages, progress, all_digits=True) for pages in (since, until))
    before, after = first.rows, last.rows
    on = _key_of(before, after)
    if not on:
        partners = _partners(before, after)
        removed = [place for place in range(before.count) if place not in partners]
        added = np.setdiff1d(np.arange(after.count), list(partners.values())).tolist()
        return Changes([], after.frame(added, rec_id), before.frame(removed, rec_id), pd.DataFrame(), len(partners))
    work = _work_by_key(before, after, on)
    gone = sorted(place for change in work.deletes for place in change.places)
    cells = _plan(session, rec_id, first, after, on, work).updates
    return Changes(
        on, after.frame(work.inserts.tolist(), rec_id), before.frame(gone, rec_id), cells, len(work.unchanged)
    )


def restore(
    session: Session,
    rec_id: int,
    wanted: Pages,
    there: Pages,
    progress: bool | None,
    on: list[str] | None = None,
) -> Plan:
    """Return the plan that restores the rows of a version. ``on`` is given if the plan is made again."""
    version, read = (read_rows(session, rec_id, pages, progress, all_digits=True) for pages in (wanted, there))
    on = _key_of(read.rows, version.rows) if on is None else on
    work = _work_by_key(read.rows, version.rows, on) if on else work_by_rows(read.rows, version.rows)
    plan = _plan(session, rec_id, read, version.rows, on, work)
    plan.pages = version.pages + read.pages
    plan.again = partial(restore, session, rec_id, wanted, there, progress, on)
    return plan


def _plan(session: Session, rec_id: int, there: Read, wanted: Rows, on: list[str], work: Work) -> Plan:
    options = AppendOptions(index=False, check=False)
    if there.rows.count:
        lost = [name for name in wanted.names if name not in there.rows.names]
        work.problems += [f"the data set has no column {name!r} any more" for name in lost]
    return Plan(
        session,
        "restore",
        rec_id,
        FrameEncoder(wanted.frame(range(wanted.count), rec_id), index=False),
        work,
        do=lambda plan: Carrier(session, plan, options, deletes_first=True).run(),
        on=on,
        rows=wanted,
        there=there.rows,
        known=there.known,
    )


def _work_by_key(there: Rows, wanted: Rows, on: list[str]) -> Work:
    compared = Comparison(wanted, there, on, "exact", pd.RangeIndex(wanted.count))
    names = dict.fromkeys([*wanted.names, *there.names])
    work = work_of_update(compared, [name for name in names if name not in on], by="exact")
    work.inserts, work.unmatched = work.unmatched, work.unmatched[:0]
    work.deletes = deletes_by(there, np.flatnonzero(compared.found < 0), on)[0]
    return work


def _key_of(there: Rows, wanted: Rows) -> list[str]:
    """Return the first column whose cells differ in all rows of both, however the service compares text."""
    for name in wanted.names:
        if name not in there.names or not all(is_sure(rows, name) for rows in (there, wanted)):
            continue
        is_key = all(
            not len(null_rows(rows, [name]))
            and len(np.unique(match.match(rows, rows, [name], wide=True).local)) == rows.count
            for rows in (there, wanted)
        )
        pair = Comparison(wanted, there, [name], None, pd.RangeIndex(wanted.count))
        if is_key and not len(pair.rivals):
            return [name]
    return []


def _partners(there: Rows, wanted: Rows) -> dict[int, int]:
    """Pair rows of the data set with equal wanted rows, each row once."""
    same = match.match(wanted, there, list(dict.fromkeys([*wanted.names, *there.names])), wide=False)
    left: dict[int, list[int]] = {}
    for position in reversed(range(wanted.count)):
        left.setdefault(int(same.local[position]), []).append(position)
    return {place: left[group].pop() for place, group in enumerate(same.remote.tolist()) if left.get(group)}


def work_by_rows(there: Rows, wanted: Rows) -> Work:
    """Return deletes and inserts. A delete may reach rows that should stay: such rows are inserted again."""
    work, partners = Work(), _partners(there, wanted)
    work.deletes, unreachable = deletes_of_rows(there, np.setdiff1d(np.arange(there.count), list(partners)))
    if len(unreachable):
        work.problems.append(f"{count_rows(len(unreachable))} to delete hold only null, and no filter reaches them")
    gone = {place for change in work.deletes for place in change.places}
    staying = [position for place, position in partners.items() if place not in gone]
    work.inserts = np.setdiff1d(np.arange(wanted.count), staying)
    work.unchanged = np.array(staying, np.int64)
    return work
