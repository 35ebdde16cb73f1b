"""The type table: pandas' columns and ClicData's column types, in both directions.

========================================================  ==========================================
pandas, by predicate                                      ClicData
========================================================  ==========================================
bool, boolean, Arrow bool                                 ``checkbox``
every integer, float and decimal                          ``number``
datetime64 of any unit, aware or naive, Arrow timestamp   ``datetime``
Arrow date, objects that are all `datetime.date`          ``date``
text, category (by its categories), UUID, timedelta,      ``text``
period, time, and columns without any value
objects that mix those                                    none of itself: ``types=`` says which
anything else                                             refused
========================================================  ==========================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.arrays import Column, array_of
from pandas_clicdata.frames.cells import Unsendable, is_unicode

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["COLUMN_TYPES", "Column", "clicdata_types", "examine"]

COLUMN_TYPES = ("text", "number", "datetime", "date", "percentage", "checkbox", "dropdown", "id")


def clicdata_types(
    frame: pd.DataFrame, types: Mapping[str, str] | None = None, *, index: bool = False
) -> dict[str, str]:
    """Return the ClicData type of each column.

    Parameters
    ----------
    frame : DataFrame
        The frame; it is looked at, never changed.
    types : mapping of str to str, optional
        The ClicData type of those columns whose type is not to be inferred.
    index : bool, default False
        Whether the levels of the index come first, as columns.

    Returns
    -------
    dict of str to str
        Column names and types, in the order of the columns.

    Raises
    ------
    InputError
        If a column has no ClicData type, or values that its type can't carry. It names every problem.
    """
    columns, problems = examine(frame, types, index=index)
    problems += [_mixed_problem(column) for column in columns if column.column_type is None]
    if problems:
        raise InputError(problems)
    return {column.name: column.column_type for column in columns if column.column_type}


def examine(frame: pd.DataFrame, types: Mapping[str, str] | None, *, index: bool) -> tuple[list[Column], list[str]]:
    """Look at every column and cell of a frame.

    Returns
    -------
    columns : list of Column
        The columns that can be sent, in order.
    problems : list of str
        Everything that keeps the frame from being sent as it is, one sentence each.
    """
    if not isinstance(frame, pd.DataFrame):
        return [], [f"A DataFrame is wanted, not {type(frame).__name__}."]
    if frame.columns.nlevels > 1:
        return [], ["The columns are a MultiIndex: give each column one name."]
    levels = _index_levels(frame.index) if index else []
    sources = [*levels, *((name, frame.iloc[:, at]) for at, name in enumerate(frame.columns))]
    problems = _name_problems([name for name, _ in sources], frame)
    if problems:
        return [], problems
    types = _checked_types(types, [name for name, _ in sources], problems)
    columns: list[Column] = []
    for name, cells in sources:
        try:
            columns.append(Column(name, array_of(cells), types.get(name)))
        except Unsendable as problem:
            problems.append(f"Column {name!r} is {problem}.")
        else:
            problems += _cell_problems(columns[-1], frame.index)
    return columns, problems


def _index_levels(index: pd.Index[Any]) -> list[tuple[Any, pd.Index[Any]]]:
    names = ["index"] if index.nlevels == 1 and index.name is None else index.names
    return [(name, index.get_level_values(level)) for level, name in enumerate(names)]


# ---------------------------------------------------------------- what is wrong with it


def _name_problems(names: list[Any], frame: pd.DataFrame) -> list[str]:
    problems = []
    if not names and len(frame):
        problems.append("The frame has rows, but no columns.")
    other = [name for name in names if not isinstance(name, str)]
    if other:
        problems.append(
            f"Column names must be text, and these are not: {_listed(map(repr, other))}. "
            "df.rename(columns=str) makes them so; name the levels of an index with df.rename_axis."
        )
    twice = (
        sorted({name for name in names if isinstance(name, str) and names.count(name) > 1})
        if len(set(map(str, names))) < len(names)
        else []
    )
    if twice:
        problems.append(f"Column names must be unique, and these come twice or more: {_listed(map(repr, twice))}.")
    broken = [name for name in names if isinstance(name, str) and not is_unicode(name)]
    if broken:
        problems.append(f"Column names must be valid Unicode, and these are not: {_listed(map(ascii, broken))}.")
    return problems


def _mixed_problem(column: Column) -> str:
    kinds = [kind for kind in COLUMN_TYPES if kind in column.types]
    return (
        f"Column {column.name!r} mixes {_listed(kinds)}: say which type it has with "
        f"types={{{column.name!r}: 'text'}}, or another of {_listed(COLUMN_TYPES)}."
    )


def _checked_types(types: Mapping[str, str] | None, names: list[str], problems: list[str]) -> dict[str, str]:
    """Return the types that make sense, and add to the problems what does not."""
    if types is None:
        return {}
    if not isinstance(types, Mapping):
        problems.append(f"types must map column names to ClicData types, not be {type(types).__name__}.")
        return {}
    unknown = [name for name in types if name not in names]
    if unknown:
        problems.append(
            f"types names columns that the frame does not have: {_listed(map(repr, unknown))}. "
            f"It has {_listed(map(repr, names))}."
        )
    problems += [
        f"types gives column {name!r} the type {column_type!r}, which ClicData does not know: "
        f"choose one of {_listed(COLUMN_TYPES)}."
        for name, column_type in types.items()
        if column_type not in COLUMN_TYPES
    ]
    return {name: column_type for name, column_type in types.items() if column_type in COLUMN_TYPES}


def _cell_problems(column: Column, index: pd.Index[Any]) -> list[str]:
    problems = []
    for reason, rows in column.problems.items():
        labels = [repr(label) for label in index[rows[:5]].tolist()]
        more = ", ..." if len(rows) > 5 else ""
        cells, which = ("1 cell is", "row") if len(rows) == 1 else (f"{len(rows)} cells are", "rows")
        problems.append(f"Column {column.name!r}: {cells} {reason} ({which} {', '.join(labels)}{more}).")
    return problems


def _listed(names: Iterable[str], most: int = 20) -> str:
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
