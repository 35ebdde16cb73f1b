"""An append from its first line to its audit: plan, send, settle what is in doubt, go on."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pandas_clicdata.errors import AppendAmbiguous
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.frames.stamps import StampedEncoder, digest
from pandas_clicdata.progress import bar
from pandas_clicdata.session.wire import Dialect, DialectChanged
from pandas_clicdata.uploads import settle
from pandas_clicdata.uploads.cutting import bounds, cut_for, row_format, stamped
from pandas_clicdata.uploads.entries import Job, Piece
from pandas_clicdata.uploads.interrupts import told
from pandas_clicdata.uploads.journal import Journal
from pandas_clicdata.uploads.ledger import Ledger
from pandas_clicdata.uploads.receipt import AppendReceipt, Chunk, State
from pandas_clicdata.uploads.sending import Pass, TooLargeAsCut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    import pandas as pd

    from pandas_clicdata.uploads.choices import How, Sender

LAST_RECEIPT = "session.last_receipt"
MOST_TIMES = 4  # that a chunk is sent, settled and found missing


def encoder_of(
    frame: pd.DataFrame, types: Mapping[str, str] | None, index: bool, how: How, append_id: str
) -> FrameEncoder:
    """The rows to send, checked; with their stamps if they are to bear some."""
    if how.tag_column is None:
        return FrameEncoder(frame, types=types, index=index)
    return StampedEncoder(frame, how.tag_column, append_id, types=types, index=index)


def new_append_id() -> str:
    """What tells an append from all others."""
    return str(uuid.uuid4())


@contextmanager
def opened_journal(how: How) -> Iterator[Journal | None]:
    """The new journal that is wanted. It is removed again if nothing was ever written to it."""
    if how.journal is None:
        yield None
        return
    journal = Journal.create(how.journal)
    try:
        yield journal
    finally:
        journal.discard()


def append(
    caller: Sender,
    rec_id: int,
    encoder: FrameEncoder,
    how: How,
    *,
    append_id: str,
    journal: Journal | None = None,
    made: bool = False,
) -> AppendReceipt:
    """Append the rows of a checked frame to a data set.

    Parameters
    ----------
    caller : Session
        What sends.
    rec_id : int
        The data set.
    encoder : FrameEncoder
        The rows.
    how : How
        In which chunks, and how carefully.
    append_id : str
        What tells this append from all others.
    journal : Journal, optional
        A new journal.
    made : bool, default False
        Whether the data set was made for these rows.

    Returns
    -------
    AppendReceipt
        Every row stored.

    Raises
    ------
    AppendInterrupted, AppendAmbiguous
        It stopped after some rows were stored, or with a chunk in doubt.
    ClicDataError
        It stopped before any row was stored. All of them carry ``.receipt``.
    """
    job = Job(
        append_id=append_id,
        rec_id=rec_id,
        rows=encoder.rows,
        columns=encoder.columns,
        types=encoder.types,
        index=encoder.index,
        account=caller.account,
        digest=None if journal is None else digest(encoder, cut_for(caller.dialect, how.chunksize)),
        chunksize=how.chunksize,
        compress=how.compress,
        errors=how.errors,
        tag_column=how.tag_column,
        rows_before=_rows_before(caller, rec_id, encoder, how, made=made),
        made=made,
    )
    ledger = Ledger(AppendReceipt(job), journal)
    caller.last_receipt = ledger.receipt
    with told(ledger.receipt, LAST_RECEIPT):
        ledger.begin()
        return Append(caller, encoder, ledger, how).run()


def _rows_before(caller: Sender, rec_id: int, encoder: FrameEncoder, how: How, *, made: bool) -> int | None:
    if made:
        return 0
    return settle.count_rows(caller, rec_id) if how.verify == "count" and encoder.rows else None


class Append:
    """An append that is under way.

    Parameters
    ----------
    caller : Session
        What sends.
    encoder : FrameEncoder
        The rows.
    ledger : Ledger
        What is known so far, and where it is entered; it is closed in the end.
    how : How
        How carefully. Of the chunks and of errors the receipt's job says it.
    only : list of Chunk, optional
        Send no others.
    """

    def __init__(
        self, caller: Sender, encoder: FrameEncoder, ledger: Ledger, how: How, *, only: list[Chunk] | None = None
    ) -> None:
        self._caller = caller
        self._encoder = encoder
        self._ledger = ledger
        self._how = how
        self._only = only
        self._receipt = ledger.receipt
        self._evidence = settle.evidence_of(caller, self._receipt, how.verify)
        self._planned_for: Dialect | None = _dialect_of(self._receipt)
        self._most_bytes: int | None = None
        self._slowest = 0.0

    def run(self) -> AppendReceipt:
        """Send what is pending, settle what is in doubt, and audit."""
        receipt = self._receipt
        try:
            with bar(self._how.progress, f"append to {receipt.rec_id}", receipt.rows_total) as shown:
                shown.update(receipt.rows_appended)
                while not self._gone_through(shown):
                    pass
            self._audit()
        except BaseException:  # a Ctrl-C too
            if receipt.job.digest is None:
                receipt.identify(digest(self._encoder, cut_for(self._caller.dialect, receipt.job.chunksize)))
            raise
        finally:
            receipt.keep_refused(self._encoder.frame)
            self._ledger.close()
        return receipt

    def settle(self) -> None:
        """Find out what became of the chunks in doubt.

        Raises
        ------
        AppendAmbiguous
            It can't be found out.
        """
        assert self._evidence is not None
        settle.settle(self._caller, self._ledger, self._evidence, settle.patience(self._caller, self._slowest))

    def _gone_through(self, shown: Any) -> bool:
        """Send what is pending; whether that was all."""
        self._plan()
        one_pass = Pass(self._caller, self._ledger, self._encoder, self._planned_for or self._caller.dialect)
        pending = self._receipt.chunks_in(State.PENDING)
        if self._only is not None:
            numbers = {chunk.number for chunk in self._only}
            pending = [chunk for chunk in pending if chunk.number in numbers]
        try:
            for chunk in one_pass.chunks(pending, self._how.workers):
                shown.update(chunk.rows)
        except DialectChanged:
            return False  # nothing of the chunk was sent: what is left is cut for the other dialect
        except TooLargeAsCut as error:
            self._most_bytes, self._planned_for = error.most_bytes, None
            return False
        except AppendAmbiguous as failure:
            if not self._can_settle():
                raise
            self._slowest = max(self._slowest, one_pass.slowest)
            known = self._receipt.rows_appended
            self._settle_after(failure)
            shown.update(self._receipt.rows_appended - known)
            return False
        self._slowest = max(self._slowest, one_pass.slowest)
        return True

    def _can_settle(self) -> bool:
        doubtful = self._receipt.doubtful()
        return self._evidence is not None and all(chunk.times < MOST_TIMES for chunk in doubtful)

    def _settle_after(self, failure: AppendAmbiguous) -> None:
        try:
            self.settle()
        except AppendAmbiguous as error:
            raise error from failure.__cause__

    def _plan(self) -> None:
        dialect = self._caller.dialect
        if self._planned_for is not dialect:
            spans = self._receipt.spans_without(tuple(state for state in State if state is not State.PENDING))
            cut = cut_for(dialect, self._receipt.job.chunksize, self._most_bytes)
            first = self._receipt.next_number()
            chunks = bounds(self._encoder, cut, spans)
            self._ledger.plan([Piece(first + i, start, stop) for i, (start, stop) in enumerate(chunks)])
            self._planned_for = dialect
        stamped(self._encoder, self._receipt.chunks_in())

    def _audit(self) -> None:
        wanted = self._how.audit
        if wanted is None:
            wanted = self._how.verify is not None or self._receipt.job.made
        evidence = self._evidence or settle.evidence_of(self._caller, self._receipt, "count")
        if wanted and evidence is not None and self._receipt.rows_appended:
            settle.audit(self._caller, self._ledger, evidence, settle.patience(self._caller, self._slowest))


def _dialect_of(receipt: AppendReceipt) -> Dialect | None:
    """The dialect that the chunks of an append that goes on were cut for, if that is known."""
    formats = {chunk.format for chunk in receipt.chunks_in() if chunk.format is not None}
    return next((dialect for dialect in Dialect if {row_format(dialect).value} == formats), None)
