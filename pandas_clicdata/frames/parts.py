"""One page: its bytes, taken apart into columns.

The first page tells what the columns are; the next ones are read by those types, without a dictionary for each
row. A page that does not fit is read again the slow way, which takes any JSON exactly.
"""

from __future__ import annotations

import enum
import json
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa

from pandas_clicdata.errors import InputError, ProtocolError
from pandas_clicdata.frames.arrow import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Name: TypeAlias = "str | int"  # a position, if the rows are lists

# What the cells of a part are: an Arrow type, or "exact" for a list of whatever came.
NULL, BOOLEAN, INTEGER, BEYOND, FLOAT, STRING, EXACT = (
    "null", "boolean", "integer", "beyond", "float", "text", "exact",
)  # fmt: skip


class Part(NamedTuple):
    """The cells of one column of one page.

    ``kind`` says what ``cells`` is: an Arrow array (``beyond``: of integers that only uint64 holds), or a list
    of Python's values, exactly as they came (``exact``).
    """

    kind: str
    cells: pa.Array | list[Any]

    @property
    def has_null(self) -> bool:
        """Whether a cell is missing."""
        if isinstance(self.cells, list):
            return None in self.cells
        return bool(self.cells.null_count)

    def slice(self, start: int, stop: int) -> Part:
        """Return some of the cells."""
        if isinstance(self.cells, list):
            return Part(self.kind, self.cells[start:stop])
        return Part(self.kind, self.cells.slice(start, stop - start))


LITERAL = "literal"  # as a way to read: text with all the digits that came

_ARROW_TYPES = {BOOLEAN: pa.bool_(), INTEGER: pa.int64(), FLOAT: pa.float64(), STRING: TEXT}
_FIELD_TYPES: dict[str | None, Any] = {
    None: msgspec.Raw,  # not wanted: looked through, not made
    LITERAL: msgspec.Raw,
    BOOLEAN: bool | None,
    INTEGER: int | None,
    FLOAT: int | float | None,  # a lone float would round a large integer
    STRING: str | None,
}


def part_of(values: Sequence[Any]) -> Part:
    """Return the cells of one column as what they are."""
    types = set(map(type, values))
    types.discard(type(None))
    if not types:
        return Part(NULL, pa.nulls(len(values)))
    if types == {str}:
        return Part(STRING, pa.array(values, TEXT))
    if types == {bool}:
        return Part(BOOLEAN, pa.array(values, pa.bool_()))
    if types == {int}:
        return _integers(values)
    if types <= {int, float}:
        return _floats(values)
    return Part(EXACT, list(values))


def _integers(values: Sequence[Any]) -> Part:
    for kind, arrow_type in ((INTEGER, pa.int64()), (BEYOND, pa.uint64())):
        try:
            return Part(kind, pa.array(values, arrow_type))
        except (OverflowError, pa.ArrowInvalid):
            continue
    return Part(EXACT, list(values))


def _floats(values: Sequence[Any]) -> Part:
    try:
        # Arrow refuses integers that float64 can't hold exactly.
        return Part(FLOAT, pa.array(values, pa.float64()))
    except (OverflowError, pa.ArrowInvalid):
        return Part(EXACT, list(values))


class Page(NamedTuple):
    """A page taken apart; ``names`` are all its columns, ``parts`` those that were asked for."""

    rows: int
    names: list[Name]
    parts: dict[Name, Part]


class How(enum.Enum):
    """How a column is to be taken from pages."""

    LEFT_OUT = enum.auto()
    AS_IT_COMES = enum.auto()
    AS_TEXT = enum.auto()  # as it comes, until a cell is no text: then literally
    LITERALLY = enum.auto()  # as text, with all the digits and letters that came


class PageReader:
    """Reads one page after the other.

    Parameters
    ----------
    choose : callable
        Is told the names of columns when they first come, and says how to take each of them.
    names : list, optional
        The names of the columns if rows are lists; their positions by default.
    """

    def __init__(self, choose: Callable[[list[Name]], dict[Name, How]], names: list[Any] | None = None) -> None:
        self._choose = choose
        self._how: dict[Name, How] = {}
        self._positional_names = names
        self._typed: _TypedReader | None = None
        self._kinds: dict[Name, str] = {}

    def decode(self, page: bytes) -> Decoded | None:
        """Decode a page by the types seen so far; None if it does not fit them, or there are none."""
        typed = self._typed
        return None if typed is None else typed.decode(page)

    def read(self, page: bytes, decoded: Decoded | None = None) -> Page:
        """Take a page apart, which may have been decoded already.

        Raises
        ------
        ProtocolError
            If it is not a JSON array of objects with distinct keys, or of lists of one length.
        """
        if decoded is None:
            decoded = self.decode(page)
        found = None if decoded is None else decoded.taken_apart(page)
        return self._read_any(page) if found is None else found

    def _read_any(self, page: bytes) -> Page:
        rows = _decoded(page)
        if not isinstance(rows, list):
            raise ProtocolError(f"A page must be a JSON array of rows, and this one is {_told(rows)}.")
        if not rows:
            return Page(0, [], {})
        row_type = list if isinstance(rows[0], list) else dict
        for number, row in enumerate(rows):
            if not isinstance(row, row_type):
                raise ProtocolError(
                    f"Row {number} of a page is {_told(row)}; rows must all be objects, or all be lists."
                )
        names, columns = self._positional(rows) if row_type is list else _keyed(rows, page)
        new = [name for name in names if name not in self._how]
        if new:
            self._how.update(self._choose(new))
        parts = {
            name: self._part(name, position, column, page, row_type)
            for position, (name, column) in enumerate(zip(names, columns, strict=True))
            if self._how[name] is not How.LEFT_OUT
        }
        self._learn(names, parts, regular=row_type is dict and all(len(row) == len(names) for row in rows))
        return Page(len(rows), names, parts)

    def _positional(self, rows: list[list[Any]]) -> tuple[list[Name], Iterable[Any]]:
        width = len(rows[0])
        for number, row in enumerate(rows):
            if len(row) != width:
                raise ProtocolError(f"Row {number} of a page has {len(row)} cells, and the first one has {width}.")
        names: list[Name] = [*range(width)] if self._positional_names is None else self._positional_names
        if len(names) != width:
            raise InputError(
                f"The rows came as lists of {width} cells, without names: columns must name all {width}, "
                f"and it names {len(names)}."
            )
        return names, zip(*rows, strict=True)

    def _part(self, name: Name, position: int, column: Sequence[Any], page: bytes, row_type: type) -> Part:
        if self._how[name] is How.AS_TEXT and not all(cell is None or type(cell) is str for cell in column):
            self._how[name] = How.LITERALLY
        if self._how[name] is not How.LITERALLY:
            return part_of(column)
        if row_type is list:
            cells = [row[position] for row in msgspec.json.decode(page, type=list[list[msgspec.Raw]])]
        else:
            nothing = msgspec.Raw(b"null")
            keyed = msgspec.json.decode(page, type=list[dict[str, msgspec.Raw]])
            cells = [row.get(str(name), nothing) for row in keyed]
        return Part(STRING, literal_texts(cells))

    def _learn(self, names: list[Name], parts: dict[Name, Part], *, regular: bool) -> None:
        """Settle how the next page is to be read."""
        for name, part in parts.items():
            self._kinds[name] = _wider(self._kinds.get(name, NULL), part.kind)
        self._typed = None
        if regular and not any(_is_escaped(str(name)) for name in names):
            kinds = {name: LITERAL if self._how[name] is How.LITERALLY else self._kinds[name] for name in parts}
            self._typed = _TypedReader([str(name) for name in names], kinds)


def _wider(before: str, now: str) -> str:
    if before in (now, NULL):
        return now
    if now == NULL:
        return before
    return FLOAT if {before, now} == {INTEGER, FLOAT} else EXACT


class _TypedReader:
    """Reads pages whose rows have all the same keys, in any order, by the types seen so far."""

    def __init__(self, names: list[str], kinds: dict[Name, str]) -> None:
        self._names: list[Name] = [*names]
        self._kinds = [kinds.get(name) for name in names]
        fields = [(f"field{position}", _FIELD_TYPES.get(kind, Any)) for position, kind in enumerate(self._kinds)]
        struct = msgspec.defstruct(
            "Row",
            fields,
            rename={field: name for (field, _), name in zip(fields, names, strict=True)},
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decoder = msgspec.json.Decoder(list[struct])  # type: ignore[valid-type] # made above

    def decode(self, page: bytes) -> Decoded | None:
        """Decode a page; None if it does not fit."""
        try:
            return Decoded(self._decoder.decode(page), self._names, self._kinds)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class Decoded:
    """The rows of a page as msgspec's objects, whose fields are the columns, of these kinds; to be taken apart once."""

    def __init__(self, rows: list[Any], names: list[Name], kinds: list[str | None]) -> None:
        self._rows: list[Any] | None = rows
        self._count = len(rows)
        self._names = names
        self._kinds = kinds

    def __len__(self) -> int:
        return self._count

    def taken_apart(self, page: bytes) -> Page | None:
        """Return the columns of the page that this was decoded from; None if a key stands twice in a row."""
        # Let go at once: the next page is decoded where these were, while that is in the processor's cache.
        rows, self._rows = self._rows, None
        assert rows is not None
        if rows and not _has_keys(page, self._count * len(self._names)):
            return None
        columns = _transposed(rows)
        del rows
        parts: dict[Name, Part] = {}
        for name, kind, column in zip(self._names, self._kinds, columns, strict=False):
            if kind is not None:
                parts[name] = _typed_part(kind, column)
        return Page(self._count, self._names, parts)


def _transposed(rows: list[Any]) -> Iterable[Sequence[Any]]:
    """Return the columns of msgspec's rows, batch by batch."""
    if len(rows) <= _BATCH:
        return zip(*map(msgspec.structs.astuple, rows), strict=True)
    columns: list[list[Any]] = [[] for _ in msgspec.structs.astuple(rows[0])]
    for start in range(0, len(rows), _BATCH):
        batch = zip(*map(msgspec.structs.astuple, rows[start : start + _BATCH]), strict=True)
        for column, cells in zip(columns, batch, strict=True):
            column.extend(cells)
    return columns


# Rows. That many stay in the cache; and of hundreds of tuples at a time Python's garbage collector would go through all
# the objects of the process again and again, for a quarter of a second with a few hundred thousand of them.
_BATCH = 100


def _typed_part(kind: str, column: Sequence[Any]) -> Part:
    if kind == LITERAL:
        return Part(STRING, literal_texts(column))
    if kind == INTEGER:
        return _integers(column)
    if kind == FLOAT:
        return _floats(column)
    if kind in _ARROW_TYPES:
        return Part(kind, pa.array(column, _ARROW_TYPES[kind]))
    return part_of(column)


def _decoded(page: bytes) -> Any:
    try:
        return msgspec.json.decode(page)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ProtocolError(f"A page is not JSON: {problem}.") from None
    except RecursionError:
        raise ProtocolError("A page nests lists or objects too deeply.") from None


def _told(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _keyed(rows: list[dict[str, Any]], page: bytes) -> tuple[list[Name], Iterable[Any]]:
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    if not _has_keys(page, sum(map(len, rows))) or any(map(_is_escaped, names)):
        _refuse_duplicate_keys(page)
    return [*names], ([row.get(name) for row in rows] for name in names)


def _has_keys(page: bytes, count: int) -> bool:
    """Whether the objects of compact JSON have that many keys in all, so that none is there twice.

    A key ends in a quote and a colon. Within text a quote is escaped, so this pair shows there only after a
    backslash. With blanks before colons it finds too few.
    """
    ends = sum(
        int(np.count_nonzero(np.frombuffer(page, "<u2", (len(page) - first) // 2, first) == _KEY_END))
        for first in (0, 1)
    )
    return ends == count or (ends > count and ends - page.count(b'\\":') == count)


_KEY_END = int.from_bytes(b'":', "little")


def _is_escaped(name: str) -> bool:
    """Whether JSON escapes a key, which neither `_has_keys` nor the names of a msgspec struct allow for."""
    return any(character in '"\\' or character < " " for character in name)


def _refuse_duplicate_keys(page: bytes) -> None:
    """Raise if an object of a page has a key twice. Slow: msgspec can't tell."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keyed = dict(pairs)
        if len(keyed) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ProtocolError(f"A row of a page has the key {twice[:100]!r} twice.")
        return keyed

    json.loads(page, object_pairs_hook=distinct, parse_int=len, parse_float=len)


def literal_texts(cells: Sequence[msgspec.Raw]) -> pa.Array:
    """Return cells as text: text as it is, all else with the digits and letters that came."""
    return pa.array(map(_literal_text, cells), TEXT)


def _literal_text(cell: msgspec.Raw) -> str | None:
    raw = bytes(cell)
    if raw == b"null":
        return None
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    return raw.decode()
