"""The table of pandas dtypes and ClicData types, and the check of a frame before it is sent.

========================================================  ==========================================
pandas, by predicate                                      ClicData
========================================================  ==========================================
bool, boolean, Arrow bool                                 ``checkbox``
every integer, float and decimal                          ``number``
datetime64 of any unit, aware or naive, Arrow timestamp   ``datetime``
Arrow date, objects that are all `datetime.date`          ``date``
text, category (by the categories in use), UUID,          ``text``
timedelta, period, time, and columns without any value
objects that mix those, or aware with naive times         no default: give one in ``types=``
anything else                                             refused
========================================================  ==========================================

A datetime is written as ``2024-01-31 23:59:59``, with a fraction if it has one. An aware datetime is written in UTC,
without an offset. So a column of aware and naive datetimes is refused. A datetime finer than 100 ns is refused too.

A float32 is written with its fewest digits. A read returns the float64 with the same digits.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.cells import JSON, OFFSET, Unsendable, infer_type, is_missing, show
from pandas_clicdata.frames.columns import Column, array_of, as_datetimes
from pandas_clicdata.frames.unify import object_array

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMN_TYPES = (
    *("text", "number", "datetime", "date", "percentage", "checkbox", "dropdown", "id"),
    "money",  # C: the name, and that its cells are numbers
    "time",  # C: the name, and that its cells are HH:MM:SS, with a fraction where there is one
)

_AWARE = "datetime with an offset from UTC"
TIMES = {"date", "datetime"}
# Types whose cells are written in the same way.
_SAME_CELLS = {"text": {"text", "dropdown"}, "number": {"number", "percentage", "money"}}


def clicdata_types(
    frame: pd.DataFrame, types: Mapping[str, str] | None = None, *, index: bool | None = None
) -> dict[str, str]:
    """Return the ClicData type of each column that would be sent, in their order.

    ``types`` are not inferred. ``index`` says whether the levels of the index come first; by default if they have
    names. Raises `InputError` if a column has no ClicData type, or cells that its type can't hold. It names every
    problem.
    """
    columns = examine(frame, types, index=index, need_types=True)
    return {column.name: column.column_type for column in columns if column.column_type}


# The functions of dask that call a function of the user with made-up rows.
_GUESSES = {"emulate", "_emulate", "_meta", "_meta_apply_transform"}


def refuse_made_up_rows() -> None:
    """Raise `InputError` if dask runs this with made-up rows, only to learn what a function returns."""
    frame = sys._getframe(1) if "dask" in sys.modules else None
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if frame.f_code.co_name in _GUESSES and module.startswith(("dask.dataframe", "dask_expr")):
            raise InputError(
                "These rows were made up by dask, to find out what your function returns. Nothing was sent. Pass "
                "meta= to map_partitions or apply; or use ddf.clicdata.append, after import pandas_clicdata.dask."
            )
        frame = frame.f_back


def examine(
    frame: pd.DataFrame,
    types: Mapping[str, str] | None,
    *,
    index: bool | None,
    need_types: bool = False,
    noted: Mapping[str, str] | None = None,
) -> list[Column]:
    """Check every column and cell of a frame, and return its columns. Index levels that are sent come first.

    With ``need_types``, each column must have one ClicData type, as in a new data set. Without it, only a column that
    mixes naive and aware times is a problem. ``noted`` are types from `noted_types`; ``types`` override them.
    Raises an `InputError` that names every problem.
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"Give a DataFrame, not {type(frame).__name__}.")
    refuse_made_up_rows()
    frame = pd.DataFrame(frame, copy=False)  # without attrs, which may be impossible to copy
    if frame.columns.nlevels > 1:
        raise InputError("The columns are a MultiIndex: give each column one name.")
    levels = index_levels(frame.index) if sends_index(frame.index, index) else []
    sources = [*levels, *((name, frame.iloc[:, at]) for at, name in enumerate(frame.columns))]
    problems = _index_problems(frame.index, index)
    if wrong_names := _name_problems([name for name, _ in sources], frame, len(levels)):
        raise InputError(problems + wrong_names)
    types = {} if types is None else checked_types(types, [name for name, _ in sources], problems)
    columns: list[Column] = []
    for place, (name, cells) in enumerate(sources):
        try:
            array = array_of(cells)
            asked = types.get(name) or (_noted_type(array, noted.get(name)) if noted else None)
            column = _column(str.__str__(name), _wall_times(array) if asked == "date" else array, asked)
            column = column._replace(is_aware=_is_aware(array, column))
        except Unsendable as problem:
            problems.append(f"Column {name!r} is {problem}.")
            continue
        columns.append(column)
        for reason, rows in column.problems().items():
            by_note = _NOTED.format(name, asked) if asked and name not in types else ""
            whole = "df.reset_index()" if place < len(levels) else "df"
            problems.append(_cell_problem(column, reason, rows, frame.index, whole) + by_note)
    mixed = [column for column in columns if column.column_type is None]
    problems += [_mixed_problem(column) for column in mixed if need_types or _AWARE in column.cell_types]
    if problems:
        raise InputError(problems)
    return columns


def with_levels(frame: pd.DataFrame, index: bool | None) -> pd.DataFrame:
    """Return a frame with its index levels as first columns, if they are sent. The frame keeps its row labels."""
    problems = _index_problems(frame.index, index)
    frame = pd.DataFrame(frame, copy=False)  # without attrs, which may be impossible to copy
    levels = index_levels(frame.index) if sends_index(frame.index, index) else []
    if problems := problems or _name_problems([*(name for name, _ in levels), *frame.columns], frame, len(levels)):
        raise InputError(problems)
    for place, (name, level) in enumerate(levels):
        frame.insert(place, name, pd.Series(level, index=frame.index, dtype=level.dtype))
    return frame


def sends_index(index: pd.Index[Any], asked: bool | None) -> bool:
    """Return whether the levels of an index are sent: as asked, or else if they all have names."""
    return None not in index.names if asked is None else asked


def index_levels(index: pd.Index[Any]) -> list[tuple[Any, pd.Index[Any]]]:
    """Return the names and cells of the levels of an index, as columns."""
    names = ["index"] if index.nlevels == 1 and index.name is None else index.names
    return [(name, index.get_level_values(level)) for level, name in enumerate(names)]


def _index_problems(index: pd.Index[Any], asked: bool | None) -> list[str]:
    """Return a problem if the caller must decide about the index: it has no name, and its labels are no integers."""
    if asked is not None or None not in index.names or not len(index):
        return []
    if pd.api.types.is_integer_dtype(index.dtype) or index.inferred_type == "integer":
        return []
    is_one = index.nlevels == 1
    which = "The index has" if is_one else "Levels of the index have"
    example = repr("day") if is_one else repr([name or f"level_{at}" for at, name in enumerate(index.names)])
    return [
        f"{which} no name, and its labels (the first is {index[:1].tolist()[0]!r}) would be lost. With a name the "
        f"index is sent as a column: df.rename_axis({example}). index=False leaves it out."
    ]


def notes_of(attrs: Mapping[Any, Any], rec_id: int | None) -> Mapping[str, Any] | None:
    """Return ``attrs["clicdata"]`` of a frame that was read from this data set; None for any other frame."""
    notes = attrs.get("clicdata")
    if not isinstance(notes, Mapping) or not isinstance(notes.get("rec_id"), int) or notes["rec_id"] != rec_id:
        return None
    return notes


def noted_types(attrs: Mapping[Any, Any], rec_id: int | None) -> dict[str, str] | None:
    """Return the types that a frame notes; None if it was not read from this data set."""
    notes = notes_of(attrs, rec_id)
    if notes is None:
        return None
    types = notes.get("types")
    noted = types.items() if isinstance(types, Mapping) else ()
    return {name: kind for name, kind in noted if isinstance(name, str) and isinstance(kind, str)}


def _noted_type(array: Any, noted: str | None) -> str | None:
    """Return a noted type if it still fits the cells: "date" and "datetime" need cells of dates or times."""
    if noted not in COLUMN_TYPES or (noted in TIMES and not types_of(array) <= TIMES):
        return None
    return noted


def _column(name: str, array: Any, asked: str | None) -> Column:
    cell_types = types_of(array)
    written_alike = all(asked in _SAME_CELLS.get(of, {of}) for of in cell_types)
    # A column without any cell could have any type. Text can hold all cells that are appended later.
    inferred = next(iter(cell_types), "text") if len(cell_types) < 2 else None
    return Column(name, array, cell_types, asked or inferred, asked is not None and not written_alike)


def _is_aware(array: Any, column: Column) -> bool:
    """Return whether cells that are written as dates or times have an offset."""
    if column.column_type not in TIMES:
        return False
    array = array_of(array.categories) if isinstance(array.dtype, pd.CategoricalDtype) else array
    if getattr(getattr(array.dtype, "pyarrow_dtype", array.dtype), "tz", None) is not None:
        return True
    if column.cell_types == {"text"}:
        return any(isinstance(cell, str) and OFFSET.search(cell) for cell in array)
    return array.dtype == np.dtype(object) and any(getattr(cell, "tzinfo", None) is not None for cell in array)


def _wall_times(array: Any) -> Any:
    """Return aware times as local times of their time zone, since their dates are dates of that zone."""
    dtype = array.dtype
    zone = getattr(getattr(dtype, "pyarrow_dtype", dtype), "tz", None)
    if zone is not None:
        return pd.DatetimeIndex(as_datetimes(array)).tz_localize("UTC").tz_convert(zone).tz_localize(None).to_numpy()
    if dtype != np.dtype(object) and not isinstance(dtype, pd.CategoricalDtype):
        return array
    return object_array(cell.replace(tzinfo=None) if isinstance(cell, dt.datetime) else cell for cell in array)


# ---------------------------------------------------------------- the table


def types_of(array: Any) -> set[str]:
    """Return the ClicData types of cells: none if all are missing, several if they are mixed.

    Raises `Unsendable` if their dtype has no ClicData type.
    """
    dtype = array.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = array_of(array.categories)
        if categories.dtype == np.dtype(object):  # only categories in use count
            categories = categories[np.unique(array.codes[array.codes >= 0])]
        return types_of(categories) if len(categories) else set()
    if np.dtype(object) in (dtype, getattr(dtype, "subtype", None)):  # the subtype of a sparse dtype
        return _types_of_objects(array)
    if isinstance(dtype, pd.ArrowDtype):
        column_type = type_of_arrow(dtype.pyarrow_dtype)
    elif isinstance(dtype, (pd.StringDtype, pd.PeriodDtype)):
        column_type = "text"
    else:
        column_type = _TYPE_OF_KIND.get(dtype.kind, "")
    if not column_type:
        raise Unsendable(
            f"of type {dtype}, which ClicData has no type for: make it text with astype(str), or leave it out"
        )
    return {column_type} - {"null"}


def _types_of_objects(cells: Any) -> set[str]:
    found: set[Any] = set()
    for kind in set(map(type, cells)) - {type(None)}:
        found.add(next((infer_type(cell) for cell in cells if type(cell) is kind and not is_missing(cell)), None))
    if "datetime" in found:
        times = (cell for cell in cells if isinstance(cell, (dt.datetime, np.datetime64)) and pd.notna(cell))
        if len({getattr(time, "tzinfo", None) is None for time in times}) > 1:
            found.add(_AWARE)
    return found - {None}


_TYPE_OF_KIND = {"b": "checkbox", "i": "number", "u": "number", "f": "number", "M": "datetime", "m": "text"}
_TYPE_OF_ARROW = (
    (pa.types.is_null, "null"),
    (pa.types.is_boolean, "checkbox"),
    (pa.types.is_integer, "number"),
    (pa.types.is_floating, "number"),
    (pa.types.is_decimal, "number"),
    (pa.types.is_timestamp, "datetime"),
    (pa.types.is_date, "date"),
    (pa.types.is_string, "text"),
    (pa.types.is_large_string, "text"),
    (pa.types.is_string_view, "text"),
    (pa.types.is_duration, "text"),
    (pa.types.is_time, "text"),
    (lambda kind: getattr(kind, "extension_name", "") == "arrow.uuid", "text"),
)


def type_of_arrow(kind: pa.DataType) -> str:
    """Return the ClicData type of an Arrow type; "null" for Arrow's type of nulls, "" if there is none."""
    if pa.types.is_dictionary(kind):
        return type_of_arrow(kind.value_type)
    return next((column_type for is_kind, column_type in _TYPE_OF_ARROW if is_kind(kind)), "")


# ---------------------------------------------------------------- problems

_NOTED = " The data set holds cells of the type {1!r} in {0!r}: send such cells, or name another type in types=."
_LEVEL_IS_COLUMN = (
    " A level of the index is a column too: rename it with df.rename_axis, or leave the index out with index=False."
)


def _name_problems(names: list[Any], frame: pd.DataFrame, levels: int) -> list[str]:
    """Return the problems of column names. The first names, ``levels`` in number, are those of index levels."""
    problems = []
    if not names and len(frame):
        problems.append("The frame has rows, but no columns.")
    other = [name for name in names if not isinstance(name, str)]
    if other:
        problems.append(
            f"Column names must be text, and these are not: {join_names(map(repr, other))}. "
            "df.rename(columns=str) makes them so; name the levels of an index with df.rename_axis, or leave it out "
            "with index=False."
        )
    repeated = sorted(name for name, count in Counter(names).items() if count > 1 and isinstance(name, str))
    if repeated:
        problems.append(
            f"Column names must be unique, and these come twice or more: {join_names(map(repr, repeated))}."
            + (_LEVEL_IS_COLUMN if set(repeated).intersection(names[:levels]) else "")
        )
    broken = [name for name in names if isinstance(name, str) and not is_unicode(name)]
    if broken:
        problems.append(f"Column names must be valid Unicode, and these are not: {join_names(map(ascii, broken))}.")
    return problems


def _mixed_problem(column: Column) -> str:
    mixed = [column_type for column_type in (*COLUMN_TYPES, _AWARE) if column_type in column.cell_types]
    return (
        f"Column {column.name!r} mixes {join_names(mixed)}: say which type it has with "
        f"types={{{column.name!r}: 'text'}}, or another of {join_names(COLUMN_TYPES)}."
    )


def checked_types(types: Mapping[str, str], names: list[str], problems: list[str]) -> dict[str, str]:
    """Return the valid entries of ``types``, and add a problem for each invalid one."""
    if not isinstance(types, Mapping):
        problems.append(f"types must map column names to ClicData types, not be {type(types).__name__}.")
        return {}
    unknown = [name for name in types if name not in names]
    if unknown:
        problems.append(
            f"types names columns that the frame does not have: {join_names(map(repr, unknown))}. "
            f"It has {join_names(map(repr, names))}."
        )
    problems += [
        f"types gives column {name!r} the type {column_type!r}, which ClicData does not know: "
        f"choose one of {join_names(COLUMN_TYPES)}."
        for name, column_type in types.items()
        if column_type not in COLUMN_TYPES
    ]
    return {name: str.__str__(column_type) for name, column_type in types.items() if column_type in COLUMN_TYPES}


def _cell_problem(column: Column, reason: str, rows: list[int], index: pd.Index[Any], whole: str) -> str:
    first, labels = rows[:5], index[rows[:5]].tolist()
    more, s = ", ..." if len(rows) > 5 else "", "s" if len(rows) > 1 else ""
    where = f"row{s} {', '.join(map(str, first))}{more}"
    if labels != first:
        where += f", label{s} {', '.join(map(repr, labels))}{more}"
    cells_of_frame = f"{whole}[{JSON.encode(column.name).decode()}]"
    datetimes = cells_of_frame if column.array.dtype.kind == "M" else f"pd.to_datetime({cells_of_frame})"
    reason = reason.replace("pd.Timestamp(...)", f"{datetimes}.dt").replace("df[...]", cells_of_frame)
    cells = "1 cell is" if len(rows) == 1 else f"{len(rows)} cells are"
    holds = f" Row {rows[0]} holds {show(column.array[rows[0]])}." if reason.startswith("no ") else ""
    return f"Column {column.name!r}: {cells} {reason} ({where}).{holds}"


def is_unicode(text: str) -> bool:
    """Return whether a text is valid Unicode; a lone surrogate has no bytes in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def join_names(names: Iterable[str]) -> str:
    """Join names for a message; twenty names at most."""
    listed = list(names)
    return ", ".join(listed[:20]) + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")
