"""Undo, restore and the comparison of versions, against the sandbox."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from pandas_clicdata import Data, errors

if TYPE_CHECKING:
    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

STOCK = pd.DataFrame({"id": [1, 2, 3, 4], "g": ["a", "a", "b", None], "v": [1.5, 2.25, None, 4.0]})


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox) -> Any:
    with clicdata_sandbox.session(api_version=request.param) as session:
        yield session


@pytest.fixture
def rec_id(session: Session) -> int:
    return STOCK.clicdata.push("Stock", session=session).rec_id


def held(sandbox: Sandbox, rec_id: int) -> list[str]:
    return sorted(str(sorted(row.items())) for row in sandbox.rows(rec_id))


def test_an_update_and_a_delete_are_undone(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    before = held(clicdata_sandbox, rec_id)
    frame = pd.DataFrame({"id": [1, 3, 9], "g": ["z", None, "z"], "v": [None, 7.0, 9.0]})
    updated = frame.clicdata.update_rows(rec_id, on="id", session=session)
    assert held(clicdata_sandbox, rec_id) != before
    plan = updated.undo(dry_run=True)
    assert (plan.updates["column"].tolist(), plan.updates["new"].tolist()) == (
        ["g", "v", "g", "v"],
        ["a", 1.5, "b", None],
    )
    back = updated.undo()
    assert held(clicdata_sandbox, rec_id) == before
    back.undo()
    assert held(clicdata_sandbox, rec_id) != before
    updated.undo()
    deleted = STOCK[["g"]].head(1).clicdata.delete_rows(rec_id, on="g", session=session)
    assert len(clicdata_sandbox.rows(rec_id)) == 2
    assert pickle.loads(pickle.dumps(deleted)).undo(session=session).complete
    assert held(clicdata_sandbox, rec_id) == before
    assert deleted.undo().requests == 0, "nothing is left to undo"


def test_rows_of_one_key_get_their_own_cells_back(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    before = held(clicdata_sandbox, rec_id)
    receipt = pd.DataFrame({"g": ["a"], "v": [0.0]}).clicdata.update_rows(rec_id, on="g", session=session)
    assert len(receipt.rows) == 2
    assert receipt.undo().complete
    assert held(clicdata_sandbox, rec_id) == before


@pytest.mark.parametrize("change", ["cell", "gone", "new"])
def test_what_somebody_changed_since_is_not_overwritten(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, change: str
) -> None:
    frame = pd.DataFrame({"id": [1, 2, 50], "g": "q", "v": 8.0})
    receipt = frame.clicdata.sync(rec_id, on="id", max_deletes=1.0, session=session)
    data = Data(session=session)
    if change == "cell":
        data.update_data(rec_id, {"id": 1}, {"v": 99})
    elif change == "gone":
        data.delete_data(rec_id, {"id": 1})
    else:
        pd.DataFrame({"id": [3], "g": ["new"], "v": [1.0]}).clicdata.append(rec_id, session=session)
    now = held(clicdata_sandbox, rec_id)
    with pytest.raises(errors.InputError, match="somebody has changed them since"):
        receipt.undo()
    assert held(clicdata_sandbox, rec_id) == now


def test_rows_of_other_keys_may_have_changed(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    receipt = STOCK.head(1).assign(v=0.0).clicdata.upsert(rec_id, on="id", session=session)
    Data(session=session).update_data(rec_id, {"id": 2}, {"v": 99})
    assert receipt.undo().complete
    assert {row["id"]: row["v"] for row in clicdata_sandbox.rows(rec_id)}[2] == 99


def test_without_kept_rows_there_is_no_undo(session: Session, rec_id: int) -> None:
    changed = STOCK.head(1).assign(v=0.0)
    for receipt in (
        changed.clicdata.update_rows(rec_id, on="id", keep=False, session=session),
        changed.assign(v=1.0).clicdata.upsert(rec_id, on="id", keep=False, session=session),
    ):
        with pytest.raises(errors.InputError, match="were not kept"):
            receipt.undo()


@pytest.mark.parametrize("keyed", [True, False])
def test_a_version_is_restored_by_the_smallest_difference(
    session: Session, clicdata_sandbox: Sandbox, keyed: bool
) -> None:
    frame = STOCK if keyed else STOCK.drop(columns="id").iloc[[0, 0, 1, 2, 3]]
    rec_id = frame.clicdata.push("Versions", session=session).rec_id
    data, before = Data(session=session), held(clicdata_sandbox, rec_id)
    version = int(data.get_data_history(rec_id)["version"].max())
    data.delete_data(rec_id, {"v": 2.25})
    data.update_data(rec_id, {"g": "b"}, {"v": 5})
    frame.head(1).assign(g="new", **({"id": [77]} if keyed else {})).clicdata.append(rec_id, session=session)
    changes = data.changes(rec_id, since=version)
    assert len(changes.added) == (1 if keyed else 2)
    assert len(changes.removed) == (1 if keyed else 2)
    assert changes.on == (["id"] if keyed else [])
    if keyed:
        assert changes.changed[["id", "column", "old", "new"]].to_numpy().tolist() == [[3, "v", None, 5]]
    plan = data.restore(rec_id, version, dry_run=True)
    assert plan.requests == 3
    receipt = plan.apply()
    assert receipt.complete
    assert held(clicdata_sandbox, rec_id) == before
    assert data.restore(rec_id, version).requests == 0
    assert data.changes(rec_id, since=version).unchanged == len(frame)


def test_two_versions_are_compared(session: Session, rec_id: int) -> None:
    data = Data(session=session)
    first = int(data.get_data_history(rec_id)["version"].max())
    STOCK.assign(v=9.0).head(2).clicdata.upsert(rec_id, on="id", session=session)
    STOCK.assign(v=8.0).clicdata.upsert(rec_id, on="id", session=session)
    changes = data.changes(rec_id, first, until=first + 1)
    assert "by id" in repr(changes)
    assert len(changes.changed) == 1
    with pytest.raises(errors.NotFound):
        data.changes(rec_id, 9999)
