"""Carry out a plan: send appends, updates and deletes, and after a lost response find the changes that remain."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from pandas_clicdata.changes.compare import count_rows
from pandas_clicdata.changes.sync_receipt import SyncReceipt
from pandas_clicdata.errors import (
    AppendAmbiguous,
    ClicDataError,
    DeleteAmbiguous,
    SyncAmbiguous,
    SyncInterrupted,
    UpdateAmbiguous,
    WriteError,
)
from pandas_clicdata.progress import bar, warn_of_cost
from pandas_clicdata.session.ahead import STEP, Ahead
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.uploads import verify
from pandas_clicdata.uploads.append import Append
from pandas_clicdata.uploads.change import cheaper_way, counts_of, lost_error, send_delete, send_update
from pandas_clicdata.uploads.receipt import receipt_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pandas_clicdata.changes.change_receipt import ChangeReceipt
    from pandas_clicdata.changes.plan import Plan
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.session.wire import Caller, Reply
    from pandas_clicdata.uploads.append import AppendOptions
    from pandas_clicdata.uploads.job import Replaced

ROUNDS = 3  # how often to find out the effect of a lost response, and continue
LOST = (AppendAmbiguous, UpdateAmbiguous, DeleteAmbiguous)
_STATE_AFTER = {Outcome.NOT_SENT: "pending", Outcome.REFUSED: "refused", Outcome.UNKNOWN: "in doubt"}

_log = logging.getLogger(__name__)


# ---------------------------------------------------------------------------------------------------------
# The changes of one receipt


def send_changes(
    caller: Caller,
    receipt: ChangeReceipt,
    progress: bool | None,
    workers: int = 1,
) -> ChangeReceipt:
    """Send the pending changes. Stop at the first change that fails, or that reaches more rows than were known."""
    with receipt_on_interrupt(receipt, ".receipt of this error"):
        what, pending = f"{receipt.operation} of {receipt.rec_id}", receipt.pending()
        warn_of_cost(caller, what, -(-len(pending) // workers), cheaper_way(receipt.operation, receipt._keys))
        with bar(progress, what, receipt.keys_total, "key", session=caller, result=receipt.summary) as shown:
            shown.update(receipt.keys_total - len(pending))
            tasks = (partial(_send, caller, receipt, at) for at in pending)
            for _ in run_each(tasks, workers):
                shown.update(1)
        return receipt


def _send(caller: Caller, receipt: ChangeReceipt, at: int) -> None:
    """Send one change, and note its outcome."""
    receipt.mark(at, "sending")
    try:
        counts = counts_of(_request(caller, receipt, at))
    except BaseException as error:
        receipt.mark(at, _STATE_AFTER[outcome(error)])
        if not isinstance(error, ClicDataError):
            raise
        stopped = _stopped(receipt, error)
        raise stopped from (error.__cause__ if stopped is error else error)
    receipt.mark(at, "applied", counts)
    known, counted = receipt.known(at), receipt.counted(at)
    if known is not None and counted is not None and counted > known:
        overrun = WriteError(
            f"stopped: ClicData counts {count_rows(counted)} for the key of row label {receipt.keys.index[at]!r}, "
            f"and {known:,} may have matched it: other rows were changed, which were neither meant nor kept. "
            f"{receipt.summary()}."
        )
        overrun.receipt = receipt
        raise overrun


def _request(caller: Caller, receipt: ChangeReceipt, at: int) -> Reply:
    change = receipt.changes[at]
    assert change is not None
    if receipt.operation == "delete rows":
        return send_delete(caller, receipt.rec_id, change.find, receipt.multiple_rows)
    return send_update(caller, receipt.rec_id, change.find, change.data, receipt.multiple_rows)


def _stopped(receipt: ChangeReceipt, error: ClicDataError) -> ClicDataError:
    """Return the error to raise: if nothing was changed, the error itself."""
    stopped: ClicDataError = error
    if outcome(error) is Outcome.UNKNOWN:
        stopped = lost_error(receipt.operation, error, repeatable=receipt.multiple_rows == "all")
    elif receipt.keys_applied or receipt.keys_accepted:
        stopped = WriteError(f"stopped: {str(error).rstrip('.')}. {receipt.summary()}.")
    stopped.receipt = receipt
    return stopped


def run_each(tasks: Iterator[Callable[[], Any]], workers: int) -> Iterator[None]:
    """Call tasks, ``workers`` at a time. After an error no task begins; the running ones end, then it is raised."""
    if workers == 1:
        for task in tasks:
            task()
            yield
        return
    done: SimpleQueue[BaseException | None] = SimpleQueue()
    failures: list[BaseException] = []
    running = 0

    def run(task: Callable[[], Any]) -> None:
        try:
            task()
        except BaseException as error:  # noqa: BLE001  # raised below, in the thread of the caller
            done.put(error)
        else:
            done.put(None)

    with Ahead(workers) as ahead:
        while True:
            while running < workers and not failures and (following := next(tasks, None)) is not None:
                ahead.submit(partial(run, following))
                running += 1
            if not running:
                break
            try:
                error = done.get(timeout=STEP)
            except Empty:
                continue
            running -= 1
            if error is None:
                yield
            else:
                failures.append(error)
    if failures:
        raise min(failures, key=lambda error: not isinstance(error, LOST))


# ---------------------------------------------------------------------------------------------------------
# A whole plan


class Carrier:
    """Carries out a plan of several kinds of changes, and finds out the effect of a lost response."""

    def __init__(
        self,
        session: Session,
        plan: Plan,
        options: AppendOptions,
        *,
        deletes_first: bool = False,
        recheck: bool | None = None,
        keep: bool = True,
    ) -> None:
        self._session, self._plan, self._options = session, plan, replace(options, types=plan.types)
        self._recheck = recheck
        self._append: Append | None = None
        self.receipt = SyncReceipt(plan, self, keep=keep)
        session.last_receipt = self.receipt
        self._steps = [self._insert, self._update, self._delete]
        if deletes_first:
            self._steps = [self._delete, self._insert, self._update]
        self._looked = False
        self._left = np.ones(len(plan.work.inserts), bool)  # the rows to append that the data set didn't have

    def run(self, *, again: bool = False) -> SyncReceipt:
        """Carry out the plan, and return the receipt. ``again`` continues after a stop."""
        with receipt_on_interrupt(self.receipt, "session.last_receipt"):
            try:
                if again and self.receipt.anything_done:
                    self._look(None)
                elif again:
                    self._settle()
                self._run()
            finally:
                if self._append is not None:
                    self._append.__exit__()
        return self.receipt

    def _run(self) -> None:
        for left in reversed(range(ROUNDS + 1)):
            try:
                for step in self._steps:
                    step()
                break
            except LOST as error:
                if not left:
                    raise self._ambiguous("the response was lost too often", error) from error
                self._look(error)
            except ClicDataError as error:
                stopped = self._stopped(error)
                raise stopped from (error.__cause__ if stopped is error else error)
        if not self.receipt.complete:
            raise self._stopped(WriteError("some of it was refused"))
        if self._recheck or (self._recheck is None and self._looked):
            self._check_end()

    def _begin(self, replaces: Replaced | None = None) -> None:
        """Make the append of the new rows, and its journal."""
        rows, frame = self._plan.work.inserts, self._plan.frame
        if self._append is None and len(rows):
            append = Append(self._session, frame if len(rows) == len(frame) else frame.iloc[rows], self._options)
            self._append = append.__enter__()
            append.left_empty = self._plan.left_empty()
            append.prepare(self._plan.known_rec_id, replaces=replaces)
            self.receipt.appended, self._session.last_receipt = append.receipt, self.receipt

    def _insert(self) -> None:
        self._begin()
        if self._append is None or self.receipt.appended is None or self.receipt.appended.complete:
            return
        try:
            self._append.run(lambda position: not self._left[position])
        finally:
            self._session.last_receipt = self.receipt

    def _update(self) -> None:
        if self.receipt.updated is not None:
            self._send(self.receipt.updated)

    def _delete(self) -> None:
        if self.receipt.deleted is not None:
            self._send(self.receipt.deleted)

    def _send(self, receipt: ChangeReceipt) -> None:
        if not self.receipt.anything_done:  # everything was refused before
            self._mark(receipt, range(receipt.keys_total))
        if receipt.pending():
            # Filters by different columns may reach the same row. It counts for the first filter.
            workers = self._options.workers if receipt.disjoint else 1
            send_changes(self._session, receipt, self._options.progress, workers)

    # -----------------------------------------------------------------------------------------------------
    # After a lost response

    def _look(self, failure: ClicDataError | None) -> None:
        """Wait, read the data set again, and note which changes are done."""
        if failure is not None:
            _log.warning("%s: a response was lost; the data set is read to see its effect", self._plan.verb)
        verify.wait(self._session, 0.0)
        self._looked = True
        try:
            self._settle()
        except ClicDataError as error:
            raise self._ambiguous(f"the effect of a lost response isn't known ({error})", failure) from failure or error

    def _settle(self) -> None:
        again = self._read_again()
        if again.problems:
            raise WriteError(f"the data set has changed meanwhile: {'; '.join(again.problems)}")
        self._left = np.isin(self._plan.work.inserts, again.work.inserts)
        for receipt, changes in (
            (self.receipt.updated, again.work.updates),
            (self.receipt.deleted, again.work.deletes),
        ):
            if receipt is not None:
                to_do = {change.find for change in changes}
                self._mark(receipt, {at for at, one in enumerate(receipt.changes) if one and one.find in to_do})

    def _mark(self, receipt: ChangeReceipt, left: Collection[int]) -> None:
        """Note of the changes in doubt or refused: changes in ``left`` are pending, the others are done."""
        for at in range(receipt.keys_total):
            if receipt.state(at) in ("in doubt", "sending", "refused"):
                receipt.mark(at, "pending" if at in left else "applied")

    def _read_again(self) -> Plan:
        assert self._plan.again is not None
        return self._plan.again()

    def _check_end(self) -> None:
        """Read the data set once more, and compare every row with the plan."""
        try:
            again = self._read_again()
        except ClicDataError as error:
            raise self._ambiguous(f"the data set could not be read at the end ({error})", error) from error
        self.receipt.rechecked = True
        self.receipt.unsettled = again.updates
        missing = np.intersect1d(again.work.inserts, self._plan.work.inserts)
        there = sum(len(change.places) for change in again.work.deletes) if self.receipt.deleted else 0
        if len(missing) or there:
            raise self._ambiguous(
                f"a second read at the end misses {count_rows(len(missing))} that should be there, and finds "
                f"{count_rows(there)} that should be deleted"
            )

    def _ambiguous(self, what: str, failure: ClicDataError | None = None) -> SyncAmbiguous:
        error = SyncAmbiguous(f"{self._plan.verb}: {what}. {self.receipt.summary()}. {self._advice}")
        error.receipt = self.receipt
        return error

    _advice = "It is safe to call it again: it reads the data set and does what is left"

    def _stopped(self, error: ClicDataError) -> ClicDataError:
        if not self.receipt.anything_done:
            error.receipt = self.receipt
            return error
        reason = str(error).removeprefix("stopped: ").rstrip(".")
        stopped = SyncInterrupted(f"stopped: {reason}. {self.receipt.summary()}")
        stopped.receipt = self.receipt
        return stopped
