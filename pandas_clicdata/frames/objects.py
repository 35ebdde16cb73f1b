"""Columns of Python objects as JSON.

They are looked at cell by cell, once; if the cells are what msgspec prints itself, they are handed over as
they are, block by block. What was printed to look at them is used again, as far as it may be kept.
"""

from __future__ import annotations

import datetime as dt
import uuid
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from pandas_clicdata.frames.arrow import Array, Lines, Separated, lines_of
from pandas_clicdata.frames.printing import BLOCK_BYTES, KEPT_BYTES, LINES, Printed, Printer
from pandas_clicdata.frames.scalars import NOT_UNICODE, Kind, Unsendable, kind_of, plain

ObjectBlocks: TypeAlias = Callable[[int, int], Array]

_LEAST, _MOST = float("-inf"), float("inf")
_STEP = 5000  # cells looked at in one go; a block of BLOCK_ROWS is several of them
_SMALL_STEP = 128  # cells printed in one go before it is known how large they are
# Types whose cells msgspec prints as we want them, whatever their value.
_SAFE = frozenset({str, bool, int, dt.date, uuid.UUID, type(None)})
_SAFE_IF_FINITE = _SAFE | {float, Decimal}
# What pandas finds in cells, missing ones aside, and msgspec prints as we want it, or refuses to.
_SAFE_CONTENTS = {
    "string": Kind.TEXT,
    "boolean": Kind.CHECKBOX,
    "integer": Kind.NUMBER,
    "decimal": Kind.NUMBER,
    "date": Kind.DATE,
    "empty": Kind.MISSING,
}


class Objects(Printer):
    """A column of Python objects.

    Parameters
    ----------
    rows : int
        How many rows there are.
    block : callable
        Gives the cells of a block of rows as an array of objects.
    """

    def __init__(self, rows: int, block: ObjectBlocks) -> None:
        super().__init__(rows)
        self._block = block
        # What msgspec is given as it is. Infinities are refused before, and it prints NaN as null.
        self._as_is: set[type] = {*_SAFE, float, Decimal, dt.datetime}
        self._all_as_is = True
        self._kinds: set[Kind] = set()
        self._starts = [0]
        self._bytes = [0]
        self._kept: list[Lines] = []  # the first of the pieces that lie between those starts
        self._held = [0]  # the bytes that keeping those would take
        for start in range(0, rows, _STEP):
            self._look_at(block(start, min(start + _STEP, rows)), start)
        self.kinds = frozenset(self._kinds - {Kind.MISSING})

    # ------------------------------------------------------------ a first look

    def _look_at(self, cells: Array, start: int) -> None:
        contents = _contents(cells)
        lines = self._print_safe(cells.tolist(), contents)
        if lines is None:
            if len(cells) > _SMALL_STEP and _characters(cells) > BLOCK_BYTES // 4:
                middle = len(cells) // 2
                self._look_at(cells[:middle], start)
                self._look_at(cells[middle:], start + middle)
                return
            lines = lines_of(self._print_plain(cells.tolist(), start))
        self.width = max(self.width, int(lines.sizes.max()) - 1)
        held = self._held[-1] + len(lines.text) + lines.sizes.nbytes
        if held <= KEPT_BYTES and len(self._kept) == len(self._starts) - 1 and not self.refused:
            self._kept.append(lines)
            self._held.append(held)
        self._starts.append(start + len(cells))
        self._bytes.append(self._bytes[-1] + len(lines.text))

    def hold(self, room: int) -> int:
        """Keep as many of the pieces as there is room for."""
        fitting = bisect_right(self._held, room)
        del self._kept[fitting - 1 :], self._held[fitting:]
        return self._held[-1]

    def _print_safe(self, cells: list[Any], contents: str) -> Lines | None:
        """Print cells as they are, if their contents allow that; None if not, or if they are many bytes."""
        types: set[type] = set()
        if contents in _SAFE_CONTENTS:
            kinds = {_SAFE_CONTENTS[contents]}
        else:
            types = set(map(type, cells))
            if not types <= _SAFE_IF_FINITE:
                return None
            kinds = {kind_of(cell_type) or Kind.MISSING for cell_type in types}
        step = len(cells) if contents == "date" else _SMALL_STEP
        pieces: list[bytes] = []
        size = 0
        try:
            for at in range(0, len(cells), step):
                pieces.append(LINES.encode_lines(cells[at : at + step]))
                size += len(pieces[-1])
                if size > BLOCK_BYTES // 2 and len(cells) > _SMALL_STEP:
                    return None
        except (TypeError, ValueError):  # pandas' NA, a lone surrogate, an integer of thousands of digits ...
            return None
        printed = b"".join(pieces)
        # NaN, Infinity, and the T of moments, which are dates to pandas.
        if contents in ("decimal", "date", "empty") and (b"N" in printed or b"I" in printed or b"T" in printed):
            return None
        lines = lines_of(printed)
        if not types <= _SAFE and not _all_finite(cells, lines):
            return None
        self._kinds |= kinds
        return lines

    def _print_plain(self, cells: list[Any], start: int) -> bytes:
        """Print the plain values of cells; those that can't be carried are noted and printed as null."""
        try:
            values = [
                cell if type(cell) in _SAFE or (type(cell) is float and _LEAST < cell < _MOST) else plain(cell)
                for cell in cells
            ]
            printed = LINES.encode_lines(values)
        except (Unsendable, ValueError):
            values = self._carried_cells(cells, start)
            printed = LINES.encode_lines(values)
        types = set(map(type, cells))
        missing = {type(cell) for cell, value in zip(cells, values, strict=True) if value is None}
        present = types - missing
        if any(kind_of(cell_type) is not Kind.MISSING for cell_type in missing):  # such as NaN beside 1.5
            present = {type(cell) for cell, value in zip(cells, values, strict=True) if value is not None}
        self._kinds.update(kind_of(cell_type) or Kind.MISSING for cell_type in present)
        self._as_is -= missing & {Decimal}  # msgspec prints Decimal("NaN") as NaN
        if dt.datetime in types and any(type(cell) is dt.datetime and cell.tzinfo for cell in cells):
            self._as_is.discard(dt.datetime)  # ... and UTC as Z
        self._all_as_is = self._all_as_is and self._as_is >= types
        return printed

    def _carried_cells(self, cells: list[Any], start: int) -> list[Any]:
        """Return the plain values of cells, None for those that can't be carried; note which and why."""
        values: list[Any] = []
        refused: dict[str, list[int]] = {}
        for row, cell in enumerate(cells, start):
            value = None
            try:
                printable = plain(cell)
                LINES.encode(printable)
                value = printable
            except Unsendable as problem:
                refused.setdefault(str(problem), []).append(row)
            except UnicodeEncodeError:
                refused.setdefault(NOT_UNICODE, []).append(row)
            values.append(value)
        for reason, rows in refused.items():
            self.refused.add(reason, rows)
        return values

    # ------------------------------------------------------------ printing

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block, each cell as its own kind."""
        return Printed(self.separated(start, stop).texts())

    def separated(self, start: int, stop: int) -> Separated:
        """Print a block, a cell a line."""
        return self._lines(start, stop).separated()

    def _lines(self, start: int, stop: int) -> Lines:
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, stop)
        if first < last <= len(self._kept) and (self._starts[first], self._starts[last]) == (start, stop):
            pieces = self._kept[first:last]
            return Lines(b"".join([text for text, _ in pieces]), np.concatenate([sizes for _, sizes in pieces]))
        cells = self._block(start, stop).tolist()
        if not self._all_as_is:
            cells = [cell if type(cell) in self._as_is else plain(cell) for cell in cells]
        return lines_of(LINES.encode_lines(cells))

    def sizes(self, start: int, stop: int) -> Array:
        """Return the bytes that each cell takes."""
        sizes: Array = self._lines(start, stop).sizes.astype(np.int64) - 1
        return sizes

    def weight(self, start: int, stop: int) -> int:
        """Return about how many bytes a block takes."""
        low, high = np.interp((start, stop), self._starts, self._bytes)
        return int(high - low)


def _contents(cells: Array) -> str:
    try:
        return pd.api.types.infer_dtype(cells, skipna=True)
    except ArithmeticError:  # pandas 2 compares a signalling NaN
        return "mixed"


def _all_finite(cells: list[Any], lines: Lines) -> bool:
    """Whether floats and decimals among the cells are all numbers, by what msgspec has made of them.

    Of a float that is none it makes null, of a decimal NaN, sNaN or Infinity, perhaps with a sign.
    """
    text = np.frombuffer(lines.text, np.uint8)
    ends = np.cumsum(lines.sizes, dtype=np.int64)
    starts = ends - lines.sizes
    first = text[starts]
    if _IS_ODD[first].any() or (text[starts[first == _MINUS] + 1] > _NINE).any():
        return False
    return all(cells[row] is None for row in np.flatnonzero(first == _NULL).tolist())


_MINUS, _NINE, _NULL = b"-9n"
_IS_ODD = np.zeros(256, bool)
_IS_ODD[list(b"NsI")] = True


def _characters(cells: Array) -> int:
    return sum([len(cell) for cell in cells.tolist() if type(cell) is str])
