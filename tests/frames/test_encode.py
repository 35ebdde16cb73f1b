"""Frames to bytes: every family of dtypes against the plain rules, the bounds of chunks, and refusals."""

from __future__ import annotations

import datetime as dt
import json
import re
import threading
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frames.chunked import bodies_of, bounds_of
from frames.families import families
from frames.reference_encoder import agrees, assert_cells, assert_object, expected, is_missing, parsed, scalars
from pandas_clicdata.errors import InputError
from pandas_clicdata.frames.encode import FrameEncoder, RowFormat, cells
from pandas_clicdata.frames.types import clicdata_types
from sample import examples

FAMILIES = families()
CHECKS = {RowFormat.CELLS: assert_cells, RowFormat.OBJECTS: assert_object}
FORMATS = pytest.mark.parametrize("row_format", RowFormat, ids=lambda row_format: row_format.value)


def body_of(frame: pd.DataFrame, row_format: RowFormat = RowFormat.OBJECTS, **arguments: object) -> bytes:
    encoder = FrameEncoder(frame, **arguments)
    (body,) = bodies_of(encoder, row_format, [(0, encoder.rows)])
    return body


def assert_encoded(frame: pd.DataFrame, row_format: RowFormat) -> None:
    rows = parsed(body_of(frame, row_format))["data"]
    assert len(rows) == len(frame)
    for row, scalar_row in zip(rows, scalars(frame), strict=True):
        CHECKS[row_format](row, list(frame.columns), scalar_row)


# ---------------------------------------------------------------- every family


@FORMATS
@pytest.mark.parametrize("family", FAMILIES)
def test_the_cells_of_every_family(family: str, row_format: RowFormat) -> None:
    frame = pd.DataFrame({family: FAMILIES[family]})
    assert_encoded(frame, row_format)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_between_other_columns(family: str) -> None:
    series = FAMILIES[family]
    text = pd.Series(['"', None] * len(series)).iloc[: len(series)]
    frame = pd.DataFrame({"before": text, 'na"me\n': series, "after": range(len(series))})
    assert_encoded(frame, RowFormat.CELLS)
    assert_encoded(frame, RowFormat.OBJECTS)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_without_rows(family: str) -> None:
    encoder = FrameEncoder(pd.DataFrame({"a": FAMILIES[family].iloc[:0]}))
    assert encoder.rows == 0
    assert bounds_of(encoder, RowFormat.CELLS, max_rows=10, max_bytes=1000) == []
    assert list(bodies_of(encoder, RowFormat.CELLS, [])) == []
    assert list(encoder.rows_as(RowFormat.CELLS)) == []


@pytest.mark.wide(4)
@pytest.mark.parametrize("family", [family for family in FAMILIES if "endian" not in family])
def test_long_columns_are_written_as_short_ones_in_a_row(family: str) -> None:
    series = FAMILIES[family]
    times = 41_000 // len(series)
    frame = pd.DataFrame({"a": series.take(np.tile(np.arange(len(series)), times))})
    once = body_of(pd.DataFrame({"a": series}))[len(b'{"data":[') : -len(b"]}")]
    assert body_of(frame) == b'{"data":[' + b",".join([once] * times) + b"]}"


@pytest.mark.wide(4)
@pytest.mark.parametrize("which", ["all", "present", "missing"])
@pytest.mark.parametrize("family", [family for family in FAMILIES if "endian" not in family])
def test_any_column_name_and_any_neighbour(family: str, which: str) -> None:
    series = FAMILIES[family]
    if which != "all":
        missing = np.array([is_missing(cell) for (cell,) in scalars(pd.DataFrame({"a": series}))], dtype=bool)
        series = series.take(np.flatnonzero(missing == (which == "missing")))
    written = [row[len(b'{"a":') : -1] for row in FrameEncoder(pd.DataFrame({"a": series})).rows_as(RowFormat.OBJECTS)]
    names = [",", "\n", 'null"\\', "", "é😀,\n"]
    text = pd.Series(["x"] * len(series), index=series.index, dtype="string[pyarrow]")
    encoder = FrameEncoder(pd.DataFrame(dict(zip(names, [series, series, text, series, series], strict=True))))
    in_json = [b'","', b'"\\n"', b'"null\\"\\\\"', b'""', '"é😀,\\n"'.encode()]
    cells = [list(zip(in_json, (cell, cell, b'"x"', cell, cell), strict=True)) for cell in written]
    as_cells = [b"[" + b",".join(b'{"column":%b,"value":%b}' % cell for cell in row) + b"]" for row in cells]
    as_objects = [b"{" + b",".join(b"%b:%b" % cell for cell in row) + b"}" for row in cells]
    for _ in range(2):
        assert list(encoder.rows_as(RowFormat.CELLS)) == as_cells
        assert list(encoder.rows_as(RowFormat.OBJECTS)) == as_objects


_NEIGHBOURS = {
    "clean text": ["x", "yé", "z"],
    "text with holes": ["x", None, 'q"\\'],
    "categories": pd.Categorical(["u", None, 'v"']),
    "numbers as categories": pd.Categorical([1.5, None, 2]),
    "booleans": [True, False, True],
    "booleans with holes": pd.array([True, None, False], "boolean"),
    "integers": [1, 2, 3],
    "integers with holes": pd.array([1, None, 3], "Int64"),
    "objects": pd.Series([dt.date(2024, 1, 2), None, dt.date(2024, 1, 3)], dtype=object),
}


@FORMATS
@pytest.mark.parametrize("first", _NEIGHBOURS)
def test_any_cells_beside_each_other(first: str, row_format: RowFormat) -> None:
    rows = 80
    rng = np.random.default_rng(11)
    for second in _NEIGHBOURS:
        columns = {
            name: pd.Series(_NEIGHBOURS[kind])
            for name, kind in zip("abcd", (first, second, second, first), strict=True)
        }
        frame = pd.DataFrame({name: series.take(rng.integers(0, 3, rows)).array for name, series in columns.items()})
        assert_encoded(frame, row_format)
        for series in columns.values():
            assert_encoded(pd.DataFrame({"only": series}), row_format)


@FORMATS
def test_many_columns_of_few_texts_beside_each_other(row_format: RowFormat) -> None:
    rng = np.random.default_rng(12)
    rows, long = 1_500, "long " * 50
    levels = {"few": list("abcdef"), "many": [f"{long}{n}" for n in range(900)], "quoted": ['"', "\\", "é"]}
    frame = pd.DataFrame(
        {f"b{n}": pd.Series(rng.random(rows) < 0.5) for n in range(9)}
        | {name: pd.Categorical.from_codes(rng.integers(-1, len(of), rows), of) for name, of in levels.items()}
        | {f"c{n}": pd.Categorical.from_codes(rng.integers(-1, 40, rows), range(40)) for n in range(4)}
    )
    for written in (frame, frame[frame.columns[::-1]], frame.iloc[:5]):
        assert_encoded(written, row_format)


def test_blocks_may_start_anywhere() -> None:
    texts = ['"Words" that seldom need an escape', None, "two\nlines, and more of them", None, None, "no escape"] * 20
    frame = pd.DataFrame({"a": texts, "b": [None, "x"] * 60, "c": pd.array([None, True, False, None] * 30)})
    encoder = FrameEncoder(frame)
    rows = list(encoder.rows_as(RowFormat.CELLS))
    for start in range(30):
        bounds = [(start, start + 1), (start, start + 9), (start, len(frame))]
        bodies = [b'{"data":[' + b",".join(rows[first:last]) + b"]}" for first, last in bounds]
        assert [body for one in bounds for body in bodies_of(encoder, RowFormat.CELLS, [one])] == bodies


def test_literals() -> None:
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "t": ['a"b', None],
            "d": [dt.date(2024, 1, 2), None],
            "at": pd.to_datetime(["2024-01-02T03:04:05", "2024-01-02T03:04:05.5"], format="ISO8601"),
        }
    )
    assert body_of(frame, RowFormat.CELLS) == (
        b'{"data":[[{"column":"n","value":1},{"column":"t","value":"a\\"b"},{"column":"d","value":"2024-01-02"},'
        b'{"column":"at","value":"2024-01-02 03:04:05"}],[{"column":"n","value":2},{"column":"t","value":null},'
        b'{"column":"d","value":null},{"column":"at","value":"2024-01-02 03:04:05.5"}]]}'
    )
    assert body_of(frame, RowFormat.OBJECTS) == (
        b'{"data":[{"n":1,"t":"a\\"b","d":"2024-01-02","at":"2024-01-02 03:04:05"},'
        b'{"n":2,"t":null,"d":null,"at":"2024-01-02 03:04:05.5"}]}'
    )


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (pd.Series([0.1], dtype="float32"), b"0.1"),
        (pd.Series([1e16]), b"1e16"),
        (pd.Series([Decimal("1E+3")]), b"1E+3"),
        (pd.Series([Decimal("-0")]), b"-0"),
        (pd.Series([Decimal("0.10")]), b"0.10"),
        (pd.Series([2**64 - 1], dtype="uint64"), b"18446744073709551615"),
        (pd.Series([10**30], dtype=object), b"1" + b"0" * 30),
        (pd.Series([pd.Timestamp("2024-07-01", tz="Europe/Berlin")]), b'"2024-06-30 22:00:00"'),
        (pd.Series([pd.Timestamp("2024-07-01", tz="UTC")]), b'"2024-07-01 00:00:00"'),
        (pd.Series([pd.Timestamp("2024-07-01T00:00:00.0000001")]), b'"2024-07-01 00:00:00.0000001"'),
        (pd.Series([pd.Timestamp("2024-07-01T00:00:10.100")]), b'"2024-07-01 00:00:10.1"'),
        (pd.Series([dt.datetime(999, 7, 1, 0, 0, 10)], dtype=object), b'"0999-07-01 00:00:10"'),
        (pd.Series([pd.Timedelta("-1 s")]), b'"P-1DT23H59M59S"'),
    ],
)
def test_literal_cells(cell: pd.Series, text: bytes) -> None:
    assert body_of(pd.DataFrame({"a": cell})).replace(b"1e+16", b"1e16") == b'{"data":[{"a":' + text + b"}]}"


@pytest.mark.parametrize("family", [name for name in FAMILIES if name.startswith("timedelta")])
def test_pandas_reads_durations_back(family: str) -> None:
    series = FAMILIES[family]
    written = [row["a"] for row in json.loads(body_of(pd.DataFrame({"a": series})))["data"]]
    for got, cell in zip(written, series, strict=True):
        assert (got is None) if pd.isna(cell) else pd.to_timedelta(got) == pd.Timedelta(cell)


def test_aware_times_keep_their_instant() -> None:
    zone = "America/New_York"
    hours = pd.date_range("1883-11-17", periods=100, freq="h", tz="UTC").append(
        pd.date_range("2024-11-02", periods=100, freq="30min", tz="UTC")
    )
    frame = pd.DataFrame({"at": hours.tz_convert(zone)})
    written = [row["at"] for row in json.loads(body_of(frame))["data"]]
    assert [pd.Timestamp(text, tz="UTC") for text in written] == list(hours)
    assert written[-1] == "2024-11-04 01:30:00"


@pytest.mark.parametrize("tz", [None, "UTC", "Asia/Kolkata"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_every_minute_second_and_digit_of_times(unit: str, tz: str | None) -> None:
    numbers = np.arange(2000, dtype=np.int64)  # all entries of the tables: the minutes of a day, 1,000 numbers
    seconds = 1_700_000_000 // 86_400 * 86_400 + numbers % 1440 * 60 + numbers % 60
    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    parts = (numbers * 1_000_000 + (numbers + 1) % 1000 * 1000 + (numbers + 2) % 1000) % per_second
    parts = parts // 100 * 100 if unit == "ns" else parts  # finer ones are refused
    series = pd.Series((seconds * per_second + parts).view(f"M8[{unit}]"))
    assert_encoded(pd.DataFrame({"a": series if tz is None else series.dt.tz_localize(tz)}), RowFormat.OBJECTS)


def test_aware_times_over_many_centuries() -> None:
    texts = ["0001-01-02", "1500-06-01T12:00:00", "2024-07-01", "9999-12-30"]
    moments = pd.Series(np.array(texts, "M8[us]")).dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")
    assert_encoded(pd.DataFrame({"at": moments}), RowFormat.OBJECTS)


@pytest.mark.parametrize("first", ["0001-01-01", "1899-12-25", "2099-12-25", "9999-12-20"])
def test_days_at_the_bounds_of_the_usual_years(first: str) -> None:
    days = np.datetime64(first, "us") + np.arange(12) * np.timedelta64(1, "D")
    frame = pd.DataFrame({"at": days + np.timedelta64(3_723_000_004, "us"), "day": days.astype("M8[D]").tolist()})
    frame["arrow"] = frame["day"].astype(pd.ArrowDtype(pa.date32()))
    assert_encoded(frame, RowFormat.OBJECTS)


# ---------------------------------------------------------------- any frame

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAIVE = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999))
AWARE = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1), timezones=st.timezones())
FINITE = st.decimals(allow_nan=False, allow_infinity=False)
ANY_OTHER_CELL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_infinity=False),
    TEXT,
    st.dates(),
    FINITE,
    st.uuids(),
    st.times(),
    st.just(pd.NaT),
    st.just(pd.NA),
    st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999)),
)


ANY_CELL = st.one_of(NAIVE, AWARE, ANY_OTHER_CELL)


def _column(draw: st.DrawFn, rows: int) -> pd.Series:
    def listed(cell: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(cell, min_size=rows, max_size=rows))

    def optional(cell: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
        return st.one_of(st.none(), cell)

    makers = {
        "ints": lambda: pd.Series(listed(st.integers(-(2**63), 2**63 - 1)), dtype="int64"),
        "Int64": lambda: pd.Series(listed(optional(st.integers(-(2**63), 2**63 - 1))), dtype="Int64"),
        "floats": lambda: pd.Series(listed(st.floats(allow_infinity=False)), dtype="float64"),
        "float32": lambda: pd.Series(listed(st.floats(allow_infinity=False, width=32)), dtype="float32"),
        "Float64": lambda: pd.Series(
            listed(optional(st.floats(allow_infinity=False, allow_nan=False))), dtype="Float64"
        ),
        "boolean": lambda: pd.Series(listed(optional(st.booleans())), dtype="boolean"),
        "dates": lambda: pd.Series(listed(optional(st.dates())), dtype=object),
        "bools": lambda: pd.Series(listed(st.booleans()), dtype=bool),
        "string": lambda: pd.Series(listed(optional(TEXT)), dtype="string[pyarrow]"),
        "text": lambda: pd.Series(listed(optional(TEXT)), dtype=object),
        "category": lambda: pd.Series(listed(optional(TEXT)), dtype="category"),
        "moments": lambda: pd.Series(np.array(listed(NAIVE), dtype="M8[us]")),
        "any": lambda: pd.Series(listed(draw(st.sampled_from([NAIVE, AWARE])) | ANY_OTHER_CELL), dtype=object),
    }
    return makers[draw(st.sampled_from(sorted(makers)))]()


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 6))
    name = TEXT | st.text(',\n"\\é', min_size=1, max_size=3)
    names = draw(st.lists(name, min_size=1, max_size=4, unique=True))
    return pd.DataFrame({name: _column(draw, rows) for name in names})


@FORMATS
@settings(deadline=None, max_examples=examples(150))
@given(frame=frames())
def test_any_frame(frame: pd.DataFrame, row_format: RowFormat) -> None:
    before = frame.copy(deep=True)
    assert_encoded(frame, row_format)
    pd.testing.assert_frame_equal(frame, before)


@settings(deadline=None, max_examples=examples(200))
@given(values=st.dictionaries(TEXT, ANY_CELL, max_size=5))
def test_cells_of_any_values(values: dict[str, object]) -> None:
    written = parsed(cells(values))
    assert [cell["column"] for cell in written] == list(values)
    for cell, value in zip(written, values.values(), strict=True):
        assert agrees(cell["value"], expected(value))


def test_cells_of_scalars_of_numpy_and_pandas() -> None:
    values = {"a": np.int8(1), "b": np.float32(0.1), "c": np.bool_(True), "d": np.datetime64("2024-01-01"), "e": pd.NA}
    assert cells(values) == (
        b'[{"column":"a","value":1},{"column":"b","value":0.1},{"column":"c","value":true},'
        b'{"column":"d","value":"2024-01-01 00:00:00"},{"column":"e","value":null}]'
    )


def test_cells_names_every_problem() -> None:
    with pytest.raises(InputError) as caught:
        cells({"a": float("inf"), "b": [1], "c": "\ud800", 5: 1, "fine": 1})
    assert len(caught.value.problems) == 4
    assert "'a'" in caught.value.problems[0]
    assert "infinite" in caught.value.problems[0]
    assert "list" in caught.value.problems[1]
    assert "Unicode" in caught.value.problems[2]
    assert "5" in caught.value.problems[3]


def test_a_column_name_that_is_not_unicode_is_refused_in_a_row_of_cells() -> None:
    with pytest.raises(InputError, match=r"Column '\\ud800': its name is text that is not valid Unicode"):
        cells({"\ud800": 1})


# ---------------------------------------------------------------- chunks


@st.composite
def cuts(draw: st.DrawFn) -> tuple[pd.DataFrame, int, int]:
    sizes = draw(st.lists(st.integers(0, 60), min_size=1, max_size=40))
    longer = draw(st.sampled_from([1, 100]))  # sizes of long texts are kept
    characters = draw(st.sampled_from(["x", '"', "é", "\x00", "x\n"])) * longer
    texts = [characters * size if size else draw(st.sampled_from([None, ""])) for size in sizes]
    frame = pd.DataFrame({"a": pd.Series(texts, dtype="str"), "n": range(len(sizes))})
    frame["o"] = frame["a"].astype(object)
    frame["c"] = frame["a"].astype("category")
    return frame, draw(st.integers(1, 50)), longer * draw(st.integers(1, 2000))


@FORMATS
@settings(deadline=None, max_examples=examples(150))
@given(case=cuts())
def test_chunks(case: tuple[pd.DataFrame, int, int], row_format: RowFormat) -> None:
    frame, max_rows, max_bytes = case
    encoder = FrameEncoder(frame)
    bounds = bounds_of(encoder, row_format, max_rows=max_rows, max_bytes=max_bytes)
    assert bounds == bounds_of(FrameEncoder(frame), row_format, max_rows=max_rows, max_bytes=max_bytes)
    assert [start for start, _ in bounds] == [0, *(stop for _, stop in bounds[:-1])]
    assert bounds[-1][1] == len(frame)
    bodies = list(bodies_of(encoder, row_format, bounds))
    assert bodies == list(bodies_of(encoder, row_format, bounds))
    for (start, stop), body in zip(bounds, bodies, strict=True):
        assert 1 <= stop - start <= max_rows
        assert len(body) <= max_bytes or stop - start == 1
    rows = list(encoder.rows_as(row_format))
    assert [b'{"data":[' + b",".join(rows[start:stop]) + b"]}" for start, stop in bounds] == bodies


def test_chunks_are_nearly_as_large_as_the_bound() -> None:
    frame = pd.DataFrame({"t": ["x" * (i % 300) for i in range(50_000)], "n": range(50_000)})
    encoder = FrameEncoder(frame)
    bounds = bounds_of(encoder, RowFormat.CELLS, max_rows=10**6, max_bytes=100_000)
    sizes = [len(body) for body in bodies_of(encoder, RowFormat.CELLS, bounds)]
    assert max(sizes) <= 100_000
    assert min(sizes[:-1]) > 85_000


def test_any_chunk_can_be_written_by_itself() -> None:
    frame = pd.DataFrame({"n": range(45_000)})
    encoder = FrameEncoder(frame)
    bounds = bounds_of(encoder, RowFormat.OBJECTS, max_rows=7_000, max_bytes=10**9)
    bodies = list(bodies_of(encoder, RowFormat.OBJECTS, bounds))
    assert [next(iter(bodies_of(encoder, RowFormat.OBJECTS, [bound]))) for bound in bounds] == bodies
    assert list(bodies_of(encoder, RowFormat.OBJECTS, bounds[::-1])) == bodies[::-1]
    assert [row["n"] for body in bodies for row in json.loads(body)["data"]] == list(range(45_000))


def test_bodies_are_written_lazily() -> None:
    encoder = FrameEncoder(pd.DataFrame({"n": range(100_000)}))
    bodies = bodies_of(encoder, RowFormat.CELLS, bounds_of(encoder, RowFormat.CELLS, max_rows=10, max_bytes=10**6))
    assert json.loads(next(bodies))["data"][9] == [{"column": "n", "value": 9}]


# ---------------------------------------------------------------- the index


def test_index_comes_first() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key"))
    for index in (None, True):
        assert body_of(frame, index=index) == b'{"data":[{"key":"x","a":1},{"key":"y","a":2}]}'
        assert FrameEncoder(frame, index=index).columns == ["key", "a"]
    assert FrameEncoder(frame, index=False).columns == ["a"]


def test_index_without_a_name() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3]}).iloc[::2]
    assert body_of(frame, index=True) == b'{"data":[{"index":0,"a":1},{"index":2,"a":3}]}'
    assert body_of(frame) == b'{"data":[{"a":1},{"a":3}]}'
    assert body_of(frame.rename_axis("n")) == b'{"data":[{"n":0,"a":1},{"n":2,"a":3}]}'


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(2),
        pd.Index([5, 5]),
        pd.Index([1, 2], dtype=object),
        pd.Index([1, None], dtype="Int64"),
        pd.Index([1, 2], dtype="int64[pyarrow]"),
    ],
)
def test_integers_without_a_name_are_positions(index: pd.Index) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=index)
    assert FrameEncoder(frame).columns == ["a"]
    assert FrameEncoder(frame.rename_axis("k")).columns == ["k", "a"]


@pytest.mark.parametrize(
    "index",
    [
        pd.Index(["x", "y"]),
        pd.Index([0.5, 1.5]),
        pd.Index(["x", 1], dtype=object),
        pd.Index([True, False]),
        pd.CategoricalIndex([1, 2]),
        pd.date_range("2024-01-01", periods=2),
        pd.period_range("2024-01", periods=2, freq="M"),
        pd.timedelta_range("1h", periods=2),
        pd.MultiIndex.from_arrays([[1, 2], [3, 4]], names=["k", None]),
        pd.MultiIndex.from_arrays([[1, 2], [3, 4]]),
    ],
)
def test_other_labels_without_a_name_are_refused_with_both_ways_out(index: pd.Index) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=index)
    (problem,) = problems_of(frame)
    assert FrameEncoder(frame, index=False).columns == ["a"]
    assert "index=False" in problem
    named = re.search(r"df\.rename_axis\([^)]*\)", problem)
    assert named is not None
    levels = ["day"] if index.nlevels == 1 else [index.names[0] or "level_0", "level_1"]
    assert FrameEncoder(eval(named[0], {"df": frame})).columns == [*levels, "a"]
    assert FrameEncoder(frame.iloc[:0]).columns == ["a"], "without rows there is nothing to lose"


def test_a_level_is_sent_as_a_column_of_its_dtype_is() -> None:
    levels = {
        "month": pd.period_range("2024-01", periods=2, freq="M"),
        "kind": pd.CategoricalIndex(["x", "y"]),
        "at": pd.date_range("2024-01-01", periods=2, tz="UTC"),
        "n": pd.RangeIndex(2),
    }
    columns = pd.DataFrame({**levels, "a": [1, 2]})
    assert body_of(columns.set_index(list(levels))) == body_of(columns)
    for name in levels:
        frame = columns[[name, "a"]]
        assert body_of(frame.set_index(name)) == body_of(frame)
    with pytest.raises(InputError, match="'span' is of type interval"):
        FrameEncoder(pd.DataFrame({"a": [1]}, index=pd.interval_range(0, 1, name="span")))


def test_index_of_several_levels() -> None:
    moments = pd.to_datetime(["2024-01-01", "2024-01-02"])
    index = pd.MultiIndex.from_arrays([["x", None], moments], names=["key", "at"])
    assert body_of(pd.DataFrame({"a": [1, 2]}, index=index), index=True) == (
        b'{"data":[{"key":"x","at":"2024-01-01 00:00:00","a":1},{"key":null,"at":"2024-01-02 00:00:00","a":2}]}'
    )


def test_index_levels_need_names_that_no_column_has() -> None:
    unnamed = pd.DataFrame({"a": [1]}, index=pd.MultiIndex.from_arrays([[1], [2]]))
    with pytest.raises(InputError, match="rename_axis"):
        FrameEncoder(unnamed, index=True)
    with pytest.raises(InputError, match="'index'"):
        FrameEncoder(pd.DataFrame({"index": [1]}), index=True)
    clash = pd.DataFrame({"k": [1]}).set_index("k", drop=False)
    with pytest.raises(InputError, match=r"'k'\. A level of the index is a column too.*rename_axis.*index=False"):
        FrameEncoder(clash)
    assert FrameEncoder(clash, index=False).columns == ["k"]
    with pytest.raises(InputError, match=r"must be text.*rename_axis, or leave it out with index=False"):
        FrameEncoder(clash.rename_axis(0))


# ---------------------------------------------------------------- what is refused


def problems_of(frame: object, **arguments: object) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        FrameEncoder(frame, **arguments)
    return caught.value.problems


@pytest.mark.fault(61)
def test_every_problem_is_named_with_its_rows() -> None:
    frame = pd.DataFrame(
        {
            "f": [1.0, np.inf, -np.inf],
            "o": [b"x", [1], {"a": 1}],
            "c": np.array([1j, 2, 3]),
            "i": pd.IntervalIndex.from_breaks([0, 1, 2, 3]),
            "fine": [1, 2, 3],
            "d": [Decimal("Infinity"), Decimal("-Infinity"), Decimal(1)],
            "t": pd.Series(["a", "\ud800", "b"], dtype=object, index=["x", "y", "z"]),
        },
        index=["x", "y", "z"],
    )
    problems = problems_of(frame)
    expected_rows = {
        "The index has no name": "'x'",
        "Column 'f': 2 cells are infinite": "'y', 'z'",
        "Column 'o': 1 cell is of type bytes": "'x'",
        "Column 'o': 1 cell is of type list": "'y'",
        "Column 'o': 1 cell is of type dict": "'z'",
        "Column 'c' is of type complex128": "",
        "Column 'i' is of type interval": "",
        "Column 'd': 2 cells are infinite": "'x', 'y'",
        "Column 't': 1 cell is text that is not valid Unicode": "'y'",
    }
    assert len(problems) == len(expected_rows)
    for begins, rows in expected_rows.items():
        (problem,) = [problem for problem in problems if problem.startswith(begins)]
        assert rows in problem


def test_only_the_first_rows_are_listed() -> None:
    (problem,) = problems_of(pd.DataFrame({"a": [np.inf] * 50_000}))
    assert "50000 cells are infinite" in problem
    assert "rows 0, 1, 2, 3, 4, ..." in problem


def test_a_bad_last_row_is_found_before_anything_is_written() -> None:
    column = np.ones(300_000)
    column[-1] = np.inf
    (problem,) = problems_of(pd.DataFrame({"a": column}))
    assert "row 299999" in problem
    objects = pd.Series(["x"] * 30_000, dtype=object)
    objects.iloc[-1] = object()
    (problem,) = problems_of(pd.DataFrame({"a": objects}))
    assert "row 29999" in problem


@pytest.mark.fault(62)
@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (float("inf"), "infinite"),
        (np.float32("-inf"), "infinite"),
        (np.longdouble("inf"), "infinite"),
        (Decimal("Infinity"), "infinite"),
        (b"bytes", "bytes"),
        (bytearray(b"x"), "bytearray"),
        ([1], "list"),
        ((1,), "tuple"),
        ({"a": 1}, "dict"),
        ({1}, "set"),
        (1j, "complex"),
        (pd.Interval(0, 1), "Interval"),
        (object(), "object"),
        (np.array([1]), "ndarray"),
        ("\udfff", "Unicode"),
        (10**5000, "digits"),
        (np.datetime64("12000-01-01"), "years"),
        (Decimal("1E+400"), "range"),
        (Decimal("-1.8E+308"), "range"),
        (Decimal(10**400), "range"),
        (np.longdouble("1e400"), "digits"),
    ],
    ids=lambda case: type(case).__name__,
)
@pytest.mark.parametrize("among", [[], ["text", 1, None]], ids=["alone", "mixed"])
def test_cells_that_are_refused(cell: object, reason: str, among: list[object]) -> None:
    column = pd.Series([None] * (len(among) + 1), dtype=object)
    for row, value in enumerate([*among, cell]):
        column.at[row] = value
    (problem,) = problems_of(pd.DataFrame({"a": column}))
    assert reason in problem
    assert f"(row {len(among)})" in problem


@pytest.mark.parametrize("dtype", ["string[python]", object])
def test_lone_surrogates_are_refused_in_any_text(dtype: Any) -> None:
    column = pd.Series(["a", None, "\ud800"], dtype=dtype)
    (problem,) = problems_of(pd.DataFrame({"a": column}))
    assert "Column 'a': 1 cell is text that is not valid Unicode" in problem
    index = pd.DataFrame({"n": [1, 2, 3]}, index=pd.Index(column, name="i"))
    (problem,) = problems_of(index, index=True)
    assert "Column 'i': 1 cell is text that is not valid Unicode" in problem


MIXES: dict[str, list[object]] = {
    "all finite": [1.5, -0.0, 5e-324, Decimal("1.50"), Decimal("1E+3"), 7, "seven", None, True, dt.date(2024, 2, 29)],
    "a sum beyond all floats": ["x", 1.7976931348623157e308, 1.7976931348623157e308, 2, None],
    "a missing float": ["x", 1.5, float("nan"), Decimal("2"), 3],
    "a missing decimal": ["x", 1.5, Decimal("NaN"), Decimal("sNaN"), Decimal("-0.10"), 3],
    "days and moments, all dates to pandas": [
        dt.date(1, 1, 1),
        dt.datetime(2024, 1, 1),
        pd.Timestamp("2024-02-03"),
        pd.NaT,
    ],
    "days and what is missing": [dt.date(9999, 12, 31), None, float("nan"), pd.NA, pd.NaT, dt.date(999, 1, 1)],
    "floats of numpy's": ["x", np.float32(0.1), np.float64(0.1), Decimal("0.1")],
}


@FORMATS
@pytest.mark.parametrize("mix", MIXES)
def test_numbers_of_all_types_beside_text(mix: str, row_format: RowFormat) -> None:
    assert_encoded(pd.DataFrame({"a": pd.Series(MIXES[mix] * 30, dtype=object)}), row_format)


@pytest.mark.parametrize("odd", [float("inf"), float("-inf"), Decimal("Infinity"), Decimal("-Infinity")])
@pytest.mark.parametrize("mix", MIXES)
def test_one_infinity_is_found_among_numbers_of_all_types(mix: str, odd: object) -> None:
    column = pd.Series([*MIXES[mix], odd, *MIXES[mix], float("inf"), float("-inf")], dtype=object)
    (problem,) = problems_of(pd.DataFrame({"a": column}))
    assert "infinite" in problem
    n = len(MIXES[mix])
    assert f"(rows {n}, {2 * n + 1}, {2 * n + 2})" in problem


@pytest.mark.parametrize("odd", ["Infinity", "-Infinity", "NaN", "-NaN", "sNaN", "-sNaN", "NaN123"])
@pytest.mark.parametrize("beside", [["N", -1, 2.5, None], ["I", True], [Decimal("-1.5"), 'x"'], [1, "-"]], ids=repr)
@FORMATS
def test_one_odd_decimal_beside_any_cells(beside: list[object], odd: str, row_format: RowFormat) -> None:
    column = pd.Series([*beside, Decimal(odd), *beside], dtype=object)
    if "Infinity" in odd:
        (problem,) = problems_of(pd.DataFrame({"a": column}))
        assert "1 cell is infinite" in problem
        assert f"(row {len(beside)})" in problem
    else:
        assert_encoded(pd.DataFrame({"a": column}), row_format)


@pytest.mark.parametrize("odd", [float("inf"), float("-inf")])
def test_one_infinite_float_is_found_beside_any_cells(odd: float) -> None:
    for beside in (["N", -1, 2.5, None], ["I", True], [Decimal("-1.5"), None], [1, "-"]):
        (problem,) = problems_of(pd.DataFrame({"a": pd.Series([*beside, odd, *beside], dtype=object)}))
        assert "1 cell is infinite" in problem
        assert f"(row {len(beside)})" in problem


@pytest.mark.parametrize("tz", [None, "UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("year", [-5, 0, 10_000, 200_000])
def test_years_of_more_than_four_digits(year: int, tz: str | None) -> None:
    moments = np.array([0, 1], "M8[s]")
    moments[1] += np.timedelta64((year - 1970) * 31_556_952, "s")
    series = pd.Series(moments)
    series = series if tz is None else series.dt.tz_localize("UTC").dt.tz_convert(tz)
    (problem,) = problems_of(pd.DataFrame({"a": series}))
    assert "years 1 to 9999 (row 1)" in problem


@pytest.mark.parametrize("as_objects", [False, True])
def test_the_year_in_utc_counts(as_objects: bool) -> None:
    east, west = (dt.timezone(dt.timedelta(hours=hours)) for hours in (5, -5))
    last, first = (np.array([text], "M8[s]") for text in ("9999-12-31T23:00:00", "0001-01-01T01:00:00"))
    for time, good, bad, written in (
        (last, east, west, b"9999-12-31 18:00:00"),
        (first, west, east, b"0001-01-01 06:00:00"),
    ):
        wall = pd.Series(time)
        aware = {
            zone: pd.Series([time.item(0).replace(tzinfo=zone)], dtype=object)
            if as_objects
            else wall.dt.tz_localize(zone)
            for zone in (good, bad)
        }
        assert written in body_of(pd.DataFrame({"a": aware[good]}))
        assert "years 1 to 9999 (row 0)" in problems_of(pd.DataFrame({"a": aware[bad]}))[0]


FINE = pd.Timestamp("2024-01-01T00:00:00.000000150")
FINER_THAN_100_NS: dict[str, Any] = {
    "ns": np.array([FINE.asm8, "NaT"]),
    "ns aware": pd.array([FINE.tz_localize("Europe/Berlin"), None]),
    "arrow ns": pd.array([FINE, None], pd.ArrowDtype(pa.timestamp("ns"))),
    "arrow ns aware": pd.array([FINE.tz_localize("UTC"), None], pd.ArrowDtype(pa.timestamp("ns", "Asia/Kolkata"))),
    "category": pd.Categorical([FINE, None]),
    "Timestamps": [FINE, dt.datetime(2024, 1, 1)],
    "numpy's": [np.datetime64(FINE.value, "ns"), None],
    "mixed": [FINE, 1],
    "text": ["2024-01-01T00:00:00.000000150", None],
}


@pytest.mark.parametrize("family", FINER_THAN_100_NS)
def test_times_finer_than_100_ns_are_refused_with_what_to_do(family: str) -> None:
    name = 'a "t"'
    cells = FINER_THAN_100_NS[family]
    cells = pd.Series(cells, dtype=object) if isinstance(cells, list) else cells
    frame = pd.DataFrame({name: cells}).set_axis(["x", "y"]).rename_axis("label")
    types = {name: "datetime"} if family == "text" else None
    (problem,) = problems_of(frame, types=types)
    found = re.fullmatch(
        r"Column 'a \"t\"': 1 cell is finer than 100 ns, .*: cut it with (.*) \(row 0, label 'x'\)\.", problem
    )
    assert found is not None
    assert found[1].endswith('.dt.floor("100ns")')
    if family != "mixed":
        frame[name] = eval(found[1], {"df": frame, "pd": pd})
        assert b':00.0000001"' in body_of(frame, index=False)


def test_times_finer_than_100_ns_are_refused_in_an_index_and_beside_other_problems() -> None:
    times = pd.to_datetime([FINE, "2024-01-01", FINE + pd.Timedelta("50ns"), FINE])
    frame = pd.DataFrame({"f": [0.5, np.inf, 1, 2]}, index=pd.Index(times, name="at"))
    of_index, of_column = problems_of(frame, index=True)
    assert "Column 'at': 2 cells are finer than 100 ns" in of_index
    assert 'df.reset_index()["at"].dt.floor("100ns")' in of_index
    assert "Column 'f': 1 cell is infinite" in of_column
    for cell in (FINE, FINE.tz_localize("UTC"), FINE.asm8, np.datetime64(1, "ps"), np.datetime64(10**5 + 1, "ps")):
        with pytest.raises(InputError, match=r"Column 'at': the value is finer than 100 ns.*\.floor\(.100ns.\)"):
            cells({"at": cell})


def test_naive_and_aware_times_in_one_column_are_refused() -> None:
    naive, aware = pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-01", tz="Europe/Berlin")
    frame = pd.DataFrame({"a": pd.Series([naive, None, aware, "x"], dtype=object)})
    (problem,) = problems_of(frame)
    assert "mixes text, datetime, datetime with an offset from UTC" in problem
    for column_type in ("text", "datetime"):
        body = body_of(frame.iloc[:3], types={"a": column_type})
        assert body == b'{"data":[{"a":"2024-01-01 00:00:00"},{"a":null},{"a":"2023-12-31 23:00:00"}]}'


def test_arrow_types_that_are_refused() -> None:
    for kind, cell in ((pa.binary(), b"x"), (pa.list_(pa.int64()), [1]), (pa.struct([("a", pa.int64())]), {"a": 1})):
        series = pd.Series(pd.array([cell, None], dtype=pd.ArrowDtype(kind)))
        (problem,) = problems_of(pd.DataFrame({"a": series}))
        assert "of type" in problem


@pytest.mark.parametrize(
    ("kind", "cells", "written"),
    [
        ("string_view", ["a", None, 'q"'], ["a", None, 'q"']),
        ("large_string", ["a", None], ["a", None]),
        ("time32", [dt.time(1, 2), None], ["01:02:00", None]),
        ("time64", [dt.time(1, 2, 3, 4), None], ["01:02:03.000004", None]),
        ("time64 ns", [3_723_000_000_001, None, 1_000], ["01:02:03.000000001", None, "00:00:00.000001"]),
        ("date64", [dt.date(1, 1, 1), None, dt.date(9999, 12, 31)], ["0001-01-01", None, "9999-12-31"]),
        ("decimal32", [Decimal("1.50"), None], [Decimal("1.50"), None]),
        ("uuid", [b"\0" * 15 + b"\7", None], ["00000000-0000-0000-0000-000000000007", None]),
    ],
)
def test_arrow_types_that_are_rarer(kind: str, cells: list[object], written: list[object]) -> None:
    maker = getattr(pa, kind.split()[0], None)
    if maker is None:
        pytest.skip(f"this pyarrow has no {kind}")
    arguments = {"time32": ["s"], "time64": ["us"], "time64 ns": ["ns"], "decimal32": [5, 2]}
    arrow_type = maker(*arguments.get(kind, []))
    if kind == "uuid":
        array = pa.ExtensionArray.from_storage(arrow_type, pa.array(cells, arrow_type.storage_type))
    else:
        array = pa.array(cells, arrow_type)
    frame = pd.DataFrame({"a": pd.arrays.ArrowExtensionArray(array)})
    for part in (frame, frame.iloc[1:]):
        got = [json.loads(row, parse_float=Decimal)["a"] for row in FrameEncoder(part).rows_as(RowFormat.OBJECTS)]
        assert got == written[-len(part) :]


def test_sparse_text() -> None:
    frame = pd.DataFrame({"a": pd.arrays.SparseArray(np.array(["a", 'b"', None], dtype=object))})
    assert body_of(frame, need_types=True) == b'{"data":[{"a":"a"},{"a":"b\\""},{"a":null}]}'


def test_a_dictionary_of_string_views() -> None:
    codes, texts = pa.array([0, None, 1], pa.int32()), pa.array(["a", "b"], pa.string_view())
    array = pa.DictionaryArray.from_arrays(codes, texts)
    frame = pd.DataFrame({"a": pd.arrays.ArrowExtensionArray(array)})
    assert body_of(frame) == b'{"data":[{"a":"a"},{"a":null},{"a":"b"}]}'


@pytest.mark.parametrize(
    ("kind", "number", "reason"),
    [
        (pa.timestamp("s"), 400_000_000_000, "years"),
        (pa.timestamp("s", "Europe/Berlin"), 400_000_000_000, "years"),
        (pa.timestamp("s", "America/Lima"), 253_402_300_800, "years"),
        (pa.date32(), 5_000_000, "years"),
        (pa.duration("s"), 2**62, "pandas"),
    ],
    ids=str,
)
def test_arrow_times_that_python_cannot_hold(kind: pa.DataType, number: int, reason: str) -> None:
    storage = pa.int32() if kind == pa.date32() else pa.int64()
    column = pd.arrays.ArrowExtensionArray(pa.array([0, number], storage).cast(kind))
    for types in (None, {"a": "text"}):
        (problem,) = problems_of(pd.DataFrame({"a": column}), types=types)
        assert reason in problem
        assert "(row 1)" in problem


def test_aware_times_at_the_ends_of_the_years_may_be_converted() -> None:
    edges = pd.Series(np.array(["0001-01-02", "9999-12-30", "NaT"], "M8[us]"))
    frame = pd.DataFrame({"a": edges.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin")})
    own = [json.loads(row)["a"] for row in FrameEncoder(frame).rows_as(RowFormat.OBJECTS)]
    as_text = FrameEncoder(frame, types={"a": "text"})
    assert [json.loads(row)["a"] for row in as_text.rows_as(RowFormat.OBJECTS)] == own


def test_unused_categories_are_not_checked() -> None:
    used = pd.Series(pd.Categorical([1.5, None], categories=[1.5, np.inf]))
    assert body_of(pd.DataFrame({"a": used})) == b'{"data":[{"a":1.5},{"a":null}]}'
    (problem,) = problems_of(pd.DataFrame({"a": pd.Categorical([np.inf, 1.5, np.inf])}))
    assert "2 cells are infinite" in problem
    assert "rows 0, 2" in problem


@FORMATS
@pytest.mark.parametrize(
    "categories",
    [
        pd.Series([b"x", "a", (1,), "b"], dtype=object),
        pd.Series(["\ud800", 1.5, 10**5000, "b"], dtype=object),
        pd.Series([np.inf, 1.5, -np.inf, 2.5]),
        pd.Series(np.array(["-0005-01-01", "2024-02-03", "12000-01-01", "1990-01-01"], "M8[s]")),
    ],
    ids=["objects", "texts", "floats", "moments"],
)
@pytest.mark.parametrize("codes", [[3, -1, 1, 3], [-1, -1], []], ids=str)
def test_unused_categories_leave_the_others_as_they_are(
    categories: pd.Series, codes: list[int], row_format: RowFormat
) -> None:
    frame = pd.DataFrame({"a": pd.Categorical.from_codes(codes, pd.Index(categories)), "n": range(len(codes))})
    assert_encoded(frame, row_format)
    bounds = bounds_of(FrameEncoder(frame), row_format, max_rows=10, max_bytes=40)
    assert bounds == [(row, row + 1) for row in range(len(codes))]


def test_a_category_for_every_row() -> None:
    texts = [f'{i}"' for i in range(25_000)]
    frame = pd.DataFrame({"a": pd.Categorical([*texts[::-1], None, *texts])})
    written = [row["a"] for row in json.loads(body_of(frame))["data"]]
    assert written == [*texts[::-1], None, *texts]


def test_columns() -> None:
    assert "text" in problems_of(pd.DataFrame([[1, 2]], columns=[1, "a"]))[0]
    assert "twice" in problems_of(pd.DataFrame([[1, 2]], columns=["a", "a"]))[0]
    assert "MultiIndex" in problems_of(pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])))[0]
    assert "DataFrame" in problems_of(pd.Series([1]))[0]
    assert "no columns" in problems_of(pd.DataFrame(index=[1, 2]))[0]
    assert "Unicode" in problems_of(pd.DataFrame([[1]], columns=pd.Index(["\ud800"], dtype=object)))[0]
    assert FrameEncoder(pd.DataFrame()).rows == 0


def test_names_are_escaped_and_may_be_subclasses() -> None:
    frame = pd.DataFrame([[1, 2]], columns=['a"\\\n😀', np.str_("b")])
    assert list(json.loads(body_of(frame))["data"][0]) == ['a"\\\n😀', "b"]


# ---------------------------------------------------------------- the caller's frame


def test_the_frame_is_unchanged() -> None:
    frame = pd.DataFrame({name: series.iloc[:1] for name, series in FAMILIES.items()})
    frame.attrs["kept"] = "yes"
    before = frame.copy(deep=True)
    encoder = FrameEncoder(frame, index=True)
    list(bodies_of(encoder, RowFormat.CELLS, bounds_of(encoder, RowFormat.CELLS, max_rows=1, max_bytes=10**6)))
    pd.testing.assert_frame_equal(frame, before)
    assert frame.attrs == {"kept": "yes"}


PANDAS_3 = int(pd.__version__.split(".")[0]) >= 3
MUTABLE = [
    name
    for name, series in FAMILIES.items()
    if not any(word in name for word in ("arrow", "sparse", "endian", "only", "nan", "nothing"))
]


@pytest.mark.fault(63)
@pytest.mark.skipif(not PANDAS_3, reason="pandas 2 shares cells unless it copies on write")
@pytest.mark.parametrize("family", MUTABLE)
def test_a_change_of_the_frame_during_encoding_is_not_written(family: str) -> None:
    series = FAMILIES[family]
    frame = pd.DataFrame({"a": series.copy(deep=True), "n": range(len(series))})
    encoder = FrameEncoder(frame)
    before = list(FrameEncoder(frame.copy(deep=True)).rows_as(RowFormat.CELLS))
    rows = encoder.rows_as(RowFormat.CELLS)
    frame.iloc[0, 0] = series.iloc[-1]
    assert list(rows) == before


@pytest.mark.skipif(PANDAS_3, reason="pandas 3 always copies on write")
def test_copy_on_write_guards_the_frame_in_pandas_2_too() -> None:
    with pd.option_context("mode.copy_on_write", True):
        frame = pd.DataFrame({"a": [1, 2]})
        encoder = FrameEncoder(frame)
        frame.iloc[0, 0] = 7
        assert list(encoder.rows_as(RowFormat.OBJECTS)) == [b'{"a":1}', b'{"a":2}']


@pytest.mark.parametrize("layout", ["rows", "columns", "strided"])
def test_memory_layouts(layout: str) -> None:
    values = np.arange(12).reshape(4, 3)
    values = {"rows": values, "columns": np.asfortranarray(values), "strided": np.arange(48).reshape(8, 6)[::2, ::2]}[
        layout
    ]
    assert_encoded(pd.DataFrame(values, columns=["a", "b", "c"]), RowFormat.OBJECTS)


def test_arrow_columns_of_many_chunks() -> None:
    parts = [pd.Series([f'{i}"', None, "x"], dtype="string[pyarrow]") for i in range(20)]
    frame = pd.DataFrame({"a": pd.concat(parts, ignore_index=True)}).iloc[1:-1].reset_index(drop=True)
    assert_encoded(frame, RowFormat.CELLS)


def test_a_duration_without_a_length_is_named_as_one() -> None:
    frame = pd.DataFrame({"a": pd.Series([np.timedelta64(3, "Y")], dtype=object)})
    with pytest.raises(InputError, match="is a duration of months or years"):
        FrameEncoder(frame)


def test_attrs_that_can_not_be_copied_do_no_harm() -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["lock"] = threading.Lock()
    encoder = FrameEncoder(frame)
    assert encoder.column_types == clicdata_types(frame) == {"a": "number"}
    assert encoder.frame.iloc[:1].attrs == {}
    assert list(frame.attrs) == ["lock"]
