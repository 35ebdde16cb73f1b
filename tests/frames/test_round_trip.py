"""A read with ``dtype=frame.dtypes`` returns the frame that was sent, except for the losses listed here."""

from __future__ import annotations

import datetime as dt
import os
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import totals
from frames.chunked import bodies_of, bounds_of
from frames.families import families
from frames.reference_encoder import is_missing
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat

FAMILIES = families()
FRAMES = int(os.environ.get("CLICDATA_FRAMES", "120"))  # half of them here

# Families whose dtype can't be requested, or is not returned, with the reason.
NOT_BY_DTYPE = {
    "longdouble": "no reader makes long doubles",
    "big endian": "comes back in this machine's byte order",
    "big endian float": "comes back in this machine's byte order",
    "sparse": "the fill value of the dtype counts",
    "arrow dictionary": "comes back with the dictionary in another order",
}


def read(body: bytes, **arguments: Any) -> pd.DataFrame:
    builder = FrameBuilder(**arguments)
    builder.add(body[len(b'{"data":') : -1])
    return builder.take()


def there_and_back(frame: pd.DataFrame, **arguments: Any) -> pd.DataFrame:
    encoder = FrameEncoder(frame)
    builder = FrameBuilder(**arguments)
    for body in bodies_of(
        encoder, RowFormat.OBJECTS, bounds_of(encoder, RowFormat.OBJECTS, max_rows=3, max_bytes=10**6)
    ):
        builder.add(body[len(b'{"data":') : -1])
    return builder.take()


@pytest.mark.parametrize(
    "family",
    [name for name, series in FAMILIES.items() if series.dtype != object and name not in NOT_BY_DTYPE],
)
def test_a_column_comes_back_as_its_dtype(family: str) -> None:
    frame = pd.DataFrame({"a": FAMILIES[family]})
    got = there_and_back(frame, dtype=frame.dtypes)
    if isinstance(frame["a"].dtype, pd.StringDtype) or frame["a"].dtype == "float16":
        assert got["a"].dtype == frame["a"].dtype
        assert got["a"].isna().equals(frame["a"].isna())
        assert got["a"].dropna().tolist() == frame["a"].dropna().tolist()
    else:
        pd.testing.assert_frame_equal(got, frame)


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_an_aware_column_comes_back_as_naive_times_in_utc(unit: str) -> None:
    berlin = pd.Series(np.array(["2024-07-01T00:00:00.5", "NaT"], f"M8[{unit}]")).dt.tz_localize("Europe/Berlin")
    frame = pd.DataFrame({"a": berlin})
    naive = there_and_back(frame, parse_dates=["a"])["a"]
    assert naive.dt.tz is None
    assert naive.dt.tz_localize("UTC").iloc[0] == berlin.iloc[0]
    for dtype in (berlin.dtype, pd.ArrowDtype(pa.timestamp(unit, "Europe/Berlin"))):
        assert there_and_back(frame, dtype={"a": dtype})["a"].iloc[0] == berlin.iloc[0]


def come_back(cell: Any) -> Any:
    """Return an object cell as it is after it was sent and read."""
    if is_missing(cell):
        return None
    if isinstance(cell, (bool, np.bool_)):
        return bool(cell)
    if isinstance(cell, (int, np.integer)) and not isinstance(cell, np.timedelta64):
        return int(cell)
    if isinstance(cell, (float, np.floating)):
        return float(str(cell))
    if isinstance(cell, Decimal):
        return float(cell) if cell.as_tuple().exponent else int(cell)
    if isinstance(cell, str):
        return "".join(cell)
    return str  # written as text


@pytest.mark.parametrize("family", [name for name, series in FAMILIES.items() if series.dtype == object])
def test_a_column_of_objects_comes_back_as_text_and_numbers(family: str) -> None:
    series = FAMILIES[family]
    got = there_and_back(pd.DataFrame({"a": series}), dtype=object)["a"]
    assert got.dtype == object
    for cell, sent in zip(got, series, strict=True):
        wanted = come_back(sent)
        if wanted is str:
            assert isinstance(cell, str)
        else:
            assert cell == wanted
            assert wanted is None or not isinstance(wanted, bool) or isinstance(cell, bool)


# Without dtype=, a column gets its natural dtype. The losses are these, and no others:
NATURAL = {
    "int64": "int64",
    "uint64": "uint64",
    "Int64": "Int64",
    "UInt64": "UInt64",
    "float64": "float64",
    "bool": "bool",
    "boolean": "boolean",
    "int8": "int64",
    "uint32": "int64",
    "Int16": "Int64",
    "Float64": "float64",
    "float32": "float64",
    "arrow int64": "Int64",
    "arrow bool": "boolean",
    "category of ints": "Int64",
    "only none": object,
    "float nan": object,
}


@pytest.mark.parametrize("family", NATURAL)
def test_natural_dtypes(family: str) -> None:
    series = FAMILIES[family]
    got = there_and_back(pd.DataFrame({"a": series}))["a"]
    assert got.dtype == NATURAL[family]
    assert got.isna().tolist() == series.isna().tolist()
    wanted = (
        [float(str(cell)) for cell in series.dropna().to_numpy()] if family == "float32" else series.dropna().tolist()
    )
    assert got.dropna().tolist() == wanted


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(1, 8))

    def listed(cell: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(cell, min_size=rows, max_size=rows))

    moments = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))
    near = st.datetimes(dt.datetime(1900, 1, 2), dt.datetime(2200, 1, 1))
    return pd.DataFrame(
        {
            draw(TEXT.map(lambda name: "i" + name)): pd.Series(listed(st.integers(-(2**63), 2**63 - 1)), dtype="int64"),
            draw(TEXT.map(lambda name: "I" + name)): pd.Series(
                listed(st.none() | st.integers(-(2**63), 2**63 - 1)), dtype="Int64"
            ),
            "f": pd.Series(listed(st.floats(allow_infinity=False)), dtype="float64"),
            "f4": pd.Series(listed(st.floats(allow_infinity=False, width=32)), dtype="float32"),
            "b": pd.Series(listed(st.none() | st.booleans()), dtype="boolean"),
            "s": pd.Series(listed(st.none() | TEXT), dtype="string"),
            "c": pd.Series(listed(st.none() | TEXT), dtype="category"),
            "t": pd.Series(np.array(listed(moments), dtype="M8[us]")),
            "z": pd.Series(np.array(listed(near), dtype="M8[us]")).dt.tz_localize("UTC").dt.tz_convert("America/Lima"),
        }
    )


@settings(deadline=None, max_examples=FRAMES // 2)
@given(frame=frames())
def test_any_frame_comes_back(frame: pd.DataFrame) -> None:
    totals.add("frames fuzzed", 1)
    pd.testing.assert_frame_equal(there_and_back(frame, dtype=frame.dtypes), frame)
