"""The receipt of an append: a table of its chunks, and the state of each chunk."""

from __future__ import annotations

import enum
import html
from bisect import bisect
from contextlib import contextmanager
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pandas_clicdata.arguments import check_count
from pandas_clicdata.errors import AppendAmbiguous, ClicDataError, InputError, public
from pandas_clicdata.frames.decode import frame_of_records
from pandas_clicdata.frames.encode import FrameEncoder
from pandas_clicdata.frames.pieces import concat, frames_of
from pandas_clicdata.frames.types import join_names
from pandas_clicdata.uploads.stamps import fingerprint

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from pandas_clicdata.accessor import DataFrame
    from pandas_clicdata.errors import Receipt
    from pandas_clicdata.frames.pieces import Rows
    from pandas_clicdata.session.session import Session
    from pandas_clicdata.uploads.job import Job


class State(enum.Enum):
    """The known state of a chunk."""

    PENDING = "pending"  # never sent, or known not to be stored
    SENDING = "sending"  # on the wire
    APPLIED = "applied"  # stored, each row once
    REFUSED = "refused"  # the service refused it and stored nothing
    PARTIAL = "partial"  # stored in part; which rows is unknown
    DOUBLED = "doubled"  # stored more than once
    IN_DOUBT = "in doubt"  # stored or not: the response was lost
    VERIFIED = "verified"  # was in doubt, and was found stored, each row once
    FOUND = "found"  # stored by an earlier run under the same id, and not yet compared with the rows


STORED = (State.APPLIED, State.VERIFIED)
DOUBTED = (State.PARTIAL, State.DOUBLED, State.IN_DOUBT)
DOUBTFUL = (State.SENDING, *DOUBTED)
_ABOUT_ROWS = ("", "ApiError", "Conflict", "TooLarge")  # reasons of a refusal; a log-in, say, is not about rows
NEVER_SENT = -1  # the number of a stretch of rows that belongs to no chunk yet


@dataclass(frozen=True)
class Chunk:
    """The rows of one request: ``start`` to ``stop`` (not included), by position in the frame."""

    number: int
    start: int
    stop: int
    state: State = State.PENDING
    row_format: str | None = None
    sha256: str | None = None  # of the body, before stamps and compression; a found chunk has its beginning
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
        """How many rows of a stored chunk the service left out, because they were there before."""
        return self.rows - self.rows_inserted if self.state in STORED and self.rows_inserted is not None else 0

    @property
    def span(self) -> range:
        """The positions of the rows."""
        return range(self.start, self.stop)

    @property
    def label(self) -> str:
        """The rows, for messages."""
        return f"row {self.start}" if self.rows == 1 else f"rows {self.start} to {self.stop - 1}"


class Piece(NamedTuple):
    """One of the frames of an append: the positions of its rows among all, and its fingerprint."""

    start: int
    stop: int
    fingerprint: str


class AppendReceipt:
    """The known state of each row of an append.

    Attributes
    ----------
    rec_id : int
        The data set.
    rows_total : int
        Rows of the frame; of several pieces, the rows of the pieces that were begun.
    append_id : str
        The id of this append; with ``verify="tag"`` the stamps begin with it.
    audited : bool or None
        Whether the count of rows at the end was right (True) or wrong (False); None if they were not counted.
    journal : str or None
        The path of its journal.
    """

    def __init__(
        self, job: Job, parts: Sequence[Piece], *, ended: bool = True, table: dict[int, Chunk] | None = None
    ) -> None:
        self.job = job
        self.rec_id = job.rec_id
        self.parts = list(parts)  # the pieces that were begun
        self.ended = ended  # whether these are all
        self.append_id = job.append_id
        self.audited: bool | None = None
        self.journal: str | None = None
        self.run: str | None = None  # the id of the run that wrote this receipt last; None before the first
        self.table = table or {}  # the chunks by their number
        self._refused_rows: dict[int, pd.DataFrame | None] = {}  # by the position of the piece

    def __dir__(self) -> list[str]:
        inner = {"chunks_in", "doubtful", "ended", "job", "keep_refused", "label", "parts", "rows_in", "run", "table"}
        return sorted({*super().__dir__()} - inner - {"note_deleted"})

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
            Another process kept the journal locked for several seconds.

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

    # -----------------------------------------------------------------------------------------------------
    # Chunks

    @property
    def rows_total(self) -> int:
        """Rows of the frame; of several pieces, the rows of the pieces that were begun."""
        return self.parts[-1].stop

    def note_deleted(self) -> None:
        """Note that the rows which this append replaces are deleted."""
        assert self.job.replaces is not None
        self.job = msgspec.structs.replace(self.job, replaces=msgspec.structs.replace(self.job.replaces, deleted=True))

    def chunks_in(self, *states: State, within: range | None = None) -> list[Chunk]:
        """Return the chunks in one of these states (by default in any state), by position; ``within`` is a piece.

        Each stretch of rows that belongs to no chunk yet is one pending chunk with the number `NEVER_SENT`.
        """
        chunks = [c for c in tuple(self.table.values()) if within is None or c.start in within]
        chunks.sort(key=attrgetter("start"))
        first, end = (0, self.rows_total) if within is None else (within.start, within.stop)
        begun = [c for c in chunks if c.start < end]  # other chunks were found, of later pieces
        gaps = zip([first, *(c.stop for c in begun)], [*(c.start for c in begun), end], strict=True)
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
        """Rows that this append is known to have stored, each once. Rows that were there before don't count."""
        return self.rows_in(*STORED) - self.rows_found

    @property
    def rows_found(self) -> int:
        """Rows that the service counts as left out, because their key was there before; 0 if it gives no count."""
        return sum(chunk.rows_found for chunk in tuple(self.table.values()))

    @property
    def rows_in_doubt(self) -> int:
        """Rows that are not known to be stored once: they may be missing, stored in part, or stored twice."""
        return self.rows_in(*DOUBTFUL)

    @property
    def rows_refused(self) -> int:
        """Rows of refused chunks. The service refuses a chunk as a whole. `rows_remaining` includes these rows."""
        return sum(chunk.rows for chunk in self._refused())

    def _refused(self, within: range | None = None) -> list[Chunk]:
        refused = self.chunks_in(State.REFUSED, within=within)
        return [c for c in refused if (c.reason or "").split(",")[0] in _ABOUT_ROWS]

    @property
    def rows_remaining(self) -> int:
        """Rows that are known not to be stored."""
        return self.rows_total - self.rows_in(*STORED, *DOUBTFUL)

    @property
    def complete(self) -> bool:
        """Whether every row of every piece is known to be stored, by this append or before."""
        return self.ended and self.rows_in(*STORED) == self.rows_total

    def label(self, chunk: Chunk) -> str:
        """Return the rows of a chunk, for messages."""
        if len(self.parts) == 1:
            return f"{chunk.label} of the frame"
        number = self._piece_at(chunk.start)
        first = self.parts[number].start if number < len(self.parts) else self.rows_total
        within = replace(chunk, start=chunk.start - first, stop=chunk.stop - first)
        return f"{chunk.label} of all ({within.label} of piece {number})"

    def _piece_at(self, position: int) -> int:
        return bisect(self.parts, position, key=attrgetter("stop"))

    # -----------------------------------------------------------------------------------------------------
    # Rows

    @property
    def chunks(self) -> pd.DataFrame:
        """A row per chunk. Each stretch of rows that was never sent is one pending chunk.

        Returns
        -------
        DataFrame
            ``start`` and ``stop`` (positions in the frame, Int64), ``rows`` (Int64), ``state`` (text:
            pending, sending, applied, refused, partial, doubled, in doubt, verified, found), ``rows_inserted``
            (the count of the service, Int64, missing without a count; the other rows of an applied chunk were there
            before) and ``error`` (text).
        """
        schema = dict.fromkeys(("start", "stop", "rows", "state", "rows_inserted"), "integer")
        schema |= {"state": "text", "error": "text"}
        chunks = self.chunks_in()
        records = [(c.start, c.stop, c.rows, c.state.value, c.rows_inserted, c.error or c.reason) for c in chunks]
        return frame_of_records([dict(zip(schema, record, strict=True)) for record in records], schema)

    @property
    def pieces(self) -> pd.DataFrame:
        """A row per piece that was begun; an append of one frame has one. The index is the number of the piece.

        Returns
        -------
        DataFrame
            ``start`` and ``stop`` (positions of its rows among those of all pieces), ``rows``, ``stored``, ``in_doubt``
            and ``remaining`` (numbers of rows), all Int64.
        """
        schema: dict[str, str] = dict.fromkeys(("start", "stop", "rows", "stored", "in_doubt", "remaining"), "integer")
        counts = [[0, 0] for _ in self.parts]
        for chunk in self.chunks_in(*STORED, *DOUBTFUL):
            counts[self._piece_at(chunk.start)][chunk.state in DOUBTFUL] += chunk.rows
        records = [
            (start, stop, stop - start, *counted, stop - start - sum(counted))
            for (start, stop, _), counted in zip(self.parts, counts, strict=True)
        ]
        return frame_of_records([dict(zip(schema, record, strict=True)) for record in records], schema)

    @public
    def remaining(self, df: Rows, piece: int | None = None) -> DataFrame:
        """Return the rows that are known not to be stored.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended, or one of the pieces: a DataFrame, Arrow data or a list of dicts. If it has
            more than 1,000 rows, 1,000 of them are compared.
        piece : int, optional
            The number of the piece, counted from 0; needed if there are several.

        Returns
        -------
        DataFrame
            Rows of ``df``, in order, with its index, columns and dtypes.

        Raises
        ------
        InputError
            ``df`` is not the frame that was appended: it has other rows, or the same rows in another order.
        """
        return self._rows(df, piece, self.chunks_in(State.PENDING, State.REFUSED))

    @public
    def in_doubt(self, df: Rows, piece: int | None = None) -> DataFrame:
        """Return the rows that may be stored or not.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended, or one of the pieces, as for `remaining`.
        piece : int, optional
            The number of the piece, as for `remaining`.

        Returns
        -------
        DataFrame
            As `remaining`.

        Raises
        ------
        InputError
            ``df`` is not the frame that was appended.
        """
        return self._rows(df, piece, self.doubtful())

    @property
    def refused(self) -> pd.DataFrame:
        """The rows that the service refused, and why. With ``errors="collect"``, only rows at fault are refused.

        Returns
        -------
        DataFrame
            Rows of the frame, in order, with its index, columns and dtypes, and a last column ``reason`` (text).
            A receipt from a journal has no cells: only the column ``reason``, and positions as index.
        """
        chunks = self._refused()
        reasons = [{"reason": chunk.error or chunk.reason} for chunk in chunks for _ in chunk.span]
        table = frame_of_records(reasons, {"reason": "text"})
        rows = concat([self._refused_rows[start] for start in sorted(self._refused_rows)])
        if rows is None or len(rows) != len(reasons):
            table.index = [position for chunk in chunks for position in chunk.span]
            return table
        name = "reason" if "reason" not in rows.columns else "reason (ClicData)"
        return self._noting_types(rows.assign(**{name: table["reason"].array}))

    def keep_refused(self, df: pd.DataFrame, first: int) -> None:
        """Keep the refused rows of a frame for `refused`. ``first`` is the position of its first row."""
        positions = [i - first for chunk in self._refused(range(first, first + len(df))) for i in chunk.span]
        if not positions and first:
            self._refused_rows.pop(first, None)
            return
        try:
            self._refused_rows[first] = df.iloc[positions] if positions else df.iloc[:0]
        except Exception:  # noqa: BLE001  # Arrow can't take rows of every type, and the rows are stored by now
            self._refused_rows[first] = None

    def _rows(self, df: Rows, piece: int | None, chunks: list[Chunk]) -> DataFrame:
        several = len(self.parts) > 1
        if piece is None and several:
            raise InputError(f"this receipt is of several pieces: give one, and piece= from 0 to {len(self.parts) - 1}")
        number = check_count("piece", piece or 0)
        frames = frames_of(df)
        if number >= len(self.parts) or not isinstance(frames, list):
            raise InputError(
                f"this receipt is of {counted(len(self.parts), 'piece')}: give one that is in memory as a whole, and "
                "its number, counted from 0"
            )
        (start, stop, wanted), [frame] = self.parts[number], frames
        what = f"piece {number}" if several else "the frame that was appended"
        if len(frame) != stop - start:
            raise InputError(
                f"this receipt is of a frame with {stop - start} rows, and the one given has {len(frame)}: give {what}"
            )
        try:
            found = fingerprint(FrameEncoder(frame, types=self.job.types, index=takes_index(frame, self.job)))
        except InputError:  # a frame that can't be sent
            found = None
        if found != wanted:
            raise InputError(
                f"this receipt is of a frame with other rows, or with these in another order: give {what}, as it was"
            )
        positions = [position - start for chunk in chunks for position in chunk.span if start <= position < stop]
        return self._noting_types(frame.iloc[positions])

    def _noting_types(self, rows: pd.DataFrame) -> DataFrame:
        """Note the types with which the rows were sent, so that they can be appended without ``types=``."""
        if self.job.types:
            rows.attrs["clicdata"] = {"rec_id": self.rec_id, "types": dict(self.job.types)}
        return rows  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the same class at run time

    # -----------------------------------------------------------------------------------------------------
    # Repair

    @public
    def repair(self, df: pd.DataFrame, *, session: Session | None = None) -> AppendReceipt:
        """Delete the rows of the chunks in doubt by their stamps, and send them once more.

        Only for an append with ``verify="tag"``. It deletes only rows with the stamp of a chunk in doubt. It doesn't
        send the rest of the frame: `resume_append` does.

        Each chunk costs one request to delete it and one to send it. The data set is also read three times, to count
        that its rows were deleted and are stored again. Before the first count, it waits for the read timeout, a minute
        by default.

        Parameters
        ----------
        df : DataFrame
            The frame that was appended. If it has more than 1,000 rows, 1,000 of them are compared.
        session : Session, optional
            The session to send through; the default session if not given.

        Returns
        -------
        AppendReceipt
            This one, with no chunk in doubt.

        Raises
        ------
        InputError
            The rows have no stamps.
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
        stored = f"{self.rows_appended:,} of {counted(self.rows_total, 'row')} appended to data set {self.rec_id}"
        pieces = "" if self.ended and len(self.parts) == 1 else f" of {counted(len(self.parts), 'piece')}"
        so_far = "" if self.ended else ", and there may be more"
        parts = [f"{stored} in {counted(len(self.chunks_in()), 'chunk')}{pieces}{so_far}"]
        if self.rows_in_doubt:
            parts.append(f"{self.rows_in_doubt:,} in doubt: .in_doubt(df)")
        if self.rows_remaining:
            parts.append(f"{self.rows_remaining:,} not stored: .remaining(df)")
        if self.rows_refused and self.job.errors == "collect":
            parts.append(f"{self.rows_refused:,} of them refused: .refused")
        elif self.rows_refused:  # a chunk as a whole, even if one row is at fault
            refused = join_names(c.label for c in self._refused())
            parts.append(f"{refused} of them refused{' together' * (self.rows_refused > 1)}: .refused")
        parts += self._left_out()
        if self.audited is False:
            parts.append("the audit found another number of rows")
        return "; ".join(parts)

    def _left_out(self) -> list[str]:
        """Return notes on levels and columns that the caller left out, and on rows that the service may leave out."""
        found, levels = self.rows_found, ", ".join(map(repr, self.job.levels_left_out))
        notes = [f"the index {levels} was left out"] if levels else []
        if found:
            notes.append(f"{counted(found, 'row')} {'was' if found == 1 else 'were'} there before")
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
            steps.append("check whether these rows are stored: .in_doubt(df); then resume_append(..., in_doubt=...)")
        if self.rows_remaining > self.rows_refused:
            steps.append("these rows are not stored: .remaining(df); resume_append(df, receipt) sends them")
        if self.rows_refused:
            steps.append("the rows that ClicData refused, and why: .refused; correct these rows and append them")
        if self.audited is False:
            steps.append("others wrote to the data set, or rows were lost or doubled: compare it with the frame")
        return receipt_html(self, counts, steps or self._left_out())


def receipt_html(receipt: Receipt, counts: Mapping[str, str], steps: Sequence[str]) -> str:
    """Return a receipt as HTML: its summary, and a table of counts and next steps if there are any steps."""
    line = f"<p>{type(receipt).__name__}: {html.escape(receipt.summary())}</p>"
    if not steps:
        return line
    style = "style='text-align:left'"
    cells = [*counts.items(), *zip(["next", *[""] * len(steps)], steps, strict=False)]
    rows = "".join(f"<tr><th {style}>{name}</th><td {style}>{html.escape(text)}</td></tr>" for name, text in cells)
    return f"{line}<table><tbody>{rows}</tbody></table>"


def takes_index(df: pd.DataFrame, job: Job) -> bool:
    """Return whether the index of a frame is sent. A level at the first call may be a column now, and vice versa."""
    sent = [name for name in job.columns if name != job.tag_column]
    return [*df.columns] != sent and (job.index or [*df.index.names, *df.columns] == sent)


def counted(count: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def ambiguous_error(receipt: AppendReceipt, what: str, advice: str = "") -> AppendAmbiguous:
    """Return the error for rows that may be stored or not."""
    failure = AppendAmbiguous(f"{what}. {receipt.summary()}.{advice and f' {advice}'}")
    failure.receipt = receipt
    return failure


@contextmanager
def receipt_on_interrupt(receipt: Receipt, where: str) -> Iterator[None]:
    """Attach a receipt to a Ctrl-C or an error of others as ``.receipt``. A note says where else it can be found."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, ClicDataError):  # which says itself what happened to the rows
            error.receipt = receipt  # type: ignore[attr-defined]
            if hasattr(error, "add_note"):  # Python 3.11
                error.add_note(f"{receipt.summary()} ({where})")
        raise
