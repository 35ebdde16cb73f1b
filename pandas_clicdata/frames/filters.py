"""Keep some rows of each page: rows that match conditions like those of `pandas.read_parquet`, after skipped rows."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Iterable
from decimal import Decimal
from itertools import compress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.cells import Unsendable, convert, infer_type, show, to_json_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pandas_clicdata.frames.parse import PageCells

# As in `pandas.read_parquet`: a list of conditions means AND, a list of such lists means OR.
Filters: TypeAlias = "Sequence[tuple[Any, str, Any] | Sequence[tuple[Any, str, Any]]]"

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda cell, values: cell in values,
    "not in": lambda cell, values: cell not in values,
}
_EXAMPLE = 'filters=[("country", "==", "FR")]'
_CELLS: dict[str, tuple[type, ...]] = {
    "number": (int, float, Decimal),
    "text": (str,),
    "checkbox": (bool,),
    "datetime": (str,),
    "time": (str,),
}
_WORDS = {
    "number": "a number",
    "text": "text",
    "checkbox": "true or false",
    "datetime": "a date",
    "time": "a time of day",
}


class _Condition(NamedTuple):
    """A column, an operator, and the value to compare cells with, in the form of cells of its kind."""

    column: Any
    operator: str
    value: Any
    kind: str

    def keeps(self, cells: Sequence[Any]) -> list[bool]:
        """Return for each cell whether it matches. A missing cell never does."""
        compare, value, kind = _OPERATORS[self.operator], self.value, self.kind
        classes, is_flag, is_time = _CELLS[kind], kind == "checkbox", kind in ("datetime", "time")
        kept: list[bool] = []
        for cell in cells:
            if cell is None:
                kept.append(False)
                continue
            if not isinstance(cell, classes) or (isinstance(cell, bool) and not is_flag):
                raise self._refuse(cell)
            try:
                kept.append(compare(convert(cell, kind) if is_time else cell, value))
            except Unsendable:
                raise self._refuse(cell) from None
        return kept

    def _refuse(self, cell: Any) -> InputError:
        return InputError(
            f"filters: column {self.column!r} has the cell {show(cell)}, which can't be compared with "
            f"{_WORDS[self.kind]}. Cells are compared as ClicData sends them, before dtype= and parse_dates=."
        )


class RowFilter:
    """Select the rows that a read returns: rows after ``skiprows`` that match ``filters``, as in `pandas.read_parquet`.

    ``columns`` are the columns of the conditions. Raises `InputError` if a condition makes no sense.
    """

    def __init__(self, filters: Any, skiprows: int = 0) -> None:
        self._any_of = [] if filters is None else _check(filters)
        self._skiprows = skiprows
        self.columns = list(dict.fromkeys(each.column for all_of in self._any_of for each in all_of))
        self.clear()

    def clear(self) -> None:
        """Forget all pages, for a new read."""
        self._rows = 0

    def keep(self, count: int, cells: Mapping[Any, Sequence[Any]]) -> list[bool]:
        """Return for each row of the next page whether it is kept; ``cells`` has the columns of the conditions."""
        skip = min(count, max(0, self._skiprows - self._rows))
        self._rows += count
        kept = [False] * skip + [not self._any_of] * (count - skip)
        for all_of in self._any_of:
            columns = [each.keeps(cells.get(each.column) or [None] * count) for each in all_of]
            for row in range(skip, count):
                kept[row] = kept[row] or all(column[row] for column in columns)
        return kept


def kept_cells(cells: PageCells, keep: Sequence[bool]) -> PageCells:
    """Return a copy of the cells of the kept rows, so that the other cells can be freed."""
    if isinstance(cells, list):
        return list(compress(cells, keep))
    kept: pa.Array = cells.filter(pa.array(keep, pa.bool_()))
    return kept


def _check(filters: Any) -> list[list[_Condition]]:
    if isinstance(filters, (str, bytes)) or not isinstance(filters, Iterable):
        raise InputError(f"filters must be a list of conditions, such as {_EXAMPLE}, not {show(filters)}")
    listed = list(filters)
    if not listed or listed == [[]]:
        raise InputError(f"filters is empty: name a condition, such as {_EXAMPLE}, or leave it out")
    any_of = [listed] if all(isinstance(each, tuple) for each in listed) else listed
    if not all(isinstance(all_of, (list, tuple)) and all_of for all_of in any_of):
        raise InputError(f"filters must be a list of tuples, or a list of lists of tuples, such as {_EXAMPLE}")
    return [[_condition(each) for each in all_of] for all_of in any_of]


def _condition(given: Any) -> _Condition:
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise InputError(f"filters: {show(given)} is no condition of a column, an operator and a value: {_EXAMPLE}")
    column, name, value = given
    if not pd.api.types.is_hashable(column):
        raise InputError(f"filters: {show(column)} is no column")
    if not isinstance(name, str) or name not in _OPERATORS:
        raise InputError(f"filters: the operator must be one of {', '.join(_OPERATORS)}, not {show(name)}")
    if name not in ("in", "not in"):
        kind, found = _value(column, value)
        return _Condition(column, name, found, kind)
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InputError(f"filters: {name!r} needs a list of values for the column {column!r}, not {show(value)}")
    found_values = [_value(column, each) for each in value]
    kinds = {kind for kind, _ in found_values}
    if len(kinds) != 1:
        why = "is empty" if not kinds else "mixes values of several types"
        raise InputError(f"filters: the list for the column {column!r} {why}")
    return _Condition(column, name, {found for _, found in found_values}, *kinds)


def _value(column: Any, value: Any) -> tuple[str, Any]:
    """Return the kind of a value, and the value in the form in which cells of that kind are compared."""
    where = f"filters: the value {show(value)} for the column {column!r}"
    try:
        kind, found = infer_type(value), to_json_value(value)
        if found is None:
            raise InputError(f"{where} is missing, and missing cells match no filter")
        if kind in ("date", "datetime"):
            return "datetime", convert(found, "datetime")
        if isinstance(value, dt.time):
            return "time", convert(found, "time")
    except Unsendable as problem:
        raise InputError(f"{where} can't be used: {problem}") from None
    if kind is None or (kind == "text" and not isinstance(value, str)):
        raise InputError(f"{where} must be text, a number, true or false, a date or a time")
    return kind, found
