"""A checked frame as chunks of JSON rows.

Each column gives its cells as JSON texts, block by block of rows, and one join makes rows of them. The rows of a
block lie one after the other in one buffer, each with a comma behind it, so that a chunk is a slice of it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.arrow import TEXT, pc
from pandas_clicdata.frames.cells import JSON, plain, problem_of
from pandas_clicdata.frames.columns import Column, _mixed_problem, examine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FIRST_ROWS, _MOST_ROWS = 200, 10_000  # of a block
_BLOCK_BYTES = 8 << 20  # about as many as a block is to have
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
    """A frame, checked as a whole and ready to be written as JSON.

    Parameters
    ----------
    frame : DataFrame
        The rows to send. It is never changed.
    types : mapping of str to str, optional
        The ClicData type of those columns whose cells are to be written as another type than their own.
    index : bool, default False
        Whether the levels of the index come first, as columns; a single level without a name is called ``"index"``.
    need_types : bool, default False
        Whether every column must have one ClicData type, as a new data set needs.
    constants : mapping of str to str, optional
        Further columns, which have the same text in every row.

    Raises
    ------
    InputError
        If the frame can't be sent as it is. It names every problem, with the labels of the first rows.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        types: Mapping[str, str] | None = None,
        index: bool = False,
        need_types: bool = False,
        constants: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(frame, pd.DataFrame):
            raise InputError(f"A DataFrame is wanted, not {type(frame).__name__}.")
        self.frame = frame.copy(deep=not _copies_on_write())
        columns, problems = examine(self.frame, types, index=index)
        if need_types:
            problems += [_mixed_problem(column) for column in columns if column.column_type is None]
        if problems:
            raise InputError(problems)
        self.column_types = {column.name: column.column_type for column in columns if column.column_type}
        self.constants = dict(constants or {})
        self._columns: list[Column] = columns
        self.types = dict(types) if types else None
        self.index = index
        self.rows = len(frame)
        self.columns = [*(column.name for column in columns), *self.constants]
        self._block_rows = _FIRST_ROWS  # so many as make a block of the right size

    def chunks(
        self, row_format: RowFormat, start: int, stop: int, *, max_rows: int, max_bytes: int
    ) -> Iterator[RowsBody]:
        """Write bodies of as many rows as fit, lazily. Only a single row may be larger than ``max_bytes``."""
        room = max_bytes - len(_HEAD) - len(_TAIL) + 1  # the last row has no comma
        first, size = start, 0
        pieces: list[memoryview] = []
        for block_start, _, text, ends in self._blocks(row_format, start, stop):
            row, last = 0, len(ends) - 1
            while row < last:
                fitting = int(np.searchsorted(ends, ends[row] + room - size, side="right")) - 1
                upto = min(fitting, first + max_rows - block_start, last)
                if upto <= row and not pieces:
                    upto = row + 1  # a row that is too large goes alone
                if upto > row:
                    pieces.append(text[ends[row] : ends[upto]])
                    size, row = size + int(ends[upto] - ends[row]), upto
                if row < last:
                    yield RowsBody(first, block_start + row, _body(pieces))
                    first, size, pieces = block_start + row, 0, []
        if pieces:
            yield RowsBody(first, stop, _body(pieces))

    def rows_as(self, row_format: RowFormat) -> Iterator[bytes]:
        """Each row by itself."""
        for start, stop, text, ends in self._blocks(row_format, 0, self.rows):
            for row in range(stop - start):
                yield bytes(text[ends[row] : ends[row + 1] - 1])

    def _blocks(self, row_format: RowFormat, start: int, stop: int) -> Iterator[tuple[int, int, memoryview, Any]]:
        """Blocks of rows: their bounds, their text, and where each row begins in it."""
        literals = [pa.scalar(literal, TEXT) for literal in _literals(self.columns, row_format)]
        constants = [pa.scalar(JSON.encode(text).decode(), TEXT) for text in self.constants.values()]
        first = start
        while first < stop:
            last = min(first + self._block_rows, stop)
            cells = [*(column.texts(first, last) for column in self._columns), *constants]
            parts = [part for pair in zip(literals, cells, strict=False) for part in pair]
            joined = pc.binary_join_element_wise(
                *parts, literals[-1], pa.scalar("", TEXT), null_handling="replace", null_replacement="null"
            )
            _, ends, text = joined.buffers()
            yield first, last, memoryview(text), np.frombuffer(ends, np.int64, last - first + 1)
            self._block_rows = max(1, min(_MOST_ROWS, (last - first) * _BLOCK_BYTES // text.size))
            first = last


def _body(pieces: list[memoryview]) -> bytes:
    return b"".join((_HEAD, *pieces[:-1], pieces[-1][:-1], _TAIL))


def _copies_on_write() -> bool:
    return int(pd.__version__.split(".")[0]) >= 3 or pd.options.mode.copy_on_write is True


def _literals(names: list[str], row_format: RowFormat) -> list[str]:
    """What stands before, between and after the cells of a row."""
    told = [JSON.encode(str.__str__(name)).decode() for name in names]
    if row_format is RowFormat.OBJECTS:
        return ["{" + told[0] + ":", *(f",{name}:" for name in told[1:]), "},"] if told else ["{},"]
    cells = [f'{{"column":{name},"value":' for name in told]
    return ["[" + cells[0], *(f"}},{cell}" for cell in cells[1:]), "}],"] if told else ["[],"]


def cells(values: Mapping[str, object]) -> bytes:
    """One list of cells from plain values: ``[{"column":"a","value":1},...]``.

    Raises
    ------
    InputError
        If a name is not text or a value can't be sent. It names every problem.
    """
    problems = []
    for name, value in values.items():
        if not isinstance(name, str):
            problems.append(f"Column names must be text, not {name!r}.")
        elif why := problem_of(value):
            problems.append(f"Column {name!a}: the value is {why}.")
    if problems:
        raise InputError(problems)
    return JSON.encode([{"column": str.__str__(name), "value": plain(value)} for name, value in values.items()])
