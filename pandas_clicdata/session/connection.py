"""Connections that know two things urllib3's own don't: whether a request was sent, and its deadline.

The time limits of urllib3 hold for one step on the socket, and the one for sending is the one for
connecting; looking up a name has none at all. Here every step on the socket is given what is left of the
whole call, so that neither an answer that drips in nor a line that is slow can hold a call longer than it may
last, and what comes is counted, so that nothing that has no end can fill the memory.
"""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
from http.client import BadStatusLine, HTTPException, LineTooLong, RemoteDisconnected
from typing import TYPE_CHECKING, Any, NamedTuple

import urllib3
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context, resolve_cert_reqs

from pandas_clicdata.session.retry import TIMED_OUT
from pandas_clicdata.session.wire import PROXY_LOGIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from urllib3.response import BaseHTTPResponse

_PIECE = 1 << 18  # bytes sent under one time limit


class TooLong(Exception):
    """More came than an answer may have."""


class Attempt(threading.local):
    """What the attempt that this thread is making has come to."""

    sent = False  # whether a byte of it may have left
    deadline = float("inf")  # second on the monotonic clock
    step = 60.0  # seconds that one step on the socket may take
    most = 1 << 62  # bytes that may come, before decompression
    received = 0  # bytes that came

    def begin(self, deadline: float, step: float, most: int) -> None:
        """Start anew: nothing is sent."""
        self.sent, self.deadline, self.step, self.most, self.received = False, deadline, step, most, 0

    def left(self) -> float:
        """Seconds that the next step may take; a `TimeoutError` when there are none."""
        seconds = min(self.step, self.deadline - time.monotonic())
        if seconds <= 0:
            raise TimeoutError("the deadline of the call is over")
        return seconds

    def count(self, received: int) -> None:
        """Note that bytes came; `TooLong` when they are too many."""
        self.received += received
        if self.received > self.most:
            raise TooLong


class Written(NamedTuple):
    """A request as it goes to the service: no part of it says which service that is."""

    method: str
    target: str
    body: bytes | None
    headers: dict[str, str]


def sent(pool: HTTPConnectionPool, written: Written, limits: tuple[float, float]) -> BaseHTTPResponse:
    """Send a request once, with seconds to connect and to read, and give the answer with its body still to be read.

    Repeating is decided elsewhere, and a redirect is never followed.
    """
    return pool.urlopen(
        *written,
        retries=False,
        redirect=False,
        assert_same_host=False,
        timeout=urllib3.Timeout(connect=limits[0], read=limits[1]),
        preload_content=False,
        decode_content=False,
    )


class _TimedReader(io.RawIOBase):
    """Reads from a socket, each time with the limit that holds then."""

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        self._sock, self._attempt = sock, attempt
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._attempt.left())
        received = self._raw.readinto(buffer)
        self._attempt.count(received or 0)
        return received

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class _TimedSocket:
    """A connected socket whose every step is timed; in all else the socket itself."""

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        self._sock, self._attempt = sock, attempt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def settimeout(self, _: float | None) -> None:
        """Leave it: the limit is set before each step."""

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _PIECE):
            self._sock.settimeout(self._attempt.left())
            self._sock.sendall(view[start : start + _PIECE])

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._attempt))


def timed_pools(attempt: Attempt) -> dict[str, type[HTTPConnectionPool]]:
    """The pools, by scheme, whose connections keep ``attempt`` up to date."""

    class TimedPool(HTTPConnectionPool):
        def _validate_conn(self, conn: Any) -> None:
            if conn.is_closed:
                _in_time(conn.connect, conn, attempt)
            super()._validate_conn(conn)
            _make_ready(conn, attempt)

    class TimedTlsPool(HTTPSConnectionPool):
        def _prepare_proxy(self, conn: Any) -> None:
            _in_time(lambda: HTTPSConnectionPool._prepare_proxy(self, conn), conn, attempt)

        def _validate_conn(self, conn: Any) -> None:
            if conn.is_closed:
                _in_time(conn.connect, conn, attempt)
            super()._validate_conn(conn)
            _make_ready(conn, attempt)

    return {"http": TimedPool, "https": TimedTlsPool}


def share_certificates(pool: HTTPConnectionPool) -> None:
    """Load a pool's certificates once for all of its connections: that takes longer than a request."""
    if not isinstance(pool, HTTPSConnectionPool):
        return
    context = create_urllib3_context(cert_reqs=resolve_cert_reqs(pool.cert_reqs))
    if pool.ca_certs or pool.ca_cert_dir:
        context.load_verify_locations(pool.ca_certs, pool.ca_cert_dir)
    else:
        context.load_default_certs()
    pool.ca_certs = pool.ca_cert_dir = None
    pool.conn_kw["ssl_context"] = context


def _in_time(connect: Callable[[], object], conn: Any, attempt: Attempt) -> None:
    """Connect, and wait for it no longer than the call may last: to look up a name can take minutes."""
    problems: list[BaseException] = []
    finished, given_up = threading.Event(), threading.Event()

    def run() -> None:
        try:
            connect()
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
            problems.append(error)
        finished.set()
        if given_up.is_set():
            conn.close()

    threading.Thread(target=run, name="clicdata-connect", daemon=True).start()
    try:
        if not finished.wait(max(0.0, attempt.deadline - time.monotonic())):
            raise TimeoutError("the deadline of the call is over")
    except BaseException:
        given_up.set()
        raise
    if problems:
        raise problems.pop()


def _make_ready(conn: Any, attempt: Attempt) -> None:
    """Note that what fails from here on may have been sent, and put the limits on each step."""
    if isinstance(conn.sock, (socket.socket, ssl.SSLSocket)):
        conn.sock = _TimedSocket(conn.sock, attempt)
    attempt.sent = True


def is_tls_failure(error: BaseException) -> bool:
    """Whether the secure connection itself failed, somewhere down the causes of an error."""
    return any(isinstance(cause, (ssl.SSLError, urllib3.exceptions.SSLError)) for cause in _causes(error))


def is_timeout(error: BaseException) -> bool:
    """Whether time ran out, somewhere down the causes of an error."""
    kinds = (TimeoutError, urllib3.exceptions.TimeoutError)
    return any(isinstance(cause, kinds) for cause in _causes(error))


def is_broken_body(error: BaseException) -> bool:
    """Whether an answer came that can't be decoded: bad gzip, bad chunks."""
    kinds = (urllib3.exceptions.DecodeError, urllib3.exceptions.InvalidChunkLength)
    return any(isinstance(cause, kinds) for cause in _causes(error))


def is_too_long(error: BaseException) -> bool:
    """Whether an answer came that is too long, in its body, one line of its head, or the number of these."""
    return any(
        isinstance(cause, (TooLong, LineTooLong))
        or type(cause) is HTTPException  # too many lines: http.client has no class of its own for it
        or (isinstance(cause, urllib3.exceptions.ProtocolError) and "exceeded maximum" in str(cause))
        for cause in _causes(error)
    )


def is_not_http(error: BaseException) -> bool:
    """Whether what came is no answer of a web server."""
    causes = _causes(error)
    return any(isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected) for cause in causes)


def plain_reason(error: BaseException) -> str:
    """What happened, in a word or two that hold no address, header or secret."""
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return "the host name can't be found"
        if isinstance(cause, ConnectionRefusedError):
            return "the connection was refused"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message).rstrip(".")
        if isinstance(cause, (ConnectionResetError, BrokenPipeError)):
            return "the connection was cut"
        if isinstance(cause, OSError) and "tunnel connection failed: 407" in str(cause).lower():
            return PROXY_LOGIN
    if is_timeout(error):
        return TIMED_OUT
    for cause in _causes(error):
        if isinstance(cause, urllib3.exceptions.ProxyError):
            return "the proxy refused or failed"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return "the connection was closed before the answer was complete"


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what it came from: causes, contexts, and errors handed on as arguments."""
    found: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting and len(found) < 50:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
    return found
