"""Write a frame as request bodies of JSON rows.

Each column returns a block of its cells as JSON texts. One join makes rows of these texts, in one buffer. Each row
ends with a comma. So the rows of a body are a slice of the buffer.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.cells import JSON, find_problem, to_json_value
from pandas_clicdata.frames.columns import TEXT, Column, pc
from pandas_clicdata.frames.types import examine, sends_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIRST_ROWS, _MOST_ROWS = 200, 10_000  # of a block
_BLOCK_BYTES = 2 << 20  # the target size of a block
_HEAD, _TAIL = b'{"data":[', b"]}"


class RowFormat(enum.Enum):
    """How a row is written: a list of cells, ``[{"column": "a", "value": 1}]``, or an object, ``{"a": 1}``."""

    CELLS = "cells"
    OBJECTS = "objects"


class RowsBody(NamedTuple):
    """The JSON body of the rows ``start`` to ``stop`` (not included), by position."""

    start: int
    stop: int
    text: bytes


class FrameEncoder:
    """A frame that was checked as a whole and can be written as JSON.

    The encoder never changes the frame. Other code may change the frame while it is sent: pandas 3, and pandas 2 with
    copy-on-write, keep the old cells for the encoder. pandas 2 without copy-on-write doesn't: rows that are not written
    yet are sent with the change, and nothing reports this.

    ``types`` are ClicData types that the caller chose, and ``noted`` types that the data set's columns had when the
    frame was read. With ``need_types``, every column must have one type, as a new table needs. ``constants`` are
    further columns with the same text in every row. ``first`` is the position of the first row: a piece continues the
    piece before.

    ``column_types`` has the type of each column but mixed ones. ``levels_left_out`` are the named levels of the index
    that are not sent. Raises `InputError` if the frame can't be sent: it names every problem, with the labels of the
    first rows.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        types: Mapping[str, str] | None = None,
        index: bool | None = None,
        need_types: bool = False,
        constants: Mapping[str, str] | None = None,
        noted: Mapping[str, str] | None = None,
        first: int = 0,
    ) -> None:
        # A shallow copy without attrs: pandas copies attrs deeply, and a lock, say, can't be copied.
        self.frame = pd.DataFrame(frame, copy=False) if isinstance(frame, pd.DataFrame) else frame
        self._columns: list[Column] = examine(self.frame, types, index=index, need_types=need_types, noted=noted)
        types_of = {column.name: column.column_type for column in self._columns}
        noted = {name: of for name, of in (noted or {}).items() if types_of.get(name) == of}
        chosen = {**noted, **(types or {})}
        self.types = {str.__str__(name): str.__str__(of) for name, of in chosen.items()} or None
        self.index = sends_index(self.frame.index, index)
        self.rows = len(frame)
        self.first = first
        self.constants = dict(constants or {})
        self.columns = [*(column.name for column in self._columns), *self.constants]
        levels = [] if self.index else self.frame.index.names
        self.levels_left_out: list[Any] = [name for name in levels if name is not None and name not in self.columns]
        self.column_types = {column.name: column.column_type for column in self._columns if column.column_type}
        self._block_rows = _FIRST_ROWS  # rows of the next block

    @property
    def span(self) -> range:
        """The positions of the rows."""
        return range(self.first, self.first + self.rows)

    def chunks(
        self, row_format: RowFormat, start: int, stop: int, *, max_rows: int, max_bytes: int
    ) -> Iterator[RowsBody]:
        """Write the rows ``start`` to ``stop`` as bodies of as many rows as fit. Each body is written on demand.

        A body has at most ``max_rows`` rows and ``max_bytes`` bytes. Only a body of a single row may be larger.
        """
        room = max_bytes - len(_HEAD) - len(_TAIL) + 1  # the last row has no comma
        first, size = start, 0
        pieces: list[memoryview] = []
        for block_start, _, text, ends in self._blocks(row_format, start, stop):
            row, last = 0, len(ends) - 1
            while row < last:
                fitting = int(np.searchsorted(ends, ends[row] + room - size, side="right")) - 1
                upto = min(fitting, first + max_rows - block_start, last)
                if upto <= row and not pieces:
                    upto = row + 1  # a row that is too large gets its own body
                if upto > row:
                    pieces.append(text[ends[row] : ends[upto]])
                    size, row = size + int(ends[upto] - ends[row]), upto
                if row < last:
                    yield RowsBody(first, block_start + row, _body(pieces))
                    first, size, pieces = block_start + row, 0, []
        if pieces:
            yield RowsBody(first, stop, _body(pieces))

    def rows_as(self, row_format: RowFormat) -> Iterator[bytes]:
        """Write each row by itself."""
        for start, stop, text, ends in self._blocks(row_format, self.span.start, self.span.stop):
            for row in range(stop - start):
                yield bytes(text[ends[row] : ends[row + 1] - 1])

    def _blocks(self, row_format: RowFormat, start: int, stop: int) -> Iterator[tuple[int, int, memoryview, Any]]:
        """Write rows block by block. Yield start and stop of each block, its text, and the offsets of its rows."""
        literals = [pa.scalar(literal, TEXT) for literal in _literals(self.columns, row_format)]
        constants = [pa.scalar(JSON.encode(text).decode(), TEXT) for text in self.constants.values()]
        first = start
        while first < stop:
            last = min(first + self._block_rows, stop)
            cells = [*(column.texts(first - self.first, last - self.first) for column in self._columns), *constants]
            parts = [part for pair in zip(literals, cells, strict=False) for part in pair]
            joined = pc.binary_join_element_wise(
                *parts, literals[-1], pa.scalar("", TEXT), null_handling="replace", null_replacement="null"
            )
            _, starts, text = joined.buffers()
            yield first, last, memoryview(text), np.frombuffer(starts, np.int64, last - first + 1)
            self._block_rows = max(1, min(_MOST_ROWS, (last - first) * _BLOCK_BYTES // text.size))
            first = last


def _body(rows: list[memoryview]) -> bytes:
    return b"".join((_HEAD, *rows[:-1], rows[-1][:-1], _TAIL))


def _literals(names: list[str], row_format: RowFormat) -> list[str]:
    """Return the text before, between and after the cells of a row."""
    quoted = [JSON.encode(str.__str__(name)).decode() for name in names]
    if row_format is RowFormat.OBJECTS:
        return ["{" + quoted[0] + ":", *(f",{name}:" for name in quoted[1:]), "},"] if quoted else ["{},"]
    cells = [f'{{"column":{name},"value":' for name in quoted]
    return ["[" + cells[0], *(f"}},{cell}" for cell in cells[1:]), "}],"] if quoted else ["[],"]


def cells(values: Mapping[str, object]) -> bytes:
    """Write one row as a list of cells: ``[{"column":"a","value":1},...]``.

    Raises `InputError` if a name is not text or a value can't be sent. It names every problem.
    """
    problems = []
    for name, value in values.items():
        if not isinstance(name, str):
            problems.append(f"Column names must be text, not {name!r}.")
        elif why := find_problem(name):
            problems.append(f"Column {name!a}: its name is {why}.")
        elif why := find_problem(value):
            problems.append(f"Column {name!a}: the value is {why}.")
    if problems:
        raise InputError(problems)
    return JSON.encode([{"column": str.__str__(name), "value": to_json_value(value)} for name, value in values.items()])
