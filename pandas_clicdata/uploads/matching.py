"""Which rows of a data set a filter matches, as the service compares them. Pure: no I/O."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from pandas_clicdata.errors import InputError, ProtocolError
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.session.wire import parsed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd


MatchBy = Literal["exact", "wide"]
MATCH: tuple[MatchBy, ...] = ("exact", "wide")
_MOST_EXAMPLES = 3  # of rows, in an error
_LONGEST_EXAMPLE = 100  # characters


class Match(NamedTuple):
    """A row as JSON, its place in the data set, and the position of the filter that matches it."""

    place: int
    key: int
    row: bytes


class Kept(NamedTuple):
    """The rows that a delete may reach, and for each key the first that the service may take for the same key.

    ``exact`` are the places of the rows that equal a key exactly. ``read`` rows were read for it, in ``seconds``.
    """

    matches: list[Match]
    first_keys: list[int]
    exact: frozenset[int]
    read: int = 0
    seconds: float = 0.0


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
        self.columns = [cell.column for cell in decoded[0]] if decoded else []
        self._keys = [[bytes(cell.value) for cell in each] for each in decoded]
        self.first_only = first_only
        # Columns that may hold timestamps; if a later page shows text in one, `matches` leaves it out.
        self._timestamps = {place for key in self._keys for place, cell in enumerate(key) if _timestamp(cell)}
        self._wanted = {_comparable(key, self._timestamps, wide=True) for key in self._keys}
        self._texts: set[int] = set()
        self._unseen = set(self.columns)
        self._candidates: list[_Candidate] = []
        self.rows = 0

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
        cells = [bytes(named[name]) if name in named else _NULL for name in self.columns]
        for place in self._timestamps - self._texts:
            if cells[place] != _NULL and not _timestamp(cells[place]):
                self._texts.add(place)
        if _comparable(cells, self._timestamps, wide=True) in self._wanted:
            self._candidates.append(_Candidate(self.rows, cells, row))
        self.rows += 1

    def matches(self, match: MatchBy) -> list[Match]:
        """Return the rows that match, in their order. An InputError if the data set lacks a column."""
        if self._unseen and self.rows:
            missing = ", ".join(repr(name) for name in self.columns if name in self._unseen)
            raise InputError(f"on: the data set has no column {missing}")
        timestamps, wide = self._timestamps - self._texts, match == "wide"
        candidates: dict[tuple[Any, ...], deque[_Candidate]] = {}
        for candidate in self._candidates:
            candidates.setdefault(_comparable(candidate.cells, timestamps, wide), deque()).append(candidate)
        matches: list[Match] = []
        for position, key in enumerate(self._keys):
            rows = candidates.get(_comparable(key, timestamps, wide))
            while rows:
                candidate = rows.popleft()
                matches.append(Match(candidate.place, position, candidate.row))
                if self.first_only:
                    break
        return sorted(matches)

    def first_keys(self, match: MatchBy) -> list[int]:
        """Return the position of the first filter that matches the same rows, for each filter.

        With ``first_only`` it is the filter itself, as each matches a row of its own.
        """
        if self.first_only:
            return list(range(len(self._keys)))
        timestamps, first = self._timestamps - self._texts, dict[tuple[Any, ...], int]()
        keys = [_comparable(key, timestamps, match == "wide") for key in self._keys]
        return [first.setdefault(key, position) for position, key in enumerate(keys)]


class Reach:
    """The rows that the filters of a `Finder` match if text is compared exactly, and if it is compared widely.

    ``question`` says how they differ, and is None if they don't.
    """

    def __init__(self, finder: Finder) -> None:
        self._columns = finder.columns
        self._deciding = ("exact",) if finder.first_only else MATCH  # no view is known to find the first row
        exact, wide = (finder.matches(match) for match in MATCH)
        places = frozenset(found.place for found in exact)
        self._views = {
            match: Kept(found, finder.first_keys(match), places, finder.rows)
            for match, found in zip(MATCH, (exact, wide), strict=True)
        }
        differ = exact != wide if finder.first_only else len(exact) != len(wide)
        self.question = self._difference(exact, wide) if differ else None

    def kept(self, match: MatchBy | None) -> Kept:
        """Return the rows that may go; an InputError if it isn't known which, and ``match`` doesn't decide."""
        if self.question and match not in self._deciding:
            decides = " or ".join(f'match="{one}"' for one in self._deciding)
            raise InputError(
                f"{self.question}. Nothing was deleted. {decides} decides, if you know what ClicData does or want; "
                "dry_run=True shows the rows"
            )
        return self._views[match or "wide"]

    def shown(self, match: MatchBy | None) -> list[Match]:
        """Return the rows that may go, each once, in their order."""
        views = MATCH if match is None else (match,)
        rows = {found.place: found for view in views for found in self._views[view].matches}
        return [rows[place] for place in sorted(rows)]

    def _difference(self, exact: list[Match], wide: list[Match]) -> str:
        named = {found.place for found in exact}
        others = [found for found in wide if found.place not in named]
        return (
            f"{count_rows(len(exact))} would go if ClicData compares text exactly{self._examples(exact)}, and "
            f"{count_rows(len(wide))} if it ignores letter case and trailing blanks{self._examples(others or wide)}: "
            "it is not known which"
        )

    def _examples(self, matches: Sequence[Match]) -> str:
        """Return the key cells of a few rows."""
        texts = []
        for match in matches[:_MOST_EXAMPLES]:
            cells = cells_of(match.row)
            shown = (f"{name}={parsed(bytes(cells.get(name, b'null')))!a}" for name in self._columns)
            texts.append(", ".join(shown)[:_LONGEST_EXAMPLE])
        return f" ({'; '.join(texts)}{', ...' if len(matches) > _MOST_EXAMPLES else ''})" if texts else ""


def count_rows(count: int) -> str:
    """Return a number of rows in words."""
    return f"{count:,} {'row' if count == 1 else 'rows'}"


def frame_of_rows(rows: Sequence[bytes], rec_id: int) -> pd.DataFrame:
    """Return rows of JSON as a frame that holds every digit of their numbers, and notes the data set."""
    builder = FrameBuilder()
    builder.add(b"[" + b",".join(rows) + b"]")
    frame = builder.take()
    named = [cells_of(row) for row in rows]
    for name in frame.columns:
        cells = [bytes(row[name]) if name in row else b"null" for row in named]
        if any(map(_exceeds_float, cells)):
            exact: Any = [Decimal(cell.decode()) if is_number(cell) else None for cell in cells]
            frame = frame.assign(**{name: exact})
    frame.attrs["clicdata"] = {"rec_id": rec_id}
    return frame


def _exceeds_float(cell: bytes) -> bool:
    """Whether a number that is no integer has more digits than a float."""
    if not is_number(cell) or not any(mark in cell for mark in b".eE"):
        return False
    return Decimal(cell.decode()) != Decimal(repr(float(cell)))


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


# C: no service takes texts for equal that `fold` distinguishes (O2).
def fold(text: str) -> str:
    """Return what is equal for texts that differ only in letter case, trailing blanks, or the form of a letter."""
    if text.isascii():
        return text.lower().rstrip()
    cased = _decomposed(text).casefold().upper().casefold()  # in upper case, i without a dot is I
    return _DOTTED.sub("i", _decomposed(cased)).rstrip()  # and dots are left of I with some


_DOTTED = re.compile("i\u0307+")


def _decomposed(text: str) -> str:
    # Letter by letter: to normalize a whole text takes quadratic time.
    return "".join(unicodedata.normalize("NFKD", letter) for letter in text)


# C: how the service writes a date, or a date and time (O4).
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[t ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:z|([-+][0-9]{2}):?([0-9]{2}))?)?"
)


def _timestamp(cell: bytes) -> tuple[datetime, str] | None:
    """Return a timestamp in whole seconds, and the digits behind; without an offset it is UTC. None for other cells."""
    # Folded, so that texts that are widely equal are the same timestamp, or none.
    written = _TIMESTAMP.fullmatch(fold(_text_decoder.decode(cell))) if cell.startswith(b'"') else None
    if written is None:
        return None
    day, time, fraction, hours, minutes = written.groups()
    try:
        timestamp = datetime.fromisoformat(f"{day} {time or '00:00:00'}{hours or '+00'}:{minutes or '00'}")
    except ValueError:
        return None
    return timestamp, (fraction or "").rstrip("0")
