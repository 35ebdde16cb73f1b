"""Rows of dask frames are sent to the sandbox once, in order, by one process."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
import totals
from pandas_clicdata import errors
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

dd = pytest.importorskip("dask.dataframe", reason="dask isn't installed")

import dask  # noqa: E402

import pandas_clicdata.dask  # noqa: E402

CLUSTERS = int(os.environ.get("CLICDATA_CLUSTERS", "1"))  # runs of a cluster with a killed worker


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


def test_an_append_of_rows_names_the_partitions_of_a_dask_frame(service: Sandbox) -> None:
    rec_id = frame(4).clicdata.create_table("Rows")
    ddf = dd.from_pandas(frame(4), npartitions=2)
    with pytest.raises(errors.InputError, match=r"\(of dask: df\.clicdata\.partitions\(\)\)"):
        pandas_clicdata.append(ddf, rec_id)
    assert pandas_clicdata.append(ddf.clicdata.partitions(), rec_id).rows_appended == 4


def guesses_of(call: Callable[[pd.DataFrame, int], object], rec_id: int) -> dict[str, Callable[[Any], object]]:
    """Each way in which dask calls a function with invented rows."""

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


# ---------------------------------------------------------------------------------------------------------
# ddf.clicdata


def divided(rows: int = 100, npartitions: int = 7) -> Any:
    return dd.from_pandas(frame(rows), npartitions=npartitions)


def stored(service: Sandbox, rec_id: int) -> list[int]:
    return [row["n"] for row in service.rows(rec_id)]


@pytest.mark.parametrize("ahead", [1, 3, 50])
@pytest.mark.parametrize("scheduler", ["threads", "synchronous"])
def test_each_row_is_stored_once_and_in_order(
    session: Session, clicdata_sandbox: Sandbox, ahead: int, scheduler: str
) -> None:
    with dask.config.set(scheduler=scheduler):
        receipt = divided().clicdata.push("Numbers", ahead=ahead)
        assert receipt.complete
        assert stored(clicdata_sandbox, receipt.rec_id) == list(range(100))
        again = divided().clicdata.append(receipt.rec_id, ahead=ahead, chunksize=4)
    assert stored(clicdata_sandbox, receipt.rec_id) == [*range(100), *range(100)]
    assert again.rows_appended == again.rows_total == 100
    assert again.pieces["rows"].tolist()[0] == 0
    assert again.pieces["stop"].tolist()[1:] == [
        int(n) + 1 for n in divided().map_partitions(lambda df: df["n"].iloc[-1:]).compute()
    ]
    with pytest.raises(errors.Conflict):
        divided().clicdata.push("Numbers")
    assert divided().clicdata.push("Numbers", if_exists="append").rec_id == receipt.rec_id


class Counted:
    """Counts the partitions that are computed."""

    def __init__(self) -> None:
        self.first: list[int] = []

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        self.first.append(int(df["n"].iloc[0]))
        return df


def test_nothing_is_computed_if_the_columns_are_not_those_of_the_data_set(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rec_id = frame(3).clicdata.push("Numbers").rec_id
    clicdata_sandbox.requests.clear()
    counted = Counted()
    ddf = divided().map_partitions(counted, meta=divided()._meta)
    wrong: dict[str, Any] = {
        "'m' is not in": ddf.rename(columns={"n": "m"}),
        "complex": ddf.assign(c=1j),
        "twice": ddf[["n", "t", "n"]],
    }
    for message, frames in wrong.items():
        with pytest.raises(errors.InputError, match=message):
            frames.clicdata.append(rec_id)
    with pytest.raises(errors.InputError, match="nonsense"):
        ddf.clicdata.append(rec_id, types={"n": "nonsense"})
    for arguments in ({"ahead": 0}, {"client": "here"}, {"verify": "count"}, {"chunksize": 0}):
        with pytest.raises(errors.InputError):
            ddf.clicdata.append(rec_id, **arguments)
    with pytest.raises(errors.NotFound):
        ddf.clicdata.append(rec_id + 1000)
    assert not counted.first
    assert not writes(clicdata_sandbox)


def test_only_some_partitions_are_computed_in_advance(service: Sandbox) -> None:
    counted = Counted()
    ddf = divided(100, 20).map_partitions(counted, meta=divided()._meta)
    parts = ddf.clicdata.partitions(ahead=3)
    assert len(next(parts)) == 0
    assert not counted.first
    rows = 0
    for number, part in enumerate(parts):
        assert part["n"].tolist() == list(range(rows, rows + len(part)))
        rows += len(part)
        assert len(counted.first) <= number + 4
    assert rows == 100
    assert sorted(counted.first) == [int(n) for n in divided(100, 20).divisions[:-1]]


def test_a_partition_keeps_its_number(service: Sandbox) -> None:
    def number(df: pd.DataFrame, partition_info: dict[str, int] | None = None) -> pd.DataFrame:
        return df.assign(part=-1 if partition_info is None else partition_info["number"])

    ddf = divided().map_partitions(number)
    rec_id = ddf.clicdata.push("Numbers").rec_id
    assert [row["part"] for row in service.rows(rec_id)] == ddf["part"].compute().tolist()


@pytest.mark.parametrize("failing", [0, 3, 6])
def test_a_partition_that_fails_stops_and_a_later_run_goes_on(
    session: Session, clicdata_sandbox: Sandbox, tmp_path: Path, failing: int
) -> None:
    rec_id = frame(1).clicdata.push("Numbers").rec_id
    start = divided().divisions[failing]

    def fail(df: pd.DataFrame) -> pd.DataFrame:
        if df["n"].iloc[0] == start:
            raise RuntimeError("no memory")
        return df

    journal = tmp_path / "journal"
    with pytest.raises(errors.AppendInterrupted) as caught:
        divided().map_partitions(fail, meta=divided()._meta).clicdata.append(rec_id, journal=journal, chunksize=5)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert stored(clicdata_sandbox, rec_id)[1:] == list(range(start))
    assert caught.value.receipt.rows_appended == start
    receipt = pandas_clicdata.resume_append(divided().clicdata.partitions(), journal)
    assert receipt.complete
    assert stored(clicdata_sandbox, rec_id)[1:] == list(range(100))


@pytest.mark.parametrize("other", [0, 2])
def test_a_partition_that_came_out_different_is_refused(service: Sandbox, tmp_path: Path, other: int) -> None:
    rec_id = frame(1).clicdata.push("Numbers").rec_id
    service.faults.status(500, path=f"/data/{rec_id}/insert", after=3)
    journal = tmp_path / "journal"
    with pytest.raises(errors.AppendAmbiguous):
        divided().clicdata.append(rec_id, journal=journal)
    count = service.count(rec_id)
    changed = divided().assign(t=divided()["t"].where(divided()["n"] != divided().divisions[other], "other"))
    with pytest.raises((errors.JournalMismatch, errors.AppendInterrupted)) as caught:
        pandas_clicdata.resume_append(changed.clicdata.partitions(), journal, in_doubt="missing")
    assert errors.JournalMismatch in {type(caught.value), type(caught.value.__cause__)}
    assert service.count(rec_id) == count
    receipt = pandas_clicdata.resume_append(divided().clicdata.partitions(), journal, in_doubt="missing")
    assert receipt.complete
    assert stored(service, rec_id)[1:] == list(range(100))


def test_a_lost_response_is_settled_by_a_count(service: Sandbox) -> None:
    rec_id = frame(1).clicdata.push("Numbers").rec_id
    manager.current()._sleep = lambda seconds: None
    service.faults.drop(path=f"/data/{rec_id}/insert", after=2, applied=True)
    service.faults.drop(path=f"/data/{rec_id}/insert", after=4)
    receipt = divided().clicdata.append(rec_id, verify="count", exclusive=True)
    assert receipt.complete
    assert stored(service, rec_id)[1:] == list(range(100))


def test_a_dask_frame_that_was_read_is_appended_to_another(service: Sandbox) -> None:
    rec_id = frame(2500).clicdata.push("Numbers").rec_id
    ddf = pandas_clicdata.dask.read_clicdata(rec_id, partition_rows=1000)
    copy = ddf.clicdata.push("Copy").rec_id
    assert service.rows(copy) == service.rows(rec_id)


def test_the_accessor_names_its_verbs(service: Sandbox) -> None:
    assert repr(divided().clicdata) == "<ddf.clicdata of 7 partitions: append, push, replace, partitions>"


# ---------------------------------------------------------------------------------------------------------
# A cluster, whose workers are killed


def kill_one(cluster: Any, number: int, *, restarts: bool) -> None:
    workers = list(cluster.workers.values())
    workers[number].auto_restart = restarts
    os.kill(workers[number].pid, signal.SIGKILL)


@pytest.mark.cluster
@pytest.mark.timeout(240 * CLUSTERS)
@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker_doubles_and_loses_no_row(service: Sandbox) -> None:
    distributed = pytest.importorskip("distributed", reason="distributed isn't installed")

    def slow(df: pd.DataFrame) -> pd.DataFrame:  # within a function, so that dask sends it to the workers by value
        time.sleep(0.01)
        return df

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    for run in range(CLUSTERS):
        rec_id = service.create(f"Numbers {run}", {"n": "number", "t": "text", "g": "number"})
        ddf = divided(120, 12).map_partitions(slow, meta=divided()._meta)
        with distributed.LocalCluster(**options) as cluster:
            with distributed.Client(cluster, set_as_default=False) as client:
                # Four partitions are computed in advance, while others are sent.
                kill = partial(kill_one, cluster, run % 2, restarts=run % 4 > 1)
                service.faults.call(kill, path=f"/data/{rec_id}/insert", after=run % 7)
                receipt = ddf.clicdata.append(rec_id, client=client, ahead=4)
        totals.add("processes killed, workers of dask", 1)
        assert stored(service, rec_id) == list(range(120))
        assert receipt.rows_appended == service.count(rec_id) == 120
        assert (receipt.rows_in_doubt, receipt.complete) == (0, True)
