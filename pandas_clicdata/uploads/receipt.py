"""What is stored of an append, what is not, and what is in doubt."""

from __future__ import annotations

import enum
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pandas_clicdata.errors import AppendAmbiguous, InputError
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.frames.stamps import is_of
from pandas_clicdata.uploads.entries import Audited, Became, Entry, Halved, Job, Piece, Planned, Promised, Sending

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    import pandas as pd

    from pandas_clicdata.session.session import Session


class State(enum.Enum):
    """What is known of a chunk."""

    PENDING = "pending"  # never sent, or known not to have arrived
    SENDING = "sending"  # on the wire
    APPLIED = "applied"  # stored, each row once
    REFUSED = "refused"  # the service said that it stored nothing of it
    PARTIAL = "partial"  # stored in part, and it isn't known which rows
    DOUBLED = "doubled"  # stored more than once
    IN_DOUBT = "in doubt"  # stored or not: the answer was lost
    VERIFIED = "verified"  # was in doubt, and was found stored, each row once


STORED = (State.APPLIED, State.VERIFIED)
DOUBTFUL = (State.SENDING, State.PARTIAL, State.DOUBLED, State.IN_DOUBT)


@dataclass
class Chunk:
    """The rows of one request: ``start`` to ``stop`` (not included), by position in the frame.

    ``times`` is how often it was sent; ``doubted`` is a chunk that was in doubt, was found missing, and is to be sent
    again.
    """

    number: int
    start: int
    stop: int
    state: State = State.PENDING
    rows_inserted: int | None = None
    error: str | None = None
    format: str | None = None
    sha256: str | None = None
    doubted: bool = False
    times: int = 0

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.stop - self.start

    @property
    def span(self) -> range:
        """The positions of its rows."""
        return range(self.start, self.stop)

    @property
    def named(self) -> str:
        """Its rows, to be told of."""
        return f"rows {self.start} to {self.stop - 1}"

    @classmethod
    def of(cls, piece: Piece) -> Chunk:
        """The chunk that stands in a journal."""
        return cls(
            piece.number,
            piece.start,
            piece.stop,
            State(piece.state),
            piece.rows_inserted,
            None,
            piece.format,
            piece.sha256,
            piece.doubted,
        )

    def piece(self) -> Piece:
        """The chunk as it stands in a journal."""
        return Piece(
            self.number,
            self.start,
            self.stop,
            self.state.value,
            self.format,
            self.sha256,
            self.rows_inserted,
            self.doubted,
        )


class AppendReceipt:
    """What became of each row of an append.

    Attributes
    ----------
    rec_id : int
        The data set.
    rows_total : int
        Rows of the frame.
    append_id : str
        What tells this append from all others; with ``verify="tag"`` the stamps begin with it.
    audited : bool or None
        Whether the rows were counted in the end and are as many as they should be (False: they are not); None
        where they were not counted.
    journal : str or None
        The path of its journal.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.rec_id = job.rec_id
        self.rows_total = job.rows
        self.append_id = job.append_id
        self.audited: bool | None = None
        self.journal: str | None = None
        self._chunks: dict[int, Chunk] = {}
        self._promise: Promised | None = None
        self._refused_rows: pd.DataFrame | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> AppendReceipt:
        """The receipt in a journal, whatever became of the process that wrote it.

        Parameters
        ----------
        path : str or path
            The journal.

        Returns
        -------
        AppendReceipt
            A chunk that was on the wire when the process ended is in doubt.

        Raises
        ------
        InputError
            There is no such journal, or it can't be read.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "rain.journal"
        >>> receipt = pd.DataFrame({"mm": [0.5, 2.25]}).clicdata.push("Rain", journal=path)
        >>> AppendReceipt.load(path)
        <AppendReceipt: 2 of 2 rows appended to data set ... in 1 chunk>
        """
        from pandas_clicdata.uploads.journal import loaded  # which knows receipts

        return loaded(path)

    # -----------------------------------------------------------------------------------------------------
    # What happened

    def enter(self, entry: Entry) -> None:
        """Let an entry of the journal take effect."""
        if isinstance(entry, Became):
            self._become(self._chunks[entry.chunk], entry)
            return
        if isinstance(entry, Promised):
            self._promise = Promised([*self._unresolved(), *entry.chunks], entry.boot)
            return
        self._promise = None
        if isinstance(entry, Planned):
            self._chunks = {piece.number: Chunk.of(piece) for piece in entry.chunks}
        elif isinstance(entry, Sending):
            self._send(entry)
        elif isinstance(entry, Halved):
            others = {number: chunk for number, chunk in self._chunks.items() if number != entry.chunk}
            halves = {piece.number: Chunk.of(piece) for piece in entry.halves}
            self._chunks = {**others, **halves}  # at once: an interrupt may come anywhere
        elif isinstance(entry, Audited):
            self.audited = entry.passed

    def _send(self, entry: Sending) -> None:
        chunk = self._chunks[entry.chunk]
        chunk.state, chunk.format, chunk.sha256 = State.SENDING, entry.format, entry.sha256
        chunk.times += 1

    def _become(self, chunk: Chunk, entry: Became) -> None:
        # Of what is promised the first is on the wire. What is said of a later one leaves it there: whatever became of
        # it was to be written down, and an interrupt came in between.
        promised = self._unresolved()
        if any(sent.chunk == chunk.number for sent in promised):
            self._send(promised[0])
        state = State(entry.state)
        if state is not State.APPLIED:
            self._promise = None
        chunk.doubted |= state is State.PENDING and chunk.state in DOUBTFUL and chunk.state is not State.SENDING
        chunk.state, chunk.rows_inserted, chunk.error = state, entry.rows_inserted, entry.reason

    def _unresolved(self) -> list[Sending]:
        """The chunks that are promised and have no outcome yet, in order."""
        promised = [] if self._promise is None else self._promise.chunks
        return [sent for sent in promised if self._chunks[sent.chunk].state is State.PENDING]

    def cut_short(self, boot: str | None) -> None:
        """Let what may have been on the wire when the process ended be in doubt.

        That is the one that was told to go out; else the first of those promised that has no outcome. All of them, if
        outcomes may be lost with another run of the machine than this one, which ``boot`` tells.
        """
        kept = self._promise is not None and boot is not None and boot == self._promise.boot
        at_most = 0 if self.chunks_in(State.SENDING) else 1
        for sent in self._unresolved()[: at_most if kept else None]:
            self._send(sent)
        for chunk in self.chunks_in(State.SENDING):
            chunk.state, chunk.error = State.IN_DOUBT, "it was on the wire when the process ended"

    def chunks_in(self, *states: State) -> list[Chunk]:
        """The chunks in one of these states (in any, if none is named), by position."""
        found = (chunk for chunk in tuple(self._chunks.values()) if not states or chunk.state in states)
        return sorted(found, key=lambda chunk: chunk.start)

    def doubtful(self) -> list[Chunk]:
        """The chunks in doubt, by position."""
        return self.chunks_in(*DOUBTFUL)

    def identify(self, digest: str) -> None:
        """Note what tells the frame from others, so that the append can go on."""
        self.job = msgspec.structs.replace(self.job, digest=digest)

    def next_number(self) -> int:
        """A number that no chunk had before."""
        return max(self._chunks, default=-1) + 1

    # -----------------------------------------------------------------------------------------------------
    # Counts

    @property
    def rows_appended(self) -> int:
        """Rows that are known to be stored, each once."""
        return self._count(STORED)

    @property
    def rows_in_doubt(self) -> int:
        """Rows of which it isn't known whether they are stored once: perhaps not, or (if found so) in part or twice."""
        return self._count(DOUBTFUL)

    @property
    def rows_refused(self) -> int:
        """Rows that the service refused; they are among those that remain."""
        return self._count((State.REFUSED,))

    @property
    def rows_remaining(self) -> int:
        """Rows that are known not to be stored."""
        return self.rows_total - self.rows_appended - self.rows_in_doubt

    @property
    def complete(self) -> bool:
        """Whether every row is known to be stored."""
        return self.rows_appended == self.rows_total

    def _count(self, states: tuple[State, ...]) -> int:
        return sum(chunk.rows for chunk in tuple(self._chunks.values()) if chunk.state in states)

    # -----------------------------------------------------------------------------------------------------
    # Rows

    @property
    def chunks(self) -> pd.DataFrame:
        """A row per chunk.

        Returns
        -------
        DataFrame
            ``start`` and ``stop`` (positions in the frame, Int64), ``rows`` (Int64), ``state`` (text:
            pending, sending, applied, refused, partial, doubled, in doubt, verified), ``rows_inserted`` (what the
            service counted, Int64, missing where it doesn't say) and ``error`` (text).
        """
        schema = {
            "start": "integer",
            "stop": "integer",
            "rows": "integer",
            "state": "text",
            "rows_inserted": "integer",
            "error": "text",
        }
        records = [
            {
                "start": chunk.start,
                "stop": chunk.stop,
                "rows": chunk.rows,
                "state": chunk.state.value,
                "rows_inserted": chunk.rows_inserted,
                "error": chunk.error,
            }
            for chunk in self.chunks_in()
        ]
        return frame_of_records(records, schema)

    def remaining(self, df: pd.DataFrame) -> pd.DataFrame:
        """The rows that are known not to be stored.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended. (Of more than 20,000 rows, 1,000 are compared.)

        Returns
        -------
        DataFrame
            Those of its rows, in order, with its index, columns and dtypes.

        Raises
        ------
        InputError
            The frame is not the one that was appended: it has other rows, or in another order.
        """
        return self._rows(df, self.spans_without(STORED + DOUBTFUL))

    def in_doubt(self, df: pd.DataFrame) -> pd.DataFrame:
        """The rows that may be stored or not.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended. (Of more than 20,000 rows, 1,000 are compared.)

        Returns
        -------
        DataFrame
            Those of its rows, in order, with its index, columns and dtypes.

        Raises
        ------
        InputError
            The frame is not the one that was appended: it has other rows, or in another order.
        """
        return self._rows(df, [chunk.span for chunk in self.doubtful()])

    @property
    def refused(self) -> pd.DataFrame:
        """The rows that the service refused, with ``errors="collect"`` one by one, and why.

        Returns
        -------
        DataFrame
            Those rows of the frame, in order, with its index, columns and dtypes, and a last column ``reason``
            (text). A receipt that was read from a journal, which holds no cells, gives the column ``reason`` alone
            and positions as its index.
        """
        chunks = self.chunks_in(State.REFUSED)
        positions = [position for chunk in chunks for position in chunk.span]
        reasons = [chunk.error for chunk in chunks for _ in range(chunk.rows)]
        told = frame_of_records([{"reason": reason} for reason in reasons], {"reason": "text"})
        rows = self._refused_rows
        if rows is None or len(rows) != len(positions):
            told.index = positions
            return told
        name = "reason" if "reason" not in rows.columns else "reason (ClicData)"
        told.index = rows.index
        return rows.assign(**{name: told["reason"].array})

    def keep_refused(self, df: pd.DataFrame) -> None:
        """Keep the rows that were refused one by one, to show them."""
        chunks = self.chunks_in(State.REFUSED)
        positions = [position for chunk in chunks for position in chunk.span]
        self._refused_rows = df.iloc[positions] if positions else df.iloc[:0]  # which takes a tenth of the time

    def spans_without(self, states: tuple[State, ...]) -> list[range]:
        """The positions of the rows that are in no chunk in these states."""
        spans = [chunk.span for chunk in self.chunks_in(*states)]
        starts = [0, *(span.stop for span in spans)]
        stops = [*(span.start for span in spans), self.rows_total]
        return [range(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]

    def _rows(self, df: pd.DataFrame, spans: Iterable[range]) -> pd.DataFrame:
        if len(df) != self.rows_total:
            raise InputError(
                f"this receipt is of a frame with {self.rows_total} rows, and the one given has {len(df)}: "
                "give the frame that was appended"
            )
        if self.job.digest is not None and not _is_of(self.job.digest, df, self.job):
            raise InputError(
                "this receipt is of a frame with other rows, or with these in another order: give the frame that was "
                "appended, as it was"
            )
        return df.iloc[[position for span in spans for position in span]]

    # -----------------------------------------------------------------------------------------------------
    # Putting right

    def repair(self, df: pd.DataFrame, *, session: Session | None = None) -> AppendReceipt:
        """Delete the rows of the chunks in doubt by their stamps, and send them once more.

        Only for an append with ``verify="tag"``. Nothing is ever deleted but by this call, and no row without the
        stamp of such a chunk. The rest of the frame is not sent: `resume_append` does that.

        It costs a request for each chunk to delete, one to send it, a wait (half a minute or more) and three times as
        many requests as the data set has pages, to see that the rows are gone and that they are back.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended. (Of more than 20,000 rows, 1,000 are compared.)
        session : Session, optional
            What to send through; the default session if not given.

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
            The rows could not be deleted for certain, or the answer was lost when they were sent again.
        """
        from pandas_clicdata.uploads.resume import repair  # which knows receipts

        return repair(self, df, session=session)

    # -----------------------------------------------------------------------------------------------------
    # To be looked at

    def __repr__(self) -> str:
        return f"<AppendReceipt: {self.summary()}>"

    def summary(self) -> str:
        """One line that says what is stored, in doubt and not stored."""
        stored = f"{self.rows_appended:,} of {_some(self.rows_total, 'row')} appended to data set {self.rec_id}"
        parts = [f"{stored} in {_some(len(self._chunks), 'chunk')}"]
        if self.rows_in_doubt:
            parts.append(f"{self.rows_in_doubt:,} in doubt: .in_doubt(df)")
        if self.rows_remaining:
            parts.append(f"{self.rows_remaining:,} not stored: .remaining(df)")
        if self.rows_refused:
            parts.append(f"{self.rows_refused:,} of them refused: .refused")
        if self.audited is False:
            parts.append("the audit found another number of rows")
        return "; ".join(parts)

    def _repr_html_(self) -> str:
        counts = (
            ("data set", str(self.rec_id)),
            ("rows", f"{self.rows_total:,}"),
            ("appended", f"{self.rows_appended:,}"),
            ("in doubt", f"{self.rows_in_doubt:,}"),
            ("not stored", f"{self.rows_remaining:,}"),
            ("chunks", f"{len(self._chunks):,}"),
            ("audited", {None: "no", True: "yes", False: "yes, and found wrong"}[self.audited]),
        )
        cells = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in counts
        )
        return f"<table><caption>AppendReceipt</caption><tbody>{cells}</tbody></table>"


def ambiguous(receipt: AppendReceipt, what: str, advice: str = "") -> AppendAmbiguous:
    """The error for rows that may be stored or not."""
    failure = AppendAmbiguous(f"{what}. {receipt.summary()}.{advice and f' {advice}'}")
    failure.receipt = receipt
    return failure


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _is_of(digest: str, df: pd.DataFrame, job: Job) -> bool:
    try:
        return is_of(digest, FrameEncoder(df, types=job.types, index=job.index))
    except InputError:  # it can't be sent at all
        return False
