"""One column: its ClicData type, the cells that can't be sent, and a block of it as JSON texts.

Arrow writes the kinds of column that are common. All others go cell by cell, in one way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa

from pandas_clicdata.frames.arrow import TEXT, pc, quoted
from pandas_clicdata.frames.cells import INFINITE, JSON, YEARS, Unsendable, as_type, is_missing, plain, problem_of, type_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # of the years 1 to 9999
_STEP = 1_000  # cells looked at in one go
_OWN_TYPES = {"text": {"text", "dropdown"}, "number": {"number", "percentage"}}


class Column:
    """A column that is to be sent.

    Parameters
    ----------
    name : str
        Its name.
    array : array
        Its cells, as numpy or pandas hold them.
    column_type : str, optional
        The ClicData type to send it as, where that is not to be inferred.

    Attributes
    ----------
    types : set of str
        The ClicData types of its cells: none if all are missing, several if it is mixed.
    problems : dict
        Why cells can't be sent, and the positions of those.
    """

    def __init__(self, name: str, array: Any, column_type: str | None = None) -> None:
        self.name = name
        self._array = array
        self.types = types_of(array)
        self.problems = unsendable(array)
        own = all(column_type in _OWN_TYPES.get(of, {of}) for of in self.types)
        self._as = None if column_type is None or own or self.problems else column_type
        if self._as is not None:
            self.problems = _grouped((row, problem_of(cell, self._as)) for row, cell in enumerate(scalars(array)))
        self.column_type = column_type or (next(iter(self.types), "text") if len(self.types) < 2 else None)

    def texts(self, start: int, stop: int) -> pa.LargeStringArray:
        """The JSON texts of a block of cells; null is a missing one."""
        block = self._array[start:stop]
        if self._as is None:
            return json_texts(block)
        return _lines([as_type(plain(cell), self._as) for cell in scalars(block)])


def array_of(column: pd.Series | pd.Index) -> Any:
    """The cells as numpy holds them, or else pandas."""
    return column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array


def scalars(array: Any) -> Any:
    """The cells one by one; of Arrow's float32, pandas gives digits that they never had."""
    return array.to_numpy(np.float32, na_value=np.nan) if str(array.dtype) == "float[pyarrow]" else array


def types_of(array: Any) -> set[str]:
    """The ClicData types of a column's cells."""
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return types_of(array_of(array.categories)) if len(array.categories) else set()
    if dtype == object:
        kinds = set(map(type, array))
        return {of for kind in kinds for of in [next((type_of(c) for c in array if type(c) is kind and not is_missing(c)), None)] if of}
    return {_type_of_dtype(dtype)} - {""}


def _type_of_dtype(dtype: Any) -> str:
    is_ = pd.api.types
    kind = dtype.pyarrow_dtype if isinstance(dtype, pd.ArrowDtype) else pa.int8()
    if pa.types.is_null(kind):
        return ""
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_date(kind):
        return "date"
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_dictionary(kind):
        return _type_of_dtype(pd.ArrowDtype(kind.value_type))
    if is_.is_bool_dtype(dtype):
        return "checkbox"
    if (is_.is_numeric_dtype(dtype) and not is_.is_complex_dtype(dtype)) or pa.types.is_decimal(kind):
        return "number"
    if is_.is_datetime64_any_dtype(dtype):
        return "datetime"
    text = is_.is_timedelta64_dtype(dtype) or isinstance(dtype, (pd.StringDtype, pd.PeriodDtype))
    if text or kind in (pa.string(), TEXT, pa.string_view()) or pa.types.is_duration(kind) or pa.types.is_time(kind):
        return "text"
    raise Unsendable(f"of type {dtype}")


# ---------------------------------------------------------------- writing


def is_common(dtype: Any) -> bool:
    """Whether Arrow holds columns of this dtype and writes them as they are wanted."""
    if isinstance(dtype, np.dtype):
        return dtype.isnative and (dtype.kind in "biuM" or dtype == "f8")
    if isinstance(dtype, pd.ArrowDtype):
        kind = dtype.pyarrow_dtype
        common = kind in (pa.bool_(), pa.float64(), pa.string(), TEXT) or (pa.types.is_timestamp(kind) and not kind.tz)
        return common or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    masked = isinstance(getattr(dtype, "numpy_dtype", None), np.dtype) and dtype.name != "Float32"
    return masked or isinstance(dtype, (pd.StringDtype, pd.DatetimeTZDtype))


def json_texts(array: Any) -> pa.LargeStringArray:
    """The JSON texts of cells; null is a missing one."""
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        used, where = np.unique(array.codes, return_inverse=True)
        present = used[used >= 0]
        texts = json_texts(array_of(array.categories)[present])
        return texts.take(pa.array(where - (len(used) - len(present)), mask=array.codes < 0))
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _aware(array)
    if not is_common(dtype):
        return _lines([plain(cell) for cell in scalars(array)])
    values = pa.array(array, from_pandas=True)
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_floating(values.type):
        return _floats(values.to_numpy(zero_copy_only=False))
    if pa.types.is_timestamp(values.type):
        return _moments(values)
    texts = values.cast(TEXT)
    return _escaped(texts) if pa.types.is_string(values.type) or values.type == TEXT else texts


def _floats(values: Any) -> pa.LargeStringArray:
    """The fewest digits that read back as the same number. Missing is NaN, which orjson writes as null."""
    told = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    return _ended_by(b",", told + b"," if told else b"")


def _moments(values: pa.Array) -> pa.LargeStringArray:
    return quoted(_iso(values))


def _iso(values: pa.Array) -> pa.LargeStringArray:
    """ISO 8601 without a fraction, or with one of six digits, or of nine if there are nanoseconds."""
    unit = "ns" if values.type.unit == "ns" else "us"
    told = values.cast(pa.timestamp(unit)).cast(TEXT)
    told = pc.replace_substring_regex(told, r"(\.\d{6})000$", r"\1") if unit == "ns" else told
    return pc.replace_substring(pc.replace_substring_regex(told, r"\.000000$", ""), " ", "T")


def _aware(array: Any) -> pa.LargeStringArray:
    """Wall times and their offsets. ISO 8601 has no seconds in an offset: where there are some, UTC is written."""
    utc, wall = array.tz_convert(None).to_numpy(), array.tz_localize(None).to_numpy()
    seconds = (wall - utc).astype("m8[s]").view(np.int64)
    odd = seconds % 60 != 0
    wall, minutes = np.where(odd, utc, wall), np.where(odd, 0, seconds // 60)
    few, where = np.unique(minutes, return_inverse=True)
    told = [f"{'-' if at < 0 else '+'}{abs(at) // 60:02}:{abs(at) % 60:02}" for at in few.tolist()]
    offsets = pa.array(told, TEXT).take(pa.array(where))
    return quoted(pc.binary_join_element_wise(_iso(pa.array(wall, from_pandas=True)), offsets, pa.scalar("", TEXT)))


def _escaped(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    if pc.any(pc.match_substring_regex(texts, "[\x00-\x1f]")).as_py():
        return _lines(texts.to_pylist())
    if pc.any(pc.match_substring_regex(texts, r'["\\]')).as_py():
        for mark in ("\\", '"'):
            texts = pc.replace_substring(texts, mark, "\\" + mark)
    return quoted(texts)


def _lines(values: list[Any]) -> pa.LargeStringArray:
    return _ended_by(b"\n", JSON.encode_lines(values))


def _ended_by(mark: bytes, told: bytes) -> pa.LargeStringArray:
    """The texts in bytes in which each ends with a mark."""
    ends = np.flatnonzero(np.frombuffer(told, np.uint8) == ord(mark))
    offsets = np.concatenate(([0], ends - np.arange(len(ends))))
    text = pa.py_buffer(told.replace(mark, b""))
    return pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), text)


# ---------------------------------------------------------------- what can't be sent


def unsendable(array: Any) -> dict[str, list[int]]:
    """Why cells can't be sent, and the positions of those."""
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        bad = {code: why for why, codes in unsendable(array_of(array.categories)).items() for code in codes}
        return _grouped((row, bad.get(code)) for row, code in enumerate(array.codes.tolist())) if bad else {}
    found = {}
    if getattr(dtype, "kind", "") == "f":
        found[INFINITE] = np.isinf(array if isinstance(array, np.ndarray) else array.to_numpy(np.float64, na_value=np.nan))
    if getattr(dtype, "kind", "") == "M" and not isinstance(dtype, pd.ArrowDtype):
        found[YEARS] = _is_outside(np.asarray(array, dtype="M8[s]"))
        if isinstance(dtype, pd.DatetimeTZDtype) and not found[YEARS].any():  # so that pandas knows its wall times
            found[YEARS] = _is_outside(np.asarray(array.tz_localize(None), dtype="M8[s]"))
    bad = {why: np.flatnonzero(which).tolist() for why, which in found.items() if which.any()}
    if bad or is_common(dtype):
        return bad
    try:
        for start in range(0, len(array), _STEP):
            _lines([plain(cell) for cell in scalars(array[start : start + _STEP])])
    except (Unsendable, ValueError):  # which ones, each cell tells by itself
        return _grouped((row, problem_of(cell)) for row, cell in enumerate(scalars(array)))
    return {}


def _is_outside(moments: Any) -> Any:
    """Which moments four digits of a year can't tell."""
    seconds = moments.view(np.int64)
    return ((seconds < _FIRST_SECOND) | (seconds > _LAST_SECOND)) & (seconds != np.iinfo(np.int64).min)


def _grouped(found: Iterable[tuple[int, str | None]]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for row, why in found:
        if why is not None:
            groups.setdefault(why, []).append(row)
    return groups
