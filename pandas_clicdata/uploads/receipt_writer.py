"""Note the states of chunks during a run of an append, in its receipt and in its journal; one run at a time."""

from __future__ import annotations

import itertools
import threading
import uuid
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from pandas_clicdata.errors import AppendInterrupted, JournalBusy
from pandas_clicdata.uploads.receipt import DOUBTED, AppendReceipt, Chunk, Piece, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.uploads.job import Job
    from pandas_clicdata.uploads.journal import Journal


class ReceiptWriter:
    """Notes the states of chunks during one run of an append, in its receipt and in its journal. Thread-safe."""

    def __init__(self, receipt: AppendReceipt, journal: Journal | None = None) -> None:
        self.receipt = receipt
        self._journal = journal
        self._lock = threading.Lock()
        self._run = str(uuid.uuid4())
        self.ended = threading.Event()  # set: no chunk may be sent any more
        self._unsaved: dict[int, Chunk | None] = {}  # changes that the journal doesn't hold yet; None: removed
        self.numbers = itertools.count(max(receipt.table, default=-1) + 1)  # for new chunks: never used before

    def begin(self) -> None:
        """Write the job and all chunks into the journal. Raises AppendInterrupted if that fails."""
        if self._journal is not None:
            self.receipt.journal = self._journal.path  # first: no call may resume without the journal
            try:
                self._journal.begin(self.receipt, self._run)
            except OSError as error:
                raise self._stopped(self._journal, error) from error
        self.receipt.run = self._run

    def _check_running(self) -> None:
        if self.ended.is_set() or self.receipt.run != self._run:
            raise AppendInterrupted("stopped: the append ended while this chunk was prepared")

    def note_sending(self, chunk: Chunk) -> None:
        """Note that a chunk is about to be sent: in the journal first, with all changes that it doesn't hold yet.

        Raises AppendInterrupted if that fails, or if the run has ended. Then the chunk must not be sent.
        """
        with self._lock:
            self._check_running()
            chunk = replace(chunk, state=State.SENDING, rows_inserted=None, reason=None, error=None)
            if self._journal is not None:
                try:
                    self._journal.write({**self._unsaved, chunk.number: chunk}, self.receipt)
                except OSError as error:
                    self.ended.set()  # other workers would each wait for the journal too
                    raise self._stopped(self._journal, error) from error
            self._unsaved = {}
            self.receipt.table[chunk.number] = chunk

    def note(
        self,
        chunk: Chunk,
        state: State,
        *,
        rows_inserted: int | None = None,
        reason: str | None = None,
        error: str | None = None,
    ) -> None:
        """Note the outcome of a chunk. The journal gets it with the next chunk that is sent, or with `save`.

        After a later run has begun, nothing is noted: that run finds out the outcome by itself.
        """
        with self._lock:
            if self.receipt.run != self._run:
                return
            known = self.receipt.table.get(chunk.number, chunk)
            doubted = known.doubted or (known.state in DOUBTED and state is State.PENDING)
            noted = replace(known, state=state, rows_inserted=rows_inserted, reason=reason, error=error)
            self.receipt.table[chunk.number] = noted = replace(noted, doubted=doubted)
            self._unsaved[chunk.number] = noted

    def begin_piece(self, piece: Piece) -> None:
        """Add a piece; the journal gets it with its first chunk."""
        with self._lock:
            self._check_running()
            self.receipt.parts.append(piece)

    def split(self, chunk: Chunk, stops: list[int]) -> list[Chunk]:
        """Replace a chunk that is not stored by pending ones that end at these positions."""
        bounds = zip([chunk.start, *stops], stops, strict=False)
        smaller = [Chunk(next(self.numbers), *bound, doubted=chunk.doubted) for bound in bounds]
        added = {part.number: part for part in smaller}
        with self._lock:
            self._check_running()
            kept = {number: other for number, other in self.receipt.table.items() if number != chunk.number}
            self.receipt.table = {**kept, **added}  # at once: an interrupt may come at any time
            self._unsaved |= {chunk.number: None, **added}
        return smaller

    def save(self) -> None:
        """Write all changes that the journal doesn't hold yet. If that fails, the next chunk is not sent."""
        with self._lock, suppress(OSError):
            if self._journal is not None:
                self._journal.write(self._unsaved, self.receipt)
                self._unsaved = {}

    def close(self) -> None:
        """End the run: from now on no chunk can be sent, and others may write to the journal."""
        self.ended.set()  # first: another Ctrl-C may come
        self.save()
        if self._journal is not None:
            with self._lock:
                self._journal.close()

    def _stopped(self, journal: Journal, error: OSError) -> AppendInterrupted:
        failure = AppendInterrupted(
            f"stopped: the journal {journal.path} can't be written ({error.strerror or error}), and nothing is sent "
            f"before it is in the journal. {self.receipt.summary()}. Continue with resume_append(df, receipt) when the "
            "journal can be written."
        )
        failure.receipt = self.receipt
        return failure


_running: dict[tuple[object, ...], threading.Thread] = {}  # the thread of this process that works on each append
_running_lock = threading.Lock()


@contextmanager
def run_alone(job: Job) -> Iterator[None]:
    """Let one thread at a time send the rows of an append; another thread gets JournalBusy."""
    me, which = threading.current_thread(), (job.account, job.rec_id, job.append_id)
    with _running_lock:
        owner = _running.get(which, me)  # this thread, if a Ctrl-C prevented the `pop` below
        if owner is not me and owner.is_alive():
            raise JournalBusy("this append is still running in another call: let it end. Nothing was sent.")
        _running[which] = me
    try:
        yield
    finally:
        _running.pop(which, None)
