"""Frames of pages of JSON rows. Pages are kept in Arrow: a column gets its type when its rows are taken from them."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd
import pyarrow as pa
from pandas.api.extensions import no_default

from pandas_clicdata.errors import InputError, SchemaDrift
from pandas_clicdata.frames.compare import SEEN_ROWS, ask_name
from pandas_clicdata.frames.dtypes import (
    CellError,
    all_times,
    check_dtype,
    check_parse_dates,
    convert_column,
    fit_column,
    is_datetime,
    needs_literals,
    noted_type,
    parse_datetimes,
)
from pandas_clicdata.frames.filters import RowFilter, kept_cells
from pandas_clicdata.frames.parse import Name, PageCells, infer_cells, parse_literals, parse_page
from pandas_clicdata.frames.records import frame_of_records
from pandas_clicdata.frames.types import join_names
from pandas_clicdata.frames.unify import SeenTypes, as_column, default_array, unify

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from pandas_clicdata.accessor import DataFrame

__all__ = ["FrameBuilder", "frame_of_records"]

_MOST_SINGLE_COLUMNS = 50  # pandas warns if a frame without a copy has many more


class _Page(NamedTuple):
    rows: int
    columns: dict[Name, PageCells]


class FrameBuilder:
    """Builds frames from pages of rows. The arguments are those of `read_clicdata`; `InputError` if one makes no sense.

    If rows are lists, ``columns`` are their names. ``filter`` selects the rows to keep, and ``rows`` counts the rows
    that were kept and not yet taken. ``noted`` are the ClicData types of columns of text that became datetimes.
    ``first`` has the cells of the first rows of the first page, also of columns that are not kept.

    If ``takes_dates`` is true, ``parse_dates`` was not given. Then ``dates`` may be set: columns to parse as datetimes
    if each text is one, unless ``dtype`` names them.
    """

    def __init__(
        self,
        *,
        columns: Sequence[Hashable] | None = None,
        dtype: Any = None,
        dtype_backend: Any = no_default,
        parse_dates: Any = None,
        index_col: Hashable | Sequence[Hashable] | None = None,
        on_drift: str = "raise",
        filters: Any = None,
        skiprows: int = 0,
    ) -> None:
        if dtype_backend not in (no_default, None, "numpy_nullable", "pyarrow"):
            raise InputError(
                f"dtype_backend {dtype_backend!r} is invalid, only 'numpy_nullable' and 'pyarrow' are allowed."
            )
        if on_drift not in ("raise", "union"):
            raise InputError(f"on_drift must be 'raise' or 'union', not {on_drift!r}.")
        self._columns = _name_list(columns, "columns")
        is_one = index_col is not None and (isinstance(index_col, str) or not hasattr(index_col, "__iter__"))
        self._index_col = _name_list([index_col] if is_one else index_col, "index_col") or []
        self._index: Any = index_col if is_one else self._index_col
        self._wanted = None if self._columns is None else {*self._columns, *self._index_col}
        self._dtypes: dict[Any, Any] = {}
        self._other_dtype: Any = None
        if dtype is not None:
            self._dtypes, self._other_dtype = check_dtype(dtype)
        self._backend = None if dtype_backend in (no_default, None) else dtype_backend
        self.infers_dates = isinstance(parse_dates, str) and parse_dates == "infer"
        named = None if self.infers_dates or parse_dates is False else parse_dates
        self._parse_dates = {} if named is None else check_parse_dates(named, self._index_col)
        self.takes_dates = parse_dates is None
        self.dates: frozenset[str] = frozenset()
        left_out = [name for name in self._parse_dates if self._wanted is not None and name not in self._wanted]
        if left_out:
            named = join_names(map(repr, left_out))
            raise InputError(f"parse_dates names columns that columns= leaves out: {named}. Add or drop them.")
        self._union = on_drift == "union"
        self.filter = RowFilter(filters, skiprows) if skiprows or filters is not None else None
        self.clear()

    def clear(self) -> None:
        """Forget all pages, to read again."""
        if self.filter is not None:
            self.filter.clear()
        self._literal: set[Name] = set()  # columns that are read as text, with all digits and letters
        self._texts: set[Name] = set()  # columns that could hold dates, and hold other text
        self._names: list[Name] | None = None
        self._pages: deque[_Page] = deque()
        self._seen: dict[Name, SeenTypes] = {}
        self._held: dict[Name, pa.DataType | None] = {}
        self.first: dict[Name, Sequence[Any]] = {}
        self._taken = 0
        self.rows = 0
        self.noted: dict[Name, str] = {}

    def add(self, page: bytes) -> int:
        """Keep the rows of a page that match the filters, and return the number of all its rows.

        A page is a JSON array of rows: objects with column names as keys, or lists. Raises `ProtocolError` if it isn't,
        `SchemaDrift` if it has other columns than the first page, and `InputError` if it lacks a named column.
        """
        count, names, columns = parse_page(page, self._columns)
        if not count:
            return 0
        compared: dict[Name, Sequence[Any]] = {}
        cells: dict[Name, PageCells] = {}
        for position, (name, values) in enumerate(zip(names, columns, strict=True)):
            if self._names is None:
                self.first[name] = values[:SEEN_ROWS]
            if self.filter is not None and name in self.filter.columns:
                compared[name] = values
            if self._wanted is not None and name not in self._wanted:
                continue
            dtype = self._dtypes.get(name, self._other_dtype)
            if dtype is not None and needs_literals(dtype, values):
                self._literal.add(name)
            cells[name] = parse_literals(page, position, name) if name in self._literal else infer_cells(values)
        if self._names is None:
            self._check_names(names)
            self._names = list(names)
        elif names != self._names:
            self._compare(names, self._names)
        for name, column in cells.items():
            self._seen.setdefault(name, SeenTypes()).add(column)
        kept = count
        if self.filter is not None:
            keep = self.filter.keep(count, compared)
            kept, cells = sum(keep), {name: kept_cells(column, keep) for name, column in cells.items()}
        if kept:
            self._pages.append(_Page(kept, cells))
        self.rows += kept
        return count

    def types(self) -> dict[Name, pa.DataType | None]:
        """Return the Arrow type of each column on all pages so far; None for Python's objects."""
        return {name: seen.common_type() for name, seen in self._seen.items()}

    def hold(self, types: Mapping[Name, pa.DataType | None]) -> None:
        """Fix the Arrow types of columns: from now on, other cells raise `InputError`. Missing cells are allowed."""
        self._held = dict(types)
        for name, kind in types.items():
            seen = self._seen.setdefault(name, SeenTypes())
            seen.add([] if kind is None else pa.array([], kind))
            seen.has_null = True

    def _check_names(self, names: list[Name]) -> None:
        arguments: dict[str, Iterable[Any]] = {
            "columns": self._columns or [],
            "dtype": self._dtypes,
            "parse_dates": self._parse_dates,
            "index_col": self._index_col,
            "filters": [] if self.filter is None else self.filter.columns,
        }
        problems = []
        for argument, named in arguments.items():
            unknown = [name for name in named if name not in names]
            if unknown:
                asked = [f" {name!r}: {meant}" for name in unknown if (meant := ask_name(name, names, names))]
                problems.append(
                    f"{argument} names columns that the data set does not have: {join_names(map(repr, unknown))}. "
                    f"It has {join_names(map(repr, names))}.{''.join(asked)}"
                )
        if problems:
            raise InputError(problems)

    def _compare(self, names: list[Name], known: list[Name]) -> None:
        added = [name for name in names if name not in known]
        missing = [name for name in known if name not in names]
        if self._union:
            known += added
        elif added or missing:
            changes = [f"new: {join_names(map(repr, added))}"] if added else []
            changes += [f"missing: {join_names(map(repr, missing))}"] if missing else []
            raise SchemaDrift(f"The columns changed from one page to the next ({'; '.join(changes)}). Read it again.")

    def take(self, n: int | None = None) -> DataFrame:
        """Remove the first ``n`` rows, by default all, and return them as a frame.

        All pages so far decide the types of its columns. Without ``index_col``, its index continues the index of the
        previous frame. Raises `InputError` if a requested dtype can't hold a cell.
        """
        if n is not None and n < 0:
            raise InputError(f"n must be 0 or more, not {n}.")
        count = self.rows if n is None else min(n, self.rows)
        pages = self._remove(count)
        # If no page had a row, the arguments name the columns.
        names = next(names for names in (self._columns, self._names, [*self._dtypes]) if names is not None)
        arrays = {name: self._array(name, pages) for name in dict.fromkeys((*names, *self._index_col))}
        index = pd.RangeIndex(self._taken, self._taken + count)
        columns = {name: as_column(array, index) for name, array in arrays.items()}
        frame = pd.DataFrame(columns, index=index, copy=len(columns) > _MOST_SINGLE_COLUMNS)
        frame.columns = frame.columns if arrays else frame.columns.astype(object)
        self._taken += count
        if self._index_col:
            frame = frame.set_index(self._index)
        return frame  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the same class at run time

    def _remove(self, count: int) -> list[_Page]:
        """Remove the first rows, and return them."""
        pages: list[_Page] = []
        self.rows -= count
        while count:
            page = self._pages.popleft()
            if page.rows > count:
                rest = {name: cells[count:] for name, cells in page.columns.items()}
                self._pages.appendleft(_Page(page.rows - count, rest))
                page = _Page(count, {name: cells[:count] for name, cells in page.columns.items()})
            pages.append(page)
            count -= page.rows
        return pages

    def _array(self, name: Name, pages: list[_Page]) -> Any:
        # Cells are removed from their page, so that memory doesn't hold a column twice for long.
        parts = [page.columns.pop(name) if name in page.columns else pa.nulls(page.rows) for page in pages]
        seen = self._seen.setdefault(name, SeenTypes())
        if self._union:
            seen.has_null = seen.has_null or any(isinstance(part, pa.NullArray) for part in parts)
        dtype, arguments = self._dtypes.get(name, self._other_dtype), self._parse_dates.get(name)
        cells = unify(parts, seen)
        del parts
        may_be_times = dtype is None and name not in self._texts and (self.infers_dates or name in self.dates)
        if may_be_times and (times := self._times(name, cells)) is not None:
            return times
        if arguments == {} and is_datetime(dtype):
            arguments = None  # a datetime dtype overrides plain parse_dates
        if arguments is not None or (dtype is not None and is_datetime(dtype)):
            self._note(name, cells)
        try:
            if arguments is not None:
                return parse_datetimes(cells, arguments, self._backend)
            if dtype is not None:
                return convert_column(cells, dtype, seen, self._backend)
            if name in self._held:
                cells = fit_column(cells, self._held[name])
        except CellError as error:
            cell = cells[error.row] if isinstance(cells, list) else cells[error.row].as_py()
            asked = "a date" if arguments is not None else self._held.get(name) if dtype is None else dtype
            where = f"Column {name!r}, row {self._taken + error.row}"
            advice = (
                "" if arguments is not None or dtype is not None else f" Name the column in dtype={{{name!r}: ...}}."
            )
            raise InputError(f"{where}: {_shown(cell)} can't be read as {asked}: {error}.{advice}") from None
        except NotImplementedError:  # Arrow's too
            raise InputError(f"Column {name!r} can't be read as {dtype}.") from None
        return default_array(cells, seen.has_null, self._backend)

    def _times(self, name: Name, cells: Any) -> Any:
        """Return a column as datetimes if each text is one; else None, and from then on it stays text."""
        if all_times(cells, empty=name in self.dates):
            with suppress(CellError):  # no such day, or datetimes with and without an offset
                times = parse_datetimes(cells, {}, self._backend)
                self._note(name, cells)
                return times
        if self._taken:
            raise InputError(
                f"Column {name!r} has dates up to row {self._taken - 1}, and other cells after it. parse_dates=False "
                "reads text."
            )
        self._texts.add(name)
        return None

    def _note(self, name: Name, cells: Any) -> None:
        kind = noted_type(cells)
        if kind is not None and self.noted.get(name) != "datetime":
            self.noted[name] = kind


def _name_list(names: Any, argument: str) -> list[Any] | None:
    if names is None:
        return None
    if isinstance(names, (str, bytes)) or not hasattr(names, "__iter__"):
        raise InputError(f"{argument} must be a list of column names, not {names!r}.")
    listed = list(names)
    if not all(map(pd.api.types.is_hashable, listed)):
        raise InputError(f"{argument} must be a list of column names, not {listed!r}.")
    if len(set(listed)) < len(listed):
        raise InputError(f"{argument} names a column twice: {join_names(map(repr, listed))}.")
    return listed


def _shown(value: Any) -> str:
    shown = repr(value) if value is not None else "null"
    return shown if len(shown) <= 100 else shown[:99] + "…"
