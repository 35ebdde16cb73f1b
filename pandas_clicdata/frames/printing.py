"""One column as JSON: the texts of its cells as an Arrow array, block by block of rows.

A `Printer` looks at its whole column when it is made. It then knows which kinds of cells there are, which
of them can't be carried, and the most bytes a cell takes; and it prints any block of rows.

Here are what all printers share, and those of numbers and booleans, which orjson and Arrow print.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
import orjson
import pyarrow as pa

from pandas_clicdata.frames.arrow import TEXT, Array, Mask, Separated, numbers_of, one_array
from pandas_clicdata.frames.scalars import DIGITS, INFINITE, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCK_ROWS = 10_000
BLOCK_BYTES = 10 << 20
KEPT_BYTES = 8 << 20  # what may be kept of cells that were printed to look at them
SCANNED_ROWS = 1 << 16  # rows looked at in one go: bounds the memory of a scan

# What numpy and Arrow don't print well goes through msgspec, which writes a list one cell a line.
LINES = msgspec.json.Encoder(decimal_format="number")

# A block of numbers, and which of them are missing (None: none is, or NaN or NaT says so).
NumberBlocks: TypeAlias = Callable[[int, int], "tuple[Array, Mask | None]"]


class Printed(NamedTuple):
    """The JSON texts of a block of cells; null is a missing cell.

    ``bare``: the cells are JSON strings, escaped, and their quotes are still to be put around them.
    """

    texts: pa.LargeStringArray
    bare: bool = False


class Picks(NamedTuple):
    """A block of cells as positions in a few JSON texts, the same ones for each block; null is one of them."""

    texts: pa.LargeStringArray
    which: Array

    def taken(self) -> pa.LargeStringArray:
        """Return the text of each cell."""
        return self.texts.take(pa.array(self.which))


class Refusals:
    """The cells of one column that can't be carried: for each reason how many, and the first rows."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[int, list[int]]] = {}

    def add(self, reason: str, rows: Sequence[int] | Array) -> None:
        """Note rows, by position and ascending, that can't be carried for this reason."""
        if len(rows):
            count, first = self.found.get(reason, (0, []))
            self.found[reason] = (count + len(rows), (first + [int(row) for row in rows[:5]])[:5])

    def __bool__(self) -> bool:
        return bool(self.found)


class Printer(ABC):
    """One column, looked at and ready to be printed.

    Attributes
    ----------
    kinds : frozenset of Kind
        The kinds of its cells without the missing ones: none if all are missing, several if it is mixed.
    width : int
        The most bytes one of its cells takes in JSON.
    refused : Refusals
        The cells that can't be carried. Rows that hold one must not be printed.
    """

    kinds: frozenset[Kind]
    width: int = 4  # null

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.refused = Refusals()

    def hold(self, room: int) -> int:
        """Keep of what the look printed as much as there is room for, to use it again; return how many bytes.

        Until it is told, a printer keeps `KEPT_BYTES` at most.
        """
        return 0

    @abstractmethod
    def texts(self, start: int, stop: int) -> Printed:
        """Print the cells of a block of rows."""

    def separated(self, start: int, stop: int) -> Separated | None:
        """Print a block, each cell whole, apart from what is to stand between them: null is none of them.

        None if that can't be had at once.
        """
        return None

    def picks(self, start: int, stop: int) -> Picks | None:
        """Print a block as picks from a few texts; None if there are many."""
        return None

    def sizes(self, start: int, stop: int) -> Array:
        """Return for each cell of a block the bytes it takes, or a few more."""
        return np.full(stop - start, self.width, np.int64)

    def weight(self, start: int, stop: int) -> int:
        """Return about how many bytes the cells of a block take together."""
        return (stop - start) * self.width


def blocks(rows: int, weight: Callable[[int, int], int], most_rows: int = BLOCK_ROWS) -> list[tuple[int, int]]:
    """Return bounds [start, stop) of blocks of rows that are small enough to be printed in one go."""
    found: list[tuple[int, int]] = []
    waiting = [(start, min(start + most_rows, rows)) for start in range(0, rows, most_rows)][::-1]
    while waiting:
        start, stop = waiting.pop()
        if stop - start == 1 or weight(start, stop) <= BLOCK_BYTES:
            found.append((start, stop))
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
    return found


# ---------------------------------------------------------------- where numbers come from


def masked_numbers(array: Any, dtype: np.dtype[Any], fill: Any) -> NumberBlocks:
    """Return blocks of one of pandas' nullable arrays."""

    def block(start: int, stop: int) -> tuple[Array, Mask | None]:
        part = array[start:stop]
        missing = part.isna()
        return part.to_numpy(dtype=dtype, na_value=fill), missing if missing.any() else None

    return block


def arrow_numbers(chunked: pa.ChunkedArray, fill: Any, view: pa.DataType | None = None) -> NumberBlocks:
    """Return blocks of an Arrow array of numbers, or of what can be viewed as such."""

    def block(start: int, stop: int) -> tuple[Array, Mask | None]:
        part = one_array(chunked, start, stop)
        if view is not None:
            part = part.view(view)
        if not part.null_count:
            return part.to_numpy(zero_copy_only=False), None
        missing = part.is_null().to_numpy(zero_copy_only=False)
        return part.fill_null(fill).to_numpy(zero_copy_only=False), missing

    return block


# ---------------------------------------------------------------- numbers and booleans


class Booleans(Printer):
    """Booleans of numpy, pandas or Arrow."""

    kinds = frozenset({Kind.CHECKBOX})
    width = 5

    def __init__(self, rows: int, block: NumberBlocks) -> None:
        super().__init__(rows)
        self._block = block

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block as ``true`` and ``false``."""
        return Printed(self.picks(start, stop).taken())

    def picks(self, start: int, stop: int) -> Picks:
        """Pick each cell from the three that there are."""
        values, missing = self._block(start, stop)
        which = values.view(np.int8)
        if missing is not None:
            which = np.where(missing, np.int8(2), which)
        return Picks(pa.array(["false", "true", "null"], TEXT), which)


class Integers(Printer):
    """Integers of any width."""

    kinds = frozenset({Kind.NUMBER})

    def __init__(self, rows: int, block: NumberBlocks, dtype: np.dtype[Any]) -> None:
        super().__init__(rows)
        self._block = block
        self._some_missing = False
        limits = np.iinfo(dtype)
        self.width = max(4, len(str(limits.min)), len(str(limits.max)))

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block, all digits."""
        values, missing = self._block(start, stop)
        return Printed(_printed_numbers(values).texts(missing=missing))

    def separated(self, start: int, stop: int) -> Separated | None:
        """Print a block, if no cell is missing: those are not null among the numbers."""
        if self._some_missing:  # as one is missing in another block, so will one be in this
            return None
        values, missing = self._block(start, stop)
        self._some_missing = missing is not None
        return None if self._some_missing else _printed_numbers(values)


class Floats(Printer):
    """Floating point numbers, in the fewest digits that read back as the same number."""

    kinds = frozenset({Kind.NUMBER})
    width = 24

    def __init__(self, rows: int, block: NumberBlocks) -> None:
        super().__init__(rows)
        self._block = block
        for start in range(0, rows, SCANNED_ROWS):
            values, _ = block(start, min(start + SCANNED_ROWS, rows))
            infinite = np.isinf(values)
            if infinite.any():
                self.refused.add(INFINITE, np.flatnonzero(infinite) + start)
            if values.dtype.itemsize > 8:
                with np.errstate(over="ignore"):
                    rounded = values.astype(np.float64) != values
                self.refused.add(DIGITS, np.flatnonzero(rounded & ~infinite & ~np.isnan(values)) + start)

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block, in the fewest digits."""
        return Printed(self.separated(start, stop).texts())

    def separated(self, start: int, stop: int) -> Separated:
        """Print a block; what is missing is NaN, which orjson prints as null."""
        values, _ = self._block(start, stop)
        if values.dtype.itemsize == 2:
            values = _short_floats(values)
        elif values.dtype.itemsize > 8:
            values = values.astype(np.float64)
        return _printed_numbers(values)


def _printed_numbers(values: Array) -> Separated:
    return numbers_of(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY), len(values))


def _short_floats(values: Array) -> Array:
    """Return float16 as the float64 of the same shortest digits: there are few, each is printed once."""
    levels, where = np.unique(values, return_inverse=True)
    return np.array([float(str(level)) for level in levels], np.float64)[where]


class Decimals(Printer):
    """Arrow's decimals, with all their digits."""

    kinds = frozenset({Kind.NUMBER})

    def __init__(self, rows: int, chunked: pa.ChunkedArray) -> None:
        super().__init__(rows)
        self._chunked = chunked
        # A sign, a point, a leading zero, and an exponent such as E-76.
        self.width = chunked.type.precision + abs(chunked.type.scale) + 8

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block, all digits."""
        return Printed(one_array(self._chunked, start, stop).cast(TEXT))
