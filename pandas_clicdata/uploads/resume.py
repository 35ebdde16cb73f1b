"""Going on with an append that stopped, in this process or another; and putting right what was found wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pandas_clicdata.errors import (
    AppendAmbiguous,
    ClicDataError,
    DeleteAmbiguous,
    InputError,
    JournalMismatch,
)
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat, cells
from pandas_clicdata.frames.stamps import is_of, stamp
from pandas_clicdata.session import manager
from pandas_clicdata.session.ahead import checked_workers
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.uploads import changes, settle
from pandas_clicdata.uploads.append import LAST_RECEIPT, Append, encoder_of
from pandas_clicdata.uploads.choices import How, checked_verify
from pandas_clicdata.uploads.cutting import stamped
from pandas_clicdata.uploads.interrupts import told
from pandas_clicdata.uploads.journal import Journal
from pandas_clicdata.uploads.ledger import Ledger
from pandas_clicdata.uploads.receipt import AppendReceipt, State, ambiguous

if TYPE_CHECKING:
    import os

    import pandas as pd

    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.choices import Sender

IN_DOUBT = {"stored": State.VERIFIED, "missing": State.PENDING}
_MOST_DELETES = 4

Fate = Literal["stored", "missing"]


def resume_append(
    df: pd.DataFrame,
    path_or_receipt: str | os.PathLike[str] | AppendReceipt,
    *,
    session: Session | None = None,
    progress: bool | None = None,
    workers: int = 1,
    verify: Literal["count", "tag"] | None = None,
    exclusive: bool = False,
    in_doubt: Fate | Mapping[int, Fate] | None = None,
    audit: bool | None = None,
    rec_id: int | None = None,
    chunksize: int | None = None,
) -> AppendReceipt:
    """Go on with an append that stopped: skip what is stored, settle what is in doubt, send the rest.

    Nothing is sent before it is certain that frame and account are those of the append: all rows that were sent are
    encoded again and held against the digests of their chunks, the others against a digest of the frame (of 1,000
    evenly spaced rows if it has more than 20,000).

    Parameters
    ----------
    df : DataFrame
        The frame that was appended.
    path_or_receipt : str, path or AppendReceipt
        The journal of the append, or its receipt (of the error, or ``session.last_receipt``).
    session : Session, optional
        What to send through; the default session if not given.
    progress : bool, optional
        Whether to show a bar on stderr; by default where that is a terminal.
    workers : int, default 1
        Chunks on the wire at once, 32 at most.
    verify : {"count", "tag"}, optional
        How to settle what is in doubt, as in ``df.clicdata.append``. By default by the stamps if the rows bear some;
        else what is in doubt ends the call. ``"count"`` needs an append that began with it, or with its table.
    exclusive : bool, default False
        For ``verify="count"``: your word that nobody else wrote to the data set since the append began.
    in_doubt : {"stored", "missing"} or mapping of int to these, optional
        What became of the rows in doubt, if you looked yourself: for all chunks, or by the ``start`` of each. Those
        that are missing are sent again.
    audit : bool, optional
        Whether to count the rows in the end; by default with ``verify``, or if the append made its table.
    rec_id, chunksize : int, optional
        Those of the append, if you want them to be checked. The journal knows them.

    Returns
    -------
    AppendReceipt
        Every row appended. If that was so before, nothing is sent.

    Raises
    ------
    JournalMismatch
        Frame, account, ``rec_id`` or ``chunksize`` are not those of the append; nothing was sent.
    JournalBusy
        Another process, or another call, is at work with the journal; nothing was sent.
    InputError
        The journal or an argument can't be used; nothing was sent.
    AppendAmbiguous
        Rows are in doubt, and there is no way to settle it, or it failed; nothing was sent. Or the answer to a
        chunk was lost again.
    AppendInterrupted
        It stopped again. All of them but those of the journal carry ``.receipt``.

    Examples
    --------
    >>> sandbox.faults.status(403, method="POST", after=2)
    Fault(...)
    >>> df = pd.DataFrame({"n": range(1000)})
    >>> try:
    ...     df.clicdata.push("Numbers", chunksize=500)
    ... except errors.AppendInterrupted as error:
    ...     receipt = error.receipt
    >>> receipt
    <AppendReceipt: 500 of 1,000 rows appended to data set ... in 2 chunks; 500 not stored: .remaining(df); ...>
    >>> resume_append(df, receipt)
    <AppendReceipt: 1,000 of 1,000 rows appended to data set ... in 2 chunks>
    """
    caller = manager.current(session)
    checked_workers(workers)
    said = _checked_fates(in_doubt)
    how = How(workers=workers, progress=progress, verify=checked_verify(verify, exclusive, workers), audit=audit)
    with _Taken(df, path_or_receipt) as taken:
        receipt, encoder = taken.receipt, taken.encoder
        _check_wanted(receipt, rec_id, chunksize)
        if how.verify is None and receipt.job.tag_column is not None:
            how = replace(how, verify="tag")
        _check(caller, receipt, encoder, how.verify)
        caller.last_receipt = receipt
        if receipt.complete and receipt.audited:
            return receipt
        ledger = taken.ledger()
        _apply(ledger, said)
        for chunk in receipt.chunks_in(State.REFUSED):
            ledger.become(chunk, State.PENDING)
        going_on = Append(caller, encoder, ledger, how)
        if receipt.doubtful() and how.verify is None:
            raise _unsettled(receipt)
        with told(receipt, LAST_RECEIPT):
            if receipt.doubtful():
                going_on.settle()
            return going_on.run()


def repair(receipt: AppendReceipt, df: pd.DataFrame, *, session: Session | None = None) -> AppendReceipt:
    """Delete the rows of the chunks in doubt by their stamps, and send them once more."""
    caller = manager.current(session)
    column = receipt.job.tag_column
    if column is None:
        raise InputError('only rows with stamps can be told apart and deleted: append with verify="tag"')
    with _Taken(df, receipt) as taken:
        _check(caller, receipt, taken.encoder, "tag")
        chunks = receipt.doubtful()
        if not chunks:
            return receipt
        ledger = taken.ledger()
        caller.last_receipt = receipt
        evidence = settle.StampCount(caller, receipt, column)
        with told(receipt, LAST_RECEIPT):
            for chunk in chunks:
                _delete(caller, receipt, cells({column: stamp(receipt.append_id, chunk.number)}))
            settle.expect_none(caller, receipt, evidence, chunks, settle.patience(caller, 0.0))
            for chunk in chunks:
                ledger.become(chunk, State.PENDING, reason="deleted by its stamp")
            how = How(verify="tag", progress=False, audit=True)
            return Append(caller, taken.encoder, ledger, how, only=chunks).run()


class _Taken:
    """An append that this call has to itself: its receipt, its journal if there is one, its rows encoded anew."""

    def __init__(self, df: pd.DataFrame, path_or_receipt: Any) -> None:
        self._journal: Journal | None = None
        if isinstance(path_or_receipt, AppendReceipt):
            self.receipt = path_or_receipt
            path = self.receipt.journal
        else:
            path = path_or_receipt
        found: AppendReceipt | None = None
        try:
            if path is not None:
                self._journal, found = Journal.reopen(path)
                if not isinstance(path_or_receipt, AppendReceipt):
                    self.receipt = found
                if found.append_id != self.receipt.append_id:
                    raise _mismatch(f"the journal {path} is of another append than the receipt")
            self.encoder = _encoded_anew(df, self.receipt)
        except BaseException:
            self.__exit__()
            raise

    def ledger(self) -> Ledger:
        """Where what happens from now on is entered; the journal learns first where things stand."""
        ledger = Ledger(self.receipt, self._journal)
        ledger.take_over()
        for chunk in self.receipt.chunks_in(State.SENDING):
            ledger.become(chunk, State.IN_DOUBT)
        return ledger

    def __enter__(self) -> _Taken:
        return self

    def __exit__(self, *_: object) -> None:
        if self._journal is not None:
            self._journal.close()


# ---------------------------------------------------------------------------------------------------------
# Whether it is the same append


def _encoded_anew(df: Any, receipt: AppendReceipt) -> FrameEncoder:
    job = receipt.job
    if not hasattr(df, "iloc") or not hasattr(df, "columns"):
        raise InputError(f"df must be a DataFrame, not {type(df).__name__}")
    if len(df) != job.rows:
        raise _mismatch(f"the frame has {len(df):,} rows, and the one of the append has {job.rows:,}")
    try:
        encoder = encoder_of(df, job.types, job.index, How(tag_column=job.tag_column), job.append_id)
    except InputError as error:
        raise _mismatch(f"the frame can't be sent as that of the append was: {error}") from None
    if encoder.columns != job.columns:
        raise _mismatch(f"the frame has the columns {encoder.columns}, and that of the append has {job.columns}")
    return encoder


def _check(caller: Sender, receipt: AppendReceipt, encoder: FrameEncoder, verify: str | None) -> None:
    """See to it that nothing but this append goes on.

    Raises
    ------
    JournalMismatch
        Account or frame are others.
    InputError
        It can't be settled in that way.
    """
    job = receipt.job
    if caller.account != job.account:
        raise _mismatch("it was made through another account, user or key, or at another url, than this session's")
    if verify == "tag" and job.tag_column is None:
        raise InputError('the rows of this append bear no stamps: verify="tag" has to be given when it begins')
    if verify == "count" and job.rows_before is None:
        raise InputError('the rows were not counted before this append: verify="count" has to be given when it begins')
    if job.digest is not None and not is_of(job.digest, encoder):
        raise _mismatch("the frame holds other rows than that of the append")
    _check_chunks(receipt, encoder)


def _check_chunks(receipt: AppendReceipt, encoder: FrameEncoder) -> None:
    """Encode every chunk that was sent again, and compare."""
    stamped(encoder, receipt.chunks_in())
    for row_format in RowFormat:
        sent = [chunk for chunk in receipt.chunks_in() if chunk.sha256 and chunk.format == row_format.value]
        bodies = encoder.digested_bodies(row_format, [(chunk.start, chunk.stop) for chunk in sent])
        for chunk, body in zip(sent, bodies, strict=True):
            if body.sha256 != chunk.sha256:
                raise _mismatch(f"{chunk.named} of the frame are others than were sent")


def _check_wanted(receipt: AppendReceipt, rec_id: Any, chunksize: Any) -> None:
    job = receipt.job
    if rec_id is not None and rec_id != job.rec_id:
        raise _mismatch(f"it is of data set {job.rec_id}, not {rec_id!r}")
    if chunksize is not None and chunksize != job.chunksize:
        raise _mismatch(f"it was begun with chunksize={job.chunksize}, not {chunksize!r}")


def _mismatch(what: str) -> JournalMismatch:
    return JournalMismatch(f"this append can't go on: {what}. Nothing was sent.")


# ---------------------------------------------------------------------------------------------------------
# What is in doubt


def _checked_fates(in_doubt: Any) -> Mapping[int, str] | str | None:
    fates = list(in_doubt.values()) if isinstance(in_doubt, Mapping) else [in_doubt]
    if in_doubt is not None and not all(isinstance(fate, str) and fate in IN_DOUBT for fate in fates):
        raise InputError(
            f'in_doubt must be "stored", "missing", or a mapping of chunk start to these, not {in_doubt!r}'
        )
    return in_doubt  # type: ignore[no-any-return]  # it was looked at


def _apply(ledger: Ledger, said: Mapping[int, str] | str | None) -> None:
    """Enter what the caller saw."""
    chunks = ledger.receipt.doubtful()
    if isinstance(said, Mapping):
        unknown = sorted(set(said) - {chunk.start for chunk in chunks})
        if unknown:
            raise InputError(f"in_doubt: no chunk in doubt starts at {', '.join(map(repr, unknown))}")
    for chunk in chunks:
        fate = said.get(chunk.start) if isinstance(said, Mapping) else said
        if fate is not None:
            ledger.become(chunk, IN_DOUBT[fate], reason=f"said to be {fate} by the caller")


def _unsettled(receipt: AppendReceipt) -> AppendAmbiguous:
    rows = ", ".join(f"{chunk.start} to {chunk.stop - 1}" for chunk in receipt.doubtful()[:10])
    return ambiguous(
        receipt,
        f"rows {rows} of the frame may be stored or not, and nothing was sent",
        'Look whether they are there, then say in_doubt="stored" or in_doubt="missing".',
    )


def _delete(caller: Sender, receipt: AppendReceipt, find: bytes) -> None:
    """Delete by a stamp; again, where the answer was lost: it can reach no other rows."""
    asked = changes.delete_request(receipt.rec_id, find, "all")
    failure: ClicDataError | None = None
    for _ in range(_MOST_DELETES):
        if failure is not None:
            caller.sleep(settle.APART)
        try:
            caller.call(asked).value()
            return
        except ClicDataError as error:
            failure = error
        if outcome(failure) is not Outcome.UNKNOWN:
            failure.receipt = receipt
            raise failure
    lost = DeleteAmbiguous(f"repair: the answers were lost, the rows may be deleted or not ({failure}). Call it again.")
    lost.safe_to_repeat = True
    lost.receipt = receipt
    raise lost from failure
