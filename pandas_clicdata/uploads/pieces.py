"""The pieces of an append: read one by one, each checked before its first row is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pandas_clicdata.errors import InputError, JournalMismatch
from pandas_clicdata.frames.compare import compare, is_empty
from pandas_clicdata.frames.encode import RowFormat
from pandas_clicdata.frames.types import join_names
from pandas_clicdata.uploads.chunk import write_body
from pandas_clicdata.uploads.receipt import State, takes_index
from pandas_clicdata.uploads.stamps import digest, encoder_of, fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from pandas_clicdata.frames.compare import Known
    from pandas_clicdata.frames.encode import FrameEncoder
    from pandas_clicdata.uploads.receipt import AppendReceipt, Piece


class Pieces:
    """The pieces of an append.

    A piece that is in the receipt must be the same as before; rows that were sent are compared one by one. A new piece
    must have the columns of the first piece, and cells of the same types in each column.

    Parameters
    ----------
    receipt : AppendReceipt
        The receipt of the append.
    frames : list of DataFrame or iterator of DataFrame
        All pieces; a list if they are in memory. If ``first`` is given, only the pieces after it.
    first : FrameEncoder, optional
        The first piece, if it was checked before.
    known : Known, optional
        The known columns of the data set.
    only_known : bool, default False
        Whether to ignore pieces that are not in the receipt.
    """

    def __init__(
        self,
        receipt: AppendReceipt,
        frames: Iterable[pd.DataFrame],
        first: FrameEncoder | None = None,
        *,
        known: Known | None = None,
        only_known: bool = False,
    ) -> None:
        self._receipt = receipt
        self._frames = iter(frames)
        self._known = known
        self._only_known = only_known
        self._types: dict[str, str | None] = {}  # of each column that had cells so far
        self.in_memory = isinstance(frames, list)
        self.number = 0  # of the piece that is read next
        self._first_row = 0
        if first is None:
            found = self.read()
            if found is None:
                raise self._mismatch("there are no rows")
            self.first = found
        else:
            self._check_sent(first)
            self.first = first
            self._note_read(first)

    def read(self) -> FrameEncoder | None:
        """Return the next piece, checked; None if there is none."""
        parts, job = self._receipt.parts, self._receipt.job
        is_known = self.number < len(parts)
        if not is_known and self._only_known:
            return None
        frame = next(self._frames, None)
        if frame is None:
            if is_known:
                raise self._mismatch(f"it has at least {len(parts)} pieces, and the data has {self.number}")
            if any(chunk.start >= self._first_row for chunk in self._receipt.chunks_in(State.FOUND)):
                raise self._mismatch(f"more rows are stored under its id than these {self._first_row:,}")
            return None
        if is_known:
            encoder = self._encoded_before(frame, parts[self.number])
        elif self._receipt.ended:
            raise self._mismatch(f"it has {len(parts)} pieces, and the data has more")
        else:
            encoder = self._encoded(frame)
            if problems := self._differences(encoder):
                raise InputError(problems)
            if job.check is not False:
                compare(encoder, job.rec_id, self._known, collect=job.errors == "collect")
        self._check_sent(encoder)
        self._note_read(encoder)
        return encoder

    def _note_read(self, encoder: FrameEncoder) -> None:
        for column in encoder._columns:
            if column.name not in self._types and (self._receipt.job.made or not is_empty(column)):
                self._types[column.name] = column.column_type
        self.number += 1
        self._first_row += encoder.rows

    def _encoded(self, frame: pd.DataFrame) -> FrameEncoder:
        job = self._receipt.job
        index = takes_index(frame, job)
        return encoder_of(frame, job.append_id, job.tag_column, types=job.types, index=index, first=self._first_row)

    def _differences(self, encoder: FrameEncoder) -> list[str]:
        """Return how a piece differs from the pieces before."""
        job = self._receipt.job
        if encoder.columns != job.columns:
            missing = [name for name in job.columns if name not in encoder.columns]
            new = [name for name in encoder.columns if name not in job.columns]
            differs = [f"it lacks {join_names(map(repr, missing))}"] if missing else []
            differs += [f"it has {join_names(map(repr, new))}, which the first one lacks"] if new else []
            return [f"Its columns are not those of the first piece: {' and '.join(differs) or 'their order differs'}."]
        return [
            f"Column {column.name!r} is {column.column_type or 'mixed'}, and {self._types[column.name]} in the pieces "
            f"before: give one type for all pieces, types={{{column.name!r}: 'text'}} or another."
            for column in encoder._columns
            if self._types.get(column.name) not in (None, column.column_type)
            and not (column.column_type is None and job.errors == "collect")
            and not is_empty(column)
        ]

    def _encoded_before(self, frame: pd.DataFrame, piece: Piece) -> FrameEncoder:
        """Check a piece that was begun before: its columns and rows must be the same as then."""
        receipt, job = self._receipt, self._receipt.job
        which = "the frame" if receipt.ended and len(receipt.parts) == 1 else f"piece {self.number}"
        if len(frame) != piece.stop - piece.start:
            rows = piece.stop - piece.start
            raise self._mismatch(f"{which} has {len(frame):,} rows, and the one of the append has {rows:,}")
        try:
            encoder = self._encoded(frame)
        except InputError as error:
            raise self._mismatch(f"{which} can't be sent as in the append: {str(error).rstrip('.')}") from None
        if encoder.columns != job.columns:
            levels = [name for name in frame.index.names if name is not None]
            index = f", and the index {levels}" if levels else ""
            raise self._mismatch(
                f"{which} has the columns {[*frame.columns]}{index}, and the append sent {job.columns}"
            )
        if fingerprint(encoder) != piece.fingerprint:
            raise self._mismatch(f"{which} holds other rows than that of the append")
        return encoder

    def _check_sent(self, encoder: FrameEncoder) -> None:
        """Check that rows of a piece that were sent before have not changed."""
        for chunk in self._receipt.chunks_in(within=encoder.span):
            if chunk.sha256:
                fits = chunk.stop <= encoder.span.stop
                body = write_body(encoder, chunk, RowFormat(chunk.row_format)) if fits else b""
                if not digest(body, self._receipt.append_id).startswith(chunk.sha256):
                    raise self._mismatch(f"{self._receipt.label(chunk)}: these rows are not as they were sent")

    def _mismatch(self, what: str) -> JournalMismatch:
        return mismatch(what) if self.number == 0 else JournalMismatch(what)


def mismatch(what: str) -> JournalMismatch:
    """Return the error for rows, or an account, that differ from those of the append."""
    return JournalMismatch(f"this append can't be resumed: {what}. Nothing was sent.")
