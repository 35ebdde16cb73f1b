"""read_clicdata on the sandbox: every row, the right types, no more requests than needed."""

from __future__ import annotations

import inspect
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from faults.kinds import cut, endless_pages, repeat_page
from grid import GRID, Paging
from pandas_clicdata import errors
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def service(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with pages of ten rows in either dialect."""
    with start(page_size=10, max_page_size=10) as sandbox:
        with sandbox.session(api_version=request.param) as session:
            manager.make_default(session)
            yield sandbox


def table(service: Sandbox, rows: int) -> int:
    rec_id = service.create("Numbers", {"n": "number", "t": "text"})
    service.append(rec_id, [{"n": n, "t": f"0{n}"} for n in range(rows)])
    service.requests.clear()
    return rec_id


COLUMNS = {"columns": {"n": ["number"], "t": ["text"]}}  # of `table`


def pages(service: Sandbox) -> list[str]:
    return [seen.query["page"] for seen in service.requests if seen.method == "GET"]


@pytest.mark.parametrize(("rows", "asked"), [(0, 1), (1, 1), (9, 1), (10, 1), (11, 2), (35, 4)])
def test_each_page_is_requested_once(service: Sandbox, rows: int, asked: int) -> None:
    rec_id = table(service, rows)
    df = pandas_clicdata.read_clicdata(rec_id)
    assert len(df) == rows
    if rows:
        pd.testing.assert_frame_equal(df, pd.DataFrame({"n": range(rows), "t": [f"0{n}" for n in range(rows)]}))
    assert pages(service) == [str(n + 1) for n in range(asked)]
    assert df.attrs["clicdata"] == {"rec_id": rec_id, "ver_id": None, **(COLUMNS if rows else {})}


@pytest.mark.parametrize(("nrows", "asked"), [(0, 1), (1, 1), (10, 1), (11, 2), (20, 2), (34, 4), (35, 4), (99, 4)])
def test_nrows_requests_only_the_pages_it_needs(service: Sandbox, nrows: int, asked: int) -> None:
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


def test_chunks_are_requested_lazily(service: Sandbox) -> None:
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


@pytest.mark.fault(45)
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


@pytest.mark.fault(45)
@pytest.mark.parametrize(
    "befall",
    [
        lambda faults, path: faults.status(502, path=path, after=2),
        lambda faults, path: faults.drop(path=path, after=2),
        lambda faults, path: cut(faults, path=path, after=2),
        lambda faults, path: faults.answer("<html>wait</html>", content_type="text/html", path=path, after=2),
        lambda faults, path: faults.unauthorized(path=path, after=2),
        lambda faults, path: repeat_page(faults, path=path, after=2),
        lambda faults, path: faults.bad_gzip(path=path, after=2),
        lambda faults, path: faults.status(429, headers={"Retry-After": "0"}, path=path, after=2),
    ],
    ids=["502", "drop", "cut", "page", "401", "repeated", "gzip", "429"],
)
def test_a_page_that_fails_once_is_requested_again(service: Sandbox, befall: Callable[[Any, str], Any]) -> None:
    rec_id = table(service, 35)
    befall(service.faults, f"/data/{rec_id}")
    manager.current()._sleep = lambda seconds: None
    assert pandas_clicdata.read_clicdata(rec_id)["n"].tolist() == list(range(35))


@pytest.mark.fault(37)
def test_pages_without_end_are_a_loop(service: Sandbox) -> None:
    rec_id = table(service, 35)
    endless_pages(service.faults, path=f"/data/{rec_id}", times=None)
    with pytest.raises(errors.ReadError):
        pandas_clicdata.read_clicdata(rec_id)


# ---------------------------------------------------------------------------------------------------------
# The possible flags of pages, and accepted page sizes (O1)


@pytest.mark.wide(3)
@pytest.mark.parametrize("paging", GRID, ids=str)
def test_no_read_is_short_whatever_pages_say(paging: Paging) -> None:
    # A service that ignores the page number has one page, which holds every row.
    with paging.start(10 if paging.page_number == "honoured" else 40) as (sandbox, session):
        for rows in (0, 7, 10, 35):
            rec_id, numbers = sandbox.create(f"{rows} rows", {"n": "number"}), list(range(rows))
            sandbox.append(rec_id, [{"n": n} for n in numbers])
            read = partial(pandas_clicdata.read_clicdata, rec_id, session=session)
            found = {
                "read": read(),
                "workers": read(workers=4),
                "dtype_backend": read(dtype_backend="pyarrow"),
                "chunks": pd.concat(read(chunksize=8)),
                "get_data": pandas_clicdata.Data(session=session).get_data(rec_id),
                "nrows": read(nrows=12),
                "chunks of nrows": pd.concat(read(chunksize=5, nrows=12, workers=4)),
                **({"a version": read(ver_id="latest", workers=4)} if rows else {}),
            }
            for name, df in found.items():
                assert (df["n"].tolist() if len(df) else []) == (numbers[:12] if "nrows" in name else numbers), name
        assert len(pandas_clicdata.Data(session=session).get_data()) == 4


@pytest.mark.parametrize("version", [None, "2022.01"])
@pytest.mark.parametrize("paging", ["flags", "total"])
def test_rows_that_cannot_be_reached_are_a_loop(paging: Any, version: str | None) -> None:
    with (
        start(sample=False, page_size=10, max_page_size=10, paging=paging, page_number="ignored") as sandbox,
        sandbox.session(api_version=version) as session,
    ):
        with pytest.raises(errors.PagingLoop):
            pandas_clicdata.read_clicdata(table(sandbox, 35), session=session)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_page_without_flags_is_followed_by_one_request(workers: int) -> None:
    with start(page_size=10, paging="none") as sandbox, sandbox.session() as session:
        rec_id = table(sandbox, 25)
        assert len(pandas_clicdata.read_clicdata(rec_id, nrows=20, workers=workers, session=session)) == 20
        assert pages(sandbox) == ["1", "2"]
        sandbox.requests.clear()
        assert len(pandas_clicdata.read_clicdata(rec_id, workers=1, session=session)) == 25
        assert sorted(pages(sandbox)) == ["1", "1", "2", "3", "4"]  # page 1 again: whether it was full


def test_a_refused_page_size_is_remembered_by_the_session() -> None:
    with start(max_page_size=100, large_page_size="error", sample=False) as sandbox:
        rec_id = table(sandbox, 150)
        with sandbox.session(api_version="2022.01") as session:
            for _ in range(2):
                assert len(pandas_clicdata.read_clicdata(rec_id, session=session)) == 150
            sizes = [seen.query["page_size"] for seen in sandbox.requests if seen.method == "GET"]
            assert sizes == ["1000", *["100"] * 4]


# ---------------------------------------------------------------------------------------------------------
# Another writer


@pytest.fixture
def counting() -> Iterator[Sandbox]:
    """A sandbox with pages of ten rows, in the dialect that counts them."""
    with start(page_size=10, max_page_size=10) as sandbox, sandbox.session(api_version="2022.01") as session:
        manager.make_default(session)
        yield sandbox


def meddle(service: Sandbox, rec_id: int, *, times: int | None, after: int = 2) -> None:
    """Delete the first row before a page is returned."""

    def delete() -> None:
        service.delete(rec_id, {"n": service.rows(rec_id)[0]["n"]})

    service.faults.call(delete, path=f"/data/{rec_id}", method="GET", after=after, times=times)


@pytest.mark.fault(41)
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("times", [1, 2])
def test_a_torn_read_is_repeated(counting: Sandbox, times: int, workers: int) -> None:
    rec_id = table(counting, 35)
    meddle(counting, rec_id, times=times)
    df = pandas_clicdata.read_clicdata(rec_id, workers=workers)
    numbers = df["n"].tolist()
    # What is true is how it stood at one instant: a page that was asked for in vain may still befall the table later.
    assert numbers == list(range(numbers[0], 35))
    assert numbers[0] == times if workers == 1 else 1 <= numbers[0] <= times
    assert df.attrs["clicdata"] == {"rec_id": rec_id, "ver_id": None, **COLUMNS}
    assert 2 <= pages(counting).count("1") <= 3


def test_a_read_that_is_torn_three_times_raises(counting: Sandbox) -> None:
    rec_id = table(counting, 35)
    meddle(counting, rec_id, times=None, after=1)
    with pytest.raises(errors.TornRead, match="ver_id") as caught:
        pandas_clicdata.read_clicdata(rec_id)
    assert pages(counting).count("1") == 3
    assert not [value for value in vars(caught.value).values() if value is not None]
    for read in (pandas_clicdata.Data().get_data, lambda rec_id: pandas_clicdata.Data().get_data(rec_id, "dict")):
        counting.requests.clear()
        with pytest.raises(errors.TornRead):
            read(rec_id)
        assert pages(counting).count("1") == 3


@pytest.mark.fault(41)
def test_on_torn_warn_returns_the_torn_frame_with_a_warning(counting: Sandbox) -> None:
    rec_id = table(counting, 35)
    meddle(counting, rec_id, times=None, after=1)
    with pytest.warns(errors.TornReadWarning, match="changed while it was read") as caught:
        df = pandas_clicdata.read_clicdata(rec_id, on_torn="warn")
    assert [warning.filename for warning in caught] == [__file__]
    assert df.attrs["clicdata"] == {"rec_id": rec_id, "ver_id": None, **COLUMNS, "torn": True}
    assert 0 < len(df) < 35
    assert pages(counting).count("1") == 3


def test_a_later_whole_read_gives_no_warning(counting: Sandbox) -> None:
    rec_id = table(counting, 35)
    meddle(counting, rec_id, times=1)
    df = pandas_clicdata.read_clicdata(rec_id, on_torn="warn")
    assert len(df) == 34
    assert "torn" not in df.attrs["clicdata"]


def test_a_torn_stream_raises_at_once(counting: Sandbox) -> None:
    rec_id = table(counting, 35)
    meddle(counting, rec_id, times=1)
    taken: list[int] = []
    with pytest.raises(errors.TornRead):
        taken.extend(len(chunk) for chunk in pandas_clicdata.read_clicdata(rec_id, chunksize=10))
    assert sum(taken) <= 20
    assert pages(counting).count("1") == 1


def test_a_torn_stream_can_continue_and_mark_later_frames(counting: Sandbox) -> None:
    rec_id = table(counting, 35)
    meddle(counting, rec_id, times=1)
    with pytest.warns(errors.TornReadWarning) as caught:
        chunks = list(pandas_clicdata.read_clicdata(rec_id, chunksize=10, on_torn="warn"))
    assert [warning.filename for warning in caught] == [__file__]
    assert ["torn" in chunk.attrs["clicdata"] for chunk in chunks] == [False, False, True, True]
    assert sum(map(len, chunks)) == 34


@pytest.mark.fault(42)
def test_an_insert_between_two_pages_is_noticed_too(counting: Sandbox) -> None:
    rec_id = table(counting, 35)
    insert = lambda: counting.append(rec_id, [{"n": 99, "t": "x"}])  # noqa: E731
    counting.faults.call(insert, path=f"/data/{rec_id}", after=2)
    assert pandas_clicdata.read_clicdata(rec_id)["n"].tolist() == [*range(35), 99]
    assert pages(counting).count("1") == 2


def other_columns(body: bytes) -> bytes:
    return body.replace(b'"t":', b'"renamed":')


@pytest.mark.fault(44)
@pytest.mark.parametrize("times", [1, 2])
def test_a_read_with_changed_columns_is_repeated(service: Sandbox, times: int) -> None:
    rec_id = table(service, 35)
    service.faults.edit(other_columns, path=f"/data/{rec_id}", after=1, times=times)
    df = pandas_clicdata.read_clicdata(rec_id)
    assert df.columns.tolist() == ["n", "t"]
    assert df["n"].tolist() == list(range(35))


@pytest.mark.fault(44)
def test_columns_that_change_in_every_read_raise_schema_drift(service: Sandbox) -> None:
    rec_id = table(service, 35)
    service.faults.edit(other_columns, path=re.compile(f"/data/{rec_id}$"), after=1, times=None)
    with pytest.raises(errors.SchemaDrift, match="renamed"):
        list(pandas_clicdata.read_clicdata(rec_id, chunksize=10))
    service.faults.clear()
    flip = iter([False, True] * 20)
    service.faults.edit(lambda body: other_columns(body) if next(flip) else body, path=f"/data/{rec_id}", times=None)
    with pytest.raises(errors.SchemaDrift, match="renamed"):
        pandas_clicdata.read_clicdata(rec_id)


def test_a_union_has_the_columns_of_all_pages(service: Sandbox) -> None:
    rec_id = table(service, 15)
    service.faults.edit(other_columns, path=f"/data/{rec_id}", after=1)
    df = pandas_clicdata.read_clicdata(rec_id, on_drift="union")
    assert df.columns.tolist() == ["n", "t", "renamed"]
    assert df["n"].tolist() == list(range(15))
    assert df["t"].isna().tolist() == [False] * 10 + [True] * 5
    assert df["renamed"].isna().tolist() == [True] * 10 + [False] * 5
    assert pages(service) == ["1", "2"]


@pytest.mark.fault(43)
def test_the_newest_version_is_read_whole_while_others_write(service: Sandbox) -> None:
    rec_id = table(service, 35)
    service.append(rec_id, [{"n": 99, "t": "x"}])
    service.faults.call(lambda: service.delete(rec_id, {"n": 3}), path=f"/data/{rec_id}/v", after=2)
    df = pandas_clicdata.read_clicdata(rec_id, ver_id="latest")
    assert df["n"].tolist() == [*range(35), 99]
    assert df.attrs["clicdata"] == {"rec_id": rec_id, "ver_id": 2}
    gets = [seen.path for seen in service.requests if seen.method == "GET"]
    assert [path for path in gets if path.endswith("2")] == [f"/data/{rec_id}/v/2"] * 4
    again = pandas_clicdata.Data().get_data_history(rec_id, "latest")
    assert again["n"].tolist() == [*range(3), *range(4, 35), 99]
    for read in (pandas_clicdata.read_clicdata, pandas_clicdata.Data().get_data_history):
        with pytest.raises(errors.NotFound, match=rf"Data\(\)\.get_data_history\({rec_id}\) lists the stored versions"):
            read(rec_id, ver_id=99)
    assert pandas_clicdata.read_clicdata(rec_id, ver_id="latest", nrows=2)["n"].tolist() == [0, 1]
    assert sum(len(c) for c in pandas_clicdata.read_clicdata(rec_id, ver_id="latest", chunksize=4)) == 35


def test_a_version_that_holds_fewer_rows_than_it_should_is_torn(service: Sandbox) -> None:
    rec_id = table(service, 35)
    wrong = lambda body: body.replace(b'"row_count":35', b'"row_count":36')  # noqa: E731
    service.faults.edit(wrong, path=f"/data/{rec_id}/versions", times=None)
    with pytest.raises(errors.TornRead, match="36"):
        pandas_clicdata.read_clicdata(rec_id, ver_id="latest")


def test_latest_without_any_version_is_not_found(service: Sandbox) -> None:
    empty = service.create("Nothing yet", {"n": "number"})
    with pytest.raises(errors.NotFound, match="no stored version"):
        pandas_clicdata.read_clicdata(empty, ver_id="latest")
    without = service.create("Without history", {"n": "number"}, history=False)
    service.append(without, [{"n": 1}])
    with pytest.raises(errors.ApiError, match="History"):
        pandas_clicdata.read_clicdata(without, ver_id="latest")


@pytest.mark.parametrize("versions", ["[{}]", '[{"version":null}]', '[{"version":"x"}]', '[{"version":true}]'])
def test_a_version_without_a_number_is_a_protocol_error(service: Sandbox, versions: str) -> None:
    rec_id = table(service, 5)
    service.faults.answer(f'{{"versions":{versions}}}', path=f"/data/{rec_id}/versions", times=None)
    with pytest.raises(errors.ProtocolError, match="without a number"):
        pandas_clicdata.read_clicdata(rec_id, ver_id="latest")


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


def test_the_arguments_mean_what_they_mean_in_pandas(service: Sandbox) -> None:
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
        {"on_torn": "ignore"},
        {"on_torn": None},
        {"on_drift": "warn"},
        {"ver_id": "latest", "progress": "yes"},
        {"ver_id": "latest", "columns": "n"},
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
def test_an_unknown_column_is_named_with_the_known_ones(service: Sandbox, arguments: dict[str, Any]) -> None:
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
        "on_torn",
        "on_drift",
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


def test_the_given_session_is_used(service: Sandbox) -> None:
    rec_id = table(service, 3)
    with service.session(auth_method="api_key") as key:
        pandas_clicdata.read_clicdata(rec_id, session=key)
    assert "CLICDATA-API-KEY" in service.requests[-1].headers
    _: Session = key
