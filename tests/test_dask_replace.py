"""Replace of groups by a dask frame: old rows are deleted first, and each new row is stored once."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
import totals
from pandas_clicdata import AppendReceipt, SyncReceipt, errors
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

dd = pytest.importorskip("dask.dataframe", reason="dask isn't installed")

import pandas_clicdata.dask  # noqa: E402

OLD = pd.DataFrame({"n": range(40), "month": ["Jan", "Feb", "Mar", "Apr"] * 10, "shop": [1, 2] * 20})
NEW = pd.DataFrame({"n": range(100, 130), "month": ["Feb"] * 20 + ["Apr"] * 5 + ["May"] * 5, "shop": [1, 2, 3] * 10})
STAYED = [n for n in range(40) if n % 4 in (0, 2)]


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox) -> Iterator[Session]:
    with clicdata_sandbox.session(api_version=request.param, max_retries=0) as session:
        session._sleep = lambda seconds: None
        manager.make_default(session)
        yield session


def new(frame: pd.DataFrame = NEW, npartitions: int = 6) -> Any:
    return dd.from_pandas(frame, npartitions=npartitions, sort=False)


def held(sandbox: Sandbox, rec_id: int) -> list[int]:
    return [row["n"] for row in sandbox.rows(rec_id)]


def writes(sandbox: Sandbox) -> list[str]:
    """Return what was written since the last call: deletes and inserts, in order."""
    seen = [one for one in sandbox.requests if one.method != "GET" and "/data/" in one.path]
    sandbox.requests.clear()
    return ["delete" if one.method == "DELETE" or one.path.endswith("/delete") else "insert" for one in seen]


def test_the_rows_of_the_groups_go_before_the_partitions_come(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = OLD.clicdata.push("Sales").rec_id
    writes(clicdata_sandbox)
    receipt = new().clicdata.replace(rec_id, by="month")
    assert isinstance(receipt, SyncReceipt)
    assert writes(clicdata_sandbox) == ["delete"] * 3 + ["insert"] * 6
    assert held(clicdata_sandbox, rec_id) == [*STAYED, *range(100, 130)]
    assert receipt.complete
    assert receipt.appended is not None
    assert receipt.deleted is not None
    assert (receipt.appended.rows_appended, receipt.deleted.keys_total) == (30, 3)
    assert session.last_receipt is receipt
    again = new().clicdata.replace(rec_id, by=["month", "shop"], ahead=1, chunksize=2)
    assert again.complete
    assert held(clicdata_sandbox, rec_id) == [
        n for n, month, shop in OLD.itertuples(index=False) if month in ("Jan", "Mar") or (month, shop) == ("Apr", 0)
    ] + list(range(100, 130))


def test_it_ends_as_the_replace_of_the_frame_in_memory(session: Session, clicdata_sandbox: Sandbox) -> None:
    old = OLD.assign(
        day=pd.date_range("2026-01-01", periods=4).repeat(10), when=pd.Timestamp("2026-01-01T10:00"), share=0.5
    )
    some = NEW.assign(day=pd.Timestamp("2026-01-02"), when=pd.Timestamp("2026-02-01"), share=1.0)
    for by in (None, "day", ["day", "month"], "shop", "when"):
        ids = [old.clicdata.push(f"Sales {by} {way}").rec_id for way in "ab"]
        assert some.clicdata.replace(ids[0], by=by).complete
        assert new(some).clicdata.replace(ids[1], by=by).complete
        assert clicdata_sandbox.rows(ids[0]) == clicdata_sandbox.rows(ids[1])


def test_without_groups_all_rows_go(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = OLD.clicdata.push("Sales").rec_id
    assert new().clicdata.replace(rec_id).complete
    assert held(clicdata_sandbox, rec_id) == [*range(100, 130)]
    empty = new()[new()["n"] < 0]
    writes(clicdata_sandbox)
    with pytest.raises(errors.InputError, match="allow_empty=True permits it"):
        empty.clicdata.replace(rec_id)
    assert empty.clicdata.replace(rec_id, by="month").complete
    assert not writes(clicdata_sandbox)
    assert empty.clicdata.replace(rec_id, allow_empty=True).complete
    assert held(clicdata_sandbox, rec_id) == []
    mostly_empty = new()[new()["n"] >= 128]
    assert mostly_empty.clicdata.replace(rec_id).complete
    assert held(clicdata_sandbox, rec_id) == [128, 129]


@pytest.mark.parametrize("empty", [0, 1_200], ids=["page 1", "page 2"])
@pytest.mark.parametrize(("created", "there", "shops"), [("text", "12", [12, 13]), ("number", 12, ["12", "13"])])
def test_groups_that_can_match_no_row_are_refused(
    session: Session, clicdata_sandbox: Sandbox, created: str, there: Any, shops: list[Any], empty: int
) -> None:
    rec_id = clicdata_sandbox.create("Kinds", {"shop": created, "n": "number"})
    clicdata_sandbox.append(rec_id, [*[{"shop": None, "n": 0}] * empty, {"shop": there, "n": 1}])
    other = b'"none"' if created == "text" else b"99"
    for way in ({"method": "DELETE"}, {"path": re.compile("/delete$")}):  # a service that finds no row for such a key
        clicdata_sandbox.faults.edit_request(
            lambda sent: dataclasses.replace(sent, body=re.sub(rb'"?\b1[23]\b"?', other, sent.body)), times=None, **way
        )
    frame, is_shown = new(pd.DataFrame({"shop": shops, "n": [2, 3]}), 1), not empty
    for limits in ({}, {"max_deleted": 10}):
        writes(clicdata_sandbox)
        with pytest.raises(errors.ClicDataError, match="has (numbers|text), and" if is_shown else "no key would match"):
            frame.clicdata.replace(rec_id, by="shop", **limits)
        assert writes(clicdata_sandbox) == ([] if is_shown or limits else ["delete"] * 2)
        assert clicdata_sandbox.count(rec_id) == empty + 1


class Counted:
    """Counts the partitions that are computed."""

    def __init__(self) -> None:
        self.parts = 0

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        self.parts += 1
        return df


def test_what_can_not_be_kept_is_refused_before_anything_is_computed(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rec_id = OLD.clicdata.push("Sales").rec_id
    writes(clicdata_sandbox)
    counted = Counted()
    ddf = new().map_partitions(counted, meta=new()._meta)
    wrong: list[tuple[str, Any, dict[str, Any]]] = [
        ("no column 'year'", ddf, {"by": "year"}),
        ("one at least", ddf, {"by": []}),
        ("'m' is not in", ddf.rename(columns={"n": "m"}), {"by": "month"}),
        ("needs journal=", ddf, {"by": "month", "append_id": "load-1"}),
        ("match", ddf, {"by": "month", "match": "near"}),
        ("max_deleted", ddf, {"by": "month", "max_deleted": -1}),
        ("ahead", ddf, {"by": "month", "ahead": 0}),
        ("client", ddf, {"by": "month", "client": "here"}),
        ("'stamp' is not in", ddf, {"by": "month", "tag_column": "stamp"}),
    ]
    for message, frame, arguments in wrong:
        with pytest.raises(errors.InputError, match=message):
            frame.clicdata.replace(rec_id, **arguments)
    assert not counted.parts
    with pytest.raises(errors.InputError, match="1 row has a missing value in a key column"):
        new(NEW.assign(month=NEW["month"].where(NEW["n"] > 103))).clicdata.replace(rec_id, by="month")
    with pytest.raises(errors.InputError, match="20 rows of 40 would be deleted"):
        ddf.clicdata.replace(rec_id, by="month", max_deleted=19)
    assert not writes(clicdata_sandbox)
    assert held(clicdata_sandbox, rec_id) == [*range(40)]


def test_a_frame_of_the_current_rows_is_refused(clicdata_sandbox: Sandbox) -> None:
    with clicdata_sandbox.session(api_version="2022.01") as session:
        manager.make_default(session)
        rec_id = OLD.clicdata.push("Sales").rec_id
        other = OLD.clicdata.push("Other").rec_id
        current = pandas_clicdata.dask.read_clicdata(rec_id, live=True)
        for frame in (current, current[current["n"] > 3].assign(n=1)):
            with pytest.raises(errors.InputError, match="which would be deleted before they are read"):
                frame.clicdata.replace(rec_id, by="month")
        assert current.clicdata.replace(other, by="month").complete
        pinned = pandas_clicdata.dask.read_clicdata(rec_id)
        assert pinned[pinned["n"] >= 20].clicdata.replace(rec_id).complete
        assert held(clicdata_sandbox, rec_id) == [*range(20, 40)]


class After:
    """Behaves in another way from the second computation of the partition with this row on."""

    def __init__(self, n: int, other: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
        self.n, self.other, self.computed = n, other, 0

    def __dask_tokenize__(self) -> int:
        return id(self)  # else dask would treat another object as the same one

    def __call__(self, df: pd.DataFrame) -> pd.DataFrame:
        if not df["n"].eq(self.n).any():
            return df
        self.computed += 1
        return self.other(df) if self.computed > 1 else df


def fail(df: pd.DataFrame) -> pd.DataFrame:
    raise RuntimeError("no memory")


@pytest.mark.parametrize(
    ("n", "month", "message"), [(110, "Mar", "were not there when the old rows"), (125, "Apr", "no row has the values")]
)
def test_a_partition_that_comes_out_with_other_groups_stops_it(
    session: Session, clicdata_sandbox: Sandbox, n: int, month: str, message: str
) -> None:
    rec_id = OLD.clicdata.push("Sales").rec_id
    ddf = new().map_partitions(After(n, lambda df: df.assign(month=month)), meta=new()._meta)
    with pytest.raises(errors.SyncInterrupted, match=message) as caught:
        ddf.clicdata.replace(rec_id, by="month")
    receipt = caught.value.receipt
    assert not receipt.complete
    assert held(clicdata_sandbox, rec_id) == [*STAYED, *range(100, 100 + receipt.appended.rows_appended)]
    assert n not in held(clicdata_sandbox, rec_id) or month == "Apr"
    assert new().clicdata.replace(rec_id, by="month").complete
    assert held(clicdata_sandbox, rec_id) == [*STAYED, *range(100, 130)]


def test_a_stop_midway_is_known_and_the_same_call_goes_on(
    session: Session, clicdata_sandbox: Sandbox, tmp_path: Path
) -> None:
    rec_id = OLD.clicdata.push("Sales").rec_id
    journal = tmp_path / "journal"
    known: dict[str, Any] = {"by": "month", "journal": journal, "append_id": "load-1"}
    with pytest.raises(RuntimeError, match="no memory"):  # the groups are not known, and nothing is deleted
        new().map_partitions(fail, meta=new()._meta).clicdata.replace(rec_id, **known)
    assert held(clicdata_sandbox, rec_id) == [*range(40)]
    ddf = new().map_partitions(After(115, fail), meta=new()._meta)
    with pytest.raises(errors.SyncInterrupted) as caught:
        ddf.clicdata.replace(rec_id, **known)
    receipt = caught.value.receipt
    assert isinstance(caught.value.__cause__, errors.AppendInterrupted)
    assert isinstance(caught.value.__cause__.__cause__, RuntimeError)
    assert receipt.appended.rows_appended == 15
    assert receipt.appended.remaining(NEW.iloc[10:15], piece=3).empty
    for ask in (receipt.remaining, receipt.in_doubt, receipt.resume):
        with pytest.raises(errors.InputError, match="came in pieces"):
            ask(NEW)
    with pytest.raises(errors.InputError, match="were not kept"):
        receipt.undo()
    with pytest.raises(errors.InputError, match=r"append_id='load-1'"):
        pandas_clicdata.resume_append(new().clicdata.partitions(), journal)
    others: list[tuple[type[Exception], Any, dict[str, Any]]] = [
        (errors.InputError, new(), {**known, "append_id": None}),
        (errors.JournalMismatch, new(), {**known, "append_id": "load-2"}),
        (errors.JournalMismatch, new(), {**known, "by": "shop"}),
        (errors.JournalMismatch, new(NEW.iloc[:20]), known),
        (errors.SyncInterrupted, new(NEW.assign(shop=9)), known),  # of the same groups
    ]
    writes(clicdata_sandbox)
    for error, frame, arguments in others:
        with pytest.raises(error):
            frame.clicdata.replace(rec_id, **arguments)
    assert not writes(clicdata_sandbox)
    for _ in range(2):  # the second time nothing is left to do
        receipt = new().clicdata.replace(rec_id, **known)
        assert receipt.complete
        assert held(clicdata_sandbox, rec_id) == [*STAYED, *range(100, 130)]
    assert writes(clicdata_sandbox) == ["insert"] * 3
    assert AppendReceipt.load(journal).complete


@pytest.mark.wide(4)
@pytest.mark.parametrize("with_journal", [True, False])
@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize(("lost", "by"), [(0, "month"), (2, "month"), (3, "month"), (6, "month"), (1, None)])
def test_whatever_response_is_lost_the_same_call_puts_it_right(
    session: Session, clicdata_sandbox: Sandbox, tmp_path: Path, lost: int, applied: bool, with_journal: bool, by: Any
) -> None:
    rec_id = OLD.assign(stamp="old").clicdata.push("Sales").rec_id
    known: dict[str, Any] = {"by": by}
    if with_journal:
        known |= {"journal": tmp_path / "journal", "append_id": "load-1", "tag_column": "stamp"}
    for method in ("POST", "DELETE"):
        clicdata_sandbox.faults.drop(path=f"/data/{rec_id}", method=method, after=lost, applied=applied)
    try:
        receipt = new().clicdata.replace(rec_id, **known)
    except errors.SyncAmbiguous:
        assert not with_journal  # whose stamps show what is stored
        receipt = new().clicdata.replace(rec_id, **known)
    assert receipt.complete
    assert held(clicdata_sandbox, rec_id) == [*(STAYED if by else []), *range(100, 130)]


def test_a_call_that_was_killed_while_it_deleted_begins_anew(
    session: Session, clicdata_sandbox: Sandbox, tmp_path: Path
) -> None:
    rec_id = OLD.clicdata.push("Sales").rec_id
    journal, copy = tmp_path / "journal", tmp_path / "copy"
    known: dict[str, Any] = {"by": "month", "journal": journal, "append_id": "load-1"}

    def look_aside() -> None:
        with pytest.raises(errors.JournalBusy):
            new().clicdata.replace(rec_id, **known)
        copy.write_bytes(journal.read_bytes())

    path = f"/data/{rec_id}/delete" if session.dialect.value == "modern" else f"/data/{rec_id}/row"
    clicdata_sandbox.faults.call(look_aside, path=path, after=1)
    assert new().clicdata.replace(rec_id, **known).complete
    journal.unlink()
    copy.rename(journal)  # the state after a kill
    journal.chmod(0o600)
    with pytest.raises(errors.JournalMismatch):
        new(NEW.iloc[:20]).clicdata.replace(rec_id, **known)
    with pytest.raises(errors.InputError, match="there is a file"):
        new().clicdata.replace(rec_id, by="month", journal=journal)
    writes(clicdata_sandbox)
    assert new().clicdata.replace(rec_id, **known).complete
    assert writes(clicdata_sandbox) == ["delete"] * 3 + ["insert"] * 6
    journal.write_bytes(b"")  # it has rows before anything is sent
    assert new().clicdata.replace(rec_id, by="month", journal=journal).complete
    assert held(clicdata_sandbox, rec_id) == [*STAYED, *range(100, 130)]


@pytest.mark.parametrize("by", ["month", None])
def test_without_stamps_rows_in_doubt_stop_each_call_with_the_journal(
    session: Session, clicdata_sandbox: Sandbox, tmp_path: Path, by: Any
) -> None:
    rec_id = OLD.clicdata.push("Sales").rec_id
    journal = tmp_path / "journal"
    known: dict[str, Any] = {"by": by, "journal": journal, "append_id": "load-1"}
    path = f"/data/{rec_id}/insert" if session.dialect.value == "modern" else f"/data/{rec_id}/row"
    clicdata_sandbox.faults.drop(path=path, method="POST", after=2, applied=True)
    for _ in range(2):
        with pytest.raises(errors.SyncAmbiguous, match="safe to call it again without this journal") as caught:
            new().clicdata.replace(rec_id, **known)
        assert caught.value.receipt.appended.rows_in_doubt == 5
    journal.unlink()
    clicdata_sandbox.faults.status(403, path=path, method="POST", after=4)
    with pytest.raises(errors.SyncInterrupted):
        new().clicdata.replace(rec_id, **known)
    writes(clicdata_sandbox)
    assert new().clicdata.replace(rec_id, **known).complete
    assert set(writes(clicdata_sandbox)) == {"insert"}
    assert held(clicdata_sandbox, rec_id) == [*(STAYED if by else []), *range(100, 130)]


SCRIPT = """
import sys
import dask.dataframe as dd
import pandas as pd
import pandas_clicdata.dask
pandas_clicdata.Session.sleep = lambda *_: None
frame = pd.read_pickle("new.pickle")
ddf = dd.from_pandas(frame, npartitions=6, sort=False)
ddf.clicdata.replace(int(sys.argv[1]), by="month", journal="journal", append_id="load-1", tag_column="stamp")
"""


@pytest.mark.parametrize("kill", range(min(20, int(os.environ.get("CLICDATA_KILLS", "2")))))
def test_a_process_that_was_killed_is_followed_by_the_same_call(
    clicdata_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: int
) -> None:
    login = {"url": clicdata_sandbox.url, "api_key": clicdata_sandbox.credentials.api_key, "api_version": "2022.01"}
    for name, value in login.items():
        monkeypatch.setenv(f"CLICDATA_{name.upper()}", value)
    monkeypatch.chdir(tmp_path)
    with pandas_clicdata.Session(**login) as session:
        session._sleep = lambda seconds: None
        manager.make_default(session)
        rec_id = OLD.assign(stamp="old").clicdata.push("Sales").rec_id
        NEW.to_pickle("new.pickle")
        with subprocess.Popen([sys.executable, "-c", SCRIPT, str(rec_id)]) as process:
            # Three requests delete, and six append.
            for path in ("delete", "insert"):
                after = kill * 5 % 9 - 3 * (path == "insert")
                if 0 <= after < 3 + 3 * (path == "insert"):
                    clicdata_sandbox.faults.call(process.kill, path=f"/data/{rec_id}/{path}", after=after)
        assert process.returncode == -signal.SIGKILL
        totals.add("processes killed", 1)
        known: dict[str, Any] = {"by": "month", "journal": "journal", "append_id": "load-1", "tag_column": "stamp"}
        assert new().clicdata.replace(rec_id, **known).complete
        assert held(clicdata_sandbox, rec_id) == [*STAYED, *range(100, 130)]


class Pool:
    """Computes as a client of a cluster does."""

    def __init__(self) -> None:
        self.computed = 0
        self._pool = ThreadPoolExecutor(2)

    def compute(self, task: Any) -> Any:
        self.computed += 1
        return self._pool.submit(task.compute)


def test_the_cluster_computes_the_groups_too(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = OLD.clicdata.push("Sales").rec_id
    pool = Pool()
    assert new().clicdata.replace(rec_id, by="month", client=pool).complete
    assert pool.computed == 7
    assert held(clicdata_sandbox, rec_id) == [*STAYED, *range(100, 130)]
