"""One cell: its ClicData type, its JSON value, and that value as another ClicData type."""

from __future__ import annotations

import datetime as dt
import math
import re
import uuid
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = msgspec.json.Encoder(decimal_format="number")

# Each completes the sentence "The cell is ...".
INFINITE = "infinite, and JSON has no infinity: replace it, None becomes null"
TOO_LARGE = "a number beyond the range of float64, which readers of JSON refuse: make it text"
TOO_LONG = "an integer of thousands of digits: make it text"
TOO_PRECISE = "a number with more digits than float64 holds: make it a Decimal or text"
NOT_UNICODE = "text that is not valid Unicode (a lone surrogate): correct or replace it"
BAD_YEAR = "outside of the years 1 to 9999"
TOO_FINE = 'finer than 100 ns, the finest that SQL Server holds: cut it with pd.Timestamp(...).floor("100ns")'
BAD_DURATION = "a duration of months or years, or longer than pandas can hold"
NO_TIME_OF_DAY = "a duration, which is no time of day: (pd.Timestamp(0) + df[...]).dt.time makes it one"
BEYOND_PANDAS = "beyond what pandas can hold"


class Unsendable(Exception):
    """A cell can't be sent; the message completes the sentence "The cell is ..."."""


# ---------------------------------------------------------------- the JSON value of a cell

# The order matters: bool is an int, datetime is a date, np.timedelta64 is an np.signedinteger.
_TYPES: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("checkbox", (bool, np.bool_)),
    ("text", (str, uuid.UUID, dt.time, dt.timedelta, np.timedelta64, pd.Period)),
    ("number", (int, float, Decimal, np.integer, np.floating)),
    ("datetime", (dt.datetime, np.datetime64)),
    ("date", (dt.date,)),
)
_JSON_TYPES = frozenset({str, int, bool, dt.date, type(None)})  # cells of these types need no conversion
_LONGEST_SHOWN = 60  # characters of a cell in a message
_DIGITS = 308  # of an integer that float64 certainly holds


def infer_type(cell: Any) -> str | None:
    """Return the ClicData type of a cell; None if it has none."""
    return next((name for name, classes in _TYPES if isinstance(cell, classes)), None)


def to_json_value(cell: Any) -> Any:
    """Convert a cell to the value that msgspec writes: None, bool, int, float, Decimal, date or str.

    Raises `Unsendable` if the cell has no such value.
    """
    kind = type(cell)
    if kind in _JSON_TYPES or (kind is Decimal and cell.is_finite() and cell.adjusted() < _DIGITS):
        return cell
    if cell is pd.NA or cell is pd.NaT:
        return None
    if isinstance(cell, str):
        return str.__str__(cell)  # str() of a text enum would be the name of its member
    if isinstance(cell, (bool, np.bool_)):
        return bool(cell)
    if isinstance(cell, dt.datetime):
        return _convert_datetime(cell)
    if isinstance(cell, (np.datetime64, np.timedelta64)):
        return _convert_numpy_time(cell)
    if isinstance(cell, (int, np.integer)):
        return int(cell)
    if isinstance(cell, (float, np.floating, Decimal)):
        return _convert_number(cell)
    if isinstance(cell, dt.date):
        return dt.date(cell.year, cell.month, cell.day)
    if isinstance(cell, dt.time):
        return cell.isoformat()
    if isinstance(cell, dt.timedelta):
        return pd.Timedelta(cell).isoformat()
    if isinstance(cell, (uuid.UUID, pd.Period)):
        return str(cell)
    raise Unsendable(f"of type {kind.__qualname__}: make it text, a number, a boolean or a date")


def to_json_values(cells: list[Any]) -> list[Any]:
    """Convert cells as `to_json_value` does; it returns the same list if no cell needs a conversion."""
    kinds = set(map(type, cells))
    decimals = [cell for cell in cells if type(cell) is Decimal] if Decimal in kinds else []
    sendable = all(map(Decimal.is_finite, decimals)) and max(map(Decimal.adjusted, decimals), default=0) < _DIGITS
    return cells if sendable and kinds - {Decimal} <= _JSON_TYPES else [to_json_value(cell) for cell in cells]


def _convert_number(cell: Any) -> float | Decimal | None:
    if cell.is_nan() if isinstance(cell, Decimal) else math.isnan(cell):
        return None
    if isinstance(cell, Decimal):
        if cell.is_finite() and math.isinf(float(cell)):
            raise Unsendable(TOO_LARGE)
        cell = cell if type(cell) is Decimal else Decimal(cell)
    if abs(cell) == math.inf:
        raise Unsendable(INFINITE)
    if isinstance(cell, Decimal):
        return cell
    if isinstance(cell, np.floating) and cell.dtype.itemsize < 8:
        return float(str(cell))  # float32's 0.1 is 0.1, not 0.10000000149
    if float(cell) != cell:
        raise Unsendable(TOO_PRECISE)
    return float(cell)


def _convert_numpy_time(cell: Any) -> str | None:
    if np.isnat(cell):
        return None
    is_time = isinstance(cell, np.datetime64)
    try:
        time: Any = pd.Timestamp(cell) if is_time else pd.Timedelta(cell)
    except (ValueError, OverflowError):
        raise Unsendable(BAD_YEAR if is_time else BAD_DURATION) from None
    if is_time and time.asm8 != cell:  # numpy's units are finer than those of pandas
        raise Unsendable(TOO_FINE)
    value: str = to_json_value(time)
    return value


# C: the service reads this form, with seven digits of a second at most (O4); as in `columns`
_LONGEST_DATETIME = len("2024-01-31 23:59:59.1234567")


def _convert_datetime(cell: dt.datetime) -> str:
    """Return a datetime as text for ClicData; an aware one in UTC, without an offset."""
    if isinstance(cell, pd.Timestamp):
        cell = cell if cell.tzinfo is None else cell.tz_convert(None)
    elif (offset := cell.utcoffset()) is not None:
        try:
            cell = cell.replace(tzinfo=None) - offset
        except OverflowError:
            raise Unsendable(BAD_YEAR) from None
    if not dt.MINYEAR <= cell.year <= dt.MAXYEAR:  # a Timestamp may lie outside
        raise Unsendable(BAD_YEAR)
    return _trimmed(cell.isoformat(" "))


def _trimmed(text: str) -> str:
    """Return the text of a datetime without trailing zeros in its fraction."""
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if len(text) > _LONGEST_DATETIME:
        raise Unsendable(TOO_FINE)
    return text


def is_missing(cell: Any) -> bool:
    """Return whether a cell is written as null."""
    try:
        return to_json_value(cell) is None
    except Unsendable:
        return False


def show(cell: Any) -> str:
    """Return the text of a cell for messages."""
    shown = repr(cell) if isinstance(cell, str) else str(cell)
    return shown if len(shown) <= _LONGEST_SHOWN else shown[: _LONGEST_SHOWN - 1] + "…"


def find_problem(cell: Any, column_type: str | None = None) -> str | None:
    """Return why a cell can't be sent (as a ClicData type, if one is given); None if the cell can be sent."""
    try:
        value = to_json_value(cell)
        JSON.encode(value)
        if column_type is not None:
            convert(value, column_type)
    except Unsendable as problem:
        return str(problem)
    except UnicodeEncodeError:
        return NOT_UNICODE
    except ValueError:
        return TOO_LONG
    return None


# ---------------------------------------------------------------- the value as another type


def convert(value: Any, column_type: str) -> Any:
    """Convert a JSON value to a ClicData type without a loss. Raises `Unsendable` if that is impossible."""
    if value is None:
        return None
    text = value if isinstance(value, str) else JSON.encode(value).decode().strip('"')
    converted = _CONVERTERS[column_type](value, text)
    if converted is None:
        raise Unsendable(f"no {column_type} that could be sent without a loss")
    return converted


NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_ZONE = r"(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?"
_MIDNIGHT = re.compile(rf"[T ]00:00(:00(\.0+)?)?{_ZONE}")
_TIME = r"((?:[01][0-9]|2[0-3]):[0-5][0-9])(?:(:[0-5][0-9])(\.[0-9]{1,9})?)?"
_TIME_OF_DAY = re.compile(_TIME)
_DURATION = re.compile(r"P-?[0-9]+DT.*")  # as pandas writes one
OFFSET = re.compile(rf":[0-9.]+{_ZONE[:-1]}$")  # after a time
DATETIME = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:[T ]{_TIME}{_ZONE})?")


def _to_number(value: Any, text: str) -> Any:
    if isinstance(value, str):
        try:
            value = Decimal(text) if NUMBER.fullmatch(text) else None
        except InvalidOperation:  # an exponent that even Decimal can't hold
            raise Unsendable(TOO_LARGE) from None
    if isinstance(value, Decimal):
        return to_json_value(value)
    return int(value) if isinstance(value, bool) else value if isinstance(value, (int, float)) else None


def _to_id(value: Any, text: str) -> int | None:
    if isinstance(value, (float, Decimal)):
        text = text.removesuffix(".0")
    return int(text) if _INTEGER.fullmatch(text) and not isinstance(value, bool) else None


def _to_checkbox(value: Any, text: str) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(text.lower())
    return bool(value) if value in (0, 1) else None


def _to_date(value: Any, text: str) -> str | None:
    time = text[10:]
    return text[:10] if _is_date(value, text[:10]) and (not time or _MIDNIGHT.fullmatch(time)) else None


def _to_iso(value: Any, text: str) -> str | None:
    """Return ISO 8601 with a blank before the time, and with hours, minutes and seconds."""
    parts = _datetime_parts(value, text)
    return parts and "".join(parts)


def _to_datetime(value: Any, text: str) -> str | None:
    parts = _datetime_parts(value, text)
    if parts is None:
        return None
    time, fraction, offset = parts
    if offset not in ("", "Z"):
        minutes = int(offset[1:3]) * 60 + int(offset[-2:])
        ahead = dt.timedelta(minutes=-minutes if offset[0] == "-" else minutes)
        try:
            time = (dt.datetime.fromisoformat(time) - ahead).isoformat(" ")
        except OverflowError:
            raise Unsendable(BAD_YEAR) from None
    return _trimmed(time + fraction) if fraction else time


def _datetime_parts(value: Any, text: str) -> tuple[str, str, str] | None:
    """Split ISO 8601 into date with time, fraction, and offset. Return None for other values."""
    found = DATETIME.fullmatch(text)
    if found is None or not _is_date(value, found[1]):
        return None
    day, minute, second, fraction, offset, _ = found.groups("")
    return f"{day} {minute or '00:00'}{second or ':00'}", fraction, offset


def _to_time(_: Any, text: str) -> str | None:
    if _DURATION.fullmatch(text):
        raise Unsendable(NO_TIME_OF_DAY)
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        return None
    minute, second, fraction = found.groups("")
    fraction = fraction.rstrip("0").rstrip(".")
    return f"{minute}{second or ':00'}{fraction}" if len(fraction) <= len(".1234567") else None


def _is_date(value: Any, text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return isinstance(value, (str, dt.date)) and len(text) == 10


_CONVERTERS: dict[str, Callable[[Any, str], Any]] = {
    "text": lambda _, text: text,
    "dropdown": lambda _, text: text,
    "number": _to_number,
    "percentage": _to_number,
    "money": _to_number,
    "id": _to_id,
    "checkbox": _to_checkbox,
    "date": _to_date,
    "datetime": _to_datetime,
    "time": _to_time,
    "ISO 8601": _to_iso,  # not a ClicData type; only for reading
}
