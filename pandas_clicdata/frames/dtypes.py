"""``dtype=`` and ``parse_dates=``: convert a column to the requested dtype, exactly or not at all."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.cells import DATETIME, JSON, Unsendable, convert
from pandas_clicdata.frames.columns import TEXT, pc
from pandas_clicdata.frames.parse import infer_cells
from pandas_clicdata.frames.types import COLUMN_TYPES, type_of_arrow
from pandas_clicdata.frames.unify import (
    Cells,
    SeenTypes,
    default_array,
    from_arrow,
    has_type,
    numpy_array,
    object_array,
    python_cells,
    text_array,
    unify,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_string_to_tzinfo: Any = pa.lib.string_to_tzinfo  # pyright: ignore[reportAttributeAccessIssue] - made in C


class CellError(Exception):
    """The cell of a row can't be converted; the message says why."""

    def __init__(self, row: int, reason: str) -> None:
        self.row = row
        super().__init__(reason)


def check_dtype(dtype: Any) -> tuple[dict[Any, Any], Any]:
    """Return the dtype or ClicData type of each named column, and the one of all other columns (or None)."""
    if isinstance(dtype, (pd.Series, Mapping)):
        return {name: _checked(asked, f"dtype of column {name!r}") for name, asked in dtype.items()}, None
    return {}, _checked(dtype, "dtype")


def _checked(asked: Any, argument: str) -> Any:
    if isinstance(asked, str) and asked in COLUMN_TYPES:
        return asked
    if isinstance(asked, pa.DataType):
        return pd.ArrowDtype(asked)
    try:
        dtype: Any = pd.api.types.pandas_dtype(asked)
    except (TypeError, ValueError) as problem:
        raise InputError(
            f"{argument}: {asked!r} is neither a dtype that pandas knows ({problem}) "
            f"nor a ClicData type ({', '.join(COLUMN_TYPES)})."
        ) from None
    if not isinstance(dtype, np.dtype):
        return dtype
    if dtype.kind in "Mm" and np.datetime_data(dtype)[0] == "generic":
        return np.dtype(f"{dtype.kind}8[ns]")
    if dtype.kind not in "UbiufMmO" or (dtype.kind == "f" and dtype.itemsize > 8):
        raise InputError(f"{argument}: columns can't be read as {dtype}.")
    return "text" if dtype.kind == "U" else dtype


_UNITS = ("D", "s", "ms", "us", "ns")


def check_parse_dates(parse_dates: Any, index_col: list[Any]) -> dict[Any, dict[str, Any]]:
    """Return the arguments of `pandas.to_datetime` for each column of ``parse_dates``."""
    if parse_dates is True and not index_col:
        raise InputError("parse_dates=True parses the index: say which column that is with index_col=.")
    if parse_dates is True:
        return {name: {} for name in index_col}
    if isinstance(parse_dates, (str, bytes)) or not hasattr(parse_dates, "__iter__"):
        raise InputError(f"parse_dates must be 'infer', False, a list of columns or a mapping, not {parse_dates!r}.")
    given = parse_dates.items() if isinstance(parse_dates, Mapping) else [(name, None) for name in parse_dates]
    unusable = [name for name, _ in given if not pd.api.types.is_hashable(name)]
    if unusable:
        raise InputError(f"parse_dates must name columns one by one, not {unusable[0]!r}.")
    arguments: dict[Any, dict[str, Any]] = {}
    for name, asked in given:
        if isinstance(asked, str):
            asked = {"unit" if asked in _UNITS else "format": asked}
        elif asked is not None and not isinstance(asked, Mapping):
            what = f"parse_dates of column {name!r}"
            raise InputError(f"{what} must be a format or arguments of to_datetime, not {asked!r}.")
        arguments[name] = dict(asked or {})
    return arguments


def all_times(cells: Cells, *, empty: bool) -> bool:
    """Return whether a column holds text, and each text is a date or a datetime as ClicData writes them.

    ``empty`` is the answer for a column whose cells are all missing.
    """
    if has_type(cells, pa.null(), TEXT) and _is_null(cells):
        return empty
    return has_type(cells, TEXT) and bool(pc.all(pc.match_substring_regex(cells, f"^(?:{DATETIME.pattern})$")).as_py())


def needs_literals(dtype: Any, values: Sequence[Any]) -> bool:
    """Return whether a dtype needs the cells as JSON text: decimals do, and text does unless all cells are text."""
    kind = dtype.pyarrow_dtype if isinstance(dtype, pd.ArrowDtype) else None
    if isinstance(dtype, pd.StringDtype) or dtype in ("text", "dropdown") or kind in (pa.string(), TEXT):
        return not set(map(type, values)) <= {str, type(None)}
    return kind is not None and bool(pa.types.is_decimal(kind))


def is_datetime(dtype: Any) -> bool:
    """Return whether a dtype holds datetimes."""
    return dtype == "datetime" or (dtype is not None and not isinstance(dtype, str) and dtype.kind == "M")


# ---------------------------------------------------------------- a column as a dtype


def convert_column(cells: Cells, dtype: Any, seen: SeenTypes, backend: str | None) -> Any:
    """Convert a column exactly to an array of a dtype or ClicData type.

    Raises a `CellError` if the dtype can't hold a cell, and `NotImplementedError` if the dtype isn't supported.
    """
    if isinstance(dtype, str):
        return _as_clicdata_type(cells, dtype, seen, backend)
    if isinstance(dtype, pd.CategoricalDtype):
        return _as_category(cells, dtype, seen)
    if isinstance(dtype, pd.SparseDtype):
        return pd.arrays.SparseArray(convert_column(cells, np.dtype(dtype.subtype), seen, None), dtype=dtype)
    if isinstance(dtype, pd.StringDtype):
        return text_array(_as_arrow(cells, TEXT), dtype)
    if isinstance(dtype, pd.PeriodDtype):
        return _as_periods(cells, dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _as_datetimes(cells, dtype.unit, dtype.tz)
    if isinstance(dtype, np.dtype):
        return _as_numpy(cells, dtype)
    if isinstance(dtype, pd.ArrowDtype):
        return from_arrow(dtype, _as_arrow(cells, dtype.pyarrow_dtype))
    if isinstance(getattr(dtype, "numpy_dtype", None), np.dtype):  # pandas' nullable numbers and booleans
        return from_arrow(dtype, _as_arrow(cells, pa.from_numpy_dtype(dtype.numpy_dtype)))
    raise NotImplementedError


def fit_column(cells: Cells, kind: pa.DataType | None) -> Cells:
    """Convert a column exactly to the Arrow type that it has on other pages; None stands for Python objects.

    Raises a `CellError` if a cell doesn't fit. Only numbers may change their type, to another type of number.
    """

    def cast(part: Any) -> Any:
        array = infer_cells(part) if isinstance(part, list) else part
        if isinstance(array, list) or not (array.type == kind or _are_numbers(array.type, kind) or _is_null(array)):
            raise TypeError("another type")
        kept = pa.nulls(len(array), kind) if _is_null(array) else array.cast(kind)
        return kept if isinstance(kept, pa.ChunkedArray) else pa.chunked_array([kept], kind)

    return python_cells(cells) if kind is None else _convert_all(cast, cells, "other rows show another type")


def _as_clicdata_type(cells: Cells, column_type: str, seen: SeenTypes, backend: str | None) -> Any:
    if column_type == "dropdown":
        return _as_category(cells, pd.CategoricalDtype(), seen)
    if column_type == "datetime":
        return parse_datetimes(cells, {}, backend)
    if column_type == "date":
        return from_arrow(pd.ArrowDtype(pa.date32()), _as_arrow(cells, pa.date32()))
    if column_type == "time":
        return from_arrow(pd.ArrowDtype(pa.time64("us")), _as_arrow(cells, pa.time64("us")))
    if column_type in ("number", "percentage", "money"):
        return default_array(_as_numbers(cells), seen.has_null, backend)
    kind = {"text": TEXT, "checkbox": pa.bool_(), "id": pa.int64()}[column_type]
    return default_array(_as_arrow(cells, kind), seen.has_null, backend)


def _as_numbers(cells: Cells) -> Cells:
    """Convert cells to numbers of the one type that holds all of them."""
    if not isinstance(cells, list) and not has_type(cells, TEXT, pa.bool_()):
        return cells
    numbers = infer_cells(msgspec.json.decode(JSON.encode(_convert_cells(cells, "number"))))
    seen = SeenTypes()
    seen.add(numbers)
    return unify([numbers], seen)


def _as_category(cells: Cells, dtype: pd.CategoricalDtype, seen: SeenTypes) -> Any:
    if isinstance(cells, list):
        _refuse_first([isinstance(cell, (list, dict)) for cell in cells], "it can't be a category")
    if dtype.categories is None:
        return pd.Categorical(default_array(cells, seen.has_null, None), ordered=bool(dtype.ordered))
    of: Any = dtype.categories.dtype
    if dtype.categories.inferred_type == "string":
        of = "text"
    elif isinstance(of, np.dtype) and of.kind in "iub":  # numpy has no missing integers and booleans
        of = {"i": pd.Int64Dtype(), "u": pd.UInt64Dtype(), "b": pd.BooleanDtype()}[of.kind]
    values = pd.Index(convert_column(cells, of, seen, None))
    codes = dtype.categories.get_indexer(values)
    _refuse_first((codes < 0) & values.notna(), "it is none of the categories")
    return pd.Categorical.from_codes(codes, dtype=dtype)


def _as_numpy(cells: Cells, dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "O":
        return numpy_array(cells) if has_type(cells, TEXT) else object_array(python_cells(cells))
    if dtype.kind == "M":
        return _as_datetimes(cells, np.datetime_data(dtype)[0], None)
    if dtype.kind == "m":
        return _as_durations(cells, dtype)
    values = _as_arrow(cells, pa.from_numpy_dtype(dtype.newbyteorder("=")))
    if dtype.kind != "f":
        nullable = "boolean" if dtype.kind == "b" else dtype.name.replace("i", "I", 1).replace("uI", "UI")
        _refuse_first(values.is_null(), f"{dtype} has no missing values: ask for {nullable!r}")
    return numpy_array(values).astype(dtype, copy=False)


def _as_arrow(cells: Cells, kind: pa.DataType) -> pa.ChunkedArray:
    """Return a column as an Arrow type, exactly."""
    if has_type(cells, pa.null(), kind):
        return cells.cast(kind)  # type: ignore[union-attr]
    if pa.types.is_dictionary(kind):
        return _as_arrow(cells, kind.value_type).cast(kind)
    if pa.types.is_timestamp(kind):
        tz = None if kind.tz is None else _string_to_tzinfo(kind.tz)
        return pa.chunked_array([pa.array(pd.Series(_as_datetimes(cells, kind.unit, tz)), kind, from_pandas=True)])
    if pa.types.is_duration(kind):
        durations = _as_durations(cells, np.dtype(f"m8[{kind.unit}]"))
        return pa.chunked_array([pa.array(durations, kind, from_pandas=True)])
    column_type = "id" if pa.types.is_integer(kind) else type_of_arrow(kind)
    reason = {"id": "it is no whole number", "checkbox": "it is neither true nor false"}.get(column_type or "")
    if column_type not in COLUMN_TYPES:
        raise NotImplementedError
    is_text_to_text = has_type(cells, TEXT) and column_type == "text" and not pa.types.is_time(kind)
    is_number_to_number = not isinstance(cells, list) and _are_numbers(cells.type, kind)
    values = cells if is_text_to_text or is_number_to_number else _convert_cells(cells, column_type, reason)
    return _convert_all(lambda part: _cast(part, kind), values, f"it does not fit {kind} exactly")


def _is_null(cells: pa.Array | pa.ChunkedArray) -> bool:
    return bool(cells.null_count == len(cells))


def _are_numbers(*kinds: pa.DataType) -> bool:
    return all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds)


def _cast(cells: Any, kind: pa.DataType) -> pa.ChunkedArray:
    if isinstance(cells, list):
        if pa.types.is_time(kind):
            times = pa.array([cell and f"1970-01-01T{cell}" for cell in cells], TEXT).cast(pa.timestamp("ns"))
            return pa.chunked_array([times.cast(pa.time64("ns")).cast(kind)])
        if pa.types.is_date(kind):
            return pa.chunked_array([pa.array(cells, TEXT).cast(kind)])
        if not pa.types.is_floating(kind):
            return pa.chunked_array([pa.array(cells, kind)])
        cells = pa.chunked_array([pa.array([cell if cell is None else float(cell) for cell in cells], pa.float64())])
    if not pa.types.is_floating(kind) or not pa.types.is_floating(cells.type):
        return cells.cast(kind)
    if kind == pa.float16():  # older versions of Arrow can't cast to it
        halves = cells.to_numpy().astype(np.float16)
        narrow, infinite = pa.chunked_array([pa.array(halves, kind, mask=np.isnan(halves))]), np.isinf(halves).any()
    else:
        narrow = cells.cast(kind, safe=False)  # narrow floats round
        infinite = pc.any(pc.is_inf(narrow)).as_py()
    if infinite:
        raise ValueError("a number is too large for the type")
    return narrow


def _convert_cells(cells: Cells, column_type: str, reason: str | None = None) -> list[Any]:
    """Return cells as the values of a ClicData type."""
    values = []
    for row, cell in enumerate(python_cells(cells)):
        try:
            values.append(convert(cell, column_type))
        except (Unsendable, TypeError):
            raise CellError(row, reason or f"it is no {column_type}") from None
    return values


_FAILURES = (pa.ArrowInvalid, ValueError, OverflowError, TypeError)


def _convert_all(converter: Callable[[Any], Any], cells: Any, reason: str) -> Any:
    """Convert a column. If that fails, find the first cell that makes it fail, and raise its `CellError`."""

    def fails(count: int) -> bool:
        try:
            converter(cells[:count])
        except _FAILURES:
            return True
        return False

    try:
        return converter(cells)
    except _FAILURES:
        row = bisect_left(range(1, len(cells)), True, key=fails)
        raise CellError(row, reason) from None


def _refuse_first(mask: Any, reason: str) -> None:
    rows = np.flatnonzero(mask)
    if len(rows):
        raise CellError(int(rows[0]), reason)


# ---------------------------------------------------------------- times


_OFFSET = re.compile(r" .*(Z|[+-][0-9:]+)$")
_NANOSECONDS = re.compile(r"\.[0-9]{7,9}")
_NEEDLESS_ZEROS = re.compile(r"(?<=\.[0-9]{6})0+(?![0-9])")
# Nanoseconds hold these days with any offset. For other days, Arrow before 23 returns a wrong year.
_FIRST_DAY, _LAST_DAY = "1677-09-23", "2262-04-10"


def parse_datetimes(cells: Cells, arguments: dict[str, Any], backend: str | None) -> Any:
    """Parse a column as datetimes: by `pandas.to_datetime` if it gets arguments, else as ISO 8601.

    Naive times stay naive, times with an offset become UTC. Raises a `CellError` if a cell can't be parsed.
    """
    if arguments:
        shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        read = lambda part: pd.to_datetime(pd.Series(part), **arguments).array  # noqa: E731
        return _convert_all(read, _as_read_by_pandas(cells), f"to_datetime can't read it ({shown})")
    times, aware = _parse_iso(cells)
    if backend == "pyarrow":
        return from_arrow(pd.ArrowDtype(times.type), times)
    values = pd.Series(numpy_array(times.cast(pa.timestamp(times.type.unit))), copy=False)
    usual = pd.to_datetime(["2000-01-01"]).dtype  # ns before pandas 3
    if values.dtype != usual and values.dtype == "M8[us]":
        with suppress(OverflowError, ValueError):  # nanoseconds can't hold all years
            values = values.astype(usual)
    return (values.dt.tz_localize("UTC") if aware else values).array


def noted_type(cells: Cells) -> str | None:
    """Return "datetime" if texts have times, "date" if they are only dates; None if they are neither."""
    if not has_type(cells, TEXT) or cells.null_count == len(cells):  # type: ignore[union-attr]
        return None
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", pc.min_max(cells).as_py()["min"]):
        return None
    return "datetime" if pc.max(pc.utf8_length(cells)).as_py() > len("2024-01-31") else "date"


def _as_read_by_pandas(cells: Cells) -> Any:
    """Return a column as pandas would read it: integers beside missing cells as float64, if it holds them exactly."""
    if has_type(cells, pa.int64(), pa.uint64()):
        with suppress(pa.ArrowInvalid):
            return numpy_array(cells.cast(pa.float64()) if cells.null_count else cells)  # type: ignore[union-attr]
    return default_array(cells, True, None)


def _parse_iso(cells: Cells) -> tuple[pa.ChunkedArray, bool]:
    """Return ISO 8601 texts as timestamps, and whether these are aware."""
    if has_type(cells, TEXT, pa.null()):
        days = pc.min_max(cells.cast(TEXT)).as_py()  # type: ignore[union-attr]
        fits_nanoseconds = (days["min"] or "") >= _FIRST_DAY and (days["max"] or "") < _LAST_DAY
        for unit in ("us", "ns") if fits_nanoseconds else ("us",):
            for tz in (None, "UTC"):
                try:
                    return cells.cast(pa.timestamp(unit, tz)), tz is not None  # type: ignore[union-attr]
                except pa.ArrowInvalid:
                    continue
    texts = _convert_cells(cells, "ISO 8601", "it is no datetime")
    has_offset = [text is not None and bool(_OFFSET.search(text)) for text in texts]
    aware = any(has_offset)
    if aware:
        naive = [text is not None and not offset for text, offset in zip(texts, has_offset, strict=True)]
        _refuse_first(naive, "it has no offset from UTC, and other cells have one")
    beyond = [text is not None and not _FIRST_DAY <= text < _LAST_DAY for text in texts]
    if any(beyond):
        texts = [text and _NEEDLESS_ZEROS.sub("", text) for text in texts]
    fine = any(text is not None and _NANOSECONDS.search(text) for text in texts)
    kind = pa.timestamp("ns" if fine else "us", "UTC" if aware else None)
    if fine:
        _refuse_first(beyond, f"it does not fit {kind}")
    read = lambda part: pa.chunked_array([pa.array(part, TEXT).cast(kind)])  # noqa: E731
    return _convert_all(read, texts, f"it does not fit {kind}"), aware


def _as_datetimes(cells: Cells, unit: str, tz: Any) -> Any:
    """Return texts as times of one unit. With a time zone, they become aware, and times without an offset are UTC."""
    times, aware = _parse_iso(cells)
    if aware and tz is None:
        _refuse_first(times.is_valid(), "it has an offset from UTC: ask for a dtype with a time zone")
    naive, kind = times.cast(pa.timestamp(times.type.unit)), pa.timestamp(unit)
    reason = f"it does not fit datetime64[{unit}] exactly"
    values = numpy_array(_convert_all(lambda part: part.cast(kind), naive, reason))
    if tz is None:
        return values
    return pd.Series(values, copy=False).dt.tz_localize("UTC").dt.tz_convert(tz).array


def _as_durations(cells: Cells, dtype: np.dtype[Any]) -> Any:
    def parse(texts: Any) -> Any:
        if not all(text is None or isinstance(text, str) for text in texts):
            raise TypeError("a duration must be text")
        durations = pd.to_timedelta(pd.Series(texts, dtype=object))
        narrow = durations.astype(dtype)
        exact = (narrow.isna() | (narrow == durations)).all() and (durations.isna() == pd.isna(texts)).all()
        if not exact:
            raise ValueError("a duration is too fine for the unit")
        return np.array(narrow)

    return _convert_all(parse, object_array(python_cells(cells)), f"it is no duration that fits {dtype}")


def _as_periods(cells: Cells, dtype: pd.PeriodDtype) -> Any:
    def parse(texts: Any) -> Any:
        periods = pd.array(texts, dtype=dtype)
        if [None if period is pd.NaT else str(period) for period in periods] != list(texts):
            raise ValueError("other text than that of a period")
        return periods

    return _convert_all(parse, object_array(python_cells(cells)), f"it is no period of {dtype}")
