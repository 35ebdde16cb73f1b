"""Appends through random schedules of real faults on real sockets, each resumed until every row is stored once.

`test_schedules` tries far more of them on a service in this process; here the requests use real sockets and real time.
15 runs, 500 with ``--long`` (``CLICDATA_SOCKET_RUNS``); ``CLICDATA_SEED`` repeats one.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import totals
from faults.kinds import add
from pandas_clicdata import errors, resume_append
from pandas_clicdata.sandbox import start
from pandas_clicdata.uploads import verify
from uploads.oracle import assert_true, quiet

if TYPE_CHECKING:
    from pathlib import Path

    from pandas_clicdata import Session
    from pandas_clicdata.sandbox import Sandbox

RUNS = int(os.environ.get("CLICDATA_SOCKET_RUNS", "15"))
SEED = os.environ.get("CLICDATA_SEED")
KINDS = ("plain", "workers", "count", "tag", "journal")
FAULTED = 0.2  # of all requests that append
ROWS, CHUNK = 100, 5
FRAME = pd.DataFrame({"n": range(ROWS), "t": [f"row {n}" for n in range(ROWS)]})
LATE = 0.05  # seconds at most until an abandoned request is applied

FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "reset": ("drop", {}),
    "reset, applied": ("drop", {"applied": True}),
    "closed": ("drop", {"reset": False}),
    "closed, applied": ("drop", {"applied": True, "reset": False}),
    "silence": ("stall", {}),
    "silence, applied": ("stall", {"applied": True}),
    "applied late": ("apply_late", {"stall": 0.0}),
    "500": ("status", {"status": 500}),
    "502, applied": ("status", {"status": 502, "applied": True}),
    "503": ("status", {"status": 503, "headers": {"Retry-After": "1"}}),
    "504, applied": ("status", {"status": 504, "applied": True}),
    "408": ("status", {"status": 408}),
    "429": ("status", {"status": 429, "headers": {"Retry-After": "2"}}),
    "429 for long": ("status", {"status": 429, "headers": {"Retry-After": "3600"}}),
    "401": ("unauthorized", {}),
    "404": ("status", {"status": 404}),
    "413": ("status", {"status": 413}),
    "an unknown no, applied": ("error", {"code": "Oddity", "applied": True}),
    "cut, reset": ("cut", {"reset": True}),
    "cut": ("cut", {}),
    "a drip": ("drip", {"seconds": 0.2}),
    "bad gzip": ("bad_gzip", {}),
    "a bad chunk": ("bad_chunk", {}),
    "a web page": ("answer", {"body": "<html>", "content_type": "text/html"}),
    "a web page, applied": ("answer", {"body": "<html>", "content_type": "text/html", "applied": True}),
    "nothing": ("answer", {}),
    "a redirect": ("redirect", {"url": "/elsewhere"}),
    "cut while sending": ("drop_request", {"after_bytes": 40}),
}


class Schedule:
    """Random faults of the appends to one data set."""

    def __init__(self, sandbox: Sandbox, rec_id: int, dice: random.Random, *, others_write: bool) -> None:
        self.sandbox, self.rec_id, self.dice, self.others_write = sandbox, rec_id, dice, others_write
        self.where: dict[str, Any] = {"path": f"/data/{rec_id}", "method": "POST"}
        self.armed = Counter[str]()
        sandbox.faults.call(self.meet, times=None, **self.where)

    def meet(self) -> None:
        """Before a request is read: arm a fault for it, or (if the fault comes too late) for the next."""
        if self.others_write and self.dice.random() < 0.2:
            self.sandbox.append(self.rec_id, [{"n": -2, "t": "another's"}])
        if self.dice.random() < FAULTED:
            name = self.dice.choice(list(FAULTS))
            kind, how = FAULTS[name]
            more = {"seconds": self.dice.uniform(0, LATE)} if kind == "apply_late" else {}
            add(self.sandbox.faults, kind, **how, **more, **self.where)
            self.armed[name] += 1

    def rest(self, session: Session) -> None:
        """Wait until the service has handled all requests, also late ones and those of a slow machine."""
        session._transport.close()
        quiet(self.sandbox)

    def ledger(self, session: Session) -> Counter[int]:
        """Return the rows of the frame that are stored at the end."""
        self.rest(session)
        return Counter(row["n"] for row in self.sandbox.rows(self.rec_id) if row["n"] >= 0)


def gone_through(sandbox: Sandbox, kind: str, dice: random.Random, path: Path) -> Schedule:
    """Make one append, and resume it until it ends."""
    sandbox.faults.clear()
    rec_id = sandbox.create(f"Socket {path.name}", {"n": "number", "t": "text", "load": "text"})
    sandbox.append(rec_id, [{"n": -1, "t": "before"}] * dice.choice([0, 3, 55]))
    schedule = Schedule(sandbox, rec_id, dice, others_write=kind == "tag")
    how: dict[str, Any] = {
        "count": {"verify": "count", "exclusive": True},
        "tag": {"verify": "tag", "tag_column": "load"},
        "workers": {"workers": dice.choice([2, 4])},
        "journal": {"journal": path},
    }.get(kind, {})
    with sandbox.session(api_version=dice.choice([None, "2022.01"]), timeout=(5, 0.1)) as session:
        session._sleep = lambda seconds: schedule.rest(session) if seconds >= verify.APART else None
        receipt: Any = None
        while receipt is None:  # without a count at the start, nothing is sent
            assert not schedule.ledger(session)
            try:
                receipt = FRAME.clicdata.append(
                    rec_id, chunksize=CHUNK, session=session, progress=False, check=False, **how
                )
            except errors.ClicDataError:
                receipt = session.last_receipt
        for _ in range(200):
            ledger = schedule.ledger(session)
            assert_true(receipt, FRAME, ledger)
            if receipt.complete:
                assert ledger == Counter(range(ROWS))
                return schedule
            receipt = gone_on(receipt, session, ledger, kind, path)
    raise AssertionError("it never came to an end")


def gone_on(receipt: Any, session: Any, ledger: Counter[int], kind: str, path: Path) -> Any:
    """Resume, and say of each chunk in doubt whether it is stored."""
    doubtful = receipt.chunks[receipt.chunks["state"].isin(["in doubt", "partial", "sending"])]
    fates = {int(start): "stored" if ledger[int(start)] else "missing" for start in doubtful["start"]}
    session._budget = type(session._budget)()  # as if some time had passed
    try:
        return resume_append(
            FRAME,
            path if kind == "journal" else receipt,
            session=session,
            progress=False,
            in_doubt=fates or None,
            exclusive=kind == "count",
            verify="count" if kind == "count" else None,
        )
    except errors.ClicDataError:
        return session.last_receipt


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_each_receipt_agrees_with_the_ledger_over_sockets(kind: str, tmp_path: Path) -> None:
    seed = SEED or str(random.randrange(1 << 32))
    sys.stderr.write(f"CLICDATA_SEED={seed}\n")  # shown if it fails
    runs = RUNS // len(KINDS)
    armed = Counter[str]()
    with start(sample=False, page_size=40, history=False) as sandbox:
        for number in range(runs):
            armed += gone_through(sandbox, kind, random.Random(f"{kind} {seed} {number}"), tmp_path / f"{number}").armed
        requests = len(sandbox.requests)
    assert requests >= runs * ROWS // CHUNK, "each chunk is one request at least: 10,000 of 500 runs"
    assert set(armed) == set(FAULTS) or runs < 100
    totals.add("schedules over sockets", runs)
    totals.add("requests of schedules over sockets", requests)
    totals.add("faults of schedules over sockets", armed.total())
