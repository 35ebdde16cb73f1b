"""The printer of any column, chosen by what its dtype is, never by the dtype's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.frames.arrow import Array, one_array, string_to_tzinfo
from pandas_clicdata.frames.moments import Dates, Durations, Moments, TimesOfDay
from pandas_clicdata.frames.objects import Objects
from pandas_clicdata.frames.printing import (
    Booleans,
    Decimals,
    Floats,
    Integers,
    Printer,
    arrow_numbers,
    masked_numbers,
)
from pandas_clicdata.frames.scalars import Unsendable
from pandas_clicdata.frames.texts import Categories, Texts

if TYPE_CHECKING:
    from collections.abc import Callable


def printer_of(array: Any) -> Printer:
    """Return the printer of a column.

    Parameters
    ----------
    array : pandas array
        What `Series.array` gives.

    Raises
    ------
    Unsendable
        If no column of this dtype can be carried.
    """
    rows, dtype = len(array), array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = array.codes
        return Categories(rows, lambda start, stop: codes[start:stop], array.categories.array, printer_of)
    if isinstance(dtype, pd.DatetimeTZDtype):
        unit = dtype.unit
        return Moments(rows, lambda start, stop: (array[start:stop].to_numpy(f"M8[{unit}]"), None), unit, dtype.tz)
    if isinstance(dtype, pd.ArrowDtype):
        return _arrow_printer(rows, array.__arrow_array__(), dtype.pyarrow_dtype)
    if isinstance(dtype, pd.StringDtype) and dtype.storage == "pyarrow":
        return Texts(rows, _chunked(array.__arrow_array__()))
    if isinstance(dtype, pd.SparseDtype):
        return _numpy_printer(rows, dtype.subtype, lambda start, stop: np.asarray(array[start:stop]))
    if isinstance(array, pd.arrays.NumpyExtensionArray) or isinstance(dtype, np.dtype):
        values = np.asarray(array)  # to_numpy would look for missing cells
        return _numpy_printer(rows, values.dtype, lambda start, stop: values[start:stop])
    if isinstance(dtype, pd.BooleanDtype):
        return Booleans(rows, masked_numbers(array, np.dtype(bool), False))
    numpy_dtype = getattr(dtype, "numpy_dtype", None)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "iu":
        return Integers(rows, masked_numbers(array, numpy_dtype, 0), numpy_dtype)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind == "f":
        return Floats(rows, masked_numbers(array, numpy_dtype, np.nan))
    if isinstance(dtype, pd.IntervalDtype):
        raise Unsendable(f"of type {dtype}")
    if isinstance(dtype, pd.PeriodDtype):
        return Objects(rows, lambda start, stop: _period_texts(array[start:stop]))
    # Text in Python's keeping, arrays of other packages: their cells decide.
    return Objects(rows, lambda start, stop: np.asarray(array[start:stop], dtype=object))


def _period_texts(periods: Any) -> Array:
    texts: Array = np.array(periods.astype(str), dtype=object)
    texts[periods.isna()] = None
    return texts


def _numpy_printer(rows: int, dtype: np.dtype[Any], values: Callable[[int, int], Array]) -> Printer:
    if dtype.kind == "O":
        return Objects(rows, lambda start, stop: np.asarray(values(start, stop), dtype=object))
    native = dtype.newbyteorder("=")

    def block(start: int, stop: int) -> tuple[Array, None]:
        return np.ascontiguousarray(values(start, stop), dtype=native), None

    if dtype.kind == "b":
        return Booleans(rows, block)
    if dtype.kind in "iu":
        return Integers(rows, block, native)
    if dtype.kind == "f":
        return Floats(rows, block)
    if dtype.kind in "Mm":
        unit = np.datetime_data(dtype)[0]
        return Moments(rows, block, unit, None) if dtype.kind == "M" else Durations(rows, block, unit)
    raise Unsendable(f"of type {dtype}")


def _chunked(values: Any) -> pa.ChunkedArray:
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _arrow_printer(rows: int, values: Any, kind: pa.DataType) -> Printer:
    chunked = _chunked(values)
    types = pa.types
    if types.is_null(kind):
        return Objects(rows, lambda start, stop: np.full(stop - start, None, dtype=object))
    if types.is_boolean(kind):
        return Booleans(rows, arrow_numbers(chunked, False))
    if types.is_integer(kind):
        return Integers(rows, arrow_numbers(chunked, 0), np.dtype(kind.to_pandas_dtype()))
    if types.is_floating(kind):
        return Floats(rows, arrow_numbers(chunked, np.nan))
    if types.is_decimal(kind):
        return Decimals(rows, chunked)
    if types.is_timestamp(kind):
        tz = None if kind.tz is None else string_to_tzinfo(kind.tz)
        return Moments(rows, arrow_numbers(chunked, 0, pa.int64()), kind.unit, tz)
    if types.is_date(kind):
        return Dates(rows, chunked)
    if types.is_duration(kind):
        return Durations(rows, arrow_numbers(chunked, 0, pa.int64()), kind.unit)
    if types.is_time(kind):
        return TimesOfDay(rows, chunked)
    if types.is_string(kind) or types.is_large_string(kind) or kind == pa.string_view():
        return Texts(rows, chunked)
    if types.is_dictionary(kind):
        return _dictionary_printer(rows, chunked)
    raise Unsendable(f"of type {kind}")


def _dictionary_printer(rows: int, chunked: pa.ChunkedArray) -> Printer:
    unified = chunked.unify_dictionaries()
    categories = unified.chunk(0).dictionary if unified.num_chunks else pa.array([], chunked.type.value_type)

    def codes(start: int, stop: int) -> Array:
        part = one_array(unified, start, stop)
        indices: Array = part.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return indices

    return Categories(rows, codes, pd.arrays.ArrowExtensionArray(categories), printer_of)
