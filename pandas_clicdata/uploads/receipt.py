"""The receipt of an append: a table of its chunks, and what is known of each."""

from __future__ import annotations

import enum
import html
import itertools
import threading
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from pandas_clicdata.errors import AppendAmbiguous, AppendInterrupted, InputError, JournalBusy, public
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.frames.types import join_names
from pandas_clicdata.uploads.stamps import fingerprint

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from pandas_clicdata.errors import Receipt
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.job import Job
    from pandas_clicdata.uploads.journal import Journal


class State(enum.Enum):
    """What is known of a chunk."""

    PENDING = "pending"  # never sent, or known not to be stored
    SENDING = "sending"  # on the wire
    APPLIED = "applied"  # stored, each row once
    REFUSED = "refused"  # the service refused it and stored nothing
    PARTIAL = "partial"  # stored in part; which rows is unknown
    DOUBLED = "doubled"  # stored more than once
    IN_DOUBT = "in doubt"  # stored or not: the response was lost
    VERIFIED = "verified"  # was in doubt, and was found stored, each row once


STORED = (State.APPLIED, State.VERIFIED)
_DOUBTED = (State.PARTIAL, State.DOUBLED, State.IN_DOUBT)
DOUBTFUL = (State.SENDING, *_DOUBTED)
_ABOUT_ROWS = ("", "ApiError", "Conflict", "TooLarge")  # the reason of a refusal; others are the log-in, say
NEVER_SENT = -1  # the number of a stretch of rows that belongs to no chunk yet


@dataclass(frozen=True)
class Chunk:
    """The rows of one request: ``start`` to ``stop`` (not included), by position in the frame."""

    number: int
    start: int
    stop: int
    state: State = State.PENDING
    row_format: str | None = None
    sha256: str | None = None  # of the body, before compression
    rows_inserted: int | None = None
    reason: str | None = None
    doubted: bool = False  # was in doubt, was found missing, and may be sent a second time
    error: str | None = None  # may repeat cells, so it is never in a journal

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.stop - self.start

    @property
    def rows_found(self) -> int:
        """The rows of a stored chunk that the service left out, because it found them there."""
        return self.rows - self.rows_inserted if self.state in STORED and self.rows_inserted is not None else 0

    @property
    def span(self) -> range:
        """The positions of the rows."""
        return range(self.start, self.stop)

    @property
    def label(self) -> str:
        """The rows, for messages."""
        return f"row {self.start}" if self.rows == 1 else f"rows {self.start} to {self.stop - 1}"


class AppendReceipt:
    """What is known of each row of an append.

    Attributes
    ----------
    rec_id : int
        The data set.
    rows_total : int
        Rows of the frame.
    append_id : str
        The id of this append; with ``verify="tag"`` the stamps begin with it.
    audited : bool or None
        Whether the rows were counted at the end and their number is right (False: it is wrong); None if they were
        not counted.
    journal : str or None
        The path of its journal.
    """

    def __init__(self, job: Job, table: dict[int, Chunk] | None = None) -> None:
        self.job = job
        self.rec_id = job.rec_id
        self.rows_total = job.rows
        self.append_id = job.append_id
        self.audited: bool | None = None
        self.journal: str | None = None
        self.run: str | None = None  # the id of the run that wrote this receipt last; None before the first
        self.table = table or {}  # the chunks by their number
        self._refused_rows: pd.DataFrame | None = None

    def __dir__(self) -> list[str]:
        inner = {"chunks_in", "doubtful", "job", "keep_refused", "note_deleted", "rows_in", "run", "table"}
        return sorted({*super().__dir__()} - inner)

    @classmethod
    @public
    def load(cls, path: str | os.PathLike[str]) -> AppendReceipt:
        """Read the receipt in a journal. The append may still be running, also in another process.

        Parameters
        ----------
        path : str or path
            The journal.

        Returns
        -------
        AppendReceipt
            Chunks that are on the wire, or were when the process ended, are in doubt.

        Raises
        ------
        InputError
            There is no such journal, or it can't be read.
        JournalBusy
            Another process is writing to it for more than some seconds.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "rain.journal"
        >>> receipt = pd.DataFrame({"mm": [0.5, 2.25]}).clicdata.push("Rain", journal=path)
        >>> AppendReceipt.load(path)
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
        """
        from pandas_clicdata.uploads.journal import load  # imports this module, and sqlite3

        return load(path)

    def note_deleted(self) -> None:
        """Note that the rows are deleted that this append replaces."""
        assert self.job.replaces is not None
        self.job = msgspec.structs.replace(self.job, replaces=msgspec.structs.replace(self.job.replaces, deleted=True))

    # -----------------------------------------------------------------------------------------------------
    # Chunks

    def chunks_in(self, *states: State) -> list[Chunk]:
        """Return the chunks in one of these states (in any state if none is given), by position.

        Each stretch of rows that belongs to no chunk yet is a pending one with the number `NEVER_SENT`.
        """
        chunks = sorted(self.table.values(), key=attrgetter("start"))
        gaps = zip([0, *(c.stop for c in chunks)], [*(c.start for c in chunks), self.rows_total], strict=True)
        chunks += [Chunk(NEVER_SENT, start, stop) for start, stop in gaps if start < stop]
        return sorted((c for c in chunks if not states or c.state in states), key=attrgetter("start"))

    def doubtful(self) -> list[Chunk]:
        """Return the chunks in doubt, by position."""
        return self.chunks_in(*DOUBTFUL)

    def rows_in(self, *states: State) -> int:
        """Return the number of rows of the chunks in these states."""
        return sum(chunk.rows for chunk in tuple(self.table.values()) if chunk.state in states)

    @property
    def rows_appended(self) -> int:
        """Rows that this append is known to have stored, each once; without the rows that were there before."""
        return self.rows_in(*STORED) - self.rows_found

    @property
    def rows_found(self) -> int:
        """Rows that the service left out because their key was there before, by its own count; 0 if it gives none."""
        return sum(chunk.rows_found for chunk in tuple(self.table.values()))

    @property
    def rows_in_doubt(self) -> int:
        """Rows that are not known to be stored once: they may be missing, stored in part, or stored twice."""
        return self.rows_in(*DOUBTFUL)

    @property
    def rows_refused(self) -> int:
        """Rows of the chunks that the service refused, each as a whole; `rows_remaining` includes them."""
        return sum(chunk.rows for chunk in self._refused())

    def _refused(self) -> list[Chunk]:
        return [c for c in self.chunks_in(State.REFUSED) if (c.reason or "").split(",")[0] in _ABOUT_ROWS]

    @property
    def rows_remaining(self) -> int:
        """Rows that are known not to be stored."""
        return self.rows_total - self.rows_in(*STORED, *DOUBTFUL)

    @property
    def complete(self) -> bool:
        """Whether every row is known to be stored, by this append or before."""
        return self.rows_in(*STORED) == self.rows_total

    # -----------------------------------------------------------------------------------------------------
    # Rows

    @property
    def chunks(self) -> pd.DataFrame:
        """A row per chunk. Rows that were never sent are one pending chunk for each stretch.

        Returns
        -------
        DataFrame
            ``start`` and ``stop`` (positions in the frame, Int64), ``rows`` (Int64), ``state`` (text:
            pending, sending, applied, refused, partial, doubled, in doubt, verified), ``rows_inserted`` (the count
            of the service, Int64, missing where it gives none; the other rows of an applied chunk were there before)
            and ``error`` (text).
        """
        schema = dict.fromkeys(("start", "stop", "rows", "state", "rows_inserted"), "integer")
        schema |= {"state": "text", "error": "text"}
        chunks = self.chunks_in()
        records = [(c.start, c.stop, c.rows, c.state.value, c.rows_inserted, c.error or c.reason) for c in chunks]
        return frame_of_records([dict(zip(schema, record, strict=True)) for record in records], schema)

    @public
    def remaining(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that are known not to be stored.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended. (If it has more than 1,000 rows, 1,000 of them are compared.)

        Returns
        -------
        DataFrame
            Rows of ``df``, in order, with its index, columns and dtypes.

        Raises
        ------
        InputError
            ``df`` is not the frame that was appended: it has other rows, or the same in another order.
        """
        return self._rows(df, self.chunks_in(State.PENDING, State.REFUSED))

    @public
    def in_doubt(self, df: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that may be stored or not.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended, as for `remaining`.

        Returns
        -------
        DataFrame
            As `remaining`.

        Raises
        ------
        InputError
            ``df`` is not the frame that was appended.
        """
        return self._rows(df, self.doubtful())

    @property
    def refused(self) -> pd.DataFrame:
        """The rows that the service refused, with ``errors="collect"`` one by one, and why.

        Returns
        -------
        DataFrame
            Rows of the frame, in order, with its index, columns and dtypes, and a last column ``reason`` (text).
            A receipt from a journal, which holds no cells, has only the column ``reason``, and positions as index.
        """
        chunks = self._refused()
        reasons = [{"reason": chunk.error or chunk.reason} for chunk in chunks for _ in chunk.span]
        table = frame_of_records(reasons, {"reason": "text"})
        rows = self._refused_rows
        if rows is None or len(rows) != len(reasons):
            table.index = [position for chunk in chunks for position in chunk.span]
            return table
        name = "reason" if "reason" not in rows.columns else "reason (ClicData)"
        return self._noting_types(rows.assign(**{name: table["reason"].array}))

    def keep_refused(self, df: pd.DataFrame) -> None:
        """Keep the rows of the frame that were refused, for `refused`."""
        positions = [i for chunk in self._refused() for i in chunk.span]
        try:
            self._refused_rows = df.iloc[positions] if positions else df.iloc[:0]
        except Exception:  # noqa: BLE001  # Arrow can't take rows of every type, and the rows are stored by now
            self._refused_rows = None

    def _rows(self, df: pd.DataFrame, chunks: list[Chunk]) -> pd.DataFrame:
        if len(df) != self.rows_total:
            raise InputError(
                f"this receipt is of a frame with {self.rows_total} rows, and the one given has {len(df)}: "
                "give the frame that was appended"
            )
        try:
            found = fingerprint(FrameEncoder(df, types=self.job.types, index=takes_index(df, self.job)))
        except (InputError, AttributeError):  # a frame that can't be sent, or no frame
            found = None
        if found != self.job.fingerprint:
            raise InputError(
                "this receipt is of a frame with other rows, or with these in another order: give the frame that was "
                "appended, as it was"
            )
        return self._noting_types(df.iloc[[position for chunk in chunks for position in chunk.span]])

    def _noting_types(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Note the types with which the rows were sent, so that they can be appended without ``types=``."""
        if self.job.types:
            rows.attrs["clicdata"] = {"rec_id": self.rec_id, "types": dict(self.job.types)}
        return rows

    # -----------------------------------------------------------------------------------------------------
    # Repair

    @public
    def repair(self, df: pd.DataFrame, *, session: Session | None = None) -> AppendReceipt:
        """Delete the rows of the chunks in doubt by their stamps, and send them once more.

        Only for an append with ``verify="tag"``. No other call deletes rows, and this one deletes no row without the
        stamp of such a chunk. The rest of the frame is not sent: `resume_append` does that.

        It costs a request for each chunk to delete, one to send it, a wait (half a minute or more) and three times as
        many requests as the data set has pages, to see that the rows were deleted and that they are back.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended. (If it has more than 1,000 rows, 1,000 of them are compared.)
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        AppendReceipt
            This one, with no chunk in doubt.

        Raises
        ------
        InputError
            The rows bear no stamps.
        JournalMismatch
            It is another frame, or another account.
        AppendAmbiguous
            The rows could not be deleted for certain, or the response was lost when they were sent again.
        """
        from pandas_clicdata.uploads.resume import repair  # imports this module

        return repair(self, df, session=session)

    # -----------------------------------------------------------------------------------------------------
    # Display

    def __repr__(self) -> str:
        return f"<AppendReceipt: {self.summary()}>"

    def summary(self) -> str:
        """Return one line: the rows that are stored, in doubt and not stored."""
        stored = f"{self.rows_appended:,} of {_counted(self.rows_total, 'row')} appended to data set {self.rec_id}"
        parts = [f"{stored} in {_counted(len(self.chunks_in()), 'chunk')}"]
        if self.rows_in_doubt:
            parts.append(f"{self.rows_in_doubt:,} in doubt: .in_doubt(df)")
        if self.rows_remaining:
            parts.append(f"{self.rows_remaining:,} not stored: .remaining(df)")
        if self.rows_refused and self.job.errors == "collect":
            parts.append(f"{self.rows_refused:,} of them refused: .refused")
        elif self.rows_refused:  # a chunk is refused as a whole, even if one row is at fault
            parts.append(f"{join_names(c.label for c in self._refused())} of them refused together: .refused")
        parts += self._left_out()
        if self.audited is False:
            parts.append("the audit found another number of rows")
        return "; ".join(parts)

    def _left_out(self) -> list[str]:
        """Return what was left out: levels of the index and columns by the caller, rows by the service, or maybe."""
        found, levels = self.rows_found, ", ".join(map(repr, self.job.levels_left_out))
        notes = [f"the index {levels} was left out"] if levels else []
        if found:
            notes.append(f"{_counted(found, 'row')} {'was' if found == 1 else 'were'} there before")
        uncounted = any(chunk.rows_inserted is None for chunk in self.chunks_in(State.APPLIED))
        if self.job.has_key and uncounted and not self.audited:
            notes.append("the data set has a unique key: rows whose key existed may have been left out")
        if self.job.left_empty:
            notes.append(f"left empty: {join_names(map(repr, self.job.left_empty))}")
        return notes

    def _repr_html_(self) -> str:
        counts = {
            "data set": str(self.rec_id),
            "rows": f"{self.rows_total:,}",
            "appended": f"{self.rows_appended:,}",
            "in doubt": f"{self.rows_in_doubt:,}",
            "not stored": f"{self.rows_remaining:,}",
            "left out": "; ".join(self._left_out()) or "none known",
            "chunks": f"{len(self.chunks_in()):,}",
            "counted at the end": {None: "not counted", True: "right", False: "another number"}[self.audited],
        }
        steps = []
        if self.rows_in_doubt:
            steps.append("look whether these rows are stored: .in_doubt(df)")
        if self.rows_remaining > self.rows_refused:
            steps.append("these rows are not stored: .remaining(df); resume_append(df, receipt) sends them")
        if self.rows_refused:
            steps.append("the rows that ClicData refused, and why: .refused; mend these rows and append them")
        if self.audited is False:
            steps.append("others wrote to the data set, or rows were lost or doubled: compare it with the frame")
        return receipt_html(self, counts, steps or self._left_out())


def receipt_html(receipt: Receipt, counts: Mapping[str, str], steps: Sequence[str]) -> str:
    """Return a receipt as HTML: its summary, and if there are next steps, its counts and these."""
    line = f"<p>{type(receipt).__name__}: {html.escape(receipt.summary())}</p>"
    if not steps:
        return line
    style = "style='text-align:left'"
    cells = [*counts.items(), *zip(["next", *[""] * len(steps)], steps, strict=False)]
    rows = "".join(f"<tr><th {style}>{name}</th><td {style}>{html.escape(text)}</td></tr>" for name, text in cells)
    return f"{line}<table><tbody>{rows}</tbody></table>"


def takes_index(df: pd.DataFrame, job: Job) -> bool:
    """Return whether the index of a frame is sent with it: what was a level of it may be a column now, or was one."""
    sent = [name for name in job.columns if name != job.tag_column]
    return [*df.columns] != sent and (job.index or [*df.index.names, *df.columns] == sent)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def ambiguous_error(receipt: AppendReceipt, what: str, advice: str = "") -> AppendAmbiguous:
    """Return the error for rows that may be stored or not."""
    failure = AppendAmbiguous(f"{what}. {receipt.summary()}.{advice and f' {advice}'}")
    failure.receipt = receipt
    return failure


class ReceiptWriter:
    """Notes what happens during one run of an append, in its receipt and in its journal. Thread-safe."""

    def __init__(self, receipt: AppendReceipt, journal: Journal | None = None) -> None:
        self.receipt = receipt
        self._journal = journal
        self._lock = threading.Lock()
        self._run = str(uuid.uuid4())
        self.ended = threading.Event()  # set: no chunk may be sent any more
        self._unsaved: dict[int, Chunk | None] = {}  # changes that the journal doesn't hold yet; None: removed
        self.numbers = itertools.count(max(receipt.table, default=-1) + 1)  # for new chunks: never used before

    def begin(self) -> None:
        """Write the job and all chunks into the journal; an AppendInterrupted if that fails."""
        if self._journal is not None:
            self.receipt.journal = self._journal.path  # first: no resume may go on without one
            try:
                self._journal.begin(self.receipt.job, self._run, self.receipt.table.values())
            except OSError as error:
                raise self._stopped(self._journal, error) from error
        self.receipt.run = self._run

    def _check_running(self) -> None:
        if self.ended.is_set() or self.receipt.run != self._run:
            raise AppendInterrupted("stopped: the append ended while this chunk was prepared")

    def note_sending(self, chunk: Chunk) -> None:
        """Note that a chunk is about to be sent: in the journal first, with all that it doesn't hold yet.

        If that fails, or if the run has ended, it raises AppendInterrupted, and the chunk must not be sent.
        """
        with self._lock:
            self._check_running()
            chunk = replace(chunk, state=State.SENDING, rows_inserted=None, reason=None, error=None)
            if self._journal is not None:
                try:
                    self._journal.write({**self._unsaved, chunk.number: chunk}, self.receipt.audited)
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

        After a later run has begun, nothing is noted: that run found out by itself.
        """
        with self._lock:
            if self.receipt.run != self._run:
                return
            known = self.receipt.table.get(chunk.number, chunk)
            doubted = known.doubted or (known.state in _DOUBTED and state is State.PENDING)
            noted = replace(known, state=state, rows_inserted=rows_inserted, reason=reason, error=error)
            self.receipt.table[chunk.number] = noted = replace(noted, doubted=doubted)
            self._unsaved[chunk.number] = noted

    def split(self, chunk: Chunk, stops: list[int]) -> list[Chunk]:
        """Replace a chunk that is not stored by pending ones that end at these positions."""
        bounds = zip([chunk.start, *stops], stops, strict=False)
        pieces = [Chunk(next(self.numbers), *bound, doubted=chunk.doubted) for bound in bounds]
        added = {piece.number: piece for piece in pieces}
        with self._lock:
            self._check_running()
            kept = {number: other for number, other in self.receipt.table.items() if number != chunk.number}
            self.receipt.table = {**kept, **added}  # at once: an interrupt may come at any time
            self._unsaved |= {chunk.number: None, **added}
        return pieces

    def save(self) -> None:
        """Write into the journal what it doesn't hold yet. If that fails, the next chunk is not sent."""
        with self._lock, suppress(OSError):
            if self._journal is not None:
                self._journal.write(self._unsaved, self.receipt.audited)
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
            f"before it is in the journal. {self.receipt.summary()}. Go on with resume_append(df, receipt) when the "
            "journal can be written."
        )
        failure.receipt = self.receipt
        return failure


_running: dict[str, threading.Thread] = {}  # which thread of this process works on which append
_running_lock = threading.Lock()


@contextmanager
def run_alone(append_id: str) -> Iterator[None]:
    """Let one thread at a time send the rows of an append; another one gets JournalBusy."""
    me = threading.current_thread()
    with _running_lock:
        owner = _running.get(append_id, me)  # its own, if a Ctrl-C came when this thread gave the append back
        if owner is not me and owner.is_alive():
            raise JournalBusy("this append is still running in another call: let it end. Nothing was sent.")
        _running[append_id] = me
    try:
        yield
    finally:
        _running.pop(append_id, None)


@contextmanager
def receipt_on_interrupt(receipt: Receipt, where: str) -> Iterator[None]:
    """Attach a receipt to a Ctrl-C as ``.receipt``, with a note that says where else it can be found."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as interrupt:
        interrupt.receipt = receipt  # type: ignore[union-attr]
        if hasattr(interrupt, "add_note"):  # Python 3.11
            interrupt.add_note(f"{receipt.summary()} ({where})")
        raise
