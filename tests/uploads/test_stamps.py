"""Stamps, and the fingerprint of a frame."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.uploads.receipt import Chunk, State
from pandas_clicdata.uploads.stamps import digest, encoder_of, fingerprint, parse_stamp, stamp, stamped

ID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize("rows", [0, 1, 3, 1000, 1001, 25_000])
def test_a_fingerprint_is_of_these_rows_only(rows: int) -> None:
    frame = pd.DataFrame({"n": range(rows), "t": "text"})
    found = fingerprint(FrameEncoder(frame))
    assert fingerprint(FrameEncoder(frame.copy())) == found
    assert fingerprint(encoder_of(frame, ID, "load", types=None, index=False)) == found
    others = [
        pd.concat([frame, pd.DataFrame({"n": [1], "t": ["text"]})]),
        frame.rename(columns={"t": "u"}),
        frame[["t", "n"]],
    ]
    if rows:
        others += [frame.assign(n=frame["n"] + 1), frame.assign(t=[*frame["t"][:-1], "another"])]
    if rows > 1:
        others.append(frame.iloc[::-1])
    assert found not in [fingerprint(FrameEncoder(other)) for other in others]


@pytest.mark.parametrize("row_format", RowFormat)
def test_the_rows_of_a_chunk_bear_its_stamp_and_keep_their_size(row_format: RowFormat) -> None:
    frame = pd.DataFrame({"n": range(5), "t": ["x", None, '"', "é", "-------"]})
    encoder = encoder_of(frame, ID, "load", types=None, index=False)
    chunks = list(encoder.chunks(row_format, 0, 5, max_rows=2, max_bytes=10**6))
    for number, (start, stop, text) in enumerate(chunks):
        sent = Chunk(number, start, stop, State.SENDING, row_format.value, digest(text, ID))
        chunk, mark = chunks[number], stamp(ID, sent)
        assert parse_stamp(mark, ID) == (start, stop, row_format.value, sent.sha256[:12])
        body = stamped(text, ID, mark)
        assert len(body) == len(chunk.text)
        found: list[Any] = json.loads(body)["data"]
        rows = found if row_format is RowFormat.OBJECTS else [{c["column"]: c["value"] for c in row} for row in found]
        assert [row.pop("load") for row in rows] == [mark] * len(rows)
        assert rows == json.loads(frame.iloc[chunk.start : chunk.stop].to_json(orient="records"))
