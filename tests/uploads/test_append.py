"""An append with a known outcome, compared with the rows that the sandbox stored."""

from __future__ import annotations

import pickle
import re
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from pandas_clicdata import errors, resume_append
from pandas_clicdata.sandbox import start
from pandas_clicdata.session.wire import Dialect
from pandas_clicdata.uploads.chunk import LEGACY_ROWS, MODERN_ROWS
from pandas_clicdata.uploads.receipt import AppendReceipt
from uploads.oracle import FRAME, LOST, arm, assert_true, patience, receipt_of, stored
from uploads.test_journals import Quick
from uploads.test_schedules import answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox
    from pandas_clicdata.session.wire import Answer, Reply, Request


def test_every_row_is_stored_once_and_in_order(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    receipt = FRAME.clicdata.append(rec_id, chunksize=10)
    assert [row["n"] for row in clicdata_sandbox.rows(rec_id)] == list(range(25))
    assert (receipt.rec_id, receipt.rows_total, receipt.rows_appended, receipt.rows_in_doubt) == (rec_id, 25, 25, 0)
    chunks = receipt.chunks
    assert chunks["rows"].tolist() == [10, 10, 5]
    assert chunks["state"].tolist() == ["applied"] * 3
    assert chunks["start"].tolist() == [0, 10, 20]
    assert session.last_receipt is receipt
    assert receipt.remaining(FRAME).empty
    assert receipt.in_doubt(FRAME).empty


def test_the_largest_chunk_of_the_dialect_is_the_default(session: Session, clicdata_sandbox: Sandbox) -> None:
    frame = pd.DataFrame({"n": range(LEGACY_ROWS + 1)})
    receipt = frame.clicdata.push("Many")
    most = LEGACY_ROWS if session.dialect is Dialect.LEGACY else MODERN_ROWS
    assert receipt.chunks["rows"].max() == most
    assert len(receipt.chunks) == -(-len(frame) // most)
    assert clicdata_sandbox.count(receipt.rec_id) == len(frame)


def test_a_chunk_is_bounded_in_bytes_too(clicdata_sandbox: Sandbox) -> None:
    with clicdata_sandbox.session() as session:
        frame = pd.DataFrame({"t": ["x" * 1_500_000] * 5})
        receipt = frame.clicdata.push("Wide", session=session)
    assert receipt.chunks["rows"].tolist() == [2, 2, 1]
    bodies = [len(seen.body) for seen in clicdata_sandbox.requests if seen.path.endswith("/row")]
    assert max(bodies) <= 4_000_000


def test_a_chunk_never_has_more_rows_than_the_service_accepts(clicdata_sandbox: Sandbox) -> None:
    with clicdata_sandbox.session(api_version="2022.01") as session:
        receipt = pd.DataFrame({"n": range(1100)}).clicdata.push("Many", chunksize=10_000, session=session)
    assert receipt.chunks["rows"].tolist() == [500, 500, 100]


@pytest.mark.fault(61)
def test_a_frame_without_rows_sends_no_request(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    before = len(clicdata_sandbox.requests)
    receipt = FRAME.head(0).clicdata.append(rec_id)
    assert len(clicdata_sandbox.requests) == before
    assert (receipt.rows_total, len(receipt.chunks)) == (0, 0)
    assert receipt.chunks.columns.tolist() == ["start", "stop", "rows", "state", "rows_inserted", "error"]


@pytest.mark.fault(62)
def test_a_bad_row_at_the_end_keeps_all_rows_from_being_sent(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    frame = FRAME.assign(n=[*range(24), np.inf])
    before = len(clicdata_sandbox.requests)
    with pytest.raises(errors.InputError, match=r"infinit") as caught:
        frame.clicdata.append(rec_id, chunksize=5)
    assert "'n'" in str(caught.value)
    assert len(clicdata_sandbox.requests) == before


@pytest.mark.parametrize("chunksize", [0, -1, 1.5, "5", True])
def test_a_bad_chunksize_is_refused(session: Session, clicdata_sandbox: Sandbox, rec_id: int, chunksize: Any) -> None:
    with pytest.raises(errors.InputError, match="chunksize"):
        FRAME.clicdata.append(rec_id, chunksize=chunksize)
    assert stored(clicdata_sandbox, rec_id).total() == 0


@pytest.mark.fault(4, 5, 7, 8, 9, 15, 16, 17, 18, 22, 23, 24, 26, 28, 47, 54)
@pytest.mark.parametrize(
    ("fault", "api_version"),
    [(fault, version) for fault in LOST for version in (None, "2022.01") if version or "count" not in fault],
)
def test_a_lost_answer_is_in_doubt_and_never_sent_again(
    clicdata_sandbox: Sandbox, rec_id: int, fault: str, api_version: str | None
) -> None:
    kept = arm(clicdata_sandbox, fault, LOST, path=f"/data/{rec_id}", method="POST", after=1)
    with clicdata_sandbox.session(api_version=api_version, timeout=(5, patience(fault))) as session:
        with pytest.raises(errors.AppendAmbiguous) as caught:
            FRAME.clicdata.append(rec_id, chunksize=10, session=session)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert session.last_receipt is receipt
    ledger = stored(clicdata_sandbox, rec_id)
    assert ledger.total() == 10 + kept
    assert_true(receipt, FRAME, ledger)
    assert (receipt.rows_appended, receipt.rows_in_doubt) == (10, 10)
    assert receipt.remaining(FRAME)["n"].tolist() == list(range(20, 25))
    assert receipt.in_doubt(FRAME)["n"].tolist() == list(range(10, 20))
    assert receipt.in_doubt(FRAME).index.tolist() == FRAME.index[10:20].tolist()
    posts = [seen for seen in clicdata_sandbox.requests if seen.method == "POST" and str(rec_id) in seen.path]
    assert len(posts) == 2
    assert caught.value.in_doubt
    assert "may be stored or not" in str(caught.value) or "not which" in str(caught.value)


REFUSED: dict[str, tuple[str, dict[str, Any], int]] = {
    "400": ("status", {"status": 400}, 0),
    "404": ("status", {"status": 404}, 0),
    "422": ("status", {"status": 422}, 0),
    "429 for long": ("status", {"status": 429, "headers": {"Retry-After": "9999"}}, 0),
    "403": ("status", {"status": 403}, 0),
    "a known code under 200": ("error", {"code": "validation"}, 0),
}


@pytest.mark.fault(14, 19, 31, 46)
@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_after_some_rows_is_an_interruption(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, fault: str
) -> None:
    arm(clicdata_sandbox, fault, REFUSED, path=f"/data/{rec_id}", method="POST", after=1)
    with pytest.raises(errors.AppendInterrupted) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert_true(receipt, FRAME, stored(clicdata_sandbox, rec_id))
    assert (receipt.rows_appended, receipt.rows_in_doubt) == (10, 0)
    assert receipt.chunks["state"].tolist() == ["applied", "refused", "pending"]
    assert not caught.value.in_doubt
    receipt.remaining(FRAME).clicdata.append(rec_id)
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))


@pytest.mark.fault(14, 19, 31)
@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_before_any_row_is_what_it_is_and_carries_a_receipt(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, fault: str
) -> None:
    arm(clicdata_sandbox, fault, REFUSED, path=f"/data/{rec_id}", method="POST")
    with pytest.raises((errors.ApiError, errors.AuthError)) as caught:
        FRAME.clicdata.append(rec_id)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert receipt.rows_remaining == 25
    assert stored(clicdata_sandbox, rec_id).total() == 0


HARMLESS: dict[str, tuple[str, dict[str, Any], int]] = {
    "429": ("status", {"status": 429, "headers": {"Retry-After": "0"}}, 0),
    "429 without a wait": ("status", {"status": 429}, 0),
    "429 with junk": ("status", {"status": 429, "headers": {"Retry-After": "soon"}}, 0),
    "429 under 200": ("error", {"code": "429"}, 0),
    "an expired token": ("unauthorized", {}, 0),
    "a slow answer": ("latency", {"seconds": 0.1}, 0),
    "a cookie": ("header", {"name": "Set-Cookie", "value": "a=b"}, 0),
}


@pytest.mark.fault(11, 13, 29)
@pytest.mark.parametrize("fault", HARMLESS)
def test_a_request_that_was_refused_is_sent_again(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, fault: str
) -> None:
    session._sleep = lambda seconds: None
    arm(clicdata_sandbox, fault, HARMLESS, path=f"/data/{rec_id}", method="POST", after=1)
    receipt = FRAME.clicdata.append(rec_id, chunksize=10)
    assert receipt.complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))


def test_the_rest_is_sent_in_the_modern_dialect_if_the_service_asks_for_a_version_midway(
    clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    please = b'{"error": {"code": "APIVersionRequired", "description": "say which"}}'
    with clicdata_sandbox.session() as session:
        clicdata_sandbox.faults.answer(please, path=f"/data/{rec_id}", method="POST", after=1)
        receipt = FRAME.clicdata.append(rec_id, chunksize=10, session=session)
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))
    assert receipt.complete
    paths = [seen.path for seen in clicdata_sandbox.requests if seen.method == "POST" and str(rec_id) in seen.path]
    assert paths == [f"/data/{rec_id}/row"] * 2 + [f"/data/{rec_id}/insert"] * 2


@pytest.mark.fault(1)
def test_a_service_that_is_down_leaves_every_row_pending(clicdata_sandbox: Sandbox, rec_id: int) -> None:
    with clicdata_sandbox.session(api_version="2022.01", auth_method="api_key") as session:
        session._sleep = lambda seconds: None
        clicdata_sandbox.close()
        with pytest.raises(errors.TransportError) as caught:
            FRAME.clicdata.append(rec_id, session=session)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert receipt.chunks["state"].tolist() == ["pending"]
    assert receipt.rows_remaining == 25


@pytest.mark.fault(48)
@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
def test_ctrl_c_arrives_and_the_receipt_is_true(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    stall = clicdata_sandbox.faults.stall(applied=True, path=f"/data/{rec_id}", method="POST", after=1)

    def interrupt() -> None:
        while not stall.hits:
            time.sleep(0.001)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10)
    waiting.join()
    receipt = session.last_receipt
    assert receipt is not None
    assert getattr(caught.value, "receipt", None) is receipt
    assert_true(receipt, FRAME, stored(clicdata_sandbox, rec_id))
    assert receipt.in_doubt(FRAME)["n"].tolist() == list(range(10, 20))
    assert session.last_receipt is receipt


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429])
def test_an_error_says_whether_a_row_was_appended(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, status: int, workers: int
) -> None:
    session._sleep = lambda seconds: None
    how = {"headers": {"Retry-After": "1"}, "path": f"/data/{rec_id}", "method": "POST", "times": None}
    clicdata_sandbox.faults.status(status, **how)
    with pytest.raises(errors.ClicDataError) as caught:
        FRAME.clicdata.append(rec_id, chunksize=5, workers=workers)
    assert not isinstance(caught.value, errors.WriteError)
    assert str(caught.value).endswith(". No row was appended.")
    assert str(caught.value).count("No row") == 1
    assert caught.value.receipt is session.last_receipt
    assert not stored(clicdata_sandbox, rec_id)
    clicdata_sandbox.faults.clear()
    clicdata_sandbox.faults.status(status, after=2, **how)
    with pytest.raises(errors.AppendInterrupted, match=r"^stopped: append rows: .*10 of 25 rows appended") as later:
        FRAME.clicdata.append(rec_id, chunksize=5, workers=workers)
    assert "No row" not in str(later.value)
    assert type(later.value.__cause__) is type(caught.value)


def test_appends_that_wait_for_one_log_in_have_receipts_of_their_own(clicdata_sandbox: Sandbox) -> None:
    rec_ids = [clicdata_sandbox.create(name, {"n": "number", "t": "text"}) for name in ("First", "Second")]
    clicdata_sandbox.faults.latency(0.5, path="/oauth20/token")
    clicdata_sandbox.faults.status(401, path="/oauth20/token", times=None)
    together = threading.Barrier(2)

    def append(rec_id: int) -> errors.ClicDataError:
        together.wait(20)
        with pytest.raises(errors.BadCredentials) as caught:
            FRAME.clicdata.append(rec_id, session=session, check=False)
        return caught.value

    with clicdata_sandbox.session() as session, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(append, rec_ids))
    assert [error.receipt.rec_id for error in found if error.receipt is not None] == rec_ids
    assert [str(error).count("No row was appended.") for error in found] == [1, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_others_has_the_receipt(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    call, sent = session.call, []

    def full(request: Request) -> Reply:
        sent.append(request.method)
        if sent.count("POST") > 1:
            raise MemoryError
        return call(request)

    monkeypatch.setattr(session, "call", full)
    with pytest.raises(MemoryError) as caught:
        FRAME.clicdata.append(rec_id, chunksize=5, workers=workers)
    receipt = getattr(caught.value, "receipt", None)
    assert receipt is session.last_receipt
    assert receipt is not None
    assert receipt.rows_appended == 5
    assert_true(receipt, FRAME, stored(clicdata_sandbox, rec_id))
    assert receipt.summary() in "".join(getattr(caught.value, "__notes__", [receipt.summary()]))


def test_ctrl_c_while_a_refused_chunk_waits_leaves_nothing_in_doubt(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    clicdata_sandbox.faults.status(429, headers={"Retry-After": "5"}, path=f"/data/{rec_id}", method="POST", after=1)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    session._sleep = interrupted
    with pytest.raises(KeyboardInterrupt):
        FRAME.clicdata.append(rec_id, chunksize=10)
    receipt = session.last_receipt
    assert receipt is not None
    assert receipt.rows_in_doubt == 0
    assert receipt.remaining(FRAME)["n"].tolist() == list(range(10, 25))
    assert_true(receipt, FRAME, stored(clicdata_sandbox, rec_id))


# ---------------------------------------------------------------------------------------------------------
# The receipt itself


@pytest.mark.parametrize("stop", [errors.AppendAmbiguous, KeyboardInterrupt])
def test_a_receipt_refuses_the_frame_when_it_was_changed_or_sorted(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, stop: type[BaseException]
) -> None:
    clicdata_sandbox.faults.drop(applied=True, path=f"/data/{rec_id}", method="POST", after=1)
    if stop is KeyboardInterrupt:
        clicdata_sandbox.faults.clear()
        clicdata_sandbox.faults.status(429, path=f"/data/{rec_id}", method="POST", after=1)

        def interrupted(seconds: float) -> None:
            raise KeyboardInterrupt

        session._sleep = interrupted
    with pytest.raises(stop):
        FRAME.clicdata.append(rec_id, chunksize=10)
    receipt = session.last_receipt
    assert receipt is not None
    assert len(receipt.remaining(FRAME.copy())) == 15 - receipt.rows_in_doubt
    changed = FRAME.copy()
    changed.iloc[20, 1] = "another"
    for other in (FRAME.iloc[::-1], changed, FRAME.rename(columns={"t": "u"}), FRAME.assign(n=float("inf"))):
        for of in (receipt.remaining, receipt.in_doubt):
            with pytest.raises(errors.InputError, match="as it was"):
                of(other)


def test_a_receipt_refuses_a_frame_of_another_length(session: Session, rec_id: int) -> None:
    receipt = FRAME.clicdata.append(rec_id)
    with pytest.raises(errors.InputError, match="25 rows"):
        receipt.remaining(FRAME.head(3))


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)


def test_a_receipt_is_one_line_and_a_table_where_something_is_left_to_do(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int
) -> None:
    receipt = FRAME.clicdata.append(rec_id, chunksize=10)
    assert repr(receipt) == f"<AppendReceipt: 25 of 25 rows appended to data set {rec_id} in 3 chunks>"
    assert receipt._repr_html_() == f"<p>AppendReceipt: {receipt.summary()}</p>"
    clicdata_sandbox.faults.drop(method="POST", path=re.compile("/(row|insert)$"), after=1)
    with pytest.raises(errors.AppendAmbiguous) as caught:
        FRAME.clicdata.append(rec_id, chunksize=10)
    assert "may be stored or not: no response confirms it" in str(caught.value)
    shown = receipt_of(caught)._repr_html_()
    assert Tags(shown).tags == {"p", "table", "tbody", "tr", "th", "td"}
    for words in (".in_doubt(df)", ".remaining(df)", "not counted", "then resume_append(..., in_doubt=...)"):
        assert words in shown
    assert resume_append(FRAME, receipt_of(caught), in_doubt="stored").complete


# ---------------------------------------------------------------------------------------------------------
# Rows that were there before


class Counts(Quick):
    """A service that stores all rows, and answers each append with the result that the test gives."""

    def __init__(self, result: Any) -> None:
        super().__init__("2022.01")
        self.result = result

    def applied(self, rows: list[dict[str, Any]]) -> Answer:
        super().applied(rows)
        return answer({"success": True, "result": self.result})


@pytest.mark.parametrize("found", [10, 0, 3, -1, None, "10", True, 1e300, [], "missing"])
def test_a_chunk_that_is_inserted_whole_was_not_there_before_whatever_was_found(found: Any) -> None:
    result = {"rows_inserted": 10} if found == "missing" else {"rows_inserted": 10, "rows_found": found}
    with Counts(result) as service:
        receipt = FRAME.head(10).clicdata.append(5, session=service)
    assert (receipt.rows_appended, receipt.rows_found, receipt.complete) == (10, 0, True)
    assert repr(receipt) == "<AppendReceipt: 10 of 10 rows appended to data set 5 in 1 chunk>"


@pytest.mark.parametrize(
    ("inserted", "found", "words"), [(7, 3, "3 rows were"), (9, 1, "1 row was"), (0, 10, "10 rows were")]
)
def test_rows_that_were_inserted_or_found_are_done(inserted: int, found: int, words: str) -> None:
    frame = FRAME.head(10)
    with Counts({"rows_inserted": inserted, "rows_found": found}) as service:
        receipt = frame.clicdata.append(5, session=service)
        assert (receipt.rows_appended, receipt.rows_found, receipt.rows_total) == (inserted, found, 10)
        assert receipt.complete
        assert (receipt.rows_in_doubt, receipt.rows_remaining) == (0, 0)
        assert receipt.remaining(frame).empty
        assert receipt.in_doubt(frame).empty
        assert receipt.chunks[["state", "rows_inserted"]].to_numpy().tolist() == [["applied", inserted]]
        assert repr(receipt).endswith(f"data set 5 in 1 chunk; {words} there before>")
        assert f"{words} there before" in receipt._repr_html_()
        requests = service.requests
        assert resume_append(frame, receipt, session=service, audit=False) is receipt
        assert service.requests == requests
    again = pickle.loads(pickle.dumps(receipt))
    assert (again.rows_appended, again.rows_found, again.complete) == (inserted, found, True)


@pytest.mark.parametrize(
    ("inserted", "found"),
    [
        (7, None),
        (7, 2),
        (7, 7),
        (7, 4),
        (7, "3"),
        (7, 3.0),
        (9, True),
        (11, -1),
        (-1, 11),
        (0, 0),
        (12, 10),
        (0, "missing"),
    ],
)
def test_counts_that_do_not_add_up_are_a_doubt(inserted: int, found: Any) -> None:
    result = {"rows_inserted": inserted} if found == "missing" else {"rows_inserted": inserted, "rows_found": found}
    with (
        Counts(result) as service,
        pytest.raises(errors.AppendAmbiguous, match=f"{inserted} of 10 rows inserted") as caught,
    ):
        FRAME.head(10).clicdata.append(5, session=service)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert (receipt.rows_appended, receipt.rows_found, receipt.rows_in_doubt, receipt.complete) == (0, 0, 10, False)
    assert "before" not in repr(receipt)


@pytest.fixture
def keyed() -> Iterator[tuple[Sandbox, int]]:
    """A data set with a unique key, three rows of the frame and one other row. Its appends skip existing keys."""
    with start(sample=False, existing_keys="skip") as sandbox:
        rec_id = sandbox.create("Keyed", {"n": "number", "t": "text", "load": "text"})
        sandbox.append(rec_id, [{"n": n, "t": "there before"} for n in (3, 4, 15, 1000)])
        sandbox.set_key(rec_id, ["n"])
        yield sandbox, rec_id


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    "how", [{}, {"verify": "count", "exclusive": True}, {"verify": "tag", "tag_column": "load"}, {"errors": "collect"}]
)
def test_a_receipt_counts_the_rows_whose_key_existed(
    keyed: tuple[Sandbox, int], how: dict[str, Any], workers: int, tmp_path: Path
) -> None:
    sandbox, rec_id = keyed
    workers = 1 if how.get("verify") == "count" else workers
    with sandbox.session(api_version="2022.01") as session:
        receipt = FRAME.clicdata.append(
            rec_id, chunksize=5, workers=workers, journal=tmp_path / "journal", session=session, **how
        )
        for one in (receipt, AppendReceipt.load(tmp_path / "journal")):
            assert (one.rows_appended, one.rows_found, one.rows_total) == (22, 3, 25)
            assert one.complete
            assert one.audited is (True if "verify" in how else None)
            assert one.chunks["rows_inserted"].tolist() == [3, 5, 5, 4, 5] or workers > 1
        before = len(sandbox.requests)
        assert resume_append(FRAME, tmp_path / "journal", session=session, audit=False).complete
        assert not [seen for seen in sandbox.requests[before:] if seen.method == "POST"]
        again = FRAME.clicdata.append(rec_id, session=session, **how)
        left_empty = "" if "tag_column" in how else "; left empty: 'load'"
        told = f"0 of 25 rows appended to data set {rec_id} in 1 chunk; 25 rows were there before{left_empty}"
        assert repr(again) == f"<AppendReceipt: {told}>"
        assert again.audited is (True if "verify" in how else None)
    assert stored(sandbox, rec_id) == Counter([*range(25), 1000])


def test_the_audit_says_why_rows_may_be_missing_that_nobody_counted(keyed: tuple[Sandbox, int]) -> None:
    sandbox, rec_id = keyed
    with sandbox.session(api_version=None) as session:
        session._sleep = lambda seconds: None
        with pytest.raises(
            errors.AppendAmbiguous, match=r"-3 in the data set.*unique key may leave out rows"
        ) as caught:
            FRAME.clicdata.append(rec_id, verify="count", exclusive=True, session=session)
    assert caught.value.receipt is session.last_receipt


@pytest.mark.parametrize("key", [{"unique_key": ["n"]}, {"unique_key_available": "true"}, {"uniquekeyavailable": True}])
@pytest.mark.parametrize("modern", [False, True])
def test_a_push_to_a_data_set_with_a_key_says_what_may_have_happened(
    key: dict[str, Any], modern: bool, tmp_path: Path
) -> None:
    entry = {"id": 5, "name": "Keyed", **key}

    class Lists(Quick):
        def page(self, query: dict[str, str]) -> Answer:
            return answer({"data": [entry, {**entry, "name": "Keyed too"}]}) if "name" in query else super().page(query)

    with Lists("2022.01" if modern else None) as service:
        receipt = FRAME.clicdata.push("Keyed", if_exists="append", session=service, journal=tmp_path / "journal")
        for one in (receipt, AppendReceipt.load(tmp_path / "journal")):
            for text in (repr(one), one._repr_html_()):
                assert ("unique key: rows whose key existed may have been left out" in text) is not modern
        counted = FRAME.clicdata.push(
            "Keyed", if_exists="append", session=service, verify="count", exclusive=True
        )  # the count shows that no row was left out
        assert "unique key" not in repr(counted)
        entry.update(dict.fromkeys(key, "False"))
        assert "unique key" not in repr(FRAME.clicdata.push("Keyed", if_exists="append", session=service))


def test_the_frame_is_never_changed(session: Session, rec_id: int) -> None:
    before = FRAME.copy()
    FRAME.clicdata.append(rec_id, chunksize=7)
    pd.testing.assert_frame_equal(FRAME, before)
    assert FRAME.attrs == before.attrs


# ---------------------------------------------------------------------------------------------------------
# Side by side, and compressed


@pytest.mark.parametrize("workers", [2, 5, 32])
def test_side_by_side_every_row_is_stored_once(
    session: Session, clicdata_sandbox: Sandbox, rec_id: int, workers: int
) -> None:
    frame = pd.DataFrame({"n": range(500), "t": "x"})
    receipt = frame.clicdata.append(rec_id, chunksize=7, workers=workers)
    assert receipt.complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(500))
    assert len(receipt.chunks) == -(-500 // 7)


def test_as_many_chunks_as_workers_are_on_the_wire(clicdata_sandbox: Sandbox, rec_id: int) -> None:
    together = threading.Barrier(5)
    clicdata_sandbox.faults.call(lambda: together.wait(20), path=f"/data/{rec_id}", method="POST", times=5)
    with clicdata_sandbox.session() as session:
        FRAME.clicdata.append(rec_id, chunksize=5, workers=5, session=session)
    assert not together.broken
    assert stored(clicdata_sandbox, rec_id) == Counter(range(25))


@pytest.mark.parametrize("fault", [fault for fault in LOST if "count" not in fault])
def test_side_by_side_a_lost_answer_leaves_a_true_receipt(clicdata_sandbox: Sandbox, rec_id: int, fault: str) -> None:
    arm(clicdata_sandbox, fault, LOST, path=f"/data/{rec_id}", method="POST", after=2)
    frame = pd.DataFrame({"n": range(200), "t": "x"})
    with clicdata_sandbox.session(timeout=(5, patience(fault))) as session:
        with pytest.raises(errors.AppendAmbiguous) as caught:
            frame.clicdata.append(rec_id, chunksize=10, workers=4, session=session)
    receipt = caught.value.receipt
    assert isinstance(receipt, AppendReceipt)
    assert_true(receipt, frame, stored(clicdata_sandbox, rec_id))
    assert receipt.rows_in_doubt == 10
    assert f"{receipt.rows_appended} of 200 rows" in str(caught.value)


def test_side_by_side_a_change_of_dialect_sends_every_row_once(clicdata_sandbox: Sandbox, rec_id: int) -> None:
    please = b'{"error": {"code": "APIVersionRequired", "description": "say which"}}'
    frame = pd.DataFrame({"n": range(200), "t": "x"})
    with clicdata_sandbox.session() as session:
        clicdata_sandbox.faults.answer(please, path=f"/data/{rec_id}", method="POST", after=3)
        receipt = frame.clicdata.append(rec_id, chunksize=10, workers=4, session=session)
    assert receipt.complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(200))


@pytest.mark.parametrize("workers", [0, -1, 33, 1.5, True, "2", None])
def test_a_bad_number_of_workers_is_refused(session: Session, rec_id: int, workers: Any) -> None:
    with pytest.raises(errors.InputError, match="workers"):
        FRAME.clicdata.append(rec_id, workers=workers)


def test_rows_are_compressed_with_compress(session: Session, clicdata_sandbox: Sandbox, rec_id: int) -> None:
    frame = pd.DataFrame({"n": range(500), "t": "the same text"})
    assert frame.clicdata.append(rec_id, compress=True).complete
    sent = clicdata_sandbox.requests[-1]
    assert sent.headers["Content-Encoding"] == "gzip"
    assert len(sent.body) < 10_000
    assert stored(clicdata_sandbox, rec_id) == Counter(range(500))
