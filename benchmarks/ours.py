"""The parts of the package that are measured. Only this module imports private names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
import pandas as pd

from pandas_clicdata import Session
from pandas_clicdata.changes.compare import Work
from pandas_clicdata.changes.verbs import Source
from pandas_clicdata.changes.work import work_of_upsert
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.frames.rows import Rows

API_VERSIONS = {"legacy": None, "modern": "2022.01"}
CHUNK_ROWS = {"cells": 5_000, "objects": 500}  # the defaults of an append
CHUNK_BYTES = 4_000_000


def encode(frame: pd.DataFrame, row_format: str, max_rows: int | None = None) -> Iterator[bytes]:
    """Yield the request bodies of an append."""
    rows = max_rows or CHUNK_ROWS[row_format]
    encoder = FrameEncoder(frame)
    for chunk in encoder.chunks(RowFormat(row_format), 0, len(frame), max_rows=rows, max_bytes=CHUNK_BYTES):
        yield chunk.text


def decode(bodies: Iterable[bytes]) -> pd.DataFrame:
    """Return the frame of legacy pages."""
    builder = FrameBuilder()
    for body in bodies:
        builder.add(bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["data"]))
    return builder.take()


def rows_of(pages: Iterable[bytes], on: str) -> Rows:
    """Return the rows of a data set as an upsert keeps them."""
    rows = Rows([on])
    for page in pages:
        rows.add(page)
    return rows


def work_of(frame: pd.DataFrame, read: Rows, on: str) -> Work:
    """Return the changes that an upsert would make, from a frame and the rows that were read."""
    source = Source(frame, None, on=on)
    assert not source.problems(None, sets=True)
    return work_of_upsert(source.compared(read, None), source.others, by=None)


def connect(url: str, dialect: str) -> Session:
    """Return a session in a dialect."""
    return Session(
        url=url,
        auth_method="client_credentials",
        client_id="id",
        client_secret="secret",
        api_version=API_VERSIONS[dialect],
        deadline=3600,
    )
