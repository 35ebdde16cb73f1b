"""Replace: append the rows of a frame; delete the old rows with the same values in some columns, or all old rows."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_clicdata.changes.carry import Carrier, send_changes
from pandas_clicdata.changes.change_receipt import ChangeReceipt
from pandas_clicdata.changes.compare import Work, count_rows, other_kinds
from pandas_clicdata.changes.plan import Plan
from pandas_clicdata.changes.reach import still_there
from pandas_clicdata.changes.verbs import Read, Source, columns_lacking, read_rows, unread_work
from pandas_clicdata.changes.work import work_of_replace
from pandas_clicdata.errors import InputError, WriteError
from pandas_clicdata.frames import match
from pandas_clicdata.frames.compare import as_text, column_problems
from pandas_clicdata.frames.rows import Rows
from pandas_clicdata.uploads import verify
from pandas_clicdata.uploads.append import AppendOptions
from pandas_clicdata.uploads.job import Replaced
from pandas_clicdata.uploads.receipt import STORED

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from pandas_clicdata.changes.compare import Comparison, MatchBy
    from pandas_clicdata.changes.verbs import Pages
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt import AppendReceipt
    from pandas_clicdata.uploads.resume import Fate

ORDERS = ("delete_first", "append_first")


@dataclass(kw_only=True)
class ReplaceOptions:
    """The arguments of ``df.clicdata.replace``, checked."""

    index: bool | None = None
    order: str = "delete_first"
    batch_column: str | None = None
    allow_empty: bool = False
    max_deleted: float | None = None
    match: MatchBy | None = None
    keep: bool = True
    append: AppendOptions = field(default_factory=AppendOptions)


def replace_source(
    frame: pd.DataFrame,
    rec_id: int,
    by: Any,
    options: ReplaceOptions,
    *,
    types: Mapping[str, str] | None = None,
    stamp: str | None = None,
) -> Source:
    """Return the frame as a source, with a stamp if there is a batch column."""
    stamps = {} if options.batch_column is None else {options.batch_column: stamp or str(uuid.uuid4())}
    return Source(frame, rec_id, index=options.index, types=types, on=by, keyed=by is not None, constants=stamps)


def replace(session: Session, rec_id: int, source: Source, options: ReplaceOptions, pages: Pages) -> Plan:
    """Return the plan of a replace. The data set is read first, unless its rows are not needed."""
    reads = options.keep or not source.on or bool(options.batch_column) or options.max_deleted is not None
    read = Read(Rows(), 0.0, 0)
    problems = source.problems(options.match, sets=False) if source.on else []
    if not source.on and not source.rows.count and not options.allow_empty:
        problems = ["the frame is empty, and every row would be deleted: allow_empty=True permits it"]
    if reads and not problems:
        read = read_rows(session, rec_id, pages, options.append.progress, source.rows.exact)
        source.encode_for(read.known)
        problems = columns_lacking(read.rows, source.on)
    compared = source.compared(read.rows, options.match)
    if problems:
        work = Work(problems=problems)
    elif reads:
        scope = scope_in(compared, options.batch_column)[0]
        work = work_of_replace(
            compared, scope, by=options.match, batch=options.batch_column, max_deleted=options.max_deleted
        )
    else:
        work = unread_work(compared, source, is_delete=True)
        known = as_text(session.columns.get(rec_id))
        unfit = column_problems(source.encoder, rec_id, known, collect=None)
        work.problems += [unfit[name] for name in source.on if known and name in unfit and name in known.holds]
        work.inserts = np.arange(compared.frame.count)
    return Plan(
        session,
        "replace",
        rec_id,
        source.encoder,
        work,
        do=lambda plan: Replacer(session, plan, source, options, pages).run(),
        on=source.on,
        sends=source.encoder.columns,
        rows=source.rows,
        there=read.rows,
        known=read.known,
        chunksize=options.append.chunksize,
        again=partial(replace, session, rec_id, source, options, pages),
        pages=read.pages,
        match=options.match,
    )


class Replacer(Carrier):
    """Carries out a replace. After a lost response, the rows in the data set show its effect."""

    _advice = (
        "receipt.resume(df) reads the data set and continues. "
        "It is also safe to call it again: it deletes and appends all"
    )

    def __init__(self, session: Session, plan: Plan, source: Source, options: ReplaceOptions, pages: Pages) -> None:
        super().__init__(session, plan, options.append, recheck=False, keep=options.keep)
        self._source, self._rule, self._pages = source, options, pages
        self._deletes_first = options.order == "delete_first"
        order = (
            [self._delete, self._check_deleted, self._insert] if self._deletes_first else [self._insert, self._delete]
        )
        self._steps = [self._open, *order]
        self._has_deleted = False

    def _open(self) -> None:
        stamp = None
        if self._rule.batch_column is not None and len(self._source.frame):
            stamp = str(self._source.frame[self._rule.batch_column].iloc[0])
            if len(scope_of(self._source, self._plan.there, self._rule)[1]):
                raise InputError("the rows of this plan were sent already: make a new plan")
        replaced = Replaced(
            by=self._source.on,
            index=self._rule.index,
            order=self._rule.order,
            batch_column=self._rule.batch_column,
            stamp=stamp,
            match=self._rule.match,
            max_deleted=self._rule.max_deleted,
        )
        self._begin(replaced)

    def _check_deleted(self) -> None:
        """Read the data set if the responses don't confirm that all rows are deleted, before any row is appended."""
        if self._has_deleted:
            return
        deleted = self.receipt.deleted
        if deleted is not None:
            meant = sum(len(change.places) for change in self._plan.work.deletes)
            counted = deleted.rows_changed
            if counted is None or counted < meant or deleted.keys_unmatched:
                sure = bool(self._plan.pages or counted)
                check_deleted(self._source, self._rows_there(), self._rule, sure=sure)
        self._has_deleted = True
        if self.receipt.appended is not None:
            self.receipt.appended.note_deleted()

    def _rows_there(self) -> Rows:
        progress, exact = self._options.progress, self._source.rows.exact
        return read_rows(self._session, self.receipt.rec_id, self._pages, progress, exact).rows

    def _settle(self) -> None:
        there = self._rows_there()
        [old, new] = scope_of(self._source, there, self._rule)
        deleted, appended = self.receipt.deleted, self.receipt.appended
        if appended is not None and (self._has_deleted or not self._deletes_first):
            stored = stored_positions(self._source, there, new, appended)
            self._left = ~np.isin(np.arange(len(self._left)), stored)
        if deleted is not None and not self._has_deleted:
            changes = {at: change for at, change in enumerate(deleted.changes) if change is not None}
            self._mark(deleted, still_there(there, old, changes))


def scope_of(source: Source, there: Rows, rule: ReplaceOptions) -> tuple[Any, Any]:
    """Return the rows of a data set that belong to the replace: rows of earlier runs, and rows of this run."""
    return scope_in(source.compared(there, rule.match), rule.batch_column)


def scope_in(compared: Comparison, batch: str | None) -> tuple[Any, Any]:
    """Return `scope_of` for compared rows. Without a batch column, both results are all these rows."""
    found = compared.found if compared.on else np.zeros(compared.there.count)
    scope = np.flatnonzero(found >= 0)
    if batch is None:
        return scope, scope
    stamped = match.match(compared.frame, compared.there, [batch], wide=False).remote >= 0
    return scope[~stamped[scope]], scope[stamped[scope]]


def check_deleted(source: Source, there: Rows, rule: ReplaceOptions, *, sure: bool) -> None:
    """Raise if deleted rows are still there or, unless it is sure that keys have rows, if no key can have one."""
    compared = source.compared(there, rule.match)
    if count := len(scope_in(compared, rule.batch_column)[0]):
        raise WriteError(f"{count_rows(count)} that should be deleted are still there, and no row was appended")
    if not sure and (problems := other_kinds(compared)):
        raise WriteError(f"{'; '.join(problems)}. No row was appended")


def stored_positions(source: Source, there: Rows, scope: Any, appended: AppendReceipt) -> list[int]:
    """Return which rows of the frame are stored. Raises a `WriteError` if the data set holds other rows."""
    same = match.match(source.rows, there, source.encoder.columns, wide=False)
    held = Counter(same.remote[scope].tolist())
    stored = [position for chunk in appended.chunks_in(*STORED) for position in chunk.span]
    held.subtract(same.local[stored].tolist())
    for position in (position for chunk in appended.doubtful() for position in chunk.span):
        key = int(same.local[position])
        if held[key] > 0:
            held[key] -= 1
            stored.append(position)
    if any(held.values()):
        raise WriteError("the data set holds other rows than the rows that were sent, each once")
    return stored


def rule_of(replaced: Replaced) -> ReplaceOptions:
    """Return the arguments of a replace that stopped, from its journal."""
    by: MatchBy | None = replaced.match  # type: ignore[assignment]  # it was checked
    return ReplaceOptions(
        index=replaced.index,
        order=replaced.order,
        batch_column=replaced.batch_column,
        max_deleted=replaced.max_deleted,
        match=by,
        keep=False,
        append=AppendOptions(index=False, check=False),
    )


class Resumed:
    """Deletes the old rows before or after the append, in a replace that continues from a journal."""

    def __init__(self, session: Session, source: Source, receipt: AppendReceipt, pages: Pages) -> None:
        assert receipt.job.replaces is not None
        self._session, self._source, self._receipt, self._pages = session, source, receipt, pages
        self._replaced = receipt.job.replaces
        self._rule = rule_of(self._replaced)
        session.last_receipt = receipt

    def before(self) -> dict[int, Fate]:
        """Delete the old rows if this comes first. Return which chunks in doubt are stored or missing."""
        receipt, is_first = self._receipt, self._replaced.order == "delete_first"
        if is_first and not self._replaced.deleted:
            self._delete()
            receipt.note_deleted()
        chunks = receipt.doubtful()
        if not chunks:
            return {}
        verify.wait(self._session, 0.0)
        there = self._read()
        new = scope_of(self._source, there, self._rule)[1]
        stored = {*stored_positions(self._source, there, new, receipt)}
        counts = {chunk.start: sum(position in stored for position in chunk.span) for chunk in chunks}
        return {
            chunk.start: "stored" if counts[chunk.start] else "missing"
            for chunk in chunks
            if counts[chunk.start] in (0, chunk.rows)
        }

    def after(self) -> None:
        """Delete the old rows if this comes last."""
        if self._replaced.order == "append_first":
            new = scope_of(self._source, self._read(), self._rule)[1]
            if len(new) != self._receipt.rows_total:
                raise WriteError(
                    f"the data set holds {count_rows(len(new))} of this run, and not {self._receipt.rows_total:,}: "
                    "nothing was deleted"
                )
            self._delete()

    def _delete(self) -> None:
        plan = replace(self._session, self._receipt.rec_id, self._source, self._rule, self._pages)
        plan.check()
        deleted = ChangeReceipt.of_changes(plan, "delete rows", plan.work.deletes, keep=False)
        if deleted is not None:
            send_changes(self._session, deleted, False)
            sure = bool(plan.pages or deleted.rows_changed)
            check_deleted(self._source, self._read(), self._rule, sure=sure)

    def _read(self) -> Rows:
        return read_rows(self._session, self._receipt.rec_id, self._pages, False, self._source.rows.exact).rows
