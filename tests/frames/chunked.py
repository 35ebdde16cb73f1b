"""The bounds of an encoder's chunks, and the bodies between given bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pandas_clicdata.frames.encode import FrameEncoder, RowFormat


def bounds_of(encoder: FrameEncoder, row_format: RowFormat, *, max_rows: int, max_bytes: int) -> list[tuple[int, int]]:
    chunks = encoder.chunks(row_format, 0, encoder.rows, max_rows=max_rows, max_bytes=max_bytes)
    return [(chunk.start, chunk.stop) for chunk in chunks]


def bodies_of(encoder: FrameEncoder, row_format: RowFormat, bounds: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Write a body for each pair of bounds when it is asked for."""
    for start, stop in bounds:
        chunks = encoder.chunks(row_format, start, stop, max_rows=max(1, stop - start), max_bytes=1 << 60)
        yield next(iter(chunks)).text if stop > start else b'{"data":[]}'
