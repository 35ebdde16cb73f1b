"""filters= and skiprows=: a read returns the rows that pandas would keep of the whole data set."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pandas_clicdata
from pandas_clicdata import errors
from pandas_clicdata.frames.decode import FrameBuilder
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.sandbox import Sandbox

COLUMNS = {"n": "number", "t": "text", "day": "date", "at": "datetime", "on": "checkbox"}


def row(n: int) -> dict[str, Any]:
    return {
        "n": None if n % 7 == 3 else n,
        "t": None if n % 5 == 2 else f"0{n % 4}",
        "day": f"2024-01-{n % 28 + 1:02}",
        "at": f"2024-01-{n % 28 + 1:02} 10:00:0{n % 10}",
        "on": n % 3 == 0,
    }


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def service(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A data set "Numbers" of 35 rows on pages of ten."""
    with start(page_size=10, max_page_size=10) as sandbox, sandbox.session(api_version=request.param) as session:
        manager.make_default(session)
        sandbox.append(sandbox.create("Numbers", COLUMNS), [row(n) for n in range(35)])
        yield sandbox


def read(**options: Any) -> pd.DataFrame:
    return pandas_clicdata.read_clicdata("Numbers", **options)


FILTERS: dict[str, tuple[Any, Any]] = {
    "equal": ([("t", "==", "01")], lambda df: df["t"] == "01"),
    "one sign": ([("t", "=", "01")], lambda df: df["t"] == "01"),
    "not equal": ([("t", "!=", "01")], lambda df: df["t"].notna() & (df["t"] != "01")),
    "less": ([("n", "<", 12)], lambda df: df["n"] < 12),
    "at most": ([("n", "<=", 12.0)], lambda df: df["n"] <= 12),
    "more": ([("n", ">", np.int8(12))], lambda df: df["n"] > 12),
    "at least": ([("n", ">=", Decimal("11.5"))], lambda df: df["n"] >= 11.5),
    "in": ([("n", "in", {1, 2, 99})], lambda df: df["n"].isin([1, 2])),
    "in an array": ([("n", "in", np.array([1, 2]))], lambda df: df["n"].isin([1, 2])),
    "not in": ([("n", "not in", (1, 2))], lambda df: df["n"].notna() & ~df["n"].isin([1, 2])),
    "flag": ([("on", "==", True)], lambda df: df["on"]),
    "both": ([("n", ">", 5), ("t", "==", "01")], lambda df: (df["n"] > 5) & (df["t"] == "01")),
    "either": (
        [[("n", ">", 30)], [("t", "==", "01"), ("n", "<", 9)]],
        lambda df: (df["n"] > 30) | ((df["t"] == "01") & (df["n"] < 9)),
    ),
    "date": ([("day", ">=", dt.date(2024, 1, 20))], lambda df: df["day"] >= "2024-01-20"),
    "text of a date": ([("day", ">=", "2024-01-20")], lambda df: df["day"] >= "2024-01-20"),
    "moment": ([("at", "<", pd.Timestamp("2024-01-03 10:00:02"))], lambda df: df["at"] < "2024-01-03 10:00:02"),
    "aware": (
        [("at", "<", pd.Timestamp("2024-01-03 12:00:02", tz="Etc/GMT-2"))],
        lambda df: df["at"] < "2024-01-03 10:00:02",
    ),
    "date and moment": ([("at", ">", dt.date(2024, 1, 20))], lambda df: df["at"] > "2024-01-20"),
    "numpy": ([("at", "in", [np.datetime64("2024-01-01T10:00:00")])], lambda df: df["at"] == "2024-01-01 10:00:00"),
    "none match": ([("n", ">", 1000)], lambda df: df["n"] > 1000),
}


@pytest.mark.wide(2)
@pytest.mark.parametrize("name", FILTERS)
def test_rows_and_dtypes_are_those_of_the_whole_that_match(name: str, service: Sandbox) -> None:
    filters, mask = FILTERS[name]
    whole = read()
    expected = whole[mask(whole).fillna(False).astype(bool)].reset_index(drop=True)
    pd.testing.assert_frame_equal(read(filters=filters), expected)
    pd.testing.assert_frame_equal(read(filters=filters, workers=3), expected)
    chunks = list(pandas_clicdata.read_clicdata("Numbers", filters=filters, chunksize=3))
    assert [len(chunk) for chunk in chunks[:-1]] == [3] * (len(chunks) - 1)
    assert [cell for chunk in chunks for cell in chunk["at"]] == expected["at"].tolist()
    table = pandas_clicdata.read_arrow("Numbers", filters=filters)
    assert table["at"].to_pylist() == expected["at"].tolist()


@pytest.mark.parametrize("skip", [0, 1, 9, 10, 11, 25, 35, 36, 1000])
def test_skipped_rows_are_those_at_the_start(skip: int, service: Sandbox) -> None:
    pd.testing.assert_frame_equal(read(skiprows=skip), read().iloc[skip:].reset_index(drop=True))
    filtered = read()[skip:].query("n > 20")
    found = read(skiprows=skip, filters=[("n", ">", 20)])
    assert found["n"].tolist() == filtered["n"].tolist()
    assert read(skiprows=skip, nrows=3)["at"].tolist() == read()["at"].iloc[skip : skip + 3].tolist()


def test_none_skips_no_rows_as_in_pandas(service: Sandbox) -> None:
    pd.testing.assert_frame_equal(read(skiprows=None), read())


def test_no_page_is_requested_beyond_the_rows_wanted(service: Sandbox) -> None:
    read()
    service.requests.clear()
    assert read(nrows=2, skiprows=5)["n"].tolist() == [5, 6]
    assert sum(seen.path.endswith("/1004") for seen in service.requests) == 1
    service.requests.clear()
    assert read(nrows=2, filters=[("n", ">", 8)])["n"].tolist() == [9, 11]
    assert sum(seen.path.endswith("/1004") for seen in service.requests) == 2


def test_columns_that_are_left_out_can_be_compared(service: Sandbox) -> None:
    found = read(columns=["at"], filters=[("n", "==", 11)])
    assert found.to_dict("list") == {"at": ["2024-01-12 10:00:01"]}
    found = read(index_col="n", parse_dates=["at"], dtype={"t": "category"}, filters=[("n", "in", [8, 9])])
    assert found.index.tolist() == [8, 9]
    assert found["at"].tolist() == [pd.Timestamp("2024-01-09 10:00:08"), pd.Timestamp("2024-01-10 10:00:09")]


WRONG: list[tuple[Any, str]] = [
    ("n > 5", "must be a list of conditions"),
    (5, "must be a list of conditions"),
    ([], "is empty"),
    ([[]], "is empty"),
    ([[], [("n", "==", 1)]], "list of lists of tuples"),
    (["n", "==", 1], "list of lists of tuples"),
    ([("n", "==")], "is no condition of a column, an operator and a value"),
    ([[("n", "==", 1), 5]], "is no condition"),
    ([(["n"], "==", 1)], "is no column"),
    ([("n", "like", 1)], "the operator must be one of"),
    ([("n", 5, 1)], "the operator must be one of"),
    ([("n", "==", None)], "is missing, and missing cells match no filter"),
    ([("n", "==", float("nan"))], "is missing"),
    ([("n", "in", [1, pd.NA])], "is missing"),
    ([("at", "==", pd.NaT)], "is missing"),
    ([("n", "<", float("inf"))], "can't be used"),
    ([("n", "in", 1)], "needs a list of values"),
    ([("t", "in", "01")], "needs a list of values"),
    ([("n", "in", [])], "is empty"),
    ([("n", "in", [1, "1"])], "mixes values"),
    ([("n", "==", [1])], "can't be used"),
    ([("n", "==", dt.timedelta(1))], "must be text, a number"),
]


@pytest.mark.parametrize(("filters", "words"), WRONG)
def test_what_is_no_filter_is_refused_before_any_request(filters: Any, words: str, service: Sandbox) -> None:
    service.requests.clear()
    with pytest.raises(errors.InputError, match=words):
        read(filters=filters)
    assert not service.requests


@pytest.mark.parametrize("skip", [-1, 1.5, True, [1], "1"])
def test_rows_to_skip_are_a_number(skip: Any, service: Sandbox) -> None:
    service.requests.clear()
    with pytest.raises(errors.InputError, match="skiprows must be a whole number of rows"):
        read(skiprows=skip)
    assert not service.requests


MISMATCHES: list[tuple[Any, str]] = [
    (("nn", "==", 1), "filters names columns that the data set does not have: 'nn'.*did you mean 'n'"),
    (
        ("n", "==", "1"),
        r"column 'n' has the cell 0, which can't be compared with text\. Cells are compared as ClicData",
    ),
    (("t", "==", 1), "column 't' has the cell '00', which can't be compared with a number"),
    (("on", "==", 1), "column 'on' has the cell True, which can't be compared with a number"),
    (("n", "==", True), "column 'n' has the cell 0, which can't be compared with true or false"),
    (("t", "<", dt.date(2024, 1, 1)), "column 't' has the cell '00', which can't be compared with a date"),
    (("at", "<", dt.time(12)), "can't be compared with a time of day"),
]


@pytest.mark.parametrize(("condition", "words"), MISMATCHES)
def test_a_wrong_column_or_type_is_refused_at_the_first_page(condition: Any, words: str, service: Sandbox) -> None:
    service.requests.clear()
    with pytest.raises(errors.InputError, match=words):
        read(filters=[condition])
    assert sum(seen.path.endswith("/1004") for seen in service.requests) < 4  # the next page may be requested already


def test_a_cell_of_another_type_on_a_later_page_is_refused_too() -> None:
    builder = FrameBuilder(filters=[("x", ">", 1)])
    assert builder.add(b'[{"x": 1}, {"x": null}, {"x": 2.5}]') == 3
    assert builder.rows == 1
    with pytest.raises(errors.InputError, match="has the cell 'a'"):
        builder.add(b'[{"x": "a"}]')


def test_numbers_are_compared_exactly() -> None:
    builder = FrameBuilder(filters=[("x", "==", 9007199254740993)])
    builder.add(b'[{"x": 9007199254740992}, {"x": 9007199254740993}, {"x": 9007199254740992.0}, {"x": 1e999}]')
    assert builder.take()["x"].tolist() == [9007199254740993]
    builder = FrameBuilder(filters=[("x", "<", 9007199254740993.0)])  # a float: ...992
    builder.add(b'[{"x": 9007199254740991}, {"x": 9007199254740992}, {"x": 9007199254740993}]')
    assert builder.take()["x"].tolist() == [9007199254740991]


def test_times_of_a_day_and_offsets() -> None:
    builder = FrameBuilder(filters=[("x", "<", dt.time(9, 30))])
    builder.add(b'[{"x": "09:29:59.5"}, {"x": "09:30:00"}, {"x": null}, {"x": "08:00"}]')
    assert builder.take()["x"].tolist() == ["09:29:59.5", "08:00"]
    builder = FrameBuilder(filters=[("x", "==", dt.datetime(2024, 1, 1, 12, tzinfo=dt.timezone.utc))])
    builder.add(b'[{"x": "2024-01-01T12:00:00Z"}, {"x": "2024-01-01 14:00:00+02:00"}, {"x": "2024-01-01 12:00:01"}]')
    assert len(builder.take()) == 2


def test_rows_that_come_as_lists() -> None:
    builder = FrameBuilder(columns=["a", "b"], filters=[("b", "==", "y")], skiprows=1)
    builder.add(b'[[1, "y"], [2, "y"], [3, "n"]]')
    assert builder.take().to_dict("list") == {"a": [2], "b": ["y"]}


def test_a_page_without_the_column_has_no_match() -> None:
    builder = FrameBuilder(on_drift="union", filters=[("b", "!=", "y")])
    builder.add(b'[{"a": 1, "b": "x"}]')
    builder.add(b'[{"a": 2}]')
    assert builder.take()["a"].tolist() == [1]


def test_text_that_is_read_as_it_came_is_filtered_with_its_row() -> None:
    builder = FrameBuilder(dtype={"a": "text"}, filters=[("b", ">", 1)])
    builder.add(b'[{"a": 1.50, "b": 1}, {"a": 2.50, "b": 2}, {"a": "x", "b": 3}]')
    assert builder.take()["a"].tolist() == ["2.50", "x"]


def test_memory_holds_only_what_matches() -> None:
    page = json.dumps([{"x": n, "t": "long" * 1000} for n in range(100)]).encode()
    builder = FrameBuilder(filters=[("x", "==", 5)])
    builder.add(page)
    before = pa.total_allocated_bytes()
    for _ in range(30):
        builder.add(page)
    assert pa.total_allocated_bytes() - before < 3 * len(page)
    assert builder.rows == 31
    assert len(builder.take()) == 31


NUMBERS = st.none() | st.integers(-5, 5) | st.sampled_from([0.5, -2.5])
TEXTS = st.none() | st.sampled_from(["", "a", "b", "é", "\U0001f600", "ab"])
NAMES = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
CONDITIONS = st.one_of(
    st.tuples(st.just("n"), NAMES, st.integers(-5, 5) | st.just(0.5)),
    st.tuples(st.just("t"), NAMES, st.sampled_from(["", "a", "é", "ab"])),
    st.tuples(st.just("n"), st.sampled_from(["in", "not in"]), st.lists(st.integers(-5, 5), min_size=1)),
)
ALL_OF = st.lists(CONDITIONS, min_size=1, max_size=3)


@given(st.lists(st.tuples(NUMBERS, TEXTS), max_size=20), ALL_OF | st.lists(ALL_OF, min_size=1, max_size=3))
def test_the_rows_are_those_that_pyarrow_keeps(cells: list[tuple[Any, Any]], filters: Any) -> None:
    rows = [{"n": n, "t": t, "place": place} for place, (n, t) in enumerate(cells)]
    builder = FrameBuilder(filters=filters)
    for begin in range(0, len(rows), 6):
        builder.add(json.dumps(rows[begin : begin + 6]).encode())
    found = builder.take()
    table = pa.table(
        {
            "n": pa.array([n for n, _ in cells], pa.float64()),
            "t": pa.array([t for _, t in cells], pa.string()),
            "place": pa.array(range(len(cells)), pa.int64()),
        }
    )
    nested = [filters] if isinstance(filters[0], tuple) else filters
    # pyarrow keeps missing cells for "not in" only
    strict = [
        [*all_of, *((each[0], "<=", 99) for each in all_of if each[1] == "not in" and each[0] == "n")]
        for all_of in nested
    ]
    expected = table.filter(pq.filters_to_expression(strict))["place"].to_pylist()
    assert (found["place"].tolist() if len(found.columns) else []) == expected


def test_a_read_that_begins_anew_skips_again() -> None:
    builder = FrameBuilder(skiprows=1)
    for _ in range(2):
        builder.clear()
        builder.add(b'[{"a": 1}, {"a": 2}]')
    assert builder.take()["a"].tolist() == [2]
