"""One cell: which kind of value it is, and the plain value that stands for it in JSON."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "DIGITS",
    "ENDLESS",
    "INFINITE",
    "NOT_UNICODE",
    "YEARS",
    "Kind",
    "Unsendable",
    "duration",
    "is_unicode",
    "kind_of",
    "plain",
]

INFINITE = "infinite, and JSON has no infinity: replace it, None becomes null"
NOT_UNICODE = "text that is not valid Unicode (a lone surrogate): mend or replace it"
ENDLESS = "an integer of thousands of digits: make it text"
DIGITS = "a number with more digits than float64 holds: make it a Decimal or text"
YEARS = "outside of the years 1 to 9999"


def is_unicode(text: str) -> bool:
    """Whether a text can be sent at all: one with a lone surrogate can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Kind(enum.Enum):
    """What a cell or a column holds."""

    TEXT = enum.auto()
    NUMBER = enum.auto()
    CHECKBOX = enum.auto()
    DATETIME = enum.auto()
    DATE = enum.auto()
    MISSING = enum.auto()


class Unsendable(Exception):
    """A cell that can't be carried; the text completes "the cell is ..."."""


_KINDS: tuple[tuple[Kind, tuple[type, ...]], ...] = (
    # The order matters: bool is an int, datetime is a date, NaT looks like a datetime.
    (Kind.MISSING, (type(None), type(pd.NA), type(pd.NaT))),
    (Kind.CHECKBOX, (bool, np.bool_)),
    # numpy counts its timedelta64 among the integers.
    (Kind.TEXT, (str, uuid.UUID, dt.time, dt.timedelta, np.timedelta64, pd.Period)),
    (Kind.NUMBER, (int, float, Decimal, np.integer, np.floating)),
    (Kind.DATETIME, (dt.datetime, np.datetime64)),
    (Kind.DATE, (dt.date,)),
)


_KIND_OF: dict[type, Kind | None] = {}


def kind_of(cell_type: type) -> Kind | None:
    """Return the kind of the cells of one Python type; None if ClicData has no place for them."""
    if cell_type not in _KIND_OF:
        _KIND_OF[cell_type] = next((kind for kind, types in _KINDS if issubclass(cell_type, types)), None)
    return _KIND_OF[cell_type]


def plain(value: Any) -> Any:
    """Return what msgspec prints for a cell: None, bool, int, float, Decimal, date, naive datetime or str.

    Raises
    ------
    Unsendable
        If the cell can't be carried.
    """
    maker = _MAKERS.get(type(value))
    if maker is not None:
        return maker(value)
    kind = kind_of(type(value))
    if kind is Kind.MISSING:
        return None
    if kind is Kind.CHECKBOX:
        return bool(value)
    if kind is Kind.NUMBER:
        return _number(value)
    if kind is Kind.DATETIME:
        return _datetime(value)
    if kind is Kind.DATE:
        return dt.date(value.year, value.month, value.day)
    if kind is Kind.TEXT:
        return _text(value)
    name = type(value).__qualname__
    raise Unsendable(f"of type {name}: make it text, a number, a boolean or a date")


def _number(value: Any) -> int | float | Decimal | None:
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, (int, np.integer)):
        return _integer(int(value))
    number = _float(float(value))
    if isinstance(value, np.floating) and not isinstance(value, float) and number is not None:
        if value.dtype.itemsize < 8:
            return float(str(value))  # float32 0.1 is 0.1, not 0.10000000149
        if number != value:
            raise Unsendable(DIGITS)
    return number


def _float(value: float) -> float | None:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return None
    raise Unsendable(INFINITE)


def _decimal(value: Decimal) -> Decimal | None:
    if value.is_finite():
        return value if type(value) is Decimal else Decimal(value)
    if value.is_nan():
        return None
    raise Unsendable(INFINITE)


def _integer(value: int) -> int:
    try:
        str(value)
    except ValueError:
        raise Unsendable(ENDLESS) from None
    return value


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return str.__str__(value)  # of an enum of texts the text, not the member's name
    if isinstance(value, dt.time):
        return value.isoformat()
    if isinstance(value, np.timedelta64):
        if np.isnat(value):
            return None
        try:
            value = pd.Timedelta(value)
        except (ValueError, OverflowError):
            raise Unsendable("a duration that pandas can't hold: make it text") from None
    if isinstance(value, dt.timedelta):
        nanoseconds = value.microseconds * 1000 + getattr(value, "nanoseconds", 0)
        return duration(value.days, value.seconds, nanoseconds)
    return str(value)


def duration(days: int, seconds: int, nanoseconds: int) -> str:
    """Return an ISO 8601 duration, the form that pandas.to_timedelta reads back exactly."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    fraction = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    return f"P{days}DT{hours}H{minutes}M{seconds}{fraction}S"


def _datetime(value: Any) -> dt.datetime | str | None:
    if isinstance(value, np.datetime64):
        if np.isnat(value):
            return None
        try:
            value = pd.Timestamp(value)
        except (ValueError, OverflowError):
            raise Unsendable(YEARS) from None
    return _moment(value)


def _moment(value: dt.datetime) -> dt.datetime | str:
    """Return a datetime in ISO 8601: no fraction, six digits, or nine if it has nanoseconds."""
    if type(value) is dt.datetime and value.tzinfo is None:
        return value  # msgspec prints it just so
    if not dt.MINYEAR <= value.year <= dt.MAXYEAR:  # a Timestamp may lie outside
        raise Unsendable(YEARS)
    # datetime's own way is several times as fast as a Timestamp's, but knows no nanoseconds.
    text = value.isoformat() if getattr(value, "nanosecond", 0) else dt.datetime.isoformat(value)
    if text[-9] in "+-" or text[-16] in "+-":
        # ISO 8601 knows no seconds in an offset (local mean times have them): those are told in UTC.
        try:
            return _moment(value.astimezone(dt.timezone.utc))
        except (ValueError, OverflowError):
            raise Unsendable(YEARS) from None
    return text


_MAKERS: dict[type, Callable[[Any], Any]] = {
    float: _float,
    Decimal: _decimal,
    dt.datetime: _moment,
    pd.Timestamp: _moment,
}
