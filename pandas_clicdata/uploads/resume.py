"""Resume an append that stopped, in this process or another; repair chunks in doubt."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from pandas_clicdata.errors import AppendAmbiguous, ClicDataError, DeleteAmbiguous, InputError
from pandas_clicdata.frames.compare import compare
from pandas_clicdata.frames.encode import cells
from pandas_clicdata.frames.pieces import frames_of
from pandas_clicdata.names import DATA_SET, find_id
from pandas_clicdata.session import manager
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.uploads import verify as verification
from pandas_clicdata.uploads.append import LAST_RECEIPT, Append, AppendOptions
from pandas_clicdata.uploads.change import send_delete
from pandas_clicdata.uploads.pieces import Pieces, mismatch
from pandas_clicdata.uploads.receipt import AppendReceipt, State, ambiguous_error, receipt_on_interrupt
from pandas_clicdata.uploads.receipt_writer import ReceiptWriter, run_alone
from pandas_clicdata.uploads.run import Run
from pandas_clicdata.uploads.stamps import stamp, verify_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

    from pandas_clicdata.frames.pieces import Rows
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.journal import Journal

_STATES = {"stored": State.VERIFIED, "missing": State.PENDING}
_MAX_DELETES = 4

Fate = Literal["stored", "missing"]


class Around(Protocol):
    """The deletes before and after an append that replaces rows."""

    def before(self) -> Mapping[int, Fate]:
        """Delete the old rows if this comes first. Return which chunks in doubt are stored or missing, by start."""
        ...

    def after(self) -> None:
        """Delete the old rows if this comes last."""
        ...


def go_on(
    data: Rows,
    path_or_receipt: str | os.PathLike[str] | AppendReceipt,
    *,
    session: Session | None,
    progress: bool | None,
    workers: int,
    verify: Literal["count", "tag"] | None,
    exclusive: bool,
    in_doubt: Fate | Mapping[int, Fate] | None,
    audit: bool | None,
    rec_id: int | str | None,
    chunksize: int | None,
    around: Callable[[AppendReceipt], Around] | None = None,
) -> AppendReceipt:
    """Resume an append that stopped; see `resume_append`."""
    session = manager.current(session)
    fates = _checked_fates(in_doubt)
    options = AppendOptions(workers=workers, progress=progress, audit=audit)
    if problems := verify_problems(verify, exclusive, workers):
        raise InputError(problems)
    options.verify = verify
    found = None if rec_id is None else find_id(DATA_SET, rec_id, session)
    return _go_on(session, data, path_or_receipt, options, fates, found, chunksize, around)


def resume_same(session: Session, data: Rows, options: AppendOptions, rec_id: int | None) -> AppendReceipt | None:
    """Resume the append that has the id and the journal of these options; None without such a journal."""
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
    """Append to a data set, or resume the append that has the same id."""
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
    around: Callable[[AppendReceipt], Around] | None = None,
) -> AppendReceipt:
    with _reopened(data, path_or_receipt) as (receipt, journal, frames):
        job = receipt.job
        if rec_id is not None and rec_id != job.rec_id:
            raise mismatch(f"it is of data set {job.rec_id}, not {rec_id!r}")
        if chunksize is not None and chunksize != job.chunksize:
            raise mismatch(f"it was begun with chunksize={job.chunksize}, not {chunksize!r}")
        options.verify = options.verify or (None if job.tag_column is None else "tag")
        _check(session, receipt, options.verify)
        if receipt.run is None and job.tag_column is not None and not job.made:  # the first run failed too early
            verification.find_chunks(session, receipt)
        known = session.columns.get(job.rec_id)
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
        with receipt_on_interrupt(receipt, LAST_RECEIPT):
            beside = None if around is None else around(receipt)
            if beside is not None:
                _note_fates(writer, beside.before())
                writer.begin()
            if receipt.doubtful() and options.verify is None:
                raise _still_in_doubt(receipt)
            Run(session, pieces, writer, options).run()
            if beside is not None:
                beside.after()
            return receipt


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
                    f"the journal {path} was removed, so that it is not known whether another call continued from it. "
                    "Nothing was sent. If none did, append receipt.remaining(df)"
                )
            else:
                journal, found = Journal.reopen(path)
            receipt = receipt or found
            if found.append_id != receipt.append_id:
                raise mismatch(f"the journal {path} is of another append than the receipt")
            if found.run != receipt.run:  # another call continued without this receipt
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
    """Write the receipt into the journal. Chunks that were on the wire are now in doubt."""
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
        raise InputError('the rows of this append have no stamps: verify="tag" has to be given when it begins')
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
    """Note the outcomes of chunks in doubt that the caller found out."""
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
        'Check whether they are stored, then give in_doubt="stored" or in_doubt="missing".',
    )


def _delete(session: Session, receipt: AppendReceipt, find: bytes) -> None:
    """Delete rows by a stamp. Repeat the delete if the response was lost: the stamp matches no other rows."""
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
        f"repair: the responses were lost, the rows may be deleted or not ({failure}). Call repair again."
    )
    lost.safe_to_repeat = True
    lost.receipt = receipt
    raise lost from failure
