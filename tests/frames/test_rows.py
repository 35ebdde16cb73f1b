"""`rows` returns the cells of a frame as they are sent, and the cells of a data set as they came."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.frames.rows import FrameRows, Rows
from pandas_clicdata.frames.unify import python_cells

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(allow_infinity=False, allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
DATETIMES = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1))
DECIMALS = st.decimals(-(10**20), 10**20, places=4)
DTYPES: list[tuple[Any, st.SearchStrategy[Any], bool]] = [  # dtype, cells, and whether some may be missing
    ("int64", INTEGERS, False),
    ("int8", st.integers(-128, 127), False),
    ("uint64", st.integers(0, 2**64 - 1), False),
    ("Int64", INTEGERS, True),
    ("UInt64", st.integers(0, 2**64 - 1), True),
    ("float64", FLOATS, True),
    ("Float64", FLOATS, True),
    ("bool", st.booleans(), False),
    ("boolean", st.booleans(), True),
    ("str", TEXTS, True),
    ("string", TEXTS, True),
    ("category", TEXTS, True),
    ("datetime64[us]", DATETIMES, True),
    ("datetime64[ms]", DATETIMES.map(lambda time: time.replace(microsecond=0)), True),
    (pd.ArrowDtype(pa.int64()), INTEGERS, True),
    (pd.ArrowDtype(pa.string()), TEXTS, True),
    (pd.ArrowDtype(pa.bool_()), st.booleans(), True),
    (pd.ArrowDtype(pa.timestamp("us")), DATETIMES, True),
    (pd.ArrowDtype(pa.decimal128(30, 4)), DECIMALS, True),
    (object, DECIMALS, True),
    (object, st.integers() | FLOATS | TEXTS | st.booleans(), True),
]
JSON_CELLS = st.none() | st.booleans() | st.integers(-(10**25), 10**25) | FLOATS | TEXTS


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Up to three columns of any dtype, whose labels are no positions."""
    count = draw(st.integers(0, 6))
    columns = {}
    for name in ("a", "b", "c")[: draw(st.integers(1, 3))]:
        dtype, cells, may_miss = draw(st.sampled_from(DTYPES))
        cells = st.none() | cells if may_miss and draw(st.booleans()) else cells
        columns[name] = pd.Series(draw(st.lists(cells, min_size=count, max_size=count)), dtype=dtype)
    return pd.DataFrame(columns, copy=True).set_index(np.arange(10, 10 + count))


def parsed(rows: list[bytes], name: str, *, exact: bool = False) -> list[Any]:
    return [json.loads(row, parse_float=Decimal if exact else None)[name] for row in rows]


def same(found: list[Any], wanted: list[Any]) -> bool:
    """Return whether cells are equal. Numbers are compared without their types, and a boolean is no number."""

    def shown(cell: Any) -> tuple[str, Any]:
        is_number = isinstance(cell, (int, float, Decimal)) and not isinstance(cell, bool)
        return "number" if is_number else type(cell).__name__, cell

    return [*map(shown, found)] == [*map(shown, wanted)]


@given(frames(), st.sampled_from([(), ("a",)]))
def test_the_cells_of_a_frame_are_those_that_are_sent(frame: pd.DataFrame, exact: tuple[str, ...]) -> None:
    encoder = FrameEncoder(frame)
    sent = [*encoder.rows_as(RowFormat.OBJECTS)]
    rows = FrameRows(encoder, exact)
    assert (rows.count, rows.names) == (len(frame), [*frame.columns])
    for name in frame.columns:
        assert same(python_cells(rows.cells(name)), parsed(sent, name, exact=name in rows.exact)), frame[name].dtype
    order = [*range(len(frame))][::-1]
    assert rows.raw(order) == sent[::-1]
    assert rows.raw(order[:1]) == sent[-1:]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON_CELLS), max_size=9), st.integers(1, 4), st.data())
def test_the_cells_of_a_data_set_are_those_that_came(
    records: list[dict[str, Any]], page_rows: int, data: st.DataObject
) -> None:
    rows = Rows(["a"])
    for start in range(0, len(records), page_rows):
        page = records[start : start + page_rows]
        assert rows.add(json.dumps(page).encode()) == len(page)
    assert rows.count == len(records)
    assert {*rows.names} == {name for record in records for name in record}
    for name in rows.names:
        wanted = [record.get(name) for record in records]
        if name == "a":
            wanted = [Decimal(repr(cell)) if isinstance(cell, float) else cell for cell in wanted]
        assert same(python_cells(rows.cells(name)), wanted)
    places = data.draw(st.lists(st.integers(0, len(records) - 1))) if records else []
    assert [json.loads(row) for row in rows.raw(places)] == [records[place] for place in places]
    for place in places:
        wanted = records[place]
        assert {name: json.loads(cell) for name, cell in rows.raw_cells(place, "abc").items()} == {
            name: wanted.get(name) for name in "abc"
        }


@pytest.mark.parametrize("count", [0, 1, 49_999, 100_001])
def test_the_times_of_many_rows_are_those_that_are_sent(count: int) -> None:
    times = pd.Series(pd.date_range("2026-03-29", periods=count, freq="s"))
    times[count // 2 :] += pd.Timedelta("0.5s")
    encoder = FrameEncoder(pd.DataFrame({"t": times}))
    found = python_cells(FrameRows(encoder).cells("t"))
    assert found == parsed([*encoder.rows_as(RowFormat.OBJECTS)], "t")
