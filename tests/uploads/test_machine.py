"""A data set that is appended to, read, changed and broken at random, compared with a list that is always right.

10 runs of 40 steps, 300 with ``--long`` (``CLICDATA_RUNS``).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import totals
from faults.kinds import add
from pandas_clicdata import AppendReceipt, Data, errors, read_clicdata, resume_append
from pandas_clicdata.sandbox import start
from uploads.oracle import assert_true

if TYPE_CHECKING:
    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

RUNS = int(os.environ.get("CLICDATA_RUNS", "10"))
STEPS = 40

FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "reset": ("drop", {}),
    "reset, applied": ("drop", {"applied": True}),
    "closed, applied": ("drop", {"applied": True, "reset": False}),
    "500": ("status", {"status": 500}),
    "502, applied": ("status", {"status": 502, "applied": True}),
    "503": ("status", {"status": 503}),
    "429": ("status", {"status": 429, "headers": {"Retry-After": "1"}}),
    "429 for long": ("status", {"status": 429, "headers": {"Retry-After": "9999"}}),
    "401": ("unauthorized", {}),
    "404": ("status", {"status": 404}),
    "cut": ("cut", {}),
    "bad gzip": ("bad_gzip", {}),
    "a web page": ("answer", {"body": "<html>", "content_type": "text/html"}),
    "cut while sending": ("drop_request", {"after_bytes": 30}),
    "a redirect": ("redirect", {"url": "http://127.0.0.1:1/"}),
}


class Table(RuleBasedStateMachine):
    """The writes to a data set, by the package and by others, and its expected rows.

    Nothing that is drawn depends on what is stored: side by side, that depends on who comes first.
    """

    service: Sandbox  # one for all runs

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.next = 0  # no number is used twice, so that each row is known
        self.stored: list[int] = []
        self.stopped: list[tuple[pd.DataFrame, Path]] = []
        self.steps = 0

    @initialize(api_version=st.sampled_from([None, "2022.01"]))
    def begin(self, api_version: str | None) -> None:
        self.api_version = api_version
        self.session = self.opened()
        self.rec_id = self.service.create(f"Machine {uuid.uuid4()}", {"n": "number", "t": "text"})

    def opened(self) -> Session:
        session = self.service.session(api_version=self.api_version)
        session._sleep = lambda seconds: None
        return session

    def teardown(self) -> None:
        self.service.faults.clear()
        if hasattr(self, "rec_id"):
            self.session.close()
        shutil.rmtree(self.folder)
        totals.add("steps of a state machine", self.steps)

    def frame(self, rows: int) -> pd.DataFrame:
        numbers = range(self.next, self.next + rows)
        self.next += rows
        return pd.DataFrame({"n": numbers, "t": [f"row {n}" for n in numbers]})

    def ledger(self) -> list[int]:
        return [row["n"] for row in self.service.rows(self.rec_id)]

    # -----------------------------------------------------------------------------------------------------
    # What the package does

    @rule(
        rows=st.integers(0, 25),
        chunksize=st.integers(1, 12),
        workers=st.sampled_from([1, 1, 3]),
        journal=st.booleans(),
    )
    def append(self, rows: int, chunksize: int, workers: int, journal: bool) -> None:
        frame = self.frame(rows)
        path = self.folder / f"{self.next} {rows}"
        how = {"journal": path} if journal else {}
        try:
            receipt = frame.clicdata.append(
                self.rec_id,
                chunksize=chunksize,
                workers=workers,
                session=self.session,
                progress=False,
                check=False,
                **how,
            )
        except errors.ClicDataError:
            self.held(frame, path if journal else None)
        else:
            assert receipt.complete
            self.stored += frame["n"].tolist()

    @rule(which=st.integers(0, 99), again=st.booleans())
    def resume(self, which: int, again: bool) -> None:
        """Resume from a journal, maybe in another session, and maybe for the second time."""
        if not self.stopped:
            return
        if again:
            self.restart()
        frame, path = self.stopped.pop(which % len(self.stopped))
        now = Counter(self.ledger())
        doubtful = pd.DataFrame({"n": []}) if not path.exists() else AppendReceipt.load(path).in_doubt(frame)
        states = {bool(now[n]) for n in doubtful["n"]}
        if len(states) > 1:
            return  # one answer can't hold for several chunks with different outcomes
        more: Any = {"in_doubt": "stored" if states.pop() else "missing"} if states else {}
        try:
            resume_append(frame, path, session=self.session, progress=False, **more)
        except errors.ClicDataError:
            self.held(frame, path)
        else:
            now = Counter(self.ledger())
            assert all(now[n] == 1 for n in frame["n"])
            self.stored += [n for n in frame["n"] if n not in set(self.stored)]

    def held(self, frame: pd.DataFrame, path: Path | None) -> None:
        """Compare the receipt of a stopped append with the ledger, and take the rows in doubt from the ledger."""
        receipt = self.session.last_receipt
        assert receipt is not None
        if receipt.rows_total != len(frame):
            return  # it stopped before there was a receipt: nothing was sent, as the invariant shows
        now = Counter(self.ledger())
        assert_true(receipt, frame, now)
        known = set(self.stored)
        self.stored += [n for n in frame["n"] if now[n] and n not in known]
        if path is not None and path.exists():
            self.stopped.append((frame, path))

    @rule(
        rows=st.integers(0, 6),
        drawn=st.lists(st.integers(0, 9999), max_size=4),
        verb=st.sampled_from(["upsert", "replace"]),
        undo=st.booleans(),
    )
    def make(self, rows: int, drawn: list[int], verb: str, undo: bool) -> None:
        """Write new rows and existing rows. At the end, each is stored once, or nothing has changed."""
        unfinished = {n for frame, _ in self.stopped for n in frame["n"]}
        there = [n for n in self.stored if n not in unfinished]
        old = sorted({there[number % len(there)] for number in drawn}) if there else []
        new = self.frame(rows)
        numbers = [*new["n"], *old]
        frame = pd.DataFrame({"n": numbers, "t": [f"row {n}" for n in numbers]})
        if frame.empty:
            return
        how: Any = {"on": "n"} if verb == "upsert" else {"by": "t"}
        try:
            receipt: Any = getattr(frame.clicdata, verb)(
                self.rec_id, chunksize=3, session=self.session, progress=False, **how
            )
            assert receipt.complete
            if undo:
                receipt.undo(progress=False)
        except errors.ClicDataError:
            now = Counter(self.ledger())
            assert all(now[n] <= 1 for n in numbers)
            self.stored = [n for n in self.stored if n not in numbers] + [n for n in numbers if now[n]]
            return
        assert all(Counter(self.ledger())[n] == (n in old or not undo) for n in numbers)
        self.stored += [] if undo else new["n"].tolist()

    @rule(workers=st.sampled_from([1, 4]))
    def read(self, workers: int) -> None:
        try:
            df = read_clicdata(self.rec_id, workers=workers, session=self.session, progress=False)
        except errors.ClicDataError:
            return
        assert Counter(df["n"].tolist() if len(df) else []) == Counter(self.stored)

    @rule(drawn=st.lists(st.integers(0, 9999), min_size=1, max_size=4), back=st.booleans())
    def delete(self, drawn: list[int], back: bool) -> None:
        unfinished = {n for frame, _ in self.stopped for n in frame["n"]}  # their outcomes are only in the journals
        there = [n for n in self.stored if n not in unfinished]
        if not there:
            return
        which = sorted({there[number % len(there)] for number in drawn})
        try:
            result = pd.DataFrame({"n": which}).clicdata.delete_rows(
                self.rec_id, on="n", session=self.session, progress=False
            )
        except errors.WriteError as error:
            receipt: Any = error.receipt
            if receipt is None:
                return
            now = set(self.ledger())
            for n, state in zip(which, receipt.keys["state"], strict=True):
                assert state not in ("applied", "in doubt") or state == "in doubt" or n not in now
                assert state not in ("pending", "refused") or n in now
                if n not in now:
                    self.stored.remove(n)
            return
        except errors.ClicDataError:
            return
        assert sorted(result.rows["n"]) == which
        for n in which:
            self.stored.remove(n)
        if back:
            self.service.faults.clear()
            result.rows.clicdata.append(self.rec_id, session=self.session, progress=False)
            self.stored += which

    # -----------------------------------------------------------------------------------------------------
    # Faults and other writers

    @rule(
        name=st.sampled_from(sorted(FAULTS)),
        method=st.sampled_from(["GET", "POST", "POST", "DELETE", "PUT"]),
        after=st.integers(0, 3),
        times=st.sampled_from([1, 1, 2, 5]),
    )
    def fault(self, name: str, method: str, after: int, times: int) -> None:
        kind, how = FAULTS[name]
        where: dict[str, Any] = {"method": method, "after": after, "times": times}
        add(self.service.faults, kind, path=f"/data/{self.rec_id}", **where, **how)
        totals.add("faults armed in a state machine", 1)

    @rule()
    def all_is_well(self) -> None:
        self.service.faults.clear()

    @rule()
    def expire(self) -> None:
        self.service.faults.expire_tokens()

    @rule(rows=st.integers(1, 5))
    def another_writes(self, rows: int) -> None:
        frame = self.frame(rows)
        self.service.append(self.rec_id, frame.to_dict("records"))
        self.stored += frame["n"].tolist()

    @rule()
    def restart(self) -> None:
        """Only the journals are left of the process."""
        self.session.close()
        self.session = self.opened()

    # -----------------------------------------------------------------------------------------------------
    # What must always hold

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if hasattr(self, "rec_id"):
            self.steps += 1
            assert Counter(self.ledger()) == Counter(self.stored)


@pytest.mark.timeout(1800)
def test_a_table_always_holds_the_expected_rows() -> None:
    with start(sample=False, page_size=10, max_page_size=10) as service:
        machine = type("Machine", (Table,), {"service": service})
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=RUNS,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                print_blob=True,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert Data(session=service.session()).get_data() is not None
