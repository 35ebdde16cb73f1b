"""The types of columns, and the JSON values that each type allows.

Values are kept as the JSON text that was sent, so a number never loses a digit.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

NULL = b"null"

TYPES = ("text", "number", "datetime", "date", "percentage", "checkbox", "dropdown", "id", "money", "time")
ALIASES = {"rec_id": "id"}  # C: the name that other clients use

_NUMBER = re.compile(rb"null|-?[0-9].*", re.DOTALL)
_TEXT = re.compile(rb'null|".*"', re.DOTALL)
_SHAPES: dict[str, tuple[re.Pattern[bytes], str]] = {
    "text": (_TEXT, "text"),
    "dropdown": (_TEXT, "text"),
    "number": (_NUMBER, "a number"),
    "percentage": (_NUMBER, "a number"),
    "money": (_NUMBER, "a number"),
    "time": (re.compile(rb'null|"([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,7})?"'), "a time as text, HH:MM:SS"),
    "checkbox": (re.compile(rb"null|true|false"), "true or false"),
    "id": (re.compile(rb"null|-?[0-9]+"), "an integer"),
    "date": (_TEXT, "a date as text, YYYY-MM-DD"),
    "datetime": (_TEXT, "a date and time as text, YYYY-MM-DD HH:MM:SS with an optional fraction and offset"),
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
_decode_text = msgspec.json.Decoder(str | None)
# A fast check of a whole column. Where it fails, the column is checked cell by cell.
_QUICK: dict[str, msgspec.json.Decoder[Any]] = {
    "text": msgspec.json.Decoder(list[str | None]),
    "dropdown": msgspec.json.Decoder(list[str | None]),
    "number": msgspec.json.Decoder(list[float | None]),
    "percentage": msgspec.json.Decoder(list[float | None]),
    "checkbox": msgspec.json.Decoder(list[bool | None]),
    "date": msgspec.json.Decoder(list[date | None]),
    "datetime": msgspec.json.Decoder(list[datetime | None]),
}
_TIMESTAMP = re.compile(rb'null|"[-0-9]{10}[T ][:0-9]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][:0-9]{5})?"')

Key = object
"""Equal for equal values of one type, however they are written."""


Value = bytes | msgspec.Raw
"""A value as the JSON text that was sent."""


def problem(data_type: str, values: Sequence[Value]) -> tuple[int, str] | None:
    """Return the place of the first value that is not of the type, and the problem."""
    if _all_valid(data_type, values):
        return None
    shape, wanted = _SHAPES[data_type]
    for place, value in enumerate(map(bytes, values)):
        valid = shape.fullmatch(value) is not None
        if valid and data_type in ("date", "datetime") and value != NULL:
            valid = _parsed(data_type, value) is not None
        if not valid:
            return place, f"expected {wanted}, got {_shown(value)}"
    return None


def _all_valid(data_type: str, values: Sequence[Value]) -> bool:
    """Whether all values pass the fast check of the type."""
    if data_type not in _QUICK:
        return False
    try:
        _QUICK[data_type].decode(b"[" + b",".join(values) + b"]")
    except msgspec.ValidationError:
        return False
    return data_type != "datetime" or all(map(_TIMESTAMP.fullmatch, values))


def key(data_type: str, value: bytes) -> Key:
    """Return a key to compare by: exact numbers, instants, exact text, null equal to null."""
    if value == NULL:
        return None
    if data_type in ("number", "percentage", "money", "id"):
        try:
            return Decimal(value.decode())
        except InvalidOperation:  # an exponent that is too large for Decimal
            return value
    if data_type in ("date", "datetime"):
        return _parsed(data_type, value)
    return value if data_type == "checkbox" else _decode_text.decode(value)


def _parsed(data_type: str, value: bytes) -> Key:
    """Return a date or time, or None if the text is not one. Naive and aware times are never equal."""
    text = _decode_text.decode(value) or ""
    try:
        if data_type == "date":
            return date.fromisoformat(text) if _DATE.fullmatch(text) else None
        if not (match := _DATETIME.fullmatch(text)):
            return None
        day, hour, minute, second, fraction, offset = match.groups()
        offset = "+00:00" if offset == "Z" else offset
        parsed = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}{offset or ''}")
    except ValueError:
        return None
    return parsed, (fraction or "").ljust(9, "0")


def _shown(value: bytes) -> str:
    text = value.decode()
    return text if len(text) <= 60 else f"{text[:59]}…"
