"""Into which chunks rows are cut, and the request that appends one."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from pandas_clicdata.frames.encode import Cut, FrameEncoder, RowFormat
from pandas_clicdata.frames.stamps import StampedEncoder
from pandas_clicdata.session.wire import Dialect, Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pandas_clicdata.uploads.receipt import Chunk

# The legacy dialect states no limit. Each request costs a round trip and about a millisecond of work, which
# 5,000 rows make small; 4 MB keeps wide rows within what servers usually take in one request (C).
LEGACY_ROWS = 5_000
LEGACY_BYTES = 4_000_000
MODERN_ROWS = 500  # the service's own limit for /insert
MODERN_BYTES = 4_000_000  # C: no limit in bytes is known


def cut_for(dialect: Dialect, chunksize: int | None, most_bytes: int | None = None) -> Cut:
    """Chunks as large as the dialect allows, the caller wants, and it turned out to take."""
    most_rows = LEGACY_ROWS if dialect is Dialect.LEGACY else MODERN_ROWS
    if chunksize is not None:
        most_rows = chunksize if dialect is Dialect.LEGACY else min(chunksize, MODERN_ROWS)
    allowed = LEGACY_BYTES if dialect is Dialect.LEGACY else MODERN_BYTES
    return Cut(row_format(dialect), most_rows, min(allowed, most_bytes or allowed))


def bounds(encoder: FrameEncoder, cut: Cut, spans: list[range]) -> list[tuple[int, int]]:
    """The chunks of the rows in the spans."""
    chunks = encoder.cut(cut.row_format, max_rows=cut.max_rows, max_bytes=cut.max_bytes)
    clipped = ((max(first, span.start), min(stop, span.stop)) for span in spans for first, stop in chunks)
    return [(first, stop) for first, stop in clipped if first < stop]


def row_format(dialect: Dialect) -> RowFormat:
    """How the dialect wants its rows."""
    return RowFormat.CELLS if dialect is Dialect.LEGACY else RowFormat.OBJECTS


def request(rec_id: int, dialect: Dialect, body: bytes, *, compress: bool = False) -> Request:
    """The request that appends a chunk."""
    path = f"/data/{rec_id}/row" if dialect is Dialect.LEGACY else f"/data/{rec_id}/insert"
    if compress:
        body = gzip.compress(body, compresslevel=1)
    return Request("append rows", "POST", path, body=body, dialect=dialect, compressed=compress)


def stamped(encoder: FrameEncoder, chunks: Iterable[Chunk]) -> None:
    """Let the rows of chunks bear their stamps, if they are to bear any."""
    if isinstance(encoder, StampedEncoder):
        for chunk in chunks:
            encoder.assign(chunk.number, chunk.start, chunk.stop)
