"""The receipt of an upsert, a sync, a replace or a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from pandas_clicdata.changes.change_receipt import ChangeReceipt
from pandas_clicdata.changes.compare import count_rows
from pandas_clicdata.errors import public
from pandas_clicdata.uploads.receipt import State, receipt_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.uploads.receipt import AppendReceipt, Chunk


class SyncReceipt:
    """What is known of each row and key of an upsert, a sync, a replace or a restore.

    Attributes
    ----------
    verb : str
        What was done.
    rec_id : int
        The data set.
    appended : AppendReceipt or None
        What became of the rows that are new; None if there are none, or none was sent. Its positions are those of
        these rows.
    updated, deleted : ChangeReceipt or None
        What became of the keys that differ, and of the keys that go; None if there are none.
    unchanged : int
        Keys whose rows were equal already.
    rechecked : bool
        Whether the data set was read at the end.
    unsettled : DataFrame
        If it was: a row per cell that is not what was sent, as in `Plan.updates`. ``tolerance=`` lets such cells be.
    """

    def __init__(self, plan: Plan, *, keep: bool = True) -> None:
        self.verb, self.rec_id, self.unchanged = plan.verb, plan.known_rec_id, plan.unchanged
        self.appended: AppendReceipt | None = None
        self.updated = ChangeReceipt.of_changes(plan, "update rows", plan.work.updates, keep=keep)
        self.deleted = ChangeReceipt.of_changes(plan, "delete rows", plan.work.deletes, keep=keep)
        self.rechecked = False
        self.unsettled = plan.updates.iloc[:0]
        self._plan, self._inserts = plan, plan.work.inserts

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__()} - {"anything_done", "summary"})  # for this package only

    @property
    def complete(self) -> bool:
        """Whether all that the plan holds is done, and nothing is in doubt."""
        changes = all(receipt.complete for receipt in self._changes())
        return changes and (not len(self._inserts) or (self.appended is not None and self.appended.complete))

    @property
    def anything_done(self) -> bool:
        """Whether any row was written, or may have been."""
        appended = self.appended is not None and self.appended.rows_remaining < self.appended.rows_total
        return appended or any(one.keys_applied + one.keys_accepted + one.keys_in_doubt for one in self._changes())

    def _changes(self) -> list[ChangeReceipt]:
        return [receipt for receipt in (self.updated, self.deleted) if receipt is not None]

    @property
    def requests(self) -> int:
        """The requests that wrote: chunks that were sent, and keys that were updated or deleted."""
        chunks = 0 if self.appended is None else sum(chunk.number >= 0 for chunk in self.appended.chunks_in())
        return chunks + sum(one.keys_total - one.keys_pending for one in self._changes())

    @property
    @public
    def changes(self) -> pd.DataFrame:
        """The cells that were to change.

        Returns
        -------
        DataFrame
            A row per cell: the key columns, ``column`` (text), ``old``, ``new`` (Python objects, as in JSON), and
            ``state`` (text) of its key, as in `ChangeReceipt.keys`. The index is the row's label in the frame.
        """
        table = self._plan.updates
        states = [] if self.updated is None else self.updated.keys["state"].tolist()
        counts = self._plan.cells_changed()
        listed = [state for state, count in zip(states, counts, strict=True) for _ in range(count)]
        return table.assign(state=pd.Series(listed, index=table.index, dtype="str"))

    @public
    def remaining(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the frame that are known not to be written yet.

        Parameters
        ----------
        df : DataFrame
            The frame of the call.

        Returns
        -------
        DataFrame
            Rows of ``df``, in order, with its index, columns and dtypes.

        Raises
        ------
        InputError
            ``df`` is another frame.
        """
        chunks = [] if self.appended is None else self.appended.chunks_in(State.PENDING, State.REFUSED)
        return self._rows(df, chunks, {"pending", "refused"})

    @public
    def in_doubt(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the frame that may be written or not.

        Parameters
        ----------
        df : DataFrame
            The frame of the call.

        Returns
        -------
        DataFrame
            As `remaining`.

        Raises
        ------
        InputError
            ``df`` is another frame.
        """
        return self._rows(df, [] if self.appended is None else self.appended.doubtful(), {"in doubt", "sending"})

    def _rows(self, df: pd.DataFrame, chunks: Sequence[Chunk], states: set[str]) -> pd.DataFrame:
        self._plan.check_frame(df)
        rows = [int(self._inserts[position]) for chunk in chunks for position in chunk.span]
        if self.appended is None and "pending" in states:
            rows += self._inserts.tolist()
        if self.updated is not None:
            changes = enumerate(self.updated.changes)
            rows += [change.row for at, change in changes if change and self.updated.state(at) in states]
        return df.iloc[sorted(rows)]

    # -----------------------------------------------------------------------------------------------------
    # Display

    def summary(self) -> str:
        """Return one line: what was done, and what is left."""
        parts = []
        if self.appended is not None:
            parts.append(self.appended.summary())
        elif len(self._inserts):
            parts.append(f"{count_rows(len(self._inserts))} to append, none sent")
        parts += [receipt.summary() for receipt in self._changes()]
        if self.unchanged:
            parts.append(f"{self.unchanged:,} unchanged")
        if len(self.unsettled):
            parts.append(
                f"{len(self.unsettled):,} cells are not what was sent: .unsettled (tolerance= permits small ones)"
            )
        return f"{self.verb} of data set {self.rec_id}: {'; '.join(parts) or 'nothing to do'}"

    def __repr__(self) -> str:
        return f"<SyncReceipt: {self.summary()}>"

    def _repr_html_(self) -> str:
        counts = {
            "data set": str(self.rec_id),
            "appended": self.appended.summary() if self.appended is not None else f"0 of {len(self._inserts):,}",
            "updated": self.updated.summary() if self.updated is not None else "none",
            "deleted": self.deleted.summary() if self.deleted is not None else "none",
            "unchanged": f"{self.unchanged:,}",
        }
        steps = [] if self.complete else ["call it again: it reads the data set and does what is left"]
        if any(one.keys_in_doubt for one in self._changes()) or (self.appended and self.appended.rows_in_doubt):
            steps.append("look at the rows that may be written or not: .in_doubt(df)")
        if len(self.unsettled):
            steps.append("cells that are not what was sent: .unsettled")
        return receipt_html(self, counts, steps)
