"""Pages to frames: types that all pages decide, the arguments of a read, and answers that can't be parsed."""

from __future__ import annotations

import datetime as dt
import json
import math
import warnings
from contextlib import suppress
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pandas_clicdata.errors import InputError, ProtocolError, SchemaDrift
from pandas_clicdata.frames.decode import FrameBuilder
from sample import examples

TEXT_DTYPE = pd.Series(["a"]).dtype  # str from pandas 3 on, object before
UNIT = "us" if pd.to_datetime(["2024-01-01"]).dtype == "M8[us]" else "ns"


def page(rows: list[Any]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()


def assembled(*pages: bytes | list[Any], **arguments: Any) -> pd.DataFrame:
    bodies = [each if isinstance(each, bytes) else page(each) for each in pages]
    builder = FrameBuilder(**arguments)
    for body in bodies:
        builder.add(body)
    return builder.take()


def column(*parts: list[Any], **arguments: Any) -> pd.Series:
    """Return the column of several pages, one for each list of cells."""
    return assembled(*([{"a": cell} for cell in cells] for cells in parts), **arguments)["a"]


def raw(*cells: str, **arguments: Any) -> pd.Series:
    """Return the column of a page of cells that are written as JSON."""
    return assembled(b"[" + b",".join(b'{"a":%b}' % cell.encode() for cell in cells) + b"]", **arguments)["a"]


# ---------------------------------------------------------------- types, settled over all pages

BIG = 2**53 + 1


@pytest.mark.parametrize(
    ("parts", "dtype", "values"),
    [
        ([[1, 2]], "int64", [1, 2]),
        ([[1], [None, 2]], "Int64", [1, None, 2]),
        ([[None], [1]], "Int64", [None, 1]),
        ([[BIG, None]], "Int64", [BIG, None]),
        ([[True, False]], "bool", [True, False]),
        ([[True], [None]], "boolean", [True, None]),
        ([[0.5, 1.5]], "float64", [0.5, 1.5]),
        ([[0.5], [None]], "float64", [0.5, math.nan]),
        ([[1], [0.5]], "float64", [1.0, 0.5]),
        ([[0.5, 1], [2]], "float64", [0.5, 1.0, 2.0]),
        ([[1, None, 0.5]], "float64", [1.0, math.nan, 0.5]),
        ([[2**53], [0.5]], "float64", [2.0**53, 0.5]),
        ([[BIG], [0.5]], object, [BIG, 0.5]),
        ([[0.5], [BIG]], object, [0.5, BIG]),
        ([[BIG, 0.5]], object, [BIG, 0.5]),
        ([[0.5, None, BIG], [None]], object, [0.5, None, BIG, None]),
        ([[2**63], [1]], "uint64", [2**63, 1]),
        ([[1], [2**64 - 1, None]], "UInt64", [1, 2**64 - 1, None]),
        ([[2**63], [-1]], object, [2**63, -1]),
        ([[2**63, -1]], object, [2**63, -1]),
        ([[2**64], [1]], object, [2**64, 1]),
        ([[10**30, None]], object, [10**30, None]),
        ([[2**63], [0.5]], object, [2**63, 0.5]),
        ([["a"], ["b", None]], TEXT_DTYPE, ["a", "b", None]),
        ([["1", "2"]], TEXT_DTYPE, ["1", "2"]),
        ([["2024-01-01", "2024-01-02T00:00:00Z"]], TEXT_DTYPE, ["2024-01-01", "2024-01-02T00:00:00Z"]),
        ([["", "null", "true", "NaN"]], TEXT_DTYPE, ["", "null", "true", "NaN"]),
        ([[None], [None]], object, [None, None]),
        ([[None], ["a"]], TEXT_DTYPE, [None, "a"]),
        ([[1], ["a"]], object, [1, "a"]),
        ([["a"], [1], [None]], object, ["a", 1, None]),
        ([[True], [1]], object, [True, 1]),
        ([[1], [True]], object, [1, True]),
        ([[0.5], [True]], object, [0.5, True]),
        ([[1, True]], object, [1, True]),
        ([[[1], [2, 3]]], object, [[1], [2, 3]]),
        ([[{"b": 1}], [None]], object, [{"b": 1}, None]),
        ([[[]], [{}]], object, [[], {}]),
        ([[[1, 2], [3, 4]]], object, [[1, 2], [3, 4]]),
    ],
    ids=repr,
)
def test_column_types_over_all_pages(parts: list[list[Any]], dtype: Any, values: list[Any]) -> None:
    got = column(*parts)
    assert got.dtype == dtype
    assert len(got) == len(values)
    as_it_came = dtype is object
    for cell, value in zip(got, values, strict=True):
        if value is None and not as_it_came:
            assert pd.isna(cell)
        elif isinstance(value, float) and math.isnan(value):
            assert math.isnan(cell)
        else:
            assert cell == value
            assert isinstance(cell, (bool, np.bool_)) == isinstance(value, bool)
            assert not as_it_came or type(cell) is type(value)


def test_numbers_are_read_to_the_last_digit() -> None:
    assert raw("9007199254740993").tolist() == [9007199254740993]
    assert raw("123456789012345678901234567890").tolist() == [123456789012345678901234567890]
    assert raw("-9223372036854775809", "1").tolist() == [-9223372036854775809, 1]
    assert raw("0.1", "1e22", "5e-324", "-0.0").map(repr).tolist() == ["0.1", "1e+22", "5e-324", "-0.0"]


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_dtype_backend(backend: str) -> None:
    rows = [
        {"i": 1, "f": 0.5, "t": "a", "b": True, "n": None, "m": 1},
        {"i": None, "f": None, "t": None, "b": None, "n": None, "m": "a"},
    ]
    got = assembled(rows, dtype_backend=backend)
    wanted = {
        "numpy_nullable": ["Int64", "Float64", "string", "boolean", object, object],
        "pyarrow": [
            "int64[pyarrow]",
            "double[pyarrow]",
            pd.ArrowDtype(pa.string()),
            "bool[pyarrow]",
            pd.ArrowDtype(pa.null()),
            object,
        ],
    }[backend]
    assert [got[name].dtype == dtype for name, dtype in zip(got, wanted, strict=True)] == [True] * 6
    assert got.iloc[1, :5].isna().all()
    dense = assembled(rows[:1], dtype_backend=backend)
    assert dense["i"].dtype == wanted[0]


def test_missing_text_is_the_missing_value_of_pandas() -> None:
    got = column(["a", None])
    assert got[1] is None if isinstance(TEXT_DTYPE, np.dtype) else math.isnan(got[1])


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner, max_size=3),
    ),
    max_leaves=4,
)
NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=4, unique=True)
KINDS = st.sampled_from(
    [
        st.integers(),
        st.integers(-3, 3),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text('ab"\\:,{}é\n', max_size=8),
        st.booleans(),
        st.none(),
        JSON,
    ]
)


@settings(deadline=None, max_examples=examples(200))
@given(data=st.data())
def test_any_pages_are_read_exactly(data: st.DataObject) -> None:
    names = data.draw(NAMES)
    pages = []
    for rows in data.draw(st.lists(st.integers(0, 4), max_size=4)):
        cells = {name: data.draw(KINDS) for name in names}
        pages.append(
            [{name: data.draw(cells[name]) for name in data.draw(st.permutations(names))} for _ in range(rows)]
        )
    got = assembled(*pages)
    wanted = [row for rows in pages for row in rows]
    if not wanted:
        assert got.shape == (0, 0)
        return
    assert list(got) == list(wanted[0])
    for name in names:
        for cell, row in zip(got[name].tolist(), wanted, strict=True):
            value = row[name]
            if value is None:
                assert cell is None or cell is pd.NA or math.isnan(cell)
            else:
                assert cell == value
                assert isinstance(cell, bool) == isinstance(value, bool)


@settings(deadline=None, max_examples=examples(100))
@given(data=st.data())
def test_page_bounds_do_not_change_the_frame(data: st.DataObject) -> None:
    cells = data.draw(KINDS)
    rows = [{"a": data.draw(cells), "b": number} for number in range(data.draw(st.integers(1, 12)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=3)))
    pages = [rows[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    pd.testing.assert_frame_equal(assembled(*pages), assembled(rows))


# ---------------------------------------------------------------- pages


def test_take_returns_the_first_rows_in_order() -> None:
    builder = FrameBuilder()
    assert builder.rows == 0
    assert [builder.add(page([{"a": i, "t": str(i)} for i in range(start, start + 3)])) for start in (0, 3, 6)] == [
        3,
        3,
        3,
    ]
    assert builder.rows == 9
    first = builder.take(4)
    assert (first["a"].tolist(), first.index.tolist(), builder.rows) == ([0, 1, 2, 3], [0, 1, 2, 3], 5)
    second = builder.take(1)
    assert (second["t"].tolist(), second.index.tolist()) == (["4"], [4])
    builder.add(page([{"a": 9, "t": "9"}]))
    rest = builder.take()
    assert (rest["a"].tolist(), rest.index.tolist(), builder.rows) == ([5, 6, 7, 8, 9], [5, 6, 7, 8, 9], 0)
    nothing = builder.take(5)
    assert len(nothing) == 0
    assert nothing.dtypes.equals(rest.dtypes)
    pd.testing.assert_frame_equal(
        pd.concat([first, second, rest]), assembled([{"a": i, "t": str(i)} for i in range(10)])
    )


def test_taken_rows_still_count_for_the_types() -> None:
    builder = FrameBuilder()
    builder.add(page([{"i": 1, "f": 0.5, "n": "a"}, {"i": None, "f": 1, "n": "b"}]))
    builder.take()
    builder.add(page([{"i": 2, "f": 2, "n": None}]))
    later = builder.take()
    assert (str(later["i"].dtype), str(later["f"].dtype), later["n"].dtype) == ("Int64", "float64", TEXT_DTYPE)


def test_n_must_not_be_negative() -> None:
    with pytest.raises(InputError, match="0 or more"):
        FrameBuilder().take(-1)


def test_frames_are_writeable() -> None:
    got = assembled([{"i": 1, "f": 0.5, "b": True, "t": "a", "n": None}] * 3)
    got.loc[0, ["i", "f"]] = 7
    got.loc[1, "b"] = False
    got.loc[2, "t"] = "z"
    got["i"] += 1
    assert got["i"].tolist() == [8, 2, 2]
    for name in ("i", "f", "b"):
        assert got[name].to_numpy(copy=True).flags.writeable


def test_rows_may_have_their_keys_in_any_order_and_lack_some() -> None:
    got = assembled(b'[{"a":1,"b":2},{"b":3,"a":4}]', b'[{"b":5},{"a":6,"b":7}]', b'[ { "b" : 8 , "a" : 9 } ]')
    assert list(got) == ["a", "b"]
    assert got["a"].tolist() == [1, 4, pd.NA, 6, 9]
    assert got["b"].tolist() == [2, 3, 5, 7, 8]


def test_rows_may_be_lists() -> None:
    got = assembled([[1, "a"], [2, None]], [[None, "b"]])
    assert list(got) == [0, 1]
    assert got[0].tolist() == [1, 2, pd.NA]
    named = assembled([[1, "a"]], columns=["n", "t"], dtype={"n": "text"}, index_col="t")
    assert named.loc["a", "n"] == "1"
    with pytest.raises(InputError, match="lists of 2 cells"):
        assembled([[1, "a"]], columns=["n"])
    with pytest.raises(SchemaDrift):
        assembled([[1, 2]], [[1, 2, 3]])
    with pytest.raises(SchemaDrift):
        assembled([[1, 2]], [{"a": 1, "b": 2}])


@pytest.mark.parametrize("columns", [60, 200])
def test_wide_frames(columns: int) -> None:
    rows = [{f"c{i}": row * i for i in range(columns)} for row in range(3)]
    got = assembled(rows)
    got["more"] = 1
    assert got.iloc[2, :columns].tolist() == [2 * i for i in range(columns)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b'{"data":[]}',
        b"1",
        b'"a"',
        b"[1]",
        b"[null]",
        b'["a"]',
        b'[{"a":1},[1]]',
        b'[[1],{"a":1}]',
        b"[[1],[1,2]]",
        b'[{"a":1},null]',
        b'[{"a":1}',
        b'[{"a":1},]',
        b'[{"a":1}] x',
        b'[{"a":01}]',
        b'[{"a":1,}]',
        b"<html>",
        b'[{"a":NaN}]',
        b'[{"a":Infinity}]',
        b'[{"a":1e400]',
        b'[{"a":1e99999999999999999999}]',
        b'[{"a":"\xff"}]',
        b'[{"a":"\\ud800"}]',
        b'[{"a":"\n"}]',
        b'\xef\xbb\xbf[{"a":1}]',
        b'[{"a":1,"a":1}]',
        b'[{"a":1,"b":2,"a":3}]',
        b'[{"a":{"b":1,"b":2}}]',
        b'[{"a" : 1, "a" : 2}]',
        b'[{"a\\\\":1,"b":1,"b":2}]',
        b'[{"\\u0061":1,"a":2}]',
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=lambda body: body[:30],
)
@pytest.mark.parametrize("before", [[], [b'[{"a":1}]'], [b'[{"a":"x"}]', b'[{"a":"y"}]']], ids=len)
def test_invalid_pages_are_refused(body: bytes, before: list[bytes]) -> None:
    builder = FrameBuilder()
    for each in before:
        builder.add(each)
    with pytest.raises(ProtocolError):
        builder.add(body)
    assert builder.rows == len(before)


def test_numbers_beyond_float64_are_read_as_decimals() -> None:
    body = b'[{"a":1e400,"b":2.5},{"a":-1e999,"b":1},{"a":null,"b":0}]'
    got = assembled(body, [{"a": 7, "b": 1}])
    assert got["a"].tolist() == [Decimal("1e400"), Decimal("-1e999"), None, 7]
    assert got["b"].tolist() == [2.5, 1.0, 0.0, 1.0]
    assert assembled(body, columns=["b"])["b"].dtype == "float64"
    assert assembled(body, dtype={"a": "string"})["a"].tolist() == ["1e400", "-1e999", pd.NA]
    with pytest.raises(InputError, match=r"row 0: '1e9+' can't be read as number"):
        column(["1e" + "9" * 50], dtype="number")
    for dtype in ("float64", "number", "int64", pd.ArrowDtype(pa.decimal128(38, 2))):
        with pytest.raises(InputError, match="Column 'a', row 0: "):
            assembled(body, dtype={"a": dtype})


@pytest.mark.parametrize("text", ['":', '\\":', '"a":1,"a":', "},{", '{"a":1}', '"', "\\"])
def test_text_that_looks_like_keys(text: str) -> None:
    rows = [{"a": text, "b": text, "c": 1}] * 3
    got = assembled(rows, rows)
    assert got["a"].tolist() == got["b"].tolist() == [text] * 6


@pytest.mark.parametrize(
    "name", ['a"', '"', "a\\", "\\", "a\n", "é", "", "a:b", '":', "\u2028", "field0", "self", "c" * 500]
)
def test_awkward_names(name: str) -> None:
    rows = [{name: 1, "b": "x"}] * 2
    got = assembled(rows, rows, rows)
    assert list(got) == [name, "b"]
    assert got[name].tolist() == [1] * 6
    assert list(assembled(rows, rows, columns=[name])) == [name]


# ---------------------------------------------------------------- columns that change


def test_changed_columns_raise_schema_drift() -> None:
    with pytest.raises(SchemaDrift, match=r"new: 'c'; missing: 'b'"):
        assembled([{"a": 1, "b": 2}], [{"a": 1, "c": 2}])
    with pytest.raises(SchemaDrift, match="missing: 'b'"):
        assembled([{"a": 1, "b": 2}], [{"a": 1}])
    with pytest.raises(SchemaDrift, match="new: 'c'"):
        assembled([{"a": 1}], [{"a": 1}], [{"a": 1, "c": None}])
    with pytest.raises(SchemaDrift, match="missing: 'b'"):
        assembled([{"a": 1, "b": 2}], [{"a": 1}], columns=["a"])


def test_union_of_drifting_columns() -> None:
    got = assembled([{"a": 1, "b": 2}], [{"a": 3, "c": "x"}], [{"b": 4, "a": 5}], on_drift="union")
    assert list(got) == ["a", "b", "c"]
    assert got["a"].tolist() == [1, 3, 5]
    assert got["b"].tolist() == [2, pd.NA, 4]
    assert got["c"].isna().tolist() == [True, False, True]
    assert got["c"].dtype == TEXT_DTYPE


def test_an_empty_page_is_no_drift() -> None:
    assert assembled([], [{"a": 1}], [], [{"a": 2}])["a"].tolist() == [1, 2]


# ---------------------------------------------------------------- columns, index_col


def test_columns() -> None:
    rows = [{"a": 1, "b": "x", "c": [1]}] * 2
    assert list(assembled(rows, rows, columns=["b", "a"])) == ["b", "a"]
    assert list(assembled(rows, rows, columns=pd.Index(["c"]))) == ["c"]
    assert assembled(rows, columns=[]).shape == (2, 0)
    got = assembled(rows, rows, columns=["a"], index_col="b")
    assert list(got) == ["a"]
    assert got.index.tolist() == ["x"] * 4
    assert got.index.name == "b"


def test_index_col() -> None:
    rows = [{"a": 1, "b": "x", "c": 2}, {"a": 2, "b": "y", "c": 3}]
    assert assembled(rows, index_col=["b"]).index.name == "b"
    both = assembled(rows, index_col=["b", "a"])
    assert both.index.names == ["b", "a"]
    assert both.loc[("y", 2), "c"] == 3
    dated = assembled([{"a": 1, "at": "2024-01-01"}], index_col="at", parse_dates=True)
    assert isinstance(dated.index, pd.DatetimeIndex)


def test_errors_on_unknown_names_list_the_columns() -> None:
    with pytest.raises(InputError) as caught:
        assembled([{"a": 1}], columns=["x", "z"], dtype={"y": int}, parse_dates=["z"], index_col="w")
    assert [problem.split()[0] for problem in caught.value.problems] == ["columns", "dtype", "parse_dates", "index_col"]
    assert all("It has 'a'." in problem for problem in caught.value.problems)
    with pytest.raises(InputError) as caught:
        assembled([{"day": 1, "shop": 2}], dtype={"zz": int, 5: int}, parse_dates=["Day"], index_col="shops")
    dtype, parse_dates, index_col = caught.value.problems
    assert "did you mean" not in dtype
    assert "'Day': did you mean 'day'? It differs in letter case" in parse_dates
    assert "'shops': did you mean 'shop'?" in index_col
    with pytest.raises(InputError, match="parse_dates names columns that columns= leaves out: 'a', 'c'"):
        FrameBuilder(columns=["b"], parse_dates=["a", "c"])  # before a page


@pytest.mark.parametrize(
    "arguments",
    [
        {"dtype_backend": "polars"},
        {"on_drift": "ignore"},
        {"columns": "a"},
        {"columns": ["a", "a"]},
        {"columns": 5},
        {"parse_dates": "a"},
        {"parse_dates": True},
        {"parse_dates": 5},
        {"parse_dates": {"a": 5}},
        {"dtype": "nonsense"},
        {"dtype": {"a": "nonsense"}},
        {"dtype": "complex128"},
        {"index_col": ["a", "a"]},
        {"dtype": "rec_id"},
        {"dtype": {"a": "longdouble"}},
        {"columns": [["a"]]},
        {"index_col": [["a"]]},
        {"parse_dates": [["a", "b"]]},
    ],
    ids=repr,
)
def test_invalid_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        FrameBuilder(**arguments)
    assert issubclass(InputError, ValueError)  # as pandas has it


def test_a_frame_without_rows_has_the_named_columns() -> None:
    assert FrameBuilder().take().shape == (0, 0)
    got = assembled([], columns=["a", "b", "c"], dtype={"a": "Int64", "b": "datetime64[s]"}, index_col="c")
    assert list(got) == ["a", "b"]
    assert (str(got["a"].dtype), str(got["b"].dtype), got.index.name) == ("Int64", "datetime64[s]", "c")
    assert got["a"].tolist() == []
    assert list(assembled(dtype={"a": "float32"})) == ["a"]
    assert str(assembled(columns=["a"], dtype="float32")["a"].dtype) == "float32"
    assert isinstance(assembled(columns=["a"], parse_dates=["a"])["a"].dtype, np.dtype)
    assert isinstance(assembled().index, pd.RangeIndex)


# ---------------------------------------------------------------- dtype


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        ([1, 2], "int8", [1, 2]),
        ([1, None], "Int8", [1, pd.NA]),
        ([1.0, 2], "int64", [1, 2]),
        (["1", "-2"], "int64", [1, -2]),
        (["1", 2, 3.0], "Int64", [1, 2, 3]),
        ([1, 0], "bool", [True, False]),
        ([2**64 - 1], "uint64", [2**64 - 1]),
        (["18446744073709551615"], "uint64", [2**64 - 1]),
        ([1, 2], "float64", [1.0, 2.0]),
        ([0.5, None], "float32", [0.5, math.nan]),
        ([0.1], "float32", [np.float32(0.1)]),
        (["0.5", "1e3"], "float64", [0.5, 1000.0]),
        ([1, None], "Float64", [1.0, pd.NA]),
        ([True, None], "boolean", [True, pd.NA]),
        (["true", "False", None], "boolean", [True, False, pd.NA]),
        ([1, 0.0], bool, [True, False]),
        ([1, 2], object, [1, 2]),
        (["a", None], object, ["a", None]),
        (["a", None], "string", ["a", pd.NA]),
        ([1, "a", True, None], "string", ["1", "a", "true", pd.NA]),
        (["a", "b", "a"], "category", ["a", "b", "a"]),
        (["a", "b"], pd.CategoricalDtype(["b", "a"], ordered=True), ["a", "b"]),
        ([1, None], pd.CategoricalDtype([1, 2]), [1, math.nan]),
        ([1, 2], pd.ArrowDtype(pa.int16()), [1, 2]),
        (["a"], pd.ArrowDtype(pa.string()), ["a"]),
        (["2024-02-29"], pd.ArrowDtype(pa.date32()), [dt.date(2024, 2, 29)]),
        (["2024-02-29T00:00:00"], pd.ArrowDtype(pa.date32()), [dt.date(2024, 2, 29)]),
        (["01:02:03", "01:02:03.5"], pd.ArrowDtype(pa.time64("us")), [dt.time(1, 2, 3), dt.time(1, 2, 3, 500_000)]),
        (["P1DT0H0M1S", None], "timedelta64[ns]", [pd.Timedelta("1 day 1 s"), pd.NaT]),
        (["2024-01", None], "period[M]", [pd.Period("2024-01"), pd.NaT]),
        ([1, 0], pd.SparseDtype("int64"), [1, 0]),
        (["2024-01-01T00:00:00.5", None], "datetime64[ms]", [pd.Timestamp("2024-01-01T00:00:00.5"), pd.NaT]),
        (["2024-01-01T00:00:00.000000001"], "datetime64[ns]", [pd.Timestamp("2024-01-01T00:00:00.000000001")]),
        (["0001-01-01", "9999-12-31"], "datetime64[s]", [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)]),
        (["2024-07-01T00:00:00+02:00"], "datetime64[us, UTC]", [pd.Timestamp("2024-06-30T22:00:00Z")]),
        (
            ["2024-07-01T00:00:00Z"],
            "datetime64[ns, Europe/Berlin]",
            [pd.Timestamp("2024-07-01T02:00:00", tz="Europe/Berlin")],
        ),
        (["2024-07-01"], "datetime64[us, Europe/Berlin]", [pd.Timestamp("2024-07-01T02:00", tz="Europe/Berlin")]),
        (["2024-03-31T02:30:00"], "datetime64[us, Europe/Berlin]", [pd.Timestamp("2024-03-31T02:30:00", tz="UTC")]),
        (["2024-07-01T00:00:00Z"], pd.ArrowDtype(pa.timestamp("us", "UTC")), [pd.Timestamp("2024-07-01", tz="UTC")]),
        ([None, None], "Int64", [pd.NA, pd.NA]),
        ([None], "float64", [math.nan]),
        ([None], "category", [math.nan]),
        ([None], pd.ArrowDtype(pa.null()), [pd.NA]),
        # the names of ClicData's own types
        ([1, None], "number", [1, pd.NA]),
        (["1.5", 2], "number", [1.5, 2.0]),
        ([0.25], "percentage", [0.25]),
        ([3.0, "4"], "id", [3, 4]),
        ([True, None], "checkbox", [True, pd.NA]),
        ([1, 0], "checkbox", [True, False]),
        (["2024-01-01", None], "date", [dt.date(2024, 1, 1), pd.NA]),
        (["2024-01-01 00:00:01", None], "datetime", [pd.Timestamp("2024-01-01T00:00:01"), pd.NaT]),
        (["x", "y"], "dropdown", ["x", "y"]),
        (["1.5", 2, None], "money", [1.5, 2.0, pd.NA]),
        (["01:02:03.5", None, "01:02:03"], "time", [dt.time(1, 2, 3, 500_000), pd.NA, dt.time(1, 2, 3)]),
    ],
    ids=repr,
)
def test_dtype(cells: list[Any], dtype: Any, values: list[Any]) -> None:
    got = column(cells, dtype={"a": dtype})
    named_by_clicdata = isinstance(dtype, str) and dtype in (
        "number",
        "percentage",
        "id",
        "checkbox",
        "date",
        "datetime",
        "dropdown",
        "money",
        "time",
    )
    if not named_by_clicdata:
        wanted = pd.CategoricalDtype if dtype == "category" else pd.api.types.pandas_dtype(dtype)
        assert isinstance(got.dtype, wanted) if isinstance(wanted, type) else got.dtype == wanted
    for cell, value in zip(got.tolist(), values, strict=True):
        assert (pd.isna(cell) and pd.isna(value)) or cell == value
    pd.testing.assert_series_equal(column(*([cell] for cell in cells), dtype=dtype), got)
    if not isinstance(got.dtype, pd.SparseDtype):
        got.iloc[0] = got.iloc[-1]  # it may be written to


@pytest.mark.parametrize(
    ("cells", "dtype", "row", "value"),
    [
        ([1, "abc"], "int64", 1, "'abc'"),
        ([1.5], "Int64", 0, "1.5"),
        ([1, 300], "int8", 1, "300"),
        ([-1], "uint8", 0, "-1"),
        ([1, None], "int64", 1, "null"),
        ([True, None], "bool", 1, "null"),
        ([2**63], "int64", 0, str(2**63)),
        ([True, False], "int64", 0, "True"),
        ([0, BIG], "float64", 1, str(BIG)),
        ([1e300], "float32", 0, "1e+300"),
        (["1,5"], "float64", 0, "'1,5'"),
        ([2], "bool", 0, "2"),
        (["yes"], "boolean", 0, "'yes'"),
        (["a", "c"], pd.CategoricalDtype(["a", "b"]), 1, "'c'"),
        ([3], pd.CategoricalDtype([1, 2]), 0, "3"),
        (["2024-02-30"], "datetime64[us]", 0, "'2024-02-30'"),
        (["01/02/2024"], "datetime64[us]", 0, "'01/02/2024'"),
        ([""], "datetime64[us]", 0, "''"),
        ([5], "datetime64[us]", 0, "5"),
        (["2024-01-01T00:00:00.5"], "datetime64[s]", 0, "00.5"),
        (["2024-01-01T00:00:00.000000001"], "datetime64[us]", 0, "000000001"),
        (["2024-01-01", "1500-01-01"], "datetime64[ns]", 1, "1500"),
        ([None, "2024-01-01T00:00:00Z"], "datetime64[us]", 1, "Z"),
        (["2024-01-01", "2024-01-01T00:00:00Z"], "datetime64[us, UTC]", 0, "2024-01-01"),
        (["2024-01-01T00:00:01"], pd.ArrowDtype(pa.date32()), 0, "00:00:01"),
        (["25:00:00"], pd.ArrowDtype(pa.time64("us")), 0, "25"),
        (["P1DT0H0M0.5S"], "timedelta64[s]", 0, "0.5S"),
        (["long"], "timedelta64[ns]", 0, "long"),
        (["2024-01-05"], "period[M]", 0, "2024-01-05"),
        (["a"], "number", 0, "'a'"),
        ([1.5], "id", 0, "1.5"),
        (["maybe"], "checkbox", 0, "maybe"),
        (["2024-13-01"], "date", 0, "2024-13-01"),
        ([1], "datetime", 0, "1"),
        (["01:00:00", "01:02:03.1234567"], "time", 1, "1234567"),
        (["01:00:00", "soon"], "time", 1, "soon"),
        (["1.5"], pd.ArrowDtype(pa.decimal128(5, 0)), 0, "1.5"),
        ([[1]], "int64", 0, "[1]"),
        ([{"a": 1}], "float64", 0, "{'a': 1}"),
    ],
    ids=repr,
)
def test_cells_that_a_dtype_cannot_hold_are_refused(cells: list[Any], dtype: Any, row: int, value: str) -> None:
    filler = [{"a": None}] * 3
    builder = FrameBuilder(dtype={"a": dtype})
    if not any(cell is None for cell in cells) and not isinstance(dtype, str):
        builder.add(page(filler))
        builder.take()
        row += 3
    builder.add(page([{"a": cell} for cell in cells]))
    with pytest.raises(InputError) as caught:
        builder.take()
    assert f"Column 'a', row {row}: " in str(caught.value)
    assert value in str(caught.value)


@pytest.mark.parametrize("text", ["1.10", "12345678901234567890.123456789", "-0.000000001", "1e3", "7", '"2.50"'])
def test_decimals_keep_all_digits_of_the_page(text: str) -> None:
    got = raw(text, "null", dtype=pd.ArrowDtype(pa.decimal128(38, 9)))
    assert got[0] == Decimal(text.strip('"'))
    assert got[1] is pd.NA


@pytest.mark.parametrize("text", ["1.10", "1e3", "true", "123456789012345678901", "[1, 2]"])
def test_text_dtypes_keep_numbers_as_written(text: str) -> None:
    assert raw('"a"', text, dtype="string").tolist() == ["a", text]
    assert raw(text, dtype="text").tolist() == [text]
    several = FrameBuilder(dtype={"a": "string"})
    several.add(b'[{"a":"x"}]')
    several.add(b'[{"a":%b}]' % text.encode())
    several.add(b'[{"a":"y\\n"}]')
    assert several.take()["a"].tolist() == ["x", text, "y\n"]


def test_dtype_of_another_frame() -> None:
    frame = pd.DataFrame(
        {"a": pd.Series([1], dtype="int8"), "b": pd.Series(["x"], dtype="category"), "c": [0.5], "d": ["t"]}
    )
    got = assembled([{"a": 1, "b": "x", "c": 0.5, "d": "t"}], dtype=frame.dtypes)
    pd.testing.assert_frame_equal(got, frame)


def test_one_dtype_for_all() -> None:
    got = assembled([{"a": 1, "b": 2.5}], dtype="float32")
    assert [str(dtype) for dtype in got.dtypes] == ["float32", "float32"]
    assert assembled([{"a": 1, "b": 2.50}], dtype=str)["b"].tolist() == ["2.5"]


def test_dtype_comes_before_the_backend() -> None:
    got = assembled([{"a": 1, "b": 1}], dtype={"a": "int32"}, dtype_backend="pyarrow")
    assert [str(dtype) for dtype in got.dtypes] == ["int32", "int64[pyarrow]"]
    assert column([1, 0], dtype="checkbox", dtype_backend="pyarrow").dtype == "bool[pyarrow]"
    assert column(["a"], dtype="text", dtype_backend="numpy_nullable").dtype == "string"


# ---------------------------------------------------------------- parse_dates


def test_dates() -> None:
    cells = ["2024-01-01", None, "2024-01-01T10:00", "2024-01-01 10:00:00.123456"]
    got = column(cells, parse_dates=["a"])
    assert got.dtype == f"datetime64[{UNIT}]"
    wanted = [pd.Timestamp(cell) if cell else pd.NaT for cell in cells]
    assert [cell is pd.NaT if text is pd.NaT else cell == text for cell, text in zip(got, wanted, strict=True)] == [
        True
    ] * 4


def test_dates_with_offsets_become_utc() -> None:
    got = column(
        ["2024-07-01T00:00:00+02:00"], ["2024-07-01T00:00:00Z", None, "2024-07-01T00:00:00-0330"], parse_dates=["a"]
    )
    assert got.dtype == f"datetime64[{UNIT}, UTC]"
    assert got[0] == pd.Timestamp("2024-06-30T22:00:00Z")
    assert got[3] == pd.Timestamp("2024-07-01T03:30:00Z")
    assert column(["2024-07-01T00:00:00Z"], parse_dates=["a"], dtype_backend="pyarrow").dtype == pd.ArrowDtype(
        pa.timestamp("us", "UTC")
    )


NAIVE_SPELLINGS = ["2024-07-01 10:00:00", "2024-07-01T10:00:00", "2024-07-01 10:00", "2024-07-01T10:00:00.0"]
AWARE_SPELLINGS = [
    *("2024-07-01 10:00:00Z", "2024-07-01T10:00:00+00:00", "2024-07-01 12:00:00+02:00", "2024-07-01T05:00:00-0500"),
    *("2024-07-01 10:00:00.000000000Z", "2024-07-01T06:30:00.0000000-03:30"),
]


@pytest.mark.parametrize("cells", [NAIVE_SPELLINGS, AWARE_SPELLINGS], ids=["naive", "aware"])
@pytest.mark.parametrize("how", [{"parse_dates": ["a"]}, {"dtype": "datetime"}], ids=repr)
@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_every_spelling_of_a_time_in_one_column(cells: list[str], how: dict[str, Any], backend: str | None) -> None:
    one = pd.Timestamp("2024-07-01T10:00:00", tz="UTC" if cells is AWARE_SPELLINGS else None)
    digits = [f"{cells[1]:.19}.{'123456789'[:count]}{cells[1][19:]}" for count in range(1, 10)]
    got = column([*cells, None], digits, **how, **({"dtype_backend": backend} if backend else {})).tolist()
    assert got[: len(cells)] == [one] * len(cells)
    assert pd.isna(got[len(cells)])
    assert got[len(cells) + 1 :] == [one + pd.Timedelta(int("123456789"[:n].ljust(9, "0"))) for n in range(1, 10)]
    for odd in ("2024-07-01T10:00:00.1234567890", "2024-07-01T10:00:00\N{MINUS SIGN}05:00", "2024-07-01t10:00:00"):
        with pytest.raises(InputError, match="Column 'a', row 1"):
            column([cells[0], odd], **how)


def test_dates_that_nanoseconds_cannot_hold() -> None:
    got = column(["0001-01-01", "9999-12-31"], parse_dates=["a"])
    assert got.dtype == "datetime64[us]"
    assert got.tolist() == [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)]
    fine = column(["2024-01-01T00:00:00.123456789"], parse_dates=["a"])
    assert fine.dtype == "datetime64[ns]"
    assert fine[0].nanosecond == 789


@pytest.mark.parametrize(
    ("cells", "dtype", "row"),
    [
        (["2024-01-01T00:00:00", "9999-12-31T23:59:59.9999999"], None, 1),
        (["9999-12-31", None, "2024-01-01T00:00:00.123456789"], None, 0),
        (["1600-01-01T00:00:00.0000001"], None, 0),
        (["2024-01-01T00:00:00Z", "0001-01-01T00:00:00.0000001Z"], None, 1),
        (["2024-01-01T00:00:00.0000000", "9999-12-31T23:59:59.0000000"], "datetime64[us]", None),
        (["0001-01-01T00:00:00.0000000+02:00", None], "datetime64[us, UTC]", None),
        (["2262-04-09T23:59:59.1234567-23:59", "1677-09-23T00:00:00.1234567+23:59"], "datetime64[ns, UTC]", None),
    ],
    ids=repr,
)
def test_dates_beyond_nanoseconds_with_more_than_six_digits(cells: list[Any], dtype: Any, row: int | None) -> None:
    for dtypes in (None, {"a": "datetime"}):
        if row is not None:
            with pytest.raises(InputError, match=f"Column 'a', row {row}: '{cells[row]}' .*does not fit timestamp"):
                column(cells, parse_dates=["a"], dtype=dtypes)
        else:
            got = column(cells, parse_dates=["a"], dtype=dtypes)
            assert got.dtype == dtype
            assert [None if year != year else year for year in got.dt.year] == [
                None if cell is None else int(cell[:4]) - (cell.startswith("0001") and "+02" in cell) for cell in cells
            ]


@pytest.mark.parametrize("cells", [[45_000, 1, 0], [45_000, None], [0.5, 2.0, None]], ids=repr)
@pytest.mark.parametrize("how", ["D", {"unit": "D", "origin": "1899-12-30"}, {"unit": "s", "utc": True}], ids=repr)
def test_numbers_are_dates_as_pandas_reads_them(cells: list[Any], how: Any) -> None:
    arguments = {"unit": how} if isinstance(how, str) else how
    got = column(cells, parse_dates={"a": how})
    pd.testing.assert_series_equal(got, pd.to_datetime(pd.Series(cells, name="a"), **arguments))


def test_any_dtype_raises_only_package_errors() -> None:
    columns: list[list[Any]] = [
        [1, 2, None],
        [0.5, None],
        ["a", "1", None],
        ["2024-01-01T00:00:00", "9999-12-31T23:59:59.9999999"],
        ["2024-01-01T00:00:00.1234567", "9999-12-31"],
        ["0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-05:00"],
        [1, "a", [1], {"b": 1}],
        [10**30, -1],
        ["P1D", "P99999999999D"],
    ]
    dtypes: list[Any] = ["float16", "float32", "int8", "bool", "category", "datetime64[ns, UTC]", "timedelta64[s]"]
    dtypes += ["period[D]", "Sparse[float]", "interval", "number", "date", "datetime", "dropdown", "id", ">i8"]
    kinds = [
        pa.null(),
        pa.float16(),
        pa.string_view(),
        pa.binary(),
        pa.list_(pa.int8()),
        pa.time32("s"),
        pa.duration("ms"),
    ]
    kinds += [pa.timestamp("us", "+05:30"), pa.dictionary(pa.int8(), pa.string()), pa.decimal256(50, 2)]
    dtypes += [*map(pd.ArrowDtype, kinds), pd.CategoricalDtype([(1,)]), pd.CategoricalDtype(pd.interval_range(0, 3))]
    ways: list[Any] = ["%Y", "s", {"utc": True}, {"format": "ISO8601"}, {"nonsense": 1}, {"unit": "D", "origin": "x"}]
    arguments = [{"dtype": {"a": dtype}} for dtype in dtypes] + [{"parse_dates": {"a": way}} for way in ways]
    for cells in columns:
        for argument in arguments:
            with warnings.catch_warnings(), suppress(InputError):
                warnings.simplefilter("ignore")
                column(cells, **argument)


@pytest.mark.parametrize("dtype", ["interval[int64]", pd.ArrowDtype(pa.list_(pa.int8())), pd.ArrowDtype(pa.binary())])
def test_a_dtype_that_no_column_can_have(dtype: Any) -> None:
    with pytest.raises(InputError, match=r"^Column 'a' can't be read as "):
        column([1, None], dtype=dtype)


@pytest.mark.parametrize(
    ("cells", "how", "wanted"),
    [
        (["31/12/2024"], "%d/%m/%Y", "2024-12-31"),
        (["12/31/2024"], {"format": "%m/%d/%Y"}, "2024-12-31"),
        (["31/12/2024"], {"dayfirst": True}, "2024-12-31"),
        ([1704067200], "s", "2024-01-01"),
        ([1704067200000], {"unit": "ms"}, "2024-01-01"),
        (["2024-01-01"], None, "2024-01-01"),
        (["2024-01-01"], {}, "2024-01-01"),
    ],
    ids=repr,
)
def test_dates_as_pandas_reads_them(cells: list[Any], how: Any, wanted: str) -> None:
    assert column([*cells, None], parse_dates={"a": how}).tolist() == [pd.Timestamp(wanted), pd.NaT]


def test_invalid_dates_are_refused() -> None:
    for cells, row in (
        (["2024-01-01", "soon"], 1),
        (["01/02/2024"], 0),
        ([5], 0),
        ([""], 0),
        (["2024-01-01", "2024-01-01T00:00:00Z"], 0),
    ):
        with pytest.raises(InputError, match=f"Column 'a', row {row}: "):
            column(cells, parse_dates=["a"])
    with pytest.raises(InputError, match=r"row 1: 'soon'.*%d/%m/%Y"):
        column(["31/12/2024", "soon"], parse_dates={"a": "%d/%m/%Y"})
    assert column(["soon"], parse_dates={"a": {"format": "%Y", "errors": "coerce"}}).isna().all()


def test_parse_dates_and_dtype() -> None:
    assert column(["2024-01-01"], parse_dates=["a"], dtype={"a": "datetime64[s]"}).dtype == "datetime64[s]"
    assert column(["2024-01-01"], parse_dates=["a"], dtype={"a": object}).dtype == f"datetime64[{UNIT}]"
    assert column(["2024"], parse_dates={"a": "%Y"}, dtype={"a": "datetime64[s]"})[0] == pd.Timestamp("2024-01-01")


@pytest.mark.parametrize(
    ("cell", "dtype", "said"),
    [
        ("a", "int8", "row 0: 'a' can't be read as int8: it is no whole number"),
        (2, "bool", "row 0: 2 can't be read as bool: it is neither true nor false"),
        ("a", "id", "row 0: 'a' can't be read as id: it is no whole number"),
        ("a", "float64", "row 0: 'a' can't be read as float64: it is no number"),
    ],
)
def test_an_error_names_the_dtype_in_words_of_pandas(cell: Any, dtype: Any, said: str) -> None:
    with pytest.raises(InputError) as raised:
        column([cell], dtype=dtype)
    assert said in str(raised.value)
