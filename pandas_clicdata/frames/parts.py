"""A page of JSON rows, taken apart into columns."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec
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
        return None in self.cells if isinstance(self.cells, list) else bool(self.cells.null_count)

    def slice(self, start: int, stop: int) -> Part:
        """Some of the cells."""
        cells = self.cells
        return Part(self.kind, cells[start:stop] if isinstance(cells, list) else cells.slice(start, stop - start))


class Page(NamedTuple):
    """A page taken apart; ``names`` are all its columns, ``parts`` those that were asked for."""

    rows: int
    names: list[Name]
    parts: dict[Name, Part]


def part_of(values: Sequence[Any]) -> Part:
    """The cells of one column as what they are."""
    types = set(map(type, values)) - {type(None)}
    if not types:
        return Part(NULL, pa.nulls(len(values)))
    for kind, members, arrow_type in _KINDS:
        if types <= members:
            try:
                return Part(kind, pa.array(values, arrow_type))
            except (OverflowError, pa.ArrowInvalid):  # an integer that is too large for it
                continue
    return Part(EXACT, list(values))


_KINDS: tuple[tuple[str, set[type], pa.DataType], ...] = (
    (STRING, {str}, TEXT),
    (BOOLEAN, {bool}, pa.bool_()),
    (INTEGER, {int}, pa.int64()),
    (BEYOND, {int}, pa.uint64()),
    (FLOAT, {int, float}, pa.float64()),
)


def page_of(
    page: bytes, names: list[Any] | None, is_wanted: Callable[[Name], bool], is_literal: Callable[[Name, Any], bool]
) -> Page:
    """Take a page apart.

    Parameters
    ----------
    page : bytes
        A JSON array of objects, or of lists.
    names : list or None
        The names of the columns if rows are lists; their positions by default.
    is_wanted, is_literal : callable
        Say of a column whether it is to be taken at all, and whether as text with all the digits that came.

    Raises
    ------
    ProtocolError
        If it is not a JSON array of objects with distinct keys, or of lists of one length.
    """
    rows = _decoded(page)
    if not isinstance(rows, list):
        raise ProtocolError(f"A page must be a JSON array of rows, and this one is {_told(rows)}.")
    if not rows:
        return Page(0, [], {})
    row_type = list if isinstance(rows[0], list) else dict
    for number, row in enumerate(rows):
        if not isinstance(row, row_type):
            raise ProtocolError(f"Row {number} of a page is {_told(row)}; rows must all be objects, or all be lists.")
    found, columns = _of_lists(rows, names) if row_type is list else _of_objects(rows, page)
    parts = {
        name: Part(STRING, _literal_texts(page, position, name, row_type)) if is_literal(name, column) else part_of(column)
        for position, (name, column) in enumerate(zip(found, columns, strict=True))
        if is_wanted(name)
    }
    return Page(len(rows), found, parts)


def _of_lists(rows: list[list[Any]], names: list[Any] | None) -> tuple[list[Name], Iterable[Any]]:
    width = len(rows[0])
    for number, row in enumerate(rows):
        if len(row) != width:
            raise ProtocolError(f"Row {number} of a page has {len(row)} cells, and the first one has {width}.")
    found: list[Name] = [*range(width)] if names is None else names
    if len(found) != width:
        raise InputError(
            f"The rows came as lists of {width} cells, without names: columns must name all {width}, "
            f"and it names {len(found)}."
        )
    return found, zip(*rows, strict=True)


def _of_objects(rows: list[dict[str, Any]], page: bytes) -> tuple[list[Name], Iterable[Any]]:
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    _refuse_repeated_keys(page)
    return [*names], ([row.get(name) for row in rows] for name in names)


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


def _refuse_repeated_keys(page: bytes) -> None:
    """Refuse a data set that has two columns of a name: it shows in its first row. (msgspec can't tell.)"""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ProtocolError(f"A row of a page has the key {twice[:100]!r} twice.")
        return dict(pairs)

    first = bytes(msgspec.json.decode(page, type=list[msgspec.Raw])[0])
    json.loads(first, object_pairs_hook=distinct, parse_int=len, parse_float=len)


def _literal_texts(page: bytes, position: int, name: Name, row_type: type) -> pa.Array:
    """The cells of a column as text: text as it is, all else with the digits and letters that came."""
    if row_type is list:
        cells = [row[position] for row in msgspec.json.decode(page, type=list[list[msgspec.Raw]])]
    else:
        nothing = msgspec.Raw(b"null")
        cells = [row.get(str(name), nothing) for row in msgspec.json.decode(page, type=list[dict[str, msgspec.Raw]])]
    return pa.array(map(_literal_text, cells), TEXT)


def _literal_text(cell: msgspec.Raw) -> str | None:
    raw = bytes(cell)
    if raw == b"null":
        return None
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
