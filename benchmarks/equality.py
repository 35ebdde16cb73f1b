"""Whether a result holds the values that it should, column by column."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

EQUAL = "equal"


def _refused(literal: str) -> Any:
    raise ValueError(f"{literal} is not JSON")


def parsed(body: bytes) -> Any:
    """JSON with every digit of its numbers."""
    return json.loads(body, parse_float=Decimal, parse_constant=_refused)


def rows_of(bodies: Iterable[bytes], *, cells: bool) -> list[dict[str, Any]]:
    """The rows of request bodies in either format."""
    rows = [row for body in bodies for row in parsed(bytes(body))["data"]]
    return [{cell["column"]: cell["value"] for cell in row} for row in rows] if cells else rows


def sent_well(frame: pd.DataFrame, rows: list[dict[str, Any]]) -> str:
    """Hold rows of JSON against the frame that they were made of."""
    if len(rows) != len(frame):
        return f"NO: {len(rows)} rows of {len(frame)}"
    if any(list(row) != list(frame.columns) for row in rows):
        return "NO: other columns"
    return _told([name for name in frame if not _all_sent(frame[name], [row[name] for row in rows])])


def _all_sent(column: pd.Series, got: list[Any]) -> bool:
    if isinstance(column.dtype, pd.DatetimeTZDtype) or column.dtype.kind == "M":
        return _same_moments(column, got)
    wanted = column.astype(object).tolist()
    return all(_is_sent(value, text) for value, text in zip(wanted, got, strict=True))


def _same_moments(column: pd.Series, got: list[Any]) -> bool:
    """Any ISO spelling of the same point in time will do."""
    aware = isinstance(column.dtype, pd.DatetimeTZDtype)
    if not all(text is None or isinstance(text, str) for text in got):
        return False
    try:
        moments = pd.Series(pd.to_datetime(got, format="ISO8601", utc=aware), index=column.index)
    except ValueError:
        return False
    return bool(((moments == column) | (moments.isna() & column.isna())).all())


def _is_sent(value: Any, got: Any) -> bool:
    if _missing(value):
        return got is None
    if isinstance(value, (bool, str)) or got is None or isinstance(got, (bool, str)):
        wanted = value if isinstance(value, (bool, str)) else _iso(value)
        return type(got) is type(wanted) and got == wanted
    if isinstance(value, float):
        return float(got) == value and math.copysign(1, float(got)) == math.copysign(1, value)
    return Decimal(got) == Decimal(value)


def _iso(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or value != value  # NaN


def read_well(columns: dict[str, list[Any]], frame: pd.DataFrame) -> str:
    """Hold a frame that was read against the columns of the JSON that it was read from."""
    if list(frame.columns) != list(columns):
        return "NO: other columns"
    return _told([name for name, wanted in columns.items() if not _all_read(wanted, frame[name])])


def _all_read(wanted: list[Any], column: pd.Series) -> bool:
    got = column.astype(object).tolist()
    if len(got) != len(wanted):
        return False
    for value, cell in zip(wanted, got, strict=True):
        if value is None:
            if not _missing(cell):
                return False
        elif value != cell or isinstance(value, str) is not isinstance(cell, str):
            return False
    return True


def _told(wrong: list[str]) -> str:
    return f"NO: {', '.join(wrong)}" if wrong else EQUAL
