"""``dtype=`` and ``parse_dates=``: a column as the dtype that is wanted, exactly or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.arrow import TEXT, pc, string_to_tzinfo
from pandas_clicdata.frames.cells import Unsendable, as_type
from pandas_clicdata.frames.columns import COLUMN_TYPES
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
    from collections.abc import Callable, Hashable


class Misfit(Exception):
    """A cell does not fit what is wanted; the text says why not."""

    def __init__(self, row: int, why: str) -> None:
        self.row = row
        super().__init__(why)


# ---------------------------------------------------------------- the arguments


class Wishes:
    """The ``dtype`` argument of a read: a dtype or the name of a ClicData type, for all columns or by column."""

    def __init__(self, dtype: Any) -> None:
        self._for_all: Any = None
        self.by_name: dict[Any, Any] = {}
        if isinstance(dtype, (pd.Series, Mapping)):
            self.by_name = {name: _checked(wanted, f"dtype of column {name!r}") for name, wanted in dtype.items()}
        elif dtype is not None:
            self._for_all = _checked(dtype, "dtype")

    def get(self, name: Hashable) -> Any:
        """What is wanted of a column, None if nothing is said about it."""
        return self.by_name.get(name, self._for_all)


def _checked(wanted: Any, where: str) -> Any:
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
    if dtype.kind in "Mm" and np.datetime_data(dtype)[0] == "generic":
        return np.dtype(f"{dtype.kind}8[ns]")
    if dtype.kind not in "UbiufMmO":
        raise InputError(f"{where}: columns can't be read as {dtype}.")
    return "text" if dtype.kind == "U" else dtype


_UNITS = ("D", "s", "ms", "us", "ns")


def date_parsers(parse_dates: Any, index_col: list[Any]) -> dict[Any, dict[str, Any]]:
    """For each column of ``parse_dates`` the arguments of `pandas.to_datetime`, if there are any."""
    if parse_dates is None or parse_dates is False:
        return {}
    if parse_dates is True and not index_col:
        raise InputError("parse_dates=True parses the index: say which column that is with index_col=.")
    if parse_dates is True:
        return {name: {} for name in index_col}
    if isinstance(parse_dates, (str, bytes)) or not hasattr(parse_dates, "__iter__"):
        raise InputError(f"parse_dates must be a list of columns or a mapping, not {parse_dates!r}.")
    given = parse_dates.items() if isinstance(parse_dates, Mapping) else ((name, None) for name in parse_dates)
    return {name: _arguments(name, how) for name, how in given}


def _arguments(name: Any, how: Any) -> dict[str, Any]:
    if how is None or isinstance(how, Mapping):
        return dict(how or {})
    if isinstance(how, str):
        return {"unit": how} if how in _UNITS else {"format": how}
    raise InputError(f"parse_dates of column {name!r} must be a format or arguments of to_datetime, not {how!r}.")


def wants_text(wish: Any) -> bool:
    """Whether text is wanted, and of numbers their digits as they came."""
    kind = wish.pyarrow_dtype if isinstance(wish, pd.ArrowDtype) else None
    return isinstance(wish, pd.StringDtype) or wish in ("text", "dropdown") or kind in (pa.string(), TEXT)


def wants_digits(wish: Any) -> bool:
    """Whether float64 would lose digits that are wanted."""
    return isinstance(wish, pd.ArrowDtype) and pa.types.is_decimal(wish.pyarrow_dtype)


def wants_moments(wish: Any) -> bool:
    """Whether points in time are wanted."""
    return wish == "datetime" or (wish is not None and not isinstance(wish, str) and wish.kind == "M")


# ---------------------------------------------------------------- a column as a dtype


def converted(settled: Settled, wish: Any, seen: Seen, backend: str | None) -> Any:
    """A settled column as an array of the wanted dtype.

    Raises
    ------
    Misfit
        If a cell does not fit it exactly.
    InputError
        If nothing can be read as that dtype.
    """
    if isinstance(wish, str):
        return _as_clicdata_type(settled, wish, seen, backend)
    if isinstance(wish, pd.CategoricalDtype):
        return _as_category(settled, wish, seen)
    if isinstance(wish, pd.SparseDtype):
        return pd.arrays.SparseArray(converted(settled, np.dtype(wish.subtype), seen, None), dtype=wish)
    if isinstance(wish, pd.StringDtype):
        return text_array(_arrow(settled, "text", TEXT), wish)
    if isinstance(wish, pd.PeriodDtype):
        return _as_periods(settled, wish)
    if isinstance(wish, pd.DatetimeTZDtype):
        return moments_as(settled, wish.unit, wish.tz)
    if isinstance(wish, np.dtype):
        return _as_numpy(settled, wish)
    if isinstance(wish, pd.ArrowDtype):
        return from_arrow(wish, _as_arrow(settled, wish.pyarrow_dtype))
    if isinstance(getattr(wish, "numpy_dtype", None), np.dtype):  # pandas' nullable numbers and booleans
        return from_arrow(wish, _as_arrow(settled, pa.from_numpy_dtype(wish.numpy_dtype)))
    raise InputError(f"Columns can't be read as {wish}.")


def _as_clicdata_type(settled: Settled, column_type: str, seen: Seen, backend: str | None) -> Any:
    if column_type == "dropdown":
        return _as_category(settled, pd.CategoricalDtype(), seen)
    if column_type == "datetime":
        return parsed_dates(settled, {}, backend)
    if column_type == "date":
        return from_arrow(pd.ArrowDtype(pa.date32()), _as_arrow(settled, pa.date32()))
    if column_type in ("number", "percentage"):
        return default_array(_as_numbers(settled), seen.has_null, backend)
    kind = {"text": TEXT, "checkbox": pa.bool_(), "id": pa.int64()}[column_type]
    return default_array(_as_arrow(settled, kind), seen.has_null, backend)


def _as_numbers(settled: Settled) -> Settled:
    """Numbers in the type that is natural for them."""
    if not isinstance(settled, list) and not is_arrow(settled, TEXT, pa.bool_()):
        return settled
    part, seen = part_of([_number_of(cell) for cell in _as_type(settled, "number")]), Seen()
    seen.note(part)
    return settle([part], seen)


def _number_of(cell: Any) -> Any:
    """A decimal as JSON reads it: an integer if it is written as one, else a float."""
    if cell is None or isinstance(cell, (int, float)):
        return cell
    return int(cell) if cell.as_tuple().exponent == 0 else float(cell)


def _as_category(settled: Settled, wish: pd.CategoricalDtype, seen: Seen) -> Any:
    if wish.categories is None:
        return pd.Categorical(default_array(settled, seen.has_null, None), ordered=bool(wish.ordered))
    of = wish.categories.dtype
    if wish.categories.inferred_type == "string":
        of = "text"
    elif isinstance(of, np.dtype) and of.kind in "iub":  # which know no missing cells
        of = {"i": pd.Int64Dtype(), "u": pd.UInt64Dtype(), "b": pd.BooleanDtype()}[of.kind]
    cells = pd.Index(converted(settled, of, seen, None))
    codes = wish.categories.get_indexer(cells)
    _refuse_first((codes < 0) & cells.notna(), "it is none of the categories")
    return pd.Categorical.from_codes(codes, dtype=wish)


def _as_numpy(settled: Settled, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "O":
        return numpy_array(settled) if is_arrow(settled, TEXT) else object_array(python_cells(settled))
    if dtype.kind == "M":
        return moments_as(settled, np.datetime_data(dtype)[0], None)
    if dtype.kind == "m":
        return _as_durations(settled, dtype)
    values = _as_arrow(settled, pa.from_numpy_dtype(dtype.newbyteorder("=")))
    if dtype.kind != "f":
        nullable = "boolean" if dtype.kind == "b" else dtype.name.replace("i", "I", 1).replace("uI", "UI")
        _refuse_first(values.is_null(), f"{dtype} has no missing values: ask for {nullable!r}")
    return numpy_array(values).astype(dtype, copy=False)


_CLICDATA_TYPE = (
    (pa.types.is_boolean, "checkbox"),
    (pa.types.is_integer, "id"),
    (pa.types.is_floating, "number"),
    (pa.types.is_decimal, "number"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "text"),
    (pa.types.is_string, "text"),
    (pa.types.is_large_string, "text"),
)


def _as_arrow(settled: Settled, kind: pa.DataType) -> pa.ChunkedArray:
    """A settled column as an Arrow type, exactly."""
    if is_arrow(settled, pa.null()) or (is_arrow(settled, kind) and kind != TEXT):
        return settled.cast(kind)  # type: ignore[union-attr]
    if pa.types.is_dictionary(kind):
        return _as_arrow(settled, kind.value_type).cast(kind)
    if pa.types.is_timestamp(kind):
        tz = None if kind.tz is None else string_to_tzinfo(kind.tz)
        return pa.chunked_array([pa.array(pd.Series(moments_as(settled, kind.unit, tz)), kind, from_pandas=True)])
    if pa.types.is_duration(kind):
        spans = _as_durations(settled, np.dtype(f"m8[{kind.unit}]"))
        return pa.chunked_array([pa.array(spans, kind, from_pandas=True)])
    column_type = next((name for is_kind, name in _CLICDATA_TYPE if is_kind(kind)), None)
    if column_type is None:
        raise InputError(f"Columns can't be read as {kind}.")
    return _arrow(settled, column_type, kind)


def _arrow(settled: Settled, column_type: str, kind: pa.DataType) -> pa.ChunkedArray:
    """A settled column as an Arrow type by way of a ClicData type."""
    numeric = not isinstance(settled, list) and (pa.types.is_integer(settled.type) or pa.types.is_floating(settled.type))
    if is_arrow(settled, TEXT) and column_type == "text" and not pa.types.is_time(kind):
        cells: Any = settled
    elif numeric and column_type in ("id", "number") and not pa.types.is_decimal(kind):
        cells = settled
    else:
        cells = _as_type(settled, column_type)
    return _attempt(lambda part: _cast(part, kind), cells, f"it does not fit {kind} exactly")


def _cast(cells: Any, kind: pa.DataType) -> pa.ChunkedArray:
    if isinstance(cells, list):
        if pa.types.is_time(kind):
            cells = pa.array([cell and f"1970-01-01T{cell}" for cell in cells], TEXT).cast(pa.timestamp("ns"))
            return pa.chunked_array([cells.cast(pa.time64("ns")).cast(kind)])
        if pa.types.is_floating(kind):
            cells = pa.chunked_array([pa.array([cell if cell is None else float(cell) for cell in cells], pa.float64())])
        elif pa.types.is_date(kind):
            return pa.chunked_array([pa.array(cells, TEXT).cast(kind)])
        else:
            return pa.chunked_array([pa.array(cells, kind)])
    if not pa.types.is_floating(kind) or not pa.types.is_floating(cells.type):
        return cells.cast(kind)
    narrow = cells.cast(kind, safe=False)  # a narrow float rounds: that is what it is for
    if pc.any(pc.is_inf(narrow)).as_py():
        raise ValueError
    return narrow


def _as_type(settled: Settled, column_type: str) -> list[Any]:
    found = []
    for row, cell in enumerate(python_cells(settled)):
        try:
            found.append(as_type(cell, column_type))
        except (Unsendable, TypeError):
            raise Misfit(row, f"it is no {column_type}") from None
    return found


def _attempt(convert: Callable[[Any], Any], cells: Any, why: str) -> Any:
    """Convert cells; if that fails, say which is the first that does not convert."""
    failures = (pa.ArrowInvalid, ValueError, OverflowError, TypeError)
    try:
        return convert(cells)
    except failures:
        for row in range(len(cells)):
            try:
                convert(cells[row : row + 1])
            except failures:
                raise Misfit(row, why) from None
        raise


def _refuse_first(lost: Any, why: str) -> None:
    rows = np.flatnonzero(lost)
    if len(rows):
        raise Misfit(int(rows[0]), why)


# ---------------------------------------------------------------- time


_ZONED = re.compile(r"T.*(Z|[+-][0-9:]+)$")
_NANOSECONDS = re.compile(r"\.[0-9]{7,9}")
_KINDS = [pa.timestamp(unit, tz) for unit in ("us", "ns") for tz in (None, "UTC")]


def parsed_dates(settled: Settled, arguments: dict[str, Any], backend: str | None) -> Any:
    """A column as points in time: naive stays naive, offsets become UTC. Without arguments only ISO 8601 is read."""
    if arguments:
        told = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        cells = object_array(python_cells(settled))
        read = lambda cells: pd.to_datetime(pd.Series(cells, dtype=object), **arguments).array  # noqa: E731
        return _attempt(read, cells, f"to_datetime can't read it ({told})")
    moments, aware = _moments(settled)
    if backend == "pyarrow":
        return from_arrow(pd.ArrowDtype(moments.type), moments)
    values = pd.Series(numpy_array(moments.cast(pa.timestamp(moments.type.unit))), copy=False)
    usual = pd.to_datetime(["2000-01-01"]).dtype  # ns before pandas 3
    if values.dtype != usual and values.dtype == "M8[us]":
        try:
            values = values.astype(usual)
        except (OverflowError, ValueError):  # years that nanoseconds can't hold
            pass
    return (values.dt.tz_localize("UTC") if aware else values).array


def _moments(settled: Settled) -> tuple[pa.ChunkedArray, bool]:
    """ISO 8601 text as timestamps, and whether they are aware."""
    if is_arrow(settled, TEXT, pa.null()):
        for kind in _KINDS:
            try:
                return settled.cast(kind), kind.tz is not None  # type: ignore[union-attr]
            except pa.ArrowInvalid:
                continue
    texts = _as_type(settled, "datetime")
    zoned = [text is not None and bool(_ZONED.search(text)) for text in texts]
    aware = any(zoned)
    if aware:
        naive = [text is not None and not has_zone for text, has_zone in zip(texts, zoned, strict=True)]
        _refuse_first(naive, "it has no offset from UTC, and other cells have one")
    fine = any(text is not None and _NANOSECONDS.search(text) for text in texts)
    kind = pa.timestamp("ns" if fine else "us", "UTC" if aware else None)
    read = lambda part: pa.chunked_array([pa.array(part, TEXT).cast(kind)])  # noqa: E731
    return _attempt(read, texts, f"it does not fit {kind}"), aware


def moments_as(settled: Settled, unit: str, tz: Any) -> Any:
    """Text as points in time of one unit, in one time zone or none."""
    moments, aware = _moments(settled)
    if aware and tz is None:
        _refuse_first(moments.is_valid(), "it has an offset from UTC: ask for a dtype with a time zone")
    naive, kind = moments.cast(pa.timestamp(moments.type.unit)), pa.timestamp(unit)
    values = numpy_array(_attempt(lambda part: part.cast(kind), naive, f"it does not fit datetime64[{unit}] exactly"))
    if tz is None:
        return values
    series = pd.Series(values, copy=False)
    if aware:
        return series.dt.tz_localize("UTC").dt.tz_convert(tz).array
    # As pandas does it: a naive time is a wall time of the wanted zone.
    local = series.dt.tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
    _refuse_first(local.isna() & series.notna(), f"its offset is not clear, since {tz} changes its clocks then")
    return local.array


def _as_durations(settled: Settled, dtype: np.dtype[Any]) -> Any:
    def convert(cells: Any) -> Any:
        if not all(cell is None or isinstance(cell, str) for cell in cells):
            raise TypeError
        spans = pd.to_timedelta(pd.Series(cells, dtype=object))
        narrow = spans.astype(dtype)
        if not (narrow.isna() | (narrow == spans)).all() or not (spans.isna() == pd.isna(cells)).all():
            raise ValueError
        return np.array(narrow)

    return _attempt(convert, object_array(python_cells(settled)), f"it is no duration that fits {dtype}")


def _as_periods(settled: Settled, dtype: pd.PeriodDtype) -> Any:
    def convert(cells: Any) -> Any:
        found = pd.array(cells, dtype=dtype)
        if [None if period is pd.NaT else str(period) for period in found] != list(cells):
            raise ValueError
        return found

    return _attempt(convert, object_array(python_cells(settled)), f"it is no period of {dtype}")
