"""Thousands of changed answers: calls raise only our errors, and no write is reported wrongly.

1,000, or 20,000 with ``--long`` (``CLICDATA_ANSWERS``), and one in twenty on a real socket; ``CLICDATA_SEED`` repeats
those of another run.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import pandas_clicdata
import totals
from faults.fuzzing import NAME, Truth, cut, doubled, filled, flipped, mutated, said_found, shortened
from pandas_clicdata import Dashboard, Data, Schedule, Session, Team, User, errors
from pandas_clicdata.session import retry
from pandas_clicdata.uploads.receipt import AppendReceipt
from scripted import Says, ScriptedServer, Seen
from uploads.oracle import assert_true

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pandas_clicdata.session.wire import Answer, Request

ANSWERS = int(os.environ.get("CLICDATA_ANSWERS", "1000"))
SEED = os.environ.get("CLICDATA_SEED")
MOST_REQUESTS = 200  # of one call
NEW = pd.DataFrame({"n": [7, 8, 9], "t": ["a", "b", "c"]})
KEY: dict[str, Any] = {"on": "n", "progress": False}

READS: dict[str, Callable[[Session], Any]] = {
    "read": lambda s: pandas_clicdata.read_clicdata(5, session=s, progress=False),
    "read in chunks": lambda s: list(
        pandas_clicdata.read_clicdata(5, chunksize=3, workers=2, session=s, progress=False)
    ),
    "list": lambda s: Data(session=s).get_data(),
    "versions": lambda s: Data(session=s).get_data_history(5),
    "schedules": lambda s: Schedule(session=s).get_schedule_tasks(),
    "dashboards": lambda s: Dashboard(session=s).get_dashboard(thumbnail=True),
    "thumbnail": lambda s: Dashboard(session=s).get_dashboard_thumbnail(rec_id=7),
    "teams": lambda s: Team(session=s).get_team(),
    "users": lambda s: User(session=s).get_user(),
}
WRITES: dict[str, Callable[[Session], Any]] = {
    "append": lambda s: NEW.clicdata.append(5, session=s, progress=False),
    "append and collect": lambda s: NEW.clicdata.append(5, session=s, progress=False, errors="collect"),
    "update": lambda s: NEW.head(1).clicdata.update_rows(5, session=s, keep=False, **KEY),
    "delete": lambda s: NEW.head(1).clicdata.delete_rows(5, session=s, keep=False, **KEY),
    "create": lambda s: Data(session=s).create_data(NAME, {"k": "number"}),
    "refresh": lambda s: Data(session=s).rebuild_data(5),
    "trigger": lambda s: Schedule(session=s).trigger_schedule(3),
}


class Fuzzed(Session):
    """A session with a service in this process, whose answers are changed."""

    truth: Truth
    requests = fuzzed = 0

    def _send(self, request: Request, *_: Any) -> Answer:
        self.requests += 1
        try:
            assert self.requests <= MOST_REQUESTS, "no end of requests"
            true, yes = self.truth.respond(request.method, request.path, dict(request.query), request.body or b"")
            if request.operation == "log in" and self.truth.dice.random() < 0.75:
                return true  # most logins succeed, so that the call itself is tried
            self.fuzzed += 1
            return mutated(self.truth.dice, true, yes=yes)
        except Exception as error:  # a session would convert it to one of our errors
            raise SystemExit(repr(error)) from error


def opened(kind: type[Session], truth: Truth, url: str = "https://api.clicdata.test/", **more: Any) -> Session:
    by_key = truth.dice.random() < 0.5
    login: dict[str, Any] = {"api_key": "k"} if by_key else {"client_id": "i", "client_secret": "s"}
    session = kind(url=url, api_version="2022.01" if truth.modern else None, **login, **more)
    session._sleep = lambda seconds: None
    session.truth = truth  # type: ignore[attr-defined]
    send = session._send

    def heard(request: Request, *rest: Any) -> Answer | errors.ClicDataError:
        answer = send(request, *rest)
        if request.operation == "append rows" and not isinstance(answer, errors.ClicDataError):
            truth.said.update(said_found(request.body or b"", answer.body))
        return answer

    session._send = heard  # type: ignore[method-assign]
    return session


def held(name: str, session: Session, truth: Truth) -> bool:
    """Make one call, check its outcome against the service, and return whether it succeeded."""
    failure: errors.ClicDataError | None = None
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the thumbnail|.*thumbnails", UserWarning)
            {**READS, **WRITES}[name](session)
    except errors.ClicDataError as error:
        failure = error
    if name in READS:
        assert failure is None or not failure.in_doubt
        return failure is None
    if name.startswith("append"):
        receipt = session.last_receipt
        assert receipt is not None
        assert_true_but_for_found(receipt, truth)
        assert failure is not None or receipt.complete or name == "append and collect"
        return failure is None
    assert truth.done <= 1, "it was sent again"
    if failure is None:
        assert truth.done == 1, "a refused write is reported as applied"
    elif not failure.in_doubt:
        assert truth.done == 0, "an applied write is reported as not applied"
        assert retry.outcome(failure) is not retry.Outcome.UNKNOWN
    return failure is None


def assert_true_but_for_found(receipt: AppendReceipt, truth: Truth) -> None:
    """Check the receipt, except for rows that a changed answer calls stored before."""
    found = {number: chunk for number, chunk in receipt.table.items() if chunk.rows_found}
    assert Counter((chunk.rows_inserted, chunk.rows_found) for chunk in found.values()) <= truth.said
    assert receipt.rows_found == sum(chunk.rows_found for chunk in found.values())
    stored = {number: replace(chunk, rows_inserted=None) for number, chunk in found.items()}
    without = AppendReceipt(receipt.job, receipt.parts, table={**receipt.table, **stored})
    assert receipt.rows_appended + receipt.rows_found == without.rows_appended
    assert_true(without, NEW, truth.stored)


def dice_of(seed: str, *what: object) -> random.Random:
    return random.Random(" ".join(map(str, (seed, *what))))


@pytest.fixture
def seed() -> str:
    chosen = SEED or str(random.randrange(1 << 32))
    sys.stderr.write(f"CLICDATA_SEED={chosen}\n")  # shown if it fails
    return chosen


@pytest.mark.timeout(600)
@pytest.mark.fault(22, 23, 24, 25, 26, 27, 38)
@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_a_changed_answer_is_never_reported_wrongly(name: str, seed: str) -> None:
    share = ANSWERS // len([*READS, *WRITES])
    fuzzed = number = well = 0
    while fuzzed < share:
        number += 1
        truth = Truth(dice_of(seed, name, number), modern=number % 2 == 0)
        with opened(Fuzzed, truth) as session:
            assert isinstance(session, Fuzzed)
            try:
                well += held(name, session, truth)
            except (Exception, SystemExit) as error:
                raise AssertionError(
                    f"{name}, call {number} of seed {seed}: {type(error).__name__}: {error}"
                ) from error
            fuzzed += session.fuzzed
    assert 0.03 < well / number < 0.97 or ANSWERS < 20_000, "some calls succeed and some fail"
    totals.add("answers fuzzed", fuzzed)


RAW = [flipped, cut, doubled, shortened, filled]
STATUS_LINE = len(b"HTTP/1.1 200 ")  # a change of the status would be another answer


def sent_raw(dice: random.Random, true: Answer) -> Callable[[socket.socket], None]:
    head = f"HTTP/1.1 {true.status} X\r\nContent-Type: application/json\r\nContent-Length: {len(true.body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in true.headers.items() if name != "content-type")
    text = head.encode() + b"\r\n" + true.body
    text = text[:STATUS_LINE] + dice.choice(RAW)(dice, text[STATUS_LINE:])
    return lambda connection: connection.sendall(text)


@pytest.mark.timeout(600)
@pytest.mark.fault(28)
@pytest.mark.parametrize("name", [*READS, *WRITES])
def test_changed_bytes_of_an_answer_are_never_reported_wrongly(name: str, seed: str) -> None:
    share = ANSWERS // 20 // len([*READS, *WRITES])
    now: list[Truth] = []

    def script(seen: Seen) -> Says:
        true, yes = now[-1].respond(seen.method, seen.path, seen.query, seen.body)
        return Says(raw=sent_raw(now[-1].dice, true)) if yes else Says(true.body, true.status, dict(true.headers))

    with ScriptedServer(script) as server:
        number = 0
        while len(server.seen) < share:
            number += 1
            now.append(Truth(dice_of(seed, name, number, "raw"), modern=number % 2 == 0))
            before = len(server.seen)
            with opened(Session, now[-1], server.url, timeout=(5, 1)) as session:
                try:
                    held(name, session, now[-1])
                except Exception as error:
                    raise AssertionError(
                        f"{name}, call {number}, seed {seed}: {type(error).__name__}: {error}"
                    ) from error
            assert len(server.seen) - before <= MOST_REQUESTS, "no end of requests"
        totals.add("answers fuzzed", len(server.seen))
