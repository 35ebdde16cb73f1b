"""The deadline of a call ends it, whatever delays the response (C20); else the timeout of pytest ends the test.

``CLICDATA_STALLED`` is how many calls are held up in each way: 8 if it isn't set, 200 for ``--long``.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import totals
from certificates import Listener, head_of, over_tls, self_signed
from pandas_clicdata import errors
from pandas_clicdata.session.session import Session
from pandas_clicdata.session.wire import Request, get
from scripted import drip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CALLS = int(os.environ.get("CLICDATA_STALLED", "8"))
AT_ONCE = 12
DEADLINE = 0.25
HEAD = b"HTTP/1.1 200 OK\r\n"
READ = get("read rows", "/data/5", key="data")
LONG = Request("append rows", "POST", "/data/5/row", body=b" " * (8 << 20))


def hold(taken: socket.socket) -> None:
    """Send nothing until the other side closes the connection."""
    while taken.recv(65536):
        pass


def after_head(then: Callable[[socket.socket], object]) -> Callable[[socket.socket], None]:
    def serve(taken: socket.socket) -> None:
        head_of(taken)
        then(taken)

    return serve


def slow_handshake(taken: socket.socket) -> None:
    taken.recv(4096)
    drip(0.02, b"\x16\x03\x03\x20\x00" + b"\x02" * 400)(taken)


def takes_nothing(taken: socket.socket) -> None:
    """Read no byte of what is sent, so that sending stops when all buffers are full."""
    time.sleep(8 * DEADLINE)


HELD_UP: dict[str, Callable[[socket.socket], None]] = {
    "a body that drips": after_head(
        lambda c: [c.sendall(HEAD + b"Content-Length: 900\r\n\r\n")] and drip(0.02, b" " * 400)(c)
    ),
    "chunks that drip": after_head(
        lambda c: [c.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")] and drip(0.02, b"1\r\n \r\n" * 150)(c)
    ),
    "a status line that drips": after_head(drip(0.02, HEAD * 25)),
    "headers that drip": after_head(drip(0.02, HEAD + b"X-Slow: yes\r\n" * 60)),
    "silence": after_head(hold),
    "silence in the body": after_head(lambda c: [c.sendall(HEAD + b"Content-Length: 9\r\n\r\n{")] and hold(c)),
    "a handshake that drips": slow_handshake,
    "a handshake that stalls": hold,
    "a body that nobody takes": takes_nothing,
    "over TLS, a body that drips": after_head(
        lambda c: [c.sendall(HEAD + b"Content-Length: 900\r\n\r\n")] and drip(0.02, b" " * 400)(c)
    ),
}


def check(url: str, request: Request, **more: Any) -> None:
    """Make many calls at a time on one session; each must raise `DeadlineExceeded`."""
    with Session(api_key="k", url=url, timeout=(200, 200), deadline=DEADLINE, **more) as session:
        check_calls(session, request)


def check_calls(session: Session, request: Request) -> None:
    def call(_: int) -> None:
        with pytest.raises(errors.DeadlineExceeded):
            session.call(request)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert len(list(pool.map(call, range(CALLS)))) == CALLS
    totals.add("calls held up to their deadline", CALLS)


@pytest.fixture
def spared() -> Iterator[None]:
    """Leave no thread of a server that another test would wait for."""
    before = threading.active_count()
    yield
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)


@pytest.mark.parametrize("kind", HELD_UP)
def test_no_call_outlasts_its_deadline(kind: str, tmp_path: Path, spared: None) -> None:
    """C20: drip, stall, slow header, slow handshake."""
    serve, more = HELD_UP[kind], {}
    if kind.startswith("over TLS"):
        certificate = self_signed(tmp_path, "127.0.0.1")
        serve, more = over_tls(certificate, serve), {"ca_bundle": certificate}
    secure = more or "handshake" in kind
    with Listener(serve) as server:
        url = f"{'https' if secure else 'http'}://127.0.0.1:{server.port}/"
        check(url, LONG if kind == "a body that nobody takes" else READ, **more)


def test_no_lookup_of_a_name_outlasts_the_deadline(monkeypatch: pytest.MonkeyPatch, spared: None) -> None:
    """C20: a DNS stall."""
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(200) and [])
    try:
        check("https://api.clicdata.test/", READ)
    finally:
        released.set()


def test_no_login_outlasts_the_deadline(spared: None) -> None:
    """C20: a token endpoint without a response delays neither the log-in nor the calls that wait for the token."""
    with Listener(after_head(hold)) as server:
        url = f"http://127.0.0.1:{server.port}/"
        with Session(client_id="i", client_secret="s", url=url, deadline=DEADLINE) as session:
            check_calls(session, READ)
