"""Arrays of text in Arrow: made of bytes, cut out of a column, joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute

if TYPE_CHECKING:
    from collections.abc import Sequence

Mask: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"
Array: TypeAlias = "np.ndarray[Any, Any]"

pc: Any = pyarrow.compute  # its functions are made when it is imported, so no type checker knows them
TEXT = pa.large_string()
string_to_tzinfo: Any = pa.lib.string_to_tzinfo  # pyright: ignore[reportAttributeAccessIssue] - made in C
NO_TEXT = pa.scalar(None, TEXT)


def joined(parts: Sequence[Any]) -> pa.LargeStringArray:
    """Return texts and literals joined cell by cell; where a text is null, so is the result."""
    return pc.binary_join_element_wise(*parts, pa.scalar("", TEXT))


def quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return texts between quotes."""
    return joined([pa.scalar('"', TEXT), texts, pa.scalar('"', TEXT)])


def one_array(chunked: pa.ChunkedArray, start: int, stop: int) -> pa.Array:
    """Return a block of a chunked array as one array, without a copy if it lies in one chunk."""
    chunks = chunked.slice(start, stop - start).chunks
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else pa.array([], chunked.type)


def text_array(data: Any, offsets: Array, missing: Mask | pa.Buffer | None = None) -> pa.LargeStringArray:
    """Return the pieces of a buffer of UTF-8 as an Arrow array; a buffer says which are there, as in Arrow."""
    validity = missing if isinstance(missing, pa.Buffer) else None
    if isinstance(missing, np.ndarray) and missing.any():
        validity = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    bounds = pa.py_buffer(np.ascontiguousarray(offsets, dtype=np.int64))
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, bounds, pa.py_buffer(data), validity)


class Separated(NamedTuple):
    """Texts, each ended by the same byte, and the bounds of each with it."""

    printed: bytes
    end: bytes
    bounds: Array

    def texts(self, *, missing: Mask | None = None, before: bytes = b"", after: bytes = b"") -> pa.LargeStringArray:
        """Return the texts, each between what is to stand before and after it."""
        rows = len(self.bounds) - 1
        between = after + before
        moved = self.bounds + np.arange(rows + 1, dtype=np.int64) * (len(between) - 1)
        apart = self.printed.replace(self.end, between) if between else _without(self.printed, self.end, rows)
        return text_array(b"".join((before, apart)) if before else apart, moved, missing)


def numbers_of(printed: bytes, rows: int) -> Separated:
    """Return the elements of a JSON array of numbers."""
    printed = printed[1:-1] + b"," if rows else b""
    bounds = np.zeros(rows + 1, np.int64)
    bounds[1:] = _after_each(b",", printed)
    return Separated(printed, b",", bounds)


class Lines(NamedTuple):
    """Texts, each ended by a newline, and the bytes of each with it."""

    text: bytes
    sizes: Array

    def separated(self) -> Separated:
        """Return the texts without the newlines."""
        bounds = np.zeros(len(self.sizes) + 1, np.int64)
        np.cumsum(self.sizes, dtype=np.int64, out=bounds[1:])
        return Separated(self.text, b"\n", bounds)


def lines_of(printed: bytes) -> Lines:
    """Return lines with their sizes, which are kept in as few bytes as hold them."""
    sizes = _after_each(b"\n", printed)
    sizes[1:] -= sizes[:-1].copy()
    return Lines(printed, sizes.astype(np.min_scalar_type(int(sizes.max(initial=0)))))


def _after_each(end: bytes, printed: bytes) -> Array:
    """Return where the bytes that end texts are followed by the next one."""
    ends: Array = np.flatnonzero(np.frombuffer(printed, np.uint8) == ord(end))
    return ends + 1


def _without(printed: bytes, separator: bytes, rows: int) -> bytes:
    # Two ways to the same bytes: one is faster for long cells, the other for short ones.
    if len(printed) > 12 * rows:
        return printed.replace(separator, b"")
    return printed.translate(None, separator)


def missing_in(array: pa.Array) -> Mask | pa.Buffer | None:
    """Return which cells of an array are missing, without a copy if it starts at a whole byte."""
    first, within = divmod(array.offset, 8)
    validity = array.buffers()[0]
    if validity is None or not array.null_count:
        return None
    return array.is_null().to_numpy(zero_copy_only=False) if within else validity.slice(first)


def matrix_array(characters: Array, missing: Mask | None = None) -> pa.LargeStringArray:
    """Return the rows of a matrix of characters as texts."""
    rows, width = characters.shape
    return text_array(characters.reshape(-1), np.arange(0, (rows + 1) * width, width), missing)
