"""parse_dates="infer": columns of which every text is a time become datetimes, and all others stay as they are."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import errors
from pandas_clicdata.frames.decode import FrameBuilder

if TYPE_CHECKING:
    from pandas_clicdata import Session


def test_the_dates_of_the_sample(session: Session) -> None:
    frame = pandas_clicdata.read_clicdata("Orders", parse_dates="infer")
    named = pandas_clicdata.read_clicdata("Orders", parse_dates=["placed_at", "delivered_on"])
    pd.testing.assert_frame_equal(frame, named)
    assert frame.attrs == named.attrs
    assert frame.attrs["clicdata"]["types"] == {"placed_at": "datetime", "delivered_on": "date"}
    assert frame.clicdata.diff("Orders", on="order_id").updates.empty
    table = pandas_clicdata.read_arrow("Orders", parse_dates="infer")
    assert [field.name for field in table.schema if "timestamp" in str(field.type)] == ["placed_at", "delivered_on"]


def built(cells: list[Any], **options: Any) -> pd.Series[Any]:
    builder = FrameBuilder(parse_dates="infer", **options)
    for begin in range(0, len(cells), 2):
        builder.add(json.dumps([{"x": cell} for cell in cells[begin : begin + 2]]).encode())
    return builder.take()["x"]


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01-31"],
        ["2024-01-31", None, "2024-02-01 10:00:00"],
        [None, None, "2024-01-31T10:00:00.1234567Z", "2024-01-31 10:00:00+02:00"],
    ],
)
def test_texts_that_are_times(cells: list[Any]) -> None:
    found = built(cells)
    assert found.dtype.kind == "M"
    assert found.isna().tolist() == [cell is None for cell in cells]


@pytest.mark.parametrize(
    "cells",
    [
        ["2024-01-31", "2024-01-31", "soon"],
        ["2024-01-31", "2024-02-30"],
        ["2024-01-31 10:00:00", "2024-01-31 10:00:00Z"],
        ["2024-01-31\n", "2024-01-31"],
        ["20240131", "2024"],
        ["2024-01-31", ""],
        ["2024-01-31", 5],
        [None, None],
        [20240131, 1],
        [True, None],
    ],
)
def test_what_is_no_time_stays_as_it_is(cells: list[Any]) -> None:
    plain = FrameBuilder()
    plain.add(json.dumps([{"x": cell} for cell in cells]).encode())
    pd.testing.assert_series_equal(built(cells), plain.take()["x"])


def test_a_dtype_that_was_asked_for_counts() -> None:
    assert built(["2024-01-31", "2024-02-01"], dtype={"x": "text"}).tolist() == ["2024-01-31", "2024-02-01"]


def test_it_is_refused_where_not_all_rows_are_known(session: Session) -> None:
    with pytest.raises(errors.InputError, match="needs all rows: with chunksize=, name the columns"):
        pandas_clicdata.read_clicdata(1001, parse_dates="infer", chunksize=5)
    with pytest.raises(errors.InputError, match="parse_dates must be a list of columns or a mapping, not 'guess'"):
        pandas_clicdata.read_clicdata(1001, parse_dates="guess")
    pytest.importorskip("dask.dataframe")
    dask = importlib.import_module("pandas_clicdata.dask")
    with pytest.raises(errors.InputError, match="parse_dates must name the columns"):
        dask.read_clicdata(1001, parse_dates="infer")
