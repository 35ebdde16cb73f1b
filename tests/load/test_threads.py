"""Many threads on one session (C16), and two accounts at the same time (C18), by the counts of the service.

``CLICDATA_CALLS`` is how many calls each thread makes: 16 if it isn't set, 200 for ``--long``.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

import totals
from pandas_clicdata import Session
from pandas_clicdata.session.wire import get
from scripted import Says, ScriptedServer, Seen

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = int(os.environ.get("CLICDATA_CALLS", "16"))
REPEATS = CALLS // 2
THREADS = 32


class Accounts:
    """Gives each app its own tokens, and answers a call with its number and its app."""

    def __init__(self, lifetime: float = 3600) -> None:
        self.lifetime = lifetime
        self.issued: dict[str, list[str]] = {}  # the tokens of each app
        self.revoked: set[str] = set()
        self.keys: dict[str, str] = {}
        self.strangers: list[Seen] = []  # calls with the credential of another app
        self._lock = threading.Lock()

    def __call__(self, seen: Seen) -> Says:
        if seen.path == "/oauth20/token":
            return self._token(parse_qs(seen.body.decode()))
        who = seen.query["who"]
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        if seen.headers.get("clicdata-api-key"):
            mine = self.keys.get(seen.headers["clicdata-api-key"]) == who and not token
        else:
            mine = token in self.issued.get(who, [])
        if not mine:
            self.strangers.append(seen)
        if token in self.revoked:
            return Says(b"", 401)
        return Says({"data": [{"id": int(seen.path.rsplit("/", 1)[1]), "who": who}]})

    def _token(self, form: dict[str, list[str]]) -> Says:
        who = form["client_id"][0]
        if form["client_secret"] != [f"secret of {who}"]:
            self.strangers.append(Seen("POST", "/oauth20/token", {}, {}, str(form).encode(), -1))
        time.sleep(0.01)  # meanwhile the other threads come
        with self._lock:
            tokens = self.issued.setdefault(who, [])
            tokens.append(f"{who}-{len(tokens)}")
            return Says({"access_token": tokens[-1], "expires_in": self.lifetime})

    def revoke(self, who: str) -> None:
        """Make the tokens of an app invalid."""
        with self._lock:
            self.revoked.update(self.issued[who])


def session_of(who: str, server: ScriptedServer) -> Session:
    return Session(client_id=who, client_secret=f"secret of {who}", url=server.url)


def call(session: Session, number: int, who: str = "one") -> None:
    answer = session.call(get("echo", f"/data/{number}", key="data", query=(("who", who),))).value()
    assert answer == [{"id": number, "who": who}], "an answer went to another call"


def side_by_side(works: list[Callable[[], object]], seconds: float = 90) -> None:
    """Run all functions at once. If they don't end, it is a deadlock."""
    problems: list[BaseException] = []
    together = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        try:
            together.wait(30)
            work()
        except BaseException as error:  # noqa: BLE001  # shown by the thread that waits
            problems.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    assert not [thread for thread in threads if thread.is_alive()], "they wait for each other"
    if problems:
        raise problems[0]


def test_no_thread_gets_the_answer_of_another() -> None:
    """C16: 32 threads, 200 calls each on one session, every id unique; one token and 32 connections for all."""
    accounts = Accounts()

    def calls(first: int) -> Callable[[], None]:
        def work() -> None:
            for number in range(first, first + CALLS):
                call(session, number)

        return work

    with ScriptedServer(accounts) as server, session_of("one", server) as session:
        side_by_side([calls(1 + n * CALLS) for n in range(THREADS)])
        asked = [seen.path for seen in server.seen if seen.path != "/oauth20/token"]
        assert sorted(asked) == sorted(f"/data/{n}" for n in range(1, 1 + THREADS * CALLS))
        assert len(accounts.issued["one"]) == 1
        assert len({seen.connection for seen in server.seen}) <= THREADS
    assert accounts.strangers == []
    totals.add("calls of threads on one session", THREADS * CALLS)


@pytest.mark.parametrize("ended", ["in time", "early"])
def test_threads_renew_an_expired_token_once(ended: str) -> None:
    """C16: exactly one token request at expiry, by the clock or after a 401; 0 deadlocks in 100 repeats."""
    accounts = Accounts()
    late = [0.0]
    with ScriptedServer(accounts) as server, session_of("one", server) as session:
        session._clock = lambda: time.monotonic() + late[0]
        for repeat in range(REPEATS):
            if ended == "in time":
                late[0] += 3600
            elif repeat:
                accounts.revoke("one")
            server.seen.clear()
            side_by_side([lambda n=n: call(session, n) for n in range(1, 1 + THREADS)], 60)  # type: ignore[misc]
            assert server.paths().count("POST /oauth20/token") == 1, f"repeat {repeat}"
    assert accounts.strangers == []
    totals.add("times that 32 threads found their token at its end", REPEATS)


@pytest.mark.parametrize("second", ["an app", "a key"])
def test_no_call_is_sent_with_the_credentials_of_another_account(second: str) -> None:
    """C18: two sessions with 16 threads each and 200 calls a thread, while tokens end; the service checks each call."""
    accounts = Accounts(lifetime=60.1)  # used for a tenth of a second: tokens are renewed a minute ahead
    with ScriptedServer(accounts) as server:
        other = session_of("two", server)
        if second == "a key":
            accounts.keys["key of two"] = "two"
            other = Session(api_key="key of two", url=server.url)
        sessions = {"one": session_of("one", server), "two": other}

        def calls(who: str, numbers: list[int]) -> Callable[[], None]:
            def work() -> None:
                for number in numbers:
                    call(sessions[who], number, who)

            return work

        numbers = [list(range(1 + n * CALLS, 1 + (n + 1) * CALLS)) for n in range(THREADS)]
        side_by_side([calls(("one", "two")[n % 2], mine) for n, mine in enumerate(numbers)])
        for session in sessions.values():
            session.close()
        made = [seen for seen in server.seen if seen.path != "/oauth20/token"]
    assert accounts.strangers == []
    assert sorted(seen.path for seen in made) == sorted(f"/data/{n}" for n in range(1, 1 + THREADS * CALLS))
    owners: dict[int, set[str]] = {}
    for seen in made:
        owners.setdefault(seen.connection, set()).add(seen.query["who"])
    assert all(len(who) == 1 for who in owners.values()), "two accounts shared a connection"
    totals.add("calls of two accounts side by side", len(made))
