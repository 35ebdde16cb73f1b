"""Text that Arrow holds, and categories, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pandas_clicdata.frames.arrow import (
    TEXT,
    Array,
    Mask,
    lines_of,
    missing_in,
    one_array,
    quoted,
    text_array,
)
from pandas_clicdata.frames.printing import (
    BLOCK_BYTES,
    BLOCK_ROWS,
    LINES,
    SCANNED_ROWS,
    Picks,
    Printed,
    Printer,
    blocks,
)
from pandas_clicdata.frames.scalars import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_FEW_CATEGORIES = 20_000  # that are printed once
_ESCAPES = {code: f"\\u{code:04x}".encode() for code in range(0x20)}
_ESCAPES |= {
    0x22: b'\\"',
    0x5C: b"\\\\",
    0x08: b"\\b",
    0x09: b"\\t",
    0x0A: b"\\n",
    0x0C: b"\\f",
    0x0D: b"\\r",
}
_ESCAPE_GROWTH = np.zeros(256, np.uint8)
_ESCAPE_GROWTH[list(_ESCAPES)] = [len(escape) - 1 for escape in _ESCAPES.values()]


_LONG = 1_000  # bytes of a text


class Texts(Printer):
    """Text that Arrow holds (and so is valid Unicode)."""

    kinds = frozenset({Kind.TEXT})

    def __init__(self, rows: int, chunked: pa.ChunkedArray) -> None:
        super().__init__(rows)
        self._chunked = chunked
        self._clean = True
        self._growth = 1.0  # how many bytes are printed for a byte of text
        held, printed = 1, 1
        kept: list[Array] = []
        # Smaller blocks than usual: to look at text with many escapes takes several times its memory.
        for start, stop in blocks(rows, lambda start, stop: 4 * self.weight(start, stop), SCANNED_ROWS):
            offsets, data = _text_buffers(self._part(start, stop))
            sizes = np.diff(offsets)
            special = _special_bytes(data)
            if special.any():
                self._clean = False
                sizes = sizes + _growth(offsets, data, special)
            self.width = max(self.width, int(sizes.max()) + 2)
            held, printed = held + len(data), printed + int(sizes.sum())
            if held > _LONG * stop:
                kept.append(sizes)
        self._growth = printed / held
        # To find the sizes takes as long as to print; those of long texts are little beside the texts themselves.
        self._sizes = np.concatenate(kept) if kept and sum(map(len, kept)) == rows else None

    def _part(self, start: int, stop: int) -> pa.LargeStringArray:
        part = one_array(self._chunked, start, stop)
        if pa.types.is_dictionary(part.type):
            part = part.dictionary_decode()
        return part if pa.types.is_large_string(part.type) else part.cast(TEXT)

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block, escaped, without the quotes."""
        part = self._part(start, stop)
        if self._clean:
            return Printed(part, bare=True)
        offsets, data = _text_buffers(part)
        special = _special_bytes(data)
        if not special.any():
            return Printed(part, bare=True)
        if _is_dense(special):
            return Printed(lines_of(LINES.encode_lines(part.to_pylist())).separated().texts())
        at = np.flatnonzero(special)
        moved = np.cumsum(_growth_at(at, offsets, data))
        offsets = offsets - offsets[0]
        offsets[1:] += moved
        return Printed(text_array(_escaped(data, at), offsets, missing_in(part)), bare=True)

    def sizes(self, start: int, stop: int) -> Array:
        """Return the bytes that each cell takes."""
        if self._sizes is not None:
            sizes = self._sizes[start:stop]
        else:
            offsets, data = _text_buffers(self._part(start, stop))
            sizes = np.diff(offsets)
            if not self._clean:
                sizes = sizes + _growth(offsets, data, _special_bytes(data))
        at_least: Array = np.maximum(sizes + 2, 4)
        return at_least

    def weight(self, start: int, stop: int) -> int:
        """Return about how many bytes a block takes."""
        return int(self._chunked.slice(start, stop - start).nbytes * self._growth)


def _text_buffers(texts: pa.LargeStringArray) -> tuple[Array, Array]:
    """Return the bounds of the texts (from the array's own start) and their bytes."""
    rows = len(texts)
    _, bounds, data = texts.buffers()
    if rows == 0 or bounds is None:
        return np.zeros(rows + 1, np.int64), np.empty(0, np.uint8)
    offsets = np.frombuffer(bounds, np.int64)[texts.offset : texts.offset + rows + 1]
    if data is None:
        return offsets - offsets[0], np.empty(0, np.uint8)
    return offsets, np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]


def _special_bytes(data: Array) -> Mask:
    special: Mask = data < 0x20
    special |= data == 0x22
    special |= data == 0x5C
    return special


def _growth(offsets: Array, data: Array, special: Mask) -> Array:
    """Return by how much each text grows when it is escaped."""
    if not _is_dense(special):
        return _growth_at(np.flatnonzero(special), offsets, data)
    sizes = np.diff(offsets)
    growth = np.zeros(len(sizes), np.int64)
    starts = (offsets[:-1] - offsets[0])[sizes > 0]
    growth[sizes > 0] = np.add.reduceat(_ESCAPE_GROWTH[data], starts, dtype=np.int64)
    return growth


def _growth_at(at: Array, offsets: Array, data: Array) -> Array:
    """Return by how much each text grows, asking only where the few special bytes are."""
    owners = np.searchsorted(offsets[1:] - offsets[0], at, side="right")
    return np.bincount(owners, _ESCAPE_GROWTH[data[at]], len(offsets) - 1).astype(np.int64)


def _is_dense(special: Mask) -> bool:
    """Whether so many bytes need an escape that looking at each of them would take much time and memory."""
    return int(np.count_nonzero(special)) * 16 > len(special)


def _escaped(data: Array, at: Array) -> bytes:
    escaped = data.tobytes()
    present = np.flatnonzero(np.bincount(data[at], minlength=256)).tolist()
    for code in sorted(present, reverse=True):  # the backslash first: the others bring new ones
        escaped = escaped.replace(bytes((code,)), _ESCAPES[code])
    return escaped


class Categories(Printer):
    """A categorical column: its categories are printed once, the cells are picked from them.

    Parameters
    ----------
    rows : int
        How many rows there are.
    codes : callable
        Gives for a block of rows the positions of their categories, -1 for a missing cell.
    categories : pandas array
        The categories.
    printer_of : callable
        Makes the printer of a pandas array.
    """

    def __init__(
        self,
        rows: int,
        codes: Callable[[int, int], Array],
        categories: Any,
        printer_of: Callable[[Any], Printer],
    ) -> None:
        super().__init__(rows)
        inner = printer_of(categories)
        if inner.refused:
            # Only categories that occur matter, and only those can be printed.
            used = _used(rows, codes)
            codes, categories = _recoded(codes, used), categories.take(used)
            inner = printer_of(categories)
        self._codes = codes
        self._categories = categories
        self._printer_of = printer_of
        inner.hold(0)  # its texts are kept anyway
        self._inner = inner
        self.kinds, self.width = (inner.kinds, inner.width) if inner.rows else (frozenset(), 4)
        self._mean = inner.weight(0, inner.rows) / max(1, inner.rows) + 4
        self._few = inner.rows <= _FEW_CATEGORIES and inner.weight(0, inner.rows) <= BLOCK_BYTES
        self._picked: pa.LargeStringArray | None = None
        self._sizes: Array | None = None
        if inner.refused:
            self._refuse()

    def _refuse(self) -> None:
        # Each category is asked by itself.
        for start in range(0, self.rows, BLOCK_ROWS):
            codes = self._codes(start, min(start + BLOCK_ROWS, self.rows))
            for code in np.unique(codes[codes >= 0]).tolist():
                for reason in self._printer_of(self._categories[code : code + 1]).refused.found:
                    self.refused.add(reason, np.flatnonzero(codes == code) + start)

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block by picking from the printed categories."""
        picks = self.picks(start, stop)
        if picks is not None:
            return Printed(picks.taken())
        codes = self._codes(start, stop)
        used, where = np.unique(codes, return_inverse=True)
        printed = self._printer_of(self._categories.take(np.maximum(used, 0))).texts(0, len(used))
        return Printed(printed.texts.take(pa.array(where, mask=codes < 0)), printed.bare)

    def picks(self, start: int, stop: int) -> Picks | None:
        """Pick a block from null and the categories, if those are few."""
        if not self._few:
            return None
        if self._picked is None:
            texts, bare = self._inner.texts(0, self._inner.rows)
            self._picked = pa.concat_arrays([pa.array(["null"], TEXT), quoted(texts) if bare else texts])
        # Wider, since the codes may be as narrow as there are categories.
        return Picks(self._picked, self._codes(start, stop).astype(np.int64) + 1)

    def sizes(self, start: int, stop: int) -> Array:
        """Return the bytes that each cell takes."""
        if self._sizes is None:
            inner = self._inner
            parts = [inner.sizes(*block) for block in blocks(inner.rows, inner.weight)]
            self._sizes = np.concatenate([*parts, [4]])  # the last one for -1, a missing cell
        return self._sizes[self._codes(start, stop)]

    def weight(self, start: int, stop: int) -> int:
        """Return about how many bytes a block takes."""
        return int((stop - start) * self._mean)


def _used(rows: int, codes: Callable[[int, int], Array]) -> Array:
    """Return the codes that occur, ascending."""
    blocks_of_codes = (codes(start, min(start + BLOCK_ROWS, rows)) for start in range(0, rows, BLOCK_ROWS))
    found = [np.unique(block) for block in blocks_of_codes]
    used: Array = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    return used[used >= 0]


def _recoded(codes: Callable[[int, int], Array], used: Array) -> Callable[[int, int], Array]:
    """Return codes as positions among those that occur."""

    def block(start: int, stop: int) -> Array:
        found = codes(start, stop)
        return np.where(found < 0, -1, np.searchsorted(used, found))

    return block
