"""Sessions with a jumping clock, a closed connection or many threads; and changes that no count shows."""

from __future__ import annotations

import gc
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from urllib3.connectionpool import HTTPConnectionPool

import pandas_clicdata
from certificates import Listener, head_of
from pandas_clicdata import Data, Session, errors
from pandas_clicdata.sandbox import start
from pandas_clicdata.session.wire import Request, get
from scripted import TOKEN, Says, ScriptedServer, Seen

if TYPE_CHECKING:
    import socket

    from pandas_clicdata.sandbox import Sandbox

OK = Says({"data": [{"a": 1}], "has_more_data": False})
READ = get("read rows", "/data/5", key="data")
WRITE = Request("append rows", "POST", "/data/5/row", body=b'{"data":[]}')


@pytest.mark.fault(35)
@pytest.mark.parametrize("jump", [-1e9, -3600, 3600, 1e9])
def test_a_wall_clock_that_jumps_changes_nothing(jump: float, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = time.time
    with ScriptedServer(lambda seen: TOKEN if seen.path == "/oauth20/token" else OK) as server:
        with Session(client_id="i", client_secret="s", url=server.url) as session:
            session.call(READ)
            monkeypatch.setattr(time, "time", lambda: wall() + jump)
            session.call(READ)
            session.call(WRITE)
        assert server.paths() == ["POST /oauth20/token", "GET /data/5", "GET /data/5", "POST /data/5/row"]


@pytest.mark.fault(35, 29)
def test_a_token_that_expired_while_the_machine_slept_is_renewed_once(clicdata_sandbox: Sandbox) -> None:
    """The monotonic clock may stop during that time."""
    with clicdata_sandbox.session() as session:
        Data(session=session).get_data()
        clicdata_sandbox.faults.expire_tokens()
        before = len(clicdata_sandbox.requests)
        assert len(Data(session=session).get_data()) == 3
        assert [seen.path for seen in clicdata_sandbox.requests[before:]] == ["/data", "/oauth20/token", "/data"]


BODY = b'{"data":[{"a":1}],"has_more_data":false}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


@pytest.mark.fault(7)
def test_a_write_on_a_connection_that_closes_is_in_doubt() -> None:
    """The client can't know whether the service closed it before or after applying the request."""
    asked: list[str] = []

    def serve(taken: socket.socket) -> None:
        for answers in (True, False):
            asked.append(head_of(taken).split(b" ", 1)[0].decode())
            if answers:
                taken.sendall(ANSWER)

    with Listener(serve) as server, Session(api_key="k", url=f"http://127.0.0.1:{server.port}/") as session:
        session._sleep = lambda seconds: None
        assert session.call(READ).value() == [{"a": 1}]
        assert session.call(READ).value() == [{"a": 1}]
        assert asked == ["GET", "GET", "GET"], "on the second connection it is answered"
        with pytest.raises(errors.TransportError) as caught:
            session.call(WRITE)
        assert caught.value.in_doubt
        assert asked == ["GET", "GET", "GET", "POST"]


@pytest.mark.fault(68)
def test_a_closed_session_closes_connections_that_are_still_referenced() -> None:
    ended: list[bytes] = []
    over = threading.Event()

    def serve(taken: socket.socket) -> None:
        head_of(taken)
        taken.sendall(ANSWER)
        ended.append(taken.recv(1))
        over.set()

    with Listener(serve) as server, Session(api_key="k", url=f"http://127.0.0.1:{server.port}/") as session:
        session.call(READ)
        known = [one for one in gc.get_objects() if isinstance(one, HTTPConnectionPool) and one.port == server.port]
        session.close()
        assert over.wait(5)
    assert ended == [b""]
    assert known, "as a traceback would"


@pytest.mark.fault(64)
def test_many_threads_on_one_session_get_their_own_answers() -> None:
    def echo(seen: Seen) -> Says:
        return TOKEN if seen.path == "/oauth20/token" else Says({"data": [seen.path, seen.body.decode()]})

    def called(n: int) -> bool:
        if n % 2:
            return session.call(get("echo", f"/data/{n}", key="data")).value() == [f"/data/{n}", ""]
        request = Request("echo", "POST", f"/data/{n}/row", body=b'{"data":[%d]}' % n, key="data")
        return session.call(request).value() == [f"/data/{n}/row", f'{{"data":[{n}]}}']

    with ScriptedServer(echo) as server, Session(client_id="i", client_secret="s", url=server.url) as session:
        with ThreadPoolExecutor(16) as pool:
            assert all(pool.map(called, range(640)))
        assert server.paths().count("POST /oauth20/token") == 1
        assert len(server.seen) == 641


@pytest.mark.fault(43)
@pytest.mark.parametrize("api_version", [None, "2022.01"])
def test_equal_numbers_of_new_and_deleted_rows_are_not_noticed_except_in_a_stored_version(
    api_version: str | None,
) -> None:
    """A documented limit: no count can show it."""
    with start(page_size=10, max_page_size=10) as sandbox, sandbox.session(api_version=api_version) as session:
        rec_id = sandbox.create("Changing", {"n": "number"})
        sandbox.append(rec_id, [{"n": n} for n in range(35)])

        numbers = iter([3, 4])

        def exchanged() -> None:
            number = next(numbers)
            assert sandbox.delete(rec_id, {"n": number}) == 1
            sandbox.append(rec_id, [{"n": 100 + number}])

        for path in (f"/data/{rec_id}$", f"/data/{rec_id}/v/"):
            sandbox.faults.call(exchanged, path=re.compile(path), method="GET", after=1)
        version = Data(session=session).get_data_history(rec_id, "latest")
        assert version["n"].tolist() == list(range(35))
        now = pandas_clicdata.read_clicdata(rec_id, session=session, progress=False)["n"].tolist()
        assert len(now) == 35
        assert now != [row["n"] for row in sandbox.rows(rec_id)]
