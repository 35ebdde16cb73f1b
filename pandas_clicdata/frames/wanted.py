"""What the caller wants columns to be: ``dtype``.

A conversion is exact or it is refused. What Arrow casts exactly, it casts; all else is told as JSON text again,
and carried as the ClicData type that belongs to the dtype.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.arrow import TEXT, pc, string_to_tzinfo
from pandas_clicdata.frames.columns import COLUMN_TYPES
from pandas_clicdata.frames.dates import durations, moments_as, parsed_dates, periods, times_of_day
from pandas_clicdata.frames.fit import attempt, carry, refuse_first, unquoted
from pandas_clicdata.frames.parts import part_of
from pandas_clicdata.frames.settle import (
    Seen,
    Settled,
    default_array,
    from_arrow,
    is_arrow,
    numpy_array,
    object_array,
    python_cells,
    settle,
    text_array,
)

if TYPE_CHECKING:
    from collections.abc import Hashable

# The name of a ClicData type (a str), or one of pandas' dtypes.
Wish: TypeAlias = Any


class Wishes:
    """The ``dtype`` argument of a read.

    Parameters
    ----------
    dtype : dtype, name of a ClicData type, mapping or Series of those, or None
        One for all columns, or one for each column named.

    Raises
    ------
    InputError
        If one of them is neither a dtype nor a ClicData type.
    """

    def __init__(self, dtype: Any) -> None:
        self._for_all: Wish | None = None
        self.by_name: dict[Any, Wish] = {}
        if isinstance(dtype, (pd.Series, Mapping)):
            self.by_name = {name: _wish(wanted, f"dtype of column {name!r}") for name, wanted in dtype.items()}
        elif dtype is not None:
            self._for_all = _wish(dtype, "dtype")

    def get(self, name: Hashable) -> Wish | None:
        """Return what is wanted of a column, None if nothing is said about it."""
        return self.by_name.get(name, self._for_all)


def _wish(wanted: Any, where: str) -> Wish:
    if isinstance(wanted, str) and wanted in COLUMN_TYPES:
        return wanted
    try:
        dtype: Any = pd.api.types.pandas_dtype(wanted)
    except (TypeError, ValueError) as problem:
        raise InputError(
            f"{where}: {wanted!r} is neither a dtype that pandas knows ({problem}) "
            f"nor a ClicData type ({', '.join(COLUMN_TYPES)})."
        ) from None
    if not isinstance(dtype, np.dtype):
        return dtype
    if dtype.kind == "U":
        return "text"
    if dtype.kind in "Mm" and np.datetime_data(dtype)[0] == "generic":
        return np.dtype(f"{dtype.kind}8[ns]")
    if dtype.kind not in "biufMmO":
        raise InputError(f"{where}: columns can't be read as {dtype}.")
    return dtype


def is_literal(wish: Wish | None) -> bool:
    """Whether the digits that came matter: float64 would lose some."""
    return isinstance(wish, pd.ArrowDtype) and pa.types.is_decimal(wish.pyarrow_dtype)


def is_textual(wish: Wish | None) -> bool:
    """Whether text is wanted, and of numbers their digits as they came."""
    if isinstance(wish, pd.ArrowDtype):
        return _is_arrow_text(wish.pyarrow_dtype)
    return isinstance(wish, pd.StringDtype) or wish in ("text", "dropdown")


def is_moment(wish: Wish | None) -> bool:
    """Whether points in time are wanted."""
    if isinstance(wish, pd.ArrowDtype):
        return bool(pa.types.is_timestamp(wish.pyarrow_dtype))
    if isinstance(wish, np.dtype):
        return wish.kind == "M"
    return isinstance(wish, pd.DatetimeTZDtype) or wish == "datetime"


def _is_arrow_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view())


# ---------------------------------------------------------------- as a pandas array


def as_wished(settled: Settled, wish: Wish, seen: Seen, backend: str | None) -> Any:
    """Return a settled column as an array of the wanted dtype.

    Raises
    ------
    Unfit
        If a cell does not fit it exactly.
    InputError
        If nothing can be read as that dtype.
    """
    if isinstance(wish, str):
        return _as_column_type(settled, wish, seen, backend)
    if isinstance(wish, np.dtype):
        return _as_numpy(settled, wish)
    if isinstance(wish, pd.CategoricalDtype):
        return _as_category(settled, wish, seen)
    if isinstance(wish, pd.ArrowDtype):
        return from_arrow(wish, _as_arrow(settled, wish.pyarrow_dtype))
    if isinstance(wish, pd.StringDtype):
        return text_array(_as_text(settled), wish)
    if isinstance(wish, pd.DatetimeTZDtype):
        return moments_as(settled, wish.unit, wish.tz)
    if isinstance(wish, pd.PeriodDtype):
        return periods(settled, wish)
    if isinstance(wish, pd.SparseDtype):
        return pd.arrays.SparseArray(_as_numpy(settled, np.dtype(wish.subtype)), dtype=wish)
    if isinstance(wish, pd.BooleanDtype):
        return from_arrow(wish, _as_arrow(settled, pa.bool_()))
    if isinstance(getattr(wish, "numpy_dtype", None), np.dtype):
        return from_arrow(wish, _as_arrow(settled, pa.from_numpy_dtype(wish.numpy_dtype)))
    raise InputError(f"Columns can't be read as {wish}.")


def _as_column_type(settled: Settled, column_type: str, seen: Seen, backend: str | None) -> Any:
    if column_type == "dropdown":
        return _as_category(settled, pd.CategoricalDtype(), seen)
    if column_type == "date":
        return from_arrow(pd.ArrowDtype(pa.date32()), _as_arrow(settled, pa.date32()))
    if column_type == "datetime":
        return parsed_dates(settled, {}, backend)
    if column_type == "text":
        values: Settled = _as_text(settled)
    elif column_type == "checkbox":
        values = _as_arrow(settled, pa.bool_())
    elif column_type == "id":
        values = _as_arrow(settled, pa.int64())
    else:
        values = _as_numbers(settled)
    return default_array(values, seen.has_null, backend)


def _as_category(settled: Settled, wish: pd.CategoricalDtype, seen: Seen) -> Any:
    if wish.categories is None:
        return pd.Categorical(default_array(settled, seen.has_null, None), ordered=bool(wish.ordered))
    cells = pd.Index(as_wished(settled, _dtype_of(wish.categories), seen, None))
    codes = wish.categories.get_indexer(cells)
    refuse_first((codes < 0) & cells.notna(), "it is none of the categories")
    return pd.Categorical.from_codes(codes, dtype=wish)


def _dtype_of(categories: pd.Index[Any]) -> Wish:
    """Return the dtype of categories, in the variety that knows missing cells."""
    dtype = categories.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "O" and categories.inferred_type == "string":
        return "text"
    if isinstance(dtype, np.dtype) and dtype.kind in "iub":
        return {"i": pd.Int64Dtype(), "u": pd.UInt64Dtype(), "b": pd.BooleanDtype()}[dtype.kind]
    return dtype


def _as_numpy(settled: Settled, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "O":
        return numpy_array(settled) if is_arrow(settled, TEXT) else object_array(python_cells(settled))
    if dtype.kind == "M":
        return moments_as(settled, np.datetime_data(dtype)[0], None)
    if dtype.kind == "m":
        return durations(settled, dtype)
    values = _as_arrow(settled, pa.from_numpy_dtype(dtype.newbyteorder("=")))
    if dtype.kind != "f":
        nullable = "boolean" if dtype.kind == "b" else dtype.name.replace("i", "I", 1).replace("uI", "UI")
        refuse_first(values.is_null(), f"{dtype} has no missing values: ask for {nullable!r}")
    return numpy_array(values).astype(dtype, copy=False)


# ---------------------------------------------------------------- by way of Arrow


def _as_text(settled: Settled) -> pa.ChunkedArray:
    if not isinstance(settled, list) and is_arrow(settled, TEXT, pa.null()):
        return settled.cast(TEXT)
    return pa.chunked_array([pa.array(_json_values(carry(settled, "text")), TEXT)])


def _as_numbers(settled: Settled) -> Settled:
    """Return numbers in the type that is natural for them."""
    if not isinstance(settled, list) and not is_arrow(settled, TEXT, pa.bool_()):
        return settled
    part, seen = part_of(_json_values(carry(settled, "number"))), Seen()
    seen.note(part)
    return settle([part], seen)


def _json_values(texts: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = msgspec.json.decode("[" + ",".join(text or "null" for text in texts.to_pylist()) + "]")
    return values


def _as_arrow(settled: Settled, arrow_type: pa.DataType) -> pa.ChunkedArray:
    """Return a settled column as an Arrow type, exactly."""
    types = pa.types
    if _is_arrow_text(arrow_type):
        return _as_text(settled).cast(arrow_type)
    if types.is_dictionary(arrow_type):
        return _as_arrow(settled, arrow_type.value_type).cast(arrow_type)
    if types.is_time(arrow_type):
        return times_of_day(_as_text(settled), arrow_type)
    if types.is_timestamp(arrow_type):
        tz = None if arrow_type.tz is None else string_to_tzinfo(arrow_type.tz)
        moments = pd.Series(moments_as(settled, arrow_type.unit, tz))
        return pa.chunked_array([pa.array(moments, arrow_type, from_pandas=True)])
    if types.is_duration(arrow_type):
        spans = durations(settled, np.dtype(f"m8[{arrow_type.unit}]"))
        return pa.chunked_array([pa.array(spans, arrow_type, from_pandas=True)])
    return _cast(_castable(settled, arrow_type), arrow_type)


def _castable(settled: Settled, arrow_type: pa.DataType) -> pa.ChunkedArray:
    """Return a settled column as something that Arrow casts to a type exactly, or not at all."""
    types = pa.types
    if not isinstance(settled, list):
        numeric = types.is_integer(settled.type) or types.is_floating(settled.type)
        if settled.type in (arrow_type, pa.null()):
            return settled
        if numeric and (types.is_integer(arrow_type) or types.is_floating(arrow_type)):
            return settled
    if types.is_boolean(arrow_type):
        return unquoted(carry(settled, "checkbox"))
    if types.is_integer(arrow_type):
        return unquoted(carry(settled, "id"))
    if types.is_floating(arrow_type) or types.is_decimal(arrow_type):
        return unquoted(carry(settled, "number"))
    if types.is_date(arrow_type):
        return unquoted(carry(settled, "date")).cast(pa.date32())
    raise InputError(f"Columns can't be read as {arrow_type}.")


def _cast(values: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    def cast(part: pa.ChunkedArray) -> pa.ChunkedArray:
        if not pa.types.is_floating(arrow_type) or not pa.types.is_floating(part.type):
            return part.cast(arrow_type)
        narrow = part.cast(arrow_type, safe=False)  # a narrow float rounds: that is what it is for
        if pc.any(pc.is_inf(narrow)).as_py():
            raise ValueError
        return narrow

    return attempt(cast, values, f"it does not fit {arrow_type} exactly")
