"""One pass over the chunks that are pending: encode, enter, send, judge. Never a chunk twice that may be stored."""

from __future__ import annotations

import math
import threading
from functools import partial
from itertools import chain
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from pandas_clicdata.errors import (
    ApiError,
    AppendAmbiguous,
    AppendInterrupted,
    ClicDataError,
    ProtocolError,
    TooLarge,
    UsageError,
    WriteError,
)
from pandas_clicdata.session.ahead import Ahead
from pandas_clicdata.session.retry import Outcome, outcome
from pandas_clicdata.session.wire import Dialect, DialectChanged, Reply
from pandas_clicdata.uploads.cutting import request, row_format, stamped
from pandas_clicdata.uploads.entries import Sending
from pandas_clicdata.uploads.receipt import AppendReceipt, Chunk, State, ambiguous

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.frames.encode import Body, FrameEncoder
    from pandas_clicdata.uploads.choices import Sender
    from pandas_clicdata.uploads.ledger import Ledger

_T = TypeVar("_T")

_AFTER = {Outcome.NOT_SENT: State.PENDING, Outcome.REFUSED: State.REFUSED, Outcome.UNKNOWN: State.IN_DOUBT}
MOST_REFUSED = 100  # rows in a row: then it is not the rows


class TooLargeAsCut(UsageError):  # private: never leaves the package
    """The service takes no body as large as that. What is left is to be cut anew."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__("cut smaller")
        self.most_bytes = most_bytes


class Pass:
    """One pass over pending chunks, in one dialect.

    Parameters
    ----------
    caller : Session
        What sends.
    ledger : Ledger
        Where it is entered.
    encoder : FrameEncoder
        The rows.
    dialect : Dialect
        The one that the chunks were cut for.

    Attributes
    ----------
    slowest : float
        Seconds that the slowest answer took.
    """

    def __init__(self, caller: Sender, ledger: Ledger, encoder: FrameEncoder, dialect: Dialect) -> None:
        self._caller = caller
        self._ledger = ledger
        self._receipt = ledger.receipt
        self._job = ledger.receipt.job
        self._encoder = encoder
        self._dialect = dialect
        self._format = row_format(dialect)
        self._refused = _Streak()
        self._answers = 0
        self._seconds = 0.0  # that they took together
        self.slowest = 0.0

    def chunks(self, pending: list[Chunk], workers: int) -> Iterator[Chunk]:
        """Send the chunks, and give each when it is done with. The first that fails ends it."""
        if not pending:
            return
        bodies = zip(pending, self._bodies(pending), strict=True)
        with Ahead(1) as ahead:
            if workers > 1:
                lists = _made_ahead(lambda: partial(_some, bodies), len(pending), ahead)
                yield from self._side_by_side(chain.from_iterable(lists), workers)
                return
            for some in _made_ahead(partial(self._promising, bodies), len(pending), ahead):
                for chunk, body in some:
                    self._send(chunk, body)
                    yield chunk

    def _promising(self, bodies: Iterator[tuple[Chunk, Body]]) -> Callable[[], list[tuple[Chunk, Body]]]:
        """What makes and promises the next chunks, as many as are worth it by how long answers took so far."""
        answering = self._seconds / self._answers if self._answers else None
        most = self._ledger.together(answering)
        changes = self._ledger.changes

        def promised() -> list[tuple[Chunk, Body]]:
            some = _some(bodies, most)
            self._ledger.promise([self._entry(*each) for each in some], changes)
            return some

        return promised

    def _entry(self, chunk: Chunk, body: Body) -> Sending:
        return Sending(chunk.number, self._format.value, body.sha256)

    def _bodies(self, chunks: list[Chunk]) -> Iterator[Body]:
        return self._encoder.digested_bodies(self._format, [(chunk.start, chunk.stop) for chunk in chunks])

    def _side_by_side(self, ready: Iterator[tuple[Chunk, Body]], workers: int) -> Iterator[Chunk]:
        """Keep ``workers`` chunks on the wire. After a failure no other is sent; those on the wire are heard out."""
        done: SimpleQueue[tuple[Chunk, BaseException | None]] = SimpleQueue()
        failures: list[BaseException] = []
        on_the_wire = 0

        def send(chunk: Chunk, body: Body) -> None:
            problem: BaseException | None = None
            try:
                self._send(chunk, body)
            except BaseException as error:  # noqa: BLE001  # judged below, where all are known
                problem = error
            done.put((chunk, problem))

        with Ahead(workers) as ahead:
            while True:
                while on_the_wire < workers and not failures and (following := next(ready, None)) is not None:
                    ahead.submit(partial(send, *following))
                    on_the_wire += 1
                if not on_the_wire:
                    break
                chunk, problem = done.get()
                on_the_wire -= 1
                if problem is None:
                    yield chunk
                else:
                    failures.append(problem)
        if failures:
            raise self._worst(failures)

    def _worst(self, failures: list[BaseException]) -> BaseException:
        """The failure that says most: a chunk in doubt before one that was refused, told with all that is stored."""
        planning = (DialectChanged, TooLargeAsCut)
        found = sorted(failures, key=lambda e: (isinstance(e, planning), not isinstance(e, AppendAmbiguous)))
        worst = found[0]
        if isinstance(worst, ClicDataError) and not isinstance(worst, (WriteError, *planning)):
            return _interrupted(self._receipt, worst)
        if not isinstance(worst, planning) and (len(failures) > 1 or isinstance(worst, AppendAmbiguous)):
            worst.args = (f"{worst.args[0]} In the end: {self._receipt.summary()}.",)
        return worst

    # -----------------------------------------------------------------------------------------------------
    # One chunk

    def _send(self, chunk: Chunk, body: Body) -> None:
        failure = self._sent(chunk, body)
        if failure is None:
            return
        if outcome(failure) is Outcome.REFUSED and self._is_of_some_rows(failure):
            self._sift(chunk, body, failure)
            return
        raise self._stopped(chunk, failure)

    def _sent(self, chunk: Chunk, body: Body) -> ClicDataError | None:
        """Send a chunk; what keeps its rows from being stored."""
        asked = request(self._job.rec_id, self._dialect, body.text, compress=self._job.compress)
        self._ledger.sending(self._entry(chunk, body))
        began = self._caller.now()
        try:
            inserted = rows_inserted(self._caller.call(asked))
        except DialectChanged:
            self._ledger.become(chunk, State.PENDING)
            raise
        except ClicDataError as error:
            return error
        except BaseException as interrupt:
            self._ledger.become(chunk, _AFTER[outcome(interrupt)], reason=type(interrupt).__name__)
            raise
        took = self._caller.now() - began
        self.slowest = max(self.slowest, took)
        self._answers, self._seconds = self._answers + 1, self._seconds + took
        if inserted not in (None, chunk.rows):
            raise self._partly(chunk, inserted)
        self._ledger.become(chunk, State.APPLIED, rows_inserted=inserted)
        self._refused.end()
        return None

    def _is_of_some_rows(self, error: ClicDataError) -> bool:
        """Whether fewer rows may be taken where these were refused."""
        if isinstance(error, TooLarge):
            return True
        # Other refusals have a class of their own, and are not of the rows: no such data set, no right, too many calls.
        told = type(error) is ApiError and error.status in (200, 400, 422)
        return told and self._job.errors == "collect"

    def _sift(self, chunk: Chunk, body: Body, error: ClicDataError) -> None:
        """Find the rows at fault in a chunk that was refused, and get the others stored."""
        if isinstance(error, TooLarge) and chunk.rows > 1:
            self._ledger.become(chunk, State.PENDING, reason=_reason(error), error=str(error))
            raise TooLargeAsCut(len(body.text) // 2)
        self._ledger.become(chunk, State.REFUSED, reason=_reason(error), error=str(error))
        if chunk.rows > 1:
            for half in self._ledger.halve(chunk):
                stamped(self._encoder, [half])
                self._send(half, next(self._bodies([half])))
            return
        if self._refused.goes_on() > MOST_REFUSED:
            raise _interrupted(self._receipt, _all_refused(error))
        if self._job.errors != "collect":
            raise _interrupted(self._receipt, self._too_large(chunk, error))

    def _too_large(self, chunk: Chunk, error: ClicDataError) -> ClicDataError:
        [label] = self._encoder.frame.index[chunk.start : chunk.start + 1]  # as Python's, not numpy's, kind of number
        error.args = (
            f"row {chunk.start} of the frame (label {label!r}) is too large for one request: {error.args[0]}",
        )
        return error

    def _stopped(self, chunk: Chunk, error: ClicDataError) -> ClicDataError:
        """The error to raise for one that ended a chunk: what it was, and what is stored."""
        what = outcome(error)
        self._ledger.become(chunk, _AFTER[what], reason=_reason(error), error=str(error))
        if what is not Outcome.UNKNOWN:
            return _interrupted(self._receipt, error)
        failure = ambiguous(
            self._receipt,
            f"{chunk.named} of the frame may be stored or not: their answer was lost, and they were not sent again "
            f"({error})",
            "Look whether they are there before you append them again.",
        )
        failure.__cause__ = error
        return failure

    def _partly(self, chunk: Chunk, inserted: int | None) -> AppendAmbiguous:
        said = f"{inserted} of {chunk.rows} rows inserted"
        self._ledger.become(chunk, State.PARTIAL, rows_inserted=inserted, reason=said)
        what = f"ClicData says that it stored {inserted} of the {chunk.rows} {chunk.named} of the frame, not which"
        return ambiguous(self._receipt, what)


class _Streak:
    """How many rows were refused one after the other."""

    def __init__(self) -> None:
        self._length = 0
        self._lock = threading.Lock()

    def goes_on(self) -> int:
        with self._lock:
            self._length += 1
            return self._length

    def end(self) -> None:
        with self._lock:
            self._length = 0


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
    elif isinstance(value, dict):
        if value.get("success", reply.field("success")) is True:  # of an append both dialects say so
            return None
    elif value is True or (isinstance(value, int) and value is not False):
        return None
    raise ProtocolError(
        "append rows: ClicData's answer doesn't say whether the rows are stored", operation="append rows"
    )


def _reason(error: ClicDataError) -> str:
    """What an error was, without a word of the service's, which may repeat cells."""
    status = getattr(error, "status", None)
    return type(error).__name__ if status is None else f"{type(error).__name__}, status {status}"


def _all_refused(error: ClicDataError) -> ClicDataError:
    error.args = (
        f"{MOST_REFUSED} rows were refused one after the other, so that it is hardly the rows: {error.args[0]}",
    )
    return error


def _interrupted(receipt: AppendReceipt, error: ClicDataError) -> ClicDataError:
    """The error itself when no row is stored; else one that says what is."""
    if not receipt.rows_appended:
        error.receipt = receipt
        return error
    failure = AppendInterrupted(f"stopped: {error}. {receipt.summary()}.")
    failure.receipt = receipt
    failure.__cause__ = error
    return failure


_AHEAD = 4_000_000  # bytes of bodies that are made ahead: to wait for another thread costs more than a small body


def _some(bodies: Iterator[tuple[Chunk, Body]], most: float = math.inf) -> list[tuple[Chunk, Body]]:
    """The next chunks, ``most`` of them."""
    some: list[tuple[Chunk, Body]] = []
    size = 0
    while size < _AHEAD and len(some) < most and (following := next(bodies, None)) is not None:
        some.append(following)
        size += len(following[1].text)
    return some


def _made_ahead(making: Callable[[], Callable[[], list[_T]]], count: int, ahead: Ahead) -> Iterator[list[_T]]:
    """Some things after the other, ``count`` in all, being made while those before them are used.

    ``making`` is called when the next ones are due, and gives what makes them.
    """
    made = making()()
    while count := count - len(made):
        waiting = ahead.submit(making())
        yield made
        made = waiting.result()
    yield made
