"""Resumed appends, which an earlier run, another process or another frame must not break."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest

from pandas_clicdata import AppendReceipt, Data, errors, resume_append
from pandas_clicdata.uploads.receipt_writer import ReceiptWriter
from uploads.test_journals import Quick, disk  # noqa: F401  # a fixture
from uploads.test_schedules import CHUNK, FRAME, ROWS, answer

if TYPE_CHECKING:
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.session.wire import Answer, Request
    from uploads.test_journals import Disk


class Stopping(Quick):
    """A service that refuses the third chunk for another reason than its rows, once."""

    def applied(self, rows: list[dict[str, Any]]) -> Answer:
        if self.requests == 3:
            return answer({"error": {"code": "x"}}, 403)
        return super().applied(rows)


def stopped(service: Quick, **how: Any) -> AppendReceipt:
    """Append up to the third chunk, and return the receipt."""
    with pytest.raises(errors.AppendInterrupted) as caught:
        FRAME.clicdata.append(5, chunksize=CHUNK, session=service, progress=False, **how)
    assert caught.value.receipt is not None
    return caught.value.receipt  # type: ignore[return-value]


@pytest.mark.parametrize("early", ["of the error", "loaded"])
def test_a_receipt_that_is_older_than_its_journal_sends_no_row_again(tmp_path: Path, early: str) -> None:
    path = tmp_path / "journal"
    with Stopping() as service:
        receipt = stopped(service, journal=path)
        if early == "loaded":
            receipt = AppendReceipt.load(path)
        assert resume_append(FRAME, path, session=service, progress=False).complete
        assert not receipt.complete
        assert resume_append(FRAME, receipt, session=service, progress=False) is receipt
        assert service.land() == Counter(range(ROWS))
    assert receipt.complete
    assert AppendReceipt.load(path).complete


def test_a_receipt_that_was_loaded_during_the_append_sends_no_row_again(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    loaded: list[AppendReceipt] = []

    class Watched(Quick):
        def applied(self, rows: list[dict[str, Any]]) -> Answer:
            loaded.append(AppendReceipt.load(path))
            return super().applied(rows)

    with Watched() as service:
        FRAME.clicdata.append(5, chunksize=CHUNK, session=service, progress=False, journal=path)
        assert resume_append(FRAME, loaded[2], session=service, progress=False).complete
        assert service.land() == Counter(range(ROWS))


def test_a_frame_with_other_rows_in_a_chunk_that_was_sent_is_refused() -> None:
    frame = pd.DataFrame({"n": range(5000)})
    with Stopping() as service:
        with pytest.raises(errors.AppendInterrupted):
            frame.clicdata.append(5, chunksize=1000, session=service, progress=False)
        receipt = service.last_receipt
        assert receipt is not None
        other = frame.copy()
        other.loc[7, "n"] = -1  # row 7 is not among the 1,000 rows whose digest the receipt holds
        sent = service.requests
        with pytest.raises(errors.JournalMismatch, match="rows 0 to 999"):
            resume_append(other, receipt, session=service, progress=False)
        assert service.requests == sent
        assert resume_append(frame, receipt, session=service, progress=False).complete
        assert service.land() == Counter(range(5000))


@pytest.mark.parametrize("tagged", [False, True])
def test_a_level_of_the_index_may_be_a_column_by_now_or_was_one(tagged: bool) -> None:
    how: dict[str, Any] = {"verify": "tag", "tag_column": "load", "audit": False} if tagged else {}
    column = FRAME[["n", "t"]]
    level = column.set_index("n")
    for sent, given in ((level, column), (column, level)):
        with Stopping() as service:
            with pytest.raises(errors.AppendInterrupted):
                sent.clicdata.append(5, chunksize=CHUNK, session=service, progress=False, **how)
            receipt = service.last_receipt
            assert receipt is not None
            pd.testing.assert_frame_equal(receipt.remaining(given), given.iloc[receipt.rows_appended :])
            with pytest.raises(errors.JournalMismatch) as caught:
                resume_append(given.rename(columns={"t": "text"}), receipt, session=service, progress=False)
            assert "'index'" not in str(caught.value)
            assert f"the append sent {receipt.job.columns}" in str(caught.value)
            assert resume_append(given, receipt, session=service, progress=False, audit=False).complete
            assert [row["t"] for row in service.rows] == FRAME["t"].tolist()


def test_a_frame_that_cannot_be_sent_is_refused_with_one_full_stop() -> None:
    with Stopping() as service:
        receipt = stopped(service)
        with pytest.raises(errors.JournalMismatch) as caught:
            resume_append(FRAME.assign(n=object()), receipt, session=service, progress=False)
    assert ".. " not in str(caught.value)


# ---------------------------------------------------------------------------------------------------------
# Threads that an interrupted run left behind


class Interrupted(Quick):
    """A service whose caller is interrupted while another thread waits: for a response, or to send again."""

    def __init__(self, waits_for: str) -> None:
        super().__init__()
        self.waits_for = waits_for
        self.go_on, self.is_waiting = threading.Event(), threading.Event()
        self.threads: list[threading.Thread] = []
        self.numbers = itertools.count()

    def _send(self, request: Request, *rest: Any) -> Answer | errors.TransportError:
        if next(self.numbers) == 1:
            self.threads.append(threading.current_thread())
            if self.waits_for == "its turn":
                return answer({"error": {"code": "x"}}, 429)
            self.wait()
            return answer({"error": {"code": "x"}}, 403)
        return super()._send(request, *rest)

    def pass_time(self, seconds: float) -> None:
        if threading.current_thread() in self.threads and self.waits_for == "its turn":
            self.wait()
        super().pass_time(seconds)

    def wait(self) -> None:
        self.is_waiting.set()
        assert self.go_on.wait(20)


@pytest.mark.fault(48)
@pytest.mark.parametrize("journal", [False, True], ids=["receipt", "journal"])
@pytest.mark.parametrize("waits_for", ["its turn", "a response"])
@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
def test_a_thread_of_an_interrupted_run_neither_sends_nor_notes_anything_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits_for: str, journal: bool, twice: bool
) -> None:
    path = tmp_path / "journal"

    class Bar:
        """A bar that is interrupted once the thread waits."""

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, rows: int) -> None:
            if rows:
                assert service.is_waiting.wait(20)
                raise KeyboardInterrupt

    def save(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pandas_clicdata.uploads.run.bar", lambda *_, **__: Bar())
    if twice:
        monkeypatch.setattr(ReceiptWriter, "save", save)
    how: dict[str, Any] = {"journal": path} if journal else {}
    with Interrupted(waits_for) as service:
        with pytest.raises(KeyboardInterrupt):
            FRAME.clicdata.append(5, chunksize=CHUNK, workers=2, session=service, progress=False, **how)
        monkeypatch.undo()
        receipt = AppendReceipt.load(path) if journal else service.last_receipt
        assert receipt is not None
        stored = service.land()
        fates = {chunk.start: "stored" if stored[chunk.start] else "missing" for chunk in receipt.doubtful()}
        ended = resume_append(FRAME, path if journal else receipt, session=service, in_doubt=fates, progress=False)
        service.go_on.set()
        for thread in service.threads:
            thread.join(20)
        assert ended.complete
        assert service.land() == Counter(range(ROWS))


@pytest.mark.fault(50, 52)
def test_a_journal_stays_in_use_while_a_chunk_is_on_the_wire_and_the_disk_is_full(
    tmp_path: Path,
    disk: Disk,  # noqa: F811
) -> None:
    path = tmp_path / "journal"
    refused = threading.Event()

    class Filling(Quick):
        """A service that answers the first chunk after the second one could not be noted."""

        def _send(self, request: Request, *rest: Any) -> Answer | errors.TransportError:
            disk.full = True
            assert refused.wait(20)
            return super()._send(request, *rest)

    def watch() -> None:
        while not disk.failures:
            pass
        try:
            with Quick() as other, pytest.raises(errors.JournalBusy):
                resume_append(FRAME, path, session=other, in_doubt="missing", progress=False)
        finally:
            refused.set()

    watching = threading.Thread(target=watch)
    with Filling() as service:
        watching.start()
        with pytest.raises(errors.AppendInterrupted):
            FRAME.clicdata.append(
                5, check=False, chunksize=CHUNK, workers=2, session=service, progress=False, journal=path
            )
        watching.join(20)


def test_two_calls_at_once_send_the_rows_of_a_receipt_once() -> None:
    outcomes: list[object] = []
    with Stopping() as service:
        receipt = stopped(service)
        inside, go_on = threading.Event(), threading.Event()
        pass_time = service.pass_time

        def wait(seconds: float) -> None:
            inside.set()
            assert go_on.wait(60)
            pass_time(seconds)

        service.pass_time = wait  # type: ignore[method-assign]
        first = threading.Thread(
            target=lambda: outcomes.append(resume_append(FRAME, receipt, session=service, progress=False))
        )
        first.start()
        assert inside.wait(60)
        with pytest.raises(errors.JournalBusy, match="still running in another call"):
            resume_append(FRAME, receipt, session=service, progress=False)
        go_on.set()
        first.join()
        service.pass_time = pass_time  # type: ignore[method-assign]
        assert outcomes == [receipt]
        assert resume_append(FRAME, receipt, session=service, progress=False).complete
        assert service.land() == Counter(range(ROWS))


@pytest.mark.parametrize("refused", [False, True])
def test_rows_that_arrow_cannot_take_have_a_receipt(clicdata_session: Session, refused: bool) -> None:
    """Arrow has no way to take rows of some types; ``refused`` then has the reasons alone."""
    texts = pa.array(["x", "y"], pa.string_view())
    frame = pd.DataFrame({"t": pd.Series(pd.arrays.ArrowExtensionArray(texts))})
    rec_id = Data(session=clicdata_session).create_data("Texts", {"other" if refused else "t": "text"})
    receipt = frame.clicdata.append(rec_id, errors="collect", check=False, session=clicdata_session)
    assert (receipt.rows_appended, len(receipt.refused)) == ((0, 2) if refused else (2, 0))


def test_a_relative_path_is_the_same_journal_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Quick() as service:
        receipt = FRAME.clicdata.append(5, session=service, journal="rows.journal", progress=False)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert receipt.journal == str(tmp_path / "rows.journal")
    assert AppendReceipt.load(receipt.journal).complete


@pytest.mark.parametrize("path", [None, "\ud800", 5, ""])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with Quick() as service, pytest.raises(errors.InputError, match="path"):
        resume_append(FRAME, path, session=service)
