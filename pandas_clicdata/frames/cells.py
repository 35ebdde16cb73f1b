"""One cell: which ClicData type it has, and the plain value that stands for it in JSON."""

from __future__ import annotations

import datetime as dt
import math
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pandas as pd

JSON = msgspec.json.Encoder(decimal_format="number")

INFINITE = "infinite, and JSON has no infinity: replace it, None becomes null"
NOT_UNICODE = "text that is not valid Unicode (a lone surrogate): mend or replace it"
ENDLESS = "an integer of thousands of digits: make it text"
DIGITS = "a number with more digits than float64 holds: make it a Decimal or text"
YEARS = "outside of the years 1 to 9999"


class Unsendable(Exception):
    """A cell that can't be sent; the text completes "the cell is ..."."""


def is_unicode(text: str) -> bool:
    """Whether a text can be sent at all: one with a lone surrogate can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# The order matters: bool is an int, datetime is a date, numpy's timedelta is an integer.
_TYPES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("checkbox", (bool, np.bool_)),
    ("text", (str, uuid.UUID, dt.time, dt.timedelta, np.timedelta64, pd.Period)),
    ("number", (int, float, Decimal, np.integer, np.floating)),
    ("datetime", (dt.datetime, np.datetime64)),
    ("date", (dt.date,)),
)


def type_of(cell: Any) -> str | None:
    """The ClicData type that a cell suggests; None if it has no place there."""
    return next((name for name, kinds in _TYPES if isinstance(cell, kinds)), None)


def plain(cell: Any) -> Any:
    """What is written for a cell: None, bool, int, float, Decimal, date or str.

    Raises
    ------
    Unsendable
        If it can't be sent.
    """
    kind = type(cell)
    if kind in _WRITTEN_AS_IT_IS or cell is None or cell is pd.NA or cell is pd.NaT:
        return cell if kind in _WRITTEN_AS_IT_IS else None
    if kind is Decimal and cell.is_finite():
        return cell
    if isinstance(cell, str):
        return str.__str__(cell)  # of an enum the text, not the member's name
    if isinstance(cell, (bool, np.bool_)):
        return bool(cell)
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return _of_numpy(cell)
    if isinstance(cell, (int, np.integer)):
        return int(cell)
    if isinstance(cell, (float, np.floating, Decimal)):
        return _number(cell)
    if isinstance(cell, dt.datetime):
        return _moment(cell)
    if isinstance(cell, dt.date):
        return dt.date(cell.year, cell.month, cell.day)
    if isinstance(cell, dt.time):
        return cell.isoformat()
    if isinstance(cell, dt.timedelta):
        return pd.Timedelta(cell).isoformat()
    if isinstance(cell, (uuid.UUID, pd.Period)):
        return str(cell)
    raise Unsendable(f"of type {kind.__qualname__}: make it text, a number, a boolean or a date")


_WRITTEN_AS_IT_IS = frozenset({str, int, bool, dt.date})


def _number(cell: Any) -> Any:
    if cell.is_nan() if isinstance(cell, Decimal) else math.isnan(cell):
        return None
    if math.isinf(cell):
        raise Unsendable(INFINITE)
    if isinstance(cell, Decimal):
        return cell if type(cell) is Decimal else Decimal(cell)
    if isinstance(cell, np.floating) and cell.dtype.itemsize < 8:
        return float(str(cell))  # float32 0.1 is 0.1, not 0.10000000149
    if float(cell) != cell:
        raise Unsendable(DIGITS)
    return float(cell)


def _of_numpy(cell: Any) -> Any:
    if np.isnat(cell):
        return None
    try:
        return plain(pd.Timestamp(cell) if isinstance(cell, np.datetime64) else pd.Timedelta(cell))
    except (ValueError, OverflowError):
        raise Unsendable(YEARS) from None


def _moment(cell: dt.datetime) -> str:
    offset = cell.utcoffset()
    if offset is not None and (offset.seconds % 60 or offset.microseconds):
        cell = cell.astimezone(dt.timezone.utc)  # ISO 8601 has no seconds in an offset
    if not dt.MINYEAR <= cell.year <= dt.MAXYEAR:  # a Timestamp may lie outside
        raise Unsendable(YEARS)
    return cell.isoformat()


def is_missing(cell: Any) -> bool:
    """Whether a cell is written as null."""
    try:
        return plain(cell) is None
    except Unsendable:
        return False


def problem_of(cell: Any, column_type: str | None = None) -> str | None:
    """Why a cell can't be sent (as that type), if it can't."""
    try:
        value = plain(cell)
        JSON.encode(value)
        if column_type is not None:
            as_type(value, column_type)
    except Unsendable as problem:
        return str(problem)
    except UnicodeEncodeError:
        return NOT_UNICODE
    except ValueError:
        return ENDLESS
    return None


# ---------------------------------------------------------------- types=


def as_type(value: Any, column_type: str) -> Any:
    """A plain value as another ClicData type, exactly.

    Raises
    ------
    Unsendable
        If that type can't hold it.
    """
    if value is None:
        return None
    told = value if isinstance(value, str) else JSON.encode(value).decode().strip('"')
    found = _CONVERTERS[column_type](value, told)
    if found is None:
        raise Unsendable(f"no {column_type} that could be sent without a loss")
    return found


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_ZONE = r"(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?"
_MIDNIGHT = re.compile(rf"[T ]00:00(:00(\.0+)?)?{_ZONE}")
_TIME = re.compile(rf"[T ](([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{{1,9}})?)?{_ZONE})")


def _as_text(value: Any, told: str) -> str:
    return told


def _as_number(value: Any, told: str) -> Any:
    if not isinstance(value, str):
        return int(value) if isinstance(value, bool) else value if isinstance(value, (int, float, Decimal)) else None
    return Decimal(told) if _NUMBER.fullmatch(told) else None


def _as_id(value: Any, told: str) -> int | None:
    if isinstance(value, (float, Decimal)):
        told = told.removesuffix(".0")
    return int(told) if _INTEGER.fullmatch(told) and not isinstance(value, bool) else None


def _as_checkbox(value: Any, told: str) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(told.lower())
    return bool(value) if value in (0, 1) else None


def _as_date(value: Any, told: str) -> str | None:
    rest = told[10:]
    return told[:10] if _is_day(value, told[:10]) and (not rest or _MIDNIGHT.fullmatch(rest)) else None


def _as_datetime(value: Any, told: str) -> str | None:
    time = _TIME.fullmatch(told[10:]) if told[10:] else None
    if not _is_day(value, told[:10]) or (told[10:] and not time):
        return None
    return f"{told[:10]}T{time[1] if time else '00:00:00'}"


def _is_day(value: Any, told: str) -> bool:
    try:
        dt.date.fromisoformat(told)
    except ValueError:
        return False
    return isinstance(value, (str, dt.date)) and len(told) == 10


_CONVERTERS: dict[str, Callable[[Any, str], Any]] = {
    "text": _as_text,
    "dropdown": _as_text,
    "number": _as_number,
    "percentage": _as_number,
    "id": _as_id,
    "checkbox": _as_checkbox,
    "date": _as_date,
    "datetime": _as_datetime,
}
