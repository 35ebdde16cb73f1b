"""Whether cells fit what is wanted, and which one does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa

from pandas_clicdata.frames.arrow import TEXT, pc, quoted
from pandas_clicdata.frames.carrying import carry_cells
from pandas_clicdata.frames.settle import Settled, python_cells

if TYPE_CHECKING:
    from collections.abc import Callable

_LINES = msgspec.json.Encoder()


class Unfit(Exception):
    """A cell does not fit what is wanted; the text says why not."""

    def __init__(self, row: int, why: str) -> None:
        self.row = row
        super().__init__(why)


def carry(settled: Settled, column_type: str) -> pa.ChunkedArray:
    """Return the JSON texts of cells, carried as a ClicData type.

    Raises
    ------
    Unfit
        If that type can't hold a cell.
    """
    texts = _json_texts(settled)
    carried = carry_cells(texts, column_type)
    refuse_first(pc.and_(texts.is_valid(), carried.is_null()), f"it is no {column_type}")
    return carried if isinstance(carried, pa.ChunkedArray) else pa.chunked_array([carried])


def _json_texts(settled: Settled) -> pa.ChunkedArray:
    if not isinstance(settled, list) and settled.type == TEXT:
        return quoted(settled)  # what would need an escape fits nothing anyway
    lines = _LINES.encode_lines(python_cells(settled)).decode().split("\n")[:-1]
    return pa.chunked_array([pa.array([None if line == "null" else line for line in lines], TEXT)])


def unquoted(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return JSON texts without the quotes around them."""
    return pc.utf8_trim(texts, '"')


def refuse_first(lost: Any, why: str) -> None:
    """Raise for the first cell that is lost, if there is one."""
    rows = np.flatnonzero(lost)
    if len(rows):
        raise Unfit(int(rows[0]), why)


def attempt(convert: Callable[[Any], Any], cells: Any, why: str) -> Any:
    """Convert cells; if that fails, find the first one that does not convert.

    Raises
    ------
    Unfit
        If a cell does not convert.
    """
    failures = (pa.ArrowInvalid, ValueError, OverflowError, TypeError)
    try:
        return convert(cells)
    except failures:
        start, stop = 0, len(cells)
        while stop - start > 1:
            middle = (start + stop) // 2
            try:
                convert(cells[start:middle])
            except failures:
                stop = middle
            else:
                start = middle
        raise Unfit(start, why) from None
