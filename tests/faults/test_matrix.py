"""Every fault of a request, in every operation, with every login: how each call ended, cell by cell."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import totals
from faults.operations import LOGINS, OPERATIONS, Bench, Login, Operation
from faults.request_faults import FAULTS, NO, RequestFault
from pandas_clicdata import errors
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import transport
from sample import some

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas_clicdata.sandbox import Received, Sandbox
    from pandas_clicdata.session.wire import Reply, Request

STATE = {"not sent": "pending", "refused": "refused", "unknown": "in doubt"}


@dataclass(frozen=True)
class Cell:
    """A fault in an operation with a login. It happens each time, or once."""

    fault: RequestFault
    operation: Operation
    login: Login
    lasting: bool

    def __str__(self) -> str:
        how = "lasting" if self.lasting else "once"
        return f"F{self.fault.number} ({self.fault.name}) {how}, {self.operation.name}, {self.login.name}"

    @property
    def asks(self) -> int:
        """How often the request is sent if the fault lasts."""
        if not self.operation.reads:
            # A missing path did nothing, so a modern delete tries the other path.
            return self.fault.write_asks + self.tries_the_other_path
        return self.fault.asks + 2 * self.refuses_size

    @property
    def tries_the_other_path(self) -> bool:
        """Whether the answer may mean that there is no such path for a modern delete."""
        deletes = self.operation.name.startswith("delete") and self.login.api_version is not None
        return deletes and self.fault.name in ("404", "405")

    @property
    def counted(self) -> bool:
        """Whether the answer says how many rows were reached: on the legacy paths, none does."""
        return self.login.api_version is not None and not self.tries_the_other_path

    @property
    def refuses_size(self) -> bool:
        """Whether the answer may refuse the page size: then size 100 is requested, and after that no size."""
        sized = self.operation.name == "read rows" and self.login.api_version is not None
        no_under_200 = self.fault.number in (25, 26) and self.fault.error is NO
        return sized and (no_under_200 or self.fault.name in ("400", "422"))

    @property
    def sent(self) -> int:
        """How often the request is sent."""
        return self.asks if self.lasting else 2

    @property
    def arrived(self) -> int:
        """How often the request reaches the service."""
        # The sandbox gives these lists for any page number: page 2 and one far beyond the end are requested too.
        silent = self.login.api_version is None and self.operation.name in ("list versions", "list schedules")
        return (self.sent if self.fault.arrives else int(self.ends_well)) + 2 * (silent and self.ends_well)

    @property
    def beyond(self) -> str | None:
        """Return why this cell is not tried; None if it is tried."""
        why = self.fault.not_for(self.login, self.operation)
        if why is None and not self.lasting:
            if self.fault.lasting_only or self.fault.error is None:
                return "not a fault that is over"
            if self.asks == 1:
                return "the same as for good, as it is sent once"
        return why

    @property
    def ends_well(self) -> bool:
        return self.fault.error is None or not self.lasting


CELLS = [
    Cell(fault, operation, login, lasting)
    for fault in FAULTS
    for operation in OPERATIONS
    for login in LOGINS
    for lasting in (True, False)
]


def tried(cell: Cell, sandbox: Sandbox, number: int) -> None:
    """Run a cell and check how the call ends."""
    sandbox.faults.clear()
    fault, operation = cell.fault, cell.operation
    with sandbox.session(auth_method=cell.login.method, api_version=cell.login.api_version) as session:
        bench = Bench(sandbox, cell.login, session, f"Cell {number}", cell.counted)
        session._tokens.get(session._log_in, session._clock, session.now() + 10)
        slept = in_haste(bench, cell)
        fault.arm(bench, operation, None if cell.lasting else 1)
        seen = len(sandbox.requests)
        outcome = outcome_of(operation, bench)
        if fault.late and not operation.reads:
            sandbox.faults.settle()

        def asked() -> list[Received]:
            path = operation.on(bench)
            lately = sandbox.requests[seen:]
            return [one for one in lately if operation.is_sent_by(one.method) and re.search(path, one.path)]

        in_time(lambda: len(asked()) >= cell.arrived)
        assert len(asked()) == cell.arrived, f"{len(asked())} requests"
        check_pauses(cell, slept)
        if isinstance(outcome, errors.ClicDataError) or not cell.ends_well:
            check_failure(cell, bench, outcome)
        else:
            assert operation.fine(outcome, bench), f"ended with {outcome!r}"
        ledger = operation.ledger
        if ledger is not None:
            wanted = operation.after if is_applied(cell) else operation.before
            in_time(lambda: ledger(bench) == wanted)
            assert ledger(bench) == wanted
            assert all(one.body or one.status is None for one in asked()) or not operation.has_body


def in_haste(bench: Bench, cell: Cell) -> list[float]:
    """Record pauses instead of sleeping, and wait only briefly for the response that the fault affects."""
    session, fault = bench.session, cell.fault
    call, path = session.call, re.compile(cell.operation.on(bench))
    slept: list[float] = []

    def hurried(request: Request) -> Reply:
        matches = cell.operation.is_sent_by(request.method) and path.search(request.path)
        over = slept and not cell.lasting  # a response after the fault may take longer
        session._read, session._deadline = (fault.patience, fault.deadline) if matches and not over else (10, 60)
        return call(request)

    def paused(seconds: float) -> None:
        slept.append(seconds)
        if not cell.lasting:
            session._read = 10

    session.call, session._sleep, session._random = hurried, paused, lambda: 0.5  # type: ignore[method-assign]
    session._attempts = fault.attempts
    return slept


def in_time(true: Callable[[], bool]) -> None:
    """Wait until the service has finished the requests that the client abandoned."""
    end = time.monotonic() + 5
    while not true() and time.monotonic() < end:
        time.sleep(0.005)


def outcome_of(operation: Operation, bench: Bench) -> Any:
    try:
        return operation.call(bench)
    except errors.ClicDataError as error:
        return error


def is_applied(cell: Cell) -> bool:
    return cell.ends_well or cell.fault.applied or cell.fault.late


def check_pauses(cell: Cell, slept: list[float]) -> None:
    at_once = cell.fault.number == 29 or cell.refuses_size or cell.tries_the_other_path
    assert len(slept) == (0 if at_once else cell.sent - 1), f"paused {slept}"
    if cell.fault.waits is not None:
        least, most = cell.fault.waits
        assert all(least <= pause <= most for pause in slept), f"paused {slept}"


def check_failure(cell: Cell, bench: Bench, outcome: Any) -> None:
    fault, operation = cell.fault, cell.operation
    doubtful = fault.fate == "unknown" and not operation.reads
    hasty = fault.late or fault.hasty  # then the service may apply the request after the check
    if doubtful and operation.name == "create" and (isinstance(outcome, int) if hasty else fault.applied):
        assert fault.applied or fault.late
        assert operation.fine(outcome, bench), f"the created data set was not found: {outcome!r}"
        return
    wanted = operation.ambiguous if doubtful and operation.ambiguous is not None else fault.error
    assert type(outcome) is wanted, f"ended with {outcome!r}"
    assert outcome.in_doubt is doubtful
    if wanted is not fault.error:
        assert type(outcome.__cause__) is fault.error
    if operation.receipt:
        receipt = outcome.receipt
        states = (receipt.chunks if operation.name == "append" else receipt.keys)["state"].tolist()
        assert states == [STATE[fault.fate]]
        assert operation.name != "append" or receipt is bench.session.last_receipt


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"F{fault.number} {fault.name}")
def test_every_operation_survives_the_fault(fault: RequestFault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_BODY", 1 << 20)
    cells = some((cell for cell in CELLS if cell.fault is fault and cell.beyond is None), 8, fault.name)

    def failures(part: list[Cell]) -> list[str]:
        wrong = []
        with start() as sandbox:
            for number, cell in enumerate(part):
                try:
                    tried(cell, sandbox, number)
                except Exception as error:  # noqa: BLE001  # reported with the name of its cell
                    wrong.append(f"{cell}: {type(error).__name__}: {error}")
        return wrong

    threads = 16 if fault.hasty else 3  # a client with a short timeout mostly waits
    with ThreadPoolExecutor(threads) as pool:
        parts = [cells[first::threads] for first in range(threads)]
        wrong = [text for found in pool.map(failures, parts) for text in found]
    assert not wrong, "\n".join(wrong)
    totals.add("cells of fault x operation x login", len(cells))


def test_there_are_enough_cells_and_every_skipped_one_has_a_reason() -> None:
    left_out = [(str(cell), cell.beyond) for cell in CELLS if cell.beyond is not None]
    assert len({str(cell) for cell in CELLS}) == len(CELLS)
    assert len(CELLS) - len(left_out) >= 1_000
    assert all(left_out)
    assert {why for _, why in left_out} == {
        "not a fault that is over",
        "the same as for good, as it is sent once",
        "its chunk is cut smaller: see test_writes.py",
        "half of a bare number is a number",
        "it has no body that could be cut off",
        "it logs in without a token",
        "see 29",
    }
