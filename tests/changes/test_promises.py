"""Each promised edge case of the verbs that change rows has one test that names it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from pandas_clicdata import Data, Plan, errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

STOCK = pd.DataFrame({"id": [1, 2, 3], "name": ["a", "b", "c"], "n": [1.5, 2.5, None]})
WRITES = re.compile("/(row|insert|update|delete)$")
VERBS = ["update_rows", "delete_rows", "upsert", "sync", "replace"]


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def session(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox) -> Iterator[Session]:
    with clicdata_sandbox.session(api_version=request.param, max_retries=0) as session:
        session._sleep = lambda seconds: None
        yield session


@pytest.fixture
def rec_id(session: Session) -> int:
    return STOCK.clicdata.push("Stock", session=session).rec_id


def held(sandbox: Sandbox, rec_id: int) -> list[str]:
    return sorted(str(sorted(row.items())) for row in sandbox.rows(rec_id))


def writes(sandbox: Sandbox) -> int:
    count = sum(bool(WRITES.search(seen.path)) for seen in sandbox.requests)
    sandbox.requests.clear()
    return count


def call(frame: pd.DataFrame, verb: str, rec_id: int, **options: Any) -> Any:
    keys: Any = {} if verb == "replace" else {"on": "id"}
    return getattr(frame.clicdata, verb)(rec_id, **keys, **options)


# ---------------------------------------------------------------------------------------------------------
# A plan


@pytest.mark.parametrize("verb", VERBS)
def test_making_a_plan_never_writes(session: Session, clicdata_sandbox: Sandbox, rec_id: int, verb: str) -> None:
    before = held(clicdata_sandbox, rec_id)
    clicdata_sandbox.requests.clear()
    plan = call(STOCK.assign(n=9.0).tail(2), verb, rec_id, dry_run=True, session=session)
    assert isinstance(plan, Plan)
    assert (writes(clicdata_sandbox), held(clicdata_sandbox, rec_id)) == (0, before)
    assert plan._repr_html_().startswith("<p>Plan: ")
    assert plan.requests > 0
    assert plan.bytes > 0


def test_updates_have_a_row_per_cell_with_key_old_and_new(session: Session, rec_id: int) -> None:
    frame = STOCK.assign(name=["a", "x", "c"], n=[1.5, 7.0, 8.0])
    plan = frame.clicdata.upsert(rec_id, on="id", dry_run=True, session=session)
    assert [*plan.updates] == ["id", "column", "old", "new"]
    assert plan.updates.to_numpy().tolist() == [[2, "name", "b", "x"], [2, "n", 2.5, 7.0], [3, "n", None, 8.0]]


@pytest.mark.parametrize("verb", VERBS)
def test_a_named_index_is_a_column_like_any_other(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, verb: str
) -> None:
    frame = STOCK.assign(n=9.0)
    receipt = call(frame.set_index("id"), verb, rec_id, session=session)
    assert receipt.complete
    assert len(clicdata_sandbox.rows(rec_id)) == (0 if verb == "delete_rows" else 3)
    assert all(row["n"] == 9.0 for row in clicdata_sandbox.rows(rec_id))
    assert receipt.remaining(frame.set_index("id")).empty


@pytest.mark.parametrize("verb", VERBS)
def test_an_unnamed_index_of_texts_is_refused_with_both_ways_out(session: Session, rec_id: int, verb: str) -> None:
    with pytest.raises(errors.InputError, match=r"df\.rename_axis.*index=False"):
        call(STOCK.set_axis([*"xyz"]), verb, rec_id, session=session)


def test_an_unnamed_index_of_integers_stays(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    frame = STOCK.set_axis([7, 8, 9]).assign(n=9.0)
    receipt = frame.clicdata.upsert(rec_id, on="id", session=session)
    assert receipt.changes.index.tolist() == [7, 8, 9]
    assert {*clicdata_sandbox.rows(rec_id)[0]} == {"id", "name", "n"}


def test_a_named_index_left_out_is_said_in_the_receipt(session: Session, rec_id: int) -> None:
    frame = STOCK.assign(id=[4, 5, 6]).set_axis(pd.Index([*"xyz"], name="shelf"))
    receipt = frame.clicdata.upsert(rec_id, on="id", index=False, session=session)
    assert "the index 'shelf' was left out" in repr(receipt)


@pytest.mark.parametrize("verb", ["upsert", "sync", "replace"])
def test_columns_left_empty_are_said_in_the_receipt(session: Session, rec_id: int, verb: str) -> None:
    frame = pd.DataFrame({"id": [1, 2, 3, 4], "name": [*"abcd"]})
    assert "left empty: 'n'" in repr(call(frame, verb, rec_id, session=session))


@pytest.mark.parametrize("verb", ["update_rows", "upsert", "sync", "replace"])
def test_a_column_that_the_data_set_lacks_is_refused_before_anything_is_sent(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, verb: str
) -> None:
    clicdata_sandbox.requests.clear()
    with pytest.raises(errors.InputError, match=r"Column 'Name' is not in data set .* did you mean 'name'"):
        call(STOCK.rename(columns={"name": "Name"}), verb, rec_id, session=session)
    assert writes(clicdata_sandbox) == 0


@pytest.mark.parametrize("verb", ["update_rows", "upsert", "sync", "replace"])
def test_a_kind_that_no_cell_has_is_refused_before_anything_is_sent(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, verb: str
) -> None:
    clicdata_sandbox.requests.clear()
    with pytest.raises(errors.InputError, match=r"Column 'n' has text, and .* numbers there"):
        call(STOCK.assign(n="much"), verb, rec_id, session=session)
    assert writes(clicdata_sandbox) == 0


@pytest.mark.wide(3)
@pytest.mark.parametrize("verb", ["update_rows", "upsert", "sync", "replace"])
@pytest.mark.parametrize("empty", [3, 1_200], ids=["page 1", "page 2"])
@pytest.mark.parametrize("texts", [("1.20", "007"), ("1.20",), ("12",)], ids=str)
def test_all_cells_that_were_read_show_the_kind_of_a_column(
    session: Session, clicdata_sandbox: Sandbox, verb: str, empty: int, texts: tuple[str, ...]
) -> None:
    rec_id = clicdata_sandbox.create("Codes", {"id": "number", "code": "text"})
    codes = [{"id": number, "code": text} for number, text in enumerate(texts)]
    clicdata_sandbox.append(rec_id, [*({"id": -number, "code": None} for number in range(1, empty + 1)), *codes])
    before, frame = held(clicdata_sandbox, rec_id), pd.DataFrame({"id": [0], "code": [1.2]})
    clicdata_sandbox.requests.clear()
    plan = call(frame, verb, rec_id, dry_run=True, session=session)
    assert plan.columns.loc["code", ["holds", "verdict"]].tolist() == ["text", "other kind"]
    [problem] = [problem for problem in plan.problems if "'code'" in problem]
    assert f"has numbers, and data set {rec_id} holds text there, in the {empty + len(texts):,} rows seen" in problem
    assert "types={'code': 'text'}" in problem
    with pytest.raises(errors.InputError, match="has numbers"):
        call(frame, verb, rec_id, session=session)
    assert (writes(clicdata_sandbox), held(clicdata_sandbox, rec_id)) == (0, before)
    as_text = call(frame, verb, rec_id, types={"code": "text"}, dry_run=True, session=session)
    assert as_text.columns.loc["code", "verdict"] == "same"


@pytest.mark.parametrize("verb", ["update_rows", "upsert", "sync", "replace"])
def test_text_that_reads_as_numbers_is_refused_for_a_column_of_numbers(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, verb: str
) -> None:
    before, frame = held(clicdata_sandbox, rec_id), STOCK.assign(n=["1.5", "3.25", None])
    clicdata_sandbox.requests.clear()
    plan = call(frame, verb, rec_id, dry_run=True, session=session)
    assert plan.columns.loc["n", ["holds", "verdict"]].tolist() == ["number", "other kind"]
    with pytest.raises(errors.InputError, match=r"has text, .* types=\{'n': 'number'\} sends numbers"):
        call(frame, verb, rec_id, session=session)
    assert (writes(clicdata_sandbox), held(clicdata_sandbox, rec_id)) == (0, before)
    call(frame, verb, rec_id, types={"n": "number"}, session=session)
    like = STOCK.assign(n=[1.5, 3.25, None]).clicdata.push("New", session=session).rec_id
    assert held(clicdata_sandbox, rec_id) == held(clicdata_sandbox, like)


def test_dates_are_written_as_any_page_shows_them(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = clicdata_sandbox.create("Days", {"id": "number", "day": "date"})
    rows = [{"id": number, "day": None} for number in range(1_200)]
    clicdata_sandbox.append(rec_id, [*rows, {"id": 1_200, "day": "2026-01-01"}])
    frame = pd.DataFrame({"id": [7], "day": pd.to_datetime(["2026-01-02"])})
    assert frame.clicdata.upsert(rec_id, on="id", session=session).complete
    assert clicdata_sandbox.rows(rec_id)[7]["day"] == "2026-01-02"


def test_dates_that_were_read_are_written_back_without_types(session: Session, clicdata_sandbox: Sandbox) -> None:
    days = pd.DataFrame({"id": [1, 2], "day": pd.to_datetime(["2026-01-01", "2026-01-02"])})
    rec_id = days.clicdata.push("Days", types={"day": "date"}, session=session).rec_id
    before = held(clicdata_sandbox, rec_id)
    read = pd.read_clicdata(rec_id, session=session)
    assert read.clicdata.sync(rec_id, on="id", session=session).unchanged == 2
    assert read.clicdata.replace(rec_id, session=session).complete
    assert held(clicdata_sandbox, rec_id) == before


# ---------------------------------------------------------------------------------------------------------
# Update and delete


def test_equal_cells_and_keys_that_reach_no_row_are_not_sent(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    clicdata_sandbox.requests.clear()
    frame = pd.DataFrame({"id": [1, 2, 9], "name": ["a", "z", "z"]})
    receipt = frame.clicdata.update_rows(rec_id, on="id", session=session)
    assert writes(clicdata_sandbox) == 1
    assert (receipt.keys_applied, receipt.keys_unchanged, receipt.keys_unmatched) == (1, 1, 1)


def test_without_reading_a_state_is_what_the_service_said(session: Session, rec_id: int) -> None:
    frame = pd.DataFrame({"id": [1, 9], "name": ["z", "z"]})
    receipt = frame.clicdata.update_rows(rec_id, on="id", keep=False, session=session)
    states = ["accepted", "accepted"] if session.api_version is None else ["applied", "unmatched"]
    assert receipt.keys["state"].tolist() == states
    with pytest.raises(errors.InputError, match="not kept"):
        receipt.undo()


@pytest.mark.parametrize("verb", ["update_rows", "delete_rows", "upsert", "sync"])
def test_keys_go_several_at_a_time(session: Session, clicdata_sandbox: Sandbox, verb: str) -> None:
    frame = pd.DataFrame({"id": range(40), "v": range(40)})
    rec_id = frame.clicdata.push("Many", session=session).rec_id
    before = held(clicdata_sandbox, rec_id)
    receipt = call(frame.assign(v=7), verb, rec_id, workers=8, session=session)
    assert receipt.complete
    assert held(clicdata_sandbox, rec_id) != before
    receipt.undo()
    assert held(clicdata_sandbox, rec_id) == before


# ---------------------------------------------------------------------------------------------------------
# Upsert


def test_only_the_chosen_columns_are_compared_and_set(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    frame = STOCK.assign(name="z", n=9.0)
    assert frame.clicdata.upsert(rec_id, on="id", columns=["n"], session=session).complete
    assert [(row["name"], row["n"]) for row in clicdata_sandbox.rows(rec_id)] == [("a", 9.0), ("b", 9.0), ("c", 9.0)]


def test_rows_are_appended_before_any_is_changed(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    clicdata_sandbox.faults.status(403, path=WRITES)
    with pytest.raises(errors.ClicDataError):
        STOCK.assign(id=[1, 2, 4], name="z").clicdata.upsert(rec_id, on="id", session=session)
    assert [row["name"] for row in clicdata_sandbox.rows(rec_id)] == ["a", "b", "c"]


def test_a_missing_key_is_refused(session: Session, rec_id: int) -> None:
    with pytest.raises(errors.InputError, match="missing value in a key column"):
        STOCK.assign(name=["a", None, "c"]).clicdata.upsert(rec_id, on="name", session=session)


def test_a_key_twice_counts_once_if_its_cells_are_equal(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    new = pd.DataFrame({"id": [4, 4], "name": ["d", "d"]})
    assert new.clicdata.upsert(rec_id, on="id", session=session).complete
    assert len(clicdata_sandbox.rows(rec_id)) == 4
    with pytest.raises(errors.InputError, match="keep one row per key"):
        new.assign(name=["d", "e"]).clicdata.upsert(rec_id, on="id", session=session)


def test_a_key_of_several_rows_is_refused_and_named_or_all_are_set(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    clicdata_sandbox.append(rec_id, [{"id": 2, "name": "other", "n": 0}])
    frame = pd.DataFrame({"id": [2], "name": ["z"]})
    with pytest.raises(errors.InputError, match=r"several rows of the data set \(id=2\)"):
        frame.clicdata.upsert(rec_id, on="id", session=session)
    assert frame.clicdata.upsert(rec_id, on="id", duplicates="all", session=session).complete
    assert [row["name"] for row in clicdata_sandbox.rows(rec_id)] == ["a", "z", "c", "z"]


def test_a_missing_cell_clears_the_cell_or_leaves_it(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    frame = pd.DataFrame({"id": [1], "n": [float("nan")]})
    assert frame.clicdata.upsert(rec_id, on="id", missing="keep", session=session).unchanged == 1
    assert clicdata_sandbox.rows(rec_id)[0]["n"] == 1.5
    assert frame.clicdata.upsert(rec_id, on="id", session=session).complete
    assert clicdata_sandbox.rows(rec_id)[0]["n"] is None


def test_differences_up_to_the_tolerance_are_none(session: Session) -> None:
    times = pd.to_datetime(["2026-01-01 10:00:00", "2026-01-01 11:00:00"])
    frame = pd.DataFrame({"id": [1, 2], "v": [1.0, 2.0], "at": times})
    rec_id = frame.clicdata.push("Near", session=session).rec_id
    near = frame.assign(v=[1.5, 2.6], at=times + pd.to_timedelta([1, 2], unit="s"))
    tolerance: Any = {"v": 0.5, "at": timedelta(seconds=1)}
    plan = near.clicdata.diff(rec_id, on="id", tolerance=tolerance, session=session)
    assert plan.updates["column"].tolist() == ["v", "at"]
    assert plan.updates["id"].tolist() == [2, 2]


def test_numbers_are_no_keys_where_the_data_set_has_texts(session: Session, clicdata_sandbox: Sandbox) -> None:
    rec_id = pd.DataFrame({"id": ["00101"], "v": [1]}).clicdata.push("Texts", session=session).rec_id
    with pytest.raises(errors.InputError, match="no key would match"):
        pd.DataFrame({"id": [101], "v": [2]}).clicdata.upsert(rec_id, on="id", session=session)
    assert len(clicdata_sandbox.rows(rec_id)) == 1


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("there", "keys"), [(["12", "13"], [12, 13]), (["12", "A7"], [12, 13]), ([12, 13], ["12", "13"])], ids=str
)
def test_keys_that_can_match_no_row_are_refused(
    session: Session, clicdata_sandbox: Sandbox, verb: str, there: list[Any], keys: list[Any]
) -> None:
    rec_id = pd.DataFrame({"code": there, "v": 1}).clicdata.push("Kinds", session=session).rec_id
    before, frame = held(clicdata_sandbox, rec_id), pd.DataFrame({"code": keys, "v": 2})
    clicdata_sandbox.requests.clear()
    by: Any = {"by" if verb == "replace" else "on": "code", "session": session}
    plan = getattr(frame.clicdata, verb)(rec_id, **by, dry_run=True)
    assert any("'code' holds" in problem and "no key would match" in problem for problem in plan.problems)
    with pytest.raises(errors.InputError, match="no key would match"):
        getattr(frame.clicdata, verb)(rec_id, **by)
    assert (writes(clicdata_sandbox), held(clicdata_sandbox, rec_id)) == (0, before)


def test_keys_that_differ_in_case_or_blanks_only_are_refused_unless_match_decides(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    frame = pd.DataFrame({"name": ["A", "b "], "n": [7.0, 8.0]})
    with pytest.raises(errors.InputError, match="it is not known which"):
        frame.clicdata.upsert(rec_id, on="name", session=session)
    assert len(clicdata_sandbox.rows(rec_id)) == 3
    assert frame.clicdata.upsert(rec_id, on="name", match="exact", session=session).complete
    assert len(clicdata_sandbox.rows(rec_id)) == 5


def test_a_lost_append_is_settled_by_the_keys(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    for applied in (True, False):
        clicdata_sandbox.faults.drop(applied=applied, path=WRITES)
        frame = STOCK.assign(id=[1, 2, 4 + applied])
        receipt = frame.clicdata.upsert(rec_id, on="id", session=session)
        assert (receipt.complete, receipt.rechecked) == (True, True)
    assert sorted(row["id"] for row in clicdata_sandbox.rows(rec_id)) == [1, 2, 3, 4, 5]


def test_after_three_rounds_of_lost_responses_it_is_ambiguous(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    clicdata_sandbox.faults.drop(path=WRITES, times=None)
    with pytest.raises(errors.SyncAmbiguous) as stopped:
        STOCK.assign(name="z").clicdata.upsert(rec_id, on="id", session=session)
    clicdata_sandbox.faults.clear()
    receipt = stopped.value.receipt
    assert session.last_receipt is receipt
    assert len(receipt.in_doubt(STOCK)) + len(receipt.remaining(STOCK)) == 3
    assert STOCK.assign(name="z").clicdata.upsert(rec_id, on="id", session=session).complete


# ---------------------------------------------------------------------------------------------------------
# Replace and sync


@pytest.mark.parametrize("verb", ["replace", "sync"])
def test_an_empty_frame_is_refused(session: Session, clicdata_sandbox: Sandbox, rec_id: int, verb: str) -> None:
    options: Any = {"max_deletes": 1.0} if verb == "sync" else {}
    with pytest.raises(errors.InputError, match="the frame is empty, and every row would be deleted"):
        call(STOCK.head(0), verb, rec_id, session=session, **options)
    assert len(clicdata_sandbox.rows(rec_id)) == 3


def test_an_empty_frame_replaces_no_group(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    assert STOCK.head(0).clicdata.replace(rec_id, by="name", session=session).complete
    assert len(clicdata_sandbox.rows(rec_id)) == 3


@pytest.mark.parametrize("word", ["replace", "delete_rows"])
def test_push_replaces_by_either_word(session: Session, clicdata_sandbox: Sandbox, rec_id: int, word: Any) -> None:
    STOCK.head(1).clicdata.push("Stock", if_exists=word, session=session)
    assert [row["id"] for row in clicdata_sandbox.rows(rec_id)] == [1]


def test_more_than_ten_rows_and_more_than_a_tenth_are_refused_unless_max_deletes_says_otherwise(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    many = pd.DataFrame({"id": range(120), "v": range(120)})
    rec_id = many.clicdata.push("Many", session=session).rec_id
    few = many.head(107)
    with pytest.raises(errors.InputError, match="13 rows of 120 would be deleted, more than ten and more than a tenth"):
        few.clicdata.sync(rec_id, on="id", session=session)
    for most in (12, 0.1):
        with pytest.raises(errors.InputError, match="max_deletes is"):
            few.clicdata.sync(rec_id, on="id", max_deletes=most, session=session)
    assert many.head(109).clicdata.sync(rec_id, on="id", session=session).complete, "eleven, but no tenth"
    assert few.clicdata.sync(rec_id, on="id", max_deletes=0.1, session=session).complete
    assert len(clicdata_sandbox.rows(rec_id)) == 107


def test_deletes_go_last(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    clicdata_sandbox.faults.status(403, path=WRITES, after=2)
    frame = pd.DataFrame({"id": [1, 4], "name": ["z", "d"], "n": [1.5, 1.0]})
    with pytest.raises(errors.SyncInterrupted) as stopped:
        frame.clicdata.sync(rec_id, on="id", session=session)
    assert [(row["id"], row["name"]) for row in clicdata_sandbox.rows(rec_id)] == [
        (1, "z"), (2, "b"), (3, "c"), (4, "d")
    ]  # fmt: skip
    assert stopped.value.receipt.resume(frame).complete
    assert [row["id"] for row in clicdata_sandbox.rows(rec_id)] == [1, 4]


@pytest.mark.wide(2)
@pytest.mark.parametrize("stop", range(4), ids="stop {}".format)
@pytest.mark.parametrize("verb", ["upsert", "sync", "replace", "replace with a journal"])
def test_resume_continues_where_a_log_in_failed(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, tmp_path: Path, verb: str, stop: int
) -> None:
    stop %= 2 if verb == "upsert" else 4  # an upsert sends two writes, and the other verbs four
    faults = clicdata_sandbox.faults
    faults.call(faults.expire_tokens, path=WRITES, after=stop)
    faults.status(503, path="/oauth20/token")
    frame = pd.DataFrame({"id": [1, 4], "name": ["z", "d"], "n": [1.5, 1.0]})
    options = {"journal": tmp_path / "journal"} if "journal" in verb else {}
    with pytest.raises(errors.ClicDataError, match="log in") as stopped:
        call(frame, verb.split()[0], rec_id, session=session, **options)
    receipt: Any = stopped.value.receipt
    assert not receipt.complete
    assert receipt.resume(frame).complete
    assert sorted(row["id"] for row in clicdata_sandbox.rows(rec_id)) == ([1, 2, 3, 4] if verb == "upsert" else [1, 4])


@pytest.mark.parametrize("sent", [0, 1])
def test_resume_adds_no_key_that_another_writer_added_since(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, sent: int
) -> None:
    faults = clicdata_sandbox.faults
    faults.call(faults.expire_tokens, path=WRITES, after=sent)
    faults.status(503, path="/oauth20/token")
    frame = pd.DataFrame({"id": [4, 5], "name": ["d", "e"], "n": [1.0, 2.0]})
    with pytest.raises(errors.ClicDataError, match="log in") as stopped:
        call(frame, "upsert", rec_id, chunksize=1, session=session)
    clicdata_sandbox.append(rec_id, [{"id": 5, "name": "e", "n": 2.0}])
    receipt: Any = stopped.value.receipt
    assert receipt.resume(frame).complete
    assert sorted(row["id"] for row in clicdata_sandbox.rows(rec_id)) == [1, 2, 3, 4, 5]


def test_diff_shows_what_sync_would_do(session: Session, rec_id: int) -> None:
    frame = pd.DataFrame({"id": [1, 4], "name": ["z", "d"], "n": [1.5, 1.0]})
    shown = frame.clicdata.diff(rec_id, on="id", session=session)
    receipt = frame.clicdata.sync(rec_id, on="id", session=session)
    assert receipt.deleted is not None
    pd.testing.assert_frame_equal(shown.updates, receipt.changes.drop(columns="state"))
    pd.testing.assert_frame_equal(shown.deletes, receipt.deleted.rows)


# ---------------------------------------------------------------------------------------------------------
# Receipts


@pytest.mark.parametrize("verb", VERBS)
def test_the_last_receipt_is_that_of_the_last_write_of_any_verb(session: Session, rec_id: int, verb: str) -> None:
    receipt = call(STOCK.assign(n=9.0), verb, rec_id, session=session)
    assert session.last_receipt is receipt
    undone = receipt.undo()
    assert session.last_receipt is undone


@pytest.mark.parametrize("verb", VERBS)
def test_an_undo_is_refused_where_somebody_has_written_since(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, verb: str
) -> None:
    receipt = call(STOCK.assign(n=9.0), verb, rec_id, session=session)
    if verb == "delete_rows":
        clicdata_sandbox.append(rec_id, [{"id": 1, "name": "new", "n": 0}])
    else:
        pd.DataFrame({"id": [1], "n": [7.0]}).clicdata.update_rows(rec_id, on="id", session=session)
    before = held(clicdata_sandbox, rec_id)
    with pytest.raises(errors.InputError, match="somebody has changed them since"):
        receipt.undo()
    assert held(clicdata_sandbox, rec_id) == before


@pytest.mark.parametrize("verb", VERBS)
def test_an_undo_is_undone(session: Session, clicdata_sandbox: Sandbox, rec_id: int, verb: str) -> None:
    receipt = call(STOCK.assign(n=9.0), verb, rec_id, session=session)
    after = held(clicdata_sandbox, rec_id)
    receipt.undo().undo()
    assert held(clicdata_sandbox, rec_id) == after


def test_a_restore_of_a_version_gives_back_duplicate_rows_and_nulls(
    session: Session, clicdata_sandbox: Sandbox
) -> None:
    frame = pd.DataFrame({"t": ["x", "x", None, None], "v": [1.5, 1.5, 2.5, 2.5]})
    rec_id = frame.clicdata.push("Twins", session=session).rec_id
    before = held(clicdata_sandbox, rec_id)
    version = Data(session=session).get_data_history(rec_id)["version"].max()
    pd.DataFrame({"t": ["y"]}).clicdata.replace(rec_id, session=session)
    assert Data(session=session).restore(rec_id, version).complete
    assert held(clicdata_sandbox, rec_id) == before


@pytest.mark.parametrize("verb", ["append", "upsert", "replace"])
def test_text_that_only_looks_like_dates_takes_other_text_if_the_caller_says_so(
    session: Session, clicdata_sandbox: Sandbox, verb: str
) -> None:
    rec_id = clicdata_sandbox.create("Notes", {"id": "number", "note": "text"})
    clicdata_sandbox.append(rec_id, [{"id": 1, "note": "2024-01-01"}, {"id": 2, "note": "2024-02-01"}])
    frame = pd.DataFrame({"id": [2], "note": ["later"]})
    how: Any = {"append": {"check": True}, "upsert": {"on": "id"}, "replace": {"by": "id"}}[verb]
    with pytest.raises(errors.InputError, match=r"if it is text that only looks like dates, types=\{'note': 'text'\}"):
        getattr(frame.clicdata, verb)(rec_id, session=session, **how)
    getattr(frame.clicdata, verb)(rec_id, types={"note": "text"}, session=session, **how)
    assert clicdata_sandbox.rows(rec_id)[-1] == {"id": 2, "note": "later"}
