"""The run of an append: cut, encode, send, judge, stop or go on. Never a chunk twice that may be stored."""

from __future__ import annotations

import gzip
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import (
    AppendAmbiguous,
    AppendInterrupted,
    ClicDataError,
    InputError,
    ProtocolError,
    WriteError,
)
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.progress import bar
from pandas_clicdata.session.ahead import Ahead
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.session.wire import Caller, Dialect, DialectChanged, Reply, Request
from pandas_clicdata.uploads.receipt import AppendReceipt, Chunk, State

if TYPE_CHECKING:
    from collections.abc import Iterator

# The legacy dialect states no limit. Each request costs a round trip and about a millisecond of work, which
# 5,000 rows make small; 4 MB keeps wide rows within what servers usually take in one request (C).
LEGACY_ROWS = 5_000
LEGACY_BYTES = 4_000_000
MODERN_ROWS = 500  # the service's own limit for /insert
MODERN_BYTES = 4_000_000  # C: no limit in bytes is known


def append(
    caller: Caller,
    rec_id: int,
    encoder: FrameEncoder,
    *,
    chunksize: int | None,
    progress: bool | None,
    workers: int = 1,
    compress: bool = False,
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
    chunksize : int or None
        Rows a request at most.
    progress : bool or None
        Whether to show a bar.
    workers : int, default 1
        Chunks on the wire at once. With one, the rows are stored in the order of the frame.
    compress : bool, default False
        Whether to send the bodies compressed.

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
    receipt = AppendReceipt(rec_id, encoder.rows)
    caller.last_receipt = receipt
    with bar(progress, f"append to {rec_id}", encoder.rows) as shown:
        while not receipt.complete:
            run = _Run(caller, receipt, encoder, caller.dialect, compress=compress)
            try:
                for chunk in run.chunks(chunksize, workers):
                    shown.update(chunk.rows)
            except DialectChanged:
                continue  # nothing of the chunk was sent: what is left is cut for the other dialect
            except (KeyboardInterrupt, SystemExit) as interrupt:
                _tell(interrupt, receipt)
                raise
    return receipt


def bounds(encoder: FrameEncoder, dialect: Dialect, chunksize: int | None, spans: list[range]) -> list[tuple[int, int]]:
    """The chunks of the rows in the spans, as large as the dialect allows."""
    most_rows = LEGACY_ROWS if dialect is Dialect.LEGACY else MODERN_ROWS
    if chunksize is not None:
        most_rows = chunksize if dialect is Dialect.LEGACY else min(chunksize, MODERN_ROWS)
    most_bytes = LEGACY_BYTES if dialect is Dialect.LEGACY else MODERN_BYTES
    cut = encoder.cut(row_format(dialect), max_rows=most_rows, max_bytes=most_bytes)
    clipped = ((max(first, span.start), min(stop, span.stop)) for span in spans for first, stop in cut)
    return [(first, stop) for first, stop in clipped if first < stop]


def row_format(dialect: Dialect) -> RowFormat:
    """How the dialect wants its rows."""
    return RowFormat.CELLS if dialect is Dialect.LEGACY else RowFormat.OBJECTS


def request(rec_id: int, dialect: Dialect, body: bytes, *, compress: bool = False) -> Request:
    """The request that appends a chunk."""
    path = f"/data/{rec_id}/row" if dialect is Dialect.LEGACY else f"/data/{rec_id}/insert"
    if compress:
        body = gzip.compress(body, compresslevel=1)
    return Request("append rows", "POST", path, body=body, dialect=dialect, compressed=compress)


def checked_chunksize(chunksize: Any) -> int | None:
    """Rows a request at most; None for as many as the dialect allows."""
    if chunksize is None:
        return None
    if isinstance(chunksize, bool) or not hasattr(type(chunksize), "__index__") or chunksize < 1:
        raise InputError(f"chunksize must be a whole number of rows, 1 at least, not {chunksize!r}")
    return int(chunksize)


class _Run:
    """One go at the rows that are not stored yet, in one dialect."""

    def __init__(
        self, caller: Caller, receipt: AppendReceipt, encoder: FrameEncoder, dialect: Dialect, *, compress: bool
    ) -> None:
        self._caller = caller
        self._receipt = receipt
        self._encoder = encoder
        self._dialect = dialect
        self._compress = compress

    def chunks(self, chunksize: int | None, workers: int) -> Iterator[Chunk]:
        """Send the chunks, and give each when it is stored. The first that fails ends it."""
        cut = bounds(self._encoder, self._dialect, chunksize, self._receipt.remaining_spans())
        planned = self._receipt.plan(cut)
        bodies = self._encoder.bodies(row_format(self._dialect), [(chunk.start, chunk.stop) for chunk in planned])
        if workers > 1:
            yield from self._side_by_side(planned, bodies, workers)
            return
        with Ahead(1) as ahead:
            for chunk, body in zip(planned, _one_ahead(bodies, ahead), strict=True):
                self._send(chunk, body)
                yield chunk

    def _side_by_side(self, planned: list[Chunk], bodies: Iterator[bytes], workers: int) -> Iterator[Chunk]:
        """Keep ``workers`` chunks on the wire. After a failure no other is sent; those on the wire are heard out."""
        waiting = zip(planned, bodies, strict=True)
        sent: dict[Future[None], Chunk] = {}
        failures: list[BaseException] = []
        with Ahead(workers) as ahead:
            while True:
                while len(sent) < workers and not failures and (ready := next(waiting, None)) is not None:
                    sent[ahead.submit(partial(self._send, *ready))] = ready[0]
                if not sent:
                    break
                for future in wait(sent, return_when=FIRST_COMPLETED).done:
                    chunk = sent.pop(future)
                    problem = future.exception()
                    if problem is None:
                        yield chunk
                    else:
                        failures.append(problem)
        if failures:
            raise self._worst(failures)

    def _worst(self, failures: list[BaseException]) -> BaseException:
        """The failure that says most: a chunk in doubt before one that was refused, told with all that is stored."""
        found = sorted(failures, key=lambda e: (isinstance(e, DialectChanged), not isinstance(e, AppendAmbiguous)))
        worst = found[0]
        if isinstance(worst, ClicDataError) and not isinstance(worst, (WriteError, DialectChanged)):
            return _interrupted(self._receipt, worst)
        if len(failures) > 1 or isinstance(worst, AppendAmbiguous):
            worst.args = (f"{worst.args[0]} In the end: {self._receipt.summary()}.",)
        return worst

    def _send(self, chunk: Chunk, body: bytes) -> None:
        chunk.state = State.SENDING
        try:
            reply = self._caller.call(request(self._receipt.rec_id, self._dialect, body, compress=self._compress))
            chunk.rows_inserted = rows_inserted(reply)
        except DialectChanged:
            chunk.state = State.PENDING
            raise
        except ClicDataError as error:
            failure = _stopped(self._receipt, chunk, error)
        except BaseException as interrupt:  # Ctrl-C: the chunk may have been stored
            chunk.state, chunk.error = State.IN_DOUBT, type(interrupt).__name__
            raise
        else:
            if chunk.rows_inserted in (None, chunk.rows):
                chunk.state = State.APPLIED
                return
            failure = _partly(self._receipt, chunk)
        raise failure


def rows_inserted(reply: Reply) -> int | None:
    """How many rows the service says it stored, None where it only says that it did.

    Raises
    ------
    ProtocolError
        The answer doesn't say whether the rows are stored.
    """
    value = reply.value()
    if isinstance(value, dict) and value.get("rows_inserted") is not None:
        count = value["rows_inserted"]
        if isinstance(count, int) and not isinstance(count, bool):
            return count
    elif isinstance(value, dict) or value is True or (isinstance(value, int) and value is not False):
        return None
    raise ProtocolError(
        "append rows: ClicData's answer doesn't say whether the rows are stored", operation="append rows"
    )


def _stopped(receipt: AppendReceipt, chunk: Chunk, error: ClicDataError) -> ClicDataError:
    """The error to raise for one that ended a chunk: what it was, and what is stored."""
    chunk.error = str(error)
    what = outcome(error)
    where = f"rows {chunk.start} to {chunk.stop - 1} of the frame"
    failure: ClicDataError
    if what is Outcome.UNKNOWN:
        chunk.state = State.IN_DOUBT
        failure = AppendAmbiguous(
            f"{where} may be stored or not: their answer was lost, and they were not sent again ({error}). "
            f"{receipt.summary()}. Look whether they are there before you append them again."
        )
    else:
        chunk.state = State.PENDING if what is Outcome.NOT_SENT else State.REFUSED
        return _interrupted(receipt, error)
    failure.receipt = receipt
    failure.__cause__ = error
    return failure


def _interrupted(receipt: AppendReceipt, error: ClicDataError) -> ClicDataError:
    """The error itself when no row is stored; else one that says what is."""
    if not receipt.rows_appended:
        error.receipt = receipt
        return error
    failure = AppendInterrupted(f"stopped: {error}. {receipt.summary()}.")
    failure.receipt = receipt
    failure.__cause__ = error
    return failure


def _partly(receipt: AppendReceipt, chunk: Chunk) -> ClicDataError:
    chunk.state = State.PARTIAL
    chunk.error = f"{chunk.rows_inserted} of {chunk.rows} rows inserted"
    failure = AppendAmbiguous(
        f"ClicData says that it stored {chunk.rows_inserted} of the {chunk.rows} rows {chunk.start} to "
        f"{chunk.stop - 1} of the frame, not which. {receipt.summary()}."
    )
    failure.receipt = receipt
    return failure


def _tell(interrupt: BaseException, receipt: AppendReceipt) -> None:
    """Hand the receipt over with an interrupt, which is not ours to replace."""
    interrupt.receipt = receipt  # type: ignore[attr-defined]
    if hasattr(interrupt, "add_note"):  # Python 3.11
        interrupt.add_note(f"{receipt.summary()} (session.last_receipt)")


def _one_ahead(bodies: Iterator[bytes], ahead: Ahead) -> Iterator[bytes]:
    """The same bodies, each being encoded while the one before it is on the wire."""
    following = partial(next, bodies, None)
    waiting = ahead.submit(following)
    while (body := waiting.result()) is not None:
        waiting = ahead.submit(following)
        yield body
