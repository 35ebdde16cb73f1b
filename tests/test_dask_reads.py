"""dask frames of data sets on the sandbox: every row once, of one version, or an error."""

from __future__ import annotations

import pickle
import traceback
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from canaries import spellings
from faults.kinds import repeat_page, without_paging
from pandas_clicdata import errors
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.sandbox import Sandbox

pytest.importorskip("dask.dataframe", reason="dask isn't installed")
cloudpickle = pytest.importorskip("cloudpickle", reason="dask isn't installed")


import pandas_clicdata.dask  # noqa: E402
from pandas_clicdata.dask import read_clicdata  # noqa: E402

ROWS = 95


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def service(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with pages of ten rows in either dialect."""
    with start(page_size=10, max_page_size=10) as sandbox:
        with sandbox.session(api_version=request.param) as session:
            manager.make_default(session)
            yield sandbox


@pytest.fixture
def modern() -> Iterator[Sandbox]:
    """A sandbox with pages of ten rows that counts them."""
    with start(page_size=10, max_page_size=10) as sandbox:
        with sandbox.session(api_version="2022.01") as session:
            manager.make_default(session)
            yield sandbox


def table(service: Sandbox, rows: int = ROWS, **options: Any) -> int:
    columns = {"n": "number", "t": "text", "share": "number", "day": "date", "ok": "checkbox", "nothing": "text"}
    rec_id = service.create("Numbers", columns, **options)
    made = [
        {"n": n, "t": f"0{n}", "share": n / 4 + 1 / 8, "day": f"2026-01-{n % 28 + 1:02}", "ok": n % 2 == 0}
        for n in range(rows)
    ]
    service.append(rec_id, made or [{"n": 1}])
    if not made:
        service.delete(rec_id, {"n": 1})
    service.requests.clear()
    return rec_id


def pages(service: Sandbox) -> list[str]:
    return [seen.query["page"] for seen in service.requests if "page" in seen.query and "/v/" in seen.path]


def edit(service: Sandbox, old: str, new: str) -> None:
    service.faults.edit(lambda body: body.replace(old.encode(), new.encode()), path="/data/", times=None)


@pytest.mark.wide(4)
@pytest.mark.parametrize("rows", [0, 1, 9, 10, 11, 20, ROWS, 100])
@pytest.mark.parametrize("partition_rows", [1, 25, 1000])
def test_a_dask_frame_holds_every_row_once(service: Sandbox, rows: int, partition_rows: int) -> None:
    rec_id = table(service, rows)
    ddf = read_clicdata(rec_id, partition_rows=partition_rows, dtype={"nothing": "text"}, columns=["n", "t", "nothing"])
    found = ddf.compute()
    expected = pd.DataFrame({"n": range(rows), "t": [f"0{n}" for n in range(rows)], "nothing": None})
    pd.testing.assert_frame_equal(found[["n", "t"]], expected[["n", "t"]], check_dtype=False)
    assert found["nothing"].isna().all()
    lengths = ddf.map_partitions(len, meta=("x", "int64")).compute().tolist()
    assert len(ddf) == sum(lengths) == rows
    assert max(lengths) <= max(10, partition_rows)
    assert ddf.known_divisions
    assert ddf.divisions[-1] == max(0, rows - 1)


def test_the_dtypes_are_those_of_the_meta(service: Sandbox) -> None:
    rec_id = table(service)
    for arguments in ({}, {"dtype_backend": "pyarrow"}, {"dtype_backend": "numpy_nullable"}):
        ddf = read_clicdata(
            rec_id, partition_rows=10, dtype={"t": "category", "share": "Float32"}, parse_dates=["day"], **arguments
        )
        for part in ddf.partitions:
            found = part.compute()
            same = [name for name in found if name != "t"]
            assert found.dtypes[same].tolist() == ddf.dtypes[same].tolist()
        assert ddf.dtypes["day"].kind == "M"
        assert not ddf["t"].cat.known
        whole = pandas_clicdata.read_clicdata(rec_id, parse_dates=["day"])
        assert ddf["day"].compute().tolist() == whole["day"].tolist()


def test_counting_reads_nothing_and_a_column_is_read_alone(service: Sandbox) -> None:
    ddf = read_clicdata(table(service), partition_rows=20)
    assert pages(service) == ["1", "10"]
    assert (len(ddf), len(ddf.partitions[1:3]), len(ddf["n"]), ddf.shape[1]) == (ROWS, 40, ROWS, 6)
    assert pages(service) == ["1", "10"]
    assert ddf["n"].sum().compute() == sum(range(ROWS))
    assert sorted(pages(service)[2:], key=int) == [str(number + 1) for number in range(10)]
    edit(service, '"t":"025"', '"t":25')  # a column that isn't needed is not parsed
    assert ddf["n"].max().compute() == ROWS - 1
    with pytest.raises(errors.InputError, match="Column 't', row 5: 25 can't be read as large_string"):
        ddf["t"].compute()


def test_two_computations_agree_while_others_write(service: Sandbox) -> None:
    rec_id = table(service)
    ddf = read_clicdata(rec_id, partition_rows=10)
    before = ddf.compute()
    service.append(rec_id, [{"n": 1000}])
    service.delete(rec_id, {"n": 5})
    pd.testing.assert_frame_equal(ddf.compute(), before)
    service.faults.call(lambda: service.append(rec_id, [{"n": 1000}]), path="/data/", times=None)
    pd.testing.assert_frame_equal(ddf.compute(), before)
    service.faults.clear()
    assert service.count(rec_id) == ROWS + 10
    again = read_clicdata(rec_id, partition_rows=10)
    assert len(again) == ROWS + 10
    assert again["n"].max().compute() == 1000
    pinned = read_clicdata(rec_id, ver_id=ddf.expr.frame.func.version, partition_rows=10)
    assert pinned._name == ddf._name
    assert len(pinned) == ROWS


def test_current_rows_are_held_against_the_first_count(modern: Sandbox) -> None:
    rec_id = table(modern, history=False)
    with pytest.raises(errors.ApiError, match="Data History"):
        read_clicdata(rec_id)
    ddf = read_clicdata(rec_id, live=True, partition_rows=10)
    assert ddf["n"].compute().tolist() == list(range(ROWS))
    assert read_clicdata(rec_id, live=True, partition_rows=10)._name != ddf._name
    modern.append(rec_id, [{"n": 1000}])
    assert len(read_clicdata(rec_id, live=True)) == ROWS + 1
    for part in ddf.partitions:
        with pytest.raises(errors.TornRead):
            part.compute()
    modern.delete(rec_id, {"n": 1000})
    modern.delete(rec_id, {"n": 17})
    with pytest.raises(errors.TornRead):
        ddf.compute()


def test_rows_that_nobody_counts_are_refused() -> None:
    with start(page_size=10) as sandbox, sandbox.session(api_version=None) as session:
        manager.make_default(session)
        rec_id = table(sandbox)
        with pytest.raises(errors.InputError, match="doesn't count the rows"):
            read_clicdata(rec_id, live=True)
        short = sandbox.create("Short", {"n": "number"})
        sandbox.append(short, [{"n": 1}])
        assert len(read_clicdata(short, live=True)) == 1
        without_paging(sandbox.faults, path="/data/", times=None)
        assert len(read_clicdata(rec_id)) == ROWS
        assert read_clicdata(rec_id, partition_rows=10)["n"].compute().tolist() == list(range(ROWS))


@pytest.mark.parametrize("rows", [40, 45])
@pytest.mark.parametrize("equal", [False, True])
def test_pages_that_ignore_their_number_are_no_data_set(rows: int, equal: bool) -> None:
    with start(page_size=10, max_page_size=10, page_number="ignored") as sandbox:
        with sandbox.session(api_version="2022.01") as session:
            manager.make_default(session)
            rec_id = sandbox.create("Numbers", {"n": "number"})
            sandbox.append(rec_id, [{"n": 0 if equal else n} for n in range(rows)])
            with pytest.raises(errors.ReadError):
                read_clicdata(rec_id, partition_rows=10).compute()
    with start(page_size=10, max_page_size=10) as sandbox, sandbox.session(api_version="2022.01") as session:
        manager.make_default(session)
        rec_id = sandbox.create("Numbers", {"n": "number"})
        sandbox.append(rec_id, [{"n": 0} for _ in range(rows)])
        assert read_clicdata(rec_id, partition_rows=20)["n"].compute().tolist() == [0] * rows


def test_a_page_with_too_few_rows_is_torn(service: Sandbox) -> None:
    ddf = read_clicdata(table(service), partition_rows=20)
    edit(service, '{"n":25,"t":"025","share":6.375,"day":"2026-01-26","ok":false,"nothing":null},', "")
    with pytest.raises(errors.TornRead, match="19 rows came on the pages 3 to 4, and 20 were counted"):
        ddf.compute()


def test_a_page_that_comes_twice_is_requested_again(service: Sandbox) -> None:
    ddf = read_clicdata(table(service), partition_rows=100)
    repeat_page(service.faults, path="/data/", after=3)
    manager.current()._sleep = lambda seconds: None
    assert ddf["n"].compute().tolist() == list(range(ROWS))


def test_a_page_that_fails_fails_the_computation(service: Sandbox) -> None:
    ddf = read_clicdata(table(service), partition_rows=10)
    service.faults.status(500, path="/data/", after=4, times=None)
    manager.current()._sleep = lambda seconds: None
    with pytest.raises(errors.ApiError):
        ddf.compute()


@pytest.mark.parametrize(
    ("column", "old", "new"),
    [
        ("n", '"n":45', '"n":4.5'),
        ("n", '"n":45', '"n":"45"'),
        ("share", '"share":11.375', '"share":"much"'),
        ("t", '"t":"045"', '"t":45'),
        ("ok", '"ok":false', '"ok":1'),
        ("nothing", '"nothing":null},{"n":46', '"nothing":45},{"n":46'),
    ],
)
def test_a_cell_is_never_turned_into_another_type(service: Sandbox, column: str, old: str, new: str) -> None:
    ddf = read_clicdata(table(service), partition_rows=20)
    edit(service, old, new)
    with pytest.raises(errors.InputError, match=rf"Column '{column}'.* dtype=\{{'{column}': ...\}}"):
        ddf[[column]].compute()


def test_missing_cells_come_anywhere(service: Sandbox) -> None:
    ddf = read_clicdata(table(service), partition_rows=20)
    for old, new in {'"n":45': '"n":null', '"share":11.375': '"share":null', '"t":"045"': '"t":null'}.items():
        service.faults.clear()
        edit(service, old, new)
        name = old.split('"')[1]
        found = ddf[name].compute()
        assert found.isna().sum() == 1
        assert pd.isna(found[45])
        assert found.dtype == ddf[name].dtype


def test_times_with_an_offset_on_one_page_only_are_refused(service: Sandbox) -> None:
    ddf = read_clicdata(table(service), partition_rows=10, parse_dates=["day"])
    service.faults.edit(
        lambda body: (
            body.replace(b"2026-01-", b"2026-02-").replace(b'","ok"', b'T00:00:00Z","ok"')
            if b'"n":45' in body
            else body
        ),
        path="/data/",
        times=None,
    )
    with pytest.raises(errors.InputError, match=r"Column 'day' is .*UTC.* in the rows 40 to 49"):
        ddf.compute()


def test_a_column_that_mixes_types_wants_a_dtype(service: Sandbox) -> None:
    rec_id = table(service)
    edit(service, '"n":5,', '"n":"five",')
    with pytest.raises(errors.InputError, match=r"Column 'n' mixes .* dtype=\{'n': 'text'\}"):
        read_clicdata(rec_id)
    assert read_clicdata(rec_id, columns=["t"], partition_rows=10)["t"].compute()[5] == "05"
    found = read_clicdata(rec_id, dtype={"n": "text"}, partition_rows=10)["n"].compute()
    assert found.tolist()[4:7] == ["4", "five", "6"]


def test_arguments_are_checked_first(service: Sandbox) -> None:
    rec_id = table(service)
    for arguments in (
        {"partition_rows": 0},
        {"live": "yes"},
        {"live": True, "ver_id": 3},
        {"ver_id": 0},
        {"ver_id": None},
        {"dtype": "nonsense"},
        {"dtype_backend": "nonsense"},
        {"columns": "n"},
        {"columns": ["x"]},
        {"parse_dates": ["x"]},
    ):
        with pytest.raises(errors.InputError):
            read_clicdata(rec_id, **arguments)  # type: ignore[arg-type]
    with pytest.raises(errors.NotFound):
        read_clicdata(rec_id, ver_id=10_000)


def test_another_account_reads_nothing(service: Sandbox) -> None:
    ddf = read_clicdata(table(service))
    with start() as other, other.session() as session:
        manager.make_default(session)
        with pytest.raises(errors.InputError, match="another account"):
            ddf.compute()
        assert not pages(other)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, modern: Sandbox) -> Sandbox:
    """A sandbox whose URL and credentials are in the environment of new processes."""
    monkeypatch.setenv("CLICDATA_URL", modern.url)
    monkeypatch.setenv("CLICDATA_API_KEY", modern.credentials.api_key)
    monkeypatch.setenv("CLICDATA_API_VERSION", "2022.01")
    manager.make_default(pandas_clicdata.Session(api_key=modern.credentials.api_key, url=modern.url))
    return modern


@pytest.mark.cluster
def test_other_processes_connect_by_their_environment(environment: Sandbox) -> None:
    ddf = read_clicdata(table(environment), partition_rows=30)
    assert ddf["n"].compute(scheduler="processes", num_workers=2).tolist() == list(range(ROWS))


@pytest.mark.cluster
def test_a_process_without_credentials_names_what_it_lacks(
    environment: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ddf = read_clicdata(table(environment))
    monkeypatch.delenv("CLICDATA_API_KEY")
    with pytest.raises(errors.NotConnected, match="CLICDATA_API_KEY not set"):
        ddf.compute(scheduler="processes", num_workers=1)


@pytest.mark.cluster
def test_the_workers_of_a_cluster_read(environment: Sandbox) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed isn't installed")
    ddf = read_clicdata(table(environment), partition_rows=10)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        assert client.compute(ddf["n"]).result().tolist() == list(range(ROWS))
        assert len(client.run(lambda: None)) == 2


@pytest.mark.parametrize("method", ["client_credentials", "basic", "api_key"])
def test_no_secret_is_in_a_graph_task_or_traceback(method: str) -> None:
    with start(page_size=10) as sandbox, sandbox.session(auth_method=method, api_version="2022.01") as session:
        manager.make_default(session)
        rec_id = table(sandbox)
        ddf = read_clicdata(rec_id, partition_rows=10)
        ddf["n"].sum().compute()  # logs in
        graph = dict(ddf.optimize().__dask_graph__())
        sandbox.faults.status(403, path="/data/", times=None)
        with pytest.raises(errors.ClicDataError) as caught:
            ddf.compute()
        everything = b"".join(
            [
                cloudpickle.dumps(ddf),
                cloudpickle.dumps(graph),
                repr(graph).encode(),
                pickle.dumps(caught.value),
                "".join(traceback.format_exception(caught.value)).encode(),
            ]
        )
        sent = [seen.headers for seen in sandbox.requests]
    assert b"read-clicdata" in everything or b"clicdata-" in everything
    known = sandbox.credentials
    secrets = [known.client_secret, known.password, known.api_key]
    secrets += [
        value.split()[-1] for headers in sent for name, value in headers.items() if name.lower() == "authorization"
    ]
    assert len(secrets) > 3 or method == "api_key"
    found = [how for one in secrets for how, spelling in spellings(one) if spelling.encode() in everything]
    assert not found
