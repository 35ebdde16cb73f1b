"""What one would write instead to turn pages into a frame. A page is the body of an answer."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Decoder = Callable[[list[bytes], str], pd.DataFrame]


def old_client(pages: Iterable[bytes], key: str) -> pd.DataFrame:
    """Each page parsed for its rows and again for its flag, the lists concatenated anew each time."""
    data: list[Any] = []
    for page in pages:
        data = data + json.loads(page)[key]
        json.loads(page).get("has_more_data")
    return pd.DataFrame(data)


def json_extend(pages: Iterable[bytes], key: str) -> pd.DataFrame:
    data: list[Any] = []
    for page in pages:
        data.extend(json.loads(page)[key])
    return pd.DataFrame(data)


def orjson_extend(pages: Iterable[bytes], key: str) -> pd.DataFrame:
    data: list[Any] = []
    for page in pages:
        data.extend(orjson.loads(page)[key])
    return pd.DataFrame(data)


def pandas_read_json(pages: Iterable[bytes], key: str) -> pd.DataFrame:
    inner = (io.BytesIO(_rows(page, key)) for page in pages)
    return pd.concat([pd.read_json(rows, convert_dates=False) for rows in inner], ignore_index=True)


def orjson_arrow(pages: Iterable[bytes], key: str) -> pd.DataFrame:
    tables = [pa.Table.from_pylist(orjson.loads(page)[key]) for page in pages]
    return pa.concat_tables(tables, promote_options="permissive").to_pandas()


def msgspec_typed(pages: Iterable[bytes], key: str) -> pd.DataFrame:
    """The columns and their types are written down by hand; a page is read straight into them."""
    text, flag, number = str | None, bool | None, float | None
    kinds = {"order_id": int, "sku": text, "note": text, "qty": int | None, "price": number}
    kinds |= {"amount": number, "ok": flag, "region": text, "day": text, "at": text}
    row = msgspec.defstruct("Row", list(kinds.items()), gc=False)
    decoder = msgspec.json.Decoder(msgspec.defstruct("Page", [(key, list[row])]))
    tables = []
    for page in pages:
        columns = zip(*map(msgspec.structs.astuple, getattr(decoder.decode(page), key)), strict=True)
        tables.append(pa.table(dict(zip(kinds, map(pa.array, columns), strict=True))))
    return pa.concat_tables(tables, promote_options="permissive").to_pandas()


def polars_read_json(pages: Iterable[bytes], key: str) -> pd.DataFrame:
    frames = [pl.read_json(_rows(page, key), infer_schema_length=None) for page in pages]
    return pl.concat(frames, how="vertical_relaxed").to_pandas()


def duckdb_read_json(pages: Iterable[bytes], key: str) -> pd.DataFrame:
    """Its reader wants a file."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder, "rows.json")
        with path.open("wb") as file:
            for page in pages:
                file.write(b"\n".join(_raw(page, key)) + b"\n")
        return connection.read_json(str(path), format="newline_delimited", sample_size=-1).df()


def _rows(page: bytes, key: str) -> bytes:
    return bytes(msgspec.json.decode(page, type=dict[str, msgspec.Raw])[key])


def _raw(page: bytes, key: str) -> list[msgspec.Raw]:
    return msgspec.json.decode(_rows(page, key), type=list[msgspec.Raw])


OLD = "the old client's way"
DECODERS: dict[str, Decoder] = {
    OLD: old_client,
    "json once, list.extend": json_extend,
    "orjson, list.extend": orjson_extend,
    "pandas.read_json per page": pandas_read_json,
    "orjson + Arrow per page": orjson_arrow,
    "msgspec structs, typed by hand": msgspec_typed,
    "polars.read_json per page": polars_read_json,
    "duckdb.read_json": duckdb_read_json,
}
