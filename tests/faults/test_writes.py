"""Appends that halve their chunks, stop at the log-in, or resume with another frame."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from pandas_clicdata import errors, resume_append
from uploads.oracle import FRAME, assert_true, receipt_of, stored

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

WIDE = FRAME.assign(t="wide " * 100)


@pytest.fixture
def rec_id(clicdata_sandbox: Sandbox) -> int:
    return clicdata_sandbox.create("Target", {"n": "number", "t": "text"})


def posts(sandbox: Sandbox, rec_id: int) -> int:
    return sum(seen.method == "POST" and seen.path.startswith(f"/data/{rec_id}/") for seen in sandbox.requests)


@pytest.mark.fault(20)
@pytest.mark.parametrize(("times", "most"), [(1, 12), (2, 6), (3, 3), (4, 1)])
def test_a_chunk_that_is_too_large_is_halved_until_it_is_accepted(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, times: int, most: int
) -> None:
    clicdata_sandbox.faults.status(413, path=f"/data/{rec_id}", method="POST", times=times)
    receipt = WIDE.clicdata.append(rec_id)
    assert receipt.complete
    assert [row["n"] for row in clicdata_sandbox.rows(rec_id)] == list(range(25))
    sizes = receipt.chunks["rows"]
    assert most - 1 <= sizes.max() <= most
    assert posts(clicdata_sandbox, rec_id) == times + len(sizes)


@pytest.mark.fault(20)
@pytest.mark.parametrize("verify", [None, "count"])
def test_one_row_that_is_too_large_is_named_and_nothing_after_it_is_sent(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, verify: Any
) -> None:
    WIDE.iloc[:5].clicdata.append(rec_id)
    clicdata_sandbox.faults.status(413, path=f"/data/{rec_id}", method="POST", times=None)
    frame = WIDE.iloc[5:]
    before = posts(clicdata_sandbox, rec_id)
    with pytest.raises(errors.TooLarge, match=r"row 0 of the frame \(label 2\) is too large for one request") as caught:
        frame.clicdata.append(rec_id, chunksize=8, verify=verify, exclusive=verify is not None)
    receipt = receipt_of(caught)
    assert posts(clicdata_sandbox, rec_id) - before == 3, "of eight rows, of three (half as many bytes at most), of one"
    assert receipt.chunks["state"].tolist()[0] == "refused"
    assert set(receipt.chunks["state"].tolist()[1:]) == {"pending"}
    assert not caught.value.in_doubt
    assert_true(receipt, frame, stored(clicdata_sandbox, rec_id))
    clicdata_sandbox.faults.clear()
    assert resume_append(frame, receipt).complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))


@pytest.mark.fault(19, 20)
@pytest.mark.parametrize("workers", [1, 3])
def test_a_bad_row_is_skipped_and_all_others_are_stored(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, workers: int
) -> None:
    frame = FRAME.astype({"n": object})
    frame.iloc[[3, 17], 0] = "no number"
    receipt = frame.clicdata.append(rec_id, chunksize=10, errors="collect", workers=workers)
    good = [n for n in range(25) if n not in (3, 17)]
    assert sorted(row["n"] for row in clicdata_sandbox.rows(rec_id)) == sorted(good)
    assert receipt.rows_appended == 23
    assert receipt.rows_in_doubt == 0
    assert receipt.refused["t"].tolist() == ["row 3", "row 17"]


@pytest.mark.fault(32, 46)
def test_a_login_that_fails_midway_leaves_the_rest_pending(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    def logged_out() -> None:
        clicdata_sandbox.faults.expire_tokens()
        clicdata_sandbox.faults.status(503, path="/oauth20/token", times=None)

    session._sleep = lambda seconds: None
    clicdata_sandbox.faults.call(logged_out, path=f"/data/{rec_id}", method="POST", after=1)
    with pytest.raises(errors.AppendInterrupted, match="log in") as caught:
        FRAME.clicdata.append(rec_id, chunksize=10)
    receipt = receipt_of(caught)
    assert receipt.chunks["state"].tolist() == ["applied", "pending", "pending"]
    assert_true(receipt, FRAME, stored(clicdata_sandbox, rec_id))
    assert posts(clicdata_sandbox, rec_id) == 2
    assert sum(seen.path == "/oauth20/token" for seen in clicdata_sandbox.requests) == 1 + 4
    clicdata_sandbox.faults.clear()
    assert resume_append(FRAME, receipt).complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))


@pytest.mark.fault(50)
@pytest.mark.parametrize("where", ["no such folder", "a folder itself", "there already"])
def test_nothing_is_sent_if_the_journal_can_not_be_created(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, tmp_path: Path, where: str
) -> None:
    path = {"no such folder": tmp_path / "a" / "b", "a folder itself": tmp_path}.get(where, tmp_path / "there")
    if where == "there already":
        path.write_text("mine")
    before = len(clicdata_sandbox.requests)
    with pytest.raises((errors.InputError, OSError)):
        FRAME.clicdata.append(rec_id, journal=path)
    assert len(clicdata_sandbox.requests) == before
    assert where != "there already" or path.read_text() == "mine"


def other_frame(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {
        "another cell": frame.assign(t=[*frame["t"][:-1], "other"]),
        "another order": frame.iloc[::-1],
        "a row less": frame.iloc[:-1],
        "another column": frame.assign(u=1),
        "another name": frame.rename(columns={"t": "u"}),
        "a cell that can't be sent": frame.assign(n=float("inf")),
    }


@pytest.mark.fault(51)
@pytest.mark.parametrize("other", [*other_frame(FRAME), "another table", "another chunksize", "another account"])
@pytest.mark.parametrize("by", ["journal", "receipt"])
def test_an_append_resumes_with_its_own_frame_or_not_at_all(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, tmp_path: Path, other: str, by: str
) -> None:
    path = tmp_path / "journal"
    clicdata_sandbox.faults.status(403, path=f"/data/{rec_id}", method="POST", after=1)
    with pytest.raises(errors.AppendInterrupted) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, journal=path)
    what = path if by == "journal" else receipt_of(caught)
    frame = other_frame(FRAME).get(other, FRAME)
    how: dict[str, Any] = {"another table": {"rec_id": rec_id + 1}, "another chunksize": {"chunksize": 9}}.get(
        other, {}
    )
    before = len(clicdata_sandbox.requests)
    with clicdata_sandbox.session(auth_method="api_key", api_version="2022.01") as stranger:
        if other == "another account":
            how["session"] = stranger
        with pytest.raises(errors.JournalMismatch, match="Nothing was sent"):
            resume_append(frame, what, **how)
    assert len(clicdata_sandbox.requests) == before
    assert resume_append(FRAME, what, rec_id=rec_id, chunksize=10).complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))


YES = ['{"success": true}', '{"success": true, "result": {}}', '{"result": {"rows_inserted": 25}}', "true", "25"]
YES += ['{"success": true, "result": {"rows_inserted": 25, "rows_found": 0}}', '{"result": {"success": true}}']
NEITHER = [
    "{}",
    '{"id": 5}',
    '{"message": "ok"}',
    '{"result": {}}',
    '{"result": {"success": 1}}',
    '{"errpr": {}}',
    "[]",
]
NEITHER += ["null", "false", '"ok"', '{"success": true, "result": null}', '{"result": {"rows_inserted": "25"}}', "2.5"]


@pytest.mark.fault(26)
@pytest.mark.parametrize("answer", YES + NEITHER)
def test_rows_are_in_doubt_unless_the_answer_confirms_them(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, answer: str
) -> None:
    clicdata_sandbox.faults.answer(answer, applied=answer in YES, path=f"/data/{rec_id}", method="POST")
    if answer in YES:
        assert FRAME.clicdata.append(rec_id).complete
    else:
        with pytest.raises(errors.AppendAmbiguous):
            FRAME.clicdata.append(rec_id)
    receipt = session.last_receipt
    assert receipt is not None
    assert_true(receipt, FRAME, stored(clicdata_sandbox, rec_id))
