"""Pages of JSON bytes as one frame.

A page is taken apart as it comes and held in Arrow. Which type a column has is settled when rows are taken, over
all pages so far: a page alone can't tell.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
from pandas.api.extensions import no_default

from pandas_clicdata.errors import InputError, SchemaDrift
from pandas_clicdata.frames.dtypes import (
    Misfit,
    Wishes,
    converted,
    date_parsers,
    parsed_dates,
    wants_digits,
    wants_moments,
    wants_text,
)
from pandas_clicdata.frames.parts import NULL, Name, Page, Part, page_of
from pandas_clicdata.frames.records import frame_of_records
from pandas_clicdata.frames.settle import Seen, as_column, default_array, settle

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

__all__ = ["Assembler", "frame_of_records"]


class Assembler:
    """Takes pages of rows and gives frames.

    Parameters
    ----------
    columns : sequence of str, optional
        The columns to take, in this order; by default all, in the order of the first page. If rows come as lists,
        these are their names.
    dtype : dtype, name of a ClicData type, mapping or Series of those, optional
        What columns are to be: one for all, or one for each column named.
    dtype_backend : {"numpy_nullable", "pyarrow"}, optional
        The family of dtypes of columns that ``dtype`` says nothing about.
    parse_dates : bool, list of str, or dict, optional
        Columns to be read as points in time, with a format or arguments of `pandas.to_datetime` if it is a dict;
        True is the index.
    index_col : str or list of str, optional
        The columns that become the index.
    on_drift : {"raise", "union"}, default "raise"
        What to do if the columns of a page are others than those of the first one.

    Attributes
    ----------
    rows : int
        The rows held: added, and not yet taken.

    Raises
    ------
    InputError
        If an argument makes no sense.
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
    ) -> None:
        if dtype_backend not in (no_default, None, "numpy_nullable", "pyarrow"):
            raise InputError(
                f"dtype_backend {dtype_backend!r} is invalid, only 'numpy_nullable' and 'pyarrow' are allowed."
            )
        if on_drift not in ("raise", "union"):
            raise InputError(f"on_drift must be 'raise' or 'union', not {on_drift!r}.")
        self._columns = _name_list(columns, "columns")
        self._index_col = _name_list([index_col] if _is_name(index_col) else index_col, "index_col") or []
        self._index_is_list = not _is_name(index_col)
        self._wishes = Wishes(dtype)
        self._backend = None if dtype_backend in (no_default, None) else dtype_backend
        self._date_parsers = date_parsers(parse_dates, self._index_col)
        self._union = on_drift == "union"
        self._literal: set[Name] = set()  # columns of which all digits and letters are kept
        self._names: list[Name] | None = None
        self._pages: deque[Page] = deque()
        self._seen: dict[Name, Seen] = {}
        self._taken = 0
        self.rows = 0

    # ------------------------------------------------------------ pages in

    def add(self, rows: bytes) -> int:
        """Add the rows of one page.

        Parameters
        ----------
        rows : bytes
            A JSON array of rows: objects keyed by column name, or lists.

        Returns
        -------
        int
            How many rows that were.

        Raises
        ------
        ProtocolError
            If it is no such array.
        SchemaDrift
            If the columns are others than those of the first page.
        InputError
            If an argument names a column that is not there.
        """
        page = page_of(rows, self._columns, self._is_wanted, self._is_literal)
        if page.rows == 0:
            return 0
        if self._names is None:
            self._check_names(page.names)
            self._names = list(page.names)
        elif page.names != self._names:
            self._compare(page.names, self._names)
        for name, part in page.parts.items():
            self._seen.setdefault(name, Seen()).note(part)
        self._pages.append(page)
        self.rows += page.rows
        return page.rows

    def _is_wanted(self, name: Name) -> bool:
        return self._columns is None or name in self._columns or name in self._index_col

    def _is_literal(self, name: Name, cells: Sequence[Any]) -> bool:
        wish = self._wishes.get(name)
        if wants_digits(wish) or (wants_text(wish) and not all(cell is None or type(cell) is str for cell in cells)):
            self._literal.add(name)
        return name in self._literal

    def _check_names(self, names: list[Name]) -> None:
        problems = []
        for argument, named in (
            ("columns", self._columns or []),
            ("dtype", self._wishes.by_name),
            ("parse_dates", self._date_parsers),
            ("index_col", self._index_col),
        ):
            unknown = [name for name in named if name not in names]
            if unknown:
                problems.append(
                    f"{argument} names columns that the data set does not have: {_listed(unknown)}. "
                    f"It has {_listed(names)}."
                )
        if problems:
            raise InputError(problems)

    def _compare(self, names: list[Name], known: list[Name]) -> None:
        added = [name for name in names if name not in known]
        missing = [name for name in known if name not in names]
        if self._union:
            known += added
        elif added or missing:
            told = [f"new: {_listed(added)}"] if added else []
            told += [f"missing: {_listed(missing)}"] if missing else []
            raise SchemaDrift(f"The columns changed from one page to the next ({'; '.join(told)}). Read it again.")

    # ------------------------------------------------------------ frames out

    def take(self, n: int | None = None) -> pd.DataFrame:
        """Take the first rows as a frame; they are held no longer.

        Parameters
        ----------
        n : int, optional
            How many rows, at most; by default all.

        Returns
        -------
        DataFrame
            Its types are settled over all pages that were added so far. Unless ``index_col`` is given, its index
            goes on where the frame taken before ended.

        Raises
        ------
        InputError
            If a cell does not fit the dtype asked for.
        """
        if n is not None and n < 0:
            raise InputError(f"n must be 0 or more, not {n}.")
        count = self.rows if n is None else min(n, self.rows)
        pages = self._cut_off(count)
        arrays = {name: self._array(name, pages) for name in self._taken_names()}
        index = pd.RangeIndex(self._taken, self._taken + count)
        columns = {name: as_column(array, index) for name, array in arrays.items()}
        # Without a copy every column stays by itself; pandas warns when a frame has too many such.
        frame = pd.DataFrame(columns, index=index, copy=len(columns) > _MOST_LOOSE_COLUMNS)
        if not arrays:
            frame.columns = frame.columns.astype(object)
        self._taken += count
        if self._index_col:
            frame = frame.set_index(self._index_col if self._index_is_list else self._index_col[0])
        return frame

    def _cut_off(self, count: int) -> list[Page]:
        """Remove the first rows from what is held, and return them."""
        pages: list[Page] = []
        self.rows -= count
        while count:
            page = self._pages.popleft()
            if page.rows > count:
                rest = {name: part.slice(count, page.rows) for name, part in page.parts.items()}
                self._pages.appendleft(Page(page.rows - count, page.names, rest))
                page = Page(count, page.names, {name: part.slice(0, count) for name, part in page.parts.items()})
            pages.append(page)
            count -= page.rows
        return pages

    def _taken_names(self) -> list[Any]:
        """Return the columns of a frame; if no page ever had a row, those that the arguments name."""
        if self._columns is not None:
            names = [*self._columns]
        elif self._names is not None:
            names = [*self._names]
        else:
            names = [*self._wishes.by_name]
        return [*names, *(name for name in self._index_col if name not in names)]

    def _array(self, name: Name, pages: list[Page]) -> Any:
        # Each part is let go at once, so that a column is never held twice for long.
        parts = [page.parts.pop(name) if name in page.parts else Part(NULL, pa.nulls(page.rows)) for page in pages]
        seen = self._seen.setdefault(name, Seen())
        if self._union:
            seen.has_null = seen.has_null or any(part.kind == NULL for part in parts)
        wish, arguments = self._wishes.get(name), self._date_parsers.get(name)
        settled = settle(parts, seen)
        del parts
        if wants_moments(wish) and not arguments:
            arguments = None  # the dtype says as much, and more
        try:
            if arguments is not None:
                return parsed_dates(settled, arguments, self._backend)
            if wish is not None:
                return converted(settled, wish, seen, self._backend)
        except Misfit as problem:
            value = settled[problem.row] if isinstance(settled, list) else settled[problem.row].as_py()
            wanted = "a date" if arguments is not None else wish
            where = f"Column {name!r}, row {self._taken + problem.row}"
            raise InputError(f"{where}: {_shown(value)} can't be read as {wanted}: {problem}.") from None
        return default_array(settled, seen.has_null, self._backend)


_MOST_LOOSE_COLUMNS = 50


def _is_name(value: Any) -> bool:
    return value is not None and (isinstance(value, (str, int)) or not hasattr(value, "__iter__"))


def _name_list(names: Any, argument: str) -> list[Any] | None:
    if names is None:
        return None
    if isinstance(names, (str, bytes)) or not hasattr(names, "__iter__"):
        raise InputError(f"{argument} must be a list of column names, not {names!r}.")
    listed = list(names)
    if len(set(listed)) < len(listed):
        raise InputError(f"{argument} names a column twice: {_listed(listed)}.")
    return listed


def _listed(names: Iterable[Any]) -> str:
    listed = [repr(name) for name in names]
    return ", ".join(listed[:20]) + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")


def _shown(value: Any) -> str:
    shown = repr(value) if value is not None else "null"
    return shown if len(shown) <= 100 else shown[:99] + "…"
