"""What tells the rows of one append from all others: a stamp in a column of their own; and frames from each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.columns import TEXT, quoted
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.encode import Cut, FrameEncoder, RowFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_DIGESTED_ROWS = 20_000  # rows of a frame that are all digested; of a longer one, evenly spaced ones
_SAMPLED_ROWS = 1_000


def stamp(append_id: str, chunk: int) -> str:
    """The text that the rows of a chunk carry."""
    return f"{append_id}/{chunk:07d}"


class StampedEncoder(FrameEncoder):
    """A frame whose rows each carry the stamp of their chunk, in a last column of text.

    Parameters
    ----------
    frame : DataFrame
        The rows to send. It must not have that column.
    column : str
        The name of the column.
    append_id : str
        The id of the append.
    types : mapping of str to str, optional
        As for `FrameEncoder`.
    index : bool, default False
        As for `FrameEncoder`.

    Raises
    ------
    InputError
        If the frame has that column, or can't be sent as it is.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        column: str,
        append_id: str,
        *,
        types: Mapping[str, str] | None = None,
        index: bool = False,
    ) -> None:
        super().__init__(frame, types=types, index=index)
        if column in self.columns:
            raise InputError(f"The frame has a column {column!r} of its own: name another one for the stamps.")
        self._stamps = _Stamps(self.rows, append_id)
        self._columns.append(self._stamps)  # type: ignore[arg-type]  # it has what a column needs here
        self.columns.append(column)

    def assign(self, chunk: int, start: int, stop: int) -> None:
        """Give rows, by position, to a chunk. They are printed with its stamp from then on."""
        self._stamps.chunks[start:stop] = chunk


class _Stamps:
    """The column of the stamps."""

    def __init__(self, rows: int, append_id: str) -> None:
        self._append_id = append_id
        self.chunks = np.full(rows, -1, np.int32)

    def texts(self, start: int, stop: int) -> pa.LargeStringArray:
        """Print a block. Rows that belong to no chunk must not be sent."""
        chunks, where = np.unique(self.chunks[start:stop], return_inverse=True)
        texts = quoted(pa.array([stamp(self._append_id, int(chunk)) for chunk in chunks], TEXT))
        return texts.take(pa.array(where, pa.int64()))


def tally(rows: bytes, column: str) -> Counter[str]:
    """How often each text stands in a column of a page of rows."""
    builder = FrameBuilder(columns=[column], dtype={column: "text"})
    builder.add(rows)
    return Counter({str(text): count for text, count in builder.take()[column].value_counts().items()})


def digest(encoder: FrameEncoder, cut: Cut) -> str:
    """A digest of what an encoder sends of a frame, stamps aside: of all rows, or of some where there are many.

    It costs least for the chunks that are sent afterwards. `is_of` tells whether a frame has it.
    """
    plain, frame = encoder, encoder.frame
    if encoder.rows > _DIGESTED_ROWS:
        frame = frame.iloc[np.linspace(0, encoder.rows - 1, _SAMPLED_ROWS).astype(np.int64)]
    if encoder.rows > _DIGESTED_ROWS or isinstance(encoder, StampedEncoder):
        plain = FrameEncoder(frame, types=encoder.types, index=encoder.index)
    return f"{cut.row_format.value} {cut.max_rows} {cut.max_bytes} {encoder.rows} {plain.digest(cut)}"


def is_of(told: str, encoder: FrameEncoder) -> bool:
    """Whether a digest is of what an encoder sends."""
    try:
        row_format, max_rows, max_bytes, _, _ = told.split(" ")
        cut = Cut(RowFormat(row_format), max(1, int(max_rows)), max(1, int(max_bytes)))
    except ValueError:
        return False
    return told == digest(encoder, cut)
