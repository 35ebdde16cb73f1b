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


def split_array(printed: bytes, rows: int, missing: Mask | None = None, after: bytes = b"") -> pa.LargeStringArray:
    """Return the elements of a JSON array of numbers as texts, each with what is to follow it."""
    printed = printed[1:-1] + b"," if rows else b""
    offsets = np.zeros(rows + 1, np.int64)
    offsets[1:] = _after_each(b",", printed)
    return _split(printed, b",", offsets, missing, after)


class Lines(NamedTuple):
    """Texts, each ended by a newline, and the bytes of each with it."""

    text: bytes
    sizes: Array


def lines_of(printed: bytes) -> Lines:
    """Return lines with their sizes, which are kept in as few bytes as hold them."""
    sizes = _after_each(b"\n", printed)
    sizes[1:] -= sizes[:-1].copy()
    return Lines(printed, sizes.astype(np.min_scalar_type(int(sizes.max(initial=0)))))


def split_lines(lines: Lines, after: bytes = b"") -> pa.LargeStringArray:
    """Return lines as texts, each with what is to follow it."""
    offsets = np.zeros(len(lines.sizes) + 1, np.int64)
    np.cumsum(lines.sizes, dtype=np.int64, out=offsets[1:])
    return _split(lines.text, b"\n", offsets, None, after)


def _after_each(end: bytes, printed: bytes) -> Array:
    """Return where the bytes that end texts are followed by the next one."""
    ends: Array = np.flatnonzero(np.frombuffer(printed, np.uint8) == ord(end))
    return ends + 1


def _split(printed: bytes, end: bytes, offsets: Array, missing: Mask | None, after: bytes) -> pa.LargeStringArray:
    """Put another text in place of the byte that ends each text."""
    rows = len(offsets) - 1
    moved = offsets + np.arange(rows + 1, dtype=np.int64) * (len(after) - 1)
    return text_array(printed.replace(end, after) if after else _without(printed, end, rows), moved, missing)


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
