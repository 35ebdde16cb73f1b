"""Appends whose process is killed or interrupted, compared with the rows that the sandbox stored.

``CLICDATA_KILLS`` is how many are killed at random moments: 10 if it isn't set, 300 for ``--long``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

import pytest

import totals
from pandas_clicdata import AppendReceipt, errors, resume_append
from uploads.kennel import Kennel, frame_of
from uploads.oracle import assert_true, quiet, stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

pytestmark = [pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"), pytest.mark.timeout(900)]

KILLS = int(os.environ.get("CLICDATA_KILLS", "10"))
ROWS, CHUNK = 60, 5
FRAME = frame_of(ROWS)
TAG = {"verify": "tag", "tag_column": "load"}


@pytest.fixture(scope="module")
def kennel() -> Iterator[Kennel]:
    with Kennel() as running:
        yield running


@contextmanager
def patient(sandbox: Sandbox) -> Iterator[Session]:
    """A session that sleeps in no time: the sandbox has no requests before it begins and after it ends."""
    quiet(sandbox)
    with sandbox.session() as session:
        session._sleep = lambda _: None
        yield session
    quiet(sandbox)


def assert_made_good(sandbox: Sandbox, rec_id: int, path: Path, tagged: bool) -> AppendReceipt | None:
    """Check that the journal is true, resume the append until its end, and return the receipt from before."""
    quiet(sandbox)
    if not path.exists():
        assert stored(sandbox, rec_id).total() == 0
        return None
    before, problem = None, ""
    try:
        before = AppendReceipt.load(path)
    except errors.InputError as error:
        problem = str(error)
    if before is None:
        assert "nothing was sent" in problem
        assert stored(sandbox, rec_id).total() == 0
        return None
    ledger = stored(sandbox, rec_id)
    assert_true(before, FRAME, ledger)
    assert before.rows_in_doubt in (0, CHUNK)
    with patient(sandbox) as session:
        if before.rows_in_doubt and not tagged:
            doubtful = before.in_doubt(FRAME)["n"].tolist()
            assert doubtful == list(range(doubtful[0], doubtful[0] + CHUNK)), "one chunk"
            with pytest.raises(errors.AppendAmbiguous, match=f"rows {doubtful[0]} to {doubtful[-1]} of the frame"):
                resume_append(FRAME, path, session=session)
            assert stored(sandbox, rec_id) == ledger
            looked = "stored" if ledger[before.in_doubt(FRAME)["n"].iloc[0]] else "missing"
            receipt = resume_append(FRAME, path, session=session, in_doubt=looked)  # type: ignore[arg-type]
        else:
            receipt = resume_append(FRAME, path, session=session)
        assert receipt.complete
        assert stored(sandbox, rec_id) == Counter(range(ROWS))
        sent = len(sandbox.requests)
        again = resume_append(FRAME, path, session=session)
        assert again.complete
        assert len(sandbox.requests) == sent, "a journal that is complete sends nothing"
    assert list(path.parent.glob(f"{path.name}*")) == [path], "one file again"
    return before


# Before each chunk is sent, it is written with the outcome of the last one: INSERTs, a commit and a BEGIN.
STEPS: list[tuple[str, int, str]] = [
    *[("begin", 0, moment) for moment in ("before", "after")],
    *[("write", number, moment) for number in (0, 1, 2, 3, 11, 12) for moment in ("before", "after")],
    *[("execute", number, "after") for number in (*range(20), 40, 41, 42, 43, 44, 45)],
]


@pytest.mark.fault(49)
@pytest.mark.parametrize("tagged", [False, True], ids=["bare", "tagged"])
@pytest.mark.wide(8)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_kill_at_each_step_of_the_journal(
    clicdata_sandbox: Sandbox,
    kennel: Kennel,
    rec_id: int,
    tmp_path: Path,
    tagged: bool,
    step: tuple[str, int, str],
) -> None:
    """C6: before and after each change of the journal, and in the middle of one."""
    path, report = tmp_path / "journal", tmp_path / "report"
    how = {"chunksize": CHUNK, "journal": str(path), **(TAG if tagged else {})}
    process = kennel.start(clicdata_sandbox, rec_id, ROWS, report, how=how, die=step)
    assert kennel.wait(process) == signal.SIGKILL
    before = assert_made_good(clicdata_sandbox, rec_id, path, tagged)
    where, number, moment = step
    if where == "write":
        assert before is not None
        sent = number if moment == "before" else number + 1
        assert before.rows_in_doubt == (CHUNK if 0 < sent <= ROWS // CHUNK else 0), "the last chunk that was sent"


@pytest.mark.fault(49)
@pytest.mark.parametrize("tagged", [False, True], ids=["bare", "tagged"])
def test_kills_at_random_moments(clicdata_sandbox: Sandbox, kennel: Kennel, tmp_path: Path, tagged: bool) -> None:
    """C6: 300 kills. Without stamps, at most one chunk is in doubt, and named. With stamps, each row is stored once."""
    seed = random.randrange(1 << 32)
    sys.stderr.write(f"seed {seed}\n")  # shown if it fails
    dice = random.Random(seed)
    killed = in_doubt = number = 0
    longest = 0.3
    clicdata_sandbox.faults.latency(0.01, method="POST", times=None)
    while killed < KILLS // 2:
        number += 1
        rec_id = clicdata_sandbox.create(f"Target {number}", {"n": "number", "t": "text", "load": "text"})
        path, report = tmp_path / f"journal {number}", tmp_path / f"report {number}"
        how = {"chunksize": CHUNK, "journal": str(path), **(TAG if tagged else {})}
        process = kennel.start(clicdata_sandbox, rec_id, ROWS, report, how=how)
        while not report.exists():
            time.sleep(0.001)
        time.sleep(dice.uniform(0, longest))
        os.kill(process, signal.SIGKILL)
        ended = kennel.wait(process)
        killed += ended == signal.SIGKILL
        longest *= 1.02 if ended else 0.9  # kills come at any time of the append, and not after its end
        before = assert_made_good(clicdata_sandbox, rec_id, path, tagged)
        in_doubt += before is not None and before.rows_in_doubt > 0
        clicdata_sandbox.requests.clear()
    totals.add("processes killed", killed)
    sys.stderr.write(f"{killed} killed, {in_doubt} with a chunk in doubt, 0 breaches\n")
    assert 0 < in_doubt <= killed


HELD_UP: dict[str, Callable[[Sandbox, str, int], object]] = {
    "working": lambda sandbox, path, after: sandbox.faults.latency(0.02, path=path, times=None),
    "waiting": lambda sandbox, path, after: sandbox.faults.stall(path=path, after=after),
    "waiting, applied": lambda sandbox, path, after: sandbox.faults.stall(applied=True, path=path, after=after),
    "sleeping": lambda sandbox, path, after: sandbox.faults.status(
        429, headers={"Retry-After": "60"}, path=path, after=after, times=None
    ),
}


@pytest.mark.fault(48)
@pytest.mark.parametrize("workers", [1, 4])
def test_interrupts_arrive_with_a_true_receipt(
    clicdata_sandbox: Sandbox, kennel: Kennel, tmp_path: Path, workers: int
) -> None:
    """C7: 200 interrupts reach the caller within half a second, at work, in a wait or in a sleep of a minute.

    A loaded machine may delay some of them. An interrupt that waits for the end of a request takes far longer.
    """
    dice = random.Random(workers)
    wanted = max(4, KILLS // 3)
    delays, number = list[float](), 0
    while len(delays) < wanted:
        number += 1
        assert number < 3 * wanted + 20, "hardly any came in time"
        rec_id = clicdata_sandbox.create(f"Target {number}", {"n": "number", "t": "text", "load": "text"})
        path, report = tmp_path / f"journal {number}", tmp_path / f"report {number}"
        clicdata_sandbox.faults.clear()
        HELD_UP[list(HELD_UP)[number % len(HELD_UP)]](clicdata_sandbox, f"/data/{rec_id}", dice.randrange(5))
        how = {"chunksize": CHUNK, "journal": str(path), "workers": workers}
        process = kennel.start(clicdata_sandbox, rec_id, ROWS, report, how=how)
        while not path.exists():
            time.sleep(0.001)
        time.sleep(dice.uniform(0.05, 0.15))
        began = time.monotonic()
        os.kill(process, signal.SIGINT)
        assert kennel.wait(process) == 0
        reported: dict[str, Any] = json.loads(report.read_text())
        quiet(clicdata_sandbox)
        try:
            assert_true(AppendReceipt.load(path), FRAME, stored(clicdata_sandbox, rec_id))
        except errors.InputError:  # the disk was slow, and no line was on it yet
            assert reported["error"] == "KeyboardInterrupt"
            assert stored(clicdata_sandbox, rec_id).total() == 0
            continue
        if reported.get("error") is None:
            continue  # the append had ended before
        assert reported["error"] == "KeyboardInterrupt"
        delays.append(reported["at"] - began)
        if "chunks" not in reported:  # the interrupt came before there was a receipt, and before anything was sent
            assert stored(clicdata_sandbox, rec_id).total() == 0
            continue
        assert reported["has_receipt"]
        ledger = stored(clicdata_sandbox, rec_id)
        for start, stop, state in reported["chunks"]:
            found = [ledger[n] for n in range(start, stop)]
            assert set(found) <= {"applied": {1}, "pending": {0}}.get(state, {0, 1})
        assert sum(state in ("in doubt", "sending") for _, _, state in reported["chunks"]) <= workers
    totals.add("processes interrupted", len(delays))
    sys.stderr.write(f"{len(delays)} interrupted, the slowest after {max(delays):.3f} s\n")
    assert 0 < median(delays) <= 0.5
    assert max(delays) < 5


# ---------------------------------------------------------------------------------------------------------
# Full disks, and two at work


@pytest.mark.fault(50)
@pytest.mark.parametrize("limit", [1, 512, 4096, 8192, 12_287, 12_288, 16_384, 18_000])
def test_a_full_disk_stops_before_the_next_chunk(
    clicdata_sandbox: Sandbox, kennel: Kennel, rec_id: int, tmp_path: Path, limit: int
) -> None:
    path, report = tmp_path / "journal", tmp_path / "report"
    how = {"chunksize": 1, "journal": str(path)}  # so that the journal grows by some pages
    process = kennel.start(clicdata_sandbox, rec_id, ROWS, report, how=how, limit=limit)
    assert kennel.wait(process) == 0
    reported = json.loads(report.read_text())
    assert reported["error"] == "AppendInterrupted"
    assert "can't be written" in reported["text"]
    assert reported["has_receipt"]
    ledger = stored(clicdata_sandbox, rec_id)
    for start, stop, state in reported["chunks"]:
        assert state in ("applied", "pending")
        assert {ledger[n] for n in range(start, stop)} == {int(state == "applied")}
    if not path.exists():
        assert ledger.total() == 0
        return
    before = AppendReceipt.load(path)
    assert_true(before, FRAME, ledger)
    with patient(clicdata_sandbox) as session:
        if before.rows_in_doubt:  # the disk had no room for the outcome of the last chunk
            assert resume_append(FRAME, path, session=session, in_doubt="stored").complete
        else:
            assert resume_append(FRAME, path, session=session).complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(ROWS))


@pytest.mark.fault(52)
def test_two_processes_do_not_work_with_one_journal(
    clicdata_sandbox: Sandbox, kennel: Kennel, rec_id: int, tmp_path: Path
) -> None:
    path, report = tmp_path / "journal", tmp_path / "report"
    stall = clicdata_sandbox.faults.stall(path=f"/data/{rec_id}", method="POST", after=2)
    how = {"chunksize": CHUNK, "journal": str(path)}
    process = kennel.start(clicdata_sandbox, rec_id, ROWS, report, how=how)
    while not stall.hits:
        time.sleep(0.001)
    before = len(clicdata_sandbox.requests)
    with clicdata_sandbox.session() as session:
        with pytest.raises(errors.JournalBusy):
            resume_append(FRAME, path, session=session)
        with pytest.raises(errors.InputError, match="already"):
            FRAME.clicdata.append(rec_id, journal=path, session=session)
    assert len(clicdata_sandbox.requests) == before
    assert AppendReceipt.load(path).rows_appended == 2 * CHUNK, "to look is allowed"
    os.kill(process, signal.SIGKILL)
    kennel.wait(process)
    with patient(clicdata_sandbox) as session:
        assert resume_append(FRAME, path, session=session, in_doubt="missing").complete
    assert stored(clicdata_sandbox, rec_id) == Counter(range(ROWS))
