"""Convert short lists of the service (data sets, versions, dashboards, users ...) to frames with known columns."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.columns import TEXT
from pandas_clicdata.frames.parse import infer_cells
from pandas_clicdata.frames.unify import SeenTypes, as_column, default_array, object_array, text_array, unify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pandas_clicdata.accessor import DataFrame

_DEEPEST = 5  # keys in the name of a column; objects below these stay in one cell


def frame_of_records(records: Sequence[Mapping[str, Any]], schema: Mapping[str, str]) -> DataFrame:
    """Return records as a frame. Its known columns always have the same dtypes, even without records.

    ``schema`` says what the known keys hold: ``"integer"`` (Int64), ``"number"`` (Float64), ``"text"``, ``"boolean"``
    (boolean), ``"datetime"`` (datetime64 in UTC) or ``"object"`` (anything, unchanged). A value that doesn't fit is
    missing.

    The known columns come first, then the other keys, in order of appearance. Each key of an object is a column:
    ``frequency.type``. Each name in a list of names and values is one too: ``parameters.region``. Any other list is one
    cell of JSON text, so that rows can be compared, sorted and grouped.
    """
    unknown = set(schema.values()) - set(_MAKERS)
    if unknown:
        raise InputError(f"A schema can't hold {sorted(unknown)}; it knows {', '.join(_MAKERS)}.")
    records = _spread(records, schema)
    names = list(dict.fromkeys([*schema, *(key for record in records for key in record)]))
    columns = {name: [record.get(name) for record in records] for name in names}
    index = pd.RangeIndex(len(records))
    arrays = {
        name: _MAKERS[schema[name]](cells) if name in schema else _inferred(cells) for name, cells in columns.items()
    }
    frame: Any = pd.DataFrame(
        {name: as_column(array, index) for name, array in arrays.items()}, columns=names, index=index
    )
    return frame  # type: ignore[no-any-return]  # the same class; only the accessor's type differs


def _spread(records: Sequence[Mapping[str, Any]], schema: Mapping[str, str]) -> Sequence[Mapping[str, Any]]:
    """Return records with a cell for each key of their objects. Objects whose columns would share a name stay whole."""
    if not any(isinstance(cell, (dict, list)) for record in records for cell in record.values()):
        return records
    whole = {key for key, kind in schema.items() if kind == "object"}
    kept = frozenset(whole)
    owners: dict[str, tuple[str, ...]] = {
        key: (key,) for key in (*schema, *(key for record in records for key in record))
    }
    spread = set()  # names of objects that are no columns any more
    for path, _ in (cell for record in records for cell in _cells(record, whole)):
        owner = owners.setdefault(".".join(path), path)
        if owner != path:
            whole |= {owner[0], path[0]}
        spread |= {".".join(path[:end]) for end in range(1, len(path))}
    spread -= {*schema, *whole}
    named = [
        [(".".join(path), cell if path[0] in kept else _flat(cell)) for path, cell in _cells(record, whole)]
        for record in records
    ]
    return [{name: cell for name, cell in cells if cell is not None or name not in spread} for cells in named]


def _cells(
    record: Mapping[str, Any], whole: set[str], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return the cells of a record, each with the keys that lead to it. Objects under keys of ``whole`` stay whole."""
    for key, cell in record.items():
        path = (*above, key)
        inner = _by_name(cell)
        if not isinstance(inner, dict) or path[0] in whole or len(path) == _DEEPEST:
            yield path, cell
        elif inner:
            yield from _cells(inner, whole, path)
        else:
            yield path, None


def _by_name(cell: Any) -> Any:
    """Convert a list of names and values, such as parameters, to an object. Return anything else unchanged."""
    if not isinstance(cell, list) or not all(isinstance(item, dict) and {*item} == {"name", "value"} for item in cell):
        return cell
    values = {item["name"]: item["value"] for item in cell if isinstance(item["name"], str)}
    return values if values and len(values) == len(cell) else cell


def _number(cell: Any, kind: type[int | float]) -> Any:
    """Convert a cell to a number that the column holds exactly; None if that is impossible."""
    if isinstance(cell, bool) or not isinstance(cell, (int, float, str)):
        return None
    try:
        number = kind(cell)
    except (ValueError, OverflowError):
        return None
    if kind is float:
        return number if abs(number) < float("inf") else None
    exact = isinstance(cell, str) or number == cell
    return number if exact and -(2**63) <= number < 2**63 else None


def _booleans(cells: list[Any]) -> Any:
    return pd.array([_BOOLEANS.get(cell) if isinstance(cell, (int, str)) else None for cell in cells], dtype="boolean")


_BOOLEANS: dict[Any, bool] = {0: False, 1: True, "true": True, "false": False, "True": True, "False": False}


def _texts(cells: list[Any]) -> Any:
    texts = [cell if cell is None or isinstance(cell, str) else str(_flat(cell)) for cell in cells]
    return text_array(pa.chunked_array([texts], TEXT))


def _flat(cell: Any) -> Any:
    """Convert a list or an object to JSON text. Return anything else unchanged."""
    if not isinstance(cell, (dict, list)):
        return cell
    try:
        return json.dumps(cell, ensure_ascii=False)
    except RecursionError:
        return cell


def _datetimes(cells: list[Any]) -> Any:
    texts = pd.Series([cell if isinstance(cell, str) else None for cell in cells], dtype=object)
    parsed = pd.to_datetime(texts, format="ISO8601", utc=True, errors="coerce")
    dtype: Any = pd.to_datetime(["2000-01-01"], utc=True).dtype  # the unit of parsed text here
    return parsed.astype(dtype).array


def _inferred(cells: list[Any]) -> Any:
    inferred, seen = infer_cells(cells), SeenTypes()
    seen.add(inferred)
    return default_array(unify([inferred], seen), seen.has_null, None)


_MAKERS: dict[str, Callable[[list[Any]], Any]] = {
    "integer": lambda cells: pd.array([_number(cell, int) for cell in cells], dtype="Int64"),
    "number": lambda cells: pd.array([_number(cell, float) for cell in cells], dtype="Float64"),
    "text": _texts,
    "boolean": _booleans,
    "datetime": _datetimes,
    "object": object_array,
}


class FrameWithHtml(pd.DataFrame):
    """A frame whose cells a notebook shows by their ``to_html``. Frames that pandas derives from it do so too."""

    @property
    def _constructor(self) -> type[FrameWithHtml]:
        return FrameWithHtml

    def _repr_html_(self) -> str | None:
        shown: str | None = super()._repr_html_()  # type: ignore[misc]  # unknown to pandas' types
        if shown is None:
            return None
        for _, column in self.items():  # noqa: PERF102  # .values of a frame is no method
            for cell in column.tolist() if column.dtype == object else ():
                if hasattr(cell, "to_html"):
                    shown = shown.replace(f"<td>{html.escape(str(cell))}</td>", f"<td>{cell.to_html()}</td>")
        return shown
