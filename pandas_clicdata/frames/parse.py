"""Parse a page of JSON rows into columns of cells."""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import pyarrow as pa

from pandas_clicdata.errors import InputError, ProtocolError
from pandas_clicdata.frames.columns import TEXT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Name: TypeAlias = "str | int"  # an int is the position of a column whose rows are lists

# A column of one page: an Arrow array, or a list of Python objects if no type holds them all.
PageCells: TypeAlias = "pa.Array | list[Any]"

_KINDS: tuple[tuple[set[type], pa.DataType], ...] = (
    ({str}, TEXT),
    ({bool}, pa.bool_()),
    ({int}, pa.int64()),
    ({int}, pa.uint64()),
    ({int, float}, pa.float64()),
)


def infer_cells(values: Sequence[Any]) -> PageCells:
    """Return the cells of a column in the Arrow type that holds them exactly, or as a list if no type does."""
    types = set(map(type, values)) - {type(None)}
    if not types:
        return pa.nulls(len(values))
    for kinds, arrow_type in _KINDS:
        if types <= kinds:
            try:
                return pa.array(values, arrow_type)
            except (OverflowError, pa.ArrowInvalid):  # an integer that is too large for the type
                continue
    return list(values)


def parse_page(page: bytes, names: list[Any] | None) -> tuple[int, list[Name], Iterable[Sequence[Any]]]:
    """Parse a page into the number of its rows, the names of its columns, and the cells of each column.

    Columns of rows that are lists get ``names``, or positions by default; a wrong number of names is an `InputError`.
    Raises a `ProtocolError` if the page is not an array of objects with distinct keys, or of lists of one length.
    """
    rows = _decode(page)
    if not isinstance(rows, list):
        raise ProtocolError(f"A page must be a JSON array of rows, and this one is {_described(rows)}.")
    if not rows:
        return 0, [], []
    row_type = list if isinstance(rows[0], list) else dict
    if set(map(type, rows)) != {row_type}:
        number, row = next((number, row) for number, row in enumerate(rows) if not isinstance(row, row_type))
        what = _described(row)
        raise ProtocolError(f"Row {number} of a page is {what}; rows must all be objects, or all be lists.")
    if row_type is list:
        return len(rows), _names_of_lists(rows, names), zip(*rows, strict=True)
    # msgspec drops repeated keys. All rows of a page repeat the same key, so the first row is enough.
    text = page.decode()
    _FIRST_ROW.raw_decode(text, text.index("{"))
    if len(set(map(tuple, rows))) == 1:  # all rows have the same keys in the same order
        return len(rows), [*rows[0]], zip(*map(dict.values, rows), strict=True)
    found = list(dict.fromkeys(chain.from_iterable(rows)))
    return len(rows), [*found], ([row.get(name) for row in rows] for name in found)


def _decode(page: bytes) -> Any:
    try:
        try:
            return msgspec.json.decode(page)
        except msgspec.ValidationError:  # a number that float64 can't hold
            return _DECIMAL_DECODER.decode(page)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ProtocolError(f"A page is not JSON: {problem}.") from None
    except InvalidOperation:
        raise ProtocolError("A page holds a number beyond the range of Decimal.") from None
    except RecursionError:
        raise ProtocolError("A page nests lists or objects too deeply.") from None


def _to_number(text: str) -> float | Decimal:
    number = float(text)
    return Decimal(text) if math.isinf(number) else number


_DECIMAL_DECODER = msgspec.json.Decoder(float_hook=_to_number)


def _names_of_lists(rows: list[list[Any]], names: list[Any] | None) -> list[Name]:
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
    return found


def _described(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> None:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ProtocolError(f"A row of a page has the key {repeated[:100]!r} twice.")


_FIRST_ROW = json.JSONDecoder(object_pairs_hook=_refuse_repeated_keys, parse_int=len, parse_float=len)


def parse_literals(page: bytes, position: int, name: Name) -> pa.Array:
    """Parse one column of a page as text. A cell that is not text keeps its JSON, digit by digit."""
    missing = msgspec.Raw(b"null")
    try:
        cells = [row.get(str(name), missing) for row in msgspec.json.decode(page, type=list[dict[str, msgspec.Raw]])]
    except msgspec.ValidationError:  # rows are lists
        cells = [row[position] for row in msgspec.json.decode(page, type=list[list[msgspec.Raw]])]
    return pa.array(map(_literal, cells), TEXT)


def _literal(cell: msgspec.Raw) -> str | None:
    raw = bytes(cell)
    if raw == b"null":
        return None
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
