"""One chunk: write its rows, send it, and note the outcome. A chunk that may be stored is never sent again."""

from __future__ import annotations

import gzip
import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from pandas_clicdata.errors import ApiError, AppendAmbiguous, ClicDataError, ProtocolError, TooLarge
from pandas_clicdata.frames.compare import find_misfit, name_row, show_cell
from pandas_clicdata.frames.encode import RowFormat
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.session.wire import Dialect, DialectChanged, Reply, Request
from pandas_clicdata.uploads.receipt import NEVER_SENT, Chunk, State, ambiguous_error
from pandas_clicdata.uploads.stamps import digest, stamp, stamped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.frames.encode import FrameEncoder
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.receipt_writer import ReceiptWriter

LEGACY_ROWS = 5_000  # C: no limit is known; with so many rows, the round trip hardly counts
MODERN_ROWS = 500  # the service's own limit for /insert
MAX_BYTES = 4_000_000  # C: no limit is known; servers usually take that much
MAX_REFUSED = 100  # refused rows without a success between: then the rows are hardly the reason

_ROW = re.compile(r"""(?<!["'])\brow #?([0-9]{1,9})\b""", re.IGNORECASE)  # in quotes it is a cell
_STATE_AFTER = {Outcome.NOT_SENT: State.PENDING, Outcome.REFUSED: State.REFUSED, Outcome.UNKNOWN: State.IN_DOUBT}


def append_request(
    rec_id: int, dialect: Dialect, body: bytes, *, compress: bool = False, cancelled: threading.Event | None = None
) -> Request:
    """Return the request that appends a chunk."""
    path = f"/data/{rec_id}/row" if dialect is Dialect.LEGACY else f"/data/{rec_id}/insert"
    if compress:
        body = gzip.compress(body, compresslevel=1)
    return Request("append rows", "POST", path, body=body, dialect=dialect, compressed=compress, cancelled=cancelled)


def most_rows(dialect: Dialect, chunksize: int | None) -> int:
    """Return how many rows a chunk has at most."""
    if dialect is Dialect.LEGACY:
        return chunksize or LEGACY_ROWS
    return min(chunksize or MODERN_ROWS, MODERN_ROWS)


def write_body(encoder: FrameEncoder, chunk: Chunk, row_format: RowFormat) -> bytes:
    """Return the rows of a chunk as one body, with placeholders for the stamps."""
    [body] = encoder.chunks(row_format, chunk.start, chunk.stop, max_rows=chunk.rows, max_bytes=1 << 60)
    return body.text


class ChunkSender:
    """Sends the chunks of one run of an append. Several threads may use it."""

    encoder: FrameEncoder  # of the piece whose rows are sent

    def __init__(self, session: Session, writer: ReceiptWriter) -> None:
        self._session = session
        self._writer = writer
        self._receipt = writer.receipt
        self._max_bytes = MAX_BYTES
        self._refused_in_a_row = 0
        self._lock = threading.Lock()
        self.slowest = 0.0  # seconds that the slowest response took

    def use_dialect(self) -> None:
        """Write and send chunks in the current dialect of the session."""
        self._dialect = self._session.dialect
        self._format = RowFormat.CELLS if self._dialect is Dialect.LEGACY else RowFormat.OBJECTS
        self._max_rows = most_rows(self._dialect, self._receipt.job.chunksize)

    def bodies(self, pending: list[Chunk]) -> Iterator[tuple[Chunk, bytes]]:
        """Write the rows of pending chunks; rows that were never sent are cut into chunks here."""
        for chunk in pending:
            if chunk.number == NEVER_SENT:
                for start, stop, text in self.encoder.chunks(
                    self._format, chunk.start, chunk.stop, max_rows=self._max_rows, max_bytes=self._max_bytes
                ):
                    yield self._prepared(Chunk(next(self._writer.numbers), start, stop), text)
            else:
                yield self._prepared(chunk, write_body(self.encoder, chunk, self._format))

    def _prepared(self, chunk: Chunk, text: bytes) -> tuple[Chunk, bytes]:
        """Return a chunk with the digest of its rows, and its body with stamps."""
        job = self._receipt.job
        chunk = replace(chunk, row_format=self._format.value, sha256=digest(text, job.append_id))
        return chunk, text if job.tag_column is None else stamped(text, job.append_id, stamp(job.append_id, chunk))

    def send(self, chunk: Chunk, body: bytes) -> None:
        """Send a chunk, in smaller chunks if it is too large. After an error, it is not stored, or is in doubt."""
        if chunk.rows > 1 and (len(body) > self._max_bytes or chunk.rows > self._max_rows):
            self._send_smaller(chunk, self._max_rows)
            return
        failure = self._send_once(chunk, body)
        if failure is None:
            return
        if outcome(failure) is Outcome.REFUSED and self._may_concern_some_rows(failure):
            self._sift(chunk, body, failure)
            return
        raise self._noted(chunk, failure)

    def _send_once(self, chunk: Chunk, body: bytes) -> ClicDataError | None:
        """Send a chunk once. Return the error if the response is no success."""
        job = self._receipt.job
        request = append_request(job.rec_id, self._dialect, body, compress=job.compress, cancelled=self._writer.ended)
        self._writer.note_sending(chunk)
        began = self._session.now()
        try:
            inserted, found = row_counts(self._session.call(request))
        except DialectChanged:
            self._writer.note(chunk, State.PENDING)
            raise
        except ClicDataError as error:
            error.receipt = self._receipt
            return error
        except BaseException as interrupt:
            self._writer.note(chunk, _STATE_AFTER[outcome(interrupt)], reason=type(interrupt).__name__)
            raise
        self.slowest = max(self.slowest, self._session.now() - began)
        if inserted is not None and inserted != chunk.rows:
            left_out = chunk.rows - inserted
            if not 0 < left_out <= chunk.rows or found != left_out:  # C: found rows were there before (O5)
                raise self._partial(chunk, inserted, found)
        self._writer.note(chunk, State.APPLIED, rows_inserted=inserted)
        self._refused_in_a_row = 0
        return None

    # -----------------------------------------------------------------------------------------------------
    # A chunk that was refused

    def _may_concern_some_rows(self, error: ClicDataError) -> bool:
        """Whether the service may accept some of the rows in smaller requests."""
        if isinstance(error, TooLarge):
            return True
        return _concerns_rows(error) and self._receipt.job.errors == "collect"

    def _sift(self, chunk: Chunk, body: bytes, error: ClicDataError) -> None:
        """Send the rows of a refused chunk in smaller chunks, down to the rows at fault."""
        if chunk.rows > 1:
            self._writer.note(chunk, State.PENDING, reason=_reason(error), error=str(error))
            if isinstance(error, TooLarge):
                self._max_bytes = min(self._max_bytes, len(body) // 2)
                self._send_smaller(chunk, self._max_rows)
            else:
                self._send_smaller(chunk, (chunk.rows + 1) // 2)
            return
        self._locate(chunk, error)
        self._writer.note(chunk, State.REFUSED, reason=_reason(error), error=str(error))
        with self._lock:
            self._refused_in_a_row += 1
            stops = self._refused_in_a_row > MAX_REFUSED
        if stops:
            error.args = (f"{MAX_REFUSED} rows in sequence were refused; the rows are hardly why: {error.args[0]}",)
            raise error
        if self._receipt.job.errors != "collect":
            row = name_row(self.encoder, chunk.start)
            error.args = (f"{row} is too large for one request: {error.args[0]}",)
            raise error

    def _send_smaller(self, chunk: Chunk, max_rows: int) -> None:
        """Split a chunk that is not stored, and send the smaller ones."""
        bodies = list(
            self.encoder.chunks(self._format, chunk.start, chunk.stop, max_rows=max_rows, max_bytes=self._max_bytes)
        )
        smaller = self._writer.split(chunk, [body.stop for body in bodies])
        for part, body in zip(smaller, bodies, strict=True):
            self.send(*self._prepared(part, body.text))

    # -----------------------------------------------------------------------------------------------------
    # Errors

    def _locate(self, chunk: Chunk, error: ClicDataError) -> None:
        """Add to a refusal the rows of the frame that it concerns, and the cell at fault if that is known."""
        if not _concerns_rows(error):
            return
        encoder, said = self.encoder, str(getattr(error, "description", None) or "")
        known = self._session.columns.get(self._receipt.rec_id)
        row, name = find_misfit(encoder, known, chunk.start, chunk.stop) or (None, None)
        stated = _ROW.search(said)
        number = int(stated[1]) if stated else 0
        counted = chunk.start + number - 1  # C: the service counts the rows of a request from 1 (O20)
        if row is None and 0 < number <= chunk.rows:
            row = counted
            name = next((name for name in encoder.columns if f'"{name}"' in said or f"'{name}'" in said), None)
        row = chunk.start if chunk.rows == 1 else row
        if row is None:
            where = f"{self._receipt.label(chunk)} were refused together, and one of them may be at fault"
        else:
            where = name_row(encoder, row)
            cell = name and show_cell(encoder, row, name)
            where += f" holds {cell} in column {name!r}" if cell else " is at fault"
        if self._receipt.job.errors != "collect":
            where += '; errors="collect" stores the rows that ClicData accepts, and lists the others'
        text = error.args[0]
        if stated:
            of_frame = counted == row or number <= chunk.rows == 1
            text = text.replace(
                stated[0],
                f"row {row} of {'all' if encoder.first else 'the frame'}"
                if of_frame
                else f"{stated[0]} of the request",
                1,
            )
        error.args = (f"{text}. {where[0].upper()}{where[1:]}",)

    def _noted(self, chunk: Chunk, error: ClicDataError) -> ClicDataError:
        """Note why a chunk is not known to be stored, and return the error to raise."""
        what = outcome(error)
        if what is Outcome.REFUSED:
            self._locate(chunk, error)
        self._writer.note(chunk, _STATE_AFTER[what], reason=_reason(error), error=str(error))
        if what is not Outcome.UNKNOWN:
            return error
        failure = ambiguous_error(
            self._receipt,
            f"{self._receipt.label(chunk)} may be stored or not: no response confirms it, and nothing was sent again "
            f"({error})",
            "Check whether they are stored before you append them again.",
        )
        failure.__cause__ = error
        return failure

    def _partial(self, chunk: Chunk, inserted: int, found: int | None) -> AppendAmbiguous:
        reason = f"{inserted} of {chunk.rows} rows inserted" + ("" if found is None else f", {found} found")
        self._writer.note(chunk, State.PARTIAL, rows_inserted=inserted, reason=reason)
        return ambiguous_error(self._receipt, f"{self._receipt.label(chunk)}: ClicData says {reason}, but not which")


def _concerns_rows(error: ClicDataError) -> bool:
    """Whether a refusal is about rows. Other refusals (no such data set, no permission) have classes of their own."""
    return type(error) is ApiError and error.status in (200, 400, 422)


def row_counts(reply: Reply) -> tuple[int | None, int | None]:
    """Return how many rows the service counts as inserted and as found; None if it only confirms the append."""
    value = reply.value()
    if isinstance(value, dict) and value.get("rows_inserted") is not None:
        counts = [value.get(key) for key in ("rows_inserted", "rows_found")]
        inserted, found = (n if isinstance(n, int) and not isinstance(n, bool) else None for n in counts)
        if inserted is not None:
            return inserted, found
    elif isinstance(value, dict):
        if value.get("success", reply.field("success")) is True:  # both dialects say so after an append
            return None, None
    elif isinstance(value, int) and value > 0:  # includes True
        return None, None
    raise ProtocolError(
        "append rows: ClicData's response doesn't say whether the rows are stored", operation="append rows"
    )


def _reason(error: ClicDataError) -> str:
    """Return class and status of an error, without the text of the service, which may repeat cells."""
    status = getattr(error, "status", None)
    return type(error).__name__ if status is None else f"{type(error).__name__}, status {status}"
