"""Encoding takes the memory of a few blocks, for any number of rows, and frees all of it."""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from frames.chunked import bodies_of, bounds_of
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20


class Peak:
    """Return the peak of the bytes that Python, numpy and Arrow held together."""

    bytes = 0
    left = 0  # what Arrow still holds at the end


@contextmanager
def measured() -> Iterator[Peak]:
    peak, before = Peak(), pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        yield peak
        peak.bytes = tracemalloc.get_traced_memory()[1] + pool.max_memory()
        peak.left = pool.bytes_allocated()
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


def frame_of(rows: int) -> pd.DataFrame:
    numbers = np.arange(rows)
    return pd.DataFrame(
        {
            "n": numbers,
            "f": numbers / 7,
            "t": pd.Series(numbers % 1000).astype(str) + ' "text"',
            "o": pd.Series([("a", 1, None)[number % 3] for number in range(rows)], dtype=object),
            "c": pd.Series(numbers % 50).astype(str).astype("category"),
            "at": pd.Series(numbers.astype("M8[s]")).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"),
        }
    )


def peak_of(frame: pd.DataFrame, row_format: RowFormat, **limits: int) -> int:
    with measured() as peak:
        encoder = FrameEncoder(frame)
        for _ in bodies_of(encoder, row_format, bounds_of(encoder, row_format, **limits)):
            pass
        del encoder, _
    assert peak.left == 0
    return peak.bytes


def test_a_temporary_memory_pool_is_empty_afterwards() -> None:
    """Arrow crashes if a pool is freed before its arrays, at the latest when Python ends."""
    frame = frame_of(1000)
    with measured() as peak:
        encoder, builder = FrameEncoder(frame), FrameBuilder()
        for body in bodies_of(encoder, RowFormat.OBJECTS, [(0, 500), (500, 1000)]):
            builder.add(body[len('{"data":') : -1])
        assert len(builder.take()) == 1000
        del encoder, builder
    assert peak.bytes > 10_000
    assert peak.left == 0


@pytest.mark.parametrize("row_format", RowFormat, ids=lambda row_format: row_format.value)
def test_memory_is_the_same_for_any_number_of_rows(row_format: RowFormat) -> None:
    few = peak_of(frame_of(60_000), row_format, max_rows=5000, max_bytes=4 * MIB)
    many = peak_of(frame_of(240_000), row_format, max_rows=5000, max_bytes=4 * MIB)
    assert many < 64 * MIB
    assert many < few + 4 * MIB


@pytest.mark.parametrize("kind", ["string", object, "category"])
def test_long_texts(kind: Any) -> None:
    texts = pd.Series([f"{number:05}" * 2000 for number in range(6000)], dtype=object).astype(kind)
    assert peak_of(pd.DataFrame({"a": texts}), RowFormat.CELLS, max_rows=5000, max_bytes=4 * MIB) < 64 * MIB


def test_long_texts_that_need_escapes() -> None:
    texts = pd.Series(['"\n' * 5000] * 3000, dtype="string[pyarrow]")
    assert peak_of(pd.DataFrame({"a": texts}), RowFormat.CELLS, max_rows=5000, max_bytes=4 * MIB) < 64 * MIB


def test_wide_frames() -> None:
    frame = pd.DataFrame({f"column {i}": np.arange(20_000) for i in range(200)})
    assert peak_of(frame, RowFormat.CELLS, max_rows=5000, max_bytes=4 * MIB) < 64 * MIB


def held_by(frame: pd.DataFrame, **arguments: Any) -> int:
    """Return the bytes that an encoder holds before it encodes the first chunk."""
    tracemalloc.start()
    try:
        encoder = FrameEncoder(frame, **arguments)
        held = tracemalloc.get_traced_memory()[0]
        del encoder
        return held
    finally:
        tracemalloc.stop()
