"""A checked frame as chunks of JSON, column by column.

Every column is printed as an Arrow array of JSON texts, block by block of rows, and one join makes rows of
them. The rows of a block lie one after the other in one buffer, separated by commas, so a chunk is a
slice of it.
"""

from __future__ import annotations

import enum
import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.columns import Column, examine
from pandas_clicdata.frames.joining import Joiner, Rows
from pandas_clicdata.frames.printing import blocks
from pandas_clicdata.frames.scalars import NOT_UNICODE, Unsendable, plain
from pandas_clicdata.frames.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Body", "Cut", "FrameEncoder", "RowFormat", "cells"]


class RowFormat(enum.Enum):
    """How a row is written.

    ``CELLS`` is a list of cells, ``[{"column": "a", "value": 1}]``; ``OBJECTS`` an object, ``{"a": 1}``.
    """

    CELLS = "cells"
    OBJECTS = "objects"


class Cut(NamedTuple):
    """How rows are cut into chunks: their format, the most rows of a chunk, and the most bytes of its body."""

    row_format: RowFormat
    max_rows: int
    max_bytes: int


class Body(NamedTuple):
    """The body of a chunk, and its digest."""

    text: bytes
    sha256: str


class _Punctuation(NamedTuple):
    row_open: str
    before_name: str
    after_name: str
    cell_close: str
    row_close: str


_PUNCTUATION = {
    RowFormat.CELLS: _Punctuation("[", '{"column":', ',"value":', "}", "]"),
    RowFormat.OBJECTS: _Punctuation("{", "", ":", "", "}"),
}
_HEAD, _TAIL = b'{"data":[', b"]}"
_MOST_KEPT = 16_000_000  # bytes of bodies that were made for a digest
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class FrameEncoder:
    """A frame, checked as a whole and ready to be written as JSON.

    The frame is never changed. If it is changed elsewhere meanwhile, that does not show in what is written
    (with copy-on-write, always in pandas 3), or writing ends with an InputError.

    Parameters
    ----------
    frame : DataFrame
        The rows to send.
    types : mapping of str to str, optional
        The ClicData type of those columns whose cells are to be written as another type than their own.
    index : bool, default False
        Whether the levels of the index come first, as columns; a single level without a name is called
        ``"index"``.

    Attributes
    ----------
    rows : int
        The number of rows.
    columns : list of str
        The names of the columns, in order.
    types, index
        As given.

    Raises
    ------
    InputError
        If the frame can't be sent as it is. It names every problem, with the labels of the first rows.
    """

    def __init__(self, frame: pd.DataFrame, *, types: Mapping[str, str] | None = None, index: bool = False) -> None:
        if not isinstance(frame, pd.DataFrame):
            raise InputError(f"A DataFrame is wanted, not {type(frame).__name__}.")
        # Kept, since copy-on-write only guards copies that are still there.
        self._snapshot = Snapshot(frame)
        columns, problems = examine(self._snapshot.frame, types, index=index)
        if problems:
            raise InputError(problems)
        self._columns: list[Column] = columns
        self.types = dict(types) if types else None
        self.index = index
        self.rows = len(frame)
        self.columns = [column.name for column in columns]
        self._blocks = blocks(self.rows, self._weight)
        self._snapshot.note(self._blocks)
        self._joiners: dict[RowFormat, Joiner] = {}
        self._kept: dict[tuple[RowFormat, int, int], Body] = {}

    @property
    def frame(self) -> pd.DataFrame:
        """The frame, as it was checked."""
        return self._snapshot.frame

    def _weight(self, start: int, stop: int) -> int:
        names = sum(len(name) for name in self.columns) + 23 * len(self.columns)
        return (stop - start) * names + sum(column.printer.weight(start, stop) for column in self._columns)

    # ------------------------------------------------------------ chunks

    def cut(self, row_format: RowFormat, *, max_rows: int, max_bytes: int) -> list[tuple[int, int]]:
        """Return the bounds of chunks, the same ones at each call.

        Parameters
        ----------
        row_format : RowFormat
            How rows are to be written.
        max_rows : int
            The most rows of a chunk.
        max_bytes : int
            The most bytes of a chunk's body. Only a single row that is larger makes a larger one.

        Returns
        -------
        list of tuple of int
            Bounds [start, stop) by position, without gaps; none if the frame has no rows.
        """
        if max_rows < 1 or max_bytes < 1:
            raise InputError("max_rows and max_bytes must be 1 or more.")
        room = max_bytes - len(_HEAD) - len(_TAIL) + 1  # the last row has no comma
        fixed = sum(map(len, map(str.encode, self._literals(row_format))))
        widest = fixed + sum(column.printer.width for column in self._columns)
        if widest * min(max_rows, self.rows) <= room:
            return [(start, min(start + max_rows, self.rows)) for start in range(0, self.rows, max_rows)]
        return self._cut_by_size(fixed, max_rows, room)

    def _cut_by_size(self, fixed: int, max_rows: int, room: int) -> list[tuple[int, int]]:
        bounds: list[tuple[int, int]] = []
        first, held = 0, 0  # the chunk being filled: its first row, and its bytes so far
        for start, stop in self._blocks:
            sizes = sum((column.printer.sizes(start, stop) for column in self._columns), np.int64(fixed))
            ends = np.cumsum(sizes)
            row = start
            while row < stop:
                before = int(ends[row - start - 1]) if row > start else 0
                fitting = start + int(np.searchsorted(ends, before + room - held, side="right"))
                end = min(fitting, first + max_rows)
                if end >= stop:
                    held += int(ends[-1]) - before
                    break
                end = max(end, first + 1)
                bounds.append((first, end))
                first, held, row = end, 0, end
        if first < self.rows:
            bounds.append((first, self.rows))
        return bounds

    def bodies(self, row_format: RowFormat, bounds: Sequence[tuple[int, int]]) -> Iterator[bytes]:
        """Write one JSON body for each pair of bounds, lazily.

        Parameters
        ----------
        row_format : RowFormat
            How rows are written.
        bounds : sequence of tuple of int
            Bounds [start, stop) of chunks, as `cut` gives them or any part of those.

        Yields
        ------
        bytes
            ``{"data":[...]}``; the same bytes for the same bounds, always.
        """
        rows: Rows | None = None
        last = max((stop for _, stop in bounds), default=0)
        for start, stop in bounds:
            pieces: list[bytes | memoryview] = []
            at = start
            while at < stop:
                if rows is None or not rows.start <= at < rows.stop:
                    rows = None  # one block is enough to hold
                    rows = self._printed_from(row_format, at, last)
                end = min(stop, rows.stop)
                pieces += (b",", *rows.slice(at, end))
                at = end
            yield b"".join((_HEAD, *pieces[1:], _TAIL))

    def rows_as(self, row_format: RowFormat) -> Iterator[bytes]:
        """Write each row by itself, lazily.

        Parameters
        ----------
        row_format : RowFormat
            How rows are written.

        Yields
        ------
        bytes
            ``[{"column":...,"value":...},...]`` or ``{...}``.
        """
        for start, stop in self._blocks:
            self._snapshot.verify((start, stop))
            rows = self._joiner(row_format).rows(start, stop)
            for row in range(start, stop):
                yield b"".join(rows.slice(row, row + 1))

    def digested_bodies(self, row_format: RowFormat, bounds: Sequence[tuple[int, int]]) -> Iterator[Body]:
        """Write bodies with their digests, as `bodies` does; those that were made for `digest` are not made again.

        Parameters
        ----------
        row_format : RowFormat
            How rows are written.
        bounds : sequence of tuple of int
            Bounds [start, stop) of chunks.

        Yields
        ------
        Body
            For each pair of bounds.
        """
        kept = {(start, stop): self._kept.pop((row_format, start, stop), None) for start, stop in bounds}
        others = self.bodies(row_format, [chunk for chunk in bounds if kept[chunk] is None])
        for chunk in bounds:
            yield kept.pop(chunk) or _digested(next(others))

    def digest(self, cut: Cut) -> str:
        """Digest the rows as the bodies of their chunks, the first of which are kept for `digested_bodies`.

        Parameters
        ----------
        cut : Cut
            How the rows are cut into chunks.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        bounds = self.cut(cut.row_format, max_rows=cut.max_rows, max_bytes=cut.max_bytes)
        whole = hashlib.sha256()
        room = _MOST_KEPT
        for (start, stop), text in zip(bounds, self.bodies(cut.row_format, bounds), strict=True):
            body = _digested(text)
            whole.update(body.sha256.encode())
            room -= len(text)
            if room >= 0:
                self._kept[cut.row_format, start, stop] = body
        return whole.hexdigest()

    # ------------------------------------------------------------ a block of rows

    def _printed_from(self, row_format: RowFormat, row: int, last: int) -> Rows:
        """Print the rows from one row on, to the end of its block or the last row wanted."""
        block = next(block for block in self._blocks if row < block[1])
        self._snapshot.verify(block)
        return self._joiner(row_format).rows(row, min(block[1], last))

    def _joiner(self, row_format: RowFormat) -> Joiner:
        if row_format not in self._joiners:
            printers = [column.printer for column in self._columns]
            self._joiners[row_format] = Joiner(printers, self._literals(row_format))
        return self._joiners[row_format]

    def _literals(self, row_format: RowFormat) -> list[str]:
        """Return what stands before, between and after the cells of a row."""
        marks = _PUNCTUATION[row_format]
        names = [marks.before_name + _json_text(name) + marks.after_name for name in self.columns]
        between = marks.cell_close + ","
        opened = [marks.row_open + name if i == 0 else between + name for i, name in enumerate(names)]
        return [*opened, marks.cell_close + marks.row_close + ","]


def _digested(text: bytes) -> Body:
    return Body(text, hashlib.sha256(text).hexdigest())


def _json_text(text: str) -> str:
    return _ENCODER.encode(str.__str__(text)).decode()


def cells(values: Mapping[str, object]) -> bytes:
    """Write one list of cells from plain values.

    Parameters
    ----------
    values : mapping of str to object
        Column names and their values: Python's, numpy's or pandas' scalars.

    Returns
    -------
    bytes
        ``[{"column":"a","value":1},...]``

    Raises
    ------
    InputError
        If a name is not text or a value can't be carried. It names every problem.
    """
    problems: list[str] = []
    written: list[dict[str, Any]] = []
    for name, value in values.items():
        if not isinstance(name, str):
            problems.append(f"Column names must be text, not {name!r}.")
            continue
        cell = {"column": str.__str__(name)}
        try:
            cell["value"] = plain(value)
            _ENCODER.encode(cell)
        except Unsendable as problem:
            problems.append(f"Column {name!r}: the value is {problem}.")
        except UnicodeEncodeError:
            problems.append(f"Column {name!a}: the value is {NOT_UNICODE}.")
        written.append(cell)
    if problems:
        raise InputError(problems)
    return _ENCODER.encode(written)
