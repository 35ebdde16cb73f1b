"""``types=``: the cells of a column, printed as another ClicData type than the one pandas suggests.

Nothing is lost in silence: a cell that the wanted type can't hold exactly is refused.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pandas_clicdata.frames.arrow import NO_TEXT, TEXT, Array, joined, pc, quoted
from pandas_clicdata.frames.printing import Printed, Printer, blocks
from pandas_clicdata.frames.scalars import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN_TYPES = {
    Kind.TEXT: ("text", "dropdown"),
    Kind.NUMBER: ("number", "percentage"),
    Kind.CHECKBOX: ("checkbox",),
    Kind.DATETIME: ("datetime",),
    Kind.DATE: ("date",),
}


class Carried(Printer):
    """A column printed as a ClicData type that is not its own.

    Parameters
    ----------
    inner : Printer
        The column as it is; it refuses no cell.
    column_type : str
        The ClicData type.
    """

    def __init__(self, inner: Printer, column_type: str) -> None:
        super().__init__(inner.rows)
        self.kinds = inner.kinds
        self._inner = inner
        self._carry = _CARRIERS[column_type]
        for start, stop in blocks(inner.rows, inner.weight):
            cells = _complete(inner.texts(start, stop))
            carried = self._carry(cells)
            lost = pc.and_(pc.is_valid(cells), pc.is_null(carried)).to_numpy(zero_copy_only=False)
            self.refused.add(f"no {column_type} that could be sent without a loss", np.flatnonzero(lost) + start)
            self.width = max(self.width, pc.max(pc.binary_length(carried)).as_py() or 0)

    def hold(self, room: int) -> int:
        """Keep what the column as it is has printed, as far as there is room for it."""
        return self._inner.hold(room)

    def texts(self, start: int, stop: int) -> Printed:
        """Print a block as the type."""
        return Printed(self._carry(_complete(self._inner.texts(start, stop))))

    def sizes(self, start: int, stop: int) -> Array:
        """Return the bytes that each cell takes."""
        sizes: Array = pc.binary_length(self.texts(start, stop).texts).fill_null(4).to_numpy()
        return sizes

    def weight(self, start: int, stop: int) -> int:
        """Return about how many bytes a block takes."""
        return self._inner.weight(start, stop)


def carry_cells(cells: pa.LargeStringArray, column_type: str) -> pa.LargeStringArray:
    """Return JSON texts as those of a ClicData type; null is a cell that it can't hold."""
    return _CARRIERS[column_type](cells)


def carried(printer: Printer, column_type: str) -> Printer:
    """Return the printer of a column as a ClicData type: the same one, if it is its own type."""
    own = all(column_type in _OWN_TYPES[kind] for kind in printer.kinds)
    return printer if own or printer.refused else Carried(printer, column_type)


def _complete(printed: Printed) -> pa.LargeStringArray:
    """Return each cell's whole JSON text, with its quotes; a missing cell is null."""
    if printed.bare:
        return quoted(printed.texts)
    return _only(pc.not_equal(printed.texts, "null"), printed.texts)


def _only(mask: pa.BooleanArray, texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return the texts where the mask holds, null elsewhere."""
    return pc.if_else(mask, texts, NO_TEXT)


# Each carrier takes JSON texts and gives JSON texts; null is what it can't carry.

_NUMBER = r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?"
_INTEGER = r"-?(0|[1-9][0-9]*)"
_DATE = r"([0-9]{3}[1-9]|[0-9]{2}[1-9][0-9]|[0-9][1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}"
_ZONE = r"(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])?"
_MIDNIGHT = rf"[T ]00:00(:00(\.0+)?)?{_ZONE}"
_TIME = rf"[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{{1,9}})?)?{_ZONE}"


def _matching(texts: pa.LargeStringArray, pattern: str) -> pa.LargeStringArray:
    return _only(pc.match_substring_regex(texts, f"^(?:{pattern})$"), texts)


def _as_text(cells: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.if_else(pc.starts_with(cells, '"'), cells, quoted(cells))


def _as_number(cells: pa.LargeStringArray) -> pa.LargeStringArray:
    cells = pc.if_else(pc.equal(cells, "true"), "1", pc.if_else(pc.equal(cells, "false"), "0", cells))
    return pc.utf8_trim(_matching(cells, f'{_NUMBER}|"{_NUMBER}"'), '"')


def _as_id(cells: pa.LargeStringArray) -> pa.LargeStringArray:
    whole = _matching(cells, rf'{_INTEGER}(\.0)?|"{_INTEGER}"')  # 3.0 is how a float tells 3
    return pc.replace_substring(pc.utf8_trim(whole, '"'), ".0", "")


def _as_checkbox(cells: pa.LargeStringArray) -> pa.LargeStringArray:
    true = pc.match_substring_regex(cells, r'^(true|"(?i:true)"|1|1\.0)$')
    false = pc.match_substring_regex(cells, r'^(false|"(?i:false)"|-?0|-?0\.0)$')
    other = NO_TEXT
    return pc.if_else(true, "true", pc.if_else(false, "false", other)).cast(TEXT)


def _as_date(cells: pa.LargeStringArray) -> pa.LargeStringArray:
    dated = _matching(cells, f'"{_DATE}({_MIDNIGHT})?"')
    return quoted(_on_calendar(pc.utf8_slice_codeunits(dated, 1, 11)))


def _as_datetime(cells: pa.LargeStringArray) -> pa.LargeStringArray:
    told = pc.utf8_trim(_matching(cells, f'"{_DATE}({_TIME})?"'), '"')
    days = _on_calendar(pc.utf8_slice_codeunits(told, 0, 10))
    times = pc.utf8_slice_codeunits(told, 11)
    times = pc.if_else(pc.equal(times, ""), "00:00:00", times)
    return quoted(joined([days, pa.scalar("T", TEXT), times]))


def _on_calendar(days: pa.LargeStringArray) -> pa.LargeStringArray:
    """Return the days that exist, null for such as February 30."""
    try:
        days.cast(pa.date32())
    except pa.ArrowInvalid:
        return pa.array([_existing(day) for day in days.to_pylist()], TEXT)
    return days


def _existing(day: str | None) -> str | None:
    if day is None:
        return None
    try:
        dt.date.fromisoformat(day)
    except ValueError:
        return None
    return day


_CARRIERS: dict[str, Callable[[pa.LargeStringArray], pa.LargeStringArray]] = {
    "text": _as_text,
    "dropdown": _as_text,
    "number": _as_number,
    "percentage": _as_number,
    "id": _as_id,
    "checkbox": _as_checkbox,
    "date": _as_date,
    "datetime": _as_datetime,
}
