"""The rules of encoding as slow, plain code: one cell at a time, from the scalar of pandas."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd


class Digits(str):
    """A JSON number with its digits as they were written."""

    __slots__ = ()


def parsed(document: bytes) -> Any:
    """Read JSON, with every number as its digits."""
    return json.loads(document, parse_int=Digits, parse_float=Digits, parse_constant=_refused)


def _refused(literal: str) -> Any:
    raise AssertionError(f"{literal} is not JSON")


def is_missing(cell: Any) -> bool:
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, (float, np.floating)):
        return bool(np.isnan(cell))
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(cell))
    return isinstance(cell, Decimal) and cell.is_nan()


def expected(cell: Any) -> Any:
    """Return the value that a cell must have after it is read: None, bool, str, int, float or Decimal."""
    if is_missing(cell):
        return None
    if isinstance(cell, (bool, np.bool_)):
        return bool(cell)
    if isinstance(cell, np.datetime64):
        return expected(pd.Timestamp(cell))
    if isinstance(cell, np.timedelta64):
        return expected(pd.Timedelta(cell))
    if isinstance(cell, (int, np.integer)):
        return int(cell)
    if isinstance(cell, (np.float32, np.float16)):
        return float(str(cell))
    if isinstance(cell, (float, np.floating)):
        return float(cell)
    if isinstance(cell, Decimal):
        return cell
    if isinstance(cell, dt.datetime):
        cell = cell if cell.utcoffset() is None else cell.astimezone(dt.timezone.utc)
        day, time = (cell.year, cell.month, cell.day), (cell.hour, cell.minute, cell.second)
        fraction = f"{cell.microsecond:06}{getattr(cell, 'nanosecond', 0):03}".rstrip("0")
        return "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*day, *time) + (f".{fraction}" if fraction else "")
    if isinstance(cell, (dt.date, dt.time)):
        return cell.isoformat()
    if isinstance(cell, dt.timedelta):
        return pd.Timedelta(cell).isoformat()
    if isinstance(cell, str):
        return "".join(cell)
    if isinstance(cell, (uuid.UUID, pd.Period)):
        return str(cell)
    raise AssertionError(f"no rule for {cell!r}")


def agrees(got: Any, wanted: Any) -> bool:
    """Return whether a parsed cell equals the expected value, to the last digit."""
    if isinstance(wanted, bool) or wanted is None or isinstance(wanted, str):
        return type(got) is type(wanted) and got == wanted
    if not isinstance(got, Digits):
        return False
    if isinstance(wanted, int):
        return got == str(wanted)
    if isinstance(wanted, Decimal):
        return Decimal(got).as_tuple() == wanted.as_tuple()
    # The digits must be the shortest that read back as this number; 0.000001 and 1e-06 have the same.
    return repr(float(got)) == repr(wanted) and Decimal(got) == Decimal(repr(wanted))


def scalars(frame: pd.DataFrame) -> list[list[Any]]:
    """The cells of a frame, row by row."""
    rows, columns = frame.shape
    return [[_scalar(frame.iloc[row, at], frame.dtypes.iloc[at]) for at in range(columns)] for row in range(rows)]


def _scalar(cell: Any, dtype: Any) -> Any:
    # pandas converts Arrow's float32 to floats of Python, with digits that float32 doesn't have.
    return np.float32(cell) if str(dtype) == "float[pyarrow]" and not is_missing(cell) else cell


def assert_cells(row: Any, names: list[str], cells: list[Any]) -> None:
    """Check a parsed row of cells against the scalars it came from."""
    assert [set(cell) for cell in row] == [{"column", "value"}] * len(names)
    assert [list(cell) for cell in row] == [["column", "value"]] * len(names)
    assert [cell["column"] for cell in row] == names
    for got, cell, name in zip(row, cells, names, strict=True):
        assert agrees(got["value"], expected(cell)), (name, got["value"], cell)


def assert_object(row: Any, names: list[str], cells: list[Any]) -> None:
    """Check a parsed row object against the scalars it came from."""
    assert list(row) == names
    for got, cell, name in zip(row.values(), cells, names, strict=True):
        assert agrees(got, expected(cell)), (name, got, cell)
