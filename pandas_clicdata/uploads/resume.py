"""Going on with an append that stopped, in this process or another; and repairing chunks in doubt."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pandas_clicdata.errors import AppendAmbiguous, ClicDataError, DeleteAmbiguous, InputError, JournalMismatch
from pandas_clicdata.frames.compare import compare
from pandas_clicdata.frames.encode import RowFormat, cells
from pandas_clicdata.session import manager
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.uploads import verify as verification
from pandas_clicdata.uploads.append import LAST_RECEIPT, AppendOptions, Run
from pandas_clicdata.uploads.change import send_delete
from pandas_clicdata.uploads.chunk import write_body
from pandas_clicdata.uploads.receipt import (
    AppendReceipt,
    ReceiptWriter,
    State,
    ambiguous_error,
    receipt_on_interrupt,
    run_alone,
    takes_index,
)
from pandas_clicdata.uploads.stamps import encoder_of, fingerprint, stamp, verify_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    from pandas_clicdata.frames.encode import FrameEncoder
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.journal import Journal

_STATES = {"stored": State.VERIFIED, "missing": State.PENDING}
_MAX_DELETES = 4

Fate = Literal["stored", "missing"]


class Around(Protocol):
    """What an append that replaces rows needs beside itself."""

    def before(self) -> Mapping[int, Fate]:
        """Delete the rows that go first, and return what became of the chunks in doubt, by their start."""
        ...

    def after(self) -> None:
        """Delete the rows that go last."""
        ...


def go_on(
    df: pd.DataFrame,
    path_or_receipt: str | os.PathLike[str] | AppendReceipt,
    *,
    session: Session | None,
    progress: bool | None,
    workers: int,
    verify: Literal["count", "tag"] | None,
    exclusive: bool,
    in_doubt: Fate | Mapping[int, Fate] | None,
    audit: bool | None,
    rec_id: int | None,
    chunksize: int | None,
    around: Callable[[AppendReceipt], Around] | None = None,
) -> AppendReceipt:
    """Go on with an append that stopped, as `resume_append` says."""
    session = manager.current(session)
    fates = _checked_fates(in_doubt)
    options = AppendOptions(workers=workers, progress=progress, audit=audit)
    if problems := verify_problems(verify, exclusive, workers):
        raise InputError(problems)
    with _reopened(df, path_or_receipt) as (receipt, journal, encoder):
        job = receipt.job
        if rec_id is not None and rec_id != job.rec_id:
            raise _mismatch(f"it is of data set {job.rec_id}, not {rec_id!r}")
        if chunksize is not None and chunksize != job.chunksize:
            raise _mismatch(f"it was begun with chunksize={job.chunksize}, not {chunksize!r}")
        options.verify = verify or (None if job.tag_column is None else "tag")
        _check(session, receipt, encoder, options.verify)
        session.last_receipt = receipt
        if receipt.complete and receipt.audited:
            return receipt
        if job.check is not False:
            known = dict(session.columns).get(job.rec_id)
            compare(encoder, job.rec_id, known, collect=known is None or job.errors == "collect")
        writer = _begun(receipt, journal)
        _note_fates(writer, fates)
        for chunk in receipt.chunks_in(State.REFUSED):
            writer.note(chunk, State.PENDING)
        writer.save()
        with receipt_on_interrupt(receipt, LAST_RECEIPT):
            beside = None if around is None else around(receipt)
            if beside is not None:
                _note_fates(writer, beside.before())
                writer.begin()
            if receipt.doubtful() and options.verify is None:
                raise _still_in_doubt(receipt)
            Run(session, encoder, writer, options).run()
            if beside is not None:
                beside.after()
            return receipt


def repair(receipt: AppendReceipt, df: pd.DataFrame, *, session: Session | None = None) -> AppendReceipt:
    """Delete the rows of the chunks in doubt by their stamps, and send them once more."""
    session = manager.current(session)
    column = receipt.job.tag_column
    if column is None:
        raise InputError('only rows with stamps can be found and deleted: append with verify="tag"')
    with _reopened(df, receipt) as (_, journal, encoder):
        _check(session, receipt, encoder, "tag")
        chunks = receipt.doubtful()
        if not chunks:
            return receipt
        writer = _begun(receipt, journal)
        session.last_receipt = receipt
        with receipt_on_interrupt(receipt, LAST_RECEIPT):
            for chunk in chunks:
                _delete(session, receipt, cells({column: stamp(receipt.append_id, chunk.number)}))
            verification.check_deleted(session, receipt, chunks)
            for chunk in chunks:
                writer.note(chunk, State.PENDING, reason="deleted by its stamp")
            options = AppendOptions(progress=False, audit=True)
            options.verify = "tag"
            return Run(session, encoder, writer, options, only=[chunk.span for chunk in chunks]).run()


@contextmanager
def _reopened(df: Any, path_or_receipt: Any) -> Iterator[tuple[AppendReceipt, Journal | None, FrameEncoder]]:
    """Open the journal again, if there is one, and check the rows."""
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
                raise _mismatch(f"the journal {path} is of another append than the receipt")
            if found.run != receipt.run:  # it went on without this receipt
                receipt.table, receipt.audited = found.table, found.audited
        if receipt is None:
            raise InputError("path_or_receipt must be a journal's path or an AppendReceipt, not None")
        with run_alone(receipt.append_id):
            yield receipt, journal, _encoded(df, receipt)
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


def _encoded(df: Any, receipt: AppendReceipt) -> FrameEncoder:
    job = receipt.job
    if not hasattr(df, "iloc") or not hasattr(df, "columns"):
        raise InputError(f"df must be a DataFrame, not {type(df).__name__}")
    if len(df) != job.rows:
        raise _mismatch(f"the frame has {len(df):,} rows, and the one of the append has {job.rows:,}")
    try:
        encoder = encoder_of(df, job.append_id, job.tag_column, types=job.types, index=takes_index(df, job))
    except InputError as error:
        raise _mismatch(f"the frame can't be sent as that of the append was: {str(error).rstrip('.')}") from None
    if encoder.columns != job.columns:
        levels = [name for name in df.index.names if name is not None]
        index = f", and the index {levels}" if levels else ""
        raise _mismatch(f"the frame has the columns {[*df.columns]}{index}, and the append sent {job.columns}")
    return encoder


def _check(session: Session, receipt: AppendReceipt, encoder: FrameEncoder, verify: str | None) -> None:
    """Check that account and frame are those of the append, and that it can be verified in this way."""
    job = receipt.job
    if session.account != job.account:
        raise _mismatch("it was made through another account, user or key, or at another url, than this session's")
    if verify == "tag" and job.tag_column is None:
        raise InputError('the rows of this append bear no stamps: verify="tag" has to be given when it begins')
    if verify == "count" and job.rows_before is None:
        raise InputError('the rows were not counted before this append: verify="count" has to be given when it begins')
    if fingerprint(encoder) != job.fingerprint:
        raise _mismatch("the frame holds other rows than that of the append")
    for chunk in receipt.chunks_in():
        body = write_body(encoder, receipt, chunk, RowFormat(chunk.row_format)) if chunk.sha256 else b""
        if chunk.sha256 and hashlib.sha256(body).hexdigest() != chunk.sha256:
            raise _mismatch(f"{chunk.label} of the frame: not as they were sent")


def _mismatch(what: str) -> JournalMismatch:
    return JournalMismatch(f"this append can't go on: {what}. Nothing was sent.")


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
    rows = ", ".join(chunk.label for chunk in receipt.doubtful()[:10])
    return ambiguous_error(
        receipt,
        f"{rows} of the frame may be stored or not, and nothing was sent",
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
