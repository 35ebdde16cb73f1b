"""Misbehaviour on request: what a service, a gateway or a network can do to a call.

The data sets stay truthful whatever the answer claims, so a test can compare what its client believes with
what is stored.
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict

import msgspec

from pandas_clicdata.sandbox.answers import Answer, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from io import BufferedIOBase

    from typing_extensions import Unpack
    from werkzeug.datastructures import Headers

    from pandas_clicdata.sandbox.logins import Logins

_LOGIN_PATH = "/oauth20"
_POLL = 0.02  # seconds
_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Where(TypedDict, total=False):
    """Which requests a fault befalls.

    method : the verb; any when not given.
    path : a path and all below it (``"/data/1001"``), or a compiled pattern that is searched for in the path;
        when not given, every path but those of the logins.
    times : how many requests, 1 when not given; None for all of them.
    after : how many matching requests get through unharmed before.
    """

    method: str | None
    path: str | re.Pattern[str] | None
    times: int | None
    after: int


class Hangup(Exception):
    """Close the connection without (another) answer: politely, or with a reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


@dataclass
class Received:
    """A request the sandbox was sent, and the status it answered; None where it gave no answer."""

    method: str
    path: str
    query: dict[str, str]
    headers: Headers
    body: bytes = b""
    status: int | None = None

    @property
    def json(self) -> object:
        """The body as Python objects, None where it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Apply(Protocol):
    """Do what the request asks, as if nothing were wrong."""

    def __call__(self, request: Received, /) -> Answer:
        """Do it now."""
        ...


@dataclass
class Meeting:
    """A request on its connection, as a fault meets it."""

    request: Received
    connection: socket.socket
    stream: BufferedIOBase  # where the body is read from
    closing: threading.Event

    def wait(self, seconds: float) -> None:
        """Let time pass, unless the sandbox closes."""
        self.closing.wait(seconds)

    def stall(self, seconds: float | None) -> None:
        """Say nothing until the caller hangs up, the time is over, or the sandbox closes."""
        end = time.monotonic() + (float("inf") if seconds is None else seconds)
        while not self.closing.is_set() and time.monotonic() < end:
            readable, _, _ = select.select([self.connection], [], [], _POLL)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return


@dataclass
class Fault:
    """One misbehaviour, and how often it has happened.

    ``at`` is when it acts: on ``arrival``, before the body is read; ``instead`` of the call, which it may
    make or not; on the ``answer``, after the call was made.
    """

    kind: str
    at: Literal["arrival", "instead", "answer"]
    act: Callable[..., Answer | None]
    method: str | None = None
    path: str | re.Pattern[str] | None = None
    times: int | None = 1
    after: int = 0
    hits: int = field(default=0, init=False)
    _seen: int = field(default=0, init=False)

    def befalls(self, method: str, path: str) -> bool:
        """Whether this request is one of those; counts it when it is."""
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
    """The misbehaviours of one sandbox, in the order they were asked for.

    Each method below adds one and returns it; ``.hits`` tells how often it happened. All take the keywords of
    `Where`. A request meets at most one fault on arrival, and one either instead of its call or on its answer.

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

    # -- what the server asks -----------------------------------------------------------------------------

    def meet(self, at: str, method: str, path: str) -> Fault | None:
        """The first fault due for this request."""
        with self._lock:
            return next((fault for fault in self._faults if fault.at == at and fault.befalls(method, path)), None)

    def clear(self) -> None:
        """Behave again."""
        with self._lock:
            self._faults.clear()

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until what was to be applied late is applied."""
        for thread in self._late:
            thread.join(timeout)

    def _add(
        self,
        kind: str,
        at: Literal["arrival", "instead", "answer"],
        act: Callable[..., Answer | None],
        where: Where,
    ) -> Fault:
        fault = Fault(kind, at, act, **where)
        with self._lock:
            self._faults.append(fault)
        return fault

    # -- on arrival ---------------------------------------------------------------------------------------

    def latency(self, seconds: float, **where: Unpack[Where]) -> Fault:
        """Take this many seconds longer."""

        def act(meeting: Meeting) -> None:
            meeting.wait(seconds)

        return self._add("latency", "arrival", act, where)

    def call(self, function: Callable[[], object], **where: Unpack[Where]) -> Fault:
        """Do something else first: another writer between two pages, a clock, a barrier of threads."""

        def act(_: Meeting) -> None:
            function()

        return self._add("call", "arrival", act, where)

    def drop_request(self, after_bytes: int = 0, *, reset: bool = True, **where: Unpack[Where]) -> Fault:
        """Close the connection after so many bytes of the body, the rest unread. Nothing is applied."""

        def act(meeting: Meeting) -> None:
            length = int(meeting.request.headers.get("Content-Length", "0"))
            meeting.stream.read(min(after_bytes, length))
            raise Hangup(reset=reset)

        return self._add("drop_request", "arrival", act, where)

    # -- instead of the call, or after it -----------------------------------------------------------------

    def status(
        self,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        applied: bool = False,
        **where: Unpack[Where],
    ) -> Fault:
        """Answer this status, without having done anything or (``applied``) after having done it."""
        if body is None:
            body = to_json({"error": {"code": str(status), "description": f"The sandbox was told to say {status}."}})
        return self.answer(body, status=status, headers=headers, applied=applied, **where)

    def unauthorized(self, **where: Unpack[Where]) -> Fault:
        """Answer 401 as for a token that has expired."""
        return self.status(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}, **where)

    def expire_tokens(self) -> None:
        """Let every access token die, at once."""
        self._logins.expire_tokens()

    def error(
        self,
        code: str,
        description: str = "The sandbox was told to say so.",
        *,
        status: int = 200,
        applied: bool = False,
        **where: Unpack[Where],
    ) -> Fault:
        """Answer ``{"success": false, "error": ...}``, under HTTP 200 when no other status is given."""
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
        """Answer anything: a web page, nothing, broken JSON, ``{"success": "false"}``."""
        told = Answer(status, body.encode() if isinstance(body, str) else body, content_type, dict(headers or {}))

        def instead(meeting: Meeting, apply: Apply) -> Answer:
            if applied:
                apply(meeting.request)
            return replace(told)

        return self._add(f"answer {status}", "instead", instead, where)

    def redirect(self, url: str, status: int = 302, **where: Unpack[Where]) -> Fault:
        """Point elsewhere."""
        return self.answer(b"", status=status, headers={"Location": url}, **where)

    def drop(self, *, applied: bool = False, reset: bool = True, **where: Unpack[Where]) -> Fault:
        """Close the connection without an answer: with a reset or (``reset=False``) politely."""

        def instead(meeting: Meeting, apply: Apply) -> Answer:
            if applied:
                apply(meeting.request)
            raise Hangup(reset=reset)

        return self._add("drop", "instead", instead, where)

    def stall(self, seconds: float | None = None, *, applied: bool = False, **where: Unpack[Where]) -> Fault:
        """Say nothing, until the caller gives up or so many seconds have passed; then hang up."""

        def instead(meeting: Meeting, apply: Apply) -> Answer:
            if applied:
                apply(meeting.request)
            meeting.stall(seconds)
            raise Hangup(reset=False)

        return self._add("stall", "instead", instead, where)

    def apply_late(self, seconds: float, *, stall: float | None = None, **where: Unpack[Where]) -> Fault:
        """Never answer, and do what was asked so many seconds later, when nobody may be waiting any more.

        The connection is closed after ``stall`` seconds (when not given, once the caller gives up).
        """

        def instead(meeting: Meeting, apply: Apply) -> Answer:
            def late() -> None:
                if not meeting.closing.wait(seconds):
                    apply(meeting.request)

            thread = threading.Thread(target=late, daemon=True)
            self._late.append(thread)
            thread.start()
            meeting.stall(stall)
            raise Hangup(reset=False)

        return self._add("apply_late", "instead", instead, where)

    def keep_rows(self, count: int, **where: Unpack[Where]) -> Fault:
        """Store only the first rows of a request, and say so where the answer has a count."""

        def instead(meeting: Meeting, apply: Apply) -> Answer:
            fields = _raw_fields.decode(meeting.request.body)
            rows = msgspec.json.decode(fields["data"], type=list[msgspec.Raw])[:count]
            shortened = replace(meeting.request, body=to_json({"data": rows}))
            return apply(shortened)

        return self._add("keep_rows", "instead", instead, where)

    def repeat_page(self, **where: Unpack[Where]) -> Fault:
        """Give the page before the one that was asked for."""

        def instead(meeting: Meeting, apply: Apply) -> Answer:
            query = meeting.request.query
            page = max(1, int(query.get("page", "1")) - 1)
            return apply(replace(meeting.request, query={**query, "page": str(page)}))

        return self._add("repeat_page", "instead", instead, where)

    # -- on the answer ------------------------------------------------------------------------------------

    def edit(self, function: Callable[[bytes], bytes], **where: Unpack[Where]) -> Fault:
        """Answer what the function makes of the body."""

        def act(_: Meeting, answer: Answer) -> Answer:
            return replace(answer, body=function(answer.body))

        return self._add("edit", "answer", act, where)

    def rows_inserted(self, count: object, **where: Unpack[Where]) -> Fault:
        """Claim another number of stored rows than is true."""

        def act(_: Meeting, answer: Answer) -> Answer:
            body = msgspec.json.decode(answer.body)
            body["result"]["rows_inserted"] = count
            return replace(answer, body=to_json(body))

        return self._add("rows_inserted", "answer", act, where)

    def endless_pages(self, **where: Unpack[Where]) -> Fault:
        """Promise more pages after each."""
        return self._edit_paging("endless_pages", _promise_more, where)

    def without_paging(self, **where: Unpack[Where]) -> Fault:
        """Leave out everything that tells whether more pages follow."""
        return self._edit_paging("without_paging", _say_nothing, where)

    def _edit_paging(self, kind: str, change: Callable[[dict[str, msgspec.Raw]], None], where: Where) -> Fault:
        def act(_: Meeting, answer: Answer) -> Answer:
            fields = _raw_fields.decode(answer.body)
            change(fields)
            return replace(answer, body=to_json(fields))

        return self._add(kind, "answer", act, where)

    def header(self, name: str, value: str, **where: Unpack[Where]) -> Fault:
        """Add a header to the true answer, such as ``Set-Cookie``."""

        def act(_: Meeting, answer: Answer) -> Answer:
            return replace(answer, headers={**answer.headers, name: value})

        return self._add(f"header {name}", "answer", act, where)

    def cut(self, keep: float = 0.5, *, reset: bool = False, **where: Unpack[Where]) -> Fault:
        """Send this part of the body, though its length announces all of it; then hang up."""

        def deliver(connection: socket.socket, head: bytes, body: bytes) -> None:
            connection.sendall(head + body[: int(len(body) * keep)])
            if reset:
                raise Hangup(reset=True)

        return self._deliver("cut", deliver, where)

    def drip(self, seconds: float, *, size: int = 1, **where: Unpack[Where]) -> Fault:
        """Send the body ``size`` bytes at a time, each after so many seconds."""

        def act(meeting: Meeting, answer: Answer) -> Answer:
            def deliver(connection: socket.socket, head: bytes, body: bytes) -> None:
                connection.sendall(head)
                for start in range(0, len(body), size):
                    if meeting.closing.wait(seconds):
                        return
                    connection.sendall(body[start : start + size])

            return replace(answer, delivery=deliver)

        return self._add("drip", "answer", act, where)

    def bad_chunk(self, **where: Unpack[Where]) -> Fault:
        """Send the body in chunks, the second with a length that is none."""

        def deliver(connection: socket.socket, head: bytes, body: bytes) -> None:
            head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
            half = len(body) // 2
            connection.sendall(head + b"%x\r\n%b\r\nzz\r\n%b\r\n" % (half, body[:half], body[half:]))

        return self._deliver("bad_chunk", deliver, where)

    def bad_gzip(self, **where: Unpack[Where]) -> Fault:
        """Say the body is gzip when it is not."""
        return self.header("Content-Encoding", "gzip", **where)

    def gzip_bomb(self, megabytes: int = 256, **where: Unpack[Where]) -> Fault:
        """Answer a small body that unpacks to so many megabytes of valid JSON."""
        packed = _packed_blanks(megabytes)

        def act(_: Meeting, answer: Answer) -> Answer:
            return replace(answer, body=packed, headers={**answer.headers, "Content-Encoding": "gzip"})

        return self._add("gzip_bomb", "answer", act, where)

    def _deliver(self, kind: str, deliver: Callable[[socket.socket, bytes, bytes], None], where: Where) -> Fault:
        def act(_: Meeting, answer: Answer) -> Answer:
            return replace(answer, delivery=deliver)

        return self._add(kind, "answer", act, where)


def hang_up(connection: socket.socket, *, reset: bool) -> None:
    """Close a connection whose file objects are still open; with a reset, not even a FIN comes before."""
    with suppress(OSError):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            socket.close(connection.detach())
        else:
            connection.shutdown(socket.SHUT_WR)


def _promise_more(fields: dict[str, msgspec.Raw]) -> None:
    if "has_more_data" in fields:
        fields["has_more_data"] = msgspec.Raw(b"true")
    if "pagination" in fields:
        pagination = msgspec.json.decode(fields["pagination"])
        pagination |= {"has_more_results": True, "last_page": False}
        fields["pagination"] = msgspec.Raw(to_json(pagination))


def _say_nothing(fields: dict[str, msgspec.Raw]) -> None:
    fields.pop("has_more_data", None)
    fields.pop("pagination", None)


def _packed_blanks(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    blanks = b" " * 1_048_576
    parts = [packer.compress(b'{"data":[')]
    parts += [packer.compress(blanks) for _ in range(megabytes)]
    parts += [packer.compress(b'],"has_more_data":false}'), packer.flush()]
    return b"".join(parts)
