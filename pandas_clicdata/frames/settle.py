"""The type of a column, settled over all pages, and the pandas array it becomes.

Text stays text. Integers stay exact: with missing cells they become Int64, beside fractions float64 only if
float64 holds them all. What no single type holds exactly becomes a column of Python objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.frames.arrow import TEXT, pc
from pandas_clicdata.frames.parts import BEYOND, BOOLEAN, EXACT, FLOAT, INTEGER, NULL, STRING, Part

if TYPE_CHECKING:
    from collections.abc import Iterable

# A settled column: of one Arrow type, or a list of Python's values as they came.
Settled: TypeAlias = "pa.ChunkedArray | list[Any]"


class Seen:
    """What was seen of a column so far, on all pages, those included that were already taken."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()
        self.has_null = False
        self.has_negative = False

    def note(self, part: Part) -> None:
        """Take a further part into account."""
        if part.kind != NULL:
            self.kinds.add(part.kind)
        self.has_null = self.has_null or part.has_null
        if part.kind == INTEGER and not self.has_negative:
            self.has_negative = (pc.min(part.cells).as_py() or 0) < 0

    def arrow_type(self) -> pa.DataType | None:
        """Return the one type for all cells; None if there is none that is exact."""
        kinds = self.kinds
        if not kinds:
            return pa.null()
        if kinds == {BOOLEAN}:
            return pa.bool_()
        if kinds == {STRING}:
            return TEXT
        if kinds == {INTEGER}:
            return pa.int64()
        if kinds <= {INTEGER, BEYOND} and not self.has_negative:
            return pa.uint64()
        if FLOAT in kinds and kinds <= {INTEGER, BEYOND, FLOAT}:
            return pa.float64()
        return None


def settle(parts: list[Part], seen: Seen) -> Settled:
    """Return the cells of all parts as one column."""
    arrow_type = seen.arrow_type()
    if arrow_type is not None:
        try:
            return pa.chunked_array([_cast(part.cells, arrow_type) for part in parts], arrow_type)
        except pa.ArrowInvalid:  # an integer that float64 can't hold
            seen.kinds.add(EXACT)
    cells: list[Any] = []
    for part in parts:
        cells += python_cells(part.cells)
    return cells


def _cast(cells: Any, arrow_type: pa.DataType) -> pa.Array:
    return cells if cells.type == arrow_type else cells.cast(arrow_type)


def python_cells(cells: Settled | pa.Array) -> list[Any]:
    """Return cells as Python's values."""
    listed: list[Any] = cells if isinstance(cells, list) else cells.to_pylist()
    return listed


def is_arrow(settled: Settled, *types: pa.DataType) -> bool:
    """Whether a column is of one of these Arrow types."""
    return not isinstance(settled, list) and settled.type in types


def object_array(cells: Iterable[Any]) -> Any:
    """Return Python's values as an array of objects, lists and dictionaries included."""
    listed = list(cells)
    return np.fromiter(listed, object, len(listed))  # np.array would spread a list over several cells


def as_column(array: Any, index: pd.Index[Any]) -> Any:
    """Return an array as what a frame takes as its column as it is: pandas 3 makes text of objects otherwise."""
    if isinstance(array, np.ndarray) and array.dtype == object:
        return pd.Series(array, index=index, dtype=object, copy=False)
    return array


def numpy_array(values: pa.ChunkedArray) -> Any:
    """Return Arrow's numbers or times as a numpy array that may be written to."""
    array = values.to_numpy()
    return array if array.flags.writeable else array.copy()


def from_arrow(dtype: Any, values: pa.ChunkedArray) -> Any:
    """Return Arrow's values as an array of one of pandas' extension dtypes."""
    return dtype.__from_arrow__(values)


def default_array(settled: Settled, has_null: bool, backend: str | None) -> Any:
    """Return a settled column as the pandas array of its natural dtype.

    Parameters
    ----------
    settled : ChunkedArray or list
        The column.
    has_null : bool
        Whether a cell was missing, here or on an earlier page.
    backend : {"numpy_nullable", "pyarrow"} or None
        The ``dtype_backend`` asked for.
    """
    if isinstance(settled, list):
        return object_array(settled)
    kind = settled.type
    if backend == "pyarrow":
        kind = pa.string() if kind == TEXT else kind
        return from_arrow(pd.ArrowDtype(kind), settled.cast(kind))
    if kind == pa.null():
        return object_array([None] * len(settled))
    nullable = backend == "numpy_nullable"
    if kind == TEXT:
        return text_array(settled, pd.StringDtype() if nullable else None)
    if kind == pa.float64():
        return from_arrow(pd.Float64Dtype(), settled) if nullable else numpy_array(settled)
    if nullable or has_null:
        return from_arrow(_NULLABLE[kind], settled)
    return numpy_array(settled)


_NULLABLE = {pa.bool_(): pd.BooleanDtype(), pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}


def default_string_dtype() -> Any:
    """Return the dtype that pandas gives to text by itself: ``str`` from pandas 3 on, objects before."""
    return pd.Series([""]).dtype


def text_array(texts: pa.ChunkedArray, dtype: Any = None) -> Any:
    """Return text as an array of a string dtype, by default of pandas' own one."""
    dtype = default_string_dtype() if dtype is None else dtype
    return texts.to_numpy() if isinstance(dtype, np.dtype) else from_arrow(dtype, texts)
