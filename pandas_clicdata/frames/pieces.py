"""Convert the rows given to an append to frames: one frame, or piece after piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeAlias

import pandas as pd
import pyarrow as pa

from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.columns import TEXT

STREAM_ROWS = 100_000  # of a piece of a stream, because its batches may differ in a second read
_WANTED = (
    "a DataFrame, Arrow data (of polars, pyarrow or duckdb, say), a list of dicts, or an iterable of frames or Arrow "
    "data (of dask: df.clicdata.partitions())"
)


class ArrowStream(Protocol):
    """Arrow data in batches."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> object:
        """Return the stream."""
        ...


class ArrowArray(Protocol):
    """Arrow data in memory."""

    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[object, object]:
        """Return the schema and the array."""
        ...


OnePiece: TypeAlias = "pd.DataFrame | ArrowStream | ArrowArray | Sequence[Mapping[str, Any]]"
Rows: TypeAlias = "OnePiece | Iterable[OnePiece]"


def frames_of(data: Any) -> list[pd.DataFrame] | Iterator[pd.DataFrame]:
    """Return the rows as frames: a list of one frame if all rows are in memory, else an iterator.

    Columns of Arrow data keep Arrow's dtypes, so that numbers are not copied.
    """
    if isinstance(data, pd.DataFrame):
        return [data]
    if hasattr(data, "collect_batches"):  # a lazy frame of polars
        return _cut(_lazy(data))
    if _is_table(data):
        return [_frame_of(_arrow(pa.table, data))]
    if hasattr(data, "__arrow_c_array__"):
        return [_frame_of(pa.Table.from_batches([_arrow(pa.record_batch, data)]))]
    if hasattr(data, "__arrow_c_stream__") and not isinstance(data, pd.Series):
        return _cut(_arrow(pa.RecordBatchReader.from_stream, data))
    if isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        return [pd.DataFrame(data, dtype=object)]  # else pandas makes integers beside missing cells floats
    is_one = isinstance(data, (str, bytes, Mapping, pd.Series, pd.Index)) or hasattr(data, "npartitions")  # of dask
    if isinstance(data, Iterable) and not is_one:
        return _frames_in(data)
    raise InputError(f"The rows must be {_WANTED}, not {type(data).__name__}.")


def _frames_in(pieces: Iterable[Any]) -> Iterator[pd.DataFrame]:
    piece = None
    for piece in pieces:
        is_arrow = hasattr(piece, "__arrow_c_stream__") or hasattr(piece, "__arrow_c_array__")
        is_list = isinstance(piece, list) and all(isinstance(row, Mapping) for row in piece)
        if not (is_arrow or is_list or isinstance(piece, pd.DataFrame)):
            hint = ": put the dicts into a list" if isinstance(piece, Mapping) else ""
            raise InputError(
                f"Each piece must be a DataFrame, Arrow data or a list of dicts, not {type(piece).__name__}{hint}."
            )
        yield from frames_of(piece)
    if piece is None:
        yield pd.DataFrame()


def _is_table(data: Any) -> bool:
    """Return whether all rows are in memory, although Arrow returns them only as a stream."""
    return isinstance(data, pa.Table) or type(data).__module__.startswith("polars.")


def _arrow(read: Any, data: Any) -> Any:
    try:
        return read(data)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"The Arrow data of {type(data).__name__} is no table: {error}") from error


def _lazy(frame: Any) -> Any:
    """Return a reader of the batches of a lazy frame, in order. The query runs when the first batch is read."""
    schema = pa.table(frame.collect_schema().to_frame()).schema
    frames = frame.collect_batches(maintain_order=True, chunk_size=STREAM_ROWS, lazy=True)
    batches = (batch for part in frames for batch in pa.table(part).cast(schema).to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def _cut(reader: Any) -> Iterator[pd.DataFrame]:
    """Cut a stream into frames of equally many rows. A stream without rows gives one frame, with its columns."""
    batches: list[Any] = []
    rows, is_first = 0, True
    for batch in reader:
        while rows + batch.num_rows >= STREAM_ROWS:
            fitting = STREAM_ROWS - rows
            yield _frame_of(pa.Table.from_batches([*batches, batch.slice(0, fitting)], reader.schema))
            batch, batches, rows, is_first = batch.slice(fitting), [], 0, False
        batches, rows = [*batches, batch], rows + batch.num_rows
    if rows or is_first:
        yield _frame_of(pa.Table.from_batches(batches, reader.schema))


def _frame_of(table: Any) -> pd.DataFrame:
    for place, field in enumerate(table.schema):
        is_dictionary = pa.types.is_dictionary(field.type)
        kind = field.type.value_type if is_dictionary else field.type
        kind = TEXT if pa.types.is_string_view(kind) else kind
        if kind != field.type:
            with suppress(pa.ArrowNotImplementedError):  # Arrow before 17 can't cast such texts: cells go one by one
                table = table.set_column(place, pa.field(field.name, kind), table.column(place).cast(kind))
    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame


def concat(frames: list[pd.DataFrame | None]) -> pd.DataFrame | None:
    """Concatenate frames; None if a frame is missing, or if there is none."""
    found = [frame for frame in frames if frame is not None]
    if len(found) < len(frames) or not found:
        return None
    return found[0] if len(found) == 1 else pd.concat(found)
