"""Appends with thousands of random schedules of faults, each compared with the ledger of the service.

The service is in this process and its clock is not real, so that waiting costs nothing. ``CLICDATA_SCHEDULES`` is how
many there are: 120 if it isn't set, 10,000 for ``--long``, and two fifths more, which bear stamps. ``CLICDATA_SEED``
repeats those of another run.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import totals
from pandas_clicdata import Session, errors, resume_append
from pandas_clicdata.session.retry import TIMED_OUT
from pandas_clicdata.session.wire import Answer
from uploads.oracle import assert_true

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pandas_clicdata.session.wire import Request
    from pandas_clicdata.uploads.receipt import AppendReceipt

SCHEDULES = int(os.environ.get("CLICDATA_SCHEDULES", "120"))
SEED = os.environ.get("CLICDATA_SEED")
HOW_MANY = {"tag": 3 * SCHEDULES // 5}  # C5: 10,000 chunks that are faulted and bear stamps
FAULTED = 0.2  # of all attempts to append
ROWS, CHUNK = 60, 6
FRAME = pd.DataFrame({"n": range(ROWS), "t": [f"row {n}" for n in range(ROWS)]})
LATEST = 25.0  # seconds after which no abandoned request is applied; the session waits longer


class Unreliable(Session):
    """A session whose service is a list of rows. Every fifth append has a fault."""

    def __init__(self, dice: random.Random, api_version: str | None, rows_before: int) -> None:
        super().__init__(api_key="k", url="https://api.clicdata.test/", api_version=api_version)
        self.dice = dice
        self.modern = api_version is not None
        self.rows: list[dict[str, Any]] = [{"n": -1, "t": "before", "load": None}] * rows_before
        self.late: list[tuple[float, list[dict[str, Any]]]] = []
        self.seconds = 0.0
        self.faults = Counter[str]()
        self.requests = 0
        self.others_write = False
        self.has_key = False  # then rows whose key exists are left out
        self._clock = lambda: self.seconds
        self._sleep = self.pass_time
        self._random = dice.random

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        landed = [rows for at, rows in self.late if at <= self.seconds]
        self.late = [(at, rows) for at, rows in self.late if at > self.seconds]
        for rows in landed:
            self.store(rows)

    def _send(self, request: Request, *_: Any) -> Answer | errors.TransportError:
        self.requests += 1
        self.pass_time(self.dice.uniform(0.01, 0.5))
        if request.method == "GET":
            return self.page(dict(request.query))
        if self.others_write and self.dice.random() < 0.3:
            self.rows.append({"n": -2, "t": "another's", "load": None})
        assert request.body is not None
        sent = json.loads(request.body)["data"]
        rows = sent if self.modern else [{cell["column"]: cell["value"] for cell in row} for row in sent]
        if self.dice.random() >= FAULTED:
            return self.applied(rows)
        name = self.dice.choice(list(FAULTS))
        self.faults[name] += 1
        return FAULTS[name](self, rows)

    def store(self, rows: list[dict[str, Any]]) -> int:
        existing = {row["n"] for row in self.rows} if self.has_key else set()
        new = [row for row in rows if row["n"] not in existing]
        self.rows += new
        return len(new)

    def applied(self, rows: list[dict[str, Any]]) -> Answer:
        inserted = self.store(rows)
        found = len(rows) - inserted if self.has_key else len(rows)
        result = {"success": True, "result": {"rows_inserted": inserted, "rows_found": found}}
        return answer(result if self.modern else {"success": True})

    def page(self, query: dict[str, str]) -> Answer:
        size = int(query.get("page_size", 40))
        number = int(query.get("page", 1))
        rows = self.rows[(number - 1) * size : number * size]
        more = number * size < len(self.rows)
        if not self.modern:
            return answer({"data": rows, "has_more_data": more})
        flags = {"result_count": len(rows), "result_total_count": len(self.rows), "current_page": number}
        flags |= {"page_size": size, "has_more_results": more, "last_page": not more}
        return answer({"success": True, "result": rows, "pagination": flags})

    def land(self) -> Counter[int]:
        """Return the stored rows of the frame, when all requests have been applied or dropped."""
        self.pass_time(LATEST)
        return Counter(row["n"] for row in self.rows if row["n"] >= 0)


def answer(value: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


def no_connection(service: Unreliable, rows: Any) -> errors.TransportError:
    return errors.TransportError("no connection", sent="no", reason="the connection was refused")


def silence(service: Unreliable, rows: Any) -> errors.TransportError:
    service.pass_time(service.read_timeout)
    return errors.TransportError("no answer", reason=TIMED_OUT)


def silence_after(service: Unreliable, rows: Any) -> errors.TransportError:
    service.applied(rows)
    return silence(service, rows)


def reset(service: Unreliable, rows: Any) -> errors.TransportError:
    return errors.TransportError("reset", reason="the connection was cut")


def reset_after(service: Unreliable, rows: Any) -> errors.TransportError:
    service.applied(rows)
    return reset(service, rows)


def reset_then_late(service: Unreliable, rows: Any) -> errors.TransportError:
    service.late.append((service.seconds + service.dice.uniform(0.1, LATEST), rows))
    return reset(service, rows)


def says(status: int, *, after: bool, value: Any = None, **headers: str) -> Callable[[Unreliable, Any], Answer]:
    def fault(service: Unreliable, rows: Any) -> Answer:
        if after:
            service.applied(rows)
        return answer({"error": {"code": "x", "description": "no"}} if value is None else value, status, **headers)

    return fault


def late(status: int) -> Callable[[Unreliable, Any], Answer]:
    def fault(service: Unreliable, rows: Any) -> Answer:
        service.late.append((service.seconds + service.dice.uniform(0.1, LATEST), rows))
        return answer("late", status)

    return fault


def cut(service: Unreliable, rows: Any) -> Answer:
    whole = service.applied(rows)
    return Answer(200, whole.body[: service.dice.randrange(len(whole.body))])


FAULTS: dict[str, Callable[[Unreliable, Any], Answer | errors.TransportError]] = {
    "no connection": no_connection,
    "silence": silence,
    "silence, applied": silence_after,
    "reset": reset,
    "reset, applied": reset_after,
    "reset, applied late": reset_then_late,
    "500": says(500, after=False),
    "502, applied": says(502, after=True),
    "503, applied": says(503, after=True, retry_after="1"),
    "504, applied late": late(504),
    "408, applied late": late(408),
    "429": says(429, after=False, retry_after="2"),
    "429 for long": says(429, after=False, retry_after="3600"),
    "a cut answer": cut,
    "a web page": says(200, after=False, value="<html>"),
    "no word of success, applied": says(200, after=True, value={}),
    "404": says(404, after=False),
}


def gone_through(kind: str, seed: str, number: int, folder: Path) -> tuple[Unreliable, AppendReceipt | None]:
    """Make one append, resume it until it ends, and return the service and the receipt."""
    dice = random.Random(f"{kind} {seed} {number}")
    service = Unreliable(dice, dice.choice([None, "2022.01"]), rows_before=dice.choice([0, 3, 55]))
    service.others_write = kind == "tag" and number % 2 == 1
    how: dict[str, Any] = {"chunksize": CHUNK, "session": service, "progress": False}
    if kind == "workers":
        how |= {"workers": dice.choice([2, 4])}
    elif kind == "count":
        how |= {"verify": "count", "exclusive": True}
    elif kind == "tag":
        how |= {"verify": "tag", "tag_column": "load"}
    if kind == "resumed":
        how |= {"journal": folder / f"{number}"}
    try:
        receipt = FRAME.clicdata.append(5, **how)
    except errors.ClicDataError:
        pass
    else:
        assert service.land() == Counter(range(ROWS))
        assert receipt.complete
        return service, receipt
    held(service)
    if kind == "resumed":
        resumed(service, folder / f"{number}")
    return service, service.last_receipt


def resumed(service: Unreliable, path: Path) -> None:
    """Resume until it is done, and say of each chunk in doubt whether it is stored."""
    for _ in range(60):
        receipt = service.last_receipt
        assert receipt is not None
        try:
            receipt = resume_append(FRAME, path, session=service, progress=False, **fates_of(service, receipt))
        except errors.ClicDataError:
            held(service)
        else:
            assert receipt.complete
            assert service.land() == Counter(range(ROWS))
            return
    raise AssertionError("it never came to an end")


def fates_of(service: Unreliable, receipt: AppendReceipt) -> dict[str, Any]:
    """Return ``in_doubt`` for the rows in doubt: whether they are stored."""
    in_doubt = receipt.in_doubt(FRAME)["n"].tolist()
    if not in_doubt:
        return {}
    return {"in_doubt": "stored" if service.land()[in_doubt[0]] else "missing"}


def held(service: Unreliable) -> None:
    """Compare the receipt with the ledger."""
    ledger = service.land()
    receipt = service.last_receipt
    assert receipt is not None
    assert_true(receipt, FRAME, ledger)


def test_no_receipt_overstates_what_was_appended_where_rows_were_there_before() -> None:
    """Appends to a data set that leaves out rows whose key exists: chunks in doubt may be sent again there."""
    seed = SEED or str(random.randrange(1 << 32))
    sys.stderr.write(f"CLICDATA_SEED={seed}\n")  # shown if it fails
    found = 0
    for number in range(SCHEDULES // 5):
        dice = random.Random(f"keyed {seed} {number}")
        with Unreliable(dice, "2022.01", 0) as service:
            service.has_key = True
            there = dice.sample(range(ROWS), dice.choice([0, 3, ROWS // 2, ROWS]))
            service.rows = [{"n": n, "t": "before", "load": None} for n in there]
            receipt: AppendReceipt | None = None
            for _ in range(60):
                how: dict[str, Any] = {"session": service, "progress": False, "workers": dice.choice([1, 3])}
                with contextlib.suppress(errors.ClicDataError):
                    if receipt is None:
                        FRAME.clicdata.append(5, chunksize=CHUNK, **how)
                    else:
                        resume_append(FRAME, receipt, in_doubt="missing", **how)
                receipt = service.last_receipt
                assert receipt is not None
                ledger = service.land()
                assert max(ledger.values(), default=0) <= 1
                assert receipt.rows_appended <= ledger.total() - len(there)
                parts = receipt.rows_found, receipt.rows_in_doubt, receipt.rows_remaining
                assert receipt.rows_appended + sum(parts) == ROWS
                unsure = {*receipt.remaining(FRAME)["n"], *receipt.in_doubt(FRAME)["n"]}
                assert all(ledger[n] == 1 for n in range(ROWS) if n not in unsure)
                if receipt.complete:
                    break
            assert receipt is not None
            assert receipt.complete
            found += receipt.rows_found
    assert found > 0
    totals.add("random schedules of faults", SCHEDULES // 5)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["plain", "workers", "count", "tag", "resumed"])
def test_each_receipt_agrees_with_the_ledger(kind: str, tmp_path: Path) -> None:
    seed = SEED or str(random.randrange(1 << 32))
    sys.stderr.write(f"CLICDATA_SEED={seed}\n")  # shown if it fails
    faults, requests, doubtful, ended = Counter[str](), 0, 0, Counter[str]()
    schedules = HOW_MANY.get(kind, SCHEDULES // 5)
    for number in range(schedules):
        service, receipt = gone_through(kind, seed, number, tmp_path)
        faults += service.faults
        requests += service.requests
        assert receipt is not None
        doubtful += bool(receipt.rows_in_doubt)
        ended["complete" if receipt.complete else "stopped"] += 1
        service.close()
    assert set(faults) == set(FAULTS) or SCHEDULES < 1000
    assert ended["complete"] > 0 or SCHEDULES < 1000  # one in seven, where every doubt stops an append
    if kind in ("count", "tag"):
        assert doubtful < ended.total() / 20, "what is in doubt is settled, but for what can't be flags"
    totals.add("random schedules of faults", schedules)
    if kind == "tag":
        totals.add("faults of random schedules with stamps, half of them beside another writer", faults.total())
    totals.add("faults of random schedules", faults.total())
    totals.add("requests of random schedules", requests)
