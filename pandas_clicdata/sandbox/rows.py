"""Parse the rows of a request: three formats, with the same checks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from pandas_clicdata.sandbox.answers import decoded, invalid, to_json
from pandas_clicdata.sandbox.cells import NULL, Value, problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Column(NamedTuple):
    """A column of a data set."""

    name: str
    data_type: str


class _Rows(msgspec.Struct, forbid_unknown_fields=True):
    data: list[msgspec.Raw]


class _Cell(msgspec.Struct, forbid_unknown_fields=True):
    column: str
    value: msgspec.Raw


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a row update."""

    find: list[_Cell]
    data: list[_Cell]
    multiplerows: str = "all"


class Deletion(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a row delete."""

    find: list[_Cell]
    multiplerows: str = "all"
    multiple_rows: str | None = None  # a body may have both forms; `find` is used
    filter: object = None


class _Comparison(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    comparator: Literal["equals"]
    values: list[msgspec.Raw]


class _Condition(msgspec.Struct, forbid_unknown_fields=True):
    columns: list[_Comparison]
    operator: Literal["and"] = "and"


class _Filter(msgspec.Struct, forbid_unknown_fields=True):
    condition: list[_Condition]


class FilteredDeletion(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a modern row delete."""

    filter: _Filter
    multiple_rows: Literal["all", "first"] = "all"


class FilteredChange(FilteredDeletion, forbid_unknown_fields=True, kw_only=True):
    """The body of a modern row update."""

    data: dict[str, msgspec.Raw]


_rows_decoder = msgspec.json.Decoder(_Rows)
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_cells_decoder = msgspec.json.Decoder(list[_Cell])
_values_decoder = msgspec.json.Decoder(list[msgspec.Raw])

_Values = list[Value]


def read_rows(body: bytes, columns: Sequence[Column], *, drop_unknown: bool = False) -> list[bytes]:
    """Return the rows of a request, each as a JSON object with every column in order.

    With ``drop_unknown``, the cells of unknown columns are dropped, not refused.

    Raises
    ------
    Refusal
        If any row is wrong; then no row may be stored.
    """
    sent = list(map(bytes, decoded(_rows_decoder, body).data))
    names = [column.name for column in columns]
    rows = [_values(row, number, names, drop_unknown=drop_unknown) for number, row in enumerate(sent, start=1)]
    for column, values in zip(columns, zip(*rows, strict=True), strict=bool(rows)):
        if found := problem(column.data_type, values):
            place, wrong = found
            raise invalid(f'row {place + 1}, column "{column.name}": {wrong}.')
    template = _template(columns)
    texts = [template % tuple(values) for values in rows]
    for number, (row, text) in enumerate(zip(sent, texts, strict=True), start=1):
        # If the lengths differ, a repeated key may have been dropped.
        if len(row) != len(text) and row.startswith(b"{") and len(_without_blanks(row)) != len(text):
            _check_unrepeated(row, number)
    return texts


def row_text(values: Mapping[str, bytes], columns: Sequence[Column]) -> bytes:
    """Return a row as the JSON that is stored."""
    return _template(columns) % tuple(values.get(column.name, NULL) for column in columns)


def raw_values(text: bytes) -> dict[str, msgspec.Raw]:
    """Return a stored row as a dict of column to JSON value, without copying the values."""
    return _object_decoder.decode(text)


def row_values(text: bytes) -> dict[str, bytes]:
    """Return a stored row as a dict of column to JSON value."""
    return {name: bytes(value) for name, value in raw_values(text).items()}


def with_iso_datetimes(text: bytes, columns: Sequence[Column]) -> bytes:
    """Return a stored row with a ``T`` between date and time."""
    values = row_values(text)
    for name, data_type in columns:
        if data_type == "datetime" and values[name] != NULL:
            values[name] = to_json(msgspec.json.decode(values[name], type=str).replace(" ", "T"))
    return row_text(values, columns)


def read_cells(cells: Iterable[_Cell], columns: Sequence[Column], where: str) -> dict[str, bytes]:
    """Return the cells of ``find`` or ``data`` in an update or delete, checked against the columns."""
    types = dict(columns)
    found = _by_column(((cell.column, cell.value) for cell in cells), list(types), where)
    if not found:
        raise invalid(f"{where} is empty; it must name at least one column.")
    for name, value in found.items():
        if wrong := problem(types[name], (value,)):
            raise invalid(f'{where}, column "{name}": {wrong[1]}.')
    return {name: bytes(value) for name, value in found.items()}


def read_filter(wanted: FilteredDeletion, columns: Sequence[Column]) -> dict[str, list[bytes]]:
    """Return the values of each column that a modern filter accepts."""
    if len(wanted.filter.condition) != 1 or not (compared := wanted.filter.condition[0].columns):
        raise invalid("filter has one condition, with at least one column.")
    types = dict(columns)
    found: dict[str, list[bytes]] = {}
    for one in compared:
        if one.name not in types or one.name in found or not one.values:
            raise invalid(f'filter: "{one.name}" is no column, appears twice, or has no values.')
        if wrong := problem(types[one.name], one.values):
            raise invalid(f'filter, column "{one.name}": {wrong[1]}.')
        found[one.name] = list(map(bytes, one.values))
    return found


def read_changes(wanted: FilteredChange, columns: Sequence[Column]) -> dict[str, bytes]:
    """Return the new values of a modern row update."""
    return read_cells([_Cell(name, value) for name, value in wanted.data.items()], columns, "data")


def _values(row: bytes, number: int, names: Sequence[str], *, drop_unknown: bool) -> _Values:
    """Return the values of a row of any of the three formats, in the order of the columns."""
    where = f"row {number}"
    if row.startswith(b"{"):
        by_name = _object_decoder.decode(row)
        if list(by_name) == names:
            return [*by_name.values()]
        return _in_order(_by_column(by_name.items(), names, where, drop_unknown=drop_unknown), names)
    if not row.startswith(b"["):
        raise invalid(f"{where} is neither an object nor a list.")
    if row[1:].lstrip().startswith(b"{"):
        cells = decoded(_cells_decoder, row)
        if [cell.column for cell in cells] == names:
            return [cell.value for cell in cells]
        pairs = ((cell.column, cell.value) for cell in cells)
        return _in_order(_by_column(pairs, names, where, drop_unknown=drop_unknown), names)
    values = _values_decoder.decode(row)
    if len(values) != len(names):
        raise invalid(f"{where} has {len(values)} values, the data set has {len(names)} columns.")
    return [*values]


def _in_order(found: Mapping[str, Value], names: Sequence[str]) -> _Values:
    return [found.get(name, NULL) for name in names]


def _by_column(
    pairs: Iterable[tuple[str, msgspec.Raw]], names: Sequence[str], where: str, *, drop_unknown: bool = False
) -> dict[str, msgspec.Raw]:
    found: dict[str, msgspec.Raw] = {}
    for name, value in pairs:
        if name not in names:
            if drop_unknown:
                continue
            raise invalid(f'{where}: there is no column "{name}"; the columns are: {", ".join(names)}.')
        if name in found:
            raise invalid(f'{where}: the column "{name}" appears twice.')
        found[name] = value
    return found


def _without_blanks(row: bytes) -> bytes:
    return msgspec.json.format(row, indent=-1)


def _check_unrepeated(row: bytes, number: int) -> None:
    def unrepeated(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise invalid(f'row {number}: the column "{twice}" appears twice.')

    json.loads(row, object_pairs_hook=unrepeated, parse_int=str)


def _template(columns: Sequence[Column]) -> bytes:
    cells = (to_json(column.name).replace(b"%", b"%%") + b":%b" for column in columns)
    return b"{" + b",".join(cells) + b"}"
