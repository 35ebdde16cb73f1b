"""Checks of arguments. Each returns the checked value, or raises before any request is sent.

``str.__str__`` converts a subclass of str, such as NumPy's, to str: msgspec doesn't encode subclasses.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any, Literal

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.cells import is_missing
from pandas_clicdata.frames.types import COLUMN_TYPES, is_unicode

if TYPE_CHECKING:
    from collections.abc import Mapping

Output = Literal["df", "dict"]

_LARGEST_ID = 2**53  # larger integers are not exact in JSON parsers that use floats
_LONGEST_ID = 20  # characters
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # the last two break lines


def check_id(name: str, value: Any) -> int:
    """Return an id as an int. It may have any type of positive integer, but not be text, float or bool."""
    kind = type(value).__name__
    if is_bool(value):
        raise InputError(f"{name} must be a whole number, not a bool ({value!r})")
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} must be a whole number, not {value!r} ({kind}){_id_advice(name, value)}") from None
    if not 0 < number <= _LARGEST_ID:
        raise InputError(f"{name} must be above 0 and at most 2**53, not {number}")
    return number


def _id_advice(name: str, value: Any) -> str:
    """Return the advice to give the id of a text or a float as an integer."""
    if isinstance(value, float) and value.is_integer():
        return f": give {name}={int(value)}"
    if not isinstance(value, str):
        return ""
    if value.strip().isdecimal() and len(value) < _LONGEST_ID:
        return f": give {name}={int(value)}"
    return ""


def check_count(name: str, value: Any, *, least: int = 0) -> int:
    """Return a number of rows as an int."""
    try:
        number = None if is_bool(value) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise InputError(f"{name} must be a whole number of rows, {least} at least, not {value!r}")
    return number


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return a value that is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise InputError(f"{name} must be one of {listed}, not {value!r}")
    return str.__str__(value)


def check_output(value: Any) -> str:
    """Return the ``output`` of a read: "df" or "dict"."""
    return check_choice("output", value, ("df", "dict"))


def check_text(name: str, value: Any, *, empty: bool = False) -> str:
    """Return a text that can be encoded as JSON and, unless ``empty``, is not blank."""
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, not {value!r} ({type(value).__name__})")
    if not empty and not value.strip():
        raise InputError(f"{name} must not be empty")
    if "\0" in value or not is_unicode(value):
        raise InputError(f"{name} has characters that can't be sent")
    return str.__str__(value)


def check_name(name: str, value: Any) -> str:
    """Return the name of an object of the account: a text of one line without control characters."""
    text = check_text(name, value)
    if _CONTROL.search(text):
        raise InputError(f"{name} must have no line break or other control character, and is {text!a}")
    return text


def check_flag(name: str, value: Any) -> bool | None:
    """Return True, False or None. A boolean of NumPy becomes one of Python."""
    if value is None:
        return None
    if is_bool(value):
        return bool(value)
    raise InputError(f"{name} must be True, False or None, not {value!r}")


def is_bool(value: Any) -> bool:
    """Return whether a value is a boolean of Python or NumPy."""
    return type(value).__name__ in ("bool", "bool_")  # the name of NumPy's class depends on its version


def check_columns(cols: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the columns of a new data set in the form that ClicData takes."""
    if not hasattr(cols, "items") or not list(cols.items()):
        raise InputError('cols must name each column\'s type, such as {"item": "text", "price": "number"}')
    problems: list[str] = []
    for name, kind in cols.items():
        if not isinstance(name, str) or not name.strip():
            advice = "in a frame, df.rename(columns=...) names a column, and df.rename_axis(...) a level of the index"
            problems.append(f"column {name!a}: its name must be text and not empty ({advice})")
        elif not is_unicode(name):
            problems.append(f"column {name!a}: its name has characters that can't be sent")
        if not isinstance(kind, str) or kind not in COLUMN_TYPES:
            problems.append(f"column {name!r}: {kind!r} is no ClicData type ({', '.join(sorted(COLUMN_TYPES))})")
    if problems:
        raise InputError(problems)
    return [{"name": str.__str__(name), "data_type": str.__str__(kind)} for name, kind in cols.items()]


def check_cells(name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a mapping of column to value that has one column at least."""
    if not hasattr(values, "items"):
        raise InputError(f"{name} must be a mapping of column to value, not {type(values).__name__}")
    if not list(values.items()):
        raise InputError(f"{name} is empty: name one column at least")
    return values


def check_filters(filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a mapping of column to value that chooses rows: no value is missing."""
    missing = [name for name, value in check_cells("filters", filters).items() if is_missing(value)]
    if missing:
        raise InputError(
            f"filters: the value of {', '.join(map(repr, missing))} is missing. It isn't known which rows ClicData "
            "matches with null; it may be every row: filter by columns with a value"
        )
    return filters
