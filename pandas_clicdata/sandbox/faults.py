"""Faults on request: those of a service, a proxy or a network.

The data sets stay correct, even if a response is wrong. So a test can compare the result of its client with
the stored rows.
"""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import msgspec

from pandas_clicdata.sandbox.answers import Answer, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from io import BufferedIOBase

    from typing_extensions import Unpack
    from werkzeug.datastructures import Headers

    from pandas_clicdata.sandbox.logins import Logins

    Apply = Callable[["Received"], Answer]  # applies a request and returns the true response
    Stage = Literal["arrival", "instead", "answer"]

_LOGIN_PATH = "/oauth20"
_POLL = 0.02  # seconds


class Where(TypedDict, total=False):
    """The requests that a fault applies to.

    method : the HTTP method; by default any.
    path : a path and all paths below it (``"/data/1001"``), or a compiled pattern that is searched for in the path;
        by default every path except the paths of log-ins.
    times : the number of requests, by default 1; None for all of them.
    after : the number of matching requests that pass before the first fault.
    """

    method: str | None
    path: str | re.Pattern[str] | None
    times: int | None
    after: int


class Hangup(Exception):
    """Close the connection without (another) response: normally, or with a reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


@dataclass
class Received:
    """A request that the sandbox received, and the status of its response; None without a response."""

    method: str
    path: str
    query: dict[str, str]
    headers: Headers
    body: bytes = b""
    status: int | None = None

    @property
    def json(self) -> object:
        """The body as Python objects; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass
class Exchange:
    """A request on its connection."""

    request: Received
    connection: socket.socket
    stream: BufferedIOBase  # the body is read from it
    closing: threading.Event

    def wait(self, seconds: float) -> None:
        """Wait, unless the sandbox closes."""
        self.closing.wait(seconds)

    def stall(self, seconds: float | None) -> None:
        """Send nothing until the caller hangs up, the time is over, or the sandbox closes."""
        end = time.monotonic() + (float("inf") if seconds is None else seconds)
        while not self.closing.is_set() and time.monotonic() < end:
            readable, _, _ = select.select([self.connection], [], [], _POLL)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return


@dataclass
class Fault:
    """One fault, and how often it happened (``hits``).

    ``at`` is the time when it acts: on ``arrival``, before the body is read; ``instead`` of the call, which it may
    make or not; on the ``answer``, after the call was made.
    """

    kind: str
    at: Stage
    act: Callable[..., Any]
    method: str | None = None
    path: str | re.Pattern[str] | None = None
    times: int | None = 1
    after: int = 0
    hits: int = field(default=0, init=False)
    _seen: int = field(default=0, init=False)

    def matches(self, method: str, path: str) -> bool:
        """Whether the fault applies to this request; counts the request if so."""
        if self.method is not None and self.method.upper() != method:
            return False
        if not self._on(path) or (self.times is not None and self.hits >= self.times):
            return False
        self._seen += 1
        if self._seen <= self.after:
            return False
        self.hits += 1
        return True

    def _on(self, path: str) -> bool:
        if self.path is None:
            return not path.startswith(_LOGIN_PATH)
        path = path.rstrip("/")
        if isinstance(self.path, re.Pattern):
            return self.path.search(path) is not None
        wanted = self.path.rstrip("/")
        return path == wanted or path.startswith(wanted + "/")


class Faults:
    """The faults of one sandbox, in the order in which they were added.

    Each method below adds a fault and returns it; ``.hits`` counts how often it happened. All take the
    keywords of ``Where``. A request meets at most one fault on arrival, and one either instead of its call or
    on its response.

    Examples
    --------
    >>> from pandas_clicdata.sandbox import start
    >>> with start() as sandbox:
    ...     fault = sandbox.faults.status(429, headers={"Retry-After": "1"}, method="POST", times=2)
    ...     fault = sandbox.faults.drop(applied=True, path="/data/1001/row", after=3)
    """

    def __init__(self, logins: Logins) -> None:
        self._logins = logins
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._late: list[threading.Thread] = []

    # -- called by the server ---------------------------------------------------------

    def due(self, at: Stage, method: str, path: str) -> Fault | None:
        """Return the first fault that applies to this request."""
        with self._lock:
            return next((fault for fault in self._faults if fault.at == at and fault.matches(method, path)), None)

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._faults.clear()

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until every late request is applied."""
        for thread in self._late:
            thread.join(timeout)

    def _add(self, kind: str, at: Stage, act: Callable[..., Any], where: Where) -> Fault:
        fault = Fault(kind, at, act, **where)
        with self._lock:
            self._faults.append(fault)
        return fault

    # -- on arrival -------------------------------------------------------------------

    def latency(self, seconds: float, **where: Unpack[Where]) -> Fault:
        """Delay the request by this number of seconds."""
        return self._add("latency", "arrival", lambda exchange: exchange.wait(seconds), where)

    def call(self, function: Callable[[], object], **where: Unpack[Where]) -> Fault:
        """Call a function first, such as another writer between two pages, a clock or a barrier of threads."""
        return self._add("call", "arrival", lambda _: function(), where)

    def drop_request(self, after_bytes: int = 0, *, reset: bool = True, **where: Unpack[Where]) -> Fault:
        """Read this number of bytes of the body, then close the connection. Nothing is applied."""

        def act(exchange: Exchange) -> None:
            length = int(exchange.request.headers.get("Content-Length", "0"))
            exchange.stream.read(min(after_bytes, length))
            raise Hangup(reset=reset)

        return self._add("drop_request", "arrival", act, where)

    # -- instead of the call, or after it ---------------------------------------------

    def status(
        self,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        applied: bool = False,
        **where: Unpack[Where],
    ) -> Fault:
        """Respond with this status. The request is applied before if ``applied``, else not at all."""
        if body is None:
            body = to_json({"error": {"code": str(status), "description": f"A fault of the sandbox: {status}."}})
        return self.answer(body, status=status, headers=headers, applied=applied, **where)

    def unauthorized(self, **where: Unpack[Where]) -> Fault:
        """Respond 401 as for a token that has expired."""
        return self.status(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}, **where)

    def expire_tokens(self) -> None:
        """Expire every access token now."""
        self._logins.expire_tokens()

    def error(
        self,
        code: str,
        description: str = "A fault of the sandbox.",
        *,
        status: int = 200,
        applied: bool = False,
        **where: Unpack[Where],
    ) -> Fault:
        """Respond ``{"success": false, "error": ...}``, by default under HTTP 200."""
        body = to_json({"success": False, "error": {"code": code, "description": description}})
        return self.answer(body, status=status, applied=applied, **where)

    def answer(
        self,
        body: bytes | str = b"",
        *,
        content_type: str = "application/json",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        applied: bool = False,
        **where: Unpack[Where],
    ) -> Fault:
        """Respond with any body: a web page, nothing, broken JSON, ``{"success": "false"}``."""
        answer = Answer(status, body.encode() if isinstance(body, str) else body, content_type, dict(headers or {}))
        return self._instead(f"answer {status}", lambda _: replace(answer), where, applied=applied)

    def redirect(self, url: str, status: int = 302, **where: Unpack[Where]) -> Fault:
        """Redirect to another URL."""
        return self.answer(b"", status=status, headers={"Location": url}, **where)

    def drop(self, *, applied: bool = False, reset: bool = True, **where: Unpack[Where]) -> Fault:
        """Close the connection without a response: with a reset, or normally (``reset=False``)."""

        def respond(_: Exchange) -> Answer:
            raise Hangup(reset=reset)

        return self._instead("drop", respond, where, applied=applied)

    def stall(self, seconds: float | None = None, *, applied: bool = False, **where: Unpack[Where]) -> Fault:
        """Send nothing until the caller hangs up, or for this number of seconds; then close."""

        def respond(exchange: Exchange) -> Answer:
            exchange.stall(seconds)
            raise Hangup(reset=False)

        return self._instead("stall", respond, where, applied=applied)

    def apply_late(self, seconds: float, *, stall: float | None = None, **where: Unpack[Where]) -> Fault:
        """Never respond, and apply the request after this number of seconds; the caller may have hung up by that time.

        The connection is closed after ``stall`` seconds; by default, when the caller hangs up.
        """

        def act(exchange: Exchange, apply: Apply) -> Answer:
            def apply_later() -> None:
                if not exchange.closing.wait(seconds):
                    apply(exchange.request)

            thread = threading.Thread(target=apply_later, daemon=True)
            self._late.append(thread)
            thread.start()
            exchange.stall(stall)
            raise Hangup(reset=False)

        return self._add("apply_late", "instead", act, where)

    def edit_request(self, function: Callable[[Received], Received], **where: Unpack[Where]) -> Fault:
        """Apply another request, which the function returns for the received request."""
        return self._add("edit_request", "instead", lambda exchange, apply: apply(function(exchange.request)), where)

    def _instead(self, kind: str, respond: Callable[[Exchange], Answer], where: Where, *, applied: bool) -> Fault:
        def act(exchange: Exchange, apply: Apply) -> Answer:
            if applied:
                apply(exchange.request)
            return respond(exchange)

        return self._add(kind, "instead", act, where)

    # -- on the response --------------------------------------------------------------

    def edit(self, function: Callable[[bytes], bytes], **where: Unpack[Where]) -> Fault:
        """Respond with another body, which the function returns for the true body."""
        return self._add("edit", "answer", lambda answer: replace(answer, body=function(answer.body)), where)

    def rows_inserted(self, count: object, **where: Unpack[Where]) -> Fault:
        """Respond with a wrong number of stored rows. A response without that number stays as it is."""

        def claim(body: bytes) -> bytes:
            fields = msgspec.json.decode(body)
            result = fields.get("result") if isinstance(fields, dict) else None
            if isinstance(result, dict) and "rows_inserted" in result:
                result["rows_inserted"] = count
            return to_json(fields)

        return self.edit(claim, **where)

    def header(self, name: str, value: str, **where: Unpack[Where]) -> Fault:
        """Add a header to the true response, such as ``Set-Cookie``."""

        def act(answer: Answer) -> Answer:
            return replace(answer, headers={**answer.headers, name: value})

        return self._add(f"header {name}", "answer", act, where)

    def bad_gzip(self, **where: Unpack[Where]) -> Fault:
        """Claim that the body is gzip when it is not."""
        return self.header("Content-Encoding", "gzip", **where)

    def deliver(self, function: Callable[[socket.socket, bytes, bytes], None], **where: Unpack[Where]) -> Fault:
        """Let a function send the true response: it takes the connection, the head and the body."""
        return self._add("deliver", "answer", lambda answer: replace(answer, delivery=function), where)
