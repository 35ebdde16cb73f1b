"""The verbs that change rows: each makes a plan, which is returned or carried out."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from pandas_clicdata.changes.carry import Carrier, send_changes
from pandas_clicdata.changes.change_receipt import ChangeReceipt
from pandas_clicdata.changes.compare import Change, Comparison, MatchBy, Work, cells_of, key_problems, other_kinds
from pandas_clicdata.changes.plan import Plan
from pandas_clicdata.changes.work import work_of_delete, work_of_sync, work_of_update, work_of_upsert
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.compare import Known, columns_read, times_held
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.frames.rows import FrameRows, Rows
from pandas_clicdata.frames.types import checked_types, join_names, noted_types, with_levels
from pandas_clicdata.progress import bar
from pandas_clicdata.session.pages import PAGE_SIZE, Page, iter_pages, retry_while_changing
from pandas_clicdata.session.wire import get
from pandas_clicdata.uploads.append import AppendOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from pandas_clicdata.changes.sync_receipt import SyncReceipt
    from pandas_clicdata.session.session import Session

    Pages = Callable[[], Iterable[Page]]


class Source:
    """The frame of a verb: its columns, with the levels of its index, and its rows in the form that is sent."""

    def __init__(
        self,
        frame: pd.DataFrame,
        rec_id: int | None,
        *,
        index: bool | None = None,
        types: Mapping[str, str] | None = None,
        on: Any = None,
        keyed: bool = True,
        columns: Any = None,
        constants: Mapping[str, str] | None = None,
    ) -> None:
        noted, problems = noted_types(frame.attrs, rec_id), list[str]()
        frame = with_levels(frame, index)
        for name, value in (constants or {}).items():
            if name in frame.columns:
                raise InputError(f"the frame has a column {name!r}, which gets the stamps")
            frame = frame.assign(**{name: pd.Series(value, frame.index, "str")})
        self.on = _names(frame, on, "on") if keyed else []
        if columns is not None:
            chosen = _names(frame, columns, "columns")
            frame = frame[[*self.on, *(name for name in chosen if name not in self.on)]]
        asked = {} if types is None else checked_types(types, list(frame.columns), problems)
        if problems:
            raise InputError(problems)
        self.frame, self._asked, self._noted = frame, asked, noted or {}
        self._encode(self._noted)
        self.others = [name for name in self.encoder.columns if name not in self.on]

    def _encode(self, noted: Mapping[str, str]) -> None:
        self.encoder = FrameEncoder(self.frame, types=self._asked, index=False, noted=noted)
        self.rows = FrameRows(self.encoder, exact=self.on, noted=self._noted)

    def encode_for(self, known: Known | None) -> None:
        """Encode dates and datetimes as the data set holds them."""
        held = times_held(known, self._noted)
        if any(name in self.others and self.encoder.column_types.get(name) != of for name, of in held.items()):
            self._encode({**self._noted, **{name: of for name, of in held.items() if name not in self.on}})

    def compared(self, there: Rows, by: MatchBy | None) -> Comparison:
        """Return the rows of the frame and those of a data set, matched by key."""
        return Comparison(self.rows, there, self.on, by, self.frame.index)

    def problems(self, by: MatchBy | None, *, sets: bool) -> list[str]:
        """Return why the rows can't be distinguished by their keys, whatever the data set holds."""
        return key_problems(self.compared(Rows(), by), self.others if sets else [], by)


def _names(frame: pd.DataFrame, names: Any, argument: str) -> list[str]:
    """Return the columns that an argument names. Raises an `InputError` if the frame lacks one."""
    listed = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
    if not listed:
        raise InputError(
            f"{argument} must name the key columns, one at least"
            if argument == "on"
            else f"{argument} must be a list of columns"
        )
    if not all(isinstance(name, Hashable) for name in listed):
        raise InputError(f"{argument} must be a column or a list of columns, not {names!r}")
    if len(set(listed)) != len(listed):
        raise InputError(f"{argument} names a column twice")
    unknown = [name for name in listed if name not in frame.columns]
    if unknown:
        raise InputError(
            f"{argument}: the frame has no column {join_names(map(repr, unknown))}; it has "
            f"{join_names(map(repr, frame.columns)) or 'none'}"
        )
    if frame.columns.has_duplicates:
        raise InputError("the frame has several columns of the same name")
    return [str.__str__(name) if isinstance(name, str) else name for name in listed]


@dataclass(frozen=True)
class Read:
    """The rows of a data set, the seconds that the read took, and the number of its pages."""

    rows: Rows
    seconds: float
    pages: int

    @cached_property
    def known(self) -> Known | None:
        """What all rows show of the columns. A plan needs it, and a read that settles doubt doesn't."""
        return columns_read(self.rows)


def read_rows(
    session: Session,
    rec_id: int,
    pages: Pages,
    progress: bool | None,
    exact: Iterable[str] = (),
    *,
    all_digits: bool = False,
) -> Read:
    """Read a data set. Columns in ``exact`` keep all digits of numbers; with ``all_digits``, every column does."""
    began = time.monotonic()

    def read() -> tuple[Rows, int]:
        rows, count = Rows(list(exact), all_digits=all_digits), 0
        with bar(progress, f"read {rec_id} before", None, session=session) as shown:
            for page in pages():
                shown.update(rows.add(page.rows), page.total)
                count += 1
        return rows, count

    rows, count = retry_while_changing(read)
    return Read(rows, time.monotonic() - began, count)


def pages_of(session: Session, rec_id: int) -> Pages:
    """Return a function that iterates over the pages of a data set."""
    return partial(iter_pages, session, get("read rows", f"/data/{rec_id}", key="data"), PAGE_SIZE)


def columns_lacking(there: Rows, columns: Iterable[str]) -> list[str]:
    """Return the problem of columns that the data set lacks, if any row shows its columns."""
    missing = [name for name in columns if name not in there.names] if there.count else []
    return [f"on: the data set has no column {join_names(map(repr, missing))}"] if missing else []


# ---------------------------------------------------------------------------------------------------------
# Delete and update by key


@dataclass(kw_only=True)
class ChangeOptions:
    """The arguments of ``df.clicdata.delete_rows`` and ``update_rows``, checked."""

    multiple_rows: str = "all"
    match: MatchBy | None = None
    unmatched: str = "ignore"
    max_rows: int | None = None
    workers: int = 1
    progress: bool | None = None
    keep: bool = True


def delete_rows(session: Session, rec_id: int, source: Source, options: ChangeOptions, pages: Pages | None) -> Plan:
    """Return the plan to delete the rows that have a key of the frame; without ``pages`` no row is read first."""
    return _change_plan(session, "delete rows", rec_id, source, options, pages)


def update_rows(session: Session, rec_id: int, source: Source, options: ChangeOptions, pages: Pages | None) -> Plan:
    """Return the plan to set the other columns of the rows that have a key of the frame."""
    if not source.others:
        raise InputError("there are no columns besides on=: nothing would be set")
    return _change_plan(session, "update rows", rec_id, source, options, pages)


def _change_plan(
    session: Session, verb: str, rec_id: int, source: Source, options: ChangeOptions, pages: Pages | None
) -> Plan:
    is_delete, first_only = verb == "delete rows", options.multiple_rows == "first"
    compared, problems = source.compared(Rows(), options.match), source.problems(options.match, sets=not is_delete)
    read = None if pages is None or problems else read_rows(session, rec_id, pages, options.progress, source.rows.exact)
    if read is not None:
        source.encode_for(read.known)
        compared = source.compared(read.rows, options.match)
        problems = columns_lacking(read.rows, source.on if is_delete else source.encoder.columns)
    if problems:
        work = Work(problems=problems)
    elif read is None:
        work = unread_work(compared, source, is_delete=is_delete)
    elif is_delete:
        work = work_of_delete(compared, first_only=first_only, by=options.match)
    else:
        work = work_of_update(compared, source.others, by=options.match, first_only=first_only)
        work.problems += other_kinds(compared)
    if options.unmatched == "raise" and len(work.unmatched):
        keys = source.frame[source.on].iloc[work.unmatched[:3]].to_dict("records")
        work.problems.append(f"keys without a row: {len(work.unmatched):,}, such as {keys}")
    reached = sum(len(change.places) for change in [*work.deletes, *work.updates])
    if options.max_rows is not None and reached > options.max_rows:
        would = "be deleted" if is_delete else "be set"
        work.problems.append(
            f"{reached:,} rows would {would}, and max_rows is {options.max_rows:,}. dry_run=True shows them"
        )

    def do(plan: Plan) -> ChangeReceipt:
        receipt = ChangeReceipt.of_keys(plan, compared, options.multiple_rows, None if read is None else read.seconds)
        session.last_receipt = receipt
        return send_changes(session, receipt, options.progress, options.workers)

    return Plan(
        session,
        verb,
        rec_id,
        source.encoder,
        work,
        do=do,
        on=source.on,
        sends=source.on if is_delete else source.encoder.columns,
        rows=source.rows,
        there=compared.there,
        known=None if read is None else read.known,
        again=None if read is None else partial(_change_plan, session, verb, rec_id, source, options, pages),
        pages=0 if read is None else read.pages,
        match=options.match,
    )


def unread_work(compared: Comparison, source: Source, *, is_delete: bool) -> Work:
    """Return a change for each key, if the data set was not read."""
    others = [] if is_delete else source.others
    rows = compared.keys.tolist()
    changes = [
        Change(cells_of(raw, source.on), row, (), tuple(others), cells_of(raw, others) if others else b"")
        for row, raw in zip(rows, source.rows.raw(rows), strict=True)
    ]
    return Work(deletes=changes) if is_delete else Work(updates=changes)


# ---------------------------------------------------------------------------------------------------------
# Upsert and sync


@dataclass(kw_only=True)
class SyncOptions:
    """The arguments of ``df.clicdata.upsert`` and ``sync``, checked."""

    missing: str = "set"
    duplicates: str = "raise"
    tolerance: Mapping[str, float | timedelta] = field(default_factory=dict)
    match: MatchBy | None = None
    max_updates: int | None = None
    max_deletes: float | None = None
    recheck: bool | None = None
    keep: bool = True
    append: AppendOptions = field(default_factory=AppendOptions)


def upsert(session: Session, rec_id: int, source: Source, options: SyncOptions, pages: Pages) -> Plan:
    """Return the plan to update rows whose key matches and whose cells differ, and to append rows with a new key."""
    return _sync_plan(session, "upsert", rec_id, source, options, pages)


def sync(session: Session, rec_id: int, source: Source, options: SyncOptions, pages: Pages) -> Plan:
    """Return the plan of an upsert that also deletes the rows whose key the frame doesn't have."""
    return _sync_plan(session, "sync", rec_id, source, options, pages)


def _sync_plan(session: Session, verb: str, rec_id: int, source: Source, options: SyncOptions, pages: Pages) -> Plan:
    problems = source.problems(options.match, sets=True)
    if unknown := [name for name in options.tolerance if name not in source.others]:
        problems.append(f"tolerance names columns that are not compared: {join_names(map(repr, unknown))}")
    exact, progress = source.rows.exact, options.append.progress
    read = Read(Rows(), 0.0, 0) if problems else read_rows(session, rec_id, pages, progress, exact)
    there = read.rows
    source.encode_for(read.known)
    if problems := problems or columns_lacking(there, source.on):
        work = Work(problems=problems)
    else:
        compared = source.compared(there, options.match)
        work = work_of_upsert(
            compared,
            [name for name in source.others if name in there.names],
            by=options.match,
            duplicates=options.duplicates,
            keep_missing=options.missing == "keep",
            tolerance=options.tolerance,
            max_updates=options.max_updates,
        )
        if verb == "sync":
            work = work_of_sync(compared, work, max_deletes=options.max_deletes)

    def do(plan: Plan) -> SyncReceipt:
        return Carrier(session, plan, options.append, recheck=options.recheck, keep=options.keep).run()

    return Plan(
        session,
        verb,
        rec_id,
        source.encoder,
        work,
        do=do,
        on=source.on,
        sends=source.encoder.columns,
        rows=source.rows,
        there=there,
        known=read.known,
        chunksize=options.append.chunksize,
        again=partial(_sync_plan, session, verb, rec_id, source, options, pages),
        pages=read.pages,
        match=options.match,
    )
