"""Random frames, sent to the sandbox and read back by the rules, or refused before anything is sent.

200 frames, 5,000 with ``--long`` (``CLICDATA_FRAMES``), shared with `test_round_trip`.
"""

from __future__ import annotations

import datetime as dt
import itertools
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pandas_clicdata
import totals
from frames.reference_encoder import assert_object, parsed, scalars
from pandas_clicdata import errors
from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.sandbox import Sandbox

NUMBERS = itertools.count()
FRAMES = int(os.environ.get("CLICDATA_FRAMES", "120"))

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAIVE = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999))
NEAR = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1))
WHOLE = st.integers(-(2**63), 2**63 - 1)
# Numbers that no reader of floats takes are in `test_hostile`.
DIGITS = st.decimals(-(10**200), 10**200, allow_nan=False, allow_infinity=False, places=None)

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia"]
SORTS: dict[str, tuple[st.SearchStrategy[Any], Callable[[list[Any]], pd.Series]]] = {
    "int64": (WHOLE, lambda cells: pd.Series(cells, dtype="int64")),
    "uint8": (st.integers(0, 255), lambda cells: pd.Series(cells, dtype="uint8")),
    "Int64": (st.none() | WHOLE, lambda cells: pd.Series(cells, dtype="Int64")),
    "float64": (st.floats(allow_infinity=False), lambda cells: pd.Series(cells, dtype="float64")),
    "float32": (st.floats(allow_infinity=False, width=32), lambda cells: pd.Series(cells, dtype="float32")),
    "boolean": (st.none() | st.booleans(), lambda cells: pd.Series(cells, dtype="boolean")),
    "bool": (st.booleans(), lambda cells: pd.Series(cells, dtype=bool)),
    "string": (st.none() | TEXT, lambda cells: pd.Series(cells, dtype="string")),
    "text": (TEXT, lambda cells: pd.Series(["x", *cells[1:]], dtype=object)),
    "category": (st.none() | TEXT, lambda cells: pd.Series(["x", *cells[1:]], dtype="category")),
    "decimals": (DIGITS, lambda cells: pd.Series(cells, dtype=object)),
    "moments": (NAIVE, lambda cells: pd.Series(np.array(cells, dtype="M8[us]"))),
    "aware": (NEAR, lambda cells: pd.Series(np.array(cells, dtype="M8[us]")).dt.tz_localize("UTC")),
    "dates": (st.dates(), lambda cells: pd.Series(cells, dtype=object)),
    "times": (st.times(), lambda cells: pd.Series(cells, dtype=object)),
    "uuids": (st.uuids(), lambda cells: pd.Series(cells, dtype=object)),
    "durations": (
        st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999)),
        lambda cells: pd.Series(cells, dtype="timedelta64[us]"),
    ),
}

SPOILS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "an infinity": lambda df: df.assign(bad=[float("inf"), *[0.0] * (len(df) - 1)]),
    "bytes": lambda df: df.assign(bad=pd.Series([*[b"x"] * len(df)], dtype=object)),
    "lists": lambda df: df.assign(bad=pd.Series([[1] for _ in range(len(df))], dtype=object)),
    "half a character": lambda df: df.assign(bad=pd.Series(["\ud800"] * len(df), dtype=object)),
    "complex numbers": lambda df: df.assign(bad=1j),
    "intervals": lambda df: df.assign(bad=pd.Series([pd.Interval(0, 1)] * len(df))),
    "a name twice": lambda df: pd.concat([df, df.iloc[:, :1]], axis=1),
    "a name that is no text": lambda df: df.assign(bad=1).rename(columns={"bad": 7}),
    "an empty name": lambda df: df.assign(bad=1).rename(columns={"bad": ""}),
    "two levels of names": lambda df: df.set_axis(pd.MultiIndex.from_tuples([(name, "x") for name in df]), axis=1),
    "a mixture": lambda df: df.assign(bad=pd.Series([1, "x", *[None] * len(df)][: len(df)], dtype=object)),
}


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, str | None]:
    """Draw a frame, and the reason if it can't be sent."""
    rows = draw(st.integers(1, 9))
    columns = {}
    for name in draw(st.lists(TEXT.filter(str.strip), min_size=1, max_size=4, unique=True)):
        sort, series = SORTS[draw(st.sampled_from(sorted(SORTS)))]
        column = series(draw(st.lists(sort, min_size=rows, max_size=rows)))
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_convert(draw(st.sampled_from(ZONES)))
        columns[name] = column
    frame = pd.DataFrame(columns)
    spoil = draw(st.none() | st.none() | st.none() | st.sampled_from(sorted(SPOILS)))
    if spoil is None or (spoil == "a mixture" and rows < 2):
        return frame, None
    return SPOILS[spoil](frame), spoil


@pytest.fixture(scope="module")
def any_sandbox() -> Iterator[Sandbox]:
    with start(sample=False, page_size=4, max_page_size=4, history=False) as sandbox:
        yield sandbox


def read_cell(stored: Any) -> Any:
    """Return a cell of JSON as it is when it is read as an object."""
    if isinstance(stored, bool) or stored is None:
        return stored
    if type(stored) is str:
        return stored
    return int(stored) if not set(stored) & set(".eE") else float(stored)


def hold_back(got: Any, stored: Any, label: object) -> None:
    wanted = read_cell(stored)
    if wanted is None:
        assert got is None or got is pd.NA or got != got, label  # a NaN
        return
    same = got == wanted or (isinstance(wanted, int) and isinstance(got, float) and float(wanted) == got)
    assert same, (label, got, wanted)
    assert isinstance(got, str) == isinstance(wanted, str), (label, got, wanted)


@pytest.mark.fault(61, 62)
@settings(max_examples=FRAMES // 2, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=frames(), modern=st.booleans(), chunksize=st.integers(1, 10))
def test_any_frame_returns_unchanged_or_is_refused_before_a_request(
    any_sandbox: Sandbox, case: tuple[pd.DataFrame, str | None], modern: bool, chunksize: int
) -> None:
    frame, spoil = case
    totals.add("frames fuzzed", 1)
    any_sandbox.requests.clear()
    with any_sandbox.session(auth_method="basic", api_version="2022.01" if modern else None) as session:
        how: dict[str, Any] = {"session": session, "chunksize": chunksize, "progress": False}
        name = f"Trip {next(NUMBERS)}"
        if spoil is not None:
            with pytest.raises(errors.InputError):
                frame.clicdata.push(name, **how)
            assert any_sandbox.requests == []
            return
        before = frame.copy(deep=True)
        rec_id = frame.clicdata.push(name, **how).rec_id
        pd.testing.assert_frame_equal(frame, before)
        stored = [parsed(text) for text in any_sandbox._store.rows(rec_id)[0]]
        assert len(stored) == len(frame)
        for row, cells in zip(stored, scalars(frame), strict=True):
            assert_object(row, list(frame.columns), cells)
        back = pandas_clicdata.read_clicdata(rec_id, dtype=object, session=session, progress=False)
    assert list(back.columns) == list(frame.columns)
    for position, row in enumerate(stored):
        for at, (column, cell) in enumerate(row.items()):
            hold_back(back.iloc[position, at], cell, (position, column))


def test_money_and_times_of_day_come_back_through_the_service(any_sandbox: Sandbox) -> None:
    times = [dt.time(9, 30), None, dt.time(23, 59, 59, 500_000)]
    frame = pd.DataFrame({"fee": ["1.50", None, "-7"], "opens": pd.Series(times, dtype=object)})
    types = {"fee": "money", "opens": "time"}
    with any_sandbox.session() as session:
        rec_id = frame.clicdata.push("Fees", types=types, session=session, progress=False).rec_id
        back = pandas_clicdata.read_clicdata(rec_id, dtype=types, session=session, progress=False)
    assert any_sandbox.rows(rec_id)[2] == {"fee": -7, "opens": "23:59:59.5"}
    assert back["fee"].tolist()[::2] == [1.5, -7]
    assert back["opens"].tolist()[::2] == times[::2]
    assert back.isna().sum().tolist() == [1, 1]
