"""Convert frames that were read to Arrow tables and record batches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pandas_clicdata.errors import InputError, SchemaDrift
from pandas_clicdata.frames.columns import TEXT
from pandas_clicdata.frames.parse import infer_cells

if TYPE_CHECKING:
    import pandas as pd


def table_of(frame: pd.DataFrame) -> pa.Table:
    """Return a frame as an Arrow table. The schema's metadata holds its ``attrs["clicdata"]`` as JSON."""
    columns = {str(name): _array(name, column) for name, column in frame.items()}
    notes = json.dumps(frame.attrs["clicdata"])
    # A table without columns has no rows.
    return pa.table(columns).replace_schema_metadata({"clicdata": notes})


def _array(name: Any, column: pd.Series[Any]) -> Any:
    try:
        values = infer_cells(column.tolist()) if column.dtype == object else pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        raise InputError(f"Column {name!r}: Arrow has no type for cells of {column.dtype}.") from None
    if isinstance(values, list):
        raise InputError(
            f"Column {name!r} mixes cells of several types, and Arrow has no type for that. "
            f"dtype={{{name!r}: 'text'}} reads them as text, with all digits."
        )
    return values.cast(pa.string()) if values.type == TEXT else values


def batches_of(table: pa.Table, schema: pa.Schema) -> list[pa.RecordBatch]:
    """Return a table as record batches of ``schema``, the schema of the first table. Raise if they don't fit."""
    if table.column_names != schema.names:
        raise SchemaDrift(f"The columns changed during the read, from {schema.names} to {table.column_names}.")
    for found, field in zip(table.schema, schema, strict=True):
        if found.type not in (field.type, pa.null()):
            raise InputError(
                f"Column {field.name!r} is {field.type} in the first rows and {found.type} later: "
                f"name it in dtype={{{field.name!r}: ...}}."
            )
    batches: list[pa.RecordBatch] = table.cast(schema).combine_chunks().to_batches()
    return batches
