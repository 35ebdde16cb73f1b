"""One column: its cells as JSON texts, block by block, and the cells that can't be sent.

Arrow writes the common dtypes. Cells of all others are converted one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from pandas_clicdata.frames.cells import (
    BAD_YEAR,
    BEYOND_PANDAS,
    INFINITE,
    JSON,
    TOO_FINE,
    Unsendable,
    convert,
    find_problem,
    to_json_values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pc: Any = pyarrow.compute  # its functions are made at import, so type checkers don't know them
TEXT = pa.large_string()

_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # of the years 1 to 9999
_STEP = 1_000  # cells that are converted at once
_CELLS_STEP = 50_000  # times that are written at once


class Column(NamedTuple):
    """A column to send."""

    name: str
    array: Any
    cell_types: set[str]  # the ClicData types of its cells: none if all are missing, several if they are mixed
    column_type: str | None  # None if its cells are mixed and the caller gave no type
    converts: bool  # whether its cells are written as that type instead of their own
    is_aware: bool = False  # whether cells are times with an offset, which is not sent

    def texts(self, start: int, stop: int) -> pa.LargeStringArray:
        """Return the JSON texts of a block of cells; a missing cell is null."""
        block = self.array[start:stop]
        if self.column_type is None or not self.converts:
            return json_texts(block)
        return _json_lines([convert(value, self.column_type) for value in _json_values(block)])

    @property
    def is_in_arrow(self) -> bool:
        """Whether `cells` returns the same values as parsed JSON texts."""
        kind = getattr(self.array.dtype, "pyarrow_dtype", None)
        if self.converts or isinstance(self.array.dtype, pd.CategoricalDtype):
            return False
        if kind is not None:
            return kind in (pa.bool_(), pa.float64(), pa.string(), TEXT) or bool(pa.types.is_integer(kind))
        return _arrow_writes_json(self.array.dtype) or self.array.dtype.kind == "M"

    def cells(self) -> pa.ChunkedArray:
        """Return the cells in Arrow."""
        if self.array.dtype.kind == "M":
            cells = pa.chunked_array([_datetime_texts(block) for block in _blocks(self.array, _CELLS_STEP)], TEXT)
        else:
            cells = pa.array(self.array, from_pandas=True)
        whole = cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])
        if whole.null_count == len(whole):
            return pa.chunked_array([pa.nulls(len(whole))])
        if pa.types.is_integer(whole.type):
            fits = pc.max(whole).as_py() < 1 << 63
            return whole.cast(pa.int64() if fits else pa.uint64())
        return whole.cast(TEXT) if pa.types.is_string(whole.type) else whole

    def problems(self) -> dict[str, list[int]]:
        """Return each reason why cells can't be sent, and the positions of these cells."""
        problems = unsendable(self.array)
        if problems or not self.converts:
            return problems
        values = (value for block in _blocks(self.array) for value in _json_values(block))
        return _grouped(find_problem(value, self.column_type) for value in values)


def array_of(column: Any) -> Any:
    """Return the cells of a column as a numpy array, or as a pandas array if the dtype is an extension dtype."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


# ---------------------------------------------------------------- the JSON texts


def json_texts(array: Any) -> pa.LargeStringArray:
    """Return the JSON texts of cells; a missing cell is null."""
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _category_texts(array)
    if not _arrow_writes_json(dtype):
        return quoted(_datetime_texts(array)) if dtype.kind == "M" else _json_lines(_json_values(array))
    values = pa.array(array, from_pandas=True)
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_floating(values.type):
        return _float_texts(values.to_numpy(zero_copy_only=False))
    if pa.types.is_time(values.type):
        return quoted(_time_texts(values))
    texts = values.cast(TEXT)
    if pa.types.is_date(values.type):
        return quoted(texts)
    return _quote_and_escape(texts) if values.type in (pa.string(), TEXT) else texts


def _arrow_writes_json(dtype: Any) -> bool:
    """Return whether Arrow can hold cells of this dtype and write them as JSON."""
    if isinstance(dtype, np.dtype):
        return dtype.isnative and (dtype.kind in "biu" or dtype == "f8")
    if isinstance(dtype, pd.ArrowDtype):
        kind = dtype.pyarrow_dtype
        predicates = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_date, pa.types.is_time)
        return kind in (pa.bool_(), pa.float64(), pa.string(), TEXT) or any(is_kind(kind) for is_kind in predicates)
    is_masked = isinstance(getattr(dtype, "numpy_dtype", None), np.dtype)
    return (is_masked and dtype.name != "Float32") or isinstance(dtype, pd.StringDtype)


def _json_values(array: Any) -> list[Any]:
    """Return cells one by one as the values that msgspec writes."""
    if array.dtype.kind == "M" or str(array.dtype).startswith(("time32", "time64")):
        # pandas 2 can't iterate over aware times near the year 1 or 9999, or over Arrow's nanoseconds.
        return [text and text[1:-1] for text in json_texts(array).to_pylist()]
    if str(array.dtype) == "float[pyarrow]":  # pandas returns these as float64, with extra digits
        array = array.to_numpy(np.float32, na_value=np.nan)
    return to_json_values(list(array))


def _category_texts(array: Any) -> pa.LargeStringArray:
    used, positions = np.unique(array.codes, return_inverse=True)
    present = used[used >= 0]  # an unused category is not sent, so its type doesn't matter
    texts = json_texts(array_of(array.categories[present]))
    return texts.take(pa.array(positions - (len(used) - len(present)), mask=array.codes < 0))


def _float_texts(values: Any) -> pa.LargeStringArray:
    """Return each number with the fewest digits that parse to the same number; orjson writes NaN as null."""
    written = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    return _split(b",", written + b"," if written else b"")


def _datetime_texts(array: Any) -> pa.LargeStringArray:
    """Return datetimes as texts without quotes, in the form that `cells` writes."""
    values = pa.array(as_datetimes(array), from_pandas=True)
    try:
        return values.cast(pa.timestamp("s")).cast(TEXT)
    except pa.ArrowInvalid:  # some have a fraction
        return pc.utf8_rtrim(pc.utf8_rtrim(values.cast(TEXT), "0"), ".")


def as_datetimes(array: Any) -> Any:
    """Return datetimes or dates as numpy's datetime64; aware ones in UTC."""
    if isinstance(array.dtype, pd.ArrowDtype):
        kind = array.dtype.pyarrow_dtype
        unit = "s" if pa.types.is_date(kind) else kind.unit
        return pa.array(array).cast(pa.timestamp(unit)).to_numpy(zero_copy_only=False)
    return np.asarray(array.tz_convert(None) if isinstance(array.dtype, pd.DatetimeTZDtype) else array)


def _time_texts(values: pa.Array) -> pa.LargeStringArray:
    """Return times of day as ISO 8601. A fraction has six digits, or nine with nanoseconds; zero is left out."""
    is_fine = values.type.unit == "ns"
    texts = values.cast(pa.time64("ns" if is_fine else "us")).cast(TEXT)
    for zeros, length in (("000", 15), (".000000", 8)) if is_fine else ((".000000", 8),):
        texts = pc.if_else(pc.ends_with(texts, zeros), pc.utf8_slice_codeunits(texts, 0, length), texts)
    return texts


def quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return texts between quotes; null stays null."""
    return pc.binary_join_element_wise(pa.scalar('"', TEXT), texts, pa.scalar('"', TEXT), pa.scalar("", TEXT))


def _quote_and_escape(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    _, ends, text = texts.buffers()
    first, last = np.frombuffer(ends, np.int64)[[texts.offset, texts.offset + len(texts)]]
    characters = np.frombuffer(text, np.uint8)[first:last]
    if (characters < ord(" ")).any():
        return _json_lines(texts.to_pylist())
    for mark in ("\\", '"'):
        if (characters == ord(mark)).any():
            texts = pc.replace_substring(texts, mark, "\\" + mark)
    return quoted(texts)


def _json_lines(values: list[Any]) -> pa.LargeStringArray:
    return _split(b"\n", JSON.encode_lines(values))


def _split(mark: bytes, written: bytes) -> pa.LargeStringArray:
    """Split bytes into texts; each text ends with the mark."""
    ends = np.flatnonzero(np.frombuffer(written, np.uint8) == ord(mark))
    offsets = np.concatenate(([0], ends - np.arange(len(ends))))
    text = pa.py_buffer(written.replace(mark, b""))
    return pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), text)


# ---------------------------------------------------------------- cells that can't be sent


def unsendable(array: Any) -> dict[str, list[int]]:
    """Return each reason why cells can't be sent, and the positions of these cells."""
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        reasons = {code: why for why, codes in unsendable(array_of(array.categories)).items() for code in codes}
        return _grouped(reasons.get(code) for code in array.codes.tolist()) if reasons else {}
    masks = _masks_of_datetimes(as_datetimes(array)) if dtype.kind == "M" else {}
    if dtype.kind == "f":
        masks[INFINITE] = np.isinf(array if isinstance(array, np.ndarray) else array.to_numpy(float, na_value=np.nan))
    problems = {reason: np.flatnonzero(mask).tolist() for reason, mask in masks.items() if mask.any()}
    if problems or dtype.kind == "M" or (_arrow_writes_json(dtype) and getattr(dtype, "storage", "") != "python"):
        return problems
    try:
        for block in _blocks(array):
            values = _json_values(block)
            if {str, int} & set(map(type, values)):  # invalid Unicode and very long integers can't be written
                JSON.encode_lines(values)
    except (Unsendable, ValueError, OverflowError):  # check one by one, to find every such cell
        return _grouped(_problem_at(array, row) for row in range(len(array)))
    return {}


def _problem_at(array: Any, row: int) -> str | None:
    try:
        return find_problem(array[row])
    except (ValueError, OverflowError):  # Arrow holds longer durations than pandas
        return BEYOND_PANDAS


def _masks_of_datetimes(times: Any) -> dict[str, Any]:
    """Return masks of the times that can't be sent: outside of the years 1 to 9999, or finer than 100 ns."""
    is_there = ~np.isnat(times)
    if times.dtype == "M8[ns]":  # nanoseconds hold only the years 1677 to 2262
        return {TOO_FINE: (times.view(np.int64) % 100 != 0) & is_there}
    seconds = times.astype("M8[s]").view(np.int64)
    return {BAD_YEAR: ((seconds < _FIRST_SECOND) | (seconds > _LAST_SECOND)) & is_there}


def _blocks(array: Any, step: int = _STEP) -> Iterator[Any]:
    return (array[start : start + step] for start in range(0, len(array), step))


def _grouped(reasons: Iterable[str | None]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, reason in enumerate(reasons):
        if reason is not None:
            groups.setdefault(reason, []).append(row)
    return groups
