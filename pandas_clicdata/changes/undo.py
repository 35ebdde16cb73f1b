"""Undo a write: restore the rows from before the write, if nobody has changed them since."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pandas_clicdata.changes.carry import Carrier
from pandas_clicdata.changes.compare import Change, Work, cells_of, count_rows
from pandas_clicdata.changes.plan import Plan, planned
from pandas_clicdata.changes.reach import deletes_by, deletes_of_all
from pandas_clicdata.changes.restore import work_by_rows
from pandas_clicdata.changes.sync_receipt import SyncReceipt
from pandas_clicdata.changes.verbs import pages_of, read_rows
from pandas_clicdata.frames import match
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.frames.rows import Rows, row_cells
from pandas_clicdata.session.wire import json_body
from pandas_clicdata.uploads.append import AppendOptions
from pandas_clicdata.uploads.change import parse_filter
from pandas_clicdata.uploads.receipt import DOUBTFUL, STORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas_clicdata.changes.change_receipt import ChangeReceipt
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt import AppendReceipt


class Left(NamedTuple):
    """Rows as JSON, before a write and after it. The first ``updated`` rows of ``new`` were updated, the others added.

    ``exact``: the caller said that the service compares text exactly. The last ``stayed`` of ``old`` weren't deleted.
    """

    old: list[bytes]
    new: list[bytes]
    on: list[str]
    updated: int
    exact: bool = False
    stayed: int = 0


def undo_changes(
    session: Session, receipt: ChangeReceipt, *, dry_run: bool, progress: bool | None
) -> SyncReceipt | Plan:
    """Undo a delete or an update."""
    old, new = _changed(receipt)
    on = [cell.column for change in receipt.changes if change for cell in parse_filter(change.find)]
    left = Left(old, new, list(dict.fromkeys(on)), len(new), receipt.exact)
    return _done(session, receipt.rec_id, left, dry_run=dry_run, progress=progress)


def undo_sync(
    session: Session, receipt: SyncReceipt, plan: Plan, *, dry_run: bool, progress: bool | None
) -> SyncReceipt | Plan:
    """Undo a write with several kinds of changes."""
    old, new = list[bytes](), list[bytes]()
    for changes in (receipt.updated, receipt.deleted):
        if changes is not None:
            for rows, more in zip((old, new), _changed(changes), strict=True):
                rows += more
    updated = len(new)
    if receipt.appended is not None:
        new += plan.rows.raw(plan.work.inserts[position] for position in _maybe_stored(receipt.appended))
    meant = {place for change in plan.work.deletes for place in change.places} if plan.on else range(plan.there.count)
    gone = set() if receipt.deleted is None else {found.place for found in receipt.deleted.reached()}
    stayed = sorted({*meant} - gone)
    old += plan.there.raw(stayed)
    left = Left(old, new, plan.on, updated, plan.match == "exact", len(stayed))
    return _done(session, receipt.rec_id, left, dry_run=dry_run, progress=progress)


def _maybe_stored(receipt: AppendReceipt) -> list[int]:
    return [position for chunk in receipt.chunks_in(*STORED, *DOUBTFUL) for position in chunk.span]


def _changed(receipt: ChangeReceipt) -> tuple[list[bytes], list[bytes]]:
    """Return the rows that a delete or an update may have changed, as before it and as after it."""
    old, new = list[bytes](), list[bytes]()
    for found in receipt.reached():
        change = receipt.changes[found.key]
        old.append(found.row)
        if change is not None and change.data:
            cells = row_cells(found.row) | {cell.column: cell.value for cell in parse_filter(change.data)}
            new.append(b"{%b}" % b",".join(b"%b:%b" % (json_body(name), cell) for name, cell in cells.items()))
    return old, new


def _done(session: Session, rec_id: int, left: Left, *, dry_run: bool, progress: bool | None) -> SyncReceipt | Plan:
    options = AppendOptions(index=False, check=False, progress=progress)
    return planned(_undo_plan(session, rec_id, left, options), SyncReceipt, dry_run=dry_run)


def _undo_plan(session: Session, rec_id: int, left: Left, options: AppendOptions) -> Plan:
    read = read_rows(session, rec_id, pages_of(session, rec_id), options.progress, all_digits=True)
    known = Rows(all_digits=True)
    for rows in (left.old, left.new):
        known.add(b"[%b]" % b",".join(rows))
    work = _work_of_undo(read.rows, known, left)
    encoder = FrameEncoder(known.frame(range(len(left.old)), rec_id), index=False)
    return Plan(
        session,
        "undo",
        rec_id,
        encoder,
        work,
        do=lambda plan: Carrier(session, plan, options, deletes_first=True).run(),
        on=left.on,
        rows=known,
        there=read.rows,
        again=partial(_undo_plan, session, rec_id, left, options),
        pages=read.pages,
        match="exact" if left.exact else None,
    )


def _work_of_undo(there: Rows, known: Rows, left: Left) -> Work:
    """Return the changes that restore the old rows: the first rows of ``known``. The others are the new rows."""
    work, names, on = Work(), list(dict.fromkeys([*known.names, *there.names])), left.on
    keys = match.match(known, there, on, wide=not left.exact)
    same = match.match(known, there, names, wide=False)
    groups: dict[int, tuple[list[int], list[int], list[int]]] = defaultdict(lambda: ([], [], []))
    for position, group in enumerate(keys.local.tolist()):
        groups[group][position >= len(left.old)].append(position)
    strangers = match.match(known, there, on, wide=False).remote < 0  # their key is only alike
    for place in np.flatnonzero(keys.remote >= 0).tolist():
        if not strangers[place]:
            groups[int(keys.remote[place])][2].append(place)
    pairs, changed, gone, inserts = list[tuple[int, int, int]](), 0, list[int](), list[int]()
    for old, new, now in groups.values():
        if on and len(old) == len(new) == len(now) == 1:
            pairs.append((old[0], new[0], now[0]))
            continue
        was, is_now = Counter(same.local[old].tolist()), Counter(same.remote[now].tolist())
        may_be = was + Counter(same.local[new].tolist())
        is_updated = bool(new) and new[-1] < len(left.old) + left.updated
        stayed = Counter(int(same.local[position]) for position in old if position >= len(left.old) - left.stayed)
        if -1 in is_now or is_now - may_be or stayed - is_now or (is_updated and len(now) != len(old)):
            changed += 1
        elif stayed and not on and is_now - was:
            before = Rows(all_digits=True)
            before.add(b"[%b]" % b",".join(left.old))
            return work_by_rows(there, before)
        elif is_now - was:
            gone += now
            inserts += old
        else:
            missing = was - is_now
            for position in reversed(old):
                if missing[int(same.local[position])] > 0:
                    missing[int(same.local[position])] -= 1
                    inserts.append(position)
    changed += _cells_back(work, there, known, pairs, [name for name in names if name not in on], on)
    if gone:
        work.deletes, unreachable = deletes_by(there, np.array(gone), on) if on else deletes_of_all(there)
        changed += len(unreachable)
        reached = np.isin(keys.remote, keys.remote[gone]) & strangers
        if reached.any():
            work.problems.append(
                f"{count_rows(int(reached.sum()))} would be deleted whose keys differ only in letter case or trailing "
                "blanks"
            )
    work.inserts = np.array(sorted(inserts), np.int64)
    if changed:
        work.problems.append(
            f"{changed:,} keys don't have the rows that this write left there: somebody has changed them since"
        )
    return work


def _cells_back(
    work: Work, there: Rows, known: Rows, pairs: Sequence[tuple[int, int, int]], names: Sequence[str], on: Sequence[str]
) -> int:
    """Add the updates that set cells back; return how many rows have cells that are neither old nor new."""
    old, new, now = np.array(pairs, np.int64).reshape(-1, 3).T
    was_set = match.changed(known, known, old, new, names)
    not_old = match.changed(known, there, old, now, names)
    not_new = match.changed(known, there, new, now, names)
    strange = np.zeros(len(old), bool)
    back: dict[int, list[str]] = {}
    for name in names:
        strange |= was_set[name] & not_old[name] & not_new[name]
        for at in np.flatnonzero(was_set[name] & not_old[name]).tolist():
            back.setdefault(at, []).append(name)
    rows = sorted(at for at in back if not strange[at])
    for at, raw in zip(rows, known.raw(old[rows].tolist()), strict=True):
        work.updates.append(
            Change(cells_of(raw, on), int(old[at]), [int(now[at])], tuple(back[at]), cells_of(raw, back[at]))
        )
    return int(strange.sum())
