"""The run of an append: cut, encode, send, judge, stop or go on. Never a chunk twice that may be stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import (
    AppendAmbiguous,
    AppendInterrupted,
    ClicDataError,
    InputError,
    ProtocolError,
)
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.progress import bar
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
    caller: Caller, rec_id: int, encoder: FrameEncoder, *, chunksize: int | None, progress: bool | None
) -> AppendReceipt:
    """Append the rows of a checked frame to a data set, one chunk at a time and in order.

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
            try:
                for chunk in _run(caller, receipt, encoder, caller.dialect, chunksize):
                    shown.update(chunk.rows)
            except DialectChanged:
                continue  # nothing of the chunk was sent: what is left is cut for the other dialect
            except (KeyboardInterrupt, SystemExit) as interrupt:
                _tell(interrupt, receipt)
                raise
    return receipt


def bounds(encoder: FrameEncoder, dialect: Dialect, chunksize: int | None, start: int) -> list[tuple[int, int]]:
    """The chunks of the rows from ``start`` on, as large as the dialect allows."""
    most_rows = LEGACY_ROWS if dialect is Dialect.LEGACY else MODERN_ROWS
    if chunksize is not None:
        most_rows = chunksize if dialect is Dialect.LEGACY else min(chunksize, MODERN_ROWS)
    most_bytes = LEGACY_BYTES if dialect is Dialect.LEGACY else MODERN_BYTES
    cut = encoder.cut(row_format(dialect), max_rows=most_rows, max_bytes=most_bytes)
    return [(max(first, start), stop) for first, stop in cut if stop > start]


def row_format(dialect: Dialect) -> RowFormat:
    """How the dialect wants its rows."""
    return RowFormat.CELLS if dialect is Dialect.LEGACY else RowFormat.OBJECTS


def request(rec_id: int, dialect: Dialect, body: bytes) -> Request:
    """The request that appends a chunk."""
    path = f"/data/{rec_id}/row" if dialect is Dialect.LEGACY else f"/data/{rec_id}/insert"
    return Request("append rows", "POST", path, body=body, dialect=dialect)


def checked_chunksize(chunksize: Any) -> int | None:
    """Rows a request at most; None for as many as the dialect allows."""
    if chunksize is None:
        return None
    if isinstance(chunksize, bool) or not hasattr(type(chunksize), "__index__") or chunksize < 1:
        raise InputError(f"chunksize must be a whole number of rows, 1 at least, not {chunksize!r}")
    return int(chunksize)


def _run(
    caller: Caller, receipt: AppendReceipt, encoder: FrameEncoder, dialect: Dialect, chunksize: int | None
) -> Iterator[Chunk]:
    planned = receipt.plan(bounds(encoder, dialect, chunksize, receipt.rows_appended))
    spans = [(chunk.start, chunk.stop) for chunk in planned]
    with _one_ahead(encoder.bodies(row_format(dialect), spans)) as bodies:
        for chunk, body in zip(planned, bodies, strict=True):
            _send(caller, receipt, chunk, request(receipt.rec_id, dialect, body))
            yield chunk


def _send(caller: Caller, receipt: AppendReceipt, chunk: Chunk, asked: Request) -> None:
    chunk.state = State.SENDING
    try:
        reply = caller.call(asked)
        chunk.rows_inserted = rows_inserted(reply)
    except DialectChanged:
        chunk.state = State.PENDING
        raise
    except ClicDataError as error:
        failure = _stopped(receipt, chunk, error)
    except BaseException as interrupt:  # Ctrl-C: the chunk may have been stored
        chunk.state, chunk.error = State.IN_DOUBT, type(interrupt).__name__
        raise
    else:
        if chunk.rows_inserted in (None, chunk.rows):
            chunk.state = State.APPLIED
            return
        failure = _partly(receipt, chunk)
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
        if not receipt.rows_appended:
            error.receipt = receipt
            return error
        failure = AppendInterrupted(f"stopped at {where} ({error}). {receipt.summary()}.")
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


@contextmanager
def _one_ahead(bodies: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """The same bodies, each being encoded while the one before it is on the wire."""
    with ThreadPoolExecutor(1, "clicdata-encode") as pool:

        def handed_out() -> Iterator[bytes]:
            waiting = pool.submit(next, bodies, None)
            while (body := waiting.result()) is not None:
                waiting = pool.submit(next, bodies, None)
                yield body

        yield handed_out()
