"""One request over HTTP, and its response. The only module that imports requests or urllib3."""

from __future__ import annotations

import io
import socket
import ssl
import threading
import time
import weakref
from contextlib import suppress
from contextvars import copy_context
from http.client import BadStatusLine, HTTPException, LineTooLong, RemoteDisconnected
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from pandas_clicdata.errors import ClicDataError, DeadlineExceeded, ProtocolError, TlsError, TransportError
from pandas_clicdata.session.ahead import MOST_WORKERS, STEP
from pandas_clicdata.session.arguments import is_loopback
from pandas_clicdata.session.retry import TIMED_OUT
from pandas_clicdata.session.wire import PROXY_LOGIN, Answer

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_BODY = 64 << 20  # bytes of a response, decompressed
_PIECE = 1 << 18  # bytes of a body read at once


class HttpRequest(NamedTuple):
    """A request as it is sent."""

    operation: str
    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None


class Limits(NamedTuple):
    """Seconds: to connect, to read once, for the whole call, and how many are left of the call."""

    connect: float
    read: float
    deadline: float
    left: float


class Transport:
    """Connections to one service.

    The adapter of requests sends, without a `requests.Session`: that would use cookies, netrc and bodies of redirects.
    """

    def __init__(self, url: str, verify: str | bool) -> None:
        self._url = url
        self._verify = verify
        self._host = urlsplit(url).netloc
        self._lock = threading.Lock()
        self._wire: _Wire | None = None

    def close(self) -> None:
        """Close all connections that are not in use."""
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()

    def send(self, request: HttpRequest, limits: Limits) -> Answer | ClicDataError:
        """Send a request once.

        Errors are returned, not raised: a traceback would lead to frames that hold secrets. An interrupt gets an
        attribute ``sent``: whether a byte of the request may have been sent.
        """
        if limits.left <= 0:
            return _too_late(request.operation, limits.deadline, sent=False)
        ends = time.monotonic() + limits.left
        exchange = _Exchange(lambda: self._exchange(request, limits), limits.read)
        problem: BaseException | None = None
        try:
            exchange.start()
            exchange.join(min(limits.left, STEP))
            while exchange.is_alive() and (left := ends - time.monotonic()) > 0:
                exchange.join(min(left, STEP))
        except Exception as error:  # noqa: BLE001  # no thread can be started
            problem = error
        except BaseException as interrupt:
            interrupt.sent = exchange.stop()  # type: ignore[attr-defined]
            raise
        late, sent = exchange.is_alive(), exchange.stop()
        if exchange.answer is not None and not late:
            return exchange.answer
        problem = problem or exchange.problem or TimeoutError()
        timed_out = any(isinstance(cause, _TIMEOUT) for cause in _causes(problem))
        if late or (timed_out and time.monotonic() >= ends):
            return _too_late(request.operation, limits.deadline, sent=sent)
        return _translate(problem, request.operation, self._host, sent=sent)

    def _exchange(self, request: HttpRequest, limits: Limits) -> Answer:
        with self._lock:
            wire = self._wire = self._wire or _Wire(self._url, self._verify)
        with wire.send(request, (min(limits.connect, limits.left), min(limits.read, limits.left))) as response:
            pieces: list[bytes] = []
            size = 0
            # Not response.iter_content: before urllib3 2.8 it reads chunks of any declared length, even -1.
            while piece := response.raw.read1(_PIECE, decode_content=True):
                pieces.append(piece)
                size += len(piece)
                if size > LONGEST_BODY:
                    raise _TooLong
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, b"".join(pieces), headers)


class _Wire:
    """The adapter of requests with the settings of the environment.

    Both are held in closures. ``vars()`` then shows no password of a proxy.
    """

    def __init__(self, url: str, verify: str | bool) -> None:
        adapter = HTTPAdapter(pool_maxsize=MOST_WORKERS)
        with requests.Session() as environment:
            found: dict[str, Any] = dict(environment.merge_environment_settings(url, {}, True, verify, None))
        settings = {name: found[name] for name in ("verify", "cert", "proxies")}
        if is_loopback(urlsplit(url).hostname or ""):
            settings["proxies"] = {}  # a request to this machine must not leave it
        pool: Any = adapter.get_connection_with_tls_context(requests.Request("GET", url).prepare(), **settings)
        pool.ConnectionCls = type("Connection", (_Connection, pool.ConnectionCls), {})

        def send(request: HttpRequest, timeout: tuple[float, float]) -> requests.Response:
            body = io.BytesIO(request.body) if request.body else None  # sent in pieces, each with its own timeout
            prepared = requests.Request(request.method, request.url, request.headers, data=body).prepare()
            return adapter.send(prepared, stream=True, timeout=timeout, **settings)

        def close() -> None:
            pool.close()  # else urllib3 keeps connections open until the pool is garbage-collected
            adapter.close()

        self.send: Callable[[HttpRequest, tuple[float, float]], requests.Response] = send
        self.close: Callable[[], None] = close


class _Exchange(threading.Thread):
    """One request and its response, on a thread of its own, so that the caller can stop waiting at any time.

    Requests has no timeout for the lookup of a name, nor for headers that arrive byte by byte.
    """

    def __init__(self, work: Callable[[], Answer], read_timeout: float) -> None:
        super().__init__(name="clicdata-exchange", daemon=True)
        self._work: Callable[[], Answer] | None = work
        self._context = copy_context()  # a tracer finds the caller's span there
        self._lock = threading.Lock()
        self._stopped = False
        self._socket: Any = None
        self.read_timeout = read_timeout
        self.sent = False  # whether a byte of the request may have been sent
        self.answer: Answer | None = None
        self.problem: BaseException | None = None

    def run(self) -> None:
        assert self._work is not None
        try:
            self.answer = self._context.run(self._work)
        except BaseException as error:  # noqa: BLE001  # the caller translates it
            self.problem = error
        self._work = None

    def take(self, connection: HTTPConnection) -> None:
        """Note the socket before the first byte is sent, or raise if the caller has stopped waiting."""
        with self._lock:
            if self._stopped:
                raise TimeoutError("stopped before the request was sent")
            self._socket = connection.sock
            self.sent = True

    def leave(self) -> None:
        """Forget the socket: another exchange got its connection from the pool."""
        with self._lock:
            self._socket = None

    def stop(self) -> bool:
        """Stop sending and receiving; return whether a byte of the request may have been sent."""
        with self._lock:
            self._stopped = True
            if self.is_alive() and isinstance(self._socket, socket.socket):
                with suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # wakes the thread that reads
            return self.sent


class _Connection(HTTPConnection):
    """A connection that notifies its exchange before a request is sent."""

    _user: weakref.ref[_Exchange] | None = None

    def request(self, *args: Any, **kwargs: Any) -> None:
        exchange = threading.current_thread()
        assert isinstance(exchange, _Exchange)
        if self.is_closed:
            self.connect()
        if self._user is not None and (last := self._user()) is not None:
            last.leave()
        self._user = weakref.ref(exchange)
        exchange.take(self)
        self.timeout = exchange.read_timeout  # urllib3 would bound each step of sending by the connect timeout
        super().request(*args, **kwargs)


class _TooLong(Exception):
    """A response is longer than `LONGEST_BODY`."""


# ---------------------------------------------------------------------------------------------------------
# Errors of requests, urllib3 and Python as errors of this package


def _too_late(operation: str, deadline: float, *, sent: bool) -> DeadlineExceeded:
    """Return the error of a call that took longer than its deadline."""
    return DeadlineExceeded(
        f"{operation}: not done within {deadline:g} s (deadline=)",
        sent="unknown" if sent else "no",
        operation=operation,
    )


def _translate(problem: BaseException, operation: str, host: str, *, sent: bool) -> ClicDataError:
    """Return an error of this package for a foreign one. It holds no part of the foreign one."""
    causes = _causes(problem)
    reason = _plain_reason(causes)
    if not sent and any(isinstance(cause, (ssl.SSLError, urllib3.exceptions.SSLError)) for cause in causes):
        message = (
            f"{operation}: no secure connection to {host}: {reason}. Nothing was sent. If your "
            "network has a certificate of its own, name its file with ca_bundle=."
        )
        return TlsError(message, sent="no", operation=operation, reason=reason)
    if not sent:
        message = f"{operation}: no connection to {host}: {reason}. Nothing was sent."
        return TransportError(message, sent="no", operation=operation, reason=reason)
    if any(map(_is_too_long, causes)):
        message = f"{operation}: the response is larger than {LONGEST_BODY >> 20} MiB, or its headers are too long"
        return ProtocolError(message, operation=operation)
    if any(isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected) for cause in causes):
        message = f"{operation}: the response from {host} is not HTTP"
        return ProtocolError(message, operation=operation, repeat=1)
    if any(map(_is_broken_body, causes)):
        message = f"{operation}: the response can't be decompressed or is cut off"
        return ProtocolError(message, operation=operation, repeat=3)
    message = f"{operation}: no complete response from {host}: {reason}"
    return TransportError(message, operation=operation, reason=reason)


_TIMEOUT = (TimeoutError, urllib3.exceptions.TimeoutError)


def _is_too_long(cause: BaseException) -> bool:
    """Return whether a body, a header or the number of headers was too long."""
    return (
        isinstance(cause, (_TooLong, LineTooLong))
        or type(cause) is HTTPException  # http.client raises its base class for too many headers
    )


def _is_broken_body(cause: BaseException) -> bool:
    """Return whether a body can't be decompressed, or a chunk's length is not a number (empty: the body was cut)."""
    bad_length = type(cause) is ValueError and "with base 16" in str(cause) and not str(cause).endswith("b''")
    return bad_length or isinstance(cause, urllib3.exceptions.DecodeError)


def _plain_reason(causes: list[BaseException]) -> str:
    """Return the reason in a few words, without any address, header or secret."""
    for cause in causes:
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
    if any(isinstance(cause, _TIMEOUT) for cause in causes):
        return TIMED_OUT
    for cause in causes:
        if isinstance(cause, urllib3.exceptions.ProxyError):
            return "the proxy refused or failed"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return "the connection was closed before the response was complete"


def _causes(problem: BaseException) -> list[BaseException]:
    """Return the error with its reason, cause and context, and with the errors among its arguments."""
    found: list[BaseException] = []
    waiting: list[Any] = [problem]
    while waiting and len(found) < 50:
        one = waiting.pop(0)
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]
    return found
