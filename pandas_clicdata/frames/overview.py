"""The contents of a data set's columns, collected page by page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pandas_clicdata.frames.compare import columns_seen, describe_kinds
from pandas_clicdata.frames.parse import parse_page


@dataclass
class _Column:
    kinds: set[str] = field(default_factory=set)
    cells: int = 0  # how many are not missing
    example: Any = None


@dataclass
class Overview:
    """The columns of all pages so far. It keeps only one cell of each column in memory."""

    rows: int = 0
    _columns: dict[str, _Column] = field(default_factory=dict)

    def add(self, page: bytes, most: int | None = None) -> None:
        """Add the rows of a page, or only the first ``most`` rows."""
        count, names, columns = parse_page(page, None)
        count = count if most is None else min(count, most)
        cells = {str(name): values[:count] for name, values in zip(names, columns, strict=True)}
        seen = columns_seen(cells)
        for name, values in cells.items():
            column = self._columns.setdefault(name, _Column())
            column.kinds |= {*seen.holds[name]} if seen is not None else set()
            present = [value for value in values if value is not None]
            column.example = present[0] if present and not column.cells else column.example
            column.cells += len(present)
        self.rows += count

    def frame(self) -> pd.DataFrame:
        """Return a row for each column."""
        columns = self._columns.values()
        return pd.DataFrame(
            {
                "name": pd.Series([*self._columns], dtype="str"),
                "holds": pd.Series([_holds(column) for column in columns], dtype="str"),
                "missing": pd.Series([(self.rows - column.cells) / self.rows for column in columns], dtype="float64"),
                "example": pd.Series([column.example for column in columns], dtype="object"),
                "type": pd.Series([_type(column.kinds) for column in columns], dtype="str"),
            }
        )


def _holds(column: _Column) -> str:
    if not column.kinds:
        return "lists or objects" if column.cells else "nothing"
    return describe_kinds(column.kinds)


def _type(kinds: set[str]) -> str:
    """Return the ClicData type that can hold cells of all these kinds."""
    if kinds == {"date", "datetime"}:
        return "datetime"
    return next(iter(kinds)) if len(kinds) == 1 else "text"
