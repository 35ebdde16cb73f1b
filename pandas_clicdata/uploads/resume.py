"""Going on with an append that stopped, in this process or another; and repairing chunks in doubt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from pandas_clicdata.errors import AppendAmbiguous, ClicDataError, DeleteAmbiguous, InputError, public
from pandas_clicdata.frames.compare import compare
from pandas_clicdata.frames.encode import cells
from pandas_clicdata.frames.pieces import frames_of
from pandas_clicdata.session import manager
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.uploads import verify as verification
from pandas_clicdata.uploads.append import LAST_RECEIPT, Append, AppendOptions, verify_problems
from pandas_clicdata.uploads.change import send_delete
from pandas_clicdata.uploads.pieces import Pieces, mismatch
from pandas_clicdata.uploads.receipt import (
    AppendReceipt,
    State,
    ambiguous_error,
    receipt_on_interrupt,
)
from pandas_clicdata.uploads.receipt_writer import ReceiptWriter, run_alone
from pandas_clicdata.uploads.run import Run
from pandas_clicdata.uploads.stamps import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from pandas_clicdata.frames.pieces import Rows
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.journal import Journal

_STATES = {"stored": State.VERIFIED, "missing": State.PENDING}
_MAX_DELETES = 4

Fate = Literal["stored", "missing"]


@public
def resume_append(
    data: Rows,
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
    """Go on with an append that stopped: skip the stored rows, find out which rows in doubt are stored, send the rest.

    Nothing is sent before frame and account are known to be those of the append: all rows that were sent are written
    again and compared with the digests of their chunks, the others with a digest of the frame (of 1,000 evenly spaced
    rows if it has more). Of several pieces, each is compared before its rows are sent.

    Parameters
    ----------
    data : DataFrame, or what `append` takes
        The frame that was appended; or all its pieces again, from the first one on, in the same order.
    path_or_receipt : str, path or AppendReceipt
        The journal of the append, or its receipt (of the error, or ``session.last_receipt``).
    session : Session, optional
        The session to send through; the default session if not given.
    progress : bool, optional
        Whether to show a bar; by default in a notebook, and if stderr is a terminal.
    workers : int, default 1
        Chunks on the wire at once, 32 at most.
    verify : {"count", "tag"}, optional
        How to find out which rows in doubt are stored, as in ``df.clicdata.append``. By default by the stamps if the
        rows bear some; else rows in doubt end the call. ``"count"`` needs an append that began with it, or with its
        table.
    exclusive : bool, default False
        For ``verify="count"``: your promise that nobody else wrote to the data set since the append began.
    in_doubt : {"stored", "missing"} or mapping of int to these, optional
        What became of the rows in doubt, if you looked yourself: for all chunks, or by the ``start`` of each. Missing
        rows are sent again.
    audit : bool, optional
        Whether to count the rows at the end; by default with ``verify``, or if the append created its table.
    rec_id, chunksize : int, optional
        Values to compare with those of the append, which the journal holds.

    Returns
    -------
    AppendReceipt
        Every row appended. If they were before, nothing is sent.

    Raises
    ------
    JournalMismatch
        Frame, account, ``rec_id`` or ``chunksize`` are not those of the append; nothing was sent.
    JournalBusy
        Another process, or another call, writes to the journal; nothing was sent.
    InputError
        The journal or an argument can't be used; nothing was sent.
    AppendAmbiguous
        Rows are in doubt, and there is no way to find out which are stored, or it failed; nothing was sent. Or the
        response to a chunk was lost again.
    AppendInterrupted
        It stopped again. This error and `AppendAmbiguous` carry ``.receipt``.

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
    session = manager.current(session)
    fates = _checked_fates(in_doubt)
    options = AppendOptions(workers=workers, progress=progress, audit=audit)
    if problems := verify_problems(verify, exclusive, workers):
        raise InputError(problems)
    options.verify = verify
    return _go_on(session, data, path_or_receipt, options, fates, rec_id, chunksize)


def resume_same(session: Session, data: Rows, options: AppendOptions, rec_id: int | None) -> AppendReceipt | None:
    """Go on with the append that has the id and the journal of these options; None if nothing was sent under it."""
    path = options.journal
    if options.append_id is None or path is None or not os.path.exists(path):  # noqa: PTH110
        return None
    from pandas_clicdata.uploads.journal import discard_empty, load  # imports sqlite3, which only a journal needs

    if discard_empty(str(path)):
        return None
    job = load(path).job
    if job.append_id != options.append_id:
        raise mismatch(f"the journal {path} is of the append {job.append_id!r}, not {options.append_id!r}")
    if job.tag_column != options.tag_column:
        raise mismatch(f"it was begun with tag_column={job.tag_column!r}, not {options.tag_column!r}")
    for name, of in (options.types or {}).items():
        if (job.types or {}).get(name) != of:
            raise mismatch(f"it was begun with another type of the column {name!r} than {of!r}")
    return _go_on(session, data, path, options, None, rec_id, options.chunksize)


def append_once(session: Session, data: Rows, options: AppendOptions, rec_id: int) -> AppendReceipt:
    """Append to a data set, or go on with the append that has the same id."""
    if (receipt := resume_same(session, data, options, rec_id)) is not None:
        return receipt
    with Append(session, data, options, rec_id) as append:
        return append.send_to(rec_id)


def _go_on(
    session: Session,
    data: Rows,
    path_or_receipt: str | os.PathLike[str] | AppendReceipt,
    options: AppendOptions,
    fates: Mapping[int, str] | str | None,
    rec_id: int | None,
    chunksize: int | None,
) -> AppendReceipt:
    with _reopened(data, path_or_receipt) as (receipt, journal, frames):
        job = receipt.job
        if rec_id is not None and rec_id != job.rec_id:
            raise mismatch(f"it is of data set {job.rec_id}, not {rec_id!r}")
        if chunksize is not None and chunksize != job.chunksize:
            raise mismatch(f"it was begun with chunksize={job.chunksize}, not {chunksize!r}")
        options.verify = options.verify or (None if job.tag_column is None else "tag")
        _check(session, receipt, options.verify)
        if receipt.run is None and job.tag_column is not None and not job.made:  # it may have failed to look for them
            verification.find_chunks(session, receipt)
        known = dict(session.columns).get(job.rec_id)
        pieces = Pieces(receipt, frames, known=known)
        session.last_receipt = receipt
        if receipt.complete and receipt.audited:
            while pieces.read() is not None:
                pass
            return receipt
        if job.check is not False:
            compare(pieces.first, job.rec_id, known, collect=known is None or job.errors == "collect")
        writer = _begun(receipt, journal)
        _note_fates(writer, fates)
        for chunk in receipt.chunks_in(State.REFUSED):
            writer.note(chunk, State.PENDING)
        writer.save()
        if receipt.doubtful() and options.verify is None:
            raise _still_in_doubt(receipt)
        with receipt_on_interrupt(receipt, LAST_RECEIPT):
            return Run(session, pieces, writer, options).run()


def repair(receipt: AppendReceipt, df: Rows, *, session: Session | None = None) -> AppendReceipt:
    """Delete the rows of the chunks in doubt by their stamps, and send them once more."""
    session = manager.current(session)
    column = receipt.job.tag_column
    if column is None:
        raise InputError('only rows with stamps can be found and deleted: append with verify="tag"')
    with _reopened(df, receipt) as (_, journal, frames):
        _check(session, receipt, "tag")
        pieces = Pieces(receipt, frames, only_known=True)
        chunks = receipt.doubtful()
        if not chunks:
            return receipt
        writer = _begun(receipt, journal)
        session.last_receipt = receipt
        with receipt_on_interrupt(receipt, LAST_RECEIPT):
            for chunk in chunks:
                _delete(session, receipt, cells({column: stamp(receipt.append_id, chunk)}))
            verification.check_deleted(session, receipt, chunks)
            for chunk in chunks:
                writer.note(chunk, State.PENDING, reason="deleted by its stamp")
            options = AppendOptions(progress=False, audit=True)
            options.verify = "tag"
            return Run(session, pieces, writer, options, only=[chunk.span for chunk in chunks]).run()


@contextmanager
def _reopened(
    data: Any, path_or_receipt: Any
) -> Iterator[tuple[AppendReceipt, Journal | None, Iterable[pd.DataFrame]]]:
    """Open the journal again, if there is one."""
    frames = frames_of(data)
    receipt: AppendReceipt | None = None
    path = path_or_receipt
    if isinstance(path_or_receipt, AppendReceipt):
        receipt, path = path_or_receipt, path_or_receipt.journal
    journal = None
    try:
        if path is not None:
            from pandas_clicdata.uploads.journal import Journal  # imports sqlite3, which only a journal needs

            if receipt is not None and receipt.run is None:  # its journal could not be begun
                journal, found = Journal.create(path), receipt
            elif receipt is not None and not os.path.exists(path):  # noqa: PTH110
                raise InputError(
                    f"the journal {path} was removed, so that it is not known whether another call went on from it. "
                    "Nothing was sent. If none did, append receipt.remaining(df)"
                )
            else:
                journal, found = Journal.reopen(path)
            receipt = receipt or found
            if found.append_id != receipt.append_id:
                raise mismatch(f"the journal {path} is of another append than the receipt")
            if found.run != receipt.run:  # it went on without this receipt
                receipt.table, receipt.audited = found.table, found.audited
                receipt.parts, receipt.ended = found.parts, found.ended
        if receipt is None:
            raise InputError("path_or_receipt must be a journal's path or an AppendReceipt, not None")
        with run_alone(receipt.job):
            yield receipt, journal, frames
    finally:
        if journal is not None:
            journal.close()


def _begun(receipt: AppendReceipt, journal: Journal | None) -> ReceiptWriter:
    """Write the receipt, as it stands, into the journal; chunks that were on the wire are in doubt."""
    writer = ReceiptWriter(receipt, journal)
    writer.begin()
    for chunk in receipt.chunks_in(State.SENDING):
        writer.note(chunk, State.IN_DOUBT)
    return writer


# ---------------------------------------------------------------------------------------------------------
# Whether it is the same append


def _check(session: Session, receipt: AppendReceipt, verify: str | None) -> None:
    """Check that the account is that of the append, and that it can be verified in this way."""
    job = receipt.job
    if session.account != job.account:
        raise mismatch("it was made through another account, user or key, or at another url, than this session's")
    if verify == "tag" and job.tag_column is None:
        raise InputError('the rows of this append bear no stamps: verify="tag" has to be given when it begins')
    if verify == "count" and job.rows_before is None:
        raise InputError('the rows were not counted before this append: verify="count" has to be given when it begins')


# ---------------------------------------------------------------------------------------------------------
# Chunks in doubt


def _checked_fates(in_doubt: Any) -> Mapping[int, str] | str | None:
    fates = list(in_doubt.values()) if isinstance(in_doubt, Mapping) else [in_doubt]
    if in_doubt is not None and not all(isinstance(fate, str) and fate in _STATES for fate in fates):
        raise InputError(
            f'in_doubt must be "stored", "missing", or a mapping of chunk start to these, not {in_doubt!r}'
        )
    return in_doubt  # type: ignore[no-any-return]  # checked above


def _note_fates(writer: ReceiptWriter, fates: Mapping[int, str] | str | None) -> None:
    """Note what the caller found out about chunks in doubt."""
    chunks = writer.receipt.doubtful()
    if isinstance(fates, Mapping):
        unknown = sorted(set(fates) - {chunk.start for chunk in chunks})
        if unknown:
            raise InputError(f"in_doubt: no chunk in doubt starts at {', '.join(map(repr, unknown))}")
    for chunk in chunks:
        fate = fates.get(chunk.start) if isinstance(fates, Mapping) else fates
        if fate is not None:
            writer.note(chunk, _STATES[fate], reason=f"said to be {fate} by the caller")


def _still_in_doubt(receipt: AppendReceipt) -> AppendAmbiguous:
    rows = ", ".join(receipt.label(chunk) for chunk in receipt.doubtful()[:10])
    return ambiguous_error(
        receipt,
        f"{rows} may be stored or not, and nothing was sent",
        'Look whether they are stored, then give in_doubt="stored" or in_doubt="missing".',
    )


def _delete(session: Session, receipt: AppendReceipt, find: bytes) -> None:
    """Delete by a stamp; again if the response was lost, since no other rows match."""
    failure: ClicDataError | None = None
    for attempt in range(_MAX_DELETES):
        if attempt:
            session.sleep(verification.APART)
        try:
            send_delete(session, receipt.rec_id, find, "all").value()
            return
        except ClicDataError as error:
            if outcome(error) is not Outcome.UNKNOWN:
                error.receipt = receipt
                raise
            failure = error
    lost = DeleteAmbiguous(
        f"repair: the responses were lost, the rows may be deleted or not ({failure}). Call it again."
    )
    lost.safe_to_repeat = True
    lost.receipt = receipt
    raise lost from failure
