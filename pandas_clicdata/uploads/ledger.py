"""A receipt and its journal: each thing that happens is entered in both, in the order that keeps them true."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from pandas_clicdata.errors import AppendInterrupted
from pandas_clicdata.uploads.entries import Audited, Became, Halved, Piece, Planned, Sending
from pandas_clicdata.uploads.receipt import AppendReceipt, Chunk, State

if TYPE_CHECKING:
    from pandas_clicdata.uploads.entries import Entry
    from pandas_clicdata.uploads.journal import Journal


class Ledger:
    """Where an append enters what happens to it. It is safe to use from several threads.

    Parameters
    ----------
    receipt : AppendReceipt
        What is entered shows in it.
    journal : Journal, optional
        Where it is written down too.
    """

    def __init__(self, receipt: AppendReceipt, journal: Journal | None = None) -> None:
        self.receipt = receipt
        self._journal = journal
        self._closed = False
        self._lock = threading.Lock()
        self._promised: list[int] = []  # the chunks that need no line of their own before they are sent, in order
        self._unsafe: dict[int, OSError] = {}  # the chunks whose promise did not get onto the disk, and why
        self.changes = 0  # of what comes next: how often chunks turned out not to be sent as they were to be

    def begin(self) -> None:
        """Write the first line of a new journal.

        Raises
        ------
        AppendInterrupted
            It can't be written.
        """
        if self._journal is not None:
            try:
                self._journal.promise(self.receipt.job)
            except OSError as error:
                raise self._stopped(self._journal, error) from error
            self.receipt.journal = self._journal.path  # not before: it is removed if nothing was written to it

    def plan(self, pieces: list[Piece]) -> None:
        """Cut what is pending into these chunks; all others stay."""
        kept = [chunk.piece() for chunk in self.receipt.chunks_in() if chunk.state is not State.PENDING]
        self._note(Planned([*kept, *pieces]))

    def take_over(self) -> None:
        """Write down where things stand, before another process goes on."""
        if self._journal is not None:
            self._journal.note(Planned([chunk.piece() for chunk in self.receipt.chunks_in()]))

    def together(self, seconds: float | None) -> float:
        """How many chunks are to be promised at once, where each takes that long, or it isn't known how long."""
        if self._journal is None:
            return math.inf
        return 1 if seconds is None else self._journal.together(seconds)

    def promise(self, coming: list[Sending], changes: int) -> None:
        """Enter that these chunks are going to be sent one after the other, while others are.

        If it can't be written down, `sending` the first of them says so. If ``changes`` is not what it is now, they may
        come otherwise by now; then nothing is promised.
        """
        if self._journal is None or not self._journal.outlives:
            return
        try:
            with self._lock:
                if changes != self.changes:
                    return
                self._journal.promise_ahead(coming)
                self._promised += [sending.chunk for sending in coming]
            self._journal.sync()  # without the lock, so that others go on
        except OSError as error:
            self._unsafe |= {sending.chunk: error for sending in coming}

    def sending(self, entry: Sending) -> None:
        """Enter that a chunk is about to be sent.

        Raises
        ------
        AppendInterrupted
            It can't be written down, or the append was ended meanwhile, so that the chunk must not be sent.
        """
        with self._lock:  # all of it, so that nothing is promised between what is written and what is known of it
            if self._closed:
                raise AppendInterrupted("stopped: the append was ended while this chunk was made ready")
            if self._journal is not None:
                try:
                    self._write_down(entry, self._journal)
                except OSError as error:
                    raise self._stopped(self._journal, error) from error
            self.receipt.enter(entry)

    def _write_down(self, entry: Sending, journal: Journal) -> None:
        if entry.chunk in self._unsafe:
            raise self._unsafe[entry.chunk]
        if self._promised[:1] == [entry.chunk] and not journal.owes:  # and what became of those before it is there
            del self._promised[0]
            return
        self._promised = []
        journal.promise(entry)

    def become(
        self,
        chunk: Chunk,
        state: State,
        *,
        rows_inserted: int | None = None,
        reason: str | None = None,
        error: str | None = None,
    ) -> None:
        """Enter what is known of a chunk, and why.

        The error may hold what the service said, cells among it: it goes to the receipt, and only the reason to the
        journal.
        """
        self._note(Became(chunk.number, state.value, rows_inserted, reason))
        chunk.error = error or reason

    def halve(self, chunk: Chunk) -> list[Chunk]:
        """Put two halves in the place of a chunk that was refused."""
        with self._lock:
            middle, number = (chunk.start + chunk.stop) // 2, self.receipt.next_number()
            halves = [Piece(number, chunk.start, middle), Piece(number + 1, middle, chunk.stop)]
            self.receipt.enter(entry := Halved(chunk.number, halves))
            self._change()
        if self._journal is not None:
            self._journal.note(entry)
        numbers = {piece.number for piece in halves}
        return [half for half in self.receipt.chunks_in() if half.number in numbers]

    def audited(self, *, passed: bool) -> None:
        """Enter what the audit found."""
        self._note(Audited(passed))

    def close(self) -> None:
        """Nothing more is sent."""
        with self._lock:
            self._closed = True
            not_sent = self._promised[:1]
            self._change()
        if self._journal is not None:
            for number in not_sent:
                self._journal.note(Became(number, State.PENDING.value))
            self._journal.close()

    def _note(self, entry: Entry) -> None:
        with self._lock:
            self.receipt.enter(entry)
            if not (isinstance(entry, Became) and entry.state == State.APPLIED.value):
                self._change()  # so it is read too
        if self._journal is not None:
            self._journal.note(entry)

    def _change(self) -> None:
        """Let nothing of what was promised hold."""
        self._promised = []
        self.changes += 1

    def _stopped(self, journal: Journal, error: OSError) -> AppendInterrupted:
        receipt = self.receipt
        failure = AppendInterrupted(
            f"stopped: the journal {journal.path} can't be written ({error.strerror or error}), and nothing is sent "
            f"that it doesn't say. {receipt.summary()}. Go on with resume_append(df, receipt) when there is room."
        )
        failure.receipt = receipt
        return failure
