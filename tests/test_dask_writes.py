"""Rows of dask frames to the sandbox: each once, in order, by one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata.sandbox import Sandbox

dd = pytest.importorskip("dask.dataframe", reason="dask isn't installed")

import pandas_clicdata.dask  # noqa: E402


@pytest.fixture
def service(clicdata_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A sandbox that counts rows."""
    with clicdata_sandbox.session(api_version="2022.01") as session:
        manager.make_default(session)
        yield clicdata_sandbox


def frame(rows: int = 100) -> pd.DataFrame:
    return pd.DataFrame({"n": range(rows), "t": [f"0{n}" for n in range(rows)], "g": [n % 3 for n in range(rows)]})


def writes(service: Sandbox) -> list[str]:
    return [f"{seen.method} {seen.path}" for seen in service.requests if seen.method != "GET"]


def guesses_of(call: Callable[[pd.DataFrame, int], object], rec_id: int) -> dict[str, Callable[[Any], object]]:
    """Each way in which dask calls a function on rows that it made up."""

    def of_frame(df: pd.DataFrame) -> int:
        call(df, rec_id)
        return len(df)

    def of_row(row: pd.Series) -> int:
        call(row.to_frame().T, rec_id)
        return 1

    return {
        "map_partitions": lambda ddf: ddf.map_partitions(of_frame),
        "map_overlap": lambda ddf: ddf.map_overlap(of_frame, 1, 1),
        "apply": lambda ddf: ddf.apply(of_row, axis=1),
        "groupby": lambda ddf: ddf.groupby("g").apply(of_frame),
        "series": lambda ddf: ddf["n"].map_partitions(lambda series: of_frame(series.to_frame())),
    }


CALLS: dict[str, Callable[[pd.DataFrame, int], object]] = {
    "append": lambda df, rec_id: df.clicdata.append(rec_id),
    "append_data": lambda df, rec_id: pandas_clicdata.Data().append_data(rec_id, df),
    "push": lambda df, rec_id: df.clicdata.push("Made up", if_exists="append"),
    "create_table": lambda df, rec_id: df.clicdata.create_table("Made up"),
    "delete_rows": lambda df, rec_id: df.clicdata.delete_rows(rec_id, on=["n"]),
    "update_rows": lambda df, rec_id: df.clicdata.update_rows(rec_id, on=["n"]),
    "upsert": lambda df, rec_id: df.clicdata.upsert(rec_id, on="n"),
    "sync": lambda df, rec_id: df.clicdata.sync(rec_id, on="n", max_deletes=1.0),
    "sync_users": lambda df, rec_id: pandas_clicdata.User().sync_users(df.rename(columns={"t": "email_address"})),
}


@pytest.mark.parametrize("way", ["map_partitions", "map_overlap", "apply", "groupby", "series"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore:.*meta.*:UserWarning")
def test_rows_that_dask_made_up_are_never_sent(service: Sandbox, way: str, call: str) -> None:
    rec_id = frame(1).clicdata.push("Numbers").rec_id
    service.requests.clear()
    ddf = dd.from_pandas(frame(), npartitions=3)
    with pytest.raises(ValueError, match="rows were made up by dask"):
        guesses_of(CALLS[call], rec_id)[way](ddf)
    assert not writes(service)
    assert service.count(rec_id) == 1


def test_rows_of_a_partition_are_sent_where_the_meta_is_given(service: Sandbox) -> None:
    rec_id = frame(1).clicdata.push("Numbers").rec_id
    ddf = dd.from_pandas(frame(), npartitions=3)
    sent = ddf.map_partitions(lambda df: pd.Series([df.clicdata.append(rec_id).rows_appended]), meta=("sent", "int64"))
    assert service.count(rec_id) == 1
    sent.compute()
    assert service.count(rec_id) == 101
