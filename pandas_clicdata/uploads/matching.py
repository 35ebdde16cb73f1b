"""Which rows of a data set a filter matches, as the service compares them. Pure: no I/O."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pandas_clicdata.errors import InputError, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class Match(NamedTuple):
    """A row as JSON, its place in the data set, and the position of the filter that matches it."""

    place: int
    key: int
    row: bytes


class Cell(msgspec.Struct):
    """A cell of a filter; its value is JSON."""

    column: str
    value: msgspec.Raw


class _Candidate(NamedTuple):
    place: int
    cells: list[bytes]
    row: bytes


parse_filter = msgspec.json.Decoder(list[Cell]).decode
_page_decoder = msgspec.json.Decoder(list[msgspec.Raw])
cells_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode  # of a row, by column, as JSON
_text_decoder = msgspec.json.Decoder(str)
_NULL = b"null"


class Finder:
    """Finds the rows that filters match.

    A filter matches a row if each of its cells equals the row's (C: that all must): numbers as numbers, text letter by
    letter, timestamps as instants. A column holds timestamps if it holds nothing else. The wide view takes texts of the
    same `fold` for equal too, as the service may.

    Parameters
    ----------
    filters : sequence of bytes
        Lists of cells as JSON, all of the same columns.
    first_only : bool
        Whether each filter matches only one row (C: the first in the order in which rows are read).
    """

    def __init__(self, filters: Sequence[bytes], *, first_only: bool) -> None:
        decoded = [parse_filter(each) for each in filters]
        self._columns = [cell.column for cell in decoded[0]] if decoded else []
        self._keys = [[bytes(cell.value) for cell in each] for each in decoded]
        self._first_only = first_only
        # Columns that may hold timestamps; if a later page shows text in one, `matches` leaves it out.
        self._timestamps = {place for key in self._keys for place, cell in enumerate(key) if _timestamp(cell)}
        self._wanted = {_comparable(key, self._timestamps, wide=True) for key in self._keys}
        self._texts: set[int] = set()
        self._unseen = set(self._columns)
        self._candidates: list[_Candidate] = []
        self._rows = 0

    def add(self, rows: bytes) -> int:
        """Add the rows of a page; return how many there are. A ProtocolError if they are not objects."""
        try:
            page = [(bytes(row), cells_of(row)) for row in _page_decoder.decode(rows)]
            for row, named in page:
                self._add(row, named)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProtocolError("A page holds something else than rows with named cells.") from None
        return len(page)

    def _add(self, row: bytes, named: dict[str, msgspec.Raw]) -> None:
        self._unseen.difference_update(named)
        cells = [bytes(named[name]) if name in named else _NULL for name in self._columns]
        for place in self._timestamps - self._texts:
            if cells[place] != _NULL and not _timestamp(cells[place]):
                self._texts.add(place)
        if _comparable(cells, self._timestamps, wide=True) in self._wanted:
            self._candidates.append(_Candidate(self._rows, cells, row))
        self._rows += 1

    def matches(self, *, wide: bool = False) -> list[Match]:
        """Return the rows that match, in their order. An InputError if the data set lacks a column."""
        if self._unseen and self._rows:
            missing = ", ".join(repr(name) for name in self._columns if name in self._unseen)
            raise InputError(f"on: the data set has no column {missing}")
        timestamps = self._timestamps - self._texts
        candidates: dict[tuple[Any, ...], deque[_Candidate]] = {}
        for candidate in self._candidates:
            candidates.setdefault(_comparable(candidate.cells, timestamps, wide), deque()).append(candidate)
        matches: list[Match] = []
        for position, key in enumerate(self._keys):
            rows = candidates.get(_comparable(key, timestamps, wide))
            while rows:
                candidate = rows.popleft()
                matches.append(Match(candidate.place, position, candidate.row))
                if self._first_only:
                    break
        return sorted(matches)

    def first_keys(self, *, wide: bool) -> list[int]:
        """Return the position of the first filter that matches the same rows, for each filter.

        With ``first_only`` it is the filter itself, as each matches a row of its own.
        """
        if self._first_only:
            return list(range(len(self._keys)))
        timestamps, first = self._timestamps - self._texts, dict[tuple[Any, ...], int]()
        keys = [_comparable(key, timestamps, wide) for key in self._keys]
        return [first.setdefault(key, position) for position, key in enumerate(keys)]


def _comparable(cells: Sequence[bytes], timestamps: Collection[int], wide: bool) -> tuple[Any, ...]:
    """Return what is equal for rows that match; ``timestamps`` are the places of cells that may be some."""
    return tuple((place in timestamps and _timestamp(cell)) or _value(cell, wide) for place, cell in enumerate(cells))


def _value(cell: bytes, wide: bool) -> Any:
    """Return a number or a text; other cells stay bytes, so that cells of two kinds are never equal."""
    if cell.startswith(b'"'):
        text = _text_decoder.decode(cell)
        return fold(text) if wide else text
    if is_number(cell):
        try:
            return Decimal(cell.decode())
        except InvalidOperation:  # an exponent that even Decimal doesn't hold
            return cell
    return cell


def is_number(cell: bytes) -> bool:
    """Whether a cell, as JSON, is a number."""
    return cell[:1] in b"-0123456789"


# C: no service tells more texts from each other than `fold` does (O2).
def fold(text: str) -> str:
    """Return what is equal for texts that differ only in letter case, trailing blanks, or the form of a letter."""
    if text.isascii():
        return text.lower().rstrip()
    cased = _decomposed(text).casefold().upper().casefold()  # ß is ss, and \u0131 is i, as in upper case
    return _decomposed(cased).replace("i\u0307", "i").rstrip()  # the dot of a Turkish capital I


def _decomposed(text: str) -> str:
    return "".join(unicodedata.normalize("NFKD", letter) for letter in text)  # the whole text: quadratic


# C: how the service writes a date, or a date and time (O4).
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([-+][0-9]{2}):?([0-9]{2}))?)?"
)


def _timestamp(cell: bytes) -> tuple[datetime, str] | None:
    """Return a timestamp in whole seconds, and the digits behind; without an offset it is UTC. None for other cells."""
    written = _TIMESTAMP.fullmatch(_text_decoder.decode(cell)) if cell.startswith(b'"') else None
    if written is None:
        return None
    day, time, fraction, hours, minutes = written.groups()
    try:
        timestamp = datetime.fromisoformat(f"{day} {time or '00:00:00'}{hours or '+00'}:{minutes or '00'}")
    except ValueError:
        return None
    return timestamp, (fraction or "").rstrip("0")
