"""Plans of `append`, `push` and `create_table`: their columns and problems, and that they write nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from pandas_clicdata import AppendReceipt, Plan, errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

FRAME = pd.DataFrame({"shop": ["a", "b", "c"], "day": pd.to_datetime(["2026-01-01"] * 3), "n": [1, 2, 3]}, [7, 8, 9])
TYPES = {"day": "date"}


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox) -> Iterator[Session]:
    with clicdata_sandbox.session(api_version=request.param, max_retries=0) as session:
        yield session


def asked(sandbox: Sandbox) -> list[str]:
    """Return the requests since the last call, without log-ins."""
    found = [f"{seen.method} {re.sub('[0-9]+', '#', seen.path)}" for seen in sandbox.requests]
    sandbox.requests.clear()
    return [request for request in found if "/oauth" not in request]


def verdicts(plan: Plan) -> dict[str, str]:
    return plan.columns["verdict"].to_dict()


def test_a_plan_of_a_push_creates_nothing_until_it_is_applied(session: Session, clicdata_sandbox: Sandbox) -> None:
    plan = FRAME.clicdata.push("Plans", types=TYPES, tag_column="stamp", verify="tag", session=session, dry_run=True)
    assert asked(clicdata_sandbox) == ["GET /data"]
    assert (plan.rec_id, plan.ok, plan.requests) == (None, True, 2)
    assert plan.columns["sent_as"].to_dict() == {"shop": "text", "day": "date", "n": "number", "stamp": "text"}
    assert set(verdicts(plan).values()) == {"new"}
    pd.testing.assert_frame_equal(plan.inserts, FRAME)
    receipt = plan.apply()
    assert isinstance(receipt, AppendReceipt)
    assert receipt.complete
    assert [row["n"] for row in clicdata_sandbox.rows(receipt.rec_id)] == [1, 2, 3]


def test_a_plan_of_an_append_is_carried_out_once(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Plans", types=TYPES, session=session).rec_id
    plan = FRAME.clicdata.append(rec_id, session=session, dry_run=True)
    assert len(clicdata_sandbox.rows(rec_id)) == 3
    assert plan.apply().complete
    with pytest.raises(errors.InputError, match="sent already"):
        plan.apply()
    assert len(clicdata_sandbox.rows(rec_id)) == 6


def test_the_name_of_a_new_data_set_is_looked_up(session: Session, clicdata_sandbox: Sandbox) -> None:
    how: Any = {"session": session, "dry_run": True}
    rec_id = FRAME.clicdata.create_table("Plans", types=TYPES, **how).apply()
    assert clicdata_sandbox.rows(rec_id) == []
    for plan in (FRAME.clicdata.create_table("Plans", **how), FRAME.clicdata.push("Plans", **how)):
        asked(clicdata_sandbox)
        assert plan.problems == [
            f"'Plans' is the name of data set {rec_id} already: push(..., if_exists=\"append\") appends to it"
        ]
        with pytest.raises(errors.InputError, match=r"appends to it\. Nothing was written"):
            plan.apply()
        assert asked(clicdata_sandbox) == []
    plan = FRAME.clicdata.push("Plans", if_exists="append", **how)
    assert (plan.rec_id, plan.problems, plan.apply().rec_id) == (rec_id, [], rec_id)
    assert len(clicdata_sandbox.rows(rec_id)) == 3


def test_a_data_set_of_that_name_that_was_made_since_is_not_appended_to(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    plan = FRAME.clicdata.push("Plans", if_exists="append", session=session, dry_run=True)
    rec_id = FRAME.clicdata.create_table("Plans", session=session)
    with pytest.raises(errors.Conflict):
        plan.apply()
    assert clicdata_sandbox.rows(rec_id) == []


@pytest.mark.parametrize(
    ("check", "requests", "verdict"), [(None, 0, "unknown"), (True, 1, "same"), (False, 0, "unknown")]
)
def test_a_plan_looks_only_if_it_is_told_to(
    session: Session, clicdata_sandbox: Sandbox, check: bool | None, requests: int, verdict: str
) -> None:
    rec_id = FRAME.clicdata.push("Plans", session=session).rec_id
    many = pd.concat([FRAME] * 2_000, ignore_index=True)  # an append of so many rows requests page 1
    with clicdata_sandbox.session(api_version=session.api_version) as other:
        asked(clicdata_sandbox)
        plan = many.clicdata.append(rec_id, check=check, session=other, dry_run=True)
        assert asked(clicdata_sandbox) == ["GET /data/#"] * requests
        assert (plan.pages, set(verdicts(plan).values())) == (requests, {verdict})


def test_what_the_session_or_the_frame_knows_costs_nothing(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Plans", types=TYPES, session=session).rec_id
    asked(clicdata_sandbox)
    assert set(verdicts(FRAME.clicdata.append(rec_id, session=session, dry_run=True)).values()) == {"same"}
    assert asked(clicdata_sandbox) == []
    frame = pd.read_clicdata(rec_id, session=session)
    with clicdata_sandbox.session(api_version=session.api_version) as other:
        asked(clicdata_sandbox)
        assert set(verdicts(frame.clicdata.append(rec_id, session=other, dry_run=True)).values()) == {"same"}
        assert asked(clicdata_sandbox) == []


def test_each_column_has_a_verdict(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.assign(key=1, more="x").clicdata.push("Plans", types=TYPES, session=session).rec_id
    frame = FRAME.assign(day=FRAME["day"].dt.tz_localize("Europe/Berlin"), n=["1", "x", None], N=0).drop(columns="shop")
    frame.index = pd.MultiIndex.from_arrays([[1, 2, 3], [7, 8, 9]], names=["key", "place"])
    plan = frame.clicdata.append(rec_id, index=False, session=session, dry_run=True)
    assert verdicts(plan) == {
        "day": "becomes coarser",
        "n": "other kind",
        "N": "not in the data set",
        "key": "index",
        "place": "index",
        "shop": "left empty",
        "more": "left empty",
    }
    assert plan.columns.loc["n", "rows"] == [(1, 7), (2, 8)]
    assert plan.columns["rows"].drop("n").str.len().eq(0).all()
    assert plan.columns.loc["shop", "holds"] == "text"
    assert plan.columns["sent_as"].isna().sum() == 4
    assert ["did you mean 'n'?" in plan.problems[0], len(plan.problems)] == [True, 2]
    with pytest.raises(errors.InputError) as caught:
        plan.apply()
    assert caught.value.problems == tuple(plan.problems)
    assert "N" in plan._repr_html_()


def test_times_where_dates_are_held_become_coarser_and_are_refused(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = FRAME.clicdata.push("Plans", types=TYPES, session=session).rec_id
    frame = FRAME.assign(day=[FRAME["day"].iloc[0] + pd.Timedelta(hours=hour) for hour in (0, 1, 2)])
    for check in (None, True):
        plan = frame.clicdata.append(rec_id, check=check, session=session, dry_run=True)
        assert plan.columns.loc["day", ["holds", "verdict"]].tolist() == ["date", "becomes coarser"]
        assert plan.columns.loc["day", "rows"] == [8, 9]
        [problem] = plan.problems
        assert "2 cells are no date that could be sent without a loss (rows 1, 2, labels 8, 9)" in problem
        with pytest.raises(errors.InputError, match="Nothing was written"):
            plan.apply()
    assert len(clicdata_sandbox.rows(rec_id)) == 3


def test_mixed_cells_are_named_and_with_collect_they_are_no_problem(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    rec_id = FRAME.clicdata.push("Plans", types=TYPES, session=session).rec_id
    frame = FRAME.assign(n=[1, "x", 3])
    plan = frame.clicdata.append(rec_id, session=session, dry_run=True)
    assert plan.columns.loc["n", ["sent_as", "verdict"]].tolist() == ["mixed", "other kind"]
    assert (plan.columns.loc["n", "rows"], len(plan.problems)) == ([8], 1)
    plan = frame.clicdata.append(rec_id, errors="collect", session=session, dry_run=True)
    assert plan.ok
    receipt = plan.apply()
    assert (receipt.rows_appended, receipt.refused["n"].tolist()) == (2, ["x"])


def test_a_plan_opens_no_journal(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    plan = FRAME.clicdata.push("Plans", journal=path, session=session, dry_run=True)
    assert not path.exists()
    plan.apply()
    assert path.exists()


def test_a_plan_sends_the_frame_as_it_was_given_or_nothing(session: Session, clicdata_sandbox: Sandbox) -> None:
    frame = FRAME.copy()
    rec_id = frame.clicdata.create_table("Plans", session=session)
    plan = frame.clicdata.append(rec_id, session=session, dry_run=True)
    frame.loc[7, "n"] = 99
    if plan.inserts["n"].tolist() == [1, 2, 3]:  # the frame keeps its cells: pandas copies on write
        assert plan.apply().complete
        assert [row["n"] for row in clicdata_sandbox.rows(rec_id)] == [1, 2, 3]
    else:
        with pytest.raises(errors.InputError, match="the frame was changed"):
            plan.apply()
        assert clicdata_sandbox.rows(rec_id) == []


def test_an_audit_that_would_be_refused_is_a_problem(session: Session) -> None:
    rec_id = FRAME.clicdata.create_table("Plans", session=session)
    plan = FRAME.clicdata.append(rec_id, audit=True, session=session, dry_run=True)
    assert plan.problems == ["audit=True needs verify=, which says how to count these rows among others"]
    assert FRAME.clicdata.push("Other", audit=True, session=session, dry_run=True).ok


@pytest.mark.parametrize("dry_run", ["yes", 1])
def test_dry_run_is_true_or_false(session: Session, dry_run: Any) -> None:
    for call in (FRAME.clicdata.push, FRAME.clicdata.create_table):
        with pytest.raises(errors.InputError, match="dry_run"):
            call("Plans", session=session, dry_run=dry_run)
    with pytest.raises(errors.InputError, match="dry_run"):
        FRAME.clicdata.append(1001, session=session, dry_run=dry_run)
