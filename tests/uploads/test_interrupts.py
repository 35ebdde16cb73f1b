"""Ctrl-C at any place of an append, of its end after another Ctrl-C, of a resumed append, and of a change.

The places are in this package, where Python checks for signals: after a call, at the start of a function, at the end of
a loop's body. ``CLICDATA_PLACES`` is how many of them are tried in each case: 10 if it isn't set, 400 for ``--long``.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import gc
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
import totals
from endpoints.literal import LiteralSession
from pandas_clicdata import AppendReceipt, errors, resume_append
from pandas_clicdata.endpoints.team import Team
from pandas_clicdata.session.ahead import Ahead
from pandas_clicdata.uploads.receipt import State
from uploads.oracle import assert_true
from uploads.test_journals import Quick
from uploads.test_schedules import Unreliable, answer, reset

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType

    from pandas_clicdata.session.wire import Answer, Request

    OnAppend = Callable[["Service", list[dict[str, Any]]], Answer | None]

pytestmark = [
    # There is a place between the opening of a database and the statement that closes it.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <sqlite3.Connection:pytest.PytestWarning"),
    pytest.mark.skipif(sys.version_info[:2] == (3, 12), reason="Python 3.12.1 crashes when opcodes are traced"),
]

PLACES = int(os.environ.get("CLICDATA_PLACES", "10"))
ROWS, CHUNK = 12, 3
FRAME = pd.DataFrame({"n": range(ROWS), "t": [f"row {n}" for n in range(ROWS)]})
PACKAGE = f"{Path(pandas_clicdata.__file__).parent}{os.sep}"
SANDBOX = f"{PACKAGE}sandbox{os.sep}"
LOOKS_FOR_SIGNALS = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE")  # how the names of such instructions begin


class Interrupt:
    """Raises KeyboardInterrupt in this thread at one of the places where a signal may come.

    Parameters
    ----------
    at : int
        The number of the place, from 0. If there are fewer places, nothing is raised.
    armed : bool, default True
        Whether places count from the beginning. Else they count from the time when ``armed`` is set.

    Attributes
    ----------
    came : bool
        Whether it was raised.
    caught : KeyboardInterrupt or None
        The interrupt that ended the block. It keeps all objects of its frames alive, as a notebook does.
    """

    def __init__(self, at: int, *, armed: bool = True) -> None:
        self.armed = armed
        self.at = at
        self.places = 0
        self.came = False
        self.caught: KeyboardInterrupt | None = None
        self.where = "nowhere"
        self._before: dict[int, int] = {}  # the last instruction of each frame

    def __enter__(self) -> Interrupt:
        self._others = sys.gettrace()
        gc.disable()  # else Python would end objects of other runs here, where it drops an interrupt
        sys.settrace(self._called)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        sys.settrace(self._others)
        gc.enable()
        self.caught = error if isinstance(error, KeyboardInterrupt) else None
        return self.caught is not None

    def _called(self, frame: FrameType, event: str, _: object) -> Any:
        name = frame.f_code.co_filename
        if frame.f_code.co_name == "__del__":  # where Python drops it
            return None
        if not (name.startswith(PACKAGE) or name == contextlib.__file__) or name.startswith(SANDBOX):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self._before.pop(id(frame), None)
        return self._stepped

    def _stepped(self, frame: FrameType, event: str, _: object) -> Any:
        if event != "opcode":
            return self._stepped
        before = self._before.get(id(frame))
        self._before[id(frame)] = frame.f_lasti
        if self.armed and before is not None and _may_come(frame.f_code, before, frame.f_lasti):
            self.places += 1
            if self.places > self.at >= 0:
                self.came = True
                self.where = f"{frame.f_code.co_filename.replace(PACKAGE, '')}:{frame.f_lineno}, {frame.f_lasti}"
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._stepped


@functools.cache
def _may_come(code: CodeType, before: int, now: int) -> bool:
    """Return whether a signal may come at the end of an instruction, with the same state as at the next one."""
    name = dis.opname[code.co_code[before]]
    if not name.startswith(LOOKS_FOR_SIGNALS) or name.startswith("CALL_INTRINSIC"):  # which calls no function
        return False
    if sys.version_info < (3, 11):  # it comes at the next one
        return True
    handlers: list[Any] = dis._parse_exception_table(code)  # type: ignore[attr-defined]
    return not any((entry.start <= before < entry.end) != (entry.start <= now < entry.end) for entry in handlers)


class Service(Quick):
    """A service without faults, except those that a test makes in ``on_append``."""

    def __init__(self, on_append: OnAppend | None = None) -> None:
        super().__init__()
        self.on_append = on_append

    def applied(self, rows: list[dict[str, Any]]) -> Answer:
        response = None if self.on_append is None else self.on_append(self, rows)
        return response or super().applied(rows)


def refuses_a_row(service: Service, rows: list[dict[str, Any]]) -> Answer | None:
    if all(row["n"] != 5 for row in rows):
        return None
    return answer({"error": {"code": "InvalidRow", "description": "no"}}, 422)


def loses_an_answer(service: Service, rows: list[dict[str, Any]]) -> Answer | None:
    if service.requests != 3:
        return None
    Unreliable.applied(service, rows)
    return reset(service, rows)


KINDS: dict[str, tuple[dict[str, Any], OnAppend | None]] = {
    "plain": ({}, None),
    "workers": ({"workers": 3}, None),
    "refused": ({"errors": "collect"}, refuses_a_row),
    "tagged": ({"verify": "tag", "tag_column": "load"}, loses_an_answer),
}


class Task:
    """A function that a thread of the package will call."""

    def __init__(self, ahead: Ahead, function: Callable[[], Any]) -> None:
        self.ahead, self.function = ahead, function
        self.begun = self.ended = False

    def __call__(self) -> Any:
        self.begun = True
        try:
            return self.function()
        finally:
            self.ended = True

    @property
    def is_over(self) -> bool:
        return self.ended or (self.ahead.over.is_set() and not self.begun)


TASKS: list[Task] = []


@pytest.fixture(autouse=True)
def _noted_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Record the functions that threads will call. (Idle threads may be left, and do no harm.)"""
    submit = Ahead.submit

    def noted(ahead: Ahead, function: Callable[[], Any]) -> Any:
        TASKS.append(task := Task(ahead, function))
        return submit(ahead, task)

    monkeypatch.setattr(Ahead, "submit", noted)


def settled() -> None:
    """Wait until the threads of the package have called all their functions."""
    ends = time.monotonic() + 10
    while not all(task.is_over for task in TASKS):
        assert time.monotonic() < ends
        time.sleep(0.0005)
    TASKS.clear()


def looked_up(service: Service, receipt: AppendReceipt) -> dict[str, Any]:
    """Return ``in_doubt`` for the rows in doubt, as a user gives it after a look at the data set."""
    stored = service.land()
    fates = {chunk.start: "stored" if stored[chunk.start] else "missing" for chunk in receipt.doubtful()}
    return {"in_doubt": fates} if fates else {}


def assert_goes_on(service: Service, path: Path | None, where: str) -> None:
    """Check that the receipt is true, in memory and on disk, and resume the append until its end."""
    settled()
    stored = service.land()
    service.on_append = None
    found = [service.last_receipt] if service.last_receipt is not None else []
    if path is not None and path.exists() and path.stat().st_size:
        found.append(AppendReceipt.load(path))
    if not found:
        assert not stored, where
        return
    for receipt in found:
        assert_true(receipt, FRAME, stored)
    known = found[-1]
    try:
        ended = resume_append(FRAME, known, session=service, progress=False, **looked_up(service, known))
    except errors.ClicDataError as error:
        raise AssertionError(where) from error
    assert ended.complete, where
    assert service.land() == Counter(range(ROWS)), where


def tried_in_places(interrupted: Callable[[int], Interrupt]) -> None:
    """Interrupt something, at one of its places each time."""
    total = interrupted(-1).places
    assert total > 0
    seed = random.randrange(1 << 32)
    sys.stderr.write(f"seed {seed}, {total} places\n")  # shown if it fails
    chosen = random.Random(seed).sample(range(total), min(PLACES, total))
    for at in chosen:
        interrupted(at)
    totals.add("places where a Ctrl-C came", len(chosen))


@pytest.mark.fault(48)
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("journal", [False, True], ids=["bare", "journal"])
def test_ctrl_c_during_an_append(tmp_path: Path, kind: str, journal: bool) -> None:
    how, on_append = KINDS[kind]

    def interrupted(at: int) -> Interrupt:
        path = tmp_path / f"journal {at}" if journal else None
        with Service(on_append) as service:
            interrupt = Interrupt(at)
            with interrupt:
                FRAME.clicdata.append(5, chunksize=CHUNK, session=service, progress=False, journal=path, **how)
            assert (interrupt.caught is not None) == interrupt.came, interrupt.where
            if service.rows and not hasattr(interrupt.caught, "receipt"):
                assert service.last_receipt is not None
                assert not service.last_receipt.chunks_in(State.PENDING), "it was at its end"
            assert_goes_on(service, path, interrupt.where)
        return interrupt

    tried_in_places(interrupted)


def stopped_at_the_third(interrupt: Interrupt | None, *, applied: bool) -> OnAppend:
    """Return a function that interrupts an append while its third chunk is sent."""

    def on_append(service: Service, rows: list[dict[str, Any]]) -> Answer | None:
        if service.requests != 3:
            return None
        if applied:
            Unreliable.applied(service, rows)
        if interrupt is not None:
            interrupt.armed = True
        raise KeyboardInterrupt

    return on_append


@pytest.mark.fault(48)
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("applied", [False, True], ids=["lost", "applied"])
@pytest.mark.parametrize("journal", [False, True], ids=["bare", "journal"])
def test_ctrl_c_while_an_interrupted_append_ends(tmp_path: Path, journal: bool, applied: bool) -> None:
    """A second Ctrl-C arrives at once too, and the receipt is still true."""

    def interrupted(at: int) -> Interrupt:
        path = tmp_path / f"journal {at}" if journal else None
        interrupt = Interrupt(at, armed=False)
        with Service(stopped_at_the_third(interrupt, applied=applied)) as service:
            with interrupt:
                FRAME.clicdata.append(5, chunksize=CHUNK, session=service, progress=False, journal=path)
            assert interrupt.caught is not None
            interrupt.caught = None  # after two interrupts, the journal is only free when the threads end
            assert_goes_on(service, path, interrupt.where)
        return interrupt

    tried_in_places(interrupted)


@pytest.mark.fault(48)
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("applied", [False, True], ids=["lost", "applied"])
@pytest.mark.parametrize("taken_up", ["receipt", "journal"])
def test_ctrl_c_during_a_resumption(tmp_path: Path, taken_up: str, applied: bool) -> None:
    def interrupted(at: int) -> Interrupt:
        path = tmp_path / f"journal {at}" if taken_up == "journal" else None
        with Service(stopped_at_the_third(None, applied=applied)) as service:
            with pytest.raises(KeyboardInterrupt):
                FRAME.clicdata.append(5, chunksize=CHUNK, session=service, progress=False, journal=path)
            receipt = service.last_receipt
            assert receipt is not None
            interrupt = Interrupt(at)
            looked = looked_up(service, receipt)
            with interrupt:
                resume_append(FRAME, path or receipt, session=service, progress=False, **looked)
            assert (interrupt.caught is not None) == interrupt.came, interrupt.where
            assert_goes_on(service, path, interrupt.where)
        return interrupt

    tried_in_places(interrupted)


class Changing(Quick):
    """A service that counts how often each key was deleted or updated."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = [{"n": n, "t": f"row {n}"} for n in range(ROWS)]
        self.changed = Counter[int]()

    def _send(self, request: Request, *_: Any) -> Answer:
        if request.method == "GET":
            return self.page(dict(request.query))
        assert request.body is not None
        [key] = json.loads(request.body)["find"]
        self.changed[key["value"]] += 1
        return answer({"success": True})


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("verb", ["delete_rows", "update_rows"])
def test_ctrl_c_during_a_delete_or_update(verb: str) -> None:
    def interrupted(at: int) -> Interrupt:
        interrupt = Interrupt(at)
        with Changing() as service, interrupt:
            getattr(FRAME.iloc[:5].clicdata, verb)(5, on="n", session=service, progress=False)
        caught: Any = interrupt.caught
        assert (caught is not None) == interrupt.came, interrupt.where
        if caught is None:
            return interrupt
        if not hasattr(caught, "receipt"):
            assert service.changed.total() in (0, 5), "nothing is begun, or it was all over"
            return interrupt
        receipt = caught.receipt
        for key, state in receipt.keys[["n", "state"]].itertuples(index=False):
            assert service.changed[key] in {"applied": (1,), "pending": (0,)}.get(state, (0, 1)), interrupt.where
        assert receipt.keys_in_doubt <= 1
        if verb == "delete_rows":
            kept = {n for rows in (receipt.rows, receipt.rows_in_doubt) for n in rows.get("n", ())}
            assert kept >= set(service.changed), "every deleted row was kept"
        return interrupt

    tried_in_places(interrupted)


@pytest.mark.timeout(1800)
def test_ctrl_c_between_the_requests_of_a_list() -> None:
    def interrupted(at: int) -> Interrupt:
        interrupt = Interrupt(at)
        session = LiteralSession({"success": True})
        with interrupt:
            Team(session=session).add_users(9, [3, 4, 5])
        caught: Any = interrupt.caught
        assert (caught is not None) == interrupt.came, interrupt.where
        if caught is not None and hasattr(caught, "receipt"):
            for position, state in enumerate(caught.receipt["state"]):
                assert (position < len(session.asked)) in {"added": (True,), "not sent": (False,)}.get(
                    state, (False, True)
                ), interrupt.where
            assert sum(caught.receipt["state"] == "in doubt") <= 1
        elif caught is not None:
            assert len(session.asked) in (0, 3), "nothing is begun, or it was all over"
        return interrupt

    tried_in_places(interrupted)
