"""What one would write instead to turn a frame into request bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import orjson
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

    Encoder = Callable[[pd.DataFrame, int], Iterator[bytes]]


# ------------------------------------------------------------ the usual way


def cleaned(frame: pd.DataFrame) -> pd.DataFrame:
    """What must be done to the full frame before the standard library's json takes it."""
    out = frame.copy()
    out["amount"] = out["amount"].map(lambda value: None if value is None else float(value))
    out["day"] = out["day"].map(lambda day: None if day is None else day.isoformat())
    out["at"] = out["at"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return out.astype(object).where(out.notna(), None)


def _fit(frame: pd.DataFrame) -> pd.DataFrame:
    return cleaned(frame) if frame["day"].dtype == object else frame


def cells_old_client(frame: pd.DataFrame, _chunk: int) -> Iterator[bytes]:
    """A list of cells for each row, everything in one body."""
    rows = _fit(frame).to_dict("index")
    data = [[{"column": name, "value": value} for name, value in row.items()] for row in rows.values()]
    yield json.dumps({"data": data}).encode()


def cells_old_client_chunked(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    for start in range(0, len(frame), chunk):
        yield from cells_old_client(frame.iloc[start : start + chunk], chunk)


def objects_to_dict(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    frame = _fit(frame)
    for start in range(0, len(frame), chunk):
        yield json.dumps({"data": frame.iloc[start : start + chunk].to_dict("records")}).encode()


def objects_to_dict_chunked(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    """Each chunk made fit by itself, as by somebody who sends them one after the other."""
    for start in range(0, len(frame), chunk):
        yield from objects_to_dict(frame.iloc[start : start + chunk], chunk)


def objects_to_json(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    for start in range(0, len(frame), chunk):
        part = frame.iloc[start : start + chunk]
        text = part.to_json(orient="records", date_format="iso", date_unit="us", double_precision=15)
        yield b'{"data":' + text.encode() + b"}"


def objects_orjson_records(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    frame = _fit(frame)
    for start in range(0, len(frame), chunk):
        yield orjson.dumps({"data": frame.iloc[start : start + chunk].to_dict("records")})


# ------------------------------------------------------------ columns as lists of Python's values


def _lists(frame: pd.DataFrame, decimal: Callable[[Any], Any]) -> list[list[Any]]:
    return [_values(frame[name], decimal) for name in frame]


def _values(column: pd.Series, decimal: Callable[[Any], Any]) -> list[Any]:
    if column.dtype.kind == "M":
        return column.to_numpy("M8[us]").tolist()
    if column.dtype == "float64" or column.dtype == "int64":
        return column.tolist()
    values = column.astype(object)
    if column.name == "amount":
        return [None if value is None else decimal(value) for value in values]
    return values.where(column.notna(), None).tolist()


def _chunks(frame: pd.DataFrame, chunk: int, decimal: Callable[[Any], Any]) -> Iterator[list[list[Any]]]:
    """The columns of each chunk as lists, made for some fifty thousand rows at a time, so that they stay small."""
    size = max(chunk, 50_000 // chunk * chunk)
    for first in range(0, len(frame), size):
        block = frame.iloc[first : first + size]
        lists = _lists(block, decimal)
        for start in range(0, len(block), chunk):
            yield [values[start : start + chunk] for values in lists]


def _fragment(value: Any) -> orjson.Fragment:
    return orjson.Fragment(str(value))


def cells_zip_orjson(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    names = list(frame)
    for columns in _chunks(frame, chunk, _fragment):
        rows = zip(*columns, strict=True)
        data = [[{"column": n, "value": v} for n, v in zip(names, row, strict=True)] for row in rows]
        yield orjson.dumps({"data": data})


def objects_zip_orjson(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    names = list(frame)
    for columns in _chunks(frame, chunk, _fragment):
        yield orjson.dumps({"data": [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]})


def cells_msgspec(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    """A class of cell for each column, its name as the tag."""
    kinds = [
        msgspec.defstruct(f"Cell{n}", [("value", Any)], tag_field="column", tag=name, gc=False)
        for n, name in enumerate(frame)
    ]
    encoder = msgspec.json.Encoder(decimal_format="number")
    for columns in _chunks(frame, chunk, lambda value: value):
        cells = [map(kind, values) for kind, values in zip(kinds, columns, strict=True)]
        yield encoder.encode({"data": list(zip(*cells, strict=True))})


def objects_msgspec(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    kind = msgspec.defstruct("Row", [(name, Any) for name in frame], gc=False)
    encoder = msgspec.json.Encoder(decimal_format="number")
    for columns in _chunks(frame, chunk, lambda value: value):
        yield encoder.encode({"data": list(map(kind, *columns))})


# ------------------------------------------------------------ other engines


def cells_polars(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    ready = pl.from_pandas(frame)
    cells = [
        pl.lit(f'{{"column":{json.dumps(name)},')
        + pl.struct(pl.col(name).alias("value")).struct.json_encode().str.slice(1)
        for name in frame
    ]
    for start in range(0, len(ready), chunk):
        rows = ready.slice(start, chunk).select(pl.concat_str(cells, separator=",").alias("row"))
        yield ('{"data":[[' + rows["row"].str.join("],[")[0] + "]]}").encode()


def objects_polars(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    ready = pl.from_pandas(frame)
    for start in range(0, len(ready), chunk):
        yield b'{"data":' + ready.slice(start, chunk).write_json().encode() + b"}"


def _duckdb(frame: pd.DataFrame, chunk: int, row: str) -> Iterator[bytes]:
    with duckdb.connect() as connection:
        connection.register("sent", frame)
        rows = connection.sql(f"SELECT {row} AS r FROM sent").to_arrow_table()["r"]
        for start in range(0, len(rows), chunk):
            yield ('{"data":[' + ",".join(rows.slice(start, chunk).to_pylist()) + "]}").encode()


def cells_duckdb(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    cells = [
        f"""'{{"column":"{name}","value":' || coalesce(to_json("{name}")::VARCHAR, 'null') || '}}'""" for name in frame
    ]
    return _duckdb(frame, chunk, f"'[' || {' || chr(44) || '.join(cells)} || ']'")


def objects_duckdb(frame: pd.DataFrame, chunk: int) -> Iterator[bytes]:
    return _duckdb(frame, chunk, "to_json(sent)::VARCHAR")


OLD_CELLS, OLD_OBJECTS = "the old client's way (one body)", "to_dict + json"
CHUNKED_OBJECTS = "to_dict + json, made fit per chunk"
CELLS: dict[str, Encoder] = {
    OLD_CELLS: cells_old_client,
    "the old client's way, per chunk": cells_old_client_chunked,
    "column lists + orjson": cells_zip_orjson,
    "msgspec structs": cells_msgspec,
    "polars": cells_polars,
    "duckdb": cells_duckdb,
}
OBJECTS: dict[str, Encoder] = {
    OLD_OBJECTS: objects_to_dict,
    CHUNKED_OBJECTS: objects_to_dict_chunked,
    "DataFrame.to_json": objects_to_json,
    "orjson over records": objects_orjson_records,
    "column lists + orjson": objects_zip_orjson,
    "msgspec structs": objects_msgspec,
    "polars": objects_polars,
    "duckdb": objects_duckdb,
}
