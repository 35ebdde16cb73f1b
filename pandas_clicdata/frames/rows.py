"""Rows as JSON pages and as Arrow columns. Both sides of a comparison, frame and data set, are held in this form."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from pandas_clicdata.errors import ProtocolError
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.frames.parse import infer_cells, parse_page
from pandas_clicdata.frames.unify import SeenTypes, unify

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import pandas as pd

    from pandas_clicdata.frames.parse import PageCells
    from pandas_clicdata.frames.unify import Cells

_BLOCK_ROWS = 10_000  # rows of a frame that are written at once
_exact_decoder = msgspec.json.Decoder(float_hook=Decimal)
_page_decoder = msgspec.json.Decoder(list[msgspec.Raw])
row_cells = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode  # the cells of a row by column, as JSON
NULL = b"null"


class Rows:
    """Rows of a data set or of a frame.

    Numbers of the columns ``exact`` keep every digit, as Decimal; with ``all_digits`` all others too, on pages where a
    float would lose some. ``aware`` are columns of a frame whose times are sent in UTC, without their offset. ``noted``
    are the columns of these whose type was noted when the frame was read from the data set.
    """

    def __init__(self, exact: Collection[str] = (), *, all_digits: bool = False) -> None:
        self.aware: set[str] = set()
        self.noted: set[str] = set()
        self.count = 0
        self.exact, self.all_digits = frozenset(exact), all_digits
        self._pages: list[bytes] = []
        self._starts: list[int] = []
        self._parts: dict[str, list[tuple[int, PageCells]]] = {}  # of each column: the page, and its cells
        self._columns: dict[str, Cells] = {}
        self._split: tuple[int, list[msgspec.Raw]] | None = None  # the page that `raw` used last

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order of appearance."""
        return list(self._parts)

    def add(self, page: bytes) -> int:
        """Add the rows of a page, and return their number. Raises a `ProtocolError` if the rows are not objects."""
        count, names, columns = parse_page(page, None)
        if not count:
            return 0
        exact_rows = None
        for name, values in zip(names, columns, strict=True):
            if not isinstance(name, str):
                raise ProtocolError("A page holds something else than rows with named cells.")
            if (self.all_digits or name in self.exact) and any(isinstance(value, float) for value in values):
                exact_rows = exact_rows or _exact_decoder.decode(page)
                exact = [row.get(name) for row in exact_rows]
                if name in self.exact or any(isinstance(cell, Decimal) and _lacks_digits(cell) for cell in exact):
                    values = exact
            cells = infer_cells(values)
            self._parts.setdefault(name, []).append((len(self._pages), cells))
        self._starts.append(self.count)
        self._pages.append(page)
        self.count += count
        self._columns.clear()
        return count

    def cells(self, name: str) -> Cells:
        """Return a column: an Arrow array, or a list if no type holds all cells. Pages without the column give null."""
        if name not in self._columns:
            seen, found = SeenTypes(), dict(self._parts.get(name, ()))
            bounds = zip(self._starts, [*self._starts[1:], self.count], strict=False)
            parts = [found.get(page, pa.nulls(stop - start)) for page, (start, stop) in enumerate(bounds)]
            for part in parts:
                seen.add(part)
            self._columns[name] = unify(parts, seen)
        return self._columns[name]

    def raw(self, places: Iterable[int]) -> list[bytes]:
        """Return rows as JSON, unchanged."""
        rows = []
        for place in places:
            page = int(np.searchsorted(self._starts, place, side="right")) - 1
            if self._split is None or self._split[0] != page:
                self._split = page, _page_decoder.decode(self._pages[page])
            rows.append(bytes(self._split[1][place - self._starts[page]]))
        return rows

    def raw_cells(self, place: int, names: Iterable[str]) -> dict[str, bytes]:
        """Return cells of a row as JSON; null for a column that the row lacks."""
        [row] = self.raw([place])
        cells = row_cells(row)
        return {name: bytes(cells[name]) if name in cells else NULL for name in names}

    def frame(self, places: Sequence[int], rec_id: int | None) -> pd.DataFrame:
        """Return rows as a frame that keeps every digit of numbers and notes the data set."""
        return frame_of_rows(self.raw(places), rec_id, self.names)


class FrameRows(Rows):
    """The rows of a frame, in the form in which they would be sent."""

    def __init__(self, encoder: FrameEncoder, exact: Collection[str] = (), noted: Collection[str] = ()) -> None:
        super().__init__({*exact, *_decimal_columns(encoder)})
        self.aware = {column.name for column in encoder._columns if column.is_aware and column.column_type != "date"}
        self.noted = self.aware.intersection(noted)
        self._encoder = encoder
        self._own = {column.name: column for column in encoder._columns}
        self._written: dict[int, bytes] = {}
        self.count = encoder.rows
        self._starts = [*range(0, encoder.rows, _BLOCK_ROWS)]
        self._parts = {name: [] for name in encoder.columns}

    def cells(self, name: str) -> Cells:
        """Return a column: an Arrow array, or a list if no type holds all cells."""
        column = self._own.get(name)
        if column is None:
            return super().cells(name)
        if column.is_in_arrow and not (name in self.exact and column.array.dtype.kind == "f"):
            return column.cells()  # not kept, since the frame holds these cells already
        if not self._parts[name]:
            decode = _exact_decoder.decode if name in self.exact else msgspec.json.decode
            for block, start in enumerate(self._starts):
                texts = column.texts(start, min(start + _BLOCK_ROWS, self.count))
                self._parts[name].append((block, _parsed(texts, decode)))
        return super().cells(name)

    def raw(self, places: Iterable[int]) -> list[bytes]:
        """Return rows as JSON objects, as they would be sent."""
        wanted = list(places)
        if new := [place for place in dict.fromkeys(wanted) if place not in self._written]:
            encoder = self._encoder
            part = FrameEncoder(encoder.frame.iloc[new], types=encoder.types, index=encoder.index)
            self._written |= zip(new, part.rows_as(RowFormat.OBJECTS), strict=True)
        return [self._written[place] for place in wanted]


def _parsed(texts: Any, decode: Any) -> PageCells:
    """Parse JSON texts into cells."""
    lines: list[str | None] = texts.to_pylist()
    return infer_cells(decode(f"[{','.join(line or 'null' for line in lines)}]"))


def _decimal_columns(encoder: FrameEncoder) -> list[str]:
    """Return the columns that hold decimals, because a float may not hold their digits."""
    found = []
    for column in encoder._columns:
        dtype = getattr(column.array, "dtype", None)
        arrow_type = getattr(dtype, "pyarrow_dtype", None)
        is_decimal = arrow_type is not None and pa.types.is_decimal(arrow_type)
        if is_decimal or (dtype == np.dtype(object) and any(isinstance(cell, Decimal) for cell in column.array)):
            found.append(column.name)
    return found


# ---------------------------------------------------------------------------------------------------------
# Rows as a frame


def frame_of_rows(rows: Sequence[bytes], rec_id: int | None, names: Sequence[str] = ()) -> pd.DataFrame:
    """Return rows of JSON as a frame that keeps every digit of numbers and notes the data set.

    Without rows, the frame has the columns ``names``.
    """
    builder = FrameBuilder(columns=None if rows else list(names))
    builder.add(b"[" + b",".join(rows) + b"]")
    frame = builder.take()
    named = [row_cells(row) for row in rows]
    for name in frame.columns:
        cells = [bytes(row[name]) if name in row else NULL for row in named]
        if any(map(_exceeds_float, cells)):
            exact: Any = [Decimal(cell.decode()) if is_number(cell) else None for cell in cells]
            frame = frame.assign(**{name: exact})
    frame.attrs["clicdata"] = {"rec_id": rec_id}
    return frame


def _exceeds_float(cell: bytes) -> bool:
    """Whether a cell is a number with a fraction or exponent, and with more digits than a float holds."""
    if not is_number(cell) or not any(mark in cell for mark in b".eE"):
        return False
    return _lacks_digits(Decimal(cell.decode()))


def _lacks_digits(number: Decimal) -> bool:
    """Whether a float would lose digits of a number."""
    return number != Decimal(repr(float(number)))


def is_number(cell: bytes) -> bool:
    """Whether a cell, as JSON, is a number."""
    return cell[:1] in b"-0123456789"
