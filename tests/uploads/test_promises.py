"""Chunks that a journal promises together: what it says after a kill, and after a loss of power, at any moment."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import totals
from pandas_clicdata import AppendReceipt, errors, resume_append
from pandas_clicdata.uploads import append, entries, journal, ledger, promises
from uploads.oracle import assert_true
from uploads.test_schedules import CHUNK, FRAME, ROWS, Unreliable, answer, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.session.wire import Answer, Request

APPENDS = int(os.environ.get("CLICDATA_SCHEDULES", "1000")) // 50


@pytest.mark.parametrize(
    ("promising", "answering", "expected"),
    [
        (0.0002, 0.1, 1),
        (0.002, 0.1, 1),
        (0.0021, 0.1, 2),
        (0.01, 0.05, 10),
        (0.0004, 0.0005, 40),
        (0.00001, 0.001, 15),
        (0.01, 0.0001, 100),
        (0.001, 0.0, 100),
    ],
)
def test_promises_take_a_fiftieth_of_the_time(promising: float, answering: float, expected: int) -> None:
    assert promises.together(promising, answering) == expected


class TestBoot:
    linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux tells it")

    @linux
    def test_it_is_that_of_the_machine_for_files_of_its_own(self, tmp_path: Path) -> None:
        with (tmp_path / "file").open("w") as file:
            found = promises.boot_of(file.fileno())
        told = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, check=True, text=True).stdout
        local = told.strip() in ("ext2/ext3", "xfs", "tmpfs", "overlayfs", "btrfs", "f2fs", "zfs")
        assert found == (Path("/proc/sys/kernel/random/boot_id").read_text().strip() if local else None)

    @linux
    def test_other_file_systems_are_not_relied_on(self) -> None:
        with Path("/proc/self/status").open() as file:
            assert promises.boot_of(file.fileno()) is None

    def test_a_mount_that_cannot_be_read_is_not_relied_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(promises, "open", lambda *_, **__: io.StringIO("25 1\n"), raising=False)
        with (tmp_path / "file").open("w") as file:
            assert promises.boot_of(file.fileno()) is None

    def test_without_the_files_that_tell_it_is_not_known(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str, **_: Any) -> Any:
            raise FileNotFoundError(name)

        monkeypatch.setattr(promises, "open", missing, raising=False)
        with (tmp_path / "file").open("w") as file:
            assert promises.boot_of(file.fileno()) is None

    @pytest.mark.parametrize(
        ("mount", "local"),
        [
            ("25 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw", True),
            ("25 1 8:1 / /data rw - xfs /dev/sda1 rw", True),
            ("25 1 8:2 / / rw - ext4 /dev/sda2 rw", False),
            ("25 1 8:1 / /mnt rw - nfs4 server:/ rw", False),
            ("25 1 8:1 / /mnt rw - fuse.sshfs someone@server: rw", False),
            ("25 1 8:1 /a\\040-\\040b /mnt rw shared:2 master:1 - btrfs /dev/sda1 rw", True),
        ],
    )
    def test_what_counts_as_local(self, mount: str, local: bool) -> None:
        assert promises._is_local(mount, os.makedev(8, 1)) is local


def lines(path: Path) -> list[Any]:
    job, happened, _ = entries.read(path.read_bytes())
    return [job, *happened]


def promised(path: Path) -> list[list[int]]:
    """The chunks of each promise in a journal."""
    return [[sent.chunk for sent in entry.chunks] for entry in lines(path) if isinstance(entry, entries.Promised)]


class Quick(Unreliable):
    """A service without faults."""

    def __init__(self, api_version: str | None = None) -> None:
        super().__init__(random.Random(1), api_version, 0)
        self.dice.random = lambda: 1.0  # type: ignore[method-assign]


class Leisurely(Quick):
    """One that takes a minute to answer, by its clock: beside that no disk is slow."""

    def _send(self, request: Request, *rest: Any) -> Answer | errors.TransportError:
        self.pass_time(60)
        return super()._send(request, *rest)


class TestLines:
    def test_one_line_for_many_chunks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(promises, "together", lambda *_: 4)
        path = tmp_path / "journal"
        with Quick() as service:
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
        assert promised(path) == [[0], [1], [2, 3, 4, 5], [6, 7, 8, 9]], "two alone, before anything is measured"
        assert not any(isinstance(entry, entries.Sending) for entry in lines(path))
        assert AppendReceipt.load(path).complete

    def test_slow_answers_get_a_line_each(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        with Leisurely() as service:
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
        assert promised(path) == [[number] for number in range(ROWS // CHUNK)]
        assert not any(isinstance(entry, entries.Sending) for entry in lines(path))

    def test_it_is_promised_what_comes_next_while_a_chunk_is_on_the_wire(self, tmp_path: Path) -> None:
        path = tmp_path / "journal"
        seen: list[tuple[int, int]] = []

        class Slow(Leisurely):
            """One that answers when the next chunk is promised."""

            def _send(self, request: Request, *rest: Any) -> Answer | errors.TransportError:
                wanted = min(len(seen) + 2, ROWS // CHUNK)
                ends = time.monotonic() + 10
                while len(promised(path)) < wanted and time.monotonic() < ends:
                    time.sleep(0.001)
                seen.append((len(promised(path)), AppendReceipt.load(path).rows_in_doubt))
                return super()._send(request, *rest)

        with Slow() as service:
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
        assert seen == [(min(number + 2, 10), CHUNK) for number in range(10)]

    def test_several_workers_get_a_line_for_each_chunk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(promises, "together", lambda *_: 100)
        path = tmp_path / "journal"
        with Quick() as service:
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False, workers=3)
        assert sum(isinstance(entry, entries.Sending) for entry in lines(path)) == ROWS // CHUNK

    def test_where_the_system_keeps_nothing_each_chunk_gets_its_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(promises, "together", lambda *_: 100)
        monkeypatch.setattr(promises, "boot_of", lambda _: None)
        path = tmp_path / "journal"
        with Quick() as service:
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
        assert sum(isinstance(entry, entries.Sending) for entry in lines(path)) == ROWS // CHUNK

    def test_what_was_promised_and_not_begun_is_not_in_doubt(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(promises, "together", lambda *_: 100)
        path = tmp_path / "journal"

        class Bar:
            """One that is interrupted after three chunks."""

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def update(self, rows: int) -> None:
                if service.requests == 3:
                    raise KeyboardInterrupt

        monkeypatch.setattr(append, "bar", lambda *_: Bar())
        with Quick() as service, pytest.raises(KeyboardInterrupt):
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
        for receipt in (service.last_receipt, AppendReceipt.load(path)):
            assert receipt is not None
            assert receipt.chunks["state"].tolist() == ["applied"] * 3 + ["pending"] * 7

    @pytest.mark.fault(48)
    @pytest.mark.parametrize("together", [1, 4, 100])
    @pytest.mark.parametrize("moment", ["answered", "entered"])
    def test_an_interrupt_before_an_outcome_is_written_down_leaves_the_chunk_in_doubt(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, together: int
    ) -> None:
        monkeypatch.setattr(promises, "together", lambda *_: together)
        path = tmp_path / "journal"
        noted = journal.Journal.note

        class Interrupted(Quick):
            """One whose caller is interrupted as soon as the fourth answer is there, and the next chunk is promised."""

            def now(self) -> float:
                if moment == "answered" and self.requests == 4:
                    raise KeyboardInterrupt
                return super().now()

            def _send(self, request: Request, *rest: Any) -> Answer | errors.TransportError:
                ends = time.monotonic() + 10
                while (
                    self.requests == 3 and not any(4 in chunks for chunks in promised(path)) and time.monotonic() < ends
                ):
                    time.sleep(0.001)
                return super()._send(request, *rest)

        def note(self: journal.Journal, entry: Any) -> None:
            if moment == "entered" and isinstance(entry, entries.Became) and entry.chunk == 3:
                raise KeyboardInterrupt
            noted(self, entry)

        monkeypatch.setattr(journal.Journal, "note", note)
        with Interrupted() as service, pytest.raises(KeyboardInterrupt):
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
        assert service.requests == 4
        assert AppendReceipt.load(path).chunks["state"].tolist() == ["applied"] * 3 + ["in doubt"] + ["pending"] * 6

    @pytest.mark.parametrize(("together", "workers"), [(1, 1), (4, 1), (1, 2)])
    def test_a_promise_that_was_written_and_may_not_be_safe_is_taken_back(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int, workers: int
    ) -> None:
        monkeypatch.setattr(promises, "together", lambda *_: together)
        path = tmp_path / "journal"
        with Quick() as service:
            with monkeypatch.context() as broken:

                def synced(_: int) -> None:
                    if service.requests:
                        raise OSError(errno.EIO, os.strerror(errno.EIO))

                broken.setattr(journal.os, "fsync", synced)
                with pytest.raises(errors.AppendInterrupted, match=r"the journal .* can't be written") as caught:
                    FRAME.clicdata.append(
                        5, chunksize=CHUNK, journal=path, session=service, progress=False, workers=workers
                    )
            for receipt in (caught.value.receipt, AppendReceipt.load(path)):
                assert receipt.rows_in_doubt == 0
                assert receipt.rows_appended == CHUNK * service.requests
            assert resume_append(FRAME, path, session=service, progress=False).complete
            assert service.land() == Counter(range(ROWS))

    @pytest.mark.fault(50)
    def test_where_a_journal_could_not_be_begun_the_receipt_goes_on_without_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "journal"
        with Quick() as service:
            with monkeypatch.context() as full:

                def written(*_: Any) -> int:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

                full.setattr(journal.os, "write", written)
                with pytest.raises(errors.AppendInterrupted, match=f"the journal {path} can't be written") as caught:
                    FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
            assert service.requests == 0
            assert not path.exists()
            receipt = caught.value.receipt
            assert receipt is not None
            assert receipt.journal is None
            assert resume_append(FRAME, receipt, session=service, progress=False).complete
            assert service.land() == Counter(range(ROWS))

    def test_nothing_is_promised_of_what_was_cut_anew_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "journal"
        cut_anew, looked_at = threading.Event(), threading.Event()
        promise = ledger.Ledger.promise

        def late(*arguments: Any) -> None:
            if threading.current_thread() is threading.main_thread():
                promise(*arguments)
                return
            if not cut_anew.wait(10):
                raise AssertionError("it was not cut anew")
            promise(*arguments)
            looked_at.set()

        class Narrow(Quick):
            """One that takes half a chunk at a time, and answers only when the late promise was looked at."""

            def _send(self, request: Request, *rest: Any) -> Answer | errors.TransportError:
                assert request.body is not None
                if len(json.loads(request.body)["data"]) > CHUNK // 2:
                    return answer({"error": {"code": "TooLarge", "description": "no"}}, 413)
                cut_anew.set()
                assert looked_at.wait(10)
                return super()._send(request, *rest)

        monkeypatch.setattr(ledger.Ledger, "promise", late)
        with Narrow() as service:
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
        assert AppendReceipt.load(path).complete
        assert service.land() == Counter(range(ROWS))
        assert [0] in promised(path)
        assert [1] not in promised(path), "chunk 1 was no more when its promise came"

    @pytest.mark.parametrize("other", [1, entries.FORMAT + 1])
    def test_a_journal_of_another_format_is_refused(self, tmp_path: Path, other: int) -> None:
        path = tmp_path / "journal"
        with Quick() as service:
            FRAME.clicdata.append(5, chunksize=CHUNK, journal=path, session=service, progress=False)
        path.write_bytes(path.read_bytes().replace(b'"append_id"', b'"journal":%d,"append_id"' % other, 1))
        with pytest.raises(errors.InputError, match=f"format {other}"):
            AppendReceipt.load(path)


class Watched(Unreliable):
    """A service that looks at the journal whenever something is sent, as if everything ended just then."""

    def __init__(self, dice: random.Random, path: Path, disk: Disk) -> None:
        super().__init__(dice, dice.choice([None, "2022.01"]), 0)
        self.path = path
        self.disk = disk
        self.looked = 0
        self.several = 0
        self.breaches: list[str] = []  # not raised where they are found: that would be taken for a lost answer

    def _send(self, request: Request, *rest: Any) -> Answer | errors.TransportError:
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
        written = self.path.read_bytes()
        kept = self.dice.randint(self.disk.safe, len(written))
        killed = self.found(written)
        assert killed.rows_in_doubt <= CHUNK
        dark = self.found(written[:kept], boot="another")
        self.several += dark.rows_in_doubt > CHUNK
        self.looked += 1

    def found(self, text: bytes, boot: str | None = None) -> AppendReceipt:
        """What a journal says of which that much is left: no more than what is true now, and in a while."""
        copy = self.path.with_suffix(".copy")
        copy.write_bytes(text)
        copy.chmod(0o600)
        with pytest.MonkeyPatch.context() as patched:
            if boot is not None:
                patched.setattr(promises, "boot_of", lambda _: boot)
            receipt = AppendReceipt.load(copy)
        now = [row["n"] for row in self.rows]
        later = [row["n"] for _, rows in self.late for row in rows]
        for stored in (now, now + later):
            assert_true(receipt, FRAME, Counter(stored))
        return receipt


class Disk:
    """Knows how much of a journal would outlive a loss of power; and it is full now and then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.safe = 0
        self.dice = random.Random()
        sync: Callable[[int], None] = os.fsync
        write: Callable[[int, Any], int] = os.write

        def synced(file: int) -> None:
            sync(file)
            self.safe = os.fstat(file).st_size

        def written(file: int, text: Any) -> int:
            if self.dice.random() < 0.03:
                write(file, text[: self.dice.randrange(len(text))])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(file, text)

        monkeypatch.setattr(journal.os, "fsync", synced)
        monkeypatch.setattr(journal.os, "write", written)


@pytest.mark.fault(49)
@pytest.mark.timeout(1800)
def test_whenever_all_ends_the_journal_tells_the_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill one chunk at most is in doubt; after a loss of power those of two promises; all else is certain."""
    seed = random.randrange(1 << 32)
    sys.stderr.write(f"seed {seed}\n")  # shown if it fails
    disk = Disk(monkeypatch)
    looked = several = 0
    for number in range(APPENDS):
        dice = disk.dice = random.Random(f"{seed} {number}")
        monkeypatch.setattr(promises, "together", lambda *_, dice=dice: dice.choice([1, 2, 3, 100]))
        path = tmp_path / f"journal {number}"
        how: dict[str, Any] = {"errors": dice.choice(["raise", "collect"]), "chunksize": dice.choice([1, CHUNK])}
        with Watched(dice, path, disk) as service:
            going_on = False
            for _ in range(100):
                try:
                    if going_on:
                        receipt = resume_append(
                            FRAME, path, session=service, progress=False, **told(service, AppendReceipt.load(path))
                        )
                    else:
                        receipt = FRAME.clicdata.append(5, journal=path, session=service, progress=False, **how)
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
        several += service.several
    totals.add("journals read as if all had ended just then", 2 * looked)
    assert several > 0
