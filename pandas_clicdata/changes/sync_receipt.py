"""The receipt of an upsert, a sync, a replace or a restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import pandas as pd

from pandas_clicdata.changes.change_receipt import ChangeReceipt, check_frame
from pandas_clicdata.changes.compare import count_rows
from pandas_clicdata.errors import InputError, public
from pandas_clicdata.uploads.receipt import State, receipt_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas_clicdata.accessor import DataFrame
    from pandas_clicdata.changes.carry import Carrier
    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt import AppendReceipt, Chunk


class SyncReceipt:
    """The known state of each row and key of an upsert, a sync, a replace or a restore.

    Attributes
    ----------
    verb : str
        The verb: ``"upsert"``, ``"sync"``.
    rec_id : int
        The data set.
    appended : AppendReceipt or None
        The receipt of the new rows; None if there are none, or none was sent. Its positions count only new rows.
    updated, deleted : ChangeReceipt or None
        The receipts of the keys to update and of the keys to delete; None if there are none.
    unchanged : int
        Keys whose rows were equal already.
    rechecked : bool
        Whether the data set was read at the end.
    unsettled : DataFrame
        After that read, a row per cell that differs from the sent cell, as in `Plan.updates`. ``tolerance=`` of the
        call allows small differences.
    """

    def __init__(self, plan: Plan, carrier: Carrier, *, keep: bool = True) -> None:
        self.verb, self.rec_id, self.unchanged = plan.verb, plan.known_rec_id, plan.unchanged
        self.appended: AppendReceipt | None = None
        self.updated = ChangeReceipt.of_changes(plan, "update rows", plan.work.updates, keep=keep)
        self.deleted = ChangeReceipt.of_changes(plan, "delete rows", plan.work.deletes, keep=keep)
        self.rechecked = False
        self.unsettled = plan.updates.iloc[:0]
        self._plan: Plan | None = plan
        self._carrier: Carrier | None = carrier
        self._cells: tuple[pd.DataFrame, list[int]] | None = None
        self._inserts, self._keep = plan.work.inserts, keep
        self._index: pd.Index[Any] | None = plan.frame.index

    def __getstate__(self) -> dict[str, Any]:
        # A session can't be pickled. The copy has the cells of the plan, but can't be resumed.
        return {**self.__dict__, "_plan": None, "_carrier": None, "_cells": self._changed_cells()}

    def _changed_cells(self) -> tuple[pd.DataFrame, list[int]]:
        """Return the cells that change, and how many each change has."""
        if self._plan is not None and self._cells is None:
            self._cells = self._plan.updates, self._plan.cells_changed()
        assert self._cells is not None
        return self._cells

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__()} - {"anything_done", "come_in_pieces", "summary"})  # for this package only

    @property
    def complete(self) -> bool:
        """Whether all changes of the plan are done, and nothing is in doubt."""
        changes = all(receipt.complete for receipt in self._changes())
        return changes and (self.appended.complete if self.appended is not None else not len(self._inserts))

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
        """The cells that the call updates, and their states.

        Returns
        -------
        DataFrame
            A row per cell: the key columns, ``column`` (text), ``old``, ``new`` (Python objects, as in JSON), and
            ``state`` (text) of its key, as in `ChangeReceipt.keys`. The index is the row's label in the frame.
        """
        table, counts = self._changed_cells()
        states = [] if self.updated is None else self.updated.keys["state"].tolist()
        listed = [state for state, count in zip(states, counts, strict=True) for _ in range(count)]
        return table.assign(state=pd.Series(listed, index=table.index, dtype="str"))

    @public
    def remaining(self, df: pd.DataFrame) -> DataFrame:
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
    def in_doubt(self, df: pd.DataFrame) -> DataFrame:
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

    def come_in_pieces(self) -> None:
        """Note that the new rows come in pieces: no single frame has them."""
        self._index = None

    def _check_frame(self, df: pd.DataFrame) -> None:
        if self._index is None:
            raise InputError(
                "the rows came in pieces: .appended has remaining(piece, number) and in_doubt(piece, number). To "
                "continue, make the call again"
            )
        check_frame(df, self._index)

    def _rows(self, df: pd.DataFrame, chunks: Sequence[Chunk], states: set[str]) -> DataFrame:
        self._check_frame(df)
        rows = [int(self._inserts[position]) for chunk in chunks for position in chunk.span]
        if self.appended is None and "pending" in states:
            rows += self._inserts.tolist()
        if self.updated is not None:
            changes = enumerate(self.updated.changes)
            rows += [change.row for at, change in changes if change and self.updated.state(at) in states]
        return df.iloc[sorted(rows)]  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the same class at run time

    # -----------------------------------------------------------------------------------------------------
    # Resume and undo

    @public
    def resume(self, df: pd.DataFrame) -> SyncReceipt:
        """Continue after a stop, through the session of the call: read the data set, and make the missing changes.

        Parameters
        ----------
        df : DataFrame
            The frame of the call.

        Returns
        -------
        SyncReceipt
            This receipt.

        Raises
        ------
        InputError
            ``df`` is another frame, or this receipt was pickled: make the call again.
        SyncInterrupted, SyncAmbiguous
            It stopped again, or it isn't known which changes are done.
        """
        self._check_frame(df)
        if self._carrier is None:
            raise InputError("this receipt was pickled, and can't be resumed: make the call again")
        return self._carrier.run(again=True)

    @overload
    def undo(
        self, *, dry_run: Literal[False] = ..., progress: bool | None = ..., session: Session | None = ...
    ) -> SyncReceipt: ...

    @overload
    def undo(self, *, dry_run: Literal[True], progress: bool | None = ..., session: Session | None = ...) -> Plan: ...

    @public
    def undo(
        self, *, dry_run: bool = False, progress: bool | None = None, session: Session | None = None
    ) -> SyncReceipt | Plan:
        """Undo the call: delete the new rows, set the old cells, append the deleted rows again.

        The data set is read first. If its rows differ from the rows that this write left, or should have left, another
        writer has changed them since. Then nothing is done. Rows of other keys are not touched. Rows that are appended
        again are at the end of the data set.

        Parameters
        ----------
        dry_run : bool, default False
            Whether to write nothing, and return the plan.
        progress : bool, optional
            Whether to show a bar; by default in a notebook, and if stderr is a terminal.
        session : Session, optional
            The session to send through; by default the session of the call.

        Returns
        -------
        SyncReceipt, or Plan with ``dry_run``
            The rows that were deleted, updated and appended. It has an `undo` too.

        Raises
        ------
        InputError
            Rows were changed since, or not kept (``keep=False``), or this receipt was pickled; nothing was written.
        SyncInterrupted, SyncAmbiguous
            It stopped midway, or it isn't known which changes are done.

        Examples
        --------
        >>> df = pd.DataFrame({"item": ["a", "b"], "left": [1, 2]})
        >>> rec_id = df.clicdata.push("Pantry").rec_id
        >>> receipt = df.assign(left=0).clicdata.upsert(rec_id, on="item")
        >>> receipt.undo().complete
        True
        >>> pd.read_clicdata(rec_id)["left"].tolist()
        [1, 2]
        """
        from pandas_clicdata.changes.undo import undo_sync  # imports this module

        if self._plan is None:
            raise InputError("this receipt was pickled, and has no session to undo it with")
        if not self._keep:
            how = "keep=True keeps them" if self._index is not None else "a stored version may have them"
            raise InputError(f"the old rows were not kept: {how}")
        return undo_sync(session or self._plan.session, self, self._plan, dry_run=dry_run, progress=progress)

    # -----------------------------------------------------------------------------------------------------
    # Display

    def summary(self) -> str:
        """Return one line: the changes that were made, and the changes that are left."""
        parts = []
        if self.appended is not None:
            parts.append(self.appended.summary().replace(f" to data set {self.rec_id}", ""))
        elif len(self._inserts):
            parts.append(f"{count_rows(len(self._inserts))} to append, none sent")
        for name, receipt in (("updated", self.updated), ("deleted", self.deleted)):
            if receipt is not None:
                outcome = receipt.outcome().replace(" .", f" .{name}.")
                parts.append(outcome if name in outcome else f"{name}: {outcome}")
        if self.unchanged:
            parts.append(f"{self.unchanged:,} unchanged")
        if len(self.unsettled):
            parts.append(
                f"{len(self.unsettled):,} cells differ from the sent ones: .unsettled (tolerance= permits small ones)"
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
            steps.append("look at the cells that differ from the sent ones: .unsettled")
        return receipt_html(self, counts, steps)
