"""One run of an append: send its pieces, chunk by chunk, resolve doubt, count at the end."""

from __future__ import annotations

from collections import Counter
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import AppendAmbiguous, AppendInterrupted, ClicDataError, WriteError
from pandas_clicdata.progress import bar
from pandas_clicdata.session.ahead import STEP, Ahead
from pandas_clicdata.session.wire import DialectChanged
from pandas_clicdata.uploads import verify
from pandas_clicdata.uploads.chunk import ChunkSender
from pandas_clicdata.uploads.receipt import STORED, AppendReceipt, Chunk, Piece, State
from pandas_clicdata.uploads.stamps import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.frames.encode import FrameEncoder
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.append import AppendOptions
    from pandas_clicdata.uploads.pieces import Pieces
    from pandas_clicdata.uploads.receipt_writer import ReceiptWriter

MAX_TRIES = 4  # of sending one chunk, if it is in doubt and found missing each time


class Run:
    """One run over the rows of an append that are not stored yet; with ``only``, over the rows in these spans.

    Of the options it uses ``workers``, ``progress``, ``verify`` and ``audit``; the others are in the receipt's job.
    """

    def __init__(
        self,
        session: Session,
        pieces: Pieces,
        writer: ReceiptWriter,
        options: AppendOptions,
        *,
        only: list[range] | None = None,
    ) -> None:
        self._session = session
        self._pieces = pieces
        self._writer = writer
        self._receipt = writer.receipt
        self._options = options
        self._only = only
        self._sender = ChunkSender(session, writer)
        self._doubts: Counter[int] = Counter()  # how often each chunk was in doubt

    def run(self) -> AppendReceipt:
        """Send the pending rows, resolve doubt, and count at the end."""
        receipt = self._receipt
        try:
            what, rows = f"append to {receipt.rec_id}", receipt.rows_total if receipt.ended else None
            with bar(self._options.progress, what, rows, session=self._session, result=receipt.summary) as shown:
                if receipt.doubtful():
                    self._resolve_doubt()
                shown.update(receipt.rows_in(*STORED))
                self._send_pieces(shown)
                self._writer.save()
                self._audit()
        except ClicDataError as error:
            if error.receipt is not receipt or isinstance(error, WriteError):
                raise
            if receipt.rows_appended or receipt.rows_in_doubt:
                raise self._stopped(str(error)) from error
            error.args = (f"{str(error).rstrip('.')}. No row was appended.",)
            raise
        finally:
            self._writer.close()
        return receipt

    def _send_pieces(self, shown: Any) -> None:
        """Send piece after piece, and read the next piece meanwhile.

        The caller's thread reads, since the source may work in no other thread. Another thread sends.
        """
        encoder: FrameEncoder | None = self._pieces.first
        with Ahead(1) as ahead:
            for number in count():
                if encoder is None:
                    break
                send = partial(self._send_piece, number, encoder, shown)
                failure, sending = None, None if self._pieces.in_memory else ahead.submit(send)
                try:
                    encoder = self._pieces.read()
                except Exception as error:  # noqa: BLE001  # raised below, when the piece before is sent
                    failure = error
                if sending is not None:
                    sending.result()
                if failure is not None:
                    is_known = isinstance(failure, ClicDataError)
                    why = str(failure) if is_known else f"{type(failure).__name__} was raised"
                    raise self._stopped(f"reading piece {self._pieces.number} (counted from 0): {why}") from failure
                if sending is None:
                    send()
        self._receipt.ended = self._receipt.ended or self._only is None

    def _stopped(self, why: str) -> AppendInterrupted:
        """Return the error for an append that ends before all rows are stored."""
        stopped = AppendInterrupted(f"stopped: {why.rstrip('.')}. {self._receipt.summary()}.")
        stopped.receipt = self._receipt
        return stopped

    def _send_piece(self, number: int, encoder: FrameEncoder, shown: Any) -> None:
        if number == len(self._receipt.parts):
            self._writer.begin_piece(Piece(encoder.span.start, encoder.span.stop, fingerprint(encoder)))
        self._sender.encoder = encoder
        found = self._receipt.chunks_in(State.FOUND, within=encoder.span)
        for chunk in found:
            verify.note_found(self._writer, chunk, chunk.rows_inserted)
        try:
            if found and self._receipt.doubtful():
                self._resolve_doubt()
            while not self._send_pending(encoder, shown):
                pass
        finally:
            self._receipt.keep_refused(encoder.frame, encoder.first)

    def _resolve_doubt(self) -> None:
        assert self._options.verify is not None
        verify.resolve_doubt(self._session, self._writer, self._options.verify, self._sender.slowest)

    def _send_pending(self, encoder: FrameEncoder, shown: Any) -> bool:
        """Send the pending chunks of a piece. Return False if chunks may be pending again."""
        self._sender.use_dialect()
        pending = self._receipt.chunks_in(State.PENDING, within=encoder.span)
        if self._only is not None:
            pending = [chunk for chunk in pending if any(chunk.start in span for span in self._only)]
        bodies = self._sender.bodies(pending)
        try:
            for chunk in self._one_by_one(bodies) if self._options.workers == 1 else self._side_by_side(bodies):
                shown.update(chunk.rows)
        except DialectChanged:  # the chunk was not sent
            return False
        except AppendAmbiguous as failure:
            if not self._may_resolve():
                raise
            self._writer.save()
            stored = self._receipt.rows_in(*STORED)
            try:
                self._resolve_doubt()
            except AppendAmbiguous as error:
                raise error from failure.__cause__
            shown.update(self._receipt.rows_in(*STORED) - stored)
            return False
        return True

    def _one_by_one(self, bodies: Iterator[tuple[Chunk, bytes]]) -> Iterator[Chunk]:
        """Send each chunk while another thread writes the next body."""
        write_next = partial(next, bodies, None)
        with Ahead(1) as ahead:
            written = write_next()
            while written is not None:
                coming = ahead.submit(write_next)
                self._sender.send(*written)
                yield written[0]
                written = coming.result()

    def _side_by_side(self, bodies: Iterator[tuple[Chunk, bytes]]) -> Iterator[Chunk]:
        """Keep a chunk for each worker on the wire; after a failure, wait for the others."""
        done: SimpleQueue[tuple[Chunk, BaseException | None]] = SimpleQueue()
        failures: list[BaseException] = []
        on_the_wire = 0

        def send(chunk: Chunk, body: bytes) -> None:
            failure: BaseException | None = None
            try:
                self._sender.send(chunk, body)
            except BaseException as error:  # noqa: BLE001  # raised below, in the thread of the caller
                failure = error
            done.put((chunk, failure))

        with Ahead(self._options.workers) as ahead:
            written = next(bodies, None)
            while on_the_wire or (written is not None and not failures):
                if written is not None and not failures and on_the_wire < self._options.workers:
                    ahead.submit(partial(send, *written))
                    on_the_wire += 1
                    written = next(bodies, None)
                    continue
                try:
                    chunk, failure = done.get(timeout=STEP)
                except Empty:
                    continue
                on_the_wire -= 1
                if failure is None:
                    yield chunk
                else:
                    failures.append(failure)
        if failures:
            raise self._worst(failures)

    def _worst(self, failures: list[BaseException]) -> BaseException:
        """Return the failure to raise: one with rows in doubt before others. Its message says what is stored now."""
        worst = min(failures, key=lambda e: (isinstance(e, DialectChanged), not isinstance(e, AppendAmbiguous)))
        if isinstance(worst, WriteError) and (len(failures) > 1 or isinstance(worst, AppendAmbiguous)):
            summary = self._receipt.summary()
            worst.args = (worst.args[0] if summary in worst.args[0] else f"{worst.args[0]} In the end: {summary}.",)
        return worst

    def _may_resolve(self) -> bool:
        doubtful = self._receipt.doubtful()
        self._doubts.update(chunk.number for chunk in doubtful)
        return self._options.verify is not None and all(self._doubts[chunk.number] < MAX_TRIES for chunk in doubtful)

    def _audit(self) -> None:
        wanted = self._options.audit
        if wanted is None:
            wanted = self._options.verify is not None or self._receipt.job.made
        if wanted and self._receipt.rows_in(*STORED):
            verify.audit(self._session, self._writer, self._options.verify or "count", self._sender.slowest)
