"""The types that are sent, and ``types=``: which cells become which type, and which are refused."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from frames.chunked import bodies_of, bounds_of
from frames.families import TYPES, Colour, families
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat
from pandas_clicdata.frames.types import COLUMN_TYPES, clicdata_types

FAMILIES = families()


def type_of(family: str) -> str | None:
    return TYPES[max((first for first in TYPES if family.startswith(first)), key=len)]


def test_the_types_that_clicdata_has() -> None:
    known = {"text", "number", "datetime", "date", "percentage", "checkbox", "dropdown", "id", "money", "time"}
    assert set(COLUMN_TYPES) == known


@pytest.mark.parametrize("family", [family for family in FAMILIES if type_of(family)])
def test_the_type_of_every_family(family: str) -> None:
    assert clicdata_types(pd.DataFrame({"a": FAMILIES[family]})) == {"a": type_of(family)}


@pytest.mark.parametrize("family", [family for family in FAMILIES if FAMILIES[family].dtype != object])
def test_types_do_not_need_rows(family: str) -> None:
    if not family.startswith("category"):
        assert clicdata_types(pd.DataFrame({"a": FAMILIES[family].iloc[:0]})) == {"a": type_of(family)}


def test_types_keep_the_order_of_the_columns() -> None:
    frame = pd.DataFrame({"b": [1], "a": ["x"]}, index=pd.Index([True], name="k"))
    assert list(clicdata_types(frame, index=False).items()) == [("b", "number"), ("a", "text")]
    assert list(clicdata_types(frame)) == list(clicdata_types(frame, index=True)) == ["k", "b", "a"]
    assert clicdata_types(frame, {"b": "percentage", "k": "dropdown"}, index=True) == {
        "k": "dropdown",
        "b": "percentage",
        "a": "text",
    }
    empty = pd.DataFrame({"a": np.array([], dtype="float64")}, index=pd.RangeIndex(0))
    assert clicdata_types(empty, index=True) == {"index": "number", "a": "number"}


def test_mixed_columns_need_types() -> None:
    frame = pd.DataFrame({"m": pd.Series(["a", 1, dt.date(2024, 1, 1)], dtype=object), "n": [1, 2, 3]})
    with pytest.raises(InputError, match=r"'m' mixes text, number, date.*types=\{'m': 'text'\}"):
        clicdata_types(frame)
    assert clicdata_types(frame, {"m": "text"}) == {"m": "text", "n": "number"}
    assert FrameEncoder(frame).rows == 3


def test_missing_cells_do_not_mix() -> None:
    for cells in (
        ["a", None, np.nan, pd.NA],
        [1, None, np.nan],
        [Decimal(1), Decimal("NaN")],
        [dt.date(2024, 1, 1), pd.NaT],
    ):
        clicdata_types(pd.DataFrame({"a": pd.Series(cells, dtype=object)}))


def test_naive_and_aware_times_are_mixed() -> None:
    naive, aware = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="UTC")
    for other in (naive, dt.datetime(2024, 1, 1), np.datetime64("2024-01-01")):
        frame = pd.DataFrame({"a": pd.Series([None, other, pd.NaT, aware], dtype=object)})
        with pytest.raises(InputError, match=r"'a' mixes datetime, datetime with an offset from UTC.*types="):
            clicdata_types(frame)
        assert clicdata_types(frame, {"a": "text"}) == {"a": "text"}
    assert clicdata_types(pd.DataFrame({"a": pd.Series([aware, pd.NaT, None], dtype=object)})) == {"a": "datetime"}


def test_only_the_categories_in_use_have_a_type() -> None:
    mixed = pd.DataFrame({"a": pd.Categorical(["a", 1, None])})
    with pytest.raises(InputError, match="mixes text, number"):
        clicdata_types(mixed)
    assert clicdata_types(mixed.iloc[:1]) == {"a": "text"}
    assert clicdata_types(mixed.iloc[1:]) == {"a": "number"}
    assert clicdata_types(mixed.iloc[2:]) == {"a": "text"}
    assert clicdata_types(pd.DataFrame({"a": pd.Categorical([1, None])}).iloc[1:]) == {"a": "number"}


def test_names_and_types_may_be_subclasses_of_str() -> None:
    frame = pd.DataFrame([[1, 2]], columns=pd.Index([np.str_("a"), Colour.RED], dtype=object))
    found = clicdata_types(frame, {np.str_("a"): np.str_("percentage")})
    assert found == {"a": "percentage", "red": "number"}
    encoder = FrameEncoder(frame)
    assert {type(text) for text in [*found, *found.values(), *encoder.columns]} == {str}
    assert encoder.column_types == {"a": "number", "red": "number"}


def test_an_encoder_knows_the_types_and_may_need_them() -> None:
    frame = pd.DataFrame({"n": [1, 2], "m": pd.Series([1, "x"], dtype=object), "c": [1j, 2j]})
    assert FrameEncoder(frame[["n", "m"]], types={"n": "percentage"}).column_types == {"n": "percentage"}
    with pytest.raises(InputError) as caught:
        FrameEncoder(frame, need_types=True)
    assert [problem.split()[1] for problem in caught.value.problems] == ["'c'", "'m'"]
    encoder = FrameEncoder(frame[["n", "m"]], types={"m": "text"}, need_types=True)
    assert encoder.column_types == {"n": "number", "m": "text"}


@pytest.mark.parametrize("column", [[1j], pd.interval_range(0, 1), pd.array([b"x"], pd.ArrowDtype(pa.binary()))])
def test_a_type_that_is_refused_comes_with_a_way_out(column: Any) -> None:
    with pytest.raises(InputError, match=r"is of type .*, which ClicData has no type for: make it text with astype"):
        clicdata_types(pd.DataFrame({"a": column}))


def test_an_error_names_every_problem() -> None:
    frame = pd.DataFrame(
        {
            "a": ["x", "y"],
            "b": pd.Series([b"", 1], dtype=object),
            "c": np.array([1j, 2]),
            "m": pd.Series([1, "x"], dtype=object),
        }
    )
    with pytest.raises(InputError) as caught:
        clicdata_types(frame, {"a": "number", "z": "text", "c": "rec_id"})
    message = str(caught.value)
    for part in (
        "'z'",
        "'rec_id'",
        "Column 'a': 2 cells are no number",
        "Column 'b': 1 cell is of type bytes",
        "'c' is of type complex",
        "'m' mixes",
    ):
        assert part in message


def test_types_must_be_a_mapping() -> None:
    with pytest.raises(InputError, match="map"):
        clicdata_types(pd.DataFrame({"a": [1]}), ["text"])


# ---------------------------------------------------------------- types=


def written(cells: list[Any], column_type: str, dtype: Any = object) -> list[Any]:
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=dtype)})
    assert clicdata_types(frame, {"a": column_type}) == {"a": column_type}
    encoder = FrameEncoder(frame, types={"a": column_type})
    bounds = bounds_of(encoder, RowFormat.OBJECTS, max_rows=2, max_bytes=40)
    bodies = list(bodies_of(encoder, RowFormat.OBJECTS, bounds))
    assert all(len(body) <= 40 or stop - start == 1 for body, (start, stop) in zip(bodies, bounds, strict=True))
    return [row["a"] for body in bodies for row in json.loads(body, parse_float=Decimal)["data"]]


@pytest.mark.parametrize(
    ("column_type", "cells", "values"),
    [
        (
            "text",
            [1, 2.5, True, None, 'a"', Decimal("1.50"), dt.date(2024, 1, 2)],
            ["1", "2.5", "true", None, 'a"', "1.50", "2024-01-02"],
        ),
        ("dropdown", ["a", None, 3], ["a", None, "3"]),
        ("number", ["12.50", "-7", 1, None, True, "1e3"], [Decimal("12.50"), -7, 1, None, 1, Decimal("1e3")]),
        ("percentage", [0.25, "0.5", None], [Decimal("0.25"), Decimal("0.5"), None]),
        ("id", [1, 2.0, "3", None, Decimal("4")], [1, 2, 3, None, 4]),
        ("id", [2**63 - 1, "18446744073709551615"], [2**63 - 1, 2**64 - 1]),
        (
            "checkbox",
            [1, 0, 1.0, "true", "False", True, None, -0.0],
            [True, False, True, True, False, True, None, False],
        ),
        (
            "date",
            [dt.datetime(2024, 1, 2), "2024-02-29", dt.date(2024, 1, 2), None],
            ["2024-01-02", "2024-02-29", "2024-01-02", None],
        ),
        ("date", [pd.Timestamp("2024-01-02", tz="Europe/Berlin"), "2024-01-02 00:00"], ["2024-01-02", "2024-01-02"]),
        (
            "datetime",
            ["2024-01-02T03:04:05.120-0130", "2024-01-02 03:04:10.0000000", "9999-12-31 23:59:59.9999999"],
            ["2024-01-02 04:34:05.12", "2024-01-02 03:04:10", "9999-12-31 23:59:59.9999999"],
        ),
        ("money", ["12.50", 7, Decimal("1.10"), None], [Decimal("12.50"), 7, Decimal("1.10"), None]),
        (
            "time",
            [dt.time(1, 2), dt.time(23, 4, 50, 60), None, "07:08", "07:08:09.1234567", "07:08:10.000000000"],
            ["01:02:00", "23:04:50.00006", None, "07:08:00", "07:08:09.1234567", "07:08:10"],
        ),
        (
            "datetime",
            [
                "2024-01-02",
                "2024-01-02 03:04",
                "2024-01-02T03:04:05.123Z",
                "2024-01-02T03:04:05+02:00",
                dt.date(2024, 1, 2),
                None,
            ],
            [
                "2024-01-02 00:00:00",
                "2024-01-02 03:04:00",
                "2024-01-02 03:04:05.123",
                "2024-01-02 01:04:05",
                "2024-01-02 00:00:00",
                None,
            ],
        ),
    ],
)
def test_types_convert_cells(column_type: str, cells: list[Any], values: list[Any]) -> None:
    assert written(cells, column_type) == values
    for cell, value in zip(cells, values, strict=True):
        assert written([cell], column_type) == [value]


BERLIN = [pd.Timestamp("2024-01-02", tz="Europe/Berlin")]


@pytest.mark.parametrize(
    ("column_type", "cells", "dtype", "values"),
    [
        ("text", [1, 2], "int64", ["1", "2"]),
        ("text", [0.1, None], "float32", ["0.1", None]),
        ("text", [True], "bool", ["true"]),
        ("text", ["2024-01-02T00:00:01"], "datetime64[us]", ["2024-01-02 00:00:01"]),
        ("number", [True, None], "boolean", [1, None]),
        ("number", ["1", None], "category", [1, None]),
        ("number", ["1", '2.5"'[:3]], "string", [1, Decimal("2.5")]),
        ("id", [1.0, 2.0], "float64", [1, 2]),
        ("checkbox", [1, 0], "uint8", [True, False]),
        ("date", ["2024-01-02", None], "datetime64[ns]", ["2024-01-02", None]),
        ("date", [*BERLIN, None], "datetime64[us, Europe/Berlin]", ["2024-01-02", None]),
        ("date", [*BERLIN, None], pd.ArrowDtype(pa.timestamp("us", "Europe/Berlin")), ["2024-01-02", None]),
        ("date", [*BERLIN, None], "category", ["2024-01-02", None]),
        ("money", [1, 2], "int64", [1, 2]),
        ("time", [dt.time(1, 2, 3), None], pd.ArrowDtype(pa.time32("s")), ["01:02:03", None]),
        ("time", [3_723_000_000_100, None], pd.ArrowDtype(pa.time64("ns")), ["01:02:03.0000001", None]),
        ("datetime", ["2024-01-02T03:04:05"], "string", ["2024-01-02 03:04:05"]),
    ],
)
def test_types_convert_cells_of_any_dtype(column_type: str, cells: list[Any], dtype: str, values: list[Any]) -> None:
    assert written(cells, column_type, dtype) == values


@pytest.mark.parametrize(
    ("column_type", "cell"),
    [
        ("number", "abc"),
        ("number", ""),
        ("number", " 1"),
        ("number", "+1"),
        ("number", "007"),
        ("number", "1,5"),
        ("number", "NaN"),
        ("number", dt.date(2024, 1, 1)),
        ("number", '1"'),
        ("number", '"1"'),
        ("percentage", "25 %"),
        ("id", 1.5),
        ("id", True),
        ("id", "1.0"),
        ("id", "x"),
        ("id", 1e300),
        ("checkbox", 2),
        ("checkbox", "yes"),
        ("checkbox", 0.5),
        ("checkbox", dt.date(2024, 1, 1)),
        ("date", dt.datetime(2024, 1, 1, 0, 0, 1)),
        ("date", "2024-02-30"),
        ("date", "01/02/2024"),
        ("date", 20240101),
        ("date", "0000-01-01"),
        ("date", pd.Timestamp("2024-01-01T00:00:00.0000001")),
        ("date", dt.datetime(2024, 1, 1, 0, 0, 0, 1)),
        ("date", True),
        ("datetime", "soon"),
        ("datetime", "2024-02-30T00:00:00"),
        ("datetime", "2024-01-01T24:00:00"),
        ("datetime", "2024-01-01T10:00:00+2"),
        ("datetime", 5),
        ("datetime", "2024-01-01T"),
        ("datetime", "2024-1-1"),
        ("datetime", "2024-01-01T10:00:00\n"),
        ("datetime", "2024-01-01T10:00:00.0000000000"),
        ("date", pd.Timestamp("2024-01-02", tz="UTC").tz_convert("America/Lima")),
        ("money", "1,50"),
        ("time", "24:00"),
        ("time", "1:02"),
        ("time", "01:02:03Z"),
        ("time", "01:02:03."),
        ("time", "01:02:03.12345678"),
        ("time", dt.time(1, tzinfo=dt.timezone.utc)),
        ("time", dt.datetime(2024, 1, 1, 1)),
        ("time", 1),
    ],
)
def test_cells_that_a_type_cannot_hold(column_type: str, cell: Any) -> None:
    others = {"checkbox": True, "date": "2024-01-01", "datetime": "2024-01-01", "time": "01:02"}
    good = others.get(column_type, 1)
    frame = pd.DataFrame({"a": pd.Series([good, None, cell], dtype=object)})
    for call in (clicdata_types, lambda frame, types: FrameEncoder(frame, types=types)):
        with pytest.raises(InputError, match=rf"Column 'a': 1 cell is no {column_type} .* \(row 2\)"):
            call(frame, {"a": column_type})
    with pytest.raises(InputError, match=r"\(rows 1, 2, labels 'y', 'z'\)\. Row 1 holds 'x1'\."):
        clicdata_types(pd.DataFrame({"a": ["1", "x1", "x2"]}, index=list("xyz")), {"a": "number"})


@pytest.mark.parametrize("cells", [pd.to_timedelta(["1h", None]), [dt.timedelta(seconds=-1), None]], ids=str)
def test_durations_are_no_times_of_day_and_the_error_says_how_to_make_some(cells: Any) -> None:
    frame = pd.DataFrame({"a": cells})
    with pytest.raises(InputError, match=r"'a': 1 cell is a duration, .*: (.*) makes it one \(row 0\)") as caught:
        clicdata_types(frame, {"a": "time"})
    advice = re.search(r"day: (.*) makes", str(caught.value))
    assert advice is not None
    frame["a"] = eval(advice[1], {"df": frame, "pd": pd})
    assert clicdata_types(frame, {"a": "time"}) == {"a": "time"}


def test_unsendable_cells_keep_their_reason_under_types() -> None:
    for number in ("1e400", "-1e" + "9" * 50, Decimal("1e400")):
        with pytest.raises(InputError, match=r"beyond the range of float64.*\(row 0\)"):
            clicdata_types(pd.DataFrame({"a": pd.Series([number], dtype=object)}), {"a": "number"})
    with pytest.raises(InputError, match="infinite"):
        clicdata_types(pd.DataFrame({"a": [np.inf]}), {"a": "text"})


def test_long_columns_are_converted_block_by_block() -> None:
    frame = pd.DataFrame({"a": np.arange(50_000)})
    encoder = FrameEncoder(frame, types={"a": "text"})
    (body,) = bodies_of(encoder, RowFormat.OBJECTS, [(0, 50_000)])
    assert [row["a"] for row in json.loads(body)["data"]] == [str(i) for i in range(50_000)]
