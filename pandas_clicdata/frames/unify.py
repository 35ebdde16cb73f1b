"""Find one type for a column over all pages, and make the pandas array of that type.

Text stays text. Integers stay exact: with missing cells they become Int64, beside fractions float64 if float64
holds all of them. If no single type holds all cells exactly, the column becomes one of Python objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.frames.columns import TEXT, pc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pandas_clicdata.frames.parse import PageCells

# A column of all pages: an Arrow array, or a list of Python objects if no type holds them all.
Cells: TypeAlias = "pa.ChunkedArray | list[Any]"


@dataclass
class SeenTypes:
    """The types of a column on all pages so far, including pages whose rows were already taken."""

    _types: set[pa.DataType | None] = field(default_factory=set)  # None stands for Python's objects
    _has_negative: bool = False
    has_null: bool = False

    def add(self, cells: PageCells) -> None:
        """Add the type of the cells of a page."""
        if isinstance(cells, list):
            self._types.add(None)
            self.has_null = self.has_null or None in cells
            return
        if cells.type != pa.null():
            self._types.add(cells.type)
        self.has_null = self.has_null or cells.null_count > 0
        if cells.type == pa.int64() and not self._has_negative:
            self._has_negative = (pc.min(cells).as_py() or 0) < 0

    def common_type(self) -> pa.DataType | None:
        """Return the one type that may hold all cells; None if only Python's objects do."""
        integers, numbers = {pa.int64(), pa.uint64()}, {pa.int64(), pa.uint64(), pa.float64()}
        if len(self._types) < 2:
            return next(iter(self._types), pa.null())
        if self._types == integers and not self._has_negative:
            return pa.uint64()
        if self._types <= numbers and pa.float64() in self._types:
            return pa.float64()
        return None


def unify(pages: list[PageCells], seen: SeenTypes) -> Cells:
    """Return the cells of all pages as one column."""
    arrow_type = seen.common_type()
    if arrow_type is not None:
        try:
            return pa.chunked_array([cells.cast(arrow_type) for cells in pages], arrow_type)  # type: ignore[union-attr]
        except pa.ArrowInvalid:  # float64 can't hold an integer: the column holds Python objects from now on
            seen.add([])
    return [cell for cells in pages for cell in python_cells(cells)]


def python_cells(cells: Cells | PageCells) -> list[Any]:
    """Return cells as Python's objects."""
    listed: list[Any] = cells if isinstance(cells, list) else cells.to_pylist()
    return listed


def parts_of(cells: Cells) -> Iterator[list[Any]]:
    """Yield the cells part by part, as Python's objects; a column of Arrow that isn't text yields one cell."""
    if isinstance(cells, list):
        yield cells
    elif cells.type == TEXT:
        yield from (part.to_pylist() for part in cells.chunks)
    else:
        yield cells.drop_null()[:1].to_pylist()


def has_type(cells: Cells, *types: pa.DataType) -> bool:
    """Return whether a column has one of these Arrow types."""
    return not isinstance(cells, list) and cells.type in types


def object_array(cells: Iterable[Any]) -> Any:
    """Return Python's objects as an array, lists and dictionaries included."""
    listed = list(cells)
    return np.fromiter(listed, object, len(listed))  # np.array would spread a list over several cells


def as_column(array: Any, index: pd.Index[Any]) -> Any:
    """Return an array whose dtype a frame keeps; pandas 3 would infer text from objects."""
    if isinstance(array, np.ndarray) and array.dtype == object:
        return pd.Series(array, index=index, dtype=object, copy=False)
    return array


def numpy_array(values: pa.ChunkedArray) -> Any:
    """Return Arrow's numbers or times as a writeable numpy array."""
    array = values.to_numpy()
    return array if array.flags.writeable else array.copy()


def from_arrow(dtype: Any, values: pa.ChunkedArray) -> Any:
    """Return Arrow's values as an array of a pandas extension dtype."""
    return dtype.__from_arrow__(values)


def default_array(cells: Cells, has_null: bool, backend: str | None) -> Any:
    """Return a column as an array of the usual dtype; ``has_null`` says whether any page has a missing cell."""
    if isinstance(cells, list):
        return object_array(cells)
    kind = cells.type
    if backend == "pyarrow":
        kind = pa.string() if kind == TEXT else kind
        return from_arrow(pd.ArrowDtype(kind), cells.cast(kind))
    if kind == pa.null():
        return object_array([None] * len(cells))
    nullable = backend == "numpy_nullable"
    if kind == TEXT:
        return text_array(cells, pd.StringDtype() if nullable else None)
    if kind == pa.float64():
        return from_arrow(pd.Float64Dtype(), cells) if nullable else numpy_array(cells)
    if nullable or has_null:
        return from_arrow(_NULLABLE[kind], cells)
    return numpy_array(cells)


_NULLABLE = {pa.bool_(): pd.BooleanDtype(), pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}


def text_array(texts: pa.ChunkedArray, dtype: Any = None) -> Any:
    """Return text as an array of a dtype; by default the dtype of pandas for text: ``str``, objects before pandas 3."""
    dtype = pd.Series([""]).dtype if dtype is None else dtype
    return texts.to_numpy() if isinstance(dtype, np.dtype) else from_arrow(dtype, texts)
