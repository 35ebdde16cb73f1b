"""A plan: the changes of a verb, to look at before they are made."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from pandas_clicdata.changes.compare import count_rows
from pandas_clicdata.errors import InputError, public
from pandas_clicdata.frames.compare import column_problems, columns_coarser, rows_at_fault
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.frames.rows import Rows
from pandas_clicdata.session.wire import parsed
from pandas_clicdata.uploads.chunk import most_rows
from pandas_clicdata.uploads.receipt import counted
from pandas_clicdata.uploads.stamps import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pandas_clicdata.changes.compare import Change, MatchBy, Work
    from pandas_clicdata.frames.compare import Known
    from pandas_clicdata.session.session import Session

_Receipt = TypeVar("_Receipt")
_MOST_SHOWN = 5  # rows of a table in HTML


class Plan:
    """The changes that a verb would make to a data set. Making a plan writes nothing.

    Attributes
    ----------
    verb : str
        The verb: ``"upsert"``, ``"delete rows"``.
    rec_id : int or None
        The data set; None if it would be created.
    problems : list of str
        Why the plan can't be carried out, as in `InputError`. Empty if it can be.
    pages : int
        The requests that were sent to read the data set.
    """

    def __init__(
        self,
        session: Session,
        verb: str,
        rec_id: int | None,
        encoder: FrameEncoder,
        work: Work,
        *,
        do: Callable[[Plan], Any],
        on: Sequence[str] = (),
        sends: Sequence[str] = (),
        rows: Rows | None = None,
        there: Rows | None = None,
        known: Known | None = None,
        chunksize: int | None = None,
        again: Callable[[], Plan] | None = None,
        pages: int = 0,
        collect: bool | None = None,
        match: MatchBy | None = None,
    ) -> None:
        self.verb, self.rec_id, self.problems, self.pages = verb, rec_id, list(work.problems), pages
        self.session, self._encoder, self.work, self.on = session, encoder, work, list(on)
        self.rows, self.there, self._known, self._chunksize = rows or Rows(), there or Rows(), known, chunksize
        self.do, self.again = do, again
        self.match = match
        self._digest: str | None = None
        problems = {} if rec_id is None else column_problems(encoder, rec_id, known, collect=collect)
        self._problem_of = {name: problem for name, problem in problems.items() if name in sends}
        self.problems += self._problem_of.values()

    def __dir__(self) -> list[str]:
        inner = {
            "again",
            "cells_changed",
            "check",
            "do",
            "frame",
            "known_rec_id",
            "left_empty",
            "match",
            "note_frame",
            "on",
            "rows",
            "rows_there",
            "session",
            "summary",
            "there",
            "types",
            "work",
        }
        return sorted({*super().__dir__()} - inner)  # for this package only

    @property
    def frame(self) -> pd.DataFrame:
        """The frame, with the levels of its index as columns."""
        return self._encoder.frame

    @property
    def types(self) -> Mapping[str, str] | None:
        """The ClicData types of columns that are sent as another type than their own."""
        return self._encoder.types

    @property
    def known_rec_id(self) -> int:
        """The data set, which exists."""
        assert self.rec_id is not None
        return self.rec_id

    def rows_there(self, places: Sequence[int]) -> pd.DataFrame:
        """Return rows of the data set as a frame."""
        return self.there.frame(places, self.rec_id)

    @property
    def ok(self) -> bool:
        """Whether the plan can be carried out: there are no problems."""
        return not self.problems

    # -----------------------------------------------------------------------------------------------------
    # The changes

    @property
    @public
    def columns(self) -> pd.DataFrame:
        """A row per column of the frame, and per known column of the data set.

        Returns
        -------
        DataFrame
            The index is the column. ``dtype``, ``sent_as`` (the ClicData type) and ``example`` (the first cell) are
            missing if the frame lacks the column. ``holds`` (the types in the data set) is missing if it is not known.
            ``verdict`` is "same", "new" (of a new data set), "left empty" or "not sent" (the frame lacks the column),
            "not in the data set", "other kind", "becomes coarser" (only the date of a time is stored), "index" (a level
            that stays in the index), or "unknown". ``rows`` are the labels of the first rows whose cells are of another
            kind, or would become coarser.
        """
        encoder, holds = self._encoder, {} if self._known is None else self._known.holds
        left_out = encoder.levels_left_out
        arrays = {name: encoder.frame.index.get_level_values(name).array for name in left_out}
        arrays |= {column.name: column.array for column in encoder._columns}
        coarser = columns_coarser(encoder, self._known)
        records = []
        for name in (names := dict.fromkeys([*encoder.columns, *left_out, *holds])):
            array = pd.Series(arrays[name], copy=False) if name in arrays else None
            first = None if array is None else array.first_valid_index()
            sent_as = "text" if name in encoder.constants else encoder.column_types.get(name, "mixed")
            held = holds.get(name)
            verdict = "becomes coarser" if name in coarser else self._verdict(name, held)
            is_fault = name in self._problem_of or (name in coarser and sent_as == "datetime")
            at_fault = rows_at_fault(encoder, self._known, name) if is_fault else []
            records.append(
                {
                    "dtype": None if array is None else str(array.dtype),
                    "sent_as": sent_as if name in encoder.columns else None,
                    "holds": " and ".join(held) or "nothing seen" if held is not None else None,
                    "verdict": "index" if name in left_out else verdict,
                    "example": None if array is None or first is None else str(array[first]),
                    "rows": encoder.frame.index[at_fault].tolist(),
                }
            )
        texts = dict.fromkeys(("dtype", "sent_as", "holds", "verdict", "example"), "text")
        table = frame_of_records(records, {**texts, "rows": "object"})
        table.index = pd.Index(list(names), name="column")
        return table

    def left_empty(self) -> list[str]:
        """Return the known columns of the data set that the frame lacks."""
        return [name for name in (self._known.holds if self._known else ()) if name not in self._encoder.columns]

    def _verdict(self, name: str, held: Sequence[str] | None) -> str:
        if self._known is None:
            return "unknown" if self.rec_id is not None else "new"
        if held is None:
            return "not in the data set"
        if name not in self._encoder.columns:
            return "left empty" if len(self.work.inserts) else "not sent"
        return "other kind" if name in self._problem_of else "same" if held else "unknown"

    @property
    @public
    def inserts(self) -> pd.DataFrame:
        """The rows that would be appended.

        Returns
        -------
        DataFrame
            Rows of the frame, with its index, columns and dtypes.
        """
        rows: pd.DataFrame = self.frame.iloc[self.work.inserts]
        return rows

    @property
    @public
    def updates(self) -> pd.DataFrame:
        """The cells that would change.

        Returns
        -------
        DataFrame
            A row per cell: the key columns, ``column`` (text), ``old`` and ``new`` (Python objects, as in JSON).
            The index is the row's label in the frame.
        """
        names = [*self.on, "column", "old", "new"]
        cells = [cell for change in self.work.updates for cell in self._cells_of(change)]
        columns = list(zip(*(cell[1:] for cell in cells), strict=True)) or [()] * len(names)
        index = self.frame.index[[cell[0] for cell in cells]] if cells else self.frame.index[:0]
        return pd.DataFrame(
            {name: pd.Series(column, index, object) for name, column in zip(names, columns, strict=True)}
        )

    def _cells_of(self, change: Change) -> list[tuple[Any, ...]]:
        """Return the row of the frame, its key, and column, old and new cell, for each cell that a change sets."""
        new = self.rows.raw_cells(change.row, [*self.on, *change.columns])
        keys = [parsed(new[name]) for name in self.on]
        cells = []
        for place in change.places:
            old = self.there.raw_cells(place, change.columns)
            cells += [(change.row, *keys, name, parsed(old[name]), parsed(new[name])) for name in change.columns]
        return cells

    def cells_changed(self) -> list[int]:
        """Return how many rows `updates` has for each change."""
        return [len(change.places) * len(change.columns) for change in self.work.updates]

    @property
    @public
    def deletes(self) -> pd.DataFrame:
        """The rows that would be deleted, as they were read.

        Returns
        -------
        DataFrame
            Rows of the data set, in their order.
        """
        places = sorted(place for change in self.work.deletes for place in change.places)
        return self.rows_there(places)

    def _keys(self, rows: Any) -> pd.DataFrame:
        keys: pd.DataFrame = self.frame[self.on].iloc[rows]
        return keys

    @property
    def unchanged(self) -> int:
        """How many keys of the frame have rows that are equal already."""
        return len(self.work.unchanged)

    @property
    @public
    def unmatched(self) -> pd.DataFrame:
        """The keys of the frame that reach no row.

        Returns
        -------
        DataFrame
            The key columns.
        """
        return self._keys(self.work.unmatched)

    @property
    @public
    def duplicates(self) -> pd.DataFrame:
        """The keys of the frame that are in several rows of the data set.

        Returns
        -------
        DataFrame
            The key columns.
        """
        return self._keys(self.work.duplicates)

    @property
    @public
    def collisions(self) -> pd.DataFrame:
        """Rows of the data set whose key differs from a key of the frame only in case, blanks or a letter's form.

        Returns
        -------
        DataFrame
            Rows of the data set.
        """
        return self.rows_there(self.work.collisions.tolist())

    # -----------------------------------------------------------------------------------------------------
    # The cost

    @property
    def requests(self) -> int:
        """The requests that write: chunks of rows to append, and one for each key to update or delete."""
        chunks = -(-len(self.work.inserts) // most_rows(self.session.dialect, self._chunksize))
        return chunks + len(self.work.updates) + len(self.work.deletes) + (self.rec_id is None)

    @property
    def bytes(self) -> int:
        """About how many bytes the requests hold: the JSON of the rows, cells and filters."""
        size = sum(len(change.find) + len(change.data) for change in [*self.work.updates, *self.work.deletes])
        inserts = self.work.inserts
        if not len(inserts):
            return size
        sample = inserts[np.linspace(0, len(inserts) - 1, min(len(inserts), 1_000), dtype=np.int64)]
        part = FrameEncoder(self.frame.iloc[sample], types=self._encoder.types, index=self._encoder.index)
        sizes = [len(row) for row in part.rows_as(RowFormat.OBJECTS)]
        return size + round(len(inserts) * sum(sizes) / len(sizes))

    @property
    def seconds(self) -> float | None:
        """About how many seconds these requests take, at the session's average; None before its first request."""
        session = self.session
        return self.requests * session.seconds / session.responses if session.responses else None

    # -----------------------------------------------------------------------------------------------------
    # Carry it out

    @public
    def apply(self) -> Any:
        """Carry out the plan. If the data set was read for the plan, it is read again first.

        Returns
        -------
        AppendReceipt, ChangeReceipt, SyncReceipt or int
            The result of the verb: its receipt, or the ``rec_id`` of a new data set.

        Raises
        ------
        InputError
            There are problems, the data set has changed since the plan was made, or the rows of an append were sent
            already; nothing was written.
        WriteError
            It stopped midway: see ``.receipt``.
        """
        self.check()
        if self._digest is not None and fingerprint(self._encoder) != self._digest:
            raise InputError("the frame was changed since the plan was made, and nothing was sent: make a new plan")
        plan = self
        if self.again is not None:
            plan = self.again()
            plan.check()
            if not plan.work.same_as(self.work) or plan._rests_on() != self._rests_on():
                raise InputError(
                    f"data set {self.rec_id} has changed since the plan was made, and the plan would be another one "
                    f"now: {plan.summary()}. Nothing was written: make a new plan"
                )
        return plan.do(plan)

    def note_frame(self) -> None:
        """Note the rows of the frame. `apply` needs the same rows, and on pandas 2 the caller may change them."""
        self._digest = fingerprint(self._encoder)

    def _rests_on(self) -> list[Any]:
        """Return the rows that would be deleted, and the cells that would change, as they were read."""
        gone = [self.there.raw(change.places) for change in self.work.deletes]
        cells = [
            [self.there.raw_cells(place, change.columns) for place in change.places] for change in self.work.updates
        ]
        return [gone, cells]

    def check(self) -> None:
        """Raise an `InputError` if there are problems."""
        if self.problems:
            [first, *more] = self.problems
            raise InputError(
                self.problems if more else f"{first}{'' if first[-1] in '.?' else '.'} Nothing was written"
            )

    # -----------------------------------------------------------------------------------------------------
    # Display

    def _counts(self) -> dict[str, int]:
        work = self.work
        counts = {
            "to append": len(work.inserts),
            "to update": len(work.updates),
            "to delete": sum(len(change.places) for change in work.deletes),
            "unchanged": len(work.unchanged),
            "without a row": len(work.unmatched),
            "in several rows": len(work.duplicates),
            "alike but not equal": len(work.collisions),
        }
        return {name: count for name, count in counts.items() if count}

    def summary(self) -> str:
        """Return one line: the changes, and their cost."""
        where = "a new data set" if self.rec_id is None else f"data set {self.rec_id}"
        of_rows = {"to append", "to delete", "alike but not equal"}
        parts = [
            f"{counted(count, 'row' if name in of_rows else 'key')} {name}" for name, count in self._counts().items()
        ]
        cost = counted(self.requests, "request")
        if self.seconds is not None and self.requests:
            cost += f", about {self.seconds:,.1f} s"
        problems = f"; {len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}: .problems"
        return f"{self.verb} of {where}: {'; '.join([*parts, cost])}{problems if self.problems else ''}"

    def __repr__(self) -> str:
        return f"<Plan: {self.summary()}>"

    def _repr_html_(self) -> str:
        parts = [f"<p>Plan: {html.escape(self.summary())}</p>"]
        parts += [f"<p>{html.escape(problem)}</p>" for problem in self.problems]
        for title, table in (("to append", self.inserts), ("to update", self.updates), ("to delete", self.deletes)):
            if len(table):
                shown = f"{title}: {count_rows(len(table))}" + (
                    f", the first {_MOST_SHOWN} of them" if len(table) > _MOST_SHOWN else ""
                )
                parts.append(f"<p>{shown}</p>{table.head(_MOST_SHOWN).to_html(notebook=True)}")
        return "".join(parts)


def planned(plan: Plan, kind: type[_Receipt], *, dry_run: bool) -> _Receipt | Plan:
    """Return the plan, or carry it out and return its receipt, which has the class ``kind``."""
    if dry_run:
        plan.note_frame()
        return plan
    plan.check()
    receipt = plan.do(plan)
    assert isinstance(receipt, kind)
    return receipt
