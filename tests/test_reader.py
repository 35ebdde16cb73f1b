"""read_clicdata on the sandbox: every row, the right types, no more requests than needed."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import errors
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def service(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with pages of ten rows, whichever dialect is spoken."""
    with start(page_size=10, max_page_size=10) as sandbox:
        with sandbox.session(api_version=request.param) as session:
            manager.make_default(session)
            yield sandbox


def table(service: Sandbox, rows: int) -> int:
    rec_id = service.create("Numbers", {"n": "number", "t": "text"})
    service.append(rec_id, [{"n": n, "t": f"0{n}"} for n in range(rows)])
    service.requests.clear()
    return rec_id


def pages(service: Sandbox) -> list[str]:
    return [seen.query["page"] for seen in service.requests if seen.method == "GET"]


@pytest.mark.parametrize(("rows", "asked"), [(0, 1), (1, 1), (9, 1), (10, 1), (11, 2), (35, 4)])
def test_all_pages_come_and_no_more(service: Sandbox, rows: int, asked: int) -> None:
    rec_id = table(service, rows)
    df = pandas_clicdata.read_clicdata(rec_id)
    assert len(df) == rows
    if rows:
        pd.testing.assert_frame_equal(df, pd.DataFrame({"n": range(rows), "t": [f"0{n}" for n in range(rows)]}))
    assert pages(service) == [str(n + 1) for n in range(asked)]
    assert df.attrs["clicdata"] == {"rec_id": rec_id, "ver_id": None}


@pytest.mark.parametrize(("nrows", "asked"), [(0, 1), (1, 1), (10, 1), (11, 2), (20, 2), (34, 4), (35, 4), (99, 4)])
def test_nrows_asks_for_no_more_pages_than_it_needs(service: Sandbox, nrows: int, asked: int) -> None:
    rec_id = table(service, 35)
    df = pandas_clicdata.read_clicdata(rec_id, nrows=nrows)
    assert df["n"].tolist() == list(range(min(nrows, 35)))
    if service.requests[-1].query.get("api_version") is None:
        assert pages(service) == [str(n + 1) for n in range(asked)]


@pytest.mark.parametrize("chunksize", [1, 7, 10, 11, 35, 36, 1000])
def test_chunks_hold_every_row_once(service: Sandbox, chunksize: int) -> None:
    rec_id = table(service, 35)
    chunks = list(pandas_clicdata.read_clicdata(rec_id, chunksize=chunksize))
    assert [len(chunk) for chunk in chunks[:-1]] == [chunksize] * (len(chunks) - 1)
    assert 0 < len(chunks[-1]) <= chunksize
    pd.testing.assert_frame_equal(pd.concat(chunks), pandas_clicdata.read_clicdata(rec_id))


def test_chunks_really_stream(service: Sandbox) -> None:
    rec_id = table(service, 35)
    chunks = pandas_clicdata.read_clicdata(rec_id, chunksize=5)
    assert pages(service) == []
    assert len(next(chunks)) == 5
    assert pages(service) == ["1"]
    assert sum(len(chunk) for chunk in chunks) == 30
    assert pages(service) == ["1", "2", "3", "4"]


def test_chunks_and_nrows_together(service: Sandbox) -> None:
    rec_id = table(service, 35)
    chunks = list(pandas_clicdata.read_clicdata(rec_id, chunksize=8, nrows=20))
    assert [len(chunk) for chunk in chunks] == [8, 8, 4]
    assert [len(c) for c in pandas_clicdata.read_clicdata(rec_id, chunksize=10, nrows=20)] == [10, 10]


def test_an_empty_data_set_in_chunks_is_one_empty_frame(service: Sandbox) -> None:
    [chunk] = pandas_clicdata.read_clicdata(table(service, 0), chunksize=5)
    assert chunk.empty


def test_a_page_that_fails_never_gives_a_short_frame(service: Sandbox) -> None:
    rec_id = table(service, 35)
    service.faults.status(500, path=f"/data/{rec_id}", after=2, times=None)
    manager.current()._sleep = lambda seconds: None
    with pytest.raises(errors.ApiError):
        pandas_clicdata.read_clicdata(rec_id)
    taken: list[int] = []
    with pytest.raises(errors.ApiError):
        taken.extend(len(chunk) for chunk in pandas_clicdata.read_clicdata(rec_id, chunksize=5))
    assert sum(taken) <= 20


@pytest.mark.parametrize(
    "befall",
    [
        lambda faults, path: faults.status(502, path=path, after=2),
        lambda faults, path: faults.drop(path=path, after=2),
        lambda faults, path: faults.cut(path=path, after=2),
        lambda faults, path: faults.answer("<html>wait</html>", content_type="text/html", path=path, after=2),
        lambda faults, path: faults.unauthorized(path=path, after=2),
        lambda faults, path: faults.repeat_page(path=path, after=2),
        lambda faults, path: faults.bad_gzip(path=path, after=2),
        lambda faults, path: faults.status(429, headers={"Retry-After": "0"}, path=path, after=2),
    ],
    ids=["502", "drop", "cut", "page", "401", "repeated", "gzip", "429"],
)
def test_a_page_that_fails_once_is_asked_for_again(service: Sandbox, befall: Callable[[Any, str], Any]) -> None:
    rec_id = table(service, 35)
    befall(service.faults, f"/data/{rec_id}")
    manager.current()._sleep = lambda seconds: None
    assert pandas_clicdata.read_clicdata(rec_id)["n"].tolist() == list(range(35))


def test_pages_without_end_are_a_loop(service: Sandbox) -> None:
    rec_id = table(service, 35)
    service.faults.endless_pages(path=f"/data/{rec_id}", times=None)
    with pytest.raises(errors.ReadError):
        pandas_clicdata.read_clicdata(rec_id)


def test_another_writer_between_two_pages_is_told_where_it_can_be() -> None:
    with start(page_size=10, max_page_size=10) as service, service.session(api_version="2022.01") as session:
        rec_id = table(service, 35)
        service.faults.call(lambda: service.delete(rec_id, {"n": 3}) and None, path=f"/data/{rec_id}", after=2)
        with pytest.raises(errors.TornRead):
            pandas_clicdata.read_clicdata(rec_id, session=session)


def test_a_stored_version_is_read_as_it_was(service: Sandbox) -> None:
    rec_id = table(service, 15)
    service.append(rec_id, [{"n": 99, "t": "x"}])
    versions = pandas_clicdata.Data().get_data_history(rec_id)
    assert versions["row_count"].tolist() == [15, 16]
    first = int(versions["version"].iloc[0])
    df = pandas_clicdata.read_clicdata(rec_id, ver_id=first)
    assert df["n"].tolist() == list(range(15))
    assert df.attrs["clicdata"]["ver_id"] == first
    with pytest.raises(errors.NotFound):
        pandas_clicdata.read_clicdata(rec_id, ver_id=777)


def test_the_arguments_of_pandas_mean_what_they_mean(service: Sandbox) -> None:
    rec_id = service.create("Branches", {"shop": "text", "opened": "date", "at": "datetime", "n": "number"})
    service.append(
        rec_id,
        [
            {"shop": "01", "opened": "2026-11-24", "at": "2026-11-24T10:00:00+02:00", "n": 1},
            {"shop": "02", "opened": None, "at": None, "n": None},
        ],
    )
    plain = pd.read_clicdata(rec_id)
    assert plain["shop"].tolist() == ["01", "02"]
    assert plain["opened"].tolist()[0] == "2026-11-24"
    assert plain["n"].dtype == "Int64"
    df = pd.read_clicdata(
        rec_id,
        columns=["n", "opened", "at", "shop"],
        parse_dates=["opened", "at"],
        dtype={"n": "float64", "shop": "category"},
        index_col="shop",
    )
    assert df.columns.tolist() == ["n", "opened", "at"]
    assert df.index.name == "shop"
    assert df.loc["01", "opened"] == pd.Timestamp("2026-11-24")
    assert df.loc["01", "at"] == pd.Timestamp("2026-11-24 08:00", tz="UTC")
    assert df["n"].dtype == "float64"
    arrow = pd.read_clicdata(rec_id, dtype_backend="pyarrow")
    assert all(isinstance(dtype, pd.ArrowDtype) for dtype in arrow.dtypes)
    nullable = pd.read_clicdata(rec_id, dtype_backend="numpy_nullable")
    assert isinstance(nullable["shop"].dtype, pd.StringDtype)


@pytest.mark.parametrize(
    "arguments",
    [
        {"nrows": -1},
        {"nrows": 1.5},
        {"nrows": True},
        {"chunksize": 0},
        {"chunksize": "5"},
        {"ver_id": 0},
        {"ver_id": "latest!"},
        {"dtype_backend": "polars"},
        {"progress": "yes"},
        {"session": "mine"},
    ],
)
def test_bad_arguments_are_refused_before_any_request(service: Sandbox, arguments: dict[str, Any]) -> None:
    rec_id = table(service, 3)
    with pytest.raises(errors.InputError):
        pandas_clicdata.read_clicdata(rec_id, **arguments)
    assert service.requests == []


@pytest.mark.parametrize("arguments", [{"columns": ["nope"]}, {"index_col": "nope"}, {"dtype": {"nope": "int64"}}])
def test_an_unknown_column_is_named_with_those_there_are(service: Sandbox, arguments: dict[str, Any]) -> None:
    with pytest.raises(errors.InputError, match="nope") as caught:
        pandas_clicdata.read_clicdata(table(service, 3), **arguments)
    assert "'n'" in str(caught.value)


def test_the_signature_is_the_one_promised() -> None:
    parameters = inspect.signature(pandas_clicdata.read_clicdata).parameters
    promised = [
        "ver_id",
        "columns",
        "dtype",
        "dtype_backend",
        "parse_dates",
        "index_col",
        "nrows",
        "chunksize",
        "progress",
        "session",
    ]
    assert next(iter(parameters)) == "rec_id"
    assert set(promised) <= set(parameters)
    assert all(parameters[name].kind is inspect.Parameter.KEYWORD_ONLY for name in promised)


def test_without_any_session_the_error_lists_where_it_looked() -> None:
    with pytest.raises(errors.NotConnected) as caught:
        pandas_clicdata.read_clicdata(5)
    for name in ("CLICDATA_API_KEY", "CLICDATA_CLIENT_ID", "CLICDATA_CLIENT_SECRET", "connect("):
        assert name in str(caught.value)


def test_a_session_given_is_the_one_that_is_used(service: Sandbox) -> None:
    rec_id = table(service, 3)
    with service.session(auth_method="api_key") as key:
        pandas_clicdata.read_clicdata(rec_id, session=key)
    assert "CLICDATA-API-KEY" in service.requests[-1].headers
    _: Session = key
