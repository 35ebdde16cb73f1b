"""Doubt about rows, resolved by counts, and compared with the rows that the sandbox stored."""

from __future__ import annotations

import time
from collections import Counter
from itertools import product
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from grid import GRID, Paging
from pandas_clicdata import errors, resume_append
from pandas_clicdata.sandbox import start
from pandas_clicdata.session.wire import Dialect
from pandas_clicdata.uploads.receipt import AppendReceipt
from pandas_clicdata.uploads.verify import count_rows, has_rows
from uploads.oracle import FRAME, LOST, arm, assert_true, patience, receipt_of, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

COUNT: dict[str, Any] = {"verify": "count", "exclusive": True}
TAG: dict[str, Any] = {"verify": "tag", "tag_column": "load"}
WAYS = {"count": COUNT, "tag": TAG}


class Sleeper:
    """Sleeps in no time, and records the seconds; ``then`` is called meanwhile."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.then: Any = lambda: None

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.then()


@pytest.fixture
def asleep() -> Sleeper:
    return Sleeper()


@pytest.fixture(params=[None, "2022.01"], ids=["legacy", "modern"])
def patient(request: pytest.FixtureRequest, clicdata_sandbox: Sandbox, asleep: Sleeper) -> Iterator[Session]:
    """A session that sleeps in no time."""
    with clicdata_sandbox.session(api_version=request.param, timeout=(5, 5)) as session:
        session._sleep = asleep
        yield session


def on(rec_id: int, after: int = 1) -> dict[str, Any]:
    """The second append to the data set."""
    return {"path": f"/data/{rec_id}", "method": "POST", "after": after}


def deletes(session: Session, rec_id: int) -> dict[str, Any]:
    """The deletes from the data set."""
    return {"method": "DELETE"} if session.dialect is Dialect.LEGACY else {"path": f"/data/{rec_id}/delete"}


@pytest.mark.wide(3)
@pytest.mark.fault(5)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("fault", [fault for fault in LOST if "count" not in fault])
def test_a_chunk_in_doubt_is_counted_and_only_sent_again_if_it_is_missing(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int, way: str, fault: str
) -> None:
    clicdata_sandbox.append(rec_id, [{"n": 1000, "t": "there before"}])
    kept = arm(clicdata_sandbox, fault, LOST, **on(rec_id))
    patient._read = patience(fault)
    receipt = FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **WAYS[way])
    assert stored(clicdata_sandbox, rec_id) == Counter([*range(25), 1000])
    assert receipt.complete
    assert receipt.audited
    assert receipt.chunks["state"].tolist() == ["applied", "verified" if kept else "applied", "applied"]
    assert asleep.slept == [30.0, 5.0]
    posts = [seen for seen in clicdata_sandbox.requests if seen.method == "POST" and str(rec_id) in seen.path]
    assert len(posts) == (3 if kept else 4)


def store_in_part(sandbox: Sandbox, rec_id: int) -> None:
    """The response to the second chunk is lost, and only its first four rows are stored."""

    def lose_the_others() -> None:
        for n in range(14, 20):
            sandbox.delete(rec_id, {"n": n})

    sandbox.faults.drop(applied=True, **on(rec_id))
    sandbox.faults.call(lose_the_others, method="GET", path=f"/data/{rec_id}", after=1)


@pytest.mark.fault(47)
@pytest.mark.parametrize("way", WAYS)
def test_a_chunk_that_is_stored_in_part_ends_the_append(
    patient: Session, clicdata_sandbox: Sandbox, rec_id: int, way: str
) -> None:
    store_in_part(clicdata_sandbox, rec_id)
    with pytest.raises(errors.AppendAmbiguous, match="4 of 10 rows were found") as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, check=False, **WAYS[way])
    receipt = receipt_of(caught)
    assert receipt.chunks["state"].tolist() == ["applied", "partial", "pending"]
    assert receipt.in_doubt(FRAME)["n"].tolist() == list(range(10, 20))
    assert stored(clicdata_sandbox, rec_id) == Counter(range(14))


@pytest.mark.fault(6)
@pytest.mark.parametrize("way", WAYS)
def test_rows_that_are_stored_during_the_wait_are_found(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int, way: str
) -> None:
    clicdata_sandbox.faults.apply_late(0.05, stall=0.0, **on(rec_id))
    asleep.then = clicdata_sandbox.faults.settle
    receipt = FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **WAYS[way])
    assert receipt.chunks["state"].tolist() == ["applied", "verified", "applied"]
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))


@pytest.mark.fault(6)
@pytest.mark.parametrize("way", WAYS)
def test_rows_that_are_stored_after_they_were_sent_again_are_found_by_the_audit(
    patient: Session, clicdata_sandbox: Sandbox, rec_id: int, way: str
) -> None:
    clicdata_sandbox.faults.apply_late(0.3, stall=0.0, **on(rec_id))
    clicdata_sandbox.faults.call(clicdata_sandbox.faults.settle, **on(rec_id, after=3))
    with pytest.raises(errors.AppendAmbiguous, match=r"\+10") as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **WAYS[way])
    receipt = receipt_of(caught)
    assert receipt.audited is False
    assert receipt.in_doubt(FRAME)["n"].tolist() == list(range(10, 20))
    ledger = stored(clicdata_sandbox, rec_id)
    assert all(ledger[n] == (2 if 10 <= n < 20 else 1) for n in range(25))


def test_the_audit_of_stamps_names_the_doubled_chunk_and_repair_deletes_a_copy(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    clicdata_sandbox.append(rec_id, [{"n": n, "t": "another's", "load": "x"} for n in (15, 100)])
    clicdata_sandbox.faults.apply_late(0.3, stall=0.0, **on(rec_id))
    clicdata_sandbox.faults.call(clicdata_sandbox.faults.settle, **on(rec_id, after=3))
    with pytest.raises(errors.AppendAmbiguous) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **TAG)
    receipt = receipt_of(caught)
    assert receipt.chunks["state"].tolist() == ["applied", "doubled", "applied"]
    asleep.slept.clear()
    assert receipt.repair(FRAME, session=patient) is receipt
    assert asleep.slept == [30.0, 5.0]
    assert receipt.complete
    assert receipt.audited
    assert stored(clicdata_sandbox, rec_id) == Counter([*range(25), 15, 100])
    paths = ("DELETE", f"/data/{rec_id}/row"), ("POST", f"/data/{rec_id}/delete")
    [body] = [seen.json for seen in clicdata_sandbox.requests if (seen.method, seen.path) in paths]
    found: Any = body
    if patient.dialect is Dialect.LEGACY:
        assert (found["multiplerows"], [cell["column"] for cell in found["find"]]) == ("all", ["load"])
    else:
        [condition] = found["filter"]["condition"]
        assert (found["multiple_rows"], [cell["name"] for cell in condition["columns"]]) == ("all", ["load"])


@pytest.mark.parametrize("fault", ["partial", "lost"])
def test_repair_sends_a_chunk_again_that_is_stored_in_part(
    patient: Session, clicdata_sandbox: Sandbox, rec_id: int, fault: str
) -> None:
    store_in_part(clicdata_sandbox, rec_id)
    with pytest.raises(errors.AppendAmbiguous) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **TAG)
    receipt = receipt_of(caught)
    if fault == "lost":
        clicdata_sandbox.faults.drop(applied=True, **deletes(patient, rec_id))
        clicdata_sandbox.faults.drop(**deletes(patient, rec_id))
    receipt.repair(FRAME, session=patient)
    assert receipt.rows_in_doubt == 0
    assert stored(clicdata_sandbox, rec_id) == Counter(range(20))
    assert resume_append(FRAME, receipt, session=patient).complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))


def test_repair_stops_if_the_rows_are_not_deleted(patient: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    store_in_part(clicdata_sandbox, rec_id)
    with pytest.raises(errors.AppendAmbiguous) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **TAG)
    receipt = receipt_of(caught)
    clicdata_sandbox.faults.answer('{"success": true}', **deletes(patient, rec_id))  # success, but nothing is deleted
    with pytest.raises(errors.AppendAmbiguous, match="still there"):
        receipt.repair(FRAME, session=patient)
    assert receipt.rows_in_doubt == 10
    clicdata_sandbox.faults.status(403, **deletes(patient, rec_id))
    with pytest.raises(errors.PermissionDenied):
        receipt.repair(FRAME, session=patient)
    assert stored(clicdata_sandbox, rec_id) == Counter(range(14))


def test_repair_deletes_where_the_service_does(patient: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    store_in_part(clicdata_sandbox, rec_id)
    with pytest.raises(errors.AppendAmbiguous) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **TAG)
    clicdata_sandbox.faults.status(405, path=f"/data/{rec_id}/delete", times=None)
    receipt_of(caught).repair(FRAME, session=patient)
    assert stored(clicdata_sandbox, rec_id) == Counter(range(20))


def test_only_stamped_rows_can_be_repaired(patient: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    receipt = FRAME.clicdata.append(rec_id, session=patient)
    with pytest.raises(errors.InputError, match="stamps"):
        receipt.repair(FRAME, session=patient)
    tagged = FRAME.clicdata.append(rec_id, session=patient, **TAG)
    before = len(clicdata_sandbox.requests)
    assert tagged.repair(FRAME, session=patient) is tagged
    assert len(clicdata_sandbox.requests) == before


def test_stamps_are_counted_while_another_writes(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    asleep.then = lambda: clicdata_sandbox.append(rec_id, [{"n": 500, "t": "another's"}] * 10)
    clicdata_sandbox.faults.drop(applied=True, **on(rec_id))
    clicdata_sandbox.faults.drop(**on(rec_id))
    receipt = FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **TAG)
    assert receipt.audited
    ledger = stored(clicdata_sandbox, rec_id)
    assert ledger.pop(500) == 10 * len(asleep.slept)
    assert ledger == Counter(range(25))


def test_a_count_that_another_writer_changes_ends_the_append(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    clicdata_sandbox.faults.call(
        lambda: clicdata_sandbox.append(rec_id, [{"n": 500, "t": "another's"}] * 13), **on(rec_id)
    )
    clicdata_sandbox.faults.drop(applied=True, **on(rec_id))
    with pytest.raises(errors.AppendAmbiguous, match="others write") as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **COUNT)
    assert_true(receipt_of(caught), FRAME, stored(clicdata_sandbox, rec_id))
    assert receipt_of(caught).rows_in_doubt == 10


def test_rows_that_disappear_meanwhile_end_the_append(patient: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    clicdata_sandbox.faults.call(lambda: clicdata_sandbox.delete(rec_id, {"n": 3}), **on(rec_id))
    clicdata_sandbox.faults.drop(**on(rec_id))
    with pytest.raises(errors.AppendAmbiguous, match="disappeared"):
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **COUNT)


def test_a_count_that_keeps_changing_ends_the_append(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    asleep.then = lambda: clicdata_sandbox.append(rec_id, [{"n": 500, "t": "another's"}])
    clicdata_sandbox.faults.drop(**on(rec_id))
    with pytest.raises(errors.AppendAmbiguous, match="keeps changing") as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **COUNT)
    assert receipt_of(caught).chunks["state"].tolist() == ["applied", "in doubt", "pending"]


@pytest.mark.parametrize("way", WAYS)
def test_a_count_that_fails_ends_the_append(patient: Session, clicdata_sandbox: Sandbox, rec_id: int, way: str) -> None:
    clicdata_sandbox.faults.drop(**on(rec_id))
    clicdata_sandbox.faults.status(403, method="GET", times=None, after=1 if way == "count" else 0)
    with pytest.raises(errors.AppendAmbiguous, match="could not be counted") as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, check=False, **WAYS[way])
    assert receipt_of(caught).chunks["state"].tolist() == ["applied", "in doubt", "pending"]
    assert isinstance(caught.value.__cause__, errors.TransportError)


def test_without_a_count_before_nothing_is_sent(patient: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    clicdata_sandbox.faults.status(403, method="GET", times=None)
    with pytest.raises(errors.PermissionDenied):
        FRAME.clicdata.append(rec_id, session=patient, **COUNT)
    assert clicdata_sandbox.count(rec_id) == 0


def test_a_chunk_is_sent_four_times_at_most(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    fault = clicdata_sandbox.faults.status(500, **{**on(rec_id), "times": None})
    with pytest.raises(errors.AppendAmbiguous) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, session=patient, check=False, **TAG)
    assert fault.hits == 4
    assert asleep.slept == [30.0, 5.0] * 3
    assert_true(receipt_of(caught), FRAME, stored(clicdata_sandbox, rec_id))


def test_the_wait_before_counting_is_three_times_the_slowest_response(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    started = time.monotonic()
    patient._clock = lambda: started + 100 * (time.monotonic() - started)
    clicdata_sandbox.faults.latency(0.2, **on(rec_id, after=0))
    clicdata_sandbox.faults.drop(**on(rec_id))
    FRAME.clicdata.append(rec_id, chunksize=10, session=patient, **TAG)
    assert 60 <= asleep.slept[0] < 300


def test_the_wait_before_counting_is_at_least_the_read_timeout(
    clicdata_sandbox: Sandbox, asleep: Sleeper, rec_id: int
) -> None:
    clicdata_sandbox.faults.drop(**on(rec_id))
    with clicdata_sandbox.session(timeout=(5, 120)) as session:
        session._sleep = asleep
        FRAME.clicdata.append(rec_id, chunksize=10, session=session, **TAG)
    assert asleep.slept == [120.0, 5.0]


@pytest.mark.parametrize("api_version", [None, "2022.01"])
def test_counting_takes_as_many_requests_as_documented(clicdata_sandbox: Sandbox, api_version: str | None) -> None:
    """As the docstrings say."""
    rec_id = clicdata_sandbox.create("Old", {"n": "number", "t": "text", "load": "text"})
    clicdata_sandbox.append(rec_id, [{"n": n} for n in range(2500)])
    asked: dict[str, list[int]] = {}
    for way, more in WAYS.items():
        for fault in (False, True):
            if fault:
                clicdata_sandbox.faults.drop(applied=True, path=f"/data/{rec_id}", method="POST")
            clicdata_sandbox.requests.clear()
            with clicdata_sandbox.session(api_version=api_version) as session:
                session._sleep = lambda seconds: None
                FRAME.clicdata.append(rec_id, session=session, **more)
            gets = [seen for seen in clicdata_sandbox.requests if seen.method == "GET"]
            asked.setdefault(way, []).append(len(gets))
    assert asked == {"tag": [3, 9], "count": [2, 4] if api_version else [3 + 2, 9 + 2]}


# ---------------------------------------------------------------------------------------------------------
# The possible flags of pages, and accepted page sizes (O1)


@pytest.mark.fault(5)
@pytest.mark.wide(6)
@pytest.mark.parametrize("paging", GRID, ids=str)
def test_no_chunk_is_stored_twice_whatever_pages_say(paging: Paging) -> None:
    with paging.start(10) as (sandbox, session):
        for way, before, applied in product(WAYS, (8, 25), (True, False)):
            rec_id = sandbox.create(f"{way} {before} {applied}", {"n": "number", "t": "text", "load": "text"})
            sandbox.append(rec_id, [{"n": 1000 + n, "t": "there before"} for n in range(before)])
            sandbox.faults.drop(applied=applied, **on(rec_id))
            try:
                receipt = FRAME.clicdata.append(rec_id, chunksize=10, session=session, **WAYS[way])
            except (errors.PagingLoop, errors.AppendAmbiguous) as error:
                # Rows that no page shows can't be counted: then nothing is sent, or the chunk stays in doubt.
                assert paging.page_number == "ignored"
                assert (error.receipt is None) == (sandbox.count(rec_id) == before)  # noqa: PT017
                assert max(stored(sandbox, rec_id).values()) == 1
            else:
                assert receipt.complete
                assert receipt.audited
                assert receipt.chunks["state"].tolist() == ["applied", "verified" if applied else "applied", "applied"]
                assert stored(sandbox, rec_id) == Counter([*range(25), *range(1000, 1000 + before)])


@pytest.mark.wide(6)
@pytest.mark.parametrize("paging", GRID, ids=str)
def test_rows_are_counted_or_it_is_an_error_whatever_pages_say(paging: Paging) -> None:
    with paging.start(10) as (sandbox, session):
        for rows in (0, 1, 9, 10, 11, 20, 35):
            rec_id = sandbox.create(f"{rows} rows", {"n": "number"})
            sandbox.append(rec_id, [{"n": n} for n in range(rows)])
            try:
                assert count_rows(session, rec_id) == rows
                assert [n for n in (0, 1, 9, 10, 11, 19, 20, 21, 35) if has_rows(session, rec_id, n)] == [rows]
            except errors.PagingLoop:
                assert paging.page_number == "ignored"
                counted = paging.paging == "total" and rows > 10  # a smaller count may be the count of the page
                assert paging.paging == "none" or (paging.version is None and not counted)


@pytest.mark.parametrize("refusal", [None, 404, 400, 500])
def test_has_rows_asks_three_times_at_most(refusal: int | None) -> None:
    with start(sample=False, page_size=10, paging="none") as sandbox, sandbox.session() as session:
        session._sleep = lambda seconds: None
        rec_id = sandbox.create("Target", {"n": "number"})
        sandbox.append(rec_id, [{"n": n} for n in range(35)])
        if refusal is not None:
            sandbox.faults.status(refusal, path=f"/data/{rec_id}", method="GET", after=2, times=None)
        if refusal == 500:
            with pytest.raises(errors.ApiError):
                has_rows(session, rec_id, 35)
        else:
            assert has_rows(session, rec_id, 35)
            assert [seen.query["page"] for seen in sandbox.requests if seen.method == "GET"] == ["1", "4", "5"]


# ---------------------------------------------------------------------------------------------------------
# Side by side


@pytest.mark.parametrize("workers", [2, 8])
def test_stamps_show_which_chunks_of_several_workers_are_stored(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, rec_id: int, workers: int
) -> None:
    frame = pd.DataFrame({"n": range(300), "t": "x"})
    for after in range(0, 8, 2):
        clicdata_sandbox.faults.drop(applied=after % 4 == 0, **on(rec_id, after=after))
    receipt = frame.clicdata.append(rec_id, chunksize=10, workers=workers, session=patient, **TAG)
    assert stored(clicdata_sandbox, rec_id) == Counter(range(300))
    assert receipt.audited
    assert len(asleep.slept) <= 8


def test_verify_count_needs_one_worker(patient: Session, rec_id: int) -> None:
    with pytest.raises(errors.InputError, match="workers=1"):
        FRAME.clicdata.append(rec_id, workers=2, session=patient, **COUNT)


# ---------------------------------------------------------------------------------------------------------
# A table of its own


@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 1001, 2000, 2500])
def test_push_audits_a_new_table(session: Session, clicdata_sandbox: Sandbox, rows: int) -> None:
    frame = pd.DataFrame({"n": range(rows)})
    receipt = frame.clicdata.push("Counted", types={"n": "number"}, chunksize=500)
    assert receipt.audited is (True if rows else None)
    gets = [seen for seen in clicdata_sandbox.requests if seen.method == "GET"]
    assert len(gets) == (0 if not rows else 1 if session.api_version or rows <= 1000 else 2)
    assert clicdata_sandbox.count(receipt.rec_id) == rows


def test_push_counts_nothing_with_audit_false_or_into_an_existing_table(session: Session) -> None:
    assert FRAME.clicdata.push("Own", audit=False).audited is None
    assert FRAME.clicdata.push("Own", if_exists="append").audited is None


@pytest.mark.parametrize("change", [-1, 1])
def test_push_reports_a_new_table_with_another_number_of_rows(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox, change: int
) -> None:
    def interfere() -> None:
        [made] = [one.rec_id for one in clicdata_sandbox.data_sets() if one.name == "Own"]
        if change > 0:
            clicdata_sandbox.append(made, [{"n": 0, "t": "x"}])
        else:
            clicdata_sandbox.delete(made, {"n": 3})

    clicdata_sandbox.faults.call(interfere, method="GET")
    with pytest.raises(errors.AppendAmbiguous, match=rf"\{change:+d} in the data set") as caught:
        FRAME.clicdata.push("Own", chunksize=10, session=patient)
    assert receipt_of(caught).audited is False
    assert asleep.slept == [30.0, 5.0]
    assert "the audit found another number" in repr(receipt_of(caught))


def test_the_audit_waits_for_a_count_that_lags_behind(
    patient: Session, asleep: Sleeper, clicdata_sandbox: Sandbox
) -> None:
    clicdata_sandbox.faults.apply_late(0.0, stall=0.0, method="POST", path="/nowhere")
    lost: list[Any] = []

    def hide() -> None:
        [made] = [one.rec_id for one in clicdata_sandbox.data_sets() if one.name == "Own"]
        lost.append(made)
        clicdata_sandbox.delete(made, {"n": 24})

    def show() -> None:
        if lost:
            clicdata_sandbox.append(lost.pop(), [{"n": 24, "t": "row 24"}])

    clicdata_sandbox.faults.call(hide, method="GET")
    asleep.then = show
    assert FRAME.clicdata.push("Own", session=patient).audited


def test_an_audit_that_fails_is_logged(
    session: Session, clicdata_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    clicdata_sandbox.faults.status(403, method="GET")
    receipt = FRAME.clicdata.push("Own")
    assert receipt.complete
    assert receipt.audited is None
    assert "could not be counted" in caplog.text


def test_an_audit_that_fails_after_rows_were_sent_again_is_an_error(
    patient: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    clicdata_sandbox.faults.drop(**on(rec_id))
    clicdata_sandbox.faults.status(403, method="GET", after=2)
    with pytest.raises(errors.AppendAmbiguous, match="second time") as caught:
        FRAME.clicdata.append(rec_id, chunksize=10, check=False, session=patient, **TAG)
    assert receipt_of(caught).chunks["state"].tolist() == ["applied", "in doubt", "applied"]


def test_push_creates_the_column_of_the_stamps(session: Session, clicdata_sandbox: Sandbox) -> None:
    receipt = FRAME.clicdata.push("Stamped", chunksize=10, **TAG)
    assert receipt.audited
    [made] = [one for one in clicdata_sandbox.data_sets() if one.name == "Stamped"]
    assert made.columns[-1] == ("load", "text")
    stamps = [row["load"] for row in clicdata_sandbox.rows(receipt.rec_id)]
    chunks = Counter(stamp.rpartition("/")[0] for stamp in stamps)
    bounds = [(0, 10), (10, 20), (20, 25)]
    assert chunks == {f"{receipt.append_id}/{start:010}-{stop:010}": stop - start for start, stop in bounds}
    assert len({*stamps}) == 3, "each ends with the digest of the rows"


def test_rows_of_a_push_in_doubt_are_counted_without_a_count_before(
    patient: Session, clicdata_sandbox: Sandbox
) -> None:
    clicdata_sandbox.faults.drop(applied=True, method="POST", after=2)
    receipt = FRAME.clicdata.push("Own", chunksize=10, session=patient, **COUNT)
    assert receipt.audited
    assert stored(clicdata_sandbox, receipt.rec_id) == Counter(range(25))


# ---------------------------------------------------------------------------------------------------------
# Arguments


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"verify": "sum"}, "verify must be"),
        ({"verify": True}, "verify must be"),
        ({"verify": "count"}, "exclusive=True"),
        ({"verify": "count", "exclusive": 1}, "exclusive must be"),
        ({"exclusive": True}, "goes with"),
        ({"verify": "tag"}, "tag_column"),
        ({"verify": "tag", "tag_column": " "}, "tag_column"),
        ({"verify": "tag", "tag_column": 5}, "tag_column"),
        ({"verify": "tag", "tag_column": "n"}, "column 'n' of its own"),
        ({"tag_column": "load"}, "goes with"),
        ({"errors": "ignore"}, "errors must be"),
        ({"errors": None}, "errors must be"),
        ({"audit": True}, "audit=True needs verify"),
        ({"audit": "yes"}, "audit"),
        ({"journal": 5}, "journal must be"),
        ({"journal": ""}, "journal must be"),
    ],
)
def test_arguments_that_contradict_are_refused_before_any_request(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, more: dict[str, Any], message: str
) -> None:
    with pytest.raises(errors.InputError, match=message):
        FRAME.clicdata.append(rec_id, **more)
    assert clicdata_sandbox.requests == []


def test_a_data_set_without_the_column_refuses_the_stamps(session: Session, clicdata_sandbox: Sandbox) -> None:
    bare = clicdata_sandbox.create("Bare", {"n": "number", "t": "text"})
    with pytest.raises(errors.ApiError, match="load"):
        FRAME.clicdata.append(bare, **TAG)


def test_the_frame_does_not_get_the_column(session: Session, rec_id: int) -> None:
    before = FRAME.copy()
    FRAME.clicdata.append(rec_id, **TAG)
    pd.testing.assert_frame_equal(FRAME, before)


def test_the_receipt_is_of_the_session(patient: Session, rec_id: int) -> None:
    receipt = FRAME.clicdata.append(rec_id, session=patient, **TAG)
    assert isinstance(receipt, AppendReceipt)
    assert patient.last_receipt is receipt
