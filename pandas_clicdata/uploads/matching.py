"""Which rows of a data set a filter reaches, told from its pages in the way the service tells it. No I/O."""

from __future__ import annotations

import re
from collections import deque
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pandas_clicdata.errors import InputError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Match(NamedTuple):
    """A row as JSON, where it stands in the data set, and the position of the filter that reaches it."""

    place: int
    key: int
    row: bytes


class _Cell(msgspec.Struct):
    column: str
    value: msgspec.Raw


class _Candidate(NamedTuple):
    place: int
    cells: list[bytes]
    row: bytes


_find_decoder = msgspec.json.Decoder(list[_Cell])
_page_decoder = msgspec.json.Decoder(list[msgspec.Raw])
cells_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode  # of a row, by column, as they came
_text_decoder = msgspec.json.Decoder(str)
_NULL = b"null"


class Finder:
    """Finds the rows that filters reach.

    A filter reaches a row when each of its cells equals the row's (C: that all must): numbers as numbers, text
    letter by letter, moments as instants. A column is taken for one of moments when it holds nothing else.

    Parameters
    ----------
    finds : sequence of bytes
        The filters, each a list of cells as JSON, all of the same columns.
    first_only : bool
        Whether each reaches only the first such row (C: the first in the order in which rows are read).
    """

    def __init__(self, finds: Sequence[bytes], *, first_only: bool) -> None:
        decoded = [_find_decoder.decode(find) for find in finds]
        self._columns = [cell.column for cell in decoded[0]] if decoded else []
        self._keys = [[bytes(cell.value) for cell in find] for find in decoded]
        self._first_only = first_only
        # Moments are only told from text at the end. Until then, what might be equal is kept.
        self._perhaps = {place for key in self._keys for place, cell in enumerate(key) if _moment(cell)}
        self._wanted = {_compared(key, self._perhaps) for key in self._keys}
        self._textual: set[int] = set()
        self._unseen = set(self._columns)
        self._candidates: list[_Candidate] = []
        self._rows = 0

    def look(self, rows: bytes) -> int:
        """Look through the rows of a page; how many there are.

        Raises
        ------
        ProtocolError
            They are not objects.
        """
        try:
            page = [(bytes(row), cells_of(row)) for row in _page_decoder.decode(rows)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProtocolError("A page holds something else than rows with named cells.") from None
        for row, named in page:
            self._look_at(row, named)
        return len(page)

    def _look_at(self, row: bytes, named: dict[str, msgspec.Raw]) -> None:
        self._unseen.difference_update(named)
        cells = [bytes(named[name]) if name in named else _NULL for name in self._columns]
        for place in self._perhaps - self._textual:
            if cells[place] != _NULL and not _moment(cells[place]):
                self._textual.add(place)
        if _compared(cells, self._perhaps) in self._wanted:
            self._candidates.append(_Candidate(self._rows, cells, row))
        self._rows += 1

    def found(self) -> list[Match]:
        """The rows that are reached, in their order.

        Raises
        ------
        InputError
            The data set has no such column.
        """
        if self._unseen and self._rows:
            missing = ", ".join(repr(name) for name in self._columns if name in self._unseen)
            raise InputError(f"on: the data set has no column {missing}")
        moments = self._perhaps - self._textual
        waiting: dict[tuple[Any, ...], deque[_Candidate]] = {}
        for candidate in self._candidates:
            waiting.setdefault(_compared(candidate.cells, moments), deque()).append(candidate)
        reached: list[Match] = []
        for position, key in enumerate(self._keys):
            rows = waiting.get(_compared(key, moments))
            while rows:
                candidate = rows.popleft()
                reached.append(Match(candidate.place, position, candidate.row))
                if self._first_only:
                    break
        return sorted(reached)


def _compared(cells: Sequence[bytes], moments: Collection[int]) -> tuple[Any, ...]:
    """What two rows have in common whose cells are equal; ``moments`` are the places of cells that may be some."""
    return tuple((place in moments and _moment(cell)) or _value(cell) for place, cell in enumerate(cells))


def _value(cell: bytes) -> Any:
    """A number or a text; what is neither stays as it came, so that no two kinds are ever equal."""
    if cell.startswith(b'"'):
        return _text_decoder.decode(cell)
    if is_number(cell):
        try:
            return Decimal(cell.decode())
        except InvalidOperation:  # an exponent that even Decimal doesn't hold
            return cell
    return cell


def is_number(cell: bytes) -> bool:
    """Whether a cell, as it came, is a number."""
    return cell[:1] in b"-0123456789"


# C: how the service writes a date and time.
_MOMENT = re.compile(
    rb'"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?(Z|[-+][0-9]{2}:[0-9]{2})?"'
)


def _moment(cell: bytes) -> tuple[datetime, bytes] | None:
    """A date and time with the digits of its second; one without an offset equals none that has one."""
    written = _MOMENT.fullmatch(cell)
    if written is None:
        return None
    day, time, fraction, offset = written.groups(b"")
    try:
        moment = datetime.fromisoformat((day + b" " + time + offset.replace(b"Z", b"+00:00")).decode())
    except ValueError:
        return None
    return moment, fraction.ljust(9, b"0")
