"""``use``: a second account for a block, by a context variable."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import os
import threading
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import pandas_clicdata
from pandas_clicdata import Data, Session, SessionManager, User, connect, errors, use
from pandas_clicdata.sandbox import start
from pandas_clicdata.session import manager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pandas_clicdata.sandbox import Sandbox

FRAME = pd.DataFrame({"n": range(5)})


@pytest.fixture
def second() -> Iterator[Sandbox]:
    with start() as sandbox:
        yield sandbox


@pytest.fixture
def other(second: Sandbox) -> Iterator[Session]:
    with second.session() as session:
        yield session


def test_all_calls_in_the_block_use_the_session(session: Session, other: Session, second: Sandbox) -> None:
    data = Data()
    with use(other) as used:
        assert used is other
        assert data.session is other
        rec_id = FRAME.clicdata.push("Only there", chunksize=2).rec_id
        pd.testing.assert_frame_equal(pd.read_clicdata(rec_id), FRAME, check_dtype=False)
        assert FRAME.head(2).clicdata.delete_rows(rec_id, on="n").complete
        assert Data(session=session).session is session
    assert second.count(rec_id) == 3
    assert data.session is session
    assert "Only there" not in Data().get_data()["name"].tolist()
    assert not other.closed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_a_thread_that_connects(session: Session) -> None:
    begun, ends = threading.Event(), threading.Event()

    def connect_slowly() -> None:  # as with a keyring that asks for a passphrase
        with manager._lock:
            begun.set()
            ends.wait(30)

    thread = threading.Thread(target=connect_slowly)
    thread.start()
    begun.wait()
    child = multiprocessing.get_context("fork").Process(target=SessionManager.get_session)
    child.start()
    child.join(20)
    ends.set()
    thread.join()
    child.kill()  # of no effect on a process that ended
    child.join()
    assert child.exitcode == 0


def test_blocks_are_nested_and_end_with_an_error(session: Session, other: Session) -> None:
    with use(other):
        with use(session):
            assert SessionManager.get_session() is session
        assert SessionManager.get_session() is other
    assert SessionManager.get_session() is session
    with pytest.raises(ZeroDivisionError), use(other):
        raise ZeroDivisionError
    assert SessionManager.get_session() is session


def test_connect_in_the_block_makes_a_default_that_is_used_after_it(session: Session, other: Session) -> None:
    with use(other):
        new = connect(api_key="k")
        assert SessionManager.get_session() is other
    assert SessionManager.get_session() is new


def test_a_block_needs_neither_a_default_nor_credentials(other: Session) -> None:
    with use(other):
        assert len(Data().get_data()) == 3
        other.close()
        with pytest.raises(errors.NotConnected, match="was closed"):
            Data().get_data()
    with pytest.raises(errors.NotConnected, match="no connection"):
        Data().get_data()


@pytest.mark.parametrize("wrong", [None, "prod"])
def test_what_is_no_session_is_refused(wrong: object) -> None:
    with pytest.raises(errors.InputError, match="session must be a Session"):
        use(wrong)  # type: ignore[arg-type]


def test_a_thread_of_the_user_sees_it_by_its_context_only(session: Session, other: Session) -> None:
    seen = []

    def look() -> None:
        seen.append(SessionManager.get_session())

    with use(other):
        for target in (look, partial(contextvars.copy_context().run, look)):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
    assert seen == [session, other]


def test_tasks_of_asyncio_have_one_each(session: Session, other: Session) -> None:
    async def within(one: Session) -> bool:
        with use(one):
            await asyncio.sleep(0.01)
            threaded = await asyncio.to_thread(SessionManager.get_session)
            return SessionManager.get_session() is threaded is one

    async def both() -> list[bool]:
        return await asyncio.gather(within(session), within(other))

    assert asyncio.run(both()) == [True, True]


def test_the_threads_of_a_call_use_its_session(session: Session, other: Session, second: Sandbox) -> None:
    people = pd.DataFrame({"email_address": [f"u{n}@example.com" for n in range(6)], "first_name": "U"})
    people["last_name"] = "V"
    with use(other):
        rec_id = pandas_clicdata.push(FRAME, "Threads", chunksize=1, workers=3).rec_id
        assert len(pandas_clicdata.read_clicdata(rec_id, workers=3)) == 5
        User().create_users(people)
    assert second.count(rec_id) == 5
    assert "u5@example.com" not in User().get_user()["email_address"].tolist()


def test_an_iterator_keeps_the_session_that_it_began_with(session: Session, other: Session) -> None:
    with use(other):
        rec_id = FRAME.clicdata.push("Pieces").rec_id
        pieces = pandas_clicdata.read_clicdata(rec_id, chunksize=2)
    assert sum(map(len, pieces)) == 5
