"""read_arrow on the sandbox: the rows of read_clicdata, and never only a part of them without an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

import pandas_clicdata
from pandas_clicdata import errors, read_arrow
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.sandbox import Sandbox


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def service(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox with pages of ten rows in either dialect."""
    with start(page_size=10, max_page_size=10) as sandbox:
        with sandbox.session(api_version=request.param) as session:
            manager.make_default(session)
            yield sandbox


def table(service: Sandbox, rows: int = 35) -> int:
    columns = {"n": "number", "t": "text", "share": "number", "day": "date", "ok": "checkbox", "nothing": "text"}
    rec_id = service.create("Numbers", columns)
    made = [
        {
            "n": n,
            "t": f"0{n}" if n % 3 else None,
            "share": n / 4 + 0.5 / 4,
            "day": f"2026-01-{n % 28 + 1:02}",
            "ok": n % 2 == 0,
        }
        for n in range(rows)
    ]
    service.append(rec_id, made)
    service.requests.clear()
    return rec_id


def edit(service: Sandbox, *changes: tuple[str, str]) -> None:
    """Change cells of pages: each text, which only one page has, is replaced."""

    def edited(body: bytes) -> bytes:
        for old, new in changes:
            body = body.replace(old.encode(), new.encode())
        return body

    service.faults.clear()
    service.faults.edit(edited, path="/data/", times=None)


def rename(service: Sandbox) -> None:
    """Let page 3 have another column."""
    service.faults.clear()
    edited = lambda body: body.replace(b'"n":', b'"other":') if b'"n":25' in body else body  # noqa: E731
    service.faults.edit(edited, path="/data/", times=None)


def read_whole(rec_id: int, chunksize: int | None, **arguments: Any) -> pa.Table:
    read = read_arrow(rec_id, chunksize=chunksize, **arguments)
    return read if chunksize is None else read.read_all()


@pytest.mark.parametrize("rows", [0, 1, 10, 35])
def test_a_table_holds_what_a_frame_holds(service: Sandbox, rows: int) -> None:
    rec_id = table(service, rows)
    found = read_arrow(rec_id)
    assert isinstance(found, pa.Table)
    df = pandas_clicdata.read_clicdata(rec_id, dtype_backend="pyarrow")
    assert found.num_rows == len(df) == rows
    assert found.to_pylist() == pa.Table.from_pandas(df, preserve_index=False).to_pylist()
    if rows > 1:
        assert [str(kind) for kind in found.schema.types] == ["int64", "string", "double", "string", "bool", "null"]
    assert json.loads(found.schema.metadata[b"clicdata"])["rec_id"] == rec_id


@pytest.mark.parametrize("chunksize", [1, 7, 10, 34, 35, 36, 1000])
def test_a_reader_gives_every_row_once_in_batches(service: Sandbox, chunksize: int) -> None:
    rec_id = table(service)
    types = {"t": "text", "ok": "checkbox", "nothing": "text", "n": "id", "share": pa.float64()}
    reader = read_arrow(rec_id, chunksize=chunksize, dtype=types)
    assert isinstance(reader, pa.RecordBatchReader)
    batches = list(reader)
    assert [batch.num_rows for batch in batches[:-1]] == [chunksize] * (len(batches) - 1)
    assert pa.Table.from_batches(batches).to_pylist() == read_arrow(rec_id).to_pylist()


def test_a_reader_requests_pages_as_they_are_needed(service: Sandbox) -> None:
    rec_id = table(service)
    reader = read_arrow(rec_id, chunksize=5, columns=["n"])
    asked = [[seen.query["page"] for seen in service.requests if "page" in seen.query]]
    for _ in range(4):
        reader.read_next_batch()
        asked.append([seen.query["page"] for seen in service.requests if "page" in seen.query])
    assert asked[0] == asked[2] == ["1"]
    assert asked[-1] == ["1", "2"]
    assert sum(batch.num_rows for batch in reader) == 15


def test_an_empty_data_set_in_batches_has_the_columns_that_were_named(service: Sandbox) -> None:
    reader = read_arrow(table(service, 0), chunksize=5, columns=["n", "t"], dtype={"n": "id"})
    assert reader.schema.names == ["n", "t"]
    assert reader.read_all().num_rows == 0


def test_arguments_mean_what_they_mean_for_a_frame(service: Sandbox) -> None:
    rec_id = table(service)
    found = read_arrow(
        rec_id,
        columns=["day", "n", "t"],
        dtype={"n": pa.decimal128(9, 2), "t": "category"},
        parse_dates=["day"],
        nrows=12,
    )
    assert found.column_names == ["day", "n", "t"]
    assert found.num_rows == 12
    assert [str(kind) for kind in found.schema.types][:2] == ["timestamp[us]", "decimal128(9, 2)"]
    assert pa.types.is_dictionary(found.schema.types[2])
    assert found["day"][0].as_py() == pd.Timestamp("2026-01-01")
    assert json.loads(found.schema.metadata[b"clicdata"])["types"] == {"day": "date"}
    with pytest.raises(errors.InputError, match="columns names columns that the data set does not have: 'x'"):
        read_arrow(rec_id, columns=["x"])
    with pytest.raises(errors.InputError, match="chunksize"):
        read_arrow(rec_id, chunksize=0)
    with pytest.raises(errors.InputError, match="Arrow has no type"):
        read_arrow(rec_id, dtype={"n": "Sparse[float]"})


def test_a_stored_version_is_read(service: Sandbox) -> None:
    rec_id = table(service)
    found = read_arrow(rec_id, ver_id="latest", chunksize=10)
    service.append(rec_id, [{"n": 99}])
    assert json.loads(found.schema.metadata[b"clicdata"])["ver_id"] > 0
    assert found.read_all()["n"].to_pylist() == list(range(35))


@pytest.mark.parametrize("chunksize", [None, 20])
@pytest.mark.parametrize("new", ['"a"', "true", "{}", "[1]", "9007199254740993.5e400"])
def test_a_column_that_mixes_types_is_refused(service: Sandbox, chunksize: int | None, new: str) -> None:
    rec_id = table(service)
    edit(service, ('"n":15', f'"n":{new}'))
    with pytest.raises(errors.InputError, match=r"Column 'n' mixes .* dtype=\{'n': 'text'\} reads them"):
        read_arrow(rec_id, chunksize=chunksize)
    as_text = read_arrow(rec_id, dtype={"n": "text"})["n"].to_pylist()
    assert (as_text[14], as_text[15].strip('"')) == ("14", new.strip('"'))


@pytest.mark.parametrize(
    ("column", "old", "new", "shown"),
    [
        ("n", '"n":25', '"n":2.5', "row 25: 2.5 can't be read as int64"),
        ("n", '"n":25', '"n":"25"', "row 25: '25' can't be read as int64"),
        ("n", '"n":25', '"n":true', "row 25: True can't be read as int64"),
        ("n", '"n":25', '"n":18446744073709551615', "row 25: 18446744073709551615 can't be read as int64"),
        ("share", '"share":6.375', '"share":9007199254740993', "row 25: 9007199254740993 can't be read as double"),
        ("t", '"t":"025"', '"t":25', "row 25: 25 can't be read as large_string"),
        (
            "ok",
            '"ok":false,"nothing":null},{"n":26',
            '"ok":0,"nothing":null},{"n":26',
            "row 25: 0 can't be read as bool",
        ),
        ("nothing", '"nothing":null},{"n":26', '"nothing":"x"},{"n":26', "row 25: 'x' can't be read as null"),
    ],
)
def test_a_batch_never_turns_a_cell_into_another_type(
    service: Sandbox, column: str, old: str, new: str, shown: str
) -> None:
    rec_id = table(service)
    edit(service, (old, new))
    reader = read_arrow(rec_id, chunksize=10)
    taken = 0
    with pytest.raises(errors.InputError) as caught:  # noqa: PT012
        for batch in reader:
            taken += batch.num_rows
    assert taken == 20
    assert f"Column {column!r}, {shown}" in str(caught.value)
    assert f"dtype={{{column!r}: ...}}" in str(caught.value)


def test_numbers_that_fit_stay_exact(service: Sandbox) -> None:
    rec_id = table(service)
    edit(service, ('"n":25', '"n":25.0'), ('"share":6.375', '"share":6'), ('"t":"025"', '"t":null'))
    found = read_arrow(rec_id, chunksize=10).read_all()
    assert found["n"].to_pylist() == list(range(35))
    assert found["share"][25].as_py() == 6.0
    assert found["t"][25].as_py() is None


@pytest.mark.parametrize("chunksize", [None, 5])
def test_a_page_that_fails_never_gives_a_part_as_the_whole(service: Sandbox, chunksize: int | None) -> None:
    rec_id = table(service)
    service.faults.status(500, path=f"/data/{rec_id}", after=2, times=None)
    manager.current()._sleep = lambda seconds: None
    with pytest.raises(errors.ApiError):
        read_whole(rec_id, chunksize)


@pytest.mark.parametrize("chunksize", [None, 5])
def test_a_data_set_that_changes_is_torn(service: Sandbox, chunksize: int | None) -> None:
    rec_id = table(service)
    if manager.current().api_version is None:
        pytest.skip("the legacy dialect doesn't count rows")
    grow = lambda: service.append(rec_id, [{"n": 99}])  # noqa: E731
    service.faults.call(grow, path=f"/data/{rec_id}", method="GET", times=None)
    with pytest.raises(errors.TornRead):
        read_whole(rec_id, chunksize)
    with pytest.warns(errors.TornReadWarning) as caught:
        found = read_whole(rec_id, chunksize, on_torn="warn")
    if chunksize is None:
        assert json.loads(found.schema.metadata[b"clicdata"])["torn"] is True
        assert caught[0].filename == __file__


def test_other_columns_later_are_drift(service: Sandbox) -> None:
    rec_id = table(service)
    rename(service)
    with pytest.raises(errors.SchemaDrift):
        read_arrow(rec_id)
    assert read_arrow(rec_id, on_drift="union").column_names[-1] == "other"
    with pytest.raises(errors.SchemaDrift):
        read_arrow(rec_id, on_drift="union", chunksize=10).read_all()


def test_polars_takes_it(service: Sandbox) -> None:
    polars = pytest.importorskip("polars", reason="polars isn't installed")
    rec_id = table(service)
    found = polars.from_arrow(read_arrow(rec_id))
    assert found["n"].to_list() == list(range(35))
