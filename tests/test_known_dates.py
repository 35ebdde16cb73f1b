"""Dates without a list of columns: parse_dates="infer", and the dates that the session knows."""

from __future__ import annotations

import datetime as dt
import importlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import Data, errors
from pandas_clicdata.frames.decode import FrameBuilder

if TYPE_CHECKING:
    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox


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
    with pytest.raises(errors.InputError, match="parse_dates must be 'infer', False, a list of columns or a mapping"):
        pandas_clicdata.read_clicdata(1001, parse_dates="guess")
    pytest.importorskip("dask.dataframe")
    dask = importlib.import_module("pandas_clicdata.dask")
    with pytest.raises(errors.InputError, match="parse_dates must name the columns"):
        dask.read_clicdata(1001, parse_dates="infer")


# ---------------------------------------------------------------------------------------------------------
# Dates that the session knows


def days() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "day": [dt.date(2024, 1, 31), None, dt.date(2024, 2, 1), dt.date(2024, 2, 2)],
            "at": pd.to_datetime(["2024-01-31 10:00:00", "2024-01-31 11:30:15", None, "2024-02-02 00:00:00"]),
            "never": pd.Series([pd.NaT] * 4, dtype="datetime64[s]"),
            "text": ["2024-01-31", "2024-02-01", None, "2024-02-02"],
            "n": [1, 2, 3, 4],
        }
    )


@pytest.fixture
def made(session: Session) -> int:
    return days().clicdata.push("Days").rec_id


def kinds(frame: pd.DataFrame) -> str:
    return "".join("M" if isinstance(kind, np.dtype) and kind.kind == "M" else "-" for kind in frame.dtypes)


def test_dates_of_a_data_set_made_in_this_session_come_back_as_dates(made: int) -> None:
    frame = pandas_clicdata.read_clicdata(made)
    assert kinds(frame) == "MMM--"
    pd.testing.assert_frame_equal(frame, pandas_clicdata.read_clicdata(made, parse_dates=["day", "at", "never"]))
    assert frame["text"].tolist()[:2] == ["2024-01-31", "2024-02-01"]
    assert kinds(pandas_clicdata.read_clicdata(made, columns=["n", "at"])) == "-M"
    assert pandas_clicdata.read_clicdata(made, index_col="at").index.dtype.kind == "M"
    assert kinds(pandas_clicdata.read_clicdata("Days", nrows=2, skiprows=1)) == "MMM--"
    schema = pandas_clicdata.read_arrow(made).schema
    assert [field.name for field in schema if "timestamp" in str(field.type)] == ["day", "at", "never"]
    frame.clicdata.append(made)  # as it came
    assert pandas_clicdata.read_clicdata(made, parse_dates=False)["day"].tolist()[4] == "2024-01-31"


def test_chunks_have_the_same_dtypes(made: int) -> None:
    assert [kinds(chunk) for chunk in pandas_clicdata.read_clicdata(made, chunksize=1)] == ["MMM--"] * 4
    batches = pandas_clicdata.read_arrow(made, chunksize=1).read_all()
    assert batches.schema == pandas_clicdata.read_arrow(made).schema


def test_an_argument_comes_before_what_the_session_knows(made: int) -> None:
    for nothing in (False, []):
        assert kinds(pandas_clicdata.read_clicdata(made, parse_dates=nothing)) == "-----"
    assert kinds(pandas_clicdata.read_clicdata(made, parse_dates=["text"])) == "---M-"
    frame = pandas_clicdata.read_clicdata(made, dtype={"at": "text", "day": "date"})
    assert kinds(frame) == "--MM-", "text was read as dates before"
    assert frame["at"].tolist()[0] == "2024-01-31 10:00:00"
    assert kinds(pandas_clicdata.read_clicdata(made, dtype="text")) == "-----"


def test_another_session_reads_text_until_it_has_read_dates(made: int, clicdata_sandbox: Sandbox) -> None:
    with clicdata_sandbox.session() as other:
        assert kinds(pandas_clicdata.read_clicdata(made, session=other)) == "-----"
        Data(session=other).get_data(made)
        assert kinds(pandas_clicdata.read_clicdata(made, session=other)) == "-----"
        pandas_clicdata.read_clicdata(made, parse_dates=["at", "text"], session=other)
        assert kinds(pandas_clicdata.read_clicdata(made, session=other)) == "-M-M-"
        Data(session=other).rebuild_data(made)  # its source may have other columns now
        assert kinds(pandas_clicdata.read_clicdata(made, session=other)) == "-----"


def test_they_stay_known_when_the_columns_are_looked_at_again(made: int) -> None:
    days().clicdata.append(made, check=True)
    assert kinds(pandas_clicdata.read_clicdata(made)) == "MMM--"


def test_other_text_stays_text_and_ends_chunks_of_dates(made: int, clicdata_sandbox: Sandbox) -> None:
    with clicdata_sandbox.session() as session:
        pandas_clicdata.read_clicdata(made, parse_dates=["at", "text"], session=session)
        pd.DataFrame({"text": ["soon"]}).clicdata.append(made, types={"text": "text"})
        assert kinds(pandas_clicdata.read_clicdata(made, session=session)) == "-M---"
        chunks = pandas_clicdata.read_clicdata(made, chunksize=2, session=session)
        assert [kinds(next(chunks)), kinds(next(chunks))] == ["-M-M-"] * 2
        with pytest.raises(errors.InputError, match=r"'text' has dates up to row 3, .* parse_dates=False reads text"):
            next(chunks)
        chunks = pandas_clicdata.read_clicdata(made, chunksize=5, session=session)
        assert kinds(next(chunks)) == "-M---"
