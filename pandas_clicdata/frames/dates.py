"""Text as points in time, times of day, durations and periods: exactly, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.arrow import TEXT, joined, pc
from pandas_clicdata.frames.fit import attempt, carry, refuse_first, unquoted
from pandas_clicdata.frames.settle import Settled, from_arrow, is_arrow, numpy_array, object_array, python_cells

# ---------------------------------------------------------------- parse_dates


def date_parsers(parse_dates: Any, index_col: list[Any]) -> dict[Any, dict[str, Any]]:
    """Return for each column of ``parse_dates`` the arguments of `pandas.to_datetime`, if there are any.

    Raises
    ------
    InputError
        If the argument makes no sense.
    """
    if parse_dates is None or parse_dates is False:
        return {}
    if parse_dates is True:
        if not index_col:
            raise InputError("parse_dates=True parses the index: say which column that is with index_col=.")
        return {name: {} for name in index_col}
    if isinstance(parse_dates, Mapping):
        return {name: _arguments(name, how) for name, how in parse_dates.items()}
    if isinstance(parse_dates, (str, bytes)) or not hasattr(parse_dates, "__iter__"):
        raise InputError(f"parse_dates must be a list of columns or a mapping, not {parse_dates!r}.")
    return {name: {} for name in parse_dates}


_UNITS = ("D", "s", "ms", "us", "ns")  # as in pandas.read_sql: for numbers


def _arguments(name: Any, how: Any) -> dict[str, Any]:
    if how is None:
        return {}
    if isinstance(how, Mapping):
        return dict(how)
    if isinstance(how, str):
        return {"unit": how} if how in _UNITS else {"format": how}
    raise InputError(f"parse_dates of column {name!r} must be a format or arguments of to_datetime, not {how!r}.")


def parsed_dates(settled: Settled, arguments: dict[str, Any], backend: str | None) -> Any:
    """Return a column as points in time: naive stays naive, offsets become UTC.

    Without arguments only ISO 8601 is read, since all else would be a guess.

    Raises
    ------
    Unfit
        If a cell is no point in time.
    """
    if arguments:
        return _by_to_datetime(settled, arguments)
    told, aware = _moments(settled)
    if backend == "pyarrow":
        return from_arrow(pd.ArrowDtype(told.type), told)
    values = pd.Series(_in_default_unit(numpy_array(_without_zone(told))), copy=False)
    return (values.dt.tz_localize("UTC") if aware else values).array


def _by_to_datetime(settled: Settled, arguments: dict[str, Any]) -> Any:
    def convert(cells: Any) -> Any:
        return pd.to_datetime(pd.Series(cells, dtype=object), **arguments).array

    told = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    return attempt(convert, object_array(python_cells(settled)), f"to_datetime can't read it ({told})")


# ---------------------------------------------------------------- points in time


_KINDS = [pa.timestamp(unit, tz) for unit in ("us", "ns") for tz in (None, "UTC")]


def _moments(settled: Settled) -> tuple[pa.ChunkedArray, bool]:
    """Return ISO 8601 text as timestamps, and whether they are aware."""
    if not isinstance(settled, list) and is_arrow(settled, TEXT, pa.null()):
        for kind in _KINDS:
            try:
                return settled.cast(kind), kind.tz is not None
            except pa.ArrowInvalid:
                continue
    texts = unquoted(carry(settled, "datetime"))
    zoned = pc.match_substring_regex(texts, "T.*(Z|[+-][0-9:]+)$")
    aware = bool(pc.any(zoned).as_py())
    if aware:
        refuse_first(pc.invert(zoned).fill_null(False), "it has no offset from UTC, and other cells have one")
    fine = bool(pc.any(pc.match_substring_regex(texts, r"\.[0-9]{7,9}")).as_py())
    kind = pa.timestamp("ns" if fine else "us", "UTC" if aware else None)
    return attempt(lambda part: part.cast(kind), texts, f"it does not fit {kind}"), aware


def _without_zone(moments: pa.ChunkedArray) -> pa.ChunkedArray:
    return moments.cast(pa.timestamp(moments.type.unit))


def _in_default_unit(values: Any) -> Any:
    """Return datetime64[us] in the unit that pandas itself reads text in: ns before pandas 3, if that holds it."""
    if values.dtype != "M8[us]" or pd.to_datetime(["2000-01-01"]).dtype == "M8[us]":
        return values
    ticks = values.view(np.int64)
    present = ticks[ticks != np.iinfo(np.int64).min]
    if len(present) and max(abs(int(present.min())), abs(int(present.max()))) > np.iinfo(np.int64).max // 1000:
        return values
    return values.astype("M8[ns]")


def moments_as(settled: Settled, unit: str, tz: Any) -> Any:
    """Return text as points in time of one unit, in one time zone or none.

    Raises
    ------
    Unfit
        If a cell is none, or does not fit.
    """
    moments, aware = _moments(settled)
    if aware and tz is None:
        refuse_first(moments.is_valid(), "it has an offset from UTC: ask for a dtype with a time zone")
    kind = pa.timestamp(unit)
    why = f"it does not fit datetime64[{unit}] exactly"
    values = numpy_array(attempt(lambda part: part.cast(kind), _without_zone(moments), why))
    if tz is None:
        return values
    series = pd.Series(values, copy=False)
    if aware:
        return series.dt.tz_localize("UTC").dt.tz_convert(tz).array
    # As pandas does it: a naive time is a wall time of the wanted zone.
    local = series.dt.tz_localize(tz, ambiguous="NaT", nonexistent="NaT")
    refuse_first(local.isna() & series.notna(), f"its offset is not clear, since {tz} changes its clocks then")
    return local.array


# ---------------------------------------------------------------- durations, times of day, periods


def durations(settled: Settled, dtype: np.dtype[Any]) -> Any:
    """Return text as durations.

    Raises
    ------
    Unfit
        If a cell is none, or does not fit.
    """

    def convert(cells: Any) -> Any:
        if not all(cell is None or isinstance(cell, str) for cell in cells):
            raise TypeError
        spans = pd.to_timedelta(pd.Series(cells, dtype=object))
        narrow = spans.astype(dtype)
        if not (narrow.isna() | (narrow == spans)).all() or not (spans.isna() == pd.isna(cells)).all():
            raise ValueError
        return np.array(narrow)

    return attempt(convert, object_array(python_cells(settled)), f"it is no duration that fits {dtype}")


def times_of_day(texts: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    """Return text as times of day.

    Raises
    ------
    Unfit
        If a cell is none, or does not fit.
    """

    def convert(part: pa.ChunkedArray) -> pa.ChunkedArray:
        moments = joined([pa.scalar("1970-01-01T", TEXT), part]).cast(pa.timestamp("ns"))
        return moments.cast(pa.time64("ns")).cast(arrow_type)

    return attempt(convert, texts, f"it is no time that fits {arrow_type}")


def periods(settled: Settled, dtype: pd.PeriodDtype) -> Any:
    """Return text as periods.

    Raises
    ------
    Unfit
        If a cell is none of this length.
    """

    def convert(cells: Any) -> Any:
        found = pd.array(cells, dtype=dtype)
        if [None if period is pd.NaT else str(period) for period in found] != list(cells):
            raise ValueError
        return found

    return attempt(convert, object_array(python_cells(settled)), f"it is no period of {dtype}")
