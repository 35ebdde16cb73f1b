"""Regression tests of faults that were found in trials of the package."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from pandas_clicdata import Data, errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

SALES = pd.DataFrame({"id": range(6), "month": [1, 1, 2, 2, 3, 3], "t": [*"aabbcc"]})
NEW = pd.DataFrame({"id": [10], "month": [1], "t": ["z"]})


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox) -> Iterator[Session]:
    with clicdata_sandbox.session(api_version=request.param, max_retries=0) as session:
        session._sleep = lambda seconds: None
        yield session


def held(sandbox: Sandbox, rec_id: int) -> list[str]:
    return sorted(str(sorted(row.items())) for row in sandbox.rows(rec_id))


# ---------------------------------------------------------------------------------------------------------
# Digits


DIGITS = pd.DataFrame({"id": [1, 2], "x": [Decimal("0.1234567890123456789012"), Decimal("1.5")]})
MORE = DIGITS.assign(x=[Decimal("0.1234567890123456789013"), Decimal("1.5")])


def test_digits_beyond_a_float_are_undone(session: Session) -> None:
    rec_id = DIGITS.clicdata.push("Digits", session=session).rec_id
    for write in (
        lambda: MORE.clicdata.update_rows(rec_id, on="id", session=session),
        lambda: MORE.clicdata.sync(rec_id, on="id", session=session),
        lambda: MORE.clicdata.replace(rec_id, by="id", session=session),
        lambda: MORE.clicdata.replace(rec_id, session=session),
    ):
        receipt: Any = write()
        assert DIGITS.clicdata.diff(rec_id, on="id", session=session).unchanged == 1
        assert receipt.undo().complete
        assert DIGITS.clicdata.diff(rec_id, on="id", session=session).unchanged == 2


def test_digits_beyond_a_float_are_restored_and_listed_as_changes(session: Session) -> None:
    rec_id = DIGITS.clicdata.push("Digits", session=session).rec_id
    data = Data(session=session)
    version = data.get_data_history(rec_id)["version"].max()
    MORE.clicdata.update_rows(rec_id, on="id", session=session)
    assert data.changes(rec_id, since=version).changed["id"].tolist() == [1]
    assert data.restore(rec_id, version).complete
    assert DIGITS.clicdata.diff(rec_id, on="id", session=session).unchanged == 2


# ---------------------------------------------------------------------------------------------------------
# Plans


def planned(verb: str) -> Callable[[int, Session], Any]:
    plans: dict[str, Callable[[int, Session], Any]] = {
        "delete_rows": lambda rec_id, session: NEW[["month"]].clicdata.delete_rows(
            rec_id, on="month", dry_run=True, session=session
        ),
        "update_rows": lambda rec_id, session: NEW[["month", "t"]].clicdata.update_rows(
            rec_id, on="month", dry_run=True, session=session
        ),
        "replace": lambda rec_id, session: NEW.clicdata.replace(rec_id, dry_run=True, session=session),
        "replace by": lambda rec_id, session: NEW.clicdata.replace(rec_id, by="month", dry_run=True, session=session),
    }
    return plans[verb]


@pytest.mark.parametrize("verb", ["delete_rows", "update_rows", "replace", "replace by"])
def test_a_plan_never_changes_a_row_that_it_did_not_show(
    session: Session, clicdata_sandbox: Sandbox, verb: str
) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    plan = planned(verb)(rec_id, session)
    clicdata_sandbox.append(rec_id, [{"id": 77, "month": 1, "t": "a"}])
    before = held(clicdata_sandbox, rec_id)
    with pytest.raises(errors.InputError, match="has changed since the plan was made"):
        plan.apply()
    assert held(clicdata_sandbox, rec_id) == before


def test_a_plan_never_sets_a_cell_that_another_has_set_since(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    plan = pd.DataFrame({"id": [1], "t": ["z"]}).clicdata.upsert(rec_id, on="id", dry_run=True, session=session)
    pd.DataFrame({"id": [1], "t": ["other"]}).clicdata.update_rows(rec_id, on="id", session=session)
    with pytest.raises(errors.InputError, match="has changed since the plan was made"):
        plan.apply()
    assert clicdata_sandbox.rows(rec_id)[1]["t"] == "other"


def test_rows_that_moved_between_plan_and_apply_are_known_in_the_receipt(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    plan = pd.DataFrame({"month": [2, 3]}).clicdata.delete_rows(rec_id, on="month", dry_run=True, session=session)
    pd.DataFrame({"id": [0, 1]}).clicdata.delete_rows(rec_id, on="id", session=session)
    receipt = plan.apply()
    assert receipt.rows["id"].tolist() == [2, 3, 4, 5]
    assert receipt.rows_in_doubt.empty
    assert "2 rows read before" not in repr(receipt)


@pytest.mark.parametrize("verb", ["update_rows", "upsert", "sync", "replace"])
def test_a_plan_of_a_frame_that_was_changed_is_not_carried_out(
    session: Session, clicdata_sandbox: Sandbox, verb: str
) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    cells = pd.DataFrame({"id": [1, 22], "month": [5, 6]}).to_numpy(copy=True)
    frame = pd.DataFrame(cells, columns=["id", "month"], copy=False)
    keys: Any = {} if verb == "replace" else {"on": "id"}
    plan = getattr(frame.clicdata, verb)(rec_id, **keys, dry_run=True, session=session)
    if verb == "sync":
        plan.problems.clear()
    cells[:, 1] = 99
    before = held(clicdata_sandbox, rec_id)
    with pytest.raises(errors.InputError, match="the frame was changed since the plan was made"):
        plan.apply()
    assert held(clicdata_sandbox, rec_id) == before


# ---------------------------------------------------------------------------------------------------------
# Receipts


def test_no_receipt_says_that_an_index_was_left_out_which_was_sent(session: Session) -> None:
    frame = pd.DataFrame({"v": [1, 2]}, pd.Index(["a", "b"], name="k"))
    rec_id = frame.clicdata.push("Named", session=session).rec_id
    assert "left out" not in repr(frame.clicdata.replace(rec_id, session=session))
    frame.index = pd.Index(["a", "c"], name="k")
    assert "left out" not in repr(frame.clicdata.upsert(rec_id, on="k", session=session))


def test_workers_of_a_replace_never_take_its_own_deletes_for_those_of_others(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    frame = pd.DataFrame({"a": ["x", "y", None, None] * 20, "b": ["p", "q"] * 40})
    rec_id = frame.clicdata.push("Shared", session=session).rec_id
    clicdata_sandbox.faults.latency(0.5, path="delete|row", times=1)  # deletes by another column arrive before
    receipt = frame.head(3).clicdata.replace(rec_id, workers=8, session=session)
    assert receipt.complete
    assert receipt.deleted is not None
    assert receipt.deleted.rows_in_doubt.empty
    assert len(clicdata_sandbox.rows(rec_id)) == 3


def test_a_restore_that_compared_whole_rows_is_undone(session: Session, clicdata_sandbox: Sandbox) -> None:
    twice = pd.DataFrame({"t": ["x", "x", "y", None], "n": [1.5, 1.5, None, 2.5]})
    rec_id = twice.clicdata.push("Twice", session=session).rec_id
    data = Data(session=session)
    version = data.get_data_history(rec_id)["version"].max()
    first = held(clicdata_sandbox, rec_id)
    pd.DataFrame({"t": ["y"]}).clicdata.delete_rows(rec_id, on="t", session=session)
    pd.DataFrame({"t": ["x", "w"], "n": [1.5, 9.5]}).clicdata.append(rec_id, session=session)
    later = held(clicdata_sandbox, rec_id)
    receipt = data.restore(rec_id, version)
    assert held(clicdata_sandbox, rec_id) == first
    undone: Any = receipt.undo()
    assert held(clicdata_sandbox, rec_id) == later
    assert undone.undo().complete
    assert held(clicdata_sandbox, rec_id) == first


def test_no_undo_of_a_restore_takes_rows_back_that_another_deleted_since(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    twice = pd.DataFrame({"t": ["x", "x", "y", "z"]})
    rec_id = twice.clicdata.push("Twice", session=session).rec_id
    version = Data(session=session).get_data_history(rec_id)["version"].max()
    pd.DataFrame({"t": ["y"]}).clicdata.delete_rows(rec_id, on="t", session=session)
    receipt = Data(session=session).restore(rec_id, version)
    pd.DataFrame({"t": ["z"]}).clicdata.delete_rows(rec_id, on="t", session=session)
    with pytest.raises(errors.InputError, match="somebody has changed them since"):
        receipt.undo()
    assert len(clicdata_sandbox.rows(rec_id)) == 3


def test_what_was_written_with_exact_keys_is_undone_with_exact_keys(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    frame = pd.DataFrame({"k": ["a", "a", "A", "A "], "v": [1, 2, 3, 4]})
    rec_id = frame.clicdata.push("Cased", session=session).rec_id
    before = held(clicdata_sandbox, rec_id)
    options: Any = {"match": "exact", "session": session}
    for write in (
        lambda: pd.DataFrame({"k": ["a"], "v": [9]}).clicdata.update_rows(rec_id, on="k", **options),
        lambda: pd.DataFrame({"k": ["a"]}).clicdata.delete_rows(rec_id, on="k", **options),
        lambda: pd.DataFrame({"k": ["a", "a"], "v": [7, 8]}).clicdata.replace(rec_id, by="k", **options),
        lambda: pd.DataFrame({"k": ["A", "b"], "v": [7, 8]}).clicdata.sync(rec_id, on="k", max_deletes=9, **options),
    ):
        receipt: Any = write()
        assert held(clicdata_sandbox, rec_id) != before
        assert receipt.undo().complete
        assert held(clicdata_sandbox, rec_id) == before


# ---------------------------------------------------------------------------------------------------------
# Messages


def test_a_missing_version_is_refused_by_name(session: Session) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    with pytest.raises(errors.InputError, match="ver_id"):
        Data(session=session).restore(rec_id, pd.NA)  # type: ignore[call-overload]
    with pytest.raises(errors.InputError, match="ver_id"):
        pd.read_clicdata(rec_id, ver_id=pd.NA, session=session)


def test_no_verb_advises_an_argument_that_it_does_not_have(session: Session) -> None:
    rec_id = pd.DataFrame({"id": [1], "day": ["2026-01-01"]}).clicdata.push("Days", session=session).rec_id
    with pytest.raises(errors.InputError, match="no date at row 0") as refused:
        pd.DataFrame({"id": [1], "day": ["soon"]}).clicdata.update_rows(rec_id, on="id", session=session)
    assert "collect" not in str(refused.value)
    with pytest.raises(errors.InputError, match="it has none"):
        pd.DataFrame().clicdata.update_rows(rec_id, on="id", session=session)


@pytest.mark.parametrize("verb", ["upsert", "sync", "update_rows"])
def test_no_receipt_says_that_a_row_was_updated_whose_key_only_looks_alike(
    session: Session, clicdata_sandbox: Sandbox, verb: str
) -> None:
    rec_id = pd.DataFrame({"k": ["a", "b"], "v": [1, 2]}).clicdata.push("Alike", session=session).rec_id
    frame = pd.DataFrame({"k": ["A", "b"], "v": [7, 2]})
    receipt = getattr(frame.clicdata, verb)(rec_id, on="k", match="wide", session=session)
    assert clicdata_sandbox.rows(rec_id)[0]["v"] == 1, "the service compares text exactly"
    assert "1 row updated (" not in repr(receipt)
    assert re.search("reached no row|updated or not", repr(receipt))


@pytest.mark.parametrize("order", ["delete_first", "append_first"])
def test_a_replace_is_undone_whose_delete_was_refused(session: Session, clicdata_sandbox: Sandbox, order: str) -> None:
    options: Any = {"by": "month", "order": order, "batch_column": "batch"} if order == "append_first" else {}
    frame = SALES.assign(batch="early") if options else SALES
    rec_id = frame.clicdata.push("Sales", session=session).rec_id
    before = held(clicdata_sandbox, rec_id)
    clicdata_sandbox.faults.status(403, path=re.compile("/(row|insert|delete)$"), after=1)
    with pytest.raises(errors.ClicDataError) as stopped:
        NEW.clicdata.replace(rec_id, session=session, **options)
    clicdata_sandbox.faults.clear()
    assert held(clicdata_sandbox, rec_id) != before
    assert session.last_receipt is stopped.value.receipt
    assert stopped.value.receipt.undo().complete
    assert held(clicdata_sandbox, rec_id) == before


def test_a_plan_of_a_replace_never_appends_its_rows_twice(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = SALES.assign(batch="early").clicdata.push("Sales", session=session).rec_id
    frame = NEW.assign(month=9)
    plan = frame.clicdata.replace(
        rec_id, by="month", order="append_first", batch_column="batch", dry_run=True, session=session
    )
    assert plan.apply().complete
    with pytest.raises(errors.InputError, match="make a new plan"):
        plan.apply()
    assert len(clicdata_sandbox.rows(rec_id)) == 7


@pytest.mark.parametrize("tolerance", [5, {"v": float("nan")}, {"v": "1"}, {"v": -1}, {"v": True}, {"v": None}])
def test_a_tolerance_that_is_none_is_refused(session: Session, tolerance: Any) -> None:
    with pytest.raises(errors.InputError, match="tolerance must"):
        pd.DataFrame({"k": [1], "v": [1.5]}).clicdata.upsert(1, on="k", tolerance=tolerance, session=session)


def test_a_tolerance_of_a_column_that_is_not_compared_is_refused(session: Session) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    with pytest.raises(errors.InputError, match=r"tolerance names .*'mnth'"):
        SALES.clicdata.sync(rec_id, on="id", tolerance={"mnth": 1}, session=session)


def test_a_tolerance_may_be_a_number_of_numpy(session: Session) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    frame = SALES.assign(month=SALES["month"] + 1)
    for tolerance in (np.int64(1), np.float64(1.0), Decimal(1)):
        plan = frame.clicdata.diff(rec_id, on="id", tolerance={"month": tolerance}, session=session)
        assert plan.unchanged == 6


def test_names_may_be_texts_of_numpy(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = SALES.clicdata.push("Sales", session=session).rec_id
    frame = pd.DataFrame({np.str_("id"): [1, 9], np.str_("month"): [5, 5]})
    frame.clicdata.upsert(rec_id, on=np.array(["id"]), session=session)  # type: ignore[arg-type]
    frame.clicdata.replace(rec_id, by=np.array(["month"]), session=session)  # type: ignore[arg-type]
    frame.clicdata.delete_rows(rec_id, on=np.array(["id"]), session=session)  # type: ignore[arg-type]
    assert len(clicdata_sandbox.rows(rec_id)) == 5
