"""Connections that are opened before there are requests for them: no request is later, wrong or in doubt by them."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from certificates import Listener, head_of, over_tls, self_signed
from pandas_clicdata import Session, errors
from pandas_clicdata.session import connection
from pandas_clicdata.session.pages import Follower, Length
from pandas_clicdata.session.wire import Reply, Request, get

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

READ = get("read rows", "/data/5", key="data")
WRITE = Request("append rows", "POST", "/data/5/row", body=b'{"data":[]}')
WORKERS = 8
BODY = json.dumps({"success": True, "result": [{"a": 1}], "pagination": {"has_more_results": False}}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Service:
    """Answers on as many connections as there are; ``befalls`` is what befalls those first opened, instead."""

    def __init__(self) -> None:
        self.opened = 0
        self.heads: list[bytes] = []
        self.together: threading.Barrier | None = None
        self.befalls: list[Callable[[socket.socket], object]] = []
        self._turn = threading.Condition()

    def serve(self, taken: socket.socket) -> None:
        with self._turn:
            self.opened += 1
            self._turn.notify_all()
            befalls = self.befalls.pop() if self.befalls else None
        if befalls is not None:
            befalls(taken)
            return
        while head := head_of(taken):
            self.heads.append(head)
            if self.together is not None:
                self.together.wait(20)
            taken.sendall(ANSWER)

    def has_opened(self, *counts: int) -> bool:
        """Whether so many are open, once they had time to be."""
        with self._turn:
            return self._turn.wait_for(lambda: self.opened >= min(counts), 20) and self.opened in counts


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=["plain", "secure"])
def session(request: pytest.FixtureRequest, tmp_path: Path, service: Service) -> Iterator[Session]:
    secure = request.param == "secure"
    certificate = self_signed(tmp_path, "127.0.0.1") if secure else None
    serve = over_tls(certificate, service.serve) if certificate else service.serve
    with Listener(serve) as listening:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{listening.port}/"
        with Session(api_key="k", url=url, ca_bundle=certificate, max_retries=0) as session:
            yield session


def opened_ahead(session: Session, most: int = WORKERS) -> None:
    """Open connections, and wait until each is open or can't be."""
    session.open_ahead(most)
    wait_until_opened()


def wait_until_opened() -> None:
    for thread in [t for t in threading.enumerate() if t.name == "clicdata-connect"]:
        thread.join(20)
        assert not thread.is_alive()


def at_once(session: Session, service: Service, calls: int = WORKERS) -> None:
    service.together = threading.Barrier(calls)
    with ThreadPoolExecutor(calls) as pool:
        assert [reply.count for reply in pool.map(session.call, [READ] * calls)] == [1] * calls
    service.together = None


@pytest.mark.parametrize("used_before", [False, True])
def test_requests_that_are_sent_at_once_find_a_connection_each(
    session: Session, service: Service, used_before: bool
) -> None:
    if used_before:
        session.call(READ)
    opened_ahead(session)
    opened_ahead(session)  # one is missing, if it was left for a first request
    assert len(service.heads) == used_before, "nothing is asked"
    at_once(session, service)
    at_once(session, service)
    assert service.opened == WORKERS


def test_a_session_in_use_opens_no_more_than_are_missing(session: Session, service: Service) -> None:
    at_once(session, service, 3)
    opened_ahead(session, 3)
    opened_ahead(session, 1)
    opened_ahead(session, 0)
    assert service.has_opened(3)
    opened_ahead(session, 5)
    at_once(session, service, 5)
    assert service.opened == 5


def says_something_unasked(taken: socket.socket) -> None:
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    taken.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")


def hangs_up(taken: socket.socket) -> None:
    taken.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("befalls", [hangs_up, says_something_unasked])
def test_one_that_was_closed_or_answered_unasked_is_not_used(
    session: Session, service: Service, befalls: Callable[[socket.socket], object]
) -> None:
    befallen = threading.Semaphore(0)
    service.befalls = [lambda taken: (befalls(taken), befallen.release(), head_of(taken))] * (WORKERS - 1)
    opened_ahead(session)
    for _ in range(WORKERS - 1):
        assert befallen.acquire(timeout=20)
    time.sleep(0.1)  # until it has arrived
    service.together = threading.Barrier(WORKERS)
    with ThreadPoolExecutor(WORKERS) as pool:
        assert [reply.value() for reply in pool.map(session.call, [WRITE] * WORKERS)] == [[{"a": 1}]] * WORKERS
    assert service.opened == WORKERS - 1 + WORKERS


def test_one_that_was_not_used_for_long_is_not_used_any_more(
    session: Session, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    if session.url.startswith("http:"):
        pytest.skip("nothing lies between this machine and itself")
    opened_ahead(session)
    monkeypatch.setattr(connection, "_LONGEST_UNUSED", -1.0)
    at_once(session, service)
    assert service.opened == WORKERS - 1 + WORKERS
    at_once(session, service)
    assert service.opened == WORKERS - 1 + WORKERS, "those that were used are used again"


def test_where_nobody_listens_it_is_the_request_that_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Session(api_key="k", url=f"http://127.0.0.1:{port}/", max_retries=0) as session:
        opened_ahead(session)
        with pytest.raises(errors.TransportError, match="the connection was refused") as caught:
            session.call(WRITE)
    assert (caught.value.sent, caught.value.in_doubt) == ("no", False)


@pytest.mark.parametrize("bundle", ["of another", "of none"])
def test_where_no_secure_connection_can_be_made_it_is_the_request_that_fails(
    tmp_path: Path, service: Service, bundle: str
) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1")
    with Listener(over_tls(certificate, service.serve)) as listening:
        other = tmp_path / "other.pem"
        other.write_bytes(self_signed(tmp_path, "127.0.0.1").read_bytes() if bundle == "of another" else b"nothing")
        url = f"https://127.0.0.1:{listening.port}/"
        with Session(api_key="k", url=url, ca_bundle=other, max_retries=0) as session:
            opened_ahead(session)
            with pytest.raises(errors.TlsError) as caught:
                session.call(WRITE)
    assert (caught.value.sent, caught.value.in_doubt) == ("no", False)
    assert not service.heads


def test_a_proxy_is_asked_by_none_but_requests(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path, "api.clicdata.test")
    heads: list[bytes] = []

    def proxy(taken: socket.socket) -> None:
        heads.append(head_of(taken))
        taken.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        over_tls(certificate, service.serve)(taken)

    with Listener(proxy) as listening:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listening.port}")
        with Session(api_key="k", url="https://api.clicdata.test/", ca_bundle=certificate) as session:
            opened_ahead(session)
            session.call(READ)
            opened_ahead(session)
            assert len(heads) == 1
            at_once(session, service)
            at_once(session, service)
    assert len(heads) == service.opened == WORKERS


def test_one_that_comes_after_the_session_was_closed_is_closed(tmp_path: Path) -> None:
    taken_by_then, closed, hung_up = threading.Semaphore(0), threading.Event(), threading.Semaphore(0)
    certificate = self_signed(tmp_path, "127.0.0.1")

    def wait_for_the_end(taken: socket.socket) -> None:
        try:
            assert not head_of(taken)
        finally:  # it may be a reset
            hung_up.release()

    def serve(taken: socket.socket) -> None:
        taken_by_then.release()
        assert closed.wait(20)
        over_tls(certificate, wait_for_the_end)(taken)

    with Listener(serve) as listening:
        url = f"https://127.0.0.1:{listening.port}/"
        with Session(api_key="k", url=url, ca_bundle=certificate) as session:
            session.open_ahead(WORKERS)
            for _ in range(WORKERS - 1):
                assert taken_by_then.acquire(timeout=20)
        closed.set()
        for _ in range(WORKERS - 1):
            assert hung_up.acquire(timeout=20)
        session.open_ahead(WORKERS)
        assert not taken_by_then.acquire(timeout=0.2), "a closed session opens none"


# ---------------------------------------------------------------------------------------------------------
# By whom


@pytest.mark.parametrize(
    ("workers", "more", "opened"),
    [
        (8, {}, [8]),
        (1, {}, []),
        (8, {"wanted": lambda: 10}, [1]),
        (8, {"wanted": lambda: 2500}, [3]),
        (8, {"wanted": lambda: 10**6}, [8]),
        (8, {"expected": Length(100, 1000)}, []),  # they are all asked for at once
    ],
)
def test_a_follower_has_them_opened_before_it_asks(workers: int, more: dict[str, Any], opened: list[int]) -> None:
    found: list[int | str] = []

    def call(request: Request) -> Reply:
        found.append("asked")
        return Reply(request, b'[{"a":1}]', {"has_more_data": b"false"})

    pages = list(Follower(call, lambda _: READ, workers=workers, open_ahead=found.append, **more))
    assert len(pages) == 1
    assert [one for one in found if one != "asked"] == opened
    assert found[: len(opened)] == opened


@pytest.mark.parametrize(("workers", "nrows", "opened"), [(8, None, 8), (8, 5, 1), (1, None, 1)])
def test_a_read_opens_as_many_as_it_may_need_and_asks_for_no_more(
    session: Session, service: Service, workers: int, nrows: int | None, opened: int
) -> None:
    for _ in range(2):
        frame = pd.read_clicdata(5, workers=workers, nrows=nrows, session=session)
        pd.testing.assert_frame_equal(frame, pd.DataFrame({"a": [1]}, dtype="int64"), check_dtype=False)
        wait_until_opened()
    assert len(service.heads) == 2
    assert service.has_opened(opened, max(1, opened - 1)), "the first request may find one that is opened by then"
