"""Servers that are down, slow or hostile: limits of the time and the memory that they can take from a call."""

from __future__ import annotations

import functools
import gzip
import io
import json
import resource
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import urllib3

import totals
from certificates import Listener, head_of, over_tls, self_signed
from pandas_clicdata import errors
from pandas_clicdata.session import retry, transport
from pandas_clicdata.session.session import Session
from pandas_clicdata.session.wire import Request, get
from scripted import TOKEN, Says, ScriptedServer, Seen, drip, in_turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

READ = get("read rows", "/data/5", key="data")
WRITE = Request("append rows", "POST", "/data/5/row", body=b'{"data":[]}')
OK = Says({"data": [{"a": 1}], "has_more_data": False})
BODY = b'{"data":[{"a":1}],"has_more_data":false}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


def failed(session: Session, request: Request = WRITE) -> errors.ClicDataError:
    with pytest.raises(errors.ClicDataError) as caught:
        session.call(request)
    return caught.value


# ---------------------------------------------------------------------------------------------------------
# Time: if a limit isn't kept, the timeout of pytest ends the test


SLOW: dict[str, Callable[[socket.socket], None]] = {
    "a byte of the status line at a time": drip(0.05, ANSWER),
    "a header at a time": lambda c: [c.sendall(b"HTTP/1.1 200 OK\r\n")] and drip(0.02, b"X-Slow: yes\r\n" * 90)(c),
    "interim answers without end": lambda c: forever(c, b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01),
    "a body without end, chunk by chunk": lambda c: chunked(c, b"1\r\n \r\n", pause=0.01),
    "a chunk length without end": lambda c: chunked(c, b"0", pause=0.01),
    "trailers without end": lambda c: chunked(c, b"0\r\n" + b"X-Trailer: yes\r\n", b"X-Trailer: yes\r\n", pause=0.01),
    "silence": lambda c: hold(c),
    "silence in the middle of the body": lambda c: [c.sendall(ANSWER[:-5])] and hold(c),
}


def forever(connection: socket.socket, text: bytes, *, pause: float = 0.0, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        connection.sendall(text)
        if pause:
            time.sleep(pause)


def hold(connection: socket.socket) -> None:
    """Send nothing until the other side closes the connection."""
    while connection.recv(65536):
        pass


def chunked(connection: socket.socket, first: bytes, then: bytes | None = None, *, pause: float = 0.0) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + first)
    forever(connection, first if then is None else then, pause=pause)


@pytest.mark.fault(10)
@pytest.mark.parametrize("kind", SLOW)
def test_no_slow_response_outlasts_the_deadline(kind: str) -> None:
    def serve(taken: socket.socket) -> None:
        head_of(taken)
        SLOW[kind](taken)

    with Listener(serve) as server:
        url = f"http://127.0.0.1:{server.port}/"
        with Session(api_key="k", url=url, timeout=(200, 200), deadline=0.4) as session:
            error = failed(session)
    assert isinstance(error, errors.DeadlineExceeded)
    assert error.in_doubt


@pytest.mark.parametrize(
    "limit", [{"timeout": (0.3, 200)}, {"timeout": (200, 200), "deadline": 0.4}], ids=["connect", "call"]
)
@pytest.mark.parametrize("first", [b"", b"\x16\x03\x03\x20\x00"], ids=["silent", "dripping"])
def test_a_slow_handshake_is_cut_and_nothing_is_in_doubt(limit: dict[str, Any], first: bytes) -> None:
    def serve(taken: socket.socket) -> None:
        taken.recv(4096)
        drip(0.05, first + b"\x02" * 8000)(taken) if first else hold(taken)

    with Listener(serve) as server:
        url = f"https://127.0.0.1:{server.port}/"
        with Session(api_key="k", url=url, max_retries=0, **limit) as session:
            error = failed(session)
    assert isinstance(error, errors.TransportError)
    assert (error.sent, error.in_doubt) == ("no", False)
    assert isinstance(error, errors.DeadlineExceeded) if "deadline" in limit else error.reason == retry.TIMED_OUT


def test_a_slow_response_over_tls_is_cut_at_the_deadline(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path, "127.0.0.1")

    def serve(taken: socket.socket) -> None:
        head_of(taken)
        drip(0.05, ANSWER)(taken)

    with Listener(over_tls(certificate, serve)) as server:
        url = f"https://127.0.0.1:{server.port}/"
        with Session(api_key="k", url=url, deadline=0.5, ca_bundle=certificate) as session:
            error = failed(session)
    assert isinstance(error, errors.DeadlineExceeded)
    assert error.in_doubt


def test_each_connection_trusts_its_certificates_only(tmp_path: Path) -> None:
    connected: list[bytes] = []

    def serve(taken: socket.socket) -> None:
        connected.append(head_of(taken))
        taken.sendall(ANSWER)  # and no more requests: the next one needs a new connection

    certificate = self_signed(tmp_path, "127.0.0.1")
    with Listener(over_tls(certificate, serve)) as server:
        url = f"https://127.0.0.1:{server.port}/"
        with Session(api_key="k", url=url, ca_bundle=certificate) as session:
            for _ in range(3):
                assert session.call(READ).value() == [{"a": 1}]
        assert len(connected) == 3
        with Session(api_key="k", url=url, ca_bundle=self_signed(tmp_path, "127.0.0.1"), max_retries=0) as stranger:
            assert isinstance(failed(stranger), errors.TlsError)
    assert len(connected) == 3


def test_an_endless_name_lookup_is_cut_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(200) and [])
    try:
        with Session(api_key="k", url="https://api.clicdata.test/", deadline=0.3) as session:
            error = failed(session)
    finally:
        released.set()
    assert isinstance(error, errors.DeadlineExceeded)
    assert (error.sent, error.in_doubt) == ("no", False)


@pytest.mark.fault(1)
def test_an_unknown_host_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with Session(api_key="k", url="https://api.clicdata.test/", max_retries=2) as session:
        waits: list[float] = []
        session._sleep = waits.append
        error = failed(session)
    assert isinstance(error, errors.TransportError)
    assert (error.sent, error.reason) == ("no", "the host name can't be found")
    assert "api.clicdata.test" in str(error)
    assert len(waits) == 2


def test_nothing_is_sent_on_a_connection_that_comes_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up, received = threading.Event(), list[bytes]()
    real = socket.getaddrinfo

    def slow(_: object, *rest: Any, **more: Any) -> Any:
        looked_up.wait(200)
        return real("127.0.0.1", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    before = set(threading.enumerate())
    with Listener(lambda taken: received.append(taken.recv(65536))) as server:
        with Session(api_key="k", url=f"http://localhost:{server.port}/", deadline=0.2) as session:
            error = failed(session)
            looked_up.set()
            for thread in set(threading.enumerate()) - before:
                if thread.name == "clicdata-exchange":
                    thread.join(60)
                    assert not thread.is_alive()
    assert isinstance(error, errors.DeadlineExceeded)
    assert (error.sent, error.in_doubt) == ("no", False)
    assert not any(received)


@pytest.mark.parametrize("kind", SLOW)
def test_no_thread_outlasts_a_call_that_was_cut(kind: str) -> None:
    def serve(taken: socket.socket) -> None:
        head_of(taken)
        SLOW[kind](taken)

    with Listener(serve) as server:
        with Session(api_key="k", url=f"http://127.0.0.1:{server.port}/", timeout=(200, 200), deadline=0.3) as session:
            failed(session)
            for thread in threading.enumerate():
                if thread.name == "clicdata-exchange":
                    thread.join(60)
                    assert not thread.is_alive()


@pytest.mark.parametrize("junk", [b"HTTP/1.1 200 OK\r\n\r\n", b"\x00" * 600], ids=["plain HTTP", "zeros"])
def test_an_error_of_tls_after_the_request_leaves_a_write_in_doubt(junk: bytes, tmp_path: Path) -> None:
    """The error has the class of a failed handshake."""
    certificate = self_signed(tmp_path, "127.0.0.1")
    plain: list[socket.socket] = []
    secure = over_tls(certificate, lambda taken: [head_of(taken), plain[0].sendall(junk), hold(taken)])

    def serve(taken: socket.socket) -> None:
        plain.append(taken.dup())
        with plain[0]:
            secure(taken)

    with Listener(serve) as server:
        url = f"https://127.0.0.1:{server.port}/"
        with Session(api_key="k", url=url, ca_bundle=certificate, max_retries=0) as session:
            error = failed(session)
    assert isinstance(error, errors.TransportError)
    assert not isinstance(error, errors.TlsError)
    assert (error.sent, error.in_doubt) == ("unknown", True)


def test_the_body_of_a_redirect_is_limited_too() -> None:
    moved = Says(packed(256), 302, {"Location": "/elsewhere", "Content-Encoding": "gzip"})
    with ScriptedServer(lambda _: moved) as server, Session(api_key="k", url=server.url) as session:
        error = failed(session)
        assert len(server.seen) == 1
    assert isinstance(error, errors.ProtocolError)
    assert "larger than 64 MiB" in str(error)


def test_a_stalled_login_is_cut_and_the_work_is_not_in_doubt() -> None:
    with ScriptedServer(lambda _: Says(TOKEN.body, after=200)) as server:
        with Session(client_id="i", client_secret="s", url=server.url, deadline=0.3) as session:
            error = failed(session)
    assert isinstance(error, errors.DeadlineExceeded)
    assert (error.sent, error.in_doubt) == ("no", False)


# ---------------------------------------------------------------------------------------------------------
# Size


HUGE: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "a header line of a megabyte": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2**20), "larger"),
    "ten thousand headers": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000), "larger"),
    "a status line of a megabyte": (lambda c: c.sendall(b"HTTP/1.1 200 " + b"y" * 2**20), "larger"),
    "a body without end": (lambda c: endless(c, b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536), "larger"),
    "chunks without end": (
        lambda c: endless(
            c, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n%b\r\n" % (b" " * 65536)
        ),
        "larger",
    ),
    "a chunk length of no end": (
        lambda c: endless(c, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 65536),
        "larger",
    ),
    "a chunk of negative length": (
        lambda c: endless(c, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b" " * 65536),
        "larger",
    ),
    "trailers of no end": (
        lambda c: endless(c, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: " + b"y" * 65536),
        "larger",
    ),
    "something else than HTTP": (lambda c: c.sendall(b"SSH-2.0-OpenSSH_9.9\r\n"), "is not HTTP"),
}


def endless(connection: socket.socket, head: bytes, text: bytes) -> None:
    connection.sendall(head)
    forever(connection, text, seconds=20)


@pytest.mark.parametrize("kind", HUGE)
def test_no_answer_can_fill_the_memory(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LONGEST_BODY", 4 << 20)
    send, message = HUGE[kind]
    asked: list[int] = []

    def serve(taken: socket.socket) -> None:
        head_of(taken)
        asked.append(1)
        send(taken)

    with Listener(serve) as server, Session(api_key="k", url=f"http://127.0.0.1:{server.port}/") as session:
        error = failed(session)
    assert isinstance(error, errors.ProtocolError)
    assert message in str(error)
    assert error.in_doubt
    assert len(asked) == 1


def test_the_first_answer_is_the_one_that_counts_after_interim_ones() -> None:
    def serve(taken: socket.socket) -> None:
        while head_of(taken):
            taken.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + ANSWER)

    with Listener(serve) as server, Session(api_key="k", url=f"http://127.0.0.1:{server.port}/") as session:
        assert session.call(READ).value() == [{"a": 1}]


_BOMB = """
import resource, sys
from pandas_clicdata import Session, errors
from pandas_clicdata.session.wire import get
with Session(api_key="k", url=sys.argv[1], max_retries=0) as session:
    session.call(get("warm up", "/data/1", key="data"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        session.call(get("read rows", "/data/5", key="data"))
    except errors.ProtocolError as error:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, error)
"""


@functools.cache
def packed(megabytes: int, wbits: int = 31) -> bytes:
    packer = zlib.compressobj(9, wbits=wbits)
    blanks = b" " * 2**20
    first = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)  # refers to no earlier bytes
    return first + again * (megabytes - 1) + packer.flush()


@functools.cache
def packed_by_arrow(megabytes: int, codec: str) -> bytes:
    packed = io.BytesIO()
    with pa.CompressedOutputStream(packed, codec) as stream:
        for _ in range(megabytes):
            stream.write(b" " * 2**20)
        stream.flush()
        return packed.getvalue()


GIB = 1024  # in MiB
BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: packed(GIB),
    "deflate": lambda: packed(GIB, 15),
    "deflate, gzip": lambda: gzip.compress(packed(GIB, 15)),
    "gzip, gzip": lambda: gzip.compress(packed(GIB)),
    "gzip, gzip, gzip, gzip, gzip": lambda: functools.reduce(
        lambda body, _: gzip.compress(body), range(4), packed(GIB)
    ),
    "br": lambda: packed_by_arrow(GIB, "brotli"),
    "zstd": lambda: packed_by_arrow(GIB, "zstd"),
}


def exploded(bomb: bytes, encoding: str) -> tuple[int, str]:
    """Return the kilobytes that a bomb took in a process after other calls, and the error that it raised."""
    script = lambda seen: OK if seen.path == "/data/1" else Says(bomb, headers={"Content-Encoding": encoding})  # noqa: E731
    with ScriptedServer(script) as server:
        done = subprocess.run([sys.executable, "-c", _BOMB, server.url], capture_output=True, text=True, timeout=60)
    kilobytes, said = (done.stdout + " ").split(" ", 1)
    assert said.strip(), done.stderr
    return int(kilobytes), said


@pytest.mark.fault(55)
@pytest.mark.wide(4)
@pytest.mark.parametrize("encoding", BOMBS)
def test_a_decompression_bomb_is_stopped_at_the_limit(encoding: str) -> None:
    """C21: 1 MB that unpacks to 1 GiB takes at most twice as much memory as the limit of a response."""
    bomb = BOMBS[encoding]()
    assert len(bomb) < 1.1 * 2**20
    kilobytes, said = exploded(bomb, encoding)
    known = (
        encoding in ("gzip", "deflate") or "," in encoding or encoding in urllib3.response.HTTPResponse.CONTENT_DECODERS
    )
    assert ("larger than 64 MiB" in said) is known, said
    assert kilobytes < 2 * 64 * 1024


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, " * 6 + "gzip"])
def test_a_body_in_an_encoding_not_requested_is_an_error(encoding: str) -> None:
    body = gzip.compress(b'{"data":[]}')
    with ScriptedServer(lambda _: Says(body, headers={"Content-Encoding": encoding})) as server:
        with Session(api_key="k", url=server.url, max_retries=0) as session:
            assert isinstance(failed(session, READ), errors.ProtocolError)
        assert {seen.headers["accept-encoding"] for seen in server.seen} == {"gzip, deflate"}


# ---------------------------------------------------------------------------------------------------------
# A service that is down gets few requests


def refused_port() -> int:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


class Counted(Session):
    """A session that counts its attempts, and doesn't wait between them."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._sleep = lambda seconds: None
        self.attempts = Counter[int]()  # of each thread

    def _send(self, *args: Any) -> Any:
        self.attempts[threading.get_ident()] += 1
        return super()._send(*args)


@pytest.mark.parametrize("threads", [1, 8])
def test_a_thousand_calls_while_the_service_is_down(threads: int) -> None:
    """C19: 1.2 requests for each call on average, and 4 for any call, with any number of threads."""
    session = Counted(api_key="k", url=f"http://127.0.0.1:{refused_port()}/")

    def call(_: int) -> int:
        before = session.attempts[threading.get_ident()]
        with pytest.raises(errors.TransportError):
            session.call(READ)
        return session.attempts[threading.get_ident()] - before

    with session, ThreadPoolExecutor(threads) as pool:
        each = list(pool.map(call, range(1000)))
    assert 1000 < sum(each) <= 1200
    assert max(each) == 4
    assert session._budget.left < 5
    totals.add("calls of a service that is down", 1000)
    totals.add("requests for calls of a service that is down", sum(each))


@pytest.mark.parametrize("login", [True, False], ids=["while logging in", "while working"])
def test_a_service_that_answers_503_is_not_hammered_either(login: bool) -> None:
    """C19: the same holds for a service that only answers that it is down, and for log-ins."""
    down = Says(b"", 503, {"Retry-After": "1"})
    script = lambda seen: TOKEN if seen.path == "/oauth20/token" and not login else down  # noqa: E731
    with ScriptedServer(script) as server:
        with Session(client_id="i", client_secret="s", url=server.url) as session:
            session._sleep = lambda seconds: None
            for _ in range(100):
                with pytest.raises(errors.ApiError):
                    session.call(READ)
        assert len(server.seen) <= 100 + 20 + 1


def test_calls_that_go_well_fill_the_budget_again() -> None:
    state = {"down": True}
    with ScriptedServer(lambda _: Says(b"", 502) if state["down"] else OK) as server:
        with Session(api_key="k", url=server.url) as session:
            session._sleep = lambda seconds: None
            while session._budget.left >= 5:
                with pytest.raises(errors.ApiError):
                    session.call(READ)
            before = len(server.seen)
            with pytest.raises(errors.ApiError):
                session.call(READ)
            assert len(server.seen) == before + 1
            state["down"] = False
            for _ in range(5):
                session.call(READ)
            server.script = in_turn(Says(b"", 502), OK)
            assert session.call(READ).value() == [{"a": 1}]


def test_retries_after_429_cost_no_budget() -> None:
    """A service that throttles is not down: a long job under a limit continues, call by call."""
    state = {"calls": 0}

    def script(_: Seen) -> Says:
        state["calls"] += 1
        return Says(b"", 429, {"Retry-After": "1"}) if state["calls"] % 2 else OK

    with ScriptedServer(script) as server, Session(api_key="k", url=server.url) as session:
        waited: list[float] = []
        session._sleep = waited.append
        for _ in range(50):
            session.call(READ)
    assert len(waited) == 50
    assert min(waited) >= 1


def test_a_spent_retry_budget_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Session(api_key="k", url=f"http://127.0.0.1:{refused_port()}/") as session:
        session._sleep = lambda seconds: None
        with caplog.at_level("INFO", "pandas_clicdata"):
            for _ in range(8):
                failed(session)
    assert "not sent again, as too many calls of this session failed recently" in caplog.text


# ---------------------------------------------------------------------------------------------------------
# JSON


JSON_BOMBS = {
    "deep": b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"data":[' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"]}",
    "digits": b'{"data":[{"a":' + b"9" * 200_000 + b"}]}",
    "an exponent beyond Decimal": b'{"data":[{"a":1e999999999999999999999}]}',
    "NaN": b'{"data":[{"a":NaN}]}',
    "infinity": b'{"data":[{"a":Infinity}]}',
    "half a character": b'{"data":[{"a":"\\ud800"}]}',
    "bytes that are no text": b'{"data":[{"a":"\xff\xfe"}]}',
    "two documents": b'{"data":[]}{"data":[]}',
    "success twice": b'{"success":false,"data":[%b],"success":true}' % b",".join([b'{"a":1}'] * 5_000),
    "data twice": b'{"data":[%b],"data":[]}' % b",".join([b'{"a":1}'] * 5_000),
    "the flag twice": b'{"has_more_data":true,"data":[],"has_more_data":false}',
    "the flag twice within": b'{"result":[],"pagination":{"has_more_results":true,"has_more_results":false}}',
    "the result's data twice": b'{"success":true,"result":{"data":[{"a":1}],"data":[],"has_more_data":false}}',
    "an escaped twin": b'{"success":false,"data":[],"succ\\u0065ss":true}',
    "cells by the million": b'{"data":[' + b"[]," * 5_100_000 + b'[]],"has_more_data":false}',
}


@pytest.mark.fault(27, 56)
@pytest.mark.parametrize("kind", JSON_BOMBS)
def test_json_that_no_service_would_write_is_a_protocol_error(kind: str) -> None:
    with ScriptedServer(lambda _: Says(JSON_BOMBS[kind])) as server:
        with Session(api_key="k", url=server.url, max_retries=0) as session:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with pytest.raises(errors.ProtocolError):
                read_all(session)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 256 * 1024


def read_all(session: Session) -> list[Any]:
    from pandas_clicdata import Data

    rows = Data(session=session).get_data(5, output="dict")
    return json.loads(json.dumps(rows))  # type: ignore[no-any-return]


@pytest.mark.parametrize("cells", [b'{"a":"x,y}{][,"}', b'{"t":"\\",\\\\","n":1}'])
def test_commas_in_text_do_not_count_as_cells(cells: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    from pandas_clicdata.session import pages

    monkeypatch.setattr(pages, "MOST_CELLS", 20)
    body = b'{"data":[' + b",".join([cells] * 8) + b'],"has_more_data":false}'
    assert body.count(b",") > 20
    with ScriptedServer(lambda _: Says(body)) as server, Session(api_key="k", url=server.url) as session:
        assert len(read_all(session)) == 8


def test_a_long_page_is_read() -> None:
    from pandas_clicdata.session.wire import Answer, judge

    rows = b",".join(b'{"id":%d,"name":"row number %d","share":0.25}' % (n, n) for n in range(100_000))
    answer = Answer(200, b'{"data":[%b],"has_more_data":false}' % rows)
    assert judge(READ, answer).payload == b"[%b]" % rows
