"""Replace against the sandbox: the deleted and appended rows, the number of requests, and the refusals."""

from __future__ import annotations

import dataclasses
import pickle
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from pandas_clicdata import AppendReceipt, SyncReceipt, errors, resume_append
from pandas_clicdata.sandbox import start

if TYPE_CHECKING:
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

SALES = pd.DataFrame(
    {"id": range(24), "month": [n % 4 for n in range(24)], "kind": [*"abc"] * 8, "x": [n / 8 for n in range(24)]}
)
MAY = pd.DataFrame({"id": [100, 101, 102], "month": [3, 3, 3], "kind": ["a", "a", "b"], "x": [0.5, 1.0, 1.5]})
WRITES = re.compile("/(row|insert|update|delete)$")


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox) -> Any:
    with clicdata_sandbox.session(api_version=request.param, max_retries=0) as session:
        session._sleep = lambda seconds: None
        yield session


def held(sandbox: Sandbox, rec_id: int) -> list[int]:
    return [row["id"] for row in sandbox.rows(rec_id)]


def wrote(sandbox: Sandbox) -> Counter[str]:
    paths = [seen.path.rsplit("/", 1)[1] + " " + seen.method for seen in sandbox.requests if WRITES.search(seen.path)]
    sandbox.requests.clear()
    return Counter("delete" if "elete" in path.lower() else "insert" for path in paths)


def test_the_rows_of_the_same_groups_go_by_one_request_each(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    clicdata_sandbox.requests.clear()
    receipt = MAY.clicdata.replace(rec_id, by="month", session=session)
    assert wrote(clicdata_sandbox) == {"delete": 1, "insert": 1}
    assert held(clicdata_sandbox, rec_id) == [n for n in range(24) if n % 4 != 3] + [100, 101, 102]
    assert receipt.deleted is not None
    assert receipt.deleted.rows["id"].tolist() == [n for n in range(24) if n % 4 == 3]
    assert receipt.undo().complete
    assert sorted(held(clicdata_sandbox, rec_id)) == [*range(24)]


def test_all_rows_go_by_the_column_with_the_fewest_values(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    clicdata_sandbox.requests.clear()
    plan = MAY.clicdata.replace(rec_id, session=session, dry_run=True)
    assert (len(plan.deletes), len(plan.inserts), wrote(clicdata_sandbox)) == (24, 3, {})
    assert plan.apply().complete
    assert wrote(clicdata_sandbox) == {"delete": 3, "insert": 1}
    assert held(clicdata_sandbox, rec_id) == [100, 101, 102]


def test_rows_without_that_value_go_by_another_column(session: Session, clicdata_sandbox: Sandbox) -> None:
    frame = SALES.assign(kind=[None, None, *SALES["kind"][2:]])
    rec_id = frame.clicdata.push("Sales", session=session).rec_id
    clicdata_sandbox.requests.clear()
    assert MAY.clicdata.replace(rec_id, session=session).complete
    assert wrote(clicdata_sandbox) == {"delete": 5, "insert": 1}
    assert held(clicdata_sandbox, rec_id) == [100, 101, 102]


def test_what_no_filter_reaches_is_told_before_anything_is_sent(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = clicdata_sandbox.create("Empty rows", {"id": "number", "month": "number", "kind": "text", "x": "number"})
    clicdata_sandbox.append(rec_id, [{"id": None, "month": None, "kind": None, "x": None}])
    with pytest.raises(errors.InputError, match="have a null in every column, and no filter reaches them"):
        MAY.clicdata.replace(rec_id, session=session)
    assert not wrote(clicdata_sandbox)


def test_without_keeping_the_data_set_is_not_read_where_the_service_counts(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    clicdata_sandbox.requests.clear()
    receipt = MAY.clicdata.replace(rec_id, by="month", keep=False, session=session)
    reads = sum(seen.method == "GET" for seen in clicdata_sandbox.requests)
    assert bool(reads) == (session.api_version is None), "there the responses have no counts"
    assert receipt.complete
    assert len(held(clicdata_sandbox, rec_id)) == 21
    with pytest.raises(errors.InputError, match="were not kept"):
        receipt.undo()


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "not seen"])
@pytest.mark.parametrize(("created", "there", "keys"), [("text", "12", [12, 13]), ("number", 12, ["12", "13"])])
def test_no_row_comes_if_its_key_is_of_another_kind_than_those_there(
    session: Session, clicdata_sandbox: Sandbox, tmp_path: Path, created: str, there: Any, keys: list[Any], seen: bool
) -> None:
    rec_id = clicdata_sandbox.create("Kinds", {"code": created, "v": "number"})
    empty = 0 if seen else 1_200  # page 1 shows no code then
    clicdata_sandbox.append(rec_id, [*[{"code": None, "v": 0}] * empty, {"code": there, "v": 1}])
    if seen:
        pd.read_clicdata(rec_id, session=session)
    other = b'"none"' if created == "text" else b"99"
    for way in ({"method": "DELETE"}, {"path": re.compile("/delete$")}):  # a service that finds no row for such a key
        clicdata_sandbox.faults.edit_request(
            lambda sent: dataclasses.replace(sent, body=re.sub(rb'"?\b1[23]\b"?', other, sent.body)), times=None, **way
        )
    clicdata_sandbox.requests.clear()
    frame, path = pd.DataFrame({"code": keys, "v": [2, 3]}), tmp_path / "journal"
    expected = (errors.InputError, "has (numbers|text), and data set") if seen else (errors.WriteError, "no key would")
    with pytest.raises(expected[0], match=expected[1]):
        frame.clicdata.replace(rec_id, by="code", keep=False, journal=path, session=session)
    if not seen:
        with pytest.raises(errors.ClicDataError, match="no key would match"):
            resume_append(frame, path, session=session)
    assert wrote(clicdata_sandbox)["insert"] == 0
    assert clicdata_sandbox.count(rec_id) == empty + 1


def test_the_only_rows_of_a_kind_may_be_replaced_without_keeping_them(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rec_id = pd.DataFrame({"code": ["a", "2026-01-01"], "v": 1}).clicdata.push("Labels", session=session).rec_id
    frame = pd.DataFrame({"code": ["a"], "v": [2]})
    assert frame.clicdata.replace(rec_id, by="code", keep=False, session=session).complete
    assert [row["v"] for row in clicdata_sandbox.rows(rec_id)] == [1, 2]


def test_with_append_first_there_are_never_fewer_rows(session: Session, clicdata_sandbox: Sandbox) -> None:
    with pytest.raises(errors.InputError, match="needs batch_column="):
        MAY.clicdata.replace(1, order="append_first", session=session)
    frame = SALES.assign(batch="early")
    rec_id = frame.clicdata.push("Sales", session=session).rec_id
    counts = []
    for _ in range(2):
        clicdata_sandbox.requests.clear()
        receipt = MAY.clicdata.replace(
            rec_id, by="month", order="append_first", batch_column="batch", chunksize=2, session=session
        )
        assert wrote(clicdata_sandbox) == {"insert": 2, "delete": 1}
        counts.append(len(held(clicdata_sandbox, rec_id)))
    assert counts == [21, 21]
    stamps = {row["batch"] for row in clicdata_sandbox.rows(rec_id)}
    assert len(stamps) == 2
    assert receipt.undo().complete
    assert len(held(clicdata_sandbox, rec_id)) == 21


def test_rows_without_a_stamp_are_refused(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = SALES.assign(batch=[None, *["early"] * 23]).clicdata.push("Sales", session=session).rec_id
    clicdata_sandbox.requests.clear()
    with pytest.raises(errors.InputError, match="1 row would be deleted and have no stamp in 'batch'"):
        MAY.clicdata.replace(rec_id, order="append_first", batch_column="batch", session=session)
    with pytest.raises(errors.InputError, match="the frame has a column 'batch'"):
        MAY.assign(batch="x").clicdata.replace(rec_id, batch_column="batch", session=session)
    assert not wrote(clicdata_sandbox)


@pytest.mark.parametrize(
    ("frame", "how", "message"),
    [
        (MAY.head(0), {}, "allow_empty=True permits it"),
        (MAY.assign(extra=1), {}, "'extra' is not in data set"),
        (MAY, {"max_deleted": 23}, "24 rows of 24 would be deleted, and max_deleted is 23"),
        (MAY, {"max_deleted": 0.5}, "max_deleted is 0.5"),
        (MAY, {"by": "month", "max_deleted": 5}, "6 rows of 24 would be deleted"),
        (MAY.assign(month=[3, None, 3]), {"by": "month"}, "missing value in a key column"),
        (MAY, {"by": "monht"}, "the frame has no column 'monht'"),
        (MAY, {"order": "first"}, "order must be"),
        (MAY, {"max_deleted": 1.5}, "max_deleted must be a number of rows, or a share"),
        (MAY, {"batch_column": " "}, "batch_column must be the name of a column"),
    ],
)
def test_what_is_refused_writes_nothing(
    session: Session, clicdata_sandbox: Sandbox, frame: pd.DataFrame, how: dict[str, Any], message: str
) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    clicdata_sandbox.requests.clear()
    with pytest.raises(errors.InputError, match=re.escape(message)):
        frame.clicdata.replace(rec_id, session=session, **how)
    assert not wrote(clicdata_sandbox)


def test_an_empty_frame_may_empty_a_data_set(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    receipt = MAY.head(0).clicdata.replace(rec_id, allow_empty=True, session=session)
    assert (receipt.complete, receipt.appended, held(clicdata_sandbox, rec_id)) == (True, None, [])


@pytest.mark.parametrize("keep", [True, False])
def test_no_row_comes_before_the_old_ones_are_gone(keep: bool) -> None:
    """A delete that reaches no row ends the call: the service may compare texts in another way."""
    with start() as sandbox, sandbox.session(api_version="2022.01") as session:
        rec_id = SALES.clicdata.push("Sales", session=session).rec_id
        path = re.compile("/(delete|row)$")
        sandbox.faults.answer('{"success": true, "result": {"rows_deleted": 0}}', path=path, times=None)
        with pytest.raises(errors.WriteError, match="are still there, and no row was appended"):
            MAY.clicdata.replace(rec_id, by="month", keep=keep, session=session)
        assert held(sandbox, rec_id) == [*range(24)]


def test_push_replaces_the_rows_of_a_table(session: Session, clicdata_sandbox: Sandbox) -> None:
    first = SALES.clicdata.push("Sales", if_exists="replace", session=session)
    assert isinstance(first, AppendReceipt)
    second: Any = MAY.clicdata.push("Sales", if_exists="delete_rows", session=session)
    assert isinstance(second, SyncReceipt)
    assert (second.rec_id, second.complete) == (first.rec_id, True)
    assert held(clicdata_sandbox, first.rec_id) == [100, 101, 102]
    with pytest.raises(errors.InputError, match="takes no verify"):
        MAY.clicdata.push("Sales", if_exists="replace", verify="tag", tag_column="t", session=session)  # type: ignore[call-overload]


def test_the_journal_of_a_replace_holds_no_cell(session: Session, clicdata_sandbox: Sandbox, tmp_path: Path) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    path = tmp_path / "journal"
    frame = MAY.assign(kind="canary in a cell")
    clicdata_sandbox.faults.status(403, path=WRITES, times=None)
    with pytest.raises(errors.ClicDataError):
        frame.clicdata.replace(rec_id, by="month", journal=path, session=session)
    assert b"canary" not in path.read_bytes()
    assert held(clicdata_sandbox, rec_id) == [*range(24)]
    clicdata_sandbox.faults.clear()
    with pytest.raises(errors.JournalMismatch):
        resume_append(frame.assign(x=9.0), path, session=session)
    assert resume_append(frame, path, session=session).complete
    assert len(held(clicdata_sandbox, rec_id)) == 21
    assert resume_append(frame, path, session=session).complete
    assert len(held(clicdata_sandbox, rec_id)) == 21


def test_a_receipt_that_was_pickled_shows_what_it_knows(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    receipt = pickle.loads(pickle.dumps(MAY.clicdata.replace(rec_id, by="month", session=session)))
    assert receipt.complete
    assert len(receipt.deleted.rows) == 6
    assert "3 of 3 rows appended" in repr(receipt)
    for call in (lambda: receipt.resume(MAY), receipt.undo):
        with pytest.raises(errors.InputError, match="pickled"):
            call()
