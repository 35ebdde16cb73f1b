"""The journal of an append: its contents after a kill at any point, on a full disk, and from other versions."""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import traceback
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import totals
from pandas_clicdata import AppendReceipt, errors, resume_append
from pandas_clicdata.uploads import journal, run
from pandas_clicdata.uploads.receipt import State
from pandas_clicdata.uploads.receipt_writer import ReceiptWriter
from uploads.oracle import assert_true
from uploads.test_schedules import CHUNK, FRAME, ROWS, SCHEDULES, Unreliable, answer, fates_of

if TYPE_CHECKING:
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.session.wire import Answer, Request

APPENDS = SCHEDULES // 200


class Quick(Unreliable):
    """A service without faults."""

    def __init__(self, api_version: str | None = None) -> None:
        super().__init__(random.Random(1), api_version, 0)
        self.dice.random = lambda: 1.0  # type: ignore[method-assign]


def appended(service: Unreliable, path: Path, **how: Any) -> AppendReceipt:
    how = {"chunksize": CHUNK, "journal": path, "session": service, "progress": False, "check": False, **how}
    return FRAME.clicdata.append(5, **how)  # type: ignore[no-any-return]


class Disk:
    """Makes commits of journals fail, at random or while ``full`` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self.failures = 0
        self.dice: random.Random | None = None
        connect = sqlite3.connect
        disk = self

        class Connection(sqlite3.Connection):
            def commit(self) -> None:
                if disk.full or (disk.dice is not None and disk.dice.random() < 0.03):
                    disk.failures += 1
                    raise sqlite3.OperationalError("database or disk is full")
                super().commit()

        monkeypatch.setattr(sqlite3, "connect", lambda *args, **how: connect(*args, factory=Connection, **how))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("stop", ["complete", "stopped", "resumed"])
def test_a_journal_is_one_file_when_the_append_has_ended(tmp_path: Path, stop: str) -> None:
    path = tmp_path / "journal"
    with Quick() as service:
        if stop == "complete":
            appended(service, path)
        else:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(service, "applied", lambda rows: answer({"error": {"code": "x"}}, 404))
                with pytest.raises(errors.NotFound):
                    appended(service, path)
        if stop == "resumed":
            assert resume_append(FRAME, path, session=service, progress=False).complete
    assert list(tmp_path.iterdir()) == [path]
    assert AppendReceipt.load(path).complete is (stop != "stopped")


def test_a_journal_takes_the_text_and_the_numbers_of_numpy(session: Session, rec_id: int, tmp_path: Path) -> None:
    text: Any = np.str_
    session._sleep = lambda seconds: None
    frame = pd.DataFrame({"n": [1, 2], "t": ["a", "b"], "load": ["x", "y"]})
    options = {"types": {text("n"): text("number")}, "errors": text("collect"), "append_id": text("1")}
    stamps = {"verify": text("tag"), "tag_column": text("load")}
    for how in (options, {"verify": text("count"), "exclusive": np.bool_(True)}, {**options, **stamps}):
        path = tmp_path / f"{len(how)}"
        kept = frame.drop(columns="load") if "tag_column" in how else frame
        assert kept.clicdata.append(rec_id, journal=path, session=session, **how).complete
        assert AppendReceipt.load(path).complete
        assert resume_append(kept, path, session=session).complete
    words = {"order": text("delete_first"), "match": text("exact"), "max_deleted": np.float64(1.0)}
    path = tmp_path / "replace"
    assert frame.clicdata.replace(rec_id, text("t"), journal=path, session=session, **words).complete
    assert AppendReceipt.load(path).complete


@pytest.mark.parametrize("workers", [1, 3])
def test_a_journal_can_be_read_while_it_is_in_use(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "journal"
    seen: list[tuple[int, int]] = []

    class Watched(Quick):
        def _send(self, request: Request, *rest: Any) -> Answer:
            receipt = AppendReceipt.load(path)
            seen.append((receipt.rows_appended, receipt.rows_in_doubt))
            return super()._send(request, *rest)

    with Watched() as service:
        appended(service, path, workers=workers)
    assert all(0 < in_doubt <= workers * CHUNK for _, in_doubt in seen)
    if workers == 1:
        assert seen == [(number * CHUNK, CHUNK) for number in range(ROWS // CHUNK)]


def test_a_journal_in_use_is_refused_by_another_call(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    refused: list[str] = []

    class Watched(Quick):
        def _send(self, request: Request, *rest: Any) -> Answer:
            with Quick() as other, pytest.raises(errors.JournalBusy) as caught:
                resume_append(FRAME, path, session=other)
            refused.append(str(caught.value))
            return super()._send(request, *rest)

    with Watched() as service:
        appended(service, path)
    assert len(refused) == ROWS // CHUNK


def test_chunks_that_were_not_reached_are_not_in_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"

    class Bar:
        """A bar that is interrupted after three chunks."""

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, rows: int) -> None:
            if service.requests == 3:
                raise KeyboardInterrupt

    monkeypatch.setattr(run, "bar", lambda *_, **__: Bar())
    with Quick() as service, pytest.raises(KeyboardInterrupt):
        appended(service, path)
    for receipt in (service.last_receipt, AppendReceipt.load(path)):
        assert receipt is not None
        assert receipt.chunks["state"].tolist() == ["applied"] * 3 + ["pending"]
        assert receipt.remaining(FRAME)["n"].tolist() == list(range(3 * CHUNK, ROWS))


@pytest.mark.fault(48)
@pytest.mark.parametrize("moment", ["answered", "noted"])
def test_an_interrupt_before_an_outcome_is_written_leaves_the_chunk_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "journal"
    write = journal.Journal.write

    class Interrupted(Quick):
        """A session whose caller is interrupted when the fourth response has come."""

        def now(self) -> float:
            if moment == "answered" and self.requests == 4:
                raise KeyboardInterrupt
            return super().now()

    def written(self: journal.Journal, changes: Any, audited: Any) -> None:
        if moment == "noted" and 3 in changes and changes[3].state is State.APPLIED:
            monkeypatch.undo()
            raise KeyboardInterrupt
        write(self, changes, audited)

    monkeypatch.setattr(journal.Journal, "write", written)
    with Interrupted() as service, pytest.raises(KeyboardInterrupt):
        appended(service, path)
    assert service.requests == 4
    found = AppendReceipt.load(path)
    assert found.chunks["state"].tolist()[:3] == ["applied"] * 3
    assert found.chunks["state"].tolist()[3] == ("in doubt" if moment == "answered" else "applied")
    assert found.rows_remaining == ROWS - 4 * CHUNK


@pytest.mark.fault(50)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_chunk_that_could_not_be_written_is_neither_sent_nor_in_doubt(
    tmp_path: Path, disk: Disk, workers: int
) -> None:
    path = tmp_path / "journal"

    class Filling(Quick):
        def applied(self, rows: list[dict[str, Any]]) -> Answer:
            disk.full = True
            return super().applied(rows)

    with Filling() as service:
        with pytest.raises(errors.AppendInterrupted, match=r"the journal .* can't be written") as caught:
            appended(service, path, workers=workers)
        receipt: Any = caught.value.receipt
        assert receipt.rows_in_doubt == 0
        assert receipt.rows_appended == CHUNK * service.requests
        found = AppendReceipt.load(path)
        assert found.rows_in_doubt == CHUNK * service.requests, "their outcomes did not fit any more"
        disk.full = False
        service.applied = super(Filling, service).applied  # type: ignore[method-assign]
        assert resume_append(FRAME, receipt, session=service, progress=False).complete
        assert service.land() == Counter(range(ROWS))
    assert AppendReceipt.load(path).complete


@pytest.mark.fault(50)
def test_an_outcome_that_could_not_be_written_is_written_with_the_next_chunk(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "journal"
    note = ReceiptWriter.note

    def noted(*arguments: Any, **more: Any) -> None:
        disk.full = True
        note(*arguments, **more)
        disk.full = False

    with pytest.MonkeyPatch.context() as patched, Quick() as service:
        patched.setattr(ReceiptWriter, "note", noted)
        assert appended(service, path).complete
    assert AppendReceipt.load(path).complete


@pytest.mark.fault(50)
def test_an_append_whose_journal_could_not_be_begun_sends_nothing_before_it_is(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "journal"
    disk.full = True
    with Quick() as service:
        with pytest.raises(errors.AppendInterrupted, match=f"the journal {path} can't be written") as caught:
            appended(service, path)
        receipt: Any = caught.value.receipt
        with pytest.raises(errors.AppendInterrupted, match=f"the journal {path} can't be written"):
            resume_append(FRAME, receipt, session=service, progress=False)
        assert service.requests == 0
        assert not path.exists()
        disk.full = False
        assert resume_append(FRAME, receipt, session=service, progress=False).complete
        assert service.land() == Counter(range(ROWS))
    assert AppendReceipt.load(path).complete


@pytest.mark.fault(50)
def test_a_journal_that_is_removed_midway_stops_the_append(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    class Removing(Quick):
        def applied(self, rows: list[dict[str, Any]]) -> Answer:
            path.unlink(missing_ok=True)
            return super().applied(rows)

    with Removing() as service:
        with pytest.raises(errors.AppendInterrupted, match="it was removed") as caught:
            appended(service, path)
        receipt: Any = caught.value.receipt
        assert (service.requests, receipt.rows_appended, receipt.rows_in_doubt) == (1, CHUNK, 0)
        with pytest.raises(errors.InputError, match=r"was removed, .* append receipt.remaining\(df\)"):
            resume_append(FRAME, receipt, session=service, progress=False)  # another call may have done it meanwhile
        service.applied = super(Removing, service).applied  # type: ignore[method-assign]
        assert receipt.remaining(FRAME).clicdata.append(5, session=service).complete
        assert service.land() == Counter(range(ROWS))


@pytest.mark.fault(50)
def test_a_full_disk_under_several_workers_is_summed_up_once(tmp_path: Path, disk: Disk) -> None:
    class Filling(Quick):
        def applied(self, rows: list[dict[str, Any]]) -> Answer:
            disk.full = True
            return super().applied(rows)

    with Filling() as service, pytest.raises(errors.AppendInterrupted) as caught:
        appended(service, tmp_path / "journal", workers=4)
    assert caught.value.receipt is not None
    assert str(caught.value).count(caught.value.receipt.summary()) == 1


# ---------------------------------------------------------------------------------------------------------
# Files that are no journals, or not ours


def changed(path: Path, statement: str) -> None:
    db = sqlite3.connect(path)
    db.execute(statement)
    db.commit()
    db.close()


DAMAGES = {
    "another format": ("PRAGMA user_version = 4", "format 4"),
    "no job": ("DELETE FROM job", "damaged"),
    "two jobs": ("INSERT INTO job SELECT * FROM job", "damaged"),
    "a job that is no job": ("UPDATE job SET text = '[]'", "damaged"),
    "a job that is no text": ("UPDATE job SET text = 5", "damaged"),
    "a state that is none": ("UPDATE chunk SET state = 'sent'", "damaged"),
    "chunks that overlap": ("UPDATE chunk SET stop = stop + 1", "damaged"),
    "a chunk without rows": ("UPDATE chunk SET start = stop WHERE number = 2", "damaged"),
    "a chunk beyond the end": ("UPDATE chunk SET stop = 1000 WHERE start = 54", "damaged"),
    "a position that is no number": ("UPDATE chunk SET start = 'x'", "damaged"),
    "a row format that is none": ("UPDATE chunk SET row_format = 'csv'", "damaged"),
    "a digest without a row format": ("UPDATE chunk SET row_format = NULL", "damaged"),
    "no table": ("DROP TABLE chunk", "no such table"),
}


def assert_unusable(path: Path, match: str) -> None:
    before = path.read_bytes()
    with Quick() as service:
        with pytest.raises(errors.InputError, match=match):
            AppendReceipt.load(path)
        with pytest.raises(errors.InputError, match=match):
            resume_append(FRAME, path, session=service)
        assert service.requests == 0
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_refused_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "journal"
    with Quick() as service:
        appended(service, path)
    statement, match = DAMAGES[damage]
    changed(path, statement)
    assert_unusable(path, match)


@pytest.mark.parametrize("size", [0, 1, 20, 99, 100, 511, 4096])
def test_garbage_is_refused(tmp_path: Path, size: int) -> None:
    path = tmp_path / "journal"
    path.write_bytes(random.Random(size).randbytes(size))
    path.chmod(0o600)
    assert_unusable(path, "can't be used" if size else "nothing was sent")


def test_a_journal_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Quick() as service:
        appended(service, path)
    path.write_bytes(path.read_bytes()[: 2 * 4096])
    assert_unusable(path, "can't be used")


def test_a_journal_of_an_earlier_version_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text(json.dumps({"line": "append", "journal": 3, "append_id": "x" * 700}) + "\n")
    path.chmod(0o600)
    assert_unusable(path, "earlier version")


# ---------------------------------------------------------------------------------------------------------
# Whenever the process ends


class Watched(Unreliable):
    """A service that reads the journal when a chunk is sent, as if the process had ended at that point."""

    def __init__(self, dice: random.Random, path: Path) -> None:
        super().__init__(dice, dice.choice([None, "2022.01"]), 0)
        self.path = path
        self.looked = 0
        self.breaches: list[str] = []  # not raised where they are found: that would look like a lost response

    def _send(self, request: Request, *rest: Any) -> Answer:
        if request.method == "GET":
            return super()._send(request, *rest)
        self.note_breaches()
        try:
            if self.dice.random() < 0.05:
                self.pass_time(0.1)
                return answer({"error": {"code": "InvalidRow", "description": "no"}}, 422)
            return super()._send(request, *rest)
        finally:
            self.note_breaches()

    def note_breaches(self) -> None:
        try:
            self.look()
        except AssertionError as breach:
            self.breaches += traceback.format_exception(type(breach), breach, breach.__traceback__)

    def look(self) -> None:
        receipt = AppendReceipt.load(self.path)
        assert receipt.rows_in_doubt <= CHUNK
        now = [row["n"] for row in self.rows]
        later = [row["n"] for _, rows in self.late for row in rows]
        for stored in (now, now + later):
            assert_true(receipt, FRAME, Counter(stored))
        self.looked += 1


@pytest.mark.fault(49)
@pytest.mark.timeout(1800)
def test_the_journal_is_true_at_each_moment(tmp_path: Path, disk: Disk) -> None:
    """After a kill, at most one chunk is in doubt and all others are certain, also on a disk that is full at times."""
    seed = random.randrange(1 << 32)
    sys.stderr.write(f"seed {seed}\n")  # shown if it fails
    looked = 0
    for number in range(APPENDS):
        dice = disk.dice = random.Random(f"{seed} {number}")
        path = tmp_path / f"journal {number}"
        how: dict[str, Any] = {"errors": dice.choice(["raise", "collect"]), "chunksize": dice.choice([1, CHUNK])}
        with Watched(dice, path) as service:
            going_on = False
            for _ in range(200):
                try:
                    if going_on:
                        receipt = resume_append(
                            FRAME, path, session=service, progress=False, **fates_of(service, AppendReceipt.load(path))
                        )
                    else:
                        receipt = appended(service, path, **how)
                except errors.ClicDataError:
                    going_on = path.exists()
                    continue
                going_on = True
                if receipt.rows_refused:
                    continue
                assert receipt.complete
                assert service.land() == Counter(range(ROWS))
                break
            else:
                raise AssertionError("it never came to an end")
        assert not service.breaches
        looked += service.looked
    totals.add("journals read as if the process had ended just then", looked)
